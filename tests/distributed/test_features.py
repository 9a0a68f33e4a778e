"""Features computed on a cluster: to the bytes of a local build, from what nodes see or are sent, nothing twice."""

import os
import signal
import threading
import time
from dataclasses import replace

import counting_front_end as counting
import numpy as np
import pytest
import soundfile
from counting_front_end import bytes_of, recipe_of, recorded, times
from nodes import Cluster

import ser.frontends
from ser.data import encoders, recordings
from ser.distributed import feature_tasks, features, node, shard, transfer
from ser.distributed.messages import BuildShards, Rejected, ShardDone
from ser.distributed.pool import RayLost
from ser.distributed.profile import Profile
from ser.distributed.shard import Sent, Unseen, Work
from ser.distributed.transfer import Folder
from ser.errors import BadInput
from ser.features import shards
from ser.features.recipe import Recipe
from ser.features.store import Store
from ser.study import part

LOCAL = Profile.read("local")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(shards, "_ITEMS", 4)


@pytest.fixture(scope="module", autouse=True)
def _plugin(tmp_path_factory):
    plugins = tmp_path_factory.mktemp("plugins")
    counting.write(plugins)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ser.frontends, "__path__", list(ser.frontends.__path__))
        patch.setenv("SER_PLUGINS", str(plugins))
        yield


@pytest.fixture
def recipe(tmp_path, paper):
    """An entry of three shards."""
    return Recipe("c", paper.features.front_end, None, tuple((u, 0) for u in recorded(tmp_path / "audio", 10)))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache of this machine as a node."""
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def work(recipe, items, **other):
    mine = replace(recipe, items=tuple(recipe.items[i] for i in items))
    return Work(**{"recipe": mine, "items": items, "target": "/nowhere", "token": "", "folders": (),
                   "versions": node.versions(), "device": "cpu", **other})  # fmt: skip


def compute(work, sent=None):
    """On this machine as a node; references to pieces are the pieces."""
    return shard.compute(work, sent or Sent(), lambda piece: piece, "n1")


def sent_of(recipe):
    return Sent({u.sha: list(transfer.pieces(transfer.read(u))) for u, _ in recipe.items})


def same(one, other):
    arrays = zip(one.arrays, other.arrays, strict=True)
    return replace(one, arrays=()) == replace(other, arrays=()) and all(a.tobytes() == b.tobytes() for a, b in arrays)


def test_recordings_that_a_node_does_not_see_are_sent_and_removed_afterwards(recipe, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(transfer, "PIECE", 500)
    items, sent = range(4, 8), sent_of(recipe)
    assert len(sent.recordings[recipe.items[4][0].sha]) > 2
    expected = shards.compute_shard(recipe, items)
    (tmp_path / "audio").rename(tmp_path / "elsewhere")
    assert compute(work(recipe, items)) == Unseen(True, ())
    done = compute(work(recipe, items), sent)
    assert same(done.shard, expected)
    assert (done.items, done.node) == (items, "n1")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"x" * path.stat().st_size), lambda p: p.unlink()])
def test_another_file_at_the_same_path_is_not_the_recording(recipe, tmp_path, cache, change):
    sent = sent_of(recipe)
    change(tmp_path / "audio" / "2.wav")
    assert compute(work(recipe, range(4))) == Unseen(True, ())
    assert isinstance(compute(work(recipe, range(4)), sent), ShardDone)
    with pytest.raises(BadInput, match=r"as (it was )?scanned"):
        transfer.read(recipe.items[2][0])


def test_a_recording_that_goes_while_it_is_computed_is_asked_for(recipe, tmp_path, cache, monkeypatch):
    def lost(*_):
        (tmp_path / "audio" / "1.wav").unlink()
        raise BadInput("gone", "1.wav", "a file as it was scanned", "run the command again")

    monkeypatch.setattr(shards, "compute_shard", lost)
    assert compute(work(recipe, range(4))) == Unseen(True, ())


def test_what_a_front_end_refuses_as_a_whole_is_refused(recipe, cache, monkeypatch):
    def refuse(*_):
        raise BadInput("too long", "1.wav", "an utterance that fits", "take it out")

    monkeypatch.setattr(shards, "compute_shard", refuse)
    rejected = compute(work(recipe, range(4)))
    assert isinstance(rejected, Rejected)
    assert "too long" in str(rejected.error)


def test_a_node_with_other_libraries_computes_nothing(recipe, cache):
    rejected = compute(work(recipe, range(4), versions={**node.versions(), "soxr": "0.1"}))
    assert "but 0.1 where the command is given" in str(rejected.error)


def test_a_node_writes_into_an_entry_that_it_sees_and_no_other(recipe, tmp_path, cache):
    (tmp_path / "entry").mkdir()
    token = features._marked(tmp_path / "entry")
    there = {"target": str(tmp_path / "entry"), "token": token}
    assert compute(work(recipe, range(4, 8), **there)).shard is None
    assert {p.name for p in (tmp_path / "entry").iterdir()} == {".seen", "shard-0000004.npy", "shard-0000004.json"}
    assert compute(work(recipe, range(8, 10), **{**there, "token": "another"})).shard is not None
    (tmp_path / "entry" / ".seen").chmod(0)
    if os.geteuid():
        assert compute(work(recipe, range(8, 10), **there)).shard is not None
    assert not (tmp_path / "entry" / "shard-0000008.npy").exists()


@pytest.fixture
def noisy(recipe, tmp_path):
    """The entry with recorded noise, and the folder."""
    noises = tmp_path / "noises"
    (noises / "street").mkdir(parents=True)
    for i in range(2):
        soundfile.write(noises / "street" / f"{i}.wav", np.random.default_rng(i).normal(0, 0.1, 4000), 8000)
    augmentation = part("noise", source=recordings.fingerprint(noises))
    return replace(recipe, augmentation=augmentation), Folder.of_recordings(noises)


def test_a_folder_that_a_node_does_not_see_is_sent_once_and_kept(noisy, tmp_path, cache, monkeypatch):
    recipe, folder = noisy
    expected = shards.compute_shard(recipe, range(4), tmp_path / "noises")
    files = {name: list(pieces) for name, pieces in transfer.read_folder(folder)}
    assert list(files) == ["street/0.wav", "street/1.wav"]
    (tmp_path / "noises").rename(tmp_path / "elsewhere")
    transfer._check.cache_clear()
    asked = work(recipe, range(4), folders=(folder,))
    assert compute(asked) == Unseen(False, (folder,))
    assert same(compute(asked, Sent({}, {folder: files})).shard, expected)
    assert same(compute(asked).shard, expected)  # from the cache
    transfer._check.cache_clear()  # as another process
    kept = next((cache / "folders").glob("files-*"))
    (kept / "street" / "1.wav").write_bytes(b"cut")
    assert compute(asked) == Unseen(False, (folder,))
    assert same(compute(asked, Sent({}, {folder: files})).shard, expected)


def test_an_encoder_that_a_node_does_not_see_is_sent_once_and_kept(recipe, tmp_path, cache, monkeypatch):
    pytest.importorskip("transformers")
    from ser.demo import encoder

    identity = str(encoders.examine(encoder.make(tmp_path / "encoder")))
    encoders.remember({identity: tmp_path / "encoder"})
    (tmp_path / "encoder" / "README.md").write_text("not read")
    recipe = replace(recipe, front_end=part("pretrained", encoder=identity))
    (folder,) = features._folders(recipe, None)
    expected = shards.compute_shard(recipe, range(4))
    files = {name: list(pieces) for name, pieces in transfer.read_folder(folder)}
    assert sorted(files) == ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert folder.bytes() == sum(len(piece) for pieces in files.values() for piece in pieces)
    monkeypatch.setattr(encoders, "_folders", {})  # of another process
    monkeypatch.setattr(encoders, "_models", {})
    (tmp_path / "encoder").rename(tmp_path / "elsewhere")
    transfer._check.cache_clear()
    asked = work(recipe, range(4), folders=(folder,))
    assert compute(asked) == Unseen(False, (folder,))
    assert same(compute(asked, Sent({}, {folder: files})).shard, expected)
    assert encoders.folder_of(identity) == cache / "folders" / identity
    assert same(compute(asked).shard, expected)


def test_what_tasks_ask_of_ray(recipe, tmp_path, cache, pool):
    """A GPU for front-ends that compute batches, room for an encoder's weights."""
    pytest.importorskip("transformers")
    from ser.demo import encoder

    identity = str(encoders.examine(encoder.make(tmp_path / "encoder")))
    encoders.remember({identity: tmp_path / "encoder"})
    workers, size = pool([], sees=False), (tmp_path / "encoder" / "model.safetensors").stat().st_size
    with features.computing(Profile.read("gpu"), "somewhere", tmp_path, print) as compute_there:
        for front_end in (recipe.front_end, part("pretrained", encoder=identity)):
            compute_there(replace(recipe, front_end=front_end), [range(4)], None, tmp_path, lambda number: None)
    clean, encoded = workers.requests
    assert (clean.gpus, clean.memory) == (0.0, 0)
    assert encoded.gpus == Profile.read("gpu").gpus_per_trial
    assert 3 * size < encoded.memory < 4 * size


def test_a_task_asks_for_no_more_memory_than_a_node_with_its_gpu_has(recipe, tmp_path, monkeypatch):
    """Else it would wait for ever."""
    nodes = [
        {"Alive": True, "Resources": {"CPU": 64.0, "memory": 1000.0}},
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0, "memory": 100.0}},
        {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 8.0, "memory": 5000.0}},
    ]
    monkeypatch.setattr(feature_tasks.ray, "nodes", lambda: nodes)
    request = BuildShards(recipe, (), str(tmp_path), "", (), 0.5, 700)
    assert feature_tasks._options(request) == {"num_gpus": 0.5, "memory": 100}
    assert feature_tasks._options(replace(request, gpus=0.0)) == {"num_gpus": 0.0, "memory": 700}


def test_without_a_cluster_encoders_of_this_process_use_the_profiles_gpu_and_give_it_back(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(encoders, "_models", {("kept", "cpu"): 1, ("unloaded", "cuda"): 2})
    with features.computing(Profile.read("gpu"), None, tmp_path, print) as compute:
        assert compute is None
        assert encoders.device() == "cuda"
    assert encoders.device() == "cpu"
    assert encoders._models == {("kept", "cpu"): 1}
    monkeypatch.undo()
    with features.computing(LOCAL, None, tmp_path, print):
        assert encoders.device() == "cpu"


class Workers:
    """A pool that computes here, and dies after so many shards, again and again."""

    def __init__(self, lives, sees=True):
        self.lives, self.sees, self.requests, self.closed = list(lives), sees, [], 0

    def build(self, request, on_event):
        self.requests.append(request)
        life = self.lives.pop(0) if self.lives else len(request.shards)
        for items in request.shards[:life]:
            token = {"token": request.token, "target": request.target} if self.sees else {}
            on_event(compute(work(request.recipe, items, **token)))
        if life < len(request.shards):
            raise RayLost("its head is gone")

    def close(self):
        self.closed += 1


@pytest.fixture
def pool(monkeypatch):
    def start(lives, sees=True):
        made = Workers(lives, sees)
        monkeypatch.setattr(features.WorkerPool, "of_features", lambda *_: made)
        monkeypatch.setattr(features.time, "sleep", lambda seconds: None)
        return made

    return start


def build(recipe, folder, work_folder, address="somewhere", notes=None, **other):
    on_note = [].append if notes is None else notes.append
    with features.computing(LOCAL, address, work_folder, on_note) as computing:
        return Store(folder).build(recipe, compute=computing, **other)


@pytest.mark.parametrize("sees", [True, False])
def test_after_a_loss_only_missing_shards_are_asked_for_and_the_entry_is_that_of_a_local_build(
    recipe, tmp_path, cache, pool, sees
):
    workers, notes, counts = pool([1, 0, 1], sees), [], []
    there = build(
        recipe, tmp_path / "there", tmp_path, notes=notes, progress=lambda done, of: counts.append((done, of))
    )
    here = Store(tmp_path / "here").build(recipe)
    assert bytes_of(there.folder) == bytes_of(here.folder)
    assert [[s.start for s in r.shards] for r in workers.requests] == [[0, 4, 8], [4, 8], [4, 8], [8]]
    assert workers.closed == 4
    assert counts[-1] == (10, 10)
    assert sorted({done for done, _ in counts}) == [0, 4, 8, 10]
    assert sum("Ray was lost (its head is gone)" in line for line in notes) == 3
    assert "features: 3 shards on 1 node (" in notes[-1]
    build(recipe, tmp_path / "there", tmp_path)
    assert len(workers.requests) == 4  # nobody is asked for what is there


def test_a_cluster_that_is_lost_again_and_again_ends_the_build(recipe, tmp_path, cache, pool):
    workers = pool([1] + [0] * 20)
    with pytest.raises(BadInput, match=r"lost 10 times without progress .*the same command goes on"):
        build(recipe, tmp_path / "store", tmp_path)
    (entry,) = (p for p in (tmp_path / "store").iterdir() if p.is_dir())
    assert {p.name for p in entry.iterdir()} == {"shard-0000000.npy", "shard-0000000.json"}
    workers.lives = []
    build(recipe, tmp_path / "store", tmp_path)
    assert [s.start for s in workers.requests[-1].shards] == [4, 8]


def test_a_cluster_that_is_not_there_ends_the_build_and_one_that_was_there_may_still_be_starting(
    recipe, tmp_path, cache, pool, monkeypatch
):
    starts, workers = [], pool([1])

    def start(*_):
        starts.append(1)
        if len(starts) in refused:
            raise BadInput("no answer", "--address", "HOST:6379 of a running cluster", "start it")
        return workers

    monkeypatch.setattr(features.WorkerPool, "of_features", start)
    refused = [1]
    with pytest.raises(BadInput, match="no answer"):
        build(recipe, tmp_path / "store", tmp_path)
    assert workers.requests == []
    refused = [3, 4]
    build(recipe, tmp_path / "store", tmp_path)
    assert len(starts) == 5


def test_what_does_not_arrive_on_a_shared_drive_is_returned(recipe, tmp_path, cache, pool, monkeypatch):
    """As where a folder bears the mark, and is no more than a copy of the store."""
    workers = pool([])
    monkeypatch.setattr(features, "_ARRIVES_S", 0.0)
    monkeypatch.setattr(shard, "_is_written", lambda result, work: bool(work.token))
    there = build(recipe, tmp_path / "there", tmp_path)
    assert [bool(r.token) for r in workers.requests] == [True, False]
    assert bytes_of(there.folder) == bytes_of(Store(tmp_path / "here").build(recipe).folder)


def test_what_killed_workers_left_of_shards_is_removed(recipe, tmp_path, cache, pool):
    workers = pool([])
    genuine = workers.build

    def killed(request, on_event):
        for name in (".shard-0000004.npy.77-abcd", ".shard-0000008.json.78-abcd"):
            (tmp_path / "there" / recipe.key / name).write_bytes(b"cut")
        genuine(request, on_event)

    workers.build = killed
    assert bytes_of(build(recipe, tmp_path / "there", tmp_path).folder) == bytes_of(
        Store(tmp_path / "here").build(recipe).folder
    )


# On a real cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, _plugin):
    """A head with two workers, which was started before there were plugins."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SER_PLUGINS")
        made.head(cpus=2)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made
    made.end()


def test_a_worker_that_is_killed_costs_its_shard_alone(cluster, tmp_path):
    log, notes = tmp_path / "log", []
    recipe = recipe_of(recorded(tmp_path / "audio", 12), log, pause_s=0.2)
    victims = []

    def kill():
        while not counting.pids(log):
            time.sleep(0.05)
        victims.append(counting.pids(log)[0])
        os.kill(victims[0], signal.SIGKILL)

    killing = threading.Thread(target=kill, daemon=True)
    killing.start()
    there = build(recipe, tmp_path / "there", tmp_path, cluster.address, notes)
    killing.join()
    again = [number for number in times(log).values() if number > 1]
    assert len(times(log)) == 12
    assert 1 <= len(again) <= 4
    assert set(again) == {2}
    assert victims[0] not in counting.pids(log)[-4:]
    assert "features: 3 shards on 1 node (" in notes[-1]
    log.unlink()
    build(recipe, tmp_path / "there", tmp_path, "127.0.0.1:1")  # nothing is missing: nobody connects
    assert times(log) == {}
    assert bytes_of(there.folder) == bytes_of(Store(tmp_path / "here").build(recipe).folder)


def test_an_error_of_a_front_end_ends_the_build_and_says_where(cluster, tmp_path):
    recipe = recipe_of(recorded(tmp_path / "audio", 2, first=1234), tmp_path / "log")
    with pytest.raises(BadInput, match=r"counting of c/0 … c/1: ZeroDivisionError: of the plugin"):
        build(recipe, tmp_path / "there", tmp_path, cluster.address)

"""Features on nodes of several machines, which share nothing, are killed, and lack recordings, noises and encoders."""

import threading
import time
from dataclasses import replace

import counting_front_end as counting
import numpy as np
import pytest
import soundfile
from counting_front_end import bytes_of, recipe_of, recorded, times
from nodes import Cluster, network

import ser.frontends
from ser.data import encoders, recordings
from ser.demo import encoder
from ser.distributed import features
from ser.distributed.profile import Profile
from ser.features import shards
from ser.features.recipe import Recipe
from ser.features.store import Store
from ser.study import part

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(shards, "_ITEMS", 4)


@pytest.fixture(scope="module")
def net():
    """A network for nodes, each of which can hide folders."""
    made = network()
    if made is None:
        pytest.skip("needs a mount namespace of its own, which this machine does not permit")
    yield made
    made.end()


@pytest.fixture(scope="module")
def cluster(net, tmp_path_factory):
    """A head that computes nothing, started before there are plugins; nodes are added by the tests."""
    made = Cluster(tmp_path_factory.mktemp("cluster"), net)
    plugins = tmp_path_factory.mktemp("plugins")
    counting.write(plugins)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        try:
            made.head(cpus=0, client=True)
            patch.setattr(ser.frontends, "__path__", list(ser.frontends.__path__))
            patch.setenv("SER_PLUGINS", str(plugins))
            yield made
        finally:
            made.end()


def build(recipe, folder, work, address, recorded_noise=None):
    notes = []
    with features.computing(Profile.read("local"), address, work, notes.append) as compute:
        built = Store(folder).build(recipe, recorded_noise, compute=compute)
    return built, notes


def start(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("as_client", [False, True])
def test_a_node_that_sees_nothing_is_sent_all_that_it_needs(cluster, tmp_path, paper, as_client):
    """Recordings, noises, an encoder; and it returns its shards, as it does not see the store either."""
    (tmp_path / "noises").mkdir()
    soundfile.write(tmp_path / "noises" / "street.wav", np.random.default_rng(1).normal(0, 0.1, 4000), 8000)
    identity = str(encoders.examine(encoder.make(tmp_path / "encoder")))
    encoders.remember({identity: tmp_path / "encoder"})
    clean = Recipe("c", paper.features.front_end, None, tuple((u, 0) for u in recorded(tmp_path / "audio", 10)))
    noise = part("noise", source=recordings.fingerprint(tmp_path / "noises"))
    asked = [
        (clean, None),
        (replace(clean, augmentation=noise), tmp_path / "noises"),
        (replace(clean, front_end=part("pretrained", encoder=identity, layers="all")), None),
    ]
    # Its cache is hidden from us, as everything of it is.
    cluster.add("blind", cpus=2, hidden=[tmp_path], SER_CACHE=str(tmp_path / "of_node"))
    try:
        for recipe, folder in asked:
            address = cluster.client if as_client else cluster.address
            there, notes = build(recipe, tmp_path / "there", tmp_path / "work", address, folder)
            assert bytes_of(there.folder) == bytes_of(Store(tmp_path / "here").build(recipe, folder).folder)
            assert "shards on 1 node" in notes[-1]
    finally:
        cluster.empty()
    assert not (tmp_path / "of_node").exists()


def test_a_node_that_is_killed_costs_the_shards_that_it_had_begun(cluster, tmp_path):
    """One node sees all, and writes into the store itself; the other, blind, is killed as soon as it computes."""
    logs = tmp_path / "logs"
    logs.mkdir()
    log = logs / "log"
    recipe = recipe_of(recorded(tmp_path / "audio", 32), log, pause_s=0.25)
    hidden = [tmp_path / "audio", tmp_path / "there"]
    (tmp_path / "there").mkdir()
    cluster.add("blind", hidden=hidden, SER_CACHE=str(tmp_path / "b"))
    cluster.add("sees", SER_CACHE=str(tmp_path / "s"))
    killed = []

    def kill():
        while not killed:
            time.sleep(0.05)
            pids = {p.pid for p in cluster.processes("blind")}
            if pids & set(counting.pids(log)):
                cluster.kill("blind")
                killed.append(pids)

    try:
        killing = start(kill)
        there, notes = build(recipe, tmp_path / "there", tmp_path / "work", cluster.address)
        killing.join(10)
    finally:
        cluster.empty()
    again = [number for number in times(log).values() if number > 1]
    assert killed
    assert len(times(log)) == 32
    assert set(again) == {2}
    assert len(again) <= 4  # of the one shard that it was at
    assert "8 shards on 1 node" in notes[-1] or "8 shards on 2 nodes" in notes[-1]
    assert bytes_of(there.folder) == bytes_of(Store(tmp_path / "here").build(recipe).folder)


def test_two_commands_at_once_compute_each_shard_once(cluster, tmp_path):
    log = tmp_path / "log"
    recipe = recipe_of(recorded(tmp_path / "audio", 16), log, pause_s=0.1)
    built = []
    cluster.add("a", cpus=2, SER_CACHE=str(tmp_path / "a"))
    try:
        works = [tmp_path / "first", tmp_path / "second"]
        commands = [
            start(lambda work=work: built.append(build(recipe, tmp_path / "store", work, cluster.address)))
            for work in works
        ]
        for command in commands:
            command.join(120)
    finally:
        cluster.empty()
    assert len(built) == 2
    assert set(times(log).values()) == {1}
    assert sorted(len(notes) for _, notes in built) == [0, 1]  # one computed, the other waited


def test_a_head_that_is_lost_is_waited_for(tmp_path, monkeypatch):
    """With it go all nodes; the driver starts anew, and asks for what is missing."""
    log, lost = tmp_path / "log", []
    cluster = Cluster(tmp_path / "cluster")
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    plugins = tmp_path / "plugins"
    counting.write(plugins)
    monkeypatch.setattr(ser.frontends, "__path__", list(ser.frontends.__path__))
    monkeypatch.setenv("SER_PLUGINS", str(plugins))
    recipe = recipe_of(recorded(tmp_path / "audio", 24), log, pause_s=0.3)

    def restart():
        while len(times(log)) < 9:
            time.sleep(0.05)
        cluster.kill("head")
        lost.append(len(times(log)))
        cluster.head(cpus=1)

    try:
        cluster.head(cpus=1)
        restarting = start(restart)
        there, notes = build(recipe, tmp_path / "there", tmp_path / "work", cluster.address)
        restarting.join(60)
    finally:
        cluster.end()
    assert lost
    assert any("Ray was lost" in line for line in notes)
    assert sum(number > 1 for number in times(log).values()) <= 4
    assert bytes_of(there.folder) == bytes_of(Store(tmp_path / "here").build(recipe).folder)

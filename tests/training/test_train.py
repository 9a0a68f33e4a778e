"""The loop: it learns, repeats itself bit by bit, goes on where it was, and stops where the paper says."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ser.errors import BadInput, is_out_of_memory
from ser.metrics.accuracy import confusion, ua
from ser.registry import find, names
from ser.study import Corpus, Part, Training, part, trial_of
from ser.study.settings import values_of
from ser.training import checkpoint, seeds, start
from ser.training import train as loop
from ser.training.batches import Items, Stream
from ser.training.loss import Loss
from ser.training.start import CorpusData, Diverged
from ser.training.train import train

WIDTH, CLASSES = 8, 4


def side(corpus, number, seed, separable=True, name="u"):
    """Frames of noise; the class raises one bin."""
    make = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % CLASSES
    lengths = torch.randint(3, 20, (number,), generator=make).tolist()
    features = [torch.randn(n, WIDTH, generator=make) for n in lengths]
    if separable:
        for x, label in zip(features, labels, strict=True):
            x[:, label] += 2
    return Items(corpus, tuple(f"{corpus}/{name}{i}" for i in range(number)), features, labels)


def sides(corpus, seed, **other):
    train, val, test = (side(corpus, n, 10 * seed + i, **other) for i, n in enumerate((40, 16, 16)))
    return CorpusData(train, val, test)


@pytest.fixture(scope="module")
def data():
    return {"a": sides("a", 1), "b": sides("b", 2)}


@pytest.fixture
def trial(paper):
    """Two corpora, a head each, a small LSTM, four epochs."""
    two = tuple(Corpus(name, name.upper(), Part("none"), part("named", test=("x",))) for name in "ab")
    point = {"corpora": ("a", "b"), "block": "lstm", "pooling": "mean_var", "task": "multi"}
    budget = Training(
        learning_rate=1e-2,
        weight_decay=1e-5,
        clip_norm=10.0,
        batch_size=8,
        batches="corpus",
        bucket_pool=2,
        steps_per_epoch=10,
        max_epochs=4,
        patience_epochs=4,
        min_improvement=0.002,
        keep="best",
        watch=(),
        loss="cross_entropy",
        class_weights="inverse",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=False,
    )
    made = trial_of(paper, point, {c.name: c for c in two}, seed=0)
    return replace(made, block=made.block.changed(prep_units=8, units=8), training=budget)


def trained(trial, data, folder, report=lambda epoch, row: None, split=1):
    folder.mkdir(exist_ok=True)
    return train(trial, data, folder / "checkpoint.pt", "cpu", report, split)


def untimed(history):
    return [{k: v for k, v in row.items() if k != "timestamp_ms"} for row in history]


def assert_bit_equal(one, other):
    assert untimed(one.history) == untimed(other.history)
    assert one.best_epoch == other.best_epoch
    for corpus in one.predictions:
        assert one.predictions[corpus].names == other.predictions[corpus].names
        assert one.predictions[corpus].probabilities.tobytes() == other.predictions[corpus].probabilities.tobytes()


def losses_of(outcome):
    return [row[key] for row in outcome.history for key in sorted(row) if "loss" in key]


def changed(trial, **training):
    return replace(trial, training=replace(trial.training, **training))


PRECISIONS = ["float32", "bfloat16"]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("task", ["unified", "multi"])
def test_learns_what_can_be_learnt(trial, data, tmp_path, task, precision):
    outcome = trained(changed(replace(trial, task=task), max_epochs=8, precision=precision), data, tmp_path)
    assert outcome.history[-1]["val/loss"] < outcome.history[0]["val/loss"] / 3
    for p in outcome.predictions.values():
        assert ua(confusion(p.truth, p.predicted, CLASSES)) > 0.9


def test_does_not_learn_what_is_not_there(trial, tmp_path):
    noise = {name: sides(name, i, separable=False) for i, name in enumerate("ab")}
    outcome = trained(trial, noise, tmp_path)
    assert all(ua(confusion(p.truth, p.predicted, CLASSES)) < 0.7 for p in outcome.predictions.values())


def test_history_holds_the_curves_of_every_corpus_and_their_mean(trial, data, tmp_path):
    row = trained(trial, data, tmp_path).history[0]
    kinds = ("train/loss", "val/loss", "val/wa", "val/ua")
    assert row.keys() == {f"{k}/{c}" for k in kinds for c in "ab"} | {"train/loss", "val/loss", "epoch", "timestamp_ms"}
    assert row["val/loss"] == pytest.approx((row["val/loss/a"] + row["val/loss/b"]) / 2)


def test_the_same_trial_gives_the_same_bits_and_another_seed_others(trial, data, tmp_path):
    first = trained(trial, data, tmp_path / "1")
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 what happened before in the process must not matter
    assert_bit_equal(first, trained(trial, data, tmp_path / "2"))
    for other in (replace(trial, seed=1), replace(trial, repeat=1)):
        assert untimed(trained(other, data, tmp_path / other.id).history) != untimed(first.history)


@pytest.mark.parametrize("kind", ["weights", "batches", "dropout"])
def test_each_kind_of_random_number_has_a_seed_of_its_own(trial, data, tmp_path, monkeypatch, kind):
    """Another one changes what is learned; that of dropout nothing where nothing is dropped."""
    undropped = replace(trial, block=trial.block.changed(dropout=0.0))
    before = [untimed(trained(t, data, tmp_path / f"{i}").history) for i, t in enumerate((trial, undropped))]
    genuine = getattr(seeds, f"for_{kind}")
    monkeypatch.setattr(seeds, f"for_{kind}", lambda *given: [*genuine(*given), 99])
    after = [untimed(trained(t, data, tmp_path / f"{i}, other").history) for i, t in enumerate((trial, undropped))]
    assert after[0] != before[0]
    assert (after[1] == before[1]) is (kind == "dropout")


class Killed(Exception):
    pass


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_a_run_that_was_killed_goes_on_to_the_same_bits(trial, data, tmp_path, last, precision):
    trial = changed(trial, precision=precision)
    whole = trained(trial, data, tmp_path / "whole")

    def killed(epoch, row):
        if epoch == last:
            raise Killed

    with pytest.raises(Killed):
        trained(trial, data, tmp_path / "killed", killed)
    seen = []
    resumed = trained(trial, data, tmp_path / "killed", lambda epoch, row: seen.append(epoch))
    assert_bit_equal(resumed, whole)
    assert seen == [1, 2, 3, 4]


def test_a_finished_checkpoint_trains_no_more(trial, data, tmp_path, monkeypatch):
    whole = trained(trial, data, tmp_path)
    monkeypatch.delattr(loop, "_train_epoch")
    assert_bit_equal(trained(trial, data, tmp_path), whole)


@pytest.fixture
def losses(monkeypatch):
    """Replaces training and validation by validation losses that a test writes down."""

    def plant(*values):
        planted = iter(values)
        monkeypatch.setattr(loop, "_train_epoch", lambda *_: {})
        monkeypatch.setattr(loop, "_validate", lambda *_: {"val/loss": next(planted)})

    return plant


@pytest.mark.parametrize(
    ("values", "epochs", "best"),
    [
        ((1.0, 1.0, 1.0, 9.0), 4, 1),  # the first epoch improves on nothing, three do not
        ((1.0, 0.999, 0.9985, 0.9981, 0.1), 4, 4),  # each falls by less than 0.2 %, and so do they together
        ((1.0, 0.999, 0.997, 0.9965, 0.996, 0.9955, 9.0), 6, 6),  # 0.3 % in two epochs count
        ((1.0, 1.1, 1.2, 0.9, 1.0, 1.0, 1.0, 9.0), 7, 4),
        ((0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01), 10, 10),
    ],
)
def test_stops_three_epochs_after_the_last_fall_by_two_permille(trial, data, tmp_path, losses, values, epochs, best):
    losses(*values)
    outcome = trained(changed(trial, max_epochs=10, patience_epochs=3), data, tmp_path)
    assert (len(outcome.history), outcome.best_epoch) == (epochs, best)


def test_predicts_with_the_weights_of_the_lowest_validation_loss(trial, data, tmp_path, monkeypatch):
    weights, genuine = [], loop._validate
    planted = iter((0.5, 0.2, 0.4, 0.3))

    def validate(run, epoch):
        weights.append({k: v.clone() for k, v in run.network.state_dict().items()})
        return genuine(run, epoch) | {"val/loss": next(planted)}

    monkeypatch.setattr(loop, "_validate", validate)
    outcome = trained(trial, data, tmp_path)
    assert outcome.best_epoch == 2
    assert all(torch.equal(outcome.weights[k], v) for k, v in weights[1].items())
    assert not all(torch.equal(outcome.weights[k], v) for k, v in weights[3].items())
    network = start.build_network(trial, data)
    network.load_state_dict(weights[1])
    again = loop.predict(network, data["a"].test).probabilities
    assert again.tobytes() == outcome.predictions["a"].probabilities.tobytes()


def test_a_loss_that_is_no_number_names_step_utterance_and_learning_rate(trial, data, tmp_path):
    spoilt = replace(data["b"].train, features=[f * math.nan for f in data["b"].train.features])
    with pytest.raises(Diverged, match=r"loss nan at step 2, learning rate 0\.01, .*; batch: .*b/u\d+"):
        trained(replace(trial, normalise="none"), {**data, "b": replace(data["b"], train=spoilt)}, tmp_path)


def with_block(trial, paper, block, **changed):
    """The trial with a small temporal block of that name, all class frequencies apart."""
    papers = block in {b.name for b in paper.blocks}
    block = paper.block(block) if papers else part(block, **values_of(find("models", block).example()[1]))
    small = {k: 8 for k in ("units", "prep_units") if k in block.values()}
    return replace(trial, block=block.changed(**small, **changed))


def unbalanced(data):
    """Classes of very different numbers, so that their weights differ."""
    labels = torch.tensor([0] * 2 + [1] * 5 + [2] * 10 + [3] * 23)
    return {c: replace(d, train=replace(d.train, labels=labels)) for c, d in data.items()}


BLOCKS = [name for name in names("models") if find("models", name).GIVES == "frames"]


@pytest.mark.parametrize("block", BLOCKS)
def test_bfloat16_is_another_trial_that_goes_its_own_way_beside_float32(trial, data, paper, tmp_path, block):
    trial = changed(with_block(trial, paper, block), learning_rate=1e-3, max_epochs=2, steps_per_epoch=5)
    reduced = changed(trial, precision="bfloat16")
    assert reduced.id != trial.id
    assert (reduced.params()["training.precision"], trial.params()["training.precision"]) == ("bfloat16", "float32")
    exact, rounded = (trained(t, data, tmp_path / t.id) for t in (trial, reduced))
    assert losses_of(rounded) != losses_of(exact)
    assert losses_of(rounded) == pytest.approx(losses_of(exact), rel=0.01)
    assert {w.dtype for w in rounded.weights.values()} == {torch.float32}
    assert_bit_equal(rounded, trained(reduced, data, tmp_path / "again"))


@pytest.mark.parametrize("block", BLOCKS)
def test_evaluation_is_in_the_precision_of_the_training(trial, data, paper, tmp_path, block):
    trial = changed(with_block(trial, paper, block), precision="bfloat16", max_epochs=1)
    outcome = trained(trial, data, tmp_path)
    for precision, same in (("bfloat16", True), ("float32", False)):
        network = start.build_network(changed(trial, precision=precision), data)
        network.load_state_dict(outcome.weights)
        again = loop.predict(network, data["a"].test).probabilities.tobytes()
        assert (again == outcome.predictions["a"].probabilities.tobytes()) is same


@pytest.mark.parametrize("block", BLOCKS)
def test_bfloat16_too_finds_a_loss_that_is_no_number(trial, data, paper, tmp_path, block):
    trial = replace(changed(with_block(trial, paper, block), precision="bfloat16"), normalise="none")
    spoilt = replace(data["b"].train, features=[f * math.nan for f in data["b"].train.features])
    with pytest.raises(Diverged, match=r"loss nan at step 2"):
        trained(trial, {**data, "b": replace(data["b"], train=spoilt)}, tmp_path)


def test_tf32_is_refused_where_there_is_none(trial, data, tmp_path):
    with pytest.raises(BadInput, match="float32 or bfloat16") as error:
        trained(changed(trial, precision="tf32"), data, tmp_path)
    assert (error.value.value, error.value.place) == ("tf32", "training.precision")


@pytest.mark.parametrize(("precision", "told"), [("float32", "ieee"), ("bfloat16", "ieee"), ("tf32", "tf32")])
def test_a_card_multiplies_float32_as_float32_unless_tf32_is_asked_for(monkeypatch, precision, told):
    monkeypatch.setattr(torch.cuda, "is_tf32_supported", lambda: True)
    for before in ("float32", "tf32"):  # an earlier trial of the process
        start.set_precision(before, "cuda")
        start.set_precision(precision, "cuda")
        kinds = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
        assert [kind.fp32_precision for kind in kinds] == [told] * 3
    start.set_precision("float32", "cuda")


def test_a_cpu_has_no_memory_of_one_trial_to_tell(trial, data, tmp_path):
    assert trained(trial, data, tmp_path).memory == {}


def test_the_peak_is_what_torch_reserved_since_the_trial_began(monkeypatch):
    card = {"reserved": 5 << 30, "kept": 4 << 30, "peak": 7 << 30}
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: card.update(reserved=card["kept"]))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: card.update(peak=card["reserved"]))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: card["peak"])
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=80 << 30))
    loop._reset_peak_memory("cuda")
    assert loop._peak_memory("cuda") == {"memory/gpu_peak_mb": 4096.0, "memory/gpu_total_mb": 81920.0}


def test_a_peak_is_told_by_who_trained_and_not_by_who_only_evaluated(trial, data, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_peak_memory", lambda device: {"memory/gpu_peak_mb": 900.0})
    assert trained(trial, data, tmp_path).memory == {"memory/gpu_peak_mb": 900.0}
    assert trained(trial, data, tmp_path).memory == {}


@pytest.mark.parametrize("class_weights", ["inverse", "none"])
@pytest.mark.parametrize("block", BLOCKS)
def test_uncut_the_updates_are_the_plain_ones_to_the_bit(trial, data, paper, tmp_path, block, class_weights):
    trial = changed(with_block(trial, paper, block), class_weights=class_weights, max_epochs=1)
    data = unbalanced(data)
    torch.manual_seed(seeds.integer([0, 0, 0]))
    network = start.build_network(trial, data)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2, weight_decay=1e-5, fused=True)
    torch.manual_seed(seeds.integer([0, 0, 2, 1]))
    for step in range(10):
        corpus = "ab"[step % 2]
        items = data[corpus].train
        batch = items.batch(Stream(items.lengths(), 8, 2, [0, 0, 1, step % 2]).indices(step // 2))
        optimiser.zero_grad()
        logits = network(batch.frames, batch.lengths, corpus)
        weights = Loss(trial.training, trial.classes, items).weight
        torch.nn.functional.cross_entropy(logits, batch.labels, weights).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
    weights = trained(trial, data, tmp_path).weights
    assert all(torch.equal(weights[k], v) for k, v in network.state_dict().items())


def gradients(trial, data, split, indices):
    """Of one mini-batch of corpus a in double precision, with its loss and norm."""
    run = start.begin(trial, data, "cpu", split)
    run.network.double()
    for loss in run.losses.values():
        loss.double()
    loss, norm = loop._gradients(run, "a", indices)
    return [loss, norm] + [p.grad for p in run.network.parameters() if p.grad is not None]


@pytest.mark.parametrize("class_weights", ["inverse", "none"])
@pytest.mark.parametrize("pooling", ["mean", "mean_var"])
@pytest.mark.parametrize("block", BLOCKS)
def test_a_cut_batch_gives_the_gradients_of_the_whole_one(trial, data, paper, block, pooling, class_weights):
    trial = replace(with_block(trial, paper, block, dropout=0.0), pooling=pooling)
    trial = changed(trial, class_weights=class_weights, clip_norm=0.05)
    double = {
        c: replace(d, train=replace(d.train, features=[x.double() for x in d.train.features]))
        for c, d in unbalanced(data).items()
    }
    indices = (0, 1, 20, 21, 22, 30, 7, 3)  # cut in three, each part lacks classes
    whole = gradients(trial, double, 1, indices)
    assert whole[1] > 0.05  # so that clipping matters
    for split in (2, 3, 8):
        for one, other in zip(gradients(trial, double, split, indices), whole, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("precision", "rel"), [("float32", 1e-3), ("bfloat16", 2e-2)])
def test_a_training_in_parts_goes_as_the_whole_one(trial, data, paper, tmp_path, precision, rel):
    trial = changed(
        with_block(trial, paper, "tdnn", dropout=0.0), learning_rate=1e-3, max_epochs=2, precision=precision
    )
    whole = trained(trial, data, tmp_path / "1")
    for split in (2, 8):
        parted = trained(trial, data, tmp_path / str(split), split=split)
        assert losses_of(parted) == pytest.approx(losses_of(whole), rel=rel)
    single = trained(trial, data, tmp_path / "100", split=100)  # 8 in 8 parts is one by one already
    assert all(torch.equal(parted.weights[k], v) for k, v in single.weights.items())


def test_no_part_is_larger_than_its_share_in_training_and_evaluation(trial, data, tmp_path, monkeypatch):
    drawn, genuine = {"train": set(), "frames": set()}, Items.batch

    def noted(items, indices):
        batch = genuine(items, indices)
        if items in (data["a"].train, data["b"].train):
            drawn["train"].add(len(indices))
        elif len(indices) > 1:
            drawn["frames"].add(len(indices) * int(batch.lengths.max()))
        return batch

    monkeypatch.setattr(Items, "batch", noted)
    trial = changed(trial, max_epochs=1, steps_per_epoch=2)
    trained(trial, data, tmp_path, split=200)
    assert drawn["train"] == {1}
    assert max(drawn["frames"]) <= 8192 // 200
    trained(trial, data, tmp_path / "3", split=3)
    assert drawn["train"] == {1, 2, 3}


def test_a_training_that_ran_out_of_memory_goes_on_in_parts(trial, data, tmp_path):
    trial = changed(trial, max_epochs=3, steps_per_epoch=2)

    def short(epoch, row):
        if epoch == 2:
            raise MemoryError

    with pytest.raises(MemoryError):
        trained(trial, data, tmp_path, short)
    whole = untimed(trained(trial, data, tmp_path / "whole").history)
    assert untimed(trained(trial, data, tmp_path, split=2).history)[:2] == whole[:2]


@pytest.mark.parametrize(
    "exhaust", [lambda: torch.empty(2**55), lambda: bytearray(2**60), lambda: np.empty(2**58, np.float32)]
)
def test_what_is_too_large_to_allocate_is_out_of_memory(exhaust):
    with pytest.raises((RuntimeError, MemoryError)) as error:
        exhaust()
    assert is_out_of_memory(error.value)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"), False),
        (ValueError("out of memory"), False),
        (Diverged("loss nan"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_other_errors_are_not_taken_for_lack_of_memory(error, short):
    assert is_out_of_memory(error) is short


@pytest.mark.parametrize("damage", ["network", "best", "progress", "more progress", "optimiser", "no optimiser"])
def test_a_checkpoint_of_a_network_made_otherwise_is_no_checkpoint(trial, data, tmp_path, damage):
    trial = changed(trial, max_epochs=2, steps_per_epoch=2)
    whole = trained(trial, data, tmp_path)
    path = tmp_path / "checkpoint.pt"
    state = checkpoint.load(path)
    weights = {k: torch.zeros(3) for k in state["network"]}
    state |= {
        "network": {"network": weights},
        "best": {"best": {**state["best"], "pooling.u": torch.zeros(3)}},
        "progress": {"progress": {"epoch": 2}},
        "more progress": {"progress": state["progress"] | {"momentum": 0.1}},
        "optimiser": {"optimiser": {"state": {}, "param_groups": []}},
        "no optimiser": {"optimiser": None},
    }[damage]
    checkpoint.save(path, state)
    assert_bit_equal(trained(trial, data, tmp_path), whole)


def test_a_clock_that_jumps_back_changes_timestamps_only(trial, data, tmp_path, monkeypatch):
    trial = changed(trial, steps_per_epoch=2)
    whole = trained(trial, data, tmp_path / "whole")
    clock = iter((5e9, 4e9, 3.0, 1e9))
    monkeypatch.setattr(loop.time, "time", lambda: next(clock))
    jumped = trained(trial, data, tmp_path)
    assert [row["timestamp_ms"] for row in jumped.history] == [5e12, 4e12, 3e3, 1e12]
    assert_bit_equal(jumped, whole)


def test_class_weights_are_inverse_frequencies_with_mean_one(trial, data):
    labels = torch.tensor([0] * 1 + [1] * 2 + [2] * 4 + [3] * 4)
    items = replace(data["a"].train, labels=labels)
    # 1, 1/2, 1/4, 1/4 have the mean 1/2.
    assert Loss(trial.training, trial.classes, items).weight.tolist() == [2.0, 1.0, 0.5, 0.5]
    assert Loss(changed(trial, class_weights="none").training, trial.classes, items).weight is None


def test_a_class_without_items_left_has_no_weight_but_an_error(trial, data):
    items = replace(data["a"].train, labels=torch.zeros_like(data["a"].train.labels))
    with pytest.raises(BadInput, match=f"no {', '.join(trial.classes[1:])} to train on"):
        Loss(trial.training, trial.classes, items)


def test_normalises_by_mean_and_variance_over_training_frames_with_corpora_alike(trial, data):
    frames = [torch.cat(data[c].train.features).double() for c in "ab"]
    mean = (frames[0].mean(0) + frames[1].mean(0)) / 2
    square = (frames[0].square().mean(0) + frames[1].square().mean(0)) / 2
    network = start.build_network(trial, data)
    torch.testing.assert_close(network.mean.double(), mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(network.scale.double(), (square - mean**2).rsqrt(), rtol=1e-5, atol=1e-6)
    assert start.build_network(replace(trial, normalise="none"), data).mean.abs().sum() == 0


def test_step_k_takes_batch_k_over_n_of_corpus_k_mod_n(trial, data, tmp_path, monkeypatch):
    drawn, genuine = [], Items.batch

    def noted(items, indices):
        if items in (data["a"].train, data["b"].train):
            drawn.append((items.corpus, tuple(indices)))
        return genuine(items, indices)

    monkeypatch.setattr(Items, "batch", noted)
    trained(changed(trial, steps_per_epoch=7, max_epochs=2), data, tmp_path)
    streams = {c: Stream(data[c].train.lengths(), 8, 2, [0, 0, 1, i]) for i, c in enumerate("ab")}
    assert drawn == [("ab"[k % 2], streams["ab"[k % 2]].indices(k // 2)) for k in range(14)]


def test_training_on_one_corpus_leaves_the_head_of_another_alone(trial, data, tmp_path):
    start = {k: v.clone() for k, v in loop_weights(trial, data).items()}
    end = trained(changed(trial, steps_per_epoch=1, max_epochs=1), data, tmp_path).weights  # step 0 is of corpus a
    assert torch.equal(end["heads.b.weight"], start["heads.b.weight"])
    assert torch.equal(end["heads.b.bias"], start["heads.b.bias"])
    assert not torch.equal(end["heads.a.weight"], start["heads.a.weight"])
    assert not torch.equal(end["pooling.u"], start["pooling.u"])


def loop_weights(trial, data):
    """The weights that the trial starts from."""
    torch.manual_seed(seeds.integer([trial.seed, trial.repeat, 0]))
    return start.build_network(trial, data).state_dict()


@pytest.mark.parametrize("block", ["lstm", "tdnn"])
def test_with_one_corpus_unified_and_multi_are_the_same_bits(trial, data, paper, tmp_path, block):
    block = {"lstm": trial.block, "tdnn": paper.block("tdnn").changed(units=8)}[block]
    alone = replace(trial, corpora=trial.corpora[:1], block=block)
    one, other = (trained(replace(alone, task=t), {"a": data["a"]}, tmp_path / t) for t in ("unified", "multi"))
    assert_bit_equal(one, other)


def test_a_train_only_corpus_is_trained_validated_and_not_tested(trial, data, tmp_path):
    first, second = trial.corpora
    untested = replace(trial, corpora=(first, replace(second, split=part("named", test=()))))
    outcome = trained(untested, {"a": data["a"], "b": replace(data["b"], test=side("b", 0, 0))}, tmp_path)
    assert list(outcome.predictions) == ["a"]
    assert "val/loss/b" in outcome.history[0]


def test_predictions_are_in_the_order_of_the_items_whatever_their_lengths(trial, data):
    network, items = start.build_network(trial, data).eval(), data["a"].test
    p = loop.predict(network, items)
    for i in range(len(items)):
        single = network(items.features[i], torch.tensor([len(items.features[i])]), "a").softmax(1)[0]
        np.testing.assert_allclose(p.probabilities[i], single.detach().numpy(), atol=1e-5)
    assert (p.names, p.truth.tolist()) == (items.names, items.labels.tolist())
    assert p.predicted.tolist() == p.probabilities.argmax(1).tolist()


@pytest.mark.parametrize("class_weights", ["none", "inverse"])
def test_validation_losses_are_without_class_weights_where_the_trial_says_so(trial, data, tmp_path, class_weights):
    data = unbalanced(data)
    run = start.begin(changed(trial, class_weights=class_weights, weighted_validation=False), data, "cpu", 1)
    found = loop._validate(run, 1)
    for name, each in data.items():
        logits = torch.from_numpy(loop.predict(run.network, each.val).logits)
        plain = torch.nn.functional.cross_entropy(logits, each.val.labels).item()
        assert found[f"val/loss/{name}"] == pytest.approx(plain, rel=1e-6)
    weighted = loop._validate(start.begin(changed(trial, class_weights=class_weights), data, "cpu", 1), 1)
    assert (weighted["val/loss"] == pytest.approx(found["val/loss"], rel=1e-3)) is (class_weights == "none")


def test_the_best_accuracy_needs_one_label_of_each_utterance(trial, data, tmp_path):
    hot = {
        c: replace(d, train=replace(d.train, labels=torch.nn.functional.one_hot(d.train.labels, CLASSES).float()))
        for c, d in data.items()
    }
    of_several = changed(trial, keep="best_accuracy", loss="binary_cross_entropy", class_weights="none")
    with pytest.raises(BadInput, match="several labels") as error:
        trained(of_several, hot, tmp_path)
    assert error.value.place == "training.keep"

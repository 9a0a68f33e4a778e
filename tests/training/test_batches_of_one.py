"""Every network that normalises over its mini-batch trains whatever is left for the last one, and in parts."""

from dataclasses import fields, replace

import pytest
import tiny_encoders
import torch
from torch import nn

from experiments.interaffection import study
from ser.errors import BadInput
from ser.registry import find, names
from ser.study import Corpus, Part, part, trial_of
from ser.study.settings import values_of
from ser.training import start
from ser.training import train as loop
from ser.training.batches import Items
from ser.training.start import CorpusData
from ser.training.train import train

BATCH, CLASSES = 4, 4
# Settings that leave one pixel of an image, beside the smallest example of each model.
ONE_PIXEL = {
    "cnn2d": {"filters": (3, 4), "frames": 10},
    "dscnn": {"strides": (4, 4, 4)},
    "gated_resnet": {"stem_stride": 12, "blocks": (1, 1)},
}


def examples():
    """By title: (model, settings, width, frames of an item) of every registered network with batch normalisation."""
    for name in names("models"):
        module = find("models", name)
        if module.GIVES == "classes":
            continue
        width, settings, frames = tiny_encoders.example(name)
        if "norm" in {f.name for f in fields(settings)}:
            settings = replace(settings, norm=True)
        for title in (name, f"{name}, one pixel") if name in ONE_PIXEL else (name,):
            own = settings if title == name else replace(settings, **ONE_PIXEL[name])
            block = module.build(width, own)
            if any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in block.modules()):
                yield title, (name, own, width, getattr(own, "segment", getattr(own, "frames", frames)))


EXAMPLES = dict(examples())
NETWORKS = pytest.mark.parametrize("model", EXAMPLES.values(), ids=EXAMPLES.keys())


def example(name, settings, width, frames, count, **training):
    """A trial of one corpus with ``count`` training items, and its data."""
    make = torch.Generator().manual_seed(count)

    def subset(kind, number):
        features = [torch.randn(frames, width, generator=make) for _ in range(number)]
        if name == "mdre":
            features = [kinds(x) for x in features]
        return Items("a", tuple(f"{kind}{i}" for i in range(number)), features, torch.arange(number) % CLASSES)

    corpus = Corpus("a", "A", Part("none"), part("named", test=("x",)))
    point = {"corpora": ("a",), "block": "lstm", "pooling": "mean", "task": "unified"}
    trial = trial_of(study, point, {"a": corpus}, seed=0)
    pooling = "mean" if find("models", name).GIVES == "frames" else "none"
    given = {"batch_size": BATCH, "batches": "pooled", "steps_per_epoch": 0, "max_epochs": 1, "class_weights": "none"}
    budget = replace(trial.training, **given | training)
    block = part(name, **values_of(settings))
    trial = replace(trial, block=block, pooling=pooling, training=budget, normalise="none")
    return trial, {"a": CorpusData(subset("train", count), subset("val", 5), subset("test", 3))}


def kinds(rows):
    """The rows as ``mdre`` takes them: the first column says what a row is; the last is prosody."""
    rows = rows.clone()
    rows[:, 0] = 0
    rows[-1, 0] = 1
    return rows


def trained(case, folder, split=1):
    folder.mkdir(exist_ok=True)
    return train(*case, folder / "checkpoint.pt", "cpu", lambda epoch, row: None, split)


@pytest.mark.parametrize("count", [2 * BATCH + 1, BATCH + 1, 2])
@NETWORKS
def test_an_epoch_ends_whatever_is_left_for_the_last_batch_and_in_parts_down_to_single_items(model, count, tmp_path):
    for split in (1, 2, 100):
        outcome = trained(example(*model, count), tmp_path / str(split), split)
        assert len(outcome.history) == 1
        assert all(w.isfinite().all() for w in outcome.weights.values())


@NETWORKS
def test_only_where_an_item_alone_cannot_be_normalised_are_batches_others(model):
    """Statements stay as they are: a last batch is merged exactly where it was an error until then."""
    trial, data = example(*model, 2 * BATCH + 1)
    run = start.begin(trial, data, "cpu", 1)
    item = data["a"].train.batch([0])
    try:
        run.network.train()(item.frames, item.lengths, "a")
        alone = 1
    except ValueError:
        alone = 2
    assert run.smallest == alone
    assert run.steps == (3 if alone == 1 else 2)


def test_the_search_for_the_smallest_batch_leaves_no_trace():
    trial, data = example(*EXAMPLES["mlp"], 9)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    network = start.build_network(trial, data)
    torch.set_rng_state(before)
    state = {k: v.clone() for k, v in network.state_dict().items()}
    assert start.smallest_batch(network, data["a"].train) == 2
    assert torch.get_rng_state().equal(before)
    assert network.training
    assert all(v.equal(state[k]) for k, v in network.state_dict().items())
    assert not any(m._forward_pre_hooks for m in network.modules())


def test_accumulated_singles_of_a_normalised_network_are_pairs(monkeypatch, tmp_path):
    sizes = []
    genuine = loop.parts

    def noted(indices, steps, smallest):
        pieces = genuine(indices, steps, smallest)
        sizes.extend(map(len, pieces))
        return pieces

    monkeypatch.setattr(loop, "parts", noted)
    trained(example(*EXAMPLES["mlp"], 9), tmp_path, split=100)
    assert sizes == [2, 2, 3, 2]  # 4 items, and 5


@pytest.mark.parametrize(
    ("count", "training", "value", "place"),
    [
        (9, {"batch_size": 1}, "1", "training.batch_size"),
        (9, {"batch_size": 1, "steps_per_epoch": 3}, "1", "training.batch_size"),
        (1, {}, "1 item of a to train on", "batch normalisation of mlp"),
    ],
)
def test_what_cannot_be_normalised_is_refused(count, training, value, place, tmp_path):
    with pytest.raises(BadInput, match="one item has no variance") as error:
        trained(example(*EXAMPLES["mlp"], count, **training), tmp_path)
    assert error.value.value == value
    assert place in error.value.place

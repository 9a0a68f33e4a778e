"""No step of a training waits for the device: of tensors without values ("meta") nobody can ask one."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_encoders
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ser import registry
from ser.models._transfer import to_device
from ser.study import part
from ser.study.settings import values_of
from ser.training import train as loop
from ser.training.batches import Frames, Items
from ser.training.finite import check_finite, sums_of_weights
from ser.training.loss import Objective
from ser.training.network import Network
from ser.training.stacked_networks import Networks
from ser.training.start import CorpusData, Diverged, parameter_groups

NETWORKS = [name for name in registry.names("models") if registry.find("models", name).GIVES != "classes"]
WAITING = {  # and why
    "mdre": "which rows are frames, prosody or words is written in the rows themselves",
    "finetuned": "an encoder's own program prepares waveforms on the CPU",
}
CLASSES, UTTERANCES = 3, 4


class Transfers(TorchDispatchMode):
    """Refuses what torch does without a word, and waits for: copies from the CPU that are no part of the queue."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, torch.Tensor)]
        devices = {x.device.type for x in tensors if x.dim()}
        copies = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        if devices == {"meta", "cpu"} and not copies:
            raise AssertionError(f"{func} of tensors on the CPU and on the device")
        if copies and devices == {"cpu"} and (kwargs or {}).get("device") == torch.device("meta"):
            assert kwargs.get("non_blocking"), "a copy that is waited for"
        return func(*args, **(kwargs or {}))


def run_of(training, name, pooling):
    """A run on the meta device as ``begin`` makes one, but for what is asked of values before the first step."""
    module = registry.find("models", name)
    width, settings, frames = tiny_encoders.example(name)
    frames = getattr(settings, "segment", frames)  # a segment is an item of a trial
    length = np.array([frames + (i if module.GIVES == "frames" else 0) for i in range(UTTERANCES)])
    start = np.cumsum(length) - length
    features = Frames((torch.randn(int(length.sum()), width),), np.zeros_like(start), start, length)
    names = tuple(map(str, range(UTTERANCES)))
    items = Items("a", names, features, torch.arange(UTTERANCES) % CLASSES)
    loss = Objective(training, ("x", "y", "z"), items).to("meta")
    net = Network(width, part(name, **values_of(settings)), pooling, CLASSES, "float32").to("meta")
    there = Items("a", names, features.on("meta"), items.labels.to("meta"))
    optimiser = torch.optim.Adam(parameter_groups(training, net))
    data = {"a": CorpusData(there, there, there)}
    return SimpleNamespace(
        trial=SimpleNamespace(training=training),
        **{"data": data, "network": net, "optimiser": optimiser, "losses": {"a": loss}},
        **{"accumulation_steps": 1, "smallest": 1},
    )


def step(run):
    loss, norm = loop._gradients(run, "a", (2, 0, 3, 1))
    sums_of_weights(run.network)
    run.optimiser.step()
    return loss, norm


CASES = [
    (name, pooling)
    for name in NETWORKS
    for pooling in (("mean", "mean_var") if registry.find("models", name).GIVES == "frames" else ("none",))
]


@pytest.mark.parametrize(("name", "pooling"), CASES)
def test_a_step_asks_nothing_of_the_device(name, pooling, paper, monkeypatch):
    if name in WAITING:
        pytest.skip(WAITING[name])
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # there is none for "meta"
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    run = run_of(paper.training, name, pooling)
    with Transfers():
        loss, norm = step(run)
    assert loss.device.type == norm.device.type == "meta"


def test_what_is_asked_of_a_device_is_noticed():
    there = torch.ones(3, device="meta")
    for ask in (lambda: there.sum().item(), lambda: there.nonzero(), lambda: there[there > 0], lambda: there.tolist()):
        with pytest.raises((RuntimeError, NotImplementedError)):
            ask()
    with Transfers(), pytest.raises(AssertionError):
        there[torch.tensor([0, 1])]
    with Transfers(), pytest.raises(AssertionError, match="waited for"):
        torch.ones(3).to("meta")


def test_a_step_that_is_not_finite_is_named_at_the_end_of_an_epoch_as_at_once():
    net = Network(4, part("linear", statistics=("mean",), dropout=0.0), "none", CLASSES, "float32")
    names = tuple(f"u{i}" for i in range(6))
    train = Items("a", names, [torch.ones(2, 4)] * 6, torch.arange(6) % CLASSES)
    run = SimpleNamespace(
        data={"a": CorpusData(train, train, train)},
        network=net,
        trial=SimpleNamespace(training=SimpleNamespace(learning_rate=0.5)),
    )
    made = [("a", (0, 1)), ("a", (2, 3)), ("a", (4, 5))]
    fine, spoilt, later = torch.ones(4), torch.tensor([torch.nan, 7.0, 1.0, torch.inf]), torch.full((4,), torch.nan)
    check_finite(run, (4, 5, 6), made, [fine] * 3)
    for steps in (slice(1, 2), slice(0, 3)):
        with pytest.raises(Diverged) as told:
            check_finite(run, (4, 5, 6)[steps], made[steps], [fine, spoilt, later][steps])
        assert str(told.value) == (
            "loss nan at step 6, learning rate 0.5, gradient of norm 7.0, "
            "weights not finite: heads.all.bias; batch: u2, u3"
        )


@pytest.mark.parametrize("block", ["lstm", "blstm", "tdnn"])
def test_a_stacked_step_asks_nothing_either(block, paper):
    """Mini-batches of three members, put together, masked and learned from on the device."""
    trial = SimpleNamespace(training=paper.training, block=part(block, **values_of(tiny_encoders.example(block)[1])))
    runs = [run_of(paper.training, block, "mean_var") for _ in range(3)]
    for run in runs:
        run.trial = trial
    networks = Networks(runs)
    with Transfers():
        batches = [run.data["a"].train.batch((2, 0, 3, 1)) for run in runs]
        frames, layout = networks.padded(batches)
        truth = torch.stack([b.labels for b in batches])
        heads = to_device(torch.tensor([networks.head_row(i, "a") for i in range(3)]), frames.device)
        mask = torch.ones(3, layout.frames, networks.outputs, device="meta")
        found = networks.update(frames, layout, mask, truth, truth + 1.0, heads)
    assert found.shape == (3, 2 + sum(1 for _ in runs[0].network.parameters()))

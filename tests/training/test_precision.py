"""Two precisions of one trial: what they share, so that their difference is paired, and what stays float32 in both."""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ser.study import Corpus, Part, part, trial_of
from ser.training import start
from ser.training.batches import Items
from ser.training.start import CorpusData
from ser.training.train import train

WIDTH = 8
# What the loss, the attention, the clipping of gradients and the optimiser compute with, forwards and backwards.
EXACT = ("_softmax", "_log_softmax", "_softmax_backward_data", "_log_softmax_backward_data", "nll_loss_forward",
         "nll_loss_backward", "_fused_adam_", "_foreach_norm")  # fmt: skip
PRODUCTS = ("mm", "addmm", "convolution", "mkldnn_rnn_layer")


def items(number, seed):
    make = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 20, (number,), generator=make).tolist()
    features = [torch.randn(n, WIDTH, generator=make) for n in lengths]
    return Items("a", tuple(f"a/{seed}_{i}" for i in range(number)), features, torch.arange(number) % 4)


@pytest.fixture(scope="module")
def data():
    return {"a": CorpusData(items(24, 1), items(8, 2), items(8, 3))}


@pytest.fixture(params=["lstm", "blstm", "tdnn"])
def trials(paper, request):
    """The same trial in float32 and in bfloat16."""
    corpus = Corpus("a", "A", Part("none"), part("named", test=("x",)))
    point = {"corpora": ("a",), "block": request.param, "pooling": "mean_var", "task": "unified"}
    trial = trial_of(paper, point, {"a": corpus}, seed=3)
    units = {"units": 8} | ({} if request.param == "tdnn" else {"prep_units": 8})
    training = replace(trial.training, max_epochs=1, steps_per_epoch=2, batch_size=8)
    exact = replace(trial, block=trial.block.changed(**units), training=training)
    return exact, replace(exact, training=replace(training, precision="bfloat16"))


def test_both_begin_with_the_same_weights_and_take_the_same_mini_batches(trials, data):
    exact, reduced = (start.begin(trial, data, "cpu", 1) for trial in trials)
    states = exact.network.state_dict(), reduced.network.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    for step in range(6):
        assert list(exact.streams["a"].indices(step)) == list(reduced.streams["a"].indices(step))
    assert exact.losses["a"].of_classes.weight.equal(reduced.losses["a"].of_classes.weight)


def test_dropout_takes_the_same_values_in_both(trials, data):
    if trials[0].block.name == "tdnn":
        pytest.skip("its zeros are those of the rectifier, too")
    masks, batch = [], data["a"].train.batch([0, 1, 2])
    for trial in trials:
        network = start.begin(trial, data, "cpu", 1).network.train()
        network.block.register_forward_hook(lambda module, inputs, hidden: masks.append(hidden == 0))
        torch.manual_seed(5)
        network(batch.frames, batch.lengths, "a")
    assert masks[0].equal(masks[1])
    assert 0.3 < masks[0].float().mean() < 0.7


class _Kinds(TorchDispatchMode):
    """Takes down the kinds of the floating-point numbers that every operation is given."""

    def __init__(self):
        super().__init__()
        self.by_operation = {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        tensors = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, torch.Tensor)]
        kinds = {x.dtype for x in tensors if x.is_floating_point()}
        self.by_operation.setdefault(operation.overloadpacket.__name__, set()).update(kinds)
        return operation(*args, **(kwargs or {}))


def test_products_are_reduced_while_softmax_loss_and_optimiser_are_float32(trials, data, tmp_path):
    for trial in trials:
        with _Kinds() as kinds:
            train(trial, data, tmp_path / trial.id, "cpu", lambda epoch, row: None)
        of = kinds.by_operation
        assert {"_softmax", "_log_softmax", "_fused_adam_"} <= of.keys()
        assert {name: of[name] for name in EXACT if name in of} == {n: {torch.float32} for n in EXACT if n in of}
        inside = {kind for name in PRODUCTS for kind in of.get(name, ())}
        assert (torch.bfloat16 in inside) is (trial.training.precision == "bfloat16")

"""The fast ways of LSTM, BLSTM and TDNN give what their layers give utterance by utterance in float64."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from ser.models import _layout, _row_convolution, _winograd_1d, blstm, lstm, tdnn
from ser.models._dropout import Dropout
from ser.models._pooling import AttentionPooling

LENGTHS, WIDTH = (5, 1, 30, 17, 64, 2), 37
BLOCKS = {
    "lstm": (lstm, lstm.Settings(prep_units=48, units=36)),
    "blstm": (blstm, lstm.Settings(prep_units=48, units=36)),
    "tdnn": (tdnn, tdnn.Settings(units=40, layers=3)),
    "tdnn apart": (tdnn, tdnn.Settings(units=40, layers=2, context=(-2, 0, 2))),
    "tdnn wide": (tdnn, tdnn.Settings(units=40, layers=2, context=(-2, -1, 0, 1, 2))),
    "tdnn narrow": (tdnn, tdnn.Settings(units=7, layers=2)),
}


def made(name, lengths=LENGTHS):
    torch.manual_seed(0)
    module, settings = BLOCKS[name]
    return module.build(WIDTH, settings).eval(), torch.randn(sum(lengths), WIDTH), torch.tensor(lengths)


def one_by_one(block, frames, lengths):
    """The definition, by torch's layers alone."""
    if isinstance(block, tdnn.TDNN):
        rows = [x.T[None] for x in frames.split(lengths.tolist())]
        for layer in block.layers:
            rows = [layer(x).relu() for x in rows]
        return torch.cat([x[0].T for x in rows])
    answers = []
    for x in frames.split(lengths.tolist()):
        x = block.prepare(x)
        ways = [block.directions[0](x)[0], *(way(x.flip(0))[0].flip(0) for way in block.directions[1:])]
        answers.append(torch.cat(ways, dim=1))
    return torch.cat(answers)


def results(block, frames, lengths, compute, reduced=False):
    """Answer, and gradients of frames and parameters."""
    frames = frames.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        answer = compute(frames, lengths)
    weigh = torch.linspace(-99, 99, answer.numel(), dtype=torch.float64).sin().view(answer.shape)
    total = (answer.to(frames.dtype) * weigh.to(frames.dtype)).sum()
    return [answer, *torch.autograd.grad(total, [frames, *block.parameters()])]


def errors(found, exact):
    return [((a.double() - b).norm() / b.norm()).item() for a, b in zip(found, exact, strict=True)]


@pytest.fixture(params=BLOCKS)
def case(request):
    block, frames, lengths = made(request.param)
    exact = deepcopy(block).double()
    return block, frames, lengths, results(exact, frames.double(), lengths, lambda *x: one_by_one(exact, *x))


@pytest.mark.parametrize("tiles", [3, 1024])
def test_float32_is_exact_to_its_rounding_however_many_tiles_are_worked_on_at_once(case, tiles, monkeypatch):
    monkeypatch.setattr(_winograd_1d, "_TILES", tiles)
    block, frames, lengths, exact = case
    assert max(errors(results(block, frames, lengths, block), exact)) < 5e-6


def test_float64_is_exact(case):
    block, frames, lengths, exact = case
    block = block.double()
    assert max(errors(results(block, frames.double(), lengths, block), exact)) < 1e-13


@pytest.mark.parametrize("instructions", [True, False])
def test_bfloat16_is_within_its_rounding_on_any_cpu(case, instructions, monkeypatch):
    monkeypatch.setattr(_row_convolution, "multiplies_bfloat16", lambda: instructions)
    if not instructions:
        monkeypatch.setattr(lstm, "_has_bfloat16", lambda device: False)
    block, frames, lengths, exact = case
    found = results(block, frames, lengths, block, reduced=True)
    assert found[0].dtype == torch.bfloat16
    answer, *gradients = errors(found, exact)
    assert answer < 0.01
    assert max(gradients) < 0.2  # of few frames: where rounding moves a ReLU over 0, a gradient comes or goes


def test_the_fast_ways_are_what_was_tested():
    block, frames, lengths = made("tdnn")
    kinds = {}
    for reduced in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            kinds[reduced] = functions(block(frames, lengths).grad_fn)
    fast = "_BFloat16Backward" if _row_convolution.multiplies_bfloat16() else "ConvolvedReLUBackward"
    assert "ConvolvedReLUBackward" in kinds[False]
    assert fast in kinds[True]


def functions(node):
    """Names of all that a gradient goes through."""
    return {node.name().split(".")[-1]}.union(*(functions(after) for after, _ in node.next_functions if after))


def test_tiles_hold_utterances_parted_by_a_zero_and_copies_of_their_neighbours_rows():
    layout = _layout.in_tiles(torch.tensor([4, 5, 1]), torch.device("cpu"))
    planes = layout.spread(torch.arange(1.0, 11)[:, None]).view(8, 2)
    row = [1, 2, 3, 4, 0, 5, 6, 7, 8, 9, 0, 10]
    assert planes[1:7].T.ravel().tolist() == row
    assert planes.T.tolist() == [[0, *row[:7]], [*row[5:], 0]]
    assert layout.collect(planes.view(16, 1)).ravel().tolist() == list(range(1, 11))


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_long_utterance_beside_it_moves_no_answer(name, reduced):
    block, frames, lengths = made(name, (21, 34, 400))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        few, all_of_them = block(frames[:55], lengths[:2]), block(frames, lengths)[:55]
    torch.testing.assert_close(few, all_of_them, rtol=0, atol=2e-2 if reduced else 5e-6)


@pytest.mark.parametrize("backwards", [False, True])
def test_over_time_utterances_are_columns_read_from_their_own_ends(backwards):
    lengths = torch.tensor([2, 3])
    layout = _layout.over_time(lengths, backwards, torch.device("cpu"))
    padded = layout.spread(torch.arange(1.0, 6)[:, None]).view(3, 2)
    assert padded.T.tolist() == ([[2, 1, 0], [5, 4, 3]] if backwards else [[1, 2, 0], [3, 4, 5]])
    assert layout.collect(padded.view(6, 1)).ravel().tolist() == [1, 2, 3, 4, 5]


def test_gradients_pass_through_a_layout_both_ways():
    layout = _layout.in_a_row(torch.tensor([2, 3]), 1, torch.device("cpu"))
    assert layout.rows == 8
    frames = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layout.spread, frames)
    assert torch.autograd.gradcheck(layout.collect, torch.randn(8, 2, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("share", [0.5, 0.3])
def test_dropout_zeroes_its_share_keeps_the_mean_and_follows_the_seed(dtype, share):
    layer, x = Dropout(share), torch.ones(301, 331, dtype=dtype, requires_grad=True)
    torch.manual_seed(0)
    first, second = layer(x), layer(x)
    torch.manual_seed(0)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)
    assert ((first == 0).double().mean() - share).abs() < 0.01
    assert (first.double().mean() - 1).abs() < 0.02
    (gradient,) = torch.autograd.grad(first.sum(), x)
    assert torch.equal(gradient, first)
    assert layer.eval()(x) is x
    assert isinstance(layer, nn.Dropout)


@pytest.mark.parametrize("pooling", ["mean", "mean_var"])
def test_pooling_one_by_one_has_the_gradients_of_each_alone(pooling):
    torch.manual_seed(0)
    layer, lengths = AttentionPooling(5, pooling).double(), (3, 1, 6)
    frames, found = torch.randn(10, 5, dtype=torch.float64), []
    weigh = torch.randn(3, layer.outputs, dtype=torch.float64)
    for compute in (
        lambda x: layer(x, torch.tensor(lengths)),
        lambda x: torch.cat([layer(y, torch.tensor([len(y)])) for y in x.split(lengths)]),
    ):
        x = frames.clone().requires_grad_()
        pooled = compute(x)
        found.append([pooled, *torch.autograd.grad((pooled * weigh).sum(), [x, layer.u])])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)

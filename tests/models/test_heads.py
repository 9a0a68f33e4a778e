"""Heads on encoders: statistics against numpy, heads against what their sources print, wide inputs in all blocks."""

import numpy as np
import pytest
import torch
from component_settings import stated
from torch import nn

from ser.errors import BadInput
from ser.models import _statistics, blstm, dense, linear, lstm, projection, tdnn
from ser.study import part
from ser.training.network import Network

NAMES = ("std", "mean", "max", "min")


def frames_of(lengths, width=6, seed=0):
    make = torch.Generator().manual_seed(seed)
    return torch.randn(sum(lengths), width, generator=make), torch.tensor(lengths)


def test_statistics_are_numpys_of_each_utterance():
    frames, lengths = frames_of([5, 1, 12])
    expected = []
    for x in np.split(frames.numpy(), [5, 6]):
        row = np.concatenate([x.std(0), x.mean(0), x.max(0), x.min(0)])
        expected.append(np.maximum(row, np.where(np.arange(24) < 6, 1e-6, -np.inf)))
    np.testing.assert_allclose(_statistics.of_frames(frames, lengths, NAMES, "x"), expected, rtol=1e-5, atol=1e-6)


def test_statistics_have_gradients_even_of_one_frame_and_are_not_rounded():
    frames, lengths = frames_of([1, 4])
    frames.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        vectors = _statistics.of_frames(frames, lengths, NAMES, "x")
    assert vectors.dtype == torch.float32
    vectors.square().sum().backward()
    assert frames.grad.isfinite().all()
    assert (frames.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("module", [linear, dense])
def test_without_statistics_an_utterance_has_one_frame(module):
    block = module.build(6, stated(module, dropout=0.0, **({"layers": 0} if module is dense else {})))
    frames, lengths = frames_of([1, 1, 1])
    assert torch.equal(block(frames, lengths), frames)
    with pytest.raises(BadInput, match=rf"{module.__name__.rpartition('.')[2]}.statistics \(\): 7 frames of 2 utt"):
        block(*frames_of([3, 4]))


def test_the_usual_head_is_projection_mean_and_linear():
    """As SuperbBaseModel of EmoBox and emotion2vec: linear, ReLU, mean over time, linear."""
    torch.manual_seed(0)
    block = part("dense", statistics=("mean",), frame_units=5, layers=0, dropout=0.0)
    net = Network(6, block, "none", 4, "float32")
    assert [p.shape for p in net.parameters()] == [(5, 6), (5,), (4, 5), (4,)]
    frames, lengths = frames_of([3, 8])
    first, head = net.block.frame_layers[0], net.heads["all"]
    expected = [head(first(x).relu().mean(0)) for x in frames.split([3, 8])]
    torch.testing.assert_close(net(frames, lengths, "all"), torch.stack(expected))


def test_a_layer_is_linear_norm_activation_and_dropout():
    settings = stated(dense, layers=2, units=7, activation="tanh", norm=True, dropout=0.25)
    kinds = [type(m) for m in dense.build(6, settings).layers]
    assert kinds == [nn.Linear, nn.LayerNorm, nn.Tanh, nn.Dropout] * 2


def test_a_projection_is_a_linear_layer_of_each_frame():
    torch.manual_seed(0)
    frames, lengths = frames_of([3, 8])
    for activation, function in (("none", lambda x: x), ("relu", torch.relu), ("gelu", nn.functional.gelu)):
        block = projection.build(6, stated(projection, units=5, activation=activation)).eval()
        layer = block.layers[0]
        torch.testing.assert_close(block(frames, lengths), function(frames @ layer.weight.T + layer.bias))


@pytest.mark.parametrize("module", [lstm, blstm, tdnn, projection, linear, dense])
def test_blocks_learn_from_vectors_as_wide_as_an_encoders(module):
    torch.manual_seed(0)
    small = {"dropout": 0.0} | ({"units": 8} if module is not linear else {})
    small |= {"statistics": ("mean",)} if module in (linear, dense) else {}
    block = part(module.__name__.rpartition(".")[2], **small)
    net = Network(768, block, "mean" if module.GIVES == "frames" else "none", 4, "float32")
    frames, lengths = frames_of([40, 3, 17], 768)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(frames, lengths, "all"), torch.tensor([0, 1, 2]))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]

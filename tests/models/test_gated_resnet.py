"""Zeng's gated residual network: its equation, its stages, its tasks' heads, and what it refuses."""

import bright_bands
import pytest
import torch
from component_settings import with_values
from torch import nn

from ser.errors import BadInput
from ser.models import gated_resnet
from ser.study import part
from ser.study.settings import values_of
from ser.training.network import Network

WIDTH, SMALL, FRAMES = gated_resnet.example()


@pytest.mark.parametrize(("inputs", "stride"), [(3, 1), (3, 2), (2, 1), (32, 1)])
@pytest.mark.parametrize("norm", [True, False])
def test_a_block_is_x_plus_one_convolution_times_the_sigmoid_of_another(inputs, stride, norm):
    torch.manual_seed(0)
    filters = max(3, inputs)
    block = gated_resnet.Gated(inputs, filters, 3, stride, norm)
    x = torch.randn(4, inputs, 9, 7)
    h = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    values, gates = (
        nn.functional.conv2d(h if norm else x, w, b, stride, 1)
        for w, b in zip(block.both.weight.split(filters), block.both.bias.split(filters), strict=True)
    )
    same = inputs == filters and stride == 1
    around = x if same else nn.functional.conv2d(x, block.across.weight, block.across.bias, stride)
    torch.testing.assert_close(block(x), around + values * torch.sigmoid(gates), rtol=1e-4, atol=1e-5)


def test_stages_halve_the_image_and_the_answer_is_its_mean():
    torch.manual_seed(0)
    settings = with_values(SMALL, frames=33, filters=(4, 6, 8), blocks=(2, 1, 2), dropout=0.0)
    block = gated_resnet.build(17, settings)
    shapes = []
    for gated in block.blocks:
        gated.register_forward_hook(lambda module, given, out: shapes.append(tuple(out.shape[1:])))
    last = []
    block.last.register_forward_hook(lambda module, given, out: last.append(out))
    out = block(torch.randn(5 * 33, 17), torch.full((5,), 33))
    assert shapes == [(4, 17, 9), (4, 17, 9), (6, 9, 5), (8, 5, 3), (8, 5, 3)]
    torch.testing.assert_close(out, last[0].clamp(min=0).mean((2, 3)))
    assert block.outputs == 8


@pytest.mark.parametrize("norm", [True, False])
def test_it_learns_which_band_is_bright(norm):
    assert bright_bands.share_told_apart(gated_resnet, 60, 2e-2, norm=norm, dropout=0.0) > 0.9


def test_two_tasks_share_the_trunk_and_have_a_head_each():
    torch.manual_seed(0)
    net = Network(WIDTH, part("gated_resnet", **values_of(SMALL)), "none", 4, "float32", ("speech", "song")).eval()
    frames, lengths = torch.randn(2 * FRAMES, WIDTH), torch.full((2,), FRAMES)
    speech = net(frames, lengths, "speech")
    assert not torch.equal(speech, net(frames, lengths, "song"))
    speech.sum().backward()
    assert all(p.grad is not None for p in net.block.parameters())
    assert net.heads["song"].weight.grad is None


def test_dropout_falls_on_the_means_in_training_alone():
    torch.manual_seed(0)
    block = gated_resnet.build(WIDTH, with_values(SMALL, dropout=0.5, norm=False))
    frames, lengths = torch.randn(40 * FRAMES, WIDTH), torch.full((40,), FRAMES)
    dropped, whole = block(frames, lengths), block.eval()(frames, lengths)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * whole[kept])
    assert 0.3 < kept.float().mean() < 0.7


def test_an_utterance_of_another_length_is_refused():
    with pytest.raises(BadInput, match=f"{2 * FRAMES} frames; allowed: {FRAMES} frames"):
        gated_resnet.build(WIDTH, SMALL)(torch.randn(2 * FRAMES, WIDTH), torch.tensor([2 * FRAMES]))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kernel": 4}, "gated_resnet.kernel: 4; allowed: odd numbers"),
        ({"stem_kernel": 6}, "gated_resnet.stem_kernel: 6; allowed: odd numbers"),
        ({"blocks": (1,)}, "one value for each layer"),
    ],
)
def test_settings_that_make_no_network_are_refused(changed, said):
    with pytest.raises(BadInput, match=said):
        gated_resnet.build(WIDTH, with_values(SMALL, **changed))

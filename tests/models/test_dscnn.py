"""Mustaqeem's deep stride CNN: its sizes, its layers in plain torch, and what it refuses."""

import bright_bands
import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.errors import BadInput
from ser.models import dscnn

WIDTH, SMALL, FRAMES = dscnn.example()
PAPER = {"frames": 128, "filters": (16, 32, 32, 64, 64, 128, 128), "kernels": (7, 5, 3, 3, 3, 3, 3)}
PAPER |= {"strides": (2, 2, 1, 2, 1, 2, 1), "norm": True, "dense": (512,), "dropout": 0.25, "init": "glorot"}


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_network_has_its_sizes_layer_by_layer():
    with torch.device("meta"):
        plain, block = (
            dscnn.build(128, stated(dscnn, **PAPER | {"norm": False})),
            dscnn.build(128, stated(dscnn, **PAPER)),
        )
    assert [count(c) for c in plain.convolutions] == [800, 12_832, 9_248, 18_496, 36_928, 73_856, 147_584]
    assert count(plain.dense) == 128 * 8 * 8 * 512 + 512  # four strides of 2 leave 8 of 128
    assert count(plain) == 4_494_560
    assert count(block) == 4_495_024  # a scale and a shift for each bias
    assert block.outputs == 512


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("kernels", [SMALL.kernels, (3, 1, 1)])
def test_it_is_convolution_normalisation_relu_with_strides_and_no_pooling(kernels, norm, training):
    torch.manual_seed(0)
    block = dscnn.build(WIDTH, with_values(SMALL, kernels=kernels, norm=norm, dropout=0.0)).train(training)
    frames = torch.randn(5 * FRAMES, WIDTH)
    x = torch.stack(frames.split(FRAMES))[:, None]
    sizes = []
    for convolution, normalisation, stride in zip(block.convolutions, block.norms, SMALL.strides, strict=True):
        half = convolution.kernel_size[0] // 2
        x = nn.functional.conv2d(x, convolution.weight, convolution.bias, stride, half)
        if norm:
            moments = None if training else (normalisation.running_mean, normalisation.running_var)
            mean, var = moments or (x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0))
            x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
        x = x.relu()
        sizes.append(tuple(x.shape[2:]))
    assert sizes == [(6, 5), (6, 5), (3, 3)]
    expected = block.dense(x.flatten(1))
    torch.testing.assert_close(block(frames, torch.full((5,), FRAMES)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", [True, False])
def test_it_learns_which_band_is_bright(norm):
    assert bright_bands.share_told_apart(dscnn, 40, 1e-2, norm=norm) > 0.9


def test_dense_layers_may_be_many_or_none():
    several = dscnn.build(WIDTH, with_values(SMALL, dense=(9, 8, 7)))
    assert several.outputs == 7
    none = dscnn.build(WIDTH, with_values(SMALL, dense=()))
    assert none(torch.randn(2 * FRAMES, WIDTH), torch.tensor([FRAMES] * 2)).shape == (2, none.outputs) == (2, 6 * 3 * 3)


def test_an_utterance_of_another_length_is_refused():
    with pytest.raises(BadInput, match=f"{FRAMES + 1} frames; allowed: {FRAMES} frames"):
        dscnn.build(WIDTH, SMALL)(torch.randn(FRAMES + 1, WIDTH), torch.tensor([FRAMES + 1]))


def test_layers_told_in_part_are_refused():
    with pytest.raises(BadInput, match=r"strides \(2, 1\); allowed: one value for each layer"):
        dscnn.build(WIDTH, with_values(SMALL, strides=(2, 1)))


def test_kernels_that_would_make_the_image_larger_are_refused():
    with pytest.raises(BadInput, match=r"dscnn.kernels: 4; allowed: odd numbers"):
        dscnn.build(WIDTH, with_values(SMALL, kernels=(7, 4, 3)))

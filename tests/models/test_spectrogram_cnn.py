"""Badshah's network: its sizes, its layers in plain torch, and what it refuses."""

import bright_bands
import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.errors import BadInput
from ser.models import spectrogram_cnn

WIDTH, SMALL, FRAMES = spectrogram_cnn.example()
PAPER = {"frames": 256, "filters": (120, 256, 384), "kernels": (11, 5, 3), "strides": (4, 1, 1), "padding": (0, 0, 0)}
PAPER |= {"pool": 3, "pool_stride": 2, "dense": (2048, 2048), "dropout": 0.5, "init": "he"}


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_network_has_its_sizes_layer_by_layer():
    with torch.device("meta"):
        block = spectrogram_cnn.build(256, stated(spectrogram_cnn, **PAPER))
    assert [count(c) for c in block.convolutions] == [14_640, 768_256, 885_120]
    assert [count(d) for d in block.dense if count(d)] == [384 * 4 * 4 * 2048 + 2048, 4_196_352]
    assert count(block) == 18_449_328
    assert block.outputs == 2048


@pytest.mark.parametrize("changed", [{}, {"padding": (2, 1, 2)}, {"kernels": (4, 3, 2)}, {"pool": 2, "dense": ()}])
def test_it_is_convolution_relu_pooling_then_dense_layers(changed):
    torch.manual_seed(0)
    settings = with_values(SMALL, **changed)
    block = spectrogram_cnn.build(WIDTH, settings).eval()
    frames = torch.randn(3 * FRAMES, WIDTH)
    layers = []
    for convolution, stride, padding in zip(block.convolutions, settings.strides, settings.padding, strict=True):
        assert (convolution.stride, convolution.padding) == ((stride, stride), (padding, padding))
        layers += [convolution, nn.ReLU(), nn.MaxPool2d(settings.pool, 2)]
    images = torch.stack(frames.split(FRAMES))[:, None]
    expected = nn.Sequential(*layers, nn.Flatten(), block.dense)(images)
    found = block(frames, torch.full((3,), FRAMES))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert found.shape == (3, block.outputs)


def test_dropout_is_after_each_dense_layer_and_in_training_alone():
    block = spectrogram_cnn.build(WIDTH, SMALL)
    assert [type(m) for m in block.dense] == [nn.Linear, nn.ReLU, nn.Dropout] * 2
    frames, lengths = torch.randn(FRAMES, WIDTH), torch.tensor([FRAMES])
    assert not torch.equal(block(frames, lengths), block(frames, lengths))


@pytest.mark.parametrize("init", ["torch", "glorot", "he"])
def test_it_starts_as_told(init):
    torch.manual_seed(0)
    wide = with_values(SMALL, filters=(32, 32, 32), init=init)
    block = spectrogram_cnn.build(WIDTH, wide)
    layer = block.convolutions[1]
    ins, outs = 32 * 9, 32 * 9
    expected = {"torch": 1 / (3 * ins), "glorot": 2 / (ins + outs), "he": 2 / ins}[init]
    assert layer.weight.var().item() == pytest.approx(expected, rel=0.1)
    assert layer.bias.any() == (init == "torch")


def test_the_signal_does_not_fade_on_its_way():
    torch.manual_seed(0)
    block = spectrogram_cnn.build(64, with_values(SMALL, frames=64, filters=(8, 16, 16), dense=(64, 64))).eval()
    out = block(torch.randn(4 * 64, 64), torch.full((4,), 64))
    assert 0.1 < out.std() < 10


def test_it_learns_which_band_is_bright():
    assert bright_bands.share_told_apart(spectrogram_cnn, 60, 1e-2, dropout=0.2) > 0.9


@pytest.mark.parametrize("length", [FRAMES - 1, 2 * FRAMES])
def test_an_utterance_of_another_length_is_refused(length):
    block = spectrogram_cnn.build(WIDTH, SMALL)
    with pytest.raises(BadInput, match=f"{length} frames; allowed: {FRAMES} frames"):
        block(torch.randn(FRAMES + length, WIDTH), torch.tensor([FRAMES, length]))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"frames": 6}, "before a layer of kernel .*allowed: at least a pixel"),
        ({"filters": (4, 5)}, "one value for each layer"),
        ({"filters": (), "kernels": (), "strides": (), "padding": ()}, "one value for each layer"),
    ],
)
def test_settings_that_make_no_network_are_refused(changed, said):
    with pytest.raises(BadInput, match=said):
        spectrogram_cnn.build(WIDTH, with_values(SMALL, **changed))

"""Winograd's convolution is convolution: its answer and gradients against float64, at every size and share."""

import pytest
import torch
from torch import nn

from ser.models import _winograd

CASES = [(1, 3, 3, 0), (2, 11, 14, 0), (3, 12, 8, 1), (2, 1, 1, 1), (3, 6, 10, 0), (2, 5, 7, 1)]


def results(layer, x, convolve):
    x = x.detach().requires_grad_()
    out = convolve(x, layer)
    weigh = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).sin().reshape(out.shape).to(out.dtype)
    return [out, *torch.autograd.grad(out, [x, layer.weight, layer.bias], weigh)]


def made(batch, height, width, padding, inputs=34, outputs=33):
    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, 3, padding=padding)
    exact = nn.Conv2d(inputs, outputs, 3, padding=padding).double()
    exact.load_state_dict(layer.state_dict())
    return layer, exact, torch.randn(batch, inputs, height, width)


@pytest.mark.parametrize("tiles", [1, 1024])
@pytest.mark.parametrize("case", CASES)
def test_answer_and_gradients_are_those_of_the_plain_sum(monkeypatch, case, tiles):
    monkeypatch.setattr(_winograd, "_TILES", tiles)
    layer, exact, x = made(*case)
    expected = results(exact, x.double(), lambda given, conv: conv(given))
    for form in (torch.contiguous_format, torch.channels_last):
        found = results(layer, x.contiguous(memory_format=form), _winograd.convolve)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.dtype == torch.float32
            assert ours.shape == theirs.shape
            assert (ours - theirs).norm() < 1e-5 * theirs.norm()


def test_it_is_winograds_way_that_was_tested_and_it_needs_no_gradient_of_the_input():
    layer, _, x = made(2, 11, 14, 0)
    out = _winograd.convolve(x, layer)
    assert not torch.equal(out, layer(x))
    assert out.is_contiguous(memory_format=torch.channels_last)
    out.square().sum().backward()
    expected = torch.autograd.grad(layer(x).square().sum(), layer.weight)[0]
    torch.testing.assert_close(layer.weight.grad, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(31, 40, 3),
        nn.Conv2d(40, 31, 3),
        nn.Conv2d(40, 40, 5),
        nn.Conv2d(40, 40, (3, 1)),
        nn.Conv2d(40, 40, 3, 2),
    ],
)
def test_where_it_is_no_gain_the_layer_is_run_as_it_is(layer):
    x = torch.randn(2, layer.in_channels, 9, 9)
    assert torch.equal(_winograd.convolve(x, layer), layer(x))


def test_under_autocast_the_layer_is_run_in_bfloat16_as_it_is():
    layer, _, x = made(2, 11, 14, 0)
    with torch.autocast("cpu", torch.bfloat16):
        found = _winograd.convolve(x, layer)
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, layer(x))

"""Trigeorgis et al.'s network on samples: its sizes, its layers as they are written down, and what it learns."""

import math

import pytest
import torch
from component_settings import stated, with_values
from torch import nn
from torch.nn.functional import conv1d, pad

from ser.errors import BadInput
from ser.models import end_to_end
from ser.models._long_convolution import convolve_long

PAPER = {"frames": 150, "filters": 40, "kernels": (80, 4000), "pool": 2, "across": 10, "step": 640, "units": 128}
PAPER |= {"layers": 2, "dropout": 0.5, "answer": "last"}
WIDTH, SMALL, FRAMES = end_to_end.example()


def small(count=3, **changed):
    torch.manual_seed(0)
    block = end_to_end.build(WIDTH, with_values(SMALL, **changed))
    return block, torch.randn(count * FRAMES, WIDTH), torch.full((count,), FRAMES)


def test_the_papers_network_has_the_papers_sizes():
    with torch.device("meta"):
        net = end_to_end.build(640, stated(end_to_end, **PAPER))
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
    assert sizes["first"] == 40 * 80 + 40
    assert sizes["second"] == 40 * 40 * 4000 + 40
    assert sizes["lstm"] == 4 * 128 * (4 * 320 + 128 + 2) + 4 * 128 * (128 + 128 + 2)


@pytest.mark.parametrize("taps", [1, 2, 7, 50])
@pytest.mark.parametrize("samples", [1, 40, 157, 2000])
def test_long_convolution_is_convolution(taps, samples):
    torch.manual_seed(0)
    inputs = [torch.randn(*shape, requires_grad=True) for shape in ((2, 3, samples), (4, 3, taps), (4,))]
    expected = conv1d(pad(inputs[0], ((taps - 1) // 2, taps // 2)), *inputs[1:])
    found = convolve_long(*inputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    weights = torch.randn(expected.shape)
    gradients = [torch.autograd.grad((y * weights).sum(), inputs) for y in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("answer", ["last", "mean"])
def test_it_is_two_convolutions_with_their_pools_then_lstms_over_steps(answer):
    net, frames, lengths = small(answer=answer)
    net.eval()
    wave = frames.reshape(3, 1, FRAMES * WIDTH)
    x = nn.functional.max_pool1d(conv1d(pad(wave, (1, 2)), net.first.weight, net.first.bias).relu(), 2)
    x = conv1d(pad(x, (4, 4)), net.second.weight, net.second.bias)
    x = torch.stack([x[:, :3].amax(1), x[:, 3:].amax(1)], dim=1)
    steps = torch.stack([x[:, :, at : at + 8].flatten(1) for at in range(0, 48, 8)])
    outputs = net.lstm(steps)[0]
    expected = outputs[-1] if answer == "last" else outputs.mean(0)
    torch.testing.assert_close(net(frames, lengths), expected, rtol=1e-4, atol=1e-5)


def test_it_learns_to_tell_a_low_tone_from_a_high_one():
    torch.manual_seed(0)
    labels = torch.arange(16) % 2
    hz, phase = 0.05 + 0.25 * labels[:, None], torch.rand(16, 1)
    some = torch.sin(2 * math.pi * (hz * torch.arange(FRAMES * WIDTH) + phase)).reshape(-1, WIDTH)
    net, head, lengths = (
        end_to_end.build(WIDTH, with_values(SMALL, dropout=0.0)),
        nn.Linear(5, 2),
        torch.full((16,), FRAMES),
    )
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(net(some, lengths)), labels).backward()
        optimiser.step()
    assert (head(net.eval()(some, lengths)).argmax(1) == labels).float().mean() > 0.9


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"across": 4}, "end_to_end.across: 4; allowed: divisors of 6"),
        ({"step": 20}, "end_to_end.step: 20; allowed: .* divisors of 96"),
        ({"step": 3}, "end_to_end.step: 3; allowed: multiples of 2"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changed, place):
    with pytest.raises(BadInput, match=place):
        small(**changed)


def test_an_utterance_of_another_length_is_refused():
    net, _, _ = small()
    with pytest.raises(BadInput, match="11 frames; allowed: 12 frames"):
        net(torch.randn(23, WIDTH), torch.tensor([12, 11]))

"""The CRNN of segments: its layers as they are written down, what it learns, and what it refuses."""

import pytest
import torch
from component_settings import with_values
from torch import nn

from ser.errors import BadInput
from ser.models import crnn

WIDTH, SMALL, FRAMES = crnn.example()


def small(**changed):
    torch.manual_seed(0)
    return crnn.build(WIDTH, with_values(SMALL, **changed))


@pytest.mark.parametrize("norm", [True, False])
def test_it_is_convolutions_with_pools_of_time_by_bands_then_lstm_over_each_segment(norm):
    net = small(norm=norm).eval()
    frames = torch.randn(36, WIDTH)
    expected = []
    for segment in frames.split(12):
        x = segment[None, None]
        for convolution, normal, pool in zip(net.convolved.convolutions, net.convolved.norms, SMALL.pools, strict=True):
            x = nn.functional.max_pool2d(normal(convolution(x)).relu(), pool)
        assert x.shape == (1, 5, 3, 1)
        expected.append(net.lstm(x[0, :, :, 0].T)[0][-1])
    found = net(frames, torch.tensor([24, 12]))
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_sizes_by_hand():
    net = small()
    convolutions, norms = 3 * 10 + 4 * 28 + 5 * 37, 2 * (3 + 4 + 5)
    assert sum(p.numel() for p in net.parameters()) == convolutions + norms + 4 * 6 * (5 + 6 + 2)


@pytest.mark.parametrize(("activation", "norm"), [("relu", True), ("elu", False)])
def test_it_learns_segments_whose_tone_rises_from_those_whose_tone_falls(activation, norm):
    torch.manual_seed(0)
    labels = torch.arange(16) % 2
    rising = torch.eye(12)[:, :WIDTH]
    some = torch.stack([3 * (rising if label else rising.flip(0)) for label in labels]) + 0.2 * torch.randn(16, 12, 8)
    net, head = crnn.build(WIDTH, with_values(SMALL, activation=activation, norm=norm)), nn.Linear(6, 2)
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=1e-2)
    frames, lengths = some.reshape(-1, WIDTH), torch.full((8,), 24)
    for _ in range(80):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(net(frames, lengths)), labels).backward()
        optimiser.step()
    assert (head(net.eval()(frames, lengths)).argmax(1) == labels).float().mean() > 0.9


def test_a_length_that_is_not_whole_segments_is_refused():
    with pytest.raises(BadInput, match="11, 13 frames; allowed: multiples of 12"):
        small()(torch.randn(24, WIDTH), torch.tensor([11, 13]))


def test_pools_that_leave_nothing_are_refused():
    with pytest.raises(BadInput, match=r"crnn \(frames × bands\): 12 × 8 → 3 × 2, and nothing after pooling 2"):
        small(pools=((4, 4), (4, 1), (1, 1)))


def test_dropout_is_of_the_vectors_and_in_training_alone():
    net, frames = small(dropout=0.5), torch.randn(240, WIDTH)
    lengths = torch.tensor([240])
    assert 0.2 < (net(frames, lengths) == 0).float().mean() < 0.8
    assert (net.eval()(frames, lengths) != 0).all()

"""Zhao et al.'s 1-D network: its sizes, its layers as they are written down, what it learns, and what it refuses."""

import math

import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.errors import BadInput
from ser.models import cnn_lstm_1d

PAPER = {"frames": 200, "filters": (64, 64, 128, 128), "kernel": 3, "pools": (4, 4, 4, 4), "units": 256}
WIDTH, SMALL, FRAMES = cnn_lstm_1d.example()


def small(count=3, **changed):
    torch.manual_seed(0)
    block = cnn_lstm_1d.build(WIDTH, with_values(SMALL, **changed))
    return block, torch.randn(count * FRAMES, WIDTH), torch.full((count,), FRAMES)


def test_the_papers_network_has_the_papers_sizes_and_leaves_500_steps():
    with torch.device("meta"):
        net = cnn_lstm_1d.build(640, stated(cnn_lstm_1d, **PAPER))
    assert [sum(p.numel() for p in c.parameters()) for c in net.convolutions] == [256, 12_352, 24_704, 49_280]
    assert sum(p.numel() for p in net.parameters()) == 256 + 12_352 + 24_704 + 49_280 + 768 + 395_264
    assert 128_000 // math.prod(net.pools) == 500
    assert net.outputs == 256


@pytest.mark.parametrize("training", [False, True])
def test_it_is_convolution_normalisation_elu_pooling_then_lstm_over_samples(training):
    net, frames, lengths = small()
    net.train(training)
    x = frames.reshape(3, 1, FRAMES * WIDTH)
    for convolution, norm in zip(net.convolutions, net.norms, strict=True):
        norm.weight.data.uniform_(-1, 1)
        norm.running_mean.normal_()
        theirs = nn.BatchNorm1d(norm.num_features)
        theirs.load_state_dict(norm.state_dict())
        x = nn.functional.max_pool1d(nn.functional.elu(theirs.train(training)(convolution(x))), 4)
    assert x.shape[2] == 4
    expected = net.lstm(x.permute(2, 0, 1))[1][0][0]
    torch.testing.assert_close(net(frames, lengths), expected, rtol=1e-4, atol=1e-5)


def test_it_learns_to_tell_a_low_tone_from_a_high_one():
    torch.manual_seed(0)
    labels = torch.arange(16) % 2
    hz, phase = 0.05 + 0.25 * labels[:, None], torch.rand(16, 1)
    some = torch.sin(2 * math.pi * (hz * torch.arange(FRAMES * WIDTH) + phase)).reshape(-1, WIDTH)
    net, head, lengths = cnn_lstm_1d.build(WIDTH, SMALL), nn.Linear(6, 2), torch.full((16,), FRAMES)
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(net(some, lengths)), labels).backward()
        optimiser.step()
    assert (head(net.eval()(some, lengths)).argmax(1) == labels).float().mean() > 0.9


def test_an_utterance_of_another_length_is_refused():
    net, _, _ = small()
    with pytest.raises(BadInput, match=r"8 frames; allowed: 9 frames; .* cnn_lstm_1d.frames"):
        net(torch.randn(17, WIDTH), torch.tensor([9, 8]))


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"pools": (4,)}, r"pools \(4,\); allowed: one value for each layer"),
        ({"kernel": 2}, "cnn_lstm_1d.kernel: 2; allowed: odd"),
        ({"pools": (8, 16)}, "72; allowed: samples that poolings of"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changed, place):
    with pytest.raises(BadInput, match=place):
        small(**changed)

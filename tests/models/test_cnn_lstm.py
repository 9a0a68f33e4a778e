"""Zhao et al.'s 2-D network: its sizes, its layers as they are written down, what it learns, and what it refuses."""

import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.errors import BadInput
from ser.models import cnn_lstm

PAPER = {"frames": 251, "filters": (64, 64, 128, 128), "kernel": 3, "pools": (2, 4, 4, 4), "units": 256}
PAPER |= {"partial_pools": False}
WIDTH, SMALL, FRAMES = cnn_lstm.example()


def small(count=3, **changed):
    torch.manual_seed(0)
    block = cnn_lstm.build(WIDTH, with_values(SMALL, **changed))
    return block, torch.randn(count * FRAMES, WIDTH), torch.full((count,), FRAMES)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("partial", "steps"), [(False, 1), (True, 2)])
def test_the_papers_network_has_the_papers_sizes(partial, steps):
    with torch.device("meta"):
        net = cnn_lstm.build(128, stated(cnn_lstm, **PAPER | {"partial_pools": partial}))
    assert [count(c) for c in net.blocks.convolutions] == [640, 36_928, 73_856, 147_584]
    assert [count(n) for n in net.blocks.norms] == [128, 128, 256, 256]
    assert net.blocks.size == (steps, 1)
    assert count(net.lstm) == 4 * 256 * (128 + 256 + 2)  # torch has two biases, Keras one
    assert count(net) == 655_040
    assert net.outputs == 256


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_it_is_convolution_normalisation_elu_pooling_then_lstm_over_time(training, partial):
    net, frames, lengths = small(filters=(33, 34), partial_pools=partial)  # as many as take the fast way
    net.train(training)
    for norm in net.blocks.norms:
        norm.weight.data.uniform_(-1, 1)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    x = frames.reshape(-1, 1, FRAMES, WIDTH)
    for convolution, norm, pool in zip(net.blocks.convolutions, net.blocks.norms, (2, 4), strict=True):
        theirs = nn.BatchNorm2d(norm.num_features)
        theirs.load_state_dict(norm.state_dict())
        x = nn.functional.elu(
            theirs.train(training)(nn.functional.conv2d(x, convolution.weight, convolution.bias, padding=1))
        )
        x = nn.functional.max_pool2d(x, pool, ceil_mode=partial)
    assert x.shape[2:] == ((3, 1) if partial else (2, 1))
    expected = net.lstm(x.permute(2, 0, 3, 1).flatten(2))[1][0][0]
    torch.testing.assert_close(net(frames, lengths), expected, rtol=1e-4, atol=1e-5)


def test_it_learns_in_which_order_two_bands_sound():
    torch.manual_seed(0)
    labels = torch.arange(16) % 2
    some = 0.3 * torch.randn(16, FRAMES, WIDTH)
    for utterance, label in zip(some, labels, strict=True):
        utterance[:8, :4] += 1 - 2 * label
        utterance[8:, :4] -= 1 - 2 * label
    net, head, lengths = cnn_lstm.build(WIDTH, SMALL), nn.Linear(6, 2), torch.full((16,), FRAMES)
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(net(some.flatten(0, 1), lengths)), labels).backward()
        optimiser.step()
    found = head(net.eval()(some.flatten(0, 1), lengths)).argmax(1)
    assert (found == labels).float().mean() > 0.9


@pytest.mark.parametrize("length", [FRAMES - 1, 2 * FRAMES])
def test_an_utterance_of_another_length_is_refused(length):
    net, _, _ = small()
    with pytest.raises(BadInput, match=f"{length} frames; allowed: {FRAMES} frames; .* cnn_lstm.frames"):
        net(torch.randn(FRAMES + length, WIDTH), torch.tensor([FRAMES, length]))


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"pools": (2, 4, 4)}, r"filters \(4, 5\), pools \(2, 4, 4\); allowed: one value for each layer"),
        ({"kernel": 4}, "cnn_lstm.kernel: 4; allowed: odd"),
        ({"pools": (4, 4)}, "17 × 8 → 4 × 2, and nothing after pooling 2"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changed, place):
    with pytest.raises(BadInput, match=place):
        small(**changed)

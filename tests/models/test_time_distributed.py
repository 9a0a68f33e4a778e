"""The time-distributed CNN: which windows there are, its layers as they are written down, and what it learns."""

import pytest
import torch
from component_settings import with_values
from torch import nn

from ser.models import time_distributed
from ser.models.time_distributed import windows

WIDTH, SMALL, _ = time_distributed.example()


def small(**changed):
    torch.manual_seed(0)
    return time_distributed.build(WIDTH, with_values(SMALL, **changed))


@pytest.mark.parametrize(("window", "hop"), [(6, 3), (4, 4), (3, 5), (1, 1)])
def test_windows_cover_every_utterance_and_zeros_fill_the_last(window, hop):
    lengths = [1, 6, 7, 9, 12, 3]
    some = [torch.randn(n, 2) for n in lengths]
    expected, number = [], []
    for x in some:
        starts = [0]
        while starts[-1] + window < len(x):
            starts.append(starts[-1] + hop)
        padded = torch.cat([x, torch.zeros(20, 2)])
        expected += [padded[start : start + window] for start in starts]
        number.append(len(starts))
    found, counts = windows(torch.cat(some), torch.tensor(lengths), window, hop)
    assert counts.tolist() == number
    assert torch.equal(found, torch.stack(expected))


@pytest.mark.parametrize("answer", ["last", "mean"])
def test_it_is_one_cnn_over_all_windows_and_lstms_over_those_of_an_utterance(answer):
    net = small(answer=answer).eval()
    some = [torch.randn(n, WIDTH) for n in (11, 2, 30)]
    expected = []
    for utterance in some:
        pieces, _ = windows(utterance, torch.tensor([len(utterance)]), 6, 3)
        x = pieces[:, None]
        for convolution, norm in zip(net.convolved.convolutions, net.convolved.norms, strict=True):
            x = nn.functional.max_pool2d(norm(convolution(x)).relu(), 2)
        outputs = net.lstm(x.flatten(1))[0]
        expected.append(outputs[-1] if answer == "last" else outputs.mean(0))
    found = net(torch.cat(some), torch.tensor([11, 2, 30]))
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_sizes_by_hand():
    lstms = 4 * 6 * (5 * 1 * 2 + 6 + 2) + 4 * 6 * (6 + 6 + 2)
    assert sum(p.numel() for p in small().parameters()) == 4 * 10 + 5 * 37 + 2 * (4 + 5) + lstms


@pytest.mark.parametrize("answer", ["last", "mean"])
def test_it_learns_whether_the_high_band_sounds_first_or_last(answer):
    torch.manual_seed(0)
    labels, lengths = torch.arange(16) % 2, torch.arange(16) + 12
    some = []
    for label, length in zip(labels, lengths, strict=True):
        x = 0.3 * torch.randn(length, WIDTH)
        x[: length // 2, :4] += 2 * (1 - label)
        x[length // 2 :, :4] += 2 * label
        some.append(x)
    net, head = time_distributed.build(WIDTH, with_values(SMALL, answer=answer, dropout=0.0)), nn.Linear(6, 2)
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(net(torch.cat(some), lengths)), labels).backward()
        optimiser.step()
    assert (head(net.eval()(torch.cat(some), lengths)).argmax(1) == labels).float().mean() > 0.9


def test_one_layer_with_dropout_is_no_warning():
    net = small(layers=1, dropout=0.5)
    assert net(torch.randn(11, WIDTH), torch.tensor([11])).shape == (1, 6)

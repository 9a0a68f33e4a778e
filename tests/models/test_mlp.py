"""Paper 002's baseline: its size, its layers, and what it refuses."""

import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.errors import BadInput
from ser.models import mlp

WIDTH, SMALL, FRAMES = mlp.example()


@pytest.mark.parametrize(("layers", "norms"), [(2, 800), (3, 1200), (4, 1600)])
def test_the_papers_network_has_the_papers_size(layers, norms):
    with torch.device("meta"):
        block = mlp.build(64, stated(mlp, layers=layers))
        net = nn.Sequential(block, nn.Linear(200, 4))
    total = sum(p.numel() for p in net.parameters())
    assert total == 1_270_004 + (layers - 2) * (200 * 200 + 200) + norms


def test_it_is_dense_relu_normalisation_over_flattened_segments():
    torch.manual_seed(0)
    block = mlp.build(WIDTH, with_values(SMALL, dropout=0.0))
    frames = torch.randn(3 * SMALL.segment, WIDTH)
    x = frames.reshape(3, -1)
    for linear in block.layers[::4]:
        x = (x @ linear.weight.T + linear.bias).clamp_min(0)
        x = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-3).sqrt()
    found = block(frames, torch.tensor([2 * SMALL.segment, SMALL.segment]))
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-5)


def test_a_length_that_is_not_whole_segments_is_refused_even_if_the_sum_is():
    block = mlp.build(WIDTH, SMALL)
    with pytest.raises(BadInput, match="3, 5 frames; allowed: multiples of 4"):
        block(torch.randn(12, WIDTH), torch.tensor([3, 4, 5]))

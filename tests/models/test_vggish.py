"""Paper 002's network: its table, its layers, and what it refuses. ``tests/test_weights.py`` loads weights into it."""

import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.data import pretrained
from ser.errors import BadInput
from ser.models import vggish

WIDTH, SMALL, FRAMES = vggish.example()
PAPER = {"segment": 96, "filters": (64, 128, 256, 256, 512, 512), "fc": (4096, 4096), "embedding": 128}
PAPER |= {"weights": "random"}


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("units", "total"), [(100, 72_154_488), (200, 72_167_788), (400, 72_194_388)])
def test_the_papers_network_has_the_papers_size(units, total):
    with torch.device("meta"):
        block = vggish.build(64, stated(vggish, **PAPER | {"units": units}))
        net = nn.Sequential(block, nn.Linear(units, 4))
    assert count(block.vggish) == 72_141_184
    assert count(net) == total
    assert {name: tuple(p.shape) for name, p in block.vggish.named_parameters()} == pretrained.VGGISH


def test_it_is_table_2_of_the_paper_with_relu_everywhere_and_channels_last_before_the_dense_layers():
    torch.manual_seed(0)
    block = vggish.build(WIDTH, SMALL)
    frames = torch.randn(FRAMES, WIDTH)
    pool, (c1, c2, c3, c4, c5, c6) = nn.MaxPool2d(2), block.vggish.convolutions
    layers = [c1, nn.ReLU(), pool, c2, nn.ReLU(), pool, c3, nn.ReLU(), c4, nn.ReLU(), pool, c5, nn.ReLU(), c6]
    x = nn.Sequential(*layers, nn.ReLU(), pool)(frames.reshape(2, 1, SMALL.segment, WIDTH))
    x = torch.stack([image.movedim(0, 2).reshape(-1) for image in x])
    for dense in (*block.vggish.dense, block.last):
        x = dense(x).relu()
    found = block(frames, torch.tensor([FRAMES]))
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-6)
    assert (found >= 0).all()


def test_rows_are_segments_in_order_however_they_are_shared_among_utterances():
    torch.manual_seed(0)
    block, s = vggish.build(WIDTH, SMALL), SMALL.segment
    frames = torch.randn(4 * s, WIDTH)
    rows = block(frames, torch.tensor([s, 3 * s]))
    torch.testing.assert_close(rows, block(frames, torch.tensor([2 * s, 2 * s])))
    torch.testing.assert_close(rows[2:3], block(frames[2 * s : 3 * s], torch.tensor([s])))


def test_the_signal_does_not_fade_on_its_way_through_ten_layers():
    torch.manual_seed(0)
    block = vggish.build(
        64, stated(vggish, **PAPER | {"filters": (16, 16, 32, 32, 32, 32), "fc": (256, 256), "units": 100})
    )
    out = block(torch.randn(96 * 4, 64), torch.full((4,), 96))
    assert 0.1 < out.std() < 10


def test_a_length_that_is_not_whole_segments_is_refused_even_if_the_sum_is():
    block, s = vggish.build(WIDTH, SMALL), SMALL.segment
    with pytest.raises(BadInput, match=f"{s - 1}, {s + 1} frames; allowed: multiples of {s}"):
        block(torch.randn(2 * s, WIDTH), torch.tensor([s - 1, s + 1]))


@pytest.mark.parametrize("changed", [{"filters": (3, 4, 5)}, {"segment": 24}])
def test_sizes_that_vggish_cannot_have_are_refused(changed):
    with pytest.raises(BadInput, match=r"vggish.*allowed: (6 convolutions|multiples of 16)"):
        vggish.build(WIDTH, with_values(SMALL, **changed))


def test_it_does_not_run_until_it_has_the_weights_that_were_asked_for():
    block = vggish.build(WIDTH, with_values(SMALL, weights="file:0123456789ab"))
    with pytest.raises(AssertionError, match="file:0123456789ab"):
        block(torch.randn(FRAMES, WIDTH), torch.tensor([FRAMES]))

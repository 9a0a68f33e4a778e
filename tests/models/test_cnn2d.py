"""Paper 000's network: its table, its layers as written down there, and what it refuses."""

import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.errors import BadInput
from ser.models import cnn2d

PAPER = {"filters": (200, 200, 150, 100), "kernel": 3, "dense": (512, 256, 512), "dropout": 0.5, "frames": 278}
PAPER |= {"init": "glorot"}
WIDTH, SMALL, FRAMES = cnn2d.example()


def small(count=3, **changed):
    torch.manual_seed(0)
    block = cnn2d.build(WIDTH, with_values(SMALL, **changed))
    return block, torch.randn(count * FRAMES, WIDTH), torch.full((count,), FRAMES)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_network_has_the_papers_sizes_layer_by_layer():
    with torch.device("meta"):
        net = nn.ModuleDict({"block": cnn2d.build(200, stated(cnn2d, **PAPER)), "head": nn.Linear(512, 7)})
    block = net["block"]
    assert [count(c) for c in block.convolutions] == [2_000, 360_200, 270_150, 135_100]
    assert [count(n) + 2 * n.num_features for n in block.norms] == [800, 800, 600, 400]  # with the running moments
    assert [count(d) for d in block.dense if count(d)] == [7_680_512, 131_328, 131_584]
    assert count(net["head"]) == 3_591
    assert count(net) == 8_715_765
    assert count(net) + sum(2 * n.num_features for n in block.norms) == 8_717_065
    shapes = []
    for norm in block.norms:
        norm.register_forward_hook(lambda module, given, out: shapes.append(tuple(out.shape[1:])))
    with torch.device("meta"):
        x = torch.zeros(2, 1, 200, 278)
        for convolution, norm in zip(block.convolutions, block.norms, strict=True):
            x = norm(nn.functional.max_pool2d(convolution(x), 2).relu())
    assert shapes == [(200, 99, 138), (200, 48, 68), (150, 23, 33), (100, 10, 15)]
    assert block.outputs == 512


@pytest.mark.parametrize("training", [True, False])
def test_it_is_convolution_relu_pooling_normalisation_on_an_image_of_bands_by_time(training):
    block, frames, lengths = small(dropout=0.0)
    block.train(training)
    for norm in block.norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    reference = nn.Sequential()
    for convolution, norm in zip(block.convolutions, block.norms, strict=True):
        theirs = nn.BatchNorm2d(norm.num_features, eps=1e-3, momentum=0.01)
        theirs.load_state_dict(norm.state_dict())
        reference.extend([convolution, nn.ReLU(), nn.MaxPool2d(2), theirs.train(training)])
    reference.extend([nn.Flatten(), block.dense])
    images = torch.stack([u.T for u in frames.split(FRAMES)])[:, None]
    expected = reference(images)
    found = block(frames, lengths)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    gradients = [
        torch.autograd.grad(out.square().sum(), [p for c in block.convolutions for p in c.parameters()])
        for out in (found, expected)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_running_moments_keep_99_hundredths_at_each_step_as_in_keras():
    block, frames, lengths = small()
    norm, seen = block.norms[0], []
    norm.register_forward_hook(lambda module, given, out: seen.append(given[0].detach()))
    block(frames, lengths)
    mean, variance = seen[0].mean((0, 2, 3)), seen[0].var((0, 2, 3))
    torch.testing.assert_close(norm.running_mean, 0.01 * mean)
    torch.testing.assert_close(norm.running_var, 0.99 + 0.01 * variance)
    assert norm.eps == 1e-3


def test_it_starts_as_keras_would():
    torch.manual_seed(0)
    block = cnn2d.build(40, with_values(SMALL, filters=(8, 16), dense=(64, 32), frames=40))
    weighted = [m for m in block.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weighted) == 4
    for layer in weighted:
        fans = sum(layer.weight.shape[:2]) * layer.weight[0, 0].numel()
        bound = (6 / fans) ** 0.5
        assert 0.9 * bound < layer.weight.abs().max() <= bound
        if layer.weight.numel() > 1000:
            assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert not layer.bias.any()


def test_torchs_own_start_can_be_had():
    block, _, _ = small(init="torch")
    assert block.convolutions[0].bias.any()


@pytest.mark.parametrize("length", [FRAMES - 1, 2 * FRAMES])
def test_an_utterance_of_another_length_is_refused(length):
    block, _, _ = small()
    with pytest.raises(BadInput, match=f"{length} frames; allowed: {FRAMES} frames"):
        block(torch.randn(FRAMES + length, WIDTH), torch.tensor([FRAMES, length]))


@pytest.mark.parametrize(("width", "frames"), [(9, 14), (12, 9), (2, 14)])
def test_an_image_too_small_for_its_layers_is_refused_with_the_sizes(width, frames):
    with pytest.raises(BadInput, match=f"{width} × {frames}.* layer"):
        cnn2d.build(width, with_values(SMALL, frames=frames))


def test_the_smallest_image_leaves_one_pixel():
    block = cnn2d.build(10, with_values(SMALL, frames=10))
    assert block(torch.randn(20, 10), torch.tensor([10, 10])).shape == (2, 12)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_channels_stay_last_through_all_layers(precision):
    block, frames, lengths = small()
    formats = []
    for norm in block.norms:
        norm.register_forward_hook(
            lambda module, given, out: formats.append(out.is_contiguous(memory_format=torch.channels_last))
        )
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        block(frames, lengths)
    assert formats == [True, True]

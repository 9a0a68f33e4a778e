"""The 1-D CNN of paper 001: its weights, its shapes, and many of them at once."""

import itertools

import numpy as np
import pytest
import torch
from component_settings import stated
from torch import nn

from ser.errors import BadInput
from ser.models import cnn1d

TABLE4 = {"filters": (20, 10), "kernel": 3, "pool": 3, "dropout": 0.25, "init": "glorot"}
ONES = torch.ones(6, dtype=torch.int64)


def network(width=20, **changed):
    torch.manual_seed(0)
    small = {"filters": (4, 3), "kernel": 3, "pool": 2, "dropout": 0.0}
    return cnn1d.build(width, stated(cnn1d, **small | changed))


def by_hand(net, row, pool):
    """Table 4 in float64, one value after another."""
    signal = row.double().numpy()[None]
    for layer in (net.first, net.second):
        weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        taps = weight.shape[2]
        places = range(signal.shape[1] - taps + 1)
        out = np.array(
            [[(w * signal[:, t : t + taps]).sum() + b for t in places] for w, b in zip(weight, bias, strict=True)]
        )
        out = np.maximum(out, 0)
        signal = np.array([[r[i * pool : (i + 1) * pool].max() for i in range(len(r) // pool)] for r in out])
    return signal.mean(1)


def test_with_eight_classes_it_has_the_weights_of_table_4():
    net = cnn1d.build(80, stated(cnn1d, **TABLE4))
    counts = [
        sum(p.numel() for p in layer.parameters()) for layer in (net.first, net.second, nn.Linear(net.outputs, 8))
    ]
    assert counts == [80, 610, 88]


@pytest.mark.parametrize("pool", [2, 3])
def test_it_computes_table_4(pool):
    net = network(pool=pool)
    nn.init.normal_(net.first.bias)
    rows = torch.randn(6, 20)
    expected = np.array([by_hand(net, row, pool) for row in rows])
    np.testing.assert_allclose(net(rows, ONES).detach().numpy(), expected, atol=1e-6)


def test_dropout_is_between_the_convolutions_and_only_while_it_learns():
    net, rows = network(dropout=0.5), torch.randn(6, 20)
    assert not torch.equal(net(rows, ONES), net(rows, ONES))
    net.eval()
    torch.testing.assert_close(net(rows, ONES), network()(rows, ONES))


def test_it_starts_as_in_keras():
    net = cnn1d.build(80, stated(cnn1d, **TABLE4))
    bound = (6 / (3 * 20 + 3 * 10)) ** 0.5
    assert 0.9 * bound < net.second.weight.abs().max() <= bound
    assert not net.first.bias.any()
    assert not net.second.bias.any()


@pytest.mark.parametrize(("pool", "kernel", "fits"), [(3, 3, True), (4, 9, True), (8, 3, False), (8, 9, False)])
def test_what_leaves_nothing_is_known_before_and_refused(pool, kernel, fits):
    settings = stated(cnn1d, **TABLE4 | {"pool": pool, "kernel": kernel})
    assert cnn1d.fits(80, settings) is fits
    if fits:
        assert cnn1d.build(80, settings)(torch.randn(6, 80), ONES).shape == (6, 10)
    else:
        with pytest.raises(BadInput, match=f"cnn1d: kernel {kernel} and pool {pool}.*; allowed: .*; make"):
            cnn1d.build(80, settings)


def test_an_utterance_of_several_frames_is_refused():
    with pytest.raises(BadInput, match="7 frames of 6 utterances"):
        network()(torch.randn(7, 20), ONES)


def stacked_and_apart(networks, settings, values, gradient, masks=None):
    """Answers and gradients of the stack, and those of autograd, network by network."""
    names = [name for name, _ in networks[0].named_parameters()]
    weights = {n: torch.stack([net.get_parameter(n).detach() for net in networks]) for n in names}
    stack = cnn1d.Stacked(values.shape[2], settings, len(networks), values.shape[1], torch.device("cpu"))
    for _ in range(2):  # buffers are used again
        answer = stack.forward(weights, values.transpose(1, 2).contiguous(), masks)
        grads = stack.backward(gradient)
    for m, net in enumerate(networks):
        if masks is not None:  # [draws, batch] of this member, as its dropout
            mask = masks[m].view(net.first.out_channels, -1, values.shape[1]).permute(2, 0, 1)
            net.dropout.forward = lambda hidden, mask=mask: hidden * mask
        alone = net(values[m], torch.ones(values.shape[1]))
        alone.backward(gradient[m].T)
        yield answer[m].T, alone
        for n in names:
            yield grads[n][m], net.get_parameter(n).grad


@pytest.mark.parametrize(("kernel", "pool"), list(itertools.product([1, 3, 4], [1, 2, 3])))
@pytest.mark.parametrize("dropped", [False, True])
def test_a_stack_is_its_networks_forwards_and_backwards(kernel, pool, dropped):
    settings = stated(cnn1d, filters=(4, 3), kernel=kernel, pool=pool, dropout=0.5)
    torch.manual_seed(1)
    networks = [cnn1d.build(23, settings).train(dropped) for _ in range(3)]
    masks = None
    if dropped:
        masks = (torch.rand(3, 4 * ((23 - kernel + 1) // pool), 5) > 0.5) * 2.0
    for ours, theirs in stacked_and_apart(networks, settings, torch.randn(3, 5, 23), torch.randn(3, 3, 5), masks):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_of_equal_values_the_first_is_the_greatest_as_in_torch():
    networks = [network(pool=3).eval()]
    nn.init.zeros_(networks[0].first.weight)  # so all that is compared is equal, though it comes from unequal values
    nn.init.ones_(networks[0].first.bias)
    settings = stated(cnn1d, filters=(4, 3), kernel=3, pool=3)
    for ours, theirs in stacked_and_apart(networks, settings, torch.randn(1, 5, 20), torch.randn(1, 3, 5)):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_example_can_be_built():
    width, settings, frames = cnn1d.example()
    assert cnn1d.fits(width, settings)
    assert cnn1d.build(width, settings)(torch.randn(2 * frames, width), torch.full((2,), frames)).shape == (2, 3)

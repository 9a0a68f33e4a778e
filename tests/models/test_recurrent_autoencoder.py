"""The recurrent autoencoder: what it is shown and must write, lengths, and that its vectors say something."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from component_settings import with_values
from torch import nn

from ser.models import recurrent_autoencoder
from ser.models.recurrent_autoencoder import Autoencoder

WIDTH, SMALL, FRAMES = recurrent_autoencoder.example()


def network(layers=2, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    return Autoencoder(WIDTH, 4, layers, dropout)


def stacked(layers):
    """torch's GRU of as many layers, with the same weights."""
    whole = nn.GRU(WIDTH, 4, len(layers))
    for number, layer in enumerate(layers):
        for name, value in layer.named_parameters():
            getattr(whole, name.replace("l0", f"l{number}")).data.copy_(value)
    return whole


def utterances(lengths, seed=0):
    make = torch.Generator().manual_seed(seed)
    return [torch.randn(n, WIDTH, generator=make) for n in lengths]


def waves(count=24, seed=0):
    """Two classes with the same bands on average: slow and fast waves, each of any phase and of 12 to 20 frames."""
    draw, y = np.random.default_rng(seed), np.arange(count) % 2
    x = []
    for c in y:
        t = np.arange(draw.integers(12, 21))[:, None]
        x.append(np.sin(2 * np.pi * (t / (4 if c else 16) + draw.random())).repeat(WIDTH, 1).astype(np.float32))
    return x, y


@pytest.mark.parametrize("layers", [1, 3])
def test_the_loss_is_step_by_step_what_the_paper_says(layers):
    net, some = network(layers), utterances([7, 2, 5])
    squares = []
    for u in some:
        _, states = stacked(net.encoder)(u[:, None])
        states = torch.tanh(net.middle(torch.cat(list(states[:, 0])))).view(layers, 1, 4)
        decoder, shown = stacked(net.decoder), torch.zeros(1, 1, WIDTH)
        for frame in u.flip(0):
            out, states = decoder(shown, states)
            squares += [(net.out(out[0, 0]) - frame) ** 2]
            shown = frame[None, None]
    torch.testing.assert_close(net(some), torch.stack(squares).mean().sqrt())


@pytest.mark.parametrize("layers", [1, 2])
def test_a_vector_is_an_utterances_own(layers):
    net, some = network(layers), utterances([9, 1, 30, 4])
    alone = torch.cat([net.encode([u]) for u in some])
    assert alone.shape == (4, layers * 4)
    for order in ([0, 1, 2, 3], [2, 0, 3, 1], [3, 2]):
        torch.testing.assert_close(net.encode([some[i] for i in order]), alone[order])


def test_dropout_is_for_training_alone():
    net, some = network(dropout=0.5), utterances([9, 4])
    assert not torch.equal(net(some), net(some))
    net.eval()
    assert torch.equal(net(some), net(some))


def test_a_gradient_reaches_every_parameter():
    net = network()
    net(utterances([5, 3])).backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def test_it_tells_slow_waves_from_fast_ones():
    (x, y), (new, answers) = waves(), waves(seed=1)
    model = recurrent_autoencoder.build(with_values(SMALL, epochs=15, dropout=0.0), 0, "cpu").fit(x, y)
    assert model.losses_[-1] < 0.9 * model.losses_[0]
    assert len(model.losses_) == 15
    assert (model.decision_function(new).argmax(1) == answers).mean() > 0.9


def test_labels_are_for_the_machine_alone():
    x, y = waves()
    found = [recurrent_autoencoder.build(SMALL, 0, "cpu").fit(x, labels) for labels in (y, y[::-1].copy())]
    for a, b in zip(*(model.network_.parameters() for model in found), strict=True):
        assert torch.equal(a, b)


def test_another_seed_is_another_network():
    x, y = waves()
    found = [recurrent_autoencoder.build(SMALL, seed, "cpu").fit(x, y).decision_function(x) for seed in (0, 1)]
    assert not np.array_equal(*found)


def test_it_begins_as_torch_would_and_goes_on_in_a_world_of_its_own():
    x, y = waves()
    model = recurrent_autoencoder.build(replace(SMALL, learning_rate=0.0), 5, "cpu").fit(x, y)
    torch.manual_seed(5)
    net = Autoencoder(WIDTH, SMALL.units, SMALL.layers, SMALL.dropout)
    for a, b in zip(model.network_.parameters(), net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_gradients_are_clipped(monkeypatch):
    seen, clip = [], nn.utils.clip_grad_norm_
    monkeypatch.setattr(nn.utils, "clip_grad_norm_", lambda p, most: seen.append(most) or clip(p, most))
    x, y = waves()
    recurrent_autoencoder.build(with_values(SMALL, clip=0.25, epochs=2), 0, "cpu").fit(x, y)
    assert seen == [0.25] * 4

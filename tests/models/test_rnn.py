"""The RNN of paper 001: its weights, its recurrence, and many of them at once."""

import numpy as np
import pytest
import torch
from component_settings import stated
from torch import nn

from ser.errors import BadInput
from ser.models import rnn

ONES = torch.ones(6, dtype=torch.int64)


def network(units=4, init="glorot", seed=0):
    torch.manual_seed(seed)
    net = rnn.build(12, stated(rnn, units=units, init=init))
    if init == "glorot":
        nn.init.normal_(net.bias)
    return net


def test_with_eight_classes_it_has_the_weights_of_table_3():
    net = rnn.build(80, stated(rnn, units=16))
    assert [sum(p.numel() for p in m.parameters()) for m in (net, nn.Linear(net.outputs, 8))] == [288, 136]


def test_it_computes_table_3():
    net, rows = network(), torch.randn(6, 12)
    kernel, recurrent, bias = (p.detach().double().numpy() for p in (net.kernel, net.recurrent, net.bias))
    expected = []
    for row in rows.double().numpy():
        state, states = np.zeros(4), []
        for x in row:
            state = np.tanh(kernel[:, 0] * x + recurrent @ state + bias)
            states.append(state)
        expected.append(np.mean(states, axis=0))
    np.testing.assert_allclose(net(rows, ONES).detach().numpy(), expected, atol=1e-6)


def test_it_starts_as_in_keras():
    net = rnn.build(80, stated(rnn, units=16))
    assert 0.7 < net.kernel.abs().max() / (6 / 17) ** 0.5 <= 1
    torch.testing.assert_close(net.recurrent @ net.recurrent.T, torch.eye(16))
    assert not net.bias.any()


def test_or_as_in_torch():
    weights = torch.cat([p.detach().flatten() for p in network(16, "torch").parameters()])
    assert 0.9 < weights.abs().max() / 16**-0.5 <= 1


def test_an_utterance_of_several_frames_is_refused():
    with pytest.raises(BadInput, match="7 frames of 6 utterances"):
        network()(torch.randn(7, 12), ONES)


def test_a_stack_is_its_networks_forwards_and_backwards():
    networks, settings = [network(seed=seed) for seed in range(3)], stated(rnn, units=4)
    values, gradient = torch.randn(3, 5, 12), torch.randn(3, 4, 5)
    names = [name for name, _ in networks[0].named_parameters()]
    weights = {n: torch.stack([net.get_parameter(n).detach() for net in networks]) for n in names}
    stack = rnn.Stacked(12, settings, 3, 5, torch.device("cpu"))
    for _ in range(2):  # buffers are used again
        answer = stack.forward(weights, values.transpose(1, 2).contiguous(), None)
        grads = stack.backward(gradient)
    for m, net in enumerate(networks):
        alone = net(values[m], torch.ones(5))
        alone.backward(gradient[m].T)
        torch.testing.assert_close(answer[m].T, alone, rtol=0, atol=1e-6)
        for n in names:
            torch.testing.assert_close(grads[n][m], net.get_parameter(n).grad, rtol=1e-5, atol=1e-5)


def test_the_example_can_be_built():
    width, settings, frames = rnn.example()
    assert rnn.build(width, settings)(torch.randn(2 * frames, width), torch.full((2,), frames)).shape == (2, 4)

"""Learning rates by parameter: one group for networks that state none, and factors where a block states them."""

from dataclasses import replace

import pytest
import tiny_encoders
import torch

from ser.registry import find, names
from ser.study import part
from ser.study.settings import values_of
from ser.training import start
from ser.training.network import Network

NETWORKS = [n for n in names("models") if find("models", n).GIVES != "classes"]


@pytest.fixture
def training(paper):
    return replace(paper.training, optimiser="sgd", learning_rate=0.5, weight_decay=0.0)


def network(name="lstm"):
    torch.manual_seed(0)
    width, settings, _ = tiny_encoders.example(name)
    pooling = "mean" if find("models", name).GIVES == "frames" else "none"
    return Network(width, part(name, **values_of(settings)), pooling, 4, "float32")


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "finetuned"])
def test_networks_that_state_no_factors_have_one_group_of_all_parameters_in_order(name, training):
    whole = network(name)
    (group,) = start.parameter_groups(training, whole)
    assert [id(p) for p in group["params"]] == [id(p) for p in whole.parameters()]
    assert group["lr"] == training.learning_rate


@pytest.fixture
def discriminative(monkeypatch):
    """A network whose block has a tenth of the rate in one parameter and a hundredth in another, and a frozen one."""
    whole = network("tdnn")
    first, second, frozen, *_ = (name for name, _ in whole.block.named_parameters())
    whole.block.get_parameter(frozen).requires_grad_(False)
    whole.block.learning_rate_factors = lambda: {first: 0.1, second: 0.01}
    return whole, {f"block.{first}": 0.1, f"block.{second}": 0.01, f"block.{frozen}": 0.0}


def test_a_step_goes_as_far_as_the_factors_say_and_what_is_frozen_stays(discriminative, training):
    whole, factors = discriminative
    optimiser = start._optimiser(training, whole)
    before = {name: p.detach().clone() for name, p in whole.named_parameters()}
    sum(p.sum() for p in whole.parameters()).backward()  # a gradient of 1 everywhere
    optimiser.step()
    for name, p in whole.named_parameters():
        moved = 0.5 * factors.get(name, 1.0)
        torch.testing.assert_close(before[name] - p.detach(), torch.full_like(p, moved))


@pytest.mark.parametrize("optimiser", ["sgd", "rmsprop", "adam"])
def test_rates_and_factors_are_those_of_the_trial_that_goes_on(discriminative, training, optimiser):
    """As in population based training: the state is another trial's, the learning rate is its own."""
    whole, _ = discriminative
    state = start._optimiser(replace(training, optimiser=optimiser), whole).state_dict()
    faster = replace(training, optimiser=optimiser, learning_rate=5.0, weight_decay=0.125)
    other = start._optimiser(faster, whole)
    other.load_state_dict(state)
    start.restate(other, faster, whole)
    assert [g["lr"] for g in other.param_groups] == pytest.approx([0.5, 0.05, 5.0])
    assert {g["weight_decay"] for g in other.param_groups} == {0.125}

"""States of a module without what it takes from elsewhere: left out, kept when they are loaded, and never brought."""

import pytest
import torch
from torch import nn

from ser.models._frozen import leave_out


def network(seed=0):
    torch.manual_seed(seed)
    whole = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    leave_out(whole, ["0.weight", "1.running_mean"])
    return nn.ModuleDict({"block": whole, "head": nn.Linear(4, 2)})


def test_a_state_holds_everything_else():
    state = network().state_dict()
    assert {"block.0.weight", "block.1.running_mean"}.isdisjoint(state)
    assert {"block.0.bias", "block.1.weight", "block.1.running_var", "head.weight", "head.bias"} <= state.keys()


def test_loading_one_keeps_what_the_module_has():
    first, second = network(0), network(1)
    own = second["block"][0].weight.detach().clone()
    state = first.state_dict()
    before = dict(state)
    second.load_state_dict(state)
    assert state.keys() == before.keys()
    assert torch.equal(second["block"][0].weight, own)
    assert torch.equal(second["block"][0].bias, first["block"][0].bias)
    assert torch.equal(second["head"].weight, first["head"].weight)


@pytest.mark.parametrize(("changed", "message"), [
    (lambda s: s.pop("block.0.bias"), "Missing.*block.0.bias"),
    (lambda s: s.pop("head.bias"), "Missing.*head.bias"),
    (lambda s: s.update({"block.0.weight": torch.zeros(4, 3)}), "Unexpected.*block.0.weight"),
    (lambda s: s.update({"block.2": torch.zeros(4, 3)}), "Unexpected.*block.2"),
])  # fmt: skip
def test_a_state_of_another_module_is_refused(changed, message):
    state = network().state_dict()
    changed(state)
    with pytest.raises(RuntimeError, match=f"(?s){message}"):
        network().load_state_dict(state)

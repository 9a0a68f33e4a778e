"""Balances give the items that are recorded for their VERSION."""

import numpy as np
import pytest
import recorded
import torch

from ser import registry
from ser.training.batches import Items

LABELS = (0, 2, 0, 1, 0, 0, 2, 0, 0, 0)  # 7, 1, 2 and 0 items
FRAMES, WIDTH = 10, 6


def items(count, seed):
    draw = np.random.default_rng(seed)
    features = [torch.from_numpy(draw.normal(size=(FRAMES, WIDTH)).astype(np.float32)) for _ in range(count)]
    names = tuple(f"u{i}" for i in range(count))
    return Items("c", names, features, torch.tensor((LABELS * 2)[:count]))


@pytest.mark.parametrize("name", registry.names("balance"))
def test_a_balance_gives_the_recorded_items(name):
    module = registry.find("balance", name)
    copies = items(2 * len(LABELS), 1) if module.COPIES else None
    balanced = module.balanced(items(len(LABELS), 0), copies, 4, module.example(), (1, 2), "cpu")
    cases = {"features": torch.stack(list(balanced.features)).numpy(), "labels": balanced.labels.numpy()}
    recorded.check("balance", name, module.VERSION, cases, tolerance=1e-2)  # a GAN's training adds up roundings


def test_every_balance_is_recorded_and_nothing_else():
    assert recorded.names("balance") == set(registry.names("balance"))

"""Weights that a block takes from elsewhere and never changes: checkpoints and files of weights leave them out."""

from collections.abc import Collection
from typing import Any

from torch import Tensor, nn


def leave_out(module: nn.Module, names: Collection[str]) -> None:
    """Has the states of ``module``, alone or within a network, leave out these of its entries.

    Loading a state keeps what the module has of them. It is as strict as ever about all others, and about a state that
    holds one of these: it would be of another module.
    """

    def save(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
        for name in names:
            state.pop(prefix + name, None)

    def load(
        module: nn.Module,
        state: dict[str, Tensor],
        prefix: str,
        metadata: dict[str, Any],
        strict: bool,
        missing: list[str],
        unexpected: list[str],
        errors: list[str],
    ) -> None:
        tensors = dict(module.named_parameters()) | dict(module.named_buffers())
        unexpected.extend(prefix + name for name in names if prefix + name in state)
        state.update({prefix + name: tensors[name].detach() for name in names})

    module.register_state_dict_post_hook(save)
    module.register_load_state_dict_pre_hook(load)

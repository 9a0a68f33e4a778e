"""An encoder that learns: a copy that shares the weights that stay, with those set free or added that are to change."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ser.data.hidden_states import layers_of
from ser.errors import BadInput

if TYPE_CHECKING:
    from ser.data.hidden_states import Model

_ATTENTION = (("q_proj", "v_proj"), ("linear_q", "linear_v"))  # of queries and values, as in Hu et al. 2022
_DENSE = ("intermediate_dense", "output_dense")  # where attention calls no layer of its own: WavLM's takes bare weights
_CONVOLUTIONS = ("feature_extractor", "conv1", "conv2")  # from samples or spectra to the first features
_NORM_LAST = ("whisper", "wav2vec2-conformer")
_FIXED = ("masked_spec_embed", "embed_positions")  # of pretraining alone, and sinusoids


def sharing_copy(module: nn.Module) -> nn.Module:
    """Returns a copy without gradients whose parameters lie where those of ``module`` do, until they are moved."""
    shared: dict[int, Any] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in module.parameters()}
    return deepcopy(module, shared)


def set_free(parameters: Iterable[nn.Parameter]) -> None:
    """Lets these learn, as copies of their own."""
    for parameter in parameters:
        parameter.data = parameter.data.clone()
        parameter.requires_grad_(True)


def last_norm(encoder: nn.Module) -> list[nn.Parameter]:
    """Returns the parameters of the norm behind the last transformer layer; [] where a norm comes before the first."""
    config: Any = encoder.config
    if not getattr(config, "do_stable_layer_norm", False) and config.model_type not in _NORM_LAST:
        return []
    norm = getattr(getattr(encoder, "encoder", encoder), "layer_norm", None)
    return list(norm.parameters()) if isinstance(norm, nn.Module) else []


def free_top(encoder: nn.Module, count: int) -> list[nn.Module]:
    """Lets the last ``count`` transformer layers learn, and the norm that may follow them; returns the layers."""
    layers = list(layers_of(encoder))
    set_free(parameter for layer in layers[-count:] for parameter in layer.parameters())
    set_free(last_norm(encoder))
    return layers[-count:]


def free_all(encoder: nn.Module, freeze_features: bool) -> list[nn.Module]:
    """Lets everything learn, the convolutions before the first layer only without ``freeze_features``.

    Returns the transformer layers.
    """
    fixed = (*_FIXED, *(_CONVOLUTIONS if freeze_features else ()))
    set_free(p for name, p in encoder.named_parameters() if not set(fixed) & set(name.split(".")))
    return list(layers_of(encoder))


def add_adapters(
    encoder: nn.Module, model: "Model", targets: tuple[str, ...], rank: int, alpha: int, dropout: float, place: str
) -> list[nn.Module]:
    """Adds low-rank adapters to linear layers of all transformer layers; returns the transformer layers.

    W becomes W + alpha / rank · B · A, where only A and B learn, and B starts as zero (Hu et al. 2022, by ``peft``).
    ``targets`` are names of linear layers; () for queries and values of the attention, or the dense layers behind it
    where attention takes the bare weights. Raises BadInput for names that no linear layer has, or none that is called.
    """
    from peft import LoraConfig, inject_adapter_in_model

    usable = _linear_layers(model)
    defaults = next((names for names in _ATTENTION if usable.issuperset(names)), _DENSE)
    names = targets or defaults
    if strange := [name for name in names if name not in usable]:
        allowed = ", ".join(sorted(usable)) or "none in this architecture"
        raise BadInput(", ".join(strange), place, f"linear layers of {model.description.architecture}: {allowed}",
                       "name some of these, or take another method")  # fmt: skip
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(names), lora_dropout=dropout)
    inject_adapter_in_model(config, encoder)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(".lora_" in name)
    return list(layers_of(encoder))


def _linear_layers(model: "Model") -> set[str]:
    """Names of the linear layers within a transformer layer that a forward pass calls: others' adapters would idle."""
    linear = {n.rpartition(".")[2]: m for n, m in model.layers[0].named_modules() if isinstance(m, nn.Linear)}
    if model.description.inputs == "log_mel":  # a whole window for nothing: Whisper's are all called
        return set(linear)
    called: set[str] = set()
    hooks = [
        module.register_forward_pre_hook(lambda module, arguments, name=name: called.add(name))
        for name, module in linear.items()
    ]
    try:
        silence = torch.zeros(model.description.first).numpy()
        model.states([silence], 1, lambda number, states: None)
    finally:
        for hook in hooks:
            hook.remove()
    return called


def set_dropout(layers: Iterable[nn.Module], share: float) -> None:
    """Sets what these layers drop while they train; their attention drops nothing.

    With dropout in attention, torch computes it the long way on a CPU: an update of Whisper tiny took twice as long.
    """
    modules = [module for layer in layers for module in layer.modules()]
    attention = {id(inner) for module in modules if "Attention" in type(module).__name__ for inner in module.modules()}
    for module in modules:
        rate = 0.0 if id(module) in attention else share
        if isinstance(module, nn.Dropout):
            module.p = rate
        for name, value in list(vars(module).items()):
            if "dropout" in name and isinstance(value, int | float):
                setattr(module, name, rate)


def compute_again(layers: Iterable[nn.Module]) -> None:
    """Has these layers keep their inputs alone while they learn, and compute again for gradients, with equal dropout.

    Chen et al. 2016. Without gradients, and when they are used, they compute once.
    """
    for layer in layers:
        vars(layer)["forward"] = partial(_recomputed, layer, layer.forward)


def _recomputed(layer: nn.Module, forward: Callable[..., Any], *arguments: object, **named: object) -> object:
    if layer.training and torch.is_grad_enabled():
        again: Any = checkpoint
        return again(forward, *arguments, use_reentrant=False, **named)
    return forward(*arguments, **named)


def keep_groups_exact(encoder: nn.Module) -> None:
    """Has convolutions of groups compute in float32 on a CPU, within autocast as well.

    In bfloat16, oneDNN as torch 2.13 has it gives wrong numbers on processors with AMX where a group has two or four
    channels (an error of 100 %); 48, as in real encoders, come out right.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Conv1d) and module.groups > 1:
            vars(module)["forward"] = partial(_exact, module.forward)


def _exact(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if x.device.type != "cpu":
        return forward(x)
    with torch.autocast("cpu", enabled=False):
        return forward(x.float())


def batch_norms(encoder: nn.Module) -> list[nn.Module]:
    """Returns the batch norms of an encoder, which go on with the moments of pretraining."""
    return [module for module in encoder.modules() if isinstance(module, _BatchNorm)]

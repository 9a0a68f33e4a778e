"""A whole network as in da Silva et al., Fig. 5: normalisation, temporal block, attention pooling, head or heads."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ser import registry
from ser.errors import BadInput
from ser.models import Layer, _keras, traits
from ser.models._pooling import AttentionPooling
from ser.study import POOLING_SIGNS, Part, Trial, settings_of
from ser.study.settings import values_of
from ser.training.batches import Items

SHARED_HEAD = "all"


class Network(nn.Module):
    """Logits of one corpus's items. ``heads`` names the corpora for the multi-task set-up, empty for unified.

    ``mean`` and ``scale`` [width] normalise each feature; they are part of the checkpoint. With ``precision``
    "bfloat16" the block, which is all but a thousandth of the work, multiplies in bfloat16 and adds up in float32
    (torch's autocast); weights, normalisation, pooling and heads are float32 in any case.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, width: int, block: Part, pooling: str, classes: int, precision: str, heads: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.reduced = precision == "bfloat16"
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        settings, self.model = settings_of("models", block), traits(block.name)
        frames = self.model.gives == "frames"
        self.block = registry.find("models", block.name).build(width, settings)
        if frames == (pooling == "none"):
            allowed = ", ".join(POOLING_SIGNS) if frames else "none"
            raise BadInput(repr(pooling), f"pooling of {block.name}", allowed, "choose one of them")
        self.pooling = None if pooling == "none" else AttentionPooling(self.block.outputs, pooling)
        inputs = self.pooling.outputs if self.pooling else self.block.outputs
        self.heads = nn.ModuleDict({h: nn.Linear(inputs, classes) for h in heads or (SHARED_HEAD,)})
        if values_of(settings).get("init") == "glorot":
            _keras.glorot(self.heads)

    def forward(self, frames: Tensor, lengths: Tensor, corpus: str) -> Tensor:
        """Frames one after another [sum(lengths), width], lengths int64 [batch] -> logits [batch, classes]."""
        normal = (frames - self.mean) * self.scale
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.reduced):
            hidden = self.block(normal, lengths)
        hidden = hidden.to(frames.dtype)
        head = self.heads[SHARED_HEAD if SHARED_HEAD in self.heads else corpus]
        logits: Tensor = head(self.pooling(hidden, lengths) if self.pooling else hidden)
        return logits

    def learning_rate_factors(self) -> dict[str, float]:
        """Returns factors of the learning rate by parameter, where the block states any; of all others it is 1."""
        stated = getattr(self.block, "learning_rate_factors", None)
        return {f"block.{name}": factor for name, factor in stated().items()} if stated else {}


@torch.no_grad()
def smallest_batch(network: Network, items: Items) -> int:
    """Returns how many items a mini-batch must have at least: 2 where one has no variance to be normalised by, else 1.

    So it is where batch normalisation has a single value of an item in each channel: behind dense layers, or where
    convolutions leave one pixel. The shortest item is passed through the block, as after training.
    """
    normalisations = [
        m for m in network.block.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
    ]
    if not normalisations:
        return 1
    values: list[int] = []  # of an item in each channel

    def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values.append(inputs[0].numel() // inputs[0].shape[1])

    hooks = [module.register_forward_pre_hook(count) for module in normalisations]
    was_training = network.training
    try:
        shortest = items.batch([int(items.lengths().argmin())])
        network.eval().block((shortest.frames - network.mean) * network.scale, shortest.lengths)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return 2 if 1 in values else 1


def layers(network: Network) -> list[Layer]:
    """Returns the layer table of a network: its block's layers, pooling and heads."""
    block, width = network.block, len(network.mean)
    table = list(_weighted(block) if network.model.layers is None else network.model.layers(block, width))
    if network.pooling:
        table.append(Layer("attention pooling", str(network.pooling.outputs), _count(network.pooling)))
    for name, head in network.heads.items():
        assert isinstance(head, nn.Linear)
        table.append(Layer("head" if name == SHARED_HEAD else f"head {name}", str(head.out_features), _count(head)))
    return table


def layers_of(trial: Trial, width: int) -> list[Layer]:
    """Returns the layer table of a trial's network for frames of ``width`` values; no weights are drawn or stored."""
    heads = [c.name for c in trial.corpora] if trial.task == "multi" else ()
    with torch.device("meta"):
        return layers(Network(width, trial.block, trial.pooling, len(trial.classes), "float32", heads))


def _weighted(block: nn.Module) -> Iterator[Layer]:
    """Yields the modules that have weights of their own, with the number of their outputs."""
    for name, module in block.named_modules():
        mine = list(module.parameters(recurse=False))
        parameters = sum(p.numel() for p in mine if p.requires_grad)
        averaged = sum(b.numel() for b in module.buffers(recurse=False) if b.is_floating_point())
        if mine:
            outputs = (getattr(module, key, None) for key in ("out_features", "out_channels", "hidden_size"))
            kind = f"{name} ({type(module).__name__})" if name else type(module).__name__
            output = next((str(n) for n in outputs if n is not None), "")
            yield Layer(kind, output, parameters, averaged, sum(p.numel() for p in mine) - parameters)


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())

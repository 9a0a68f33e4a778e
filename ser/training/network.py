"""A whole network as in da Silva et al., Fig. 5: normalisation, temporal block, attention pooling, head or heads.

Where a front-end stacks the layers of an encoder in each vector, their weighted sum comes before the block.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ser import registry
from ser.errors import BadInput
from ser.features.recipe import front_end_stack, front_end_width
from ser.models import Layer, _keras, traits
from ser.models._pooling import AttentionPooling
from ser.study import POOLING_SIGNS, Part, Trial, settings_of
from ser.study.settings import values_of
from ser.training.batches import Items

SHARED_HEAD = "all"


class LayerSum(nn.Module):
    """The sum of an encoder's layers, weighted by the softmax of a learned number for each, all equal at first.

    Peters et al. 2018 ("ELMo"), equation 1 without their gamma; Yang et al. 2021 ("SUPERB") compare encoders with it.
    """

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        if width % layers:
            allowed = f"a multiple of {layers}, the layers that the front-end stacks"
            raise BadInput(
                str(width), "width of a vector of layers", allowed, "correct width or stack of the front-end"
            )
        self.logits = nn.Parameter(torch.zeros(layers))
        self.outputs = width // layers

    @property
    def weights(self) -> Tensor:
        """The layers' weights [layers], which add up to 1."""
        return self.logits.softmax(0)

    def forward(self, frames: Tensor) -> Tensor:
        """[frames, layers * outputs], layer by layer -> [frames, outputs]."""
        weights, layers = self.weights, frames.split(self.outputs, dim=1)
        total: Tensor = weights[0] * layers[0]
        for weight, layer in zip(weights[1:], layers[1:], strict=True):  # an einsum takes four to seven times as long
            total = torch.addcmul(total, weight, layer)
        return total


class Network(nn.Module):
    """Logits of one corpus's items, and ratings behind these.

    ``heads`` names the corpora for the multi-task set-up, empty for unified.
    ``mean`` and ``scale`` [width] normalise each feature; they are part of the checkpoint. With ``precision``
    "bfloat16" the block, which is all but a thousandth of the work, multiplies in bfloat16 and adds up in float32
    (torch's autocast); weights, normalisation, sum of layers, pooling and heads are float32 in any case. ``stack`` is
    how many layers lie one after another in a vector; the block takes their ``LayerSum``, of width / stack values.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        width: int,
        block: Part,
        pooling: str,
        classes: int,
        precision: str,
        heads: Sequence[str] = (),
        stack: int = 1,
        dimensions: int = 0,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.reduced = precision == "bfloat16"
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.layer_sum = LayerSum(stack, width) if stack > 1 else None
        settings, self.model = settings_of("models", block), traits(block.name)
        frames = self.model.gives == "frames"
        self.block = registry.find("models", block.name).build(width // stack, settings)
        if frames == (pooling == "none"):
            allowed = ", ".join(POOLING_SIGNS) if frames else "none"
            raise BadInput(repr(pooling), f"pooling of {block.name}", allowed, "choose one of them")
        self.pooling = None if pooling == "none" else AttentionPooling(self.block.outputs, pooling)
        inputs = self.pooling.outputs if self.pooling else self.block.outputs
        self.heads = nn.ModuleDict({h: nn.Linear(inputs, classes + dimensions) for h in heads or (SHARED_HEAD,)})
        if values_of(settings).get("init") == "glorot":
            _keras.glorot(self.heads)

    def forward(self, frames: Tensor, lengths: Tensor, corpus: str) -> Tensor:
        """Frames one after another [sum(lengths), width], lengths int64 [batch] -> [batch, classes + dimensions]."""
        normal = self.block_inputs(frames)
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.reduced):
            hidden = self.block(normal, lengths)
        hidden = hidden.to(frames.dtype)
        head = self.heads[SHARED_HEAD if SHARED_HEAD in self.heads else corpus]
        logits: Tensor = head(self.pooling(hidden, lengths) if self.pooling else hidden)
        return logits

    def answering(self, corpus: str) -> tuple[str, ...]:
        """Returns the heads that answer for a corpus: its own, the shared one, or all for one that was not trained."""
        if SHARED_HEAD in self.heads:
            return (SHARED_HEAD,)
        return (corpus,) if corpus in self.heads else tuple(self.heads)

    def learning_rate_factors(self) -> dict[str, float]:
        """Returns factors of the learning rate by parameter, where the block states any; of all others it is 1."""
        stated = getattr(self.block, "learning_rate_factors", None)
        return {f"block.{name}": factor for name, factor in stated().items()} if stated else {}

    def block_inputs(self, frames: Tensor) -> Tensor:
        """Frames as the front-end makes them [frames, width] -> what the block takes [frames, width / stack]."""
        normal = (frames - self.mean) * self.scale
        return self.layer_sum(normal) if self.layer_sum else normal


def network_of(trial: Trial, width: int) -> Network:
    """Returns the trial's network for vectors of ``width`` values, its weights drawn from torch's generator.

    Raises BadInput for a block, a pooling and a front-end that do not go together.
    """
    heads = [c.name for c in trial.training_corpora] if trial.task == "multi" else ()
    classes, precision = len(trial.classes), trial.training.precision
    dimensions = len(trial.dimensions)
    return Network(width, trial.block, trial.pooling, classes, precision, heads, stack_of(trial), dimensions)


def stack_of(trial: Trial) -> int:
    """Returns how many layers lie side by side in each vector of a trial's corpora, which have as many.

    Raises BadInput where settings that a corpus has otherwise make that another number, or vectors of another width.
    """
    front_ends = {c.front_end_for(trial.front_end): c.name for c in trial.corpora}
    if len(front_ends) > 1:
        sizes = {name: (front_end_width(one), front_end_stack(one)) for one, name in front_ends.items()}
        if len(set(sizes.values())) > 1:
            value = ", ".join(f"{name} {width} of {stack} layers" for name, (width, stack) in sizes.items())
            place = f"width of {trial.front_end.name}, by corpus"
            raise BadInput(value, place, "one width and number of layers", "change what a corpus has otherwise")
    return front_end_stack(next(iter(front_ends)))


def layer_weights(trial: Trial, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Returns the weights of the encoder's layers that a state of ``network_of(trial)`` holds, and what they are of.

    Plain values, by the layer's number from 0, the input of the first transformer layer; empty without a sum of layers.
    """
    if "layer_sum.logits" not in weights:
        return {}
    shares = weights["layer_sum.logits"].double().softmax(0).tolist()
    by_layer = {str(number): share for number, share in enumerate(shares)}
    return {"corpora": [c.name for c in trial.training_corpora], "front_end": str(trial.front_end), "weights": by_layer}


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
        network.eval().block(network.block_inputs(shortest.frames), shortest.lengths)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return 2 if 1 in values else 1


def layers(network: Network) -> list[Layer]:
    """Returns the layer table of a network: the sum of an encoder's layers, the block's layers, pooling and heads."""
    block, width, table = network.block, len(network.mean), list[Layer]()
    if network.layer_sum:
        width = network.layer_sum.outputs
        table.append(Layer("layer-weighted sum", str(width), _count(network.layer_sum)))
    table += list(_weighted(block) if network.model.layers is None else network.model.layers(block, width))
    if network.pooling:
        table.append(Layer("attention pooling", str(network.pooling.outputs), _count(network.pooling)))
    for name, head in network.heads.items():
        assert isinstance(head, nn.Linear)
        table.append(Layer("head" if name == SHARED_HEAD else f"head {name}", str(head.out_features), _count(head)))
    return table


def layers_of(trial: Trial, width: int) -> list[Layer]:
    """Returns the layer table of a trial's network for frames of ``width`` values; no weights are drawn or stored."""
    with torch.device("meta"):
        return layers(network_of(trial, width))


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

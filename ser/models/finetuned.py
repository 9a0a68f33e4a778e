"""A pretrained encoder that goes on learning, on samples: its top layers, low-rank adapters (LoRA), or all of it.

As ``Wav2Vec2ForSequenceClassification`` of transformers: the encoder's last hidden states, a linear layer, the mean
over an utterance's frames. The convolutional front is frozen as in Baevski et al. 2020; adapters are those of Hu et al.
2022. Weights that do not learn are the encoder's own, in memory as in files: they come from its folder.

Layers that learn drop out by ``dropout``, but not in their attention; all else computes as when it is used: no
SpecAugment, no LayerDrop, batch norms with the moments of pretraining. Each utterance is prepared as the model's
authors do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ser.data import encoders
from ser.data.encoders import Encoder
from ser.data.hidden_states import Wave, layers_of
from ser.errors import BadInput
from ser.models import Layer
from ser.models._adapters import (
    add_adapters,
    batch_norms,
    compute_again,
    free_all,
    free_top,
    keep_groups_exact,
    last_norm,
    set_dropout,
    sharing_copy,
)
from ser.models._frozen import leave_out
from ser.models._pooling import AttentionPooling
from ser.study.settings import setting

VERSION = 2
GIVES = "utterance"
TAKES = "samples"
_WINDOWS = 16  # of Whisper in one pass: a batch for evaluation may hold 80 short utterances, of a window of 30 s each
_POOLINGS = {"attention": "mean", "attention_mean_var": "mean_var"}


@dataclass(frozen=True)
class Settings:
    """Settings of fine-tuning. ``training.learning_rate`` is the head's; ``rate`` is the encoder's share of it."""

    encoder: str = setting("identity of the encoder; each: those of --encoder", "each")
    method: str = setting(
        "what learns: the top layers, low-rank adapters in all layers, or all", "lora", choices=("top", "lora", "all")
    )
    top: int = setting("transformer layers that learn by method top", 2, low=1)
    rank: int = setting("rank of the adapters of method lora", 8, low=1)
    alpha: int = setting("adapters are multiplied by alpha / rank", 16, low=1)
    lora_targets: tuple[str, ...] = setting("linear layers with adapters; none: of queries and values", ())
    rate: float = setting("factor of the learning rate for weights of the encoder; adapters have 1", 0.1, above=0)
    layer_decay: float = setting("factor of the learning rate from a layer to the one below", 1.0, above=0, high=1)
    freeze_features: bool = setting("whether the convolutions before the first layer stay, by method all", True)
    dropout: float = setting("share that layers that learn drop; of lora, what enters adapters", 0.1, low=0, below=1)
    checkpointing: bool = setting("whether layers compute again for gradients: less memory, a third more time", False)
    units: int = setting("units of the linear layer behind the encoder; 0: none", 256, low=0)
    pooling: str = setting(
        "mean over frames, or attention of da Silva et al.: mean, or mean and variance",
        "mean",
        choices=("mean", "attention", "attention_mean_var"),
    )


class Finetuned(nn.Module):
    """Rows of samples of utterances one after another [sum(lengths), width] -> [batch, outputs]."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        with torch.device("cpu"):  # whatever a layer table is made on
            self.model = encoders.load(settings.encoder, "cpu")
            self.encoder = sharing_copy(self.model.module)
            self.learning = self._free(settings)
        keep_groups_exact(self.encoder)
        self.description = self.model.description
        set_dropout([] if settings.method == "lora" else self.learning, settings.dropout)
        if settings.checkpointing:
            compute_again(self.learning)
        self.rate = 1.0 if settings.method == "lora" else settings.rate
        self.layer_decay = settings.layer_decay
        self.projection = nn.Linear(self.description.width, settings.units) if settings.units else None
        width = settings.units or self.description.width
        self.pooling = AttentionPooling(width, _POOLINGS[settings.pooling]) if settings.pooling != "mean" else None
        self.outputs: int = self.pooling.outputs if self.pooling else width
        learning = {name for name, p in self.named_parameters() if p.requires_grad}
        leave_out(self, [name for name in self.state_dict() if name.startswith("encoder.") and name not in learning])
        self.train()

    def _free(self, settings: Settings) -> list[nn.Module]:
        """Lets learn what is to, and returns the transformer layers that it is in."""
        if settings.method == "top":
            return free_top(self.encoder, settings.top)
        if settings.method == "all":
            return free_all(self.encoder, settings.freeze_features)
        set_dropout([self.encoder], 0.0)
        targets, place = settings.lora_targets, "finetuned.lora_targets"
        return add_adapters(self.encoder, self.model, targets, settings.rank, settings.alpha, settings.dropout, place)

    def train(self, mode: bool = True) -> "Finetuned":
        """Has the layers that learn drop out, and nothing else of the encoder."""
        super().train(mode)
        self.encoder.eval()
        for layer in self.learning:
            layer.train(mode)
        for norm in batch_norms(self.encoder):
            norm.eval()
        return self

    def layer_numbers(self) -> dict[str, int]:
        """Returns by parameter of the encoder the number of its transformer layer: from 1 on, 0 for what is before.

        A norm behind the last one has that one's.
        """
        numbers = {
            id(parameter): number
            for number, layer in enumerate(layers_of(self.encoder), 1)
            for parameter in layer.parameters()
        }
        numbers |= {id(parameter): self.description.states - 1 for parameter in last_norm(self.encoder)}
        return {name: numbers.get(id(parameter), 0) for name, parameter in self.encoder.named_parameters()}

    def learning_rate_factors(self) -> dict[str, float]:
        """Returns the factors by parameter: ``rate``, times ``layer_decay`` for each layer between it and the top."""
        top = self.description.states - 1
        return {
            f"encoder.{name}": self.rate * self.layer_decay ** (top - number)
            for name, number in self.layer_numbers().items()
            if self.encoder.get_parameter(name).requires_grad
        }

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Rows of samples one after another [sum(lengths), width] -> [batch, outputs]; padding changes no answer."""
        hidden = self.hidden([rows.flatten() for rows in frames.split(lengths.tolist())])
        counts = [len(states) for states in hidden]
        joined = torch.cat(hidden)
        if self.projection is not None:
            joined = self.projection(joined)
        with torch.autocast(frames.device.type, enabled=False):
            joined = joined.float()
            if self.pooling is None:
                return torch.stack([states.mean(0) for states in joined.split(counts)])
            pooled: Tensor = self.pooling(joined, torch.tensor(counts))
            return pooled

    def hidden(self, waves: Sequence[Tensor]) -> list[Tensor]:
        """Samples of utterances -> their last hidden states [frames, width each].

        Utterances of several lengths share a pass where the model's masks keep padding out, as do Whisper's windows;
        else those that are equally long. What is shorter than a frame is filled up with zeros.
        """
        least = self.description.first
        arrays = [pad(w, (0, max(0, least - len(w)))).float().cpu().numpy() for w in waves]
        out: dict[int, Tensor] = {}
        for indices in self._passes([len(array) for array in arrays]):
            out |= zip(indices, self._pass([arrays[i] for i in indices], waves[0].device), strict=True)
        return [out[i] for i in range(len(waves))]

    def _passes(self, lengths: Sequence[int]) -> list[list[int]]:
        """The utterances that share a pass."""
        groups: dict[int, list[int]] = {}
        for i, length in enumerate(lengths):
            groups.setdefault(0 if self.description.masks or self.description.samples else length, []).append(i)
        return list(groups.values())

    def _pass(self, waves: Sequence[Wave], device: torch.device) -> list[Tensor]:
        frames, window = [self.description.frames(len(wave)) for wave in waves], self.description.samples
        with torch.autocast("cpu", enabled=False):
            inputs, mask = self.model.inputs(waves)
        inputs = inputs.to(device)
        if not window:
            masks = {} if mask is None else {"attention_mask": mask.to(device)}
            states = self.encoder(inputs, **masks).last_hidden_state
            return [row[:n] for row, n in zip(states, frames, strict=True)]
        states = torch.cat([self.encoder(piece).last_hidden_state for piece in inputs.split(_WINDOWS)])
        windows = states.split([-(-len(wave) // window) for wave in waves])
        return [rows.flatten(0, 1)[:n] for rows, n in zip(windows, frames, strict=True)]


def check(settings: Settings) -> None:
    """Raises BadInput for more top layers than the encoder has, and where the package of adapters is absent."""
    layers = Encoder.parse(settings.encoder).states - 1
    if settings.method == "top" and settings.top > layers:
        raise BadInput(str(settings.top), "finetuned.top", f"1 to {layers}, the encoder's layers", "take fewer")
    if settings.method == "lora" and find_spec("peft") is None:
        raise BadInput("no peft", "finetuned.method: lora", "the package peft", "pip install 'ser[pretrained]'")


def build(width: int, settings: Settings) -> Finetuned:
    """Returns the network, whose encoder is that of a folder which this process remembers.

    Raises BadInput for an encoder without folder, and for layers that it has not.
    """
    check(settings)
    return Finetuned(settings)


def layers(block: Finetuned, width: int) -> list[Layer]:
    """Returns the parts of the encoder in order, each of its transformer layers, and what follows them."""
    titles = ["before the layers", *(f"transformer layer {i}" for i in range(1, block.description.states)), "last norm"]
    counts = {title: [0, 0] for title in titles}
    last = {id(parameter) for parameter in last_norm(block.encoder)}
    for name, number in block.layer_numbers().items():
        parameter = block.encoder.get_parameter(name)
        counts[titles[-1 if id(parameter) in last else number]][not parameter.requires_grad] += parameter.numel()
    size = str(block.description.width)
    table = [Layer("samples", f"rows × {width}")]
    table += [
        Layer(title, size if title.startswith("transformer") else "", learning, frozen=frozen)
        for title, (learning, frozen) in counts.items()
        if learning or frozen
    ]
    for name, module in (("linear", block.projection), ("pooling", block.pooling)):
        output = str(block.outputs if name == "pooling" else block.projection.out_features if block.projection else "")
        table += [Layer(name, output, sum(p.numel() for p in module.parameters()))] if module is not None else []
    return table


def example() -> tuple[int, Settings, int]:
    """Returns width, settings of one top layer, and rows per utterance; the encoder is still to be filled in."""
    return 320, Settings(method="top", top=1, dropout=0.3, units=5), 4

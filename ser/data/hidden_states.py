"""Hidden states of an encoder: input as its authors prepare it, and what each layer makes of it.

State 0 is the input of the first transformer layer, state i the output of layer i, as with ``output_hidden_states`` of
transformers. The last one is the encoder's output, after the final layer norm where the architecture has one
(``last_hidden_state``).
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ser.data import encoder_weights
from ser.data.encoder_config import RATE_HZ, Description, quiet
from ser.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Wave = npt.NDArray[np.float32]
Take = Callable[[int, list[Tensor]], None]
_CACHES = ("rotary", "relative")  # positions that a model keeps from one call to the next: one thread at a time
_gpu = Lock()  # what ``_exact`` sets is of the process, and a GPU computes one pass at a time anyway


class _Enough(Exception):
    """The last state that is asked for has come."""


@dataclass
class _Visit:
    """What a forward pass is to do with the states before its last one."""

    until: int
    last: int
    take: Callable[[int, Tensor], None]
    count: int = 0

    def add(self, state: Tensor) -> None:
        if self.count < self.last:
            self.take(self.count, state)
        if self.count == self.until < self.last:
            raise _Enough
        self.count += 1


_visit: ContextVar[_Visit | None] = ContextVar("visit", default=None)  # of the thread whose forward pass this is


class Model:
    """An encoder in evaluation mode, and its input normalisation. Several threads may use it at once.

    ``module`` is transformers' own: for Whisper its encoder alone. ``layers`` are its transformer layers.
    """

    def __init__(self, description: Description, module: nn.Module, device: str) -> None:
        self.description, self.device = description, device
        self.module = module.eval().requires_grad_(False).to(device)
        self.layers: nn.ModuleList = layers_of(self.module)
        self._extractor = _extractor(description)
        positions = description.settings().to_dict().get("position_embeddings_type")
        self._turn: AbstractContextManager[Any] = Lock() if positions in _CACHES else nullcontext()
        if device != "cpu":
            self._turn = _gpu
        self.layers[0].register_forward_pre_hook(_before_first, with_kwargs=True)
        for layer in self.layers:
            layer.register_forward_hook(_after_layer)

    def inputs(self, waves: Sequence[Wave], normalise: bool = True) -> tuple[Tensor, Tensor | None]:
        """Returns input of the module and its mask, None where all are as long or the model has none.

        Waveforms [n, samples], log-mel spectra [windows, bands, frames], or filter banks [n, frames, features]; without
        ``normalise`` none of the model's own normalisation of waveforms and filter banks.
        """
        if self.description.inputs == "log_mel":
            return self._log_mel(waves), None
        if self.description.inputs == "waveform":
            rows = [_standard(wave) if normalise and self.description.normalise else wave for wave in waves]
        else:
            rows = [self._filter_bank(wave, normalise) for wave in waves]
        lengths = [len(row) for row in rows]
        padded = torch.zeros(len(rows), max(lengths), *rows[0].shape[1:])
        for i, row in enumerate(rows):
            padded[i, : len(row)] = torch.from_numpy(row)
        if min(lengths) == max(lengths):
            return padded.to(self.device), None
        if not self.description.masks:
            raise AssertionError(f"{self.description.architecture} without masks, of lengths {sorted(set(lengths))}")
        if self.description.architecture == "wavlm":  # adds a mask of truth values to positions; torch warns each time
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        return padded.to(self.device), mask.long().to(self.device)

    def states(self, waves: Sequence[Wave], until: int, take: Take, normalise: bool = True) -> None:
        """Calls ``take(i, states)`` for the states 0 ... ``until`` in order; later layers are not computed.

        ``states`` holds a float32 [frames, width] on the model's device for each of ``waves``, without padding: views,
        so that what is to stay is copied. ``waves`` are as long as each other where the model has no masks.
        """
        frames = [self.description.frames(len(wave)) for wave in waves]
        last = self.description.states - 1

        def split(number: int, state: Tensor) -> None:
            take(number, self._split(state, waves, frames))

        with torch.inference_mode(), _exact(self.device), self._turn:
            inputs, mask = self.inputs(waves, normalise)
            token = _visit.set(_Visit(until, last, split))
            try:
                output = self.module(inputs, **({} if mask is None else {"attention_mask": mask}))
            except _Enough:
                return
            finally:
                _visit.reset(token)
            split(last, output.last_hidden_state)

    def _split(self, state: Tensor, waves: Sequence[Wave], frames: Sequence[int]) -> list[Tensor]:
        if not self.description.samples:
            if state.shape[1] != max(frames):
                raise BadInput(
                    f"{state.shape[1]} frames of {max(map(len, waves))} samples",
                    str(self.description.folder),
                    f"{max(frames)}, as its config says",
                    "take an encoder of another architecture",
                )
            return [row[:n] for row, n in zip(state, frames, strict=True)]
        parts, at = [], 0
        for wave, n in zip(waves, frames, strict=True):
            windows = -(-len(wave) // self.description.samples)
            parts.append(state[at : at + windows].flatten(0, 1)[:n])
            at += windows
        return parts

    def _log_mel(self, waves: Sequence[Wave]) -> Tensor:
        """Log-mel spectra of windows that follow each other, the last of each wave filled up with zeros."""
        samples = self.description.samples
        windows = [wave[at : at + samples] for wave in waves for at in range(0, len(wave), samples)]
        spectra = [self._spectra(w, return_tensors="pt") for w in windows]
        return torch.cat(spectra).to(self.device)

    def _filter_bank(self, wave: Wave, normalise: bool) -> Wave:
        options = {"padding": False, "pad_to_multiple_of": None, "do_normalize_per_mel_bins": normalise}
        features: Wave = np.asarray(self._spectra(wave, **options)[0], np.float32)
        return features

    def _spectra(self, wave: Wave, **options: object) -> Tensor:
        assert self._extractor
        spectra: Tensor = self._extractor(wave, sampling_rate=RATE_HZ, **options)["input_features"]
        return spectra


def _before_first(layer: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    if visit := _visit.get():
        visit.add(arguments[0] if arguments else named["hidden_states"])


def _after_layer(layer: nn.Module, arguments: tuple[Any, ...], output: Tensor | tuple[Any, ...]) -> None:
    if visit := _visit.get():
        visit.add(output[0] if isinstance(output, tuple) else output)


def _standard(wave: Wave) -> Wave:
    """Mean 0 and variance 1 over the samples, as ``Wav2Vec2FeatureExtractor`` has it."""
    standard: Wave = ((wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)).astype(np.float32, copy=False)
    return standard


@contextmanager
def _exact(device: str) -> Iterator[None]:
    """On a GPU, convolutions and products of whole float32, not of TF32's ten bits."""
    if device == "cpu":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def open_model(description: Description, paths: Sequence[Path], device: str) -> Model:
    """Returns the encoder with the weights of the files. Raises BadInput where they do not fit."""
    shapes = shapes_of(description)
    weights = {name: tensor.to(torch.float32) for name, tensor in weights_of(description, paths)}
    for name in shapes.keys() - weights.keys():  # stands for masked frames, which training alone has
        weights[name] = torch.zeros(shapes[name])
    with quiet(), torch.random.fork_rng(devices=[]):
        kind: Any = _class(description)
        module, report = kind.from_pretrained(
            None,
            config=description.settings(),
            state_dict=weights,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
        )
    missing = shapes.keys() & {*report["missing_keys"], *report["mismatched_keys"]}
    assert not missing, missing
    return Model(description, module, device)


def weights_of(description: Description, paths: Sequence[Path]) -> Iterator[tuple[str, Tensor]]:
    """Yields name and tensor of each weight of the encoder, as stored, checked. Raises BadInput."""
    base = _class(description).base_model_prefix
    prefixes = ("", "encoder.", "model.encoder.") if description.inputs == "log_mel" else ("", f"{base}.")
    return encoder_weights.read(paths, shapes_of(description), prefixes)


def shapes_of(description: Description) -> dict[str, tuple[int, ...]]:
    """Returns shapes of all weights by name; none is made. Raises BadInput where no model can have such a config."""
    try:
        with quiet(), torch.random.fork_rng(devices=[]), torch.device("meta"):
            module = _class(description)(description.settings())
    except BadInput:
        raise
    except Exception as error:  # what layers say to settings that do not fit each other
        remedy = "take the file that was published with the weights"
        raise BadInput(
            str(error), str(description.folder / "config.json"), "a model that can be made", remedy
        ) from None
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items() if tensor.is_floating_point()}


def layers_of(module: nn.Module) -> nn.ModuleList:
    """Returns the transformer layers of an encoder."""
    layers = getattr(getattr(module, "encoder", module), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise BadInput(type(module).__name__, "--encoder", "an encoder with layers one after another", "take another")
    return layers


def _class(description: Description) -> "type[PreTrainedModel]":
    if description.inputs == "log_mel":  # a whole Whisper has a decoder, which nobody needs here
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        return cast("type[PreTrainedModel]", WhisperEncoder)
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    kind: Any = MODEL_MAPPING[type(description.settings())]
    return cast("type[PreTrainedModel]", kind)


def _extractor(description: Description) -> Callable[..., Mapping[str, Any]] | None:
    """Returns transformers' maker of spectra, None for waveforms."""
    extractor: Callable[..., Mapping[str, Any]] | None = None
    if description.inputs == "log_mel":
        from transformers import WhisperFeatureExtractor

        extractor = WhisperFeatureExtractor(**description.extractor)
    elif description.inputs == "filter_bank":
        from transformers import SeamlessM4TFeatureExtractor

        extractor = SeamlessM4TFeatureExtractor(**description.extractor)
    return extractor

"""Hidden states of a pretrained encoder, as frames or as statistics over time.

wav2vec 2.0, HuBERT, WavLM, data2vec-audio, UniSpeech(-SAT), w2v-BERT 2.0, Whisper's encoder, and others of their kind,
from a folder of yours (``--encoder NAME=DIR``); nothing is fetched. Needs ``pip install 'ser[pretrained]'``. State 0 is
the input of the first transformer layer, state i the output of layer i, and the last one that of the encoder, after its
final layer norm where it has one. A frame is 20 ms. Whisper's frames are cut to the utterance; of a longer one than
30 s, windows of 30 s that follow each other are computed apart. Yang et al., "SUPERB", 2021, compare such frozen
encoders; Pepino, Riera, Ferrer, "Emotion recognition from speech using wav2vec 2.0 embeddings", 2021, sum their layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ser.data import encoders, functionals
from ser.data.audio import UnusableAudio
from ser.data.encoders import Encoder
from ser.errors import BadInput, advice
from ser.study import Part, settings_of
from ser.study.settings import setting

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
_WORDS = ("last", "mean", "all", "every")
_SECONDS = 120  # of a batch on a GPU, padding included: some 4 GB of activations in the largest public encoders
_PADDING = 0.25  # at most, of the longest
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Settings:
    """The last hidden state of each frame, from the encoder's own input normalisation."""

    rate_hz: int = setting("sampling rate of the waveform", 16000, unit="Hz", choices=(16000,))
    encoder: str = setting("identity of the encoder; each: those of --encoder", "each")
    layers: int | str = setting(
        "number of a hidden state, last, mean, or all side by side (every: mean, then all)", "last", low=0
    )
    statistics: tuple[str, ...] = setting("functionals of each state over time; none: its frames", ())
    scale: str = setting("normalisation of the input: the model's own, or none", "model", choices=("model", "none"))
    stored: str = setting("numbers of the entry in the store", "float32", choices=("float32", "float16"))


def width(settings: Settings) -> int:
    """States side by side, layer by layer: each its ``statistics`` or its frames. Raises BadInput."""
    return stack(settings) * _rest(settings)


def stack(settings: Settings) -> int:
    """Returns how many states lie side by side. Raises BadInput for layers that the encoder does not have."""
    states = Encoder.parse(settings.encoder).states
    _check_layers(settings, states)
    return {"all": states, "every": 1 + states}.get(str(settings.layers), 1)


def frames(samples: int, settings: Settings) -> int:
    """Returns how many frames the encoder makes of so many samples; 1 with ``statistics``."""
    count = Encoder.parse(settings.encoder).frames(samples)
    return min(count, 1) if settings.statistics else count


def extract(wave: Array, settings: Settings) -> Array:
    """float32 [frames, width] or, with ``statistics``, [1, width]. Raises UnusableAudio, BadInput."""
    return extract_batch([wave], settings)[0]


def batches(samples: Sequence[int], settings: Settings) -> list[list[int]]:
    """Returns numbers of the utterances that are computed at once, by how many samples each has.

    On a CPU each alone: a batch costs as much there (measured: 0.16 s per second of speech for 1 to 16 utterances in a
    model of 95 M weights), and so no number hangs on the neighbours. On a GPU up to two minutes of speech; utterances
    of several lengths only where the encoder's masks keep padding out of every frame. Raises BadInput for an encoder
    that this process does not know.
    """
    description = encoders.describe(settings.encoder)
    if encoders.device() == "cpu":
        return [[i] for i in range(len(samples))]
    window = description.samples  # any number of windows may share a batch
    sizes = [-(-n // window) * window for n in samples] if window else list(samples)
    padding = 1.0 if window else _PADDING if description.masks else 0.0
    out: list[list[int]] = []
    for i in sorted(range(len(samples)), key=lambda i: (-sizes[i], i)):
        longest = sizes[out[-1][0]] if out else 0
        fits = sizes[i] >= max((1 - padding) * longest, description.first)  # one too short is refused, and alone
        if not out or not fits or longest * (len(out[-1]) + 1) > _SECONDS * settings.rate_hz:
            out.append([])
        out[-1].append(i)
    return out


def extract_batch(waves: Sequence[Array], settings: Settings) -> list[Array]:
    """Returns what ``extract`` gives of each wave, computed at once; ``batches`` says which may be.

    Raises UnusableAudio where one is too short for a frame, BadInput for an encoder that this process does not know.
    """
    encoder = Encoder.parse(settings.encoder)
    counts = [encoder.frames(len(wave)) for wave in waves]
    if min(counts) < 1:
        shortest = min(map(len, waves))
        raise UnusableAudio(
            f"too short: {shortest} samples, where a frame of {encoder.architecture} needs {encoder.first}"
        )
    states, is_mean = _states(settings, encoder)
    model = encoders.load(settings.encoder)
    if settings.scale == "none" and not model.description.normalise:
        value, allowed = f"scale none for {encoder}", "model, for this encoder normalises no input"
        raise BadInput(value, "front_end.scale", allowed, "leave the setting out")
    window = model.description.samples * (1 if model.device == "cpu" else 4)
    if window and max(map(len, waves)) > window:
        return [_in_windows(wave, settings, window) for wave in waves]
    rest = _rest(settings)
    out = [np.empty((1 if settings.statistics else n, stack(settings) * rest), np.float32) for n in counts]
    sums: list[Tensor] = []

    def write(place: int, values: Sequence["Tensor"]) -> None:
        for array, value in zip(out, values, strict=True):
            array[:, place * rest : (place + 1) * rest] = _pooled(value.cpu().numpy(), settings)

    def take(number: int, values: list["Tensor"]) -> None:
        if number in states:
            write(is_mean + states.index(number), values)
        if is_mean:
            sums[:] = (
                [a + b for a, b in zip(sums, values, strict=True)] if sums else [value.clone() for value in values]
            )

    model.states(waves, encoder.states - 1 if is_mean else max(states), take, settings.scale == "model")
    if is_mean:
        write(0, [value / encoder.states for value in sums])
    return out


def _in_windows(wave: Array, settings: Settings, window: int) -> Array:
    """A long recording, some windows at a time."""
    by_frame = replace(settings, statistics=())
    pieces = [wave[at : at + window] for at in range(0, len(wave), window)]
    whole = np.concatenate([extract_batch([piece], by_frame)[0] for piece in pieces])
    if not settings.statistics:
        return whole
    states = np.split(whole, stack(settings), axis=1)
    return np.concatenate([_pooled(state, settings) for state in states])[None].astype(np.float32)


def container(parts: Sequence[Part]) -> Part | None:
    """Returns the front-end whose entry holds the numbers of all ``parts``, which differ in ``layers`` alone.

    All states ("all"), and their mean where it is asked for ("every"). None where they differ in more, where there is
    but one, and where frames would fill more than twice the room of entries of their own.
    """
    settings = [settings_of("frontends", one) for one in parts]
    if len({_without_layers(one) for one in settings}) != 1:
        return None
    layers = {_number(one) for one in settings}
    words = layers & {"mean", "all", "every"}
    whole = parts[0].changed(layers="every" if words & {"mean", "every"} else "all")
    sizes = [width(settings_of("frontends", parts[0].changed(layers=one))) for one in layers]
    is_small = bool(settings[0].statistics) or width(settings_of("frontends", whole)) <= 2 * sum(sizes)
    return whole if len(layers) > 1 and is_small else None


def columns(part: Part, container: Part) -> slice | None:
    """Returns where the vectors of ``container`` hold those of ``part``; None where they do not."""
    one, whole = settings_of("frontends", part), settings_of("frontends", container)
    if _without_layers(one) != _without_layers(whole):
        return None
    layers, outer = _number(one), _number(whole)
    if layers == outer:
        return slice(0, width(whole))
    if outer not in ("all", "every") or layers == "every" or (layers == "mean" and outer == "all"):
        return None
    rest, before = _rest(whole), int(outer == "every")
    if layers == "all":
        return slice(before * rest, width(whole))
    first = 0 if layers == "mean" else before + int(layers)
    return slice(first * rest, (first + 1) * rest)


def _rest(settings: Settings) -> int:
    """Width of one state."""
    state = Encoder.parse(settings.encoder).width
    return functionals.size(state, settings.statistics) if settings.statistics else state


def _pooled(state: Array, settings: Settings) -> npt.NDArray[np.floating]:
    return functionals.functionals(state, settings.statistics) if settings.statistics else state


def _number(settings: Settings) -> int | str:
    """The setting ``layers``, the last state by its number."""
    return Encoder.parse(settings.encoder).states - 1 if settings.layers == "last" else settings.layers


def _states(settings: Settings, encoder: Encoder) -> tuple[list[int], bool]:
    """Returns numbers of the states that are asked for by themselves, and whether their mean is, before them."""
    layers = _number(settings)
    if isinstance(layers, int):
        return [layers], False
    return list(range(encoder.states)) if layers in ("all", "every") else [], layers in ("mean", "every")


def _without_layers(settings: Settings) -> Settings:
    return replace(settings, layers="all")


def _check_layers(settings: Settings, states: int) -> None:
    layers = settings.layers
    if layers in _WORDS or (isinstance(layers, int) and layers < states):
        return
    remedy = advice(str(layers), _WORDS, "name one of these")
    raise BadInput(repr(layers), "front_end.layers", f"0 ... {states - 1}, {', '.join(_WORDS)}", remedy)

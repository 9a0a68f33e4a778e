"""Pretrained encoders of a user's own folders: their identity, checks before anything is computed, and loading.

A statement holds an encoder's identity, never a path or a name: architecture, sizes, and a fingerprint of weights,
config and input normalisation. Where its folder lies on this machine, ``remember`` says for the process.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ser.data import encoder_config, encoder_weights
from ser.errors import BadInput
from ser.study import EACH

if TYPE_CHECKING:
    from ser.data.encoder_config import Description
    from ser.data.hidden_states import Model


RANDOM_WEIGHTS = "its weights are random"  # what plans note, and reports look for: ``encoder NAME: its weights …``
RANDOM = "RANDOM_WEIGHTS.txt"  # a file that says so of the weights beside it
_IDENTITY = re.compile(r"(?P<a>[a-z0-9][a-z0-9_-]*)-(?P<w>\d+)x(?P<n>\d+)-(?P<f>\d+)\.(?P<h>\d+)-(?P<p>[0-9a-f]{12})")
_NAME_IT = "name its folder with --encoder NAME=DIR"
_MODELS = 2  # kept in memory, by identity and device

_folders: dict[str, Path] = {}
_examined: dict[tuple[tuple[str, int, int], ...], "Encoder"] = {}
_descriptions: dict[str, "Description"] = {}
_models: dict[tuple[str, str], "Model"] = {}
_lock = threading.RLock()  # also of what transformers prints, which is silenced for the whole process
_device = "cpu"


@dataclass(frozen=True)
class Encoder:
    """What a statement holds of an encoder; its text has all of it.

    ``architecture`` is transformers' model type, ``width`` the length of a hidden state, ``states`` how many there are:
    the input of the first transformer layer, and the output of each. ``first`` samples make the first frame, and each
    ``hop`` more another. ``fingerprint``: 12 hexadecimal digits of weights, config and input normalisation.

    >>> print(Encoder.parse("whisper-384x5-1.320-3fa29c81d0b2").states)
    5
    """

    architecture: str
    width: int
    states: int
    first: int
    hop: int
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.architecture}-{self.width}x{self.states}-{self.first}.{self.hop}-{self.fingerprint}"

    @classmethod
    def parse(cls, text: str) -> "Encoder":
        """Returns the encoder of an identity's text. Raises BadInput for another text, "each" among them."""
        if text == EACH:
            raise BadInput("no encoder", "encoder", "an encoder of a folder of yours", _NAME_IT)
        if not (match := _IDENTITY.fullmatch(text)):
            raise BadInput(repr(text), "encoder", "an identity such as whisper-384x5-1.320-3fa29c81d0b2", _NAME_IT)
        width, states, first, hop = (int(match[key]) for key in "wnfh")
        return cls(match["a"], width, states, first, hop, match["p"])

    def frames(self, samples: int) -> int:
        """Returns how many frames so many samples give; 0 of fewer than ``first``."""
        return max(0, (samples - self.first) // self.hop + 1)


def examine(folder: Path) -> Encoder:
    """Returns the encoder of a folder, everything checked: config, preprocessor, and every weight.

    The same wherever the folder lies and whatever it is called. 1.2 GB take three seconds of one core, and a second
    call in the process nothing, unless a file has changed. Raises BadInput for a folder that cannot be used as it is:
    no weight is ever drawn at random, no code of a folder run, nothing fetched.
    """
    folder = Path(folder).absolute()
    with _lock:
        description = encoder_config.read(folder)
        paths = encoder_weights.locate(folder)
        key = _state(folder, paths)
        if key not in _examined:
            from ser.data import hidden_states

            for _ in hidden_states.weights_of(description, paths):
                pass  # reading each checks it
            fingerprint = encoder_weights.fingerprint(paths, description.statement)
            sizes = description.width, description.states, description.first, description.hop
            _examined[key] = Encoder(description.architecture, *sizes, fingerprint)
        return _examined[key]


def states_of(identity: str) -> int:
    """Returns how many hidden states an encoder has, by its identity. Raises BadInput."""
    return Encoder.parse(identity).states


def is_random(folder: Path) -> bool:
    """Returns whether a folder says that its weights are random, as those of ``ser.demo.encoder`` are."""
    return (Path(folder) / RANDOM).is_file()


def files(folder: Path) -> tuple[Path, ...]:
    """Returns the files of a folder that an encoder is made of. Raises BadInput where it has no weights."""
    return (*_config_files(folder), *encoder_weights.files(folder))


def _config_files(folder: Path) -> list[Path]:
    names = encoder_config.CONFIG, encoder_config.PREPROCESSOR, encoder_config.PROCESSOR
    return [folder / name for name in names if (folder / name).is_file()]


def _state(folder: Path, paths: tuple[Path, ...]) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of change of all that an encoder is made of."""
    return tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in (*_config_files(folder), *paths))


def remember(folders: Mapping[str, Path]) -> None:
    """Lets this process know where the folders of encoders lie, by identity."""
    with _lock:
        _folders.update({identity: Path(folder) for identity, folder in folders.items()})


def folder_of(identity: str) -> Path:
    """Returns the folder of an encoder. Raises BadInput where this process was not told of it."""
    Encoder.parse(identity)
    if identity not in _folders:
        raise BadInput(identity, "encoder", ", ".join(_folders) or "encoders of --encoder, and there is none", _NAME_IT)
    return _folders[identity]


def describe(identity: str) -> "Description":
    """Returns what the encoder's folder says of it; no weights are read. Raises BadInput."""
    with _lock:
        if identity not in _descriptions:
            _descriptions[identity] = encoder_config.read(folder_of(identity))
        return _descriptions[identity]


def use_device(device: str) -> None:
    """Lets encoders of this process compute on ``device``, "cpu" or "cuda", where nobody says another."""
    global _device  # of the process, as torch's own default is
    _device = device


@contextmanager
def on_device(device: str) -> Iterator[None]:
    """Lets encoders compute on ``device``, and keeps no memory of a GPU afterwards; on a CPU where torch sees none."""
    if device == "cpu":
        yield
        return
    import torch

    use_device(device if torch.cuda.is_available() else "cpu")
    try:
        yield
    finally:
        use_device("cpu")
        with _lock:
            for key in [key for key in _models if key[1] == device]:
                del _models[key]
        torch.cuda.empty_cache()


def device() -> str:
    """Returns where encoders of this process compute."""
    return _device


def load(identity: str, device: str | None = None) -> "Model":
    """Returns the encoder in evaluation mode; its ``module`` is transformers' own. Without device, the process's.

    Loaded once per process and device. Raises BadInput where its folder is unknown, or is no more the one that it was.
    """
    place = device or _device
    with _lock:
        if (identity, place) not in _models:
            from ser.data import hidden_states

            folder = folder_of(identity)
            present = str(examine(folder))
            if present != identity:
                raise BadInput(present, str(folder), f"{identity}, as the study has it", "bring its files back")
            model = hidden_states.open_model(encoder_config.read(folder), encoder_weights.locate(folder), place)
            while len(_models) >= _MODELS:
                _models.pop(next(iter(_models)))
            _models[identity, place] = model
        return _models[identity, place]

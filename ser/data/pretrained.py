"""Weights that a person brings along: the public VGGish of Hershey et al. 2017, in the four forms it is passed on in.

They are Google's TensorFlow checkpoint (``vggish_model.ckpt``, one file or .index and .data), and the state
dictionaries of torchvggish, of tcvrick's port and of torchaudio. No code in a file is run, whatever it says it is.
In all of them the first dense layer takes the image with its channels last.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from ser.data import tensorflow_checkpoint
from ser.errors import BadInput

if TYPE_CHECKING:  # a plan asks for fingerprints alone, and torch takes seconds to import
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]
# What a network states of its weights where no file gives them: that one may, or that none is to.
STARTS = ("random", "none")

# Our layer, its place in the sequences of torch's ports, and its name in TensorFlow.
_LAYERS = (
    ("convolutions.0", 0, "conv1"),
    ("convolutions.1", 3, "conv2"),
    ("convolutions.2", 6, "conv3/conv3_1"),
    ("convolutions.3", 8, "conv3/conv3_2"),
    ("convolutions.4", 11, "conv4/conv4_1"),
    ("convolutions.5", 13, "conv4/conv4_2"),
    ("dense.0", 0, "fc1/fc1_1"),
    ("dense.1", 2, "fc1/fc1_2"),
    ("dense.2", 4, "fc2"),
)
# What torchvggish, tcvrick and torchaudio call the two halves of the network.
_PORTS = (("features", "embeddings"), ("features", "fc"), ("features_network", "embedding_network"))
_AFTER = ("pca_eigen_vectors", "pca_means")  # of the embedding's post-processing, which no recipe here has
_REMEDY = "bring the released file, or set weights to random"

_CONVOLUTIONS = ((64, 1), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512))  # channels out and in
_DENSE = ((4096, 12288), (4096, 4096), (128, 4096))
VGGISH: Shapes = (
    {f"convolutions.{i}.weight": (*channels, 3, 3) for i, channels in enumerate(_CONVOLUTIONS)}
    | {f"convolutions.{i}.bias": channels[:1] for i, channels in enumerate(_CONVOLUTIONS)}
    | {f"dense.{i}.weight": units for i, units in enumerate(_DENSE)}
    | {f"dense.{i}.bias": units[:1] for i, units in enumerate(_DENSE)}
)


def fingerprint(path: Path) -> str:
    """``file:`` and 12 hexadecimal digits of the SHA-256 of the file's bytes; of a checkpoint in two, of both's.

    Raises BadInput where there is no such file.
    """
    digest = hashlib.sha256()
    for part in tensorflow_checkpoint.files(path):
        with part.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return f"file:{digest.hexdigest()[:12]}"


def load(path: Path, shapes: Shapes = VGGISH) -> dict[str, "Tensor"]:
    """Float32 tensors by the names of ``ser.models.vggish.Embedding``: convolutions.0.weight … dense.2.bias.

    ``shapes`` are those wanted. Raises BadInput for what is none of the four forms or holds code, and where a weight is
    missing, unknown, of another shape or not finite.
    """
    import torch

    tensors = read(path)
    names = _names(tensors)
    extra = [name for name in tensors if name not in names.values() and name.rpartition(".")[2] not in _AFTER]
    missing = [name for name in names.values() if name not in tensors]
    if extra or missing:
        problems = [
            f"{what} {', '.join(sorted(names_of_kind))}"
            for what, names_of_kind in (("no", missing), ("unknown", extra))
            if names_of_kind
        ]
        allowed = f"the {len(names)} weights and biases of VGGish, and no others"
        raise BadInput("; ".join(problems), str(path), allowed, _REMEDY)
    weights = {ours: _as_in_torch(theirs, tensors[theirs]) for ours, theirs in names.items()}
    for ours, value in weights.items():
        if tuple(value.shape) != tuple(shapes[ours]):
            told_shape = f"{names[ours]} of shape {tuple(value.shape)} (in torch's order)"
            raise BadInput(told_shape, str(path), f"{tuple(shapes[ours])}", _REMEDY)
        if value.dtype != torch.float32 or not value.isfinite().all():
            kind = str(value.dtype) if value.dtype != torch.float32 else "NaN or infinite numbers"
            raise BadInput(f"{names[ours]} of {kind}", str(path), "finite torch.float32", _REMEDY)
    return weights


def read(path: Path) -> dict[str, "Tensor"]:
    """Returns what the file holds, by its own names."""
    import torch

    parts = tensorflow_checkpoint.files(path)
    if len(parts) == 2 or tensorflow_checkpoint.is_table(path):
        return {name: torch.from_numpy(value) for name, value in tensorflow_checkpoint.read(path).items()}
    allowed = "a TensorFlow checkpoint, or a state dictionary of torch (.pth, .pt): tensors by name, and nothing else"
    try:  # torch's restricted reader: it knows tensors and plain values, and calls nothing else that a file names
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise  # says nothing about the file
    except UnpicklingError as error:
        value = "is no such file, or asks for code to be run"
        raise BadInput(value, str(path), allowed, f"do not load it with anything else; {_REMEDY}") from error
    except Exception as error:  # a file cut short, or made on purpose, and the reader has no error of its own
        raise BadInput(f"cannot be read ({type(error).__name__})", str(path), allowed, _REMEDY) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in tensors.items()
    ):
        raise BadInput(f"a {type(tensors).__name__}, not of tensors by name alone", str(path), allowed, _REMEDY)
    return dict(tensors)


def _names(tensors: Mapping[str, "Tensor"]) -> dict[str, str]:
    """Returns the names that this file should have, by ours."""
    if any("/" in name for name in tensors):
        ends = {"weight": "weights", "bias": "biases"}
        return {f"{ours}.{a}": f"vggish/{theirs}/{b}" for ours, _, theirs in _LAYERS for a, b in ends.items()}
    roots = {name.partition(".")[0] for name in tensors}
    front, back = max(_PORTS, key=lambda port: len(roots.intersection(port)))
    return {
        f"{ours}.{part}": f"{front if ours.startswith('convolutions') else back}.{place}.{part}"
        for ours, place, _ in _LAYERS
        for part in ("weight", "bias")
    }


def _as_in_torch(name: str, value: "Tensor") -> "Tensor":
    """TensorFlow has the kernel's height and width first, then channels in and out; torch the reverse."""
    if name.endswith("/weights"):
        value = value.permute(3, 2, 0, 1) if value.dim() == 4 else value.T if value.dim() == 2 else value
    return value.contiguous()

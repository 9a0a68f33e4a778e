"""Weights of an encoder on disk: safetensors, whole or in shards, or tensors of torch read without running code."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from ser.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

_SAFE, _PICKLE = "model.safetensors", "pytorch_model.bin"
_OTHERS = ("tf_model.h5", "flax_model.msgpack", "model.ckpt.index")  # of TensorFlow and of JAX
_POINTER = b"version https://git-lfs.github.com/spec"
_ALLOWED = f"{_SAFE}, whole or in shards with {_SAFE}.index.json, or {_PICKLE} of tensors alone"
_DOWNLOAD = "download or copy it again"
# torch has named the two halves of a normalised weight anew: as they are now, and as they were.
_RENAMED = ((".parametrizations.weight.original0", ".weight_g"), (".parametrizations.weight.original1", ".weight_v"))
_UNUSED = ("masked_spec_embed",)  # stands for masked frames, which training alone has
Shapes = Mapping[str, tuple[int, ...]]


def locate(folder: Path) -> tuple[Path, ...]:
    """Returns the files of weights, shards in the order of their names. Raises BadInput where there are none."""
    for name in (_SAFE, _PICKLE):
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            paths: tuple[Path, ...] = (folder / name,)
        elif index.is_file():
            paths = _shards(index)
        else:
            continue
        for path in paths:
            _check_file(path)
        return paths
    others = [name for name in _OTHERS if (folder / name).exists()]
    value = f"{others[0]} alone" if others else "no weights"
    remedy = "convert them with transformers (from_tf, from_flax), or take the" if others else "bring the"
    raise BadInput(value, str(folder), _ALLOWED, f"{remedy} {_SAFE} of the model")


def files(folder: Path) -> tuple[Path, ...]:
    """Returns the files of weights, with the index of those in shards. Raises BadInput where there are none."""
    indices = (folder / f"{name}.index.json" for name in (_SAFE, _PICKLE))
    return (*(index for index in indices if index.is_file()), *locate(folder))


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        paths = tuple(index.parent / Path(name).name for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        value = f"cannot be read ({type(error).__name__})"
        raise BadInput(value, str(index), "a weight_map from tensors to shards", _DOWNLOAD) from None
    for path in paths:
        if not path.is_file():
            raise BadInput(f"no {path.name}", str(index.parent), f"the {len(paths)} shards of {index.name}", _DOWNLOAD)
    return paths


def _check_file(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            remedy = "run git lfs pull in the folder"
            raise BadInput("a pointer of Git LFS, not the weights", str(path), _ALLOWED, remedy)


def fingerprint(paths: Sequence[Path], statement: Mapping[str, object]) -> str:
    """Returns 12 hexadecimal digits of the SHA-256 of a statement and of all bytes of the files, in their order."""
    digest = hashlib.sha256(json.dumps(statement, sort_keys=True).encode())
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(1 << 22):
                digest.update(piece)
    return digest.hexdigest()[:12]


def read(paths: Sequence[Path], shapes: Shapes, prefixes: Iterable[str]) -> "Iterator[tuple[str, Tensor]]":
    """Yields name and tensor of each of ``shapes``; weights of heads and decoders stay on disk.

    ``prefixes`` are what the file may put before each name. Raises BadInput for a file that is damaged or asks for code
    to be run, and for a weight that is missing, of another shape or not finite.
    """
    stored: dict[str, Callable[[], Tensor]] = {}
    for path in paths:
        stored |= _pickled(path) if path.suffix == ".bin" else _safe(path)
    for now, before in _RENAMED:
        stored |= {n.removesuffix(before) + now: tensor for n, tensor in stored.items() if n.endswith(before)}
    prefix = max(prefixes, key=lambda prefix: sum(prefix + name in stored for name in shapes))
    missing = [prefix + name for name in shapes if prefix + name not in stored and name not in _UNUSED]
    if missing:  # transformers would draw them at random
        value = f"{len(missing)} of {len(shapes)} weights missing, {missing[0]} the first"
        raise _wrong(paths, value, "all weights of the encoder that config.json describes")
    for name, shape in shapes.items():
        if prefix + name in stored:
            tensor = stored[prefix + name]()
            size = tuple(tensor.shape)
            if size != tuple(shape):
                raise _wrong(paths, f"{prefix + name} of shape {size}", f"{tuple(shape)}, as config.json says")
            if not tensor.is_floating_point() or not tensor.isfinite().all():
                raise _wrong(paths, f"{prefix + name} has NaN, infinite or whole numbers", "finite numbers")
            yield name, tensor


def _safe(path: Path) -> "dict[str, Callable[[], Tensor]]":
    """Returns what gives each tensor of a safetensors file, by name: nothing is read before it is asked for."""
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(path, framework="pt")
        return {name: partial(file.get_tensor, name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        value = f"cannot be read, truncated perhaps ({error})"
        raise BadInput(value, str(path), "a whole file of safetensors", _DOWNLOAD) from None


def _pickled(path: Path) -> "dict[str, Callable[[], Tensor]]":
    """The same of a file of ``torch.save``, by torch's restricted reader, which calls nothing that a file names."""
    import torch

    allowed = "tensors by name, and nothing else"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise  # says nothing about the file
    except UnpicklingError as error:
        remedy = f"load it with nothing else: take the {_SAFE} of the model, or convert it where its author is trusted"
        raise BadInput("asks for code to be run, or is damaged", str(path), allowed, remedy) from error
    except Exception as error:  # a file cut short: the reader has no error of its own
        raise BadInput(f"cannot be read ({type(error).__name__})", str(path), allowed, _DOWNLOAD) from error
    if not isinstance(content, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        raise BadInput(f"a {type(content).__name__}, not of tensors alone", str(path), allowed, f"take the {_SAFE}")
    return {name: partial(_same, tensor) for name, tensor in content.items()}


def _same(tensor: "Tensor") -> "Tensor":
    return tensor


def _wrong(paths: Sequence[Path], value: str, allowed: str) -> BadInput:
    place = paths[0] if len(paths) == 1 else paths[0].parent
    return BadInput(value, str(place), allowed, "bring the weights and the config.json of one model")

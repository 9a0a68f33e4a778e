"""Weights of VGG networks that a person brings along, named as torchvision saves them (vgg11 to vgg19, with _bn too).

There ``features`` counts convolutions, normalisations, ReLUs and poolings, ``classifier`` dense layers, ReLUs and
dropouts. The last of the dense layers, to ImageNet's classes, is ignored. No code in a file is run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ser.data import pretrained
from ser.errors import BadInput

_COUNT = "num_batches_tracked"  # absent from older files, and of no effect where the momentum is fixed
_REMEDY = "bring the file of that network, change the settings, or set weights to random"


def places(convolutions: Sequence[int], norm: bool) -> dict[str, str]:
    """Returns the modules ``features.…`` of the file by ours; ``convolutions`` counts them between poolings."""
    modules: dict[str, str] = {}
    place = layer = 0
    for count in convolutions:
        for _ in range(count):
            modules[f"convolutions.{layer}"] = f"features.{place}"
            if norm:
                modules[f"norms.{layer}"] = f"features.{place + 1}"
            place, layer = place + (3 if norm else 2), layer + 1
        place += 1  # the pooling
    return modules


def load(path: Path, shapes: Mapping[str, tuple[int, ...]], modules: Mapping[str, str], head: str) -> dict[str, Tensor]:
    """Returns float32 tensors by our names, the keys of ``shapes``; ``modules`` are those of the file by ours.

    Weights of the module ``head`` do not count. The first convolution there sees red, green and blue, and
    ours a grey image, the same in all three: its weights are their sum. Raises BadInput where a weight is missing,
    unknown, of another shape or not finite.
    """
    weights = {
        k: v for k, v in pretrained.read(path).items() if not k.startswith(f"{head}.") and not k.endswith(_COUNT)
    }
    names = {ours: f"{modules[ours.rpartition('.')[0]]}.{ours.rpartition('.')[2]}" for ours in shapes}
    missing = [name for name in names.values() if name not in weights]
    extra = weights.keys() - names.values()
    if missing or extra:
        lists = (("no", missing), ("unknown", extra))
        problems = [f"{what} {', '.join(sorted(names_of))}" for what, names_of in lists if names_of]
        raise BadInput("; ".join(problems), str(path), f"the {len(names)} weights of such a network", _REMEDY)
    for ours, name in names.items():
        value, expected = weights[name], shapes[ours]
        if name == "features.0.weight":
            expected = (expected[0], 3, *expected[2:])
        if tuple(value.shape) != expected:
            raise BadInput(f"{name} of shape {tuple(value.shape)}", str(path), f"{expected}", _REMEDY)
        if value.dtype != torch.float32 or not value.isfinite().all():
            kind = str(value.dtype) if value.dtype != torch.float32 else "NaN or infinite numbers"
            raise BadInput(f"{name} of {kind}", str(path), "finite torch.float32", _REMEDY)
    loaded = {ours: weights[name] for ours, name in names.items()}
    return loaded | {"convolutions.0.weight": loaded["convolutions.0.weight"].sum(1, keepdim=True)}

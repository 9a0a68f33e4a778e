"""VGG of any depth on grey images: Simonyan & Zisserman 2015. Stages of convolutions and a pooling, dense layers.

Paper 004: row 13, Popova et al., VGG-16 on mel images of 224 × 224; row 3, Chatziagapi et al., VGG-19 on 128 × 128.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ser.data import pretrained as weights
from ser.errors import BadInput
from ser.models import _torchvision
from ser.models._images import whole, with_channel
from ser.models._layers import after, convolved, dense_layers, layers, start

GIVES = "utterance"
_FILE_FOR = ("all", "convolutions")


class VGG(nn.Module):
    """Frames [batch · frames, width] -> [batch, outputs]; every utterance has exactly ``settings["frames"]``."""

    rows: Tensor
    columns: Tensor

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.frames: int = settings["frames"]
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        size, channels = (width, self.frames), 1
        stages = layers(settings, ("filters", "layers"), "vgg")
        for filters, count in stages:
            if count < 1:
                raise BadInput(str(count), "vgg.layers", "at least a convolution in each stage", "leave the stage out")
            for _ in range(count):
                self.convolutions.append(nn.Conv2d(channels, filters, 3, padding=1))
                self.norms.append(nn.BatchNorm2d(filters) if settings["norm"] else nn.Identity())
                channels = filters
            size = after(size, 2, 2, 0, "vgg")
        self.counts = [count for _, count in stages]
        self.grid: int = settings["grid"]
        self.register_buffer("rows", _means(size[0], self.grid or size[0]), persistent=False)
        self.register_buffer("columns", _means(size[1], self.grid or size[1]), persistent=False)
        inputs = channels * len(self.rows) * len(self.columns)
        self.dense = dense_layers(inputs, settings["dense"], settings["dropout"])
        self.outputs: int = (inputs, *settings["dense"])[-1]
        self.wanted: str = settings["weights"]
        self.waiting = self.wanted not in weights.STARTS
        self.file_for: str = settings["weights_for"]
        if self.file_for not in _FILE_FOR:
            raise BadInput(repr(self.file_for), "vgg.weights_for", ", ".join(_FILE_FOR), "choose one of them")
        start(self, settings, "vgg")

    def start_from(self, path: Path) -> None:
        """Take weights from the file that ``settings["weights"]`` is the fingerprint of, as torchvision saves them.

        Raises BadInput for another file, and for one that does not hold those of this network.
        """
        found = weights.fingerprint(path)
        if found != self.wanted:
            raise BadInput(found, str(path), f"the file of vgg.weights, {self.wanted}", "name that file")
        places, head = _torchvision.places(self.counts, isinstance(self.norms[0], nn.BatchNorm2d)), "classifier"
        if self.file_for == "all":
            places |= {f"dense.{i}": f"classifier.{i}" for i in range(0, len(self.dense), 3)}
            head = f"classifier.{len(self.dense)}"
        shapes = {k: tuple(v.shape) for k, v in self.state_dict().items() if k.rpartition(".")[0] in places}
        shapes = {k: v for k, v in shapes.items() if v}  # without the counts of batches
        self.load_state_dict(_torchvision.load(path, shapes, places, head), strict=False)
        self.waiting = False

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Frames of utterances one after another [sum(lengths), width] -> [batch, outputs].

        The image is as spectrograms are printed, for weights that know which way is up: time across, the last band on
        top. Raises BadInput for an utterance of another length.
        """
        assert not self.waiting, f"start_from() has not given the weights {self.wanted}"
        x = with_channel(whole(frames, lengths, self.frames, "vgg").transpose(1, 2).flip(1))
        layer = 0
        for count in self.counts:
            for place in range(count):
                convolution, norm = self.convolutions[layer + place], self.norms[layer + place]
                assert isinstance(convolution, nn.Conv2d)
                x = norm(convolved(x, convolution))
                # ReLU and maximum commute, and so a quarter of the values needs to be clipped.
                x = (max_pool2d(x, 2) if place == count - 1 else x).relu()
            layer += count
        if self.grid and x.shape[2:] != (self.grid, self.grid):
            x = self.rows @ x @ self.columns.T
        out: Tensor = self.dense(x.flatten(1))
        return out


def _means(given: int, wanted: int) -> Tensor:
    """[wanted, given]: torch's adaptive average pooling along one axis, as its own has no exact gradient on GPUs.

    Window i goes from ⌊i · given / wanted⌋ to ⌈(i + 1) · given / wanted⌉, and where ``wanted`` is more they repeat.
    """
    weights = torch.zeros(wanted, given)
    for i in range(wanted):
        first, end = i * given // wanted, -(-(i + 1) * given // wanted)
        weights[i, first:end] = 1 / (end - first)
    return weights


def build(width: int, settings: Mapping[str, Any]) -> VGG:
    """Settings:

    - frames
    - filters and layers (how many convolutions) of each stage. VGG has filters (64, 128, 256, 512, 512); with layers
      (1, 1, 2, 2, 2) it is VGG-11, with (2, 2, 2, 2, 2) VGG-13, (2, 2, 3, 3, 3) VGG-16 and (2, 2, 4, 4, 4) VGG-19
    - norm: batch normalisation before each ReLU
    - grid: what is left of an image is averaged to so many rows and columns, as torchvision does to 7; 0: not
    - dense (VGG: (4096, 4096)), dropout, init
    - weights: "random", "none" where no file is to be asked for, or a fingerprint for ``start_from``
    - weights_for: whether the file gives "all" layers or the "convolutions"
    """
    return VGG(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and frames per utterance."""
    stages = {"frames": 12, "filters": (4, 5), "layers": (1, 2), "norm": False, "grid": 2}
    dense = {"dense": (16, 12), "dropout": 0.5, "init": "he", "weights": "random", "weights_for": "all"}
    return 10, stages | dense, 12

"""Table 2 of paper 002: the layers of VGGish with one more, as a run's statement has them."""

from collections.abc import Mapping
from typing import Any

from ser.report.layers import Layer, network, size
from ser.training.network import SHARED_HEAD

# The paper's names, and whether a 2 × 2 pooling follows.
_CONVOLUTIONS = {
    "conv1": "pool1",
    "conv2": "pool2",
    "conv3_1": "",
    "conv3_2": "pool3",
    "conv4_1": "",
    "conv4_2": "pool4",
}
_DENSE = ("fc1_1", "fc1_2", "fc2")


def summary(params: Mapping[str, str], classes: int) -> list[Layer]:
    """Every layer, what it gives (channels × frames × bands) and its weights; [] for other networks."""
    if params.get("block") != "vggish":
        return []
    whole = network(params, classes)
    if whole is None:
        return []
    block: Any = whole.block
    frames, bands = block.segment, len(whole.mean)
    layers = [Layer("input", f"1 × {frames} × {bands}", 0)]
    for (name, pool), convolution in zip(_CONVOLUTIONS.items(), block.vggish.convolutions, strict=True):
        channels = convolution.out_channels
        layers.append(Layer(name, f"{channels} × {frames} × {bands}", size(convolution)))
        if pool:
            frames, bands = frames // 2, bands // 2
            layers.append(Layer(pool, f"{channels} × {frames} × {bands}", 0))
    layers.append(Layer("flatten", f"1 × {block.vggish.dense[0].in_features}", 0))
    dense = zip((*_DENSE, "fc3"), (*block.vggish.dense, block.last), strict=True)
    layers += [Layer(name, f"1 × {layer.out_features}", size(layer)) for name, layer in dense]
    return [*layers, Layer("output", f"1 × {classes}", size(whole.heads[SHARED_HEAD]))]

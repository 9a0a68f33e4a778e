"""A training subset as images of one size from -1 to 1, and back."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from ser.errors import BadInput
from ser.training.batches import Items, Passes


class Images:
    """Float32 [batch, 1, height, width]: each bin from its least value in training, -1, to its greatest, 1.

    Height and width are the frames and bins, the last of them repeated up to what can be halved ``layers`` times.
    """

    def __init__(self, items: Items, layers: int, batch_size: int, device: str) -> None:
        lengths = sorted(set(items.lengths().tolist()))
        if len(lengths) > 1:
            value, remedy = f"{lengths[0]} to {lengths[-1]} frames", "choose a front-end that pads and crops"
            raise BadInput(value, "items for balance.gan", "items of one length", remedy)
        self.labels = items.labels.to(device)
        self._items, self._batch_size, self._device = items, batch_size, device
        self._frames, self._bins = items.features[0].shape
        self.height, self.width = (-(-n >> layers) << layers for n in (self._frames, self._bins))
        ends = torch.stack([torch.stack([x.amin((0, 1)), x.amax((0, 1))]) for x in map(self._raw, self._in_order())])
        self._least, greatest = ends[:, 0].amin(0), ends[:, 1].amax(0)
        self._span = greatest - self._least

    def epoch(self, number: int, seed: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields all images once, in batches with their labels, shuffled anew for each ``number`` (0, 1, 2 ...)."""
        passes = Passes(len(self._items), self._batch_size, seed)
        for b in range(number * passes.per_pass, (number + 1) * passes.per_pass):
            indices = passes.indices(b)
            yield self._image(indices), self.labels[list(indices)]

    def in_order(self) -> Iterator[Tensor]:
        """Returns all images once, in batches."""
        return map(self._image, self._in_order())

    def features(self, images: Tensor) -> Tensor:
        """Returns the features that images would be of, float32 [batch, frames, bins]."""
        return self._least + self._span * (images[:, 0, : self._frames, : self._bins] + 1) / 2

    def _in_order(self) -> Iterator[tuple[int, ...]]:
        indices = range(len(self._items))
        return (tuple(indices[at : at + self._batch_size]) for at in indices[:: self._batch_size])

    def _raw(self, indices: tuple[int, ...]) -> Tensor:
        return self._items.batch(indices).frames.to(self._device).reshape(-1, self._frames, self._bins)

    def _image(self, indices: tuple[int, ...]) -> Tensor:
        span = self._span.where(self._span > 0, 1)  # a bin that never changes is -1
        scaled = (self._raw(indices) - self._least) * (2 / span) - 1
        whole = (0, self.width - self._bins, 0, self.height - self._frames)
        return pad(scaled.unsqueeze(1), whole, mode="replicate")

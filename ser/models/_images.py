"""Frames of a batch as the images that a convolution takes: pieces of one height, or whole utterances of one length."""

from torch import Tensor

from ser.errors import BadInput


def images(frames: Tensor, lengths: Tensor, height: int, model: str) -> Tensor:
    """Frames one after another [sum(lengths), width] -> [sum(lengths) / height, height, width].

    Raises BadInput where an utterance is not whole pieces of ``height`` frames: the rest would shift all that follow.
    """
    if (lengths % height).any():
        odd = ", ".join(str(n) for n in sorted(set(lengths.tolist())) if n % height)
        allowed = f"multiples of {height}"
        raise BadInput(f"{odd} frames", model, allowed, "choose a front-end that pads or cuts to that, or change it")
    return frames.reshape(-1, height, frames.shape[1])


def whole(frames: Tensor, lengths: Tensor, expected: int, model: str) -> Tensor:
    """Frames one after another [batch · expected, width] -> [batch, expected, width], for layers made for that length.

    Raises BadInput for an utterance of another length.
    """
    if (lengths != expected).any():
        odd = ", ".join(str(n) for n in sorted(set(lengths.tolist())) if n != expected)
        remedy = f"choose a front-end that pads and crops, or change {model}.frames"
        raise BadInput(f"{odd} frames", f"an utterance for {model}", f"{expected} frames", remedy)
    return frames.reshape(-1, expected, frames.shape[1])


def with_channel(x: Tensor) -> Tensor:
    """[batch, height, width] -> [batch, 1, height, width], channels last, and so in every layer after it.

    Tensor cores need it, and ``ser.models._winograd``. With one channel both layouts hold the same bytes, and only
    the strides say which is meant.
    """
    return x.contiguous().unsqueeze(3).permute(0, 3, 1, 2)

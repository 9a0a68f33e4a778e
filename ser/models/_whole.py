"""Utterances of one stated length, for networks whose layers are made for that."""

from torch import Tensor

from ser.errors import BadInput


def whole(frames: Tensor, lengths: Tensor, expected: int, model: str) -> Tensor:
    """Frames one after another [batch · expected, width] -> [batch, expected, width].

    Raises BadInput for an utterance of another length: it would shift all that follow.
    """
    if (lengths != expected).any():
        odd = ", ".join(str(n) for n in sorted(set(lengths.tolist())) if n != expected)
        remedy = f"choose a front-end that pads and crops, or change {model}.frames"
        raise BadInput(f"{odd} frames", f"an utterance for {model}", f"{expected} frames", remedy)
    return frames.reshape(-1, expected, frames.shape[1])

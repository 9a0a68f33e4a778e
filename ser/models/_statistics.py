"""Statistics of an utterance's frames over time, within a network: one vector per utterance, with gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ser.errors import BadInput
from ser.models import _utterances
from ser.study.functionals import STATISTICS

_LEAST_VARIANCE = 1e-12  # below it a deviation has no gradient: of a single frame it would be 0 / 0


def of_frames(frames: Tensor, lengths: Tensor, names: Sequence[str], model: str) -> Tensor:
    """Frames of utterances one after another [sum(lengths), width] -> [batch, width * max(1, len(names))].

    First comes the first statistic of all columns, then the second. A deviation is at least 1e-6. Without ``names`` an
    utterance's only frame passes as it is. Nothing is rounded to bfloat16. Raises BadInput for an utterance of several
    frames without ``names``.
    """
    if not names:
        if len(frames) != len(lengths):
            count, remedy = (
                f"{len(frames)} frames of {len(lengths)} utterances",
                f"name some of {', '.join(STATISTICS)}",
            )
            raise BadInput(count, f"{model}.statistics ()", "one frame per utterance", f"{remedy}, or a front-end's")
        return frames
    with torch.autocast(frames.device.type, enabled=False):
        exact = frames.float() if frames.dtype == torch.bfloat16 else frames
        rows = [torch.cat([_STATISTICS[name](x) for name in names]) for x in _utterances.split(exact, lengths)]
        return torch.stack(rows)


def _deviation(x: Tensor) -> Tensor:
    return (x - x.mean(0)).square().mean(0).clamp_min(_LEAST_VARIANCE).sqrt()


_STATISTICS = {
    "mean": lambda x: x.mean(0),
    "std": _deviation,
    "min": lambda x: x.amin(0),
    "max": lambda x: x.amax(0),
}

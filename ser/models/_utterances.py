"""Frames of a batch cut into its utterances, and padded again. One alone is neither cut nor padded.

So the graph that is traced of a network with one utterance, for a file that other programs run, fits any length.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def split(frames: Tensor, lengths: Tensor) -> list[Tensor]:
    """Frames one after another [sum(lengths), width] -> those of each utterance, [length, width]."""
    return [frames] if len(lengths) == 1 else list(frames.split(lengths.tolist()))


def padded(utterances: Sequence[Tensor]) -> Tensor:
    """Frames of utterances, [length, width] each -> [longest, batch, width], with zeros behind."""
    first = utterances[0].shape[0]
    if all(x.shape[0] == first for x in utterances):
        return torch.stack(list(utterances), dim=1)
    return pad_sequence(list(utterances))

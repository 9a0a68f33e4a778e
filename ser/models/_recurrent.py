"""One vector of each sequence from a recurrent layer, whatever else is in the batch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ser.models import _utterances


def vectors(layer: nn.LSTM | nn.GRU, sequences: Sequence[Tensor], answer: str) -> Tensor:
    """Sequences [steps_i, width] -> the "last" output of each, or the "mean" over its steps [batch, units].

    A sequence of no steps gives zeros. ``layer`` reads forwards only, so that it has not seen the padding behind a
    sequence when that ends. In float32 within autocast too: torch has a bfloat16 LSTM on few CPUs.
    """
    counts = torch.tensor([len(x) for x in sequences], device=sequences[0].device)
    padded = _utterances.padded(sequences)
    if not len(padded):
        return padded.new_zeros(len(sequences), layer.hidden_size, dtype=torch.float32)
    with torch.autocast(padded.device.type, enabled=False):
        outputs: Tensor = layer(padded.float())[0]
        if len(sequences) == 1:
            return outputs[-1] if answer == "last" else outputs.mean(0)
        if answer == "last":
            last: Tensor = outputs[(counts - 1).clamp_min(0), torch.arange(len(counts), device=counts.device)]
            return last * (counts > 0)[:, None]
        inside = torch.arange(len(outputs), device=counts.device)[:, None] < counts
        mean: Tensor = (outputs * inside[:, :, None]).sum(0) / counts.clamp_min(1)[:, None]
        return mean

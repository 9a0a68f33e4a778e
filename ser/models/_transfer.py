"""Small tensors made on the host, and copied to the device without waiting for it."""

import torch
from torch import Tensor


def to_device(host: Tensor, device: torch.device) -> Tensor:
    """Returns ``host``, a tensor on the CPU, on ``device``; on the CPU itself it is the same tensor.

    From pinned memory a copy takes its turn in the GPU's queue; from any other, the host waits for it.
    """
    if device.type == "cpu":
        return host
    pinned = host.pin_memory() if device.type == "cuda" else host
    return pinned.to(device, non_blocking=True)

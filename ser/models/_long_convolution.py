"""Convolution along time by kernels of thousands of taps, through the frequency domain (overlap-save).

A tap of every filter costs as much as a sample; over 4,000 taps, transforms take about a thousandth of the
multiplications of the plain sum, and the answer is the same but for rounding (1e-6 of its size).
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

_LONGER = 4  # a block's transform is at least so many times as long as a kernel: few samples are transformed twice


def convolve_long(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[n, in, samples], [out, in, taps], [out] -> [n, out, samples], float32 also within autocast.

    As ``torch.nn.functional.conv1d`` with (taps - 1) // 2 zeros before and taps // 2 behind.
    """
    with torch.autocast(x.device.type, enabled=False):
        taps, samples = weight.shape[2], x.shape[2]
        if torch.onnx.is_in_onnx_export():  # for programs that may have no transforms
            return torch.nn.functional.conv1d(pad(x.float(), ((taps - 1) // 2, taps // 2)), weight, bias)
        length = 1 << (_LONGER * taps - 1).bit_length()
        step = length - taps + 1  # samples of a block's cyclic answer in which nothing has come round
        blocks = -(-samples // step)
        before = (taps - 1) // 2
        behind = (blocks - 1) * step + length - samples - before
        pieces = pad(x.float(), (before, behind)).unfold(2, length, step)  # [n, in, blocks, length]
        spectra = torch.fft.rfft(pieces).permute(3, 0, 2, 1).flatten(1, 2)  # [bins, n · blocks, in]
        kernels = torch.fft.rfft(weight.float(), n=length).conj().permute(2, 1, 0)  # [bins, in, out]
        products = torch.bmm(spectra, kernels).unflatten(1, (len(x), blocks)).permute(1, 3, 2, 0)
        valid = torch.fft.irfft(products, n=length)[..., :step]
        out: Tensor = valid.flatten(2)[..., :samples] + bias[:, None]
        return out

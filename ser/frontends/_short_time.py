"""Short frames of a wave, their loudness and sign changes, and how descriptors change from frame to frame."""

import numpy as np
import numpy.typing as npt

from ser.errors import BadInput

Matrix = npt.NDArray[np.float32]


def count(samples: int, window: int, hop: int) -> int:
    """Whole windows of a wave of so many samples; 1 where it is shorter than one."""
    return 1 + max(0, samples - window) // hop


def cut(wave: Matrix, window: int, hop: int) -> Matrix:
    """A view [count, window]; a wave shorter than one window is padded with zeros to it."""
    padded = np.pad(wave, (0, max(0, window - len(wave))))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def centres(samples: int, window: int, hop: int) -> npt.NDArray[np.intp]:
    """Sample numbers in the middle of the windows: [count]."""
    return window // 2 + hop * np.arange(count(samples, window, hop))


def power(frames: Matrix) -> Matrix:
    """Mean square of each frame: [frames]."""
    return np.asarray(np.einsum("ij,ij->i", frames, frames) / np.float32(frames.shape[1]))


def decibels(power: Matrix, floor: float) -> Matrix:
    """10 log10(power + floor): of silence, that of the floor."""
    return np.asarray(10 * np.log10(power + np.float32(floor)))


def crossings(frames: Matrix) -> Matrix:
    """Share, 0 to 1, of neighbouring samples of each frame of which one is negative and one is not: [frames]."""
    negative = frames < 0
    changes = negative[:, 1:] != negative[:, :-1]
    return np.asarray(changes.sum(axis=1) / max(frames.shape[1] - 1, 1), np.float32)


def deltas(rows: Matrix, reach: int) -> Matrix:
    """Slope per frame of the line through ``reach`` frames to either side: [frames, width], as HTK has it.

    sum_k k (x[t + k] - x[t - k]) / (2 sum_k k^2), k = 1 ... reach; the first and the last frame go on beyond the ends.
    """
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    total = np.zeros_like(rows)
    for k in range(1, reach + 1):
        total += k * (padded[reach + k : reach + k + len(rows)] - padded[reach - k : reach - k + len(rows)])
    return np.asarray(total / np.float32(2 * sum(k * k for k in range(1, reach + 1))))


def smoothed(rows: Matrix, span: int) -> Matrix:
    """Moving average over ``span`` frames; the first and the last go on beyond the ends. BadInput unless it is odd."""
    if span < 1 or span % 2 == 0:
        raise BadInput(str(span), "front_end.smoothing", "an odd number of frames: 1, 3, 5 ...", "mend the study")
    padded = np.pad(rows, ((span // 2, span // 2), (0, 0)), mode="edge")
    return np.asarray(sum(padded[k : k + len(rows)] for k in range(span)) / np.float32(span))

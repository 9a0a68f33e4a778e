"""Short frames of a wave, what their samples alone tell, and how descriptors change from frame to frame.

Frames are whole windows, one every ``hop`` samples, not centred: a wave of n samples has 1 + (n - window) // hop of
them, and one that is shorter than a window is padded with zeros to it.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ser.errors import BadInput

Matrix = npt.NDArray[np.float32]
Float = TypeVar("Float", np.float32, np.float64)


def count(samples: int, window: int, hop: int) -> int:
    """Returns the number of frames, at least 1. Raises BadInput for a window or a hop of no samples."""
    _check(window, hop)
    return 1 + max(0, samples - window) // hop


def padded(wave: npt.NDArray[Float], window: int) -> npt.NDArray[Float]:
    """Returns a copy that is at least one window long: [max(samples, window)]."""
    return np.pad(wave, (0, max(0, window - len(wave))))


def cut(wave: npt.NDArray[Float], window: int, hop: int) -> npt.NDArray[Float]:
    """Returns all frames: a view [count, window] of one copy of the wave. Raises BadInput as ``count`` does."""
    _check(window, hop)
    return np.lib.stride_tricks.sliding_window_view(padded(wave, window), window)[::hop]


def _check(window: int, hop: int) -> None:
    if min(window, hop) < 1:
        value = f"windows of {window} samples, one every {hop}"
        raise BadInput(value, "frames of the front-end", "1 sample or more of both", "change the study")


def centres(samples: int, window: int, hop: int) -> npt.NDArray[np.intp]:
    """Sample numbers in the middle of the frames: [count]."""
    return window // 2 + hop * np.arange(count(samples, window, hop))


def power(frames: Matrix) -> Matrix:
    """Mean square of each frame: [frames]."""
    return np.asarray(np.einsum("ij,ij->i", frames, frames) / np.float32(frames.shape[1]))


def checked_floor(floor: float) -> float:
    """Returns ``floor``, which keeps the logarithm of silence finite. Raises BadInput for one that would not."""
    if not 0 < np.float32(floor) < np.inf:
        raise BadInput(f"{floor:g}", "front_end.floor", "more than 0, also in float32", "take 1e-10")
    return floor


def decibels(power: Matrix, floor: float) -> Matrix:
    """10 log10(power + floor): of silence, that of the floor."""
    return np.asarray(10 * np.log10(power + np.float32(floor)))


def sign_changes(frames: npt.NDArray[Float], zero: float) -> npt.NDArray[np.intp]:
    """Neighbouring samples of which one is negative and one is not: [frames]. Down to ``-zero`` none is negative."""
    negative = frames < -zero
    return np.asarray(np.count_nonzero(negative[:, 1:] != negative[:, :-1], axis=1))


def crossings(frames: Matrix) -> Matrix:
    """Share, 0 to 1, of the pairs of neighbouring samples of each frame that differ in sign: [frames]."""
    return np.asarray(sign_changes(frames, 0) / max(frames.shape[1] - 1, 1), np.float32)


def deltas(rows: Matrix, reach: int) -> Matrix:
    """Slope per frame of the line through ``reach`` frames to either side: [frames, width], as HTK has it.

    sum_k k (x[t + k] - x[t - k]) / (2 sum_k k^2), k = 1 ... reach; the first and the last frame go on beyond the ends.
    Raises BadInput for a reach below 1.
    """
    if reach < 1:
        raise BadInput(str(reach), "front_end.reach", "1 or more frames", "take 2, as HTK does")
    around = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    total = np.zeros_like(rows)
    for k in range(1, reach + 1):
        total += k * (around[reach + k : reach + k + len(rows)] - around[reach - k : reach - k + len(rows)])
    return np.asarray(total / np.float32(2 * sum(k * k for k in range(1, reach + 1))))


def with_deltas(rows: Matrix, reach: int, orders: int) -> Matrix:
    """Returns the rows, their deltas, the deltas of these ..., side by side: [frames, (1 + orders) width]."""
    groups = [rows]
    for _ in range(orders):
        groups.append(deltas(groups[-1], reach))
    return np.concatenate(groups, axis=1)


def smoothed(rows: Matrix, span: int) -> Matrix:
    """Moving average over ``span`` frames; the first and the last go on beyond the ends. BadInput unless it is odd."""
    if span < 1 or span % 2 == 0:
        raise BadInput(str(span), "front_end.smoothing", "an odd number of frames: 1, 3, 5 ...", "change the study")
    around = np.pad(rows, ((span // 2, span // 2), (0, 0)), mode="edge")
    return np.asarray(sum(around[k : k + len(rows)] for k in range(span)) / np.float32(span))

"""How well trials fill a GPU, judged by memory: the one limit that a finished trial has measured.

Ray's fraction of a GPU counts places and parts no memory, so trials may overfill a GPU, or leave most of it empty.
How busy it is cannot be seen from memory: a smaller fraction that fits may still be no faster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

CONTEXT_MB = 500.0  # of each process before its first tensor: the CUDA context and libraries take 300 to 1000 MB
_FULL, _EMPTY = 0.9, 0.5  # shares of a GPU's memory; beyond the first, one long utterance more may be out of memory
_MOST = 48  # processes on a GPU that CUDA's Multi-Process Service takes


@dataclass(frozen=True)
class Used:
    """One trial's peak and its GPU's size, in MB of 2^20 bytes; ``cut``: its batches went through in parts."""

    peak_mb: float
    gpu_mb: float
    cut: bool


def used(result: Mapping[str, float]) -> list[Used]:
    """Returns the use of memory in a trial's results: nothing, if no GPU was measured."""
    if "memory/gpu_peak_mb" not in result:
        return []
    return [Used(result["memory/gpu_peak_mb"], result["memory/gpu_total_mb"], "batch_split" in result)]


def advice(uses: Sequence[Used], gpus_per_trial: float, slots: float) -> str:
    """Returns how full the smallest GPU was at most, and a fraction that suits it better; "" without ``uses``.

    The largest trials are taken to have met on that GPU: as many as ``gpus_per_trial`` lets on it, but no more than
    ``slots``, the number of trials at once on all machines together.
    """
    if not uses or not gpus_per_trial:
        return ""
    gpu_mb = min(u.gpu_mb for u in uses)
    needs = sorted((u.peak_mb + CONTEXT_MB for u in uses), reverse=True)
    places = max(1, floor(1 / gpus_per_trial + 1e-6))
    at_once = max(1, min(places, floor(slots)))
    full = (sum(needs[:at_once]) + needs[-1] * max(0, at_once - len(needs))) / gpu_mb
    cut = sum(u.cut for u in uses)
    fit = min(floor(_FULL * gpu_mb / needs[0]), _MOST)
    line = (
        f"memory: {at_once} {'trial' if at_once == 1 else 'trials'} of up to {needs[0] / 1024:.1f} GB "
        f"({CONTEXT_MB / 1024:.1f} of it CUDA's own) on a GPU of {gpu_mb / 1024:.0f} GB: {100 * full:.0f} %"
    )
    if cut:  # what they would have taken whole is unknown
        return f"{line}; {cut} had to pass their batches in parts" + _fraction(min(fit, at_once // 2))
    if full > _FULL:
        return line + _fraction(fit)
    if full < _EMPTY and fit > at_once:
        return line + (_fraction(fit) if at_once == places else "; CPUs or trials_at_once allow no more")
    return line


def _fraction(trials: int) -> str:
    """Returns advice of four digits, as Ray counts; up to a hundred trials it lets exactly so many on a GPU."""
    if trials < 1:
        return "; too little for one: take a larger GPU or a smaller training.batch_size"
    return f"; gpus_per_trial = {10_000 // trials / 10_000:g} would fit {trials}"

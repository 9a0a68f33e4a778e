"""Runs in notebooks and scripts: results and predictions as data frames, and everything about one run.

``ser.results``, ``ser.predictions`` and ``ser.load_run`` are these; ``import ser`` alone loads nothing of them.
"""

from ser.analysis.loaded import LoadedRun, load_run
from ser.analysis.tables import predictions, results

__all__ = ["LoadedRun", "load_run", "predictions", "results"]

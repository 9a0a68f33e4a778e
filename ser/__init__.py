"""Experiment grids for speech emotion recognition. The map, from the command down; imports go down only:

- ``cli``: arguments, commands, what they print, templates of ``ser new``
- ``demo``: corpora made by speech synthesis, in the layouts of real ones
- ``distributed``: the loop of a grid, the worker pool and its messages, Ray and Tune, nodes, profiles
- ``analysis``: results, predictions and single runs for notebooks: ``ser.results``, ``ser.load_run``
- ``prediction``: what a run's model, read back, says of recordings and unseen corpora: for commands and MLflow
- ``trials``: one trial from features to results, alone or stacked with others of its shape; what it costs
- ``report``: runs read back, contents, tables, figures; a folder for each study's report, and a general one
- ``runs``: a trial's folder, attempts, replicas, delivery to MLflow, which only this room knows
- ``balance``: ways to even out classes, one file each
- ``training``: the loop, losses, batches, early stopping, checkpoints; stacked training, fitted models
- ``planning``: from corpora and a study to trials, and those that a search adds
- ``features``: what an entry of the store is made of, the store, remote storage, HDF5
- ``corpora``, ``models``: loaders of corpora, networks and fitted models, one file each
- ``frontends``, ``augment``: from waveforms to features, and to changed waveforms, one file each
- ``data``, ``metrics``: audio, scanning, manifests, labels, votes, splits; accuracies and confusion
- ``host``: paths, environment, streams and signals of this machine
- ``study``: studies, trials, settings and their checks: plain values, no torch
- ``registry``: finds components, ours and those of plugins
- ``errors``, ``files``: four-part errors; files that are whole or absent

``docs/how_a_trial_runs.md`` has the way from a command to the training loop. A study imports from ``ser.study``.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser.analysis import LoadedRun, load_run, predictions, results

__all__ = ["PACKAGE", "LoadedRun", "load_run", "predictions", "results", "shipped"]

PACKAGE = Path(__file__).parent


def shipped(folder: str) -> Path:
    """Returns where the studies (``experiments``) or the profiles (``cluster``) lie that come with this package.

    An installed package holds them; in a checkout they lie beside it.
    """
    inside = PACKAGE / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def __getattr__(name: str) -> object:
    """Returns what notebooks use, of ``ser.analysis``: it loads pandas, which commands that only look do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ser import analysis

    return getattr(analysis, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

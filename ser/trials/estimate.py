"""How long a grid will take: one update of each network is timed on this machine, the rest is arithmetic.

What was timed is kept in the work folder for machines, versions and settings that are the same: timing takes seconds,
most of them to import torch.
"""

import hashlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ser import files, registry
from ser.features.recipe import front_end_width, segment_frames
from ser.host import machine, processor
from ser.planning.plan import Plan
from ser.planning.sources import total_frames
from ser.study import Trial

if TYPE_CHECKING:  # torch takes seconds to import, and what is finished needs no estimate
    from ser.training.network import Network

_OTHER_S = 0.5  # per trial, for everything else: start, evaluation, files, MLflow
_FEW, _LONG_S = 2, 0.3
_FIT_S = 2.0  # of a model that is fitted, for a thousand utterances: most take a second, few take ten


@dataclass(frozen=True)
class Estimate:
    """What is left of a grid costs between these seconds by the clock; ``lines`` say it to people."""

    lines: list[str]
    least_s: float
    most_s: float
    updates_s: Mapping[str, float] = field(default_factory=dict)  # of one update, by block or system


def estimate(
    plan: Plan,
    todo: Sequence[Trial],
    at_once: float,
    epochs_seen: Mapping[str, float],
    times: Path | None = None,
) -> Estimate:
    """Returns what ``todo`` costs, so many trials ``at_once``.

    ``epochs_seen`` (block or system -> mean epochs of finished runs) narrows the range; ``times`` is a file that
    keeps what was timed.
    """
    fitted = [t for t in todo if registry.is_fitted(t.block.name)]
    networks = [t for t in todo if not registry.is_fitted(t.block.name)]
    lines, least, most, updates = list[str](), 0.0, 0.0, dict[str, float]()
    if fitted:
        seconds = sum(
            _OTHER_S + _FIT_S * _learned(plan, t, float(t.training.learns_from != "train")) / 1000 for t in fitted
        )
        least = most = seconds / at_once
        lines.append(f"{len(fitted)} left to fit: about {_duration(seconds / at_once)}")
    if networks:
        updates = _times(plan, networks, times)
        of_networks = _networks(plan, networks, at_once, epochs_seen, updates)
        lines += of_networks.lines
        least, most = least + of_networks.least_s, most + of_networks.most_s
    if todo and plan.study.search.rule.name != "grid":
        lines.append("a search may add trials, a scheduler end some, and tiny networks are trained stacked, in less")
    return Estimate(lines or ["nothing left to train"], least, most, updates)


def _networks(
    plan: Plan,
    todo: Sequence[Trial],
    at_once: float,
    epochs_seen: Mapping[str, float],
    per_update: Mapping[str, float],
) -> Estimate:
    per_epoch = [per_update[_kind(t)] * _steps(plan, t) for t in todo]
    each = ", ".join(f"{name} {1000 * s:.0f} ms" for name, s in sorted(per_update.items()))
    lines = [f"one update on this machine (one thread): {each}"]
    if all(_kind(t) in epochs_seen for t in todo):
        expected = sum(_OTHER_S + s * epochs_seen[_kind(t)] for s, t in zip(per_epoch, todo, strict=True))
        about = expected / at_once
        lines.append(f"{len(todo)} left to train: about {_duration(about)}, as the finished ones went")
        return Estimate(lines, about, about)
    least, most = (sum(_OTHER_S + s * e[i] for s, e in zip(per_epoch, map(_epochs, todo), strict=True)) for i in (0, 1))
    least_epochs, most_epochs = min(_epochs(t)[0] for t in todo), max(_epochs(t)[1] for t in todo)
    lines.append(
        f"{len(todo)} left to train: {_duration(least / at_once)} to at most {_duration(most / at_once)} "
        f"({least_epochs} to {most_epochs} epochs each), {at_once:g} at once"
    )
    return Estimate(lines, least / at_once, most / at_once)


def _times(plan: Plan, todo: Sequence[Trial], path: Path | None) -> dict[str, float]:
    """Returns the seconds of one update by kind, from the file at ``path`` as far as that has them."""
    earlier: dict[str, float] = {}
    if path is not None:
        with suppress(OSError, files.Damaged):
            earlier = files.read(path)["seconds"]
    first = {_kind(t): t for t in reversed(todo)}
    keys = {kind: _key(plan, trial) for kind, trial in first.items()}
    fresh = {keys[kind]: _seconds_per_update(plan, t) for kind, t in first.items() if keys[kind] not in earlier}
    if path is not None and fresh:
        with suppress(OSError):  # a folder that may only be read
            files.write(path, {"seconds": earlier | fresh})
    return {kind: (earlier | fresh)[key] for kind, key in keys.items()}


def _key(plan: Plan, trial: Trial) -> str:
    """Returns an identity of all that the time of an update depends on: machine, versions, network, mini-batch."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    here = [platform.node(), processor.processor().name, machine.cores(), platform.python_version(), torch]
    block, classes = trial.block, len(trial.classes)
    network = [repr(block), registry.version("models", block.name), repr(trial.front_end), classes]
    batch = [trial.training.batch_size, *_shape(plan, trial)]
    return hashlib.sha256(json.dumps([*here, *network, *batch]).encode()).hexdigest()[:16]


def _shape(plan: Plan, trial: Trial) -> tuple[int, int]:
    """Returns the frames of an item of mean length, and their width."""
    clean = [plan.sources[c.source].recipes_for(trial.front_end)[0] for c in trial.corpora]
    mean = total_frames(clean) / sum(len(r.items) for r in clean)
    return segment_frames(trial.front_end) or max(1, round(mean)), front_end_width(trial.front_end)


def _kind(trial: Trial) -> str:
    """The trial's system, or its block: trials of one kind take equally long."""
    return str(trial.role.values().get("system") or trial.block.name)


def _epochs(trial: Trial) -> tuple[int, int]:
    """The least and the most epochs that the trial may take, those on training and validation together included."""
    training, most = trial.training, trial.training.max_epochs
    least = min(training.patience_epochs + 1, most) if training.patience_epochs else most
    if training.learns_from == "train":
        return least, most
    return least + (least if training.keep == "last" else 1), 2 * most


def _steps(plan: Plan, trial: Trial) -> float:
    if trial.training.steps_per_epoch:
        return trial.training.steps_per_epoch
    twice = trial.training.learns_from != "train"  # half of the epochs are then of validation items, too
    return max(1.0, _learned(plan, trial, 0.5 * twice) / trial.training.batch_size)


def _learned(plan: Plan, trial: Trial, of_validation: float) -> float:
    """The number of training items, and of this share of the validation items, over all corpora."""
    shares = {"train": 1.0, "val": of_validation}
    return sum(w * _items(plan, trial, c.source, subset) for c in trial.corpora for subset, w in shares.items() if w)


def _items(plan: Plan, trial: Trial, key: str, subset: str) -> float:
    """The number of items of a subset of a source: segments, where an utterance is several."""
    source, patch = plan.sources[key], segment_frames(trial.front_end)
    number = float(len(getattr(source.split, subset)))
    clean = source.recipes_for(trial.front_end)[0]
    return number * total_frames([clean]) / patch / len(clean.items) if patch else number


def _seconds_per_update(plan: Plan, trial: Trial) -> float:
    """Times one mini-batch of items of mean length through the whole network and back; the better of two.

    For a network on which a few items take long, only those are timed.
    """
    import torch

    from ser.training.network import network_of

    frames, width = _shape(plan, trial)
    block = trial.block.changed(weights="random") if trial.block.values().get("weights") else trial.block
    network = network_of(replace(trial, block=block, task="unified"), width)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        few = _seconds(network, _FEW, frames, width)
        if few > _LONG_S:
            return few * trial.training.batch_size / _FEW
        batch = max(trial.training.batch_size, _FEW)  # one item has nothing to be normalised by
        return min(_seconds(network, batch, frames, width) for _ in range(2))
    finally:
        torch.set_num_threads(threads)


def _seconds(network: "Network", batch: int, frames: int, width: int) -> float:
    import torch

    features, lengths = torch.randn(batch * frames, width), torch.full((batch,), frames)
    started = time.perf_counter()
    network(features, lengths, "").logsumexp(1).sum().backward()
    return time.perf_counter() - started


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))

"""LSTMs, BLSTMs and TDNNs of one shape trained at once, for whole utterances: members of ``ser.trials.group``.

Each member is a training as ``ser.training.start.begin`` makes it, with weights, mini-batches, losses and early
stopping of its own; corpora and their number may differ. What a GPU does for one, it does here for all in the same
calls. Members never meet: but for rounding, and dropout, which is drawn otherwise, the numbers are those of
``ser.training.train``.
"""

import math
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ser.errors import BadInput
from ser.models import traits
from ser.models._transfer import to_device
from ser.study import Trial, settings_of
from ser.training import checkpoint, seeds
from ser.training.batches import Batch, Items
from ser.training.finite import check_finite
from ser.training.loss import Objective
from ser.training.stacked_networks import Networks
from ser.training.start import CorpusData, Diverged, Run, begin, build_network
from ser.training.train import Outcome, Progress, of_both, outcome_of, scored, scores

Report = Callable[[str, int, dict[str, float]], None]
_SHARE = 20.0  # a checkpoint is written when this many times as long as it takes has passed
_LEAST_S = 30.0  # and no sooner
_SHARE_OF_GPU = 0.5  # its memory for one group: torch keeps pieces. Of what is free a group that goes on found less


@dataclass(frozen=True, eq=False)
class FramesMember:
    """One training: its trial, the data of its corpora, and a key, which is the trial's id in a grid."""

    key: str
    trial: Trial
    data: Mapping[str, CorpusData]


@dataclass(eq=False)
class _State:
    """A member on its way. ``run`` is None where it could not begin, and says why in ``error``."""

    member: FramesMember
    run: Run | None
    progress: Progress = field(default_factory=Progress)
    best: dict[str, Tensor] = field(default_factory=dict)
    error: str = ""

    @property
    def training(self) -> Run:
        assert self.run is not None
        return self.run


def stack_key(trial: Trial) -> Hashable | None:
    """Returns what trials must have in common to be trained as one; None for what is trained alone.

    They may differ in corpora, seeds, learning rate, weight decay, clipping and patience.
    """
    model, training = traits(trial.block.name), trial.training
    ordinary = (training.loss, trial.labels, training.learns_from in ("train", "train_and_validation"))
    exact = training.precision != "bfloat16" and training.class_weights in ("none", "inverse")
    if model.gives != "frames" or model.stacked is None or ordinary != ("cross_entropy", "one", True) or not exact:
        return None
    if trial.dimensions or trial.initial_from or not training.steps_per_epoch:
        return None
    same = ("batch_size", "steps_per_epoch", "max_epochs", "optimiser", "precision")
    return (
        trial.block,
        trial.pooling,
        trial.task,
        trial.classes,
        trial.front_end,
        tuple(getattr(training, name) for name in same),
    )


def train(
    members: Sequence[FramesMember], path: Path, device: str, report: Report, saved: Callable[[], None] = lambda: None
) -> dict[str, Outcome | str]:
    """Trains all members; returns what each leaves, or why it could not be trained, by key.

    ``path`` is the group's checkpoint, from which the same members go on, and ``saved`` is called after each.
    ``report`` takes every epoch of every member, those before an interruption included. One that diverges ends alone.
    """
    kept = _load(path, members)
    states = [_begun(m, device) for m in members]
    for state in states:
        if kept and (values := kept["states"].get(state.member.key)):
            state.progress, state.best = Progress(**values["progress"]), values["best"]
            state.error = state.error or values["error"]
            for row in state.progress.history:
                report(state.member.key, int(row["epoch"]), row)
    saver = _Saver(path, states, saved)
    _Pass(states, saver, report).train(kept)
    # Those that learn from validation items, too, from the start again.
    again = []
    for state in states:
        trial, data = state.member.trial, state.member.data
        both = trial.training.learns_from == "train_and_validation" and any(len(each.val) for each in data.values())
        if both and not state.error:
            state.run = begin(*of_both(trial, data), device, 1)
            again.append(state)
    _Pass(again, saver, report, second=True).train(kept)
    return {s.member.key: s.error or _outcome(s) for s in states}


def most_members(members: Sequence[FramesMember], device: str) -> int:
    """Returns how many such members a GPU of this size holds, by the longest mini-batch that any may have."""
    if device == "cpu":
        return sys.maxsize
    trial = members[0].trial
    network = build_network(trial, members[0].data)
    longest = max(int(each.train.lengths().max()) for m in members for each in m.data.values() if len(each.train))
    stacked = traits(trial.block.name).stacked
    assert stacked is not None
    kept: int = stacked(settings_of("models", trial.block)).numbers(len(network.mean), network.block.outputs)
    numbers = 12 * sum(p.numel() for p in network.parameters()) + longest * trial.training.batch_size * kept
    return max(1, int(_SHARE_OF_GPU * torch.cuda.mem_get_info(device)[1] / (4 * numbers)))


def _outcome(state: _State) -> Outcome:
    member = state.member
    tested = {name: member.data[name].test for name in member.trial.targets}
    return outcome_of(state.training, state.progress, state.best, tested)


def _begun(member: FramesMember, device: str) -> _State:
    try:
        return _State(member, begin(member.trial, member.data, device, 1))
    except (BadInput, Diverged) as error:
        return _State(member, None, error=f"{type(error).__name__}: {error}")


class _Pass:
    """One training of all members from the start to each one's end; the ``second`` one is on validation items, too."""

    def __init__(self, states: Sequence[_State], saver: "_Saver", report: Report, second: bool = False) -> None:
        self.saver, self.report, self.second = saver, report, second
        self.states = [s for s in states if not s.error and not self._is_over(s)]
        self.networks: Networks | None = None

    def _is_over(self, state: _State) -> bool:
        progress = state.progress
        if self.second:
            return progress.refit_epochs >= progress.best_epoch
        return progress.is_over(state.member.trial.training)

    def train(self, kept: Mapping[str, Any] | None) -> None:
        """Trains, from the checkpoint ``kept`` where that was made in this pass."""
        if not self.states:
            return
        networks = self.networks = Networks([s.training for s in self.states])
        active = [s.member.key for s in self.states]
        if kept and kept["second"] == self.second:
            assert kept["active"] == active, "progress decides who is left"
            networks.restore(kept["moving"])
        while self.states:
            started, count = time.perf_counter(), len(self.states)
            rows = self._epoch(networks)
            seconds = (time.perf_counter() - started) / count
            for i, (state, row) in enumerate(zip(self.states, rows, strict=True)):
                state.progress.seconds += seconds
                if not state.error:
                    self._take(networks, i, state, row)
            left = [i for i, s in enumerate(self.states) if not s.error and not self._is_over(s)]
            if len(left) < count:
                self.states = [self.states[i] for i in left]
                networks.reduce_to(left)
            self.saver.save(networks, self.states, self.second)
            for state in self._reported:
                self.report(state.member.key, int(state.progress.history[-1]["epoch"]), state.progress.history[-1])

    def _take(self, networks: Networks, i: int, state: _State, row: dict[str, float]) -> None:
        """Counts an epoch of a member, and keeps its weights where they are the ones to keep."""
        progress = state.progress
        if self.second:
            progress.refit_epochs += 1
            if self._is_over(state):
                state.best = networks.state(i)
        elif progress.add_epoch(state.member.trial.training, row):
            state.best = networks.state(i)
        progress.history.append(row)
        self._reported.append(state)

    def _epoch(self, networks: Networks) -> list[dict[str, float]]:
        """Trains every member for an epoch and scores it; returns a row for each, or leaves an error in its state."""
        self._reported: list[_State] = []
        epochs = [1 + (s.progress.refit_epochs if self.second else s.progress.epoch) for s in self.states]
        rows = _train_epoch(networks, self.states, epochs)
        for state, row, scored_row in zip(self.states, rows, _validate(networks, self.states, epochs), strict=True):
            row |= scored_row
            if self.second and state.error:
                state.error = state.error.replace("Diverged: ", "Diverged: trained again on training and validation: ")
        stamp = float(int(time.time() * 1000))
        numbers = [s.progress.epoch + e if self.second else e for s, e in zip(self.states, epochs, strict=True)]
        prefix = "refit/" if self.second else ""
        return [
            {"epoch": float(n), "timestamp_ms": stamp, **{f"{prefix}{k}": v for k, v in row.items()}}
            for n, row in zip(numbers, rows, strict=True)
        ]


def _train_epoch(networks: Networks, states: Sequence[_State], epochs: Sequence[int]) -> list[dict[str, float]]:
    """The updates of one epoch of every member; returns the mean losses of each."""
    runs, device = [s.training for s in states], networks.mean.device
    dropout = _Dropout(states, epochs, device)
    made: list[list[tuple[str, tuple[int, ...]]]] = [[] for _ in states]
    numbers: list[Tensor] = []
    steps = [range((epoch - 1) * run.steps, epoch * run.steps) for run, epoch in zip(runs, epochs, strict=True)]
    for numbers_of_step in zip(*steps, strict=True):
        # The mini-batch that each member's own order has.
        for run, step, before in zip(runs, numbers_of_step, made, strict=True):
            names = list(run.data)
            name = names[step % len(names)]
            before.append((name, run.streams[name].indices(step // len(names))))
        now = [before[-1] for before in made]
        batches = [run.data[name].train.batch(at) for run, (name, at) in zip(runs, now, strict=True)]
        frames, layout = networks.padded(batches)
        truth = torch.stack([b.labels for b in batches])
        importance = torch.stack([_importance(r.losses[n], b) for r, (n, _), b in zip(runs, now, batches, strict=True)])
        heads = to_device(torch.tensor([networks.head_row(i, name) for i, (name, _) in enumerate(now)]), device)
        mask = dropout.mask(batches, layout.frames, networks.outputs)
        numbers.append(networks.update(frames, layout, mask, truth, importance, heads))
    table = torch.stack(numbers).cpu()
    rows = []
    for i, (state, run) in enumerate(zip(states, runs, strict=True)):
        own = table[:, i, networks.columns(i)]
        try:
            check_finite(run, steps[i], made[i], list(own))
        except Diverged as error:
            state.error = f"Diverged: {error}"
        losses = {name: own[[n == name for n, _ in made[i]], 0] for name in run.data}
        means = {f"train/loss/{name}": x.mean().item() for name, x in losses.items() if len(x)}
        rows.append(means | {"train/loss": sum(means.values()) / len(means)})
    return rows


def _importance(loss: Objective, batch: Batch) -> Tensor:
    """What each item counts in the loss of its mini-batch, [batch]."""
    assert loss.of_classes is not None
    return loss.of_classes.mass(batch.labels)


class _Dropout:
    """Dropout's masks of an epoch, each member's from a generator of its own, for its own frames alone."""

    def __init__(self, states: Sequence[_State], epochs: Sequence[int], device: torch.device) -> None:
        self.rate = float(settings_of("models", states[0].member.trial.block).dropout)
        self.generators = [torch.Generator(device) for _ in states]
        for generator, state, epoch in zip(self.generators, states, epochs, strict=True):
            trial = state.member.trial
            generator.manual_seed(seeds.integer(seeds.for_dropout((trial.training_seed, trial.repeat), epoch)))

    def mask(self, batches: Sequence[Batch], frames: int, units: int) -> Tensor | None:
        """Returns 0 or what is multiplied by instead, [members, frames, units]; None where nothing is dropped."""
        if not self.rate:
            return None
        first = batches[0].frames
        mask = torch.zeros(len(batches), frames, units, dtype=first.dtype, device=first.device)
        for own, batch, generator in zip(mask, batches, self.generators, strict=True):
            own[: len(batch.frames)].bernoulli_(1 - self.rate, generator=generator)
        return mask.mul_(1 / (1 - self.rate))


def _validate(networks: Networks, states: Sequence[_State], epochs: Sequence[int]) -> list[dict[str, float]]:
    """Losses and accuracies of every member as ``ser.training.train`` has them; items that members share, at once."""
    jobs: dict[int, tuple[Items, list[tuple[int, str, str]]]] = {}
    for i, state in enumerate(states):
        for name, each in state.training.data.items():
            for kind in ("val", *state.training.trial.training.watch) if not state.error else ():
                if len(items := getattr(each, kind)):
                    jobs.setdefault(id(items), (items, []))[1].append((i, name, kind))
    found: list[dict[str, float]] = [{} for _ in states]
    totals = networks.sums().sum(1).tolist()
    for items, uses in jobs.values():
        members = sorted({i for i, _, _ in uses})
        answers = dict(zip(members, networks.answers(members, items), strict=True))
        for i, name, kind in uses:
            run = states[i].training
            loss, values = scored(run, name, kind, items, answers[i])
            if not math.isfinite(loss + totals[i]):
                run.network.load_state_dict(networks.state(i))
                try:
                    scores(run, name, kind, items, epochs[i])
                except Diverged as error:
                    states[i].error = states[i].error or f"Diverged: {error}"
            found[i] |= {f"{kind}/{k}": v for k, v in values.items()}
    for state, row in zip(states, found, strict=True):
        losses = [row[f"val/loss/{name}"] for name in state.training.data if f"val/loss/{name}" in row]
        row |= {"val/loss": sum(losses) / len(losses)} if losses else {}
    return found


class _Saver:
    """The checkpoint of a group that takes long: all members at the same moment."""

    def __init__(self, path: Path, states: Sequence[_State], saved: Callable[[], None]) -> None:
        self.path, self.states, self.saved = path, states, saved
        self.next = time.monotonic() + _LEAST_S

    def save(self, networks: Networks, active: Sequence[_State], second: bool) -> None:
        """Writes it, if the last one is long enough ago."""
        started = time.monotonic()
        if started < self.next:
            return
        states = {s.member.key: {"progress": vars(s.progress), "best": s.best, "error": s.error} for s in self.states}
        keys = [s.member.key for s in active]
        values = {"states": states, "active": keys, "moving": networks.moving(), "second": second}
        checkpoint.save(self.path, values)
        self.saved()
        self.next = time.monotonic() + max(_LEAST_S, _SHARE * (time.monotonic() - started))


def _load(path: Path, members: Sequence[FramesMember]) -> dict[str, Any] | None:
    """The newest checkpoint of a group of these members; None where there is none."""
    values = checkpoint.load(path)
    if values is None or values.keys() != {"states", "active", "moving", "second"}:
        return None
    return values if values["states"].keys() == {m.key for m in members} else None

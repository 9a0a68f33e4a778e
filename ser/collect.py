"""From MLflow runs to the report's input: results with their predictions, and the grid they are part of.

MLflow's own objects of ten thousand runs fill a gigabyte, so they are looked at one by one, and little is kept of each.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

import numpy as np

from ser.errors import BadInput
from ser.evidence import SMALL, Grid, Integers, Result
from ser.study import Corpus, Study, part
from ser.track import Tracker

_AXES = ("corpora", "block", "pooling", "task", "seed")


@dataclass(frozen=True)
class Seen:
    """What is kept of a run. ``params``: its place in the grid; ``scores``: ``wa/<corpus>``, ``ua/<corpus>``."""

    run_id: str
    trial_id: str
    title: str
    status: str
    error: str
    same_as: str
    folder: str
    params: dict[str, str]
    scores: dict[str, float]

    @classmethod
    def of(cls, run: Any) -> "Seen":
        """Of MLflow's run."""
        tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
        return cls(
            run_id=run.info.run_id,
            trial_id=tags["trial_id"],
            title=run.info.run_name,
            status=run.info.status,
            error=tags.get("error", ""),
            same_as=tags.get("same_as", ""),
            folder=run.info.artifact_uri,
            params={k: params[k] for k in _AXES if k in params},
            scores={k: v for k, v in metrics.items() if k.startswith(("wa/", "ua/"))},
        )


@dataclass
class _Said:
    """What the runs of a variant say of their grid, data and settings; of what they differ in, the newest has it."""

    corpora: list[list[Any]] = field(default_factory=list)
    seeds: int = 1
    demo: bool = False
    params: dict[str, str] = field(default_factory=dict)
    notes: str = "[]"
    fingerprints: dict[str, str] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)
    superseded: int = 0
    grids: dict[str, Any] = field(default_factory=dict)  # text -> content: it is the same in most runs

    def hear(self, run: Any) -> None:
        """Take in one run; they come oldest first."""
        tags, params = run.data.tags, run.data.params
        if tags["grid"] not in self.grids:
            self.grids[tags["grid"]] = json.loads(tags["grid"])
        grid = self.grids[tags["grid"]]
        self.corpora, self.seeds = grid["corpora"], max(self.seeds, grid["seeds"])
        self.demo |= tags.get("data") == "demo"
        if "classes" in params:  # else its worker died before it said more than a name
            self.params, self.notes = params, tags.get("notes", "[]")
            self.fingerprints |= {k.removeprefix("fingerprint/"): v for k, v in tags.items() if k.startswith("finger")}
            self.versions.add(tags["code_version"])

    def lines(self) -> list[str]:
        """For the report's notes."""
        if not self.params:
            return []
        shown = ("front_end", "normalise", "merge", "training.learning_rate", "training.max_epochs")
        settings = (f"{k} = {self.params[k] or 'none'}" for k in (*shown, "training.batch_size") if k in self.params)
        corpora = (f"{name} {print_}" for name, print_ in sorted(self.fingerprints.items()))
        said = f"settings: {', '.join(settings)}", f"corpora: {', '.join(corpora)}"
        return [*json.loads(self.notes), *said, f"code: {', '.join(sorted(self.versions))}"]


def collect(tracker: Tracker, study: Study, variant: str | None = None) -> tuple[list[Result], Grid]:
    """The finished results of one variant of ``study`` (see ``survey``), oldest first, and its grid.

    Of several finished runs of one trial one counts, the same that counts for the runner; the notes say so.
    """
    runs, grid = survey(tracker, study, variant)
    finished: dict[str, list[Seen]] = {}
    for run in (r for r in runs if r.status == "FINISHED"):
        finished.setdefault(run.trial_id, []).append(run)
    doubled = [f"{found[0].title} ({len(found)} runs)" for found in finished.values() if len(found) > 1]
    if doubled:
        told = f"finished more than once, of which the run begun first counts: {', '.join(doubled)}"
        grid = replace(grid, notes=(*grid.notes, told))
    counted = [found[0] for found in finished.values()]
    return list(_results(tracker, counted, grid)), grid


def survey(tracker: Tracker, study: Study, variant: str | None = None) -> tuple[list[Seen], Grid]:
    """The runs of one variant (settings and corpora) of ``study``, oldest first, and its grid with failures and notes.

    Without ``variant`` the one that was run last is taken; the notes name the others. Raises BadInput.
    """
    newest, asked = tracker.newest(), variant
    if variant is None:
        variant = newest.data.tags.get("variant", "") if newest else ""
    variants: Counter[str] = Counter()
    runs, said = [], _Said()
    for run in tracker.pages():
        variants[run.data.tags.get("variant", "")] += 1
        if run.data.tags.get("variant") != variant:
            continue
        if "superseded_by" in run.data.tags:
            said.superseded += 1
            continue
        runs.append(Seen.of(run))
        said.hear(run)
    if asked is not None and asked not in variants:
        raise BadInput(
            repr(variant), "--variant", ", ".join(v for v in variants if v) or "none yet", "name one of these"
        )
    others = [f"{v} ({n} runs)" for v, n in variants.items() if v and v != variant]
    return runs, _grid(study, runs, said, others)


def _grid(study: Study, runs: Sequence[Seen], said: _Said, others: Sequence[str]) -> Grid:
    corpora = [_corpus(*name) for name in said.corpora or [[c.name, c.letter, c.tested] for c in study.corpora]]
    finished = {r.trial_id for r in runs if r.status == "FINISHED"}
    notes = [f"left out: runs of other settings or corpora, --variant {', '.join(others)}"] if others else []
    if said.superseded:
        notes.append(f"not counted: {said.superseded} runs whose trial another run finished (tag superseded_by)")
    points = study.grid(corpora)
    return Grid(
        study=study.name,
        title=study.title,
        letters={c.name: c.letter for c in corpora},
        corpora=tuple(c.name for c in corpora),
        train_only=tuple(c.name for c in corpora if not c.tested),
        classes=tuple(said.params["classes"].split(",")) if said.params else study.classes,
        blocks=_axis(points, "block"),
        pooling=_axis(points, "pooling"),
        task=_axis(points, "task"),
        seeds=tuple(range(said.seeds)),
        points=tuple(points),
        demo=said.demo,
        papers_own=bool(runs) and not said.demo and {c.name for c in corpora} <= {c.name for c in study.corpora},
        notes=(*notes, *said.lines()),
        failures={r.title: r.error for r in runs if r.error and r.trial_id not in finished},
    )


def _corpus(name: str, letter: str, tested: bool) -> Corpus:
    return Corpus(name, letter, part(""), part("", test=0.1 if tested else ()))


def _axis(points: Sequence[dict[str, Any]], axis: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p[axis] for p in points))


def _results(tracker: Tracker, runs: Sequence[Seen], grid: Grid) -> Iterator[Result]:
    number = {name: i for i, name in enumerate(grid.classes)}
    known: dict[Any, Any] = {}  # the utterances and labels of a target, which its results share
    texts = tracker.texts((r.folder for r in runs), "predictions.csv")
    for run, text in zip(runs, texts, strict=True):
        for target, uids, truth, predicted in _predictions(text, number):
            yield Result(
                trial_id=run.trial_id,
                run_id=run.run_id,
                corpora=tuple(run.params["corpora"].split(",")),
                block=run.params["block"],
                pooling=run.params["pooling"],
                task=run.params["task"],
                seed=int(run.params["seed"]),
                target=target,
                wa=run.scores[f"wa/{target}"],
                ua=run.scores[f"ua/{target}"],
                uids=known.setdefault(uids, uids),
                truth=known.setdefault(truth.tobytes(), truth),
                predicted=predicted,
                same_as=run.same_as,
            )


def _predictions(text: str, number: dict[str, int]) -> Iterator[tuple[str, tuple[str, ...], Integers, Integers]]:
    """Target, utterances, true and predicted class indices of a table of predictions; -1 is no class of the grid."""
    rows = csv.reader(io.StringIO(text, newline=""))
    chosen = itemgetter(*map(next(rows).index, ("corpus", "uid", "label", "predicted")))
    by_target: dict[str, list[list[str]]] = {}
    for target, *row in map(chosen, rows):
        by_target.setdefault(target, []).append(row)
    for target, found in by_target.items():
        uids, *labels = zip(*sorted(found), strict=True)
        truth, predicted = (np.array([number.get(name, -1) for name in side], SMALL) for side in labels)
        yield target, uids, truth, predicted


def best_curves(tracker: Tracker, results: Sequence[Result], grid: Grid) -> dict[str, list[float]]:
    """Validation loss per epoch of the trial with the best UA on each target, by the trial's title."""
    curves: dict[str, list[float]] = {}
    for target in grid.targets:
        here = [r for r in results if r.target == target]
        if here:
            best = max(here, key=lambda r: r.ua)
            point = {"corpora": best.corpora, "block": best.block, "pooling": best.pooling, "task": best.task}
            curves[grid.trial_title(point, best.seed)] = tracker.curve(best.run_id, "val/loss")
    return curves

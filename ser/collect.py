"""From MLflow runs to the report's input: results with their predictions, and the grid they are part of."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ser.errors import BadInput
from ser.evidence import Grid, Result
from ser.study import Corpus, Study, part
from ser.track import Tracker, the_one


def collect(tracker: Tracker, study: Study, variant: str | None = None) -> tuple[list[Result], Grid]:
    """The finished results of one variant of ``study`` (see ``survey``), oldest first, and its grid.

    Of several finished runs of one trial one counts, the same that counts for the runner; the notes say so.
    """
    runs, grid = survey(tracker, study, variant)
    finished: dict[str, list[Any]] = {}
    for run in (r for r in runs if r.info.status == "FINISHED"):
        finished.setdefault(run.data.tags["trial_id"], []).append(run)
    doubled = [f"{found[0].info.run_name} ({len(found)} runs)" for found in finished.values() if len(found) > 1]
    if doubled:
        told = f"finished more than once, of which the run begun first counts: {', '.join(doubled)}"
        grid = replace(grid, notes=(*grid.notes, told))
    counted = [the_one(found) for found in finished.values()]
    return [result for run in counted for result in _results(tracker, run, grid)], grid


def survey(tracker: Tracker, study: Study, variant: str | None = None) -> tuple[list[Any], Grid]:
    """The runs of one variant (settings and corpora) of ``study``, and its grid with failures and notes.

    Without ``variant`` the one that was run last is taken; the notes name the others. Raises BadInput.
    """
    runs = tracker.runs()
    variants = Counter(r.data.tags.get("variant", "") for r in runs)
    if variant is None:
        variant = runs[-1].data.tags["variant"] if runs else ""
    elif variant not in variants:
        raise BadInput(
            repr(variant), "--variant", ", ".join(v for v in variants if v) or "none yet", "name one of these"
        )
    runs = [r for r in runs if r.data.tags.get("variant") == variant]
    superseded = [r for r in runs if "superseded_by" in r.data.tags]
    runs = [r for r in runs if "superseded_by" not in r.data.tags]
    described = [json.loads(r.data.tags["grid"]) for r in runs]
    names = described[-1]["corpora"] if described else [[c.name, c.letter, c.tested] for c in study.corpora]
    corpora = [_corpus(*name) for name in names]
    seeds = max((d["seeds"] for d in described), default=1)
    demo = any(r.data.tags.get("data") == "demo" for r in runs)
    finished = {r.data.tags["trial_id"] for r in runs if r.info.status == "FINISHED"}
    failures = {
        r.info.run_name: r.data.tags["error"]
        for r in runs
        if "error" in r.data.tags and r.data.tags["trial_id"] not in finished
    }
    others = [f"{v} ({n} runs)" for v, n in variants.items() if v and v != variant]
    notes = [f"left out: runs of other settings or corpora, --variant {', '.join(others)}"] if others else []
    if superseded:
        notes.append(f"not counted: {len(superseded)} runs whose trial another run finished (tag superseded_by)")
    told = [r for r in runs if "classes" in r.data.params]  # a worker may have died before it said more than a name
    points = study.grid(corpora)
    grid = Grid(
        study=study.name,
        title=study.title,
        letters={c.name: c.letter for c in corpora},
        corpora=tuple(c.name for c in corpora),
        train_only=tuple(c.name for c in corpora if not c.tested),
        classes=_classes(told, study),
        temporal=_axis(points, "temporal"),
        pooling=_axis(points, "pooling"),
        task=_axis(points, "task"),
        seeds=tuple(range(seeds)),
        points=tuple(points),
        demo=demo,
        papers_own=bool(runs) and not demo and {c.name for c in corpora} <= {c.name for c in study.corpora},
        notes=(*notes, *_notes(told)),
        failures=failures,
    )
    return runs, grid


def _corpus(name: str, letter: str, tested: bool) -> Corpus:
    return Corpus(name, letter, part(""), part("", test=0.1 if tested else ()))


def _classes(runs: Sequence[Any], study: Study) -> tuple[str, ...]:
    return tuple(runs[-1].data.params["classes"].split(",")) if runs else study.classes


def _axis(points: Sequence[dict[str, Any]], axis: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p[axis] for p in points))


def _notes(runs: Sequence[Any]) -> list[str]:
    """What the runs themselves say of their data and settings."""
    if not runs:
        return []
    params = runs[-1].data.params
    notes = list(json.loads(runs[-1].data.tags.get("notes", "[]")))
    shown = ("front_end", "normalise", "merge", "training.learning_rate", "training.max_epochs", "training.batch_size")
    notes.append("settings: " + ", ".join(f"{k} = {params[k] or 'none'}" for k in shown if k in params))
    prints = {k: v for r in runs for k, v in r.data.tags.items() if k.startswith("fingerprint/")}
    notes.append("corpora: " + ", ".join(f"{k.removeprefix('fingerprint/')} {v}" for k, v in sorted(prints.items())))
    versions = sorted({r.data.tags["code_version"] for r in runs})
    return [*notes, f"code: {', '.join(versions)}"]


def _results(tracker: Tracker, run: Any, grid: Grid) -> list[Result]:
    params, tags = run.data.params, run.data.tags
    table = pd.read_csv(tracker.artifact(run, "predictions.csv"), dtype={"uid": str, "corpus": str})
    number = {c: i for i, c in enumerate(grid.classes)}
    out = []
    for target, rows in table.sort_values("uid").groupby("corpus", sort=False):
        out.append(
            Result(
                trial_id=tags["trial_id"],
                run_id=run.info.run_id,
                corpora=tuple(params["corpora"].split(",")),
                temporal=params["temporal"],
                pooling=params["pooling"],
                task=params["task"],
                seed=int(params["seed"]),
                target=str(target),
                wa=run.data.metrics[f"wa/{target}"],
                ua=run.data.metrics[f"ua/{target}"],
                uids=tuple(rows["uid"]),
                truth=rows["label"].map(number).to_numpy(np.int64),
                predicted=rows["predicted"].map(number).to_numpy(np.int64),
                same_as=tags.get("same_as", ""),
            )
        )
    return out


def best_curves(tracker: Tracker, results: Sequence[Result], grid: Grid) -> dict[str, list[float]]:
    """Validation loss per epoch of the trial with the best UA on each target, by the trial's title."""
    curves: dict[str, list[float]] = {}
    for target in grid.targets:
        here = [r for r in results if r.target == target]
        if here:
            best = max(here, key=lambda r: r.ua)
            point = {"corpora": best.corpora, "temporal": best.temporal, "pooling": best.pooling, "task": best.task}
            curves[grid.trial_title(point, best.seed)] = tracker.curve(best.run_id, "val/loss")
    return curves

"""From MLflow runs to a report: finished runs with their predictions, what the study expects, and the files of both.

MLflow's own objects of ten thousand runs fill a gigabyte, so they are looked at one by one, and little is kept of each.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ser import registry
from ser.errors import BadInput
from ser.report import figures
from ser.report import write as writer
from ser.report.runs import Expected, Finished, Options, UsedCorpus
from ser.report.write import Report
from ser.runs.tracker import Tracker
from ser.study import Corpus, Study, part, trial_of

_SETTINGS = ("front_end", "normalise", "merge", "training.learning_rate", "training.max_epochs", "training.batch_size")


@dataclass(frozen=True)
class Kept:
    """What is kept of a run's statement and metrics: params of these names, metrics that begin so; None = all."""

    params: tuple[str, ...] | None = None
    scores: tuple[str, ...] | None = None

    @classmethod
    def of(cls, report: Any) -> "Kept":
        """What a file of ``ser/reports`` says that it reads."""
        return cls(getattr(report, "PARAMS", None), getattr(report, "SCORES", None))


_NOTHING = Kept((), ())


@dataclass(frozen=True)
class Seen:
    """What is kept of a run."""

    run_id: str
    trial_id: str
    title: str
    status: str
    error: str
    same_as: str
    folder: str
    params: dict[str, str]
    scores: dict[str, float]
    tested: bool  # on any corpus: the trials of a search by folds are not

    @classmethod
    def of(cls, run: Any, kept: Kept) -> "Seen":
        """Of MLflow's run."""
        tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
        return cls(
            run_id=run.info.run_id,
            trial_id=tags["trial_id"],
            title=tags.get("title", run.info.run_name),  # a run may be renamed
            status=run.info.status,
            error=tags.get("error", ""),
            same_as=tags.get("same_as", ""),
            folder=run.info.artifact_uri,
            params=dict(params) if kept.params is None else {k: params[k] for k in kept.params if k in params},
            scores={k: v for k, v in metrics.items() if kept.scores is None or k.startswith(kept.scores)},
            tested=not {k.partition("/")[2] for k in metrics}.isdisjoint(params.get("corpora", "").split(",")),
        )


@dataclass
class _Said:
    """What the runs of a variant say of their grid, data and settings; of what they differ in, the newest has it."""

    corpora: list[list[Any]] = field(default_factory=list)
    seeds: int = 1
    mode: str = ""
    count: int = 0
    demo: bool = False
    params: dict[str, str] = field(default_factory=dict)
    varied: set[str] = field(default_factory=set)  # settings in which the runs differ
    notes: str = "[]"
    fingerprints: dict[str, str] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)
    superseded: int = 0
    unknown: list[str] = field(default_factory=list)  # ids of runs that do not say of which trial they are
    grids: dict[str, Any] = field(default_factory=dict)  # text -> content: it is the same in most runs
    systems: dict[str, None] = field(default_factory=dict)  # asked for by any of the grids
    protocols: dict[str, None] = field(default_factory=dict)
    folds: dict[str, dict[str, int]] = field(default_factory=dict)
    unmet: dict[str, dict[str, str]] = field(default_factory=dict)

    def hear(self, run: Any) -> None:
        """Take in one run; they come oldest first."""
        tags, params = run.data.tags, run.data.params
        if tags["grid"] not in self.grids:
            self.grids[tags["grid"]] = _read_grid(run.info.run_id, tags["grid"])
        grid = self.grids[tags["grid"]]
        self.corpora, self.seeds = grid["corpora"], max(self.seeds, grid["seeds"])
        self.mode, self.count = grid.get("mode", ""), max(self.count, grid.get("count") or 0)
        self.systems |= dict.fromkeys(grid.get("systems", ()))
        self.protocols |= dict.fromkeys(grid.get("protocols", ()))
        self.folds, self.unmet = self.folds | grid.get("folds", {}), self.unmet | grid.get("unmet", {})
        self.demo |= tags.get("data") == "demo"
        if "classes" in params:  # else its worker died before it said more than a name
            self.varied |= {k for k in _SETTINGS if self.params and params.get(k) != self.params.get(k)}
            self.params, self.notes = params, tags.get("notes", "[]")
            self.fingerprints |= {k.removeprefix("fingerprint/"): v for k, v in tags.items() if k.startswith("finger")}
            self.versions.add(tags.get("code_version", "unknown"))

    def lines(self) -> list[str]:
        """For the report's notes."""
        if not self.params:
            return []
        shown = [k for k in _SETTINGS if k in self.params and k not in self.varied]
        settings = (f"{k} = {self.params[k] or 'none'}" for k in shown)
        corpora = (f"{name} {print_}" for name, print_ in sorted(self.fingerprints.items()))
        said = f"settings: {', '.join(settings)}", f"corpora: {', '.join(corpora)}"
        return [*json.loads(self.notes), *said, f"code: {', '.join(sorted(self.versions))}"]


def _read_grid(run_id: str, text: str) -> dict[str, Any]:
    try:
        grid: dict[str, Any] = json.loads(text)
        return {"corpora": grid["corpora"], "seeds": grid["seeds"], **grid}
    except (ValueError, KeyError, TypeError):
        allowed, remedy = "the tag as `ser run` wrote it", "delete the run, and run again"
        raise BadInput(repr(text[:60]), f"tag grid of run {run_id}", allowed, remedy) from None


def report(
    tracker: Tracker, study: Study, folder: Path, options: Options | None = None, variant: str | None = None
) -> Report:
    """Write the report of one variant of ``study`` (see ``survey``) into ``folder``, by its file of ser/reports.

    That of another mode than the study's first goes beside it, into a folder that bears the mode's name as well. Curves
    and files come from ``tracker``, whatever ``options`` say. Raises BadInput, also where there are no runs at all:
    then a report that is there stays.
    """
    if tracker.newest() is None:
        given = f"no runs of {study.name} in {tracker.where.shown}"
        remedy = f"run it first (`ser run {study.name}`), or bring deleted runs back"
        raise BadInput(given, "tracking store", "at least one run", remedy)
    finished, expected = collect(tracker, study, variant)
    told = replace(options or Options(), curve=tracker.curve, file=partial(_file, tracker))
    if expected.mode not in ("", study.mode):
        folder = folder.with_name(f"{folder.name}_{expected.mode}")
    with figures.plain_style():
        return writer.write(registry.find("report", study.report).content(finished, expected, told), folder)


def collect(tracker: Tracker, study: Study, variant: str | None = None) -> tuple[Iterator[Finished], Expected]:
    """The finished runs of one variant of ``study`` (see ``survey``), oldest first, and what it expects.

    The runs' predictions are fetched while one goes through them. Of several finished runs of one trial one counts, the
    same that counts for the runner; the notes say so.
    """
    runs, expected = survey(tracker, study, variant, Kept.of(registry.find("report", study.report)))
    finished: dict[str, list[Seen]] = {}
    for run in (r for r in runs if r.status == "FINISHED"):
        finished.setdefault(run.trial_id, []).append(run)
    doubled = [f"{found[0].title} ({len(found)} runs)" for found in finished.values() if len(found) > 1]
    if doubled:
        told = f"finished more than once, of which the run begun first counts: {', '.join(doubled)}"
        expected = replace(expected, notes=(*expected.notes, told))
    return _finished(tracker, [found[0] for found in finished.values()]), expected


def _finished(tracker: Tracker, runs: Sequence[Seen]) -> Iterator[Finished]:
    texts = tracker.texts((r.folder for r in runs if r.tested), "predictions.csv")
    for run in runs:
        try:
            text = next(texts) if run.tested else ""
        except BadInput as error:
            place = f"run {run.title} ({run.run_id})"
            raise BadInput(error.value, place, error.allowed, error.remedy) from None
        yield Finished(run.trial_id, run.run_id, run.title, run.params, run.scores, run.same_as, text)


def _file(tracker: Tracker, run_id: str, path: str) -> str | None:
    """The text of an artifact in the run's own folder, or None if it has none of that name."""
    place = tracker.place(tracker.client.get_run(run_id).info.artifact_uri)
    if path not in tracker.names(place, path.rpartition("/")[0] or None):
        return None
    return tracker.text(path, place)


def survey(
    tracker: Tracker, study: Study, variant: str | None = None, kept: Kept = _NOTHING
) -> tuple[list[Seen], Expected]:
    """The runs of one variant (settings and corpora) of ``study``, oldest first, and what it expects, with failures.

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
        if not {"trial_id", "grid"} <= run.data.tags.keys():  # tags can be taken off in MLflow's pages
            said.unknown.append(run.info.run_id)
            continue
        if "superseded_by" in run.data.tags:
            said.superseded += 1
            continue
        runs.append(Seen.of(run, kept))
        said.hear(run)
    if asked is not None and asked not in variants:
        raise BadInput(
            repr(variant), "--variant", ", ".join(v for v in variants if v) or "none yet", "name one of these"
        )
    others = [f"{v} ({n} runs)" for v, n in variants.items() if v and v != variant]
    return runs, _expected(study, runs, said, others)


def _expected(study: Study, runs: Sequence[Seen], said: _Said, others: Sequence[str]) -> Expected:
    used = [UsedCorpus(*named) for named in said.corpora or [[c.name, c.letter, c.tested] for c in study.corpora]]
    finished = {r.trial_id for r in runs if r.status == "FINISHED"}
    notes = [f"left out: runs of other settings or corpora, --variant {', '.join(others)}"] if others else []
    if said.superseded:
        notes.append(f"not counted: {said.superseded} runs whose trial another run finished (tag superseded_by)")
    if said.unknown:
        notes.append(f"not counted: runs without the tag trial_id or grid: {', '.join(said.unknown)}")
    whole = study.in_mode(said.mode) if said.mode else study
    whole = replace(whole, comparison=replace(whole.comparison, only=(*said.systems, *said.protocols)))
    known = runs or not study.comparison.protocols  # how many folds there are, only runs say
    trials = trials_of(whole, used, said.seeds, said.folds, said.unmet) if known else []
    return Expected(
        study=study.name,
        title=study.title,
        report=study.report,
        classes=tuple(said.params["classes"].split(",")) if said.params else study.classes,
        corpora=tuple(used),
        mode=said.mode,
        trials=tuple(trials),
        count=max(said.count, len(trials)),
        seeds=tuple(range(said.seeds)),
        demo=said.demo,
        papers_own=bool(runs) and not said.demo and {c.name for c in used} <= {c.name for c in study.corpora},
        notes=(*notes, *said.lines()),
        failures={r.title: r.error for r in runs if r.error and r.trial_id not in finished},
        systems=tuple(s.name for s in study.comparison.systems if s.name in said.systems),
        folds=said.folds,
        unmet=said.unmet,
    )


def trials_of(
    study: Study,
    used: Sequence[UsedCorpus],
    seeds: int,
    folds: Mapping[str, Mapping[str, int]],
    unmet: Mapping[str, Mapping[str, str]],
) -> list[tuple[str, Mapping[str, Any]]]:
    """Title, point and seed of every trial of the grid of ``study`` over these corpora (see ``Study.expand_folds``)."""
    own = {(c.name, c.tested): c for c in study.corpora}
    corpora = [own.get((c.name, c.tested)) or _corpus(c) for c in used]
    by_name = {c.name: replace(c, letter=u.letter) for c, u in zip(corpora, used, strict=True)}
    points = study.expand_folds(study.grid(corpora), folds, unmet)
    return [(trial_of(study, p, by_name, seed).title, {**p, "seed": seed}) for seed in range(seeds) for p in points]


def _corpus(used: UsedCorpus) -> Corpus:
    return Corpus(used.name, used.letter, part(""), part("", test=0.1 if used.tested else ()))

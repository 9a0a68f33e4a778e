"""The runs of a study and what it expects, by what they state: what `ser status` prints, and a report begins with.

MLflow's own objects of ten thousand runs fill a gigabyte, so they are read one by one, and little of each stays.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from sys import intern
from types import ModuleType
from typing import Any

from ser import registry
from ser.errors import BadInput
from ser.report.crossing.tested import TAG, unseen_of
from ser.report.deviations import Deviation, Sample, beyond, deviations, stated_origins
from ser.report.encoder_names import identities, names_of, renamed
from ser.report.planned import across_corpora, planned_trials, selections, stated_corpora, with_encoders
from ser.report.provenance import Recorded
from ser.report.reference import Split, accuracies_by_split, rank
from ser.report.runs import Expected, Reference, UsedCorpus
from ser.report.splits import SplitRuns
from ser.runs.progress import BestResults
from ser.runs.reader import Run
from ser.runs.tracker import CANDIDATE, Tracker
from ser.study import REFERENCE, SCHEMA, Study
from ser.study.encoders import takes_encoders
from ser.study.release import Release

_UNKNOWN = Release("unknown", "its runs were made before this was recorded")


@dataclass(frozen=True)
class Selection:
    """The parts of a run that are read: params of these names, metrics whose names begin so; None = all."""

    params: tuple[str, ...] | None = None  # a * stands for any text: ``corpus.*.split.fold``
    scores: tuple[str, ...] | None = None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(re.escape(name).replace(r"\*", r".+") for name in self.params or ()))

    def has(self, name: str) -> bool:
        """Whether a param of this name is read."""
        return self._pattern.fullmatch(name) is not None

    @classmethod
    def of(cls, report: ModuleType) -> "Selection":
        """The parts that a report says it reads."""
        return cls(getattr(report, "PARAMS", None), getattr(report, "SCORES", None))


_NOTHING = Selection((), ())


@dataclass(frozen=True)
class RunSummary:
    """A run as far as reports read it."""

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
    is_reference: bool
    crossed: tuple[str, ...] = ()  # corpora beside its own that it was tested on

    @classmethod
    def of(cls, run: Run, selection: Selection) -> "RunSummary":
        """Reads one of MLflow's runs."""
        tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
        return cls(
            run_id=run.info.run_id,
            trial_id=tags["trial_id"],
            title=tags.get("title", run.info.run_name),  # a run may be renamed
            status=run.info.status,
            error=tags.get("error", ""),
            same_as=tags.get("same_as", ""),
            folder=run.info.artifact_uri,
            params={k: intern(v) for k, v in params.items() if selection.params is None or selection.has(k)},
            scores={k: v for k, v in metrics.items() if selection.scores is None or k.startswith(selection.scores)},
            is_reference=params.get("role") == REFERENCE,
            crossed=tuple(sorted(k.removeprefix(TAG) for k in tags if k.startswith(TAG))),
            tested=not {k.partition("/")[2] for k in metrics}.isdisjoint(params.get("corpora", "").split(",")),
        )

    def with_names(self, names: Mapping[str, str]) -> "RunSummary":
        """Returns the run with names of encoders in place of their identities."""
        title, error = renamed(self.title, names), renamed(self.error, names)
        return replace(self, title=title, error=error, params=renamed(self.params, names)) if names else self


@dataclass
class _Statements:
    """The grid, data and settings of a variant, by its runs; in what they differ the newest counts."""

    corpora: list[list[Any]] = field(default_factory=list)
    seeds: int = 1
    mode: str = ""
    count: int = 0
    demo: bool = False
    params: dict[str, str] = field(default_factory=dict)
    notes: str = "[]"
    fingerprints: dict[str, str] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)
    superseded: int = 0
    older: int = 0  # runs whose trials are statements of another schema
    unknown: list[str] = field(default_factory=list)  # ids of runs that do not say of which trial they are
    grids: dict[str, Any] = field(default_factory=dict)  # text -> content: it is the same in most runs
    systems: dict[str, None] = field(default_factory=dict)  # of all grids that were run
    protocols: dict[str, None] = field(default_factory=dict)
    folds: dict[str, dict[str, int]] = field(default_factory=dict)
    unmet: dict[str, dict[str, str]] = field(default_factory=dict)
    references: dict[str, Any] = field(default_factory=dict)  # beside the newest grid's trials: id -> its place
    accuracies: dict[Split, dict[str, float]] = field(default_factory=dict)  # of finished trials, by their ids
    releases: dict[str, Release] = field(default_factory=dict)
    samples: dict[tuple[str, ...], tuple[str, dict[str, str]]] = field(default_factory=dict)  # title, params
    splits: SplitRuns = field(default_factory=SplitRuns)
    seed_moves: tuple[str, ...] = ("weights",)  # what it was before runs told
    beyond: dict[str, str] = field(default_factory=dict)  # settings that no statement has
    encoders: dict[str, str] = field(default_factory=dict)  # identity → name, as commands gave it; "" without one
    across: dict[str, str] = field(default_factory=dict)  # corpus → split rule, of those that models of others test
    crossed: dict[str, None] = field(default_factory=dict)  # corpora tested by runs that did not learn from them
    precisions: Counter[str] = field(default_factory=Counter)  # of finished networks
    recorded: Recorded = field(default_factory=Recorded)  # by finished runs
    best: BestResults = field(default_factory=BestResults)  # of them

    def add(self, run: Run) -> None:
        """Takes in one run; they come oldest first."""
        tags, params = run.data.tags, run.data.params
        if tags["grid"] not in self.grids:
            self.grids[tags["grid"]] = _read_grid(run.info.run_id, tags["grid"])
        grid = self.grids[tags["grid"]]
        self.corpora, self.seeds = grid["corpora"], max(self.seeds, grid["seeds"])
        self.seed_moves = tuple(grid.get("seed_moves", self.seed_moves))
        self.mode, self.count = grid.get("mode", ""), max(self.count, grid.get("count") or 0)
        self.references, self.beyond = grid.get("references", {}), grid.get("beyond", {})
        self.systems |= dict.fromkeys(grid.get("systems", ()))
        self.protocols |= dict.fromkeys(grid.get("protocols", ()))
        self.folds, self.unmet = self.folds | grid.get("folds", {}), self.unmet | grid.get("unmet", {})
        self.across = grid.get("across", {})
        self.releases |= {name: Release.of_json(values) for name, values in grid.get("releases", {}).items()}
        self.demo |= tags.get("data") == "demo"
        self.encoders |= dict.fromkeys(identities([params]), "") | self.encoders | grid.get("encoders", {})
        if run.info.status == "FINISHED":
            self.recorded.add(run)
            self.crossed |= dict.fromkeys(
                [k.removeprefix(TAG) for k in tags if k.startswith(TAG)] + [*unseen_of(params)]
            )
            for split, accuracy in accuracies_by_split(params, run.data.metrics).items():
                self.accuracies.setdefault(split, {}).setdefault(tags["trial_id"], accuracy)
        if params.get("role") == REFERENCE:  # its settings are not those of the grid
            return
        if "classes" in params:  # else its worker died before it logged more than a name
            # Runs of a variant have their settings in common, but those of blocks, systems, corpora and searches.
            kind = tuple(params.get(k, "") for k in ("role", "role.system", "role.protocol", "block", "corpora"))
            if kind not in self.samples or params.get("seed") == "0":  # another seed moves others, as the study says
                self.samples[kind] = tags.get("title", run.info.run_name), params
            if run.info.status == "FINISHED":
                self.best.add(run)
                self.splits.add(run.info.run_id, params)
                if "training.precision" in params and not registry.is_fitted(params["block"]):
                    self.precisions[params["training.precision"]] += 1
            self.params, self.notes = params, tags.get("notes", "[]")
            self.fingerprints |= {k.removeprefix("fingerprint/"): v for k, v in tags.items() if k.startswith("finger")}
            self.versions.add(tags.get("code_version", "unknown"))

    def lines(self) -> list[str]:
        """Returns them for the report's notes."""
        if not self.params:
            return []
        corpora = (f"{name} {fingerprint}" for name, fingerprint in sorted(self.fingerprints.items()))
        code = f"code: {', '.join(sorted(self.versions))}"
        return [*json.loads(self.notes), f"corpora: {', '.join(corpora)}", code]


def _read_grid(run_id: str, text: str) -> dict[str, Any]:
    try:
        grid: dict[str, Any] = json.loads(text)
        return {"corpora": grid["corpora"], "seeds": grid["seeds"], **grid}
    except (ValueError, KeyError, TypeError):
        allowed, remedy = "the tag as `ser run` wrote it", "delete the run, and run again"
        raise BadInput(repr(text[:60]), f"tag grid of run {run_id}", allowed, remedy) from None


def overview(
    tracker: Tracker, study: Study, variant: str | None = None, selection: Selection = _NOTHING
) -> tuple[list[RunSummary], Expected]:
    """Returns the runs of one variant (settings and corpora) of ``study``, oldest first, and what it expects.

    Without ``variant`` the one that was run last is taken; the notes name the others. Raises BadInput.
    """
    stated = variant
    if variant is None:
        variant = (newest_tags(tracker) or {}).get("variant", "")
    variants: Counter[str] = Counter()
    runs, statements = [], _Statements()
    for run in tracker.pages():
        if CANDIDATE in run.data.tags:  # the means over its folds, which are runs of their own
            continue
        if "trial_id" in run.data.tags and not is_current(run.data.tags):
            statements.older += 1
            continue
        variants[run.data.tags.get("variant", "")] += 1
        if run.data.tags.get("variant") != variant:
            continue
        if not {"trial_id", "grid"} <= run.data.tags.keys():  # tags can be taken off in MLflow's pages
            statements.unknown.append(run.info.run_id)
            continue
        if "superseded_by" in run.data.tags:
            statements.superseded += 1
            continue
        runs.append(RunSummary.of(run, selection))
        statements.add(run)
    if stated is not None and stated not in variants:
        raise BadInput(
            repr(variant), "--variant", ", ".join(v for v in variants if v) or "none yet", "name one of these"
        )
    others = [f"{v} ({n} runs)" for v, n in variants.items() if v and v != variant]
    names = names_of(statements.encoders)
    runs = [run.with_names(names) for run in runs]
    return runs, _expected(study, runs, statements, others).with_names(names)


def is_current(tags: Mapping[str, str]) -> bool:
    """Whether a run's trial is a statement of today's schema; those of another one have ids of their own."""
    return tags.get("schema") == str(SCHEMA)


def newest_tags(tracker: Tracker) -> Mapping[str, str] | None:
    """The tags of the trial's run of today's schema that was begun last; None where there is no such run."""
    newest = tracker.newest()
    if newest is None:
        return None
    if is_current(newest.data.tags):
        return dict(newest.data.tags)
    return next((dict(r.data.tags) for r in reversed(list(tracker.pages())) if is_current(r.data.tags)), None)


def _expected(study: Study, runs: Sequence[RunSummary], statements: _Statements, others: Sequence[str]) -> Expected:
    used = [
        UsedCorpus(*fields) for fields in statements.corpora or [[c.name, c.letter, c.tested] for c in study.corpora]
    ]
    notes = [f"left out: runs of other settings or corpora, --variant {', '.join(others)}"] if others else []
    if statements.superseded:
        notes.append(f"not counted: {statements.superseded} runs whose trial another run finished (tag superseded_by)")
    if statements.older:
        notes.append(f"left alone: {statements.older} runs of another schema of statements, whose trials are run anew")
    if statements.unknown:
        notes.append(f"not counted: runs without the tag trial_id or grid: {', '.join(statements.unknown)}")
    references, runs = [r for r in runs if r.is_reference], [r for r in runs if not r.is_reference]
    finished = {r.trial_id for r in runs if r.status == "FINISHED"}
    planned = study.in_mode(statements.mode) if statements.mode else study
    only = (*statements.systems, *statements.protocols)
    planned = replace(planned, comparison=replace(planned.comparison, only=only))
    encoded = with_encoders(planned, statements.encoders, statements.params)
    countable = runs or not study.comparison.protocols  # how many folds there are, only runs say
    crossed = across_corpora(encoded, statements.across)
    trials = planned_trials(crossed, used, statements.seeds, statements.folds, statements.unmet) if countable else []
    return Expected(
        study=study.name,
        title=study.title,
        report=study.report,
        classes=tuple(statements.params["classes"].split(",")) if statements.params else study.classes,
        corpora=tuple(used),
        mode=statements.mode if len(study.modes) > 1 else "",
        trials=tuple(trials),
        count=max(statements.count, len(trials)),
        seeds=tuple(range(statements.seeds)),
        demo=statements.demo,
        paper=study.paper if study.paper == study.report else "",
        selections=selections(planned),
        releases={c.name: statements.releases.get(c.name, _UNKNOWN) for c in used} if runs else {},
        notes=(*notes, *statements.lines()),
        uncounted=tuple(notes),
        failures={r.title: r.error for r in runs if r.error and r.trial_id not in finished},
        systems=tuple(s.name for s in study.comparison.systems if s.name in statements.systems),
        folds=statements.folds,
        unmet=statements.unmet,
        fingerprints=statements.fingerprints,
        unlike=_unlike(runs),
        deviations=_deviations(planned, used, _stated_points(planned, trials), statements),
        origins=stated_origins(planned, [c.name for c in used]),
        splits=statements.splits.splits,
        references=tuple(
            _reference(place, [r for r in references if r.trial_id == trial], statements.accuracies)
            for trial, place in statements.references.items()
        ),
        seed_moves=statements.seed_moves,
        crossed=tuple(statements.crossed),
        precisions=dict(statements.precisions),
        other_variants=len(others),
        recorded=statements.recorded.facts(),
        best=statements.best.results,
        has_numbers=bool(statements.params.get("dimensions")) or statements.params.get("labels") == "shares",
    )


def _stated_points(study: Study, trials: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """The points by title as the study's file states them: without encoders where it takes none."""
    if takes_encoders(study):
        return dict(trials)
    return {title: {k: v for k, v in point.items() if not k.endswith(".encoder")} for title, point in trials}


def _deviations(
    study: Study, used: Sequence[UsedCorpus], points: Mapping[str, Mapping[str, Any]], statements: _Statements
) -> tuple[Deviation, ...]:
    samples = [Sample(params, points.get(title)) for title, params in statements.samples.values()]
    moves, stated = statements.seed_moves, study.seed_moves
    other_seeds = statements.seeds > 1 and sorted(moves) != sorted(stated)
    seeds = (Deviation("seed_moves", ",".join(moves), ",".join(stated)),) if other_seeds else ()
    found = deviations(replace(study, seed_moves=moves), stated_corpora(study, used), samples)
    every = sorted((*found, *seeds, *beyond(study, statements.beyond)), key=lambda d: d.path)
    return tuple(replace(d, is_budget=d.is_budget and statements.demo) for d in every)  # of one's own it is no demo's


def _reference(
    place: Mapping[str, Any], runs: Sequence[RunSummary], accuracies: Mapping[Split, Mapping[str, float]]
) -> Reference:
    """A reference by its runs, of which the first finished one counts, as for all trials."""
    run = next((r for r in runs if r.status == "FINISHED"), None)
    if run is None:
        return Reference(**place, error=next((r.error for r in reversed(runs) if r.error), ""))
    trials, better = rank(run.trial_id, accuracies)
    return Reference(**place, run_id=run.run_id, trials=trials, better=better)


def _unlike(runs: Sequence[RunSummary]) -> dict[str, tuple[str, ...]]:
    """Titles under which several trials were finished, with the ids of these: they differ in what no title tells."""
    trials: dict[str, dict[str, None]] = {}
    for run in runs:
        if run.status == "FINISHED" and not run.is_reference:
            trials.setdefault(run.title, {})[run.trial_id] = None
    return {title: tuple(ids) for title, ids in trials.items() if len(ids) > 1}

"""From MLflow runs to a report: finished runs with their predictions, what the study expects, and the files of both.

MLflow's own objects of ten thousand runs fill a gigabyte, so they are read one by one, and little of each stays.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ser import registry
from ser.errors import BadInput
from ser.report import content, equivalence_section, figures, ratings_section, write
from ser.report.content import Content
from ser.report.crossing import section as crossing
from ser.report.crossing.tested import TAG, CrossRun, unseen_of
from ser.report.deviations import Deviation, Sample, beyond, deviations, stated_origins
from ser.report.encoder_names import identities, names_of, renamed
from ser.report.matched import Matching
from ser.report.planned import across_corpora, planned_trials, selections, stated_corpora, with_encoders
from ser.report.reference import Split, accuracies_by_split, rank, with_table
from ser.report.runs import Expected, Finished, Options, Reference, UsedCorpus
from ser.report.scans import Scans
from ser.report.section import Section, with_section
from ser.report.splits import SplitRuns
from ser.report.write import WrittenReport
from ser.runs.tracker import FINISHED, Tracker
from ser.study import REFERENCE, SCHEMA, Study, value_at
from ser.study.encoders import takes_encoders
from ser.study.release import Release, text_of
from ser.study.trial import UNSEEN

GENERAL = "general"  # the report of studies that name none
_LISTED = 6  # titles that a note names

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
    def of(cls, run: Any, selection: Selection) -> "RunSummary":
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
            params=dict(params) if selection.params is None else {k: v for k, v in params.items() if selection.has(k)},
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

    def add(self, run: Any) -> None:
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


def report(
    tracker: Tracker, study: Study, folder: Path, options: Options | None = None, variant: str | None = None
) -> WrittenReport:
    """Writes the report of one variant of ``study`` (see ``overview``) into ``folder``, by the report that it names.

    That of another mode than the study's first goes beside it, into a folder that bears the mode's name as well. Curves
    and files come from ``tracker``, whatever ``options`` say. Raises BadInput, also where there are no runs at all:
    then a report that is there stays.
    """
    if _newest_tags(tracker) is None:
        older = ", but of an older version, whose trials have other ids" if tracker.has_older_schema() else ""
        value = f"no runs of {study.name} in {tracker.where.printable}{older}"
        remedy = f"run it first (`ser run {study.name}`), or bring deleted runs back"
        raise BadInput(value, "tracking store", "at least one run", remedy)
    options = replace(options or Options(), curve=tracker.curve, file=partial(_file, tracker))
    module = report_of(study)
    finished, expected = collect(tracker, study, variant)
    scans = Scans(options.who_speaks, expected.fingerprints)
    options = replace(
        options,
        file=scans.file(options.file),
        references=cache(partial(_references, tracker, expected)),
        others=partial(_systems_of, tracker, expected),
    )
    if expected.mode not in ("", study.mode):
        folder = folder.with_name(f"{folder.name}_{expected.mode}")
    with figures.plain_style():
        unknown = unknown_axes(module, study) or _encoders_as_axis(module, expected)
        if unknown or (hasattr(module, "AXES") and expected.unlike):
            content = _with_general(tracker, study, variant, unknown, options, scans)
        else:
            content = module.content(scans.completed(finished), expected, options)
        if expected.crossed:
            section = crossing.section_of(_cross_runs(tracker, study, variant, scans), expected, options)
            content = with_section(content, section, first=getattr(module, "FIRST", False))
        if expected.has_numbers:
            again, _ = collect(tracker, study, variant)
            content = with_section(content, ratings_section.section_of(scans.completed(again), expected, options))
        if expected.other_variants or any(options.equivalence in point for _, point in expected.trials):
            content = with_section(content, _equivalence(tracker, study, variant, expected, options, scans))
        if scans.notes:
            content = replace(content, notes=(*content.notes, *scans.notes))
        return write.write(with_table(content, expected, options), folder)


def report_of(study: Study) -> ModuleType:
    """The file of the report that a study names; the general one where it names none. Raises BadInput."""
    return registry.find("report", study.report or GENERAL)


def unknown_axes(module: ModuleType, study: Study) -> tuple[str, ...]:
    """Returns the axes of a study that its report cannot tell apart: those beyond ``AXES``, if it states these.

    What a search varies is an axis as well.
    """
    if not hasattr(module, "AXES"):
        return ()
    points = study.grid(study.corpora)
    stated = [path for path in dict.fromkeys(path for point in points for path in point) if path not in module.AXES]
    varied = [path for path in stated if len({repr(point.get(path)) for point in points}) > 1]
    searched = [] if study.search.rule.name == "grid" else [path for path, _ in study.search.space]
    return tuple(dict.fromkeys([*varied, *(path for path in searched if path not in module.AXES)]))


def _encoders_as_axis(module: ModuleType, expected: Expected) -> tuple[str, ...]:
    """The paths of a command's encoders and of unseen corpora, where there are several that ``AXES`` do not name."""
    if not hasattr(module, "AXES"):
        return ()
    values: dict[str, set[str]] = {}
    for _, point in expected.trials:
        for path in (p for p in point if (p.endswith(".encoder") or p == UNSEEN) and p not in module.AXES):
            values.setdefault(path, set()).add(point[path])
    return tuple(path for path, several in values.items() if len(several) > 1)


def _with_general(
    tracker: Tracker, study: Study, variant: str | None, unknown: Sequence[str], options: Options, scans: Scans
) -> Content:
    """A paper's own tables of the first value of every unknown axis, and the general tables of all results.

    Of runs that bear one title and are not of one trial, the paper's own tables have the trial that was begun first.
    """
    module = report_of(study)
    finished, expected = collect(tracker, study, variant)
    points = [point for _, point in expected.trials]
    first = {path: next((point[path] for point in points if path in point), None) for path in unknown}
    first = {path: value for path, value in first.items() if value is not None}
    inside = {title: point for title, point in expected.trials if all(point.get(k, v) == v for k, v in first.items())}
    part_of_it = replace(expected, trials=tuple(inside.items()), count=len(inside))
    counted = (
        run
        for run in scans.completed(finished)
        if run.title in inside and expected.unlike.get(run.title, (run.trial_id,))[0] == run.trial_id
    )
    papers = module.content(counted, part_of_it, options)
    everything, expected = collect(tracker, study, variant, Selection())
    general = registry.find("report", GENERAL).content(scans.completed(everything), expected, options)
    return content.appended(papers, general, _partial(first, expected))


def _partial(first: Mapping[str, Any], expected: Expected) -> str:
    """Says of which trials the tables of a study's own report are."""
    values = [f"{path} = {value}" for path, value in first.items()] or ["the points that the study states"]
    sentence = f"The tables of the study's own report are of {', '.join(values)}"
    if titles := list(expected.unlike):
        more = f" and {len(titles) - _LISTED} more" if len(titles) > _LISTED else ""
        sentence += f"; where trials of one title differ, of the one begun first ({'; '.join(titles[:_LISTED])}{more})"
    return f"{sentence}. Those of all results come behind them."


def collect(
    tracker: Tracker, study: Study, variant: str | None = None, selection: Selection | None = None
) -> tuple[Iterator[Finished], Expected]:
    """Returns the finished runs of one variant of ``study`` (see ``overview``), oldest first, and what it expects.

    The runs' predictions are fetched while one goes through them. Of several finished runs of one trial one counts, the
    same that counts for the runner; the notes say so. ``selection``: what is read of them; None = as the report says.
    """
    runs, expected = overview(tracker, study, variant, selection or Selection.of(report_of(study)))
    runs = [run for run in runs if not run.is_reference]
    finished: dict[str, list[RunSummary]] = {}
    for run in (r for r in runs if r.status == "FINISHED"):
        finished.setdefault(run.trial_id, []).append(run)
    doubled = [f"{repeats[0].title} ({len(repeats)} runs)" for repeats in finished.values() if len(repeats) > 1]
    if doubled:
        note = f"finished more than once, of which the run begun first counts: {', '.join(doubled)}"
        expected = replace(expected, notes=(*expected.notes, note))
    expected = replace(expected, splits=expected.splits.read(partial(_file, tracker)))
    return _finished(tracker, [repeats[0] for repeats in finished.values()]), expected


def _references(tracker: Tracker, expected: Expected) -> Sequence[Finished]:
    """The finished references that ``expected`` names, whole."""
    ids = [reference.run_id for reference in expected.references if reference.run_id]
    return tuple(_finished(tracker, [RunSummary.of(tracker.run(run_id), Selection()) for run_id in ids]))


def _systems_of(tracker: Tracker, expected: Expected, study: str) -> Sequence[Finished]:
    """The finished runs of another study's systems that count there, without their predictions."""
    try:
        other = Tracker(tracker.where, study, to_read=True)
    except BadInput:  # no such runs, or they were deleted
        return ()
    runs: dict[str, Finished] = {}
    for run in other.pages():
        tags = run.data.tags
        counts = "trial_id" in tags and _is_current(tags) and "superseded_by" not in tags
        if counts and (tags.get("data") == "demo") == expected.demo and run.info.status == "FINISHED":
            one = RunSummary.of(run, Selection())
            if one.tested and "role.system" in one.params:
                finished = Finished(one.trial_id, one.run_id, one.title, one.params, one.scores, one.same_as, "")
                runs.setdefault(one.trial_id, finished)
    return tuple(runs.values())


def _finished(tracker: Tracker, runs: Sequence[RunSummary]) -> Iterator[Finished]:
    texts = tracker.texts((r.folder for r in runs if r.tested), "predictions.csv")
    for run in runs:
        try:
            text = next(texts) if run.tested else ""
        except BadInput as error:
            place = f"run {run.title} ({run.run_id})"
            raise BadInput(error.value, place, error.allowed, error.remedy) from None
        yield Finished(run.trial_id, run.run_id, run.title, run.params, run.scores, run.same_as, text)


def _cross_runs(tracker: Tracker, study: Study, variant: str | None, scans: Scans) -> Iterator[CrossRun]:
    """The finished runs of a variant, those that count, with the files of their tests on strangers."""
    runs, _ = overview(tracker, study, variant, Selection())
    first: dict[str, RunSummary] = {}
    for run in (r for r in runs if r.status == "FINISHED" and not r.is_reference):
        first.setdefault(run.trial_id, run)
    counted = list(first.values())
    names = dict.fromkeys(name for run in counted for name in run.crossed)
    texts = {
        (name, kind): tracker.texts([r.folder for r in counted if name in r.crossed], f"{TAG}{name}.{kind}")
        for name in names
        for kind in ("csv", "json")
    }
    for run, finished in zip(counted, scans.completed(_finished(tracker, counted)), strict=True):
        yield CrossRun(finished, {c: (next(texts[c, "csv"]), next(texts[c, "json"])) for c in run.crossed})


def _equivalence(
    tracker: Tracker, study: Study, variant: str | None, expected: Expected, options: Options, scans: Scans
) -> Section:
    """The section on runs that differ in one setting alone: one of each pair is of the variant, the other of any."""
    path, selection = options.equivalence, Selection(equivalence_section.PARAMS, ())
    variant = (_newest_tags(tracker) or {}).get("variant", "") if variant is None else variant
    matching = Matching[RunSummary](path, text_of(value_at(study, path)))
    for run in tracker.pages(FINISHED):
        tags, params = run.data.tags, run.data.params
        is_copy = "same_as" in tags or "superseded_by" in tags or params.get("role") == REFERENCE
        if "trial_id" in tags and _is_current(tags) and not is_copy:
            matching.add(RunSummary.of(run, selection), params, tags.get("variant") == variant)
    pairs = list(matching.pairs())
    firsts = scans.completed(_finished(tracker, [first for first, _, _ in pairs]))
    seconds = scans.completed(_finished(tracker, [second for _, second, _ in pairs]))
    both = map(equivalence_section.Pair, firsts, seconds, (value for *_, value in pairs))
    return equivalence_section.section_of(both, matching.values, matching.counts, expected, options)


def _file(tracker: Tracker, run_id: str, path: str) -> str | None:
    """The text of an artifact in the run's own folder, or None if it has none of that name."""
    place = tracker.place(tracker.client.get_run(run_id).info.artifact_uri)
    if path not in tracker.names(place, path.rpartition("/")[0] or None):
        return None
    return tracker.text(path, place)


def overview(
    tracker: Tracker, study: Study, variant: str | None = None, selection: Selection = _NOTHING
) -> tuple[list[RunSummary], Expected]:
    """Returns the runs of one variant (settings and corpora) of ``study``, oldest first, and what it expects.

    Without ``variant`` the one that was run last is taken; the notes name the others. Raises BadInput.
    """
    stated = variant
    if variant is None:
        variant = (_newest_tags(tracker) or {}).get("variant", "")
    variants: Counter[str] = Counter()
    runs, statements = [], _Statements()
    for run in tracker.pages():
        if "trial_id" in run.data.tags and not _is_current(run.data.tags):
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


def _is_current(tags: Mapping[str, str]) -> bool:
    """Whether a run's trial is a statement of today's schema; those of another one have ids of their own."""
    return tags.get("schema") == str(SCHEMA)


def _newest_tags(tracker: Tracker) -> Mapping[str, str] | None:
    """The tags of the trial's run of today's schema that was begun last; None where there is no such run."""
    newest = tracker.newest()
    if newest is None:
        return None
    if _is_current(newest.data.tags):
        return dict(newest.data.tags)
    return next((dict(r.data.tags) for r in reversed(list(tracker.pages())) if _is_current(r.data.tags)), None)


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

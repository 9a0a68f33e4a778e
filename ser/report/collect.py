"""From MLflow runs to a report: finished runs with their predictions, what the study expects, and the files of both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ser import registry
from ser.errors import BadInput
from ser.report import content, drawing, equivalence_section, ratings_section, tidy, tidy_files, write
from ser.report.content import Content
from ser.report.crossing import section as crossing
from ser.report.crossing.tested import TAG, CrossRun
from ser.report.explored import Explored
from ser.report.fetched import with_predictions
from ser.report.matched import Matching
from ser.report.overview import RunSummary, Selection, is_current, newest_tags, overview
from ser.report.reference import with_table
from ser.report.runs import Expected, Finished, Options
from ser.report.scans import Scans
from ser.report.section import Section, with_section
from ser.report.write import WrittenReport
from ser.runs import links
from ser.runs.tracker import FINISHED, Tracker
from ser.study import REFERENCE, Study, value_at
from ser.study.release import text_of
from ser.study.trial import UNSEEN

GENERAL = "general"  # the report of studies that name none
_LISTED = 6  # titles that a note names


def report(
    tracker: Tracker, study: Study, folder: Path, options: Options | None = None, variant: str | None = None
) -> WrittenReport:
    """Writes the report of one variant of ``study`` (see ``overview``) into ``folder``, by the report that it names.

    That of another mode than the study's first goes beside it, into a folder that bears the mode's name as well. Curves
    and files come from ``tracker``, whatever ``options`` say. Raises BadInput, also where there are no runs at all:
    then a report that is there stays.
    """
    if newest_tags(tracker) is None:
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
    explored = Explored(expected.classes)
    with drawing.batched(folder) as batch:
        unknown = unknown_axes(module, study) or _encoders_as_axis(module, expected)
        if unknown or (hasattr(module, "AXES") and expected.unlike):
            content = _with_general(tracker, study, variant, unknown, options, scans, explored)
        else:
            content = module.content(explored.noted(scans.completed(finished)), expected, options)
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
        address = links.run_page(links.pages_of(tracker.where), tracker.experiment, "{run}")
        content = explored.of(with_table(content, expected, options), tracker.curves, address)
        batch.start()
        rows = tidy.rows_of(tracker, study, variant, options, scans)
        return write.write(replace(content, written_by=options.written_by), folder, tidy_files.files(rows))


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
    tracker: Tracker,
    study: Study,
    variant: str | None,
    unknown: Sequence[str],
    options: Options,
    scans: Scans,
    explored: Explored,
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
    general = registry.find("report", GENERAL).content(explored.noted(scans.completed(everything)), expected, options)
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
    return with_predictions(tracker, [repeats[0] for repeats in finished.values()]), expected


def _references(tracker: Tracker, expected: Expected) -> Sequence[Finished]:
    """The finished references that ``expected`` names, whole."""
    ids = [reference.run_id for reference in expected.references if reference.run_id]
    return tuple(with_predictions(tracker, [RunSummary.of(tracker.run(run_id), Selection()) for run_id in ids]))


def _systems_of(tracker: Tracker, expected: Expected, study: str) -> Sequence[Finished]:
    """The finished runs of another study's systems that count there, without their predictions."""
    try:
        other = Tracker(tracker.where, study, to_read=True)
    except BadInput:  # no such runs, or they were deleted
        return ()
    runs: dict[str, Finished] = {}
    for run in other.pages():
        tags = run.data.tags
        counts = "trial_id" in tags and is_current(tags) and "superseded_by" not in tags
        if counts and (tags.get("data") == "demo") == expected.demo and run.info.status == "FINISHED":
            one = RunSummary.of(run, Selection())
            if one.tested and "role.system" in one.params:
                finished = Finished(one.trial_id, one.run_id, one.title, one.params, one.scores, one.same_as, "")
                runs.setdefault(one.trial_id, finished)
    return tuple(runs.values())


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
    for run, finished in zip(counted, scans.completed(with_predictions(tracker, counted)), strict=True):
        yield CrossRun(finished, {c: (next(texts[c, "csv"]), next(texts[c, "json"])) for c in run.crossed})


def _equivalence(
    tracker: Tracker, study: Study, variant: str | None, expected: Expected, options: Options, scans: Scans
) -> Section:
    """The section on runs that differ in one setting alone: one of each pair is of the variant, the other of any."""
    path, selection = options.equivalence, Selection(equivalence_section.PARAMS, ())
    variant = (newest_tags(tracker) or {}).get("variant", "") if variant is None else variant
    matching = Matching[RunSummary](path, text_of(value_at(study, path)))
    for run in tracker.pages(FINISHED):
        tags, params = run.data.tags, run.data.params
        is_copy = "same_as" in tags or "superseded_by" in tags or params.get("role") == REFERENCE
        if "trial_id" in tags and is_current(tags) and not is_copy:
            matching.add(RunSummary.of(run, selection), params, tags.get("variant") == variant)
    pairs = list(matching.pairs())
    firsts = scans.completed(with_predictions(tracker, [first for first, _, _ in pairs]))
    seconds = scans.completed(with_predictions(tracker, [second for _, second, _ in pairs]))
    both = map(equivalence_section.Pair, firsts, seconds, (value for *_, value in pairs))
    return equivalence_section.section_of(both, matching.values, matching.counts, expected, options)


def _file(tracker: Tracker, run_id: str, path: str) -> str | None:
    """The text of an artifact in the run's own folder, or None if it has none of that name."""
    place = tracker.place(tracker.client.get_run(run_id).info.artifact_uri)
    if path not in tracker.names(place, path.rpartition("/")[0] or None):
        return None
    return tracker.text(path, place)

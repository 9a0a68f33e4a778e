"""``ser report``: of one study, or of all that the work folder has runs of; and the index of the reports."""

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ser.cli import addresses, console, documents
from ser.data.manifest import who_speaks
from ser.errors import Away, BadInput
from ser.host.version import code_version
from ser.report import collect, equivalence, index_page
from ser.report.runs import Options
from ser.report.write import WrittenReport
from ser.runs import links, reader
from ser.runs.location import Location
from ser.runs.progress import progress_of
from ser.runs.study_runs import experiments, study_of
from ser.runs.tracker import Tracker
from ser.study import Study, load_study
from ser.study.load import study_names


def write(args: argparse.Namespace) -> int:
    """Writes and prints the report of the study that the arguments name. Raises BadInput."""
    study = load_study(args.study)
    where = Location.of(args.work, args.tracking_uri, to_read=True)
    written = _write(args, study, where)
    if not args.as_json:
        print(written.markdown)
    console.console.print(_line(written))
    console.addresses(addresses.of_study(where, study.name, args.work))
    index = _write_index(args.work, where)
    args.document = documents.reports([_described(written, study, where)], index)
    return 0


def write_all(args: argparse.Namespace) -> int:
    """Writes the reports of all studies that have runs; one that cannot be written keeps no other from it."""
    if args.variant is not None:
        allowed, remedy = "a variant of one study", "name the study, too"
        raise BadInput(repr(args.variant), "--variant", allowed, remedy)
    where = Location.of(args.work, args.tracking_uri, to_read=True)
    code, described = 0, []
    for name in _experiments(where):
        if name not in study_names():
            console.console.print(f"{name}: its study is a file of yours: ser report ./FILE.py writes its report")
            continue
        try:
            study = load_study(name)
            written = _write(args, study, where)
            console.console.print(f"{name}: {_line(written)}", soft_wrap=True)
            described.append(_described(written, study, where))
        except BadInput as error:
            console.console.print(f"{name}: error: {error}", soft_wrap=True)
            code = 2
    args.document = documents.reports(described, _write_index(args.work, where))
    return code


def _described(written: WrittenReport, study: Study, where: Location) -> documents.Document:
    return documents.report(written, study, progress_of(Tracker(where, study.name, to_read=True), written.expected))


def _write(args: argparse.Namespace, study: Study, where: Location) -> WrittenReport:
    tracker = Tracker(where, study.name, to_read=True)
    rules = (args.ties, args.replicates, args.resample, args.equivalence)
    options = Options(
        *rules,
        margin=args.margin / 100,
        who_speaks=partial(who_speaks, args.work / "store" / "manifests"),
        written_by=code_version(),
    )
    equivalence.check(study, options)
    return collect.report(tracker, study, args.work / "reports" / study.name, options, args.variant)


def _line(written: WrittenReport) -> str:
    return f"written to {written.folder}: report.html, results.csv, results.parquet, tables, figures"


def _write_index(work: Path, where: Location) -> Path:
    try:
        existing = _experiments(where)
    except Away:  # the reports are written all the same
        existing = {}
    path = index_page.write(work / "reports", existing, links.pages_of(where))
    console.console.print(f"index of all reports: {path}", soft_wrap=True)
    return path


def _experiments(where: Location) -> Mapping[str, str]:
    """The studies that have runs → their experiments' ids."""
    return {study_of(e): str(e.experiment_id) for e in experiments(reader.client(where, to_read=True))}

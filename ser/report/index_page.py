"""The index of all reports of a work folder: states, best results, age, links to each report and to MLflow's pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ser import files
from ser.report.pages import render
from ser.report.summary import Summary, summaries, value_text
from ser.runs import links

NAME = "index.html"
_FILES = (
    "report.html",
    "results.csv",
    "results.parquet",
    "tables.md",
    "tables.csv",
    "tables.tex",
)  # of a report, the page first
_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"))


@dataclass(frozen=True)
class Place:
    """Where the index is read, and so what it links to."""

    reports: str = ""  # before the folder of a report, in addresses
    pages: str = ""  # address of MLflow's pages; "" = the same server
    live: str = ""  # address of the page that follows running grids; "" = there is none


def write(reports: Path, experiments: Mapping[str, str], pages: str) -> Path:
    """Writes the index into the folder of all reports; returns its path.

    ``experiments``: study → id of its experiment in the tracking store, whose ``pages`` are at that address.
    """
    reports.mkdir(parents=True, exist_ok=True)
    with files.replacing(reports / NAME, durable=False) as file:
        file.write(page(reports, experiments, Place(pages=pages)).encode())
    return reports / NAME


def page(reports: Path, experiments: Mapping[str, str], place: Place, now: datetime | None = None) -> str:
    """Returns the index of the reports in a folder as a page; studies that have runs and no report come last."""
    written = summaries(reports)
    now = now or datetime.now(UTC)
    return render(
        "index.html.j2",
        rows=[_row(one, reports, experiments, place, now) for one in written],
        without=[
            {"study": study, "runs": links.runs_page(place.pages, experiment)}
            for study, experiment in experiments.items()
            if study not in {one.study for one in written}
        ],
        live=place.live,
        value_text=value_text,
        date=now.strftime("%Y-%m-%d %H:%M UTC"),
    )


def _row(one: Summary, reports: Path, experiments: Mapping[str, str], place: Place, now: datetime) -> dict[str, object]:
    names = [name for name in _FILES if (reports / one.folder / name).is_file()]
    experiment = experiments.get(one.study)
    return {
        "summary": one,
        "address": f"{place.reports}{one.folder}/{names[0]}" if names else "",
        "files": {name: f"{place.reports}{one.folder}/{name}" for name in names[1:]},
        "runs": links.runs_page(place.pages, experiment) if experiment else "",
        "written": datetime.fromisoformat(one.written).strftime("%Y-%m-%d %H:%M UTC"),
        "age": age((now - datetime.fromisoformat(one.written)).total_seconds()),
    }


def age(seconds: float) -> str:
    """How long ago something was, for people.

    >>> [age(5), age(60), age(7300), age(3 * 86400)]
    ['just now', '1 minute ago', '2 hours ago', '3 days ago']
    """
    for length, unit in _UNITS:
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' * (number > 1)} ago"
    return "just now"

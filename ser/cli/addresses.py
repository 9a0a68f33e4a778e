"""Lines with the addresses at which MLflow shows the runs of studies, each in its saved view."""

import shlex
from pathlib import Path

from ser.errors import Away, BadInput
from ser.runs.links import pages_of, runs_page
from ser.runs.location import Location
from ser.runs.reader import client
from ser.runs.study_runs import experiments, study_of
from ser.runs.tracker import Tracker


def of_studies(where: Location, pages: str) -> list[str]:
    """Returns a line for each study that has runs; none where nobody answers. ``pages``: where MLflow shows them."""
    try:
        studies = {study_of(e): str(e.experiment_id) for e in experiments(client(where, to_read=True))}
    except (Away, BadInput):
        return []
    longest = max(map(len, studies), default=0)
    return [f"  {name:{longest}}  {runs_page(pages, studies[name])}" for name in sorted(studies)]


def of_study(where: Location, study: str, work: Path) -> list[str]:
    """Returns the line of one study, and the command that serves the pages where no server does; none without runs."""
    try:
        tracker = Tracker(where, study, to_read=True)
    except (Away, BadInput):
        return []
    line = f"runs in MLflow:  {runs_page(pages_of(where), tracker.experiment)}"
    if where.uri.startswith("http"):
        return [line]
    place = ["--work", str(work)] if where.own_database else ["--tracking-uri", where.printable]
    return [f"{line}\n  served by:  {shlex.join(['ser', 'ui', *place])}"]

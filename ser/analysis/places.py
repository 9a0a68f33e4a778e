"""The runs of a study where a notebook looks for them: the same places as those of commands."""

import os
from functools import partial
from pathlib import Path

from ser.data.manifest import who_speaks
from ser.report.runs import Options
from ser.runs.location import Location

Folder = str | os.PathLike[str]


def work_folder(work: Folder | None) -> Path:
    """Returns the work folder that is meant: without one that of ``SER_WORK``, else ``work`` in this folder."""
    return Path(work if work is not None else os.environ.get("SER_WORK") or "work")


def location(work: Folder | None, tracking_uri: str | None) -> Location:
    """Returns where runs are, as commands find them: also by ``MLFLOW_TRACKING_URI``. Raises BadInput."""
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "").strip() or None
    return Location.of(work_folder(work), uri, to_read=True)


def options(work: Folder | None, replicates: int) -> Options:
    """Returns the rules by which ``ser report`` counts, with so many replicates behind its intervals."""
    return Options(replicates=replicates, who_speaks=partial(who_speaks, work_folder(work) / "store" / "manifests"))

"""The files of a run that a person names: a folder, a trial that waits for delivery, or a run of the tracking store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ser import registry
from ser.errors import BadInput
from ser.planning.selection import typed
from ser.prediction.predictor import Predictor, load
from ser.runs.folder import RunFolder
from ser.runs.location import Location
from ser.runs.model_files import STATEMENT, WEIGHTS
from ser.study import stored_trial


def predictor_of(work: Path, uri: str | None, run: str, study: str = "", corpus: str = "") -> Predictor:
    """Returns the predictor of the run that ``run`` names: a folder of its files, its id, its trial's id or title.

    ``work`` and ``uri``: where runs are; ``study`` "": of any study. Raises Away, and BadInput where no finished run is
    named, or its model cannot be used.
    """
    with files_of(work, uri, run, study) as folder:
        return load(folder, corpus)


@contextmanager
def files_of(work: Path, uri: str | None, run: str, study: str = "") -> Iterator[Path]:
    """Gives a folder with the statement and the model of the run that ``run`` names; see ``predictor_of``."""
    if folder := _folder(Path(run)) or _undelivered(work, run, study):
        yield folder
        return
    from ser.runs.lookup import finished_run  # and with it MLflow, which a folder needs not

    tracker, run_in_store = finished_run(Location.of(work, uri, to_read=True), run, study, typed)
    with TemporaryDirectory(prefix="ser-") as copy:
        place = tracker.place(str(run_in_store.info.artifact_uri))
        statement = tracker.text(STATEMENT, place)
        names = tracker.names(place, None)
        (Path(copy) / STATEMENT).write_text(statement, encoding="utf-8")
        name = model_file(statement)
        if name in names:  # else who reads them says so
            tracker.copy(run_in_store, name, Path(copy))
        yield Path(copy)


def model_file(statement: str) -> str:
    """Returns the name of the file that holds the model of a run with this statement. Raises BadInput."""
    return WEIGHTS[registry.is_fitted(stored_trial(statement, STATEMENT).block.name)]


def _folder(path: Path) -> Path | None:
    return next((p for p in (path, path / "files") if (p / STATEMENT).is_file()), None)


def _undelivered(work: Path, run: str, study: str) -> Path | None:
    """Returns the files of a trained trial of the work folder that no tracking store has yet."""
    places = (work, work / "untracked")
    trained = [f for place in places for f in RunFolder.all(place) if (f.files / STATEMENT).is_file()]
    by_id = [f for f in trained if len(run) >= 4 and f.trial.startswith(run.lower())]
    heads = [(f, f.head) for f in trained]
    by_title = [f for f, head in heads if head and study in ("", head.study) and typed(head.title) == typed(run)]
    matches = {f.trial: f.files for f in by_title or by_id}
    if len(matches) > 1:
        allowed = ", ".join(matches)
        raise BadInput(f"{run!r} is {len(matches)} trials", "RUN", allowed, "give more of its id")
    return next(iter(matches.values()), None)

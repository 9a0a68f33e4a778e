"""A finished run of any study by what a person types: its id or that of its trial, the beginning of one, or a title."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ser.errors import BadInput
from ser.runs import reader
from ser.runs.location import Location
from ser.runs.reader import Experiment, Run
from ser.runs.study_runs import study_of
from ser.runs.tracker import FINISHED, Tracker, canonical_run, whole

if TYPE_CHECKING:
    from ser.runs.mlflow_client import Client

_ID = re.compile(r"[0-9a-f]{4,32}")  # of a run 32, of a trial 12
_LISTED = 5
_PAGE = 250
_PLACE = "RUN"


def finished_run(
    where: Location, text: str, study: str, typed: Callable[[str], str], original: bool = True
) -> tuple[Tracker, Run]:
    """Returns the finished run that ``text`` means, and its study's tracker; ``study`` "": of whichever study.

    Of several runs of a trial it is the one that counts. A run that shares another's training has no model of its own:
    it is that other one, if the ``original`` is asked for. ``typed`` makes of a title what people type of it. Raises
    Away, and BadInput where none or several trials are meant.
    """
    client = reader.client(where, to_read=True)
    experiments = {str(e.experiment_id): e for e in _experiments(client) if study in ("", e.name, study_of(e))}
    if not experiments:
        raise BadInput(study, "--study", _names(_experiments(client)), "choose one of them, or leave it out")
    runs = _matches(client, list(experiments), text.strip(), typed)
    by_trial: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        by_trial.setdefault((str(run.info.experiment_id), run.data.tags["trial_id"]), []).append(run)
    if not by_trial:
        allowed = "id or title of a finished run, or a folder of its files"
        raise BadInput(
            repr(text),
            _PLACE,
            allowed,
            "`ser ui` shows runs; logs/STUDY.log in the work folder has their ids and titles",
        )
    if len(by_trial) > 1:
        allowed = "; ".join(_title(canonical_run(each)) for each in list(by_trial.values())[:_LISTED])
        remedy = "name its study with --study, or give more of its id"
        raise BadInput(f"{text!r} is {len(by_trial)} trials", _PLACE, allowed, remedy)
    ((experiment, _), each) = next(iter(by_trial.items()))
    tracker = Tracker(where, str(experiments[experiment].name), to_read=True)
    run = canonical_run(each)
    return tracker, original_run(tracker, run) if original else run


def original_run(tracker: Tracker, run: Run) -> Run:
    """Returns the run whose training a finished one shares; itself where it was trained, or that one is gone."""
    trained = run.data.tags.get("same_as")
    return tracker.finished(trained).get(trained, run) if trained else run


def _experiments(client: "Client") -> list[Experiment]:
    return [e for e in client.search_experiments() if str(e.experiment_id) != "0"]


def _names(experiments: Iterable[Experiment]) -> str:
    return ", ".join(sorted(map(study_of, experiments))) or "none: nothing was run there"


def _matches(client: "Client", experiments: list[str], text: str, typed: Callable[[str], str]) -> list[Run]:
    """Finished runs by the beginning of an id, else by the title as it stands, else as it may be typed.

    The title is the run's name until somebody gives it another in MLflow's pages.
    """
    if _ID.fullmatch(text.lower()):
        for key in ("attributes.run_id", "tags.trial_id"):
            if runs := list(_pages(client, experiments, f"{FINISHED} and {key} LIKE '{text.lower()}%'")):
                return runs
    query = f"{FINISHED} and attributes.run_name = '{text}'"
    candidates = () if "'" in text else _pages(client, experiments, query)
    if runs := [run for run in candidates if run.data.tags.get("title") == text]:
        return runs
    return [r for r in _pages(client, experiments, FINISHED) if typed(r.data.tags.get("title", "")) == typed(text)]


def _pages(client: "Client", experiments: list[str], query: str) -> Iterator[Run]:
    token: str | None = None
    while True:
        page = client.search_runs(experiments, query, max_results=_PAGE, page_token=token)
        yield from (whole(run) for run in page if "trial_id" in run.data.tags)
        token = page.token
        if not token:
            return


def _title(run: Run) -> str:
    tags = run.data.tags
    return f"{tags.get('title', '')} of {tags.get('study', '')} ({tags['trial_id']})"

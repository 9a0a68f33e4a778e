"""Finished runs with their tables of predictions, which come from the tracking store a few at a time."""

from collections.abc import Iterator, Sequence

from ser.errors import BadInput
from ser.report.overview import RunSummary
from ser.report.runs import Finished
from ser.runs.tracker import Tracker


def with_predictions(tracker: Tracker, runs: Sequence[RunSummary]) -> Iterator[Finished]:
    """Yields the runs in order, each with its predictions. Raises BadInput where a tested one has lost them."""
    texts = tracker.texts((r.folder for r in runs if r.tested), "predictions.csv")
    for run in runs:
        try:
            text = next(texts) if run.tested else ""
        except BadInput as error:
            place = f"run {run.title} ({run.run_id})"
            raise BadInput(error.value, place, error.allowed, error.remedy) from None
        yield Finished(run.trial_id, run.run_id, run.title, run.params, run.scores, run.same_as, text)

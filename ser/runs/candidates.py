"""The candidates of a cross-validated search in MLflow: a run each, with the runs of its folds beneath it."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from ser.runs import described, long_text
from ser.runs.mlflow_client import Metric, Param
from ser.runs.reader import Run
from ser.runs.shown import COMBINATION
from ser.runs.tracker import CANDIDATE, Tracker

# Beginnings of the names of tags that all folds have in common.
_IN_COMMON = ("study", "variant", "data", "code_version", "fingerprint/", "mlflow.source.", "mlflow.user")
_COMMON_PARAMS = ("corpora", "classes", "normalise", "front_end", "task", "pooling", "seed")
_LETTER = "corpus.{}.letter"


def nest(tracker: Tracker, key: str, title: str, folds: Sequence[Run], values: Mapping[str, str]) -> None:
    """Puts the finished runs of a candidate's folds beneath one run of its own, with means and deviations.

    ``values`` are the settings that the search drew. The run also has the tags and parameters that its folds have in
    common, so that filters on study, variant and corpora keep it. A second call adds nothing.
    """
    existing = tracker.runs(f"tags.{CANDIDATE} = '{key}'")
    if existing and existing[0].info.status == "FINISHED":
        return
    tags, params = folds[0].data.tags, folds[0].data.params
    sentence = described.trial(title, params, fold=False)
    note = f"{sentence} Means and deviations over {len(folds)} folds, each a run below."
    labels = {CANDIDATE: key, "folds": str(len(folds)), described.NOTE: note}
    labels |= {name: text for name, text in tags.items() if name.startswith(_IN_COMMON)}
    run_name = long_text.name(title)
    run = existing[0] if existing else tracker.client.create_run(tracker.experiment, tags=labels, run_name=run_name)
    now, metrics = max(fold.info.end_time or 0 for fold in folds), []
    for name in sorted(set.intersection(*(set(fold.data.metrics) for fold in folds))):
        numbers = [fold.data.metrics[name] for fold in folds]
        metrics.append(Metric(name, mean(numbers), now, 0))
        if name.startswith("objective/") and len(numbers) > 1:
            metrics.append(Metric(f"{name}_std", stdev(numbers), now, 0))
    for fold in folds:
        tracker.client.set_tag(fold.info.run_id, "mlflow.parentRunId", run.info.run_id)
    letters = [params[at] for c in params.get("corpora", "").split(",") if (at := _LETTER.format(c)) in params]
    common = {name: params[name] for name in _COMMON_PARAMS if params.get(name)} | {COMBINATION: "+".join(letters)}
    stated = [Param(k, v) for k, v in long_text.cut({**common, **values}).items()]
    tracker.client.log_batch(run.info.run_id, metrics=metrics, params=stated)
    tracker.client.set_terminated(run.info.run_id, "FINISHED")

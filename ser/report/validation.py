"""Accuracies by which validation chooses among settings: of the epoch that was kept, as the runs logged them."""

from collections.abc import Callable

from ser.report.runs import Finished

Curve = Callable[[str, str], list[float]]  # (run id, metric) → its value per epoch
SCORES = ("objective/", "val/", "best_epoch", "epochs")  # beginnings of what is read of a run


def validation_accuracy(run: Finished, corpus: str, metric: str, curve: Curve) -> float:
    """Returns WA or UA on a corpus's validation subset in the epoch that was kept; nan where it was not logged.

    Fitted models have none, since they learn from that subset. Runs made before the value was logged by itself have it
    in the curve of that metric.
    """
    name = f"{metric}/{corpus}"
    if f"objective/{name}" in run.scores:
        return run.scores[f"objective/{name}"]
    if f"val/{name}" not in run.scores:
        return float("nan")
    kept, last = (int(run.scores.get(key, 0)) for key in ("best_epoch", "epochs"))
    if kept == last:
        return run.scores[f"val/{name}"]  # a final score is that of the last epoch
    values = curve(run.run_id, f"val/{name}")
    return values[kept - 1] if 0 < kept <= len(values) else float("nan")

"""Finished runs of a study beside a new plan: how long its trials take, and whether its corpora are the same."""

from collections.abc import Iterable
from dataclasses import asdict

from ser.errors import BadInput
from ser.planning.sources import Source
from ser.runs.tracker import FINISHED, Tracker
from ser.study import flat


def mean_epochs(tracker: Tracker, variant: str) -> dict[str, float]:
    """Returns the mean number of epochs of the finished runs of one grid, of both passes, by system or block."""
    epochs: dict[str, list[float]] = {}
    for run in tracker.pages(f"{FINISHED} and tags.variant = '{variant}'"):
        if "epochs" in run.data.metrics and "trial_id" in run.data.tags:  # not the means over a candidate's folds
            kind = run.data.params.get("role.system") or run.data.params["block"]
            epochs.setdefault(kind, []).append(run.data.metrics["epochs"] + run.data.metrics.get("refit_epochs", 0.0))
    return {kind: sum(n) / len(n) for kind, n in epochs.items()}


def check_unchanged(tracker: Tracker, sources: Iterable[Source]) -> None:
    """Raises BadInput if trials finished on another state of a corpus, equally read, and none on this one."""
    corpora = {s.corpus.name: s.corpus for s in sources}  # those that no finished run has in this state
    loaders = {name: flat({f"corpus.{name}": {"loader": asdict(c.loader)}}).items() for name, c in corpora.items()}
    earlier: dict[str, tuple[str | None, str]] = {}
    for run in (run for run in tracker.pages(FINISHED) if "trial_id" in run.data.tags):
        for name in [n for n in corpora if loaders[n] <= run.data.params.items()]:
            earlier[name] = run.data.tags.get(f"fingerprint/{name}"), run.info.run_name
            if earlier[name][0] == corpora[name].fingerprint:
                del corpora[name]
        if not corpora:  # mostly by the first page
            return
    for name in corpora.keys() & earlier.keys():
        fingerprint, title = earlier[name]
        raise BadInput(
            f"fingerprint {corpora[name].fingerprint}, but {fingerprint} when {title} finished",
            f"corpus {name}",
            "the corpus as it was, or a fresh start on the changed one",
            "restore it, or pass --accept-changed-corpus (finished runs are kept)",
        )

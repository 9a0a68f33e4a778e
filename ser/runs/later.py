"""What a finished run gets later: scores on corpora that its trial has not learned from.

A test's scores carry one time, which the run keeps while they are sent, and its mark goes last. Sent again after a
kill, they add nothing, and a run with the mark has everything.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from ser.runs.mlflow_client import Metric, artifact_files
from ser.runs.reader import Run
from ser.runs.tracker import FINISHED, Tracker

FOLDER = "cross"  # of the files, and what names of metrics and tags begin with
_BEGUN = "ser.begun"  # what tags begin with that are there while a test is sent: its mark, and its time in ms


def marks(tracker: Tracker) -> dict[str, dict[str, str]]:
    """Returns the tests of the finished run of every trial, by its id: corpus -> mark."""
    first: dict[str, tuple[int, str, dict[str, str]]] = {}
    for run in tracker.pages(FINISHED):
        if trial := run.data.tags.get("trial_id"):
            row = run.info.start_time, run.info.run_id, marks_of(run)
            first[trial] = min(row, first.get(trial, row), key=lambda each: each[:2])  # as ``canonical_run`` chooses
    return {trial: row[2] for trial, row in first.items()}


def marks_of(run: Run) -> dict[str, str]:
    """Returns the tests of a run: corpus -> mark."""
    start = f"{FOLDER}/"
    return {key.removeprefix(start): text for key, text in run.data.tags.items() if key.startswith(start)}


def add(tracker: Tracker, run: Run, corpus: str, mark: str, results: Mapping[str, float], files: Path) -> None:
    """Adds the test of a finished run on ``corpus``: all ``files`` of a folder, then ``results``, then the mark.

    Raises Away, and BadInput where the store refuses.
    """
    client, run_id = tracker.client, str(run.info.run_id)
    key, start_tag = f"{FOLDER}/{corpus}", f"{_BEGUN}/{corpus}"
    stated, _, text = run.data.tags.get(start_tag, "").rpartition(" ")
    when = int(text) if stated == mark else int(time.time() * 1000)
    if stated != mark:
        client.set_tag(run_id, start_tag, f"{mark} {when}")
    if key in run.data.tags:  # of another state of the corpus, whose files are about to go
        client.delete_tag(run_id, key)
    place = artifact_files(tracker.place(str(run.info.artifact_uri)), tracker.where.uri)
    client.call_storage(place.log_artifacts, str(files), FOLDER)
    metrics = [Metric(name, value, when, 0) for name, value in results.items()]
    for at in range(0, len(metrics), 1000):  # as many as MLflow takes at once
        client.log_batch(run_id, metrics=metrics[at : at + 1000])
    client.set_tag(run_id, key, mark)
    client.delete_tag(run_id, start_tag)

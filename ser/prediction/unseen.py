"""Finished runs tested on corpora that their trials have not learned from: models from the runs' files, no training."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from ser.errors import Away, BadInput
from ser.files import Damaged
from ser.planning.unseen import Test
from ser.prediction.predictor import Predictor, load
from ser.prediction.runs import model_file
from ser.prediction.systems import FittedSystem, NetworkSystem
from ser.runs import later
from ser.runs.folder import RunFolder
from ser.runs.model_files import STATEMENT
from ser.runs.outcomes import Busy, Failed, Finished, StoreDamaged, TrialOutcome, Undelivered
from ser.runs.reader import Run
from ser.runs.tracker import Tracker
from ser.study import Part, Trial
from ser.training import fit
from ser.training.start import CorpusData, set_precision
from ser.training.train import Predictions, mean_of_heads, predict_by_head
from ser.trials import inputs
from ser.trials.facts import Facts
from ser.trials.job import Job
from ser.trials.outputs import prediction_table, scores_by_head
from ser.trials.run import begin, is_free
from ser.trials.scores import by_name, scores_of


def untested(job: Job, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the trials with a finished run, of their own or of an equal trial, that lacks a test of the job.

    Raises Away, and BadInput where the tracking store refuses.
    """
    marked = later.marks(Tracker.of(job.where, job.study))
    missing = []
    for trial in trials:
        runs = [marked[t.id] for t in _equal(job, trial) if t.id in marked]
        required = {test.corpus.name: test.mark for test in job.tests.get(trial.id, ())}
        if trial.id in marked and any(not required.items() <= run.items() for run in runs):
            missing.append(trial)
    return missing


def is_untouched(job: Job, trial: Trial) -> bool:
    """Returns whether no living process tests ``trial``."""
    return is_free(_apart(job), trial)


def run(job: Job, trial: Trial) -> TrialOutcome:
    """Tests a finished trial on all corpora of the job that its run lacks; returns how that ended.

    Exceptions are worth another try. Asked again, it does what is left.
    """
    begin(job)
    with _claim(job, trial) as is_owned:
        if not is_owned:
            return Busy()
        try:
            return Finished(_tested(job, trial))
        except Damaged as damage:
            return StoreDamaged(str(damage))
        except Away as error:
            return Undelivered({}, str(error))
        except BadInput as error:
            return Failed(f"BadInput: {error}")


def _apart(job: Job) -> Job:
    """The job with a work folder of its own for locks: whoever tests a trial does not train it."""
    return replace(job, work=str(Path(job.work) / "tests"))


@contextmanager
def _claim(job: Job, trial: Trial) -> Iterator[bool]:
    apart = _apart(job)
    folder, store = RunFolder(apart.work, trial.id), inputs.open_store(apart.store, apart.work)
    with folder.lock() as is_owned, store.claim(trial.id) as is_claimed:
        yield is_owned and is_claimed
        if is_owned:
            shutil.rmtree(folder.path, ignore_errors=True)


def _equal(job: Job, trial: Trial) -> tuple[Trial, ...]:
    """The trial, and those that share its training."""
    return (trial, *job.mirrors.get(trial.id, ()))


def _tested(job: Job, trial: Trial) -> dict[str, float]:
    """Adds what is missing to the run, and to those of equal trials; returns the scores."""
    tracker = Tracker.of(job.where, job.study)
    runs = [finished[t.id] for t in _equal(job, trial) if t.id in (finished := tracker.finished(t.id))]
    results: dict[str, float] = {}
    todo: list[tuple[Test, list[Run]]] = []
    for test in job.tests[trial.id]:
        if incomplete := [r for r in runs if later.marks_of(r).get(test.corpus.name) != test.mark]:
            todo.append((test, incomplete))
    if not todo:
        return {}
    with TemporaryDirectory(prefix="ser-") as folder:
        predictor, digest = _model(tracker, runs[0], Path(folder))
        for test, incomplete in todo:
            files = Path(folder) / "files" / test.corpus.name
            files.mkdir(parents=True)
            values = _write(job, predictor, test, digest, files)
            for each in incomplete:
                later.add(tracker, each, test.corpus.name, test.mark, values, files)
            results |= values
    return results


def _model(tracker: Tracker, finished: Run, folder: Path) -> tuple[Predictor, str]:
    """The model of a run, and the SHA-256 of its file. Raises BadInput where it cannot be used."""
    statement = tracker.text(STATEMENT, tracker.place(str(finished.info.artifact_uri)))
    (folder / STATEMENT).write_text(statement, encoding="utf-8")
    path = tracker.copy(finished, model_file(statement), folder)
    return load(folder), hashlib.sha256(path.read_bytes()).hexdigest()


def _write(job: Job, predictor: Predictor, test: Test, digest: str, folder: Path) -> dict[str, float]:
    """Writes the files of one test; returns its scores."""
    trial, name = predictor.trial, test.corpus.name
    plain = replace(trial, balance=Part("none"))  # of training items, which a test has not
    by_head = answers(predictor, inputs.load(job, plain, test.corpus, test.key), job.device)
    whole = mean_of_heads(by_head)
    table = prediction_table(trial, name, whole, job.facts.get(test.key, Facts()))
    several = by_head if len(by_head) > 1 else {}
    of_heads = {
        f"p_{c}@{head}": p.probabilities[:, i] for head, p in several.items() for i, c in enumerate(trial.classes)
    }
    table = pd.concat([table, pd.DataFrame(of_heads, index=table.index)], axis=1)
    table.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")
    record = {**job.tested[test.key], "side": test.side, **_counts(table), "model": digest}
    record["code_version"] = job.tags["code_version"]
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
    scores = by_name(name, *scores_of(trial, whole)) | scores_by_head(trial, {name: several})
    return {f"{later.FOLDER}/{key}": value for key, value in scores.items()}


def answers(predictor: Predictor, data: CorpusData, device: str) -> Mapping[str, Predictions]:
    """Returns what each head of a model says of the test subset of a corpus that it was not trained on; "" of one."""
    trial, system = predictor.trial, predictor.system
    if isinstance(system, NetworkSystem):
        set_precision(trial.training.precision, device)
        return predict_by_head(system.network.to(device), data.test)
    assert isinstance(system, FittedSystem)
    sexes = data.test.voices[:, 1] if len(data.test.voices) else np.zeros(len(data.test))
    numbers = sexes if len(trial.training_corpora) == 1 else np.full(len(data.test), -1)
    tasks = numbers.astype(np.int64) if system.has_tasks else None
    return {"": fit.predict(system.fitted, trial, data, tasks)}


def _counts(table: pd.DataFrame) -> dict[str, Any]:
    """How many utterances there are, and of each class; one of several labels counts for each, one of none for none."""
    utterances = table.drop_duplicates("uid")
    texts = utterances["label"].tolist() if "label" in utterances else []
    labels = Counter(label for text in texts for label in str(text).split("|") if label)
    return {"utterances": len(utterances), "per_class": dict(sorted(labels.items()))}

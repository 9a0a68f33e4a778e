"""Several trials trained together by one worker, where networks are so small that most of the work is Python's.

Each is a trial of its own in everything else: owned, told and delivered as if it were alone, with numbers that do not
depend on who was trained beside it (see ``ser.training.stacked``). There are no checkpoints: a group takes seconds or
minutes, and what it has not finished is trained again.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor

from ser.errors import BadInput
from ser.files import Damaged
from ser.runs import attempts
from ser.runs.outcomes import Failed, StoreDamaged, TrialOutcome
from ser.study import Trial
from ser.training import stacked
from ser.training.batches import Items
from ser.training.stacked import Member, Trained
from ser.training.train import CorpusData, Outcome, Predictions
from ser.trials.run import Held, Job, begin, hold, load

Heard = Callable[[int, Mapping[str, float]], None]


def group(trial: Trial) -> Hashable | None:
    """Trials with an equal answer are trained together; one with None is trained alone, by ``ser.training.train``.

    The statement alone decides: dropout is drawn otherwise here, so that the numbers are others.
    """
    one_side = len(trial.corpora) == 1 and trial.task == "unified"
    if not trial.training.stacked or not one_side or trial.corpora[0].copies:
        return None
    shape = stacked.stack_key(trial.block, trial.training)
    # A group is as long as its longest member: nobody is to wait for another's last epochs.
    same = (trial.training.max_epochs, trial.corpora[0].name, trial.front_end, trial.classes)
    return None if shape is None else (shape, same)


def run(job: Job, trials: Sequence[Trial], on_epoch: Heard | None = None) -> dict[str, TrialOutcome]:
    """Run ``trials`` of one group to their finished runs; what ``ser.trials.run.run`` returns, for each by its id."""
    started = time.perf_counter()
    begin(job)
    told: dict[str, TrialOutcome] = {}
    with ExitStack() as owned:
        held: dict[str, Held] = {}
        for trial in trials:
            found = owned.enter_context(hold(job, trial))
            if not isinstance(found, Held):
                told[trial.id] = found
            elif found.now.starts > attempts.STARTS:
                last = attempts.last_error(found.run_folder.path) or "its worker died"
                told[trial.id] = found.fail(f"{attempts.STARTS} attempts did not finish; the last: {last}")
            else:
                held[trial.id] = found
        left = [t for t in trials if t.id in held and not held[t.id].run_folder.results]
        try:
            if left:
                told |= _train(job, left, held, started, on_epoch or (lambda epoch, row: None))
        except Damaged as damage:
            return told | {t.id: StoreDamaged(str(damage)) for t in left}
        for trial_id, found in held.items():
            if trial_id not in told:
                told[trial_id] = found.deliver(started)
    return told


def _train(
    job: Job, trials: Sequence[Trial], held: Mapping[str, Held], started: float, on_epoch: Heard
) -> dict[str, Failed]:
    """Leaves the results of each in its folder; returns what is to be said of those that failed."""
    try:
        data = {t.id: load(job, t, t.corpora[0]) for t in trials}
        features, labels, members = _members(trials, data)
    except BadInput as error:
        return {t.id: held[t.id].fail(f"BadInput: {error}") for t in trials}

    def heard(key: str, epoch: int, row: dict[str, float]) -> None:
        held[key].run_folder.add_epoch(epoch, row)
        on_epoch(epoch, row)

    found = stacked.train(members, features, labels, len(trials[0].classes), _named(trials, heard), job.device)
    told: dict[str, Failed] = {}
    for trial in trials:
        trained = found[trial.id]
        if trained.error:
            told[trial.id] = held[trial.id].fail(f"Diverged: {trained.error}")
            continue
        outcome = _outcome(trial, trained, data[trial.id])
        own = {trial.corpora[0].name: data[trial.id]}
        held[trial.id].complete(job, trial, own, outcome, started, {"stacked_trials": float(len(trials))})
    return told


def _named(trials: Sequence[Trial], heard: stacked.Report) -> stacked.Report:
    """Rows with the corpus in their names, as ``ser.training.train`` has them."""
    corpus = {t.id: t.corpora[0].name for t in trials}

    def named(key: str, epoch: int, row: dict[str, float]) -> None:
        heard(key, epoch, _with_corpus(row, corpus[key]))

    return named


def _with_corpus(row: Mapping[str, float], corpus: str) -> dict[str, float]:
    own = {f"{k}/{corpus}": v for k, v in row.items() if k.startswith(("train/", "val/", "test/"))}
    kept = ("epoch", "timestamp_ms", "train/loss", "val/loss")
    return own | {k: v for k, v in row.items() if k in kept}


def _members(trials: Sequence[Trial], data: Mapping[str, CorpusData]) -> tuple[Tensor, Tensor, list[Member]]:
    """All items that some trial needs, once, as rows [items, width]; and who needs which.

    Raises BadInput where an item has several frames.
    """
    row: dict[str, int] = {}
    features: list[Tensor] = []
    labels: list[Tensor] = []

    def rows(items: Items) -> Tensor:
        new = [i for i, name in enumerate(items.names) if name not in row]
        row.update({items.names[i]: len(row) + k for k, i in enumerate(new)})
        if new:
            batch = items.batch(new)
            if len(batch.frames) != len(new):
                given = f"{len(batch.frames)} frames of {len(new)} utterances"
                raise BadInput(given, trials[0].block.name, "one frame per utterance",
                               "use a front-end that averages over time")  # fmt: skip
            features.append(batch.frames)
            labels.append(batch.labels)
        return torch.tensor([row[name] for name in items.names], dtype=torch.int64)

    members = []
    for trial in trials:
        own = data[trial.id]
        sides = {kind: rows(getattr(own, kind)) for kind in ("train", "val", "test")}
        seed = (trial.seed, trial.repeat)
        members.append(Member(trial.id, trial.block, trial.training, seed, trial.normalise, **sides))
    return torch.cat(features), torch.cat(labels), members


def _outcome(trial: Trial, trained: Trained, data: CorpusData) -> Outcome:
    name = trial.corpora[0].name
    predictions = {}
    if name in trial.targets and "test" in trained.logits:
        test = data.test
        predictions[name] = Predictions(test.names, test.labels.cpu().numpy(), trained.logits["test"].cpu().numpy())
    history = [_with_corpus(row, name) for row in trained.history]
    weights = trained.weights
    parameters = sum(w.numel() for key, w in weights.items() if key not in ("mean", "scale"))
    return Outcome(history, trained.best_epoch, predictions, trained.seconds, weights, {}, parameters=parameters)

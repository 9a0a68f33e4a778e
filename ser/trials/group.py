"""A group of trials trained stacked by one worker, where each alone would leave most of a processor or GPU idle.

Each is a trial of its own in everything else: owned, logged and delivered as if it were alone, with numbers that do not
depend on the other members. Tiny networks of one frame per utterance (``ser.training.stacked``) take seconds: they have
no checkpoints, and what is not finished is trained again. A group of temporal blocks (``ser.training.stacked_frames``)
has a checkpoint of all its members.
"""

import time
from collections.abc import Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import Tensor

from ser.errors import BadInput, is_out_of_memory
from ser.files import Damaged
from ser.host.paths import without_secrets
from ser.models import traits
from ser.runs import attempts
from ser.runs.outcomes import Failed, StoreDamaged, TrialOutcome
from ser.study import Trial
from ser.training import stacked, stacked_frames
from ser.training.batches import Items
from ser.training.network import layers_of, stack_of
from ser.training.normalise import GROUPS
from ser.training.stacked import Member, Report, Trained
from ser.training.stacked_frames import FramesMember
from ser.training.start import CorpusData
from ser.training.train import Outcome, Predictions
from ser.trials.inputs import load
from ser.trials.job import Job
from ser.trials.run import Claim, OnEpoch, begin, claim


def group_key(trial: Trial) -> Hashable | None:
    """Returns what trials of one group have in common; None for a trial that ``ser.training.train`` trains alone.

    The statement alone decides: stacked training draws dropout otherwise, so that the numbers are others.
    """
    if not trial.training.stacked or stack_of(trial) > 1:
        return None
    if traits(trial.block.name).gives == "frames":
        return stacked_frames.stack_key(trial)
    one_head = len(trial.corpora) == 1 and trial.task == "unified"
    if not one_head or trial.corpora[0].copies:
        return None
    if trial.normalise in GROUPS or trial.labels == "shares" or trial.dimensions:  # members share their items
        return None
    shape = stacked.stack_key(trial.block, trial.training)
    # A group is as long as its longest member: nobody is to wait for another's last epochs.
    common = (trial.training.max_epochs, trial.corpora[0].name, trial.front_end, trial.classes)
    return None if shape is None else (shape, common)


def run(job: Job, trials: Sequence[Trial], on_epoch: OnEpoch | None = None) -> dict[str, TrialOutcome]:
    """Runs ``trials`` of one group to their finished runs; returns how each ended, by its id."""
    started = time.perf_counter()
    begin(job)
    outcomes: dict[str, TrialOutcome] = {}
    with ExitStack() as claims:
        # Own what is free, and has attempts left.
        members: dict[str, Claim] = {}
        for trial in trials:
            owned = claims.enter_context(claim(job, trial))
            if not isinstance(owned, Claim):
                outcomes[trial.id] = owned
            elif owned.attempt.starts > attempts.STARTS:
                outcomes[trial.id] = owned.give_up()
            else:
                members[trial.id] = owned
        # Train what an earlier process has not trained.
        untrained = [t for t in trials if t.id in members and not members[t.id].run_folder.results]
        try:
            if untrained:
                whole = traits(untrained[0].block.name).gives == "frames"
                by_kind = _train_frames if whole else _train
                outcomes |= by_kind(job, untrained, members, started, on_epoch or (lambda epoch, row: None))
        except Damaged as damage:
            return outcomes | {t.id: StoreDamaged(str(damage)) for t in untrained}
        # Deliver all that is trained.
        for trial_id, owned in members.items():
            if trial_id not in outcomes:
                outcomes[trial_id] = owned.deliver(started)
    return outcomes


def _train(
    job: Job, trials: Sequence[Trial], claims: Mapping[str, Claim], started: float, on_epoch: OnEpoch
) -> dict[str, Failed]:
    """Leaves the results of each in its folder; returns the trials that failed."""
    try:
        data = {t.id: load(job, t, t.corpora[0]) for t in trials}
        features, labels, members = _members(trials, data)
    except BadInput as error:
        return {t.id: claims[t.id].fail(f"BadInput: {error}") for t in trials}
    corpus = {t.id: t.corpora[0].name for t in trials}

    def report(key: str, epoch: int, row: Mapping[str, float]) -> None:
        row = _with_corpus(row, corpus[key])
        claims[key].add_epoch(epoch, row)
        on_epoch(epoch, row)

    classes = len(trials[0].classes)
    trained = stacked.train(members, features, labels, classes, report, job.device)
    _refit(members, trained, features, labels, classes, report, job.device)
    failed: dict[str, Failed] = {}
    for trial in trials:
        if trained[trial.id].error:
            failed[trial.id] = claims[trial.id].fail(f"Diverged: {trained[trial.id].error}")
            continue
        outcome = _outcome(trial, trained[trial.id], data[trial.id])
        by_corpus = {corpus[trial.id]: data[trial.id]}
        claims[trial.id].complete(job, trial, by_corpus, outcome, started, {"stacked_trials": float(len(trials))})
    return failed


def _train_frames(
    job: Job, trials: Sequence[Trial], claims: Mapping[str, Claim], started: float, on_epoch: OnEpoch
) -> dict[str, Failed]:
    """As ``_train``, of temporal blocks: as many at once as the GPU's memory holds, and half as many where it does not.

    The group's checkpoint lies in the folder of its first trial.
    """
    failed: dict[str, Failed] = {}
    members: list[FramesMember] = []
    for trial in trials:
        try:
            data = {c.name: load(job, trial, c) for c in trial.corpora}
            members.append(FramesMember(trial.id, trial, data))
        except BadInput as error:
            failed[trial.id] = claims[trial.id].fail(f"BadInput: {error}")
    most = stacked_frames.most_members(members, job.device) if members else 1
    todo = [members[at : at + most] for at in range(0, len(members), most)]
    while todo:
        group = todo.pop(0)
        try:
            outcomes = _train_some(job, group, claims, on_epoch)
        except Exception as error:
            if len(group) == 1 or not is_out_of_memory(error):
                raise
            half = len(group) // 2
            todo[:0] = [group[:half], group[half:]]
            continue
        for member in group:
            outcome = outcomes[member.key]
            if isinstance(outcome, str):
                failed[member.key] = claims[member.key].fail(without_secrets(outcome))
            else:
                extra = {"stacked_trials": float(len(group))}
                claims[member.key].complete(job, member.trial, member.data, outcome, started, extra)
    return failed


def _train_some(
    job: Job, group: Sequence[FramesMember], claims: Mapping[str, Claim], on_epoch: OnEpoch
) -> dict[str, Outcome | str]:
    reached: dict[str, int] = {}

    def report(key: str, epoch: int, row: Mapping[str, float]) -> None:
        reached[key] = epoch
        claims[key].add_epoch(epoch, row)
        on_epoch(epoch, row)

    def saved() -> None:
        for key, epoch in reached.items():
            claims[key].reached(epoch)

    path = claims[group[0].key].run_folder.path / "checkpoint.pt"
    return stacked_frames.train(group, path, job.device, report, saved)


def _refit(
    members: Sequence[Member],
    trained: dict[str, Trained],
    features: Tensor,
    labels: Tensor,
    classes: int,
    report: Report,
    device: str,
) -> None:
    """Trains those again that learn from training and validation, as the second pass of ``ser.training.train`` does."""
    first = {
        m.key: trained[m.key]
        for m in members
        if m.training.learns_from == "train_and_validation" and len(m.val) and not trained[m.key].error
    }
    again = [
        replace(
            m,
            training=replace(m.training, keep="last", patience_epochs=0, max_epochs=first[m.key].best_epoch),
            train=torch.cat([m.train, m.val]),
            val=m.val[:0],
        )
        for m in members
        if m.key in first
    ]

    def report_second(key: str, epoch: int, row: Mapping[str, float]) -> None:
        number = float(len(first[key].history) + epoch)
        values = {f"refit/{k}": v for k, v in row.items() if "/" in k}
        report(key, int(number), {"epoch": number, "timestamp_ms": row["timestamp_ms"], **values})

    if not again:
        return
    for key, second in stacked.train(again, features, labels, classes, report_second, device).items():
        if second.error:
            trained[key] = replace(first[key], error=f"trained again on training and validation: {second.error}")
        else:
            trained[key] = replace(
                first[key],
                weights=second.weights,
                logits=second.logits,
                seconds=first[key].seconds + second.seconds,
                refit_epochs=len(second.history),
            )


def _with_corpus(row: Mapping[str, float], corpus: str) -> dict[str, float]:
    """A row of ``ser.training.stacked`` with the corpus in its names, as ``ser.training.train`` has them."""
    starts = tuple(f"{prefix}{subset}/" for prefix in ("", "refit/") for subset in ("train", "val", "test"))
    by_corpus = {f"{k}/{corpus}": v for k, v in row.items() if k.startswith(starts)}
    plain = ("epoch", "timestamp_ms", "train/loss", "val/loss", "refit/train/loss")
    return by_corpus | {k: v for k, v in row.items() if k in plain}


def _members(trials: Sequence[Trial], data: Mapping[str, CorpusData]) -> tuple[Tensor, Tensor, list[Member]]:
    """All items that some trial needs, once, as rows [items, width]; and which rows each member needs.

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
                counts = f"{len(batch.frames)} frames of {len(new)} utterances"
                raise BadInput(counts, trials[0].block.name, "one frame per utterance",
                               "use a front-end that averages over time")  # fmt: skip
            features.append(batch.frames)
            labels.append(batch.labels)
        return torch.tensor([row[name] for name in items.names], dtype=torch.int64)

    members = []
    for trial in trials:
        subsets = {name: rows(getattr(data[trial.id], name)) for name in ("train", "val", "test")}
        seed = (trial.training_seed, trial.repeat)
        members.append(Member(trial.id, trial.block, trial.training, seed, trial.normalise, **subsets))
    return torch.cat(features), torch.cat(labels), members


def _outcome(trial: Trial, trained: Trained, data: CorpusData) -> Outcome:
    """What the trial would leave alone."""
    name = trial.corpora[0].name
    predictions = {}
    if name in trial.targets and "test" in trained.logits:
        test = data.test
        predictions[name] = Predictions(test.names, test.labels.cpu().numpy(), trained.logits["test"].cpu().numpy())
    history = [_with_corpus(row, name) for row in trained.history]
    weights = trained.weights
    parameters = sum(w.numel() for key, w in weights.items() if key not in ("mean", "scale"))
    layers = layers_of(trial, len(weights["mean"]))
    return Outcome(
        history,
        trained.best_epoch,
        predictions,
        trained.seconds,
        weights,
        {},
        parameters=parameters,
        layers=layers,
        refit_epochs=trained.refit_epochs,
    )

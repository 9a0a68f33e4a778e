"""One training run, from features to predictions; reads top to bottom, knows no tracker.

Everything random comes from the trial's seed: initial weights, batch order, and dropout, which is seeded anew at each
epoch. So a run that goes on from its checkpoint gives the same numbers as one that was never interrupted.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ser.errors import BadInput, is_out_of_memory
from ser.metrics import accuracy, distribution, multilabel, regression
from ser.models import Layer
from ser.study import Trial
from ser.training import checkpoint, seeds
from ser.training.batches import Items, parts, sorted_batches
from ser.training.early_stopping import EarlyStopping
from ser.training.finite import check_finite, spoilt_weights, sums_of_weights
from ser.training.fitted import Fitted
from ser.training.network import Network, layers
from ser.training.start import CorpusData, Diverged, Run, begin, first_names

Report = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Predictions:
    """What the network gives for one corpus's test subset, in the order of its items.

    ``truth``: class indices [items], or k-hot [items, classes], or, with ``shares``, those of raters' votes [items,
    classes]. ``logits`` [items, classes] float32. ``ratings`` and ``predicted_ratings`` float32 [items, dimensions],
    from -1 to 1: those of raters, nan where there is none, and the network's.
    """

    names: tuple[str, ...]
    truth: npt.NDArray[Any]
    logits: npt.NDArray[np.float32]
    shares: bool = False
    ratings: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    predicted_ratings: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @property
    def is_k_hot(self) -> bool:
        """Whether an item may have several labels, of which each has a probability of its own."""
        return self.truth.ndim == 2 and not self.shares

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The likeliest class of each item, int64 [items]."""
        return np.asarray(self.logits.argmax(1), np.int64)

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """Probabilities [items, classes]: of one class of all, or, where truth is k-hot, of each class by itself.

        Of all classes the sum is taken in double precision. In single precision its order, which each processor has its
        own, decides whether a probability is 1 or one of nearly 1.
        """
        logits = torch.from_numpy(self.logits)
        values = logits.sigmoid() if self.is_k_hot else logits.double().softmax(1).float()
        probabilities: npt.NDArray[np.float32] = values.numpy()
        return probabilities


@dataclass
class Outcome:
    """What a finished run leaves: per-epoch curves, the epoch whose weights are kept, test predictions, seconds spent.

    ``evaluation_seconds`` are those of ``seconds`` in which nothing was learned: validation, scores, test predictions.
    ``state`` is all that another trial needs to start from this one's last epoch. ``memory`` has
    ``memory/gpu_peak_mb``, what torch reserved on the GPU at most, and ``memory/gpu_total_mb``, the GPU's own size;
    it is empty without a GPU, and where no epoch remained to train. ``refit_epochs``: those of the second pass, if any,
    whose last weights are kept; ``history`` and ``best_epoch`` are of the first.
    """

    history: list[dict[str, float]]
    best_epoch: int
    predictions: dict[str, Predictions]
    seconds: float
    weights: dict[str, Tensor]
    memory: dict[str, float]
    state: dict[str, Any] = field(default_factory=dict)
    parameters: int = 0  # weights of the network, or numbers that a fitted model keeps
    layers: Sequence[Layer] = ()  # of a network
    refit_epochs: int = 0
    evaluation_seconds: float = 0.0
    fitted: Fitted | None = None  # in place of weights, where the block is no network
    # Of corpora that no head was trained on, what each head says: ``predictions`` are their mean.
    by_head: Mapping[str, Mapping[str, Predictions]] = field(default_factory=dict)


@dataclass
class Progress(EarlyStopping):
    """How far a training is: everything that a checkpoint holds besides weights and optimiser."""

    seconds: float = 0.0
    evaluation_seconds: float = 0.0  # of them
    history: list[dict[str, float]] = field(default_factory=list)
    refit_epochs: int = 0  # of the second pass, whose rows follow in the history


def train(
    trial: Trial,
    data: Mapping[str, CorpusData],
    path: Path,
    device: str,
    report: Report,
    accumulation_steps: int = 1,
    initial_state: Mapping[str, Any] | None = None,
    stop_epoch: int = 0,
    weights: str = "",
) -> Outcome:
    """Trains the trial's network; returns the weights of the best epoch by validation or of the last, and what they
    predict for the test subsets.

    ``data`` has one entry per corpus of the trial. ``report(epoch, values)`` is called after every epoch, when the
    checkpoint at ``path`` has been replaced; an existing one is continued, and its epochs are reported again.
    ``accumulation_steps`` passes every batch through the network in so many parts, for devices with too little memory.
    The updates are the same but for rounding, for dropout, which is drawn part by part, and for batch normalisation.
    ``initial_state`` is the ``state`` of another outcome, to go on from; ``stop_epoch`` ends the training after that
    epoch; ``weights`` is the path of a file from which a block starts that says so.

    With ``learns_from`` "train_and_validation" a second pass follows, see ``_refit``.
    Raises Diverged, and BadInput for settings that do not go together or that ``device`` has not.
    """
    _reset_peak_memory(device)
    if initial_state and trial.training.learns_from != "train":
        raise BadInput(trial.training.learns_from, "training.learns_from", "train where a trial goes on from another",
                       "leave it out, or search otherwise")  # fmt: skip
    run = begin(trial, data, device, accumulation_steps, initial_state, weights)
    training, seed = trial.training, (trial.training_seed, trial.repeat)
    # Go on from the last checkpoint, and report what led there.
    progress, best = _resume(path, run)
    resumed_epochs = len(progress.history)
    for row in progress.history:
        report(int(row["epoch"]), row)

    while not progress.is_over(training, stop_epoch):
        started, epoch = time.perf_counter(), progress.epoch + 1
        torch.manual_seed(seeds.integer(seeds.for_dropout(seed, epoch)))
        row = {"epoch": float(epoch), "timestamp_ms": float(int(time.time() * 1000))}
        row |= _epoch(run, epoch, progress)
        # Keep the best weights; without patience left this was the last epoch.
        if progress.add_epoch(training, row):
            best = _on_cpu(run.network.state_dict())
        progress.seconds += time.perf_counter() - started
        progress.history.append(row)
        # The checkpoint first: what is reported is not trained again.
        _save(path, run, progress, best)
        report(epoch, row)

    if training.learns_from == "train_and_validation" and any(len(each.val) for each in data.values()):
        run = begin(*of_both(trial, data), device, accumulation_steps, weights=weights)
        best = _refit(path, run, progress, report)
    outcome = outcome_of(run, progress, best, {name: data[name].test for name in trial.targets})
    outcome.memory = _peak_memory(device) if len(progress.history) > resumed_epochs else {}
    return outcome


def outcome_of(run: Run, progress: Progress, best: Mapping[str, Tensor], tested: Mapping[str, Items]) -> Outcome:
    """Returns what a run leaves, predicted with its ``best`` weights for the ``tested`` items, by corpus."""
    started = time.perf_counter()
    state = {"network": _on_cpu(run.network.state_dict()), "optimiser": run.optimiser.state_dict()}
    run.network.load_state_dict(best)
    said = {name: predict_by_head(run.network, items, run.accumulation_steps) for name, items in tested.items()}
    test_seconds = time.perf_counter() - started
    return Outcome(
        progress.history[: progress.epoch],
        progress.best_epoch,
        {name: mean_of_heads(by_head) for name, by_head in said.items()},
        progress.seconds + test_seconds,
        dict(best),
        {},
        state,
        sum(p.numel() for p in run.network.parameters()),
        layers(run.network),
        progress.refit_epochs,
        evaluation_seconds=progress.evaluation_seconds + test_seconds,
        by_head={name: by_head for name, by_head in said.items() if len(by_head) > 1},
    )


def of_both(trial: Trial, data: Mapping[str, CorpusData]) -> tuple[Trial, dict[str, CorpusData]]:
    """Returns what the second pass trains: validation items follow those of training, and decide nothing any more.

    They come as they are, without copies of their own.
    """
    training = replace(trial.training, keep="last", patience_epochs=0, learns_from="train")
    both = {
        name: CorpusData(each.train.followed_by(each.val), each.val.selected(()), each.test) if len(each.val) else each
        for name, each in data.items()
    }
    return replace(trial, training=training), both


def _refit(path: Path, run: Run, progress: Progress, report: Report) -> dict[str, Tensor]:
    """Trains again from the start, on training and validation items, as many epochs as the first pass has chosen.

    All seeds are those of the first pass. Curves are called ``refit/…``, their epochs go on counting where the first
    pass ended. Returns the last weights.
    """
    seed = run.trial.training_seed, run.trial.repeat
    if progress.refit_epochs:
        _resume(path, run)
    while progress.refit_epochs < progress.best_epoch:
        started, epoch = time.perf_counter(), progress.refit_epochs + 1
        torch.manual_seed(seeds.integer(seeds.for_dropout(seed, epoch)))
        number = progress.epoch + epoch
        row = {"epoch": float(number), "timestamp_ms": float(int(time.time() * 1000))}
        try:
            values = _epoch(run, epoch, progress)
        except Diverged as error:
            raise Diverged(f"trained again on training and validation: {error}") from None
        row |= {f"refit/{name}": value for name, value in values.items()}
        progress.seconds += time.perf_counter() - started
        progress.history.append(row)
        progress.refit_epochs = epoch
        _save(path, run, progress, run.network.state_dict())
        report(number, row)
    return _on_cpu(run.network.state_dict())


def _on_cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().cpu().clone() for k, v in state.items()}


def _reset_peak_memory(device: str) -> None:
    """Counts anew: what earlier trials of this process took, and its allocator kept, is not of this one."""
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak_memory(device: str) -> dict[str, float]:
    """Metrics in MB of 2^20 bytes, without the CUDA context; none on a CPU: a reused process keeps what it freed."""
    if device == "cpu":
        return {}
    total = torch.cuda.get_device_properties(device).total_memory
    peak = torch.cuda.max_memory_reserved(device)
    return {"memory/gpu_peak_mb": peak / 2**20, "memory/gpu_total_mb": total / 2**20}


def _epoch(run: Run, epoch: int, progress: Progress) -> dict[str, float]:
    """All updates of an epoch, then losses and accuracies, whose seconds are counted."""
    row = _train_epoch(run, epoch)
    started = time.perf_counter()
    row |= _validate(run, epoch)
    progress.evaluation_seconds += time.perf_counter() - started
    return row


def _train_epoch(run: Run, epoch: int) -> dict[str, float]:
    """The updates of one epoch; step k takes its mini-batch from corpus k mod n. Returns the mean losses."""
    names = list(run.data)
    run.network.train()
    steps = range((epoch - 1) * run.steps, epoch * run.steps)
    made: list[tuple[str, tuple[int, ...]]] = []
    numbers: list[Tensor] = []
    checked = 0
    for step in steps:
        name = names[step % len(names)]
        made.append((name, run.streams[name].indices(step // len(names))))
        loss, gradient = _gradients(run, *made[-1])
        numbers.append(torch.cat([torch.stack([loss, gradient]), sums_of_weights(run.network)]))
        # A GPU is waited for once an epoch; what it did beyond a step that was not finite is thrown away.
        if loss.device.type == "cpu" or step == steps[-1]:
            check_finite(run, steps[checked:], made[checked:], numbers[checked:])
            checked = len(made)
        run.optimiser.step()
    sums = {name: [row[0] for row, (n, _) in zip(numbers, made, strict=True) if n == name] for name in names}
    sizes = {name: [len(indices) for n, indices in made if n == name] for name in names}
    means = {f"train/loss/{name}": _mean(torch.stack(s), sizes[name]) for name, s in sums.items() if s}
    return means | {"train/loss": sum(means.values()) / len(means)}


def _mean(losses: Tensor, sizes: list[int]) -> float:
    """Over items, where the last mini-batch is smaller."""
    if len(set(sizes)) == 1:
        return losses.mean().item()
    weights = torch.tensor(sizes, dtype=losses.dtype, device=losses.device)
    return ((losses * weights).sum() / weights.sum()).item()


def _gradients(run: Run, name: str, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Leaves the clipped gradients of one mini-batch in the network; returns its loss, and their unclipped norm."""
    items, loss_of = run.data[name].train, run.losses[name]
    whole = items.truth_of(indices)
    run.optimiser.zero_grad(set_to_none=True)
    losses = []
    for piece in parts(indices, run.accumulation_steps, run.smallest):
        batch = items.batch(piece)
        answers = run.network(batch.frames, batch.lengths, name)
        loss = loss_of.part(answers, batch.labels, batch.ratings, whole)
        loss.backward()
        losses.append(loss.detach())
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), run.trial.training.clip_norm or math.inf)
    return torch.stack(losses).sum(), norm


def _validate(run: Run, epoch: int) -> dict[str, float]:
    """Loss and accuracies of every validation subset; the loss that decides is the mean over corpora.

    The subsets of ``training.watch`` are scored as well, and decide nothing.
    """
    row: dict[str, float] = {}
    for name, each in run.data.items():
        for kind in ("val", *run.trial.training.watch):
            items: Items = getattr(each, kind)
            if len(items):
                row |= {f"{kind}/{k}": v for k, v in scores(run, name, kind, items, epoch).items()}
    losses = [row[f"val/loss/{name}"] for name in run.data if f"val/loss/{name}" in row]
    return row | ({"val/loss": sum(losses) / len(losses)} if losses else {})


def scores(run: Run, name: str, kind: str, items: Items, epoch: int) -> dict[str, float]:
    """Returns loss, accuracies and CCC of one subset, as ``loss/<corpus>`` and ``ccc/<corpus>/<dimension>``.

    Raises Diverged where the loss, or a weight, is not finite.
    """
    answers = all_answers(run.network, items, run.accumulation_steps)
    loss, values = scored(run, name, kind, items, answers)
    if not math.isfinite(loss + sums_of_weights(run.network).sum().item()):
        alone = all_answers(run.network, items, sys.maxsize)  # in a batch one utterance may spoil the others
        spoilt = [items.names[i] for i in (~alone.isfinite().all(1)).nonzero().flatten().tolist()]
        title = {"val": "validation loss", "test": "test loss", "train": "training loss"}[kind]
        raise Diverged(
            f"{title} {loss} on {name} after epoch {epoch}, step {epoch * run.steps}, "
            f"learning rate {run.trial.training.learning_rate}, weights not finite: {spoilt_weights(run.network)}; "
            f"logits not finite: {first_names(spoilt)}"
        )
    return values


def scored(run: Run, name: str, kind: str, items: Items, answers: Tensor) -> tuple[float, dict[str, float]]:
    """Returns the loss of a subset, and what ``scores`` returns, from the network's answers [items, classes + …]."""
    weighted = kind == "train" or run.trial.training.weighted_validation
    loss = run.losses[name](answers, items.labels, items.ratings, weighted).item()
    found = _predictions(run.network, items, answers)
    values = {f"{k}/{name}": v for k, v in ({"loss": loss} | _class_scores(found)).items()}
    for column, dimension in enumerate(run.trial.dimensions):
        by_kind = regression.scores(found.ratings[:, column], found.predicted_ratings[:, column])
        values |= {f"ccc/{name}/{dimension}": v for k, v in by_kind.items() if k == "ccc"}
    return loss, values


def _class_scores(found: Predictions) -> dict[str, float]:
    """The accuracies of an epoch; of shares of votes those against their majority, where that is one class."""
    truth, classes = found.truth, found.logits.shape[1]
    if found.is_k_hot:
        scores = multilabel.scores(truth > 0, torch.from_numpy(found.logits).sigmoid().numpy())
        return {k: scores[k] for k in ("balanced", "macro_f1") if k in scores}
    truth = distribution.majority(truth) if found.shares else truth
    clear = truth >= 0
    if not (classes and clear.any()):
        return {}
    matrix = accuracy.confusion(truth[clear], found.predicted[clear], classes)
    return {"wa": accuracy.wa(matrix), "ua": accuracy.ua(matrix)}


@torch.no_grad()
def all_answers(network: Network, items: Items, accumulation_steps: int = 1) -> Tensor:
    """Returns logits, and ratings behind them, [items, classes + dimensions] in the order of ``items``; no dropout."""
    network.eval()
    order: list[int] = []
    pieces: list[Tensor] = []
    for batch in sorted_batches(items, accumulation_steps):
        order += batch.indices
        pieces.append(network(batch.frames, batch.lengths, items.corpus))
    answers = torch.cat(pieces)
    return torch.empty_like(answers).index_copy_(0, torch.tensor(order, device=answers.device), answers)


def predict(network: Network, items: Items, accumulation_steps: int = 1) -> Predictions:
    """Returns logits and ratings of every item, without dropout."""
    return _predictions(network, items, all_answers(network, items, accumulation_steps))


def _predictions(network: Network, items: Items, answers: Tensor) -> Predictions:
    whole, truth = answers.cpu().numpy(), items.labels.cpu().numpy()
    logits, predicted = np.ascontiguousarray(whole[:, : network.classes]), whole[:, network.classes :]
    return Predictions(items.names, truth, logits, items.shares, items.ratings.cpu().numpy(), predicted)


def predict_by_head(network: Network, items: Items, accumulation_steps: int = 1) -> dict[str, Predictions]:
    """Returns what each head says of every item, by its name: of a corpus that no head was trained on, all heads."""
    return {
        head: predict(network, replace(items, corpus=head), accumulation_steps)
        for head in network.answering(items.corpus)
    }


def mean_of_heads(by_head: Mapping[str, Predictions]) -> Predictions:
    """Returns the mean of the heads' ratings, and of their probabilities, as logits.

    These are logarithms of probabilities, or of k-hot labels their log-odds.
    """
    each = list(by_head.values())
    if len(each) == 1:
        return each[0]
    mean = np.mean([p.probabilities.astype(np.float64) for p in each], axis=0)
    tiny = np.finfo(np.float32).tiny
    logits = np.log(np.maximum(mean, tiny))
    if each[0].is_k_hot:
        logits -= np.log(np.maximum(1 - mean, tiny))
    ratings = np.mean([p.predicted_ratings for p in each], axis=0)
    return replace(each[0], logits=logits.astype(np.float32), predicted_ratings=ratings)


def _save(path: Path, run: Run, progress: Progress, best: Mapping[str, Tensor]) -> None:
    network, optimiser = run.network.state_dict(), run.optimiser.state_dict()
    checkpoint.save(path, {"network": network, "optimiser": optimiser, "progress": vars(progress), "best": dict(best)})


def _resume(path: Path, run: Run) -> tuple[Progress, dict[str, Tensor]]:
    """The state at the last epoch's end; a fresh one where there is none, or one of a network made otherwise."""
    fresh = Progress()
    state = checkpoint.load(path)
    if state is None:
        return fresh, {}
    initial = {k: v.clone() for k, v in run.network.state_dict().items()}
    try:
        if state["progress"].keys() != vars(fresh).keys():
            raise KeyError("progress")
        progress, best = Progress(**state["progress"]), state["best"]
        run.network.load_state_dict(best)  # as the end of the training will
        run.network.load_state_dict(state["network"])
        run.optimiser.load_state_dict(state["optimiser"])
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        run.network.load_state_dict(initial)
        return fresh, {}
    return progress, best

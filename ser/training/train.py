"""One training run, from features to predictions; reads top to bottom, knows no tracker.

Everything random comes from the trial's seed: initial weights, batch order, and dropout, which is seeded anew at each
epoch. So a run that goes on from its checkpoint gives the same numbers as one that was never interrupted.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ser.data.pretrained import STARTS
from ser.errors import BadInput, is_out_of_memory
from ser.metrics import accuracy, multilabel
from ser.models import Layer
from ser.study import Training, Trial
from ser.training import checkpoint, seeds
from ser.training.batches import Items, Passes, Stream, inverse_deviation, parts, sorted_batches
from ser.training.early_stopping import EarlyStopping
from ser.training.loss import Loss
from ser.training.network import Network, layers

Report = Callable[[int, dict[str, float]], None]


class Diverged(RuntimeError):
    """A loss, gradient, weight or feature is NaN or infinite; says where."""


@dataclass(frozen=True)
class CorpusData:
    """The three subsets of one corpus. ``test`` is empty where it only trains, ``val`` where it validates nothing."""

    train: Items
    val: Items
    test: Items


@dataclass(frozen=True)
class Predictions:
    """What the network gives for one corpus's test subset, in the order of its items.

    ``truth``: class indices [items], or k-hot [items, classes]. ``logits`` [items, classes] float32.
    """

    names: tuple[str, ...]
    truth: npt.NDArray[Any]
    logits: npt.NDArray[np.float32]

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
        is_k_hot = self.truth.ndim == 2
        values = logits.sigmoid() if is_k_hot else logits.double().softmax(1).float()
        probabilities: npt.NDArray[np.float32] = values.numpy()
        return probabilities


@dataclass
class Outcome:
    """What a finished run leaves: per-epoch curves, the epoch whose weights are kept, test predictions, seconds spent.

    ``state`` is all that another trial needs to start from this one's last epoch. ``memory`` has
    ``memory/gpu_peak_mb``, what torch reserved on the GPU at most, and ``memory/gpu_total_mb``, the GPU's own size;
    it is empty without a GPU, and where no epoch remained to train.
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


@dataclass
class _Progress(EarlyStopping):
    """Everything that a checkpoint holds besides weights and optimiser."""

    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class _Run:
    """What stays the same from the first step to the last, by corpus (or "pooled"), which take turns."""

    trial: Trial
    data: Mapping[str, CorpusData]
    network: Network
    optimiser: torch.optim.Optimizer
    losses: Mapping[str, Loss]
    streams: Mapping[str, Stream | Passes]
    steps: int  # of an epoch
    accumulation_steps: int  # parts of each mini-batch


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
    """Trains the trial's network; returns the weights of the lowest validation loss or of the last epoch, and what
    they predict for the test subsets.

    ``data`` has one entry per corpus of the trial. ``report(epoch, values)`` is called after every epoch, when the
    checkpoint at ``path`` has been replaced; an existing one is continued, and its epochs are reported again.
    ``accumulation_steps`` passes every batch through the network in so many parts, for devices with too little memory.
    The updates are the same but for rounding, for dropout, which is drawn part by part, and for batch normalisation.
    ``initial_state`` is the ``state`` of another outcome, to go on from; ``stop_epoch`` ends the training after that
    epoch; ``weights`` is the path of a file from which a block starts that says so. Raises Diverged, and BadInput for
    settings that do not go together or that ``device`` has not.
    """
    _reset_peak_memory(device)
    run = _begin(trial, data, device, accumulation_steps, initial_state, weights)
    training, seed = trial.training, (trial.seed, trial.repeat)
    # Go on from the last checkpoint, and report what led there.
    progress, best = _resume(path, run)
    resumed_epoch = progress.epoch
    for row in progress.history:
        report(int(row["epoch"]), row)

    while not progress.is_over(training, stop_epoch):
        started, epoch = time.perf_counter(), progress.epoch + 1
        torch.manual_seed(seeds.integer(seeds.for_dropout(seed, epoch)))
        row = {"epoch": float(epoch), "timestamp_ms": float(int(time.time() * 1000))}
        # All updates of the epoch, then losses and accuracies.
        row |= _train_epoch(run, epoch)
        row |= _validate(run, epoch)
        # Keep the best weights; without patience left this was the last epoch.
        if progress.add_epoch(training, row.get("val/loss", math.inf)):
            best = _on_cpu(run.network.state_dict())
        progress.seconds += time.perf_counter() - started
        progress.history.append(row)
        # The checkpoint first: what is reported is not trained again.
        _save(path, run, progress, best)
        report(epoch, row)

    # Predict with the best weights.
    started = time.perf_counter()
    state = {"network": _on_cpu(run.network.state_dict()), "optimiser": run.optimiser.state_dict()}
    run.network.load_state_dict(best)
    predictions = {name: predict(run.network, data[name].test, accumulation_steps) for name in trial.targets}
    seconds = progress.seconds + time.perf_counter() - started
    memory = _peak_memory(device) if progress.epoch > resumed_epoch else {}
    parameters = sum(p.numel() for p in run.network.parameters())
    history, best_epoch = progress.history, progress.best_epoch
    return Outcome(history, best_epoch, predictions, seconds, best, memory, state, parameters, layers(run.network))


def _on_cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().cpu().clone() for k, v in state.items()}


def _begin(
    trial: Trial,
    data: Mapping[str, CorpusData],
    device: str,
    accumulation_steps: int,
    initial_state: Mapping[str, Any] | None = None,
    weights: str = "",
) -> _Run:
    """Everything as it is before the first step."""
    _set_precision(trial.training.precision, device)
    training, seed = trial.training, (trial.seed, trial.repeat)
    by_turn = _by_turn(trial, data)
    # The network: random weights, those of a file, or another trial's last ones.
    torch.manual_seed(seeds.integer(seeds.for_weights(seed)))
    network = _network(trial, data)
    if trial.block.values().get("weights", "none") not in STARTS:
        network.block.start_from(Path(weights))
    network = network.to(device)
    optimiser = _optimiser(training, network)
    if initial_state:
        network.load_state_dict(initial_state["network"])
        optimiser.load_state_dict(initial_state["optimiser"])
        for group in optimiser.param_groups:  # the state brings its own
            group |= {"lr": training.learning_rate, "weight_decay": training.weight_decay}
    # A loss and a sequence of mini-batches for each corpus, or for all of them.
    losses = {name: Loss(training, trial.classes, each.train) for name, each in by_turn.items()}
    streams = {
        name: _stream(training, each.train, seeds.for_batches(seed, number))
        for number, (name, each) in enumerate(by_turn.items())
    }
    steps = training.steps_per_epoch or sum(s.per_pass for s in streams.values() if isinstance(s, Passes))
    return _Run(trial, by_turn, network, optimiser, losses, streams, steps, accumulation_steps)


def _by_turn(trial: Trial, data: Mapping[str, CorpusData]) -> dict[str, CorpusData]:
    """The data of each corpus, or of all of them as "pooled"."""
    names, training = [c.name for c in trial.corpora], trial.training
    if training.batches == "corpus" or len(names) == 1:
        if not training.steps_per_epoch and len(names) > 1:
            raise BadInput("0", "training.steps_per_epoch", "more than 0 where corpora take turns",
                           "state it, or training.batches=pooled")  # fmt: skip
        by_turn = {name: data[name] for name in names}
    else:
        if trial.task == "multi":
            raise BadInput("'pooled'", "training.batches", "corpus, where each has a head", "or task unified")
        subsets = ("train", "val", "test")
        by_turn = {"pooled": CorpusData(*(Items.pooled([getattr(data[n], name) for n in names]) for name in subsets))}
    # A corpus that is not tested may validate nothing, beside one that is: the only singer of a fold may not sing.
    all_validate = not trial.targets or "pooled" in by_turn
    unvalidated = [
        name for name, each in by_turn.items() if not len(each.val) and (all_validate or name in trial.targets)
    ]
    if unvalidated and (training.keep == "best" or training.patience_epochs):
        raise BadInput(f"no validation items of {', '.join(unvalidated)}", "training.keep, training.patience_epochs",
                       "last and 0 without any", "change them, or the split")  # fmt: skip
    return by_turn


def _stream(training: Training, items: Items, seed: list[int]) -> Stream | Passes:
    if training.steps_per_epoch:
        return Stream(items.lengths(), training.batch_size, training.bucket_pool, seed)
    return Passes(len(items), training.batch_size, seed)


def _optimiser(training: Training, network: nn.Module) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": training.learning_rate, "weight_decay": training.weight_decay}
    if training.optimiser == "sgd":
        return torch.optim.SGD(network.parameters(), **options)
    if training.optimiser == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), alpha=0.9, eps=training.epsilon, **options)
    # Fused: a fifth of the time, where networks are large or tiny.
    return torch.optim.Adam(network.parameters(), eps=training.epsilon, fused=True, **options)


def _set_precision(precision: str, device: str) -> None:
    """Sets how this process multiplies float32. On a GPU, torch would use TF32 in convolutions and LSTMs unasked."""
    if precision == "tf32" and (device == "cpu" or not torch.cuda.is_tf32_supported()):
        allowed = "float32 or bfloat16 on this device"
        raise BadInput("tf32", "training.precision", allowed, "use a GPU (Ampere or newer), or one of these")
    backends: Any = torch.backends
    for kind in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
        kind.fp32_precision = "tf32" if precision == "tf32" else "ieee"


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


def _network(trial: Trial, data: Mapping[str, CorpusData]) -> Network:
    width = next(iter(data.values())).train.features[0].shape[1]
    heads = [c.name for c in trial.corpora] if trial.task == "multi" else ()
    precision = trial.training.precision
    network = Network(width, trial.block, trial.pooling, len(trial.classes), precision, heads)
    if trial.normalise == "speaker":
        raise BadInput("'speaker'", "normalise", "train, none", "only models of vectors are normalised so")
    if trial.normalise == "train":
        each = [data[c.name].train for c in trial.corpora]
        network.mean, network.scale = _moments(each)
        if not (network.mean + network.scale).isfinite().all():  # every loss would be NaN, and name the wrong ones
            spoilt = [n for s in each for n, x in zip(s.names, s.features, strict=True) if not x.isfinite().all()]
            rate, names = trial.training.learning_rate, _first(spoilt)
            raise Diverged(f"mean features not finite before step 1, learning rate {rate}; because of: {names}")
    return network


def _moments(each: list[Items]) -> tuple[Tensor, Tensor]:
    """Mean and 1/standard deviation [width] of each bin over all training frames, every corpus counting alike."""
    mean, square = torch.stack([items.moments for items in each]).mean(0)
    return mean.float(), inverse_deviation(mean, square).float()


def _train_epoch(run: _Run, epoch: int) -> dict[str, float]:
    """The updates of one epoch; step k takes its mini-batch from corpus k mod n. Returns the mean losses."""
    names = list(run.data)
    run.network.train()
    sums: dict[str, list[Tensor]] = {name: [] for name in names}
    sizes: dict[str, list[int]] = {name: [] for name in names}
    for step in range((epoch - 1) * run.steps, epoch * run.steps):
        name = names[step % len(names)]
        indices = run.streams[name].indices(step // len(names))
        loss, gradient = _gradients(run, name, indices)
        if not torch.isfinite(loss + gradient + _sum_of_weights(run.network)):
            batch = ", ".join(run.data[name].train.names[i] for i in indices)
            raise Diverged(
                f"loss {loss.item()} at step {step + 1}, learning rate {run.trial.training.learning_rate}, gradient of "
                f"norm {gradient.item()}, weights not finite: {_spoilt_weights(run.network)}; batch: {batch}"
            )
        run.optimiser.step()
        sums[name].append(loss)
        sizes[name].append(len(indices))
    means = {f"train/loss/{name}": _mean(torch.stack(s), sizes[name]) for name, s in sums.items() if s}
    return means | {"train/loss": sum(means.values()) / len(means)}


def _mean(losses: Tensor, sizes: list[int]) -> float:
    """Over items, where the last mini-batch is smaller."""
    if len(set(sizes)) == 1:
        return losses.mean().item()
    weights = torch.tensor(sizes, dtype=losses.dtype, device=losses.device)
    return ((losses * weights).sum() / weights.sum()).item()


def _gradients(run: _Run, name: str, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Leaves the clipped gradients of one mini-batch in the network; returns its loss, and their unclipped norm."""
    items, loss_of = run.data[name].train, run.losses[name]
    mass = loss_of.mass(items.labels[list(indices)])
    run.optimiser.zero_grad(set_to_none=True)
    losses, pieces = [], parts(indices, run.accumulation_steps)
    for piece, weights in zip(pieces, mass.split([len(p) for p in pieces]), strict=True):
        batch = items.batch(piece)
        # The mean over a part is normalised by the part's weights; its share makes it one over the whole mini-batch.
        share = weights.sum() / mass.sum()
        loss = loss_of(run.network(batch.frames, batch.lengths, name), batch.labels) * share
        loss.backward()
        losses.append(loss.detach())
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), run.trial.training.clip_norm or math.inf)
    return torch.stack(losses).sum(), norm


@torch.no_grad()
def _sum_of_weights(network: Network) -> Tensor:
    """Not finite if any weight is not: the loss alone would not show a unit that an infinite bias has silenced."""
    return torch.stack([p.sum() for p in network.parameters()]).sum()


def _spoilt_weights(network: Network) -> str:
    return _first([name for name, p in network.named_parameters() if not p.isfinite().all()])


def _validate(run: _Run, epoch: int) -> dict[str, float]:
    """Loss and accuracies of every validation subset; the loss that decides is the mean over corpora.

    The subsets of ``training.watch`` are scored as well, and decide nothing.
    """
    row: dict[str, float] = {}
    for name, each in run.data.items():
        for kind in ("val", *run.trial.training.watch):
            items: Items = getattr(each, kind)
            if len(items):
                row |= {f"{kind}/{k}/{name}": v for k, v in _scores(run, name, kind, items, epoch).items()}
    losses = [row[f"val/loss/{name}"] for name in run.data if f"val/loss/{name}" in row]
    return row | ({"val/loss": sum(losses) / len(losses)} if losses else {})


def _scores(run: _Run, name: str, kind: str, items: Items, epoch: int) -> dict[str, float]:
    logits = _logits(run.network, items, run.accumulation_steps)
    loss = run.losses[name](logits, items.labels).item()
    if not math.isfinite(loss + _sum_of_weights(run.network).item()):
        alone = _logits(run.network, items, sys.maxsize)  # in a batch one utterance may spoil the others
        spoilt = [items.names[i] for i in (~alone.isfinite().all(1)).nonzero().flatten().tolist()]
        title = {"val": "validation loss", "test": "test loss", "train": "training loss"}[kind]
        raise Diverged(
            f"{title} {loss} on {name} after epoch {epoch}, step {epoch * run.steps}, "
            f"learning rate {run.trial.training.learning_rate}, weights not finite: {_spoilt_weights(run.network)}; "
            f"logits not finite: {_first(spoilt)}"
        )
    truth, values = items.labels.cpu().numpy(), {"loss": loss}
    if truth.ndim == 2:
        scores = multilabel.scores(truth > 0, logits.sigmoid().cpu().numpy())
        return values | {k: scores[k] for k in ("balanced", "macro_f1") if k in scores}
    matrix = accuracy.confusion(truth, logits.argmax(1).cpu().numpy(), logits.shape[1])
    return values | {"wa": accuracy.wa(matrix), "ua": accuracy.ua(matrix)}


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "") or "none"


@torch.no_grad()
def _logits(network: Network, items: Items, accumulation_steps: int) -> Tensor:
    """[items, classes], in the order of ``items``."""
    network.eval()
    order: list[int] = []
    pieces: list[Tensor] = []
    for batch in sorted_batches(items, accumulation_steps):
        order += batch.indices
        pieces.append(network(batch.frames, batch.lengths, items.corpus))
    logits = torch.cat(pieces)
    return torch.empty_like(logits).index_copy_(0, torch.tensor(order, device=logits.device), logits)


def predict(network: Network, items: Items, accumulation_steps: int = 1) -> Predictions:
    """Returns the logits of every item, without dropout."""
    logits = _logits(network, items, accumulation_steps).cpu().numpy()
    return Predictions(items.names, items.labels.cpu().numpy(), logits)


def _save(path: Path, run: _Run, progress: _Progress, best: dict[str, Tensor]) -> None:
    network, optimiser = run.network.state_dict(), run.optimiser.state_dict()
    checkpoint.save(path, {"network": network, "optimiser": optimiser, "progress": vars(progress), "best": best})


def _resume(path: Path, run: _Run) -> tuple[_Progress, dict[str, Tensor]]:
    """The state at the last epoch's end; a fresh one where there is none, or one of a network made otherwise."""
    fresh = _Progress()
    state = checkpoint.load(path)
    if state is None:
        return fresh, {}
    initial = {k: v.clone() for k, v in run.network.state_dict().items()}
    try:
        if state["progress"].keys() != vars(fresh).keys():
            raise KeyError("progress")
        progress, best = _Progress(**state["progress"]), state["best"]
        run.network.load_state_dict(best)  # as the end of the training will
        run.network.load_state_dict(state["network"])
        run.optimiser.load_state_dict(state["optimiser"])
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        run.network.load_state_dict(initial)
        return fresh, {}
    return progress, best

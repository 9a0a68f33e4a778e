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
from ser.errors import BadInput
from ser.metrics import accuracy, multilabel
from ser.models import Layer
from ser.study import Training, Trial
from ser.training import checkpoint
from ser.training.batches import Items, Passes, Stream, inverse_deviation, parts, sorted_batches
from ser.training.loss import Loss
from ser.training.network import Network, layers

Report = Callable[[int, dict[str, float]], None]


class Diverged(RuntimeError):
    """A loss, gradient, weight or feature is NaN or infinite; says where."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may help. torch's CPU allocator, cuDNN and cuBLAS have no class for it, only words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    told = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(words in str(error) for words in told)


@dataclass(frozen=True)
class CorpusData:
    """The three sides of one corpus. ``test`` is empty where it only trains, ``val`` where nothing is chosen by it."""

    train: Items
    val: Items
    test: Items


@dataclass(frozen=True)
class Predictions:
    """Of one corpus's test side, in the order of its items.

    ``truth``: class indices [items], or k-hot [items, classes]. ``logits`` [items, classes] float32.
    """

    names: tuple[str, ...]
    truth: npt.NDArray[Any]
    logits: npt.NDArray[np.float32]

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The likeliest class of each item [items]."""
        return np.asarray(self.logits.argmax(1), np.int64)

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """[items, classes]: of one class of all, or, where truth is k-hot, of each class by itself.

        Of all classes the sum is taken in double precision. In single precision its order, which each processor has its
        own, decides whether a probability is 1 or one of nearly 1.
        """
        logits = torch.from_numpy(self.logits)
        several = self.truth.ndim == 2
        out: npt.NDArray[np.float32] = (logits.sigmoid() if several else logits.double().softmax(1).float()).numpy()
        return out


@dataclass
class Outcome:
    """What a finished run leaves: per-epoch curves, the epoch whose weights are kept, test predictions, seconds spent.

    ``state`` is all that another trial needs to start from this one's last epoch. ``memory`` has
    ``memory/gpu_peak_mb``, what torch reserved on the card at most, and ``memory/gpu_total_mb``, the card's own size;
    it is empty without a GPU, and where no epoch was left to train.
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
class _Progress:
    """Everything that a checkpoint holds besides weights and optimiser."""

    epoch: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    reference_loss: float = math.inf
    stale_epochs: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class _Run:
    """What stays the same from the first step to the last. ``sides`` are by the names of whose turn it is."""

    trial: Trial
    sides: Mapping[str, CorpusData]
    network: Network
    optimiser: torch.optim.Optimizer
    losses: Mapping[str, Loss]
    streams: Mapping[str, Stream | Passes]
    steps: int  # of an epoch
    split: int


def train(
    trial: Trial,
    data: Mapping[str, CorpusData],
    path: Path,
    device: str,
    report: Report,
    split: int = 1,
    start: Mapping[str, Any] | None = None,
    last: int = 0,
    weights: str = "",
) -> Outcome:
    """Train, keep the weights of the lowest validation loss or of the last epoch, predict the test sides.

    ``data`` has one entry per corpus of the trial. ``report(epoch, values)`` is called after every epoch, when the
    checkpoint at ``path`` has been replaced; an existing one is continued, and its epochs are reported again.
    ``split`` passes every batch through the network in so many parts, for devices with too little memory. The updates
    are the same but for rounding, for dropout, which is drawn part by part, and for batch normalisation. ``start`` is
    the ``state`` of another outcome, to go on from; ``last`` ends the training after that epoch; ``weights`` is the
    path of a file from which a block starts that says so. Raises Diverged, and BadInput for settings that do not go
    together or that ``device`` has not.
    """
    _forget_peak(device)
    run = _begin(trial, data, device, split, start, weights)
    settings = trial.training
    now, best = _resume(path, run)
    resumed_at = now.epoch
    for past in now.history:
        report(int(past["epoch"]), past)

    while now.epoch < (last or settings.max_epochs) and not 0 < settings.patience_epochs <= now.stale_epochs:
        started = time.perf_counter()
        now.epoch += 1
        torch.manual_seed(_integer([trial.seed, trial.repeat, 2, now.epoch]))
        row = {"epoch": float(now.epoch), "timestamp_ms": float(int(time.time() * 1000))}
        row |= _train_epoch(run, now.epoch)
        row |= _validate(run, now.epoch)
        loss = row.get("val/loss", math.inf)
        if loss < now.best_loss or settings.keep == "last":
            now.best_loss, now.best_epoch = loss, now.epoch
            best = {k: v.detach().cpu().clone() for k, v in run.network.state_dict().items()}
        if loss < now.reference_loss * (1 - settings.min_improvement):
            now.reference_loss, now.stale_epochs = loss, 0
        else:
            now.stale_epochs += 1
        now.seconds += time.perf_counter() - started
        now.history.append(row)
        _save(path, run, now, best)
        report(now.epoch, row)

    started = time.perf_counter()
    state = {"network": _copied(run.network.state_dict()), "optimiser": run.optimiser.state_dict()}
    run.network.load_state_dict(best)
    predictions = {name: predict(run.network, data[name].test, split) for name in trial.targets}
    seconds, memory = now.seconds + time.perf_counter() - started, _peak(device) if now.epoch > resumed_at else {}
    parameters = sum(p.numel() for p in run.network.parameters())
    return Outcome(
        now.history, now.best_epoch, predictions, seconds, best, memory, state, parameters, layers(run.network)
    )


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().cpu().clone() for k, v in state.items()}


def _begin(
    trial: Trial,
    data: Mapping[str, CorpusData],
    device: str,
    split: int,
    start: Mapping[str, Any] | None = None,
    weights: str = "",
) -> _Run:
    """Everything as it is before the first step."""
    _compute_in(trial.training.precision, device)
    settings, seed = trial.training, [trial.seed, trial.repeat]
    sides = _sides(trial, data)
    torch.manual_seed(_integer([*seed, 0]))
    network = _network(trial, data)
    if trial.block.values().get("weights", "none") not in STARTS:
        network.block.start_from(Path(weights))
    network = network.to(device)
    optimiser = _optimiser(settings, network)
    if start:
        network.load_state_dict(start["network"])
        optimiser.load_state_dict(start["optimiser"])
        for group in optimiser.param_groups:  # the state brings its own
            group |= {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    losses = {name: Loss(settings, trial.classes, side.train) for name, side in sides.items()}
    streams = {name: _stream(settings, side.train, [*seed, 1, i]) for i, (name, side) in enumerate(sides.items())}
    steps = settings.steps_per_epoch or sum(s.per_pass for s in streams.values() if isinstance(s, Passes))
    return _Run(trial, sides, network, optimiser, losses, streams, steps, split)


def _sides(trial: Trial, data: Mapping[str, CorpusData]) -> dict[str, CorpusData]:
    """By corpus, or all corpora pooled."""
    names, settings = [c.name for c in trial.corpora], trial.training
    if settings.batches == "corpus" or len(names) == 1:
        if not settings.steps_per_epoch and len(names) > 1:
            raise BadInput("0", "training.steps_per_epoch", "more than 0 where corpora take turns",
                           "state it, or training.batches=pooled")  # fmt: skip
        sides = {name: data[name] for name in names}
    else:
        if trial.task == "multi":
            raise BadInput("'pooled'", "training.batches", "corpus, where each has a head", "or task unified")
        kinds = ("train", "val", "test")
        sides = {"pooled": CorpusData(*(Items.pooled([getattr(data[n], kind) for n in names]) for kind in kinds))}
    # A corpus that is not tested may validate nothing, beside one that is: the only singer of a fold may not sing.
    alone = not trial.targets or "pooled" in sides
    lacking = [name for name, side in sides.items() if not len(side.val) and (alone or name in trial.targets)]
    if lacking and (settings.keep == "best" or settings.patience_epochs):
        raise BadInput(f"no validation side of {', '.join(lacking)}", "training.keep, training.patience_epochs",
                       "last and 0 without one", "change them, or the split")  # fmt: skip
    return sides


def _stream(settings: Training, items: Items, seed: list[int]) -> Stream | Passes:
    if settings.steps_per_epoch:
        return Stream(items.lengths(), settings.batch_size, settings.bucket_pool, seed)
    return Passes(len(items), settings.batch_size, seed)


def _optimiser(settings: Training, network: nn.Module) -> torch.optim.Optimizer:
    rate: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimiser == "sgd":
        return torch.optim.SGD(network.parameters(), **rate)
    if settings.optimiser == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), alpha=0.9, eps=settings.epsilon, **rate)
    # Fused: a fifth of the time, where networks are large or tiny.
    return torch.optim.Adam(network.parameters(), eps=settings.epsilon, fused=True, **rate)


def _compute_in(precision: str, device: str) -> None:
    """How this process multiplies float32. On a card, torch would use TF32 in convolutions and LSTMs unasked."""
    if precision == "tf32" and (device == "cpu" or not torch.cuda.is_tf32_supported()):
        allowed = "float32 or bfloat16 on this device"
        raise BadInput("tf32", "training.precision", allowed, "use a GPU (Ampere or newer), or one of these")
    backends: Any = torch.backends
    for kind in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
        kind.fp32_precision = "tf32" if precision == "tf32" else "ieee"


def _forget_peak(device: str) -> None:
    """So that what earlier trials of this process took, and its allocator kept, is not counted for this one."""
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> dict[str, float]:
    """In MB of 2^20 bytes, without the CUDA context. Of a CPU nothing: a process that is reused keeps what it freed."""
    if device == "cpu":
        return {}
    total = torch.cuda.get_device_properties(device).total_memory
    peak = torch.cuda.max_memory_reserved(device)
    return {"memory/gpu_peak_mb": peak / 2**20, "memory/gpu_total_mb": total / 2**20}


def _network(trial: Trial, data: Mapping[str, CorpusData]) -> Network:
    some = next(iter(data.values())).train.features[0]
    heads = [c.name for c in trial.corpora] if trial.task == "multi" else ()
    precision = trial.training.precision
    network = Network(some.shape[1], trial.block, trial.pooling, len(trial.classes), precision, heads)
    if trial.normalise == "speaker":
        raise BadInput("'speaker'", "normalise", "train, none", "only models of vectors are normalised so")
    if trial.normalise == "train":
        sides = [data[c.name].train for c in trial.corpora]
        network.mean, network.scale = _moments(sides)
        if not (network.mean + network.scale).isfinite().all():  # every loss would be NaN, and name the wrong ones
            spoilt = [n for s in sides for n, x in zip(s.names, s.features, strict=True) if not x.isfinite().all()]
            rate = trial.training.learning_rate
            raise Diverged(f"mean features not finite before step 1, learning rate {rate}; because of: {_some(spoilt)}")
    return network


def _moments(sides: list[Items]) -> tuple[Tensor, Tensor]:
    """Mean and 1/standard deviation [width] of each bin over all training frames, every corpus counting alike."""
    mean, square = torch.stack([items.moments for items in sides]).mean(0)
    return mean.float(), inverse_deviation(mean, square).float()


def _train_epoch(run: _Run, epoch: int) -> dict[str, float]:
    """The updates of one epoch; step k takes its mini-batch from corpus k mod n. Returns the mean losses."""
    names = list(run.sides)
    run.network.train()
    sums: dict[str, list[Tensor]] = {name: [] for name in names}
    sizes: dict[str, list[int]] = {name: [] for name in names}
    for step in range((epoch - 1) * run.steps, epoch * run.steps):
        name = names[step % len(names)]
        indices = run.streams[name].indices(step // len(names))
        loss, gradient = _gradients(run, name, indices)
        if not torch.isfinite(loss + gradient + _sum_of_weights(run.network)):
            who = ", ".join(run.sides[name].train.names[i] for i in indices)
            raise Diverged(
                f"loss {loss.item()} at step {step + 1}, learning rate {run.trial.training.learning_rate}, gradient of "
                f"norm {gradient.item()}, weights not finite: {_spoilt_weights(run.network)}; batch: {who}"
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
    """Leaves the clipped gradients of one mini-batch in the network; returns its loss, and their norm before."""
    items, loss_of = run.sides[name].train, run.losses[name]
    mass = loss_of.mass(items.labels[list(indices)])
    run.optimiser.zero_grad(set_to_none=True)
    losses, cut = [], parts(indices, run.split)
    for part, own in zip(cut, mass.split([len(part) for part in cut]), strict=True):
        batch = items.batch(part)
        # The mean over a part is normalised by the part's weights; its share makes it one over the whole mini-batch.
        share = own.sum() / mass.sum()
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
    return _some([name for name, p in network.named_parameters() if not p.isfinite().all()])


def _validate(run: _Run, epoch: int) -> dict[str, float]:
    """Loss and accuracies of every validation side; the loss that decides is the mean over corpora.

    Of the other sides that are watched the same, which decides nothing.
    """
    row: dict[str, float] = {}
    for name, side in run.sides.items():
        for kind in ("val", *run.trial.training.watch):
            items: Items = getattr(side, kind)
            if len(items):
                row |= {f"{kind}/{k}/{name}": v for k, v in _judged(run, name, kind, items, epoch).items()}
    found = [row[f"val/loss/{name}"] for name in run.sides if f"val/loss/{name}" in row]
    return row | ({"val/loss": sum(found) / len(found)} if found else {})


def _judged(run: _Run, name: str, kind: str, items: Items, epoch: int) -> dict[str, float]:
    logits = _logits(run.network, items, run.split)
    loss = run.losses[name](logits, items.labels).item()
    if not math.isfinite(loss + _sum_of_weights(run.network).item()):
        alone = _logits(run.network, items, sys.maxsize)  # in a batch one utterance may spoil the others
        spoilt = [items.names[i] for i in (~alone.isfinite().all(1)).nonzero().flatten().tolist()]
        said = {"val": "validation loss", "test": "test loss", "train": "training loss"}[kind]
        raise Diverged(
            f"{said} {loss} on {name} after epoch {epoch}, step {epoch * run.steps}, "
            f"learning rate {run.trial.training.learning_rate}, weights not finite: {_spoilt_weights(run.network)}; "
            f"logits not finite: {_some(spoilt)}"
        )
    truth, told = items.labels.cpu().numpy(), {"loss": loss}
    if truth.ndim == 2:
        scores = multilabel.scores(truth > 0, logits.sigmoid().cpu().numpy())
        return told | {k: scores[k] for k in ("balanced", "macro_f1") if k in scores}
    matrix = accuracy.confusion(truth, logits.argmax(1).cpu().numpy(), logits.shape[1])
    return told | {"wa": accuracy.wa(matrix), "ua": accuracy.ua(matrix)}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "") or "none"


@torch.no_grad()
def _logits(network: Network, items: Items, split: int) -> Tensor:
    """[items, classes], in the order of ``items``."""
    network.eval()
    order: list[int] = []
    parted: list[Tensor] = []
    for batch in sorted_batches(items, split):
        order += batch.indices
        parted.append(network(batch.frames, batch.lengths, items.corpus))
    logits = torch.cat(parted)
    return torch.empty_like(logits).index_copy_(0, torch.tensor(order, device=logits.device), logits)


def predict(network: Network, items: Items, split: int = 1) -> Predictions:
    """Logits of every item, without dropout."""
    return Predictions(items.names, items.labels.cpu().numpy(), _logits(network, items, split).cpu().numpy())


def _save(path: Path, run: _Run, now: _Progress, best: dict[str, Tensor]) -> None:
    network, optimiser = run.network.state_dict(), run.optimiser.state_dict()
    checkpoint.save(path, {"network": network, "optimiser": optimiser, "progress": vars(now), "best": best})


def _resume(path: Path, run: _Run) -> tuple[_Progress, dict[str, Tensor]]:
    """The state at the last epoch's end; a fresh one where there is none, or one of a network made otherwise."""
    fresh = _Progress()
    state = checkpoint.load(path)
    if state is None:
        return fresh, {}
    start = {k: v.clone() for k, v in run.network.state_dict().items()}
    try:
        if state["progress"].keys() != vars(fresh).keys():
            raise KeyError("progress")
        now, best = _Progress(**state["progress"]), state["best"]
        run.network.load_state_dict(best)  # as the end of the training will
        run.network.load_state_dict(state["network"])
        run.optimiser.load_state_dict(state["optimiser"])
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        run.network.load_state_dict(start)
        return fresh, {}
    return now, best


def _integer(seed: list[int]) -> int:
    """One 64-bit seed from several numbers, without the collisions of adding them."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(1))

"""One training run of paper 003, section 4.4, from features to predictions; reads top to bottom, knows no tracker.

Everything random comes from the trial's seed: initial weights, batch order, and dropout, which is seeded anew at each
epoch. So a run that goes on from its checkpoint gives the same numbers as one that was never interrupted.
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ser import metrics
from ser.batches import Items, Stream, sorted_batches
from ser.errors import BadInput
from ser.network import Network
from ser.study import Trial

Report = Callable[[int, dict[str, float]], None]


class Diverged(RuntimeError):
    """The loss became NaN or infinite; says where."""


@dataclass(frozen=True)
class CorpusData:
    """The three sides of one corpus; ``test`` is empty for a train-only corpus."""

    train: Items
    val: Items
    test: Items


@dataclass(frozen=True)
class Predictions:
    """Of one corpus's test side, in the order of its items: class indices and probabilities [items, classes]."""

    names: tuple[str, ...]
    truth: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]


@dataclass
class Outcome:
    """What a finished run leaves: per-epoch curves, the best epoch, test predictions per corpus, seconds spent."""

    history: list[dict[str, float]]
    best_epoch: int
    predictions: dict[str, Predictions]
    seconds: float
    weights: dict[str, Tensor]


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


def train(trial: Trial, data: Mapping[str, CorpusData], checkpoint: Path, device: str, report: Report) -> Outcome:
    """Train, keep the weights of the lowest validation loss, predict the test sides.

    ``data`` has one entry per corpus of the trial. ``report(epoch, values)`` is called after every epoch, when
    ``checkpoint`` has been replaced; an existing checkpoint is continued, and its epochs are reported again.
    Raises Diverged for a loss that is no number.
    """
    settings, seed = trial.training, [trial.seed, trial.stream]
    names = [c.name for c in trial.corpora]
    torch.manual_seed(_integer([*seed, 0]))
    network = _network(trial, data).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    losses = {name: nn.CrossEntropyLoss(weight=_class_weights(trial, data[name].train)) for name in names}
    streams = {
        name: Stream(data[name].train.lengths(), settings.batch_size, settings.bucket_pool, [*seed, 1, i])
        for i, name in enumerate(names)
    }
    now, best = _resume(checkpoint, network, optimiser)
    for past in now.history:
        report(int(past["epoch"]), past)

    while now.epoch < settings.max_epochs and now.stale_epochs < settings.patience_epochs:
        started = time.perf_counter()
        now.epoch += 1
        torch.manual_seed(_integer([*seed, 2, now.epoch]))
        row = {"epoch": float(now.epoch), "timestamp_ms": float(int(time.time() * 1000))}
        row |= _train_epoch(trial, network, optimiser, losses, streams, data, now.epoch)
        row |= _validate(network, losses, {name: data[name].val for name in names})
        loss = row["val/loss"]
        if not math.isfinite(loss):
            raise Diverged(f"validation loss {loss} after epoch {now.epoch}")
        if loss < now.best_loss:
            now.best_loss, now.best_epoch = loss, now.epoch
            best = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
        if loss < now.reference_loss * (1 - settings.min_improvement):
            now.reference_loss, now.stale_epochs = loss, 0
        else:
            now.stale_epochs += 1
        now.seconds += time.perf_counter() - started
        now.history.append(row)
        _save(checkpoint, network, optimiser, now, best)
        report(now.epoch, row)

    started = time.perf_counter()
    network.load_state_dict(best)
    predictions = {name: predict(network, data[name].test) for name in trial.targets}
    return Outcome(now.history, now.best_epoch, predictions, now.seconds + time.perf_counter() - started, best)


def _network(trial: Trial, data: Mapping[str, CorpusData]) -> Network:
    some = next(iter(data.values())).train.features[0]
    heads = [c.name for c in trial.corpora] if trial.task == "multi" else ()
    network = Network(some.shape[1], trial.temporal, trial.pooling, len(trial.classes), heads)
    if trial.normalise == "train":
        network.mean, network.scale = _moments([data[c.name].train for c in trial.corpora])
    return network


def _moments(sides: list[Items]) -> tuple[Tensor, Tensor]:
    """Mean and 1/standard deviation [width] of each bin over all training frames, every corpus counting alike."""
    mean, square = torch.stack([items.moments for items in sides]).mean(0)
    return mean.float(), (square - mean.square()).clamp_min(1e-6).rsqrt().float()


def _class_weights(trial: Trial, items: Items) -> Tensor | None:
    """1/n_c of the corpus's training side, scaled to mean 1: "one set of weights for each dataset" (4.4)."""
    if trial.training.class_weights == "none":
        return None
    counts = torch.bincount(items.labels, minlength=len(trial.classes))
    if (counts == 0).any():  # possible where audio was refused after the split was made
        absent = ", ".join(c for c, n in zip(trial.classes, counts.tolist(), strict=True) if n == 0)
        raise BadInput(
            f"no {absent} left to train on",
            f"features of {items.corpus}",
            "some of each class",
            "mend the refused files",
        )
    inverse = 1 / counts.float()
    return inverse / inverse.mean()


def _train_epoch(
    trial: Trial,
    network: Network,
    optimiser: torch.optim.Optimizer,
    losses: Mapping[str, nn.Module],
    streams: Mapping[str, Stream],
    data: Mapping[str, CorpusData],
    epoch: int,
) -> dict[str, float]:
    """``steps_per_epoch`` updates; step k takes its mini-batch from corpus k mod n. Returns the mean losses."""
    settings, names = trial.training, [c.name for c in trial.corpora]
    network.train()
    sums: dict[str, list[Tensor]] = {name: [] for name in names}
    for step in range((epoch - 1) * settings.steps_per_epoch, epoch * settings.steps_per_epoch):
        name = names[step % len(names)]
        items = data[name].train
        batch = items.batch(streams[name].indices(step // len(names)))
        optimiser.zero_grad(set_to_none=True)
        loss = losses[name](network(batch.frames, batch.lengths, name), batch.labels)
        if not torch.isfinite(loss):
            who = ", ".join(items.names[i] for i in batch.indices)
            rate = settings.learning_rate
            raise Diverged(f"loss {loss.item()} at step {step + 1}, learning rate {rate}; batch: {who}")
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        optimiser.step()
        sums[name].append(loss.detach())
    means = {f"train/loss/{name}": torch.stack(s).mean().item() for name, s in sums.items() if s}
    return means | {"train/loss": sum(means.values()) / len(means)}


def _validate(network: Network, losses: Mapping[str, nn.Module], sides: Mapping[str, Items]) -> dict[str, float]:
    """Loss, WA and UA of every corpus's validation side; the loss that decides is the mean over corpora."""
    row: dict[str, float] = {}
    for name, items in sides.items():
        logits = _logits(network, items)
        row[f"val/loss/{name}"] = losses[name](logits, items.labels).item()
        matrix = metrics.confusion(items.labels.cpu().numpy(), logits.argmax(1).cpu().numpy(), logits.shape[1])
        row[f"val/wa/{name}"], row[f"val/ua/{name}"] = metrics.wa(matrix), metrics.ua(matrix)
    return row | {"val/loss": sum(row[f"val/loss/{name}"] for name in sides) / len(sides)}


@torch.no_grad()
def _logits(network: Network, items: Items) -> Tensor:
    """[items, classes], in the order of ``items``."""
    network.eval()
    batches = list(sorted_batches(items))
    order = [i for batch in batches for i in batch.indices]
    logits = torch.cat([network(b.frames, b.lengths, items.corpus) for b in batches])
    return torch.empty_like(logits).index_copy_(0, torch.tensor(order, device=logits.device), logits)


def predict(network: Network, items: Items) -> Predictions:
    """Class probabilities of every item, without dropout."""
    probabilities = _logits(network, items).softmax(1).cpu().numpy()
    return Predictions(items.names, items.labels.cpu().numpy(), probabilities.argmax(1), probabilities)


def _save(
    path: Path, network: Network, optimiser: torch.optim.Optimizer, now: _Progress, best: dict[str, Tensor]
) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "progress": vars(now), "best": best}
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _resume(path: Path, network: Network, optimiser: torch.optim.Optimizer) -> tuple[_Progress, dict[str, Tensor]]:
    """The state at the last epoch's end, loaded without running code from the file; a fresh one if there is none."""
    if not path.exists():
        return _Progress(), {}
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return _Progress(**state["progress"]), state["best"]


def _integer(seed: list[int]) -> int:
    """One 64-bit seed from several numbers, without the collisions of adding them."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(1))

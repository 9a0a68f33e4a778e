"""Many small networks of one architecture trained at once: a search's candidates, and their folds.

Networks of a few hundred weights leave a processor waiting for Python. Here the weights of M of them lie in one matrix
[M, weights], each operation does all of them, and what tells them apart (rows, learning rate, dropout, optimiser) is a
column. Members never meet: a member's numbers are those it would have alone, and where it learns without dropout those
of ``ser.training.train``. The shapes of all operations depend on the batch size alone; smaller batches are filled up
with a member's own rows, which count nothing.
"""

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ser.errors import BadInput
from ser.metrics import accuracy
from ser.models import traits
from ser.study import Part, Training, settings_of
from ser.study.settings import values_of
from ser.training import seeds
from ser.training.batches import Passes, Stream, inverse_deviation
from ser.training.early_stopping import EarlyStopping
from ser.training.network import SHARED_HEAD, Network
from ser.training.stacked_optimisers import Optimisers, places_of, views

Report = Callable[[str, int, dict[str, float]], None]
_HEAD = f"heads.{SHARED_HEAD}"


@dataclass(frozen=True, eq=False)
class Member:
    """One network to train: int64 rows of the features and labels that it learns from and is scored on.

    ``val`` may be empty where it decides nothing, ``test`` always. ``seed`` is what ``ser.training.train`` makes
    its seeds from: a trial's seed and stream. ``normalise``: "train" (mean and variance of its training rows) | "none".
    """

    key: str
    block: Part
    training: Training
    seed: Sequence[int]
    normalise: str
    train: Tensor
    val: Tensor
    test: Tensor


@dataclass
class Trained:
    """The result of a member: a row per epoch, the epoch whose weights are the best, and their logits.

    ``weights`` are named as in ``ser.training.network.Network``. ``logits`` float32 [rows, classes] of "val" and
    "test", where it has such rows. ``seconds`` is its share of the time that the group took. A member that diverged has
    an ``error``, which says where, the epochs before it, and neither weights nor logits. ``refit_epochs``: those of a
    second pass, which weights and logits are then of (see ``ser.trials.group``).
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    logits: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    refit_epochs: int = 0

    @property
    def probabilities(self) -> Tensor:
        """Probabilities of the classes on the validation rows, float32 [rows, classes]."""
        return self.logits["val"].softmax(1)


class Stacked(Protocol):
    """What a file of ``ser/models`` offers as ``Stacked``: so many networks, each on ``batch`` utterances of one frame.

    ``weights`` are the module's, each with a leading dimension [members]; so are the gradients. ``draws``: how many
    decisions dropout takes for an utterance. ``mask`` [members, draws, batch] is 0 or what is multiplied by instead.
    """

    draws: int

    def __init__(self, width: int, settings: object, members: int, batch: int, device: torch.device) -> None:
        """Make all buffers."""

    def forward(self, weights: Mapping[str, Tensor], values: Tensor, mask: Tensor | None) -> Tensor:
        """Values [members, width, batch] -> [members, outputs, batch]."""

    def backward(self, gradient: Tensor) -> dict[str, Tensor]:
        """Gradient of the last answer -> gradients of the weights."""


def stack_key(block: Part, training: Training) -> Hashable | None:
    """Returns what members must have in common to be trained as one; None for what has to be trained alone.

    They share a shape, batches of equal size and steps of equal number. They may differ in whatever else training says,
    and in the settings that the model's file lists in ``VARIES``. Only utterances of one frame, and one head for all
    corpora: it is for the caller to see that the trial is like that.
    """
    model = traits(block.name)
    ordinary = (training.loss, training.class_weights, training.precision) == ("cross_entropy", "none", "float32")
    if model.stacked is None or model.gives == "frames" or not ordinary:
        return None
    settings = values_of(settings_of("models", block))
    shape = tuple((k, v) for k, v in settings.items() if k not in model.varies)
    return block.name, shape, training.batch_size, training.steps_per_epoch


def train(
    members: Sequence[Member], features: Tensor, labels: Tensor, classes: int, report: Report, device: str
) -> dict[str, Trained]:
    """Trains all members, each as long as its own settings say; returns their results by key.

    ``features`` float32 [items, width], ``labels`` int64 [items]. ``report(key, epoch, row)`` is called after every
    epoch of every member. A member whose loss or weights become NaN or infinite ends alone. Raises BadInput for members
    that cannot be trained as one.
    """
    _check(members)
    backends: Any = torch.backends
    backends.cuda.matmul.fp32_precision = "ieee"  # whatever the process trained before
    results = _train(members, features, labels, classes, report, torch.device(device))
    for result in results.values():  # copies that autograd would take, too
        result.weights = {name: weight.clone() for name, weight in result.weights.items()}
        result.logits = {subset: logits.clone() for subset, logits in result.logits.items()}
    return results


@torch.inference_mode()
def _train(
    members: Sequence[Member], features: Tensor, labels: Tensor, classes: int, report: Report, device: torch.device
) -> dict[str, Trained]:
    """Gradients are made by hand, so nothing needs to be recorded for them."""
    group = _Group(members, features.to(device), labels.to(device), classes)
    results, stopping = {m.key: Trained() for m in members}, {m.key: EarlyStopping() for m in members}
    best: dict[str, Tensor] = {}
    while group.members:
        # One epoch of all members that still learn, each of which takes an equal share of the time.
        started, count = time.perf_counter(), len(group.members)
        group.epoch += 1
        rows, errors = _train_epoch(group)
        seconds = (time.perf_counter() - started) / count
        for i, member in enumerate(group.members):
            result = results[member.key]
            result.seconds += seconds
            result.error = errors[i]
            if not errors[i]:
                result.history.append(rows[i])
                if stopping[member.key].add_epoch(member.training, rows[i]):
                    best[member.key] = group.optimiser.weights[i].clone()
                report(member.key, group.epoch, rows[i])
        # Go on with those that neither diverged nor are over.
        group.reduce_to(
            [m for m in group.members if not results[m.key].error and not stopping[m.key].is_over(m.training)]
        )
    converged = [m for m in members if not results[m.key].error]
    if converged:
        _predict(_Group(converged, group.features, group.labels, classes), results, best)
    for member in converged:
        results[member.key].best_epoch = stopping[member.key].best_epoch
    return results


def _check(members: Sequence[Member]) -> None:
    """Raises BadInput for what ``train`` cannot do."""
    kinds = {stack_key(m.block, m.training) for m in members}
    if len(kinds) > 1 or None in kinds or len({m.key for m in members}) < len(members):
        value = f"{len(members)} members of {len(kinds)} kinds: {', '.join(map(str, kinds))}"
        raise BadInput(value, "stacked training", "one kind, each with a key", "group them by stacked.stack_key")
    for m in members:
        if not len(m.val) and (m.training.keep != "last" or m.training.patience_epochs):
            place = "training.keep, training.patience_epochs"
            raise BadInput(
                f"no validation rows of {m.key}", place, "last and 0 without any", "change them, or the split"
            )
        if not len(m.train):
            raise BadInput(f"no training rows of {m.key}", "stacked training", "at least one", "change the split")


class _Group:
    """The networks of all members that still learn, and the data they learn from."""

    def __init__(self, members: Sequence[Member], features: Tensor, labels: Tensor, classes: int) -> None:
        self.members = sorted(members, key=lambda m: m.training.optimiser)
        self.features, self.labels, self.classes, self.epoch = features, labels, classes, 0
        self.batch = members[0].training.batch_size
        networks = [_network(m, features, classes) for m in self.members]
        self.mean, self.scale = (torch.stack([getattr(n, name) for n in networks]) for name in ("mean", "scale"))
        self.places, size = places_of({k: w.shape for k, w in networks[0].named_parameters()})
        weights = torch.zeros(len(members), size, device=features.device)
        for i, network in enumerate(networks):
            for name, weight in network.named_parameters():
                views(weights, self.places)[name][i] = weight.detach()
        self.optimiser = Optimisers([m.training for m in self.members], weights)
        self.streams = [_stream(m) for m in self.members]
        self._prepare()

    def _prepare(self) -> None:
        """Makes buffers for as many members as there are."""
        settings = [settings_of("models", m.block) for m in self.members]
        rates = [getattr(s, "dropout", 0.0) for s in settings]
        kind, width = traits(self.members[0].block.name).stacked, self.features.shape[1]
        assert kind is not None
        self.stack: Stacked = kind(width, settings[0], len(self.members), self.batch, self.features.device)
        dropout = [round(rate * 2**16) for rate in rates]
        self.dropping = bool(self.stack.draws and any(dropout))
        device = self.features.device
        self.threshold = torch.tensor([n - 2.0**15 for n in dropout], device=device)[:, None, None]
        self.gain = torch.tensor([2**16 / (2**16 - n) for n in dropout], device=device)[:, None, None]
        self.gradient = torch.zeros_like(self.optimiser.weights)
        self.weights, self.gradients = (views(m, self.places) for m in (self.optimiser.weights, self.gradient))
        self.block = {k.removeprefix("block."): w for k, w in self.weights.items() if k.startswith("block.")}

    def reduce_to(self, members: list[Member]) -> None:
        """Goes on with these members alone."""
        if len(members) == len(self.members):
            return
        rows = [i for i, m in enumerate(self.members) if m in members]
        self.members = [self.members[i] for i in rows]
        self.streams = [self.streams[i] for i in rows]
        self.mean, self.scale = self.mean[rows], self.scale[rows]
        self.optimiser.reduce_to(rows)
        if rows:
            self._prepare()

    def logits(self, rows: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns the stack's outputs and the logits, both [members, …, batch], of rows [members, batch]."""
        values = (self.features[rows] - self.mean[:, None]) * self.scale[:, None]
        hidden = self.stack.forward(self.block, values.transpose(1, 2).contiguous(), mask)
        bias, weight = self.weights[f"{_HEAD}.bias"], self.weights[f"{_HEAD}.weight"]
        return hidden, torch.baddbmm(bias[:, :, None], weight, hidden)

    def step(self, rows: Tensor, share: Tensor, mask: Tensor | None, idle: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Updates every member but the ``idle``; rows [members, batch], of which each counts ``share``.

        Returns mean loss and accuracy before it, both [members].
        """
        hidden, logits = self.logits(rows, mask)
        logs, truth = logits.log_softmax(1), self.labels[rows][:, None]
        loss = -(logs.gather(1, truth)[:, 0] * share).sum(1)
        accuracies = ((logits.argmax(1) == truth[:, 0]) * share).sum(1)
        change = logs.exp_().scatter_add_(1, truth, logs.new_full((), -1.0).expand(truth.shape)).mul_(share[:, None])
        head = self.weights[f"{_HEAD}.weight"]
        grads = {f"block.{k}": v for k, v in self.stack.backward(torch.bmm(head.mT, change)).items()}
        grads |= {f"{_HEAD}.weight": torch.bmm(change, hidden.mT), f"{_HEAD}.bias": change.sum(2)}
        for name, place in self.gradients.items():
            place.copy_(grads[name])
        self.optimiser.step(self.gradient, idle)
        return loss, accuracies

    def masks(self) -> Callable[[], Tensor | None]:
        """Returns what draws dropout's masks of an epoch, one step after another, each member from its own generator.

        A unit is dropped if 16 random bits are less than 65536 times the rate, which is thereby rounded.
        """
        if not self.dropping:
            return lambda: None
        bits = [np.random.SFC64(np.random.SeedSequence(seeds.for_dropout(m.seed, self.epoch))) for m in self.members]
        size = self.stack.draws * self.batch

        def draw() -> Tensor:
            words = np.stack([b.random_raw(-(-size // 4)) for b in bits]).view(np.int16)[:, :size]
            level = torch.from_numpy(words).to(self.gain.device).view(len(bits), -1, self.batch).float()
            return torch.ge(level, self.threshold, out=level).mul_(self.gain)

        return draw

    def logits_of(self, subsets: Sequence[Tensor]) -> list[Tensor]:
        """Returns the logits [rows, classes], on the CPU, of a subset of each member's rows, without dropout."""
        blocks = max(-(-len(rows) // self.batch) for rows in subsets)
        padded = [torch.nn.functional.pad(rows, (0, blocks * self.batch - len(rows))) for rows in subsets]
        batches = torch.stack(padded).view(len(subsets), blocks, self.batch).to(self.features.device)
        logits = torch.cat([self.logits(batches[:, i], None)[1] for i in range(blocks)], dim=2).mT.cpu()
        return [each[: len(rows)] for each, rows in zip(logits, subsets, strict=True)]


def _network(member: Member, features: Tensor, classes: int) -> Network:
    """As ``ser.training.train`` starts it, with the moments of its training rows."""
    with torch.random.fork_rng(devices=[]):
        seed = seeds.integer(seeds.for_weights(member.seed))
        torch.default_generator.manual_seed(seed)  # of the CPU alone; torch.manual_seed takes milliseconds
        network = Network(features.shape[1], member.block, "none", classes, "float32")
    if member.normalise == "train":
        rows = features[member.train.to(features.device)].double()
        mean, square = rows.mean(0), rows.square().mean(0)
        network.mean, network.scale = mean.float(), inverse_deviation(mean, square).float()
    return network.to(features.device)


def _stream(member: Member) -> Stream | Passes:
    """The mini-batches that ``ser.training.train`` takes where there is one corpus, or all are pooled."""
    training, count, seed = member.training, len(member.train), seeds.for_batches(member.seed, 0)
    if training.steps_per_epoch:
        return Stream(np.ones(count, np.int64), training.batch_size, training.bucket_pool, seed)
    return Passes(count, training.batch_size, seed)


def _batches(group: _Group) -> tuple[Tensor, Tensor, list[list[int]]]:
    """Batches of an epoch: rows [steps, members, batch], each one's share of its batch's mean, idle members by step."""
    indices = []
    for member, stream in zip(group.members, group.streams, strict=True):
        steps = stream.per_pass if isinstance(stream, Passes) else member.training.steps_per_epoch
        indices.append([stream.indices(n) for n in range((group.epoch - 1) * steps, group.epoch * steps)])
    longest = max(map(len, indices))
    rows = np.empty((len(indices), longest, group.batch), np.int64)
    share = np.zeros(rows.shape, np.float32)
    for i, (member, batches) in enumerate(zip(group.members, indices, strict=True)):
        train, flat = member.train.numpy(), np.array([n for batch in batches for n in batch])
        rows[i] = train[0]
        rows[i].reshape(-1)[: len(flat)] = train[flat]  # all batches but the last are full
        for step, batch in enumerate(batches):
            share[i, step, : len(batch)] = 1 / len(batch)
    idle = [[i for i, batches in enumerate(indices) if step >= len(batches)] for step in range(longest)]
    device = group.features.device
    return torch.from_numpy(rows).to(device).transpose(0, 1), torch.from_numpy(share).to(device).transpose(0, 1), idle


def _train_epoch(group: _Group) -> tuple[list[dict[str, float]], list[str]]:
    """Trains every member for an epoch; returns a row for each, and where it diverged, or ""."""
    # All steps, each with batches and dropout of every member.
    rows, share, idle = _batches(group)
    draw = group.masks()
    steps = [group.step(r, s, draw(), i) for r, s, i in zip(rows, share, idle, strict=True)]
    losses, accuracies = (torch.stack(x).cpu() for x in zip(*steps, strict=True))  # [steps, members]
    # Means over items, then the scores of the subsets that are looked at.
    sizes = (share > 0).sum(2).cpu()
    stamp = {"epoch": float(group.epoch), "timestamp_ms": float(int(time.time() * 1000))}
    means = [((x.double() * sizes).sum(0) / sizes.sum(0)).tolist() for x in (losses, accuracies)]
    table = [stamp | {"train/loss": a, "train/accuracy": b} for a, b in zip(*means, strict=True)]
    for subset in ("val", "train", "test"):
        _add_scores(group, subset, table)
    # Who diverged.
    is_finite = group.optimiser.weights.isfinite().all(1).tolist()
    errors = [""] * len(table)
    for i, row in enumerate(table):
        if not is_finite[i] or not math.isfinite(sum(row.values())):
            errors[i] = _error(group, i, losses[sizes[:, i] > 0, i], row)
    return table, errors


def _add_scores(group: _Group, subset: str, table: list[dict[str, float]]) -> None:
    """Adds loss and accuracies on that subset to the rows of the members that look at it."""
    nothing = torch.zeros(0, dtype=torch.int64)
    subsets = [getattr(m, subset) if subset == "val" or subset in m.training.watch else nothing for m in group.members]
    if not any(len(rows) for rows in subsets):
        return
    labels = group.labels.cpu()
    for row, logits, rows in zip(table, group.logits_of(subsets), subsets, strict=True):
        if len(rows):
            truth = labels[rows]
            matrix = accuracy.confusion(truth.numpy(), logits.argmax(1).numpy(), group.classes)
            loss = torch.nn.functional.cross_entropy(logits, truth).item()
            row |= {f"{subset}/wa": accuracy.wa(matrix), f"{subset}/ua": accuracy.ua(matrix)}
            row.setdefault(f"{subset}/loss", loss)  # while it learns, the loss of training is that of its steps


def _error(group: _Group, i: int, losses: Tensor, row: Mapping[str, float]) -> str:
    """Where a member diverged: at the first of its steps whose loss [steps] is not finite, else after the epoch."""
    names = [name for name, w in group.weights.items() if not w[i].isfinite().all()]
    spoilt = (~losses.isfinite()).nonzero().flatten().tolist()
    if spoilt:
        step = (group.epoch - 1) * len(losses) + spoilt[0] + 1
        place = f"loss {losses[spoilt[0]].item()} at step {step} (epoch {group.epoch})"
    else:
        values = ", ".join(f"{name} {value}" for name, value in row.items() if name.endswith("/loss"))
        place = f"{values} after epoch {group.epoch}"
    rate = group.members[i].training.learning_rate
    return f"{place}, learning rate {rate}, weights not finite: {', '.join(names) or 'none'}"


def _predict(group: _Group, results: Mapping[str, Trained], best: Mapping[str, Tensor]) -> None:
    """Fills in the best weights, and their logits."""
    for i, member in enumerate(group.members):
        group.optimiser.weights[i] = best[member.key]
    state = group.weights | {"mean": group.mean, "scale": group.scale}
    for i, member in enumerate(group.members):
        results[member.key].weights = {name: value[i].cpu() for name, value in state.items()}
    for subset in ("val", "test"):
        subsets = [getattr(m, subset) for m in group.members]
        if any(len(rows) for rows in subsets):
            for member, rows, logits in zip(group.members, subsets, group.logits_of(subsets), strict=True):
                results[member.key].logits |= {subset: logits} if len(rows) else {}

"""A training as it is before its first step: network, optimiser, losses and mini-batches, and what cannot begin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ser.data.pretrained import STARTS
from ser.errors import BadInput
from ser.models import traits
from ser.study import Training, Trial
from ser.training import seeds
from ser.training.batches import Items, Passes, Stream, inverse_deviation
from ser.training.loss import Objective
from ser.training.network import Network, network_of, smallest_batch


class Diverged(RuntimeError):
    """A loss, gradient, weight or feature is NaN or infinite; says where."""


@dataclass(frozen=True)
class CorpusData:
    """The three subsets of one corpus.

    ``test`` is empty where it only trains, ``val`` where it validates nothing, and both others where it is unseen.
    """

    train: Items
    val: Items
    test: Items


@dataclass(frozen=True)
class Run:
    """What stays the same from the first step to the last, by corpus (or "pooled"), which take turns."""

    trial: Trial
    data: Mapping[str, CorpusData]
    network: Network
    optimiser: torch.optim.Optimizer
    losses: Mapping[str, Objective]
    streams: Mapping[str, Stream | Passes]
    steps: int  # of an epoch
    accumulation_steps: int  # parts of each mini-batch
    smallest: int  # items that a mini-batch, and a part of one, has at least


def begin(
    trial: Trial,
    data: Mapping[str, CorpusData],
    device: str,
    accumulation_steps: int,
    initial_state: Mapping[str, Any] | None = None,
    weights: str = "",
) -> Run:
    """Everything as it is before the first step."""
    set_precision(trial.training.precision, device)
    training, seed = trial.training, (trial.training_seed, trial.repeat)
    by_turn = _by_turn(trial, data)
    # The network: random weights, those of a file, or another trial's last ones.
    torch.manual_seed(seeds.integer(seeds.for_weights(seed)))
    network = build_network(trial, data)
    if trial.block.values().get("weights", "none") not in STARTS:
        network.block.start_from(Path(weights))
    network = network.to(device)
    optimiser = _optimiser(training, network)
    if initial_state:
        network.load_state_dict(initial_state["network"])
        optimiser.load_state_dict(initial_state["optimiser"])
        restate(optimiser, training, network)
    # A loss and a sequence of mini-batches for each corpus, or for all of them.
    losses = {name: Objective(training, trial.classes, each.train) for name, each in by_turn.items()}
    smallest = {name: smallest_batch(network, each.train) for name, each in by_turn.items()}
    streams = {
        name: _stream(
            training,
            each.train,
            seeds.for_batches(seed, number),
            smallest[name],
            trial.block.name,
            (number, len(by_turn)),
        )
        for number, (name, each) in enumerate(by_turn.items())
    }
    steps = training.steps_per_epoch or sum(s.per_pass for s in streams.values() if isinstance(s, Passes))
    least = max(smallest.values())
    return Run(trial, by_turn, network, optimiser, losses, streams, steps, accumulation_steps, least)


def _by_turn(trial: Trial, data: Mapping[str, CorpusData]) -> dict[str, CorpusData]:
    """The data of each corpus that trains, or of all of them as "pooled"."""
    names, training = [c.name for c in trial.training_corpora], trial.training
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
    if unvalidated and (training.keep != "last" or training.patience_epochs):
        raise BadInput(f"no validation items of {', '.join(unvalidated)}", "training.keep, training.patience_epochs",
                       "last and 0 without any", "change them, or the split")  # fmt: skip
    several = any(each.train.labels.ndim == 2 and not each.train.shares for each in by_turn.values())
    if training.keep == "best_accuracy" and (several or not trial.classes):
        labels = "an utterance may have several labels" if several else "there are no classes"
        raise BadInput("best_accuracy", "training.keep", f"best, last where {labels}", "choose one of them")
    return by_turn


def _stream(
    training: Training, items: Items, seed: list[int], smallest: int, block: str, turn: tuple[int, int]
) -> Stream | Passes:
    place = f"batch normalisation of {block}"
    if training.batch_size < smallest:
        raise BadInput(str(training.batch_size), f"training.batch_size, {place}", f"{smallest} or more",
                       "one item has no variance: give more")  # fmt: skip
    if training.steps_per_epoch:
        aligned = turn if training.stacked and traits(block).gives == "frames" else None
        return Stream(items.lengths(), training.batch_size, training.bucket_pool, seed, aligned)
    if len(items) < smallest:
        raise BadInput(f"{len(items)} item of {items.corpus} to train on", place, f"{smallest} or more",
                       "one item has no variance: train on more")  # fmt: skip
    return Passes(len(items), training.batch_size, seed, smallest)


def parameter_groups(training: Training, network: Network) -> list[dict[str, Any]]:
    """Returns the groups of an optimiser: the parameters that learn, in the network's order, by their learning rate.

    A rate is ``training.learning_rate``, times the factor that the block states for a parameter, if any.
    """
    factors = network.learning_rate_factors()
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(factors.get(name, 1.0), []).append(parameter)
    return [{"params": group, "lr": training.learning_rate * factor} for factor, group in groups.items()]


def _optimiser(training: Training, network: Network) -> torch.optim.Optimizer:
    groups = parameter_groups(training, network)
    options: dict[str, Any] = {"lr": training.learning_rate, "weight_decay": training.weight_decay}
    if training.optimiser == "sgd":
        return torch.optim.SGD(groups, **options)
    if training.optimiser == "rmsprop":
        return torch.optim.RMSprop(groups, alpha=0.9, eps=training.epsilon, **options)
    # Fused: a fifth of the time, where networks are large or tiny.
    return torch.optim.Adam(groups, eps=training.epsilon, fused=True, **options)


def restate(optimiser: torch.optim.Optimizer, training: Training, network: Network) -> None:
    """Sets learning rates and weight decay as ``training`` has them: a state of another trial brings its own."""
    for group, stated in zip(optimiser.param_groups, parameter_groups(training, network), strict=True):
        group |= {"lr": stated["lr"], "weight_decay": training.weight_decay}


def set_precision(precision: str, device: str) -> None:
    """Sets how this process multiplies float32. On a GPU, torch would use TF32 in convolutions and LSTMs unasked."""
    if precision == "tf32" and (device == "cpu" or not torch.cuda.is_tf32_supported()):
        allowed = "float32 or bfloat16 on this device"
        raise BadInput("tf32", "training.precision", allowed, "use a GPU (Ampere or newer), or one of these")
    backends: Any = torch.backends
    for kind in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
        kind.fp32_precision = "tf32" if precision == "tf32" else "ieee"


def build_network(trial: Trial, data: Mapping[str, CorpusData]) -> Network:
    """Returns the trial's network, with the moments of its training items where these normalise.

    Raises BadInput, and Diverged for NaN.
    """
    learned = [data[c.name].train for c in trial.training_corpora]
    width = learned[0].features[0].shape[1]
    network = network_of(trial, width)
    if trial.normalise == "train":
        network.mean, network.scale = _moments(learned)
        if not (network.mean + network.scale).isfinite().all():  # every loss would be NaN, and name the wrong ones
            spoilt = [n for s in learned for n, x in zip(s.names, s.features, strict=True) if not x.isfinite().all()]
            rate, names = trial.training.learning_rate, first_names(spoilt)
            raise Diverged(f"mean features not finite before step 1, learning rate {rate}; because of: {names}")
    return network


def _moments(each: list[Items]) -> tuple[Tensor, Tensor]:
    """Mean and 1/standard deviation [width] of each bin over all training frames, every corpus counting alike."""
    mean, square = torch.stack([items.moments for items in each]).mean(0)
    return mean.float(), inverse_deviation(mean, square).float()


def first_names(names: Sequence[str]) -> str:
    """Returns the first ten names and how many more there are, as text."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "") or "none"

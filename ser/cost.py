"""What a grid will take: one update of each network is timed on this machine, the rest is arithmetic."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

import torch

from ser import registry
from ser.network import Network
from ser.plan import Plan, total_frames
from ser.study import Part, Trial


def estimate(plan: Plan, todo: Sequence[Trial], at_once: float, epochs_seen: Mapping[str, float]) -> list[str]:
    """Lines for people. ``epochs_seen`` (temporal block -> mean epochs of finished runs) narrows the range."""
    if not todo:
        return ["nothing left to train"]
    training = plan.study.training
    per_update = {p.name: _seconds_per_update(plan, p) for p in plan.study.blocks}
    least, most = min(training.patience_epochs + 1, training.max_epochs), training.max_epochs
    per_epoch = sum(per_update[t.block.name] * training.steps_per_epoch for t in todo)
    blocks = ", ".join(f"{name} {1000 * s:.0f} ms" for name, s in per_update.items())
    lines = [f"one update on this machine (one thread): {blocks}"]
    if all(t.block.name in epochs_seen for t in todo):
        expected = sum(per_update[t.block.name] * training.steps_per_epoch * epochs_seen[t.block.name] for t in todo)
        lines.append(f"{len(todo)} left to train: about {_duration(expected / at_once)}, as the finished ones went")
    else:
        lines.append(
            f"{len(todo)} left to train: {_duration(per_epoch * least / at_once)} ({least} epochs each) to at most "
            f"{_duration(per_epoch * most / at_once)} ({most} epochs), {at_once:g} at once"
        )
    return lines


def _seconds_per_update(plan: Plan, block: Part) -> float:
    """One mini-batch of the corpora's mean length through the whole network and back; the better of two."""
    study, width = (
        plan.study,
        registry.find("frontends", plan.study.front_end.name).width(plan.study.front_end.values()),
    )
    clean = [s.recipes[0] for s in plan.sources.values()]
    frames = max(2, round(total_frames(clean) / sum(len(r.items) for r in clean)))
    batch = study.training.batch_size
    lengths = torch.full((batch,), frames)
    network = Network(width, block, "mean_var", len(study.classes), study.training.precision)
    features, labels = torch.randn(batch * frames, width), torch.arange(batch) % len(study.classes)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        torch.nn.functional.cross_entropy(network(features, lengths, ""), labels).backward()
        seconds.append(time.perf_counter() - started)
    torch.set_num_threads(threads)
    return min(seconds)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))

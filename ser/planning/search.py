"""Which points a study tries: its grid, and what a search adds to it, as far as results are known.

``unfold`` starts from nothing each time: from the study and the losses of finished trials follow all points known so
far, the same in every process. So a search needs no state of its own, and one that was stopped goes on where it was.
A point that waits for a loss ends what is known; a trial that failed has an infinite loss.

Searches: "grid"; "random" (Bergstra & Bengio 2012), with ``folds`` cross-validated and the best trained again;
"optuna", by its tree-structured Parzen estimator; "pbt", population based training (Jaderberg et al. 2017) by
generations, each member of which is a trial that starts from the end of another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log, nan
from typing import Any

import numpy as np

from ser.errors import BadInput
from ser.features.recipe import front_end_width
from ser.models import stated_traits
from ser.study import Part, Point, Study, Trial, Value, part, settings_of
from ser.study.settings import setting

Losses = Mapping[str, float]  # by trial id
Statement = Callable[[Point], Trial]
VERSION = 1  # of all searches: goes up when one of them finds other points
_TRIES = 200  # draws until one is a network that can be built


@dataclass(frozen=True)
class GridSearch:
    """The study's own points and no more."""


@dataclass(frozen=True)
class RandomSearch:
    """Candidates drawn at random (Bergstra & Bengio 2012), cross-validated where there are folds."""

    candidates: int = setting("how many are drawn for each block", low=0)
    seed: int = setting("seed of the draws", 0, low=0)
    by: str = setting(
        "what makes the best: the lowest loss or the highest WA in validation", "loss", choices=("loss", "wa")
    )
    folds: int = setting("folds by which each candidate is cross-validated; 0: none", 0, low=0)
    per_shape: int = setting("candidates of one network's shape, which can be trained as one", 1, low=1)
    shape: tuple[str, ...] = setting("paths that are drawn once for each shape", ())


@dataclass(frozen=True)
class OptunaSearch:
    """Candidates of Optuna's tree-structured Parzen estimator, in rounds."""

    candidates: int = setting("how many there are for each block", low=0)
    at_once: int = setting("candidates in a round, which know the losses of those before", 1, low=1)
    seed: int = setting("seed of the sampler", 0, low=0)
    by: str = setting(
        "what makes the best: the lowest loss or the highest WA in validation", "loss", choices=("loss", "wa")
    )


@dataclass(frozen=True)
class PbtSearch:
    """Population based training (Jaderberg et al. 2017)."""

    members: int = setting("size of the population", low=1)
    generations: int = setting("times that training.max_epochs are trained", low=1)
    quantile: float = setting("share of the worst, which go on from the best", 0.25, above=0, high=0.5)
    seed: int = setting("seed of the draws", 0, low=0)
    by: str = setting(
        "what makes the best: the lowest loss or the highest WA in validation", "loss", choices=("loss", "wa")
    )


@dataclass(frozen=True)
class NoneScheduler:
    """Every trial is trained to its end."""


@dataclass(frozen=True)
class AshaScheduler:
    """Asynchronous successive halving (Li et al. 2020): trials that fall behind end early."""

    grace: int = setting("epochs before a trial may end", 1, unit="epochs", low=1)
    reduction: int = setting("one of so many goes on from each rung", 4, low=2)


@dataclass(frozen=True)
class ChoiceDraw:
    """One of several values."""

    values: tuple[Any, ...] = setting("the values")


@dataclass(frozen=True)
class UniformDraw:
    """A number, all alike."""

    low: float = setting("least value")
    high: float = setting("greatest value")


@dataclass(frozen=True)
class LogUniformDraw:
    """A number above 0, all magnitudes alike."""

    low: float = setting("least value", above=0)
    high: float = setting("greatest value", above=0)


@dataclass(frozen=True)
class WholeDraw:
    """A whole number, all alike."""

    low: int = setting("least value")
    high: int = setting("greatest value")


def unfold(study: Study, points: Sequence[Point], statement: Statement, seed: int, losses: Losses) -> list[Trial]:
    """The trials of ``points`` and those that the study's search adds, as far as ``losses`` tell. Raises BadInput."""
    trials = [statement(point) for point in points]
    return trials + _SEARCHES[study.search.rule.name](study, points, statement, seed, losses)


def draw(kind: Part, rng: np.random.Generator) -> Value:
    """One value of an axis of a search space: choice(values), uniform, log_uniform or whole(low, high).

    Raises BadInput for another kind.
    """
    match kind.name:
        case "choice":
            choice: Value = kind["values"][int(rng.integers(len(kind["values"])))]
            return choice
        case "uniform":
            return float(rng.uniform(kind["low"], kind["high"]))
        case "log_uniform":
            return float(exp(rng.uniform(log(kind["low"]), log(kind["high"]))))
        case "whole":
            return int(rng.integers(kind["low"], kind["high"] + 1))
    raise BadInput(repr(kind.name), "search space", "choice, uniform, log_uniform, whole", "choose one of them")


def _grid(study: Study, points: Sequence[Point], statement: Statement, seed: int, losses: Losses) -> list[Trial]:
    return []


def _random(study: Study, points: Sequence[Point], statement: Statement, seed: int, losses: Losses) -> list[Trial]:
    """``candidates`` for every block that the points name, then, where there are folds, the best of each once more.

    Values of the paths in ``shape`` are drawn once for ``per_shape`` candidates: such can be trained together.
    """
    search, trials = study.search.rule, []
    folds = range(1, search["folds"] + 1) if search["folds"] else [0]
    for place, point in enumerate(_one_per_block(points)):
        space = _space_of(study, point)
        candidates, scores, shape = [], [], {}
        for number in range(search["candidates"]):
            rng = np.random.default_rng([search["seed"], seed, place, number])
            if number % search["per_shape"] == 0:
                shape = _fitting(study, point, {k: v for k, v in space.items() if k in search["shape"]}, statement, rng)
            rest = {k: v for k, v in space.items() if k not in search["shape"]}
            candidates.append({**point, **shape, **_fitting(study, {**point, **shape}, rest, statement, rng)})
            role = part("candidate", number=number + 1, varied=tuple(space))
            several = [statement({**candidates[-1], "fold": fold, "role": role}) for fold in folds]
            trials += several
            scores.append(float(np.mean([losses.get(t.id, nan) for t in several])))
        if search["folds"] and scores and not np.isnan(scores).any() and min(scores) < inf:
            best = int(np.argmin(scores))
            role = part("refit", number=best + 1, varied=tuple(space))
            trials.append(statement({**candidates[best], "final": True, "role": role}))
    return trials


def _optuna(study: Study, points: Sequence[Point], statement: Statement, seed: int, losses: Losses) -> list[Trial]:
    """``candidates`` in rounds of ``at_once``: each round is chosen knowing the losses of those before."""
    try:
        import optuna
    except ImportError:
        raise BadInput("no optuna", f"search of {study.name}", "the package optuna", "pip install optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search, trials = study.search.rule, []
    for place, point in enumerate(_one_per_block(points)):
        space = _space_of(study, point)
        sampler = optuna.samplers.TPESampler(seed=search["seed"] + 1000 * seed + place)
        sampled = optuna.create_study(sampler=sampler)
        for first in range(0, search["candidates"], search["at_once"]):
            round_ = []
            for number in range(first, min(first + search["at_once"], search["candidates"])):
                ask = sampled.ask()
                values = {path: _suggest(ask, path, kind) for path, kind in space.items()}
                role = part("candidate", number=number + 1, varied=tuple(space))
                round_.append((ask, statement({**point, **values, "role": role})))
            trials += [trial for _, trial in round_]
            results = [losses.get(trial.id, nan) for _, trial in round_]
            if np.isnan(results).any():
                break
            for (ask, _), loss in zip(round_, results, strict=True):
                failed = optuna.trial.TrialState.FAIL
                sampled.tell(ask, *((None, failed) if loss == inf else (loss,)))
    return trials


def _suggest(ask: Any, path: str, kind: Part) -> Any:
    match kind.name:
        case "choice":  # by number: Optuna keeps only plain values
            return kind["values"][ask.suggest_categorical(path, list(range(len(kind["values"]))))]
        case "uniform" | "log_uniform":
            return ask.suggest_float(path, kind["low"], kind["high"], log=kind.name == "log_uniform")
        case "whole":
            return ask.suggest_int(path, kind["low"], kind["high"])
    raise BadInput(repr(kind.name), "search space", "choice, uniform, log_uniform, whole", "choose one of them")


def _pbt(study: Study, points: Sequence[Point], statement: Statement, seed: int, losses: Losses) -> list[Trial]:
    """``members``, ``generations`` times ``training.max_epochs``: after each, the worst share takes over from the best.

    Who is among the worst ``quantile`` starts from a random one of the best with its values perturbed: times 0.8 or
    1.2, a choice one place up or down. The others go on from their own end.
    """
    if study.training.learns_from != "train":
        raise BadInput(study.training.learns_from, "training.learns_from", "train with pbt",
                       "members go on from each other's ends, and cannot start again on both subsets")  # fmt: skip
    search, trials = study.search.rule, []
    for place, point in enumerate(_one_per_block(points)):
        space = _space_of(study, point)
        rng = np.random.default_rng([search["seed"], seed, place])
        values = [_fitting(study, point, space, statement, rng) for _ in range(search["members"])]
        starts = [""] * search["members"]
        for generation in range(1, search["generations"] + 1):
            now = []
            for member, (changes, start) in enumerate(zip(values, starts, strict=True), start=1):
                role = part("member", number=f"{member}.{generation}", varied=tuple(space))
                now.append(statement({**point, **changes, "initial_from": start, "role": role}))
            trials += now
            scores = np.array([losses.get(t.id, nan) for t in now])
            if np.isnan(scores).any():
                break
            values, starts = _exploit([t.id for t in now], values, scores, space, search["quantile"], rng)
    return trials


def _exploit(
    ids: Sequence[str],
    values: Sequence[Mapping[str, Any]],
    scores: np.ndarray[Any, Any],
    space: Mapping[str, Part],
    quantile: float,
    rng: np.random.Generator,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Values and starts of the next generation."""
    order = np.argsort(scores, kind="stable")
    share = max(1, int(len(ids) * quantile))
    out, starts = [dict(v) for v in values], list(ids)
    failed = {int(i) for i in np.flatnonzero(np.isinf(scores))}
    for loser in {*order[-share:].tolist(), *failed}:
        winner = int(rng.choice(order[:share]))
        if loser == winner or winner in failed:
            continue
        starts[loser] = ids[winner]
        out[loser] = {path: _perturbed(values[winner][path], kind, rng) for path, kind in space.items()}
    return out, starts


def _perturbed(value: float, kind: Part, rng: np.random.Generator) -> Value:
    if kind.name == "choice":
        choices = list(kind["values"])
        neighbour: Value = choices[int(np.clip(choices.index(value) + rng.choice([-1, 1]), 0, len(choices) - 1))]
        return neighbour
    new = float(np.clip(value * rng.choice([0.8, 1.2]), kind["low"], kind["high"]))
    return round(new) if kind.name == "whole" else new


def _one_per_block(points: Sequence[Point]) -> list[Point]:
    """The first point of each block, without settings of its own: a search varies these."""
    first: dict[str, Point] = {}
    for point in points:
        unsearched = {k: v for k, v in point.items() if k in ("corpora", "block", "pooling", "task")}
        first.setdefault(point["block"], unsearched)
    return list(first.values())


def _space_of(study: Study, point: Point) -> dict[str, Part]:
    """The axes that concern this point: those of other blocks are left out."""
    others = {block.name for block in study.blocks} - {point["block"]}
    return {path: kind for path, kind in study.search.space if path.partition(".")[0] not in others}


def _fitting(
    study: Study, point: Point, space: Mapping[str, Part], statement: Statement, rng: np.random.Generator
) -> dict[str, Any]:
    """Values drawn from ``space`` that make a network which can be built. Raises BadInput where none is found."""
    for _ in range(_TRIES):
        values = {path: draw(kind, rng) for path, kind in space.items()}
        trial = statement({**point, **values})
        width = front_end_width(trial.front_end)
        if stated_traits(trial.block.name).fits(width, settings_of("models", trial.block)):
            return values
    raise BadInput(
        f"no network that can be built in {_TRIES} draws",
        f"search space of {study.name}",
        "shapes that the input holds",
        "narrow the space",
    )


_SEARCHES: dict[str, Callable[[Study, Sequence[Point], Statement, int, Losses], list[Trial]]] = {
    "grid": _grid,
    "random": _random,
    "optuna": _optuna,
    "pbt": _pbt,
}

"""The study of da Silva et al. without pooling by mean and variance: half of its grid, for commands that are killed."""

from collections.abc import Callable
from dataclasses import replace

from experiments.interaffection import study as whole
from ser.study import Point

Points = Callable[[tuple[str, ...], tuple[str, ...]], list[Point]]


def half(points: Points) -> Points:
    return lambda corpora, train_only: [p for p in points(corpora, train_only) if p["pooling"] == "mean"]


sound = {**whole.modes["sound"], "points": half(whole.modes["sound"]["points"])}
study = replace(whole, points=half(whole.points), expect=84, modes={"paper": {}, "sound": sound})

"""Group multi-task feature selection: Zhang, Provost & Essl 2016 (paper 004, row 11).

A multinomial logistic regression per task (speech and song, by women and men), fitted jointly: with W [features, tasks,
classes] it minimises

    sum over tasks t of the mean over utterances of t of -log p(class)  +  penalty · sum over features f of |W_f|

where |W_f| is the Euclidean norm over all tasks and classes, so that a feature is used by all tasks or by none. The
offsets of classes are free. x [utterances, width] -> scores [utterances, classes].
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import softmax

from ser.errors import BadInput
from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._scaling import Scaling

GIVES = "classes"
TAKES = "vectors"
TASKS = True

# Of one task: x with a column of ones [utterances, width + 1], and y as ones and zeros [utterances, classes].
Side = tuple[Vectors, Vectors]


class GMTFS(Estimator):
    """Fitted by FISTA (Beck & Teboulle 2009), started anew where it overshoots (O'Donoghue & Candès 2015).

    ``weights_`` [width, tasks, classes] and ``offsets_`` [tasks, classes] are of the scaled features, ``selected_``
    [width] says which of these are used. ``converged_``: no component of the gradient (of its proximal map) exceeded
    ``tolerance`` within ``iterations``. Without a penalty, or for a class that a task never has, the best weights or
    offsets are infinite: then it ends with finite ones after ``iterations``, or as soon as they hardly matter.
    """

    def __init__(self, penalty: float, iterations: int, tolerance: float, scaling: str) -> None:
        if not penalty >= 0 or iterations < 1:
            value = f"penalty {penalty}, {iterations} iterations"
            raise BadInput(value, "gmtfs", "0 or more, 1 or more", "change these")
        self.penalty, self.iterations, self.tolerance, self.scaling = penalty, iterations, tolerance, scaling

    def fit(self, x: Vectors, y: Labels, tasks: Labels) -> "GMTFS":
        """Fit to x [utterances, width], y and ``tasks`` [utterances], any numbers. Raises BadInput."""
        self.classes_, self.tasks_ = classes_of(y), np.unique(tasks)
        self.scaling_ = Scaling(self.scaling).fit(x)
        x, hot = _with_ones(self.scaling_.transform(x)), (y[:, None] == self.classes_).astype(np.float64)
        sides = [(x[tasks == t], hot[tasks == t]) for t in self.tasks_]
        found = np.zeros((x.shape[1], len(sides), len(self.classes_)))
        found, self.converged_ = self._descend(sides, found)
        self.weights_, self.offsets_ = found[:-1], found[-1]
        self.selected_ = self.weights_.any((1, 2))
        return self

    def decision_function(self, x: Vectors, tasks: Labels) -> Vectors:
        """x [utterances, width] and ``tasks`` [utterances] -> [utterances, classes], the logarithms of softmax.

        A task that was not there in training gets the mean of the weights and offsets of all that were.
        """
        x = self.scaling_.transform(x)
        scores: Vectors = x @ self.weights_.mean(1) + self.offsets_.mean(0)
        for number, task in enumerate(self.tasks_):
            of = tasks == task
            scores[of] = x[of] @ self.weights_[:, number] + self.offsets_[number]
        return scores

    def _descend(self, sides: list[Side], start: Vectors) -> tuple[Vectors, bool]:
        """Weights over offsets [width + 1, tasks, classes], and whether they came to rest."""
        # The Hessian of softmax is at most a half, and tasks do not meet in it.
        steepest = max(0.5 * float(np.linalg.norm(x, 2)) ** 2 / len(x) for x, _ in sides)
        now, ahead, speed = start, start, 1.0
        for _ in range(self.iterations):
            step = ahead - gradient(sides, ahead) / steepest
            new = np.concatenate([shrunk(step[:-1], self.penalty / steepest), step[-1:]])
            if steepest * np.abs(ahead - new).max() <= self.tolerance:
                return new, True
            if ((ahead - new) * (new - now)).sum() > 0:
                speed = 1.0
            before, speed = speed, (1 + np.sqrt(1 + 4 * speed**2)) / 2
            ahead = new + (before - 1) / speed * (new - now)
            now = new
        return now, False


def gradient(sides: list[Side], weights: Vectors) -> Vectors:
    """Of the sum over tasks of the mean loss, by weights over offsets [width + 1, tasks, classes]."""
    parts = [x.T @ (softmax(x @ weights[:, t], axis=1) - hot) / len(x) for t, (x, hot) in enumerate(sides)]
    return np.stack(parts, axis=1)


def shrunk(weights: Vectors, by: float) -> Vectors:
    """The proximal map of ``by`` · the sum of norms: every feature's [tasks, classes] shorter by it, or zero."""
    norms = np.sqrt((weights**2).sum((1, 2), keepdims=True))
    left: Vectors = np.divide(np.maximum(norms - by, 0), norms, out=np.zeros_like(norms), where=norms > 0)
    return weights * left


def _with_ones(x: Vectors) -> Vectors:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def build(settings: Mapping[str, Any], seed: int, device: str) -> GMTFS:
    """Settings: penalty, iterations, tolerance, scaling ("standard" or "none"). Always on the CPU. Raises BadInput."""
    return GMTFS(settings["penalty"], settings["iterations"], settings["tolerance"], settings["scaling"])


def example() -> tuple[int, dict[str, Any], int]:
    """Width of a frame, small settings, and frames per utterance."""
    loop = {"penalty": 0.02, "iterations": 500, "tolerance": 1e-4}
    return 4, {"statistics": ("mean", "std"), "scaling": "standard"} | loop, 9

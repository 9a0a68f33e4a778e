"""Group multi-task feature selection: Zhang, Provost & Essl 2016 (Pinto et al., row 11).

A multinomial logistic regression per task (speech and song, by women and men), fitted jointly: with W [features, tasks,
classes] it minimises

    sum over tasks t of the mean over utterances of t of -log p(class)  +  penalty · sum over features f of |W_f|

where |W_f| is the Euclidean norm over all tasks and classes, so that a feature is used by all tasks or by none. The
offsets of classes are free. x [utterances, width] -> scores [utterances, classes].
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._scaling import Scaling
from ser.study.functionals import FUNCTIONALS
from ser.study.settings import setting

VERSION = 1
GIVES = "classes"
TAKES = "vectors"
TASKS = True
LOGITS = True

# One task: x with a column of ones [utterances, width + 1], and y as ones and zeros [utterances, classes].
Task = tuple[Vectors, Vectors]


@dataclass(frozen=True)
class Settings:
    """Settings of the fit; the penalty is ours."""

    statistics: tuple[str, ...] = setting(
        "functionals of the frames; none: an utterance has one frame", choices=FUNCTIONALS
    )
    scaling: str = setting("scaling of every feature on the training subset", "standard", choices=("none", "standard"))
    penalty: float = setting("weight of the features' norms in the loss", 0.01, low=0)
    iterations: int = setting("steps of the descent at most", 2000, low=1)
    tolerance: float = setting("largest component of the gradient at which the descent ends", 1e-4, low=0)


class GMTFS(Estimator):
    """Fitted by FISTA (Beck & Teboulle 2009), started anew where it overshoots (O'Donoghue & Candès 2015).

    ``weights_`` [width, tasks, classes] and ``offsets_`` [tasks, classes] are of the scaled features, ``selected_``
    [width] says which of these are used. ``converged_``: no component of the gradient (of its proximal map) exceeded
    ``tolerance`` within ``iterations``. Without a penalty, or for a class that a task never has, the best weights or
    offsets are infinite: then it ends with finite ones after ``iterations``, or as soon as they hardly matter.
    """

    def __init__(self, penalty: float, iterations: int, tolerance: float, scaling: str) -> None:
        self.penalty, self.iterations, self.tolerance, self.scaling = penalty, iterations, tolerance, scaling

    def fit(self, x: Vectors, y: Labels, tasks: Labels) -> "GMTFS":
        """Fits to x [utterances, width], y and ``tasks`` [utterances], any numbers. Raises BadInput."""
        self.classes_, self.tasks_ = classes_of(y), np.unique(tasks)
        self.scaling_ = Scaling(self.scaling).fit(x)
        x, hot = _with_ones(self.scaling_.transform(x)), (y[:, None] == self.classes_).astype(np.float64)
        pairs = [(x[tasks == t], hot[tasks == t]) for t in self.tasks_]
        zeros = np.zeros((x.shape[1], len(pairs), len(self.classes_)))
        weights, self.converged_ = self._descend(pairs, zeros)
        self.weights_, self.offsets_ = weights[:-1], weights[-1]
        self.selected_ = self.weights_.any((1, 2))
        return self

    def decision_function(self, x: Vectors, tasks: Labels) -> Vectors:
        """x [utterances, width] and ``tasks`` [utterances] -> [utterances, classes], the logarithms of softmax.

        A task that was not there in training gets the mean of the weights and offsets of all that were.
        """
        x = self.scaling_.transform(x)
        scores: Vectors = x @ self.weights_.mean(1) + self.offsets_.mean(0)
        for number, task in enumerate(self.tasks_):
            rows = tasks == task
            scores[rows] = x[rows] @ self.weights_[:, number] + self.offsets_[number]
        return scores

    def _descend(self, pairs: list[Task], weights: Vectors) -> tuple[Vectors, bool]:
        """Returns weights over offsets [width + 1, tasks, classes], and whether they came to rest."""
        # The Hessian of softmax is at most a half, and tasks do not meet in it.
        steepest = max(0.5 * float(np.linalg.norm(x, 2)) ** 2 / len(x) for x, _ in pairs)
        now, ahead, speed = weights, weights, 1.0
        for _ in range(self.iterations):
            step = ahead - gradient(pairs, ahead) / steepest
            new = np.concatenate([shrunk(step[:-1], self.penalty / steepest), step[-1:]])
            if steepest * np.abs(ahead - new).max() <= self.tolerance:
                return new, True
            if ((ahead - new) * (new - now)).sum() > 0:
                speed = 1.0
            before, speed = speed, (1 + np.sqrt(1 + 4 * speed**2)) / 2
            ahead = new + (before - 1) / speed * (new - now)
            now = new
        return now, False


def gradient(pairs: list[Task], weights: Vectors) -> Vectors:
    """Returns the gradient of the tasks' mean losses, summed, by weights over offsets [width + 1, tasks, classes]."""
    parts = [x.T @ (softmax(x @ weights[:, t], axis=1) - hot) / len(x) for t, (x, hot) in enumerate(pairs)]
    return np.stack(parts, axis=1)


def shrunk(weights: Vectors, by: float) -> Vectors:
    """Returns the proximal map of ``by`` · the sum of norms: each feature's [tasks, classes] shorter by it, or zero."""
    norms = np.sqrt((weights**2).sum((1, 2), keepdims=True))
    shares: Vectors = np.divide(np.maximum(norms - by, 0), norms, out=np.zeros_like(norms), where=norms > 0)
    return weights * shares


def _with_ones(x: Vectors) -> Vectors:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def build(settings: Settings, seed: int, device: str) -> GMTFS:
    """Returns the model, which always computes on the CPU."""
    return GMTFS(settings.penalty, settings.iterations, settings.tolerance, settings.scaling)


def example() -> tuple[int, Settings, int]:
    """Returns width of a frame, small settings, and frames per utterance."""
    return 4, Settings(statistics=("mean", "std"), penalty=0.02, iterations=500), 9

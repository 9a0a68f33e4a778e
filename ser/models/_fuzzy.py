"""Fuzzy C-means: Bezdek 1981, memberships and centres in turn."""

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import softmax

from ser.errors import BadInput
from ser.models._estimators import Estimator, Vectors


class FuzzyCMeans(Estimator):
    """Vectors [utterances, width] -> memberships [utterances, clusters], each row summing to one.

    It minimises the sum over utterances i and clusters j of u_ij^m |x_i - v_j|², with m the ``fuzzifier``, from
    ``starts`` draws of utterances as first centres, and keeps the best. A descent ends when no membership moves by more
    than ``tolerance``, or after ``iterations``; ``converged_`` says which. ``objectives_`` has the sum before each step
    and at the end, ``centres_`` is [clusters, width].

    ``sharpness_`` is Bezdek's partition coefficient, the mean over utterances of the sum of u²: 1 where each belongs to
    one cluster, 1 / clusters where memberships say nothing. So they end with m = 2 and more than a few features, all
    centres in one place (Winkler, Klawonn & Kruse 2011); a fuzzifier nearer one helps (Schwämmle & Jensen 2010).
    """

    def __init__(
        self, clusters: int, fuzzifier: float, starts: int, iterations: int, tolerance: float, seed: int
    ) -> None:
        if clusters < 2 or not fuzzifier > 1 or starts < 1 or iterations < 1:
            value = f"{clusters} clusters, fuzzifier {fuzzifier}, {starts} starts, {iterations} iterations"
            raise BadInput(value, "fuzzy C-means", "at least 2, more than 1, at least 1, at least 1", "change these")
        self.clusters, self.fuzzifier = clusters, fuzzifier
        self.starts, self.iterations, self.tolerance, self.seed = starts, iterations, tolerance, seed

    def fit(self, x: Vectors, y: object = None) -> "FuzzyCMeans":
        """Finds the centres in x [utterances, width]; ``y`` has no effect.

        Raises BadInput for fewer utterances than clusters.
        """
        if len(x) < self.clusters:
            remedy = "take fewer clusters, or train on more"
            raise BadInput(f"{len(x)} utterances", "fuzzy C-means", f"at least {self.clusters}, its clusters", remedy)
        draw = np.random.default_rng(self.seed)
        best = np.inf
        for _ in range(self.starts):
            centres, objectives, converged = self._descend(x, x[draw.choice(len(x), self.clusters, replace=False)])
            if objectives[-1] < best:
                best = objectives[-1]
                self.centres_, self.objectives_, self.converged_ = centres, objectives, converged
        self.sharpness_ = float((self.transform(x) ** 2).sum(1).mean())
        return self

    def transform(self, x: Vectors) -> Vectors:
        """Returns the memberships of x [utterances, width] -> [utterances, clusters]."""
        return memberships(cdist(x, self.centres_, "sqeuclidean"), self.fuzzifier)

    def _descend(self, x: Vectors, centres: Vectors) -> tuple[Vectors, list[float], bool]:
        """Alternates from ``centres``: returns the last, the objective at each step, and whether it came to rest."""
        squares = cdist(x, centres, "sqeuclidean")
        u = memberships(squares, self.fuzzifier)
        objectives = [_objective(u, squares, self.fuzzifier)]
        for _ in range(self.iterations):
            weights = u**self.fuzzifier
            total = weights.sum(0)
            # A cluster that hardly has members (a fuzzifier near one) stays where it is.
            held = total > np.finfo(np.float64).tiny
            centres = centres.copy()
            centres[held] = (weights.T[held] @ x) / total[held, None]
            squares = cdist(x, centres, "sqeuclidean")
            before, u = u, memberships(squares, self.fuzzifier)
            objectives.append(_objective(u, squares, self.fuzzifier))
            if np.abs(u - before).max() <= self.tolerance:
                return centres, objectives, True
        return centres, objectives, False


def memberships(squares: Vectors, fuzzifier: float) -> Vectors:
    """Squared distances [utterances, clusters] -> u_ij = 1 / sum over k of (d_ij / d_ik)^(2 / (m - 1)).

    An utterance at a centre belongs to it alone, and to equal parts to all centres that it coincides with.
    """
    at = squares == 0
    logs = np.log(np.where(at, 1, squares))  # powers of a fuzzifier near one would overflow
    u: Vectors = softmax(-logs / (fuzzifier - 1), axis=1)
    rows = at.any(1)
    u[rows] = at[rows] / at[rows].sum(1, keepdims=True)
    return u


def _objective(u: Vectors, squares: Vectors, fuzzifier: float) -> float:
    return float((u**fuzzifier * squares).sum())

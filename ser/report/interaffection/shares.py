"""In which share of the cases each network, each part of it and each corpus wins: counting for Tables 3 to 5.

A case is a row of a target's scores (which configuration is best?) or a column (which combination is best?). A case
hands out one credit. It counts only if all its trials are there, so an unfinished study shows smaller n and never a
guess. The best of a case is the best on test, as in the paper, or the best by validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ser.report.content import Cell
from ser.report.expected_shares import expected, null_shares
from ser.report.interaffection.results import Configuration
from ser.report.interaffection.scores import Evidence, Scores
from ser.report.statistics import AS_EQUAL, Floats, complete_cases, credit, interval_of_wins

TEST, VALIDATION = "test", "validation"  # on which utterances a winner is the best


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of cases that options win."""

    share: Floats  # [options]
    replicates: Floats  # [replicates, options]; none by validation, whose predictions are not saved
    null: Floats  # [replicates, options], if all options were equally good; see ``null_shares``
    n: int  # cases counted
    of: int  # cases
    clusters: int = 0  # speakers or utterances that the replicates draw, of the target that has fewest

    def cell(self, option: int) -> Cell:
        """Returns an option's share with its interval."""
        return interval_of_wins(self.share[option], self.replicates[:, option], self.clusters)

    def if_equal(self, option: int) -> Cell:
        """Returns the share to be expected if nothing differed, with the range of 95 % of the replicates."""
        return expected(self.null[:, [option]])[0]

    def beyond(self, option: int) -> str:
        """Returns whether a share is ``above`` or ``below`` that range; "" within it."""
        share, chance = float(self.share[option]), self.if_equal(option)
        return "above" if share > chance.high + AS_EQUAL else "below" if share < chance.low - AS_EQUAL else ""

    def times(self, weights: Floats) -> "Shares":
        """Returns the shares of sums of options; ``weights`` [options, sums]."""
        replicates, null = self.replicates @ weights, self.null @ weights
        return Shares(self.share @ weights, replicates, null, self.n, self.of, self.clusters)


def configuration_shares(evidence: Evidence, metric: str, ties: str, by: str = TEST) -> Shares:
    """Share of the cases of all targets in which each configuration is the best."""
    points, draws, clusters, of = [], [], [], 0
    for scores in evidence.scores:
        point, replicates = measured(scores, metric, by)
        rows, exist = complete_cases(point)
        points.append(point[rows])
        draws.append(replicates[:, rows])
        clusters += [scores.sample.clusters] * bool(rows.any())
        of += exist
    return _shares(np.concatenate(points), np.concatenate(draws, axis=1), of, ties, min(clusters, default=0))


def presence_shares(scores: Scores, metric: str, corpora: Sequence[str], ties: str, by: str = TEST) -> Shares:
    """Share of the configurations whose best combination for this target holds each of ``corpora``."""
    point, replicates = (values.swapaxes(-1, -2) for values in measured(scores, metric, by))
    columns, of = complete_cases(point)
    best = _shares(point[columns], replicates[:, columns], of, ties, scores.sample.clusters)
    holds = np.array([[name in combination for name in corpora] for combination in scores.combinations], np.float64)
    return best.times(holds.reshape(len(scores.combinations), len(corpora)))


def measured(scores: Scores, metric: str, by: str) -> tuple[Floats, Floats]:
    """Returns accuracies [combinations, configurations] and their replicates; by validation there are none of these."""
    if by == VALIDATION:
        values = scores.validation[metric]
        return values, np.empty((0, *values.shape))
    return scores.point[metric], scores.replicates[metric]


def _shares(point: Floats, draws: Floats, of: int, ties: str, clusters: int) -> Shares:
    n = len(point)
    if n == 0:
        nothing = np.full((len(draws), point.shape[1]), np.nan)
        return Shares(np.full(point.shape[1], np.nan), nothing, nothing, 0, of)
    wins, null = credit(draws, ties).mean(axis=1), null_shares(point, draws, ties, clusters)
    return Shares(credit(point, ties).mean(axis=0), wins, null, n, of, clusters)


def over_targets(shares: Sequence[Shares]) -> Shares:
    """Returns the mean shares over targets that have a case; holes without any."""
    counted = [each for each in shares if each.n] or list(shares)
    share, replicates = (np.mean([getattr(each, name) for each in counted], axis=0) for name in ("share", "replicates"))
    nulls = [each.null for each in counted]
    if len({len(null) for null in nulls}) > 1:  # where one target has few speakers, or a single case, so has the mean
        nulls = [null.mean(axis=0, keepdims=True) if len(null) else null for null in nulls]
    null = np.mean(nulls, axis=0) if all(map(len, nulls)) else np.empty((0, share.size))
    n, of = sum(each.n for each in shares), sum(each.of for each in shares)
    return Shares(share, replicates, null, n, of, min(each.clusters for each in counted))


def marginals(shares: ArrayLike, configurations: Sequence[Configuration]) -> dict[str, Floats]:
    """Sums of ``shares`` [..., configurations] over all configurations with one block, one pooling or one task.

    >>> sums = marginals([1, 2, 4], [("lstm", "mean", "multi"), ("tdnn", "mean", "multi"), ("tdnn", "mean", "unified")])
    >>> {name: float(value) for name, value in sums.items()}
    {'lstm': 1.0, 'tdnn': 6.0, 'mean': 7.0, 'multi': 3.0, 'unified': 4.0}
    """
    values = np.asarray(shares, np.float64)
    return {
        name: values[..., [c[axis] == name for c in configurations]].sum(axis=-1)
        for axis in range(3)
        for name in dict.fromkeys(c[axis] for c in configurations)
    }

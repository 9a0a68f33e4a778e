"""Shares of wins that are to be expected if nothing differed, to stand beside those that were counted.

Somebody always wins. Of twelve configurations that are all equally good each is the best in a twelfth of the cases,
and with few cases that hang together one of them easily in a fifth of them.

The draws of the bootstrap are centred: each option's own mean over the replicates is taken away, so that all have the
same expected value, and the winners are counted in every replicate by the same rules as in the tables (Hall and
Wilson, "Two guidelines for bootstrap hypothesis testing", Biometrics 47, 1991). What remains is the noise as it is:
options that are measured less well win more often, trainings that are shared tie, and the cases of a corpus win
together because they share speakers. To permute the names of the options within each case would take cases as
independent, and the range would be too narrow; to permute them once for all cases of a corpus would count options that
differ everywhere in the same way as chance, and it would be too wide. With one seed the draws hold the noise of the
test side alone; that of training, which is independent between cases, would make ranges narrower.

Of fewer than ``FEW_CLUSTERS`` speakers there are too few different replicates to count winners in (of two speakers,
two): then equal chances stand there, without a range. A single case has one winner, whatever the chances are: of it
nothing is expected.
"""

import numpy as np

from ser.report.content import Cell
from ser.report.statistics import FEW_CLUSTERS, Floats, complete_cases, credit


def null_draws(draws: Floats) -> Floats:
    """Returns draws [replicates, …] of which every option has mean 0: the noise alone. -inf (no such option) stays.

    Count with these as with the draws themselves, and give the shares to ``expected``.
    """
    absent = np.isneginf(draws)
    counted = np.where(absent, 0.0, draws)
    undefined = np.isnan(counted)
    total = np.where(undefined, 0.0, counted).sum(axis=0)
    defined = (~undefined).sum(axis=0)
    means = np.divide(total, defined, out=np.full(total.shape, np.nan), where=defined > 0)
    return np.where(absent, -np.inf, counted - means)


def expected(shares: Floats) -> list[Cell]:
    """Returns the expected share of each option, with the range of 95 % of replicates, from [replicates, options].

    Shares are those that ``null_draws`` give; undefined replicates do not count. Without any, all are holes.
    """
    return [_mean_and_range(column) for column in shares.T]


def _mean_and_range(shares: Floats) -> Cell:
    defined = shares[np.isfinite(shares)]
    if defined.size < 2:
        return Cell(float(defined[0]) if defined.size else np.nan)
    low, high = np.percentile(defined, (2.5, 97.5))
    return Cell(float(defined.mean()), float(low), float(high))


def null_shares(point: Floats, draws: Floats, ties: str = "fractional", clusters: int = 0) -> Floats:
    """Returns the share of cases that each option wins in every replicate if nothing differs: [replicates, options].

    ``point`` [cases, options] and ``draws`` [replicates, cases, options] of complete cases; ``clusters``: the speakers
    (or utterances) behind the draws, 0 = many. Of few, one line of equal chances; of a single case, none.
    """
    if len(point) < 2:
        return np.empty((0, point.shape[1]))
    if 0 < clusters < FEW_CLUSTERS:
        return equal_chances(point)[None][: len(draws)]
    return np.asarray(credit(null_draws(draws), ties).mean(axis=1))


def equal_chances(point: Floats) -> Floats:
    """Returns the share of cases that each option would win if all that a case has had the same chance: [options]."""
    options = np.isfinite(point)
    return np.asarray((options / options.sum(axis=1, keepdims=True)).mean(axis=0))


def expected_shares(
    point: Floats, draws: Floats, ties: str = "fractional", groups: Floats | None = None, clusters: int = 0
) -> list[Cell]:
    """Returns the share of complete cases that each option would win if nothing differed, with its 95 % range.

    ``point`` [cases, options] says which cases are complete, ``draws`` are [replicates, cases, options]. ``groups``
    [options, groups]: 1 where an option belongs to a group (a combination holds a corpus); then the shares are those of
    the groups. ``clusters``: as of ``null_shares``. Without two complete cases all are holes; without draws the
    expected shares are those of equal chances, without a range.
    """
    complete, _ = complete_cases(point)
    members = np.eye(point.shape[1]) if groups is None else groups
    if complete.sum() < 2:
        return [Cell(np.nan)] * members.shape[1]
    if not len(draws):
        return [Cell(float(share)) for share in equal_chances(point[complete]) @ members]
    return expected(null_shares(point[complete], draws[:, complete], ties, clusters) @ members)

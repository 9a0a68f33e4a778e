"""Wilcoxon's signed-rank test, as ``scipy.stats.wilcoxon`` computes it, whose import alone takes half a second.

Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bull. 1, 1945; Demšar, "Statistical comparisons of
classifiers over multiple data sets", J. Mach. Learn. Res. 7, 2006, section 3.1.3.
"""

from math import erfc, sqrt

import numpy as np

from ser.report.statistics import Floats, Integers

_EXACT = 50  # differences at most of which all signs are counted
_EXACT_TIED = 13  # the same where some are tied, or 0


def wilcoxon(differences: Floats) -> float:
    """Returns the two-sided p of differences [cases] that are symmetric about 0; ties share the mean of their ranks.

    Differences of 0 are ranked too, and count by halves for both signs. Of up to 50 differences, 13 where some are
    tied or 0, p is exact; of more it is the normal distribution's, corrected for ties and not for continuity.
    """
    count = len(differences)
    _, which, counts = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    ranks = (2 * np.cumsum(counts) - counts + 1)[which]  # doubled: whole numbers
    is_signed = differences != 0
    plus = ranks[differences > 0].sum() + ranks[~is_signed].sum() / 2
    is_tied = len(counts) < count or not is_signed.all()
    if count <= (_EXACT_TIED if is_tied else _EXACT):
        return _exact(ranks[is_signed], int(ranks[differences > 0].sum()))
    variance = (count * (count + 1) * (2 * count + 1) - (counts.astype(float) ** 3 - counts).sum() / 2) / 24
    return erfc(abs(plus / 2 - count * (count + 1) / 4) / sqrt(2 * variance))


def _exact(ranks: Integers, plus: int) -> float:
    """Twice the rarer tail, at most 1, of the sum of ranks that bear a plus, over all signs."""
    ways = np.ones(1)
    for rank in ranks.tolist():
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    tails = ways[: plus + 1].sum(), ways[plus:].sum()
    return min(1.0, 2 * float(min(tails)) / 2.0 ** len(ranks))

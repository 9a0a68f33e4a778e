"""Wilcoxon's test gives what SciPy's gives, and what counting all signs gives."""

import warnings
from itertools import product

import numpy as np
import pytest
from scipy import stats

from ser.report.signed_ranks import wilcoxon

RNG = np.random.default_rng(5)
SIZES = (2, 3, 5, 8, 13, 14, 20, 50, 51, 90)
KINDS = {
    "all different": lambda size: RNG.normal(0.2, 1, size),
    "tied": lambda size: RNG.choice([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], size),
    "tied and zeros": lambda size: RNG.integers(-2, 4, size).astype(float),
    "zeros": lambda size: np.where(RNG.random(size) < 0.3, 0.0, RNG.normal(0.3, 1, size)),
    "of one sign": lambda size: RNG.permutation(np.arange(1.0, size + 1)),
    "one is not 0": lambda size: np.eye(size)[0],
}


@pytest.mark.parametrize("kind", KINDS)
def test_p_is_scipys(kind):
    for size in SIZES:
        for _ in range(3 if size < 13 else 1 if size == 13 else 20):  # SciPy goes through all signs of up to 13
            differences = KINDS[kind](size)
            if not differences.any():
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = stats.wilcoxon(differences, zero_method="zsplit").pvalue
            assert wilcoxon(differences) == pytest.approx(expected, rel=1e-9, abs=1e-14), differences.tolist()


def test_p_counts_all_signs():
    differences = np.array([0.0, 1.0, -1.0, 2.0, 2.0, 4.0])
    ranks = np.array([1, 2.5, 2.5, 4.5, 4.5, 6])
    sums = np.array([ranks[[False, *plus]].sum() + 0.5 for plus in product((False, True), repeat=5)])
    seen = 0.5 + 2.5 + 4.5 + 4.5 + 6
    assert wilcoxon(differences) == 2 * min((sums <= seen).mean(), (sums >= seen).mean())

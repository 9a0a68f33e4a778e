"""Whether two values of a setting are equivalent: two one-sided tests of a paired difference against a margin (TOST).

A test that finds no difference does not show that there is none. Equivalence is shown where the difference is surely
less than a margin that was stated beforehand: both one-sided tests at 5 % reject a difference as great as the margin,
which is so just where the 90 % interval of the difference lies within it (Schuirmann, "A comparison of the two
one-sided tests procedure and the power approach for assessing the equivalence of average bioavailability",
J. Pharmacokinet. Biopharm. 15, 1987; Lakens, "Equivalence tests", Soc. Psychol. Personal. Sci. 8, 2017).

Speakers and seeds both vary. The bootstrap that draws both counts what each training has of its own three times (Owen
2007): wide intervals do no harm to a claim that two settings differ, but nothing would ever be equivalent. Here the
variance of the mean is that of a table of speakers by seeds with random effects of both: by speakers, plus by seeds,
less what is of a single speaker under a single seed, which is in both of them; never less than either of the first two.
Each is the jackknife's, so that it holds for the UA, too, which is no mean over speakers (Efron and Stein, "The
jackknife estimate of variance", Ann. Stat. 9, 1981; MacKinnon, Nielsen and Webb, "Jackknife inference with two-way
clustering", 2024). Student's t has as many degrees of freedom as there are speakers or seeds, of both the fewer, less
one. In simulations of ten speakers in five folds and two networks, 95 % intervals held the truth in 97 to 99 % of cases
with five seeds and in 95 to 99 % with ten, and a difference as great as the margin passed as equivalent in at most 3 %;
those of the bootstrap held it in all. Of a single seed nothing is decided: what another training of the same network
would differ by is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from ser.errors import BadInput, unknown
from ser.report.content import Cell
from ser.report.counted import Counted
from ser.report.runs import Options
from ser.report.statistics import AS_EQUAL, Bools, Floats
from ser.study import Study, settable_paths

LEVEL = 0.05  # of each one-sided test
EQUIVALENT, DIFFERENT, UNDECIDED = "equivalent", "different", "undecided"


@dataclass(frozen=True, eq=False)
class Changes:
    """What the second of two values changes of one accuracy on one corpus, all else equal; nan: a seed is not there."""

    whole: Floats  # [cases, seeds]
    without: Floats  # with each speaker left out [speakers, cases, seeds]
    tested: Bools  # whether a case has any utterance of a speaker [speakers, cases]

    @property
    def by_speaker(self) -> Floats:
        """``without`` of those speakers whom some case has."""
        return self.without[self.tested.any(axis=1)]


@dataclass(frozen=True)
class Equivalence:
    """A paired difference of accuracies, 0 … 1, beside a margin."""

    difference: float
    error: float  # its standard error, nan: unknown
    freedom: int  # degrees of freedom
    margin: float
    seeds: int = 2

    def interval(self, level: float) -> Cell:
        """Returns the difference with its interval of Student's t; without one where nothing varies."""
        if not self.error > AS_EQUAL:
            return Cell(self.difference)
        half = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return Cell(self.difference, self.difference - half, self.difference + half)

    @property
    def p(self) -> float:
        """That of the two one-sided tests together: the greater one's; nan where it is unknown."""
        if not self.error > AS_EQUAL or self.seeds < 2:
            return np.nan
        return float(stdtr(self.freedom, (abs(self.difference) - self.margin) / self.error))

    @property
    def least_margin(self) -> float:
        """The least margin within which the two would be equivalent; nan where it is unknown, or of a single seed."""
        if self.seeds < 2:
            return np.nan
        inner = self.interval(1 - 2 * LEVEL)
        return max(abs(inner.low), abs(inner.high))

    @property
    def verdict(self) -> str:
        """``EQUIVALENT``, also where the difference is surely not 0, but small; ``DIFFERENT``, ``UNDECIDED``."""
        outer = self.interval(0.95)
        if self.seeds < 2:
            return UNDECIDED
        if self.least_margin < self.margin:
            return EQUIVALENT
        return DIFFERENT if outer.low > 0 or outer.high < 0 else UNDECIDED


def changes(counted: Counted, places: Mapping[tuple[int, int], tuple[int, int]]) -> tuple[Changes, Changes]:
    """Returns what is changed of WA and of UA on a corpus.

    ``places``: of each (case, seed) the numbers of its two results in ``counted``.
    """
    cases, seeds = (max(key[side] for key in places) + 1 for side in (0, 1))
    speakers = counted.clusters
    whole = np.full((2, cases, seeds), np.nan)
    without = np.full((2, speakers, cases, seeds), np.nan)
    plain = counted.accuracies(np.ones((1, speakers), np.float32))
    left_out = counted.accuracies(1 - np.eye(speakers, dtype=np.float32))
    for (case, seed), (first, second) in places.items():
        whole[:, case, seed] = plain[:, 0, second] - plain[:, 0, first]
        without[:, :, case, seed] = left_out[:, :, second] - left_out[:, :, first]
    has = counted.tested
    tested = np.zeros((speakers, cases), bool)
    for (case, _), results in places.items():
        tested[:, case] |= has[:, results].any(axis=1)
    return Changes(whole[0], without[0], tested), Changes(whole[1], without[1], tested)


def equivalence(corpora: Sequence[Changes], margin: float) -> Equivalence:
    """Returns the mean difference over all cases of all corpora, of each over its seeds, beside ``margin``.

    Seeds are the same in all corpora; their speakers are others. Without a second speaker or seed nothing is known of
    what others would change: of a single seed the error is that over speakers alone, and nothing is decided.
    """
    values = np.concatenate([one.whole for one in corpora])
    mean = float(_means(values))
    seeds = np.flatnonzero(np.isfinite(values).any(axis=0))
    starts = np.cumsum([0, *(len(one.whole) for one in corpora)])
    fewest = min(len(one.by_speaker) for one in corpora)
    if fewest < 2:
        return Equivalence(mean, np.nan, 0, margin)
    by_speaker = by_cell = 0.0
    for one, start in zip(corpora, starts, strict=False):
        rows, without = slice(start, start + len(one.whole)), one.by_speaker
        every = np.repeat(values[None], len(without), axis=0)
        every[:, rows] = without
        by_speaker += _jackknife(_means(every))
        cells = np.repeat(values[None, None], len(without), axis=0).repeat(len(seeds), axis=1)
        for place, seed in enumerate(seeds):
            cells[:, place, rows, seed] = without[:, :, seed]
        by_cell += _residual(_means(cells))
    if len(seeds) < 2:
        return Equivalence(mean, float(np.sqrt(by_speaker)), fewest - 1, margin, len(seeds))
    fewer = np.repeat(values[None], len(seeds), axis=0)
    fewer[np.arange(len(seeds)), :, seeds] = np.nan
    by_seed = _jackknife(_means(fewer))
    variance = max(by_speaker + by_seed - by_cell, by_speaker, by_seed)
    return Equivalence(mean, float(np.sqrt(variance)), min(fewest, len(seeds)) - 1, margin, len(seeds))


def _means(values: Floats) -> Floats:
    """[…, cases, seeds] → […]: over cases of their means over seeds; nan does not count."""
    for _ in range(2):
        count = np.isfinite(values).sum(axis=-1)
        total = np.nan_to_num(values).sum(axis=-1)
        values = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return values


def _jackknife(values: Floats) -> float:
    """The variance of a statistic by its values [n] with each of n left out; nan does not count."""
    defined = values[np.isfinite(values)]
    return float((len(defined) - 1) * defined.var()) if len(defined) else np.nan


def _residual(values: Floats) -> float:
    """The part of single speakers under single seeds in the variance, by what the mean is without each of them.

    ``values`` [speakers, seeds]; linear, they give the mean square of the residuals, divided by speakers and seeds.
    """
    speakers, seeds = values.shape
    if seeds < 2:
        return 0.0
    residuals = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return float((residuals**2).sum() * (speakers - 1) / speakers * seeds / (seeds - 1))


def check(study: Study, options: Options) -> None:
    """Raises BadInput for a margin that is none, and for a setting that the study does not have."""
    if not 0 < options.margin < 1:
        allowed = "percent points above 0 and below 100"
        raise BadInput(f"{100 * options.margin:g}", "--margin", allowed, "state what difference would not matter: 2")
    if options.equivalence not in (paths := settable_paths(study)):
        raise unknown(options.equivalence, "--equivalence", paths, "name one of these")

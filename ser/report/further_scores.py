"""More numbers of a result than WA and UA, with intervals: F1, calibration, shares of confusion, by sex, by speaker.

All are functions of sums over utterances, so that a bootstrap replicate of speakers weighs the sums of each speaker:
see ``ser.report.bootstrap``. A value is the mean over seeds; where seeds move the split, each is of its own utterances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ser.metrics import calibration
from ser.metrics.accuracy import row_shares
from ser.metrics.calibration import BINS
from ser.metrics.f1 import macro_f1s, weighted_f1s
from ser.report.bootstrap import Sample, clusters_of, draws_of, seed_weights
from ser.report.content import Cell
from ser.report.predictions import LabelPredictions
from ser.report.runs import Options
from ser.report.statistics import DIFFERENCE, SHARE, Floats, Integers, interval

SEXES = {"F": "female", "M": "male"}
ACCURACIES = ("wa", "ua", "macro_f1", "weighted_f1")
CALIBRATION = ("confidence", "excess", "ece", "nll", "brier")
_GROUPS = ("", *SEXES)  # all, and those of each sex
_BY_SEX = tuple(f"{metric}_{sex}" for sex in SEXES for metric in ("wa", "ua"))
_GAPS = ("wa_gap", "ua_gap")  # female - male
_NAMES = (*ACCURACIES, *CALIBRATION, *_BY_SEX, *_GAPS)
_FEWEST = 3  # speakers of a sex that an interval needs: two that happen to be alike would seem certain
_CHUNK = 2_000_000  # values that are held at once


@dataclass(frozen=True, eq=False)
class Best:
    """One of the best results of a study on a corpus, chosen in some way.

    ``tests`` are its predictions, one for each seed, the folds of a seed put together (``pooled_labels``); with
    probabilities where they were saved. ``classes`` are the names of their classes.
    """

    corpus: str
    how: str  # it was chosen: "test UA", "validation UA"
    title: str  # of its setting
    tests: tuple[LabelPredictions, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class SpeakerScore:
    """The accuracies of one speaker, means over the seeds that were tested on them."""

    speaker: str
    sex: str  # "F", "M" or ""
    utterances: int
    wa: float
    ua: float


@dataclass(frozen=True, eq=False)
class Scores:
    """All further numbers of one result. A value that is undefined is nan; what has no interval says none."""

    best: Best
    sample: Sample
    cells: Mapping[str, Cell]  # of ACCURACIES, CALIBRATION, ``ua_F``, ``ua_M``, ``ua_gap`` and the same of wa
    shares: tuple[tuple[Cell, ...], ...]  # the confusion matrix normalised by row [classes][classes]
    counts: NDArray[np.int64]  # the same as counts, summed over seeds, rows = truth
    by_speaker: tuple[SpeakerScore, ...]  # the worst UA first; () where speakers are unknown
    speakers_of: Mapping[str, int]  # sex → its speakers; 0 where speakers are unknown
    utterances_of: Mapping[str, int]  # sex → its utterances


def scores_of(best: Best, options: Options, seed: int = 0) -> Scores:
    """Returns all numbers of a result, with intervals by ``options``."""
    people = _People.of(best.tests, options.resample)
    size = len(best.classes)
    sums = [_sums(test, people, size) for test in best.tests]
    certain = any(not np.isfinite(_losses(test)[0]).all() for test in best.tests)
    with_chances = all(test.probabilities is not None for test in best.tests)
    rng = np.random.default_rng(seed)
    plain = _mean_over_seeds(sums, np.ones((1, people.clusters)), np.ones((1, len(sums))), size)[0]
    draws = _draws(sums, people.clusters, options.replicates, rng, size)
    cells = {}
    for place, name in enumerate(_NAMES):
        if name in CALIBRATION and not with_chances:
            cells[name] = Cell(float("nan"))
        elif name == "nll" and certain:
            cells[name] = Cell(float("inf"))
        elif name == "ece" or (people.clusters_for(name) < _FEWEST and name in (*_BY_SEX, *_GAPS)):
            cells[name] = Cell(float(plain[place]))  # resamples of few utterances have a larger ECE: no interval
        else:
            cells[name] = interval(plain[place], draws[:, place], people.clusters_for(name), _limits(name))
    start = len(_NAMES)
    matrix = [interval(plain[start + i], draws[:, start + i], people.clusters, SHARE) for i in range(size**2)]
    return Scores(
        best,
        Sample(len(people.uids), people.speakers, people.by_speaker, len(best.tests)),
        cells,
        tuple(tuple(matrix[i * size : (i + 1) * size]) for i in range(size)),
        np.sum([test.counts for test in best.tests], axis=0),
        _by_speaker(best.tests, people, size),
        {sex: len({who for who, of in zip(people.names, people.sexes, strict=True) if of == sex and who})
         for sex in SEXES},
        {sex: people.sexes.count(sex) for sex in SEXES},
    )  # fmt: skip


def _limits(name: str) -> tuple[float, float]:
    """Between which values a number lies."""
    if name in ("nll", "brier"):
        return 0.0, np.inf if name == "nll" else 2.0
    return DIFFERENCE if name == "excess" or name in _GAPS else SHARE


# --- who was tested ---


@dataclass(frozen=True, eq=False)
class _People:
    """The utterances that any seed was tested on, whose they are, and what the bootstrap draws."""

    uids: Mapping[str, int]  # → their place
    names: Sequence[str]  # speaker of each, "" = unknown
    sexes: Sequence[str]  # "F", "M", or unknown
    cluster: Integers  # number of what is drawn, of each
    clusters: int
    speakers: int  # 0 = unknown
    by_speaker: bool

    @classmethod
    def of(cls, tests: Sequence[LabelPredictions], resample: str) -> "_People":
        facts: dict[str, tuple[str, str]] = {}
        for test in tests:
            unknown = ("",) * len(test.uids)
            for uid, speaker, sex in zip(test.uids, test.speakers or unknown, test.sexes or unknown, strict=True):
                facts.setdefault(uid, (speaker, sex))
        names, sexes = [speaker for speaker, _ in facts.values()], [sex for _, sex in facts.values()]
        cluster, speakers = clusters_of(names, resample)
        by_speaker = resample == "speaker" and speakers > 0
        places = {uid: place for place, uid in enumerate(facts)}
        return cls(places, names, sexes, cluster, int(cluster.max(initial=-1)) + 1, speakers, by_speaker)

    def places(self, test: LabelPredictions) -> Integers:
        """Where each utterance of a test stands [utterances]."""
        return np.array([self.uids[uid] for uid in test.uids], np.int64)

    def clusters_for(self, name: str) -> int:
        """What a number's interval rests on: where it is of a sex, what was drawn of this, of a gap of the smaller."""
        of = {sex: len(np.unique(self.cluster[np.array(self.sexes) == sex])) for sex in SEXES}
        if name in _GAPS:
            return min(of.values())
        return of.get(name.rpartition("_")[2], self.clusters)


def _by_speaker(tests: Sequence[LabelPredictions], people: _People, size: int) -> tuple[SpeakerScore, ...]:
    if not people.speakers:
        return ()
    number = {name: place for place, name in enumerate(dict.fromkeys(people.names))}
    of_utterance = np.array([number[name] for name in people.names], np.int64)
    scores = np.full((2, len(tests), len(number)), np.nan)
    for place, test in enumerate(tests):
        cells = (of_utterance[people.places(test)] * size + test.truth) * size + test.predicted
        counts = np.bincount(cells.astype(np.int64), minlength=len(number) * size**2).reshape(-1, size, size)
        scores[:, place] = _wa(counts), _ua(counts)
    count = np.bincount(of_utterance)
    sex = dict(zip(people.names, people.sexes, strict=True))
    means = np.nanmean(scores, axis=1)
    each = [
        SpeakerScore(name, sex[name], int(count[place]), float(means[0, place]), float(means[1, place]))
        for name, place in number.items()
    ]
    return tuple(sorted(each, key=lambda score: (round(score.ua, 9), score.speaker)))


# --- sums of each speaker, and what follows of them ---


def _sums(test: LabelPredictions, people: _People, size: int) -> sparse.csr_array:
    """[clusters, sums]: confusion matrices of all, female and male; of calibration what ``_numbers`` reads."""
    places = people.places(test)
    cluster, matrix = people.cluster[places], test.truth.astype(np.int64) * size + test.predicted
    sexes = np.array(people.sexes)[places]
    rows, columns, values = [], [], []

    def add(where: Integers, column: Integers, value: Floats) -> None:
        rows.append(where)
        columns.append(column)
        values.append(value)

    for group, sex in enumerate(_GROUPS):
        inside = sexes == sex if sex else np.ones(len(sexes), bool)
        add(cluster[inside], group * size**2 + matrix[inside], np.ones(int(inside.sum())))
    start = len(_GROUPS) * size**2
    if test.probabilities is not None:
        confidence = test.probabilities.max(axis=1).astype(np.float64)
        right = (test.probabilities.argmax(axis=1) == test.truth).astype(np.float64)
        surprise, square = _losses(test)
        add(cluster, start + calibration.bins_of(confidence), right - confidence)
        for place, each in enumerate((confidence, np.where(np.isfinite(surprise), surprise, 0), square)):
            add(cluster, np.full(len(places), start + BINS + place), each)
    shape = people.clusters, start + BINS + 3
    parts = [np.concatenate(part) for part in (values, rows, columns)]
    return sparse.coo_array((parts[0], (parts[1], parts[2])), shape).tocsr()


def _losses(test: LabelPredictions) -> tuple[Floats, Floats]:
    if test.probabilities is None:
        return np.zeros(0), np.zeros(0)
    return calibration.losses(test.truth, test.probabilities)


def _numbers(sums: Floats, size: int) -> Floats:
    """[replicates, sums] → [replicates, names and shares of the confusion matrix]; nan = undefined."""
    start = len(_GROUPS) * size**2
    counts = sums[:, :start].reshape(-1, len(_GROUPS), size, size)
    whole = counts[:, 0]
    total = whole.sum(axis=(1, 2))
    total = np.where(total > 0, total, np.nan)
    wa, ua = _wa(counts), _ua(counts)
    confidence, surprise, square = sums[:, start + BINS :].T / total
    error = np.abs(sums[:, start : start + BINS]).sum(axis=1) / total
    columns = [wa[:, 0], ua[:, 0], macro_f1s(whole), weighted_f1s(whole)]
    columns += [confidence, confidence - wa[:, 0], error, surprise, square]
    columns += [wa[:, 1], ua[:, 1], wa[:, 2], ua[:, 2], wa[:, 1] - wa[:, 2], ua[:, 1] - ua[:, 2]]
    shares = row_shares(whole).reshape(len(sums), -1)
    return np.concatenate([np.stack(columns, axis=1), shares], axis=1)


def _wa(counts: NDArray[np.generic]) -> Floats:
    """WA of confusion matrices [..., classes, classes]; nan without utterances."""
    total = np.asarray(counts, np.float64).sum(axis=(-2, -1))
    shares: Floats = np.trace(counts, axis1=-2, axis2=-1) / np.where(total > 0, total, np.nan)
    return shares


def _ua(counts: NDArray[np.generic]) -> Floats:
    """UA of the same: the mean recall of the classes that are present."""
    rows = np.asarray(counts, np.float64).sum(axis=-1)
    recall = np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(rows, 1e-9)
    present = (rows > 0).sum(axis=-1)
    means: Floats = np.where(rows > 0, recall, 0).sum(axis=-1) / np.where(present > 0, present, np.nan)
    return means


def _draws(
    sums: Sequence[sparse.csr_array], clusters: int, replicates: int, rng: np.random.Generator, size: int
) -> Floats:
    """[replicates, numbers] of replicates of speakers and seeds."""
    seeds = seed_weights(len(sums), replicates, rng).astype(np.float64)
    step = max(1, _CHUNK // max(clusters, sums[0].shape[1]))
    parts = [np.empty((0, len(_NAMES) + size**2))]
    for start in range(0, replicates, step):
        weights = draws_of(clusters, min(step, replicates - start), rng)
        parts.append(_mean_over_seeds(sums, np.nan_to_num(weights), seeds[start : start + step], size))
    return np.concatenate(parts)


def _mean_over_seeds(sums: Sequence[sparse.csr_array], weights: Floats, seeds: Floats, size: int) -> Floats:
    """[replicates, numbers]: ``weights`` [replicates, clusters], ``seeds`` [replicates, seeds]; nan has no weight."""
    total = weight = np.zeros((len(weights), len(_NAMES) + size**2))
    for place, each in enumerate(sums):
        values = _numbers(np.asarray((each.T @ weights.T).T, np.float64), size)
        share = np.where(np.isnan(values), 0.0, seeds[:, place, None])
        total, weight = total + np.nan_to_num(values) * share, weight + share
    means: Floats = np.full(total.shape, np.nan)
    np.divide(total, weight, out=means, where=weight > 0)
    return means

"""The bootstrap of all reports: over speakers, whole, and over seeds; paired between the results of a corpus.

Utterances of one speaker are alike, so that a resample of utterances makes intervals too narrow for other speakers. A
replicate draws whole speakers with replacement: the cluster bootstrap (Davison and Hinkley, "Bootstrap Methods and
their Application", 1997, section 3.8; Field and Welsh, "Bootstrapping clustered data", J. R. Stat. Soc. B 69, 2007).
Where a setting was trained with several seeds, seeds are drawn as well.

Of n speakers a replicate draws n - 1, and of k seeds k - 1: draws of all n would have (n - 1) / n of the variance that
they are to show, two thirds of it with three seeds (Rao and Wu, "Resampling inference with complex survey data", J. Am.
Stat. Assoc. 83, 1988). ``ser.report.statistics.interval`` widens the percentiles where speakers are few, and
takes Student's t where they are fewer than five.

Where seeds move the split, intervals are rather too wide: speakers and seeds are both drawn, and what belongs to a
speaker under one seed counts twice (Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 1, 2007). In simulations 95 %
intervals held the truth in 94 % of cases with 10 and with 30 speakers (by utterance: in 66 %), in 91 % with 5 and 6, in
94 to 95 % with 2 to 4; in 98 % where five seeds each tested half of 20 speakers; in 85 % with three seeds that differed
more than speakers.

What is assumed: speakers are independent of each other (the two of a dialogue are not quite), and stand for those that
one wants to know about; so do seeds. Whether a corpus stands for others is not in any interval.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser.errors import BadInput
from ser.report.content import Cell
from ser.report.counted import Counted, Counts
from ser.report.predictions import LabelPredictions
from ser.report.runs import RESAMPLED, Options
from ser.report.statistics import FEW_CLUSTERS, SHARE, Bools, Floats, Integers, interval

_CHUNK = 1_000_000  # values per replicate that are held at once


@dataclass(frozen=True)
class Sample:
    """What was resampled, for the notes."""

    utterances: int
    speakers: int  # 0 = unknown
    by_speaker: bool  # whether whole speakers were drawn; else utterances
    seeds: int = 1

    @property
    def clusters(self) -> int:
        """The number of what was drawn: speakers, or utterances."""
        return self.speakers if self.by_speaker else self.utterances


@dataclass(frozen=True, eq=False)
class Tested:
    """Predictions of many results on one corpus, side by side. A result is one setting with one seed, its folds pooled.

    Results need not be of the same utterances: another seed may split the corpus in another way.
    """

    truth: Integers  # class index [utterances] (union over all results)
    correct: Bools  # [utterances, results]
    present: Bools  # [utterances, results]: whether the result was tested on the utterance
    speakers: Integers  # number of each utterance's speaker [utterances]; all different: unknown, or by utterance
    setting: Integers  # setting of each result [results]
    seed: Integers  # number of each result's seed [results]
    speaker_count: int = 0  # speakers of the utterances, also where utterances are drawn; 0 = unknown
    by_speaker: bool = True  # whether ``speakers`` are speakers

    @property
    def sample(self) -> Sample:
        """What is resampled."""
        count = self.speaker_count or (len(np.unique(self.speakers)) if self.by_speaker else 0)
        return Sample(len(self.truth), count, self.by_speaker, len(np.unique(self.seed)))

    def sample_of(self, setting: int) -> Sample:
        """Returns what is resampled of one setting: its own utterances, speakers and seeds."""
        of_setting = self.setting == setting
        inside = self.present[:, of_setting].any(axis=1)
        speakers = len(np.unique(self.speakers[inside])) if self.by_speaker else 0
        return Sample(int(inside.sum()), speakers, self.by_speaker, len(np.unique(self.seed[of_setting])))


def tested_of(results: Sequence[tuple[int, int, LabelPredictions]], resample: str) -> Tested:
    """Returns results on one corpus side by side: (setting, seed, predictions of all its folds).

    ``resample``: "speaker" or "utterance". Where no result tells the speaker of some utterance (older runs do not),
    utterances are drawn. An utterance that results label differently is one for each label. Raises BadInput for another
    ``resample``.
    """
    places: dict[tuple[str, int, int], int] = {}  # (name, label, how often it came before in the result) → row
    names: list[str] = []  # speaker of each row
    shared: dict[tuple[tuple[str, ...], bytes, bool], Integers] = {}  # thousands of results are on the same utterances
    rows = []
    for _, _, test in results:
        key = test.uids, test.truth.tobytes(), bool(test.speakers)
        if key not in shared:
            shared[key] = _rows_of(test, places, names)
        rows.append(shared[key])
    truth = np.array([label for _, label, _ in places], np.int64)
    correct = np.zeros((len(truth), len(results)), bool)
    present = np.zeros((len(truth), len(results)), bool)
    for column, ((_, _, test), where) in enumerate(zip(results, rows, strict=True)):
        correct[where, column] = test.correct
        present[where, column] = True
    clusters, count = clusters_of(names, resample)
    setting, seed = (np.array([result[side] for result in results], np.int64) for side in (0, 1))
    return Tested(truth, correct, present, clusters, setting, seed, count, resample == "speaker" and count > 0)


def _rows_of(test: LabelPredictions, places: dict[tuple[str, int, int], int], names: list[str]) -> Integers:
    """The row of each of a result's utterances; new ones are added to ``places``, their speakers to ``names``."""
    repeats: dict[tuple[str, int], int] = {}
    rows = np.empty(len(test.uids), np.int64)
    speakers = test.speakers or ("",) * len(test.uids)
    for i, (uid, label, speaker) in enumerate(zip(test.uids, test.truth.tolist(), speakers, strict=True)):
        repeats[uid, label] = repeats.get((uid, label), -1) + 1
        rows[i] = places.setdefault((uid, label, repeats[uid, label]), len(places))
        if rows[i] == len(names):
            names.append(speaker)
        else:
            names[rows[i]] = names[rows[i]] or speaker
    return rows


def clusters_of(speakers: Sequence[str], resample: str) -> tuple[Integers, int]:
    """Returns what is drawn, as a number of each utterance, and how many speakers there are, 0 = unknown.

    ``speakers``: the name of each utterance's speaker, "" = unknown; where one is, each utterance is drawn for itself.
    Raises BadInput for another ``resample``.
    """
    if resample not in RESAMPLED:
        raise BadInput(repr(resample), "resample", ", ".join(RESAMPLED), "choose one of them")
    named = bool(speakers) and all(speakers)
    number = {name: place for place, name in enumerate(sorted(set(speakers)))}
    if named and resample == "speaker":
        return np.array([number[name] for name in speakers], np.int64), len(number)
    return np.arange(len(speakers)), len(number) if named else 0


# --- draws ---


def draws_of(count: int, replicates: int, rng: np.random.Generator) -> Counts:
    """Returns how often each replicate draws each of ``count`` clusters or seeds: [replicates, count].

    It draws ``count`` - 1 in all. Of a single one nothing can be learnt of others: no number, nan.
    """
    if count < 2:
        return np.full((replicates, count), np.nan, np.float32)
    places = rng.integers(count, size=(replicates, count - 1)) + count * np.arange(replicates)[:, None]
    return np.bincount(places.ravel(), minlength=replicates * count).reshape(replicates, count).astype(np.float32)


def seed_weights(seeds: int, replicates: int, rng: np.random.Generator) -> Counts:
    """Returns how often each replicate draws each seed: [replicates, seeds]. A single seed is always there."""
    return draws_of(seeds, replicates, rng) if seeds > 1 else np.ones((replicates, seeds), np.float32)


def _parts(replicates: int, width: int) -> Iterator[int]:
    step = max(1, _CHUNK // max(width, 1))
    for start in range(0, replicates, step):
        yield min(step, replicates - start)


# --- any measure ---


def clusters_of_tests(
    uids: Sequence[Sequence[str]], speakers: Sequence[Sequence[str]], resample: str
) -> tuple[list[Integers], Sample]:
    """Returns what is drawn, as a number of each utterance of each test (one per seed), and what was resampled.

    Names are unique: of several corpora, each has its corpus in front. Seeds may test other utterances. Where one test
    does not know its speakers, utterances are drawn. Raises BadInput for another ``resample``.
    """
    sizes = list(map(len, uids))
    every = list(dict.fromkeys(uid for test in uids for uid in test))
    named = sizes == list(map(len, speakers))
    clusters, count = clusters_of([name for test in speakers for name in test] if named else [""], resample)
    by_speaker = resample == "speaker" and count > 0
    if not by_speaker:
        place = {uid: number for number, uid in enumerate(every)}
        clusters = np.array([place[uid] for test in uids for uid in test], np.int64)
    return np.split(clusters, np.cumsum(sizes)[:-1]), Sample(len(every), count, by_speaker, len(uids))


def measure_draws(
    measures: Sequence[Callable[[Counts], Floats]],
    clusters: Sequence[Integers],
    metrics: int,
    replicates: int,
    rng: np.random.Generator,
) -> Floats:
    """Returns means over tests (one per seed) of every replicate: [replicates, metrics].

    ``measures``: of each test, from how often replicates have each of its utterances [replicates, utterances] to
    [replicates, metrics]; what is undefined (nan) is left out of the mean. ``clusters`` as of ``clusters_of_tests``.
    Of a single cluster all is nan.
    """
    count = max((int(numbers.max()) + 1 for numbers in clusters if numbers.size), default=0)
    draws = np.full((replicates, metrics), np.nan)
    if count < 2:
        return draws
    seeds = seed_weights(len(measures), replicates, rng)
    start = 0
    for size in _parts(replicates, max(map(len, clusters))):
        weights = draws_of(count, size, rng)
        sums, total = np.zeros((2, size, metrics))
        for place, (measure, numbers) in enumerate(zip(measures, clusters, strict=True)):
            values = measure(weights[:, numbers])
            share = np.where(np.isnan(values), 0.0, seeds[start : start + size, place, None])
            sums += np.nan_to_num(values) * share
            total += share
        np.divide(sums, total, out=draws[start : start + size], where=total > 0)
        start += size
    return draws


# --- accuracies ---


def counted_of(tested: Tested) -> Counted:
    """Returns the counts from which accuracies of replicates are made."""
    return Counted.of(tested.truth, tested.correct, tested.present, tested.speakers)


def accuracy_draws(tested: Tested, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Returns WA and UA of settings [2, settings], and those of every replicate [2, replicates, settings].

    A setting's value is the mean over its seeds. A replicate draws speakers and seeds, the same for all settings, so
    that differences are paired; a result that has no utterance of the drawn speakers is left out of its setting's mean.
    nan: a setting without results, and every replicate where there is a single speaker. A class of which no utterance
    was drawn does not count for the UA of a replicate.
    """
    counted = counted_of(tested)
    over_seeds = _Mean(tested.setting)
    seeds, seed = np.unique(tested.seed, return_inverse=True)
    plain = over_seeds(counted.accuracies(np.ones((1, counted.clusters), np.float32)), np.ones((1, len(seed))))[:, 0]
    draws = np.full((2, replicates, over_seeds.settings), np.nan)
    if counted.clusters < 2:
        return plain, draws
    drawn_seeds = seed_weights(len(seeds), replicates, rng).astype(np.float64)
    start = 0
    for size in _parts(replicates, max(counted.clusters, len(seed))):
        values = counted.accuracies(draws_of(counted.clusters, size, rng))
        draws[:, start : start + size] = over_seeds(values, drawn_seeds[start : start + size, seed])
        start += size
    return plain, draws


class _Mean:
    """The weighted mean over the results of each setting."""

    def __init__(self, setting: Integers) -> None:
        self._order = np.argsort(setting, kind="stable")
        self._numbers, self._starts = np.unique(setting[self._order], return_index=True)
        self.settings = int(setting.max(initial=-1)) + 1

    def __call__(self, values: Floats, weights: Floats) -> Floats:
        """[2, replicates, results] and [replicates, results] → [2, replicates, settings]; nan has no weight."""
        means = np.full((*values.shape[:2], self.settings), np.nan)
        if not self._order.size:
            return means
        for metric, scores in enumerate(values):
            undefined = np.isnan(scores)
            weight = np.where(undefined, 0.0, weights)
            weighted = np.where(undefined, 0.0, scores) * weight
            if len(self._starts) < len(self._order):
                weight, weighted = (
                    np.add.reduceat(v[:, self._order], self._starts, axis=1) for v in (weight, weighted)
                )
            else:
                weight, weighted = (v[:, self._order] for v in (weight, weighted))
            mean = np.divide(weighted, weight, out=np.full(weight.shape, np.nan), where=weight > 0)
            means[metric][:, self._numbers] = mean
        return means


def mean_accuracies(
    tests: Sequence[LabelPredictions], replicates: int, resample: str = "speaker", seed: int = 0
) -> tuple[Cell, Cell]:
    """Returns WA and UA: means over ``tests`` (one per seed), with intervals; without tests both are holes."""
    if not tests:
        return Cell(float("nan")), Cell(float("nan"))
    tested = tested_of([(0, number, test) for number, test in enumerate(tests)], resample)
    point, draws = accuracy_draws(tested, replicates, np.random.default_rng(seed))
    wa, ua = (interval(point[i, 0], draws[i, :, 0], tested.sample.clusters, SHARE) for i in (0, 1))
    return wa, ua


# --- words ---


def words(options: Options, samples: Mapping[str, Sample], folds_repeat: bool = False) -> str:
    """Says in the notes what the intervals are: corpus → what was resampled of it. "" where there are no intervals.

    ``folds_repeat``: what counts as seeds are trainings: folds, too, whose models were tested on the same utterances.
    """
    if not options.replicates or not samples:
        return ""
    kinds = {sample.by_speaker for sample in samples.values()}
    text = f"Intervals: 95 % percentiles of {options.replicates} bootstrap replicates, paired within a corpus. "
    if True in kinds:
        text += (
            "A replicate draws whole speakers with replacement (cluster bootstrap), because utterances of one speaker "
            "are alike; few speakers widen the interval as Student's t does. Where all replicates agree there is none. "
        )
    if False in kinds:
        text += "A replicate draws utterances"
        text += " of corpora whose speakers the runs do not tell" if options.resample == "speaker" else ", as asked for"
        text += ": as utterances of one speaker are alike, such intervals are too narrow for other speakers. "
    if any(sample.seeds > 1 for sample in samples.values()):
        if folds_repeat:
            text += "Trainings are drawn too: seeds, and folds whose models were tested on the same utterances. "
        else:
            text += "Seeds are drawn too, so that the intervals cover what another seed would change. "
        if not folds_repeat and any(1 < sample.seeds < FEW_CLUSTERS for sample in samples.values()):
            text += f"Fewer than {FEW_CLUSTERS} seeds leave them too narrow where seeds differ more than speakers do. "
    else:
        text += "There is one seed: what another one would change is not in the intervals. "
    repeats = "trainings" if folds_repeat else "seeds"
    text += f"Drawn from: {'; '.join(f'{name}: {_size(sample, repeats)}' for name, sample in samples.items())}."
    if few := [name for name, sample in samples.items() if 1 < sample.clusters < FEW_CLUSTERS]:
        text += (
            f" With fewer than {FEW_CLUSTERS} an interval is Student's t over the replicates, wide, and means little: "
            f"{', '.join(few)}."
        )
    if single := [name for name, sample in samples.items() if sample.clusters == 1]:
        text += f" With a single one there is none: {', '.join(single)}."
    return text


def _size(sample: Sample, repeats: str) -> str:
    counts = [(sample.speakers, "speaker"), (sample.utterances, "utterance")]
    texts = [f"{n} {word}{'s' if n != 1 else ''}" for n, word in counts if n]
    return ", ".join([*texts, f"{sample.seeds} {repeats}"] if sample.seeds > 1 else texts)

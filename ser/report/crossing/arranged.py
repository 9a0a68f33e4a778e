"""All results on strangers, and on corpora trained on, by training set and by the other settings, with paired draws.

On a corpus every result draws the same speakers and seeds, so that differences of two training sets, of two settings or
of a head and the mean of all heads are paired. The folds of a seed are one test side where they test different
utterances; where each fold's model is tested on the same ones, each is a repeat, as another seed is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ser.report.bootstrap import Sample, accuracy_draws, tested_of
from ser.report.content import Cell
from ser.report.crossing.tested import CrossRun, Test, facts_of, tests_of, unseen_of
from ser.report.groups import fold_of, repeat_of
from ser.report.predictions import LabelPredictions, pooled_labels
from ser.report.runs import Expected, Finished, Options
from ser.report.settings import axes_of
from ser.report.statistics import METRICS, SHARE, Floats, Integers, interval
from ser.study.trial import UNSEEN

Values = tuple[str, ...]  # one of each axis but the corpora
Training = tuple[str, ...]  # names of corpora
Key = tuple[Training, Values]
MEAN = ""  # the answer of a trial, beside those of its single heads


@dataclass(frozen=True, eq=False)
class Result:
    """A training set with all other settings, tested on a corpus."""

    corpus: str
    learned: Training
    values: Values
    head: str  # whose answer it is; MEAN: the trial's
    runs: tuple[Finished, ...]
    repeats: int  # seeds, or seeds and folds
    point: Mapping[str, float]  # metric → mean over the repeats
    draws: Mapping[str, Floats]  # metric → [replicates]
    counts: Integers  # the confusion matrix summed over repeats, rows = truth
    sample: Sample
    uids: tuple[str, ...]  # of the first repeat

    @property
    def seen(self) -> bool:
        """Whether other speakers of the corpus were trained on."""
        return self.corpus in self.learned

    def cell(self, metric: str) -> Cell:
        """Returns a metric with its interval, and what it comes from."""
        cell = interval(self.point[metric], self.draws[metric], self.sample.clusters, SHARE)
        words = f"{self.corpus}: {' · '.join(self.values)}; trained on {' + '.join(self.learned)}"
        return cell.from_runs((run.run_id for run in self.runs), self.sample.utterances, words)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Every result across corpora of a study."""

    expected: Expected
    heads: tuple[str, ...]  # names of the axes but the corpora
    planned: tuple[Key, ...]  # training sets and settings that there are to be, in the order of the study
    results: Mapping[tuple[str, Key], Result]  # (corpus, key) → the trial's own answer
    of_heads: Mapping[tuple[str, Key], tuple[Result, ...]]  # answers of the single heads of the same
    in_turn: bool  # whether some corpora are left out of training, and the others may not be tested
    facts: Mapping[str, Sequence[Mapping[str, Any]]]  # stranger → what the tests told of it
    samples: Mapping[str, Sample]

    @cached_property
    def strangers(self) -> tuple[str, ...]:
        """Corpora that some trial was tested on without having learned from them; the study's own ones first."""
        names = dict.fromkeys(corpus for (corpus, _), result in self.results.items() if not result.seen)
        members = [c.name for c in self.expected.corpora if c.name in names]
        return (*members, *(name for name in names if name not in members))

    @cached_property
    def trainings(self) -> tuple[Training, ...]:
        """The training sets, small ones first."""
        sets = dict.fromkeys(learned for learned, _ in self.planned)
        return tuple(sorted(sets, key=len))

    @cached_property
    def learned(self) -> tuple[str, ...]:
        """All corpora that some trial learns from."""
        names = dict.fromkeys(name for learned in self.trainings for name in learned)
        members = [c.name for c in self.expected.corpora if c.name in names]
        return (*members, *(name for name in names if name not in members))

    @cached_property
    def values(self) -> tuple[Values, ...]:
        """The other settings."""
        return tuple(dict.fromkeys(values for _, values in self.planned))

    @cached_property
    def common(self) -> tuple[Values, ...]:
        """The other settings that every training set is to have."""
        planned = set(self.planned)
        return tuple(v for v in self.values if all((learned, v) in planned for learned in self.trainings))

    def compared(self, learned: Training) -> tuple[Values, ...]:
        """Returns the settings whose mean stands for a training set: those of all sets, or its own where none are."""
        return self.common or tuple(values for training, values in self.planned if training == learned)

    def words(self, learned: Training) -> str:
        """Returns a training set by its letters: ``I+T``."""
        return "+".join(self.expected.letters.get(name, name) for name in learned)

    def clusters(self, corpora: Iterable[str]) -> int:
        """Returns the speakers (or utterances) of the corpus that has the fewest."""
        return min((self.samples[name].clusters for name in corpora if name in self.samples), default=0)


def arranged(runs: Iterable[CrossRun], expected: Expected, options: Options) -> Arrangement:
    """Reads every run and arranges it. Raises BadInput for predictions that fit no class."""
    by_corpus: dict[str, list[Test]] = {}
    with_facts: list[CrossRun] = []
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}  # names, which thousands of tests have in common
    for each in runs:
        for test in tests_of(each, expected.classes):
            by_corpus.setdefault(test.corpus, []).append(_slim(test, shared))
        files = {name: ("", facts) for name, (_, facts) in each.files.items()}
        with_facts.append(CrossRun(replace(each.run, text=""), files))
    finished = {test.run.run_id: test.run for tests in by_corpus.values() for test in tests}
    values_of, heads, planned = _settings(list(finished.values()), expected)
    results: dict[tuple[str, Key], Result] = {}
    single: dict[tuple[str, Key], tuple[Result, ...]] = {}
    for place, (corpus, tests) in enumerate(by_corpus.items()):
        for result in _on(corpus, tests, values_of, options, np.random.default_rng([1, place])):
            cell = corpus, (result.learned, result.values)
            planned.setdefault(cell[1], None)
            if result.head == MEAN:
                results[cell] = result
            else:
                single[cell] = (*single.get(cell, ()), result)
    in_turn = any(unseen_of(run.params) for run in finished.values())
    return Arrangement(
        expected, heads, tuple(planned), results, single, in_turn, facts_of(with_facts), _samples(results.values())
    )


def _slim(test: Test, shared: dict[tuple[str, ...], tuple[str, ...]]) -> Test:
    """The test with the same objects for equal names of utterances and speakers."""

    def slim(answers: LabelPredictions) -> LabelPredictions:
        uids, speakers = (shared.setdefault(column, column) for column in (answers.uids, answers.speakers))
        return replace(answers, uids=uids, speakers=speakers)

    return replace(test, answers=slim(test.answers), heads={name: slim(one) for name, one in test.heads.items()})


def _samples(results: Iterable[Result]) -> dict[str, Sample]:
    """What is drawn of each corpus, of the result that was tested on most."""
    samples: dict[str, Sample] = {}
    for result in results:
        before = samples.get(result.corpus)
        if before is None or result.sample.utterances > before.utterances:
            samples[result.corpus] = result.sample
    return samples


# --- settings ---


def _settings(
    runs: Sequence[Finished], expected: Expected
) -> tuple[dict[str, Values], tuple[str, ...], dict[Key, None]]:
    """The values of each run on all axes but the corpora, the names of these, and the keys that are planned.

    Where a corpus trains nothing and points do not say so, only runs tell what is learned from: nothing is planned.
    """
    axes = axes_of(runs, expected)
    places = [place for place, path in enumerate(axes.paths) if path not in ("corpora", UNSEEN, f"role.{UNSEEN}")]

    def of(values: Sequence[str]) -> Values:
        return tuple(values[place] for place in places)

    planned: dict[Key, None] = {}
    points = [point for _, point in expected.trials if "corpora" in point]
    is_planned = not any(unseen_of(run.params) for run in runs) or any(UNSEEN in point for point in points)
    if axes.stated and is_planned:
        planned = {(_learned_at(point), of(axes.planned(point))): None for point in points}
    return {run.run_id: of(axes.values(run)) for run in runs}, of(axes.heads), planned


def _learned_at(point: Mapping[str, Any]) -> Training:
    return tuple(name for name in point["corpora"] if name != point.get(UNSEEN))


# --- results ---


def _on(
    corpus: str, tests: Sequence[Test], values_of: Mapping[str, Values], options: Options, rng: np.random.Generator
) -> list[Result]:
    """All results on one corpus, those of single heads as well, with paired draws."""
    entries: dict[tuple[Training, Values, str], list[tuple[Test, LabelPredictions]]] = {}
    for test in tests:
        answers = {MEAN: test.answers} | (dict(test.heads) if not test.seen else {})
        for head, answer in answers.items():
            entries.setdefault((test.learned, values_of[test.run.run_id], head), []).append((test, answer))
    pooled = {key: _repeats(parts) for key, parts in entries.items()}
    numbers = {name: i for i, name in enumerate(sorted({name for each in pooled.values() for name in each}))}
    parts = [(i, numbers[name], test) for i, each in enumerate(pooled.values()) for name, test in each.items()]
    tested = tested_of(parts, options.resample)
    point, draws = accuracy_draws(tested, options.replicates, rng)
    return [
        Result(
            corpus,
            *key,
            runs=tuple(test.run for test, _ in entries[key]),
            repeats=len(pooled[key]),
            point=dict(zip(METRICS, point[:, i].tolist(), strict=True)),
            draws=dict(zip(METRICS, draws[:, :, i], strict=True)),
            counts=np.sum([test.counts for test in pooled[key].values()], axis=0),
            sample=tested.sample_of(i),
            uids=next(iter(pooled[key].values())).uids,
        )
        for i, key in enumerate(pooled)
    ]


def _repeats(parts: Sequence[tuple[Test, LabelPredictions]]) -> dict[tuple[str, ...], LabelPredictions]:
    """The predictions of each repeat: folds pooled where they test different utterances, else each fold for itself."""
    by_seed: dict[tuple[str, ...], dict[int, LabelPredictions]] = {}
    for test, answer in parts:
        by_seed.setdefault(repeat_of(test.run), {})[fold_of(test.run)] = answer
    repeats: dict[tuple[str, ...], LabelPredictions] = {}
    for seed, folds in by_seed.items():
        if sum(len(one.uids) for one in folds.values()) == len({uid for one in folds.values() for uid in one.uids}):
            repeats[seed] = pooled_labels(list(folds.values())) if len(folds) > 1 else next(iter(folds.values()))
        else:
            repeats |= {(*seed, f"{fold:06}"): one for fold, one in folds.items()}
    return repeats

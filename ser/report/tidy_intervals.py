"""Sizes and intervals of single tests: how many utterances a run was tested on, and how sure its accuracies are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ser.report.bootstrap import accuracy_draws, tested_of
from ser.report.predictions import LabelPredictions, utterances_of
from ser.report.runs import Options
from ser.report.statistics import METRICS, SHARE, interval
from ser.report.table import Cell

_MOST_TESTS = 256  # tests of the same utterances that are resampled at once
_HELD = 2000  # tests that wait for others, at most

Receiver = Callable[[str, Cell], None]  # takes a metric and its value with the interval
_Utterances = tuple[str, tuple[tuple[str, ...], bytes], tuple[str, ...]]  # corpus, those with their labels, speakers


@dataclass
class Intervals:
    """WA and UA of tests with the intervals of a report: paired, drawn from the same stream for every corpus.

    ``corpora``: in the order by which a report numbers their streams; others come behind.
    """

    corpora: Sequence[str]
    options: Options
    _waiting: dict[_Utterances, list[tuple[LabelPredictions, Receiver]]] = field(default_factory=dict)
    _streams: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def add(self, corpus: str, test: LabelPredictions, receive: Receiver) -> None:
        """Takes in a test; ``receive`` gets its numbers, at the latest with ``finish``."""
        self._streams = self._streams or {name: place for place, name in enumerate(self.corpora)}
        self._streams.setdefault(corpus, len(self._streams))
        key = corpus, utterances_of(test), test.speakers
        self._waiting.setdefault(key, []).append((test, receive))
        self._count += 1
        if len(self._waiting[key]) == _MOST_TESTS:
            self._measure(key)
        elif self._count >= _HELD:
            self.finish()

    def finish(self) -> None:
        """Measures all tests that wait."""
        for key in list(self._waiting):
            self._measure(key)

    def _measure(self, key: _Utterances) -> None:
        tests = self._waiting.pop(key)
        self._count -= len(tests)
        tested = tested_of([(i, 0, test) for i, (test, _) in enumerate(tests)], self.options.resample)
        rng = np.random.default_rng([0, self._streams[key[0]]])
        point, draws = accuracy_draws(tested, self.options.replicates, rng)
        for i, (_, receive) in enumerate(tests):
            for number, metric in enumerate(METRICS):
                receive(metric, interval(point[number, i], draws[number, :, i], tested.sample.clusters, SHARE))

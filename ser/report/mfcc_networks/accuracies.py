"""Accuracies of the networks of Khan et al. and of the plain reference, paired over speakers and seeds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser.report.bootstrap import Sample, accuracy_draws, tested_of
from ser.report.comparison_tables import p_text
from ser.report.comparisons import pairwise_over_speakers
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.mfcc_networks.groups import TestedSetting
from ser.report.predictions import LabelPredictions
from ser.report.reference import label, reference_labels
from ser.report.runs import Expected, Options
from ser.report.statistics import DIFFERENCE, METRICS, SHARE, Floats, interval


@dataclass(frozen=True, eq=False)
class Tests:
    """What was tested on a corpus: settings by title, the plain reference last, if there is one."""

    corpus: str
    titles: tuple[str, ...]
    seeds: tuple[int, ...]  # of each
    point: Floats  # WA and UA [2, titles]
    draws: Floats  # [2, replicates, titles]
    sample: Sample
    reference: str  # its title, "" = none

    def cell(self, title: str, metric: str) -> Cell:
        """WA or UA with its interval; a hole where it was not tested."""
        if title not in self.titles:
            return Cell(np.nan)
        i, place = METRICS.index(metric), self.titles.index(title)
        return interval(self.point[i, place], self.draws[i, :, place], self.sample.clusters, SHARE)

    def difference(self, first: str, second: str, metric: str) -> Cell:
        """How much more the first is than the second, paired."""
        i, a, b = METRICS.index(metric), self.titles.index(first), self.titles.index(second)
        draws = self.draws[i, :, a] - self.draws[i, :, b]
        return interval(self.point[i, a] - self.point[i, b], draws, self.sample.clusters, DIFFERENCE)


def tests_of(settings: Sequence[TestedSetting], expected: Expected, options: Options) -> dict[str, Tests]:
    """Returns the tests on every corpus that has any."""
    references = reference_labels(expected, options)
    out = {}
    for corpus in expected.tested:
        by_title: dict[str, list[LabelPredictions]] = {
            one.title: list(one.tests(corpus)) for one in settings if one.tests(corpus)
        }
        if not by_title:
            continue
        name = label(expected) if references.get(corpus) else ""
        by_title |= {name: references[corpus]} if name else {}
        seeds = {
            one.title: [int(seed) for seed, _ in one.answers.get(corpus, {})]
            for one in settings
            if one.title in by_title
        }
        parts = [
            (place, seeds.get(title, range(len(tests)))[number], test)
            for place, (title, tests) in enumerate(by_title.items())
            for number, test in enumerate(tests)
        ]
        tested = tested_of(parts, options.resample)
        point, draws = accuracy_draws(tested, options.replicates, np.random.default_rng(0))
        counts = tuple(len(tests) for tests in by_title.values())
        out[corpus] = Tests(corpus, tuple(by_title), counts, point, draws, tested.sample, name)
    return out


def differences(tests: Mapping[str, Tests]) -> Table:
    """Returns whether any two networks, or one and the reference, differ."""
    rows = []
    for corpus, one in tests.items():
        pairs = {
            metric: pairwise_over_speakers(one.point[i], one.draws[i], one.sample.clusters)
            for i, metric in enumerate(METRICS)
        }
        for wa, ua in zip(pairs["wa"], pairs["ua"], strict=True):
            name = f"{one.titles[wa.second]} − {one.titles[wa.first]}"
            cells = (wa.difference, p_text(wa.adjusted), ua.difference, p_text(ua.adjusted))
            n, of = min(one.seeds[wa.first], one.seeds[wa.second]), max(one.seeds[wa.first], one.seeds[wa.second])
            rows.append(Row(corpus, name, cells, n, of))
    return Table(
        "differences",
        "Do the networks differ?",
        "Differences in points, paired over the speakers (or utterances) and seeds that are resampled. p: whether "
        "others would show it, corrected after Holm for the pairs of a corpus; below 0.05 a difference holds.",
        ("WA", "p", "UA", "p, UA"),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        brief=0 < len(rows) <= 30,
        named="Networks",
    )


def findings(settings: Sequence[TestedSetting], tests: Mapping[str, Tests]) -> Iterator[str]:
    """Says where the reference, on the same features and split, is better than a network as stated, if it surely is."""
    for corpus, one in tests.items():
        for setting in settings:
            if not one.reference or setting.refitted or setting.title not in one.titles:
                continue
            ahead = one.difference(one.reference, setting.title, "wa")
            if ahead.low > 0:
                theirs, ours = (
                    f"{100 * one.cell(title, 'wa').value:.1f} %" for title in (one.reference, setting.title)
                )
                yield (
                    f"On {corpus} the {one.reference}, on the same features and split, has {theirs} and "
                    f"{setting.title} {ours} (difference {100 * ahead.value:.1f} points, 95 % interval "
                    f"{100 * ahead.low:.1f} to {100 * ahead.high:.1f}): the data allow more than this network shows."
                )


def size_in_words(tests: Tests | None) -> str:
    """``120 utterances, 12 speakers``; a hole without tests."""
    if tests is None:
        return HOLE
    speakers = f", {tests.sample.speakers} speakers" if tests.sample.speakers else ""
    return f"{tests.sample.utterances} utterances{speakers}"

"""What speaker independence costs, where both protocols train on equally many utterances; elsewhere why not.

With more utterances to learn from, a system is better, whoever is tested: five folds that share speakers train on 60 %
of a corpus, leaving one of 24 speakers out trains on 92 %. Then the difference says nothing of speakers alone.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ser.report.content import Cell, Row, Table
from ser.report.runs import Options
from ser.report.statistics import DIFFERENCE, METRICS, interval
from ser.report.survey.results import PROTOCOLS, Bench, Result
from ser.report.survey.tables import TYPESET, CellValue, short_reason

AS_LARGE = 0.05  # training subsets whose sizes differ by no more are of one size
_HOLE = Cell(float("nan"))


@dataclass(frozen=True)
class Size:
    """Utterances that are trained on, means over the folds of a protocol."""

    train: float
    with_validation: float  # of both subsets

    def equals(self, other: "Size") -> bool:
        """Whether both are of one size, whichever subsets a system learns from."""
        pairs = ((self.train, other.train), (self.with_validation, other.with_validation))
        return all(abs(a - b) <= AS_LARGE * max(a, b) for a, b in pairs)


Sizes = Mapping[tuple[str, str], Size]  # (corpus, protocol) → size


def training_sizes(bench: Bench, options: Options) -> Sizes:
    """Returns the sizes that the runs' split proofs tell; without those of which a proof is missing."""
    runs: dict[tuple[str, str], dict[tuple[str, str], str]] = {}  # one run of each seed and fold
    for (corpus, protocol, _), result in bench.results.items():
        for fold in result.folds:
            runs.setdefault((corpus, protocol), {}).setdefault((fold.seed, fold.number), fold.run_id)
    sizes = {}
    for place, run_ids in runs.items():
        texts = [options.file(run_id, f"split/{place[0]}.json") for run_id in run_ids.values()]
        counts = [json.loads(text)["utterances"] for text in texts if text]
        if counts and len(counts) == len(texts):
            train, validation = (float(np.mean([each.get(name, 0) for each in counts])) for name in ("train", "val"))
            sizes[place] = Size(train, train + validation)
    return sizes


def comparable(bench: Bench, sizes: Sizes) -> list[str]:
    """Returns the corpora of which both protocols train on equally many utterances."""
    return [c for c in _in_both(bench) if _equal(sizes, c)]


def _in_both(bench: Bench) -> list[str]:
    return [c for c in bench.expected.tested if all((c, p) in bench.folds for p in PROTOCOLS)]


def _equal(sizes: Sizes, corpus: str) -> bool:
    of_both = [sizes.get((corpus, protocol)) for protocol in PROTOCOLS]
    return of_both[0] is not None and of_both[1] is not None and of_both[0].equals(of_both[1])


def notes(bench: Bench, sizes: Sizes) -> Iterator[str]:
    """Says where the table of costs is not shown, and why."""
    for corpus in _in_both(bench):
        if _equal(sizes, corpus) or not any(key[0] == corpus for key in bench.results):
            continue
        both = [sizes.get((corpus, protocol)) for protocol in PROTOCOLS]
        means = [f"{size.train:.0f} ({name})" for name, size in zip(PROTOCOLS.values(), both, strict=True) if size]
        why = "the sizes are not known of both"
        if len(means) > 1:
            why = f"they train on {' and '.join(means)}, means over the folds"
        yield (
            f"What speaker independence costs on {corpus} is not shown: SD and SI are compared only where both train "
            f"on equally many utterances (within {100 * AS_LARGE:.0f} %), and {why}."
        )


def costs(bench: Bench, sizes: Sizes) -> Table:
    """Returns what speaker independence costs every system, on the corpora where protocols are comparable."""
    corpora = comparable(bench, sizes)
    places = [(corpus, metric) for corpus in corpora for metric in METRICS]
    means = tuple(_mean_cost(bench, corpus, metric) for corpus, metric in places)
    rows = [Row("", "Mean", means, sum(not np.isnan(c.value) for c in means) // len(METRICS), len(corpora))]
    for system in bench.systems:
        pairs = {corpus: _both(bench, corpus, system) for corpus in corpora}
        cells: list[CellValue] = []
        for corpus, metric in places:
            pair, reason = pairs[corpus], bench.lacks(corpus, system)
            missing = short_reason(corpus, reason) if reason else _HOLE
            cells.append(pair[0].ahead_of(pair[1], metric) if pair else missing)
        of = sum(not bench.lacks(corpus, system) for corpus in corpora)
        rows.append(Row("", system, tuple(cells), sum(pair is not None for pair in pairs.values()), of))
    return Table(
        "costs",
        "What speaker independence costs",
        "SD minus SI in points, of systems with all folds of both, with paired intervals. Mean: over the systems that "
        f"have both. Utterances to train on, means over the folds: {'; '.join(_in_words(sizes, c) for c in corpora)}.",
        tuple(f"{corpus} {metric.upper()}" for corpus, metric in places),
        tuple(rows),
        "corpora",
        grouped="",
        brief=True,
        typeset=len(rows) <= TYPESET,
        named="System",
    )


def _in_words(sizes: Sizes, corpus: str) -> str:
    """``emodb SD 321, SI 318 (with validation 428, 426)``."""
    both = [(name, sizes[corpus, protocol]) for protocol, name in PROTOCOLS.items()]
    train = ", ".join(f"{name} {size.train:.0f}" for name, size in both)
    return f"{corpus} {train} (with validation {', '.join(f'{size.with_validation:.0f}' for _, size in both)})"


def _both(bench: Bench, corpus: str, system: str) -> tuple[Result, Result] | None:
    sd, si = (bench.complete(corpus, protocol, system) for protocol in PROTOCOLS)
    return (sd, si) if sd and si else None


def _mean_cost(bench: Bench, corpus: str, metric: str) -> Cell:
    pairs = [pair for system in bench.systems if (pair := _both(bench, corpus, system))]
    if not pairs:
        return _HOLE
    value = np.mean([sd.value(metric) - si.value(metric) for sd, si in pairs])
    draws = np.mean([sd.draws_of(metric) - si.draws_of(metric) for sd, si in pairs], axis=0)
    clusters = min(result.sample.clusters for pair in pairs for result in pair)
    return interval(float(value), draws, clusters, DIFFERENCE)

"""What encoders, layers, heads and normalisation do, all else equal: effects with tests, and shares of cases won."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ser.report.comparison_tables import Compared, p_text
from ser.report.comparisons import (
    axis_effects,
    holm,
    means_of_complete_cases,
    pairwise_over_cases,
    pairwise_over_speakers,
)
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.encoders.results import Bench, Setting
from ser.report.encoders.tables import MOST_READ, TYPESET
from ser.report.expected_shares import expected_shares
from ser.report.measured import Result
from ser.report.statistics import METRICS, Floats, check_ties, complete_cases, credit, interval_of_wins

MOST_OPTIONS = 20  # of which all pairs are compared: 190
_COLUMNS = (*(metric.upper() for metric in METRICS), *(f"{metric.upper()} if nothing differed" for metric in METRICS))
_NORMALISED = {"train": "by training set", "speaker": "by speaker", "none": "none"}


@dataclass(frozen=True)
class Kind:
    """Something that settings differ in: its options, and what the settings of one case have in common."""

    head: str
    option: Callable[[Setting], str]
    alike: Callable[[Setting], tuple[str, ...]]
    counts: Callable[[Setting], bool] = lambda setting: True  # whether a setting takes part
    pairs: bool = True  # whether its options are compared in pairs


def kinds(bench: Bench) -> list[Kind]:
    """Returns what is compared; layers are those of one encoder each."""
    return [
        Kind("Encoder", lambda s: s.encoder, lambda s: (s.normalise, s.head, s.others)),
        Kind("Head", lambda s: s.head, lambda s: (s.normalise, s.encoder, s.layers, s.others)),
        Kind(
            "Normalised",
            lambda s: _NORMALISED.get(s.normalise, s.normalise),
            lambda s: (s.encoder, s.layers, s.head, s.others),
        ),
        *(
            Kind(
                f"Layer of {encoder}",
                lambda s: s.layers,
                lambda s: (s.normalise, s.head, s.others),
                lambda s, encoder=encoder: s.encoder == encoder,  # type: ignore[misc]
                pairs=False,
            )
            for encoder in bench.encoders
        ),
    ]


def compared(bench: Bench, kind: Kind) -> Compared | None:
    """Returns the options of a kind over its cases; None where no case has two.

    Where several settings of a case have one option (an encoder has many layers), the best by the metric counts, once
    all of them are there.
    """
    cases: dict[tuple[str, ...], dict[str, list[Result | None]]] = {}
    for (corpus, values), result in bench.results.cells.items():
        setting = bench.settings[values]
        if kind.counts(setting):
            options = cases.setdefault((corpus, *kind.alike(setting)), {})
            options.setdefault(kind.option(setting), []).append(result)
    cases = {key: options for key, options in cases.items() if len(options) > 1}
    names = list(dict.fromkeys(name for options in cases.values() for name in options))
    names = _ordered(names, bench)
    if not cases:
        return None
    both = {metric: _by_case(list(cases.values()), names, metric) for metric in METRICS}
    return Compared(
        (kind.head,),
        tuple((name,) for name in names),
        tuple(key[0] for key in cases),
        {metric: point for metric, (point, _) in both.items()},
        {metric: draws for metric, (_, draws) in both.items()},
        bench.results.clusters,
    )


def _ordered(names: Sequence[str], bench: Bench) -> list[str]:
    """Encoders in their order; layers by index, those in words behind; others as they come."""
    if set(names) <= set(bench.encoders):
        return [name for name in bench.encoders if name in names]
    return sorted(names, key=lambda name: int(name) if name.isdigit() else 1_000_000)


def _by_case(
    cases: Sequence[dict[str, list[Result | None]]], names: Sequence[str], metric: str
) -> tuple[Floats, Floats]:
    """A metric [cases, options], and that of every replicate [replicates, cases, options]; nan is a hole."""
    every = [result for case in cases for results in case.values() for result in results if result]
    replicates = min((len(result.draws[metric]) for result in every), default=0)
    point = np.full((len(cases), len(names)), -np.inf)
    draws = np.full((replicates, *point.shape), -np.inf)
    for row, case in enumerate(cases):
        for name, results in case.items():
            column, finished = names.index(name), [result for result in results if result]
            complete = len(finished) == len(results)
            top = max(finished, key=lambda result: round(result.point[metric], 9)) if complete else None
            point[row, column] = top.point[metric] if top else np.nan
            draws[:, row, column] = top.draws[metric][:replicates] if top else np.nan
    return point, draws


# --- effects ---


def effects(bench: Bench) -> Table:
    """Returns the paired difference of every two encoders, heads and ways of normalising, with tests."""
    rows = [row for kind in kinds(bench) if kind.pairs for row in _effects(bench, kind)]
    return Table(
        "effects",
        "Encoders, heads and normalisation, all else equal",
        "Mean difference in UA, in points, over the cases that have both, with a paired interval; in how many of the "
        "cases the one that is named first is better. A case is a corpus with all else equal; encoders have their best "
        "layer there. p, speakers: whether other speakers (and seeds) of the same corpora would show it; p, cases: "
        "whether other cases would, by Wilcoxon's signed-rank test, which takes cases as independent; those of a "
        "corpus are not. Both are corrected for the number of pairs (Holm).",
        ("UA difference", "Better in", "p, speakers", "p, cases"),
        tuple(rows),
        "cases",
        grouped="Setting",
        brief=len(rows) <= MOST_READ,
        typeset=len(rows) <= TYPESET,
        named="Effect",
    )


def _effects(bench: Bench, kind: Kind) -> Iterator[Row]:
    one = compared(bench, kind)
    if one is None or len(one.options) > MOST_OPTIONS:
        return
    point, draws, names = one.point["ua"], one.draws["ua"], one.names
    of_speakers = holm([_p_over_speakers(point[:, pair], draws[:, :, pair], one.clusters) for pair in _pairs(names)])
    of_cases = pairwise_over_cases(point)
    every = axis_effects(names, point, draws, one.clusters)
    for effect, p, cases in zip(every, of_speakers, of_cases, strict=True):
        cells = (effect.difference, f"{effect.positive} of {effect.cases}", p_text(p), p_text(cases.adjusted))
        if effect.of:
            yield Row(kind.head, f"{effect.second} − {effect.first}", cells, effect.cases, effect.of)


def _pairs(names: Sequence[str]) -> list[list[int]]:
    return [list(pair) for pair in combinations(range(len(names)), 2)]


def _p_over_speakers(point: Floats, draws: Floats, clusters: int) -> float:
    """The p of two options [cases, 2] over the cases that have both."""
    (pair,) = pairwise_over_speakers(*means_of_complete_cases(point, draws)[:2], clusters)
    return pair.p


# --- shares ---


def shares(bench: Bench, ties: str) -> Table:
    """Returns how often each encoder, head, way of normalising and layer is the best. Raises BadInput for ``ties``."""
    check_ties(ties)
    rows = [row for kind in kinds(bench) for row in _shares(bench, kind, ties)]
    rule = "Of tied best the first has the case." if ties == "first" else "Tied best share the case equally."
    return Table(
        "proportions",
        "Proportion of cases in which each is the best",
        "A case is a corpus with all else equal; of encoders with their best layer, of layers those of one encoder. It "
        f"counts once all its results are there. The cells of one kind add up to 100 %. {rule} Intervals: winners anew "
        "in every resample. If nothing differed: the share to be expected then, and its range in 95 % of resamples of "
        "results that are all made equally good: a share inside it tells nothing. Of fewer than five speakers it is "
        "that of equal chances, and neither has an interval; of one case there is none.",
        _COLUMNS,
        tuple(rows),
        "cases",
        grouped="Kind",
        brief=len(rows) <= MOST_READ,
        typeset=len(rows) <= TYPESET,
        bars=True,
        named="Option",
    )


def _shares(bench: Bench, kind: Kind, ties: str) -> list[Row]:
    one = compared(bench, kind)
    if one is None:
        return []
    parts = {metric: _shares_by(one, metric, ties) for metric in METRICS}
    complete, of = complete_cases(one.point["ua"])
    n = int(complete.sum())
    if of < 2:  # a single case has one winner, whatever is compared
        return []
    if not n:
        return [Row(kind.head, HOLE, (Cell(float("nan")),) * len(_COLUMNS), 0, of)]
    return [
        Row(kind.head, name, tuple(parts[metric][side][i] for side in (0, 1) for metric in METRICS), n, of)
        for i, name in enumerate(one.names)
    ]


def _shares_by(one: Compared, metric: str, ties: str) -> tuple[list[Cell], list[Cell]]:
    """The share of cases of each option, and what would be expected if nothing differed."""
    point, draws = one.point[metric], one.draws[metric]
    complete, _ = complete_cases(point)
    if not complete.any():
        return [], []
    share, drawn = credit(point[complete], ties).mean(axis=0), credit(draws[:, complete], ties).mean(axis=1)
    cells = [interval_of_wins(value, drawn[:, i], one.clusters) for i, value in enumerate(share)]
    return cells, expected_shares(point, draws, ties, clusters=one.clusters)

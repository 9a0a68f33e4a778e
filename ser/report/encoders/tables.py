"""The tables of settings: the best of every encoder, by test and by validation, the best encoders, and all of them."""

from collections.abc import Sequence

import numpy as np

from ser.report.comparison_tables import p_text
from ser.report.comparisons import pairwise_over_speakers
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.encoders.results import Bench, Case, Setting
from ser.report.measured import Choice, Result
from ser.report.statistics import DIFFERENCE, METRICS, interval

MOST_READ = 60  # lines that are listed in Markdown, too
TYPESET = 30  # lines that fit a page
CellValue = Cell | str | None
_HOLE = Cell(float("nan"))


def lines_of(bench: Bench) -> list[tuple[Case, str]]:
    """Every case with every encoder that has settings there."""
    return [(case, encoder) for case in bench.cases for encoder in bench.encoders if bench.within(case, encoder)]


def _others(bench: Bench) -> list[str]:
    """The head of the column of values on axes that have none of their own, if any setting has one."""
    return ["Others"] * any(setting.others for setting in bench.settings.values())


def _named(bench: Bench, setting: Setting) -> list[CellValue]:
    return [setting.layers, setting.head, *[setting.others or HOLE] * len(_others(bench))]


def best(bench: Bench) -> Table:
    """Returns the best setting of every encoder in every case, as the test chooses it."""
    rows = []
    for case, encoder in lines_of(bench):
        ranked, of = bench.ranked(case, encoder), len(bench.within(case, encoder))
        cells: list[CellValue] = [*[HOLE] * (2 + len(_others(bench))), *[_HOLE] * len(METRICS), HOLE]
        if ranked:
            setting, result = ranked[0]
            cells = [*_named(bench, setting), *map(result.cell, METRICS), str(bench.ties(ranked))]
        rows.append(Row(bench.words(case), encoder, tuple(cells), len(ranked), of))
    return Table(
        "best",
        "The best layer and head of every encoder",
        "By UA in the test, of the settings that are there, the first in the order of the study of tied ones. Layer 0 "
        "is the input of the first transformer layer. Ties: others that are as good. Being the best of many, a result "
        "is rather too good, the more so the more layers an encoder has.",
        ("Layer", "Head", *_others(bench), "WA", "UA", "Ties"),
        tuple(rows),
        "settings",
        grouped="Corpus",
        brief=True,
        typeset=len(rows) <= TYPESET,
        named="Encoder",
    )


def by_validation(bench: Bench) -> Table:
    """Returns what choosing layer and head by validation gives, beside the best of the test."""
    rows = []
    for case, encoder in lines_of(bench):
        choice, ranked = bench.choice(case, encoder), bench.ranked(case, encoder)
        if choice and ranked:
            cells = _chosen_cells(bench, choice, _rivals(choice, ranked, bench))
            rows.append(Row(bench.words(case), encoder, cells, choice.candidates, len(bench.within(case, encoder))))
    return Table(
        "best_validation",
        "The best layer and head of every encoder, chosen by validation",
        "By UA in validation, in the epoch that was kept, anew in each fold of each seed, and tested there: the test "
        "utterances have no part in it. Only networks can be chosen so: a fitted model has no validation subset that "
        "was scored. Shown is the setting that is chosen most often; numbers are of all that were chosen. ±: sample "
        "standard deviation of UA over seeds and folds. Best: of these settings the one that the test chooses. "
        "Optimism: Best minus UA, paired.",
        ("Layer", "Head", *_others(bench), "Chosen in", "Validation", "WA", "UA", "±", "Best", "Optimism"),
        tuple(rows),
        "settings",
        grouped="Corpus",
        brief=True,
        typeset=len(rows) <= TYPESET,
        named="Encoder",
    )


def _rivals(choice: Choice, ranked: Sequence[tuple[Setting, Result]], bench: Bench) -> Result:
    """The best in the test of those among which validation could choose: whose validation is known."""
    validated = [result for _, result in ranked if not np.isnan(result.validation["ua"])]
    return validated[0] if validated else ranked[0][1]


def _chosen_cells(bench: Bench, choice: Choice, top: Result) -> tuple[CellValue, ...]:
    tested, (values, times) = choice.result, choice.settings[0]
    lost, draws = top.point["ua"] - tested.point["ua"], top.draws["ua"] - tested.draws["ua"]
    optimism = interval(lost, draws, tested.sample.clusters if tested.sample else 0, DIFFERENCE)
    cells = [*_named(bench, bench.settings[values]), f"{times} of {choice.repeats}", Cell(choice.validation)]
    cells += [*map(tested.cell, METRICS), Cell(tested.spread["ua"]), top.cell("ua"), optimism]
    return tuple(cells)


def leads(bench: Bench) -> Table:
    """Returns the best encoder of every case, and how far it is ahead of the next one."""
    rows = []
    for case in bench.cases:
        rivals = [encoder for encoder in bench.encoders if bench.within(case, encoder)]
        tops = [ranked[0] for encoder in rivals if (ranked := bench.ranked(case, encoder))]
        tops.sort(key=lambda pair: -round(pair[1].point["ua"], 9))
        rows.append(Row(bench.words(case), tops[0][0].encoder if tops else HOLE, _lead(tops), len(tops), len(rivals)))
    return Table(
        "encoders",
        "The best encoder",
        "Each encoder with its best layer and head, by UA in the test. Next: the second encoder. Lead: UA over that of "
        "the next, in points, paired over speakers (and seeds). p: whether other speakers would show it, by the draws "
        "behind the intervals, corrected for all pairs of encoders of the case (Holm); it does not know that layers "
        "and heads were chosen by the test. Chance: UA of guessing.",
        ("Layer", "Head", "WA", "UA", "Next", "Lead", "p", "Chance", "Tested on"),
        tuple(rows),
        "encoders",
        grouped="Corpus",
        brief=True,
        named="Encoder",
    )


def _lead(tops: Sequence[tuple[Setting, Result]]) -> tuple[CellValue, ...]:
    if not tops:
        return (HOLE, HOLE, _HOLE, _HOLE, HOLE, _HOLE, HOLE, HOLE, HOLE)
    setting, result = tops[0]
    chance = HOLE if result.counts is None else f"{100 / len(result.counts):.1f}"
    first: tuple[CellValue, ...] = (setting.layers, setting.head, *map(result.cell, METRICS))
    if len(tops) == 1:
        return (*first, HOLE, _HOLE, HOLE, chance, tested_in_words(result))
    clusters = min(one.sample.clusters if one.sample else 0 for _, one in tops)
    point = np.array([one.point["ua"] for _, one in tops])
    draws = np.stack([one.draws["ua"] for _, one in tops], axis=1)
    pair = next(p for p in pairwise_over_speakers(point, draws, clusters) if (p.first, p.second) == (0, 1))
    lead = interval(point[0] - point[1], draws[:, 0] - draws[:, 1], clusters, DIFFERENCE)
    return (*first, tops[1][0].encoder, lead, p_text(pair.adjusted), chance, tested_in_words(result))


def tested_in_words(result: Result) -> str:
    """``40 utterances, 4 speakers``; a hole where it is not known."""
    if result.sample is None:
        return HOLE
    number = result.sample.speakers
    speakers = f", {number} speaker{'s' * (number > 1)}" if number else ""
    return f"{result.sample.utterances} utterances{speakers}"


def every_result(bench: Bench) -> Table:
    """Returns every setting in every case, the best of each encoder first; those that are to come are holes."""
    rows = []
    seeds = max([1, len(bench.expected.seeds), *(r.seeds for r in bench.results.cells.values() if r)])
    for case, encoder in lines_of(bench):
        ranked = bench.ranked(case, encoder)
        missing = [(setting, None) for setting, result in bench.within(case, encoder).items() if not result]
        for setting, result in [*ranked, *missing]:
            cells: list[CellValue] = [encoder, *_named(bench, setting)[1:]]
            cells += [*map(result.cell, METRICS), Cell(result.spread["ua"])] if result else [_HOLE] * 3
            cells.append(Cell(result.validation["ua"]) if result else _HOLE)
            rows.append(Row(bench.words(case), setting.layers, tuple(cells), result.seeds if result else 0, seeds))
    return Table(
        "results",
        "Every result",
        "One line for each layer and head, the best UA of each encoder first. Means over the seeds; ±: sample standard "
        "deviation of UA over seeds and folds, each by itself. Validation: UA of the epoch that was kept, of networks.",
        ("Encoder", "Head", *_others(bench), "WA", "UA", "±", "Validation"),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        brief=len(rows) <= MOST_READ,
        typeset=len(rows) <= TYPESET,
        keys=2 + len(_others(bench)),
        named="Layers",
    )


def runs(bench: Bench) -> Table:
    """Returns the runs behind every result, for looking up."""
    rows = []
    for (corpus, values), result in bench.results.cells.items():
        if result:
            setting, ids = bench.settings[values], " ".join(run.run_id for run in result.runs)
            cells = (setting.words, f"{len(result.runs)}", ids)
            rows.append(Row(corpus, setting.encoder, cells, result.seeds, len(bench.expected.seeds)))
    return Table(
        "runs",
        "Runs behind every result",
        "Ids of the tracked runs, one for each seed and fold.",
        ("Setting", "Number", "Runs"),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        ids=("Runs",),
        keys=1,
        named="Encoder",
    )

"""Training sets by tested corpora: their matrix, the best training set of a stranger, and every single result."""

from collections.abc import Sequence

import numpy as np

from ser.report.comparisons import indistinguishable
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.crossing.arranged import Arrangement, Result, Training
from ser.report.crossing.cells import SEEN, mean
from ser.report.groups import without_repeats
from ser.report.statistics import AS_EQUAL, FEW_CLUSTERS, METRICS

MOST_READ = 40  # lines that are listed in Markdown, too
TYPESET = 24  # lines that fit a page
MOST_WITH_BEST = 400  # results of which the set that may hold the best is sought
_HOLE = Cell(float("nan"))
_SEEN = f"{SEEN} behind a number: other speakers of that corpus were trained on, so that it is no stranger there."


def columns_of(across: Arrangement) -> tuple[str, ...]:
    """Returns the tested corpora: the study's own in its order, then the others."""
    tested = dict.fromkeys((*across.strangers, *(corpus for corpus, _ in across.results)))
    members = [c.name for c in across.expected.corpora if c.name in tested]
    return (*members, *(name for name in tested if name not in members))


def cell_of(across: Arrangement, learned: Training, corpus: str, metric: str) -> Cell | None:
    """Returns the mean over the settings that are compared; a hole where one is missing, None where none can be.

    A corpus that only trains has no test side: trials that learned from it cannot be tested on it.
    """
    results = [across.results.get((corpus, (learned, values))) for values in across.compared(learned)]
    present = [result for result in results if result]
    if not present and _is_whole(across, learned, corpus):
        return None
    return mean(present, metric) if len(present) == len(results) else _HOLE


def _is_whole(across: Arrangement, learned: Training, corpus: str) -> bool:
    """Whether a training set has learned from all of a corpus, so that none of it is left to be tested."""
    return corpus in learned and (across.in_turn or corpus not in across.expected.tested)


def matrix(across: Arrangement) -> Table:
    """Returns WA and UA of every training set on every corpus."""
    corpora, rows = columns_of(across), []
    for metric in METRICS:
        for learned in across.trainings:
            cells = tuple(cell_of(across, learned, corpus, metric) for corpus in corpora)
            filled = [cell for cell in cells if cell is not None]
            n = sum(not np.isnan(cell.value) for cell in filled)
            rows.append(Row(metric, across.words(learned), cells, n, len(filled)))
    return Table(
        "across",
        "Across corpora: training set by tested corpus",
        f"Row: the corpora that were trained on; column: the one that is tested. {means_in_words(across)}{_SEEN}",
        corpora,
        tuple(rows),
        "corpora",
        brief=True,
        typeset=len(rows) <= 2 * TYPESET,
        named="Trained on",
    )


def means_in_words(across: Arrangement) -> str:
    """Says over which settings a number of a training set is a mean; "" where there is only one."""
    if len(across.values) < 2:
        return ""
    if not across.common:
        return "Means over the settings of each training set, which differ; a cell that lacks one is a hole. "
    part = f"the {len(across.common)} of {len(across.values)} settings that every training set has"
    which = part if len(across.common) < len(across.values) else f"{len(across.values)} other settings"
    return f"Means over {which}; a cell that lacks one is a hole. "


# --- the best ---


def strange(across: Arrangement, corpus: str) -> list[Result]:
    """Returns the results on a corpus of trials that did not learn from it, in the order of the study."""
    cells = (across.results.get((corpus, key)) for key in across.planned)
    return [result for result in cells if result and not result.seen]


def best_of(results: Sequence[Result], metric: str) -> Result | None:
    """Returns the best result, the first of equal ones; None of none."""
    return max(results, key=lambda result: round(result.point[metric], 9), default=None)


def best_trainings(across: Arrangement) -> Table:
    """Returns the training set that is best for each stranger, beside the best that was trained on it."""
    rows = []
    for metric in METRICS:
        for corpus in across.strangers:
            results = strange(across, corpus)
            best = best_of(results, metric)
            if best:
                of = sum(corpus not in learned for learned, _ in across.planned)
                cells = _best_cells(across, best, results, metric)
                rows.append(Row(metric, corpus, cells, len(results), of))
    return Table(
        "best_training",
        "The best training set for a stranger",
        "By the test, of all training sets that do not hold the corpus and all other settings; being the best of many "
        "it is rather too good. Ties: others that are as good. As good: how many results cannot be distinguished from "
        "the best (multiple comparisons with the best, Hsu 1996, 95 %), and the training sets among them. Trained on "
        "it: the best result of trials that learned from other speakers of the corpus. Chance: equal shares of the "
        "classes that the corpus has.",
        ("Training set", *across.heads, "Result", "Ties", "As good", "Of training sets", "Trained on it", "Chance",
         "Tested on"),
        tuple(rows),
        "results",
        brief=True,
        typeset=False,
        named="Stranger",
    )  # fmt: skip


def _best_cells(
    across: Arrangement, best: Result, results: Sequence[Result], metric: str
) -> tuple[Cell | str | None, ...]:
    ties = sum(result.point[metric] >= best.point[metric] - AS_EQUAL for result in results) - 1
    rivals = [r for (corpus, _), r in across.results.items() if corpus == best.corpus and r.seen]
    top = best_of(rivals, metric)
    classes = int((best.counts.sum(axis=1) > 0).sum())
    like = _as_good(results, metric)
    sets = dict.fromkeys(across.words(result.learned) for result in like)
    return (
        across.words(best.learned),
        *best.values,
        best.cell(metric),
        str(ties),
        str(len(like)) if like else HOLE,
        ", ".join(sets) if like and len(sets) <= 6 else str(len(sets)) if like else HOLE,
        top.cell(metric) if top else _HOLE,
        Cell(1 / classes),
        tested_words(best),
    )


def _as_good(results: Sequence[Result], metric: str) -> list[Result]:
    """Results that cannot be distinguished from the best; [] where that is not known."""
    clusters = min((result.sample.clusters for result in results), default=0)
    if not 1 < len(results) <= MOST_WITH_BEST or 0 < clusters < FEW_CLUSTERS:
        return []
    draws = np.stack([result.draws[metric] for result in results], axis=1)
    if len(draws) < 2:
        return []
    standings = indistinguishable(np.array([result.point[metric] for result in results]), draws, clusters)
    return [result for result, standing in zip(results, standings, strict=True) if standing and standing.member]


def tested_words(result: Result) -> str:
    """``40 utterances, 4 speakers``."""
    speakers = f", {result.sample.speakers} speakers" if result.sample.speakers else ""
    return f"{result.sample.utterances} utterances{speakers}"


# --- all ---


def every_result(across: Arrangement) -> Table:
    """Returns every result on every corpus, the best of a corpus first; those that are to come are holes."""
    rows = []
    for corpus in columns_of(across):
        by_key = {key: across.results.get((corpus, key)) for key in across.planned}
        ordered = sorted(by_key.items(), key=lambda item: -round(item[1].point["ua"], 9) if item[1] else 1.0)
        most = max((result.repeats for result in by_key.values() if result), default=0)
        for (learned, values), result in ordered:
            if result is None and _is_whole(across, learned, corpus):
                continue
            kind = "yes" if corpus in learned else "no"
            numbers = tuple(result.cell(metric) if result else _HOLE for metric in METRICS)
            ids = " ".join(run.run_id for run in result.runs) if result else HOLE
            title = without_repeats(result.runs[0].title) if result else HOLE
            cells: tuple[Cell | str, ...] = (*values, kind, *numbers, title, ids)
            rows.append(Row(corpus, across.words(learned), cells, result.repeats if result else 0, most))
    return Table(
        "across_results",
        "Every result across corpora",
        "One line for each training set and setting, the best UA on a corpus first. Trained on: whether other speakers "
        "of the corpus were. Means over seeds, and over folds where each tests the same utterances.",
        (*across.heads, "Trained on", "WA", "UA", "Title", "Runs"),
        tuple(rows),
        "repeats",
        grouped="Corpus",
        ids=("Runs",),
        keys=len(across.heads),
        named="Trained on",
    )

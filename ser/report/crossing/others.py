"""What decides on strangers beside the training set: other settings, single heads or their mean, languages, classes."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ser.report.comparison_tables import p_text
from ser.report.comparisons import axis_effects, cases_of_axis, means_of_complete_cases, pairwise_over_speakers
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.crossing.arranged import Arrangement, Result
from ser.report.crossing.cells import Pair, difference, mean
from ser.report.crossing.matrix import MOST_READ, strange
from ser.report.statistics import METRICS

MOST_VALUES = 12  # of an axis whose pairs are compared
STRANGERS, LEARNED = "strangers", "trained on"


def effects(across: Arrangement) -> Table | None:
    """Returns what every value of every axis but the corpora does to strangers, and to corpora that were trained on."""
    rows: list[Row] = []
    every = list(across.results.values())
    for axis, head in enumerate(across.heads):
        for kind, results in ((STRANGERS, [r for r in every if not r.seen]), (LEARNED, [r for r in every if r.seen])):
            for metric in METRICS:
                rows += _effects(head, axis, kind, results, metric)
    if not rows:
        return None
    return Table(
        "across_effects",
        "What other settings do to strangers",
        "Mean difference in points over the cases that have both values, with a paired interval: a case is a training "
        "set on a corpus, all else equal. On strangers, and on corpora of which other speakers were trained on: what "
        "helps the one need not help the other. Better: in how many cases the first is. p: whether other speakers (and "
        "seeds) of these corpora would show it, over the cases that have all values, corrected for the pairs of a "
        "setting (Holm).",
        ("On", "Metric", "Difference", "Better", "p"),
        tuple(rows),
        "cases",
        grouped="Setting",
        brief=len(rows) <= MOST_READ,
        keys=2,
    )


def _effects(head: str, axis: int, kind: str, results: Sequence[Result], metric: str) -> Iterator[Row]:
    if len({result.values[axis] for result in results}) < 2:
        return
    # The axis comes last, so that what is before it says which case it is.
    settings = [
        (r.corpus, "+".join(sorted(r.learned)), *r.values[:axis], *r.values[axis + 1 :], r.values[axis])
        for r in results
    ]
    replicates = min(len(result.draws[metric]) for result in results)
    point = np.array([result.point[metric] for result in results])
    draws = np.stack([result.draws[metric][:replicates] for result in results], axis=1)
    values, by_case, draws_by_case = cases_of_axis(settings, len(settings[0]) - 1, point, draws)
    if len(values) > MOST_VALUES:
        return
    clusters = min(result.sample.clusters for result in results)
    means, mean_draws, count = means_of_complete_cases(by_case, draws_by_case)
    pairs = pairwise_over_speakers(means, mean_draws, clusters, count)
    for effect, pair in zip(axis_effects(values, by_case, draws_by_case, clusters), pairs, strict=True):
        if effect.cases:
            better = f"{effect.positive} of {effect.cases}"
            cells = (kind, metric.upper(), effect.difference, better, p_text(pair.adjusted))
            yield Row(head, f"{effect.second} − {effect.first}", cells, effect.cases, effect.of)


# --- heads ---


def heads(across: Arrangement) -> Table | None:
    """Returns what the single heads of trials with several give on each stranger, beside the mean of all."""
    rows = []
    for metric in METRICS:
        for corpus in across.strangers:
            cells_of: dict[str, list[tuple[Result, Result]]] = {}
            for (name, key), singles in across.of_heads.items():
                if name == corpus:
                    for single in singles:
                        cells_of.setdefault(single.head, []).append((across.results[corpus, key], single))
            for head, both in cells_of.items():
                pairs: list[Pair] = list(both)
                better = sum(single.point[metric] > all_.point[metric] + 1e-9 for all_, single in both)
                cells = (mean([one for _, one in both], metric), mean([one for one, _ in both], metric),
                         difference(pairs, metric), f"{better} of {len(both)}")  # fmt: skip
                rows.append(Row(metric, corpus, (head, *cells), len(both), len(both)))
    if not rows:
        return None
    return Table(
        "across_heads",
        "Single heads on strangers, against the mean of all",
        "Of trials with a head for each corpus that they learned from. Head: the corpus whose head answers; alone, and "
        "the mean of the probabilities of all heads of the same trials, which is what the other tables count. "
        "Difference: alone less mean, paired. Better: in how many trials the head alone is.",
        ("Head", "Alone", "Mean of heads", "Difference", "Better"),
        tuple(rows),
        "results",
        brief=len(rows) <= MOST_READ,
        keys=1,
    )


# --- languages ---

SAME, OTHER, MIXED = "same", "other", "both"


def languages_of(across: Arrangement) -> Mapping[str, frozenset[str]]:
    """Returns the languages of the corpora, as far as tests on them tell; a corpus of unknown ones is missing."""
    languages = {}
    for corpus, facts in across.facts.items():
        names = frozenset(name for each in facts for name in each.get("languages") or ())
        if names:
            languages[corpus] = names
    return languages


def relation(languages: Mapping[str, frozenset[str]], stranger: str, learned: Sequence[str]) -> str:
    """Returns how the languages of a training set stand to a stranger's: SAME, OTHER, MIXED; "" where one is unknown.

    >>> languages = {"emodb": frozenset(["de"]), "tess": frozenset(["en"]), "savee": frozenset(["en"])}
    >>> [relation(languages, "savee", learned) for learned in (("tess",), ("emodb",), ("emodb", "tess"), ("x",))]
    ['same', 'other', 'both', '']
    """
    if stranger not in languages or not all(name in languages for name in learned):
        return ""
    shared = {bool(languages[name] & languages[stranger]) for name in learned}
    return MIXED if len(shared) > 1 else SAME if shared == {True} else OTHER


def by_language(across: Arrangement) -> Table | None:
    """Returns the results on each stranger by the languages that were trained on; None where they do not differ."""
    languages, rows = languages_of(across), []
    for metric in METRICS:
        for corpus in across.strangers:
            by_kind: dict[str, list[Result]] = {}
            for result in strange(across, corpus):
                by_kind.setdefault(relation(languages, corpus, result.learned), []).append(result)
            by_kind.pop("", None)
            if by_kind:
                cells = [mean(by_kind.get(kind, []), metric) for kind in (SAME, OTHER, MIXED)]
                sets = [str(len({r.learned for r in by_kind.get(kind, [])})) for kind in (SAME, OTHER, MIXED)]
                pairs = _matched(by_kind.get(OTHER, []), by_kind.get(SAME, []))
                counts = ", ".join(sets)
                gap = difference(pairs, metric)
                spoken = ", ".join(sorted(languages[corpus]))
                n = sum(map(len, by_kind.values()))
                rows.append(Row(metric, corpus, (spoken, *cells, gap, counts), n, len(strange(across, corpus))))
    if len({relation(languages, c, r.learned) for c in across.strangers for r in strange(across, c)} - {""}) < 2:
        return None
    return Table(
        "languages",
        "By language: training sets of the stranger's language, of others, of both",
        "Means over all training sets of the kind and all other settings. Same − other: over pairs of equal settings "
        "and equally many corpora, all of the stranger's language beside all of others, in points. It is of these "
        "corpora: those of one language may be alike in more than language. Sets: training sets of each kind.",
        ("Language", "Same", "Other", "Both", "Same − other", "Sets"),
        tuple(rows),
        "results",
        brief=True,
    )


def _matched(first: Sequence[Result], second: Sequence[Result]) -> list[Pair]:
    """All pairs of equal settings and equally many corpora."""
    return [
        (one, other)
        for one in first
        for other in second
        if (one.values, len(one.learned)) == (other.values, len(other.learned))
    ]


# --- classes ---


def recalls(across: Arrangement) -> Table | None:
    """Returns the recall of each class on each stranger, means over all results; holes where it has no such class."""
    rows = []
    classes = across.expected.classes
    for corpus in across.strangers:
        counts = [r.counts for r in strange(across, corpus) if len(r.counts) == len(classes)]
        if not counts:
            continue
        totals = np.array([c.sum(axis=1) for c in counts], np.float64)
        right = np.array([np.diagonal(c) for c in counts], np.float64)
        share = np.divide(right, totals, out=np.full(right.shape, np.nan), where=totals > 0)
        present = (totals.sum(axis=0) > 0).tolist()
        cells: list[Cell | str] = [Cell(float(share[:, i].mean())) if present[i] else HOLE for i in range(len(classes))]
        predicted = np.array([c.sum(axis=0) / max(c.sum(), 1) for c in counts]).mean(axis=0)
        rows.append(Row(corpus, "recall", tuple(cells), len(counts), len(counts)))
        rows.append(Row(corpus, "predicted", tuple(Cell(float(v)) for v in predicted), len(counts), len(counts)))
    if not rows:
        return None
    return Table(
        "across_recall",
        "Recall of each class on strangers",
        f"Means over all training sets that do not hold the corpus, and all settings. {HOLE}: the corpus has no "
        "utterance of that class, which then counts in no accuracy. Predicted: the share of all its utterances that is "
        "taken for the class.",
        classes,
        tuple(rows),
        "results",
        grouped="Corpus",
        brief=True,
    )

"""What decides on strangers beside the training set: other settings, single heads or their mean, languages, classes."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ser import registry
from ser.errors import BadInput
from ser.report.comparison_tables import p_text
from ser.report.comparisons import axis_effects, cases_of_axis, means_of_complete_cases, pairwise_over_speakers
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.crossing.arranged import Arrangement, Result
from ser.report.crossing.cells import Pair, difference, mean
from ser.report.crossing.matrix import MOST_READ, strange
from ser.report.statistics import AS_EQUAL, METRICS

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
        named="Effect",
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
            rows += [_head_row(metric, corpus, head, both) for head, both in _by_head(across, corpus).items()]
            rows += _logged_heads(across, metric, corpus)
    if not rows:
        return None
    return Table(
        "across_heads",
        "Single heads on strangers, against the mean of all",
        "Of trials with a head for each corpus that they learned from. Head: the corpus whose head answers; alone, and "
        "the mean of the probabilities of all heads of the same trials, which is what the other tables count. "
        "Difference: alone less mean, paired; without intervals where trials left only the accuracies of their heads. "
        "Better: in how many results the head alone is.",
        ("Head", "Alone", "Mean of heads", "Difference", "Better"),
        tuple(rows),
        "results",
        brief=len(rows) <= MOST_READ,
        keys=1,
        named="Stranger",
    )


def _by_head(across: Arrangement, corpus: str) -> dict[str, list[tuple[Result, Result]]]:
    """Head → the results of its trials on a corpus, and its own."""
    by_head: dict[str, list[tuple[Result, Result]]] = {}
    for (name, key), singles in across.of_heads.items():
        for single in singles if name == corpus else ():
            by_head.setdefault(single.head, []).append((across.results[corpus, key], single))
    return by_head


def _head_row(metric: str, corpus: str, head: str, both: Sequence[tuple[Result, Result]]) -> Row:
    pairs: list[Pair] = list(both)
    better = sum(single.point[metric] > whole.point[metric] + AS_EQUAL for whole, single in both)
    alone, means = mean([single for _, single in both], metric), mean([whole for whole, _ in both], metric)
    cells = (head, alone, means, difference(pairs, metric), f"{better} of {len(both)}")
    return Row(metric, corpus, cells, len(both), len(both))


def _logged_heads(across: Arrangement, metric: str, corpus: str) -> Iterator[Row]:
    """The lines of trials that logged ``head/<metric>/<corpus>/<head>`` and no predictions of their heads."""
    start = f"head/{metric}/{corpus}/"
    by_head: dict[str, list[tuple[float, float]]] = {}
    for (name, key), result in across.results.items():
        if name == corpus and (name, key) not in across.of_heads:
            scores = [run.scores for run in result.runs]
            for score in (score for score in scores[0] if score.startswith(start)):
                alone = float(np.mean([each.get(score, np.nan) for each in scores]))
                by_head.setdefault(score.removeprefix(start), []).append((result.point[metric], alone))
    for head, both in by_head.items():
        whole, alone = (float(value) for value in np.mean(both, axis=0))
        better = f"{sum(one > other + AS_EQUAL for other, one in both)} of {len(both)}"
        cells = (head, Cell(alone), Cell(whole), Cell(alone - whole), better)
        yield Row(metric, corpus, cells, len(both), len(both))


# --- languages ---

SAME, OTHER, MIXED = "same", "other", "both"


def languages_of(across: Arrangement) -> Mapping[str, frozenset[str]]:
    """Returns the languages of the corpora: of what was tested, else what loaders state; unknown ones are missing."""
    params = {name: r.runs[0].params for r in across.results.values() for name in (r.corpus, *r.learned)}
    languages = {}
    for corpus in (*across.strangers, *across.learned):
        tested = frozenset(name for each in across.facts.get(corpus, ()) for name in each.get("languages") or ())
        if names := tested or _stated_languages(corpus, params.get(corpus, {})):
            languages[corpus] = names
    return languages


def _stated_languages(corpus: str, params: Mapping[str, str]) -> frozenset[str]:
    """The languages that a run's loader was to keep of a corpus, or all that its file states."""
    place = f"corpus.{corpus}.loader"
    if names := params.get(f"{place}.languages"):
        return frozenset(names.split(","))
    try:
        about = getattr(registry.find("corpora", params.get(place, "")), "ABOUT", None)
    except BadInput:  # a loader of somebody's own that is not here
        return frozenset()
    return frozenset(about.languages) if about else frozenset()


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
        "corpora: those of one language may be alike in more than language. Sets: training sets of each kind. "
        "Languages are those of the tested utterances, else what loaders state.",
        ("Language", "Same", "Other", "Both", "Same − other", "Sets"),
        tuple(rows),
        "results",
        brief=True,
        named="Stranger",
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
        named="Measure",
    )

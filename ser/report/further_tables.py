"""The tables of further numbers of the best results: F1, calibration, by sex and by speaker, confusion as shares."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import log

import numpy as np

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.further_scores import ACCURACIES, CALIBRATION, SEXES, Scores, SpeakerScore

FEW_UTTERANCES = 10  # of a speaker: with fewer, a class or two of them decide
_HOW = "Chosen by"
_HEADS = {"wa": "WA", "ua": "UA", "macro_f1": "Macro F1", "weighted_f1": "Weighted F1"}


def accuracies(scores: Sequence[Scores]) -> Table:
    """Returns WA, UA, macro and weighted F1 of each result."""
    rows = []
    for each in scores:
        cells = [each.cells[name] for name in ACCURACIES]
        rows.append(_row(each, (*_counts(each), *cells)))
    return Table(
        "more",
        "More of the best results",
        "Macro F1: the mean over classes of the harmonic mean of precision and recall; a class that is neither there "
        "nor predicted does not count. Weighted F1: each class by its utterances. Means over the seeds. A result that "
        "was chosen by the test side was chosen by the utterances that measure it, and is rather too good.",
        (_HOW, "Speakers", "Utterances", *_HEADS.values()),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        brief=True,
        keys=1,
        named="Result",
    )


def calibration(scores: Sequence[Scores]) -> Table:
    """Returns how far the probabilities of each result can be trusted; holes where there are none."""
    rows = [_row(each, (*_counts(each), *(each.cells[name] for name in CALIBRATION))) for each in scores]
    sizes = sorted({len(each.best.classes) for each in scores})
    equal = "; ".join(f"{n} classes {log(n):.3f} and {1 - 1 / n:.3f}" for n in sizes)
    return Table(
        "calibration",
        "Calibration of the best results",
        "Confidence: the mean of each utterance's highest probability, 0 … 1. Excess: confidence less WA; above 0 the "
        "result is too sure of itself. ECE: expected calibration error, the mean distance of accuracy and confidence "
        "in 15 bins of equal width of confidence (Guo et al. 2017); few utterances make it too large, those of "
        "resamples even more, so that it has no interval. NLL: negative log-likelihood, natural logarithm; inf where a "
        "true class had probability 0. Brier: the sum over classes of squared errors of probability (Brier 1950), "
        f"0 … 2. NLL and Brier of equal probabilities: {equal}. {HOLE}: no probabilities (a fitted model's decision "
        "values are none).",
        (_HOW, "Speakers", "Utterances", "Confidence", "Excess", "ECE", "NLL", "Brier"),
        tuple(rows),
        "seeds",
        digits=3,
        unit="",
        grouped="Corpus",
        brief=True,
        keys=1,
        named="Result",
    )


def by_sex(scores: Sequence[Scores]) -> Table:
    """Returns WA and UA of each sex, and the gap; holes where sexes are unknown, or only one is tested."""
    rows = []
    for each, metric in product(scores, ("wa", "ua")):
        numbers = [each.cells[f"{metric}_{of}"] for of in (*SEXES, "gap")]
        sizes = _sizes(each.speakers_of, " F", " M"), _sizes(each.utterances_of)
        rows.append(_row(each, (_HEADS[metric], *sizes, *numbers)))
    return Table(
        "by_sex",
        "By sex",
        "Accuracies of the female (F) and of the male (M) speakers of the test side, and the gap: female less male, in "
        "points, its interval paired. Where that holds 0, these speakers do not show a gap. With fewer than "
        f"three speakers of a sex there is no interval: it may be the persons. {HOLE}: sexes are unknown, or one only.",
        (_HOW, "Metric", "Speakers", "Utterances", *(name.capitalize() for name in SEXES.values()), "Gap"),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        brief=True,
        keys=2,
        named="Result",
    )


def by_speaker(scores: Sequence[Scores]) -> Table:
    """Returns the worst and the best speaker of each result, and how far speakers lie apart; holes if unknown."""
    rows = []
    for each in scores:
        ua = np.array([speaker.ua for speaker in each.by_speaker])
        spread = float(ua.std(ddof=1)) if len(ua) > 1 else float("nan")
        cells: tuple[Cell | str, ...] = (HOLE, Cell(float("nan")), Cell(float("nan")), HOLE, HOLE)
        if each.by_speaker:
            ends = [_named(each.by_speaker[place]) for place in (0, -1)]
            cells = (str(len(ua)), Cell(float(ua.mean())), Cell(spread), *ends)
        rows.append(_row(each, cells))
    return Table(
        "by_speaker",
        "By speaker",
        "The mean of the speakers' UA, its standard deviation over speakers (±), and the worst and the best speaker, "
        "with the number of utterances. A speaker's UA is over the emotions that are there of them. By chance alone "
        "the accuracy of n utterances varies by up to 0.5 / sqrt(n) (one standard deviation), 11 points for 20: of "
        "many speakers the worst is bad by chance, too.",
        (_HOW, "Speakers", "Mean UA", "±", "Worst", "Best"),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        brief=True,
        keys=1,
        named="Result",
    )


def every_speaker(scores: Sequence[Scores]) -> Table:
    """Returns WA and UA of every speaker, the worst first, for looking up."""
    rows = []
    for each in scores:
        for who in each.by_speaker:
            cells = (each.best.title, each.best.how, who.sex or HOLE, str(who.utterances), Cell(who.wa), Cell(who.ua))
            rows.append(Row(each.best.corpus, who.speaker, cells, len(each.best.tests), len(each.best.tests)))
    return Table(
        "every_speaker",
        "Every speaker of the best results",
        "The worst UA first; means over the seeds that were tested on the speaker.",
        ("Result", _HOW, "Sex", "Utterances", "WA", "UA"),
        tuple(rows),
        grouped="Corpus",
        keys=2,
        named="Speaker",
    )


def confusion(scores: Sequence[Scores]) -> Table:
    """Returns the confusion matrices of all results, normalised by row, with intervals, for looking up."""
    predicted = tuple(dict.fromkeys(name for each in scores for name in each.best.classes))
    rows = []
    for each in scores:
        for place, name in enumerate(each.best.classes):
            shares = dict(zip(each.best.classes, each.shares[place], strict=True))
            cells = (each.best.title, each.best.how, str(int(each.counts[place].sum())), *map(shares.get, predicted))
            rows.append(Row(each.best.corpus, name, cells))
    return Table(
        "confusion_shares",
        "Confusion of the best results as shares",
        "A line for each true class: of its utterances (n, summed over seeds), the share that is taken for each class.",
        ("Result", _HOW, "n", *predicted),
        tuple(rows),
        grouped="Corpus",
        keys=2,
        named="Result",
    )


def _row(scores: Scores, cells: tuple[Cell | str | None, ...]) -> Row:
    best = scores.best
    return Row(best.corpus, best.title, (best.how, *cells), len(best.tests), len(best.tests))


def _counts(scores: Scores) -> tuple[str, str]:
    return str(scores.sample.speakers or HOLE), str(scores.sample.utterances)


def _sizes(of: Mapping[str, int], *units: str) -> str:
    """``4 F + 4 M``, of each sex."""
    counts = [f"{count}{unit}" for count, unit in zip(of.values(), units or ("", ""), strict=True)]
    return " + ".join(counts) if any(of.values()) else HOLE


def _named(who: SpeakerScore) -> str:
    """``05: 41.7 % (n = 12)``."""
    few = ", few" if who.utterances < FEW_UTTERANCES else ""
    return f"{short(who.speaker)}: {100 * who.ua:.1f} % (n = {who.utterances}{few})"


def short(speaker: str) -> str:
    """A speaker without the corpus.

    >>> short("ravdess/05")
    '05'
    """
    return speaker.partition("/")[2] or speaker

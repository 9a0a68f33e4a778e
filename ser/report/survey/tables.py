"""The tables of the report on Pinto et al. that show systems: all, the best ones, and the survey's own numbers."""

import re
from collections.abc import Sequence

import numpy as np

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.statistics import AS_EQUAL, METRICS
from ser.report.survey.published import CLAIMS, CONTROLS, TABLE_1, Claim, claims
from ser.report.survey.results import PROTOCOLS, Bench, Result

_HOLE = Cell(float("nan"))
_LONGEST = 24  # letters of a reason that fit a cell
TYPESET = 30  # rows that fit a page
_AUGMENTED = "chatziagapi_"
REFERENCE = "mfcc_svm"  # of the survey's own crossed systems, the plain one: statistics of MFCC and a machine
CellValue = Cell | str | None


def systems(bench: Bench) -> Table:
    """Every system on every corpus, under both protocols."""
    rows = []
    for corpus in bench.expected.tested:
        for system in bench.systems:
            results = [bench.results.get((corpus, protocol, system)) for protocol in PROTOCOLS]
            cells = [*_accuracies(bench, corpus, system), *_spreads(bench, corpus, system)]
            cells += _size(bench, corpus, system)
            n = sum(len(result.folds) for result in results if result)
            of = sum(_expected(bench, corpus, protocol, system) for protocol in PROTOCOLS)
            rows.append(Row(corpus, system, (*cells, *_printed(bench, corpus, system)), n, of))
    heads = tuple(f"{short} {metric.upper()}" for short in PROTOCOLS.values() for metric in METRICS)
    return Table(
        "systems",
        "Every system on equal terms",
        "SD: speaker dependent, SI: speaker independent; each of the folds that are there, whose answers are pooled; "
        "of several seeds the mean. ±: sample standard deviation of UA over seeds and folds, each by itself. "
        "Parameters: weights that are learnt. Train: seconds of training per fold, on whatever machine it ran. A word "
        "in place of numbers says what a corpus lacks. Survey: the number that the survey prints for the system on the "
        "corpus, and with what of ours it may be compared, or why with nothing.",
        (*heads, *(f"± {short}" for short in PROTOCOLS.values()), "Parameters", "Train, s", "Survey", "Comparable"),
        tuple(rows),
        "folds",
        grouped="Corpus",
        brief=True,
        quotes=True,
        typeset=len(rows) <= TYPESET,
        named="System",
    )


def _accuracies(bench: Bench, corpus: str, system: str) -> list[CellValue]:
    if reason := bench.lacks(corpus, system):
        return [short_reason(corpus, reason), None, None, None]
    return [cell_of(bench, corpus, protocol, system, metric) for protocol in PROTOCOLS for metric in METRICS]


def _spreads(bench: Bench, corpus: str, system: str) -> list[CellValue]:
    """The deviation of UA over the folds of all seeds, under each protocol."""
    results = [bench.results.get((corpus, protocol, system)) for protocol in PROTOCOLS]
    return [Cell(result.spread("ua")) if result else None for result in results]


def cell_of(bench: Bench, corpus: str, protocol: str, system: str, metric: str) -> CellValue:
    """An accuracy of the folds that are there; a hole without, a word or nothing where there can be none."""
    if result := bench.results.get((corpus, protocol, system)):
        return result.cell(metric)
    if reason := bench.lacks(corpus, system):
        return short_reason(corpus, reason)
    return _HOLE if bench.can(corpus, protocol, system) else None


def short_reason(corpus: str, reason: str) -> str:
    """A reason in a cell: what stands before its colon or comma, without the corpus, if that is short.

    >>> short_reason("emodb", "emodb has no songs, emodb has no transcriptions")
    'no songs'
    >>> short_reason("emodb", "of one vector, nothing")
    'of one vector'
    >>> short_reason("emodb", "what it would need is nowhere to be found")
    'cannot be run'
    """
    short = re.split("[:,]", reason, maxsplit=1)[0].removeprefix(f"{corpus} has ").strip()
    return short if len(short) <= _LONGEST else "cannot be run"


def _expected(bench: Bench, corpus: str, protocol: str, system: str) -> int:
    folds = bench.folds.get((corpus, protocol), 0) * max(len(bench.expected.seeds), 1)
    return folds if bench.can(corpus, protocol, system) else 0


def _size(bench: Bench, corpus: str, system: str) -> list[CellValue]:
    """Weights, and seconds of training, of all runs that told them."""
    if bench.lacks(corpus, system):
        return [None, None]
    folds = [f for p in PROTOCOLS if (r := bench.results.get((corpus, p, system))) for f in r.folds]
    weights = {int(v) for f in folds if not np.isnan(v := f.score("parameters"))}
    seconds = [v for f in folds if not np.isnan(v := f.score("seconds/training"))]
    weight_range = (
        " … ".join(dict.fromkeys(f"{number:,}" for number in (min(weights), max(weights)))) if weights else HOLE
    )
    mean = float(np.mean(seconds)) if seconds else float("nan")
    return [weight_range, HOLE if np.isnan(mean) else f"{mean:.{0 if mean >= 10 else 2}f}"]


def _printed(bench: Bench, corpus: str, system: str) -> list[CellValue]:
    matching = claims(system, corpus)
    if not matching:
        return [None, None]
    if not bench.expected.printed_for(corpus):
        return [HOLE, HOLE]
    return [", ".join(claim.short for claim in matching), "; ".join(dict.fromkeys(claim.words for claim in matching))]


def best(bench: Bench) -> Table:
    """The best system of every case."""
    rows = []
    for corpus, protocol in bench.cases:
        ranked = bench.ranked(corpus, protocol)
        of = sum(bench.can(corpus, protocol, system) for system in bench.systems)
        rows.append(Row(corpus, PROTOCOLS[protocol], _first(ranked), len(ranked), of))
    return Table(
        "best",
        "The best system per corpus and protocol",
        "By UA, of the systems with all folds. Lead: UA over that of the second, paired. Ties: "
        "others that are as good; the first in the order of the systems is shown. The intervals are of the systems "
        "shown; being the best of many, they are biased upwards. Chance: UA of guessing.",
        ("System", "WA", "UA", "Second", "Lead", "Ties", "Chance", "Utterances", "Speakers"),
        tuple(rows),
        "systems",
        grouped="Corpus",
        brief=True,
        named="Protocol",
    )


def _first(ranked: Sequence[Result]) -> tuple[CellValue, ...]:
    if not ranked:
        return (HOLE, _HOLE, _HOLE, HOLE, _HOLE, HOLE, HOLE, HOLE, HOLE)
    top, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    ties = sum(result.value("ua") >= top.value("ua") - AS_EQUAL for result in ranked) - 1
    speakers = len({speaker for answers in top.answers for speaker in answers.speakers})
    return (
        *(top.system, top.cell("wa"), top.cell("ua"), second.system if second else HOLE),
        top.ahead_of(second, "ua") if second else _HOLE,
        *(str(ties), f"{100 / len(top.classes):.1f}", str(len(top.answers[0].uids)), str(speakers or HOLE)),
    )


def printed(bench: Bench) -> Table:
    """Table 1 of the paper, our number beside each of its numbers."""
    rows = []
    for claim in CLAIMS:
        dataset, model, _ = TABLE_1[claim.row]
        described = [str(value or "?") for value in (claim.classes, claim.utterances)]
        ours = [_ours(bench, claim, protocol) for protocol in PROTOCOLS]
        ours += [_reference(bench, claim, protocol) for protocol in PROTOCOLS]
        cells = (claim.printed, *ours, PROTOCOLS.get(claim.protocol, "?"), *described, claim.words, dataset, model)
        rows.append(Row(claim.authors, claim.system, cells))
    return Table(
        "table1",
        "Table 1 of the survey, and ours",
        "Dataset, model and accuracy as printed; protocol, classes and n as far as the survey or the work itself tells "
        "them (?: it does not). Here: WA on the same corpus, of an augmentation the gain in UA relative to none. "
        f"Reference: WA of {REFERENCE} on that corpus, a support vector machine over statistics of MFCC, which shows "
        "what the data allow without the surveyed system.",
        (
            "Accuracy",
            "Here, SD",
            "Here, SI",
            "Reference, SD",
            "Reference, SI",
            "Protocol",
            "Classes",
            "n",
            "Comparable",
            "Dataset",
            "Model",
        ),
        tuple(rows),
        grouped="Authors",
        brief=True,
        quotes=True,
        named="System",
    )


def _ours(bench: Bench, claim: Claim, protocol: str) -> CellValue:
    if not bench.expected.printed_for(claim.corpus):
        return None
    if claim.of == "relative":
        return gain(bench, claim.corpus, protocol, claim.system)
    return cell_of(bench, claim.corpus, protocol, claim.system, "wa")


def _reference(bench: Bench, claim: Claim, protocol: str) -> CellValue:
    """WA of the plain system on the claim's corpus, where it was run."""
    if not bench.expected.printed_for(claim.corpus) or claim.of == "relative" or REFERENCE not in bench.systems:
        return None
    return cell_of(bench, claim.corpus, protocol, REFERENCE, "wa")


def augmented(bench: Bench) -> bool:
    """Whether the study runs Chatziagapi's network."""
    return any(system.startswith(_AUGMENTED) for system in bench.systems)


def augmentations(bench: Bench) -> Table:
    """Returns what each way of making more recordings adds, as Chatziagapi et al. compare them."""
    names = [f"{_AUGMENTED}{control}" for control in CONTROLS]
    rows = []
    for corpus, protocol in bench.cases:
        cells: list[CellValue] = [cell_of(bench, corpus, protocol, name, "ua") for name in names]
        cells += [gain(bench, corpus, protocol, name) for name in names[1:]]
        claim = next((c for c in claims(names[-1], corpus) if c.protocol == protocol), None)
        paper = (*(None for _ in cells[1:]), claim.percent) if claim and bench.expected.printed_for(corpus) else ()
        n = sum(bench.complete(corpus, protocol, name) is not None for name in names)
        of = sum(bench.can(corpus, protocol, name) for name in names)
        rows.append(Row(corpus, PROTOCOLS[protocol], tuple(cells), n, of, paper))
    return Table(
        "augmentations",
        "Augmentation by a generative network, and its controls",
        "UA without augmentation and with; gains are relative to none, in percent of it, of systems with all folds.",
        (*CONTROLS, *(f"gain of {control}" for control in CONTROLS[1:])),
        tuple(rows),
        "systems",
        grouped="Corpus",
        brief=True,
        named="Protocol",
    )


def gain(bench: Bench, corpus: str, protocol: str, system: str) -> CellValue:
    """UA of an augmentation relative to none."""
    base, result = (bench.complete(corpus, protocol, name) for name in (f"{_AUGMENTED}{CONTROLS[0]}", system))
    if base and result:
        return result.gain(base, "ua")
    return _HOLE if bench.can(corpus, protocol, system) else None


def runs(bench: Bench) -> Table:
    """The runs behind every result, and the mean of its folds as they were logged."""
    rows = []
    for (corpus, protocol, system), result in bench.results.items():
        logged = [np.mean([fold.score(f"{metric}/{corpus}") for fold in result.folds]) for metric in METRICS]
        ids = " ".join(fold.run_id for fold in result.folds)
        cells = [Cell(float(value)) for value in logged] + [result.cell(metric) for metric in METRICS]
        rows.append(Row(corpus, system, (PROTOCOLS[protocol], *cells, ids), len(result.folds), result.of))
    heads = ("Protocol", "WA, mean of folds", "UA, mean of folds", "WA, pooled", "UA, pooled", "Runs")
    return Table(
        "runs",
        "Runs behind every result",
        "Means of folds are of what each run logged by itself; a fold of one speaker may lack classes.",
        heads,
        tuple(rows),
        "folds",
        grouped="Corpus",
        ids=("Runs",),
        keys=1,
        named="System",
    )

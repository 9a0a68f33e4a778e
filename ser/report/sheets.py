"""The tables that every report has beside its results: corpora, splits, deviations, and what no paper states."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ser.report.runs import Expected
from ser.report.splits import ProvedSplit, Splits, tested_speakers
from ser.report.standing import described
from ser.report.table import HOLE, Row, Table
from ser.study.languages import language_name
from ser.study.origins import SOURCES

OTHER_SETTINGS = "paper, other settings"
MOST_NAMED = 12  # tested speakers; more are counted
SHORT = {
    "whole": "whole release",
    "part": "part of a release",
    "other": "not the release",
    "made": "made",
    "own": "own table",
    "unknown": "unknown",
}
SUBSETS = ("train", "val", "test")


def tables_of(expected: Expected) -> tuple[Table, ...]:
    """Returns the sheets of a report; that of the splits is missing where no run has a proof."""
    splits = split_table(expected.splits)
    return (corpora(expected), *([splits] if splits else []), deviations(expected), origins(expected))


def corpora(expected: Expected) -> Table:
    """Which corpora these are, and whether each is the published release."""
    rows = []
    for corpus in expected.corpora:
        release = expected.releases.get(corpus.name)
        known = release is not None and release.utterances
        classes = ", ".join(f"{label} {n}" for label, n in release.labels.items()) if release else ""
        cells = (
            corpus.letter,
            described(expected, corpus.name),
            str(release.utterances) if release and known else HOLE,
            str(release.speakers) if release and known else HOLE,
            f"{release.hours:.2f}" if release and known else HOLE,
            ", ".join(language_name(tag) for tag in release.languages if tag) or HOLE if release else HOLE,
            classes or HOLE,
            "tested" if corpus.tested else "train only",
            release.fingerprint if release and known else HOLE,
        )
        rows.append(Row("", corpus.name, cells))
    return Table(
        "corpora",
        "Corpora",
        "As they were scanned: all usable utterances, with all labels, before the study's classes and splits. The "
        "whole release is what names, labels, speakers and durations tell to be all that was published, in the "
        "selection that the loader's settings make; a paper's numbers stand beside ours on no other corpus.",
        ("Letter", "Is", "Utterances", "Speakers", "Hours", "Languages", "Labels", "Use", "Fingerprint"),
        tuple(rows),
        unit="",
        grouped="",
        ids=("Fingerprint",),
        named="Corpus",
    )


def split_table(splits: Splits) -> Table | None:
    """The table of all splits; None where no run has a proof."""
    if not splits.proved:
        return None
    ways: dict[tuple[str, str, str], list[ProvedSplit]] = {}
    for one in splits.proved:
        ways.setdefault((one.of.corpus, one.of.rule, one.of.copies), []).append(one)
    rows = [row for _, way in sorted(ways.items()) for row in _rows(way)]
    copies = f" Copies are of {splits.augmentation}." if splits.augmentation else ""
    unread = len(splits.runs) - len(splits.proved)
    return Table(
        "splits",
        "Splits: who is tested",
        "From the proofs that runs left. Of several folds or seeds: from the least to the most; the tested speakers "
        f"are those of all folds, and classes those of the first.{copies} At most {MOST_NAMED} tested speakers are "
        "named." + (f" Of {len(splits.runs)} splits {unread} are not read, or have no proof." if unread else ""),
        ("Rule", "Speakers", "Utterances", "Hours", "Per class", "Folds", "Seeds", "Copies"),
        tuple(rows),
        unit="",
        grouped="Corpus",
        typeset=False,
        named="Subset",
    )


def _rows(way: Sequence[ProvedSplit]) -> list[Row]:
    first, rows = way[0], []
    shared = max(one.proof.get("shared_speakers", 0) for one in way)
    rule = first.of.rule + (f"; {shared} speakers are in several subsets" if shared else "")
    folds = ", ".join(map(str, sorted({one.of.fold for one in way} - {0}))) or "none"
    seeds = ", ".join(dict.fromkeys(one.of.seed for one in way if one.of.seed)) or "none"
    there = [side for side in SUBSETS if any(one.proof["utterances"].get(side) for one in way)]
    for side in there:
        speakers = _tested(way) if side == "test" else _range(len(one.proof["speakers"][side]) for one in way)
        utterances = _range(one.proof["utterances"][side] for one in way)
        hours = _range(float(f"{one.proof['hours'][side]:.3g}") for one in way if "hours" in one.proof) or HOLE
        classes = ", ".join(f"{name} {n}" for name, n in first.proof["per_class"][side].items())
        copies = first.of.copies if side == "train" else ""
        cells = (rule, speakers, utterances, hours, classes, folds, seeds, copies)
        rows.append(Row(first.of.corpus, side, cells))
        rule = folds = seeds = ""
    return rows


def _range(values: Iterable[float]) -> str:
    listed = sorted(set(values))
    return " … ".join(map(str, dict.fromkeys((listed[0], listed[-1])))) if listed else ""


def _tested(way: Sequence[ProvedSplit]) -> str:
    names = tested_speakers(way)
    return f"{len(names)}: {', '.join(names)}" if len(names) <= MOST_NAMED else str(len(names))


def deviations(expected: Expected) -> Table:
    """Every setting in which the runs differ from the study's file."""
    rows = [
        Row("", d.path, (d.runs or "none", d.study or "none", "demo's budget" if d.is_budget else ""))
        for d in expected.deviations
    ]
    heads: tuple[str, ...] = ("Here", "Study", "Why")
    if not any(d.is_budget for d in expected.deviations):  # nothing is known of why
        rows, heads = [replace(row, cells=row.cells[:2]) for row in rows], heads[:2]
    mode = f", in its mode {expected.mode}" if expected.mode else ""
    return Table(
        "deviations",
        "Deviations from the study file",
        f"Every setting in which a run's statement differs from the study as its file states it{mode}."
        + ("" if rows else " None."),
        heads,
        tuple(rows),
        unit="",
        grouped="",
        named="Setting",
    )


def origins(expected: Expected) -> Table:
    """What the study states and its paper does not."""
    rows = [
        Row("", stated.origin.path, (stated.value, SOURCES[stated.origin.by], stated.origin.why))
        for stated in expected.origins
    ]
    return Table(
        "origins",
        "What the study states and the paper does not",
        "Values that are not the paper's, or not its only reading; without a value, several settings that begin so."
        + ("" if rows else " The study file names none."),
        ("Value", "By", "Why"),
        tuple(rows),
        unit="",
        grouped="",
        typeset=False,
        named="Setting",
    )


def badges(expected: Expected) -> list[str]:
    """Facts for the top of the report: what the corpora are, and how many settings differ from the study's."""
    states = Counter(SHORT[release.state] for release in expected.releases.values())
    facts = [f"corpora: {', '.join(f'{n} {state}' for state, n in states.items())}"] if states else []
    facts += [f"precision: {_precisions(expected.precisions)}"] if expected.precisions else []
    count = len(expected.deviations)
    if not count:
        return facts
    kind = "demo's budget: " if any(d.is_budget for d in expected.deviations) else ""
    return [*facts, f"{kind}{_settings(count)} from the study, see Deviations"]


def _precisions(counts: Mapping[str, int]) -> str:
    """``bfloat16``; of several ``float32 (84 trials), bfloat16 (80 trials)``."""
    return ", ".join(f"{name} ({n} trials)" for name, n in counts.items()) if len(counts) > 1 else next(iter(counts))


def marked(tables: Sequence[Table], expected: Expected) -> tuple[Table, ...]:
    """The tables as they are, but for those with printed numbers beside ours of other settings, which say so."""
    told = warning(expected)
    if not told:
        return tuple(tables)
    return tuple(
        replace(t, explanation=f"{told} {t.explanation}", paper_label=OTHER_SETTINGS) if has_printed(t, expected) else t
        for t in tables
    )


def warning(expected: Expected) -> str:
    """What stands beside a paper's numbers where our settings differ from the study's; "" where they do not."""
    count = len(expected.deviations)
    if not count:
        return ""
    return f"Ours are of other settings than the paper's: {_settings(count)} from the study, see Deviations."


def has_printed(table: Table, expected: Expected) -> bool:
    """Whether a table has a paper's numbers, in rows below ours or among its cells."""
    return any(row.paper for row in table.rows) or (table.quotes and expected.printed_anywhere)


def _settings(count: int) -> str:
    return f"{count} setting{' differs' if count == 1 else 's differ'}"

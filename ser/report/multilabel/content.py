"""The report of Pho et al. 2020: several emotions at once, how well each is found, and which accuracy says so.

Pho, Truong, Yanushkevich, "Multi-Label Speech Emotion Recognition Using 2D Convolutional Neural Networks", SAC 2020.
What the study itself states is shown in full, and so is the best of its search, which validation chooses.

Beside predictions it reads files of the first run. ``split/<corpus>.json``: the proof of its split. ``labels.json``:
corpus → {"utterances": n, "labels": {class: n}, "types": {"1": n, "2": n, "3": n}} over all subsets. Where a run
lacks one, its values are holes.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ser.metrics import multilabel
from ser.report import bootstrap, figures
from ser.report.content import HOLE, Content, Picture, Table
from ser.report.groups import Group, best, fold_of, grouped, repeat_of, search_table
from ser.report.multilabel import published
from ser.report.multilabel.hyperparameters import figure_2, layers, table_2, table_3
from ser.report.multilabel.scores import rates
from ser.report.multilabel.tables import (
    Labelled,
    ScoredSetting,
    figure_1,
    figure_4,
    literature,
    losses,
    metrics_table,
    scored,
    shares_of,
    table_1,
)
from ser.report.predictions import MultiLabelPredictions, multi_label
from ser.report.reference import joined_several, label, reference_several
from ser.report.runs import Expected, Finished, Options

MOST_SHOWN = 4  # settings of the study itself that are shown in full
MOST_CURVES = 12


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """The paper's Tables 1 to 4 and Figures 1 to 4. Raises BadInput for predictions that fit no class."""
    runs, tests = [], {}
    for run in finished:
        tested = multi_label(run, expected.classes)
        if tested is not None:
            tests[run.run_id] = tested
        runs.append(replace(run, text=""))
    groups = grouped(runs)
    best_group = best(g for g in groups if g.runs[0].run_id in tests)
    full = [_measured(group, tests, expected, options) for group in _in_full(groups, best_group, tests)]
    references = reference_several(expected, options)
    beside = [scored(label(expected), None, references, expected, options)] if references else []
    logged_labels = _first_file(runs, "labels.json", options) or {}
    proofs = [_first_file(runs, f"split/{c.name}.json", options) for c in expected.corpora]
    labels = {c.name: Labelled.of(logged_labels[c.name]) for c in expected.corpora if c.name in logged_labels}
    counts = shares_of(labels, expected.classes) if labels else {}
    return Content.of(
        expected,
        (run.title for run in runs),
        tables=(
            metrics_table([*full, *beside], expected),
            losses([*full, *beside], expected),
            *_tables(groups, tests, best_group, full, proofs, labels, counts, expected, options),
        ),
        notes=_notes(full, groups, runs, expected, options, bool(labels)),
        pictures=_pictures(groups, full, counts, expected, options),
        inconsistencies=published.INCONSISTENCIES,
    )


def _in_full(
    groups: Sequence[Group], best_group: Group | None, tests: Mapping[str, MultiLabelPredictions]
) -> list[Group]:
    """Settings of the study itself, and the best one, of those that were tested."""
    stated = [g for g in groups if not g.searched and g.runs[0].run_id in tests][:MOST_SHOWN]
    return stated if best_group is None or best_group in stated else [*stated, best_group]


def _measured(
    group: Group, tests: Mapping[str, MultiLabelPredictions], expected: Expected, options: Options
) -> ScoredSetting:
    """The scores of the runs, of each seed all folds; a seed that lacks folds which others have is left out."""
    tested = [run for run in group.runs if run.run_id in tests]
    folds = {fold_of(run) for run in tested}
    by_seed: dict[tuple[str, str], dict[int, MultiLabelPredictions]] = {}
    for run in tested:
        by_seed.setdefault(repeat_of(run), {}).setdefault(fold_of(run), tests[run.run_id])
    whole = [list(by_fold.values()) for by_fold in by_seed.values() if by_fold.keys() == folds]
    pooled = [parts[0] if len(parts) == 1 else joined_several(parts) for parts in whole]
    return scored(group.title, group, pooled, expected, options)


def _first_file(runs: Sequence[Finished], path: str, options: Options) -> Any:
    """The content of a JSON file of the first run; None if it has none."""
    for run in runs[:1]:
        if text := options.file(run.run_id, path):
            return json.loads(text)
    return None


def _tables(
    groups: Sequence[Group],
    tests: Mapping[str, MultiLabelPredictions],
    best_group: Group | None,
    full: Sequence[ScoredSetting],
    proofs: Sequence[Any],
    labels: Mapping[str, Labelled],
    counts: Mapping[str, Mapping[str, int]],
    expected: Expected,
    options: Options,
) -> Iterator[Table]:
    yield figure_4(full, expected)
    yield literature(full, expected)
    yield table_1(labels, expected)
    yield table_2(groups, best_group, expected)
    yield table_3(groups, best_group, expected, _subsets(proofs))
    if len(groups) > 1:
        columns = [(head, partial(_overall, tests, score)) for head, score in _OF_SEARCH.items()]
        yield search_table(groups, len(expected.seeds), columns)
    yield figure_1(counts, expected)
    first = full[0].group.runs[0] if full and full[0].group else None
    yield figure_2(first)
    yield layers(first, options)


def _subsets(proofs: Sequence[Any]) -> dict[str, int] | None:
    """Utterances of all corpora on each side; None where a corpus does not tell."""
    if not proofs or not all(proofs):
        return None
    return {side: sum(proof["utterances"].get(side, 0) for proof in proofs) for side in ("train", "val", "test")}


_OF_SEARCH = {"As published": "published", "Equation 4": "eq4", "Balanced": "balanced"}


def _overall(tests: Mapping[str, MultiLabelPredictions], score: str, group: Group) -> list[float]:
    """A score of every run of a group; nan where one was not tested, or has none."""
    if any(run.run_id not in tests for run in group.runs):
        return [math.nan]
    repeats = [tests[run.run_id] for run in group.runs]
    return [multilabel.scores(t.truth, t.probabilities).get(score, math.nan) for t in repeats]


def _notes(
    full: Sequence[ScoredSetting],
    groups: Sequence[Group],
    runs: Sequence[Finished],
    expected: Expected,
    options: Options,
    labelled: bool,
) -> list[str]:
    notes = []
    samples = {"all": full[0].whole.sample} | {name: s.sample for name, s in full[0].by_corpus.items()} if full else {}
    if intervals := bootstrap.words(options, samples):
        notes.append(intervals)
    if full:
        tested = full[0].tests[0]
        sizes = ", ".join(f"{name} {(tested.corpora == name).sum()}" for name in expected.tested)
        seeds = ", of the first seed" if len(full[0].tests) > 1 else ""
        notes.append(f"Test utterances{seeds}: {len(tested.uids)} ({sizes}).")
    lacking = [one.title for one in full if one.group and len({repeat_of(r) for r in one.group.runs}) > len(one.tests)]
    if lacking:
        notes.append(f"Left out: seeds that were not tested, or lack folds which others have, of {', '.join(lacking)}.")
    stated = sum(not group.searched for group in groups)
    if stated > MOST_SHOWN:
        notes.append(
            f"Shown in full are the first {MOST_SHOWN} of {stated} settings of the study, and the best by validation; "
            "all are in the table of the search."
        )
    if runs and not labelled:
        notes.append(f"{HOLE} in Table 1 and Figure 1: the runs have no labels.json.")
    return notes


def _pictures(
    groups: Sequence[Group],
    full: Sequence[ScoredSetting],
    counts: Mapping[str, Mapping[str, int]],
    expected: Expected,
    options: Options,
) -> Iterator[Picture]:
    if counts:
        titles = {"corpus": "Database", "emotion": "Emotion", "label type": "Label type"}
        shares = {titles[kind]: _shares(counted) for kind, counted in counts.items()}
        yield figures.share_charts(shares, "figure1", "Figure 1: shares of corpora, emotions and label types.")
    for place, one in enumerate(full, start=1):
        over_seeds = ", over all seeds" if len(one.tests) > 1 else ""
        lines = {}
        for title, cast in (("cut to 0 and 1", True), ("above 0.5", False)):
            matrices, _ = rates(one.tests, cast)
            lines[title] = dict(zip(expected.classes, matrices, strict=True))
        caption = f"Figure 4, {one.title}: rows are the truth, each divided by its sum{over_seeds}."
        yield figures.small_matrices(lines, ("absent", "there"), f"figure4_{place}", caption)
    yield from _curves(groups, full, options)


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = max(sum(counts.values()), 1)
    return {name: count / total for name, count in counts.items()}


def _curves(groups: Sequence[Group], full: Sequence[ScoredSetting], options: Options) -> Iterator[Picture]:
    """Training and validation loss of what is shown in full, and the validation loss of the best of the search."""
    for place, one in enumerate(full, start=1):
        titles = {"train/loss": "training", "val/loss": "validation"}
        curves = {name: options.curve(one.tests[0].run_id, name) for name in titles}
        if any(curves.values()):
            of_first = " (the first of its runs)" if len(one.tests) > 1 else ""
            caption = f"Loss per epoch: {one.title}{of_first}."
            names = {name: name for name in curves}
            yield figures.learning_curves(curves, names, titles, "loss", caption, f"curves_{place}")
    searched = sorted((g for g in groups if g.loss == g.loss), key=lambda g: g.loss)[:MOST_CURVES]
    curves = {g.title: values for g in searched if (values := options.curve(g.runs[0].run_id, "val/loss"))}
    if len(curves) > 1:
        kinds = {g.title: "searched" if g.searched else "stated" for g in searched}
        legend = {"stated": "stated by the study", "searched": "proposed by the search"}
        of_first = " (of each the first of its runs)" if any(len(g.runs) > 1 for g in searched) else ""
        caption = f"Validation loss of the {len(curves)} settings with the least{of_first}, of {len(groups)}."
        yield figures.learning_curves(curves, kinds, legend, "validation loss", caption, "curves_search")

"""The tables of Khan et al.: its networks, its accuracies, what is confused with what, and its search."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ser.metrics.accuracy import ua, wa
from ser.report.content import HOLE, Cell, Printed, Row, Table
from ser.report.groups import short, spread
from ser.report.layers import LoggedLayer, layers_of
from ser.report.mfcc_networks import published
from ser.report.mfcc_networks.accuracies import Tests, size_in_words
from ser.report.mfcc_networks.groups import Candidate, TestedSetting, at_kept_epoch, role_of
from ser.report.runs import Expected, Options
from ser.report.statistics import METRICS, wilson

_TITLES = {"table3": "Table 3: the RNN", "table4": "Table 4: the CNN"}
_HOLE = Cell(np.nan)
_BLOCKS = {"table3": "rnn", "table4": "cnn1d"}
PrintedCell = Callable[[str, str, str, str], Printed]


def _printed(is_shown: bool) -> PrintedCell:
    """The paper's cells, or none where they may not stand beside ours."""
    return published.printed if is_shown else lambda *_: None


def _unless_empty(values: Sequence[Printed]) -> tuple[Printed, ...]:
    return tuple(values) if any(value is not None for value in values) else ()


def models(settings: Sequence[TestedSetting], expected: Expected, options: Options) -> list[Table]:
    """Tables 3 and 4: the layers of the networks, as they were stated and as the search would have them."""
    return [_model(key, [s for s in settings if s.block == block], expected, options) for key, block in _BLOCKS.items()]


def _model(key: str, settings: Sequence[TestedSetting], expected: Expected, options: Options) -> Table:
    printed, rows = _printed(expected.printed_anywhere), []
    for one in settings:
        layers = layers_of(one.runs[0], options, head="Output")
        total = sum(layer.parameters for layer in layers)
        for layer in [*layers, LoggedLayer("all", "", total)] if layers else [LoggedLayer("all", HOLE, 0)]:
            paper = _unless_empty([printed(key, "architecture", layer.name, c) for c in ("Output shape", "Parameters")])
            weights = Cell(float(layer.parameters)) if layers else HOLE
            rows.append(Row(one.title, layer.name, (layer.output, weights), paper=() if one.refitted else paper))
    return Table(
        key,
        _TITLES[key],
        "Counted in the networks that were trained. Shapes are of one utterance, values × filters or units."
        + (" What the paper prints cannot all be: see its inconsistencies." if expected.printed_anywhere else "")
        + ("" if settings else " No run of this network is there."),
        ("Output shape", "Parameters"),
        tuple(rows),
        digits=0,
        unit="",
        grouped="Settings",
        brief=True,
        named="Layer",
    )


def accuracy(
    settings: Sequence[TestedSetting], tests: Mapping[str, Tests], expected: Expected, options: Options
) -> Table:
    """Accuracy on the training and the test side, the plain reference below."""
    rows: list[Row] = []
    repeated = any(len(one.runs) > 1 for one in settings)
    for corpus in expected.tested:
        printed, tested = _printed(expected.printed_for(corpus)), tests.get(corpus)
        size = size_in_words(tested)
        for one in settings:
            train = [at_kept_epoch(run, f"train/wa/{corpus}", options.curve) for run in one.runs]
            accuracies = [
                tested.cell(one.title, metric).from_runs(
                    (run.run_id for run in one.runs), tested.sample.utterances, f"{corpus}: {one.title}"
                )
                if tested
                else _HOLE
                for metric in METRICS
            ]
            paper = _unless_empty([printed("text", "accuracy", one.block, side) for side in ("Train", "Test")])
            epochs = ", ".join(f"{run.scores.get('epochs', np.nan):.0f}" for run in one.runs)
            deviations = [Cell(spread(train)), *_spreads(one, corpus)] if repeated else []
            cells: list[Cell | str] = [Cell(float(np.mean(train))), *accuracies, *deviations, size, epochs]
            rows.append(Row(corpus, one.title, tuple(cells), len(one.tests(corpus)), len(expected.seeds), paper))
        if tested and tested.reference:
            accuracies = [tested.cell(tested.reference, metric) for metric in METRICS]
            seeds = tested.seeds[tested.titles.index(tested.reference)]
            reference: list[Cell | str | None] = [None, *accuracies, *[None] * (3 * repeated), size, None]
            rows.append(Row(corpus, tested.reference, tuple(reference), seeds, len(expected.seeds)))
    return Table(
        "accuracy",
        "Accuracy in training and test",
        "Of the weights that were kept"
        + ("; means over the seeds (±: sample standard deviation over them)" if repeated else "")
        + ". UA: mean of the classes' recalls. The test side chooses nothing: candidates are compared by validation in "
        "folds of the training side, and the best is refitted on all of it.",
        ("Train", "Test", "UA, test", *["± train", "± test", "± UA"] * repeated, "Tested on", "Epochs"),
        tuple(rows),
        "seeds",
        digits=2,
        grouped="Corpus",
        brief=True,
        named="Network",
    )


def _spreads(one: TestedSetting, corpus: str) -> list[Cell]:
    """Deviations of WA and UA over the seeds."""
    counts = [test.counts for test in one.tests(corpus)]
    return [Cell(spread([accuracy_of(each) for each in counts])) for accuracy_of in (wa, ua)]


def _shown(
    one: TestedSetting, corpus: str, searched: Sequence[Candidate], options: Options
) -> list[tuple[str, NDArray[np.int64] | None]]:
    """Confusion matrices to be shown of a setting, with what is said of each; of one seed its own.

    Of several seeds the best of the test, as the paper has it, the best by validation, and the sum over all.
    """
    best, tests = one.best(corpus), one.tests(corpus)
    if best is None:
        return [("", None)]
    if len(tests) == 1:
        return [("", best.counts)]
    shown = [(f"best of {len(tests)} seeds in the test", best.counts)]
    if chosen := one.by_validation(corpus, searched, options.curve):
        (seed, _), test = chosen
        shown.append((f"seed {seed}, best in validation", test.counts))
    return [*shown, (f"all {len(tests)} seeds", np.asarray(np.sum([test.counts for test in tests], axis=0)))]


_OF_SEEDS = (
    " Of several seeds: the one with the most right in the test, which is rather too good; the one that validation "
    "chooses, where it can (a network that learned from all that is not tested has no validation of its own, one of "
    "the search has that of its candidate); and all of them."
)


def confusions(
    settings: Sequence[TestedSetting], searched: Sequence[Candidate], expected: Expected, options: Options
) -> Table:
    """Table 5: the CNN's confusion matrices."""
    rows = []
    for one in settings:
        for corpus in expected.tested if one.block == "cnn1d" else ():
            printed = _printed(expected.printed_for(corpus))
            for place, (kind, counts) in enumerate(_shown(one, corpus, searched, options)):
                name = ", ".join(filter(None, (_setting_name(one, corpus, expected), kind)))
                for i, true in enumerate(expected.classes):
                    line = [HOLE] * (len(expected.classes) + 1)
                    if counts is not None:
                        line = [*map(str, counts[i].tolist()), str(counts[i].sum())]
                    values = [printed("table5", "confusion", true, guess) for guess in expected.classes]
                    paper = _unless_empty([f"{v:.0f}" if isinstance(v, float) else v for v in values])
                    rows.append(Row(name, true, tuple(line), paper=() if place else paper))
    return Table(
        "table5",
        "Table 5: confusion matrix of the CNN",
        "Utterances; rows are the truth, columns what the network says." + _OF_SEEDS * (len(expected.seeds) > 1),
        (*expected.classes, "all"),
        tuple(rows),
        unit="",
        grouped="Network",
        brief=True,
        named="Truth",
    )


def _setting_name(one: TestedSetting, corpus: str, expected: Expected) -> str:
    return one.title if len(expected.tested) == 1 else f"{one.title}, {corpus}"


def recalls(
    settings: Sequence[TestedSetting], searched: Sequence[Candidate], expected: Expected, options: Options
) -> Table:
    """Table 6: the share of each class that is found."""
    rows = []
    for one in settings:
        for corpus in expected.tested:
            printed, tests = _printed(expected.printed_for(corpus)), one.tests(corpus)
            for place, (kind, counts) in enumerate(_shown(one, corpus, searched, options)):
                cells = [_HOLE for _ in expected.classes]
                if counts is not None:
                    cells = [wilson(int(line[i]), int(line.sum())) for i, line in enumerate(counts)]
                if kind.startswith("all "):
                    cells = [Cell(cell.value) for cell in cells]  # utterances come once for each seed
                paper = _unless_empty([printed("table6", "recall", one.block, c) for c in expected.classes])
                n = len(tests) if kind.startswith("all ") or len(tests) < 2 else 1
                name = ", ".join(filter(None, (one.title, kind)))
                rows.append(Row(corpus, name, tuple(cells), n, len(expected.seeds), () if place else paper))
    return Table(
        "table6",
        "Table 6: accuracy of each class",
        "Of the utterances of a class, those that are found. Intervals: Wilson's, of one seed; they do not know that "
        "utterances of one speaker are alike. A class without a test utterance is a hole."
        + _OF_SEEDS
        * (len(expected.seeds) > 1),
        expected.classes,
        tuple(rows),
        "seeds",
        digits=2,
        grouped="Corpus",
        brief=True,
        named="Network",
    )


def searches(searched: Sequence[Candidate], tested: Sequence[TestedSetting]) -> list[Table]:
    """The search of each network: every candidate with what it drew and what each fold gave, best first."""
    refits = {(run.params.get("block"), run.params.get("seed", "0"), run.params.get("role.number")) for s in tested
              for run in s.runs if role_of(run) == "refit"}  # fmt: skip
    blocks = dict.fromkeys(candidate.block for candidate in searched)
    return [_search(block, [c for c in searched if c.block == block], refits) for block in blocks]


def ranked(searched: Sequence[Candidate]) -> list[tuple[str, Candidate]]:
    """Place and candidate of one network, by mean validation accuracy within a seed; incomplete ones last, unplaced."""
    out = []
    for seed in dict.fromkeys(c.seed for c in searched):
        of_seed = [c for c in searched if c.seed == seed]
        means = [c.mean("objective/wa") for c in of_seed]
        for i in sorted(range(len(of_seed)), key=lambda i: (np.isnan(means[i]), -means[i])):
            better = sum(mean > means[i] for mean in means)
            out.append((HOLE if np.isnan(means[i]) else str(better + 1), of_seed[i]))
    return out


def _short(text: str) -> str:
    """A drawn number with four digits; anything else, and what was chosen from a list, as it is."""
    return f"{float(text):.4g}" if len(text) > 8 and text.replace(".", "").replace("e-", "").isdigit() else text


def _search(block: str, searched: Sequence[Candidate], refits: set[tuple[str | None, str, str | None]]) -> Table:
    runs = [run for c in searched for run in c.folds.values()]
    paths = list(dict.fromkeys(path for run in runs for path in run.params.get("role.varied", "").split(",") if path))
    rows = []
    for place, candidate in ranked(searched):
        params = next(iter(candidate.folds.values())).params
        folds = candidate.each("objective/wa")
        complete = not np.isnan(folds).any()
        spread = float(np.std(folds, ddof=1)) if complete and len(folds) > 1 else np.nan
        cells = [_short(params.get(path.replace(f"{block}.", "block.", 1), HOLE)) for path in paths]
        values = [Cell(v) for v in folds] + [Cell(candidate.mean("objective/wa")), Cell(spread)]
        loss = candidate.mean("objective/loss")
        mark = "refitted" if (block, candidate.seed, candidate.number) in refits else ""
        last = (HOLE if np.isnan(loss) else f"{loss:.4f}", mark)
        name = f"candidate {candidate.number}" + (f", seed {candidate.seed}" if candidate.seed != "0" else "")
        row = Row("", name, (place, *cells, *values, *last), len(candidate.folds), len(candidate.expected))
        rows.append(row)
    heads = [f"Fold {fold}" if fold else "Validation" for fold in searched[0].expected]
    return Table(
        f"search_{block}",
        f"The search: {block}",
        "What each candidate drew, its validation accuracy in every fold of the training side, their mean and sample "
        "standard deviation, and the mean validation loss. Rank: by the mean accuracy, within a seed; the one that the "
        "search chose was trained again on the whole training side.",
        ("Rank", *short(paths), *heads, "Mean", "Std", "Loss", "Chosen"),
        tuple(rows),
        "folds",
        grouped="",
        named="Candidate",
        brief=len(rows) <= 60,
        typeset=False,
    )

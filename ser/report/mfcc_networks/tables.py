"""The tables of Khan et al.: its networks, its accuracies, what is confused with what, and its search."""

from collections.abc import Callable, Sequence

import numpy as np

from ser.report.bootstrap import mean_accuracies
from ser.report.content import HOLE, Cell, Printed, Row, Table
from ser.report.groups import short
from ser.report.layers import LoggedLayer, layers_of
from ser.report.mfcc_networks import published
from ser.report.mfcc_networks.groups import Candidate, TestedSetting, at_kept_epoch, role_of
from ser.report.runs import Expected, Options
from ser.report.statistics import wilson

_TITLES = {"table3": "Table 3: the RNN", "table4": "Table 4: the CNN"}
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
    )


def accuracy(settings: Sequence[TestedSetting], expected: Expected, options: Options) -> Table:
    """Accuracy on the training and the test side."""
    rows = []
    for one in settings:
        for corpus in expected.tested:
            printed = _printed(expected.printed_for(corpus))
            train = [at_kept_epoch(run, f"train/wa/{corpus}", options.curve) for run in one.runs]
            tests = one.answers.get(corpus, ())
            test, balanced = mean_accuracies(tests, options.replicates, options.resample)
            paper = _unless_empty([printed("text", "accuracy", one.block, side) for side in ("Train", "Test")])
            epochs = ", ".join(f"{run.scores.get('epochs', np.nan):.0f}" for run in one.runs)
            cells = (Cell(float(np.mean(train))), test, balanced, str(len(tests[0].uids)) if tests else HOLE, epochs)
            row = Row(corpus, one.title, cells, len(tests), len(expected.seeds), paper)
            rows.append(row)
    return Table(
        "accuracy",
        "Accuracy in training and test",
        "Of the weights that were kept; means over the seeds. UA: mean of the classes' recalls. The test side chooses "
        "nothing: candidates are compared by validation in folds of the training side, and the best is refitted on all "
        "of it. Intervals: bootstrap over the test utterances.",
        ("Train", "Test", "UA, test", "Test utterances", "Epochs"),
        tuple(rows),
        "seeds",
        digits=2,
        grouped="Corpus",
        brief=True,
    )


def confusions(settings: Sequence[TestedSetting], expected: Expected) -> Table:
    """Table 5: the CNN's confusion matrices."""
    rows = []
    for one in settings:
        for corpus in expected.tested if one.block == "cnn1d" else ():
            best, printed = one.best(corpus), _printed(expected.printed_for(corpus))
            for i, true in enumerate(expected.classes):
                line = [f"{count}" for count in best.counts[i]] if best else [HOLE] * len(expected.classes)
                total = str(best.counts[i].sum()) if best else HOLE
                values = [printed("table5", "confusion", true, guess) for guess in expected.classes]
                paper = _unless_empty([f"{v:.0f}" if isinstance(v, float) else v for v in values])
                rows.append(Row(_setting_name(one, corpus, expected), true, (*line, total), paper=paper))
    return Table(
        "table5",
        "Table 5: confusion matrix of the CNN",
        "Utterances; rows are the truth, columns what the network says. Of several seeds the one with the most right "
        "in the test, so this is rather too good: the means over the seeds are in the first table.",
        (*expected.classes, "all"),
        tuple(rows),
        unit="",
        grouped="Network",
        brief=True,
    )


def _setting_name(one: TestedSetting, corpus: str, expected: Expected) -> str:
    return one.title if len(expected.tested) == 1 else f"{one.title}, {corpus}"


def recalls(settings: Sequence[TestedSetting], expected: Expected) -> Table:
    """Table 6: the share of each class that is found."""
    rows = []
    for one in settings:
        for corpus in expected.tested:
            best, printed = one.best(corpus), _printed(expected.printed_for(corpus))
            if best is None:
                cells = [Cell(np.nan) for _ in expected.classes]
            else:
                cells = [wilson(int(line[i]), int(line.sum())) for i, line in enumerate(best.counts)]
            paper = _unless_empty([printed("table6", "recall", one.block, c) for c in expected.classes])
            n = len(one.answers.get(corpus, ()))
            rows.append(Row(corpus, one.title, tuple(cells), n, len(expected.seeds), paper))
    return Table(
        "table6",
        "Table 6: accuracy of each class",
        "Of the utterances of a class, those that are found, in the runs of Table 5 (of several seeds the one with the "
        "most right in the test). Intervals: Wilson's. A class without a test utterance is a hole.",
        expected.classes,
        tuple(rows),
        "seeds",
        digits=2,
        grouped="Corpus",
        brief=True,
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
        brief=len(rows) <= 60,
        typeset=False,
    )

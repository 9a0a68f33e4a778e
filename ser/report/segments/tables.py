"""The tables of Sahoo et al. 2019: segments, layers, accuracies by way of cutting and units, and the literature."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ser.report.content import HOLE, Cell, Printed, Row, Table
from ser.report.groups import best
from ser.report.layers import layers_of
from ser.report.predictions import SegmentPredictions
from ser.report.runs import Expected, Options
from ser.report.segments import published
from ser.report.segments.accuracies import METRICS, mean_and_spread
from ser.report.segments.groups import Setting

Scores = Mapping[str, tuple[Cell, Cell]]  # metric → mean, standard deviation
Line = tuple[str, str, "Answers | None"]
_HOLE = Cell(np.nan), Cell(np.nan)
_EXPLAINED = (
    "SA: segments that are right. Of the clips, ACA: all segments right; SCA: the true class has more segments than "
    "any other; BCA: no other has more; ALCA: the true class has the highest mean logit. The authors' program lets the "
    "first of tied classes stand for the clip in SCA; the paper does not say so, and both are given. "
)
_SPREAD = "Mean and sample standard deviation over the seeds, which one seed has not."
# Rows of the paper's Table 5, in its order.
WORKS = (
    *("Baseline", "ARE", "ACNN", "Ensemble (audio)", "audio-BRE", "Ensemble (text)", "TRE"),
    *("Proposed (Non-overlap)", "Proposed (Overlap)"),
)


class Answers(Protocol):
    """What has test clips: a setting, or the plain reference."""

    def of(self, corpus: str) -> tuple[SegmentPredictions, ...]:
        """Test clips of each complete seed."""


@dataclass(frozen=True, eq=False)
class PlainReference:
    """A fitted model on the same segments, which no paper has."""

    title: str  # "" = the study has none
    tests: Mapping[str, Sequence[SegmentPredictions]]  # corpus → each complete seed

    def of(self, corpus: str) -> tuple[SegmentPredictions, ...]:
        """Test clips of each complete seed."""
        return tuple(self.tests.get(corpus, ()))


class Measured:
    """Scores of settings, computed once each."""

    def __init__(self, replicates: int, resample: str) -> None:
        self.replicates, self.resample = replicates, resample
        self._scores: dict[tuple[int, str], Scores] = {}

    def of(self, setting: Answers | None, corpus: str) -> Scores:
        """Metric → mean with its interval, and standard deviation; holes without a complete seed."""
        runs = setting.of(corpus) if setting else ()
        if not runs:
            return dict.fromkeys(METRICS, _HOLE)
        key = id(setting), corpus
        if key not in self._scores:
            scores = mean_and_spread(runs, self.replicates, self.resample)
            ids, title = (
                ([run.run_id for run in setting.runs], setting.title) if isinstance(setting, Setting) else ([], "")
            )
            words, n = f"{corpus}: {title or 'the reference'}", len(runs[0].uids)
            self._scores[key] = {
                name: (mean.from_runs(ids, n, words), deviation) for name, (mean, deviation) in scores.items()
            }
        return self._scores[key]


def _rows(
    key: str, lines: Iterable[Line], reference: PlainReference, measured: Measured, expected: Expected
) -> tuple[Row, ...]:
    """For each metric a row of every line, (its name, the paper's name for it, the setting), and of the reference."""
    listed = [*lines, *([(reference.title, "", reference)] if reference.title else [])]
    rows = []
    for metric, title in METRICS.items():
        for corpus in expected.tested:
            for name, papers, setting in listed:
                values = [published.printed(key, metric, papers, c) for c in ("mean", "std")]
                is_shown = expected.printed_for(corpus) and any(v is not None for v in values)
                paper = tuple(values) if is_shown else ()
                whole = name if len(expected.tested) == 1 else f"{name}, {corpus}"
                n = len(setting.of(corpus)) if setting else 0
                row = Row(title, whole, measured.of(setting, corpus)[metric], n, len(expected.seeds), paper)
                rows.append(row)
    return tuple(rows)


def _five(key: str, title: str, explanation: str, rows: tuple[Row, ...]) -> Table:
    return Table(
        key,
        title,
        explanation + _SPREAD,
        ("mean", "std"),
        rows,
        "seeds",
        grouped="Accuracy",
        brief=True,
        named="Setting",
    )


def table_3(
    settings: Sequence[Setting], reference: PlainReference, units: str, measured: Measured, expected: Expected
) -> Table:
    """Table 3: with and without overlap."""
    networks = [s for s in settings if s.block == "vggish" and s.units == units]
    ways = dict.fromkeys([*published.SEGMENTATIONS[1:], *(s.way for s in networks)])
    lines: list[Line] = []
    for way in ways:
        same_way = [s for s in networks if s.way == way]
        lines += [(way + s.rest, way, s) for s in same_way] or [(way, way, None)]
    title = f"Table 3: segments without and with overlap, {units} units"
    return _five("table3", title, _EXPLAINED, _rows("table3", lines, reference, measured, expected))


def table_4(settings: Sequence[Setting], reference: PlainReference, measured: Measured, expected: Expected) -> Table:
    """Table 4: units of the last hidden layer, on overlapping segments."""
    networks = [s for s in settings if s.block == "vggish"]
    ways = [s.way for s in networks]
    way = "overlap" if "overlap" in ways or not ways else max(ways, key=ways.count)
    networks = [s for s in networks if s.way == way]
    stated = [str(point["vggish.units"]) for _, point in expected.trials if "vggish.units" in point]
    units = dict.fromkeys([*stated, *(s.units for s in networks)])
    lines: list[Line] = []
    for count in sorted(units, key=lambda text: (len(text), text)):
        same_units = [s for s in networks if s.units == count]
        lines += [(count + s.rest, count if way == "overlap" else "", s) for s in same_units] or [(count, count, None)]
    title = f"Table 4: units of the last hidden layer, segments {way}"
    return _five("table4", title, "The accuracies are those of Table 3. ",
                 _rows("table4", lines, reference, measured, expected))  # fmt: skip


def baselines(settings: Sequence[Setting], measured: Measured, expected: Expected) -> Table:
    """Every setting of the baseline, and which of them validation chooses."""
    networks = [s for s in settings if s.block == "mlp"]
    best_group = best(s.group for s in networks)
    rows = []
    for s in networks:
        for corpus in expected.tested:
            scores = measured.of(s, corpus)
            loss = HOLE if np.isnan(s.group.loss) else f"{s.group.loss:.4f}"
            cells = (*(scores[m][0] for m in METRICS), loss, "chosen" if s.group is best_group else "")
            rows.append(Row(corpus, s.title, cells, len(s.of(corpus)), len(expected.seeds)))
    return Table(
        "baseline",
        "The baseline: dense layers × units",
        "Means over the seeds. Chosen: the least validation loss. The paper prints one accuracy, in Table 5, and does "
        "not say which."
        if expected.printed_anywhere
        else "Means over the seeds. Chosen: the least validation loss.",
        (*METRICS.values(), "Validation loss", "Chosen"),
        tuple(rows),
        "seeds",
        grouped="Corpus",
        brief=True,
        named="Setting",
    )


def table_5(
    settings: Sequence[Setting], reference: PlainReference, units: str, measured: Measured, expected: Expected
) -> Table:
    """Table 5: accuracies of the literature, ours below."""
    rows = []
    for work in WORKS if expected.printed_anywhere else ():
        texts = [published.printed("table5", "accuracy", work, c) for c in ("Modality", "mean", "std")]
        rows.append(Row("", work, tuple(_text(value) for value in texts)))
    best_group = best(s.group for s in settings if s.block == "mlp")
    ours = [s for s in settings if s.group is best_group]
    ours += [s for s in settings if s.block == "vggish" and s.units == units]
    shown: list[Setting | PlainReference] = [*ours, *([reference] if reference.title else [])]
    for s in shown:
        for corpus in expected.tested:
            name = f"Here: {s.title}" + ("" if len(expected.tested) == 1 else f", {corpus}")
            cells = ("A", *measured.of(s, corpus)["alca"])
            rows.append(Row("", name, cells, len(s.of(corpus)), len(expected.seeds)))
    others = "The other rows are as the paper prints them, on other splits; A: audio, T: text. "
    return Table(
        "table5",
        "Table 5: accuracies of the literature",
        "Here: ALCA, of the baseline the one that validation chooses. "
        f"{others if expected.printed_anywhere else ''}{_SPREAD}",
        ("Modality", "mean", "std"),
        tuple(rows),
        grouped="",
        brief=True,
        quotes=True,
        named="Work",
    )


def _text(value: Printed) -> str:
    return f"{value:.1f}" if isinstance(value, float) else value or ""


def table_2(settings: Sequence[Setting], units: str, expected: Expected, options: Options) -> Table:
    """Table 2: the layers of VGGish."""
    network = next((s for s in settings if s.block == "vggish" and s.units == units), None)
    layers = layers_of(network.runs[0], options, head="output") if network else []
    rows = []
    for layer in layers:
        printed = published.printed("table2", "architecture", layer.name, "Activation size")
        value = printed if expected.printed_anywhere else None
        weights = f"{layer.parameters:,}" if layer.parameters else ""
        rows.append(Row("", layer.name, (_activation(layer.output), weights), paper=() if value is None else (value,)))
    total = sum(layer.parameters for layer in layers)
    rows.append(Row("", "all", ("", f"{total:,}" if layers else HOLE)))
    return Table(
        "table2",
        "Table 2: the network",
        "As a run logged it: activations are channels × frames × bands, then units. fc3 and the output "
        "come after the paper's table.",
        ("Activation size", "Parameters"),
        tuple(rows),
        unit="",
        grouped="",
        brief=True,
        named="Layer",
    )


def _activation(output: str) -> str:
    """Units of a layer as a shape, as the paper has them: ``1 × 4``."""
    return f"1 × {output}" if output.isdigit() else output


def figure_3(settings: Sequence[Setting], expected: Expected) -> Table:
    """Figure 3: the rows of the clips' confusion matrices, as shares: by mode, and by mean logits."""
    rows = []
    for s in settings:
        for corpus in filter(s.of, expected.tested):
            title = s.title if len(expected.tested) == 1 else f"{s.title}, {corpus}"
            for by_mode in (True, False):
                rule = title if by_mode else f"{title}, by mean logits"
                for i, (true, line) in enumerate(zip(expected.classes, shares(s, corpus, by_mode), strict=True)):
                    values = [published.printed("figure3", s.way, true, c) for c in expected.classes]
                    is_shown = by_mode and expected.printed_for(corpus) and any(v is not None for v in values)
                    n = sum(int(test.counts[i].sum()) for test in s.of(corpus))
                    cells: tuple[Cell | str, ...] = (*(Cell(float(v)) for v in line), str(n))
                    rows.append(Row(rule, true, cells, paper=tuple(values) if is_shown else ()))
    return Table(
        "figure3",
        "Figure 3: what clips are taken for",
        "A clip is taken for the class of most of its segments, of equally many for the first, as in the authors' "
        "program; below that by the mean of its logits (as in ALCA), which is ours. Rows are the truth. Summed over "
        "the seeds, so n counts a clip once for every seed that tests it."
        + (" The paper: as far as its text quotes the figure." if expected.printed_anywhere else ""),
        (*expected.classes, "n"),
        tuple(rows),
        digits=2,
        grouped="Setting",
        brief=True,
        named="Truth",
    )


def shares(setting: Setting, corpus: str, by_mode: bool) -> NDArray[np.float64]:
    """Rows of the confusion matrix summed over the seeds, each divided by its sum; nan where there is none.

    Clips are taken for the class of most segments where ``by_mode``, else for that of the highest mean logit.
    """
    matrices = [test.counts_by_mode if by_mode else test.counts for test in setting.of(corpus)]
    counts = np.sum(matrices, axis=0, dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    out: NDArray[np.float64] = np.where(total > 0, counts / np.maximum(total, 1), np.nan)
    return out

"""What ``ser predict`` prints: a line for each recording, JSON objects, or a table with a column for each class."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TextIO

from ser.prediction import Prediction, Predictor

_SHOWN = 3  # classes on a line
_BAR = 10  # blocks that stand for a probability of 1
FORMATS = ("lines", "json", "csv")


def notes(predictor: Predictor) -> list[str]:
    """Returns what a person should know of all answers."""
    lines = []
    if dimensions := predictor.trial.dimensions:
        lines.append(f"{', '.join(dimensions)}: -1 and 1 are the ends of the scale that raters had")
    if predictor.classes and predictor.unit == "score":
        lines.append("scores are decision values, which are no probabilities: the largest is the answer")
    if len(predictor.heads) > 1:
        names = ", ".join(predictor.heads)
        lines.append(f"scores are the mean of the heads of {names}; --corpus NAME takes one")
    if predictor.several_labels:
        lines.append("a recording may have several emotions: each has a probability of its own")
    if predictor.is_by_speaker:
        lines.append("features are normalised over all recordings of each speaker: answers depend on which are given")
    if predictor.is_by_corpus:
        lines.append(
            "features are normalised over all recordings given, as one corpus: answers depend on which these are"
        )
    return lines


def write(predictions: Iterable[Prediction], predictor: Predictor, form: str) -> int:
    """Prints predictions as they come, in one of ``FORMATS``; returns how many recordings have none."""
    line = {"lines": _lines, "json": _json, "csv": _csv}[form](predictor, sys.stdout)
    failed = 0
    for prediction in predictions:
        line(prediction)
        failed += bool(prediction.error)
    return failed


def counted(
    predictions: Iterable[Prediction], total: int, progress: Callable[[int, int], None]
) -> Iterator[Prediction]:
    """Yields the same, and says how many they were."""
    for number, prediction in enumerate(predictions, 1):
        yield prediction
        progress(number, total)


def _lines(predictor: Predictor, out: TextIO) -> Callable[[Prediction], None]:
    width = max(map(len, predictor.classes), default=len("rated"))

    def line(p: Prediction) -> None:
        if p.error:
            print(f"{'error':{width}}  {p.name}: {p.error}", file=out)
            return
        best = sorted(p.scores.items(), key=lambda item: -item[1])[:_SHOWN]
        bar = "█" * round(best[0][1] * _BAR) if best and predictor.unit == "probability" else ""
        parts = f" {len(p.segments)} segments" if p.segments else ""
        values = [f"{name} {value:.2f}" for name, value in best]
        values += [f"{name} {value:+.2f}" for name, value in p.ratings.items()]
        emotion = p.emotion or ("none" if predictor.classes else "rated")
        print(f"{emotion:{width}}  {bar:{_BAR}}  {'  '.join(values)}  {p.name}{parts}", file=out)

    return line


def _json(predictor: Predictor, out: TextIO) -> Callable[[Prediction], None]:
    def line(p: Prediction) -> None:
        if p.error:
            content: dict[str, object] = {"file": p.name, "error": p.error}
        else:
            content = {"file": p.name, "emotion": p.emotion, predictor.unit: _finite(p.scores)}
            if p.ratings:
                content["ratings"] = dict(p.ratings)
            if p.heads:
                content["heads"] = {head: _finite(scores) for head, scores in p.heads.items()}
            if p.segments:
                content["segments"] = [_finite(scores) for scores in p.segments]
        print(json.dumps(content, ensure_ascii=False, allow_nan=False), file=out)

    return line


def _finite(scores: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinite numbers, as a class that training lacked has."""
    return {name: value if abs(value) < float("inf") else None for name, value in scores.items()}


def _csv(predictor: Predictor, out: TextIO) -> Callable[[Prediction], None]:
    """A row for each recording; below it one for each of its segments, where it has some."""
    table = csv.writer(out, lineterminator="\n")
    prefix, heads = predictor.unit[0], predictor.heads if len(predictor.heads) > 1 else ()
    columns = [f"{prefix}_{name}" for name in predictor.classes]
    columns += [f"{prefix}_{name}_{head}" for head in heads for name in predictor.classes]
    columns += predictor.trial.dimensions
    table.writerow(["file", "segment", "emotion", *columns, "error"])

    def line(p: Prediction) -> None:
        if p.error:
            table.writerow([p.name, "", "", *[""] * len(columns), p.error])
            return
        scores = [*p.scores.values(), *(value for head in heads for value in p.heads[head].values())]
        scores += p.ratings.values()
        table.writerow([p.name, "", p.emotion, *(f"{value:.6g}" for value in scores), ""])
        for number, segment in enumerate(p.segments):
            best = max(segment, key=lambda name: segment[name], default="")
            rest = [""] * (len(columns) - len(segment))
            table.writerow([p.name, number, best, *(f"{value:.6g}" for value in segment.values()), *rest, ""])

    return line

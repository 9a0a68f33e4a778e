"""What a trained trial leaves: scores for MLflow, and files: confusion matrices, predictions, proofs, weights."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from ser.data.manifest import SPLITS
from ser.metrics import accuracy, multilabel
from ser.metrics import segments as clips
from ser.metrics.confusion import confusion_png
from ser.study import Part, Trial, settings_of
from ser.training import checkpoint
from ser.training.batches import Items
from ser.training.fit import is_fitted
from ser.training.train import CorpusData, Outcome, Predictions


def segment(front_end: Part) -> int:
    """Frames of each item, where a front-end makes several of an utterance, as in Sahoo et al.; 0: it is one item."""
    return int(getattr(settings_of("frontends", front_end), "patch", 0))


def score(trial: Trial, outcome: Outcome) -> dict[str, float]:
    """``wa/``, ``ua/`` and ``recall/<corpus>/<class>``, or what stands in their place; undefined ones are left out.

    Where an item may have several labels: the scores of ``ser.metrics.multilabel``. Where an utterance is several
    items: wa and ua of the utterances, by the mean of their items' logits, and the five accuracies of
    ``ser.metrics.segments``.
    """
    kept = outcome.history[outcome.best_epoch - 1] if outcome.history else {}
    out = {"best_epoch": float(outcome.best_epoch), "epochs": float(len(outcome.history)), **outcome.memory}
    if outcome.parameters:
        out["parameters"] = float(outcome.parameters)
    if "val/loss" in kept:
        out["objective/loss"] = kept["val/loss"]
        if accuracies := [v for k, v in kept.items() if k.startswith("val/wa/")]:
            out["objective/wa"] = sum(accuracies) / len(accuracies)
    for corpus, p in outcome.predictions.items():
        if p.truth.ndim == 2:
            found = multilabel.scores(p.truth > 0, p.probabilities)
            out |= {f"{name}/{corpus}": value for name, value in found.items()}
            continue
        truth, predicted = p.truth, p.predicted
        if _in_segments(trial):
            _, clip, first = _clips(p)
            found = clips.accuracies(clip, p.truth[first], p.logits)
            out |= {f"{name}/{corpus}": value for name, value in found.items()}
            truth, predicted = p.truth[first], clips.clip_predictions(clip, p.logits)
        matrix = accuracy.confusion(truth, predicted, len(trial.classes))
        out[f"wa/{corpus}"], out[f"ua/{corpus}"] = accuracy.wa(matrix), accuracy.ua(matrix)
        recalls = dict(zip(trial.classes, accuracy.recalls(matrix), strict=True))
        out |= {f"recall/{corpus}/{c}": float(r) for c, r in recalls.items() if r == r}
    return out


def _in_segments(trial: Trial) -> bool:
    return segment(trial.front_end) > 0


def _clips(p: Predictions) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Utterances, the number of its own of each item, and each utterance's first item; items of one stand together."""
    owners = [name.rpartition("#")[0] for name in p.names]
    first = [i for i, owner in enumerate(owners) if i == 0 or owner != owners[i - 1]]
    clip = np.zeros(len(owners), np.int64)
    clip[first[1:]] = 1
    return [owners[i] for i in first], clip.cumsum(), np.array(first, np.int64)


def write(
    trial: Trial,
    outcome: Outcome,
    data: Mapping[str, CorpusData],
    proofs: Mapping[str, Any],
    folder: Path,
    state: bool,
) -> None:
    """Everything the run keeps as files. ``proofs``: by corpus as split; ``state``: others may start from its end."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("confusion", "split"):
        (folder / name).mkdir(parents=True)
    rows = []
    for corpus, p in outcome.predictions.items():
        if p.truth.ndim == 1:
            _write_confusion(trial, corpus, p, folder / "confusion")
        rows.append(_prediction_table(trial, corpus, p))
    if rows:
        # As many digits as tell a float32 from its neighbours: a probability of 1 is not one of nearly 1.
        pd.concat(rows).to_csv(folder / "predictions.csv", index=False, float_format="%.9g")
    for c in trial.corpora:
        (folder / "split" / f"{c.name}.json").write_text(json.dumps(proofs[c.source]), encoding="utf-8")
    for name, told in _described(trial, data).items():
        (folder / name).write_text(json.dumps(told), encoding="utf-8")
    (folder / "statement.json").write_text(json.dumps(asdict(trial), indent=1), encoding="utf-8")
    if outcome.layers:
        table = [asdict(layer) for layer in outcome.layers]
        (folder / "layers.json").write_text(json.dumps(table, indent=1, ensure_ascii=False), encoding="utf-8")
    if outcome.weights:
        torch.save(outcome.weights, folder / "best.pt")
    if state:
        checkpoint.save(folder / "state.pt", outcome.state)


def _described(trial: Trial, data: Mapping[str, CorpusData]) -> dict[str, Any]:
    """Of k-hot labels or of segments their counts by corpus."""
    told: dict[str, Any] = {}
    sides = {c: {s: getattr(own, s) for s in SPLITS if len(getattr(own, s))} for c, own in data.items()}
    if trial.labels == "tied":
        told["labels.json"] = {c: _label_counts(trial, own) for c, own in sides.items()}
    if _in_segments(trial):
        told["segments.json"] = {c: _segment_counts(trial, own) for c, own in sides.items()}
    return told


def _label_counts(trial: Trial, sides: Mapping[str, Items]) -> dict[str, Any]:
    hot = torch.cat([items.labels.cpu() for items in sides.values()])
    types = torch.bincount(hot.sum(1).long())
    return {
        "utterances": len(hot),
        "labels": dict(zip(trial.classes, hot.sum(0).long().tolist(), strict=True)),
        "types": {str(k): n for k, n in enumerate(types.tolist()) if n},
        "sides": {name: len(items) for name, items in sides.items()},
    }


def _segment_counts(trial: Trial, sides: Mapping[str, Items]) -> dict[str, Any]:
    labels = torch.cat([items.labels.cpu() for items in sides.values()])
    counts = torch.bincount(labels, minlength=len(trial.classes)).tolist()
    clips = {name.rpartition("#")[0] for items in sides.values() for name in items.names}
    per_class = dict(zip(trial.classes, counts, strict=True))
    return {"utterances": len(clips), "segments": len(labels), "per_class": per_class}


def _write_confusion(trial: Trial, corpus: str, p: Predictions, folder: Path) -> None:
    truth, predicted = p.truth, p.predicted
    if _in_segments(trial):
        _, clip, first = _clips(p)
        truth, predicted = p.truth[first], clips.clip_predictions(clip, p.logits)
    matrix = accuracy.confusion(truth, predicted, len(trial.classes))
    content = {"classes": trial.classes, "rows": "truth", "counts": matrix.tolist()}
    (folder / f"{corpus}.json").write_text(json.dumps(content), encoding="utf-8")
    picture = confusion_png(matrix, trial.classes, f"{trial.title}\ntested on {corpus}, n = {len(truth)}")
    (folder / f"{corpus}.png").write_bytes(picture)


def _prediction_table(trial: Trial, corpus: str, p: Predictions) -> pd.DataFrame:
    """One row per item: what it is, its label or labels, and what the network says of each class."""
    names = np.array(trial.classes)
    if p.truth.ndim == 2:
        labels = ["|".join(names[row > 0]) for row in p.truth]
        table = pd.DataFrame({"corpus": corpus, "uid": p.names, "label": labels})
        return pd.concat([table, pd.DataFrame(p.probabilities, columns=[f"p_{c}" for c in trial.classes])], axis=1)
    said = {"label": names[p.truth], "predicted": names[p.predicted]}
    if _in_segments(trial):
        uids, clip, first = _clips(p)
        number = np.arange(len(clip)) - first[clip]
        table = pd.DataFrame({"corpus": corpus, "uid": np.array(uids)[clip], "segment": number, **said})
        return pd.concat([table, pd.DataFrame(p.logits, columns=[f"l_{c}" for c in trial.classes])], axis=1)
    table = pd.DataFrame({"corpus": corpus, "uid": p.names, **said})
    if is_fitted(trial):  # decision values, which are no probabilities
        return pd.concat([table, pd.DataFrame(p.logits, columns=[f"d_{c}" for c in trial.classes])], axis=1)
    return pd.concat([table, pd.DataFrame(p.probabilities, columns=[f"p_{c}" for c in trial.classes])], axis=1)

"""The outputs of a trained trial: scores for MLflow, and files: confusion matrices, predictions, proofs, weights."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ser.data.manifest import SPLITS
from ser.metrics import accuracy, distribution, segments
from ser.metrics.confusion import confusion_png
from ser.study import Trial
from ser.training import checkpoint, fitted
from ser.training.batches import Items
from ser.training.fit import is_fitted
from ser.training.network import layer_weights
from ser.training.start import CorpusData
from ser.training.train import Outcome, Predictions
from ser.trials.facts import Facts
from ser.trials.scores import by_name, clips, in_segments, scores_of

_HEAD_SCORES = ("wa", "ua", "balanced", "macro_f1")  # of one label; of several


def score(trial: Trial, outcome: Outcome) -> dict[str, float]:
    """Returns the metrics of a run: of its training, ``objective/…`` of the kept epoch, and those of ``scores_of``.

    These are ``wa/<corpus>``, ``recall/<corpus>/<class>``, ``ccc/<corpus>/<dimension>`` and so on. Of a corpus that no
    head was trained on also ``head/wa/<corpus>/<head>`` and so on of each of several heads.
    """
    best_row = outcome.history[outcome.best_epoch - 1] if outcome.history else {}
    out = {"best_epoch": float(outcome.best_epoch), "epochs": float(len(outcome.history)), **outcome.memory}
    if outcome.refit_epochs:
        out["refit_epochs"] = float(outcome.refit_epochs)
    if outcome.parameters:
        out["parameters"] = float(outcome.parameters)
    if "val/loss" in best_row:
        out["objective/loss"] = best_row["val/loss"]
        if accuracies := [v for k, v in best_row.items() if k.startswith("val/wa/")]:
            out["objective/wa"] = sum(accuracies) / len(accuracies)
    out |= _validation(trial, best_row)
    for corpus, p in outcome.predictions.items():
        out |= by_name(corpus, *scores_of(trial, p))
    return out | scores_by_head(trial, outcome.by_head)


def scores_by_head(trial: Trial, by_head: Mapping[str, Mapping[str, Predictions]]) -> dict[str, float]:
    """Returns ``head/<score>/<corpus>/<head>``, the accuracies of each head on corpora that none was trained on.

    Of ratings they are ``head/ccc/<corpus>/<head>/<dimension>``.
    """
    out: dict[str, float] = {}
    for corpus, heads in by_head.items():
        for head, p in heads.items():
            scores, parts = scores_of(trial, p)
            out |= {f"head/{name}/{corpus}/{head}": v for name, v in scores.items() if name in _HEAD_SCORES}
            out |= {f"head/ccc/{corpus}/{head}/{d}": v for d, v in parts.get("ccc", {}).items()}
    return out


def _validation(trial: Trial, best_row: Mapping[str, float]) -> dict[str, float]:
    """Every accuracy of the kept epoch on a corpus's own validation subset: ``objective/ua/<corpus>`` and so on.

    Of ratings they are ``objective/ccc/<corpus>/<dimension>``.

    There are none of corpora that are validated pooled, or of a fitted model, which learns from that subset. Where an
    utterance is several items they are of items.
    """
    names = {c.name for c in trial.corpora}
    parts = {key: key.split("/", 2) for key in best_row if key.startswith("val/")}
    scores = {key: part for key, part in parts.items() if len(part) == 3 and part[1] != "loss"}
    own = {key: part for key, part in scores.items() if {part[2], part[2].rpartition("/")[0]} & names}
    return {f"objective/{score}/{place}": best_row[key] for key, (_, score, place) in own.items()}


def write(
    trial: Trial,
    outcome: Outcome,
    data: Mapping[str, CorpusData],
    proofs: Mapping[str, Any],
    facts: Mapping[str, Facts],
    folder: Path,
    state: bool,
    scales: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Writes all files of the run.

    ``proofs`` and ``facts``: by corpus as split; ``state``: others may go on from its end; ``scales``: lowest and
    highest rating by corpus as split.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("confusion", "split"):
        (folder / name).mkdir(parents=True)
    rows = []
    for corpus, p in outcome.predictions.items():
        if trial.classes and not p.is_k_hot:
            _write_confusion(trial, corpus, p, folder / "confusion")
        source = next(c.source for c in trial.corpora if c.name == corpus)
        rows.append(prediction_table(trial, corpus, p, facts.get(source, Facts())))
    if rows:
        # As many digits as tell a float32 from its neighbours: a probability of 1 is not one of nearly 1.
        pd.concat(rows).to_csv(folder / "predictions.csv", index=False, float_format="%.9g")
    for c in trial.corpora:
        (folder / "split" / f"{c.name}.json").write_text(json.dumps(proofs[c.source]), encoding="utf-8")
    for name, counts in _counts(trial, data, scales or {}).items():
        (folder / name).write_text(json.dumps(counts), encoding="utf-8")
    (folder / "statement.json").write_text(json.dumps(asdict(trial), indent=1), encoding="utf-8")
    if outcome.layers:
        table = [asdict(layer) for layer in outcome.layers]
        (folder / "layers.json").write_text(json.dumps(table, indent=1, ensure_ascii=False), encoding="utf-8")
    if shares := layer_weights(trial, outcome.weights):
        (folder / "layer_weights.json").write_text(json.dumps(shares, indent=1), encoding="utf-8")
    if outcome.weights:
        torch.save(outcome.weights, folder / "best.pt")
    if outcome.fitted:
        fitted.save(outcome.fitted, folder / fitted.NAME)
    if state:
        checkpoint.save(folder / "state.pt", outcome.state)


def _counts(trial: Trial, data: Mapping[str, CorpusData], scales: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Counts of k-hot labels, shares of votes, ratings or segments, by corpus: file name -> content."""
    files: dict[str, Any] = {}
    subsets = {c: {s: getattr(each, s) for s in SPLITS if len(getattr(each, s))} for c, each in data.items()}
    if trial.labels == "tied":
        files["labels.json"] = {c: _label_counts(trial, each) for c, each in subsets.items()}
    if trial.labels == "shares":
        files["labels.json"] = {c: _vote_counts(trial, each) for c, each in subsets.items()}
    if trial.dimensions:
        scale = {c.name: scales.get(c.source) for c in trial.corpora}
        files["ratings.json"] = {c: _rating_counts(trial, each, scale[c]) for c, each in subsets.items()}
    if in_segments(trial) and trial.classes and trial.labels == "one":
        files["segments.json"] = {c: _segment_counts(trial, each) for c, each in subsets.items()}
    return files


def _label_counts(trial: Trial, subsets: Mapping[str, Items]) -> dict[str, Any]:
    hot = torch.cat([items.labels.cpu() for items in subsets.values()])
    types = torch.bincount(hot.sum(1).long())
    return {
        "utterances": len(hot),
        "labels": dict(zip(trial.classes, hot.sum(0).long().tolist(), strict=True)),
        "types": {str(k): n for k, n in enumerate(types.tolist()) if n},
        "subsets": {name: len(items) for name, items in subsets.items()},
    }


def _vote_counts(trial: Trial, subsets: Mapping[str, Items]) -> dict[str, Any]:
    """Mean shares of votes, utterances by the class of most votes, ties, and how much raters disagree."""
    shares = np.concatenate([items.labels.cpu().numpy() for items in subsets.values()])
    most = distribution.majority(shares)
    return {
        "utterances": len(shares),
        "shares": dict(zip(trial.classes, shares.mean(0, dtype=np.float64).tolist(), strict=True)),
        "majority": {name: int((most == i).sum()) for i, name in enumerate(trial.classes)},
        "ties": int((most < 0).sum()),
        "entropy": distribution.entropy(shares),
        "subsets": {name: len(items) for name, items in subsets.items()},
    }


def _rating_counts(trial: Trial, subsets: Mapping[str, Items], scale: tuple[float, float] | None) -> dict[str, Any]:
    """The corpus's own scale, whose ends are -1 and 1 in all files; the number and spread of ratings."""
    found: dict[str, Any] = {"scale": scale, "subsets": {name: len(items) for name, items in subsets.items()}}
    for column, dimension in enumerate(trial.dimensions):
        ratings = np.concatenate([items.ratings[:, column].cpu().numpy() for items in subsets.values()])
        rated = ratings[~np.isnan(ratings)].astype(np.float64)
        found[dimension] = {"rated": len(rated)}
        found[dimension] |= {"mean": float(rated.mean()), "deviation": float(rated.std())} if len(rated) else {}
    return found


def _segment_counts(trial: Trial, subsets: Mapping[str, Items]) -> dict[str, Any]:
    labels = torch.cat([items.labels.cpu() for items in subsets.values()])
    counts = torch.bincount(labels, minlength=len(trial.classes)).tolist()
    utterances = {name.rpartition("#")[0] for items in subsets.values() for name in items.names}
    per_class = dict(zip(trial.classes, counts, strict=True))
    return {"utterances": len(utterances), "segments": len(labels), "per_class": per_class}


def _write_confusion(trial: Trial, corpus: str, p: Predictions, folder: Path) -> None:
    truth, predicted = p.truth, p.predicted
    if in_segments(trial):
        _, clip, first = clips(p)
        truth, predicted = p.truth[first], segments.clip_predictions(clip, p.logits)
    if p.shares:
        clear = (majority := distribution.majority(truth)) >= 0
        truth, predicted = majority[clear], predicted[clear]
    matrix = accuracy.confusion(truth, predicted, len(trial.classes))
    content = {"classes": trial.classes, "rows": "truth", "counts": matrix.tolist()}
    (folder / f"{corpus}.json").write_text(json.dumps(content), encoding="utf-8")
    picture = confusion_png(matrix, trial.classes, f"{trial.title}\ntested on {corpus}, n = {len(truth)}")
    (folder / f"{corpus}.png").write_bytes(picture)


def prediction_table(trial: Trial, corpus: str, p: Predictions, facts: Facts) -> pd.DataFrame:
    """Returns a row for each item: what it is, who says it, what is true of it, and what the model gives.

    That are ``label``, ``predicted`` and a value of each class; of shares of votes also ``votes_<class>``, and the
    label is that of most votes, "" where several have as many; of ratings ``true_<dimension>`` and
    ``predicted_<dimension>``, from -1 to 1.
    """
    uids, number = list(p.names), {}
    if in_segments(trial):
        owners, clip, first = clips(p)
        uids = [owners[i] for i in clip.tolist()]
        number = {"segment": np.arange(len(clip)) - first[clip]}
    table = pd.DataFrame({"corpus": corpus, "uid": uids, **facts.of(uids), **number, **_answers(trial, p)})
    return pd.concat([table, *_values(trial, p)], axis=1)


def _answers(trial: Trial, p: Predictions) -> dict[str, Any]:
    """The label, or labels, and the class that is predicted; {} of ratings alone."""
    names = np.array([*trial.classes, ""])
    if not trial.classes:
        return {}
    if p.is_k_hot:
        return {"label": ["|".join(names[:-1][row > 0]) for row in p.truth]}
    truth = distribution.majority(p.truth) if p.shares else p.truth  # -1, of ties, is the last: ""
    return {"label": names[truth], "predicted": names[p.predicted]}


def _values(trial: Trial, p: Predictions) -> list[pd.DataFrame]:
    """Columns of numbers: of classes, of their votes, of dimensions."""
    if in_segments(trial):
        prefix, values = "l", p.logits
    elif is_fitted(trial) and p.truth.ndim == 1:  # decision values, which are no probabilities
        prefix, values = "d", p.logits
    else:
        prefix, values = "p", p.probabilities
    tables = [pd.DataFrame(values, columns=[f"{prefix}_{c}" for c in trial.classes])] if trial.classes else []
    if p.shares:
        tables.append(pd.DataFrame(p.truth, columns=[f"votes_{c}" for c in trial.classes]))
    if trial.dimensions:
        tables.append(pd.DataFrame(p.ratings, columns=[f"true_{d}" for d in trial.dimensions]))
        tables.append(pd.DataFrame(p.predicted_ratings, columns=[f"predicted_{d}" for d in trial.dimensions]))
    return tables

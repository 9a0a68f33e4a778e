"""What tested predictions are worth: accuracies, calibration, divergence from raters' shares, agreement on ratings."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ser.features.recipe import segment_frames
from ser.metrics import accuracy, calibration, distribution, f1, multilabel, regression, segments
from ser.study import Trial
from ser.training.fit import is_fitted
from ser.training.train import Predictions

Clips = tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]
ByPart = Mapping[str, Mapping[str, float]]  # score -> class or dimension -> value


def scores_of(trial: Trial, p: Predictions) -> tuple[dict[str, float], ByPart]:
    """Returns the scores of one tested corpus by name, and those of each class or dimension; none that is undefined.

    Of one label an utterance: ``wa``, ``ua``, F1, calibration, and ``recall`` of classes. Of shares of votes the same
    against the class of most votes, of utterances that have one, and ``kl`` and ``js`` of all. Of several labels those
    of ``ser.metrics.multilabel``. Where an utterance is several items: of utterances, by the mean of their items'
    logits, and the five accuracies of ``ser.metrics.segments``. Of ratings ``ccc``, ``pearson`` and ``rmse`` of
    dimensions, from -1 to 1, and the mean ``ccc`` of all. Calibration is of networks: a fitted model gives no
    probabilities.
    """
    scores: dict[str, float] = {}
    parts: dict[str, dict[str, float]] = {}
    if p.is_k_hot:
        scores |= multilabel.scores(p.truth > 0, p.probabilities)
    elif trial.classes:
        scores, parts["recall"] = _class_scores(trial, p)
    whole = utterances_of(trial, p)
    for column, dimension in enumerate(trial.dimensions):
        truth, predicted = whole.ratings[:, column], whole.predicted_ratings[:, column]
        for name, value in regression.scores(truth, predicted).items():
            parts.setdefault(name, {})[dimension] = value
    if trial.dimensions and len(each := parts.get("ccc", {})) == len(trial.dimensions):
        scores["ccc"] = float(np.mean(list(each.values())))
    return scores, parts


def by_name(corpus: str, scores: Mapping[str, float], parts: ByPart) -> dict[str, float]:
    """Returns what ``scores_of`` gives as metrics: ``wa/<corpus>``, ``recall/<corpus>/<class>`` and so on."""
    each = {f"{name}/{corpus}/{part}": v for name, values in parts.items() for part, v in values.items()}
    return {f"{name}/{corpus}": value for name, value in scores.items()} | each


def _class_scores(trial: Trial, p: Predictions) -> tuple[dict[str, float], dict[str, float]]:
    scores: dict[str, float] = {}
    truth, predicted, chances = p.truth, p.predicted, None if is_fitted(trial) else p.probabilities
    if in_segments(trial):
        _, clip, first = clips(p)
        truth, predicted = p.truth[first], segments.clip_predictions(clip, p.logits)
        chances = None if is_fitted(trial) else segments.clip_probabilities(clip, p.logits)
        scores |= {} if p.shares else segments.accuracies(clip, truth, p.logits)
    if p.shares and chances is not None:
        scores |= distribution.scores(truth, chances)
        clear = (majority := distribution.majority(truth)) >= 0
        truth, predicted, chances = majority[clear], predicted[clear], chances[clear]
        if not len(truth):
            return scores, {}
    matrix = accuracy.confusion(truth, predicted, len(trial.classes))
    plain = {"wa": accuracy.wa(matrix), "ua": accuracy.ua(matrix)}
    plain |= {"macro_f1": f1.macro_f1(matrix), "weighted_f1": f1.weighted_f1(matrix)}
    if chances is not None and np.isfinite(chances).all():
        plain |= {name: getattr(calibration, name)(truth, chances) for name in ("ece", "nll", "brier")}
    scores |= {name: value for name, value in plain.items() if np.isfinite(value)}
    recalls = dict(zip(trial.classes, accuracy.recalls(matrix), strict=True))
    return scores, {c: float(r) for c, r in recalls.items() if r == r}


def in_segments(trial: Trial) -> bool:
    """Returns whether an utterance is several items."""
    return segment_frames(trial.front_end) > 0


def clips(p: Predictions) -> Clips:
    """Returns utterances, each item's utterance by number, and each one's first item; items of one are neighbours."""
    owners = [name.rpartition("#")[0] for name in p.names]
    first = [i for i, owner in enumerate(owners) if i == 0 or owner != owners[i - 1]]
    clip = np.zeros(len(owners), np.int64)
    clip[first[1:]] = 1
    return [owners[i] for i in first], clip.cumsum(), np.array(first, np.int64)


def utterances_of(trial: Trial, p: Predictions) -> Predictions:
    """Returns the predictions of utterances: where these are several items, means of their logits and ratings."""
    if not in_segments(trial):
        return p
    uids, clip, first = clips(p)
    counts = np.bincount(clip, minlength=len(uids))[:, None]

    def means(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        sums = np.zeros((len(uids), values.shape[1]))
        np.add.at(sums, clip, values)
        return (sums / counts).astype(np.float32)

    ratings = p.ratings[first] if p.ratings.shape[1] else p.ratings
    predicted = means(p.predicted_ratings) if p.ratings.shape[1] else p.predicted_ratings
    return Predictions(tuple(uids), p.truth[first], means(p.logits), p.shares, ratings, predicted)

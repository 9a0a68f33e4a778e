"""One fit of a scikit-learn model, from features to predictions: what ``train`` is for networks.

A model has nothing to stop by, so it is fitted to the training and the validation side together: systems that are
compared then have learned from the same utterances, one way or the other.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ser import registry
from ser.data.functionals import functionals
from ser.errors import BadInput
from ser.models import traits
from ser.study import Trial, settings_of
from ser.training.batches import Items, inverse_deviation
from ser.training.train import CorpusData, Outcome, Predictions

_FITTING = ("covariance_", "covariance_estimator", "means_", "priors_", "xbar_", "scalings_", "pvalues_", "scores_")
Matrix = npt.NDArray[np.float64]
Heard = Matrix | list[npt.NDArray[np.float32]]  # a vector of each item, or its frames


def is_fitted(trial: Trial) -> bool:
    """Whether the trial's block is a model of scikit-learn, and no network."""
    return not traits(trial.block.name).is_network


def fit(trial: Trial, data: Mapping[str, CorpusData], device: str) -> Outcome:
    """Fit the trial's model and ask it of the test sides.

    ``normalise`` "speaker" standardises every feature over each speaker's own items of all sides, without their labels
    (Wu et al. 2011, section 5; Wang et al. 2015, section 4); "train" every bin over the training frames. ``logits`` of
    the predictions are the model's decision values, -inf for a class that it has not seen. Raises BadInput for what a
    model cannot be fitted to.
    """
    started = time.perf_counter()
    name, settings = trial.block.name, settings_of("models", trial.block)
    kind = traits(name)
    sides = _sides(trial, data)
    heard, tasks = _heard(trial, sides, kind.takes), _tasks(sides)
    learned = [key for key in sides if key[1] != "test" and len(sides[key])]
    model = registry.find("models", name).build(settings, trial.seed, device)
    labels = np.concatenate([sides[key].labels.cpu().numpy() for key in learned])
    if labels.ndim != 1:
        raise BadInput("several labels of an utterance", f"block {trial.block.name}", "one", "use a network")
    about = {"tasks": np.concatenate([tasks[key] for key in learned])} if kind.tasks else {}
    try:
        model.fit(_joined([heard[key] for key in learned]), labels, **about)
        told = {c: _scores(model, heard[c, "test"], tasks[c, "test"], bool(about)) for c in trial.targets}
    except BadInput:
        raise
    except (ValueError, np.linalg.LinAlgError) as error:
        raise BadInput(str(error), f"fit of {trial.block.name}", "features and settings that go together",
                       "change the system's settings") from None  # fmt: skip
    predictions = {
        c: Predictions(
            sides[c, "test"].names,
            sides[c, "test"].labels.cpu().numpy(),
            _of_classes(scores, model.classes_, len(trial.classes)),
        )
        for c, scores in told.items()
    }
    seconds = time.perf_counter() - started
    return Outcome([], 0, predictions, seconds, {}, {}, parameters=_numbers(model))


def _sides(trial: Trial, data: Mapping[str, CorpusData]) -> dict[tuple[str, str], Items]:
    return {(c.name, side): getattr(data[c.name], side) for c in trial.corpora for side in ("train", "val", "test")}


def _heard(trial: Trial, sides: Mapping[tuple[str, str], Items], takes: str) -> dict[tuple[str, str], Heard]:
    """What the model is given of each side's items."""
    frames = {key: [x.cpu().numpy() for x in items.features] for key, items in sides.items()}
    if trial.normalise == "train":
        moments = [items.moments for (_, side), items in sides.items() if side == "train"]
        mean, square = np.mean([m.numpy() for m in moments], axis=0)
        scale = inverse_deviation(torch.from_numpy(mean), torch.from_numpy(square)).numpy()
        frames = {key: [((x - mean) * scale).astype(np.float32) for x in each] for key, each in frames.items()}
    if takes == "frames":
        if trial.normalise == "speaker":
            raise BadInput("'speaker'", f"normalise of {trial.block.name}", "train, none", "it takes frames, no vector")
        return dict(frames)
    vectors = {key: _vectors(each, trial.block["statistics"]) for key, each in frames.items()}
    if trial.normalise == "speaker":
        for corpus in {name for name, _ in sides}:
            own = [key for key in sides if key[0] == corpus]
            vectors |= _by_speaker({key: vectors[key] for key in own}, {key: sides[key] for key in own})
    return dict(vectors)


def _vectors(frames: Sequence[npt.NDArray[np.float32]], statistics: Sequence[str]) -> Matrix:
    """[items, width]: functionals of each item's frames, or, where none are named, its only frame."""
    if statistics:
        found = [functionals(x, statistics) for x in frames]
    elif several := [len(x) for x in frames if len(x) != 1]:
        raise BadInput(f"an item of {several[0]} frames", "statistics ()", "one frame", "name functionals")
    else:
        found = [x[0].astype(np.float64) for x in frames]
    return np.array(found) if found else np.zeros((0, 0))


def _by_speaker(
    vectors: Mapping[tuple[str, str], Matrix], sides: Mapping[tuple[str, str], Items]
) -> dict[tuple[str, str], Matrix]:
    """Each feature with mean 0 and deviation 1 over a speaker's items; one that is constant there is 0."""
    there = [key for key in sides if len(sides[key])]
    whole = np.concatenate([vectors[key] for key in there])
    speakers = np.concatenate([sides[key].voices[:, 0] for key in there])
    for speaker in np.unique(speakers):
        own = speakers == speaker
        spread = whole[own].std(0)
        whole[own] = (whole[own] - whole[own].mean(0)) / np.where(spread > 1e-12, spread, 1.0)
    cut = np.cumsum([len(sides[key]) for key in there])[:-1]
    return dict(zip(there, np.split(whole, cut), strict=True))


def _tasks(sides: Mapping[tuple[str, str], Items]) -> dict[tuple[str, str], npt.NDArray[np.int64]]:
    """Of each item: corpus and sex as one number."""
    corpora = list(dict.fromkeys(name for name, _ in sides))
    return {
        key: 3 * corpora.index(key[0]) + (items.voices[:, 1] if len(items.voices) else np.zeros(len(items))).astype(int)
        for key, items in sides.items()
    }


def _joined(parts: Sequence[Heard]) -> Heard:
    vectors = [part for part in parts if isinstance(part, np.ndarray)]
    return np.concatenate(vectors) if vectors else [x for part in parts for x in part]


def _scores(model: Any, heard: Heard, tasks: npt.NDArray[np.int64], by_task: bool) -> Matrix:
    """Decision values, or logarithms of probabilities, [items, classes seen]."""
    about = {"tasks": tasks} if by_task else {}
    if hasattr(model, "decision_function"):
        found = np.asarray(model.decision_function(heard, **about), np.float64)
        return np.stack([-found, found], axis=1) if found.ndim == 1 else found
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(model.predict_proba(heard, **about)), np.float64)


def _of_classes(scores: Matrix, seen: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    whole = np.full((len(scores), classes), -np.inf, np.float32)
    whole[:, seen] = scores
    return whole


def _numbers(model: Any) -> int:
    """How many numbers a fitted model keeps to answer with: weights, support vectors, stored neighbours."""
    found: dict[int, int] = {}
    left = [model]
    while left:
        some = left.pop()
        if isinstance(some, nn.Module):
            found |= {id(p): p.numel() for p in some.parameters()}
        elif isinstance(some, np.ndarray):
            found[id(some)] = some.size if some.dtype.kind == "f" else 0
        elif isinstance(some, list | tuple):
            left += some
        elif hasattr(some, "get_params"):  # an estimator; what it needed to be fitted is not asked again
            left += [v for k, v in vars(some).items() if k == "_fit_X" or (not k.startswith("_") and k not in _FITTING)]
    return sum(found.values())

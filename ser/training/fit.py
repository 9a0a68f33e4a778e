"""One fit of a scikit-learn model, from features to predictions, as ``ser.training.train`` trains networks.

A model has nothing to stop by: with ``training.learns_from`` "train_and_validation" it is fitted to both subsets, and
networks, which are then trained again on both, have learned from the same utterances. With "train" it does not see the
validation subset.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ser import registry
from ser.data.functionals import functionals
from ser.errors import BadInput
from ser.models import traits
from ser.models._estimators import Estimator
from ser.study import Trial, settings_of
from ser.training.batches import Items, inverse_deviation
from ser.training.start import CorpusData
from ser.training.train import Outcome, Predictions

# What an estimator needed while it was fitted, and no longer.
_FITTING = ("covariance_", "covariance_estimator", "means_", "priors_", "xbar_", "scalings_", "pvalues_", "scores_")
Key = tuple[str, str]  # a corpus and one of its subsets
Matrix = npt.NDArray[np.float64]
Scaling = tuple[Matrix, Matrix]  # mean and 1 / deviation of every bin [width]
Inputs = Matrix | list[npt.NDArray[np.float32]]  # a vector of each item, or its frames


def is_fitted(trial: Trial) -> bool:
    """Returns whether the trial's block is a model of scikit-learn, and no network."""
    return not traits(trial.block.name).is_network


def fit(trial: Trial, data: Mapping[str, CorpusData], device: str) -> Outcome:
    """Fits the trial's model and predicts the test subsets.

    ``normalise`` "speaker" standardises every feature over each speaker's items of all subsets, without their labels
    (Wu et al. 2011, section 5; Wang et al. 2015, section 4); "train" every bin over the frames learned from. The
    predictions' ``logits`` are the model's decision values, -inf for a class without training items. Labels may be
    k-hot for a model that takes several labels of an utterance. Raises BadInput for what a model cannot be fitted to.
    """
    started = time.perf_counter()
    name = trial.block.name
    kind, subsets = traits(name), _subsets(trial, data)
    kinds = ("train", "val") if trial.training.learns_from == "train_and_validation" else ("train",)
    training = [key for key in subsets if key[1] in kinds and len(subsets[key])]
    inputs, tasks = _inputs(trial, subsets, kind.takes, kinds), _tasks(subsets) if kind.tasks else {}
    model = registry.find("models", name).build(settings_of("models", trial.block), trial.training_seed, device)
    labels = np.concatenate([subsets[key].labels.cpu().numpy() for key in training])
    if labels.ndim != 1 and not kind.several_labels:
        raise BadInput("several labels of an utterance", f"block {name}", "one", "use a network, or logistic")
    try:
        by_task = {"tasks": np.concatenate([tasks[key] for key in training])} if tasks else {}
        model.fit(_joined([inputs[key] for key in training]), labels, **by_task)
        scores = {c: _scores(model, inputs[c, "test"], tasks.get((c, "test"))) for c in trial.targets}
    except BadInput:
        raise
    except (ValueError, np.linalg.LinAlgError) as error:
        raise BadInput(str(error), f"fit of {name}", "features and settings that go together",
                       "change the system's settings") from None  # fmt: skip
    predictions = {
        corpus: Predictions(
            subsets[corpus, "test"].names,
            subsets[corpus, "test"].labels.cpu().numpy(),
            _of_all_classes(values, model.classes_, len(trial.classes)),
        )
        for corpus, values in scores.items()
    }
    seconds = time.perf_counter() - started
    return Outcome([], 0, predictions, seconds, {}, {}, parameters=_size(model))


def _subsets(trial: Trial, data: Mapping[str, CorpusData]) -> dict[Key, Items]:
    return {(c.name, kind): getattr(data[c.name], kind) for c in trial.corpora for kind in ("train", "val", "test")}


def _inputs(trial: Trial, subsets: Mapping[Key, Items], takes: str, kinds: Sequence[str]) -> dict[Key, Inputs]:
    """Returns what the model takes of each subset's items: their frames, or a vector of each.

    ``kinds``: the subsets that it learns from.
    """
    scaling: Scaling | None = None
    if trial.normalise == "train":
        corpora = dict.fromkeys(name for name, _ in subsets)
        seen = [[subsets[name, kind] for kind in kinds if len(subsets[name, kind])] for name in corpora]
        mean, square = np.mean([Items.pooled(each).moments.numpy() for each in seen], axis=0)
        scaling = mean, inverse_deviation(torch.from_numpy(mean), torch.from_numpy(square)).numpy()
    if takes == "frames":
        if trial.normalise == "speaker":
            raise BadInput("'speaker'", f"normalise of {trial.block.name}", "train, none", "it takes frames, no vector")
        return {key: list(_frames(items, scaling)) for key, items in subsets.items()}
    statistics = settings_of("models", trial.block).statistics
    vectors = {key: _vectors(_frames(items, scaling), statistics) for key, items in subsets.items()}
    if trial.normalise == "speaker":
        for corpus in {name for name, _ in subsets}:
            keys = [key for key in subsets if key[0] == corpus]
            vectors |= _by_speaker({key: vectors[key] for key in keys}, {key: subsets[key] for key in keys})
    return dict(vectors)


def _frames(items: Items, scaling: Scaling | None) -> Iterator[npt.NDArray[np.float32]]:
    """Yields each item's frames, scaled one by one: those of a corpus may be larger than the memory."""
    for x in items.features:
        frames = x.cpu().numpy()
        yield frames if scaling is None else ((frames - scaling[0]) * scaling[1]).astype(np.float32)


def _vectors(frames: Iterable[npt.NDArray[np.float32]], statistics: Sequence[str]) -> Matrix:
    """[items, width]: functionals of each item's frames, or, without ``statistics``, its only frame."""
    rows = [functionals(x, statistics) if statistics else _only_frame(x) for x in frames]
    return np.array(rows) if rows else np.zeros((0, 0))


def _only_frame(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    if len(frames) != 1:
        raise BadInput(f"an item of {len(frames)} frames", "statistics ()", "one frame", "name functionals")
    return np.asarray(frames[0], np.float64)


def _by_speaker(vectors: Mapping[Key, Matrix], subsets: Mapping[Key, Items]) -> dict[Key, Matrix]:
    """Returns each feature with mean 0 and deviation 1 over a speaker's items; one that is constant there is 0."""
    keys = [key for key in subsets if len(subsets[key])]
    whole = np.concatenate([vectors[key] for key in keys])
    speakers = np.concatenate([subsets[key].voices[:, 0] for key in keys])
    for speaker in np.unique(speakers):
        rows = speakers == speaker
        spread = whole[rows].std(0)
        whole[rows] = (whole[rows] - whole[rows].mean(0)) / np.where(spread > 1e-12, spread, 1.0)
    cut = np.cumsum([len(subsets[key]) for key in keys])[:-1]
    return dict(zip(keys, np.split(whole, cut), strict=True))


def _tasks(subsets: Mapping[Key, Items]) -> dict[Key, npt.NDArray[np.int64]]:
    """Returns corpus and sex of each item as one number."""
    corpora = list(dict.fromkeys(name for name, _ in subsets))
    return {
        key: 3 * corpora.index(key[0]) + (items.voices[:, 1] if len(items.voices) else np.zeros(len(items))).astype(int)
        for key, items in subsets.items()
    }


def _joined(parts: Sequence[Inputs]) -> Inputs:
    vectors = [part for part in parts if isinstance(part, np.ndarray)]
    return np.concatenate(vectors) if vectors else [x for part in parts for x in part]


def _scores(model: Estimator, inputs: Inputs, tasks: npt.NDArray[np.int64] | None) -> Matrix:
    """Returns decision values, or logarithms of probabilities, [items, classes of the training subset]."""
    by_task = {} if tasks is None else {"tasks": tasks}
    if hasattr(model, "decision_function"):
        values = np.asarray(model.decision_function(inputs, **by_task), np.float64)
        return np.stack([-values, values], axis=1) if values.ndim == 1 else values
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(model.predict_proba(inputs, **by_task)), np.float64)


def _of_all_classes(scores: Matrix, columns: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    whole = np.full((len(scores), classes), -np.inf, np.float32)
    whole[:, columns] = scores
    return whole


def _size(model: Estimator) -> int:
    """Returns how many numbers a fitted model needs to predict: weights, support vectors, stored neighbours."""
    sizes: dict[int, int] = {}  # by identity, so that what two parts share counts once
    rest: list[object] = [model]
    while rest:
        value = rest.pop()
        if isinstance(value, nn.Module):
            sizes |= {id(p): p.numel() for p in value.parameters()}
        elif isinstance(value, np.ndarray):
            sizes[id(value)] = value.size if value.dtype.kind == "f" else 0
        elif isinstance(value, list | tuple):
            rest += value
        elif hasattr(value, "get_params"):  # an estimator, without what it needed to be fitted
            fields = vars(value).items()
            rest += [v for k, v in fields if k == "_fit_X" or (not k.startswith("_") and k not in _FITTING)]
    return sum(sizes.values())

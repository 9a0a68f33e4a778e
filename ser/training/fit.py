"""One fit of a scikit-learn model, from features to predictions, as ``ser.training.train`` trains networks.

A model has nothing to stop by: with ``training.learns_from`` "train_and_validation" it is fitted to both subsets, and
networks, which are then trained again on both, have learned from the same utterances. With "train" it does not see the
validation subset.
"""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from ser import registry
from ser.errors import BadInput
from ser.models import traits
from ser.study import Trial, settings_of
from ser.training.batches import Items, inverse_deviation
from ser.training.fitted import Fitted, Inputs, Matrix, Scaling, inputs, standardised
from ser.training.start import CorpusData
from ser.training.train import Outcome, Predictions

Key = tuple[str, str]  # a corpus and one of its subsets


def is_fitted(trial: Trial) -> bool:
    """Returns whether the trial's block is a model of scikit-learn, and no network."""
    return not traits(trial.block.name).is_network


def fit(trial: Trial, data: Mapping[str, CorpusData], device: str) -> Outcome:
    """Fits the trial's model and predicts the test subsets.

    ``normalise`` "speaker" standardises every feature of a vector over each speaker's items of all subsets, without
    their labels (Wu et al. 2011, section 5; Wang et al. 2015, section 4); "train" every bin over the frames learned
    from; else frames come as ``ser.training.normalise`` makes them. The predictions' ``logits`` are the model's
    decision values, -inf for a class without training items. Labels may be k-hot for a model that takes several labels
    of an utterance; ratings have a regressor beside the model, or instead. Raises BadInput for what a model cannot be
    fitted to.
    """
    started = time.perf_counter()
    name = trial.block.name
    kind, subsets = traits(name), _subsets(trial, data)
    kinds = ("train", "val") if trial.training.learns_from == "train_and_validation" else ("train",)
    training = [key for key in subsets if key[1] in kinds and len(subsets[key])]
    scaling = _scaling(trial, subsets, kinds)
    items, tasks = _inputs(trial, subsets, kind.takes, scaling), _tasks(trial, subsets) if kind.tasks else {}
    settings, seed = settings_of("models", trial.block), trial.training_seed
    model = registry.find("models", name).build(settings, seed, device) if trial.classes else None
    regressor = kind.regressor(settings, seed, device) if trial.dimensions and kind.regressor else None
    labels, ratings = (
        np.concatenate([getattr(subsets[key], which).cpu().numpy() for key in training])
        for which in ("labels", "ratings")
    )
    if labels.ndim != 1 and not kind.several_labels:
        raise BadInput("several labels of an utterance", f"block {name}", "one", "use a network, or logistic")
    if trial.labels == "shares" or (trial.dimensions and regressor is None):
        value = "ratings" if trial.labels == "one" else "shares of votes"
        raise BadInput(
            value, f"block {name}", "one label of an utterance", "use a network, or, of ratings, ridge or svm"
        )
    try:
        by_task = {"tasks": np.concatenate([tasks[key] for key in training])} if tasks else {}
        learned = _joined([items[key] for key in training])
        if model is not None:
            model.fit(learned, labels, **by_task)
        if regressor is not None:
            regressor.fit(learned, ratings.astype(np.float64))
        fitted = Fitted(model, scaling, regressor)
        logits = {c: fitted.logits(trial, items[c, "test"], tasks.get((c, "test"))) for c in trial.targets}
        rated = {c: fitted.ratings(items[c, "test"]) for c in trial.targets}
    except BadInput:
        raise
    except (ValueError, np.linalg.LinAlgError) as error:
        raise BadInput(str(error), f"fit of {name}", "features and settings that go together",
                       "change the system's settings") from None  # fmt: skip
    tested = {c: subsets[c, "test"] for c in trial.targets}
    predictions = {
        c: Predictions(t.names, t.labels.cpu().numpy(), logits[c], False, t.ratings.cpu().numpy(), rated[c])
        for c, t in tested.items()
    }
    seconds = time.perf_counter() - started
    return Outcome([], 0, predictions, seconds, {}, {}, parameters=fitted.size, fitted=fitted)


def predict(fitted: Fitted, trial: Trial, data: CorpusData, tasks: npt.NDArray[np.int64] | None = None) -> Predictions:
    """Returns what a fitted model says of the test subset of a corpus that it was not fitted to.

    Where features are normalised by speaker, it is over the items of all three subsets. ``tasks``: see ``ser.models``.
    Raises BadInput for features that the model does not take.
    """
    kinds = ("train", "val", "test") if trial.normalise == "speaker" else ("test",)
    subsets = {(data.test.corpus, kind): items for kind in kinds if len(items := getattr(data, kind))}
    vectors = _inputs(trial, subsets, traits(trial.block.name).takes, fitted.scaling)[data.test.corpus, "test"]
    try:
        logits = fitted.logits(trial, vectors, tasks)
    except ValueError as error:
        raise BadInput(str(error), trial.block.name, "features that it was fitted to", "change the front-end") from None
    test, rated = data.test, fitted.ratings(vectors)
    return Predictions(test.names, test.labels.cpu().numpy(), logits, False, test.ratings.cpu().numpy(), rated)


def _subsets(trial: Trial, data: Mapping[str, CorpusData]) -> dict[Key, Items]:
    return {(c.name, kind): getattr(data[c.name], kind) for c in trial.corpora for kind in ("train", "val", "test")}


def _scaling(trial: Trial, subsets: Mapping[Key, Items], kinds: Sequence[str]) -> Scaling | None:
    """Returns mean and 1 / deviation of every bin over the subsets of ``kinds``, which the model learns from."""
    if trial.normalise != "train":
        return None
    corpora = [c.name for c in trial.training_corpora]
    seen = [[subsets[name, kind] for kind in kinds if len(subsets[name, kind])] for name in corpora]
    mean, square = np.mean([Items.pooled(each).moments.numpy() for each in seen], axis=0)
    return mean, inverse_deviation(torch.from_numpy(mean), torch.from_numpy(square)).numpy()


def _inputs(trial: Trial, subsets: Mapping[Key, Items], takes: str, scaling: Scaling | None) -> dict[Key, Inputs]:
    """Returns what the model takes of each subset's items: their frames, or a vector of each."""
    frames = {key: (x.cpu().numpy() for x in items.features) for key, items in subsets.items()}
    whole = {key: inputs(trial, each, scaling) for key, each in frames.items()}
    if trial.normalise == "speaker" and takes != "frames":
        vectors = {key: each for key, each in whole.items() if isinstance(each, np.ndarray)}
        for corpus in {name for name, _ in subsets}:
            keys = [key for key in subsets if key[0] == corpus]
            whole |= _by_speaker({key: vectors[key] for key in keys}, {key: subsets[key] for key in keys})
    return whole


def _by_speaker(vectors: Mapping[Key, Matrix], subsets: Mapping[Key, Items]) -> dict[Key, Matrix]:
    """Returns each feature with mean 0 and deviation 1 over a speaker's items; one that is constant there is 0."""
    keys = [key for key in subsets if len(subsets[key])]
    speakers = np.concatenate([subsets[key].voices[:, 0] for key in keys])
    whole = standardised(np.concatenate([vectors[key] for key in keys]), speakers)
    cut = np.cumsum([len(subsets[key]) for key in keys])[:-1]
    return dict(zip(keys, np.split(whole, cut), strict=True))


def _tasks(trial: Trial, subsets: Mapping[Key, Items]) -> dict[Key, npt.NDArray[np.int64]]:
    """Returns corpus and sex of each item as one number; -1 of an unseen corpus, or its sex where one corpus trains."""
    number = {c.name: 3 * i for i, c in enumerate(trial.training_corpora)}
    if len(number) == 1:  # its task is that of women, or of men, whoever they are
        number = {c.name: 0 for c in trial.corpora}
    tasks = {}
    for key, items in subsets.items():
        sexes = (items.voices[:, 1] if len(items.voices) else np.zeros(len(items))).astype(int)
        tasks[key] = number[key[0]] + sexes if key[0] in number else np.full(len(items), -1)
    return tasks


def _joined(parts: Sequence[Inputs]) -> Inputs:
    vectors = [part for part in parts if isinstance(part, np.ndarray)]
    return np.concatenate(vectors) if vectors else [x for part in parts for x in part]

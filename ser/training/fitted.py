"""A fitted model with what its inputs are scaled by: what it says of items, and its file, ``model.skops``.

skops writes a zip of arrays and the names of classes. What a file names is called with its arrays: so only classes of
models, ours and plugins, and of scikit-learn are made of it, and no functions.
"""

import copy
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from ser import registry
from ser.data import zips
from ser.data.functionals import functionals
from ser.errors import BadInput
from ser.files import replacing
from ser.models import traits
from ser.models._estimators import Estimator
from ser.study import Trial, settings_of

NAME = "model.skops"
Matrix = npt.NDArray[np.float64]
Scaling = tuple[Matrix, Matrix]  # mean and 1 / deviation of every bin [width]
Inputs = Matrix | list[npt.NDArray[np.float32]]  # a vector of each item, or its frames
# What an estimator needed while it was fitted, and no longer.
_FITTING = ("covariance_", "covariance_estimator", "means_", "priors_", "xbar_", "scalings_", "pvalues_", "scores_")
_STATE = (*(name for name in _FITTING if name != "covariance_estimator"), "_optimizer")  # the parameters stay
# Larger, unpacked, and so many times larger than its file: it was made to fill the memory.
_LARGE_BYTES, _LARGER = 1 << 30, 100


@dataclass(frozen=True)
class Fitted:
    """A fitted model, which has classes, and its regressor, which has ratings; a trial's may be of one kind alone.

    ``scaling`` is of frames, where the trial normalises them on its training subset.
    """

    model: Estimator | None
    scaling: Scaling | None = None
    regressor: Estimator | None = None

    def inputs(self, trial: Trial, frames: Iterable[npt.NDArray[np.float32]]) -> Inputs:
        """Returns what the model takes of items, [frames_i, width] each: their frames, or a vector of each."""
        return inputs(trial, frames, self.scaling)

    def logits(self, trial: Trial, items: Inputs, tasks: npt.NDArray[np.int64] | None) -> npt.NDArray[np.float32]:
        """Returns decision values, or logarithms of probabilities, [items, classes of the trial].

        They are -inf for a class without training items. ``tasks``: see ``ser.models``.
        """
        whole = np.full((len(items), len(trial.classes)), -np.inf, np.float32)
        if self.model is not None and len(items):
            whole[:, self.model.classes_] = _scores(self.model, items, tasks)
        return whole

    def ratings(self, items: Inputs) -> npt.NDArray[np.float32]:
        """Returns the ratings of items [items, dimensions], [items, 0] without a regressor."""
        if self.regressor is None:
            return np.zeros((len(items), 0), np.float32)
        return np.asarray(self.regressor.predict(items), np.float32)

    @property
    def gives_probabilities(self) -> bool:
        """Whether ``logits`` are logarithms of probabilities, as the model has no decision values."""
        return self.model is not None and not hasattr(self.model, "decision_function")

    @property
    def size(self) -> int:
        """How many numbers the model needs to predict: weights, support vectors, stored neighbours."""
        return sum(_size(part) for part in (self.model, self.regressor) if part is not None)


def inputs(trial: Trial, frames: Iterable[npt.NDArray[np.float32]], scaling: Scaling | None) -> Inputs:
    """Returns what the trial's model takes of items, [frames_i, width] each; scaled one by one where there is one."""
    scaled = _scaled(frames, scaling)
    if traits(trial.block.name).takes == "frames":
        return list(scaled)
    statistics = settings_of("models", trial.block).statistics
    rows = [functionals(x, statistics) if statistics else _only_frame(x) for x in scaled]
    return np.array(rows) if rows else np.zeros((0, 0))


def _scaled(frames: Iterable[npt.NDArray[np.float32]], scaling: Scaling | None) -> Iterator[npt.NDArray[np.float32]]:
    """Yields each item's frames, scaled one by one: those of a corpus may be larger than the memory."""
    for x in frames:
        yield x if scaling is None else ((x - scaling[0]) * scaling[1]).astype(np.float32)


def _only_frame(frames: npt.NDArray[np.float32]) -> Matrix:
    if len(frames) != 1:
        raise BadInput(f"an item of {len(frames)} frames", "statistics ()", "one frame", "name functionals")
    return np.asarray(frames[0], np.float64)


def standardised(vectors: Matrix, speakers: npt.NDArray[np.generic]) -> Matrix:
    """Returns each feature with mean 0 and deviation 1 over a speaker's items; one that is constant there is 0.

    ``vectors`` [items, width], ``speakers`` [items].
    """
    whole = vectors.copy()
    for speaker in np.unique(speakers):
        rows = speakers == speaker
        spread = whole[rows].std(0)
        whole[rows] = (whole[rows] - whole[rows].mean(0)) / np.where(spread > 1e-12, spread, 1.0)
    return whole


def _scores(model: Estimator, items: Inputs, tasks: npt.NDArray[np.int64] | None) -> Matrix:
    """Returns decision values, or logarithms of probabilities, [items, classes of the training subset]."""
    by_task = {} if tasks is None else {"tasks": tasks}
    if hasattr(model, "decision_function"):
        values = np.asarray(model.decision_function(items, **by_task), np.float64)
        return np.stack([-values, values], axis=1) if values.ndim == 1 else values
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(model.predict_proba(items, **by_task)), np.float64)


def _size(model: Estimator) -> int:
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


def save(fitted: Fitted, path: Path) -> None:
    """Writes the file of a fitted model, without what it needed only while it was fitted."""
    from skops import io

    with replacing(path, durable=False) as file:
        content = {"model": fitted.model and _slim(fitted.model), "scaling": fitted.scaling}
        if fitted.regressor is not None:
            content["regressor"] = _slim(fitted.regressor)
        io.dump(content, file, compression=zipfile.ZIP_DEFLATED)


def load(path: Path, block: str) -> Fitted:
    """Returns the fitted model of the block ``block`` from its file; tensors come to the CPU. Runs no code of the file.

    Raises BadInput where the file is not whole, or names a class that no such file needs.
    """
    from skops import io

    allowed = "the file of a fitted model as `ser run` writes it"
    try:
        _check_size(path)
        named = io.get_untrusted_types(file=path)
        if strange := [name for name in named if not _is_trusted(name, block)]:
            raise BadInput(f"classes {', '.join(strange)}", str(path), "those of models and scikit-learn",
                           "do not use a file of unknown origin")  # fmt: skip
        content = io.load(path, trusted=named)
        scaling = content["scaling"]
        regressor = content.get("regressor")
        return Fitted(content["model"], None if scaling is None else (scaling[0], scaling[1]), regressor)
    except BadInput:
        raise
    except (*zips.DAMAGE, LookupError, TypeError, AttributeError, ImportError, MemoryError) as error:
        value = f"{type(error).__name__}: {error}"
        raise BadInput(value, str(path), allowed, "bring it back, or train it again") from None


def _check_size(path: Path) -> None:
    """Raises BadInput for a file of some kilobytes that would fill the memory."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(_LARGE_BYTES, _LARGER * path.stat().st_size):
        value = f"{unpacked} bytes unpacked of {path.stat().st_size}"
        raise BadInput(value, str(path), f"{_LARGER} times as many at most", "do not use a file of unknown origin")


def _is_trusted(name: str, block: str) -> bool:
    """Whether a name in a file is that of a class, of a model's module or of scikit-learn. Raises ImportError."""
    module, _, kind = name.rpartition(".")
    places = "ser.models", registry.find("models", block).__name__, "sklearn"
    if not any(f"{module}.".startswith(f"{place}.") for place in places):
        return False
    value = getattr(import_module(module), kind, None)
    return isinstance(value, type) and value.__module__ == module


def _slim(value: object) -> object:
    """Returns an estimator without what it needed only while it was fitted; no array is copied."""
    if isinstance(value, list | tuple):
        return type(value)(map(_slim, value))
    if isinstance(value, type) or not hasattr(value, "get_params"):
        return value
    slim = copy.copy(value)
    for name, inner in vars(value).items():
        if name in _STATE:
            slim.__dict__.pop(name, None)
        else:
            slim.__dict__[name] = _slim(inner)
    return slim

"""The two kinds of models that runs leave behind, networks and fitted ones, as a predictor asks them."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from ser.errors import BadInput
from ser.models import traits
from ser.study import Trial
from ser.training import fitted
from ser.training.batches import Items
from ser.training.fitted import Fitted, Inputs
from ser.training.network import Network, network_of
from ser.training.start import set_precision
from ser.training.train import all_answers

Frames = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


class System(Protocol):
    """A trained model. Items are float32 [frames, width] each; ``tasks`` are theirs, see ``ser.training.fit``."""

    @property
    def gives_probabilities(self) -> bool:
        """Whether ``scores`` are probabilities."""

    def answers(self, trial: Trial, items: Sequence[Frames], head: str, tasks: npt.NDArray[np.int64]) -> Logits:
        """Returns logits, or decision values, and ratings behind them, [items, classes + dimensions].

        ``head`` is the corpus that items are taken for.
        """

    def scores(self, logits: Scores, several_labels: bool) -> Scores:
        """Returns the probabilities that logits [items, classes] stand for, or the logits where they stand for none."""

    def vector(self, trial: Trial, frames: Frames) -> Scores:
        """Returns the vector of an item [width] that is then normalised by speaker, where the model takes vectors."""

    def of_speaker(self, trial: Trial, vectors: Scores, tasks: npt.NDArray[np.int64]) -> Logits:
        """As ``answers``, of all the vectors [items, width] of one speaker."""


@dataclass(frozen=True)
class NetworkSystem:
    """A network with its kept weights."""

    network: Network

    @classmethod
    def read(cls, folder: Path, trial: Trial, width: int) -> "NetworkSystem":
        """Returns the network of a run's ``best.pt``. Raises BadInput where that is not there or not this network's."""
        path = folder / "best.pt"
        if not path.exists():
            raise missing(path, trial)
        set_precision(trial.training.precision, "cpu")
        network = network_of(trial, width)
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except (pickle.UnpicklingError, EOFError) as error:  # torch would advise to run the file's code
            raise _not_weights(path, trial, f"damaged, or more than weights ({type(error).__name__})") from None
        except MemoryError:
            raise  # says nothing about the file
        except Exception as error:  # of a damaged file: torch's reader has no error of its own
            raise _not_weights(path, trial, next(iter(str(error).splitlines()), type(error).__name__)) from None
        return cls(network.eval())

    @property
    def gives_probabilities(self) -> bool:
        """True: a softmax, or sigmoids."""
        return True

    def answers(self, trial: Trial, items: Sequence[Frames], head: str, tasks: npt.NDArray[np.int64]) -> Logits:
        """Returns what the head of a corpus, or the only one, gives."""
        features = [torch.from_numpy(x) for x in items]
        names = tuple(map(str, range(len(items))))
        whole = all_answers(self.network, Items(head, names, features, torch.zeros(len(items), dtype=torch.int64)))
        return np.asarray(whole.numpy(), np.float32)

    def scores(self, logits: Scores, several_labels: bool) -> Scores:
        """Returns the softmax, or, of several labels, each class's sigmoid."""
        return probabilities(logits, several_labels)

    def vector(self, trial: Trial, frames: Frames) -> Scores:
        """Never asked: networks take frames."""
        raise NotImplementedError

    def of_speaker(self, trial: Trial, vectors: Scores, tasks: npt.NDArray[np.int64]) -> Logits:
        """Never asked: networks take frames."""
        raise NotImplementedError


@dataclass(frozen=True)
class FittedSystem:
    """A fitted model. ``has_logits``: the softmax of its decision values is the probability of each class."""

    fitted: Fitted
    has_logits: bool
    has_tasks: bool

    @classmethod
    def read(cls, folder: Path, trial: Trial) -> "FittedSystem":
        """Returns the model of a run's ``model.skops``. Raises BadInput where that is not there or not whole."""
        path = folder / fitted.NAME
        if not path.exists():
            raise missing(path, trial)
        kind = traits(trial.block.name)
        return cls(fitted.load(path, trial.block.name), kind.logits, kind.tasks)

    @property
    def gives_probabilities(self) -> bool:
        """Whether the model has probabilities, or decision values that stand for some."""
        return self.has_logits or self.fitted.gives_probabilities

    def answers(self, trial: Trial, items: Sequence[Frames], head: str, tasks: npt.NDArray[np.int64]) -> Logits:
        """Returns decision values, or logarithms of probabilities; -inf for a class that training lacked."""
        return self._answers(trial, self.fitted.inputs(trial, items), tasks)

    def _answers(self, trial: Trial, items: Inputs, tasks: npt.NDArray[np.int64]) -> Logits:
        logits = self.fitted.logits(trial, items, tasks if self.has_tasks else None)
        return np.concatenate([logits, self.fitted.ratings(items)], axis=1)

    def scores(self, logits: Scores, several_labels: bool) -> Scores:
        """Returns probabilities, or the decision values themselves."""
        if not self.gives_probabilities:
            return logits
        return probabilities(logits, several_labels) if self.has_logits else np.exp(logits)

    def vector(self, trial: Trial, frames: Frames) -> Scores:
        """Returns functionals of the frames, or the only frame."""
        vectors = self.fitted.inputs(trial, [frames])
        assert isinstance(vectors, np.ndarray)
        row: Scores = vectors[0]
        return row

    def of_speaker(self, trial: Trial, vectors: Scores, tasks: npt.NDArray[np.int64]) -> Logits:
        """Normalises each feature over the vectors, and asks the model."""
        normal = fitted.standardised(vectors, np.zeros(len(vectors), np.int64))
        return self._answers(trial, normal, tasks)


def probabilities(logits: Scores, several_labels: bool) -> Scores:
    """Returns the softmax of logits [items, classes] over classes, or, of several labels, each one's sigmoid."""
    values = torch.from_numpy(np.ascontiguousarray(logits, np.float64))
    numbers: Scores = (values.sigmoid() if several_labels else values.softmax(1)).numpy()
    return numbers


def missing(path: Path, trial: Trial) -> BadInput:
    """Returns the error for a run without the file of its model."""
    remedy = "earlier versions kept no fitted models: delete the run in MLflow's pages, and `ser run` trains it again"
    return BadInput(f"no {path.name} of {trial.title}", str(path.parent), "the files of a run with its model", remedy)


def _not_weights(path: Path, trial: Trial, value: str) -> BadInput:
    return BadInput(value, str(path), f"the weights of {trial.title}", "bring the run's own file back")

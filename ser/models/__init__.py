"""Blocks of networks, and models that are fitted: one file each.

A file states ``VERSION``, ``Settings``, ``GIVES`` and ``build``; ``Traits`` lists what else it may state. The file of a
network defines ``build(width, settings) -> torch.nn.Module`` whose ``forward(frames, lengths)`` takes the frames of all
utterances one after another, float [sum(lengths), width], with ``lengths`` int64 [batch], and whose ``outputs`` is the
width of its answer; ``ser.training.network`` adds the head. ``GIVES`` is

- "frames": a temporal block, a vector per frame in the same order [sum(lengths), outputs], to be pooled;
- "utterance": one vector per utterance [batch, outputs];
- "segments": one per ``module.segment`` frames [sum(lengths) / segment, outputs].

``TAKES`` "samples" says that a network takes the front-end ``samples``, without normalisation of its columns.

With ``check(settings)``, which raises BadInput, a plan refuses settings that no width makes right.

Parameters with ``requires_grad`` False are no part of the optimiser. A block may have
``learning_rate_factors() -> Mapping[str, float]``: factors of ``training.learning_rate`` by the name of a parameter.

``lengths`` are on the CPU, wherever the frames are: indices are made from them there and copied to the device by
``_transfer.to_device``, and no step of a training waits for the device. So a network asks no tensor of the device for a
value (``item``, ``tolist``, ``nonzero``, a mask as an index, ``repeat_interleave`` without ``output_size``).

There is no padding at this interface, so padding can never change an answer. Inside torch's autocast the answer may be
bfloat16.

- "classes": a model that ``ser.training.fit`` fits, as scikit-learn has them: ``build(settings, seed, device)`` returns
  an estimator with ``fit(x, y)``, ``classes_``, and ``decision_function(x)`` or ``predict_proba(x)`` [utterances,
  classes]. ``TAKES`` "vectors": x is [utterances, width], functionals (the setting ``statistics``) of the frames;
  "frames": a list of [frames, width]. With ``TASKS`` the methods also take ``tasks``, a number of each utterance for
  its corpus and sex. With ``SEVERAL_LABELS`` y may be k-hot, float32 [utterances, all classes], too: the decision
  values are then of each class by itself, and their sigmoids are probabilities. With ``LOGITS`` the softmax of the
  decision values is the probability of each class. All random numbers are the seed's.
  With ``regressor(settings, seed, device)`` the file predicts ratings, too: that is an estimator with ``fit(x, y)``
  and ``predict(x)``, float [utterances, dimensions], nan for no rating.
  gmtfs, knn, lda, logistic, ridge and svm draw none (but to start ``clusters``): another seed changes their answers
  only by another split.

``example() -> (width, settings, frames)`` is the smallest model that tests can hold to all this, with the frames of its
utterances.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from ser import registry


def _always(width: int, settings: object) -> bool:
    return True


def _unchecked(settings: object) -> None:
    return None


@dataclass(frozen=True)
class Layer:
    """One line of a network's layer table, as plain values.

    ``output`` is the shape for one utterance, such as "78 × 20", or "" where the table does not say. ``parameters`` are
    trained; ``averaged`` are numbers that training averages, as batch normalisation does; ``frozen`` are weights that
    stay as they came.
    """

    name: str
    output: str
    parameters: int = 0
    averaged: int = 0
    frozen: int = 0


@dataclass(frozen=True)
class Traits:
    """The constants of a model's file, optional ones with their defaults.

    ``fits(width, settings)`` says whether a network can be built, for searches. ``layers(block, width)`` lists the
    layers of a block as its paper does; without it they are those with weights. ``stacked`` is the class that computes
    many networks at once (``ser.training.stacked``, or ``stacked_frames`` for blocks that give frames); tiny ones may
    differ in the settings of ``varies``.
    """

    gives: str
    takes: str = ""
    tasks: bool = False
    several_labels: bool = False
    logits: bool = False
    regressor: Callable[[Any, int, str], Any] | None = None
    fits: Callable[[int, Any], bool] = _always
    check: Callable[[Any], None] = _unchecked
    layers: Callable[[Any, int], list[Layer]] | None = None
    stacked: type[Any] | None = None
    varies: tuple[str, ...] = ()

    @property
    def is_network(self) -> bool:
        """Returns whether the model is a network that ``ser.training.train`` trains, and not fitted."""
        return self.gives != "classes"

    @property
    def has_check(self) -> bool:
        """Returns whether the file has a check of its own."""
        return self.check is not _unchecked


_CONSTANTS = {
    "GIVES": "gives",
    "TAKES": "takes",
    "TASKS": "tasks",
    "SEVERAL_LABELS": "several_labels",
    "LOGITS": "logits",
    "regressor": "regressor",
    "fits": "fits",
    "check": "check",
    "layers": "layers",
    "Stacked": "stacked",
    "VARIES": "varies",
}


def traits(name: str) -> Traits:
    """Returns the traits of ``ser/models/<name>.py``. Raises BadInput naming the files that exist."""
    module = vars(registry.find("models", name))
    return Traits(**{field: module[constant] for constant, field in _CONSTANTS.items() if constant in module})


def stated_traits(name: str) -> Traits:
    """Returns the traits as far as a plan asks for them, without importing a file of ours: most import torch.

    Functions import the file when they are called; ``layers``, ``stacked`` and ``varies`` are left out. A plugin is
    imported, as what is wrong with it is to be said at once. Raises BadInput as ``traits`` does.
    """
    return _stated_traits(name) if registry.is_own("models", name) else traits(name)


@cache  # a plan asks for those of every trial
def _stated_traits(name: str) -> Traits:
    _, functions, constants = registry.documented("models", name)
    stated = {_CONSTANTS[key]: value for key, value in constants.items() if key in _CONSTANTS}
    stated |= {key: partial(_call, name, key) for key in ("regressor", "fits", "check") if key in functions}
    return Traits(**stated)


def _call(name: str, function: str, *arguments: object) -> Any:
    return getattr(registry.find("models", name), function)(*arguments)

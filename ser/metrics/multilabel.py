"""Metrics of multi-label classification: numpy only, a formula, a source and an example each.

An utterance may have several emotions. ``truth`` and ``predicted`` are bool [utterances, emotions], ``probabilities``
float32 of that shape. For each emotion TP, TN, FP, FN count the utterances where it is rightly or wrongly present
(P) or absent (N). Pho, Truong, Yanushkevich (SAC 2020) print one "accuracy"; its equation 4 and what its program
computed are two things, so ``scores`` gives both, and what others in the field would print.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.metrics.accuracy import UndefinedMetric

VERSION = 1  # goes up when a number of this file changes

THRESHOLD = 0.5  # an emotion is predicted where its probability is above this
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]


def matrices(truth: ArrayLike, predicted: ArrayLike) -> Counts:
    """Returns a 2 x 2 confusion matrix per emotion [emotions, 2, 2]: rows truth absent, present; columns predicted so.

    That is [[TN, FP], [FN, TP]]. Raises ValueError where the two differ in shape or are not two-dimensional.
    Reference: Figure 4 of Pho et al. (2020), which prints each row divided by its sum.

    >>> matrices([[1, 0], [1, 1], [0, 0]], [[1, 0], [0, 1], [0, 1]]).tolist()
    [[[1, 0], [1, 1]], [[1, 1], [0, 1]]]
    """
    true, guess = _both(truth, predicted)
    cells = [np.sum(t & p, axis=0) for t in (~true, true) for p in (~guess, guess)]
    return np.stack(cells, axis=-1).reshape(-1, 2, 2).astype(np.int64)


def equation_4(counts: ArrayLike) -> float:
    """Returns the mean over emotions of (TP + TN) / (TP + TN + FP + FN), 0 … 1; ``counts`` as from ``matrices``.

    Raises UndefinedMetric without any utterance. Reference: equation 4 of Pho et al. (2020).

    >>> equation_4([[[1, 0], [1, 1]], [[2, 1], [0, 0]]])  # (2/3 + 2/3) / 2
    0.6666666666666666
    """
    cells = _filled(counts)
    return float(np.mean((cells[:, 0, 0] + cells[:, 1, 1]) / cells.sum(axis=(1, 2))))


def balanced_accuracy(counts: ArrayLike) -> float:
    """Returns the mean over emotions of (TN / (TN + FP) + TP / (TP + FN)) / 2, 0 … 1; ``counts`` as from ``matrices``.

    Emotions that no utterance has, or all have, lack one of the two rates and do not count. Raises UndefinedMetric
    where none counts. Reference: Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010;
    the printed 57.64 % of Pho et al. (2020) is this, of their Figure 4.

    >>> balanced_accuracy([[[3, 1], [1, 1]], [[4, 0], [2, 0]]])  # ((3/4 + 1/2) / 2 + (1 + 0) / 2) / 2
    0.5625
    """
    cells = _filled(counts)
    rows = cells.sum(axis=2)
    both = (rows > 0).all(axis=1)
    if not both.any():
        raise UndefinedMetric("balanced accuracy where no emotion is both present and absent; test on more utterances")
    rates = np.diagonal(cells[both], axis1=1, axis2=2) / rows[both]
    return float(rates.mean())


def always_absent(truth: ArrayLike) -> float:
    """Returns equation 4 of a classifier that never finds any emotion: 1 - labels / (utterances · emotions), 0 … 1.

    Raises UndefinedMetric without any utterance. It is what every result of equation 4 has to be held against.

    >>> always_absent([[1, 0, 0, 0], [0, 1, 0, 0]])
    0.75
    """
    true = _two_dimensional(truth)
    return equation_4(matrices(true, np.zeros_like(true)))


def int_cast(probabilities: ArrayLike) -> Bools:
    """Returns probabilities after ``int()``: True only where float32 has rounded one up to 1.

    A sigmoid does so from a logit of some 17 on. Reference: what the published program of Pho et al. (2020) does with
    predictions before it counts them.

    >>> int_cast([[0.99, 1.0], [1 - 1e-9, 0.5]]).tolist()
    [[False, True], [True, False]]
    """
    return np.asarray(probabilities, np.float32) >= 1


def macro_f1(counts: ArrayLike) -> float:
    """Returns the mean over emotions of 2 TP / (2 TP + FP + FN), 0 … 1; ``counts`` as from ``matrices``.

    Emotions neither present nor predicted anywhere do not count. Raises UndefinedMetric where none counts. Reference:
    Yang, "An evaluation of statistical approaches to text categorization", Information Retrieval 1, 1999.

    >>> macro_f1([[[1, 1], [0, 1]], [[2, 0], [1, 0]], [[3, 0], [0, 0]]])  # (2/3 + 0) / 2
    0.3333333333333333
    """
    hits, errors = _hits_and_errors(counts)
    defined = hits + errors > 0
    if not defined.any():
        raise UndefinedMetric("F1 where no emotion is present or predicted; test on labelled utterances")
    return float(np.mean(hits[defined] / (hits + errors)[defined]))


def micro_f1(counts: ArrayLike) -> float:
    """Returns 2 TP / (2 TP + FP + FN) of the sums over all emotions, 0 … 1; ``counts`` as from ``matrices``.

    Raises UndefinedMetric where no emotion is present or predicted. Reference: Yang (1999), as of ``macro_f1``.

    >>> micro_f1([[[1, 1], [0, 1]], [[2, 0], [1, 0]]])  # 2 / (2 + 1 + 1)
    0.5
    """
    hits, errors = (part.sum() for part in _hits_and_errors(counts))
    if not hits + errors:
        raise UndefinedMetric("F1 where no emotion is present or predicted; test on labelled utterances")
    return float(hits / (hits + errors))


def subset_accuracy(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Returns the share of utterances whose emotions are all right and none too many, 0 … 1.

    Raises UndefinedMetric without any utterance. Reference: Tsoumakas, Katakis, "Multi-label classification: an
    overview", International Journal of Data Warehousing and Mining 3(3), 2007.

    >>> subset_accuracy([[1, 0], [1, 1]], [[1, 0], [1, 0]])
    0.5
    """
    true, guess = _both(truth, predicted)
    _check_any(true)
    return float((true == guess).all(axis=1).mean())


def hamming_loss(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Returns the share of wrong cells, 0 … 1, less is better: 1 - equation 4.

    Raises UndefinedMetric without any utterance. Reference: Schapire, Singer, "BoosTexter", Machine Learning 39, 2000.

    >>> hamming_loss([[1, 0], [1, 1]], [[1, 0], [1, 0]])
    0.25
    """
    true, guess = _both(truth, predicted)
    _check_any(true)
    return float((true != guess).mean())


def lrap(truth: ArrayLike, scores: ArrayLike) -> float:
    """Returns the label ranking average precision, above 0 … 1.

    For each true emotion the share of true ones among those that score as high or higher; the mean of that over the
    emotions of an utterance, then over the utterances that have an emotion. Raises UndefinedMetric where none has.
    Reference: Schapire, Singer (2000); scikit-learn, which counts an utterance without emotions as 1.

    >>> lrap([[1, 0, 0], [0, 0, 1]], [[0.75, 0.5, 1], [1, 0.2, 0.1]])  # (1/2 + 1/3) / 2
    0.41666666666666663
    """
    true, values = _two_dimensional(truth), _finite(scores)
    _same_shape(true, values)
    labelled = true.any(axis=1)
    true, values = true[labelled], values[labelled]
    _check_any(true)
    as_high = values[:, None, :] >= values[:, :, None]  # [utterance, emotion, others]
    precision = np.sum(as_high & true[:, None, :], axis=2) / as_high.sum(axis=2)
    return float(np.mean(np.sum(precision * true, axis=1) / true.sum(axis=1)))


def argmax_accuracy(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Returns the share of utterances of one emotion where it is the most probable (the first of equal ones), 0 … 1.

    Comparable to accuracies of single-label work. Raises UndefinedMetric where no utterance has just one emotion.

    >>> argmax_accuracy([[1, 0], [0, 1], [1, 1]], [[0.2, 0.1], [0.3, 0.2], [0.1, 0.9]])  # the third has two
    0.5
    """
    true, values = _two_dimensional(truth), _finite(probabilities)
    _same_shape(true, values)
    single = true.sum(axis=1) == 1
    _check_any(true[single])
    return float(np.mean(values[single].argmax(axis=1) == true[single].argmax(axis=1)))


def categorical_accuracy(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Returns the share of all utterances whose most probable emotion is the first that they have, 0 … 1.

    First in the order of the classes; of equal probabilities the first counts, too. Raises UndefinedMetric without any
    utterance. Reference: ``categorical_accuracy`` of Keras, which the published program of Pho et al. (2020) prints:
    it takes argmax of k-hot labels as it would of one-hot ones, so a second emotion of an utterance is never right,
    and an utterance without any has the first class.

    >>> categorical_accuracy([[1, 0], [0, 1], [1, 1]], [[0.2, 0.1], [0.3, 0.2], [0.1, 0.9]])
    0.3333333333333333
    """
    true, values = _two_dimensional(truth), _finite(probabilities)
    _same_shape(true, values)
    _check_any(true)
    return float(np.mean(values.argmax(axis=1) == true.argmax(axis=1)))


def binary_cross_entropy(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Returns the mean over utterances and emotions of -log p where present and -log(1 - p) where absent, 0 or more.

    Probabilities are kept 1e-7 away from 0 and 1, as Keras does. Raises UndefinedMetric without any utterance.
    Reference: the test loss that the published program of Pho et al. (2020) prints, without weights of classes.

    >>> round(binary_cross_entropy([[1, 0]], [[0.5, 0.5]]), 6)  # log 2
    0.693147
    """
    true, values = _two_dimensional(truth), _finite(probabilities)
    _same_shape(true, values)
    _check_any(true)
    chances = values.astype(np.float64).clip(1e-7, 1 - 1e-7)
    return float(-np.log(np.where(true, chances, 1 - chances)).mean())


def scores(truth: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Returns all metrics of this file that are from 0 to 1; those undefined on these utterances are absent.

    ``published`` is the balanced accuracy of int-cast probabilities, as in Pho et al. (2020); ``eq4`` equation 4,
    and ``eq4_absent`` what finding nothing would give; ``balanced``, ``macro_f1``, ``micro_f1``, ``subset`` and
    ``hamming`` at THRESHOLD; ``lrap``, ``argmax`` and ``categorical_accuracy`` need none. Raises ValueError where a
    probability is not a number: a network that diverged has predicted nothing.

    >>> values = scores([[1, 0], [0, 1]], [[0.9, 0.2], [0.4, 0.3]])
    >>> values["published"], values["eq4"], values["argmax"]
    (0.5, 0.75, 0.5)
    """
    true, values = _two_dimensional(truth), _finite(probabilities)
    _same_shape(true, values)
    guess = values > THRESHOLD
    counts = matrices(true, guess)
    metrics: dict[str, Callable[[], float]] = {
        "published": lambda: balanced_accuracy(matrices(true, int_cast(values))),
        "eq4": lambda: equation_4(counts),
        "eq4_absent": lambda: always_absent(true),
        "balanced": lambda: balanced_accuracy(counts),
        "macro_f1": lambda: macro_f1(counts),
        "micro_f1": lambda: micro_f1(counts),
        "subset": lambda: subset_accuracy(true, guess),
        "hamming": lambda: hamming_loss(true, guess),
        "lrap": lambda: lrap(true, values),
        "argmax": lambda: argmax_accuracy(true, values),
        "categorical_accuracy": lambda: categorical_accuracy(true, values),
    }
    defined: dict[str, float] = {}
    for name, metric in metrics.items():
        try:
            defined[name] = metric()
        except UndefinedMetric:
            continue
    return defined


def _hits_and_errors(counts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns 2 TP and FP + FN of each emotion."""
    cells = np.asarray(counts, np.float64)
    return 2 * cells[:, 1, 1], cells[:, 0, 1] + cells[:, 1, 0]


def _filled(counts: ArrayLike) -> NDArray[np.float64]:
    cells = np.asarray(counts, np.float64)
    if not cells.sum():
        raise UndefinedMetric("accuracy of no utterances; test on at least one labelled utterance")
    return cells


def _check_any(rows: Bools) -> None:
    if not rows.size:
        raise UndefinedMetric("accuracy of no utterances; test on at least one labelled utterance")


def _two_dimensional(table: ArrayLike) -> Bools:
    rows = np.asarray(table).astype(bool)
    if rows.ndim != 2:
        raise ValueError(f"shape {rows.shape}; allowed: [utterances, emotions]")
    return rows


def _both(truth: ArrayLike, predicted: ArrayLike) -> tuple[Bools, Bools]:
    true, guess = _two_dimensional(truth), _two_dimensional(predicted)
    _same_shape(true, guess)
    return true, guess


def _same_shape(truth: Bools, predicted: NDArray[np.generic]) -> None:
    if truth.shape != predicted.shape:
        raise ValueError(f"truth {truth.shape} but predictions {predicted.shape}; give one prediction per label")


def _finite(probabilities: ArrayLike) -> NDArray[np.float32]:
    values = np.asarray(probabilities, np.float32)
    if np.isnan(values).any():
        raise ValueError(
            "nan among the probabilities; allowed: numbers; the training diverged, lower its learning rate"
        )
    return values

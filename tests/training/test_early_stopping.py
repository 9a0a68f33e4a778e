"""Early stopping: which epoch's weights are kept, and after which none follows."""

from dataclasses import replace
from math import inf, nan

import pytest

from experiments.interaffection import study
from ser.training.early_stopping import EarlyStopping

TRAINING = replace(study.training, max_epochs=9, patience_epochs=2, min_improvement=0.1, keep="best")


def followed(losses, training=TRAINING, stop_epoch=0):
    """The state after these losses, as far as they are asked for; and the epochs whose weights were kept."""
    stopping, best = EarlyStopping(), []
    for loss in losses:
        if stopping.is_over(training, stop_epoch):
            break
        if stopping.add_epoch(training, loss):
            best.append(stopping.epoch)
    return stopping, best


def test_the_lowest_loss_is_kept_the_first_of_equal_ones():
    stopping, best = followed([3, 2, 2, 1.9, 2.5])
    assert best == [1, 2, 4]
    assert (stopping.best_epoch, stopping.best_loss) == (4, 1.9)


def test_patience_ends_when_no_loss_fell_by_enough_though_the_best_weights_may_be_later():
    stopping, best = followed([1.0, 0.95, 0.91, 0.1])  # each falls by less than a tenth of the first
    assert (stopping.epoch, stopping.stale_epochs) == (3, 2)
    assert best == [1, 2, 3]


def test_a_fall_by_enough_gives_the_patience_back():
    stopping, _ = followed([1.0, 0.95, 0.89, 0.88, 0.79])
    assert (stopping.epoch, stopping.reference_loss, stopping.stale_epochs) == (5, 0.79, 0)


@pytest.mark.parametrize(("stop_epoch", "epochs"), [(0, 9), (4, 4)])
def test_without_patience_all_epochs_are_trained_or_those_up_to_the_last(stop_epoch, epochs):
    stopping, _ = followed([1.0] * 20, replace(TRAINING, patience_epochs=0), stop_epoch)
    assert stopping.epoch == epochs


def test_the_last_weights_are_kept_where_that_is_stated_also_without_validation():
    training = replace(TRAINING, keep="last", patience_epochs=0)
    assert followed([1.0, 2.0, inf], training)[1] == [1, 2, 3]


def test_a_loss_that_is_no_number_is_never_the_best():
    stopping, best = followed([nan, nan, nan])
    assert (best, stopping.epoch, stopping.best_epoch) == ([], 2, 0)

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
        if stopping.add_epoch(training, {"val/loss": loss}):
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


def test_only_every_tenth_epoch_is_looked_at_and_patience_is_counted_in_epochs():
    training = replace(TRAINING, max_epochs=99, patience_epochs=20, check_every_epochs=10)
    stopping, best = followed([0.1] * 9 + [3.0] + [0.1] * 9 + [2.0] + [0.1] * 79, training)
    assert best == [*range(1, 11), 20, 30]  # before the first look the latest; 0.1 counts at the third only
    assert (stopping.best_epoch, stopping.epoch) == (30, 50)


def test_a_training_shorter_than_its_first_look_keeps_the_last_epoch():
    stopping, _ = followed([3.0, 2.0, 9.0], replace(TRAINING, max_epochs=3, check_every_epochs=10))
    assert (stopping.best_epoch, stopping.epoch) == (3, 3)


def accuracies(rows, **changes):
    """The epochs that are kept by accuracy of these (accuracy, loss), and the last epoch."""
    training = replace(TRAINING, **{"keep": "best_accuracy", "loss_tolerance": 0.01, "patience_epochs": 3, **changes})
    stopping, kept = EarlyStopping(), []
    for accuracy, loss in rows:
        if stopping.is_over(training):
            break
        if stopping.add_epoch(training, {"val/wa/a": accuracy - 0.1, "val/wa/b": accuracy + 0.1, "val/loss": loss}):
            kept.append(stopping.epoch)
    return kept, stopping.epoch


def test_the_best_accuracy_is_kept_where_the_loss_is_near_the_least():
    rows = [(0.5, 1.0), (0.6, 1.009), (0.7, 1.02), (0.65, 0.9), (0.9, 0.911), (0.7, 0.909), (0.7, 0.8)]
    assert accuracies(rows) == ([1, 2, 4, 6], 7)


def test_patience_counts_what_is_not_kept_by_accuracy():
    assert accuracies([(0.5, 1.0), (0.5, 0.9), (0.5, 0.8), (0.4, 0.7), (0.9, 0.1)]) == ([1], 4)

"""When a training ends, and which epoch's weights are kept: one rule for networks that train alone and stacked."""

from dataclasses import dataclass
from math import inf

from ser.study import Training


@dataclass
class EarlyStopping:
    """The validation losses of the epochs so far, as far as they decide about the next ones."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = inf
    reference_loss: float = inf  # the last one that fell by enough
    stale_epochs: int = 0  # epochs since

    def add_epoch(self, training: Training, loss: float) -> bool:
        """Counts an epoch with this validation loss (infinite without one); returns whether its weights are to be kept.

        They are those of the lowest loss, or, with ``training.keep`` "last", of every epoch.
        """
        self.epoch += 1
        is_best = loss < self.best_loss or training.keep == "last"
        if is_best:
            self.best_loss, self.best_epoch = loss, self.epoch
        if loss < self.reference_loss * (1 - training.min_improvement):
            self.reference_loss, self.stale_epochs = loss, 0
        else:
            self.stale_epochs += 1
        return is_best

    def is_over(self, training: Training, stop_epoch: int = 0) -> bool:
        """Whether no epoch follows: all are done, or the patience is used up. ``stop_epoch``, if any, is the last."""
        is_stale = 0 < training.patience_epochs <= self.stale_epochs
        return is_stale or self.epoch >= (stop_epoch or training.max_epochs)

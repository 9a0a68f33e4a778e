"""When a training ends, and which epoch's weights are kept: one rule for networks that train alone and stacked."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from ser.study import Training


@dataclass
class EarlyStopping:
    """The validation losses and accuracies of the epochs so far, as far as they decide about the next ones."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = inf
    reference_loss: float = inf  # the last one that fell by enough
    stale_epochs: int = 0  # epochs since
    best_accuracy: float = -inf

    def add_epoch(self, training: Training, row: Mapping[str, float]) -> bool:
        """Counts an epoch whose losses and accuracies are ``row``; returns whether its weights are to be kept.

        ``training.keep`` "best": those of the lowest ``val/loss``, "last": of every epoch. "best_accuracy": those of
        the highest accuracy, the mean of all ``val/wa/<corpus>``, of the epochs whose loss is below the least one until
        then plus ``loss_tolerance`` (Sahoo et al., the authors' program; their patience counts what is kept, too).
        An epoch that is no multiple of ``check_every_epochs`` decides nothing; before the first that is, the latest is
        kept.
        """
        self.epoch += 1
        if self.epoch % training.check_every_epochs:
            is_latest = training.keep == "last" or self.epoch < training.check_every_epochs
            self.best_epoch = self.epoch if is_latest else self.best_epoch
            return is_latest
        loss = row.get("val/loss", inf)
        if training.keep == "best_accuracy":
            return self._add_accuracy(training, loss, row)
        is_best = loss < self.best_loss or training.keep == "last"
        if is_best:
            self.best_loss, self.best_epoch = loss, self.epoch
        if loss < self.reference_loss * (1 - training.min_improvement):
            self.reference_loss, self.stale_epochs = loss, 0
        else:
            self.stale_epochs += training.check_every_epochs
        return is_best

    def _add_accuracy(self, training: Training, loss: float, row: Mapping[str, float]) -> bool:
        values = [value for name, value in row.items() if name.startswith("val/wa")]
        accuracy = sum(values) / max(1, len(values))
        is_best = accuracy > self.best_accuracy and loss < self.best_loss + training.loss_tolerance
        self.best_loss = min(self.best_loss, loss)
        if is_best:
            self.best_accuracy, self.best_epoch, self.stale_epochs = accuracy, self.epoch, 0
        else:
            self.stale_epochs += training.check_every_epochs
        return is_best

    def is_over(self, training: Training, stop_epoch: int = 0) -> bool:
        """Whether no epoch follows: all are done, or the patience is used up. ``stop_epoch``, if any, is the last."""
        is_stale = 0 < training.patience_epochs <= self.stale_epochs
        return is_stale or self.epoch >= (stop_epoch or training.max_epochs)

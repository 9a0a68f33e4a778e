"""The loss of a mini-batch, of classes and of ratings, and the weights of classes in it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from ser.errors import BadInput
from ser.study import Training
from ser.training.batches import Items


class Objective(nn.Module):
    """What training makes small: the loss of classes, that of ratings, or, weighted, their sum.

    Answers of a network are float [items, classes + dimensions]: logits, then ratings. Of a mini-batch that is passed
    in parts, each part has its share of the loss; 1 - CCC is then of the items of a part.
    """

    def __init__(self, training: Training, classes: Sequence[str], items: Items) -> None:
        """Raises BadInput as ``Loss`` does."""
        super().__init__()
        self.number = len(classes)
        self.of_classes = Loss(training, classes, items) if classes else None
        self.dimensions = items.ratings.shape[1]
        self.kind, self.weight = training.dimension_loss, training.dimension_weight if classes else 1.0

    def forward(self, answers: Tensor, labels: Tensor, ratings: Tensor, weighted: bool = True) -> Tensor:
        """Returns the mean loss of items, a scalar; without class weights where not ``weighted``."""
        total = (
            self.of_classes(answers[:, : self.number], labels, weighted) if self.of_classes else answers.new_zeros(())
        )
        return total + self._of_ratings(answers, ratings, ratings) if self.dimensions else total

    def part(self, answers: Tensor, labels: Tensor, ratings: Tensor, whole: tuple[Tensor, Tensor]) -> Tensor:
        """Returns the share that some items have in the loss of a mini-batch of ``whole``: its labels and ratings.

        The mean over a part is normalised by the part's weights; its share makes it one over the whole mini-batch.
        """
        total = answers.new_zeros(())
        if self.of_classes:
            share = self.of_classes.mass(labels).sum() / self.of_classes.mass(whole[0]).sum()
            total = self.of_classes(answers[:, : self.number], labels) * share
        return total + self._of_ratings(answers, ratings, whole[1]) if self.dimensions else total

    def _of_ratings(self, answers: Tensor, ratings: Tensor, whole: Tensor) -> Tensor:
        """The weighted mean over the dimensions that some item of ``whole`` has, each by its share of the ratings."""
        counts, all_counts = ratings.isfinite().sum(0), whole.isfinite().sum(0)
        each = rating_losses(self.kind, answers[:, self.number :], ratings) * (counts / all_counts.clamp_min(1))
        return self.weight * each.sum() / (all_counts > 0).sum().clamp_min(1)


def rating_losses(kind: str, predicted: Tensor, ratings: Tensor) -> Tensor:
    """Returns the loss of each dimension [dimensions] over the items that have its rating; 0 where none has.

    ``predicted`` and ``ratings`` float [items, dimensions], nan for no rating. "mse" is the mean squared error; "ccc"
    is 1 - CCC (Lin 1989, see ``ser.metrics.regression``), as Trigeorgis et al. 2016 train. It is 1 and
    teaches nothing where a single item has a rating.
    """
    rated = ratings.isfinite()
    count, none = rated.sum(0).clamp_min(1), torch.zeros((), dtype=predicted.dtype, device=predicted.device)
    truth, guess = torch.where(rated, ratings, none), torch.where(rated, predicted, none)
    if kind == "mse":
        return (truth - guess).square().sum(0) / count
    means = truth.sum(0) / count, guess.sum(0) / count
    apart, away = torch.where(rated, truth - means[0], none), torch.where(rated, guess - means[1], none)
    spread = (apart.square() + away.square()).sum(0) / count + (means[0] - means[1]).square()
    agreement = 2 * (apart * away).sum(0) / count / spread.clamp_min(1e-8)
    return torch.where(rated.any(0), 1 - agreement, none)


class Loss(nn.Module):
    """The mean loss of logits [items, classes] under labels: int64 [items], or float k-hot [items, classes].

    Labels may also be raters' shares, float [items, classes]: the loss of an item is then the mean over its votes. Of
    one label "kl_divergence" is "cross_entropy", of shares it is smaller by their entropy, and has its gradients.
    "cross_entropy" is of the softmax. "binary_cross_entropy" is of each class's sigmoid, averaged over the classes; one
    label per item counts as a k-hot of one. Class weights, from the training subset: "inverse" is 1/n_c scaled to mean
    1, and the mean is over weights ("one set of weights for each dataset", da Silva et al., 4.4). The others are
    (positives / classes) / n_c: "first_positive" weighs an item by its first positive class, as Keras does with
    ``class_weight``; "per_label" weighs each class's term.
    """

    def __init__(self, training: Training, classes: Sequence[str], items: Items) -> None:
        """Raises BadInput where a class that has to be weighted has no item in the training subset."""
        super().__init__()
        self.binary, self.shares = training.loss == "binary_cross_entropy", items.shares
        self.divergence = training.loss == "kl_divergence"
        self.kind, self.classes = training.class_weights, len(classes)
        self.weight: Tensor | None
        self.register_buffer("weight", None if self.kind == "none" else self._weights(classes, items))
        if self.kind in ("first_positive", "per_label") and not self.binary:
            raise BadInput(repr(self.kind), "training.class_weights", "inverse, none", "or use binary_cross_entropy")
        if self.kind == "inverse" and self.binary:
            raise BadInput("'inverse'", "training.class_weights", "first_positive, per_label, none", "choose one")
        if (self.shares and self.binary) or (self.divergence and items.labels.ndim == 2 and not self.shares):
            allowed = "cross_entropy, kl_divergence" if self.shares else "cross_entropy, binary_cross_entropy"
            what = "shares of votes" if self.shares else "several labels of an utterance"
            raise BadInput(repr(training.loss), f"training.loss, of {what}", allowed, "choose one of them")

    def _weights(self, classes: Sequence[str], items: Items) -> Tensor:
        labels = items.labels
        if items.shares:
            counts = labels.sum(0)
        else:
            counts = labels.sum(0).long() if labels.ndim == 2 else torch.bincount(labels, minlength=len(classes))
        if (counts == 0).any():  # possible where audio was refused after the split was made
            absent = ", ".join(c for c, n in zip(classes, counts.tolist(), strict=True) if n == 0)
            raise BadInput(
                f"no {absent} to train on",
                f"features of {items.corpus}",
                "some of each class",
                "fix the refused files",
            )
        inverse = 1 / counts.float()
        return inverse / inverse.mean() if self.kind == "inverse" else inverse * (counts.sum() / len(classes))

    def forward(self, logits: Tensor, labels: Tensor, weighted: bool = True) -> Tensor:
        """Returns the mean loss of a mini-batch, a scalar; without class weights where not ``weighted``."""
        weight = self.weight if weighted else None
        if self.shares:
            return self._of_shares(logits, labels, weight)
        if not self.binary:
            return cross_entropy(logits, labels, weight)
        hot = labels if labels.ndim == 2 else one_hot(labels, self.classes).to(logits.dtype)
        each = binary_cross_entropy_with_logits(
            logits, hot, weight=weight if self.kind == "per_label" else None, reduction="none"
        ).mean(1)
        if self.kind == "first_positive" and weight is not None:
            each = each * weight[hot.argmax(1)]
        return each.mean()

    def _of_shares(self, logits: Tensor, shares: Tensor, weight: Tensor | None) -> Tensor:
        """The mean over votes, so that of one label an item, or where all raters agree, it is ``cross_entropy``."""
        votes = shares if weight is None else shares * weight
        terms = -votes * logits.log_softmax(1)
        if self.divergence:
            terms = terms + torch.where(shares > 0, votes * shares.clamp_min(1e-12).log(), 0)
        return terms.sum() / votes.sum()

    def mass(self, labels: Tensor) -> Tensor:
        """Returns what each item [items] adds to the denominator of the mean, by which parts of a mini-batch add up."""
        if self.binary or self.weight is None:
            return torch.ones(len(labels), device=labels.device)
        return labels @ self.weight if self.shares else self.weight[labels]

"""The loss of a mini-batch, and the weights of classes in it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from ser.errors import BadInput
from ser.study import Training
from ser.training.batches import Items


class Loss(nn.Module):
    """The mean loss of logits [items, classes] under labels: int64 [items], or float k-hot [items, classes].

    "cross_entropy" is of the softmax. "binary_cross_entropy" is of each class's sigmoid, averaged over the classes; one
    label per item counts as a k-hot of one. Class weights, from the training subset: "inverse" is 1/n_c scaled to mean
    1, and the mean is over weights ("one set of weights for each dataset", da Silva et al., 4.4). The others are
    (positives / classes) / n_c: "first_positive" weighs an item by its first positive class, as Keras does with
    ``class_weight``; "per_label" weighs each class's term.
    """

    def __init__(self, training: Training, classes: Sequence[str], items: Items) -> None:
        """Raises BadInput where a class that has to be weighted has no item in the training subset."""
        super().__init__()
        self.binary = training.loss == "binary_cross_entropy"
        self.kind, self.classes = training.class_weights, len(classes)
        self.weight: Tensor | None
        self.register_buffer("weight", None if self.kind == "none" else self._weights(classes, items))
        if self.kind in ("first_positive", "per_label") and not self.binary:
            raise BadInput(repr(self.kind), "training.class_weights", "inverse, none", "or use binary_cross_entropy")
        if self.kind == "inverse" and self.binary:
            raise BadInput("'inverse'", "training.class_weights", "first_positive, per_label, none", "choose one")

    def _weights(self, classes: Sequence[str], items: Items) -> Tensor:
        labels = items.labels
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
        if not self.binary:
            return cross_entropy(logits, labels, weight)
        hot = labels if labels.ndim == 2 else one_hot(labels, self.classes).to(logits.dtype)
        each = binary_cross_entropy_with_logits(
            logits, hot, weight=weight if self.kind == "per_label" else None, reduction="none"
        ).mean(1)
        if self.kind == "first_positive" and weight is not None:
            each = each * weight[hot.argmax(1)]
        return each.mean()

    def mass(self, labels: Tensor) -> Tensor:
        """Returns what each item [items] adds to the denominator of the mean, by which parts of a mini-batch add up."""
        if self.binary or self.weight is None:
            return torch.ones(len(labels), device=labels.device)
        return self.weight[labels]

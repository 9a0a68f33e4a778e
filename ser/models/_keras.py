"""Keras's start of weights and normalisation, for networks that were written in it (Pho et al. 2020, Khan et al.)."""

from torch import nn

# Keras keeps .99 of its running moments at each step where torch would keep .9 (and calls .99 the momentum).
MOMENTUM, EPSILON = 0.01, 1e-3
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def glorot(module: nn.Module) -> None:
    """Sets every linear and convolutional layer below ``module`` as Keras would: Glorot-uniform weights, zero biases.

    Glorot & Bengio 2010, eq. 16: U(-a, a), a² = 6 / (fan in + fan out). torch's own start is about half as wide.
    Recurrent layers stay as they are: Keras starts their two kinds of weights differently.
    """
    for layer in module.modules():
        if isinstance(layer, _WEIGHTED):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

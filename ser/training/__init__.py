"""Training one model: the loop, its batches, network, loss and checkpoints; many tiny networks at a time."""

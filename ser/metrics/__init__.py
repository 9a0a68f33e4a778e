"""Accuracies and confusion matrices, each with its formula and reference."""

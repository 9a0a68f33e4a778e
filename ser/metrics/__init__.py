"""Accuracies, F1, calibration and confusion matrices, each with its formula and reference."""

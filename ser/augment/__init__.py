"""Augmentations: one file each, from a waveform to a changed waveform of the same length and rate.

A file defines ``VERSION``, which goes up when its numbers change (``tests/recorded`` holds them), the frozen dataclass
``Settings``, a ``seed`` among them, and ``apply(wave, rate_hz, rng, settings, folder) -> wave``: float32 [samples] in
and out, every random draw from ``rng`` (a numpy Generator), ``folder`` a user's folder of recordings or None for
generated ones.
"""

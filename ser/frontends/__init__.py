"""Front-ends: one file each, from a waveform to a sequence of feature vectors.

A file defines ``width(settings) -> int`` (the size of a vector) and
``extract(wave, settings) -> float32 [frames, width]`` for a mono waveform at ``settings["rate_hz"]``.
"""

"""Front-ends: one file each, from a waveform to a sequence of feature vectors.

A file defines ``width(settings) -> int`` (the size of a vector) and
``extract(wave, settings) -> float32 [frames, width]`` for a mono waveform at ``settings["rate_hz"]``. Several threads
call it at once. ``example() -> settings`` are its paper's. ``USES`` names the modules whose code can change its numbers
as well as its own can; those are named with an underscore and are no front-ends.
"""

"""Front-ends: one file each, from a waveform to a sequence of feature vectors.

A file defines ``width(settings) -> int`` (the size of a vector), ``frames(samples, settings) -> int`` and
``extract(wave, settings) -> float32 [frames, width]`` for a mono waveform at ``settings["rate_hz"]``. Several threads
call it at once. One with a setting ``patch`` makes several items of an utterance, of so many frames each; one with
``READS_TEXT`` is given the utterance's transcription too, and may make more frames of it. ``example() -> settings`` are
its paper's. ``USES`` names the modules whose code can change its numbers as well as its own can; those are named with
an underscore and are no front-ends.
"""

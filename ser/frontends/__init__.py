"""Front-ends: one file each, from a waveform to a sequence of feature vectors.

A file defines ``VERSION``, which goes up when its numbers change (``tests/recorded`` holds them), the frozen dataclass
``Settings`` with the documented values of its paper, and three functions of an instance of it:
``width(settings) -> int`` (the size of a vector), ``frames(samples, settings) -> int`` and
``extract(wave, settings) -> float32 [frames, width]`` for a mono waveform at ``settings.rate_hz``. Several threads call
it at once. One with a setting ``patch`` makes several items of an utterance, of so many frames each; one with
``READS_TEXT`` takes the utterance's transcription as a third argument, and may make more frames of it. What several
front-ends share lies in files whose names begin with an underscore.
"""

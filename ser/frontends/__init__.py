"""Front-ends: one file each, from a waveform to a sequence of feature vectors.

A file defines ``VERSION``, which goes up when its numbers change (``tests/recorded`` holds them), the frozen dataclass
``Settings`` with the documented values of its paper, and three functions of an instance of it:
``width(settings) -> int`` (the size of a vector), ``frames(samples, settings) -> int`` and
``extract(wave, settings) -> float32 [frames, width]`` for a mono waveform at ``settings.rate_hz``. Several threads call
it at once. One with a setting ``patch`` makes several items of an utterance, of so many frames each; one with
``READS_TEXT`` takes the utterance's transcription as a third argument, and may make more frames of it. With a setting
``stored`` ("float32", "float16") the store's entries hold such numbers; what trains sees float32. What several
front-ends share lies in files whose names begin with an underscore.

A file may define more: ``stack(settings) -> int``, where a vector is so many layers side by side, equally wide;
``batches(samples, settings)``, which of the waves of so many samples are computed at once (lists of indices), and
``extract_batch(waves, settings)``, the list of their features; ``container(parts) -> Part | None``, a front-end whose
vectors hold those of all that are named, which differ in one setting, and ``columns(part, container) -> slice``, where,
with the same bits: the store then has one entry for all of them.
"""

"""Made utterances, spoken and sung, of three emotions that differ in pitch, tempo, attack and spectral tilt."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE_HZ = 16000
EMOTIONS = ("angry", "sad", "happy")
SPEAKERS = 8  # the even ones are women
TAKES = 3

# By emotion: a pitch class of its own, as Hz of a man; beats per minute; seconds that a beat takes to rise and to fade;
# the slope of the harmonics' amplitudes, and how much noise there is.
_HZ = (130.8, 103.8, 164.8)
_BPM = (185.0, 95.0, 135.0)
_RISE_S = (0.01, 0.12, 0.04)
_FADE_S = (0.08, 0.3, 0.15)
_SLOPE = (0.4, 2.2, 1.1)
_NOISE = (0.1, 0.002, 0.02)
_CYCLE = 4096  # samples of one period of a tone
_KEYWORDS = (("hate", "never", "out"), ("lost", "tears", "gone"), ("great", "sun", "friends"))
_PLAIN = ("the", "dog", "is", "on", "my", "table", "by", "a", "door", "and", "it", "was", "there", "at", "noon")


@dataclass(frozen=True, eq=False)
class Made:
    """A wave at ``RATE_HZ``, what is said in it, how and by whom."""

    name: str
    wave: npt.NDArray[np.float32]
    text: str
    emotion: int
    speaker: int
    take: int

    @property
    def sex(self) -> int:
        """1: female, 2: male."""
        return 1 + self.speaker % 2


def utterances(sung: bool = False) -> tuple[Made, ...]:
    """``TAKES`` of each emotion by each speaker, 2.0 to 2.4 s long."""
    return tuple(
        _utterance(speaker, emotion, take, sung)
        for speaker in range(SPEAKERS)
        for emotion in range(len(EMOTIONS))
        for take in range(TAKES)
    )


def _utterance(speaker: int, emotion: int, take: int, sung: bool) -> Made:
    voice, rng = np.random.default_rng(speaker), np.random.default_rng([speaker, emotion, take, sung])
    wave = _wave(emotion, speaker % 2 == 0, sung, voice, rng)
    words = [*rng.choice(_PLAIN, 3), *rng.choice(_KEYWORDS[emotion], 2, replace=False)]
    name = f"{'song' if sung else 'speech'}/{speaker}/{EMOTIONS[emotion]}{take}"
    return Made(name, wave, " ".join(rng.permutation(words)), emotion, speaker, take)


def _wave(
    emotion: int, woman: bool, sung: bool, voice: np.random.Generator, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    gain, darker, tune, pace = voice.uniform((0.1, -0.15, 0.99, 0.97), (0.4, 0.15, 1.01, 1.03))
    seconds = np.arange(round(rng.uniform(2.0, 2.4) * RATE_HZ)) / RATE_HZ
    hz = _HZ[emotion] * (2 if woman else 1) * (1.5 if sung else 1) * tune * rng.uniform(0.995, 1.005)
    number = np.arange(1, int(7000 / hz) + 1)
    harmonics = number ** -(_SLOPE[emotion] + darker)
    spectrum = np.zeros(_CYCLE // 2 + 1, complex)
    spectrum[1 : len(number) + 1] = harmonics * np.exp(1j * rng.uniform(0, 2 * np.pi, len(number)))
    cycle = np.fft.irfft(spectrum) * _CYCLE / np.sqrt(2 * np.square(harmonics).sum())
    turns = hz * seconds + 0.01 * np.sin(2 * np.pi * 5 * seconds)
    tone = np.interp(turns % 1 * _CYCLE, np.arange(_CYCLE + 1), np.append(cycle, cycle[0]))
    sound = tone + _NOISE[emotion] * rng.standard_normal(len(seconds))
    beat = (seconds + rng.uniform(0, 0.1)) % (60 / (_BPM[emotion] * pace))
    swell = np.minimum(beat / _RISE_S[emotion], 1) * np.exp(-beat / _FADE_S[emotion])
    sound *= 0.5 + 0.5 * swell if sung else 0.02 + swell
    silence = 1e-4 * rng.standard_normal(len(sound))
    return np.asarray(gain * sound / np.abs(sound).max() + silence, np.float32)

"""From (speaker, emotion, line) to a waveform: espeak-ng says the line, and its sound is then coloured.

Emotion, speaker and take each add to a few traits of delivery (pitch, pace, brightness ...). Speakers and takes vary so
much that emotions overlap, and the recording level is drawn by itself, so that loudness does not tell the emotion.
Directions follow Scherer (2003), "Vocal communication of emotion: a review of research paradigms"; their sizes
are chosen to make a task that is neither trivial nor hopeless.
"""

import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ser.data.audio import Wave, resample
from ser.errors import BadInput

Line = tuple[str, str, int, int, int]  # text, voice, words per minute, pitch and pitch range in percent
Samples = npt.NDArray[np.float64]
Traits = npt.NDArray[np.float64]

#              pitch range  pace  bright breath tremor stress tract
_EMOTIONS = {
    "neutral":  (0.0,  0.0,  0.0,  0.0,   0.0,   0.0,   0.0,   0.0),
    "calm":    (-0.3, -0.4, -0.4, -0.4,   0.2,   0.0,  -0.2,   0.0),
    "happy":    (1.0,  1.0,  0.4,  0.3,   0.0,   0.1,   0.2,   1.0),
    "sad":     (-0.6, -0.9, -1.0, -1.0,   0.9,   0.5,  -0.6,  -0.5),
    "angry":    (0.6,  0.4,  0.7,  1.2,  -0.3,   0.0,   1.0,  -0.4),
    "fear":     (1.3, -0.4,  0.9,  0.2,   0.7,   1.5,   0.0,   0.3),
    "surprise": (1.6,  1.5,  0.1,  0.2,   0.2,   0.0,   0.4,   0.6),
    "excited":  (1.2,  1.1,  0.8,  0.6,   0.0,   0.1,   0.5,   0.8),
    "frustrated": (0.2, 0.1, 0.1,  0.5,   0.1,   0.0,   0.5,  -0.3),
    "disgust": (-0.5,  0.3, -0.8,  0.4,   0.6,   0.0,   0.6,  -1.0),
    "boredom": (-0.8, -1.2, -0.9, -0.6,   0.2,   0.0,  -0.5,   0.2),
    "unknown":  (0.2,  0.2,  0.0,  0.2,   0.2,   0.1,   0.1,   0.0),
}  # fmt: skip
_MELODY = (0, 1, 2, 1, 3, 0)
_SPEAKER_SPREAD, _TAKE_SPREAD = 0.3, 0.45
_VARIANTS = {  # voice variants of espeak-ng that sound like people
    "F": ("f1", "f2", "f3", "f4", "f5", "steph", "linda", "Andrea"),
    "M": ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "max", "Alex"),
}


@dataclass(frozen=True)
class Stage:
    """How a corpus was made: how strongly its speakers act, how much takes and speakers differ, how it was recorded."""

    rate_hz: int
    strength: float
    spread: float  # of the takes of a speaker
    noise_db: tuple[float, float]  # below the speech
    band_hz: tuple[float, float] = (50.0, 20000.0)
    speakers: float = 1.0  # spread of voices and microphones
    pauses_s: tuple[float, float] = (0.0, 0.0)  # recorded before and after the speech


@dataclass(frozen=True)
class Take:
    """One line to be said, and the file it goes to. The same path and seed give the same draws."""

    path: str  # relative to the root of the corpus
    text: str
    emotion: str
    intensity: float = 1.0
    also: tuple[str, ...] = ()  # emotions that it has as much of
    sung: bool = False


def perform(
    takes: Sequence[Take], speaker: str, sex: str, number: int, language: str, stage: Stage, seed: int
) -> list[Wave]:
    """All ``takes`` of one speaker, float32 [samples] at ``stage.rate_hz``. ``number`` chooses the voice variant."""
    speaker_rng = _rng(seed, speaker)
    speaker_traits = stage.speakers * _SPEAKER_SPREAD * speaker_rng.standard_normal(8)
    microphone = stage.speakers * speaker_rng.uniform(-1.0, 1.0)  # dB per octave
    voice = f"{language}+{_VARIANTS[sex][number % len(_VARIANTS[sex])]}"
    rngs = [_rng(seed, take.path) for take in takes]
    traits = [
        speaker_traits
        + stage.strength * take.intensity * np.mean([_EMOTIONS[e] for e in (take.emotion, *take.also)], axis=0)
        + stage.spread * _TAKE_SPREAD * rng.standard_normal(8)
        for take, rng in zip(takes, rngs, strict=True)
    ]
    rate_hz, plain = _spoken([_line(take, voice, t) for take, t in zip(takes, traits, strict=True)])
    return [
        _coloured(wave, rate_hz, t, microphone, stage, rng) for wave, t, rng in zip(plain, traits, rngs, strict=True)
    ]


def _rng(seed: int, key: str) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(key.encode())))


def _line(take: Take, voice: str, traits: Traits) -> Line:
    pitch, pitch_range, pace = (float(v) for v in traits[:3])
    words_per_minute, wide = 160 * 2 ** (0.22 * pace), 2 ** (0.6 * pitch_range)
    text, within = (_sung(take.text, 30 * wide), 0.0) if take.sung else (take.text, 50 * wide)
    words_per_minute = np.clip(words_per_minute * (0.6 if take.sung else 1.0), 80, 450)
    return text, voice, int(words_per_minute), _percent(50 + 11 * pitch), _percent(within)


def _sung(text: str, step: float) -> str:
    """The line in espeak-ng's markup, every word on a note of its own; notes lie ``step`` percent of pitch apart."""
    melody = zip(text.split(), cycle(_MELODY), strict=False)
    sung = " ".join(f'<prosody pitch="+{step * note:.0f}%">{word}</prosody>' for word, note in melody)
    return f"<speak>{sung}</speak>"


def _percent(value: float) -> int:
    return int(np.clip(value, 0, 99))


def _spoken(lines: Sequence[Line]) -> tuple[int, list[Wave]]:
    """Lines as espeak-ng says them, one fresh process for all: (rate in Hz, waveforms)."""
    program = str(Path(__file__).with_name("espeak.py"))
    done = subprocess.run([sys.executable, program], input=json.dumps(lines).encode(), capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise BadInput(reason[0], "espeak-ng", "a synthesiser that runs here", "reinstall it: pip install 'ser[demo]'")
    head, _, body = done.stdout.partition(b"\n")
    facts = json.loads(head)
    samples = np.frombuffer(body, np.int16).astype(np.float32) / 32768
    return facts["rate_hz"], np.split(samples, np.cumsum(facts["samples"])[:-1])


def _coloured(
    plain: Wave, rate_hz: int, traits: Traits, microphone: float, stage: Stage, rng: np.random.Generator
) -> Wave:
    """The plain voice with the take's brightness, breath, tremor, stress and tract, as the stage's recorder has it."""
    bright, breath, tremor, stress, tract = traits[3:]
    sounding = np.flatnonzero(np.abs(plain) > 0.01 * np.abs(plain).max())
    margin = rate_hz // 20
    wave: Samples = plain[max(sounding[0] - margin, 0) : sounding[-1] + margin].astype(np.float64)

    time_s = np.arange(len(wave)) / rate_hz
    shake = np.sin(2 * np.pi * (rng.uniform(4.5, 6.5) * time_s + rng.uniform()))
    depth = 0.12 * max(tremor, 0.0)
    wave = np.interp(time_s + 0.003 * depth * shake, time_s, wave) * (1 + depth * shake)

    envelope = np.sqrt(_smooth(wave**2, rate_hz // 40)) + 1e-6
    wave = wave * (envelope / envelope.mean()) ** (0.35 * float(np.clip(stress, -2, 2)))
    air = rng.standard_normal(len(wave)) * envelope
    wave = _tilted(wave, rate_hz, 2.2 * bright + microphone)
    air = _tilted(air, rate_hz, 1.5 + microphone)
    wave = wave / _rms(wave) + air / _rms(air) * 0.12 * 2.0 ** float(np.clip(breath, -3, 3))

    before, after = (round(s * rate_hz) for s in stage.pauses_s)
    wave = np.pad(wave / _rms(wave), (before, after))
    hiss = rng.standard_normal(len(wave)) * 10 ** (-rng.uniform(*stage.noise_db) / 20)
    wave = _band(wave + hiss, rate_hz, *stage.band_hz)

    # A shorter tract: played faster. Less than a semitone per unit, little against the pitch that espeak-ng was given.
    recorded = resample(wave.astype(np.float32), round(rate_hz * 2 ** (tract / 16)), stage.rate_hz)
    recorded = recorded * np.float32(10 ** (rng.uniform(-32, -18) / 20) / _rms(recorded))
    return recorded / np.float32(max(1.0, float(np.abs(recorded).max()) / 0.98))


def _rms(wave: Samples | Wave) -> float:
    return float(np.sqrt(np.mean(np.square(wave)))) + 1e-9


def _smooth(power: Samples, width: int) -> Samples:
    """Moving average of ``width`` samples, same length."""
    total = np.cumsum(np.pad(power, (width // 2 + 1, width - width // 2 - 1)), dtype=np.float64)
    return np.maximum(total[width:] - total[:-width], 0.0)[: len(power)] / width


def _filtered(wave: Samples, rate_hz: int, gain: Callable[[Samples], Samples]) -> Samples:
    """``wave`` with each frequency (Hz) multiplied by ``gain``: no phase shift, same length."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq  # later: a plan on corpora that are there needs none

    length = next_fast_len(len(wave) + rate_hz // 20, real=True)
    out: Samples = irfft(rfft(wave, length) * gain(rfftfreq(length, 1 / rate_hz)), length)[: len(wave)]
    return out


def _tilted(wave: Samples, rate_hz: int, tilt: float) -> Samples:
    """``tilt`` dB per octave between 200 and 6400 Hz."""
    return _filtered(wave, rate_hz, lambda hz: (np.clip(hz, 200, 6400) / 1000) ** (tilt / 20 * np.log2(10)))


def _band(wave: Samples, rate_hz: int, low_hz: float, high_hz: float) -> Samples:
    """Magnitude of a Butterworth band-pass of order 4."""
    return _filtered(
        wave,
        rate_hz,
        lambda hz: 1 / np.sqrt((1 + (low_hz / np.maximum(hz, 1)) ** 8) * (1 + (hz / high_hz) ** 8)),
    )

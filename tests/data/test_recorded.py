"""Reading of audio, and functionals, give the numbers that are recorded for their VERSION."""

import numpy as np
import recorded
import soundfile
from made_speech import RATE_HZ, utterances

from ser.data import audio, functionals

WAVE = utterances()[0].wave


def stereo(path, rate_hz, subtype):
    soundfile.write(path, np.stack([WAVE, 0.5 * WAVE[::-1]], axis=1), rate_hz, subtype=subtype)
    return path


def test_audio_is_read_to_the_recorded_numbers(tmp_path):
    wav, flac = stereo(tmp_path / "a.wav", RATE_HZ, "FLOAT"), stereo(tmp_path / "a.flac", 22050, "PCM_16")
    cases = {
        "as it is": audio.load(wav, RATE_HZ),
        "resampled down": audio.load(wav, 8000),
        "resampled up, a stretch": audio.load(flac, 48000, 0.25, 1.1),
    }
    recorded.check("data", "audio", audio.VERSION, cases)


def test_functionals_are_the_recorded_numbers():
    frames = WAVE[: 40 * 17].reshape(40, 17)
    cases = {name: functionals.functionals(frames, [name]) for name in functionals.NAMES}
    recorded.check("data", "functionals", functionals.VERSION, cases)

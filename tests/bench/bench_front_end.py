"""How fast speech becomes features: decode, resample, extract, as the store does it. Run it with python.

Prints for each front-end times real time on one core, from 16 kHz WAV files, beside what a script would write with
librosa and noisereduce, measured in turns with it.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import librosa
import noisereduce
import numpy as np
import soundfile
import torch

from ser.data import audio
from ser.registry import find

SECONDS, RATE_HZ = 4.5, 16000


def plain_log_stft(path: Path) -> None:
    """da Silva et al.."""
    wave, _ = librosa.load(path, sr=8000)
    np.log(np.abs(librosa.stft(wave, n_fft=512, hop_length=128, center=False)) + 1e-6)


def plain_log_mel(path: Path) -> None:
    """Pho et al., without noise reduction."""
    wave, _ = librosa.load(path, sr=48000)
    _log_mel(wave)


def plain_gated_log_mel(path: Path) -> None:
    """Pho et al., with noise reduction by noisereduce's present algorithm."""
    wave, rate_hz = librosa.load(path, sr=48000)
    wave = noisereduce.reduce_noise(wave, int(rate_hz), stationary=True, y_noise=wave[:24000], n_fft=2048)
    _log_mel(wave)


def _log_mel(wave: Any) -> None:
    cut = librosa.util.fix_length(wave, size=216000)
    bank = {"n_mels": 200, "fmin": 20, "fmax": 12000, "htk": True, "norm": None}
    options = {"n_fft": 4096, "win_length": 3072, "hop_length": 768, "center": False, "power": 1.0}
    logarithm = np.log(librosa.feature.melspectrogram(y=cut, sr=48000, **options, **bank) + 1e-6)
    least = logarithm.min(0)
    2 * (logarithm - least) / (logarithm.max(0) - least) - 1


def plain_mfcc(path: Path) -> None:
    """Khan et al.."""
    wave, _ = librosa.load(path, sr=22050)
    librosa.feature.mfcc(y=wave / np.abs(wave).max(), sr=22050, n_mfcc=80).mean(1)


def plain_vggish_mel(path: Path) -> None:
    """Sahoo et al., seconds that follow each other, each transformed for itself."""
    wave, _ = librosa.load(path, sr=16000)
    options = {"n_fft": 512, "win_length": 400, "hop_length": 160, "center": False, "power": 1.0}
    bank = {"n_mels": 64, "fmin": 125, "fmax": 7500, "htk": True, "norm": None}
    for at in range(0, len(wave), 16000):
        second = librosa.util.fix_length(wave[at : at + 16000], size=16000)
        np.log(librosa.feature.melspectrogram(y=second, sr=16000, **options, **bank) + 0.01)


@dataclass
class Case:
    """A front-end with its paper's settings, but for ``overrides``; the least it has to reach, times real time."""

    name: str
    plain: Callable[[Path], None]
    target: int
    overrides: dict[str, Any]

    def ours(self, path: Path) -> None:
        """What the store runs for each utterance."""
        front_end = find("frontends", self.name)
        settings = front_end.Settings(**self.overrides)
        front_end.extract(audio.load(path, settings.rate_hz), settings)


CASES = (
    Case("log_stft", plain_log_stft, 500, {}),
    Case("log_mel", plain_log_mel, 50, {}),
    Case("log_mel", plain_gated_log_mel, 50, {"denoise": "spectral_gating"}),
    Case("mfcc", plain_mfcc, 500, {}),
    Case("vggish_mel", plain_vggish_mel, 500, {}),
    Case("vggish_mel", plain_vggish_mel, 500, {"segmentation": "overlap_repo"}),
)


def times_real_time(functions: list[Callable[[Path], None]], paths: list[Path], rounds: int) -> list[float]:
    """Seconds of speech per second of processor time, of each; the best of some rounds in turns."""
    best = [float("inf")] * len(functions)
    for function in functions:
        function(paths[0])
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.process_time()
            for path in paths:
                function(path)
            best[i] = min(best[i], time.process_time() - start)
    return [len(paths) * SECONDS / seconds for seconds in best]


def main() -> None:
    """Print both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3, help="the best of them is printed")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    print(f"{args.files} files of {SECONDS} s at {RATE_HZ} Hz, one of {os.cpu_count()} cores; times real time")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.wav" for i in range(args.files)]
        for path in paths:
            soundfile.write(path, 0.1 * rng.standard_normal(int(SECONDS * RATE_HZ)), RATE_HZ)
        for case in CASES:
            ours, plain = times_real_time([case.ours, case.plain], paths, args.rounds)
            what = " ".join([case.name, *map(str, case.overrides.values())])
            verdict = "reached" if ours >= case.target else "MISSED"
            print(f"{what:26} {ours:6.0f} (target {case.target}, {verdict}); plain {plain:6.0f}: {ours / plain:.1f} x")


if __name__ == "__main__":
    main()

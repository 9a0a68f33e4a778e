"""How fast speech becomes features: decode, resample, extract, as the store does it. Run it with python.

Prints for each front-end that there is times real time on one core, from 16 kHz WAV files: the median of some rounds
and their spread; beside some what a script would write with librosa and noisereduce, measured in turns with it. Then
the augmentations alone, of waves at 8 kHz.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import librosa
import noisereduce
import numpy as np
import soundfile
import torch

from ser.data import audio
from ser.features.recipe import one_blas_thread
from ser.host import environment
from ser.registry import find, names

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
    """A front-end with its documented settings, but for ``overrides``; the least it has to reach, times real time."""

    name: str
    overrides: dict[str, Any] = field(default_factory=dict)
    target: int = 100
    plain: Callable[[Path], None] | None = None

    def ours(self, path: Path) -> None:
        """What the store runs for each utterance, its check of the recording's bytes left out."""
        front_end = find("frontends", self.name)
        settings = front_end.Settings(**self.overrides)
        front_end.extract(audio.load(path, settings.rate_hz), settings)


# Settings that studies have, and what is expected of them; others are measured as they are documented.
STUDIED = (
    Case("log_stft", {}, 5000, plain_log_stft),
    Case("log_mel", {}, 150, plain_log_mel),
    Case("log_mel", {"denoise": "spectral_gating"}, 150, plain_gated_log_mel),
    Case("mfcc", {}, 2000, plain_mfcc),
    Case("vggish_mel", {}, 2500, plain_vggish_mel),
    Case("vggish_mel", {"segmentation": "overlap_repo"}, 2500, plain_vggish_mel),
    Case("vggish_mel", {"segmentation": "overlap_textbook"}, 2500, plain_vggish_mel),
    Case("fourier", {"spacing": "pitch", "low_hz": 75.0, "high_hz": 500.0, "voicing": 0.45, "window": 640}),
)
NOT_MEASURED = {"pretrained": "needs an encoder's files: bench_encoders.py measures it"}
if find_spec("opensmile") is None:
    NOT_MEASURED["opensmile"] = "needs its package: pip install 'ser[opensmile]'"


def cases() -> Iterator[Case]:
    """Every front-end that there is, but those that are not measured."""
    for name in names("frontends"):
        if name not in NOT_MEASURED:
            studied = [case for case in STUDIED if case.name == name]
            if not any(case.overrides == {} for case in studied):
                yield Case(name)
            yield from studied


def times_real_time(functions: list[Callable[[Path], None]], paths: list[Path], rounds: int) -> list[list[float]]:
    """Seconds of speech per second of processor time of each function, in each of some rounds in turns."""
    speeds: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function(paths[0])
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.process_time()
            for path in paths:
                function(path)
            speeds[i].append(len(paths) * SECONDS / (time.process_time() - start))
    return speeds


def voice(number: int) -> Any:
    """Vowels that glide, swell and pause, with a breath of noise: float64 [samples]."""
    rng = np.random.default_rng(number)
    time_s = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * (rng.uniform(90, 220) * time_s + 8 * np.sin(2 * np.pi * 0.7 * time_s))
    tone = sum(np.sin(k * phase + k) / k for k in range(1, 12))
    swell = np.clip(np.sin(2 * np.pi * (1.9 * time_s + rng.uniform())), 0, 1) ** 0.7
    return 0.08 * swell * tone + 0.004 * rng.standard_normal(len(time_s))


def of_augmentation(name: str) -> Callable[[Path], None]:
    """Changes a wave that is read and resampled once; the bank of generated rooms is made before the first round."""
    module = find("augment", name)
    settings = module.Settings()
    waves: dict[Path, Any] = {}

    def apply(path: Path) -> None:
        if path not in waves:
            waves[path] = audio.load(path, 8000)
            if name == "rir":
                for seed in range(300):
                    module.apply(waves[path], 8000, np.random.default_rng(seed), settings, None)
        module.apply(waves[path], 8000, np.random.default_rng(0), settings, None)

    return apply


def row(kind: str, name: str, what: str, speeds: list[list[float]], target: int) -> dict[str, Any]:
    """Prints a line and returns what it says."""
    ours, plain = statistics.median(speeds[0]), statistics.median(speeds[1]) if len(speeds) > 1 else None
    spread = (max(speeds[0]) - min(speeds[0])) / ours
    verdict = f"target {target}: {'reached' if ours >= target else 'MISSED'}" if target else ""
    beside = f"plain {plain:6.0f}, ratio {ours / plain:5.1f}" if plain else ""
    print(
        f"{kind:9} {name:17} {what:24} {ours:7.0f} +- {50 * spread:2.0f} %  {verdict:22} {beside}".rstrip(), flush=True
    )
    ratio = ours / plain if plain else None
    return {"kind": kind, "name": name, "settings": what, "times_real_time": ours, "rounds": speeds[0]} | {
        "target": target,
        "plain": plain,
        "ratio": ratio,
    }


def main() -> None:
    """Print all, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5, help="their median is printed, and half of their range")
    parser.add_argument("--only", default="", help="names of front-ends and augmentations, joined by commas")
    parser.add_argument("--json", type=Path, help="a file for the same numbers")
    args = parser.parse_args()
    wanted = args.only.split(",") if args.only else [*names("frontends"), *names("augment")]
    torch.set_num_threads(1)
    environment.keep_memory()
    rows = []
    print(f"{args.files} files of {SECONDS} s at {RATE_HZ} Hz, one of {os.cpu_count()} cores; times real time")
    with tempfile.TemporaryDirectory() as folder, one_blas_thread():  # as a build has it; others' threads would count
        paths = [Path(folder) / f"{i}.wav" for i in range(args.files)]
        for i, path in enumerate(paths):
            soundfile.write(path, voice(i), RATE_HZ)
        for case in (case for case in cases() if case.name in wanted):
            functions = [case.ours, case.plain] if case.plain else [case.ours]
            what = " ".join(map(str, case.overrides.values()))[:24]
            rows.append(row("front-end", case.name, what, times_real_time(functions, paths, args.rounds), case.target))
        for name in (name for name in names("augment") if name in wanted):
            speeds = times_real_time([of_augmentation(name)], paths, args.rounds)
            rows.append(row("augment", name, "", speeds, 0))
    for name, reason in NOT_MEASURED.items():
        print(f"front-end {name:17} {reason}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

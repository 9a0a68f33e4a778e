"""How fast speech becomes features: decode, resample, log-STFT, as the store does it. Run it with python.

Prints times real time on one core, from 16 kHz WAV files, beside a plain reading with librosa in the same run.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch

from experiments.interaffection import study
from ser import audio
from ser.frontends import log_stft

SECONDS, FILES, RATE_HZ = 4.5, 100, 16000


def plain(path: Path) -> None:
    """What a script would write."""
    wave, _ = librosa.load(path, sr=8000)
    np.log(np.abs(librosa.stft(wave, n_fft=512, hop_length=128, center=False)) + 1e-6)


def ours(path: Path) -> None:
    """What the store runs for each utterance."""
    log_stft.extract(audio.load(path, 8000), study.front_end.values())


def times_real_time(function: Callable[[Path], None], paths: list[Path]) -> float:
    """Seconds of speech per second of processor time; the best of three rounds."""
    function(paths[0])
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for path in paths:
            function(path)
        best = min(best, time.process_time() - start)
    return len(paths) * SECONDS / best


def main() -> None:
    """Print both, and their ratio."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.wav" for i in range(FILES)]
        for path in paths:
            soundfile.write(path, 0.1 * rng.standard_normal(int(SECONDS * RATE_HZ)), RATE_HZ)
        a, b = times_real_time(ours, paths), times_real_time(plain, paths)
    print(f"{FILES} files of {SECONDS} s at {RATE_HZ} Hz, one of {os.cpu_count()} cores")
    print(f"front-end with decoding and resampling: {a:.0f} x real time (target 500); librosa {b:.0f} x: {a / b:.1f}")


if __name__ == "__main__":
    main()

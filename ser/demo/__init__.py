"""Made corpora, so that everything can be tried without licensed recordings: speech and song in five known layouts.

A synthesiser speaks, so numbers from these corpora say whether the software works, and nothing about people. Every
folder made here therefore holds a file ``MADE_BY_SER_DEMO``, by which a corpus is known as made wherever it goes.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path

import soundfile

from ser.demo import all_emotions, four_classes
from ser.demo.acting import perform
from ser.demo.plan import Cast, Plan
from ser.errors import BadInput
from ser.host import machine

MARKER = "MADE_BY_SER_DEMO"
PLANS = {"four": four_classes.plans, "all": all_emotions.plans}


def make(
    folder: Path,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    *,
    scale: float = 1.0,
    workers: int | None = None,
    emotions: str = "four",
) -> dict[str, Path]:
    """Make demo corpora below ``folder``; returns what their loaders are given, by the names of the corpora.

    With ``emotions`` "four" an hour: IEMOCAP, TESS, RAVDESS and a corpus "customer", mostly happy, angry, neutral and
    sad. With "all" forty minutes: RAVDESS spoken and sung, TESS, CREMA-D and IEMOCAP, with ties among the votes.

    A corpus is there complete or not at all; one that is there for this seed, scale and version of the code is left as
    it is. Bytes depend on emotions, seed and scale, not on ``workers`` (default: one per CPU). ``progress(done, all)``
    counts utterances. Raises BadInput where the synthesiser is missing or ``folder`` holds other things, demo corpora
    of the other emotions among them.
    """
    if emotions not in PLANS:
        raise BadInput(repr(emotions), "demo emotions", ", ".join(PLANS), "name one of these")
    if find_spec("espeakng_loader") is None:
        raise BadInput("no speech synthesiser", "ser demo", "the package espeakng-loader", "pip install 'ser[demo]'")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _check(folder, emotions)
    stamp = _stamp(seed, scale, emotions)
    (folder / MARKER).write_text(stamp, encoding="utf-8")

    planned = PLANS[emotions](seed, scale)
    missing = [plan for plan in planned if not _is_made(folder / plan.root, stamp)]
    done, total = 0, sum(len(cast.takes) for plan in missing for cast in plan.cast)

    def count(takes: int) -> None:
        nonlocal done
        done += takes
        if progress:
            progress(done, total)

    for plan in missing:
        with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as making:
            root = Path(making) / plan.root
            plan.label(root, _record_all(plan, root, seed, workers, count))
            (root / MARKER).write_text(stamp, encoding="utf-8")
            if (folder / plan.root).exists():
                shutil.rmtree(folder / plan.root)
            os.replace(root, folder / plan.root)
    return {plan.name: folder / plan.entry for plan in planned}


def _record_all(
    plan: Plan, root: Path, seed: int, workers: int | None, count: Callable[[int], None]
) -> dict[str, float]:
    """Write all takes of the corpus; their durations in seconds by path. ``count`` hears how many more are written."""
    seconds: dict[str, float] = {}
    pool = ThreadPoolExecutor(workers or machine.cores())
    try:
        for spoken in as_completed([pool.submit(_record, plan, cast, root, seed) for cast in plan.cast]):
            seconds |= spoken.result()
            count(len(spoken.result()))
    finally:
        pool.shutdown(cancel_futures=True)  # and waits: after a failure nobody may go on writing to a removed folder
    return seconds


def _record(plan: Plan, cast: Cast, root: Path, seed: int) -> dict[str, float]:
    """Write all takes of one speaker; their durations in seconds by path."""
    speaker = f"{plan.name}/{cast.speaker}"
    waves = perform(cast.takes, speaker, cast.sex, cast.voice, plan.language, plan.stage, seed)
    for take, wave in zip(cast.takes, waves, strict=True):
        (root / take.path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / take.path, wave, plan.stage.rate_hz, subtype="PCM_16")
    return {take.path: len(wave) / plan.stage.rate_hz for take, wave in zip(cast.takes, waves, strict=True)}


def _is_made(root: Path, stamp: str) -> bool:
    return (root / MARKER).is_file() and (root / MARKER).read_text(encoding="utf-8") == stamp


def _check(folder: Path, emotions: str) -> None:
    """Raises BadInput where ``folder`` holds anything but demo corpora of these emotions."""
    if not any(folder.iterdir()):
        return
    allowed, marker = "an empty or a new folder", folder / MARKER
    if not marker.is_file():
        raise BadInput(str(folder), "demo folder", allowed, "name another one: this holds other files")
    present = next((kind for kind in PLANS if f'"emotions": "{kind}"' in marker.read_text(encoding="utf-8")), "four")
    if present != emotions:
        raise BadInput(str(folder), "demo folder", allowed, f"name another one: this holds those of {present} emotions")


def _stamp(seed: int, scale: float, emotions: str) -> str:
    """The text of the marker; the hash over this package tells versions of the recipe apart."""
    code = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py"))))
    kind = {} if emotions == "four" else {"emotions": emotions}
    recipe = json.dumps({"seed": seed, "scale": scale, **kind, "code": code.hexdigest()[:12]})
    return f"Synthetic speech, made by `ser demo`. No result on it is a result on people.\n{recipe}\n"

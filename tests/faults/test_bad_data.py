"""Damage in every way that sound files are damaged: each is refused for its reason, none stops the run, no good one is
lost, and what is merely unusual is used with the features it should have.
"""

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import soundfile

from ser.cli.main import main
from ser.data import audio
from ser.data.manifest import Manifest, write_csv
from ser.data.scan import scan
from ser.features.entry import Features
from ser.features.store import Store
from ser.frontends import log_stft
from ser.planning.plan import Plan, resolve
from ser.runs.location import Location
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker
from ser.study import Study
from ser.trials import run
from ser.trials.job import job_of

RATE_HZ = 8000
CLASSES = ("01", "03", "04", "05")  # neutral, happy, sad, angry
Wave = npt.NDArray[np.float64]


def speech(name: str) -> Wave:
    """0.15 s of noise that rises and falls, its own for every name."""
    rng = np.random.default_rng(list(name.encode()))
    return np.sin(np.linspace(0, np.pi, 1200)) * rng.normal(0, 0.1, 1200)


def encoded(wave: Wave, subtype: str = "PCM_16", form: str = "WAV", rate_hz: int = RATE_HZ) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate_hz, format=form, subtype=subtype)
    return buffer.getvalue()


def with_value(wave: Wave, value: float) -> bytes:
    return encoded(np.where(np.arange(len(wave)) == 9, value, wave), "FLOAT")


def holding(data: Callable[[Wave], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data(speech(path.stem)))


def unreadable(path: Path) -> None:
    path.write_bytes(encoded(speech(path.stem)))
    path.chmod(0)


def hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (holding(lambda w: b""), "empty file"),
    "header only": (holding(lambda w: encoded(w)[:44]), "no samples"),
    "half a header": (holding(lambda w: encoded(w)[:20]), "unreadable: "),
    "truncated": (holding(lambda w: encoded(w)[:1800]), "truncated: 878 of 1200 samples"),
    "truncated flac": (holding(lambda w: encoded(w, form="FLAC")[:900]), "unreadable: "),
    "a page": (holding(lambda w: b"<html>404 not found</html>\n"), "unreadable: a web page (HTML)"),
    "zeros": (holding(lambda w: bytes(4000)), "unreadable: nothing but zero bytes"),
    "pointer": (holding(lambda w: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "a git-LFS pointer"),
    "silence": (holding(lambda w: encoded(0 * w)), "silent"),
    "NaN": (holding(lambda w: with_value(w, np.nan)), "NaN or infinite samples"),
    "infinity": (holding(lambda w: with_value(w, -np.inf)), "NaN or infinite samples"),
    "too loud": (holding(lambda w: encoded(1e300 * w, "DOUBLE")), "NaN or infinite samples"),
    "no floats": (holding(lambda w: encoded(1e30 * w, "FLOAT")), "damaged: a sample of "),
    "a click": (holding(lambda w: encoded(w[600:601])), "only 1 samples"),
    "odd rate": (holding(lambda w: encoded(w, rate_hz=7)), "damaged header: a rate of 7 Hz"),
    "a hole": (hole, "cannot be read: 1099511627776 bytes, more than"),
    "broken link": (lambda path: path.symlink_to("nowhere.wav"), "cannot be read: No such file or directory"),
    "link to itself": (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels of symbolic links"),
    "pipe": (os.mkfifo, "cannot be read: a pipe or device, not a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "cannot be read: a pipe or device, not a file"),
    "folder": (lambda path: path.mkdir(), "cannot be read: Is a directory"),
    "forbidden": (unreadable, "cannot be read: Permission denied"),
}


def resampled(wave: Wave) -> Wave:
    return audio.resample(wave.astype(np.float32), RATE_HZ, 96_000).astype(np.float64)


def streamed(wave: Wave) -> bytes:
    data = encoded(wave)
    return data[:40] + b"\xff\xff\xff\xff" + data[44:]


# How far the mean of |log spectrum - that of the plain 16-bit file| may go; None: another sound.
UNUSUAL: dict[str, tuple[Callable[[Wave], bytes], float | None]] = {
    "8 bit": (lambda w: encoded(w, "PCM_U8"), 0.3),
    "24 bit": (lambda w: encoded(w, "PCM_24"), 2e-3),
    "32 bit": (lambda w: encoded(w, "PCM_32"), 2e-3),
    "float": (lambda w: encoded(w, "FLOAT"), 2e-3),
    "double": (lambda w: encoded(w, "DOUBLE"), 2e-3),
    "stereo": (lambda w: encoded(np.stack([1.5 * w, 0.5 * w], axis=1)), 5e-3),
    "six channels": (lambda w: encoded(np.stack([w] * 6, axis=1), form="WAVEX"), 2e-3),
    "96 kHz": (lambda w: encoded(resampled(w), rate_hz=96_000), 0.1),
    "law": (lambda w: encoded(w, "ULAW"), 0.1),
    "flac by name of wav": (lambda w: encoded(w, form="FLAC"), 2e-3),
    "mp3 by name of wav": (lambda w: encoded(w, "MPEG_LAYER_III", "MP3"), None),
    "streamed": (streamed, 0),
    "more behind": (lambda w: encoded(w) + b"LIST\4\0\0\0INFO", 0),
    "direct current": (lambda w: encoded(w + 0.5), None),
    "clipped": (lambda w: encoded(np.clip(20 * w, -1, 1)), None),
    "faint": (lambda w: encoded(1e-3 * w, "PCM_24"), None),
    "2 ms": (lambda w: encoded(w[600:616]), None),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """RAVDESS in full, 1536 files, less than three in a hundred of them damaged or odd; and which is what."""
    root = tmp_path_factory.mktemp("ravdess")
    names = [
        f"Actor_{actor:02d}/03-01-{emotion:02d}-{intensity}-{sentence}-{take}-{actor:02d}.wav"
        for actor in range(1, 25)
        for emotion in range(1, 9)
        for intensity in ("01", "02")
        for sentence in ("01", "02")
        for take in ("01", "02")
    ]
    wanted = [name for name in names if name.split("-")[2] in CLASSES]
    chosen = dict(zip((*DAMAGE, *UNUSUAL), wanted[5::17], strict=False))
    assert len(chosen) == len(DAMAGE) + len(UNUSUAL)
    special = {name: kind for kind, name in chosen.items()}
    for name in names:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        kind = special.get(name)
        if kind in DAMAGE:
            DAMAGE[kind][0](path)
        else:
            path.write_bytes(UNUSUAL[kind][0](speech(path.stem)) if kind else encoded(speech(path.stem)))
    (root / "Actor_01/loop").symlink_to(root)
    for odd in (b"03-01-01-01-01-01-01\xff.wav", b"\x1b[2J\n.wav", b"x" * 251 + b".wav", b"03-01-01-01-01-01-01.mp3"):
        (root / "Actor_01" / os.fsdecode(odd)).write_bytes(encoded(speech("odd")))
    (root / os.fsdecode(b"Actor\xe9")).mkdir()
    (root / os.fsdecode(b"Actor\xe9") / "03-01-01-01-01-03-01.wav").write_bytes(b"")  # misnamed there: take 03
    os.replace(root / names[-1], root / os.fsdecode(b"Actor\xe9") / Path(names[-1]).name)
    return root, {kind: root / name for kind, name in chosen.items()}


@pytest.fixture(scope="module")
def manifest(corpus: tuple[Path, dict[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The corpus as a scan sees it. Permissions do not stop root, for whom the refusal is acted."""
    root, chosen = corpus
    genuine = os.open

    def guarded(path: str, *rest: int, **more: int) -> int:
        if Path(path) == chosen["forbidden"]:
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        if os.geteuid() == 0:
            patch.setattr(os, "open", guarded)
        return scan("ravdess", "ravdess", root, {}, tmp_path_factory.mktemp("cache"))


def test_every_damaged_file_is_refused_for_its_reason_and_no_other(
    corpus: tuple[Path, dict[str, Path]], manifest: Manifest
) -> None:
    root, chosen = corpus
    refused = {r.what: r.reason for r in manifest.refused}
    misnamed = "not a wav named MM-VV-EE-II-SS-RR-AA.wav"
    expected = {str(chosen[kind]): reason for kind, (_, reason) in DAMAGE.items()} | {
        f"{root}/Actor_01/03-01-01-01-01-01-01\\xff.wav": misnamed,
        f"{root}/Actor_01/\\x1b[2J\\x0a.wav": misnamed,
        f"{root}/Actor_01/{'x' * 251}.wav": misnamed,
        f"{root}/Actor_01/03-01-01-01-01-01-01.mp3": misnamed,
        f"{root}/Actor\\xe9/03-01-01-01-01-03-01.wav": misnamed,
        f"{root}/Actor\\xe9/03-01-08-02-02-02-24.wav": "its name or that of a folder above it is not UTF-8",
    }
    assert len(manifest.refused) == len(refused)
    assert refused.keys() == expected.keys()
    assert {what: reason for what, reason in refused.items() if not reason.startswith(expected[what])} == {}
    lost = {str(chosen[kind]) for kind in DAMAGE}
    files = {str(p) for p in root.glob("Actor_??/03-01-0?-0?-0?-0?-??.wav")}
    assert {u.path for u in manifest.utterances} == files - lost
    assert len(manifest.utterances) == 1536 - 1 - len(DAMAGE)


def test_refusals_survive_tables_and_terminals(
    corpus: tuple[Path, dict[str, Path]],
    manifest: Manifest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    write_csv(manifest, tmp_path / "ravdess.csv")
    table = pd.read_csv(tmp_path / "ravdess.refused.csv", keep_default_na=False)
    assert list(table.itertuples(index=False, name=None)) == [(r.what, r.reason) for r in manifest.refused]
    assert main(["corpora", "--data", str(corpus[0]), "--work", str(tmp_path / "work"), "--refused"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "Actor\\xe9" in said
    assert "a pipe or device" in said


@pytest.fixture(scope="module")
def plan(study: Study, manifest: Manifest) -> Plan:
    return resolve(study, {"ravdess": manifest})


@pytest.fixture(scope="module")
def features(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Features:
    (recipe,) = plan.sources["ravdess"].recipes
    return Store(tmp_path_factory.mktemp("store")).build(recipe)


def test_unusual_files_give_the_features_that_their_sound_should_have(
    corpus: tuple[Path, dict[str, Path]], plan: Plan, features: Features
) -> None:
    settings = log_stft.Settings(**plan.study.features.front_end.values())
    assert features.refused == ()
    for kind, (_, tolerance) in UNUSUAL.items():
        path = corpus[1][kind]
        frames = features.frames(f"ravdess/{path.stem}")
        assert np.isfinite(frames).all(), kind
        assert -25 < frames.mean() < 5, kind
        plain, _ = audio.decode(encoded(speech(path.stem)))
        reference = log_stft.extract(plain, settings)
        if tolerance is not None:
            assert frames.shape == reference.shape, kind
            bins = slice(0, 225)  # to 3.5 kHz: the filter of a resampler ends above
            assert np.abs(frames - reference)[:, bins].mean() <= tolerance, kind
    direct, clipped, faint = (
        features.frames(f"ravdess/{corpus[1][kind].stem}") for kind in ("direct current", "clipped", "faint")
    )
    assert direct[:, 0].min() > direct[:, 4:].max()  # all of it at 0 Hz, none of it elsewhere
    assert clipped.mean() > faint.mean() + 6  # 20 000 times, less what clipping takes


def test_a_trial_is_trained_and_tested_on_everything_that_is_left(
    plan: Plan, features: Features, where: Location, tmp_path: Path
) -> None:
    job = job_of(plan, where, tmp_path, str(features.folder.parent), "cpu", 1, "test", [])
    one = next(t for t in plan.to_train if t.block.name == "tdnn")
    assert isinstance(run.run(job, one, lambda *_: None), Finished)
    tracker = Tracker(where, plan.study.name)
    table = pd.read_csv(tracker.artifact(tracker.finished()[one.id], "predictions.csv"))
    assert set(table["uid"]) == {u.uid for u in plan.sources["ravdess"].split.test}
    assert np.isfinite(table.filter(like="p_").to_numpy()).all()
    sides = plan.sources["ravdess"].split
    assert len(features) == len(sides.train) + len(sides.val) + len(sides.test) == 24 * 4 * 8 - len(DAMAGE)

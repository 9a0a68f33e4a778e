"""The demo corpora: the same bytes on any number of workers, and nothing that an ordinary loader refuses."""

import hashlib
import importlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ser.demo
from ser.demo import MARKER, acting, corpora, make
from ser.errors import BadInput
from ser.registry import find

SCALE = 0.08
LOADERS = {"iemocap": "iemocap", "tess": "tess", "ravdess": "ravdess", "customer": "manifest_csv"}
RATES_HZ = {"iemocap": 16000, "tess": 24414, "ravdess": 48000, "customer": 8000}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, make(folder, scale=SCALE, workers=2)


def contents(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def listing(name: str, paths: dict[str, Path]):
    return find("corpora", LOADERS[name]).load(paths[name], {"name": name})


def test_a_half_made_folder_is_completed_with_the_same_bytes_on_any_number_of_workers(made, tmp_path, monkeypatch):
    folder = tmp_path / "demo"
    shutil.copytree(made[0], folder)
    (folder / "tess" / MARKER).unlink()  # as if it had stopped there
    next((folder / "tess").rglob("*.wav")).unlink()
    shutil.rmtree(folder / "IEMOCAP_full_release")
    recorded, counted = [], []
    record = ser.demo._record
    monkeypatch.setattr(ser.demo, "_record", lambda plan, *rest: recorded.append(plan.name) or record(plan, *rest))

    make(folder, scale=SCALE, workers=1, progress=lambda done, total: counted.append((done, total)))
    assert contents(folder) == contents(made[0])
    assert Counter(recorded) == {"iemocap": 10, "tess": 2}
    takes = [*(folder / "tess").rglob("*.wav"), *(folder / "IEMOCAP_full_release").rglob("*.wav")]
    assert counted[-1] == (len(takes), len(takes))

    recorded.clear()
    make(folder, scale=SCALE, workers=1)
    assert recorded == []


def test_another_seed_is_another_voice():
    plan = corpora.plans(0, SCALE)[1]
    cast = plan.cast[0]

    def waves(seed):
        takes = cast.takes[:2]
        return acting.perform(takes, cast.speaker, cast.sex, cast.voice, plan.language, plan.stage, seed)

    first, again, other = waves(0), waves(0), waves(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("name", LOADERS)
def test_ordinary_loaders_refuse_nothing(made, name):
    found = listing(name, made[1])
    assert found.refused == ()
    wavs = set((made[1][name].parent if name == "customer" else made[1][name]).rglob("*.wav"))
    assert {Path(u.path).resolve() for u in found.utterances} == {p.resolve() for p in wavs}


@pytest.mark.parametrize("name", LOADERS)
def test_labels_are_those_that_were_acted(made, name):
    plan = next(p for p in corpora.plans(0, SCALE) if p.name == name)
    acted = {take.path: take.emotion for cast in plan.cast for take in cast.takes}
    root = made[0] / plan.root
    found = listing(name, made[1]).utterances
    assert {Path(u.path).relative_to(root).as_posix(): u.label for u in found} == acted


@pytest.mark.parametrize("name", LOADERS)
def test_sound_is_usable(made, name):
    for u in listing(name, made[1]).utterances[::5]:
        wave, rate_hz = soundfile.read(u.path, dtype="float32")
        assert rate_hz == RATES_HZ[name]
        assert wave.ndim == 1
        assert 0.5 < len(wave) / rate_hz < 5
        assert 0.01 < np.sqrt(np.mean(wave**2)) < 0.2
        assert np.abs(wave).max() < 1


def test_iemocap_has_times_texts_and_votes(made):
    utterances = listing("iemocap", made[1]).utterances
    assert len({u.speaker for u in utterances}) == 10
    assert {u.session for u in utterances} == set("12345")
    assert all(u.text for u in utterances)
    for u in utterances:
        judged = [label for rater, label in u.votes if rater.startswith("C-E")]
        assert len(judged) == 3
        assert judged.count(u.label) >= 2 if u.label != "unknown" else len(set(judged)) == 3
    lines = next(made[1]["iemocap"].glob("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt")).read_text().splitlines()
    start_s, end_s = (float(v) for v in lines[2].split("]")[0].strip("[").split(" - "))
    wav = next(made[1]["iemocap"].rglob("Ses01F_impro01_F000.wav"))
    assert soundfile.info(wav).duration == pytest.approx(end_s - start_s, abs=2e-4)


def test_speakers_and_sexes(made):
    sexes = {name: {u.speaker: u.sex for u in listing(name, made[1]).utterances} for name in LOADERS}
    assert {name: len(of) for name, of in sexes.items()} == {"iemocap": 10, "tess": 2, "ravdess": 24, "customer": 30}
    assert set(sexes["tess"].values()) == {"F"}
    for name in ("iemocap", "ravdess", "customer"):
        assert list(sexes[name].values()).count("F") == len(sexes[name]) / 2


def test_full_size_by_the_plan():
    of = {p.name: [take.emotion for cast in p.cast for take in cast.takes] for p in corpora.plans(0, 1.0)}
    four = {name: sum(e in ("neutral", "happy", "sad", "angry") for e in emotions) for name, emotions in of.items()}
    assert four == {"iemocap": 450, "tess": 240, "ravdess": 672, "customer": 450}
    assert of["ravdess"].count("neutral") == 96
    assert of["iemocap"].count("neutral") > 1.5 * of["iemocap"].count("happy")


def test_every_folder_is_marked_as_made(made):
    folder, paths = made
    for marked in (folder, *(p.parent if p.suffix else p for p in paths.values())):
        assert "Synthetic speech" in (marked / MARKER).read_text()


def test_a_failure_leaves_no_half_corpus(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        make(tmp_path, scale=0.03)
    assert [p.name for p in tmp_path.iterdir()] == [MARKER]


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "Session1").mkdir()
    with pytest.raises(BadInput, match="an empty or a new folder"):
        make(tmp_path)


def test_without_synthesiser_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(ser.demo, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install 'ser\[demo\]'"):
        make(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_every_voice_variant_exists():
    loader = importlib.import_module("espeakng_loader")
    known = {p.name for p in (Path(loader.get_data_path()) / "voices" / "!v").iterdir()}
    assert {v for variants in acting._VARIANTS.values() for v in variants} <= known


def test_an_unknown_variant_is_refused():
    program = Path(acting.__file__).with_name("espeak.py")
    lines = json.dumps([["Hello", "en-us+nobody", 160, 50, 50]])
    done = subprocess.run([sys.executable, program], input=lines.encode(), capture_output=True, check=False)
    assert done.returncode != 0
    assert b"no voice variant 'nobody'" in done.stderr

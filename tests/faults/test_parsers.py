"""Any bytes in a label file, any name of a file, any table, archive or sound: utterances, refusals or BadInput come of
it, known words only, and no recording is lost in between. Holds for every loader that is found. To search for longer:

    SER_EXAMPLES=20000 python -m pytest tests/faults/test_parsers.py
"""

import csv
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import astuple, fields, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ser import registry
from ser.corpora import emodb, manifest_csv
from ser.data import audio, zips
from ser.data import folders as _tree
from ser.data.manifest import SPLITS, Manifest, Refusal, Utterance, write_csv
from ser.data.scan import scan
from ser.errors import BadInput
from ser.study.labels import EMOTIONS

LOADERS = registry.names("corpora")
RECORDED = (".wav", ".flac", ".avi", ".mp4")
Made = Callable[[str], Path]
searched = settings(
    max_examples=int(os.environ.get("SER_EXAMPLES", "5")),  # of every loader
    deadline=None,  # a busy machine is no failure
    suppress_health_check=list(HealthCheck),
)
ODD = [
    b"",
    b"\0",
    b"\n",
    b"\r",
    b'"',
    b",",
    b"\t",
    b"[",
    b"../",
    b"#1",
    b"1e309",
    b"9" * 9,
    b"\xff",
    "ſK٣\u2028".encode(),
]
odd_bytes = (
    st.sampled_from(ODD) | st.binary(max_size=20) | st.text(max_size=20).map(lambda t: t.encode("utf-8", "replace"))
)


def noise(form: str = "WAV", subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).normal(0, 0.1, 300), 8000, format=form, subtype=subtype)
    return buffer.getvalue()


def module(loader: str) -> ModuleType:
    return registry.find("corpora", loader)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A miniature per loader, whose label files may be overwritten: they are written anew for every try."""
    folders: dict[str, Path] = {}

    def folder(loader: str) -> Path:
        if loader not in folders:
            folders[loader] = module(loader).miniature(tmp_path_factory.mktemp(loader))
        return folders[loader]

    return folder


@st.composite
def damaged(draw: st.DrawFn, source: bytes) -> bytes:
    """``source`` with one to three stretches replaced by others, or other bytes altogether."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(source)))
        end = min(start + draw(st.sampled_from([0, 1, 4, 50, 10_000])), len(source))
        source = source[:start] + draw(odd_bytes) + source[end:]
    return source


def checked(utterances: tuple[Utterance, ...], refused: tuple[Refusal, ...], name: str) -> None:
    for u in utterances:
        assert {u.label, *(label for _, label in u.votes)} <= set(EMOTIONS)
        assert u.sex in ("F", "M", "")
        assert u.split in ("", *SPLITS)
        assert u.uid.startswith(f"{name}/")
        assert u.speaker.startswith(f"{name}/")
    assert all(r.what and r.reason for r in refused)


# Names


@pytest.mark.parametrize("loader", LOADERS)
@searched
@given(data=st.data())
def test_any_name_of_a_file_is_an_utterance_or_a_refusal(made: Made, loader: str, data: st.DataObject) -> None:
    files = [path for path in _tree.files(made(loader)) if path.suffix in (*RECORDED, ".txt", ".csv", ".parquet")]
    known = sorted(path.name.encode() for path in files)
    names = data.draw(
        st.lists(st.sampled_from(known).flatmap(damaged) | st.sampled_from(known), min_size=1, max_size=6)
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / data.draw(st.sampled_from(["DC", "Actor_01", "wav"]))
        folder.mkdir()
        for name in {bytes(name).translate(None, b"\0/")[:255] for name in names} - {b"", b".", b".."}:
            (folder / os.fsdecode(name)).write_bytes(noise())
        try:
            manifest = scan("mine", loader, Path(scratch), {}, Path(scratch) / ".cache")
        except BadInput:
            return
        checked(manifest.utterances, manifest.refused, "mine")
        write_csv(manifest, Path(scratch) / "out.csv")
        for text in (manifest.fingerprint, *(text for r in manifest.refused for text in astuple(r))):
            assert text.encode()
            assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)


# Label files


@pytest.mark.parametrize("loader", [n for n in LOADERS if hasattr(module(n), "NAME")])
@searched
@given(data=st.data())
def test_any_bytes_in_a_label_file_lose_no_recording(made: Made, loader: str, data: st.DataObject) -> None:
    m, root = module(loader), module(loader).find(made(loader))
    plainly = m.Settings()
    labels = [path for path in _tree.files(made(loader)) if path.suffix in (".txt", ".csv")]
    if not labels:
        pytest.skip("its names say everything")
    recordings = {str(path) for path, _ in _tree.recordings(root, m.NAME, m.FILES)[0]}
    plain = m.load(root, plainly, "mine")
    unwanted = recordings - {u.path for u in plain.utterances} - {r.what for r in plain.refused}
    path = data.draw(st.sampled_from(sorted({path.parent.name: path for path in labels}.values())))
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(damaged(whole)))
        for stated in (
            plainly,
            replace(plainly, label_source="voice") if hasattr(plainly, "label_source") else plainly,
        ):
            try:
                found = m.load(root, stated, "mine")
            except BadInput:
                continue
            checked(found.utterances, found.refused, "mine")
            assert {u.path for u in found.utterances} | {r.what for r in found.refused} >= recordings - unwanted
    finally:
        path.write_bytes(whole)


@searched
@given(data=st.data())
def test_any_bytes_in_a_table_of_ones_own(made: Made, data: st.DataObject) -> None:
    path = made("manifest_csv") / "manifest.csv"
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(damaged(whole[:2000])))
        manifest_csv.find_all(path)
        found = manifest_csv.load(path, manifest_csv.Settings(), "mine")
    except BadInput:
        return
    finally:
        path.write_bytes(whole)
    checked(found.utterances, found.refused, "mine")
    assert all(Path(u.path).is_relative_to(path.parent) for u in found.utterances)


@pytest.mark.parametrize("loader", ["audformat", "emobox", "ertk", "hf_dataset"])
@searched
@given(data=st.data())
def test_any_bytes_in_a_file_of_a_format(made: Made, loader: str, data: st.DataObject) -> None:
    root = module(loader).find(made(loader))
    files = [p for p in _tree.files(made(loader)) if p.suffix in (".csv", ".json", ".jsonl", ".parquet", ".yaml")]
    path = data.draw(st.sampled_from(sorted(files)))
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(damaged(whole)))
        module(loader).find_all(made(loader))
        found = module(loader).load(root, module(loader).Settings(), "mine")
    except BadInput:
        return
    finally:
        path.write_bytes(whole)
    checked(found.utterances, found.refused, "mine")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9) | st.sampled_from(EMOTIONS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@searched
@given(content=json_values.map(lambda v: json.dumps(v).encode()) | st.binary() | damaged(b'{"rage": "angry"}'))
def test_any_label_map_gives_known_words(made: Made, content: bytes) -> None:
    folder = made("manifest_csv")
    (folder / "map.json").write_bytes(content)
    try:
        found = manifest_csv.load(folder / "manifest.csv", manifest_csv.Settings(label_map="map.json"), "mine")
    except BadInput:
        return
    checked(found.utterances, found.refused, "mine")


# Round trips

letters = st.characters(exclude_categories=["Cs"])
cells = st.text(letters, max_size=20).map(str.strip)


@searched
@given(
    rows=st.lists(st.tuples(st.sampled_from(["feliz", "anger", "sad"]), *[cells.map(lambda c: c or "x")] * 2, cells)),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_table_that_is_written_is_read_as_it_was_meant(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str]], delimiter: str, end: str
) -> None:
    folder = tmp_path_factory.mktemp("table")
    (folder / "a.wav").touch()
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerow(("path", "label", "speaker", "session", "text", "uid"))
        writer.writerow(("a.wav", "sad", "s", "", "", "first"))
        writer.writerows(("a.wav", *row, str(number)) for number, row in enumerate(rows))
    found = manifest_csv.load(folder, manifest_csv.Settings(), "mine").utterances
    read = {u.uid: (u.label_raw, u.speaker, u.session, u.text) for u in found}
    assert read.pop("mine/first") == ("sad", "mine/s", "", "")
    assert read == {f"mine/{n}": (label, f"mine/{who}", *rest) for n, (label, who, *rest) in enumerate(rows)}


@searched
@given(texts=st.lists(st.text(letters), min_size=1, max_size=5), reason=st.text(letters, min_size=1))
def test_a_manifest_that_is_written_holds_every_text(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], reason: str
) -> None:
    made = tuple(
        Utterance(f"c/{n}", "c", f"/{n}.wav", "c/s", t, "sad", text=t, end_s=n / 3) for n, t in enumerate(texts)
    )
    path = tmp_path_factory.mktemp("written") / "c.csv"
    write_csv(Manifest("c", "/", made, (Refusal("/x", reason),)), path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [f.name for f in fields(Utterance)]
    for u, row in zip(made, rows, strict=True):
        assert row["text"].removeprefix("'") == row["label_raw"].removeprefix("'") == u.text.removeprefix("'")
        assert row["text"] in (u.text, f"'{u.text}")
        assert float(row["end_s"]) == u.end_s
    with path.with_suffix(".refused.csv").open(encoding="utf-8", newline="") as file:
        (refused,) = csv.DictReader(file)
    assert refused["reason"] in (reason, f"'{reason}")


# Sounds and archives


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("WAV", "PCM_24"),
        ("WAV", "IMA_ADPCM"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", None),
        ("AIFF", "PCM_16"),
        ("RF64", "PCM_16"),
        ("W64", "FLOAT"),
    ],
)
@searched
@given(data=st.data())
def test_any_bytes_are_a_waveform_or_unusable(form: str, subtype: str | None, data: st.DataObject) -> None:
    try:
        wave, rate_hz = audio.decode(data.draw(damaged(noise(form, subtype))))
    except audio.UnusableAudio:
        return
    assert len(wave)
    assert np.isfinite(wave).all()
    assert 1000 <= rate_hz <= 768_000


@searched
@given(data=st.data())
def test_any_bytes_of_a_zip_fill_one_folder_or_none(data: st.DataObject) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", data.draw(st.sampled_from([0, 8, 12, 14]))) as archive:
        archive.writestr("wav/03a01Wa.wav", noise())
        archive.writestr("wav/03a01Fa.wav", b"")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "x.zip"
        path.write_bytes(data.draw(damaged(buffer.getvalue())))
        refused: list[Refusal] = []
        try:
            found = zips.with_recordings(path, emodb.ZIPPED, refused)
            target = zips.unpack(found, emodb.ZIPPED, Path(scratch) / "cache")
        except BadInput:
            target = Path(scratch) / "cache/none"
        assert set(Path(scratch).iterdir()) <= {path, target.parent}
        assert list(target.parent.iterdir()) in ([target], [])

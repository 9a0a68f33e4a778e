"""The manifest as a value and as a file: what its fingerprint holds, and that a person can open what was written."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ser.data.manifest import Manifest, Refusal, Utterance, read_csv, write_csv

A = Utterance(
    "c/a", "c", "/x/a.wav", "c/1", "W", "angry", votes=(("r1", "angry"), ("r2", "sad")), seconds=1800, sha="aa"
)
B = Utterance("c/b", "c", "/x/b.wav", "c/2", "F", "happy", seconds=3600, sha="bb")
C = Utterance("c/c", "c", "/x/c.wav", "c/1", "F", "happy", seconds=1800, sha="cc")
MANIFEST = Manifest("c", "/x", (A, B, C), (Refusal("/x/d.wav", "silent"),))


def test_sums() -> None:
    assert MANIFEST.speakers == ("c/1", "c/2")
    assert MANIFEST.hours == 2.0
    assert list(MANIFEST.counts().items()) == [("happy", 2), ("angry", 1)]


CHANGES: dict[str, Any] = {
    "uid": "c/z", "speaker": "c/9", "sex": "F", "label": "sad", "votes": (("r1", "angry"),), "session": "1",
    "channel": "song", "split": "test", "start_s": 0.5, "end_s": 0.7, "sha": "zz", "text": "other",
    "folds": ("train", "test"), "valence": 2.5, "arousal": 1.0, "dominance": 0.0,
}  # fmt: skip
IGNORED = {"corpus", "path", "label_raw", "sentence", "intensity", "language", "rate_hz", "seconds", "bytes", "sound"}


def test_every_field_is_known_to_count_or_not() -> None:
    assert set(CHANGES) | IGNORED == {f.name for f in fields(Utterance)}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_fingerprint_follows_what_can_change_a_number(name: str) -> None:
    changed = replace(MANIFEST, utterances=(replace(A, **{name: CHANGES[name]}), B, C))
    assert changed.fingerprint != MANIFEST.fingerprint


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_fingerprint_leaves_out_the_rest(name: str) -> None:
    other: Any = 7 if name in ("rate_hz", "seconds", "bytes") else "other"
    changed = replace(MANIFEST, root="/y", refused=(), utterances=(replace(A, **{name: other}), B, C))
    assert changed.fingerprint == MANIFEST.fingerprint


def test_fingerprints_of_corpora_without_ratings_are_what_they_were_before_there_were_any() -> None:
    assert MANIFEST.fingerprint == "adad40f62354a6cb"
    assert replace(MANIFEST, scale=(1.0, 5.0)).fingerprint != replace(MANIFEST, scale=(1.0, 7.0)).fingerprint


def test_fingerprint_has_sixteen_digits_and_follows_members() -> None:
    assert len(MANIFEST.fingerprint) == 16
    assert int(MANIFEST.fingerprint, 16) >= 0
    assert replace(MANIFEST, utterances=(A, B)).fingerprint != MANIFEST.fingerprint


def test_written_table_gives_every_field_back(tmp_path: Path) -> None:
    path = tmp_path / "new/c.csv"
    odd = replace(B, text='Olá, "sim";\r\nnão\rtalvez', start_s=0.1, end_s=0.30000000000000004)
    odd = replace(odd, folds=("test", "", "train"), valence=0.1 + 0.2, dominance=-1.0)
    write_csv(replace(MANIFEST, utterances=(A, odd)), path)
    rows = pd.read_csv(path, keep_default_na=False).to_dict("records")
    assert [row["uid"] for row in rows] == ["c/a", "c/b"]
    assert list(rows[0]) == [f.name for f in fields(Utterance)]
    assert json.loads(rows[0]["votes"]) == [["r1", "angry"], ["r2", "sad"]]
    assert rows[1]["text"] == odd.text
    assert float(rows[1]["end_s"]) == odd.end_s
    refused = pd.read_csv(tmp_path / "new/c.refused.csv").to_dict("records")
    assert refused == [{"what": "/x/d.wav", "reason": "silent"}]
    assert sorted(p.name for p in path.parent.iterdir()) == ["c.csv", "c.refused.csv"]


def test_written_table_letter_by_letter(tmp_path: Path) -> None:
    write_csv(replace(MANIFEST, utterances=(replace(B, start_s=1e-7, text='a "b",c', bytes=44),)), tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_bytes().decode().split("\r\n") == [
        "uid,corpus,path,speaker,label_raw,label,sex,votes,session,sentence,intensity,channel,split,folds,start_s,"
        "end_s,language,text,valence,arousal,dominance,rate_hz,seconds,bytes,sha,sound",
        'c/b,c,/x/b.wav,c/2,F,happy,,[],,,,speech,,[],1e-07,,,"a ""b"",c",,,,0,3600,44,bb,',
        "",
    ]


@pytest.mark.parametrize("text", ["=1+1", "+351", "-Olá", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_is_no_formula_to_a_spreadsheet(tmp_path: Path, text: str) -> None:
    write_csv(replace(MANIFEST, utterances=(replace(A, text=text, label_raw=text),)), tmp_path / "c.csv")
    (row,) = pd.read_csv(tmp_path / "c.csv", keep_default_na=False).to_dict("records")
    assert (row["text"], row["label_raw"]) == (f"'{text}", f"'{text}")


def test_empty_tables_keep_their_headers(tmp_path: Path) -> None:
    write_csv(Manifest("c", "/x", ()), tmp_path / "c.csv")
    assert list(pd.read_csv(tmp_path / "c.csv").columns) == [f.name for f in fields(Utterance)]
    assert list(pd.read_csv(tmp_path / "c.refused.csv").columns) == ["what", "reason"]


def test_what_is_written_is_read_again_whole(tmp_path):
    rows = (
        Utterance("c/1", "c", "/x/1.wav", "c/a", "A", "angry", "F", (("r1", "angry"), ("r2", "sad")), "1", "k01"),
        Utterance(
            "c/2", "c", "/x/2.wav", "c/b", "S", "sad", start_s=0.1, end_s=1 / 3, text="=a\r\n'b\", c", rate_hz=8000
        ),
        Utterance("c/3", "c", "/x/3.wav", "c/b", "S", "sad", text="-", seconds=1 / 7, bytes=12, sha="ab", sound="cd"),
    )
    manifest = Manifest("c", "/x", rows)
    write_csv(manifest, tmp_path / "c.csv")
    assert read_csv(tmp_path / "c.csv") == rows

"""The utterance table of a corpus: what a loader found, what was refused and why, as one file a person can open."""

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from io import TextIOWrapper
from operator import attrgetter
from pathlib import Path
from typing import Any

from ser import files
from ser.study.labels import DIMENSIONS as DIMENSIONS

SPLITS = ("train", "val", "test")
FACTS = ("speaker", "sex", "session", "sentence")  # of an utterance, which predictions tell beside what was said of it
UNKNOWN_SPEAKER = "unknown"  # after the corpus's name: what all have in common whose speakers nobody tells
_LATER = ("folds", *DIMENSIONS)  # fields that came later, and say nothing in most corpora
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is none of text for a spreadsheet


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled stretch of speech.

    ``label`` is a unified name of ``ser.study.labels``, ``label_raw`` the corpus's own.
    """

    uid: str  # "<corpus>/<basename without extension>", unique in the corpus, the same on every machine
    corpus: str
    path: str  # absolute; never part of any identity
    speaker: str  # prefixed with the corpus: "ravdess/01"
    label_raw: str
    label: str
    sex: str = ""  # "F", "M" or unknown
    votes: tuple[tuple[str, str], ...] = ()  # (rater, unified label), every line of every rater kept
    session: str = ""
    sentence: str = ""  # the corpus's own code of what was said
    intensity: str = ""
    channel: str = "speech"  # speech | song | dialog
    split: str = ""  # train | val | test where the corpus itself fixes it
    folds: tuple[str, ...] = ()  # the same in each of its official folds, "" where it is left out of one
    start_s: float | None = None  # a stretch of a longer file, in seconds
    end_s: float | None = None
    language: str = ""  # BCP 47: "de", "zh", "pt-BR"
    text: str = ""
    valence: float | None = None  # means of its raters, on the corpus's own scale (``Manifest.scale``)
    arousal: float | None = None
    dominance: float | None = None
    rate_hz: int = 0  # from here on: filled in by the scan, from the audio itself
    seconds: float = 0.0
    bytes: int = 0
    sha: str = ""
    sound: str = ""  # hash of its samples, the same in whatever file they lie

    @property
    def has_speaker(self) -> bool:
        """False where the corpus does not tell who speaks."""
        return self.speaker != f"{self.corpus}/{UNKNOWN_SPEAKER}"

    @property
    def recording(self) -> tuple[str | float | None, ...]:
        """What audio it is, whatever it is called: the samples, or, where no scan read them, its file and stretch."""
        return (self.sound,) if self.sound else (self.sha or self.uid, self.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file, a line of a table or an utterance that was left out, and why."""

    what: str  # path or uid
    reason: str

    @property
    def kind(self) -> str:
        """The reason without what is this file's own: the path of another, line numbers and counts."""
        reason = re.split(r"(?: of|:) /", self.reason)[0]
        reason = re.sub(r"^line \d+: ", "", reason)
        return re.sub(r"\d+ of \d+\b", "some of the", re.sub(r"\bline \d+\b", "another line", reason))


@dataclass(frozen=True)
class Listing:
    """What a loader read from names and label files, before any audio was opened."""

    utterances: tuple[Utterance, ...]
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """A scanned corpus: usable utterances sorted by uid, and everything that was refused."""

    corpus: str
    root: str
    utterances: tuple[Utterance, ...]
    refused: tuple[Refusal, ...] = field(default=())
    demo: bool = False  # made by ``ser demo``, not recorded
    loader: str = ""  # file of ser/corpora that read it, and the settings it was read with
    settings: tuple[tuple[str, Any], ...] = ()
    remarks: tuple[Refusal, ...] = ()  # on files that are used although their headers had to be corrected
    scale: tuple[float, float] | None = None  # lowest and highest of valence, arousal and dominance, where rated

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything of the corpus that can change a number: audio, labels, speakers, splits, texts.

        Paths are left out, so that the same corpus elsewhere is the same corpus.
        """
        digest = hashlib.sha256()
        for u in self.utterances:
            row = (u.uid, u.speaker, u.sex, u.label, u.votes, u.session, u.channel, u.split, u.start_s, u.end_s, u.sha)
            # What came later only where it says something: fingerprints that are there stay.
            later = {name: value for name in _LATER if (value := getattr(u, name)) not in ((), None)}
            digest.update(json.dumps([*row, u.text, *([later] if later else [])]).encode())
        if self.scale is not None:
            digest.update(json.dumps(self.scale).encode())
        return digest.hexdigest()[:16]

    @property
    def speakers(self) -> tuple[str, ...]:
        """All speakers, sorted."""
        return tuple(sorted({u.speaker for u in self.utterances}))

    @property
    def hours(self) -> float:
        """Duration of all usable utterances."""
        return sum(u.seconds for u in self.utterances) / 3600

    def counts(self) -> dict[str, int]:
        """Returns utterances per unified label, most frequent first."""
        return dict(Counter(u.label for u in self.utterances).most_common())


def write_csv(manifest: Manifest, path: Path) -> None:
    """Write the usable utterances to ``path`` and the refusals beside it as ``<stem>.refused.csv``; both atomically.

    One row per utterance and one column per field, votes as JSON. Text that a spreadsheet would take for a formula has
    an apostrophe put before it, and so stays text there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_rows(path, Utterance, manifest.utterances)
    _write_rows(path.with_suffix(".refused.csv"), Refusal, manifest.refused)


def _write_rows(target: Path, kind: type[Utterance | Refusal], rows: Iterable[Utterance | Refusal]) -> None:
    names = [f.name for f in fields(kind)]
    cells = attrgetter(*names)
    with files.replacing(target, durable=False) as file:
        # With line ends as in RFC 4180 a bare carriage return is quoted, too: it ends a line for every reader.
        text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(text, lineterminator="\r\n")
        table.writerow(names)
        table.writerows(map(_cell, cells(row)) for row in rows)
        text.detach()  # which leaves ``file`` open


def _cell(value: object) -> object:
    if isinstance(value, str):
        return inert(value)
    return json.dumps(value) if isinstance(value, tuple) else value


def inert(text: str) -> str:
    """Returns a cell that a spreadsheet takes for text: an apostrophe before what it would take for a formula.

    >>> inert("=1+1"), inert("a=1")
    ("'=1+1", 'a=1')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def one_line(text: str) -> str:
    """Returns the same of a text without line ends, which not every reader of tables allows in a cell."""
    return inert(" ".join(text.split()))


def read_csv(path: Path) -> tuple[Utterance, ...]:
    """Returns the utterances that ``write_csv`` wrote to ``path``.

    Raises OSError, and ValueError, KeyError or TypeError for a table that it did not write so.
    """
    rows = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))
    return tuple(_utterance({name: _plain(text) for name, text in row.items()}) for row in rows)


def who_speaks(folder: Path, corpus: str, fingerprint: str) -> dict[str, tuple[str, ...]]:
    """Returns FACTS by uid, as cells of one line, from the corpus's table in ``folder``.

    {} unless the table is there and of this very fingerprint, so that it is of the same audio, labels and speakers.
    """
    try:
        utterances = read_csv(folder / f"{corpus}.csv")
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}  # there is none, another version wrote it, or somebody edited it
    if Manifest(corpus, "", utterances).fingerprint != fingerprint:
        return {}
    return {u.uid: tuple(one_line(str(getattr(u, name))) for name in FACTS) for u in utterances}


def _utterance(cells: Mapping[str, str]) -> Utterance:
    values: dict[str, Any] = dict(cells)
    values |= {name: float(cells[name]) if cells[name] else None for name in ("start_s", "end_s", *DIMENSIONS)}
    values |= {"rate_hz": int(cells["rate_hz"]), "seconds": float(cells["seconds"]), "bytes": int(cells["bytes"])}
    values["folds"] = tuple(json.loads(cells["folds"]))
    return Utterance(**values | {"votes": tuple((rater, label) for rater, label in json.loads(cells["votes"]))})


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text

"""Corpora whose recordings' names say everything: the label, the speaker, and whatever else is in a name.

Such a loader is a pattern, a map of labels and facts; ``subesco.py`` is an example::

    NAME = re.compile(r"/(?P<speaker>(?P<sex>[FM])\\d\\d)_(?P<label>ANGRY|SAD)_(?P<sentence>\\d)\\Z", re.ASCII)
    CORPUS = Named("mine", NAME, FILES, ABOUT, {"ANGRY": "angry", "SAD": "sad"}, counts={"angry": 10, "sad": 10})
    expected, names, speakers, find, load = CORPUS.contract()
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ser.corpora import _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Utterance


@dataclass(frozen=True)
class Settings:
    """The corpus leaves nothing to choose."""


def groups(match: re.Match[str]) -> dict[str, str]:
    """Returns the named groups of a match, those that took no part as ""."""
    return match.groupdict("")


class _Load(Protocol):
    def __call__(self, root: Path, settings: object, corpus: str = "") -> Listing: ...


_Contract = tuple[
    Callable[[object], dict[str, int]],
    Callable[[object], frozenset[str]],
    Callable[[object], dict[str, int]],
    Callable[[Path], Path | None],
    _Load,
]


@dataclass(frozen=True)
class Named:
    """A corpus of recordings that are known by their names."""

    corpus: str  # the loader's name
    # With the groups label and speaker, and any of uid, sex, session, sentence, intensity, channel, text,
    # split (of whole speakers), fold (the side in the corpus's one official fold).
    name: re.Pattern[str]
    files: str  # how recordings are named, in words
    origin: About  # whose first language is that of every utterance
    labels: Mapping[str, str]  # the corpus's own word: the unified name
    sex: str | Mapping[str, str] = ""  # of all, or by speaker; the group ``sex`` comes first
    counts: Mapping[str, int] = field(default_factory=dict)  # utterances of the release by unified label
    by_speaker: Mapping[str, int] = field(default_factory=dict)
    listed: Callable[[], Iterable[str]] = frozenset  # uids of the release, without the corpus
    read: Callable[[re.Match[str]], Mapping[str, str]] = groups  # where names need more than their groups

    def contract(self) -> _Contract:
        """Returns ``expected``, ``names``, ``speakers``, ``find`` and ``load`` of a loader, in this order."""
        return self.expected, self.names, self.speakers, self.find, self.load

    def expected(self, settings: object) -> dict[str, int]:
        """Returns utterances per label of the release."""
        return dict(self.counts)

    def names(self, settings: object) -> frozenset[str]:
        """Returns the uids of the release without the corpus, none where they cannot be listed."""
        return frozenset(self.listed())

    def speakers(self, settings: object) -> dict[str, int]:
        """Returns utterances of each speaker, none where that is not known."""
        return dict(self.by_speaker)

    def find(self, folder: Path) -> Path | None:
        """Returns the narrowest folder at or below ``folder`` that holds every recording of the corpus, or None."""
        return folders.home(path for path, _ in folders.recordings(folder, self.name, self.files)[0])

    def load(self, root: Path, settings: object, corpus: str = "") -> Listing:
        """Every recording whose name is one of the corpus's."""
        clips, refused = folders.recordings(root, self.name, self.files)
        return folders.listing((self.utterance(path, match, corpus or self.corpus) for path, match in clips), refused)

    def utterance(self, path: Path, match: re.Match[str], corpus: str) -> Utterance:
        """Returns what the name of one recording says of it; its uid is the group ``uid``, or else the file's name."""
        facts = self.read(match)
        speaker, label = facts["speaker"], facts["label"]
        sex = self.sex if isinstance(self.sex, str) else self.sex.get(speaker, "")
        return Utterance(
            uid=f"{corpus}/{facts.get('uid') or match[0].rpartition('/')[2]}",
            corpus=corpus,
            path=str(path),
            speaker=f"{corpus}/{speaker}",
            label_raw=label,
            label=self.labels[label],
            sex=facts.get("sex", "")[:1].upper() or sex,
            session=facts.get("session", ""),
            sentence=facts.get("sentence", ""),
            intensity=facts.get("intensity", ""),
            channel=facts.get("channel", "speech"),
            split=facts.get("split", ""),
            folds=(facts["fold"],) if "fold" in facts else (),
            language=self.origin.languages[0],
            text=facts.get("text", ""),
        )

    def write(self, folder: Path, paths: Iterable[str], rate_hz: int, seed: int, wrong: str) -> Path:
        """Writes made speech under ``paths`` below ``folder``, each as its name says, and returns ``folder``.

        The last of them is left empty, and one is added under ``wrong``, which is a name of no recording.
        """
        path = folder
        for path in (folder / name for name in paths):
            match = folders.match(path, self.name)
            assert match, f"{path} is not {self.files}"
            u = self.utterance(path, match, self.corpus)
            _tones.write(path, rate_hz, u.label, u.speaker, seed, 0.3)
        path.write_bytes(b"")
        assert not folders.match(folder / wrong, self.name)
        _tones.write(folder / wrong, rate_hz, "neutral", self.corpus, seed, 0.3)
        return folder

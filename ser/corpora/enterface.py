"""eNTERFACE'05: people from fourteen nations say in English what they would after six short stories; videos.

Martin et al. (2006). Speaker and emotion are the folders', as names are irregular: those of subject 11 say s12.
Subject 6 is not cut into sentences, and there is no subject 12. Sound is that of the videos (with the extra
``codecs``) or of wav files that were made of them under the same names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ser.corpora import _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Utterance

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "eNTERFACE'05"
FILES = "avi or wav named like subject 1/anger/sentence 1/s1_an_1.avi (speaker, emotion, sentence)"
FOLDER = "subject 1 … subject 44"
SUFFIXES = (".avi", *folders.SUFFIXES)
EXPECTED_SPEAKERS = 42
MEAN_SECONDS = (2.6, 3.0)  # 2.80
WORDS = {"an": "anger", "di": "disgust", "fe": "fear", "ha": "happiness", "sa": "sadness", "su": "surprise"}
LABELS = {"an": "angry", "di": "disgust", "fe": "fear", "ha": "happy", "sa": "sad", "su": "surprise"}
SUBJECTS = tuple(number for number in range(1, 45) if number not in (6, 12))
NAME = re.compile(
    r"/(?:subject ?(?P<subject>[1-9]\d?)/(?P<word>anger|disgust|fear|happiness|sadness|surprise)/sentence ?[1-5]/)?"
    r"(?P<stem>s_?(?P<number>[1-9]\d?)_(?P<code>an|di|fe|ha|sa|su)_(?P<sentence>[1-5]))(?:avi)?\Z",
    re.ASCII | re.IGNORECASE,
)
ABOUT = About(
    languages=("en",),
    kind="elicited",
    licence="free to download for research; no licence text is given, a citation is asked for",
    reference="Martin, Kotsia, Macq & Pitas: The eNTERFACE'05 Audio-Visual Emotion Database. ICDE Workshops 2006. "
    "doi 10.1109/ICDEW.2006.145",
    download="enterface database.rar from http://www.enterface.net/enterface05, unpacked",
    defects=(
        "recordings of subject 6 are not cut into sentences, and are left out",
        "files of subject 11 say s12; the folder counts",
        "subject 23 lacks three sentences of happiness",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The corpus leaves nothing to choose."""


def expected(settings: Settings) -> dict[str, int]:
    """Returns utterances per label: five sentences of each subject, and three less of happiness."""
    return {label: 207 if label == "happy" else 210 for label in LABELS.values()}


def names(settings: Settings) -> frozenset[str]:
    """Returns the names of the release without what is irregular in them but the number."""
    return frozenset(_listed())


def speakers(settings: Settings) -> dict[str, int]:
    """Returns utterances of each subject."""
    return {str(number): 27 if number == 23 else 30 for number in SUBJECTS}


def _listed() -> Iterator[str]:
    for number in SUBJECTS:
        for code in LABELS:
            lost = (1, 2, 3) if (number, code) == (23, "ha") else ()
            yield from (f"s{number}_{code}_{sentence}" for sentence in range(1, 6) if sentence not in lost)


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds every recording of the corpus, or None."""
    return folders.home(path for path, _ in folders.recordings(folder, NAME, FILES, SUFFIXES)[0])


def load(root: Path, settings: Settings, corpus: str = "enterface") -> Listing:
    """Every recording that is one sentence."""
    clips, refused = folders.recordings(root, NAME, FILES, SUFFIXES)
    utterances = []
    for path, name in clips:
        number, word = name["subject"], name["word"]
        number = number or {"12": "11"}.get(name["number"], name["number"])
        code = next(code for code, full in WORDS.items() if full == (word or WORDS[name["code"].lower()]).lower())
        utterances.append(
            Utterance(
                uid=f"{corpus}/s{number}_{code}_{name['sentence']}",
                corpus=corpus,
                path=str(path),
                speaker=f"{corpus}/{number}",
                label_raw=WORDS[code],
                label=LABELS[code],
                sentence=f"{code}{name['sentence']}",
                language="en",
            )
        )
    return folders.listing(utterances, refused)


def miniature(root: Path, seed: int = 0) -> Path:
    """Four subjects, each emotion once, as wav files under the names of the videos.

    Planted: the irregular names of subjects 3, 11 and 16, subject 6, a video that is none.
    """
    folder = root / "enterface database"
    for subject in (1, 3, 11, 16):
        for code, word in WORDS.items():
            stem = {3: "s_3", 11: "s12"}.get(subject, f"s{subject}") + f"_{code}_4"
            stem += "avi" if (subject, code) == (16, "su") else ""
            path = folder / f"subject {subject}/{word}/sentence 4/{stem}.wav"
            _tones.write(path, 48_000, LABELS[code], str(subject), seed, seconds=0.3)
    _tones.write(folder / "subject 6/anger/s6_an.wav", 48_000, "angry", "6", seed, seconds=0.3)
    _tones.write(folder / "subject 1/anger/sentence 4/take two.wav", 48_000, "angry", "1", seed, seconds=0.3)
    video = folder / "subject 1/anger/sentence 3/s1_an_3.avi"
    video.parent.mkdir()
    video.write_bytes(b"no video")
    return folder

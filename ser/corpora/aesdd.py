"""AESDD, the Acted Emotional Speech Dynamic Database: Greek actors say twenty sentences in five emotions.

Vryzas et al. (2018). It is meant to grow; the counts are those of the copy that most people have, with six speakers.
"""

import re
from pathlib import Path

from ser.corpora._named import Named, groups
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "AESDD"
FILES = "wav named like anger/a01 (1).wav (emotion, sentence, speaker)"
FOLDER = "anger, disgust, fear, happiness and sadness"
EXPECTED_SPEAKERS = 6
DAMAGED = frozenset(("s05 (3)",))
LABELS = {"a": "angry", "d": "disgust", "f": "fear", "h": "happy", "s": "sad"}
# The folder is asked for because copies that Windows makes, of SAVEE for example, are called so, too: DC/a01 (1).wav.
NAME = ZIPPED = re.compile(
    r"/(?:(?<=\A/)|(?<=/anger/)|(?<=/disgust/)|(?<=/fear/)|(?<=/happiness/)|(?<=/sadness/))"
    r"(?P<label>[adfhs])(?P<sentence>[0-2]\d) \((?P<speaker>0?[1-6])\)[ab]?\Z",
    re.ASCII | re.IGNORECASE,
)
ABOUT = About(
    languages=("el",),
    kind="acted",
    licence="not stated by its authors",
    reference="Vryzas, Kotsakis, Liatsou, Dimoulas & Kalliris: Speech Emotion Recognition for Performance Interaction. "
    "Journal of the Audio Engineering Society 66(6), 2018, 457–467",
    download="by the link on http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition",
    defects=(
        "s05 (3).wav cannot be read in some copies, and is refused there",
        "second takes end with a or b, and some numbers of speakers have a zero before them",
        "the sex of the speakers is not told by names",
    ),
)


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what a name says; the speaker's number is without the zero that some names have."""
    return groups(name) | {"label": name["label"].lower(), "speaker": name["speaker"].lstrip("0")}


CORPUS = Named(
    "aesdd",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts={"angry": 121, "disgust": 122, "fear": 120, "happy": 119, "sad": 123},
    by_speaker={"1": 100, "2": 100, "3": 99, "4": 99, "5": 107, "6": 100},
    read=_read,
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """All six speakers, every emotion. Planted: second takes, a zero before a speaker, a wrong name, an empty file."""
    folders = dict(zip(LABELS, ("anger", "disgust", "fear", "happiness", "sadness"), strict=True))
    paths = [f"{folders[e]}/{e}01 ({speaker}).wav" for speaker in range(1, 7) for e in LABELS]
    paths += ["anger/a06 (5)b.wav", "fear/f10 (01).wav", "sadness/s05 (3).wav"]
    return CORPUS.write(root / "AESDD", paths, 44_100, seed, wrong="anger/a01 (1) copy.wav")

"""ShEMO: three thousand Persian utterances of 87 speakers from radio plays. Mohamad Nezami et al. (2019).

Twelve raters judged each utterance; the letter in its name is what most of them said.
"""

import re
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "ShEMO"
FILES = "wav named like F01A02.wav (sex and number of the speaker, emotion, number)"
FOLDER = "female and male"
EXPECTED_SPEAKERS = 87
MEAN_SECONDS = (4.0, 4.3)  # 4.1: 3 hours and 25 minutes in 3000
LABELS = {"A": "angry", "F": "fear", "H": "happy", "N": "neutral", "S": "sad", "W": "surprise"}
NAME = ZIPPED = re.compile(r"/(?P<speaker>(?P<sex>[FM])\d\d)(?P<label>[AFHNSW])\d\d\Z", re.ASCII)
ABOUT = About(
    languages=("fa",),
    kind="acted",
    licence="free for academic use; no licence text comes with it",
    reference="Mohamad Nezami, Jamshid Lou & Karami: ShEMO: a large-scale validated database for Persian speech "
    "emotion detection. Language Resources and Evaluation 53(1), 2019, 1–16. doi 10.1007/s10579-018-9427-x",
    download="female.zip and male.zip, by https://github.com/pariajm/sharif-emotional-speech-dataset",
    defects=("the zip files of https://github.com/mansourehk/ShEMO are reported to be damaged",),
)
CORPUS = Named(
    "shemo",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts={"angry": 1059, "fear": 38, "happy": 201, "neutral": 1028, "sad": 449, "surprise": 225},
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Five speakers, every emotion. Planted: a wrong name, an empty file."""
    paths = [f"male/M{number}{letter}01.wav" for number in ("01", "02", "12") for letter in LABELS]
    paths += [f"female/F{number}{letter}01.wav" for number in ("01", "31") for letter in LABELS]
    return CORPUS.write(root / "ShEMO", [*paths, "female/F31S02.wav"], 44_100, seed, wrong="male/M01B01.wav")

"""RESD, Russian Emotional Speech Dialogs: fifty acted dialogues of two, cut into turns. Aniemore (2022).

A name tells the dialogue, its two emotions and which of them this is. Who the actors are it does not tell, and they may
speak in several dialogues: nobody's utterances can be kept apart. The parts train and test are its official fold.
"""

import re
from pathlib import Path

from ser.corpora._named import Named, groups
from ser.corpora._named import Settings as Settings
from ser.data.about import About
from ser.data.manifest import UNKNOWN_SPEAKER

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "RESD"
FILES = "wav named like train/anger_fear_34/34_anger_fear_a_170.wav (part, dialogue, its emotions, this one, turn)"
FOLDER = "train and test"
EXPECTED_SPEAKERS = 0  # unknown
MEAN_SECONDS = (5.8, 6.3)  # 6.04
LABELS = {
    "a": "angry", "d": "disgust", "e": "enthusiastic", "f": "fear", "h": "happy", "n": "neutral", "s": "sad",
}  # fmt: skip
WORDS = "anger|disgust|enthusiasm|fear|happiness|neutral|sadness"
# Of some dialogues the emotions are followed by a blank.
NAME = ZIPPED = re.compile(rf"/(?P<session>\d\d)_(?:{WORDS})_(?:{WORDS})[_ ](?P<label>[adefhns])_\d+\Z", re.ASCII)
PART = re.compile(r"/(train|test)/[^/]*/[^/]*\Z", re.ASCII)  # of the folders
ABOUT = About(
    languages=("ru",),
    kind="acted",
    licence="MIT",
    reference="Aniemore: Russian Emotional Speech Dialogs (RESD), 2022, https://huggingface.co/datasets/Aniemore/resd",
    download="the zip file of https://huggingface.co/datasets/Aniemore/resd",
    defects=("nothing tells which actor speaks, and nearly every dialogue is in training and in test",),
)


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what a name says, with the part that its folder is of."""
    part = PART.search(name.string)
    return groups(name) | {"speaker": UNKNOWN_SPEAKER, "channel": "dialog", "fold": part[1] if part else ""}


CORPUS = Named(
    "resd",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts={
        "angry": 219,
        "disgust": 185,
        "enthusiastic": 198,
        "fear": 223,
        "happy": 218,
        "neutral": 191,
        "sad": 162,
    },
    read=_read,
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Five dialogues. Planted: names with a blank, a dialogue in both parts, a wrong name, an empty file."""
    paths = [
        f"{part}/{name}/{start}{letter}_0{turn}0.wav"
        for part, name, start, letters in (
            ("train", "anger_fear_34", "34_anger_fear_", "af"),
            ("train", "11_disgust_anger", "11_anger_disgust ", "ad"),
            ("train", "enthusiasm_sadness_47", "47_enthusiasm_sadness_", "es"),
            ("train", "happiness_neutral_18", "18_happiness_neutral_", "hn"),
            ("test", "neutral_fear_27", "27_neutral_fear_", "nf"),
        )
        for letter in letters
        for turn in (1, 2)
    ]
    paths += ["test/anger_fear_34/34_anger_fear_a_170.wav", "test/anger_fear_34/34_anger_fear_f_090.wav"]
    return CORPUS.write(root / "RESD", paths, 16_000, seed, wrong="test/anger_fear_34/34_anger_fear_x_090.wav")

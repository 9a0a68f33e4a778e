"""MESD, the Mexican Emotional Speech Database: single words in five emotions and neutrally, by women, men and children.

Duville, Alonso-Valerdi & Ibarra-Zarate (2021), Mendeley cy34mh68j9. Three women, two men and six children spoke, but a
name tells only which of these three groups: each is taken for one speaker, which keeps everyone on one side of a split.
"""

import re
from pathlib import Path

from ser.corpora._named import Named, groups
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "MESD"
FILES = "wav named like Anger_F_A_abajo.wav (emotion, group of speakers, list of words, word)"
FOLDER = "Mexican Emotional Speech Database (MESD)"
EXPECTED_SPEAKERS = 3
MEAN_SECONDS = (0.6, 0.85)  # 0.72
LABELS = {
    "Anger": "angry", "Disgust": "disgust", "Fear": "fear", "Happiness": "happy", "Neutral": "neutral",
    "Sadness": "sad",
}  # fmt: skip
NAME = ZIPPED = re.compile(
    rf"/(?P<label>{'|'.join(LABELS)})_(?P<speaker>[FMC])_(?P<session>[AB])_(?P<sentence>[a-záéíñóúü][^/]*)\Z"
)
ABOUT = About(
    languages=("es-MX",),
    kind="acted",
    licence="CC BY 4.0",
    reference="Duville, Alonso-Valerdi & Ibarra-Zarate: Mexican Emotional Speech Database Based on Semantic, "
    "Frequency, Familiarity, Concreteness, and Cultural Shaping of Affective Prosody. Data 6(12), 2021, 130. "
    "doi 10.3390/data6120130",
    download="the zip file of https://data.mendeley.com/datasets/cy34mh68j9",
    defects=(
        "two of the 864 words are missing: one of a child's anger, and one of a child's neutral speech",
        "names tell a speaker's group (women, men, children) and no more; each group is taken for one speaker",
    ),
)


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what a name says; children have no sex there."""
    return groups(name) | {"sex": name["speaker"].replace("C", "")}


CORPUS = Named(
    "mesd",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts={label: 143 if label in ("angry", "neutral") else 144 for label in LABELS.values()},
    by_speaker={"C": 286, "F": 288, "M": 288},
    read=_read,
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """All three groups, every emotion, two words. Planted: a word of two parts, a wrong name, an empty file."""
    pairs = (("A", "abajo"), ("B", "abandono"))
    paths = [f"{emotion}_{who}_{words}_{word}.wav" for emotion in LABELS for who in "CFM" for words, word in pairs]
    folder = root / "Mexican Emotional Speech Database (MESD)"
    paths += ["Fear_M_A_por_favor.wav", "Anger_F_A_tarde.wav"]
    return CORPUS.write(folder, paths, 48_000, seed, wrong="Anger_F_C_abajo.wav")

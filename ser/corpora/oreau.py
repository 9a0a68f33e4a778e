"""Oréau: thirty-two people say French sentences in six emotions and neutrally. Kerkeni et al. (2020), Zenodo 4405783.

The second version is what listeners recognised of the first, 434 of 502 utterances under the same names.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ser.corpora._named import Named, groups
from ser.data.about import About
from ser.data.manifest import Listing
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "Oréau"
FILES = "wav named like f/sessc/10a01Ca.wav (sex, session, speaker, sentence, emotion)"
FOLDER = "OréauFR_02"
EXPECTED_SPEAKERS = 32
MEAN_SECONDS = (2.6, 2.95)  # 2.78
LABELS = {
    "C": "angry", "D": "disgust", "J": "happy", "N": "neutral", "P": "fear", "S": "surprise", "T": "sad",
}  # fmt: skip
# The folder is asked for because recordings of EMO-DB have such names: 10a02Na. Two of speaker 07 are misspelt 07z03Sa.
NAME = ZIPPED = re.compile(
    r"/(?:(?<=\A/)|(?<=/sess[cdjnpst]/))(?P<speaker>\d\d)(?P<sentence>[az]\d\d)(?P<label>[CDJNPST])[a-z]\Z", re.ASCII
)
SEX = re.compile(r"/([fm])/sess[cdjnpst]/[^/]*\Z", re.ASCII)  # of the folder
ABOUT = About(
    languages=("fr",),
    kind="acted",
    licence="CC BY 4.0",
    reference="Kerkeni, Cleder, Serrestou & Raoof: French Emotional Speech Database – Oréau, Zenodo 2020, "
    "doi 10.5281/zenodo.4405783",
    download="the zip files of https://doi.org/10.5281/zenodo.4405783",
    defects=(
        "both versions have the same names: the setting version says which is read where folders tell them apart",
        "two sentences of speaker 07 are called z03 and z04",
    ),
)


@dataclass(frozen=True)
class Settings:
    """Which version of the corpus is used."""

    version: str = setting("all recordings (1), or those that listeners recognised (2)", "2", choices=("1", "2"))


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what a name says, with the sex of the folder, where that is as in the release."""
    folder = SEX.search(name.string)
    return groups(name) | {"sex": folder[1] if folder else ""}


CORPUS = Named(
    "oreau",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts={"angry": 67, "disgust": 67, "fear": 51, "happy": 62, "neutral": 70, "sad": 55, "surprise": 62},
    read=_read,
)
names, speakers, find = CORPUS.names, CORPUS.speakers, CORPUS.find


def expected(settings: Settings) -> dict[str, int]:
    """Returns utterances per label of the second version; how many the first has of each is not known."""
    return CORPUS.expected(settings) if settings.version == "2" else {}


def load(root: Path, settings: Settings, corpus: str = "oreau") -> Listing:
    """Every recording, but for those in the folder of the other version."""
    listing = CORPUS.load(root, settings, corpus)
    others = f"FR_0{'1' if settings.version == '2' else '2'}"
    utterances = tuple(u for u in listing.utterances if not Path(u.path).parents[2].name.endswith(others))
    return Listing(utterances, listing.refused)


def miniature(root: Path, seed: int = 0) -> Path:
    """Five speakers, every emotion. Planted: a recording of the first version, a wrong name, an empty file."""
    people = (("f", "10"), ("f", "11"), ("m", "07"), ("m", "25"), ("m", "41"))
    paths = [f"OréauFR_02/{sex}/sess{e.lower()}/{who}a01{e}a.wav" for sex, who in people for e in LABELS]
    paths = [
        "OréauFR_01/f/sessc/10a02Ca.wav",
        *paths,
        "OréauFR_02/m/sesss/07z03Sa.wav",
        "OréauFR_02/m/sessn/41a20Na.wav",
    ]
    return CORPUS.write(root / "Oréau", paths, 44_100, seed, wrong="OréauFR_02/m/sessn/07a01Xa.wav")

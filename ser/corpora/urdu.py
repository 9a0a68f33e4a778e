"""URDU: four hundred utterances from Urdu talk shows. Latif et al. (2018)."""

import re
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "URDU"
FILES = "wav named like SM1_F10_A010.wav (sex and number of the speaker, file, emotion and number)"
FOLDER = "Angry, Happy, Neutral and Sad"
EXPECTED_SPEAKERS = 29
LABELS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
NAME = re.compile(r"/(?P<speaker>S(?P<sex>[FM])\d\d?)_F\d+_(?P<label>[AHNS])\d+\Z", re.ASCII)
ABOUT = About(
    languages=("ur",),
    kind="natural",
    licence="research only, as its README says; no licence text comes with it",
    reference="Latif, Qayyum, Usman & Qadir: Cross Lingual Speech Emotion Recognition: Urdu vs. Western Languages. "
    "Frontiers of Information Technology 2018, arXiv 1812.10411",
    download="the repository https://github.com/siddiquelatif/URDU-Dataset, as a zip file to unpack or a clone",
    defects=("its README counts 38 speakers, 27 of them men; its names tell of 29, 18 of them men",),
)
CORPUS = Named("urdu", NAME, FILES, ABOUT, LABELS, counts=dict.fromkeys(LABELS.values(), 100))
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Six speakers, every emotion. Planted: a wrong name, an empty file."""
    folders = dict(zip(LABELS, ("Angry", "Happy", "Neutral", "Sad"), strict=True))
    who = ("SM1", "SM25", "SF1", "SF11", "SM5", "SF6")
    paths = [f"{folders[e]}/{speaker}_F1_{e}0{n:02d}.wav" for n, speaker in enumerate(who, 1) for e in LABELS]
    return CORPUS.write(root / "URDU-Dataset", [*paths, "Sad/SM5_F9_S100.wav"], 44_100, seed, wrong="Sad/SM5_S100.wav")

"""KSUEmotions: King Saud University Emotions, modern standard Arabic, 23 speakers in two phases. LDC2017S12.

Meftah et al. (2018). The second phase has anger where the first has questions. Qamhan et al. (2020), a system of the
survey, used it.
"""

import re
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "KSUEmotions"
FILES = "flac named like Phase_1/E01/D05E01P104S01T01.flac (emotion, speaker, sentence, take)"
FOLDER = "data/SPEECH/Phase_1 and Phase_2"
EXPECTED_SPEAKERS = 0  # 23, but utterances per emotion are not known here
LABELS = {"00": "neutral", "01": "happy", "02": "sad", "03": "surprise", "04": "questioning", "05": "angry"}
NAME = re.compile(
    r"/(?:Phase_?(?P<session>[12])(?:/E0[0-5]/|_))?"
    r"(?P<stem>D\d\dE(?P<label>0[0-5])P(?P<speaker>(?P<sex>[01])\d\d)S(?P<sentence>\d\d)T\d\d)\Z",
    re.ASCII | re.IGNORECASE,
)
ABOUT = About(
    languages=("ar",),
    kind="acted",
    licence="LDC licence, paid for by those who are no members",
    reference="Meftah, Alotaibi & Selouani: Evaluation of an Arabic Speech Corpus of Emotions: A Perceptual and "
    "Statistical Analysis. IEEE Access 6, 2018, 72845–72861. doi 10.1109/ACCESS.2018.2881096",
    download="LDC2017S12, King Saud University Emotions, from https://catalog.ldc.upenn.edu/LDC2017S12",
    defects=("the phases may repeat names; the phase is made part of an utterance's name where the folder tells it",),
)


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what folder and name say; the first digit of the speaker is 0 for men and 1 for women."""
    facts = {key: value.upper() for key, value in name.groupdict("").items()}
    phase = f"Phase_{facts['session']}_" if facts["session"] else ""
    return facts | {"uid": f"{phase}{facts['stem']}", "sex": "MF"[int(facts["sex"])]}


CORPUS = Named("ksuemotions", NAME, FILES, ABOUT, LABELS, read=_read)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Two phases of four speakers each, two of them in both. Planted: a wrong name, an empty file."""
    speakers = {1: ("001", "002", "101", "102"), 2: ("001", "003", "101", "103")}
    paths = [
        f"data/SPEECH/Phase_{phase}/E{label}/D05E{label}P{speaker}S0{phase}T01.flac"
        for phase in (1, 2)
        for label in LABELS
        for speaker in speakers[phase]
        if label != {1: "05", 2: "04"}[phase]
    ]
    wrong = "data/SPEECH/Phase_1/E00/D05E09P001S01T01.flac"
    return CORPUS.write(root / "ksu_emotions", paths, 16_000, seed, wrong)

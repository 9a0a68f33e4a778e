"""nEMO: nine Polish speakers act ninety sentences in five emotions and neutrally. Christop (2024)."""

import re
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "nEMO"
FILES = "wav named like EB0_anger_1.wav (speaker, emotion, sentence)"
FOLDER = "samples"
EXPECTED_SPEAKERS = 9
LABELS = {
    "anger": "angry", "fear": "fear", "happiness": "happy", "neutral": "neutral", "sadness": "sad",
    "surprised": "surprise",
}  # fmt: skip
SEX = {"EB0": "F", "IC0": "F", "KD0": "F", "KS0": "M", "MK0": "F", "MP0": "M", "SM0": "M", "TP0": "M", "WR0": "M"}
NAME = re.compile(rf"/(?P<speaker>{'|'.join(SEX)})_(?P<label>{'|'.join(LABELS)})_(?P<sentence>[1-9]\d?)\Z", re.ASCII)
ABOUT = About(
    languages=("pl",),
    kind="acted",
    licence="CC BY-NC-SA 4.0",
    reference="Christop: nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024, "
    "aclanthology.org/2024.lrec-main.1059",
    download="the repository https://github.com/amu-cai/nEMO, as a zip file to unpack or a clone",
)
CORPUS = Named(
    "nemo",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    SEX,
    counts={"angry": 749, "fear": 736, "happy": 749, "neutral": 809, "sad": 769, "surprise": 669},
    by_speaker=dict(zip(SEX, (539, 540, 540, 540, 450, 256, 538, 539, 539), strict=True)),
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Five speakers, every emotion. Planted: a wrong name, an empty file."""
    paths = [f"samples/{speaker}_{emotion}_1.wav" for speaker in list(SEX)[::2] for emotion in LABELS]
    wrong = "samples/EB0_bored_1.wav"
    return CORPUS.write(root / "nEMO", [*paths, "samples/WR0_surprised_90.wav"], 24_000, seed, wrong)

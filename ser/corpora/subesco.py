"""SUBESCO: twenty Bangla actors say ten sentences in seven emotions, five times each. Sultana et al. (2021)."""

import re
from itertools import product
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "SUBESCO"
FILES = "wav named like F_01_OISHI_S_1_ANGRY_1.wav (sex and number of the speaker, name, sentence, emotion, take)"
FOLDER = "F_01_OISHI_S_1_ANGRY_1.wav …"
EXPECTED_SPEAKERS = 20
MEAN_SECONDS = (3.9, 4.2)  # 4.03
LABELS = {
    "ANGRY": "angry", "DISGUST": "disgust", "FEAR": "fear", "HAPPY": "happy", "NEUTRAL": "neutral", "SAD": "sad",
    "SURPRISE": "surprise",
}  # fmt: skip
# One name of the release ends with a bracket: F_02_MONIKA_S_2_SURPRISE_3].wav.
NAME = ZIPPED = re.compile(
    rf"/(?P<uid>(?P<speaker>(?P<sex>[FM])_\d\d_[A-Z]+)_S_(?P<sentence>\d\d?)_(?P<label>{'|'.join(LABELS)})_\d)\]?\Z",
    re.ASCII,
)
ACTORS = (
    "F_01_OISHI F_02_MONIKA F_03_SMITA F_04_SWARNALI F_05_MOUNI F_06_SIMI F_07_TITHI F_08_JOYEETA F_09_CHAITY "
    "F_10_FAHMEE M_01_BASHIR M_02_NIPUN M_03_ILIAS M_04_BIBHAS M_05_DURANTO M_06_SHUKANTO M_07_SIBLY M_08_PRASUN "
    "M_09_SHUMANTA M_10_EVAN"
)
ABOUT = About(
    languages=("bn",),
    kind="acted",
    licence="CC BY 4.0",
    reference="Sultana, Rahman, Selim & Iqbal: SUST Bangla Emotional Speech Corpus (SUBESCO), PLOS ONE 16(4), 2021. "
    "doi 10.1371/journal.pone.0250173",
    download="SUBESCO.zip from https://doi.org/10.5281/zenodo.4526477, as it is or unpacked",
    defects=("one name ends with a bracket, F_02_MONIKA_S_2_SURPRISE_3].wav: it is read without it",),
)
CORPUS = Named(
    "subesco",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts=dict.fromkeys(LABELS.values(), 1000),
    by_speaker=dict.fromkeys(ACTORS.split(), 350),
    listed=lambda: (f"{a}_S_{s}_{e}_{t}" for a, s, e, t in product(ACTORS.split(), range(1, 11), LABELS, range(1, 6))),
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Four actors, every emotion. Planted: the name with a bracket, a wrong name, an empty file."""
    paths = [f"{actor}_S_1_{emotion}_1.wav" for actor in ACTORS.split()[::6] for emotion in LABELS]
    paths += ["F_02_MONIKA_S_2_SURPRISE_3].wav", "M_10_EVAN_S_10_SAD_5.wav"]
    return CORPUS.write(root / "SUBESCO", paths, 44_100, seed, wrong="F_01_OISHI_S_1_BORED_1.wav")

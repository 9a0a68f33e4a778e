"""EMOVO: six Italian actors say fourteen sentences in six emotions and neutrally. Costantini et al. (2014)."""

import re
from itertools import product
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "EMOVO"
FILES = "wav named like dis-f1-b1.wav (emotion, speaker, sentence)"
FOLDER = "f1, f2, f3, m1, m2 and m3"
EXPECTED_SPEAKERS = 6
LABELS = {
    "dis": "disgust", "gio": "happy", "neu": "neutral", "pau": "fear", "rab": "angry", "sor": "surprise", "tri": "sad",
}  # fmt: skip
SPEAKERS = ("f1", "f2", "f3", "m1", "m2", "m3")
SENTENCES = ("b1", "b2", "b3", "d1", "d2", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5")
NAME = ZIPPED = re.compile(
    rf"/(?P<label>{'|'.join(LABELS)})-(?P<speaker>(?P<sex>[fm])[123])-(?P<sentence>[bdln]\d)\Z", re.ASCII
)
ABOUT = About(
    languages=("it",),
    kind="acted",
    licence="not stated by its authors; lists of others say CC BY-NC-SA 4.0",
    reference="Costantini, Iaderola, Paoloni & Todisco: EMOVO Corpus: an Italian Emotional Speech Database. LREC 2014, "
    "3501–3504, aclanthology.org/L14-1478",
    download="EMOVO.zip from http://voice.fub.it/activities/corpora/emovo/index.html",
)
CORPUS = Named(
    "emovo",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts=dict.fromkeys(LABELS.values(), 84),
    by_speaker=dict.fromkeys(SPEAKERS, 98),
    listed=lambda: ("-".join(parts) for parts in product(LABELS, SPEAKERS, SENTENCES)),
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """All six speakers, every emotion. Planted: a wrong name, an empty file."""
    paths = [f"{speaker}/{emotion}-{speaker}-b1.wav" for speaker in SPEAKERS for emotion in LABELS]
    return CORPUS.write(root / "EMOVO", [*paths, "m3/tri-m3-n5.wav"], 48_000, seed, wrong="f1/amo-f1-b1.wav")

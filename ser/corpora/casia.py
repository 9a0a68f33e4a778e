"""CASIA, the Chinese emotional corpus, as far as it goes round: four speakers say fifty sentences in six emotions.

Chinese Academy of Sciences, Institute of Automation (2005). The whole corpus has 9600 utterances and is sold.
"""

import re
from itertools import product
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "CASIA"
FILES = "wav named like wangzhe/angry/201.wav (speaker, emotion, sentence)"
FOLDER = "liuchanhg, wangzhe, zhaoquanyin and zhaozuoxiang"
EXPECTED_SPEAKERS = 4
MEAN_SECONDS = (1.8, 2.0)  # 1.91
SPEAKERS = ("liuchanhg", "wangzhe", "zhaoquanyin", "zhaozuoxiang")
LABELS = {word: word for word in ("angry", "fear", "happy", "neutral", "sad", "surprise")}
NAME = ZIPPED = re.compile(
    rf"/(?P<uid>(?P<speaker>{'|'.join(SPEAKERS)})/(?P<label>{'|'.join(LABELS)})/(?P<sentence>2[0-5]\d))\Z", re.ASCII
)
ABOUT = About(
    languages=("zh",),
    kind="acted",
    licence="the whole corpus is sold; the part of 1200 utterances goes round without a licence",
    reference="Institute of Automation, Chinese Academy of Sciences: CASIA Chinese emotional speech corpus, 2005",
    download="the part of 1200 utterances by its mirrors; the whole by http://www.chineseldc.org",
    defects=(
        "names of files are the same in every folder; speaker and emotion are made part of an utterance's name",
        "the sex of the speakers is not told by names",
    ),
)
CORPUS = Named(
    "casia",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts=dict.fromkeys(LABELS.values(), 200),
    by_speaker=dict.fromkeys(SPEAKERS, 300),
    listed=lambda: ("/".join(parts) for parts in product(SPEAKERS, LABELS, map(str, range(201, 251)))),
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """All four speakers, every emotion. Planted: a wrong name, an empty file."""
    paths = [f"{speaker}/{emotion}/201.wav" for speaker in SPEAKERS for emotion in LABELS]
    return CORPUS.write(root / "CASIA", [*paths, "wangzhe/sad/250.wav"], 16_000, seed, wrong="wangzhe/sad/100.wav")

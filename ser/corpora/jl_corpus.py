"""JL-Corpus: four New Zealanders say fifteen sentences in ten emotions. James, Tian & Watson (2018)."""

import re
from itertools import product
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "JL-Corpus"
FILES = "wav named like female1_angry_10a_1.wav (speaker, emotion, sentence and session, take)"
FOLDER = "JL(wav+txt)"
EXPECTED_SPEAKERS = 4
MEAN_SECONDS = (2.0, 2.2)  # 2.12
SPEAKERS = ("female1", "female2", "male1", "male2")
# Five primary and five secondary emotions: all of these words are unified names.
LABELS = {
    word: word for word in ("angry", "excited", "happy", "neutral", "sad", "anxious", "apologetic", "assertive",
                            "concerned", "encouraging")
}  # fmt: skip
NAME = ZIPPED = re.compile(
    rf"/(?P<speaker>(?P<sex>female|male)[12])_(?P<label>{'|'.join(LABELS)})_(?P<sentence>\d\d?)[ab]_[12]\Z", re.ASCII
)
ABOUT = About(
    languages=("en-NZ",),
    kind="acted",
    licence="CC0 1.0",
    reference="James, Tian & Watson: An Open Source Emotional Speech Corpus for Human Robot Interaction Applications. "
    "Interspeech 2018, 2768–2772. doi 10.21437/Interspeech.2018-1349",
    download="archive.zip from https://www.kaggle.com/tli725/jl-corpus",
)
CORPUS = Named(
    "jl_corpus",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts=dict.fromkeys(LABELS.values(), 240),
    by_speaker=dict.fromkeys(SPEAKERS, 600),
    listed=lambda: (
        f"{speaker}_{emotion}_{sentence}{session}_{take}"
        for speaker, emotion, sentence, session, take in product(SPEAKERS, LABELS, range(1, 16), "ab", "12")
    ),
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """All four speakers, every emotion. Planted: a wrong name, an empty file."""
    paths = [f"{speaker}_{emotion}_1a_1.wav" for speaker in SPEAKERS for emotion in LABELS]
    folder = root / "JL corpus/Raw JL corpus (unchecked and unannotated)/JL(wav+txt)"
    CORPUS.write(folder, [*paths, "male2_sad_15b_2.wav"], 44_100, seed, wrong="male1_angry_1c_1.wav")
    return root / "JL corpus"

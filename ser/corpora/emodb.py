"""EMO-DB, the Berlin database: 10 actors, 10 German sentences, 7 emotions, named by their German initials.

Burkhardt et al. (2005), emodb.bilderbar.info. The letter A is Angst, which is fear.
"""

import re
from pathlib import Path

from ser.corpora import _tones
from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About
from ser.study.labels import EMODB as LABELS

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "EMO-DB"
FILES = "wav named like 03a01Fa.wav (speaker, sentence, emotion, version)"
FOLDER = "wav/"
EXPECTED_SPEAKERS = 10
MEAN_SECONDS = (2.6, 3.0)  # 2.78
# Recordings of Oréau have such names, too, in folders that are called sessc, sessn …
NAME = ZIPPED = re.compile(
    r"/(?<!/sess[a-z]/)(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<label>[WLEAFTN])[a-z]\Z", re.ASCII
)
SEX = {"03": "M", "08": "F", "09": "F", "10": "M", "11": "M", "12": "M", "13": "F", "14": "F", "15": "M", "16": "F"}
ABOUT = About(
    languages=("de",),
    kind="acted",
    licence="free to download and use; no licence text is given, a citation is asked for",
    reference="Burkhardt, Paeschke, Rolfes, Sendlmeier & Weiss: A Database of German Emotional Speech. Interspeech "
    "2005, 1517–1520. doi 10.21437/Interspeech.2005-446",
    download="download.zip (40 MB) from http://emodb.bilderbar.info, as it is or unpacked",
)
CORPUS = Named(
    "emodb",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    SEX,
    counts={"angry": 127, "boredom": 81, "disgust": 46, "fear": 69, "happy": 71, "sad": 62, "neutral": 79},
    # Those takes of some 800 that were recognised and judged natural.
    by_speaker=dict(zip(SEX, (49, 58, 43, 38, 55, 35, 61, 69, 56, 71), strict=True)),
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Writes all ten speakers, every emotion, one sentence. Planted: a wrong name, a resource fork, an empty file."""
    folder = root / "emodb/wav"
    for speaker in SEX:
        for letter, label in LABELS.items():
            _tones.write(folder / f"{speaker}a01{letter}a.wav", 16_000, label, speaker, seed)
    _tones.write(folder / "03a01Xa.wav", 16_000, "angry", "03", seed)
    (folder / "._03a01Fa.wav").write_bytes(b"\0\5\x16\7")
    (folder / "16b10Wb.wav").touch()
    (folder.parent / "erkennung.txt").write_bytes("Nr.\tSatz\terkannt\tnatürlich\n".encode("latin-1"))
    return folder

"""SAVEE: four men, 120 utterances each. The speaker is in the folder (as distributed) or before the name (as mirrored).

Haq & Jackson (2009), University of Surrey.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ser.corpora import _tones
from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About
from ser.study.labels import SAVEE as LABELS

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "SAVEE"
FILES = "wav named DC/a01.wav or DC_a01.wav (speaker, emotion, number)"
FOLDER = "DC, JE, JK and KL, or ALL"
EXPECTED_SPEAKERS = 4
SPEAKERS = ("DC", "JE", "JK", "KL")
MEAN_SECONDS = (3.3, 4.4)  # 3.84
NAME = re.compile(
    r"/(?P<speaker>DC|JE|JK|KL)[/_](?P<sentence>(?P<label>sa|su|[adfhn])\d\d)\Z", re.ASCII | re.IGNORECASE
)
ABOUT = About(
    languages=("en",),
    kind="acted",
    licence="free of charge after registration; research only",
    reference="Haq & Jackson: Multimodal Emotion Recognition. In W. Wang (ed.), Machine Audition: Principles, "
    "Algorithms and Systems, IGI Global 2010, 398–423. doi 10.4018/978-1-61520-919-4.ch017",
    download="AudioData.zip after registration at http://kahlan.eps.surrey.ac.uk/savee",
    defects=("file names repeat from speaker to speaker; the speaker's folder is made part of an utterance's name",),
)


def _listed() -> Iterator[str]:
    """Fifteen of each emotion by each speaker, and thirty neutral ones."""
    for speaker in SPEAKERS:
        for code, label in LABELS.items():
            yield from (f"{speaker}_{code}{number:02d}" for number in range(1, 31 if label == "neutral" else 16))


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what a name says; names repeat from speaker to speaker, so that the speaker is part of the uid."""
    speaker, sentence, label = name["speaker"].upper(), name["sentence"].lower(), name["label"].lower()
    return {"uid": f"{speaker}_{sentence}", "speaker": speaker, "sentence": sentence, "label": label}


CORPUS = Named(
    "savee",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    "M",
    counts={label: 120 if label == "neutral" else 60 for label in LABELS.values()},
    by_speaker=dict.fromkeys(SPEAKERS, 120),
    listed=_listed,
    read=_read,
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Four speakers, every emotion twice. Planted: a mirrored twin under the other naming, a wrong name."""
    folder = root / "SAVEE"
    for speaker in SPEAKERS:
        for code, label in LABELS.items():
            for number in ("01", "02"):
                _tones.write(folder / f"AudioData/{speaker}/{code}{number}.wav", 44_100, label, speaker, seed, 0.3)
    _tones.write(folder / "ALL/DC_a01.wav", 44_100, "angry", "DC", seed, 0.3)
    _tones.write(folder / "AudioData/DC/z01.wav", 44_100, "angry", "DC", seed, 0.3)
    (folder / "AudioData/Info.txt").write_text("made\n", encoding="utf-8")
    return folder

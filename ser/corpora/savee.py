"""SAVEE: four men, 120 utterances each. The speaker is in the folder (as distributed) or before the name (as mirrored).

Haq & Jackson (2009), University of Surrey.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ser.corpora import _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Utterance
from ser.study.labels import SAVEE as LABELS

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "SAVEE"
FILES = "wav named DC/a01.wav or DC_a01.wav (speaker, emotion, number)"
FOLDER = "DC, JE, JK and KL, or ALL"
EXPECTED_SPEAKERS = 4
SPEAKERS = ("DC", "JE", "JK", "KL")
MEAN_SECONDS = (3.3, 4.4)  # 3.84
NAME = re.compile(r"/(DC|JE|JK|KL)[/_]((sa|su|[adfhn])\d\d)\Z", re.ASCII | re.IGNORECASE)
ABOUT = About(
    languages=("en",),
    kind="acted",
    licence="free of charge after registration; research only",
    reference="Haq & Jackson: Multimodal Emotion Recognition. In W. Wang (ed.), Machine Audition: Principles, "
    "Algorithms and Systems, IGI Global 2010, 398–423. doi 10.4018/978-1-61520-919-4.ch017",
    download="AudioData.zip after registration at http://kahlan.eps.surrey.ac.uk/savee",
    defects=("file names repeat from speaker to speaker; the speaker's folder is made part of an utterance's name",),
)


@dataclass(frozen=True)
class Settings:
    """The corpus leaves nothing to choose."""


def expected(settings: Settings) -> dict[str, int]:
    """Returns utterances per label of the release."""
    return {label: 120 if label == "neutral" else 60 for label in LABELS.values()}


def names(settings: Settings) -> frozenset[str]:
    """Fifteen of each emotion by each speaker, and thirty neutral ones."""
    return frozenset(
        f"{speaker}_{code}{number:02d}"
        for speaker in SPEAKERS
        for code, label in LABELS.items()
        for number in range(1, 31 if label == "neutral" else 16)
    )


def speakers(settings: Settings) -> dict[str, int]:
    """Returns utterances of each speaker."""
    return dict.fromkeys(SPEAKERS, 120)


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds every recording of the corpus, or None."""
    return folders.home(path for path, _ in folders.recordings(folder, NAME, FILES)[0])


def load(root: Path, settings: Settings, corpus: str = "savee") -> Listing:
    """Every recording; names repeat from speaker to speaker, so that the speaker is part of the uid."""
    clips, refused = folders.recordings(root, NAME, FILES)
    utterances = []
    for path, name in clips:
        speaker, code, emotion = name[1].upper(), name[2].lower(), name[3].lower()
        utterances.append(
            Utterance(
                uid=f"{corpus}/{speaker}_{code}",
                corpus=corpus,
                path=str(path),
                speaker=f"{corpus}/{speaker}",
                label_raw=emotion,
                label=LABELS[emotion],
                sex="M",
                sentence=code,
                language="en",
            )
        )
    return folders.listing(utterances, refused)


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

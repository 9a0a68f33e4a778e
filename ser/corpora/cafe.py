"""CaFE: twelve actors of Canadian French say six sentences in six emotions, mildly and strongly, and neutrally.

Gournay, Lahaie & Lefebvre (2018), Zenodo 1478765.
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from ser.corpora._named import Named, groups
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "CaFE"
FILES = "wav named like 01-C-1-1.wav (speaker, emotion, intensity, sentence)"
FOLDER = "Colère, Dégoût, Joie, Neutre, Peur, Surprise and Tristesse"
EXPECTED_SPEAKERS = 12
LABELS = {
    "C": "angry", "D": "disgust", "J": "happy", "N": "neutral", "P": "fear", "S": "surprise", "T": "sad",
}  # fmt: skip
SPEAKERS = tuple(f"{number:02d}" for number in range(1, 13))
NAME = ZIPPED = re.compile(
    r"/(?P<speaker>0[1-9]|1[0-2])-(?P<label>[CDJNPST])-(?P<intensity>[12])-(?P<sentence>[1-6])\Z", re.ASCII
)
ABOUT = About(
    languages=("fr-CA",),
    kind="acted",
    licence="CC BY-NC-SA 4.0",
    reference="Gournay, Lahaie & Lefebvre: A Canadian French Emotional Speech Dataset. ACM Multimedia Systems "
    "Conference 2018, 399–402. doi 10.1145/3204949.3208121",
    download="CaFE_48k.zip, or the two of 192 kHz, from https://doi.org/10.5281/zenodo.1478765",
    defects=("the zip files spell folders with accents in a code page of their own; names of files tell everything",),
)


def _listed() -> Iterator[str]:
    """Every sentence in both intensities, neutral in one."""
    for speaker, label, intensity, sentence in product(SPEAKERS, LABELS, (1, 2), range(1, 7)):
        if label != "N" or intensity == 1:
            yield f"{speaker}-{label}-{intensity}-{sentence}"


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what a name says: odd numbers are men, and what is neutral has no intensity."""
    intensity = "" if name["label"] == "N" else "mild" if name["intensity"] == "1" else "strong"
    return groups(name) | {"sex": "M" if int(name["speaker"]) % 2 else "F", "intensity": intensity}


CORPUS = Named(
    "cafe",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    counts={label: 72 if label == "neutral" else 144 for label in LABELS.values()},
    by_speaker=dict.fromkeys(SPEAKERS, 78),
    listed=_listed,
    read=_read,
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Four speakers, every emotion. Planted: a wrong name, an empty file."""
    folders = dict(zip(LABELS, ("Colère", "Dégoût", "Joie", "Neutre", "Peur", "Surprise", "Tristesse"), strict=True))
    paths = [f"{folders[e]}/Faible/{speaker}-{e}-1-1.wav" for speaker in SPEAKERS[:4] for e in LABELS]
    paths += ["Joie/Fort/01-J-2-6.wav", "Tristesse/Fort/12-T-2-6.wav"]
    return CORPUS.write(root / "CaFE", paths, 48_000, seed, wrong="Joie/Faible/13-J-1-1.wav")

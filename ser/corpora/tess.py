"""TESS: two actresses say 200 words in seven emotions. The file name says everything; folder spelling is irregular.

Pichora-Fuller & Dupuis (2020), doi 10.5683/SP2/E8H2MF. OAF is the older, YAF the younger speaker.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ser.corpora import _tones
from ser.data import folders as _tree
from ser.data.about import About
from ser.data.manifest import Listing, Utterance
from ser.study.labels import TESS as LABELS

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "TESS"
FILES = "wav named OAF_<word>_<emotion>.wav or YAF_<word>_<emotion>.wav"
FOLDER = "OAF_angry … YAF_sad, or the wavs themselves"
EXPECTED_SPEAKERS = 2
MEAN_SECONDS = (1.9, 2.2)  # 2.06
DAMAGED = frozenset(("YAF_germ_angry", "YAF_neat_fear"))  # in some copies
# One original file is called OA_bite_neutral; later copies renamed it to OAF.
NAME = ZIPPED = re.compile(rf"/(OAF|OA|YAF)_([a-z]+)_({'|'.join(LABELS)})\Z", re.IGNORECASE | re.ASCII)

# Northwestern University Auditory Test No. 6 (Tillman & Carhart 1966), four lists of 50.
WORDS = (
    "back bar base bath bean beg bite boat bone book bought burn cab calm came cause chain chair chalk chat check "
    "cheek chief choice cool dab date dead death deep dime dip ditch dodge dog doll door fail fall far fat fit "
    "five food gap gas gaze germ get gin goal good goose gun half hall hash hate have haze hire hit hole home "
    "hurl hush jail jar join judge jug juice keen keep keg kick kill king kite knock late laud lean learn lease "
    "lid life limb live loaf long lore lose lot love luck make match merge mess met mill mob mode mood moon mop "
    "mouse nag name near neat nice note numb pad page pain pass pearl peg perch phone pick pike pole pool puff "
    "rag raid rain raise rat reach read red ring ripe road room rose rot rough rush said sail search seize sell "
    "shack shall shawl sheep shirt should shout size soap soup sour south sub such sure take talk tape team tell "
    "thin third thought thumb time tip tire ton tool tough turn vine voice void vote wag walk wash week wheat "
    "when which whip white wife wire witch yearn yes young youth"
)
ABOUT = About(
    languages=("en",),
    kind="acted",
    licence="CC BY-NC-ND 4.0",
    reference="Pichora-Fuller & Dupuis: Toronto emotional speech set (TESS). Scholars Portal Dataverse, 2020. "
    "doi 10.5683/SP2/E8H2MF",
    download="dataverse_files.zip from https://doi.org/10.5683/SP2/E8H2MF, as it is or unpacked",
    defects=(
        "one file is called OA_bite_neutral; it is taken for OAF_bite_neutral",
        "YAF_germ_angry and YAF_neat_fear cannot be read in some copies, and are refused there",
        "mirrors hold every file twice; one of each is used",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The corpus leaves nothing to choose."""


def expected(settings: Settings) -> dict[str, int]:
    """Returns utterances per label of the release."""
    return dict.fromkeys(LABELS.values(), 400)


def names(settings: Settings) -> frozenset[str]:
    """Both speakers say every word in every emotion."""
    return frozenset(
        f"{who}_{word}_{emotion}" for who in ("OAF", "YAF") for word in WORDS.split() for emotion in LABELS
    )


def speakers(settings: Settings) -> dict[str, int]:
    """Returns utterances of each speaker."""
    return {"OAF": 1400, "YAF": 1400}


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds every recording of the corpus, or None."""
    return _tree.home(path for path, _ in _tree.recordings(folder, NAME, FILES)[0])


def load(root: Path, settings: Settings, corpus: str = "tess") -> Listing:
    """Every recording; ``sentence`` is the word said after "Say the word"."""
    clips, refused = _tree.recordings(root, NAME, FILES)
    utterances = []
    for path, name in clips:
        speaker = "YAF" if name[1].upper() == "YAF" else "OAF"
        word, emotion = name[2].lower(), name[3].lower()
        utterances.append(
            Utterance(
                uid=f"{corpus}/{speaker}_{word}_{emotion}",
                corpus=corpus,
                path=str(path),
                speaker=f"{corpus}/{speaker}",
                label_raw=emotion,
                label=LABELS[emotion],
                sex="F",
                sentence=word,
                language="en",
                text=f"Say the word {word}",
            )
        )
    return _tree.listing(utterances, refused)


def miniature(root: Path, seed: int = 0) -> Path:
    """Four words of both speakers. Planted: ``OA_bite``, a nested copy, a cut-off file, one at 96 kHz, a wrong name."""
    folder = root / "TESS Toronto emotional speech set data"
    for speaker, folders in (("OAF", _OAF), ("YAF", _YAF)):
        for emotion, where in zip(LABELS, folders, strict=True):
            for word in ("back", "bar", "base", "bite"):
                prefix = "OA" if (speaker, word, emotion) == ("OAF", "bite", "neutral") else speaker
                path = folder / f"{speaker}_{where}" / f"{prefix}_{word}_{emotion}.wav"
                _tones.write(path, 24_414, LABELS[emotion], speaker, seed)
    _tones.write(folder / "OAF_Fear/OAF_food_fear.wav", 96_000, "fear", "OAF", seed)
    _tones.write(folder / "OAF_Fear/OAF_food_fearful.wav", 24_414, "fear", "OAF", seed)
    _tones.write(folder / "YAF_angry/YAF_germ_angry.wav", 24_414, "angry", "YAF", seed)
    _tones.cut_off(folder / "YAF_angry/YAF_germ_angry.wav")
    shutil.copytree(folder / "YAF_sad", folder / folder.name / "YAF_sad")
    return folder


_OAF = ("angry", "disgust", "Fear", "happy", "neutral", "Pleasant_surprise", "Sad")
_YAF = ("angry", "disgust", "fear", "happy", "neutral", "pleasant_surprised", "sad")

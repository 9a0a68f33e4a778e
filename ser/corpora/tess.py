"""TESS: two actresses say 200 words in seven emotions. The file name says everything; folder spelling is irregular.

Pichora-Fuller & Dupuis (2020), doi 10.5683/SP2/E8H2MF. OAF is the older, YAF the younger speaker.
"""

import re
import shutil
from itertools import product
from pathlib import Path

from ser.corpora import _tones
from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About
from ser.study.labels import TESS as LABELS

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "TESS"
FILES = "wav named OAF_<word>_<emotion>.wav or YAF_<word>_<emotion>.wav"
FOLDER = "OAF_angry … YAF_sad, or the wavs themselves"
EXPECTED_SPEAKERS = 2
MEAN_SECONDS = (1.9, 2.2)  # 2.06
DAMAGED = frozenset(("YAF_germ_angry", "YAF_neat_fear"))  # in some copies
# One original file is called OA_bite_neutral; later copies renamed it to OAF.
NAME = ZIPPED = re.compile(
    rf"/(?P<speaker>OAF|OA|YAF)_(?P<sentence>[a-z]+)_(?P<label>{'|'.join(LABELS)})\Z", re.IGNORECASE | re.ASCII
)

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


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what a name says; the sentence is the word that follows "Say the word"."""
    speaker = "YAF" if name["speaker"].upper() == "YAF" else "OAF"
    word, emotion = name["sentence"].lower(), name["label"].lower()
    uid, text = f"{speaker}_{word}_{emotion}", f"Say the word {word}"
    return {"uid": uid, "speaker": speaker, "sentence": word, "label": emotion, "text": text}


CORPUS = Named(
    "tess",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    "F",
    counts=dict.fromkeys(LABELS.values(), 400),
    by_speaker={"OAF": 1400, "YAF": 1400},
    listed=lambda: ("_".join(parts) for parts in product(("OAF", "YAF"), WORDS.split(), LABELS)),
    read=_read,
)
expected, names, speakers, find, load = CORPUS.contract()


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

"""EmoV-DB: four speakers read the same English sentences amused, angry, disgusted, sleepy and without emotion.

Adigwe et al. (2018). The speaker is the folder's, bea_Amused or bea/Amused: names repeat from speaker to speaker.
"""

import re
from pathlib import Path

from ser.corpora._named import Named
from ser.corpora._named import Settings as Settings
from ser.data.about import About

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "EmoV-DB"
FILES = "wav named like bea_Amused/amused_57-84_0057.wav (speaker, emotion, number of the sentence)"
FOLDER = "bea_Amused, bea_Angry …"
EXPECTED_SPEAKERS = 4
MEAN_SECONDS = (4.6, 5.3)  # 4.96
LABELS = {"amused": "amused", "anger": "angry", "disgust": "disgust", "neutral": "neutral", "sleepiness": "sleepy"}
SEX = {"bea": "F", "jenie": "F", "josh": "M", "sam": "M"}
NAME = re.compile(
    r"/(?P<speaker>bea|jenie|josh|sam)[_/](?:(?:Amused|Angry|Anger|Disgust|Disgusted|Neutral|Sleepy|Sleepiness)/)?"
    r"(?P<stem>(?P<label>amused|anger|disgust|neutral|sleepiness)_\d{1,3}[-_]\d{1,3}_(?P<sentence>\d{4}))\Z",
    re.ASCII | re.IGNORECASE,
)
ABOUT = About(
    languages=("en",),
    kind="acted",
    licence="its own: free for research, not commercial",
    reference="Adigwe, Tits, El Haddad, Ostadabbas & Dutoit: The Emotional Voices Database: Towards Controlling the "
    "Emotion Dimension in Voice Generation Systems. arXiv 1806.09514, 2018",
    download="the archives of https://www.openslr.org/115, each unpacked in a folder of its own name",
    defects=(
        "josh was recorded amused, sleepy and without emotion alone",
        "recordings of bea have 44.1 kHz, those of the others 16 kHz",
        "names repeat from speaker to speaker; the speaker is made part of an utterance's name",
    ),
)


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what folder and name say, in lower case: spelling differs in both."""
    facts = {key: value.lower() for key, value in name.groupdict().items()}
    return facts | {"uid": f"{facts['speaker']}_{facts['stem']}"}


CORPUS = Named(
    "emov_db",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    SEX,
    counts={"amused": 1315, "angry": 1267, "disgust": 1019, "neutral": 1566, "sleepy": 1720},
    by_speaker={"bea": 1784, "jenie": 1790, "josh": 861, "sam": 2452},
    read=_read,
)
expected, names, speakers, find, load = CORPUS.contract()


def miniature(root: Path, seed: int = 0) -> Path:
    """Four speakers, every emotion that each has. Planted: other spellings, a name that all have, a wrong name."""
    folders = dict(zip(LABELS, ("Amused", "Angry", "Disgusted", "Neutral", "Sleepy"), strict=True))
    paths = [
        f"{speaker}_{folder}/{'Disgust' if (speaker, label) == ('sam', 'disgust') else label}_{numbers}.wav"
        for speaker in SEX
        for label, folder in folders.items()
        for numbers in ("1-28_0001", "57_84_0057")
        if not (speaker == "josh" and label in ("anger", "disgust"))
    ]
    return CORPUS.write(root / "EmoV-DB", paths, 16_000, seed, wrong="bea_Amused/amused_1-28.wav")

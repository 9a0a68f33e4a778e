"""RAVDESS: 24 actors, 2 sentences, spoken and sung. The seven numbers of a file name say everything.

Livingstone & Russo (2018), Zenodo 1188976. Of the catalogue's 7356 items the 2452 audio-only files (1440 spoken, 1012
sung) are the independent recordings: the others are the same takes with a picture, or without sound.
"""

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ser.corpora import _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Refusal, Utterance
from ser.errors import BadInput
from ser.study.labels import RAVDESS as LABELS
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "RAVDESS"
FILES = "wav named MM-VV-EE-II-SS-RR-AA.wav"
FOLDER = "Actor_01 … Actor_24"
EXPECTED_SPEAKERS = 24
MEAN_SECONDS = (3.3, 5.2)  # spoken 3.70, sung longer
DAMAGED = frozenset(("03-01-03-01-02-01-07", "03-01-03-01-02-02-07"))  # one recording under two names
NO_SONG = "18"  # the actor who did not sing
NAME = ZIPPED = re.compile(r"/((0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4]))\Z", re.ASCII)
CHANNELS = {"01": "speech", "02": "song"}
ACTORS = tuple(f"{number:02d}" for number in range(1, 25))
SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
ABOUT = About(
    languages=("en",),
    kind="acted",
    licence="CC BY-NC-SA 4.0",
    reference="Livingstone & Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). PLOS ONE "
    "13(5), 2018, e0196391. doi 10.1371/journal.pone.0196391",
    download="Audio_Speech_Actors_01-24.zip and, for songs, Audio_Song_Actors_01-24.zip from Zenodo, "
    "https://doi.org/10.5281/zenodo.1188976, as they are or unpacked; no video",
    defects=(
        "actor 18 did not sing",
        "03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 are one recording; one of them is used",
        "mirrors hold every file twice; one of each is used",
    ),
)


@dataclass(frozen=True)
class Settings:
    """Which recordings of the release are used."""

    channels: tuple[str, ...] = setting("spoken, sung, or both", ("speech",), choices=("speech", "song"))
    actors: tuple[str, ...] = setting(
        "two digits each as in the file names; none: all", (), choices=(f"{number:02d}" for number in range(1, 25))
    )


def expected(settings: Settings) -> dict[str, int]:
    """Utterances per label of the release: per actor 4 neutral and 8 of each other emotion; songs lack two emotions."""
    counts = dict.fromkeys(LABELS.values(), 0)
    actors = set(settings.actors or ACTORS)
    for channel in settings.channels:
        voices, absent = (actors, ()) if channel == "speech" else (actors - {NO_SONG}, ("disgust", "surprise"))
        for label in counts:
            counts[label] += 0 if label in absent else len(voices) * (4 if label == "neutral" else 8)
    return {label: count for label, count in counts.items() if count}


def names(settings: Settings) -> frozenset[str]:
    """Every combination of the numbers, but for neutral in strong intensity and what was not sung."""
    return frozenset(
        f"03-{channel}-{emotion}-{intensity}-{sentence}-{take}-{actor}"
        for channel, emotion, intensity, sentence, take, actor in product(
            CHANNELS, LABELS, ("01", "02"), SENTENCES, ("01", "02"), settings.actors or ACTORS
        )
        if CHANNELS[channel] in settings.channels
        and not (emotion == "01" and intensity == "02")
        and not (channel == "02" and (emotion > "06" or actor == NO_SONG))
    )


def speakers(settings: Settings) -> dict[str, int]:
    """Returns utterances of each actor."""
    return dict(Counter(name[-2:] for name in names(settings)))


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds every recording of the corpus, or None."""
    return folders.home(path for path, _ in folders.recordings(folder, NAME, FILES)[0])


def load(root: Path, settings: Settings, corpus: str = "ravdess") -> Listing:
    """Audio-only recordings of the wanted ``channels`` and ``actors``. Raises BadInput for others than there are."""
    channels, actors = settings.channels, settings.actors or ACTORS
    if not channels:
        raise BadInput("()", "loader.channels", "speech, song", "name one or both")
    clips, refused = folders.recordings(root, NAME, FILES)
    utterances = []
    for path, name in clips:
        stem, modality, channel, emotion, intensity, sentence, _, actor = name.groups()
        if modality != "03":
            refused.append(
                Refusal(str(path), f"modality {modality}: the sound of a video, the same take as an 03 file")
            )
        elif CHANNELS[channel] in channels and actor in actors:
            utterances.append(
                Utterance(
                    uid=f"{corpus}/{stem}",
                    corpus=corpus,
                    path=str(path),
                    speaker=f"{corpus}/{actor}",
                    label_raw=emotion,
                    label=LABELS[emotion],
                    sex="M" if int(actor) % 2 else "F",
                    sentence=sentence,
                    intensity="strong" if intensity == "02" else "normal",
                    channel=CHANNELS[channel],
                    language="en",
                    text=SENTENCES[sentence],
                )
            )
    return folders.listing(utterances, refused)


def miniature(root: Path, seed: int = 0) -> Path:
    """Eight actors, spoken and sung. Planted: a stereo file, a doubled actor, a video and its sound, a wrong name."""
    folder = root / "RAVDESS"
    for actor in (1, 2, 3, 4, 5, 6, 17, 18):
        for channel, emotion in [("01", e) for e in LABELS] + [("02", e) for e in LABELS if e < "07" and actor != 18]:
            for sentence in ("01", "02") if channel == "01" else ("01",):
                take = f"03-{channel}-{emotion}-01-{sentence}-01-{actor:02d}"
                _write(folder / f"Actor_{actor:02d}/{take}.wav", emotion, actor, seed)
    _write(folder / "Actor_01/03-01-05-02-01-01-01.wav", "05", 1, seed)
    _write(folder / "Actor_01/03-01-02-01-01-02-01.wav", "02", 1, seed, channels=2)
    _write(folder / "Actor_02/01-01-03-01-01-01-02.wav", "03", 2, seed)
    _write(folder / "Actor_02/03-01-09-01-01-01-02.wav", "03", 2, seed)
    (folder / "Actor_02/01-01-03-01-01-01-02.mp4").write_bytes(b"not read")
    shutil.copytree(folder / "Actor_03", folder / "audio_speech_actors_01-24/Actor_03")
    return folder


def _write(path: Path, emotion: str, actor: int, seed: int, channels: int = 1) -> None:
    _tones.write(path, 48_000, LABELS[emotion], f"ravdess/{actor:02d}", seed, seconds=0.3, channels=channels)

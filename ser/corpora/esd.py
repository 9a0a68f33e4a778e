"""ESD, the Emotional Speech Database: ten Mandarin and ten English speakers, 350 sentences each in five emotions.

Zhou et al. (2021). The emotion is the folder's; tables of texts write it in two languages and many encodings, and are
not read. The release's folders train, evaluation and test divide sentences, for voice conversion: all speakers are in
each, and they are not used.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ser.corpora._named import Named
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing
from ser.errors import BadInput
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "ESD"
FILES = "wav named like 0011/Angry/0011_000351.wav (speaker, emotion, number)"
FOLDER = "0001 … 0020"
EXPECTED_SPEAKERS = 20
MEAN_SECONDS = (2.8, 3.2)  # 2.99
# Numbers of a speaker go through the emotions: 1 to 350 neutral, 351 to 700 angry …
LABELS = {"Neutral": "neutral", "Angry": "angry", "Happy": "happy", "Sad": "sad", "Surprise": "surprise"}
SENTENCES = 350
NAME = re.compile(
    r"/(?:(?P<label>Angry|Happy|Neutral|Sad|Surprise)/(?:(?:train|evaluation|test)/)?)?"
    r"(?P<uid>(?P<speaker>00(?:0[1-9]|1\d|20))_(?!000000)(?P<number>00(?:0\d{3}|1[0-6]\d\d|17[0-4]\d|1750)))\Z",
    re.ASCII | re.IGNORECASE,
)
MEN = frozenset(("0004", "0005", "0006", "0008", "0010", "0011", "0012", "0013", "0014", "0020"))
SPEAKERS = {"zh": tuple(f"{n:04d}" for n in range(1, 11)), "en": tuple(f"{n:04d}" for n in range(11, 21))}
ABOUT = About(
    languages=("zh", "en"),
    kind="acted",
    licence="form of the National University of Singapore; research only",
    reference="Zhou, Sisman, Liu & Li: Seen and Unseen Emotional Style Transfer for Voice Conversion with a New "
    "Emotional Speech Dataset. ICASSP 2021, 920–924. doi 10.1109/ICASSP39728.2021.9413391",
    download="after the form at https://hltsingapore.github.io/ESD, unpacked",
    defects=("tables of texts are in many encodings, and are not read",),
)


@dataclass(frozen=True)
class Settings:
    """Which speakers are used: the corpus is two, of one language each."""

    languages: tuple[str, ...] = setting("Mandarin, English, or both", ("zh", "en"), choices=("zh", "en"))


def _listed() -> Iterator[str]:
    for speaker in (*SPEAKERS["zh"], *SPEAKERS["en"]):
        yield from (f"{speaker}_{number:06d}" for number in range(1, SENTENCES * len(LABELS) + 1))


def _read(name: re.Match[str]) -> dict[str, str]:
    """Returns what folder and name say; without a folder of its emotion a recording's number says which it is."""
    number = int(name["number"]) - 1
    label = (name["label"] or list(LABELS)[number // SENTENCES % len(LABELS)]).capitalize()
    return {**name.groupdict(""), "label": label, "sentence": str(number % SENTENCES + 1)}


CORPUS = Named(
    "esd",
    NAME,
    FILES,
    ABOUT,
    LABELS,
    {speaker: "M" if speaker in MEN else "F" for speakers in SPEAKERS.values() for speaker in speakers},
    read=_read,
)
find = CORPUS.find


def _speakers(settings: Settings) -> dict[str, str]:
    """Returns the languages of the speakers that are used."""
    return {speaker: language for language in settings.languages for speaker in SPEAKERS[language]}


def expected(settings: Settings) -> dict[str, int]:
    """Returns utterances per label: 350 of each speaker."""
    return dict.fromkeys(LABELS.values(), SENTENCES * len(_speakers(settings)))


def names(settings: Settings) -> frozenset[str]:
    """Returns 1750 numbers of each speaker."""
    used = _speakers(settings)
    return frozenset(name for name in _listed() if name[:4] in used)


def speakers(settings: Settings) -> dict[str, int]:
    """Returns utterances of each speaker."""
    return dict.fromkeys(_speakers(settings), SENTENCES * len(LABELS))


def load(root: Path, settings: Settings, corpus: str = "esd") -> Listing:
    """Every recording of the wanted ``languages``. Raises BadInput without any."""
    if not settings.languages:
        raise BadInput("()", "loader.languages", "zh, en", "name one or both")
    listing, languages = CORPUS.load(root, settings, corpus), _speakers(settings)
    pairs = ((u, languages.get(u.speaker.rpartition("/")[2])) for u in listing.utterances)
    return folders.listing((replace(u, language=language) for u, language in pairs if language), listing.refused)


def miniature(root: Path, seed: int = 0) -> Path:
    """Two men and two women of each language. Planted: the release's folders, a flat copy, a wrong name, tables."""
    folder = root / "ESD"
    paths = [
        f"{speaker}/{emotion}/{'evaluation/' if speaker == '0011' else ''}{speaker}_{SENTENCES * number + 1:06d}.wav"
        for speaker in ("0003", "0004", "0007", "0010", "0011", "0014", "0015", "0018")
        for number, emotion in enumerate(LABELS)
    ]
    paths += ["flat/0020_000351.wav", "flat/0020_000352.wav"]
    CORPUS.write(folder, paths, 16_000, seed, wrong="0003/Angry/0003_001751.wav")
    (folder / "0003/0003.txt").write_bytes("0003_000001\t打远一看\t中立\n".encode("gb2312"))
    return folder

"""CREMA-D: 91 actors, 12 sentences, 6 acted emotions, and what some 2400 people perceived in each clip.

Cao et al. (2014), github.com/CheyneyComputerScience/CREMA-D. The recordings alone give the acted emotion.
With ``processedResults/tabulatedVotes.csv`` beside them every vote is kept in ``votes``, one entry per vote, its rater
named by what was shown: ``voice``, ``face`` or ``av`` (both). With the setting ``ties``, made for clips of several
emotions (Pho et al. 2020), ``votes`` are the winners that the label is counted from instead.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ser.corpora import _tables, _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Refusal, Utterance
from ser.errors import BadInput
from ser.study.labels import CREMA_D as LABELS
from ser.study.labels import CREMA_D_VOTES as LETTERS
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "CREMA-D"
FILES = "wav named like 1001_DFA_ANG_XX.wav (actor, sentence, emotion, level)"
FOLDER = "AudioWAV and the tables beside it"
EXPECTED_SPEAKERS = 91
MEAN_SECONDS = (2.3, 2.8)  # 2.54
DAMAGED = frozenset(("1076_MTI_SAD_XX",))  # silent
NAME = re.compile(
    r"/((\d{4})_(IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI)_(ANG|DIS|FEA|HAP|NEU|SAD))_(LO|MD|HI|XX|X)\Z",
    re.ASCII | re.IGNORECASE,
)
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
# Not in the release: some sentences of three actors in all emotions, of two others without emotion.
UNRECORDED = ("1008_WSI_", "1009_MTI_", "1019_ITH_", "1002_TIE_NEU", "1076_ITS_NEU")
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": ""}
MODALITIES = {"1": "voice", "2": "face", "3": "av"}  # first digit of a table row's six-digit number
COLUMNS = {"videodemographics.csv": {"actorid", "sex"}, "tabulatedvotes.csv": {"", "filename", *"adfhns"}}
MOST_VOTES = 1000  # of one label for one clip; some ten people saw each
Votes = dict[str, dict[str, Counter[str]]]  # clip -> what was shown -> votes per label
Pairs = tuple[tuple[str, str], ...]  # (what was shown, label)
ABOUT = About(
    languages=("en",),
    kind="acted",
    licence="Open Database License, its contents under the Database Contents License",
    reference="Cao, Cooper, Keutmann, Gur, Nenkova & Verma: CREMA-D: Crowd-sourced Emotional Multimodal Actors "
    "Dataset. IEEE Transactions on Affective Computing 5(4), 2014, 377–390. doi 10.1109/TAFFC.2014.2336244",
    download="git clone https://github.com/CheyneyComputerScience/CREMA-D with git-lfs; AudioWAV, processedResults and "
    "VideoDemographics.csv of it are enough",
    defects=(
        "1076_MTI_SAD_XX is silent, and refused",
        "1040_ITH_SAD_X is the file 1040_ITH_SAD_XX of the tables in clones before October 2022; read under that name",
        "archives that GitHub makes hold pointers instead of recordings; they are refused with the remedy",
    ),
)


@dataclass(frozen=True)
class Settings:
    """What a clip's label is counted from."""

    # "acted": what the actor was asked for. "voice": the most frequent vote of those who only listened.
    # "pooled3": the most frequent among the winners of voice, face and both, as in the multi-label literature.
    label_source: str = setting("what is counted", "acted", choices=("acted", "voice", "pooled3"))
    # Clips of several winners are kept, under the alphabetically first, and ``votes`` are what counts for the label:
    # the winners of each row that ``label_source`` looks at, none where it is "acted".
    ties: bool = setting("keep clips of several winners", False)


def expected(settings: Settings) -> dict[str, int]:
    """Utterances per label of the release; fewer for the voted labels, which tied clips lack where ties are refused."""
    counts = {
        ("acted", False): (1271, 1271, 1271, 1271, 1087, 1271),
        ("acted", True): (1271, 1271, 1271, 1271, 1087, 1271),
        ("voice", False): (986, 547, 645, 353, 3897, 370),
        ("voice", True): (1153, 684, 793, 431, 4011, 370),
        ("pooled3", False): (1010, 978, 864, 1207, 2246, 499),
        ("pooled3", True): (1195, 1188, 1023, 1223, 2314, 499),
    }
    return dict(zip(LABELS.values(), counts[settings.label_source, settings.ties], strict=True))


def names(settings: Settings) -> frozenset[str]:
    """All sentences in all emotions by all actors, one of them in three levels; unknown where ties are refused."""
    if settings.label_source != "acted" and not settings.ties:
        return frozenset()
    every = (
        f"{actor}_{sentence}_{emotion}_{level}"
        for actor in range(1001, 1001 + EXPECTED_SPEAKERS)
        for sentence in SENTENCES
        for emotion in LABELS
        for level in (("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",))
    )
    return frozenset(name for name in every if not name.startswith(UNRECORDED))


def speakers(settings: Settings) -> dict[str, int]:
    """Returns utterances of each actor."""
    counts = Counter(name[:4] for name in names(settings))
    return {str(actor): counts[str(actor)] for actor in range(1001, 1001 + EXPECTED_SPEAKERS)}


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds the recordings and their tables, or None."""
    clips, _ = folders.recordings(folder, NAME, FILES)
    return folders.home(chain((path for path, _ in clips), _tables.nearest(folder, COLUMNS).values()) if clips else ())


def load(root: Path, settings: Settings, corpus: str = "crema_d") -> Listing:
    """Every recording; sex and votes where the tables are there. Raises BadInput where votes are wanted and missing."""
    source, ties = settings.label_source, settings.ties
    clips, refused = folders.recordings(root, NAME, FILES)
    tables = _tables.nearest(root, COLUMNS)
    sex, votes = _sexes(tables, refused), _votes(root, tables, source, refused)
    utterances = []
    for path, name in clips:
        clip, actor, sentence, emotion, level = (group.upper() for group in name.groups())
        level = "XX" if level == "X" else level  # 1040_ITH_SAD_X in clones older than October 2022
        clip_votes = votes.get(f"{clip}_{level}", {})
        counted = _counted(clip_votes, source)
        winners = [LABELS[emotion]] if source == "acted" else _most(Counter(label for _, label in counted))
        if not winners or (len(winners) > 1 and not ties):
            reason = f"{source} votes tie: {', '.join(winners)}" if winners else f"no {source} votes in the table"
            refused.append(Refusal(str(path), reason))
            continue
        utterances.append(
            Utterance(
                uid=f"{corpus}/{clip}_{level}",
                corpus=corpus,
                path=str(path),
                speaker=f"{corpus}/{actor}",
                label_raw=emotion if source == "acted" else ":".join(winners),
                label=winners[0],
                sex=sex.get(actor, ""),
                votes=counted if ties else _every(clip_votes),
                sentence=sentence,
                intensity=LEVELS[level],
                language="en",
            )
        )
    return folders.listing(utterances, refused)


def counted_votes(root: Path, settings: Settings, refused: list[Refusal] | None = None) -> dict[str, Pairs]:
    """For each clip of the vote table what ``load`` gives as its ``votes`` with ``ties``; recordings are not needed.

    Lines that are no votes are added to ``refused``. Raises BadInput where there is no usable table.
    """
    refusals = [] if refused is None else refused
    source = settings.label_source
    votes = _votes(root, _tables.nearest(root, COLUMNS), source, refusals)
    return {clip: _counted(clip_votes, source) for clip, clip_votes in votes.items()}


def _rows(path: Path, refused: list[Refusal]) -> Iterator[tuple[int, dict[str, str]]]:
    return _tables.rows(path, COLUMNS[path.name.lower()], refused)


def _sexes(tables: Mapping[str, Path], refused: list[Refusal]) -> dict[str, str]:
    path = tables.get("videodemographics.csv")
    initials = {row["actorid"]: row["sex"][:1].upper() for _, row in _rows(path, refused)} if path else {}
    return {actor: sex for actor, sex in initials.items() if sex in ("F", "M")}


def _votes(root: Path, tables: Mapping[str, Path], source: str, refused: list[Refusal]) -> Votes:
    votes: Votes = {}
    path = tables.get("tabulatedvotes.csv")
    for line, row in _rows(path, refused) if path else ():
        modality = MODALITIES.get(row[""][:1])
        try:
            counts = {label: int(row[letter.lower()]) for letter, label in LETTERS.items()}
        except ValueError:
            modality = None
        if modality is None or len(row[""]) != 6 or max(counts.values()) > MOST_VOTES:
            refused.append(Refusal(f"{path}:{line}", "not a line of vote counts"))
            continue
        # The authors write -1 for "no value"; Counter.elements() passes over what is not positive.
        votes.setdefault(row["filename"], {})[modality] = Counter(counts)
    if source != "acted" and not votes:
        raise BadInput(
            f"no usable tabulatedVotes.csv below {root}",
            f"crema_d label_source {source}",
            "a folder with processedResults/tabulatedVotes.csv",
            "run `git lfs pull` in the clone, or set label_source to acted",
        )
    return votes


def _every(clip_votes: Mapping[str, Counter[str]]) -> Pairs:
    return tuple(
        (modality, label)
        for modality in MODALITIES.values()
        for label in clip_votes.get(modality, Counter()).elements()
    )


def _counted(clip_votes: Mapping[str, Counter[str]], source: str) -> Pairs:
    """Returns the winners of each row that the label is counted from."""
    rows = {"acted": (), "voice": ("voice",), "pooled3": tuple(MODALITIES.values())}[source]
    return tuple((modality, label) for modality in rows for label in _most(clip_votes.get(modality, Counter())))


def _most(votes: Counter[str]) -> list[str]:
    """Returns all labels with the most votes, sorted."""
    top = max(votes.values(), default=0)
    return sorted(label for label, count in votes.items() if count == top > 0)


def miniature(root: Path, seed: int = 0) -> Path:
    """Six actors, three sentences, both tables.

    Planted: the ``_X`` name, tied votes, a -1, a clip without votes, an LFS pointer, a silent clip, a wrong name.
    """
    folder = root / "CREMA-D"
    actors = {"1001": "Male", "1002": "Female", "1003": "Female", "1005": "Male", "1040": "Female", "1076": "Female"}
    clips = []
    for actor in actors:
        for sentence, level in (("DFA", "XX"), ("IEO", "HI"), ("ITH", "XX")):
            for emotion, label in LABELS.items():
                clip = f"{actor}_{sentence}_{emotion}_{'XX' if emotion == 'NEU' else level}"
                path = folder / f"AudioWAV/{clip.replace('1040_ITH_SAD_XX', '1040_ITH_SAD_X')}.wav"
                _tones.write(path, 16_000, label, f"crema_d/{actor}", seed)
                clips.append((clip, emotion[0]))
    _tones.write(folder / "AudioWAV/1001_ITH_HAP_YY.wav", 16_000, "happy", "crema_d/1001", seed)
    silent = folder / "AudioWAV/1076_MTI_SAD_XX.wav"
    _tones.write(silent, 16_000, "sad", "crema_d/1076", seed)
    silent.write_bytes(silent.read_bytes()[:44] + bytes(silent.stat().st_size - 44))
    (folder / "AudioWAV/1003_DFA_SAD_XX.wav").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 80000\n", encoding="utf-8"
    )
    demographics = [
        ("ActorID", "Age", "Sex", "Race", "Ethnicity"),
        *((a, 40, sex, "", "") for a, sex in actors.items()),
    ]
    _tables.write(folder / "VideoDemographics.csv", demographics)
    votes: list[tuple[Any, ...]] = [("", *LETTERS, "fileName", "numResponses", "agreement", "emoVote", "meanEmoResp")]
    for number, (clip, letter) in enumerate(clips, start=1):
        for modality in MODALITIES:
            if clip == "1002_IEO_DIS_HI":
                continue
            counts = {code: 6 if code == letter else int(code == "N") for code in LETTERS}
            if clip == "1001_DFA_ANG_XX":  # voice and face tie, and together they win for disgust
                counts |= (
                    {"D": 6} if modality == "1" else {"A": 1, "D": 6} if modality == "2" else {"A": 1, "D": -1, "S": 8}
                )
            winners = ":".join(c for c in LETTERS if counts[c] == max(counts.values()))
            cells = (*counts.values(), clip, sum(counts.values()), 0.6, winners, -1)
            votes.append((f"{modality}{number:05d}", *cells))
    _tables.write(folder / "processedResults/tabulatedVotes.csv", votes)
    return folder

"""IEMOCAP: ten actors in five sessions of dialogue, improvised and scripted, every turn judged by several raters.

Busso et al. (2008), sail.usc.edu/iemocap. Labels stand in ``dialog/EmoEvaluation/<dialogue>.txt``. The letter in
``Ses01F`` says who wore the motion-capture markers; who speaks is the last letter, as in ``Ses01F_impro01_M003``.
A turn without majority among its raters (``xxx``) has the label "unknown"; ``votes`` holds every judgement of C-E, C-F
and C-M raters, several of one rater included: those who listened, and the speakers on themselves. Of them
``ser.data.votes`` makes label sets. With the setting ``ratings`` utterances have the means of what the listeners (A-E
raters) gave for valence, activation and dominance; what is missing in a line, or off the scale, is left out of a mean.
"""

import re
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import fmean

from ser.corpora import _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Refusal, Utterance
from ser.study.labels import IEMOCAP as LABELS
from ser.study.labels import IEMOCAP_WORDS as WORDS
from ser.study.settings import setting

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "IEMOCAP"
FILES = "wav named like Ses01F_impro01_F000.wav with label files Ses01F_impro01.txt"
FOLDER = "Session1 … Session5"
EXPECTED_SPEAKERS = 10
PLACES = ("ratings",)  # no part of a trial's identity: the corpus's fingerprint has the ratings themselves
SCALE = (1.0, 5.0)
MEAN_SECONDS = (4.2, 4.7)  # 4.46
NAME = re.compile(r"/(Ses0(\d)([FM])_([^/]+)_([FM])(\d{3}))\Z", re.ASCII | re.IGNORECASE)
LABEL_FILE = re.compile(r"Ses0\d[FM]_.+\.txt", re.ASCII | re.IGNORECASE)
LABEL_LINE = re.compile(r"\[\d+\.\d+ - \d+\.\d+\]\t(Ses0\d[FM]_\S+)\t([a-z]{3})\t\[.*\]\s*", re.ASCII)
# Emotions end at a tab or at the comment in parentheses, which may hold tabs and semicolons itself.
VOTE_LINE = re.compile(r"(C-[EFM]\w*):?\s*([^(\t]*)", re.ASCII)
RATING_LINE = re.compile(r"A-E\w*:?\s*val\s*(\d{0,9})\s*;\s*act\s*(\d{0,9})\s*;\s*dom\s*(\d{0,9})\s*;", re.ASCII)
TEXT_LINE = re.compile(r"(Ses0\d[FM]_\S+) \[\d+\.\d+-\d+\.\d+\]:? ?(.*)", re.ASCII)
ABOUT = About(
    languages=("en",),
    kind="acted",
    licence="request form of the University of Southern California; research only, not to be passed on",
    reference="Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee & Narayanan: IEMOCAP: Interactive emotional "
    "dyadic motion capture database. Language Resources and Evaluation 42(4), 2008, 335–359. "
    "doi 10.1007/s10579-008-9076-6",
    download="IEMOCAP_full_release.tar.gz after the form at https://sail.usc.edu/iemocap; Session1 … Session5 of it, "
    "of which dialog/EmoEvaluation, dialog/transcriptions and sentences/wav are enough",
    defects=(
        "resource forks of macOS (._ files) lie between the label files, and are left out",
        "2507 turns have no majority among their raters; their label is unknown",
    ),
)


@dataclass(frozen=True)
class Settings:
    """What is read of the label files beside labels and votes."""

    ratings: bool = setting("means of the listeners' valence, arousal and dominance, 1 to 5", False)


@dataclass
class _Turn:
    label: str
    votes: list[tuple[str, str]]
    source: str  # file and line
    ratings: tuple[list[int], list[int], list[int]] = field(default_factory=lambda: ([], [], []))  # of listeners

    def means(self) -> tuple[float | None, float | None, float | None]:
        """Returns the mean ratings of valence, arousal and dominance, None where nobody gave one."""
        valence, arousal, dominance = (fmean(values) if values else None for values in self.ratings)
        return valence, arousal, dominance


def expected(settings: Settings) -> dict[str, int]:
    """Returns utterances per label of the release, 10039 together."""
    return {
        "neutral": 1708, "frustrated": 1849, "angry": 1103, "sad": 1084, "excited": 1041, "happy": 595, "surprise": 107,
        "fear": 40, "other": 3, "disgust": 2, "unknown": 2507,
    }  # fmt: skip


def scale(settings: Settings) -> tuple[float, float] | None:
    """Returns the lowest and the highest rating, None where ratings are not read."""
    return SCALE if settings.ratings else None


def speakers(settings: Settings) -> dict[str, int]:
    """Names all speakers; how many turns each has is not stated."""
    return {f"Ses0{session}{sex}": 0 for session in range(1, 6) for sex in "FM"}


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds the recordings and their label files, or None."""
    wavs = [path for path, _ in folders.recordings(folder, NAME, FILES)[0]]
    texts = _texts(folder)
    return folders.home(chain(wavs, texts)) if wavs and texts else None


def load(root: Path, settings: Settings, corpus: str = "iemocap") -> Listing:
    """Every turn that has both a recording and a label."""
    clips, refused = folders.recordings(root, NAME, FILES)
    turns, texts = _read(root, refused)
    utterances = []
    recorded = set()
    for path, name in clips:
        uid, session, dialogue, sex = _turn(name)
        recorded.add(uid)
        turn = turns.get(uid)
        if turn is None:
            refused.append(Refusal(str(path), "no label line for this recording"))
            continue
        valence, arousal, dominance = turn.means() if settings.ratings else (None, None, None)
        utterances.append(
            Utterance(
                uid=f"{corpus}/{uid}",
                corpus=corpus,
                path=str(path),
                speaker=f"{corpus}/Ses0{session}{sex}",
                label_raw=turn.label,
                label=LABELS[turn.label],
                sex=sex,
                votes=tuple(turn.votes),
                session=session,
                sentence=dialogue,
                channel="dialog",
                language="en",
                text=texts.get(uid, ""),
                valence=valence,
                arousal=arousal,
                dominance=dominance,
            )
        )
    refused += [Refusal(turn.source, f"no recording {uid}.wav") for uid, turn in turns.items() if uid not in recorded]
    return folders.listing(utterances, refused)


def _turn(name: re.Match[str]) -> tuple[str, str, str, str]:
    """The turn as label files write it, its session, dialogue and speaker's sex: some copies are in lower case."""
    _, session, marked, dialogue, sex, number = name.groups()
    dialogue, sex = dialogue.lower(), sex.upper()
    return f"Ses0{session}{marked.upper()}_{dialogue}_{sex}{number}", session, dialogue, sex


def _texts(folder: Path) -> list[Path]:
    return [path for path in folders.files(folder, suffixes=(".txt",)) if LABEL_FILE.fullmatch(path.name)]


def _read(root: Path, refused: list[Refusal]) -> tuple[dict[str, _Turn], dict[str, str]]:
    """Turns and texts by uid. Label files, transcripts and motion-capture share names: the first line tells."""
    turns: dict[str, _Turn] = {}
    texts: dict[str, str] = {}
    label_files: dict[str, Path] = {}
    for path in _texts(root):
        head = folders.text(path, refused, first=200).lstrip()
        if head.startswith("% [START_TIME") or re.match(r"\[\d", head):
            if (other := label_files.setdefault(path.name.lower(), path)) != path:
                refused.append(Refusal(str(path), f"duplicate of {other}"))
                continue
            _read_labels(path, turns, refused)
        elif TEXT_LINE.match(head):
            for line in folders.text(path, refused).splitlines():
                if match := TEXT_LINE.fullmatch(line):
                    texts.setdefault(match[1], match[2].strip())
    return turns, texts


def _read_labels(path: Path, turns: dict[str, _Turn], refused: list[Refusal]) -> None:
    turn = _Turn("", [], "")
    for number, line in enumerate(folders.text(path, refused).splitlines(), start=1):
        place = f"{path}:{number}"
        if line.startswith("["):
            turn = _Turn("", [], place)  # lines after one that cannot be used must not fall to the turn before
            match = LABEL_LINE.fullmatch(line)
            if not match or match[2] not in LABELS:
                refused.append(Refusal(place, f"not a label line: {line.strip()[:80]!r}"))
            elif match[1] in turns:
                refused.append(Refusal(place, f"{match[1]} is labelled before, in {turns[match[1]].source}"))
            else:
                turn.label = match[2]
                turns[match[1]] = turn
        elif match := VOTE_LINE.match(line):
            for word in filter(None, map(str.strip, match[2].split(";"))):
                if word.lower() in WORDS:
                    turn.votes.append((match[1], WORDS[word.lower()]))
                else:
                    refused.append(Refusal(place, f"unknown emotion {word!r} of rater {match[1]}"))
        elif match := RATING_LINE.match(line):
            for ratings, digits in zip(turn.ratings, match.groups(), strict=True):
                if digits and SCALE[0] <= int(digits) <= SCALE[1]:
                    ratings.append(int(digits))


def miniature(root: Path, seed: int = 0) -> Path:
    """Five sessions, two dialogues each, both speakers.

    Planted: several labels in a line, semicolons and tabs in comments, a missing value, a turn without majority, a
    resource fork, back-channels, a label without sound, sound without label, a broken label line, motion-capture of
    the same name.
    """
    folder = root / "IEMOCAP_full_release"
    for session in range(1, 6):
        for dialogue in (f"Ses0{session}F_impro01", f"Ses0{session}M_script01_1b"):
            codes = [(sex, code) for sex in "FM" for code in ("hap", "ang", "neu", "sad")]
            if dialogue == "Ses01F_impro01":
                codes += [("F", "xxx"), ("M", "oth"), ("F", "exc"), ("M", "fru")]
            _write_dialogue(folder / f"Session{session}", dialogue, codes, seed)
    dialog, sounds = folder / "Session1/dialog", folder / "Session1/sentences/wav/Ses01F_impro01"
    with (dialog / "EmoEvaluation/Ses01F_impro01.txt").open("a", newline="", encoding="utf-8") as file:
        file.write("[90.0000 - 91.0000]\tSes01F_impro01_F900\tneu\t[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\n\n")
        file.write("[91.0000 - 92.0000] Ses01F_impro01_F901 neu [2.5000, 2.5000, 2.5000]\nC-E2:\tAnger;\t()\n\n")
    (dialog / "EmoEvaluation/._Ses01F_impro01.txt").write_bytes(b"\0\5\x16\7")
    (dialog / "EmoEvaluation/Categorical").mkdir()
    (dialog / "EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt").write_text(
        "Ses01F_impro01_F000 :Anger; ()\n", encoding="utf-8"
    )
    (dialog / "MOCAP_head").mkdir()
    (dialog / "MOCAP_head/Ses01F_impro01.txt").write_text(
        "Frame# Time pitch roll yaw tra_x tra_y tra_z\n1 0 0 0 0 0 0 0\n", encoding="utf-8"
    )
    _tones.write(dialog / "wav/Ses01F_impro01.wav", 16_000, "neutral", "iemocap/Ses01F", seed)
    _tones.write(sounds / "Ses01F_impro01_M902.wav", 16_000, "neutral", "iemocap/Ses01M", seed)
    return folder


def _write_dialogue(session: Path, dialogue: str, codes: list[tuple[str, str]], seed: int) -> None:
    words = {label: word.capitalize() for word, label in WORDS.items()}
    labels = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"]
    texts = []
    for number, (sex, code) in enumerate(codes):
        turn, start_s = f"{dialogue}_{sex}{number:03d}", 2.5 * number + 6.2901
        word = words.get(LABELS[code], "Anger")
        labels.append(f"[{start_s:.4f} - {start_s + 2:.4f}]\t{turn}\t{code}\t[2.5000, 2.5000, 2.5000]\n")
        second = "Frustration" if code == "ang" else "Sadness" if code == "xxx" else ""
        labels.append(
            f"C-E2:\t{word};\t()\nC-E3:\t{word}; {second + ';' if second else ''}\t(a little; not\tmuch; Fear)\n"
        )
        labels.append(f"C-E4:\tNeutral;\t()\nC-{sex}1:\t{word};\t()\n")
        labels.append(
            "A-E3:\tval 3; act 2; dom  2;\t()\nA-E4:\tval 2; act 3; dom  ;\t(mixture of anger and sadness)\n\n"
        )
        texts.append(f"{turn} [{start_s:08.4f}-{start_s + 2:08.4f}]: Made turn {number}.\n")
        speaker = f"iemocap/{dialogue[:5]}{sex}"
        label = LABELS[code] if code != "xxx" else "angry"
        _tones.write(session / f"sentences/wav/{dialogue}/{turn}.wav", 16_000, label, speaker, seed)
    texts.append(f"{dialogue}_MXX0 [005.0000-005.5000]: Mmhm.\nM: Hm.\n")
    for folder, lines in (("EmoEvaluation", labels), ("transcriptions", texts)):
        (session / "dialog" / folder).mkdir(parents=True, exist_ok=True)
        (session / "dialog" / folder / f"{dialogue}.txt").write_text("".join(lines), encoding="utf-8", newline="")

"""MSP-IMPROV: twelve actors in six sessions, improvised scenes around target sentences, and what lies between them.

Busso et al. (2017), University of Texas at Dallas. 8438 turns, of which 7798 have one of the four classes. Labels
stand in one file, called ``Evalution.txt`` in the release: per turn a line with the majority and the means of the
raters, then a line per rater. ``votes`` are the raters' first emotions, each rater once: some lines are there twice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from ser.corpora import _tones
from ser.data import folders
from ser.data.about import About
from ser.data.manifest import Listing, Refusal, Utterance

VERSION = 1  # goes up when the same folder gives other utterances
TITLE = "MSP-IMPROV"
FILES = "wav named like MSP-IMPROV-S01A-F01-P-FM01.wav with the label file Evalution.txt"
FOLDER = "session1 … session6 and Evalution.txt"
EXPECTED_SPEAKERS = 0  # turns without majority and of other emotions are not counted apart in what is published
SCALE = (1.0, 5.0)
LABELS = {"N": "neutral", "H": "happy", "S": "sad", "A": "angry", "O": "other", "X": "unknown"}  # X: no majority
WORDS = {word: word for word in ("neutral", "happy", "sad", "angry", "other")}  # of raters
NAME = re.compile(
    r"/MSP-(?P<turn>IMPROV-S(?P<sentence>\d\d)(?P<target>[AHNS])-(?P<speaker>[FM]0(?P<session>[1-6]))"
    r"-(?P<scene>[PRST])-[FM]{1,2}\d\d)\Z",
    re.ASCII | re.IGNORECASE,
)
LABEL_FILES = ("evalution.txt", "evaluation.txt")  # the first is the release's spelling
SCENES = {"R": "read", "S": "improvised", "T": "target", "P": "natural"}
SUMMARY = re.compile(r"(?:UTD|MSP)-(IMPROV-[A-Z0-9-]+)\.(?:avi|wav)\s*;\s*([A-Z])\s*;(.*)", re.ASCII | re.IGNORECASE)
RATER = re.compile(r"([\w-]+)\s*;\s*([A-Za-z]+)\s*;.*", re.ASCII)
RATING = re.compile(r"\b([AVD])\s*:\s*(\d(?:\.\d{1,9})?)\s*(?=;|$)", re.ASCII)
ABOUT = About(
    languages=("en",),
    kind="elicited",
    licence="academic licence of the University of Texas at Dallas, to be signed; research only",
    reference="Busso, Parthasarathy, Burmania, AbdelWahab, Sadoughi & Mower Provost: MSP-IMPROV: An Acted Corpus of "
    "Dyadic Interactions to Study Emotion Perception. IEEE Transactions on Affective Computing 8(1), 2017, 67–80. "
    "doi 10.1109/TAFFC.2016.2515617",
    download="request at https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html; the wav files of "
    "session1 … session6 and Evalution.txt are enough, no video",
    defects=(
        "the label file is called Evalution.txt; Evaluation.txt is read as well",
        "the label file calls turns UTD-IMPROV-…, where recordings are called MSP-IMPROV-…",
        "lines of some raters are there twice; each rater counts once",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The corpus leaves nothing to choose."""


@dataclass
class _Turn:
    label: str
    ratings: dict[str, float]  # means by A, V and D
    source: str  # file and line
    votes: dict[str, str] = field(default_factory=dict)


def expected(settings: Settings) -> dict[str, int]:
    """Returns {}: how the 640 turns outside the four classes divide is not known here."""
    return {}


def scale(settings: Settings) -> tuple[float, float]:
    """Returns the lowest and the highest rating."""
    return SCALE


def find(folder: Path) -> Path | None:
    """Returns the narrowest folder at or below ``folder`` that holds the recordings and their label file, or None."""
    wavs = [path for path, _ in folders.recordings(folder, NAME, FILES)[0]]
    labels = list(_label_files(folder)) if wavs else []
    return folders.home(chain(wavs, labels)) if labels else None


def load(root: Path, settings: Settings, corpus: str = "msp_improv") -> Listing:
    """Every turn that has both a recording and a label."""
    clips, refused = folders.recordings(root, NAME, FILES)
    turns: dict[str, _Turn] = {}
    for path in _label_files(root):
        _read(path, turns, refused)
    utterances, recorded = [], set()
    for path, name in clips:
        facts = {key: value.upper() for key, value in name.groupdict().items()}
        recorded.add(facts["turn"])
        turn = turns.get(facts["turn"])
        if turn is None:
            refused.append(Refusal(str(path), "no label line for this recording"))
            continue
        utterances.append(
            Utterance(
                uid=f"{corpus}/MSP-{facts['turn']}",
                corpus=corpus,
                path=str(path),
                speaker=f"{corpus}/{facts['speaker']}",
                label_raw=turn.label,
                label=LABELS[turn.label],
                sex=facts["speaker"][0],
                votes=tuple(turn.votes.items()),
                session=facts["session"].lstrip("0"),
                sentence=f"{facts['sentence']}{facts['target']} {SCENES[facts['scene']]}",
                channel="dialog",
                language="en",
                valence=turn.ratings.get("V"),
                arousal=turn.ratings.get("A"),
                dominance=turn.ratings.get("D"),
            )
        )
    refused += [Refusal(t.source, f"no recording MSP-{name}.wav") for name, t in turns.items() if name not in recorded]
    return folders.listing(utterances, refused)


def _label_files(folder: Path) -> Iterator[Path]:
    for path in folders.files(folder, suffixes=(".txt",)):
        if path.name.lower() in LABEL_FILES and re.search("-IMPROV-", folders.text(path, [], first=4000)):
            yield path


def _read(path: Path, turns: dict[str, _Turn], refused: list[Refusal]) -> None:
    """Adds the turns of a label file; a line of a turn that is there before is refused, as are lines of no kind."""
    turn: _Turn | None = None  # of lines before the first, or after one that cannot be used
    for number, line in enumerate(folders.text(path, refused).splitlines(), start=1):
        place = f"{path}:{number}"
        if match := SUMMARY.match(line):
            name, label, turn = match[1].upper(), match[2].upper(), None
            if label not in LABELS:
                refused.append(Refusal(place, f"unknown label {label!r}"))
            elif name in turns:
                refused.append(Refusal(place, f"{name} is labelled before, in {turns[name].source}"))
            else:
                turn = turns[name] = _Turn(label, _ratings(match[3]), place)
        elif match := RATER.match(line):
            if match[2].lower() not in WORDS:
                refused.append(Refusal(place, f"unknown emotion {match[2]!r} of rater {match[1]}"))
            elif turn is not None:
                turn.votes.setdefault(match[1], WORDS[match[2].lower()])
        elif line.strip():
            refused.append(Refusal(place, f"not a label line: {line.strip()[:80]!r}"))


def _ratings(text: str) -> dict[str, float]:
    """Returns the means of a line by letter, without those that are missing (NaN) or off the scale."""
    means = {letter.upper(): float(number) for letter, number in RATING.findall(text)}
    return {letter: mean for letter, mean in means.items() if SCALE[0] <= mean <= SCALE[1]}


def miniature(root: Path, seed: int = 0) -> Path:
    """Two sessions, four speakers, every class.

    Planted: a rater's line twice, a missing mean, a turn without majority, a label without recording, a recording
    without label, a line of no kind, another name.
    """
    folder = root / "MSP-IMPROV"
    lines = []
    for session in (1, 2):
        for sex, turn in (("F", "FM01"), ("M", "MF01")):
            for code, label in LABELS.items():
                target = code if code in "AHNS" else "N"
                sentence = {"O": "02", "X": "03"}.get(code, "01")
                name = f"IMPROV-S{sentence}{target}-{sex}0{session}-S-{turn}"
                path = folder / f"session{session}/S{sentence}{target}/S/MSP-{name}.wav"
                _tones.write(
                    path, 44_100, label if label != "unknown" else "neutral", f"{sex}0{session}", seed, seconds=0.3
                )
                lines += _lines(name, code)
    lines += _lines("IMPROV-S01A-F01-P-FM09", "N")
    lines.append("no line\n")
    for name in ("MSP-IMPROV-S01A-F01-S-FM08", "MSP-IMPROV-S01A-F07-S-FM01"):
        _tones.write(folder / f"session1/S01A/S/{name}.wav", 44_100, "angry", "F01", seed, seconds=0.3)
    (folder / "Evalution.txt").write_text("".join(lines), encoding="utf-8", newline="")
    return folder


def _lines(name: str, code: str) -> list[str]:
    """Returns the block of one turn, with one rater twice and, where nobody agrees, without a mean of dominance."""
    words = {label: word.capitalize() for word, label in WORDS.items()}
    votes = ["Sad", "Happy"] if code == "X" else [words[LABELS[code]]] * 2
    dominance = "NaN" if code == "X" else "3.000000"
    raters = [
        f"{rater}; {word}; {word},Excited; A:{n}.000000; V:4.000000; D:3.000000; N:5.000000;\n"
        for n, (rater, word) in enumerate(zip(("ID1", "ID2-p", "ID2-p"), (*votes, votes[1]), strict=True), start=2)
    ]
    return [f"UTD-{name}.avi; {code}; A:2.500000; V:4.000000; D:{dominance} ; N:5.000000;\n", *raters, "\n"]

"""IEMOCAP's five sessions of a woman and a man: their turns in four dialogues each, and the files about a dialogue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ser.demo.acting import Stage, Take
from ser.demo.plan import Cast, Plan, Seconds
from ser.study.labels import IEMOCAP_WORDS

Votes = tuple[tuple[str, str], ...]  # (rater, word)
Attributes = tuple[tuple[str, tuple[int, int, int]], ...]  # (rater, valence, activation, dominance: 1 to 5)

WORDS = {label: word.capitalize() for word, label in IEMOCAP_WORDS.items()}
_SCENES = ("F_impro01", "M_impro02", "F_script01_1", "M_script02_2b")
_ATTRIBUTES = {
    "neu": (3, 2, 3),
    "hap": (4, 3, 3),
    "sad": (2, 2, 2),
    "ang": (2, 4, 4),
    "exc": (4, 4, 3),
    "fru": (2, 3, 3),
}


@dataclass(frozen=True)
class Part:
    """What a turn is to be: its code in the label file (``neu`` ... ``xxx``), and the emotions acted at once."""

    code: str
    emotions: tuple[str, ...]


@dataclass(frozen=True)
class _Turn:
    """A turn with what was said of it."""

    name: str
    path: str
    text: str
    code: str
    votes: Votes
    attributes: Attributes


def iemocap(
    rng: np.random.Generator,
    stage: Stage,
    parts: Callable[[], Sequence[Part]],
    text: Callable[[], str],
    votes: Callable[[Part, str, list[str]], Votes],
) -> Plan:
    """The corpus. ``parts()`` gives the turns of the next speaker, women first; ``text()`` what is said in a turn.

    ``votes(part, sex, raters)`` is what the three ``raters`` of the session, and the speaker, call a turn.
    """
    root = "IEMOCAP_full_release"
    cast, dialogues = [], {}
    for session in range(1, 6):
        spoken: dict[str, list[Take]] = {"F": [], "M": []}
        acted = {sex: parts() for sex in "FM"}
        raters = [f"E{n}" for n in sorted(rng.choice(np.arange(1, 7), 3, replace=False))]
        order = [(s, p) for pair in zip_longest(*([(x, p) for p in acted[x]] for x in "FM")) if pair for s, p in pair]
        for number, scene in enumerate(_SCENES):
            dialogue, turns = f"Ses0{session}{scene}", []
            counts = {"F": 0, "M": 0}
            for sex, part in order[number * len(order) // 4 : (number + 1) * len(order) // 4]:
                name = f"{dialogue}_{sex}{counts[sex]:03d}"
                counts[sex] += 1
                path = f"Session{session}/sentences/wav/{dialogue}/{name}.wav"
                take = Take(path, text(), part.emotions[0], also=part.emotions[1:])
                spoken[sex].append(take)
                labels = votes(part, sex, raters)
                turns.append(_Turn(name, path, take.text, part.code, labels, _attributes(rng, part.code, raters[:2])))
            dialogues[f"Session{session}", dialogue] = turns
        cast += [Cast(f"Ses0{session}{sex}", sex, session - 1, tuple(takes)) for sex, takes in spoken.items()]

    def label(root: Path, seconds: Seconds) -> None:
        for (session, dialogue), turns in dialogues.items():
            _write(root / session / "dialog", dialogue, turns, seconds)

    return Plan("iemocap", root, root, "en-us", stage, tuple(cast), label)


def _attributes(rng: np.random.Generator, code: str, raters: Sequence[str]) -> Attributes:
    """Valence, activation and dominance, 1 to 5, as each of ``raters`` finds them in a turn of this code."""
    usual = _ATTRIBUTES.get(code, (3, 3, 3))
    ratings = []
    for rater in raters:
        valence, activation, dominance = (int(v) for v in np.clip(np.add(usual, rng.integers(-1, 2, 3)), 1, 5))
        ratings.append((rater, (valence, activation, dominance)))
    return tuple(ratings)


def _write(folder: Path, dialogue: str, turns: list[_Turn], seconds: Seconds) -> None:
    """``EmoEvaluation/<dialogue>.txt`` and ``transcriptions/<dialogue>.txt``."""
    labels, texts, now_s = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"], [], 6.0
    for turn in turns:
        end_s = now_s + seconds[turn.path]
        mean = ", ".join(f"{m:.4f}" for m in np.mean([values for _, values in turn.attributes], axis=0))
        labels.append(f"[{now_s:.4f} - {end_s:.4f}]\t{turn.name}\t{turn.code}\t[{mean}]\n")
        labels += [f"C-{rater}:\t{word};\t()\n" for rater, word in turn.votes]
        labels += [f"A-{rater}:\tval {v}; act {a}; dom  {d};\t()\n" for rater, (v, a, d) in turn.attributes]
        labels.append("\n")
        texts.append(f"{turn.name} [{now_s:08.4f}-{end_s:08.4f}]: {turn.text}\n")
        now_s = end_s + 0.5
    for name, written in (("EmoEvaluation", labels), ("transcriptions", texts)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / f"{dialogue}.txt").write_text("".join(written), encoding="utf-8", newline="")

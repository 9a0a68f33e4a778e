"""The four demo corpora as their loaders expect them: who says what, under which file name, and the label files.

A plan is made from the seed alone. Label files that hold times or paths are written when the sound is there.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ser.demo import lines
from ser.demo.acting import Stage, Take
from ser.labels import IEMOCAP, IEMOCAP_WORDS, RAVDESS, TESS

Seconds = Mapping[str, float]  # duration of every take, by path


@dataclass(frozen=True)
class Cast:
    """One speaker and all that he or she says. ``voice`` numbers the voice variants of that sex."""

    speaker: str
    sex: str
    voice: int
    takes: tuple[Take, ...]


@dataclass(frozen=True)
class Plan:
    """A corpus to be made: below ``root``, spoken by ``cast``; ``label(root, seconds)`` writes its label files."""

    name: str
    root: str
    entry: str  # what a loader is given, relative to the demo folder
    language: str
    stage: Stage
    cast: tuple[Cast, ...]
    label: Callable[[Path, Seconds], None] = lambda root, seconds: None


def plans(seed: int, scale: float) -> tuple[Plan, ...]:
    """All four; ``scale`` 1 is an hour of speech, less keeps about that share of every speaker's takes."""
    rng = np.random.default_rng((seed, 0))
    return tuple(plan(rng, scale) for plan in (_iemocap, _tess, _ravdess, _customer))


def _some(rng: np.random.Generator, takes: list[Take], scale: float) -> tuple[Take, ...]:
    chosen = rng.permutation(len(takes))[: max(1, round(scale * len(takes)))]
    return tuple(takes[i] for i in sorted(chosen))


def _ravdess(rng: np.random.Generator, scale: float) -> Plan:
    """24 actors, odd ones men: neutral 4, happy, sad and angry 8 takes each, calm 2."""
    cast = []
    for actor in range(1, 25):
        takes = [
            Take(
                path=f"Actor_{actor:02d}/03-01-{emotion}-{intensity}-{sentence}-{repetition}-{actor:02d}.wav",
                text=lines.RAVDESS[sentence],
                emotion=RAVDESS[emotion],
                intensity=1.3 if intensity == "02" else 0.9,
            )
            for emotion in ("01", "02", "03", "04", "05")
            for intensity in (("01",) if emotion in ("01", "02") else ("01", "02"))
            for sentence in lines.RAVDESS
            for repetition in (("01",) if emotion == "02" else ("01", "02"))
        ]
        cast.append(Cast(f"{actor:02d}", "M" if actor % 2 else "F", actor // 2, _some(rng, takes, scale)))
    stage = Stage(48000, strength=1.2, spread=1.0, noise_db=(32.0, 40.0))
    return Plan("ravdess", "ravdess", "ravdess", "en-us", stage, tuple(cast))


def _tess(rng: np.random.Generator, scale: float) -> Plan:
    """Two women, thirty words: angry, happy, neutral and sad, and six of pleasant surprise."""
    folders = {"ps": {"OAF": "Pleasant_surprise", "YAF": "pleasant_surprised"}, "sad": {"OAF": "Sad"}}
    cast = []
    for voice, speaker in ((1, "OAF"), (2, "YAF")):
        takes = [
            Take(
                path=f"{speaker}_{folders.get(emotion, {}).get(speaker, emotion)}/{speaker}_{word}_{emotion}.wav",
                text=f"Say the word {word}",
                emotion=TESS[emotion],
            )
            for emotion in ("angry", "happy", "neutral", "ps", "sad")
            for word in (lines.TESS[::5] if emotion == "ps" else lines.TESS)
        ]
        cast.append(Cast(speaker, "F", voice, _some(rng, takes, scale)))
    stage = Stage(24414, strength=1.7, spread=0.8, noise_db=(28.0, 36.0), speakers=0.3)
    return Plan("tess", "tess", "tess", "en-us", stage, tuple(cast))


def _customer(rng: np.random.Generator, scale: float) -> Plan:
    """Thirty speakers on the telephone; one half was labelled in Portuguese, the other in English."""
    portuguese = {"neutral": "neutro", "angry": "raiva", "happy": "feliz", "sad": "triste", "fear": "medo"}
    cast, rows = [], []
    for number in range(1, 31):
        speaker, sex = f"c{number:02d}", "FM"[number % 2]
        count = max(4, round(15 * scale))
        drawn = rng.choice(["neutral", "angry", "happy", "sad"], count - 4, p=[0.42, 0.28, 0.18, 0.12])
        emotions = rng.permutation([*drawn, "neutral", "angry", "happy", "sad", "fear"])
        takes = [
            Take(f"audio/{speaker}_{i:03d}.wav", str(rng.choice(lines.CALLS)), str(emotion))
            for i, emotion in enumerate(emotions)
        ]
        cast.append(Cast(speaker, sex, number // 2, tuple(takes)))
        rows += [
            (t.path, portuguese[t.emotion] if number % 2 else t.emotion, speaker, sex, "pt", t.text) for t in takes
        ]

    def label(root: Path, seconds: Seconds) -> None:
        with (root / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "label", "speaker", "sex", "language", "text"), *rows])

    stage = Stage(8000, strength=1.4, spread=0.9, noise_db=(15.0, 28.0), band_hz=(300.0, 3400.0))
    return Plan("customer", "customer", "customer/manifest.csv", "pt-br", stage, tuple(cast), label)


@dataclass(frozen=True)
class _Turn:
    """A turn of an IEMOCAP dialogue: its code (``neu`` ... ``xxx``) and the raters' words."""

    name: str
    path: str
    text: str
    code: str
    votes: tuple[tuple[str, str], ...]  # (rater, word)
    attributes: tuple[tuple[str, tuple[int, int, int]], ...]  # (rater, valence, activation, dominance: 1-5)


_WORDS = {label: word.capitalize() for word, label in IEMOCAP_WORDS.items()}
_ATTRIBUTES = {
    "neu": (3, 2, 3),
    "hap": (4, 3, 3),
    "sad": (2, 2, 2),
    "ang": (2, 4, 4),
    "exc": (4, 4, 3),
    "fru": (2, 3, 3),
}


def _iemocap(rng: np.random.Generator, scale: float) -> Plan:
    """Five sessions of a woman and a man in four dialogues; classes as unequal as in the real corpus."""
    root = "IEMOCAP_full_release"
    cast, dialogues = [], {}
    for session in range(1, 6):
        spoken: dict[str, list[Take]] = {"F": [], "M": []}
        codes = {sex: _codes(rng, scale) for sex in "FM"}
        raters = [f"E{n}" for n in sorted(rng.choice(np.arange(1, 7), 3, replace=False))]
        order = [(s, c) for pair in zip_longest(*([(x, c) for c in codes[x]] for x in "FM")) if pair for s, c in pair]
        for part, scene in enumerate(("F_impro01", "M_impro02", "F_script01_1", "M_script02_2b")):
            dialogue, turns = f"Ses0{session}{scene}", []
            said = {"F": 0, "M": 0}
            for sex, code in order[part * len(order) // 4 : (part + 1) * len(order) // 4]:
                name = f"{dialogue}_{sex}{said[sex]:03d}"
                said[sex] += 1
                take = Take(
                    f"Session{session}/sentences/wav/{dialogue}/{name}.wav",
                    str(rng.choice(lines.DIALOGUE)),
                    IEMOCAP[code],
                )
                spoken[sex].append(take)
                turns.append(_judged(rng, name, take, code, sex, raters))
            dialogues[f"Session{session}", dialogue] = turns
        cast += [Cast(f"Ses0{session}{sex}", sex, session - 1, tuple(takes)) for sex, takes in spoken.items()]

    def label(root: Path, seconds: Seconds) -> None:
        for (session, dialogue), turns in dialogues.items():
            _write_dialogue(root / session / "dialog", dialogue, turns, seconds)

    stage = Stage(16000, strength=1.2, spread=1.1, noise_db=(20.0, 34.0))
    return Plan("iemocap", root, root, "en-us", stage, tuple(cast), label)


def _codes(rng: np.random.Generator, scale: float) -> list[str]:
    """What one speaker's turns are labelled: about 45 of the four classes, every class at least once, and 5 others."""
    usual, others = max(4, round(45 * scale)), round(5 * scale)
    drawn = rng.choice(["neu", "ang", "sad", "hap"], usual - 4, p=[0.38, 0.25, 0.24, 0.13])
    return [
        str(c)
        for c in rng.permutation(["neu", "ang", "sad", "hap", *drawn, *rng.choice(["exc", "fru", "xxx"], others)])
    ]


def _judged(rng: np.random.Generator, name: str, take: Take, code: str, sex: str, raters: list[str]) -> _Turn:
    """The turn with two of three raters agreeing on its code, or all three at odds for ``xxx``."""
    words = [w for w in ("Neutral", "Happiness", "Sadness", "Anger", "Frustration") if w != _WORDS.get(IEMOCAP[code])]
    if code == "xxx":
        voted = [str(w) for w in rng.choice(words, 3, replace=False)]
    else:
        own = _WORDS[IEMOCAP[code]]
        voted = [own, own, own if rng.random() < 0.6 else str(rng.choice(words))]
    votes = list(zip(raters, voted, strict=True))
    if rng.random() < 0.3:
        votes.append((f"{sex}1", voted[0]))  # the actor's own judgement
    usual = _ATTRIBUTES.get(code, (3, 3, 3))
    attributes = []
    for rater in raters[:2]:
        valence, activation, dominance = (int(v) for v in np.clip(np.add(usual, rng.integers(-1, 2, 3)), 1, 5))
        attributes.append((rater, (valence, activation, dominance)))
    return _Turn(name, take.path, take.text, code, tuple(votes), tuple(attributes))


def _write_dialogue(folder: Path, dialogue: str, turns: list[_Turn], seconds: Seconds) -> None:
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

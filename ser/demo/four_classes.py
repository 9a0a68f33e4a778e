"""Four demo corpora for the study of four classes: happy, angry, neutral and sad, and a few of other emotions.

A plan is made from the seed alone. Label files that hold times or paths are written when the sound is there.
"""

import csv
from pathlib import Path

import numpy as np

from ser.demo import lines
from ser.demo.acting import Stage, Take
from ser.demo.dialogue import WORDS, Part, Votes, iemocap
from ser.demo.plan import Cast, Plan, Seconds, share_of
from ser.study.labels import IEMOCAP, RAVDESS, TESS


def plans(seed: int, scale: float) -> tuple[Plan, ...]:
    """All four; ``scale`` 1 is an hour of speech, less keeps about that share of every speaker's takes."""
    rng = np.random.default_rng((seed, 0))
    return tuple(plan(rng, scale) for plan in (_iemocap, _tess, _ravdess, _customer))


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
        cast.append(Cast(f"{actor:02d}", "M" if actor % 2 else "F", actor // 2, share_of(rng, takes, scale)))
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
        cast.append(Cast(speaker, "F", voice, share_of(rng, takes, scale)))
    stage = Stage(24414, strength=1.7, spread=0.8, noise_db=(28.0, 36.0), speakers=0.3)
    return Plan("tess", "tess", "tess", "en-us", stage, tuple(cast))


def _customer(rng: np.random.Generator, scale: float) -> Plan:
    """Thirty speakers on the telephone; one half was labelled in Portuguese, the other in English."""
    portuguese = {"neutral": "neutro", "angry": "raiva", "happy": "feliz", "sad": "triste", "fear": "medo"}
    cast, rows = [], []
    for number in range(1, 31):
        speaker, sex = f"c{number:02d}", "FM"[number % 2]
        count = max(4, round(15 * scale))
        others = rng.choice(["neutral", "angry", "happy", "sad"], count - 4, p=[0.42, 0.28, 0.18, 0.12])
        emotions = rng.permutation([*others, "neutral", "angry", "happy", "sad", "fear"])
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


def _iemocap(rng: np.random.Generator, scale: float) -> Plan:
    """Five sessions of a woman and a man in four dialogues; classes as unequal as in the real corpus."""
    return iemocap(
        rng,
        Stage(16000, strength=1.2, spread=1.1, noise_db=(20.0, 34.0)),
        parts=lambda: [Part(code, (IEMOCAP[code],)) for code in _codes(rng, scale)],
        text=lambda: str(rng.choice(lines.DIALOGUE)),
        votes=lambda part, sex, raters: _votes(rng, part.code, sex, raters),
    )


def _codes(rng: np.random.Generator, scale: float) -> list[str]:
    """What one speaker's turns are labelled: about 45 of the four classes, every class at least once, and 5 others."""
    usual, rare = max(4, round(45 * scale)), round(5 * scale)
    others = rng.choice(["neu", "ang", "sad", "hap"], usual - 4, p=[0.38, 0.25, 0.24, 0.13])
    return [
        str(c) for c in rng.permutation(["neu", "ang", "sad", "hap", *others, *rng.choice(["exc", "fru", "xxx"], rare)])
    ]


def _votes(rng: np.random.Generator, code: str, sex: str, raters: list[str]) -> Votes:
    """Two of three raters agree on the turn's code, or all three are at odds for ``xxx``."""
    words = [w for w in ("Neutral", "Happiness", "Sadness", "Anger", "Frustration") if w != WORDS.get(IEMOCAP[code])]
    if code == "xxx":
        voted = [str(w) for w in rng.choice(words, 3, replace=False)]
    else:
        agreed = WORDS[IEMOCAP[code]]
        voted = [agreed, agreed, agreed if rng.random() < 0.6 else str(rng.choice(words))]
    votes = list(zip(raters, voted, strict=True))
    if rng.random() < 0.3:
        votes.append((f"{sex}1", voted[0]))  # the actor's own judgement
    return tuple(votes)

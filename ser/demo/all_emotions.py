"""Four demo corpora with all their emotions, for the studies of more than four classes, of song, segments and votes.

As in the real ones, votes on CREMA-D and IEMOCAP tie on some clips: those are acted as all of the tied emotions at
once, so that their label sets can be learned. Both are noisy, and a pause before the speech tells the noise.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ser.demo import lines
from ser.demo.acting import Stage, Take
from ser.demo.dialogue import WORDS, Part, Votes, iemocap
from ser.demo.plan import Cast, Plan, Seconds
from ser.study.labels import CREMA_D, CREMA_D_VOTES, IEMOCAP, RAVDESS, TESS

# Shares of clips with two and three emotions in the real corpora, by ``ser.votes.tied``.
_CREMA_D_TIES, _IEMOCAP_TIES = (0.033, 0.049), (0.048, 0.070)
_CREMA_D_ACTORS = tuple(str(number) for number in range(1001, 1011))
_LEVELS = {"LO": 0.8, "MD": 1.0, "HI": 1.3, "XX": 1.0}
_HEARD_NEUTRAL = 0.15  # of the clips of other emotions, by those who only listen
_WORDS = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad")
_TABLE = ["", *CREMA_D_VOTES, "fileName", "numResponses", "agreement", "emoVote"]
_TABLE += [f"{mean}Resp{n}" for n in ("", "Norm") for mean in ("meanEmo", *(f"mean{w}" for w in _WORDS), "medianEmo")]
_TURNS = 22  # of an IEMOCAP speaker
_USUAL = {"neu": 0.22, "fru": 0.12, "ang": 0.2, "sad": 0.18, "exc": 0.15, "hap": 0.13}
_RARE = ("sur", "fea", "sur", "dis", "sur")  # one for each woman, and one for each man
_MERGED = {"excited": "happy", "frustrated": "angry"}  # for the study of votes


def plans(seed: int, scale: float) -> tuple[Plan, ...]:
    """All four; ``scale`` 1 is forty minutes, less and more keep every class of every speaker."""
    rng = np.random.default_rng((seed, 1))
    return tuple(plan(rng, scale) for plan in (_ravdess, _tess, _crema_d, _iemocap))


def _ravdess(rng: np.random.Generator, scale: float) -> Plan:
    """Actors 01 to 12, odd ones men: 12 takes spoken in 8 emotions and 8 sung in 6."""
    cast = []
    for actor in range(1, 13):
        takes = [
            take
            for channel, count in (("01", 12), ("02", 8))
            for take in _every_class(rng, _ravdess_takes(channel, actor), round(count * scale))
        ]
        cast.append(Cast(f"{actor:02d}", "M" if actor % 2 else "F", actor // 2, takes=tuple(takes)))
    stage = Stage(48000, strength=1.4, spread=0.8, noise_db=(32.0, 40.0), pauses_s=(1.1, 1.1))
    return Plan("ravdess", "ravdess", "ravdess", "en-us", stage, tuple(cast))


def _ravdess_takes(channel: str, actor: int) -> list[Take]:
    """All that an actor says (channel 01: 60 takes) or sings (02: 44)."""
    return [
        Take(
            path=f"Actor_{actor:02d}/03-{channel}-{emotion}-{intensity}-{sentence}-{repetition}-{actor:02d}.wav",
            text=lines.RAVDESS[sentence],
            emotion=RAVDESS[emotion],
            intensity=1.3 if intensity == "02" else 0.9,
            sung=channel == "02",
        )
        for emotion in RAVDESS
        if channel == "01" or RAVDESS[emotion] not in ("disgust", "surprise")
        for intensity in (("01",) if emotion == "01" else ("01", "02"))
        for sentence in lines.RAVDESS
        for repetition in ("01", "02")
    ]


def _every_class(rng: np.random.Generator, takes: Sequence[Take], count: int) -> list[Take]:
    """About ``count`` of the takes in their order, one of every emotion at least."""
    order = [int(i) for i in rng.permutation(len(takes))]
    first = {takes[i].emotion: i for i in reversed(order)}.values()
    rest = [i for i in order if i not in first]
    return [takes[i] for i in sorted([*first, *rest[: max(0, count - len(first))]])]


def _tess(rng: np.random.Generator, scale: float) -> Plan:
    """Two women, twelve words in seven emotions."""
    folders = {"ps": {"OAF": "Pleasant_surprise", "YAF": "pleasant_surprised"}, "sad": {"OAF": "Sad"}}
    words = [str(w) for w in rng.permutation(lines.TESS)[: max(1, round(12 * scale))]]
    cast = []
    for voice, speaker in ((1, "OAF"), (2, "YAF")):
        takes = [
            Take(
                path=f"{speaker}_{folders.get(emotion, {}).get(speaker, emotion)}/{speaker}_{word}_{emotion}.wav",
                text=f"Say the word {word}",
                emotion=label,
            )
            for emotion, label in TESS.items()
            for word in words
        ]
        cast.append(Cast(speaker, "F", voice, tuple(takes)))
    stage = Stage(24414, strength=1.7, spread=0.8, noise_db=(28.0, 36.0), speakers=0.3)
    return Plan("tess", "tess", "tess", "en-us", stage, tuple(cast))


def _crema_d(rng: np.random.Generator, scale: float) -> Plan:
    """Ten actors, odd ones men, twenty clips each; and votes of people who had the voice, the face or both."""
    per_actor = [_every_class(rng, _crema_d_takes(actor), round(20 * scale)) for actor in _CREMA_D_ACTORS]
    total = sum(map(len, per_actor))
    kinds = iter(_kinds(rng, total, total, _CREMA_D_TIES))
    cast, rows = [], []
    for number, (actor, takes) in enumerate(zip(_CREMA_D_ACTORS, per_actor, strict=True)):
        rated = []
        for take in takes:
            others = [label for label in CREMA_D.values() if label != take.emotion]
            also = tuple(str(label) for label in rng.choice(others, next(kinds) - 1, replace=False))
            winners = _winners(take.emotion, also)
            if not also and take.emotion != "neutral" and rng.random() < _HEARD_NEUTRAL:
                also, winners = ("neutral",), [("neutral",), *winners[1:]]
            rated.append(Take(take.path, take.text, take.emotion, take.intensity, also))
            rows.append([_table_row(rng, Path(take.path).stem, labels) for labels in winners])
        cast.append(Cast(actor, "FM"[int(actor) % 2], number // 2, tuple(rated)))
    ages = [int(age) for age in rng.integers(20, 75, len(cast))]

    def label(root: Path, seconds: Seconds) -> None:
        sexes = {"F": "Female", "M": "Male"}
        people = [(int(c.speaker), age, sexes[c.sex], "", "") for c, age in zip(cast, ages, strict=True)]
        _write_table(root / "VideoDemographics.csv", ["ActorID", "Age", "Sex", "Race", "Ethnicity"], people)
        numbered = [
            (f"{way + 1}{clip:05d}", *rows[clip - 1][way]) for way in range(3) for clip in range(1, len(rows) + 1)
        ]
        _write_table(root / "processedResults/tabulatedVotes.csv", _TABLE, numbered)

    stage = Stage(16000, strength=1.5, spread=0.8, noise_db=(14.0, 24.0), pauses_s=(0.55, 0.3))
    return Plan("crema_d", "CREMA-D", "CREMA-D", "en-us", stage, tuple(cast), label)


def _crema_d_takes(actor: str) -> list[Take]:
    """All 82 clips of an actor: eleven sentences in six emotions, and one in three levels besides."""
    return [
        Take(
            path=f"AudioWAV/{actor}_{sentence}_{emotion}_{level}.wav",
            text=text,
            emotion=label,
            intensity=_LEVELS[level],
        )
        for sentence, text in lines.CREMA_D.items()
        for emotion, label in CREMA_D.items()
        for level in (("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",))
    ]


def _winners(emotion: str, also: tuple[str, ...]) -> list[tuple[str, ...]]:
    """What most people say who had the voice, the face and both, so that all these emotions tie over the three."""
    if len(also) == 1:
        return [(emotion, *also), (emotion,), also]
    return [(label,) for label in (emotion, *also)] if also else [(emotion,)] * 3


def _table_row(rng: np.random.Generator, clip: str, winners: tuple[str, ...]) -> list[str | float]:
    """A row of ``tabulatedVotes.csv`` without its number: votes by letter, and how strong the emotions seemed."""
    most = int(rng.integers(4, 7))
    votes = {letter: most if label in winners else 0 for letter, label in CREMA_D_VOTES.items()}
    for letter in rng.choice([letter for letter in votes if not votes[letter]], rng.integers(0, 4)):
        votes[str(letter)] += 1
    number = sum(votes.values())
    levels = [int(rng.integers(40, 91)) if count else -1 for count in votes.values()]
    everyone = np.repeat(levels, list(votes.values()))
    ratings = [float(everyone.mean()), *levels, float(np.median(everyone))]
    won = ":".join(letter for letter in votes if votes[letter] == most)
    return [*votes.values(), clip, number, most / number, won, *ratings, *ratings]


def _write_table(path: Path, head: Sequence[str], rows: Iterable[Sequence[str | float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_NONNUMERIC).writerows([head, *rows])


def _kinds(rng: np.random.Generator, places: int, clips: int, ties: tuple[float, float]) -> list[int]:
    """How many emotions each of ``places`` clips has: two and three in these shares of ``clips``, one elsewhere."""
    several = [kind for kind, share in zip((2, 3), ties, strict=True) for _ in range(max(1, round(share * clips)))]
    return [int(kind) for kind in rng.permutation([*several, *[1] * places][:places])]


def _iemocap(rng: np.random.Generator, scale: float) -> Plan:
    """Turns of one or two sentences by ten speakers in nine classes, and some without majority."""
    speakers = iter(_parts(rng, scale))
    return iemocap(
        rng,
        Stage(16000, strength=1.5, spread=0.8, noise_db=(14.0, 24.0), pauses_s=(0.55, 0.1)),
        parts=lambda: next(speakers),
        text=lambda: " ".join(rng.choice(lines.DIALOGUE, rng.integers(1, 3), replace=False)),
        votes=lambda part, sex, raters: _votes(rng, part, sex, raters),
    )


def _parts(rng: np.random.Generator, scale: float) -> list[list[Part]]:
    """The turns of every speaker: each usual class and a rare one, with a majority, and drawn ones that may tie."""
    random_turns = max(3, round(_TURNS * scale) - len(_USUAL) - 1)
    turns = 10 * (random_turns + len(_USUAL) + 1)
    kinds = iter(_kinds(rng, 10 * random_turns, turns, _IEMOCAP_TIES))
    speakers = []
    for number in range(10):
        parts = [Part(code, (IEMOCAP[code],)) for code in (*_USUAL, _RARE[number // 2])]
        for code in rng.choice(list(_USUAL), random_turns, p=list(_USUAL.values())):
            kind = next(kinds)
            also = rng.choice(_others(IEMOCAP[code]), kind - 1, replace=False)
            parts.append(Part("xxx" if kind == 3 else str(code), (IEMOCAP[code], *(str(label) for label in also))))
        speakers.append([parts[i] for i in rng.permutation(len(parts))])
    return speakers


def _others(label: str) -> list[str]:
    """What a turn may be taken for that is not of the class of ``label``, also where classes are merged."""
    common = ("neutral", "happy", "sad", "angry", "surprise")
    return [other for other in common if other != _MERGED.get(label, label)]


def _votes(rng: np.random.Generator, part: Part, sex: str, raters: list[str]) -> Votes:
    """Raters and, often, the speaker ("F1", "M1") name the emotions of the part, each of them equally often."""
    words = [WORDS[label] for label in part.emotions]
    if len(words) == 3:
        return tuple(zip(raters, words, strict=True))
    if len(words) == 2:
        return tuple(zip((*raters, f"{sex}1"), (words[0], words[0], words[1], words[1]), strict=True))
    third = words[0] if rng.random() < 0.6 else WORDS[str(rng.choice(_others(part.emotions[0])))]
    agreed = tuple(zip(raters, (words[0], words[0], third), strict=True))
    return (*agreed, (f"{sex}1", words[0])) if rng.random() < 0.3 else agreed

"""From the votes of several raters to the set of emotions that a clip has: those tied for the most votes.

Pho, Truong, Yanushkevich, "Multi-Label Speech Emotion Recognition Using 2D Convolutional Neural Networks", SAC 2020,
section 2.1 and Figure 1, and the program that its authors published.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ser.data.manifest import Utterance

MOST = 3  # the paper leaves out clips of four or five emotions, which it calls ambiguous
TYPES = {1: "single", 2: "double", 3: "triple"}  # the paper's words for the number of emotions of a clip


def tied(
    votes: Iterable[tuple[str, str]], label: str, classes: Sequence[str], merge: Mapping[str, str]
) -> tuple[str, ...]:
    """Returns the emotions of ``classes`` that tie for the most votes, in their order there; () where there are none.

    ``votes`` are pairs of rater and emotion; each counts once, several of one rater too. ``merge`` renames emotions
    first, and what is not of ``classes`` then is passed over. Without any vote it is ``label``, if one of ``classes``.

    >>> merge = {"excited": "happy"}
    >>> tied([("1", "sad"), ("2", "excited"), ("3", "other")], "unknown", ("happy", "sad", "angry"), merge)
    ('happy', 'sad')
    >>> tied([], "excited", ("happy", "sad", "angry"), merge)
    ('happy',)
    """
    emotions = [emotion for _, emotion in votes] or [label]
    counts = Counter(merge.get(emotion, emotion) for emotion in emotions)
    most = max((counts[emotion] for emotion in classes), default=0)
    return tuple(emotion for emotion in classes if counts[emotion] == most > 0)


def shares(
    votes: Iterable[tuple[str, str]], label: str, classes: Sequence[str], merge: Mapping[str, str]
) -> tuple[float, ...]:
    """Returns the share of the votes that each of ``classes`` has, of those for one of them; () where there are none.

    Votes count as ``tied`` counts them: several of one rater too, and without any vote it is ``label``.

    >>> votes = [("1", "sad"), ("1", "angry"), ("2", "excited"), ("3", "sad"), ("4", "other")]
    >>> shares(votes, "unknown", ("happy", "sad", "angry"), {"excited": "happy"})
    (0.25, 0.5, 0.25)
    >>> shares([], "calm", ("happy", "sad"), {})
    ()
    """
    emotions = [emotion for _, emotion in votes] or [label]
    counts = Counter(merge.get(emotion, emotion) for emotion in emotions)
    total = sum(counts[emotion] for emotion in classes)
    return tuple(counts[emotion] / total for emotion in classes) if total else ()


def label_sets(
    utterances: Iterable[Utterance], classes: Sequence[str], merge: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Returns what ``tied`` gives for each utterance, by uid."""
    return {u.uid: tied(u.votes, u.label, classes, merge) for u in utterances}


@dataclass(frozen=True)
class Statistics:
    """How often emotions and numbers of emotions occur; Figure 1 of the paper shows the shares."""

    clips: int
    positives: dict[str, int]  # per emotion the clips that have it
    types: dict[int, int]  # per number of emotions (0 too) the clips that have so many, ascending


def statistics(sets: Iterable[Sequence[str]], classes: Sequence[str]) -> Statistics:
    """Counts over label sets, as of ``tied``.

    >>> statistics([("happy",), ("happy", "sad"), ()], ("happy", "sad", "angry"))
    Statistics(clips=3, positives={'happy': 2, 'sad': 1, 'angry': 0}, types={0: 1, 1: 1, 2: 1})
    """
    every = list(sets)
    positives = Counter(emotion for emotions in every for emotion in emotions)
    types = Counter(map(len, every))
    return Statistics(len(every), {emotion: positives[emotion] for emotion in classes}, dict(sorted(types.items())))

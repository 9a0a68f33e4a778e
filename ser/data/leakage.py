"""The leakage gate: a split is proved to share no speaker, dialogue or recording among its subsets, or counted."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ser.data.groups import dialogue_of
from ser.data.manifest import SPLITS, Utterance
from ser.errors import BadInput


class Leak(BadInput):
    """A speaker, a dialogue, a recording or, where it is asked for, a sentence stands in two subsets of a split."""


@dataclass(frozen=True)
class Split:
    """Utterances of one corpus in three subsets, each sorted by uid; ``test`` may be empty for a train-only corpus."""

    corpus: str
    train: tuple[Utterance, ...]
    val: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    leaks: bool = False  # by intention: speakers may stand in several subsets
    apart: tuple[str, ...] = ()  # what else may stand in one subset only: "sentence"

    def subsets(self) -> dict[str, tuple[Utterance, ...]]:
        """Returns the three subsets by name."""
        return {side: getattr(self, side) for side in SPLITS}


_KINDS: dict[str, Callable[[Utterance], Any]] = {  # what may be shared, and how an utterance tells; "" or None: none
    "speaker": lambda u: u.speaker,
    "dialogue": dialogue_of,
    "recording": lambda u: u.recording,
    "sentence": lambda u: u.sentence,
}


def prove(done: Split) -> dict[str, Any]:
    """Returns the proof, for the record. Raises Leak if a speaker, a dialogue or a recording is in two subsets.

    A dialogue is a session whose utterances are of the channel "dialog": partners answer each other, and each is in the
    background of the other's recordings. A recording is its samples, so a file copied under another name, or into
    another lossless format, is found. Sentences are counted, and refused only where ``apart`` says so. A split that
    leaks by intention is only counted.
    """
    shared = {kind: _shared(done, kind, key) for kind, key in _KINDS.items()}
    return {
        "corpus": done.corpus,
        "speakers": {s: sorted({u.speaker for u in us}) for s, us in done.subsets().items()},
        "utterances": {s: len(us) for s, us in done.subsets().items()},
        "hours": {s: round(sum(u.seconds for u in us) / 3600, 4) for s, us in done.subsets().items()},
        "per_class": {s: dict(sorted(Counter(u.label for u in us).items())) for s, us in done.subsets().items()},
        **{f"shared_{kind}s": count for kind, count in shared.items()},
    }


def _shared(done: Split, kind: str, key: Callable[[Utterance], Any]) -> int:
    """How many of a kind stand in several subsets. Raises Leak where none may."""
    owners: dict[Any, tuple[str, str]] = {}
    twice = set()
    refused = kind in done.apart if kind == "sentence" else not done.leaks
    for s, utterances in done.subsets().items():
        for u in utterances:
            if not (name := key(u)):
                continue
            before, uid = owners.setdefault(name, (s, u.uid))
            if before == s:
                continue
            if refused:
                by_session = f"split by session: --set {done.corpus}.by=session, where the rule has that setting"
                remedies = {"dialogue": by_session, "sentence": "do not ask for sentences apart"}
                raise Leak(
                    f"{kind} of {uid} ({before}) and {u.uid} ({s})",
                    f"split of {done.corpus}",
                    f"each {kind} in one subset only",
                    remedies.get(kind, "change the split rule or correct the corpus"),
                )
            twice.add(name)
    return len(twice)

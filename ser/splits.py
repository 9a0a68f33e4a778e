"""Who trains, who validates, who is tested: speaker-disjoint splits and the gate that proves them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ser.errors import BadInput
from ser.manifest import SPLITS, Utterance
from ser.study import Part


class Leak(BadInput):
    """A speaker or a recording stands on two sides of a split."""


@dataclass(frozen=True)
class Split:
    """Utterances of one corpus on three sides, each sorted by uid; ``test`` may be empty for a train-only corpus."""

    corpus: str
    train: tuple[Utterance, ...]
    val: tuple[Utterance, ...]
    test: tuple[Utterance, ...]

    def sides(self) -> dict[str, tuple[Utterance, ...]]:
        """The three sides by name."""
        return {side: getattr(self, side) for side in SPLITS}


def split(corpus: str, utterances: Sequence[Utterance], rule: Part) -> Split:
    """Split ``utterances`` by ``rule``: "sessions", "named" (speakers) or "speakers" (proportions).

    Raises BadInput where the rule cannot be carried out and Leak where its outcome is not speaker-disjoint.
    """
    rules = {"sessions": _sessions, "named": _named, "speakers": _speakers}
    if rule.name not in rules:
        raise BadInput(repr(rule.name), f"split rule of {corpus}", ", ".join(rules), "choose one of them")
    side_of = rules[rule.name](corpus, utterances, rule)
    chosen: dict[str | None, list[Utterance]] = defaultdict(list)
    for u in sorted(utterances, key=lambda u: u.uid):
        chosen[side_of(u)].append(u)
    sides = {s: tuple(chosen[s]) for s in SPLITS}
    done = Split(corpus, **sides)
    wanted = [s for s in SPLITS if s != "test" or dict(rule.settings).get(s) not in ((), 0, 0.0)]
    for side in wanted:
        if not sides[side]:
            raise BadInput(
                f"no utterance for {side}",
                f"split of {corpus} by {rule}",
                f"what was found: speakers {_some({u.speaker for u in utterances})}; sessions "
                f"{_some({u.session for u in utterances})}",
                "change the rule, or bring the missing speakers",
            )
    prove(done)
    return done


def _some(names: set[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")


def _sessions(corpus: str, utterances: Sequence[Utterance], rule: Part) -> Any:
    side = {str(session): s for s in SPLITS for session in rule[s]}
    return lambda u: side.get(u.session)


def _named(corpus: str, utterances: Sequence[Utterance], rule: Part) -> Any:
    side = {f"{corpus}/{name}": s for s in SPLITS for name in rule[s]}
    return lambda u: side.get(u.speaker)


def _speakers(corpus: str, utterances: Sequence[Utterance], rule: Part) -> Any:
    """Whole speakers, largest first, each to the side with the largest deficit in utterances of the speaker's sex.

    A side fixed by the corpus itself (``Utterance.split``) is kept. A speaker who lacks a channel that others have
    (RAVDESS's Actor_18 sings nothing) only trains. Ties of size are broken by a draw from the rule's seed.
    """
    share = {s: float(rule[s]) for s in SPLITS}
    size = Counter(u.speaker for u in utterances)
    if len(size) < sum(v > 0 for v in share.values()):
        raise BadInput(
            f"{len(size)} speaker(s)",
            f"split of {corpus} by {rule}",
            "at least one speaker for each side",
            "bring more speakers, or list the corpus as train-only",
        )
    sex = {u.speaker: u.sex for u in utterances}
    fixed = _fixed(corpus, utterances)
    draw = np.random.default_rng(int(rule["seed"]))
    order = [sorted(size)[i] for i in draw.permutation(len(size))]
    deficit: dict[tuple[str, str], float] = defaultdict(float)
    for speaker, n in size.items():
        for s in SPLITS:
            deficit[s, sex[speaker]] += share[s] * n
            deficit[s, "all"] += share[s] * n

    side: dict[str, str] = {}

    def give(speaker: str, s: str) -> None:
        side[speaker] = s
        deficit[s, sex[speaker]] -= size[speaker]
        deficit[s, "all"] -= size[speaker]

    for speaker in fixed:
        give(speaker, fixed[speaker])
    for speaker in sorted((s for s in order if s not in fixed), key=lambda s: -size[s]):
        # Rounded, so that equal deficits are ties and the corpus as a whole decides.
        give(speaker, max(SPLITS, key=lambda s: (round(deficit[s, sex[speaker]], 6), round(deficit[s, "all"], 6))))
    _fill_empty(side, size, share, fixed)
    return lambda u: side[u.speaker]


def _fixed(corpus: str, utterances: Sequence[Utterance]) -> dict[str, str]:
    """Speakers whose side is not ours to choose."""
    channels: dict[str, set[str]] = defaultdict(set)
    given: dict[str, set[str]] = defaultdict(set)
    for u in utterances:
        channels[u.speaker].add(u.channel)
        if u.split:
            given[u.speaker].add(u.split)
    for speaker, sides in given.items():
        if len(sides) > 1:
            raise Leak(speaker, f"given split of {corpus}", "one side per speaker", "mend the column `split`")
    everything = set().union(*channels.values())
    short = {s: "train" for s, c in channels.items() if len(everything) > 1 and c != everything}
    return {**short, **{speaker: next(iter(sides)) for speaker, sides in given.items()}}


def _fill_empty(side: dict[str, str], size: Counter[str], share: dict[str, float], fixed: dict[str, str]) -> None:
    """Every side that has a share gets at least one speaker, taken from the side that can spare most."""
    for s in SPLITS:
        if share[s] > 0 and s not in side.values():
            kept = Counter(side.values())
            movable = [x for x in side if x not in fixed and kept[side[x]] > 1]
            if movable:
                side[min(movable, key=lambda x: (-kept[side[x]], size[x], x))] = s


def prove(done: Split) -> dict[str, Any]:
    """The leakage gate: raises Leak if a speaker or a recording is on two sides; else the proof, for the record.

    A recording is its audio bytes and stretch, so a file copied under another name is found.
    """
    for kind, key in (("speaker", _speaker), ("recording", _recording)):
        seen: dict[Any, tuple[str, str]] = {}
        for s, utterances in done.sides().items():
            for u in utterances:
                before, uid = seen.setdefault(key(u), (s, u.uid))
                if before != s:
                    raise Leak(
                        f"{kind} of {uid} ({before}) and {u.uid} ({s})",
                        f"split of {done.corpus}",
                        f"each {kind} on one side only",
                        "change the split rule or mend the corpus",
                    )
    return {
        "corpus": done.corpus,
        "speakers": {s: sorted({u.speaker for u in us}) for s, us in done.sides().items()},
        "utterances": {s: len(us) for s, us in done.sides().items()},
        "per_class": {s: dict(sorted(Counter(u.label for u in us).items())) for s, us in done.sides().items()},
        "shared_speakers": 0,
        "shared_recordings": 0,
    }


def _speaker(u: Utterance) -> str:
    return u.speaker


def _recording(u: Utterance) -> tuple[str, float | None, float | None]:
    return (u.sha or u.uid, u.start_s, u.end_s)

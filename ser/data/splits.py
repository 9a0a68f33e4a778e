"""Who trains, who validates, who is tested: splits, speaker-disjoint or as papers made them, and the gate that proves.

Rules: "sessions" and "named" (speakers) list who is on which side, "speakers" draws whole speakers by proportions,
"leave_one_out" tests one session or speaker per fold. "random" and "stratified" draw utterances, and "holdout" does by
default, so that speakers stand in several subsets: some papers did. Then the record says how many.

A rule with the setting ``songs`` sees speech and songs alike, so that both have the same folds, and keeps one of the
two: songs, which are never tested, or all that is not sung.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from ser.data.manifest import SPLITS, Utterance
from ser.errors import BadInput
from ser.study import Part
from ser.study.settings import setting

VERSION = 1  # of all rules: goes up when one of them puts an utterance into another subset


@dataclass(frozen=True)
class SessionsSplit:
    """Sessions listed by subset."""

    train: tuple[str, ...] = setting("sessions that train")
    val: tuple[str, ...] = setting("sessions that validate")
    test: tuple[str, ...] = setting("sessions that are tested; none: the corpus only trains")


@dataclass(frozen=True)
class NamedSplit:
    """Speakers listed by subset."""

    train: tuple[str, ...] = setting("speakers who train")
    val: tuple[str, ...] = setting("speakers who validate")
    test: tuple[str, ...] = setting("speakers who are tested; none: the corpus only trains")


@dataclass(frozen=True)
class SpeakersSplit:
    """Whole speakers drawn by shares, balanced by sex."""

    train: float = setting("share of the utterances that train", low=0, high=1)
    val: float = setting("share of the utterances that validate", low=0, high=1)
    test: float = setting("share of the utterances that are tested; 0: the corpus only trains", low=0, high=1)
    seed: int = setting("seed of the draw among speakers of one size", 0, low=0)


@dataclass(frozen=True)
class RandomSplit:
    """Utterances shuffled and cut, as papers did: speakers stand in several subsets."""

    train: float = setting("share of the utterances that train", low=0, high=1)
    val: float = setting("share of the utterances that validate", low=0, high=1)
    test: float = setting("share of the utterances that are tested; 0: the corpus only trains", low=0, high=1)
    seed: int = setting("seed of Python's generator", 0, low=0)
    rest: str = setting("subset that gets what rounding leaves", "train", choices=("train", "val", "test"))
    order: tuple[str, ...] = setting(
        "subsets in the order in which they are cut", ("train", "val", "test"), choices=("train", "val", "test")
    )


@dataclass(frozen=True)
class HoldoutSplit:
    """A part is held out, and in folds the rest is cross-validated, as scikit-learn does."""

    by: str = setting("what is drawn: utterances, or whole speakers", "speaker", choices=("utterance", "speaker"))
    test: float = setting("share that is held out", above=0, below=1)
    seed: int = setting("seed of the draws", 0, low=0)
    drop: int = setting("utterances left out before, drawn", 0, low=0)
    folds: int = setting("folds of the rest; 0: none", 0, low=0)
    fold: int = setting("the fold that validates; 0: all the rest trains", 0, low=0)


@dataclass(frozen=True)
class LeaveOneOutSplit:
    """Each session or speaker is tested once; the next one validates."""

    by: str = setting("what is left out", "speaker", choices=("session", "speaker"))
    fold: int = setting("number of the one that is tested", 1, low=0)
    songs: bool | None = setting("songs alone, which are never tested, or all else; None: no difference", None)


@dataclass(frozen=True)
class StratifiedSplit:
    """Folds that have every class alike, as scikit-learn does: speakers stand in several subsets."""

    folds: int = setting("how many folds", 5, low=3)
    fold: int = setting("number of the one that is tested; the next validates", 1, low=0)
    seed: int = setting("seed of the shuffle", 0, low=0)
    songs: bool | None = setting("songs alone, which are never tested, or all else; None: no difference", None)


SubsetOf = Callable[[Utterance], str | None]  # the subset of an utterance; None: it is left out


class Leak(BadInput):
    """A speaker or a recording stands in two subsets of a split."""


@dataclass(frozen=True)
class Split:
    """Utterances of one corpus in three subsets, each sorted by uid; ``test`` may be empty for a train-only corpus."""

    corpus: str
    train: tuple[Utterance, ...]
    val: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    leaks: bool = False  # by intention: speakers may stand in several subsets

    def subsets(self) -> dict[str, tuple[Utterance, ...]]:
        """Returns the three subsets by name."""
        return {side: getattr(self, side) for side in SPLITS}


def split(corpus: str, utterances: Sequence[Utterance], rule: Part) -> Split:
    """Split ``utterances`` by ``rule``, whose names the module tells.

    Raises BadInput where the rule cannot be carried out, and Leak where its outcome should be and is not
    speaker-disjoint.
    """
    if rule.name not in _RULES:
        raise BadInput(repr(rule.name), f"split rule of {corpus}", ", ".join(_RULES), "choose one of them")
    ordered = sorted(utterances, key=lambda u: u.uid)
    side_of = _RULES[rule.name](corpus, ordered, rule)
    by_subset: dict[str | None, list[Utterance]] = defaultdict(list)
    for u in eligible(ordered, rule):
        by_subset[side_of(u)].append(u)
    subsets = {s: tuple(by_subset[s]) for s in SPLITS}
    if rule.values().get("songs"):
        subsets["test"] = ()
    leaks = rule.name in ("random", "stratified") or rule.values().get("by") == "utterance"
    done = Split(corpus, **subsets, leaks=leaks)
    for side in _nonempty_subsets(rule):
        if not subsets[side]:
            raise BadInput(
                f"no utterance for {side}",
                f"split of {corpus} by {rule}",
                f"what was found: speakers {_listed({u.speaker for u in utterances})}; sessions "
                f"{_listed({u.session for u in utterances})}",
                "change the rule, or bring the missing speakers",
            )
    prove(done)
    return done


def eligible(utterances: Sequence[Utterance], rule: Part) -> list[Utterance]:
    """Returns those that the rule puts into a subset: all, or, where it says so, the songs or all but the songs."""
    songs = rule.values().get("songs")
    return [u for u in utterances if songs is None or (u.channel == "song") == songs]


def fold_count(utterances: Sequence[Utterance], rule: Part) -> int:
    """Returns how many folds the rule makes of them; 0 where it makes none."""
    if rule.name == "leave_one_out":
        return len({getattr(u, rule["by"]) for u in utterances})
    return int(rule.values().get("folds", 0))


def _nonempty_subsets(rule: Part) -> list[str]:
    """Returns the subsets that must not be empty."""
    if rule.values().get("songs"):
        return ["train"]
    if rule.name == "holdout":
        return ["train", "val"] if rule["fold"] else ["train", "test"]
    return [s for s in SPLITS if s == "train" or dict(rule.settings).get(s) not in ((), 0, 0.0)]


def _listed(names: set[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")


def _sessions(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    side = {str(session): s for s in SPLITS for session in rule[s]}
    return lambda u: side.get(u.session)


def _by_speaker_name(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    side = {f"{corpus}/{name}": s for s in SPLITS for name in rule[s]}
    return lambda u: side.get(u.speaker)


def _speakers(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    """Whole speakers, largest first, each to the subset with the largest deficit in utterances of the speaker's sex.

    A subset fixed by the corpus itself (``Utterance.split``) is kept. A speaker who lacks a channel that others have
    (RAVDESS's Actor_18 sings nothing) only trains. Ties of size are broken by a draw from the rule's seed.
    """
    share = {s: float(rule[s]) for s in SPLITS}
    size = Counter(u.speaker for u in utterances)
    if len(size) < sum(v > 0 for v in share.values()):
        raise BadInput(
            f"{len(size)} speaker(s)",
            f"split of {corpus} by {rule}",
            "at least one speaker for each subset",
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


def _random(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    """Utterances in random order, cut: as many to each side as its share gives, rounded down; ``rest`` gets the rest.

    ``seed`` is that of Python's own generator, with which the papers' authors shuffled.
    """
    uids = [u.uid for u in utterances]
    Random(int(rule["seed"])).shuffle(uids)
    size = {s: int(rule[s] * len(uids)) for s in SPLITS}
    size[rule["rest"]] += len(uids) - sum(size.values())
    names = [s for s in rule["order"] for _ in range(size[s])]
    side = dict(zip(uids, names, strict=True))
    return lambda u: side[u.uid]


def _holdout(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    """As scikit-learn splits: ``test`` is held out, and in fold k = 1 … ``folds`` a k-th of the rest validates.

    In fold 0 all the rest trains; in the others nothing is tested. ``by`` "utterance" draws utterances, and folds have
    every class alike (``train_test_split``, ``StratifiedKFold``); "speaker" draws whole speakers
    (``GroupShuffleSplit``, ``GroupKFold``). ``drop`` utterances, drawn by the same seed, are left out before.
    """
    from sklearn import model_selection  # a second of import, for the few studies that ask

    seed, by_speaker = int(rule["seed"]), rule["by"] == "speaker"
    left_out = np.random.default_rng(seed).choice(len(utterances), int(rule["drop"]), replace=False)
    drawn_from = [u for i, u in enumerate(utterances) if i not in set(left_out.tolist())]
    speakers, labels = ([getattr(u, name) for u in drawn_from] for name in ("speaker", "label"))
    side: dict[str, str] = {}
    try:
        chance = model_selection.GroupShuffleSplit if by_speaker else model_selection.ShuffleSplit
        draw = chance(n_splits=1, test_size=float(rule["test"]), random_state=seed)
        train, test = next(draw.split(drawn_from, labels, speakers if by_speaker else None))
        if not rule["fold"]:
            side |= {drawn_from[i].uid: "test" for i in test} | {drawn_from[i].uid: "train" for i in train}
        else:
            folds = (model_selection.GroupKFold if by_speaker else model_selection.StratifiedKFold)(int(rule["folds"]))
            train = np.sort(train) if by_speaker else train
            owners = [speakers[i] for i in train] if by_speaker else None
            cut = list(folds.split(train, [labels[i] for i in train], owners))
            for name, where in zip(("train", "val"), cut[int(rule["fold"]) - 1], strict=True):
                side |= {drawn_from[train[i]].uid: name for i in where}
    except (ValueError, IndexError) as error:
        raise BadInput(str(error), f"split of {corpus} by {rule}", "enough utterances and speakers for each subset",
                       "change the rule, or bring more") from None  # fmt: skip
    return lambda u: side.get(u.uid)


def _leave_one_out(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    """In fold k the k-th ``by`` ("session" or "speaker") is tested, the one after it validates, the others train."""
    groups = sorted({getattr(u, rule["by"]) for u in utterances})
    fold = max(1, int(rule["fold"]))
    if fold > len(groups) or len(groups) < 3:
        raise BadInput(f"fold {fold} of {len(groups)} {rule['by']}s", f"split of {corpus} by {rule}",
                       "at most as many folds as there are, and three at least", "bring more") from None  # fmt: skip
    side = dict.fromkeys(groups, "train") | {groups[fold % len(groups)]: "val", groups[fold - 1]: "test"}
    return lambda u: side[getattr(u, rule["by"])]


def _stratified(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    """In fold k of ``folds`` a k-th is tested, the next one validates, the others train; each has every class alike.

    Speakers stand in all subsets. As scikit-learn's ``StratifiedKFold`` shuffles by ``seed``.
    """
    from sklearn.model_selection import StratifiedKFold

    number, fold = int(rule["folds"]), max(1, int(rule["fold"]))
    labels = [u.label for u in utterances]
    place = f"split of {corpus} by {rule}"
    if number < 3 or fold > number:
        raise BadInput(f"fold {fold} of {number}", place, "one of at least three folds", "change folds or fold")
    if scarce := {label for label, n in Counter(labels).items() if n < number}:
        remedy = "take fewer folds, or leave the class out: --set NAME.classes"
        raise BadInput(f"fewer than {number} of {_listed(scarce)}", place, "one of each class in each fold", remedy)
    cut = StratifiedKFold(number, shuffle=True, random_state=int(rule["seed"])).split(labels, labels)
    fold_of = {utterances[i].uid: k for k, (_, tested) in enumerate(cut, start=1) for i in tested}
    return lambda u: "test" if fold_of[u.uid] == fold else "val" if fold_of[u.uid] == fold % number + 1 else "train"


_RULES = {
    "sessions": _sessions,
    "named": _by_speaker_name,
    "speakers": _speakers,
    "random": _random,
    "holdout": _holdout,
    "leave_one_out": _leave_one_out,
    "stratified": _stratified,
}


def _fixed(corpus: str, utterances: Sequence[Utterance]) -> dict[str, str]:
    """Speakers whose side is not ours to choose."""
    channels: dict[str, set[str]] = defaultdict(set)
    stated: dict[str, set[str]] = defaultdict(set)
    for u in utterances:
        channels[u.speaker].add(u.channel)
        if u.split:
            stated[u.speaker].add(u.split)
    for speaker, subsets in stated.items():
        if len(subsets) > 1:
            raise Leak(speaker, f"given split of {corpus}", "one subset per speaker", "correct the column `split`")
    everything = set().union(*channels.values())
    short = {s: "train" for s, c in channels.items() if len(everything) > 1 and c != everything}
    return {**short, **{speaker: next(iter(subsets)) for speaker, subsets in stated.items()}}


def _fill_empty(side: dict[str, str], size: Counter[str], share: dict[str, float], fixed: dict[str, str]) -> None:
    """Every subset that has a share gets at least one speaker, taken from the subset that can spare most."""
    for s in SPLITS:
        if share[s] > 0 and s not in side.values():
            counts = Counter(side.values())
            movable = [x for x in side if x not in fixed and counts[side[x]] > 1]
            if movable:
                side[min(movable, key=lambda x: (-counts[side[x]], size[x], x))] = s


def prove(done: Split) -> dict[str, Any]:
    """The leakage gate: raises Leak if a speaker or a recording is in two subsets; else the proof, for the record.

    A recording is its samples, so a file copied under another name, or into another lossless format, is found. A split
    that leaks by intention is only counted.
    """
    shared = {"speaker": 0, "recording": 0}
    for kind, key in (("speaker", _speaker), ("recording", _recording)):
        owners: dict[Any, tuple[str, str]] = {}
        twice = set()
        for s, utterances in done.subsets().items():
            for u in utterances:
                before, uid = owners.setdefault(key(u), (s, u.uid))
                if before != s and not done.leaks:
                    raise Leak(
                        f"{kind} of {uid} ({before}) and {u.uid} ({s})",
                        f"split of {done.corpus}",
                        f"each {kind} in one subset only",
                        "change the split rule or correct the corpus",
                    )
                if before != s:
                    twice.add(key(u))
        shared[kind] = len(twice)
    return {
        "corpus": done.corpus,
        "speakers": {s: sorted({u.speaker for u in us}) for s, us in done.subsets().items()},
        "utterances": {s: len(us) for s, us in done.subsets().items()},
        "per_class": {s: dict(sorted(Counter(u.label for u in us).items())) for s, us in done.subsets().items()},
        "shared_speakers": shared["speaker"],
        "shared_recordings": shared["recording"],
    }


def _speaker(u: Utterance) -> str:
    return u.speaker


def _recording(u: Utterance) -> tuple[str | float | None, ...]:
    return u.recording

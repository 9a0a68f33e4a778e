"""Who trains, who validates, who is tested: splits, speaker-disjoint or as papers made them.

Rules: "sessions" and "named" (speakers) list who is on which side, "speakers" draws whole speakers or sessions by
shares, "grouped" deals them into folds, each of which is tested once, "leave_one_out" tests one session or speaker per
fold, and "alternating" lets speakers take turns in validation where too few are there to be tested. "given" takes the
official folds or subsets of the corpus as they are. "random" and
"stratified" draw utterances, and "holdout" does by default, so that speakers stand in several subsets: some papers did.
Then the record says how many. ``ser.data.leakage`` proves every split.

Across corpora: "unseen" tests a corpus whole, of which nothing trains. With "leave_one_corpus_out" each corpus of a
combination is unseen in turn, and the others are split by "speakers": a study makes trials of it before it comes here.

A rule with the setting ``songs`` sees speech and songs alike, so that both have the same folds, and keeps one of the
two: songs, which are never tested, or all that is not sung.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from ser.data.groups import Groups, dealt, drawn, groups_of
from ser.data.leakage import Leak, Split, prove
from ser.data.manifest import SPLITS, Utterance
from ser.errors import BadInput
from ser.study import Part
from ser.study.settings import setting

VERSION = 1  # of the rules that state none of their own; a rule's goes up when it puts an utterance into another subset
_DRAWS = 8  # of which "speakers" takes the best: more would prefer speakers by size


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
    """Whole speakers, or sessions, drawn by shares and balanced by sex."""

    VERSION = 2  # 1 put speakers of unequal sizes into the same subsets whatever the seed: the smallest were tested

    train: float = setting("share of the speakers that train", low=0, high=1)
    val: float = setting("share of the speakers that validate", low=0, high=1)
    test: float = setting("share of the speakers that are tested; 0: the corpus only trains", low=0, high=1)
    by: str = setting("what is drawn", "speaker", choices=("session", "speaker"))
    seed: int = setting("seed of the draw", 0, low=0)


@dataclass(frozen=True)
class GroupedSplit:
    """Whole speakers, or sessions, dealt into folds alike in sex and size: each is tested once; the next validates."""

    by: str = setting("what is dealt", "speaker", choices=("session", "speaker"))
    folds: int = setting("how many folds", 5, low=3)
    fold: int = setting("number of the one that is tested; the next validates", 1, low=0)
    seed: int = setting("seed of the deal", 0, low=0)
    songs: bool | None = setting("songs alone, which are never tested, or all else; None: no difference", None)


@dataclass(frozen=True)
class AlternatingSplit:
    """In each fold one speaker validates, in turn, and the others train: for corpora too small to be tested."""

    fold: int = setting("number of the fold", 1, low=0)
    seed: int = setting("seed of the order of the speakers", 0, low=0)


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

    by: str = setting(
        "what is drawn: utterances, whole speakers, or whole speakers balanced by sex",
        "speaker",
        choices=("utterance", "speaker", "speaker_by_sex"),
    )
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


@dataclass(frozen=True)
class UnseenSplit:
    """The corpus is tested whole and trains nothing: how a model does that was trained on other corpora."""


@dataclass(frozen=True)
class LeaveOneCorpusOutSplit:
    """Each corpus of a combination is unseen in turn; of the others whole speakers train and validate."""

    val: float = setting("share of the speakers that validate, where the corpus trains", 0.2, above=0, below=1)
    by: str = setting("what is drawn", "speaker", choices=("session", "speaker"))
    seed: int = setting("seed of the draw", 0, low=0)


@dataclass(frozen=True)
class GivenSplit:
    """The subsets that the corpus itself states, in each of its official folds, whoever stands in several of them."""

    fold: int = setting(
        "number of the official fold; a corpus that states one subset for each utterance has one", 1, low=0
    )
    val: float = setting(
        "share of what trains that validates instead, where the corpus states none that does", 0.2, low=0, below=1
    )
    by: str = setting(
        "what is drawn for that: whole speakers, or utterances, as they are where speakers are unknown",
        "speaker",
        choices=("speaker", "utterance"),
    )
    seed: int = setting("seed of that draw", 0, low=0)


SubsetOf = Callable[[Utterance], str | None]  # the subset of an utterance; None: it is left out


def split(corpus: str, utterances: Sequence[Utterance], rule: Part, apart: tuple[str, ...] = ()) -> Split:
    """Split ``utterances`` by ``rule``, whose names the module tells.

    ``apart``: what else than speakers no two subsets may share (see ``Split``). Raises BadInput where the rule cannot
    be carried out, and Leak where its outcome should be and is not free of leaks.
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
    leaks = rule.name in ("random", "stratified", "given") or rule.values().get("by") == "utterance"
    done = Split(corpus, **subsets, leaks=leaks, apart=apart)
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
    """Returns how many folds the rule makes of them; 0 where it makes none, or takes those of other corpora."""
    if rule.name == "leave_one_out":
        return len({getattr(u, rule["by"]) for u in utterances})
    if rule.name == "given":
        return max((len(u.folds) or int(bool(u.split)) for u in utterances), default=0)
    return int(rule.values().get("folds", 0))


def _nonempty_subsets(rule: Part) -> list[str]:
    """Returns the subsets that must not be empty."""
    if rule.name == "unseen":
        return ["test"]
    if rule.values().get("songs"):
        return ["train"]
    if rule.name == "alternating":
        return ["train", "val"]
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
    """Whole speakers or sessions, as many to each subset as its share says, by chance within each sex.

    A subset fixed by the corpus itself (``Utterance.split``) is kept. A speaker who lacks a channel that others have
    (RAVDESS's Actor_18 sings nothing) only trains. Speakers who have a dialogue with each other stay together.
    """
    groups, shares = groups_of(utterances, rule["by"]), [float(rule[s]) for s in SPLITS]
    if len(groups.names) < sum(share > 0 for share in shares):
        raise BadInput(
            f"{len(groups.names)} {rule['by']}(s)",
            f"split of {corpus} by {rule}",
            f"at least one {rule['by']} for each subset",
            "bring more, or list the corpus as train-only",
        )
    fixed = {name: SPLITS.index(s) for name, s in _fixed(corpus, utterances, groups).items()}
    part = drawn(groups, shares, fixed, int(rule["seed"]), _DRAWS)
    return lambda u: SPLITS[part[groups.of_uid[u.uid]]]


def _grouped(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    """In fold k of ``folds`` the speakers or sessions of the k-th part are tested, those of the next one validate."""
    groups, folds, fold = groups_of(utterances, rule["by"]), int(rule["folds"]), max(1, int(rule["fold"]))
    place, count = f"split of {corpus} by {rule}", len(groups.names)
    if fold > folds:
        raise BadInput(f"fold {fold} of {folds}", place, "at most as many folds as there are", "change fold or folds")
    if count < folds:
        few = f"take fewer folds: --set {corpus}.folds={count}" if count >= 3 else "bring more, or leave the corpus out"
        raise BadInput(f"{count} {rule['by']}(s) for {folds} folds", place, f"at least {folds}, one for each fold", few)
    fold_of = dealt(groups, folds, int(rule["seed"]))
    side = {fold: "test", fold % folds + 1: "val"}
    return lambda u: side.get(fold_of[groups.of_uid[u.uid]], "train")


def _alternating(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    """In fold k the k-th speaker, by an order drawn by ``seed``, validates; after the last comes the first again."""
    groups = groups_of(utterances, "speaker")
    if len(groups.names) < 2:
        raise BadInput("one speaker", f"split of {corpus} by {rule}", "two speakers at least", "bring more")
    order = np.random.default_rng(int(rule["seed"])).permutation(len(groups.names))
    validates = groups.names[order[(max(1, int(rule["fold"])) - 1) % len(order)]]
    return lambda u: "val" if groups.of_uid[u.uid] == validates else "train"


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
    (``GroupShuffleSplit``, ``GroupKFold``); "speaker_by_sex" draws as "speakers" and "grouped" do. ``drop`` utterances,
    drawn by the same seed, are left out before.
    """
    from sklearn import model_selection  # a second of import, for the few studies that ask

    seed, by_speaker = int(rule["seed"]), rule["by"] == "speaker"
    left_out = np.random.default_rng(seed).choice(len(utterances), int(rule["drop"]), replace=False)
    drawn_from = [u for i, u in enumerate(utterances) if i not in set(left_out.tolist())]
    if rule["by"] == "speaker_by_sex":
        return _holdout_by_sex(corpus, drawn_from, rule)
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
        raise _too_few(str(error), corpus, rule) from None
    return lambda u: side.get(u.uid)


def _holdout_by_sex(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    groups, share, seed = groups_of(utterances, "speaker"), float(rule["test"]), int(rule["seed"])
    if len(groups.names) < 2:
        raise _too_few("one speaker", corpus, rule)
    part = drawn(groups, (1 - share, share), {}, seed, _DRAWS)
    side = {u.uid: ("train", "test")[part[groups.of_uid[u.uid]]] for u in utterances}
    if fold := int(rule["fold"]):
        rest = groups_of([u for u in utterances if side[u.uid] == "train"], "speaker")
        if not fold <= int(rule["folds"]) <= len(rest.names):
            raise _too_few(f"fold {fold} of {rule['folds']}, {len(rest.names)} speaker(s)", corpus, rule)
        fold_of = dealt(rest, int(rule["folds"]), seed)
        side = {uid: "val" if fold_of[name] == fold else "train" for uid, name in rest.of_uid.items()}
    return lambda u: side.get(u.uid)


def _too_few(found: str, corpus: str, rule: Part) -> BadInput:
    allowed = "enough utterances and speakers for each subset"
    return BadInput(found, f"split of {corpus} by {rule}", allowed, "change the rule, or bring more")


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


def _unseen(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    return lambda u: "test"


def _given(corpus: str, utterances: Sequence[Utterance], rule: Part) -> SubsetOf:
    """In fold k every utterance is where the corpus puts it, or nowhere. Where none validates, some of training do.

    These are whole speakers, alike in sex, or utterances, where only one speaker trains or some are unknown.
    """
    fold, count = max(1, int(rule["fold"])), fold_count(utterances, rule)
    if fold > count:
        value = f"fold {fold} of {count}" if count else "no official subsets"
        allowed = "one of the folds that the corpus states, or its column split"
        remedy = "change fold" if count else "choose another rule, or bring the corpus by its lists (loader emobox)"
        raise BadInput(value, f"split of {corpus} by {rule}", allowed, remedy)
    side = {u.uid: (u.folds[fold - 1 : fold] or (u.split,))[0] for u in utterances}
    if "val" not in side.values() and rule["val"]:
        side |= dict.fromkeys(_validating([u for u in utterances if side[u.uid] == "train"], rule), "val")
    return lambda u: side[u.uid] or None


def _validating(trained: Sequence[Utterance], rule: Part) -> list[str]:
    """Returns the uids that validate of those that train."""
    share, seed = float(rule["val"]), int(rule["seed"])
    groups = groups_of(trained, "speaker")
    if rule["by"] == "speaker" and len(groups.names) > 1 and all(u.has_speaker for u in trained):
        part = drawn(groups, (1 - share, share), {}, seed, _DRAWS)
        return [u.uid for u in trained if part[groups.of_uid[u.uid]] == 1]
    order = np.random.default_rng(seed).permutation(len(trained))
    return [trained[i].uid for i in order[: round(share * len(trained))]]


_RULES = {
    "given": _given,
    "sessions": _sessions,
    "named": _by_speaker_name,
    "speakers": _speakers,
    "grouped": _grouped,
    "alternating": _alternating,
    "random": _random,
    "holdout": _holdout,
    "leave_one_out": _leave_one_out,
    "stratified": _stratified,
    "unseen": _unseen,
}


def _fixed(corpus: str, utterances: Sequence[Utterance], groups: Groups) -> dict[str, str]:
    """The groups whose subset is not ours to choose, and that subset. Raises Leak where it is not one."""
    channels: dict[str, set[str]] = defaultdict(set)
    stated: dict[str, set[str]] = defaultdict(set)
    for u in utterances:
        name = groups.of_uid[u.uid]
        channels[name].add(u.channel)
        if u.split:
            stated[name].add(u.split)
    for name, subsets in stated.items():
        if len(subsets) > 1:
            raise Leak(name, f"given split of {corpus}", "one subset per speaker", "correct the column `split`")
    everything = set().union(*channels.values())
    short = {name: "train" for name, c in channels.items() if len(everything) > 1 and c != everything}
    return {**short, **{name: next(iter(subsets)) for name, subsets in stated.items()}}

"""A study: what is varied, on which corpora, by which components, and with which budget."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations, product
from typing import Any

from ser import registry
from ser.errors import BadInput, unknown
from ser.study.components import completed
from ser.study.labels import DIMENSIONS, EMOTIONS
from ser.study.origins import Origin
from ser.study.settings import checked, kinds_of, rule_of, setting
from ser.study.trial import UNSEEN, Corpus, Training
from ser.study.values import Part, Value

NORMALISE = ("train", "corpus", "speaker", "none")
APART = ("sentence",)  # what a study may keep in one subset, beside speakers, dialogues and recordings
MEMBERS, ALL = "members", "all"  # what ``test_on`` may name beside corpora: those of the study, all that are there
TESTED_SUBSETS = ("test", "all")  # of a tested corpus: the test side of its split, where it has one; every utterance
SEED_MOVES = ("weights", "split", "augmentation")  # "weights": all that training draws, batches and dropout included
VOTES = ("one", "tied", "shares")  # what raters' votes make of an utterance's label
EACH = "each"  # a setting ``encoder`` that the command fills in, see ``ser.study.encoders``
Point = dict[str, Any]  # one value per axis: corpora, block, pooling, task, fold …, or any path that can be set


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Returns all non-empty subsets, small ones first, each in the order of ``names``."""
    return [c for size in range(1, len(names) + 1) for c in combinations(names, size)]


def grid(**axes: Iterable[Any]) -> list[Point]:
    """Returns the cross product of the axes, as points; the first axis varies slowest."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _one_of(value: str, place: str, names: tuple[str, ...]) -> None:
    if value not in names:
        raise unknown(value, place, names)


@dataclass(frozen=True)
class System:
    """A front-end with a network or classifier, and how that is trained: what a survey compares as a whole."""

    name: str
    block: Part
    front_end: Part | None = None  # None = the study's
    pooling: str = "none"
    task: str = "unified"
    normalise: str = "train"
    balance: Part = Part("none")
    augmentation: tuple[Part, ...] = ()  # of what balances
    training: tuple[tuple[str, Value], ...] = ()  # otherwise than the study states
    needs: tuple[str, ...] = ()  # what a corpus must have for it: "text", "song"; "encoder": what the command may name
    impossible: str = ""  # why there can be no such system: a hole that says so

    def __post_init__(self) -> None:
        _one_of(self.normalise, f"{self.name}.normalise", NORMALISE)
        parts = {"block": completed("models", self.block, f"{self.name}.block")}
        if self.front_end is not None:
            parts["front_end"] = completed("frontends", self.front_end, f"{self.name}.front_end")
        parts["balance"] = completed("balance", self.balance, f"{self.name}.balance")
        for name, value in parts.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "augmentation", _completed_all("augment", self.augmentation, self.name))
        items, kinds = {item.name: item for item in fields(Training)}, kinds_of(Training)
        for name, setting_value in self.training:
            _one_of(name, f"{self.name}.training", tuple(items))
            checked(setting_value, kinds[name], rule_of(items[name]), f"{self.name}.training.{name}")


@dataclass(frozen=True)
class Labels:
    """How the labels of utterances become classes, and which ratings of theirs are predicted beside or instead."""

    merge: tuple[tuple[str, str], ...] = ()  # (label, class it counts as)
    # "one": label of an utterance | "tied": all that its raters' votes tie for | "shares": of its votes for each class
    votes: str = "one"
    dimensions: tuple[str, ...] = ()  # of the means of raters' numbers; where a study has no classes, these alone
    stated: tuple[tuple[str, str], ...] | None = None  # ``merge`` of the study file, where another has replaced it

    def __post_init__(self) -> None:
        if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in self.merge):
            raise BadInput(repr(self.merge), "merge", "pairs of a label and its class", "write merge=excited:happy")
        _one_of(self.votes, "votes", VOTES)
        for name in self.dimensions:
            _one_of(name, "dimensions", DIMENSIONS)
        if len(set(self.dimensions)) < len(self.dimensions):
            value = repr(",".join(self.dimensions))
            raise BadInput(value, "dimensions", "each dimension once", "leave the second out")


@dataclass(frozen=True)
class Features:
    """What networks take: a front-end, how its values are normalised, and augmented or balanced copies."""

    front_end: Part
    normalise: str  # "train": per-bin mean and variance over training frames | "corpus" | "speaker" | "none"
    augmentation: tuple[Part, ...] = ()
    balance: Part = Part("none")

    def __post_init__(self) -> None:
        _one_of(self.normalise, "normalise", NORMALISE)
        object.__setattr__(self, "front_end", completed("frontends", self.front_end, "front_end"))
        object.__setattr__(self, "augmentation", _completed_all("augment", self.augmentation, ""))
        object.__setattr__(self, "balance", completed("balance", self.balance, "balance"))


@dataclass(frozen=True)
class Search:
    """Points that are added to a study's own: how they are found, and where. See ``ser.planning.search``."""

    rule: Part = Part("grid")  # | "random", "optuna", "pbt"
    space: tuple[tuple[str, Part], ...] = ()  # (path, how to draw its value)
    final: tuple[tuple[str, Value], ...] = ()  # settings of trials that a search compares no more
    scheduler: Part = Part("none")  # | "asha": ends the training of trials that fall behind

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", completed("searches", self.rule, "search"))
        object.__setattr__(self, "scheduler", completed("schedulers", self.scheduler, "scheduler"))
        space = tuple((path, completed("draws", kind, f"space.{path}")) for path, kind in self.space)
        object.__setattr__(self, "space", space)


@dataclass(frozen=True)
class Comparison:
    """Systems that are compared as wholes, and the protocols by which corpora are split for them."""

    systems: tuple[System, ...] = ()
    protocols: tuple[tuple[str, Part | None], ...] = ()  # by name, how corpora are split; None: as each states
    only: tuple[str, ...] = ()  # systems and protocols to be run; of a kind of which none is listed, all
    folds: int = setting("folds of each protocol at most; 0: all", 0, low=0)
    test_on: tuple[str, ...] = setting(
        "corpora that every trial is tested on where it has not learned from them: names; members: the study's that "
        "are there; all: also others that are there",
        (),
    )
    test_side: str = setting(
        "of those corpora: the test side of their split, all of one that has none; or every utterance",
        "test",
        choices=TESTED_SUBSETS,
    )

    def __post_init__(self) -> None:
        rules = ((name, rule and completed("splits", rule, f"protocol {name}")) for name, rule in self.protocols)
        object.__setattr__(self, "protocols", tuple(rules))
        names = (*(s.name for s in self.systems), *dict(self.protocols))
        for name in self.only:
            _one_of(name, "only", names)
        _one_of(self.test_side, "test_side", TESTED_SUBSETS)

    def runs(self, name: str, kind: Iterable[str]) -> bool:
        """Returns whether a system or protocol is to be run; ``kind`` are all of its kind."""
        return name in self.only or not set(self.only) & set(kind)

    def system(self, name: str, place: str) -> System:
        """Returns the system of that name. Raises BadInput."""
        _one_of(name, place, tuple(s.name for s in self.systems))
        return next(s for s in self.systems if s.name == name)


@dataclass(frozen=True)
class Demo:
    """The run on made corpora: a small budget, and which of these corpora suit the study."""

    changes: tuple[tuple[str, Value | Part], ...] = ()  # (path, value), as --set has them
    emotions: str = "all"  # "four" | "all"

    def __post_init__(self) -> None:
        _one_of(self.emotions, "demo.emotions", ("four", "all"))


@dataclass(frozen=True)
class Study:
    """One paper's search. ``points`` is plain Python from (all corpora, train-only corpora) to the grid's points.

    A point names its corpora, and its block or its system; beside these any setting may be an axis, by its path. Its
    ``protocol`` is one of the study's, by which corpora are split otherwise than they state; with ``fold`` "all" it is
    a trial for each, and so it is for each encoder of the command where a setting ``encoder`` is "each", and for each
    layer of that encoder where ``front_end.layers`` is. ``modes`` has, by mode, the fields that are different there.

    Every part is checked and completed when the study is made: it holds all settings. Raises BadInput.
    """

    name: str
    title: str
    corpora: tuple[Corpus, ...]
    other_corpora: Part  # split rule of corpora that a user brings
    # () = each corpus's own: those it states, or all that it has; with ``labels.dimensions`` none but those it states
    classes: tuple[str, ...]
    features: Features
    blocks: tuple[Part, ...]  # what points name
    training: Training
    points: Callable[[tuple[str, ...], tuple[str, ...]], list[Point]]
    expect: int  # points with the study's own corpora, folds, encoders and layers not counted
    report: str = ""  # the component of kind "report" that makes its tables; "" = the general one, of any axes
    paper: str = ""  # the report whose printed numbers are of this very study; "" = no paper's are
    labels: Labels = Labels()
    search: Search = field(default_factory=Search)
    comparison: Comparison = field(default_factory=Comparison)
    reference: Part | None = None  # a fitted model to hold every result against; see ``ser.study.references``
    seeds: int = setting("repeats, where the command says nothing else", 1, low=1)
    seed_moves: tuple[str, ...] = setting(
        "what another seed changes: of training; of split rules; of augmentation", SEED_MOVES, choices=SEED_MOVES
    )
    mode: str = "paper"  # as printed, odd metrics and leaks included | "sound"
    modes: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"paper": {}})
    demo: Demo = Demo()
    origins: tuple[Origin, ...] = ()  # what is stated here and not in the paper
    encoders: tuple[tuple[str, str], ...] = ()  # (name, identity) of the command's pretrained encoders

    def __post_init__(self) -> None:
        for name in ("report", "paper"):
            if stated := getattr(self, name):
                _one_of(stated, name, registry.names("report"))
        for name in self.seed_moves:
            _one_of(name, "seed_moves", SEED_MOVES)
        object.__setattr__(self, "blocks", _completed_all("models", self.blocks, ""))
        if self.reference is not None:
            object.__setattr__(self, "reference", completed("models", self.reference, "reference"))
        rule = completed("splits", self.other_corpora, "other_corpora")
        object.__setattr__(self, "other_corpora", rule)
        object.__setattr__(self, "corpora", tuple(self._completed(c) for c in self.corpora))
        number = len(self.grid(self.corpora))
        if number != self.expect:
            raise BadInput(f"{number} trials", f"study {self.name}", f"the {self.expect} it expects", "fix its axes")

    def _completed(self, corpus: Corpus) -> Corpus:
        loader = completed("corpora", corpus.loader, corpus.name)
        for name in corpus.apart:
            _one_of(name, f"{corpus.name}.apart", APART)
        if corpus.front_end and not self.comparison.systems:
            whole = completed("frontends", corpus.front_end_for(self.features.front_end), corpus.name)
            own = {name: value for name, value in whole.settings if name in dict(corpus.front_end)}
            corpus = replace(corpus, front_end=tuple((name, own[name]) for name, _ in corpus.front_end))
        return replace(corpus, loader=loader, split=completed("splits", corpus.split, corpus.name))

    def in_mode(self, mode: str) -> "Study":
        """Returns the study in another of its modes. Raises BadInput."""
        _one_of(mode, "--mode", tuple(self.modes))
        return replace(self, mode=mode, **self.modes[mode])

    def with_corpora(self, corpora: Iterable[Corpus]) -> "Study":
        """Returns the study with other corpora on its axes; the number of trials follows."""
        listed = tuple(corpora)
        return replace(self, corpora=listed, expect=len(self.grid(listed)))

    def with_encoders(self, encoders: Iterable[tuple[str, str]]) -> "Study":
        """Returns the study with these encoders, (name, identity), wherever a front-end or block takes "each"."""
        return replace(self, encoders=tuple(encoders))

    def grid(self, corpora: Sequence[Corpus]) -> list[Point]:
        """Returns the points over ``corpora`` in which some corpus trains."""
        stated = self.points(tuple(c.name for c in corpora), tuple(c.name for c in corpora if not c.tested))
        if all(c.trains for c in corpora):
            return stated
        training = {c.name for c in corpora if c.trains}
        return [point for point in stated if training & set(point["corpora"])]

    def classes_of(self, corpus: Corpus) -> tuple[str, ...]:
        """Returns the classes that a trial on this corpus tells apart."""
        return corpus.classes or self.classes

    def check_labels(self, changed: Iterable[str]) -> None:
        """Raises BadInput where ``classes`` or ``merge`` are among the ``changed`` settings and cannot be meant."""
        if "classes" in changed:
            _each_once(self.classes, "classes")
            if len(self.classes) < 2 and not (self.labels.dimensions and not self.classes):
                raise BadInput(repr(",".join(self.classes)), "--set classes", "two or more", "name another class")
        if "merge" in changed:
            _each_once([label for label, _ in self.labels.merge], "merge")
            stated = (self.classes, *(c.classes for c in self.corpora))
            targets = tuple(dict.fromkeys(name for names in stated for name in names)) or EMOTIONS
            for label, target in self.labels.merge:
                _one_of(target, f"--set merge, for {label}", targets)
                if label == target:
                    raise BadInput(f"{label}:{target}", "--set merge", "a label and another class", "leave it out")

    def with_system(self, name: str) -> "Study":
        """Returns the study with what a system has of its own: front-end, block, training … Raises BadInput."""
        system = self.comparison.system(name, f"system of {self.name}")
        changes: dict[str, Any] = dict(system.training)
        front_end = system.front_end or self.features.front_end
        return replace(
            self,
            features=Features(front_end, system.normalise, system.augmentation, system.balance),
            blocks=(system.block,),
            training=replace(self.training, **changes),
        )

    def runs(self, point: Point) -> bool:
        """Returns whether the point's system and protocol, if any, are among those to be run."""
        systems, protocols = [s.name for s in self.comparison.systems], dict(self.comparison.protocols)
        system, protocol = point.get("system", ""), point.get("protocol", "")
        runs = self.comparison.runs
        return not (system and not runs(system, systems)) and not (protocol and not runs(protocol, protocols))

    def awaits_encoder(self, point: Point) -> bool:
        """Returns whether the point's system needs an encoder that the command may name, and has not named."""
        needs = {system.name: system.needs for system in self.comparison.systems}
        return "encoder" in needs.get(point.get("system", ""), ()) and not self.encoders

    def expand_folds(
        self,
        points: Iterable[Point],
        folds: Mapping[str, Mapping[str, int]],
        unmet: Mapping[str, Mapping[str, str]],
    ) -> list[Point]:
        """Returns points as they are run: those of listed systems whose needs are met, and of fold "all" one for each.

        Of corpora with different numbers of folds the least counts; a corpus without folds stands in each of them.
        Where corpora are left out in turn there is a point for each, which has it as ``unseen``.
        ``folds``: corpus → protocol ("" where the study has none) → how many, 0 for none; ``unmet``: corpus → system →
        what it lacks.
        """
        out: list[Point] = []
        for point in self._in_turn(points):
            protocol = point.get("protocol", "")
            if not self.runs(point) or point.get("system") in unmet.get(point["corpora"][0], {}):
                continue
            if point.get("fold") != "all":
                out.append(point)
                continue
            number = min((n for name in point["corpora"] if (n := folds[name][protocol])), default=0)
            out += [{**point, "fold": k} for k in (range(1, number + 1) if number else (0,))]
        return out

    def _in_turn(self, points: Iterable[Point]) -> Iterator[Point]:
        """Yields the points, each for every corpus that its rule leaves out while others train; none where none would.

        One that states which corpus is unseen stays as it is.
        """
        for point in points:
            split = [self.split_of(name, point.get("protocol", "")) for name in point["corpora"]]
            left_out = [c.name for c in split if c.is_left_out_in_turn]
            if UNSEEN in point or not left_out:
                yield point
            elif sum(c.trains for c in split) > 1:
                yield from ({**point, UNSEEN: name} for name in left_out)

    def split_of(self, name: str, protocol: str = "") -> Corpus:
        """Returns a corpus as the study splits it by a protocol, one that it does not name by its rule for others."""
        stated = next((c for c in self.corpora if c.name == name), None)
        corpus = stated or Corpus(name, name, Part(name), self.other_corpora)
        return corpus.split_by(dict(self.comparison.protocols).get(protocol))

    def block(self, name: str) -> Part:
        """Returns the temporal block of that name. Raises BadInput."""
        _one_of(name, f"study {self.name}", tuple(block.name for block in self.blocks))
        return next(block for block in self.blocks if block.name == name)


def _completed_all(kind: str, parts: tuple[Part, ...], owner: str) -> tuple[Part, ...]:
    names = (getattr(p, "name", "block") for p in parts)
    return tuple(completed(kind, p, f"{owner}.{n}" if owner else n) for p, n in zip(parts, names, strict=True))


def _each_once(labels: Sequence[str], name: str) -> None:
    for label in labels:
        _one_of(label, f"--set {name}", EMOTIONS)
    if len(set(labels)) < len(labels):
        raise BadInput(repr(",".join(labels)), f"--set {name}", "each label once", "leave the second out")

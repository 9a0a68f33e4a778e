"""What a study says: plain values, no torch. A trial is a statement, and its id is a hash of the whole statement."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from importlib import import_module
from itertools import combinations, product
from math import inf
from pathlib import Path
from typing import Any

from ser import PACKAGE
from ser.errors import BadInput, unknown
from ser.study.labels import EMOTIONS
from ser.study.values import Part, Value, frozen, part


@dataclass(frozen=True)
class Training:
    """How a network is trained (for paper 003: section 4.4); what a paper leaves open its study states."""

    learning_rate: float
    weight_decay: float
    clip_norm: float  # of all gradients together; 0 = not clipped
    batch_size: int  # items in a mini-batch
    batches: str  # "corpus": every mini-batch is of one corpus, in turn | "pooled": of all corpora, shuffled
    bucket_pool: int  # batches drawn together and sorted by length; 1 = no bucketing
    steps_per_epoch: int  # 0 = every item once, the last mini-batch smaller
    max_epochs: int
    patience_epochs: int  # 0 = always max_epochs
    min_improvement: float  # relative fall of the validation loss that counts as one
    keep: str  # the weights of the "best" epoch by validation loss | of the "last"
    watch: tuple[str, ...]  # sides beside validation whose accuracy is looked at after every epoch: "train", "test"
    loss: str  # "cross_entropy" | "binary_cross_entropy" (of each class)
    class_weights: str  # "inverse": 1/n_c per corpus, mean 1 | "none" | "first_positive", "per_label" (see objective)
    optimiser: str  # "adam" | "rmsprop" | "sgd"
    epsilon: float  # of adam and rmsprop
    precision: str  # of products: "float32" | "tf32" (GPUs only) | "bfloat16" (in the block)
    stacked: bool  # tiny networks of one shape are trained as one, which draws dropout otherwise

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            _usable(value, f"training.{name}")
        for name, known in _WORDS.items():
            _one_of(getattr(self, name), f"training.{name}", known)
        if not set(self.watch) <= {"train", "test"}:
            raise BadInput(repr(self.watch), "training.watch", "train, test", "name sides of the split")


_WORDS = {
    "batches": ("corpus", "pooled"),
    "keep": ("best", "last"),
    "loss": ("cross_entropy", "binary_cross_entropy"),
    "class_weights": ("inverse", "none", "first_positive", "per_label"),
    "optimiser": ("adam", "rmsprop", "sgd"),
    "precision": ("float32", "tf32", "bfloat16"),
}
# A number is a count, a size or a rate, and so more than 0, but where the study file itself states 0 or less, and here:
_ZERO_TOO = {
    *("weight_decay", "min_improvement", "dropout", "prep_layers", "seed", "train", "val", "test", "fold"),
    *("clip_norm", "steps_per_epoch", "patience_epochs", "trim_s", "candidates", "folds", "drop", "songs"),
}
_BELOW_ONE = {"min_improvement", "dropout"}
_SIDES = ("train", "val", "test")  # of a split, where they are shares


def _usable(value: Value, place: str, stated: Value = None) -> None:
    """Raises BadInput for a number that no worker could use; ``stated`` is what the study file says."""
    name = place.rpartition(".")[2]
    numbers = [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, int | float)]
    rules = [("finite numbers", all(abs(v) < inf for v in numbers))]
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name in _ZERO_TOO or name.endswith("_dropout") or stated == 0:
            rules.append(("0 or more", value >= 0))
        elif not (isinstance(stated, int | float) and stated < 0):
            rules.append(("more than 0", value > 0))
        if name in _BELOW_ONE or name.endswith("_dropout"):
            rules.append(("less than 1", value < 1))
        if name in _SIDES and isinstance(stated, float):
            rules.append(("a share of 0 to 1", value <= 1))
    if isinstance(stated, tuple) and stated and all(isinstance(v, int) and v > 0 for v in stated):
        rules.append(("numbers above 0", all(v > 0 for v in numbers)))
    if isinstance(stated, tuple) and [type(v) for v in stated] == [float, float]:
        rules.append(("two numbers, the smaller first", len(numbers) == 2 and numbers == sorted(numbers)))
    for allowed, kept in rules:
        if not kept:
            raise BadInput(str(value), place, allowed, "give such a number")


def _one_of(value: str, place: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise unknown(value, place, known)


def _each_once(labels: Sequence[str], setting: str) -> None:
    for name in labels:
        _one_of(name, f"--set {setting}", EMOTIONS)
    if len(set(labels)) < len(labels):
        raise BadInput(repr(",".join(labels)), f"--set {setting}", "each label once", "leave the second out")


@dataclass(frozen=True)
class Corpus:
    """A corpus as a study uses it. ``copies`` and ``fingerprint`` are filled in when the corpus has been scanned."""

    name: str
    letter: str
    loader: Part
    split: Part
    front_end: tuple[tuple[str, Value], ...] = ()  # settings of the front-end that this corpus has otherwise
    classes: tuple[str, ...] = ()  # its own, where each corpus of a study has its own; () = the study's
    copies: int = 0  # augmented copies added to the training split
    fingerprint: str = ""

    @property
    def tested(self) -> bool:
        """False for a train-only corpus, whose split rule names no test speakers, and in a fold that only validates."""
        rule = self.split.values()
        only_trains = rule.get("test") in ((), 0) or rule.get("songs", False)
        return not only_trains and not (self.split.name == "holdout" and rule["fold"])

    def settings(self) -> dict[str, Value]:
        """Of its loader, its split and its front-end, by name; but not its fold, which points name."""
        every = self.loader.values() | self.split.values() | dict(self.front_end)
        return {name: value for name, value in every.items() if name != "fold"}

    @property
    def source(self) -> str:
        """The corpus as it is split: its name, and rule and fold where there are several: ``emodb/stratified/2``."""
        fold = self.split.values().get("fold", 0)
        return f"{self.name}/{self.split.name}/{fold}" if fold else self.name

    def split_by(self, rule: Part | None) -> "Corpus":
        """The corpus with another split rule, which takes the songs where its own does."""
        if rule is None:
            return self
        songs = self.split.values().get("songs")
        return replace(self, split=rule if songs is None else rule.changed(songs=songs))

    def songs(self) -> "Corpus":
        """The songs of the corpus, as a corpus of their own that only trains and validates."""
        split = self.split.changed(songs=True)
        return replace(self, name=f"{self.name}-song", letter=f"{self.letter}s", split=split)

    def in_fold(self, fold: int) -> "Corpus":
        """The corpus with another fold, where its split rule has folds."""
        return replace(self, split=self.split.changed(fold=fold)) if "fold" in self.split.values() else self

    def front_end_for(self, front_end: Part) -> Part:
        """A study's front-end with what this corpus has otherwise."""
        return front_end.changed(**dict(self.front_end))


@dataclass(frozen=True)
class Trial:
    """One training run: everything able to change a number, and nothing else (no path, no device, no worker count)."""

    study: str
    mode: str
    corpora: tuple[Corpus, ...]
    classes: tuple[str, ...]
    merge: tuple[tuple[str, str], ...]  # (label, class it counts as)
    labels: str  # of an utterance: "one" | "tied": all that its raters' votes tie for
    front_end: Part
    normalise: str  # "train": per-bin mean and variance over the trial's training frames | "speaker" | "none"
    balance: Part  # what makes the classes of the training side equal: "none" | a file of ser/balance
    augmentation: tuple[Part, ...]
    block: Part
    pooling: str  # "mean" | "mean_var" | "none": the block itself gives one vector per item
    task: str  # "unified" | "multi"
    training: Training
    seed: int
    repeat: int = 0  # 1: an independent repeat of an equal model
    initial_from: str = ""  # id of the trial whose end state this one goes on from
    role: Part = Part("grid")  # its part in the search, and the paths that vary there: no part of its identity

    @property
    def id(self) -> str:
        """12 hex digits over the canonical JSON of the whole statement; equal in every process and on every machine."""
        return identity({k: v for k, v in asdict(self).items() if k != "role"})

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the corpora this trial is tested on."""
        return tuple(c.name for c in self.corpora if c.tested)

    @property
    def combination(self) -> str:
        """The corpora's letters: ``I+T+R``."""
        return "+".join(c.letter for c in self.corpora)

    @property
    def title(self) -> str:
        """For people: ``I+T+R · tdnn · μσ² · multi``, ``R · cnn1d · candidate 3 · fold 2``."""
        said = self.role.values()
        parts = [self.combination, self.block.name]
        if self.pooling != "none":
            parts += [POOLING_SIGNS[self.pooling], self.task]
        if self.role.name == "system":
            parts = [self.combination, said["system"], said["protocol"]]
        elif self.role.name != "grid":
            parts.append(f"{self.role.name} {said['number']}" if "number" in said else self.role.name)
        else:
            parts += [f"{path.rpartition('.')[2]} {value}" for path, value in self.varied_values().items()]
        fold = next((c.split.values().get("fold", 0) for c in self.corpora), 0)
        parts += [f"fold {fold}"] * bool(fold) + [f"seed {self.seed}"] * bool(self.seed) + ["repeat"] * self.repeat
        return " · ".join(parts)

    def varied_values(self) -> dict[str, str]:
        """The values that are this trial's own in its search or grid, as text, by path."""
        told, own = self.params(), f"{self.block.name}."
        named = {path: path.replace(own, "block.", 1) for path in self.role.values().get("varied", ())}
        return {path: told[name] for path, name in named.items() if name in told}

    def params(self) -> dict[str, str]:
        """The statement as flat text, one entry per field, for tracking and for axis checks."""
        return flat(asdict(self) | {"corpora": ",".join(c.name for c in self.corpora)}) | {
            f"corpus.{c.name}.{key}": value
            for c in self.corpora
            for key, value in flat({k: v for k, v in asdict(c).items() if k != "name"}).items()
        }


POOLING_SIGNS = {"mean": "μ", "mean_var": "μσ²"}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested dictionaries to dotted text entries; a Part becomes ``x`` (its name) and ``x.<setting>``."""
    out: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and set(value) == {"name", "settings"}:
            out[name] = value["name"]
            out |= flat(dict(value["settings"]), f"{name}.")
        elif isinstance(value, Mapping):
            out |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            out[name] = ",".join(item["name"] for item in value)
            for item in value:
                out |= flat(dict(item["settings"]), f"{name}.{item['name']}.")
        elif isinstance(value, list | tuple):
            out[name] = ",".join(map(str, value))
        else:
            out[name] = str(value)
    return out


def canonical(statement: Any) -> str:
    """The one JSON text of a statement: sorted keys, no spaces, tuples as lists."""
    tree = asdict(statement) if is_dataclass(statement) and not isinstance(statement, type) else statement
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def identity(statement: Any) -> str:
    """12 hex digits (48 bits): one collision is expected after some ten million statements."""
    return hashlib.sha256(canonical(statement).encode()).hexdigest()[:12]


Point = dict[str, Any]  # one value per axis: corpora, block, pooling, task, fold …, or any path that can be set
# Axes that are no paths:
_PLACES = ("corpora", "system", "protocol", "block", "pooling", "task", "fold", "initial_from", "final", "role")


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All non-empty subsets, small ones first, each in the order of ``names``."""
    return [c for size in range(1, len(names) + 1) for c in combinations(names, size)]


def grid(**axes: Iterable[Any]) -> list[Point]:
    """The cross product of the axes, as points; the first axis varies slowest."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


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
    needs: tuple[str, ...] = ()  # what a corpus must have for it: "text", "song"
    impossible: str = ""  # why there can be no such system: a hole that says so

    def settings(self) -> list[str]:
        """What of it can be set: ``block.units``."""
        named = [(name, getattr(self, name)) for name in ("front_end", "block", "balance")]
        inner = [f"{name}.{key}" for name, p in named if p for key in p.values()]
        return ["normalise", *inner, *(f"training.{f.name}" for f in fields(Training))]


@dataclass(frozen=True)
class Study:
    """One paper's search. ``points`` is plain Python from (all corpora, train-only corpora) to the grid's points.

    A point names its corpora, and its block or its system; beside these any setting may be an axis, by its path. Its
    ``protocol`` is one of the study's, by which corpora are split otherwise than they state; with ``fold`` "all" it is
    a trial for each. A ``search`` other than "grid" adds points drawn from ``space`` (see ``ser.planning.search``).
    ``modes`` says what else is different in each mode.
    """

    name: str
    title: str
    report: str  # file of ser/reports that makes its tables
    corpora: tuple[Corpus, ...]
    other_corpora: Part  # split rule of corpora that a user brings
    classes: tuple[str, ...]  # () = each corpus's own: those it states, or all that it has
    merge: tuple[tuple[str, str], ...]
    labels: str
    front_end: Part
    normalise: str
    augmentation: tuple[Part, ...]
    blocks: tuple[Part, ...]  # what points name
    training: Training
    points: Callable[[tuple[str, ...], tuple[str, ...]], list[Point]]
    expect: int  # points with the study's own corpora
    space: tuple[tuple[str, Part], ...] = ()  # (path, how to draw its value)
    search: Part = Part("grid")
    final: tuple[tuple[str, Value], ...] = ()  # what trials are trained with that a search compares no more
    scheduler: Part = Part("none")  # | "asha": ends the training of trials that fall behind
    seeds: int = 1  # repeats, where the command says nothing else
    mode: str = "paper"  # as printed, odd metrics and leaks included | "sound"
    modes: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"paper": {}})
    demo_emotions: str = "all"  # which made corpora suit it: "four" | "all"
    demo: tuple[tuple[str, Value | Part], ...] = ()  # overrides for the run on made corpora
    balance: Part = Part("none")
    systems: tuple[System, ...] = ()  # what points name, where each has a front-end and a block of its own
    protocols: tuple[tuple[str, Part | None], ...] = ()  # by name, how corpora are split; None: as each states
    only: tuple[str, ...] = ()  # of systems and protocols, those to run; of which none is named, all
    folds: int = 0  # of each protocol at most so many; 0 = all

    def __post_init__(self) -> None:
        _one_of(self.normalise, "normalise", ("train", "speaker", "none"))
        _one_of(self.labels, "labels", ("one", "tied"))
        _one_of(self.scheduler.name, "scheduler", ("none", "asha"))
        if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in self.merge):
            raise BadInput(repr(self.merge), "merge", "pairs of a label and its class", "write merge=excited:happy")
        found = len(self.grid(self.corpora))
        if found != self.expect:
            raise BadInput(f"{found} trials", f"study {self.name}", f"the {self.expect} it expects", "mend its axes")

    def in_mode(self, mode: str) -> "Study":
        """The study in another of its modes. Raises BadInput."""
        _one_of(mode, "--mode", tuple(self.modes))
        return replace(self, mode=mode, **self.modes[mode])

    def check_labels(self, changed: Iterable[str]) -> None:
        """Raises BadInput where ``classes`` or ``merge`` are among the ``changed`` settings and cannot be meant."""
        if "classes" in changed:
            _each_once(self.classes, "classes")
            if len(self.classes) < 2:
                raise BadInput(repr(",".join(self.classes)), "--set classes", "two or more", "name another class")
        if "merge" in changed:
            _each_once([label for label, _ in self.merge], "merge")
            stated = (self.classes, *(c.classes for c in self.corpora))
            targets = tuple(dict.fromkeys(name for names in stated for name in names)) or EMOTIONS
            for label, target in self.merge:
                _one_of(target, f"--set merge, for {label}", targets)
                if label == target:
                    raise BadInput(f"{label}:{target}", "--set merge", "a label and another class", "leave it out")

    def with_corpora(self, corpora: Iterable[Corpus]) -> "Study":
        """The study with other corpora on its axes; the number of trials follows."""
        chosen = tuple(corpora)
        return replace(self, corpora=chosen, expect=len(self.grid(chosen)))

    def grid(self, corpora: Sequence[Corpus]) -> list[Point]:
        """The points over ``corpora``."""
        return self.points(tuple(c.name for c in corpora), tuple(c.name for c in corpora if not c.tested))

    def classes_of(self, corpus: Corpus) -> tuple[str, ...]:
        """The classes that a trial on this corpus tells apart."""
        return corpus.classes or self.classes

    def with_system(self, name: str) -> "Study":
        """The study with what a system has of its own: front-end, block, training ... Raises BadInput."""
        _one_of(name, f"system of {self.name}", tuple(s.name for s in self.systems))
        (own,) = (s for s in self.systems if s.name == name)
        out = replace(
            self,
            front_end=own.front_end or self.front_end,
            blocks=(own.block,),
            normalise=own.normalise,
            balance=own.balance,
            augmentation=own.augmentation,
        )
        for key, value in own.training:
            out = out.override(f"training.{key}", value)
        return out

    def is_selected(self, name: str, among: Iterable[str]) -> bool:
        """Whether a system or protocol is to be run, ``among`` all of its kind."""
        return name in self.only or not set(self.only) & set(among)

    def expand_folds(
        self,
        points: Iterable[Point],
        folds: Mapping[str, Mapping[str, int]],
        unmet: Mapping[str, Mapping[str, str]],
    ) -> list[Point]:
        """Points as they are run: those of wanted systems whose needs are met, one for each fold where all are meant.

        ``folds``: corpus → protocol ("" where the study has none) → how many; ``unmet``: corpus → system → what it
        lacks.
        """
        systems, protocols = {s.name: s for s in self.systems}, dict(self.protocols)
        out: list[Point] = []
        for point in points:
            system, protocol = systems.get(point.get("system", "")), point.get("protocol", "")
            if system and (
                not self.is_selected(system.name, systems) or system.name in unmet.get(point["corpora"][0], {})
            ):
                continue
            if protocol and not self.is_selected(protocol, protocols):
                continue
            if point.get("fold") != "all":
                out.append(point)
                continue
            number = min(folds[name][protocol] for name in point["corpora"])
            out += [{**point, "fold": k} for k in range(1, number + 1)]
        return out

    def block(self, name: str) -> Part:
        """The temporal block of that name. Raises BadInput."""
        for block in self.blocks:
            if block.name == name:
                return block
        raise BadInput(
            repr(name), f"study {self.name}", ", ".join(b.name for b in self.blocks), "name one of its blocks"
        )

    def trial(self, point: Point, corpora: Mapping[str, Corpus], seed: int) -> Trial:
        """The statement of one point; a system that needs songs gets those of its corpus as another corpus.

        Raises BadInput for a path that names nothing.
        """
        paths = [path for path in point if path not in _PLACES]
        chosen, role = self, part("grid", varied=tuple(paths))
        own, singing = {key: point[key] for key in ("block", "pooling", "task") if key in point}, False
        if "system" in point:
            chosen = self.with_system(point["system"])
            (system,) = (s for s in self.systems if s.name == point["system"])
            own = {"block": system.block.name, "pooling": system.pooling, "task": system.task}
            singing = "song" in system.needs
            told = {key: point.get(key, "") for key in ("system", "protocol", "fold")}
            role = part("system", varied=tuple(paths), **told)
        for path, value in (*(self.final if point.get("final") else ()), *((path, point[path]) for path in paths)):
            chosen = chosen.override(path, value)
        rule = dict(self.protocols).get(point.get("protocol", ""))
        split = [corpora[name].split_by(rule).in_fold(point.get("fold", 0)) for name in point["corpora"]]
        split += [corpus.songs() for corpus in split if singing]
        return Trial(
            study=self.name,
            mode=self.mode,
            corpora=tuple(split),
            classes=self.classes_of(split[0]),
            merge=self.merge,
            labels=self.labels,
            front_end=chosen.front_end,
            normalise=chosen.normalise,
            balance=chosen.balance,
            augmentation=chosen.augmentation,
            block=chosen.block(own["block"]),
            pooling=own.get("pooling", "none"),
            task=own.get("task", "unified"),
            training=chosen.training,
            seed=seed,
            initial_from=point.get("initial_from", ""),
            role=point.get("role", role),
        )

    def override(self, path: str, value: Value | Part) -> "Study":
        """The study with ``training.x``, ``front_end.x``, ``<block>.x``, ``<corpus>.x`` (of its loader, split or
        front-end), ``<augmentation>.x``, ``search.x``, ``scheduler.x``, ``final.x``, ``<system>.x``, ``normalise``,
        ``classes``, ``merge``, ``augmentation``, ``seeds``, ``only`` or ``folds`` changed; by a study file
        ``space.x``, too.

        Raises BadInput for a path that names nothing or a value of another kind.
        """
        head, _, key = path.partition(".")
        place = f"--set {path}"
        if not key and head in ("normalise", "classes", "merge"):
            return replace(self, **{head: _alike(getattr(self, head), value, place)})
        if path in ("seeds", "folds"):
            _usable(new := _alike(getattr(self, path), value, place), place, 0 if path == "folds" else 1)
            return replace(self, **{path: new})
        if path == "only" and self.systems:
            return replace(self, only=self._named(_alike(("",), value, place), place))
        if any(s.name == head and key in s.settings() for s in self.systems):
            changed = (self._system_changed(s, key, value, place) if s.name == head else s for s in self.systems)
            return replace(self, systems=tuple(changed))
        if head == "space" and key in dict(self.space) and isinstance(value, Part):
            return replace(self, space=tuple((k, value if k == key else kind) for k, kind in self.space))
        if head == "final" and key in dict(self.final):
            new = _alike(dict(self.final)[key], value, place)
            return replace(self, final=tuple((k, new if k == key else v) for k, v in self.final))
        if head == "search" and key in self.search.values():
            return replace(self, search=with_setting(self.search, key, value, place))
        if head == "scheduler" and key in self.scheduler.values():
            return replace(self, scheduler=with_setting(self.scheduler, key, value, place))
        if not key and head == "augmentation" and value in ("none", (), None):
            return replace(self, augmentation=())
        if head == "training" and key in {f.name for f in fields(Training)}:
            new = _alike(getattr(self.training, key), value, place)
            return replace(self, training=replace(self.training, **{key: new}))
        if head == "front_end" and key in self.front_end.values():
            return replace(self, front_end=with_setting(self.front_end, key, value, place))
        if any(p.name == head and key in p.values() for p in self.blocks):
            return replace(self, blocks=_each(self.blocks, head, key, value, place))
        if any(p.name == head and key in p.values() for p in self.augmentation):
            return replace(self, augmentation=_each(self.augmentation, head, key, value, place))
        if any(c.name == head and key in c.settings() for c in self.corpora):
            # A corpus that gains or loses its test side changes the grid on purpose.
            others = (_corpus_changed(c, key, value, place) if c.name == head else c for c in self.corpora)
            return self.with_corpora(others)
        names, more = self._settable_near(head)
        error = unknown(path, "--set", names, "name one of these")
        raise BadInput(error.value, error.place, error.allowed + more, error.remedy)

    def _named(self, names: tuple[str, ...], place: str) -> tuple[str, ...]:
        known = (*(s.name for s in self.systems), *dict(self.protocols))
        for name in names:
            _one_of(name, place, known)
        return names

    def _system_changed(self, system: System, key: str, value: Value | Part, place: str) -> System:
        kind, _, inner = key.partition(".")
        if kind == "normalise":
            _one_of(str(value), place, ("train", "speaker", "none"))
            return replace(system, normalise=str(value))
        if kind == "training":
            new = _alike(dict(system.training).get(inner, getattr(self.training, inner)), value, place)
            replace(self.training, **{inner: new})  # says what is wrong with it
            return replace(system, training=(*(kept for kept in system.training if kept[0] != inner), (inner, new)))
        changed: dict[str, Any] = {kind: with_setting(getattr(system, kind), inner, value, place)}
        return replace(system, **changed)

    def _settable_near(self, head: str) -> tuple[list[str], str]:
        """For people: of a system all of its own, else all that is no system's, and how those are named."""
        if own := [f"{s.name}.{key}" for s in self.systems if s.name == head for key in s.settings()]:
            return own, ""
        names = [s.name for s in self.systems]
        common = [path for path in self.settable_paths() if path.partition(".")[0] not in names]
        told = f"; of a system NAME.front_end.x, NAME.block.x, NAME.training.x …, where NAME is {', '.join(names)}"
        return common, told if names else ""

    def settable_paths(self) -> list[str]:
        """Every path that ``override`` takes."""
        named = [(name, getattr(self, name)) for name in ("front_end", "search", "scheduler")]
        named += [(p.name, p) for p in self.blocks + self.augmentation]
        return (
            ["normalise", "classes", "merge", "augmentation", "seeds", "folds"]
            + (["only"] if self.systems else [])
            + [f"training.{f.name}" for f in fields(Training)]
            + [f"{name}.{key}" for name, p in named for key in p.values()]
            + [f"final.{key}" for key, _ in self.final]
            + [f"{c.name}.{key}" for c in self.corpora for key in c.settings()]
            + [f"{s.name}.{key}" for s in self.systems for key in s.settings()]
        )


def with_setting(old: Part, key: str, value: Value | Part, place: str) -> Part:
    """``old`` with another value of the same kind for ``key``. Raises BadInput, which names ``place``."""
    new = _alike(old[key], value, place)
    _usable(new, place, old[key])
    return old.changed(**{key: new})


def _each(parts: tuple[Part, ...], name: str, key: str, value: Value | Part, place: str) -> tuple[Part, ...]:
    return tuple(with_setting(p, key, value, place) if p.name == name else p for p in parts)


def _corpus_changed(corpus: Corpus, key: str, value: Value | Part, place: str) -> Corpus:
    if key in corpus.loader.values():
        return replace(corpus, loader=with_setting(corpus.loader, key, value, place))
    if key in (own := dict(corpus.front_end)):
        new = _alike(own[key], value, place)
        _usable(new, place)
        return replace(corpus, front_end=tuple((k, new if k == key else v) for k, v in corpus.front_end))
    return replace(corpus, split=with_setting(corpus.split, key, value, place))


def _alike(old: Value, new: Any, place: str) -> Any:
    """``new`` if it is of the kind of ``old``: an int may stand for a float, one value for a tuple of one, and inside a
    tuple of texts a number for its text. So one setting has one spelling, and one identity.
    """
    new = frozen(new)
    if isinstance(old, float) and isinstance(new, int) and not isinstance(new, bool):
        return float(new)
    if isinstance(old, tuple):
        items = new if isinstance(new, tuple) else (new,)
        if not old or isinstance(old[0], str):
            items = tuple(str(i) if isinstance(i, int) else i for i in items)
        if old:
            return tuple(_alike(old[0], i, place) for i in items)
        if all(isinstance(i, str | tuple) for i in items):
            return items
    if old is None or type(old) is type(new):
        return new
    raise BadInput(repr(new), place, f"a value like {old!r}", "give one of that type")


def load_study(name: str) -> Study:
    """The study of ``experiments/<name>.py``. Raises BadInput naming the studies that exist."""
    folder = Path(str(import_module("experiments").__path__[0]))
    ours = PACKAGE.parent / "experiments"
    if folder.resolve() != ours.resolve():
        remedy = "take it off PYTHONPATH, or call it otherwise"
        raise BadInput(f"{folder}, which is taken for ours", "experiments", str(ours), remedy)
    known = sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_"))
    if name not in known:
        raise unknown(name, "study", known, "name one of these, or add a file to experiments/")
    study = import_module(f"experiments.{name}").study
    assert isinstance(study, Study)
    return study

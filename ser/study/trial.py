"""A trial as a statement: everything able to change a number, and nothing else. Its id is a hash of the statement.

The hash is made of an explicit mapping of names, ``statement``, and not of the names of fields: a field may be renamed
and every id stays. ``SCHEMA`` is part of it and goes up when the mapping changes.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

from ser import registry
from ser.study.settings import checked, kinds_of, rule_of, setting
from ser.study.values import Part, Value

SCHEMA = 2  # of statements; 1 was a hash of the names of fields. Runs carry it as the tag ``schema``
POOLING_SIGNS = {"mean": "μ", "mean_var": "μσ²"}
_ENCODER = re.compile(r"(.+)-[\d.]+-([0-9a-f]{6})[0-9a-f]{6}")
UNSEEN = "unseen"  # split rule of a corpus that trains nothing
IN_TURN = (
    "leave_one_corpus_out"  # split rule of corpora each of which is unseen in some trials, and trains in the others
)
REFERENCE = "reference"  # the role of a study's plain reference, which is no point of its grid


@dataclass(frozen=True)
class Training:
    """How a network is trained; a paper's text decides, and what it leaves open its study states.

    Only settings that came later have a default: what was done before. ``learns_from`` is of fitted models, too.
    """

    learning_rate: float = setting("step size of the optimiser", above=0)
    weight_decay: float = setting("of Adam and SGD, as PyTorch adds it to gradients", low=0)
    clip_norm: float = setting("largest norm of all gradients; 0: not clipped", low=0)
    batch_size: int = setting("items in a mini-batch", low=1)
    batches: str = setting(
        "corpus: every mini-batch is of one corpus, in turn; pooled: of all, shuffled", choices=("corpus", "pooled")
    )
    bucket_pool: int = setting("batches drawn at a time and sorted by length; 1: no bucketing", low=1)
    steps_per_epoch: int = setting("mini-batches in an epoch; 0: every item once, the last batch smaller", low=0)
    max_epochs: int = setting("epochs at most", low=1)
    patience_epochs: int = setting("epochs without improvement before training ends; 0: always max_epochs", low=0)
    min_improvement: float = setting("relative fall of the validation loss that counts as one", low=0, below=1)
    keep: str = setting(
        "weights of the epoch of least validation loss (best) or of best validation accuracy, or of the last",
        choices=("best", "best_accuracy", "last"),
    )
    watch: tuple[str, ...] = setting(
        "subsets beside validation whose accuracy is measured after every epoch", choices=("train", "test")
    )
    loss: str = setting(
        "cross-entropy of the softmax, or of each class's sigmoid; divergence of the softmax from shares of votes",
        choices=("cross_entropy", "binary_cross_entropy", "kl_divergence"),
    )
    class_weights: str = setting(
        "inverse: 1/n_c per corpus, mean 1; first_positive and per_label: see ser.training.loss",
        choices=("inverse", "none", "first_positive", "per_label"),
    )
    optimiser: str = setting("the optimiser", choices=("adam", "rmsprop", "sgd"))
    epsilon: float = setting("added to the denominators of adam and rmsprop", above=0)
    precision: str = setting(
        "of products: tf32 on GPUs only; bfloat16 in the block", choices=("float32", "tf32", "bfloat16")
    )
    stacked: bool = setting("networks of one shape are trained as one where they can be, which draws dropout otherwise")
    learns_from: str = setting(
        "subsets that the tested model has learned from; train_and_validation: validation chooses the number of "
        "epochs, then a network is trained again from the start on both, and a fitted model is fitted to both",
        "train",
        choices=("train", "train_and_validation"),
    )
    check_every_epochs: int = setting("every so many epochs validation decides; it is scored after each", 1, low=1)
    loss_tolerance: float = setting(
        "with keep=best_accuracy: an epoch is kept only where its loss is below the least so far plus this", 0.0, low=0
    )
    weighted_validation: bool = setting("class weights count in validation losses, too", True)
    dimension_loss: str = setting(
        "of ratings: 1 - CCC of a mini-batch, or the mean squared error; the mean over dimensions",
        "ccc",
        choices=("ccc", "mse"),
    )
    dimension_weight: float = setting("of the loss of ratings where classes have one, too", 1.0, above=0)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = checked(
                getattr(self, item.name), kinds_of(Training)[item.name], rule_of(item), f"training.{item.name}"
            )
            object.__setattr__(self, item.name, value)


@dataclass(frozen=True)
class Corpus:
    """A corpus as a study uses it. ``copies`` and ``fingerprint`` are filled in when the corpus has been scanned."""

    name: str
    letter: str
    loader: Part
    split: Part
    front_end: tuple[tuple[str, Value], ...] = ()  # settings of the front-end that this corpus has otherwise
    classes: tuple[str, ...] = ()  # its own, where each corpus of a study has its own; () = the study's
    copies: int = 0  # augmented copies added to the training subset
    fingerprint: str = ""
    axes: tuple[tuple[str, Value], ...] = ()  # values of a point in its split and front-end, which these hold, too
    apart: tuple[str, ...] = ()  # what no two subsets share, beside speakers, dialogues and recordings: "sentence"
    seed: int = 0  # the trial's, where it moves the split or the copies: the split and the augmentations hold the sum
    protocol: str = ""  # the study's that it is split by, if any: the split holds its rule

    @property
    def tested(self) -> bool:
        """False for a train-only corpus, whose split rule names no test speakers, and in a fold that only validates."""
        rule = self.split.values()
        only_trains = rule.get("test") in ((), 0) or rule.get("songs", False) or self.split.name == "alternating"
        return not only_trains and not (self.split.name == "holdout" and rule["fold"])

    @property
    def trains(self) -> bool:
        """False for a corpus that is tested whole, by models that others train."""
        return self.split.name != UNSEEN

    @property
    def is_left_out_in_turn(self) -> bool:
        """Whether it is unseen in some of a study's trials, and trains in the others."""
        return self.split.name == IN_TURN

    @property
    def source(self) -> str:
        """The corpus as it is split: its name, and rule and fold where there are several: ``emodb/stratified/2``.

        Before these comes a protocol, ``emodb/sd/stratified/2``. Where the split is an axis its value follows,
        ``emodb/test=0.2``, and where another seed moves it that one: ``emodb/stratified/2/seed 1``.
        """
        fold = self.split.values().get("fold", 0)
        place = [self.name, *filter(None, [self.protocol]), *((self.split.name, str(fold)) if fold else ())]
        place += [] if self.trains else [UNSEEN]
        place += [f"{name}={value}" for name, value in self.axes if name in self.split.values()]
        return "/".join([*place, *([f"seed {self.seed}"] if self.seed else ())])

    def split_by(self, rule: Part | None) -> "Corpus":
        """Returns the corpus with another split rule, which takes the songs where its own does."""
        if rule is None:
            return self
        songs = self.split.values().get("songs")
        return replace(self, split=rule if songs is None else rule.changed(songs=songs))

    def songs(self) -> "Corpus":
        """Returns the songs of the corpus, as a corpus of their own that only trains and validates."""
        split = self.split.changed(songs=True)
        return replace(self, name=f"{self.name}-song", letter=f"{self.letter}s", split=split)

    def in_fold(self, fold: int) -> "Corpus":
        """Returns the corpus with another fold, where its split rule has folds."""
        return replace(self, split=self.split.changed(fold=fold)) if "fold" in self.split.values() else self

    def moved(self, seed: int) -> "Corpus":
        """Returns the corpus split by another seed: ``seed`` is added to its rule's, where that has one of its own.

        A seed that is an axis stays as the axis has it.
        """
        rule = self.split.values()
        if not seed or "seed" not in rule or "seed" in dict(self.axes):
            return self
        return replace(self, split=self.split.changed(seed=rule["seed"] + seed), seed=seed)

    def front_end_for(self, front_end: Part) -> Part:
        """Returns a study's front-end with the settings that this corpus has otherwise."""
        return front_end.changed(**dict(self.front_end))


@dataclass(frozen=True)
class Trial:
    """One training run: everything able to change a number, and nothing else (no path, no device, no worker count)."""

    study: str
    mode: str
    corpora: tuple[Corpus, ...]
    classes: tuple[str, ...]
    merge: tuple[tuple[str, str], ...]  # (label, class it counts as)
    # Of an utterance: "one" | "tied": all that its raters' votes tie for | "shares" of these votes.
    labels: str
    front_end: Part
    normalise: (
        str  # "train": per-bin mean and variance over the trial's training frames | "corpus" | "speaker" | "none"
    )
    balance: Part  # what makes the classes of the training subset equal: "none" | a file of ser/balance
    augmentation: tuple[Part, ...]
    block: Part
    pooling: str  # "mean" | "mean_var" | "none": the block itself gives one vector per item
    task: str  # "unified" | "multi"
    training: Training
    seed: int
    weights_seed: int | None = None  # of weights, batches, dropout and balance, where ``seed`` moves the data alone
    repeat: int = 0  # 1: an independent repeat of an equal model
    initial_from: str = ""  # id of the trial whose end state this one goes on from
    dimensions: tuple[str, ...] = ()  # of ratings, which are predicted beside the classes, or instead
    # Its place in the search, and the paths that vary there: no part of its identity, but that it is a reference.
    role: Part = Part("grid")

    @cached_property
    def id(self) -> str:
        """12 hex digits over the statement; equal in every process and on every machine."""
        return identity(statement(self))

    @property
    def training_seed(self) -> int:
        """The seed of all that training draws: weights, batches, dropout, what balances classes."""
        return self.seed if self.weights_seed is None else self.weights_seed

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the corpora this trial is tested on."""
        return tuple(c.name for c in self.corpora if c.tested)

    @property
    def training_corpora(self) -> tuple[Corpus, ...]:
        """The corpora that the model learns from: each has a head in the multi-task set-up."""
        return tuple(c for c in self.corpora if c.trains)

    @property
    def combination(self) -> str:
        """The corpora's letters: ``I+T+R``."""
        return "+".join(c.letter for c in self.corpora)

    @property
    def title(self) -> str:
        """For people: ``I+T+R · tdnn · μσ² · multi``, ``R · cnn1d · candidate 3 · fold 2``."""
        role = self.role.values()
        parts = [self.combination, self.block.name]
        if self.pooling != "none":
            parts += [POOLING_SIGNS[self.pooling], self.task]
        if self.role.name == "system":
            parts = [self.combination, role["system"], *filter(None, [role["protocol"]]), *self._varied()]
        elif self.is_reference:
            parts = [self.combination, f"{REFERENCE} {self.block.name}", *filter(None, [role["protocol"]])]
            parts += self._varied()
        elif self.role.name != "grid":
            parts.append(f"{self.role.name} {role['number']}" if "number" in role else self.role.name)
        else:
            parts += self._varied()
        parts += [f"{c.letter} {UNSEEN}" for c in self.corpora if not c.trains]
        fold = max((c.split.values().get("fold", 0) for c in self.corpora), default=0)  # some corpora may have none
        parts += [f"fold {fold}"] * bool(fold) + [f"seed {self.seed}"] * bool(self.seed) + ["repeat"] * self.repeat
        return " · ".join(parts)

    @property
    def is_reference(self) -> bool:
        """Whether it is a plain reference beside the study's trials (see ``ser.study.references``)."""
        return self.role.name == REFERENCE

    def _varied(self) -> list[str]:
        """The values that are this trial's own, for its title: ``encoder whisper-384x5-3fa29c``, ``layers 2``."""
        values = ((path.rpartition(".")[2], value) for path, value in self.varied_values().items())
        return [f"{name} {encoder_label(value) if name == 'encoder' else value or 'none'}" for name, value in values]

    def varied_values(self) -> dict[str, str]:
        """Returns the values that are this trial's own in its search or grid, as text, by path."""
        keys = {path: self.keys_of(path) for path in self.role.values().get("varied", ())}
        params = self.params() if keys else {}
        return {path: params[key] for path, names in keys.items() for key in names if key in params}

    def keys_of(self, path: str) -> list[str]:
        """Returns the names that a study's path may have among ``params``; only one of them is there."""
        head, _, rest = path.partition(".")
        of_corpus = [f"corpus.{head}.{place}.{rest}" for place in ("split", "front_end")]
        return [path.replace(f"{self.block.name}.", "block.", 1), f"augmentation.{path}", *of_corpus]

    def params(self) -> dict[str, str]:
        """Returns the statement as flat text, one entry per field, for tracking and for axis checks."""
        own = {k: v for k, v in asdict(self).items() if k not in _LATER or v != _LATER[k]}
        return flat(own | {"corpora": ",".join(c.name for c in self.corpora)}) | {
            f"corpus.{c.name}.{key}": value
            for c in self.corpora
            for key, value in flat({k: v for k, v in asdict(c).items() if k not in _NO_PARAMS}).items()
        }


def encoder_label(identity: str) -> str:
    """Returns a pretrained encoder's identity for people: its architecture and size, and six digits of its weights.

    >>> encoder_label("whisper-384x5-1.320-3fa29c81d0b2")
    'whisper-384x5-3fa29c'
    """
    return "-".join(match.groups()) if (match := _ENCODER.fullmatch(identity)) else identity


# Name in a statement -> attribute. The names on the left never change within a SCHEMA, whatever becomes of attributes.
_TRIAL = {
    "study": "study", "mode": "mode", "classes": "classes", "merge": "merge", "labels": "labels",
    "normalise": "normalise", "pooling": "pooling", "task": "task", "seed": "seed", "repeat": "repeat",
    "initial_from": "initial_from",
}  # fmt: skip
_LATER: Mapping[str, Value] = {
    "weights_seed": None,
    "dimensions": (),
}  # what came later, and the value that says what was done before
# Of a corpus: what other entries hold, and what changes no number.
_NO_PARAMS = ("name", "axes", "apart", "seed", "protocol")
_TRAINING = {
    "learning_rate": "learning_rate", "weight_decay": "weight_decay", "clip_norm": "clip_norm",
    "batch_size": "batch_size", "batches": "batches", "bucket_pool": "bucket_pool",
    "steps_per_epoch": "steps_per_epoch", "max_epochs": "max_epochs", "patience_epochs": "patience_epochs",
    "min_improvement": "min_improvement", "keep": "keep", "watch": "watch", "loss": "loss",
    "class_weights": "class_weights", "optimiser": "optimiser", "epsilon": "epsilon", "precision": "precision",
    "stacked": "stacked",
}  # fmt: skip
# Settings that came later, each with the value that says what was done before: it is in no statement, so that ids stay.
_LATER_TRAINING: Mapping[str, Value] = {
    "learns_from": "train", "check_every_epochs": 1, "loss_tolerance": 0.0, "weighted_validation": True,
    "dimension_loss": "ccc", "dimension_weight": 1.0,
}  # fmt: skip
_CORPUS = {
    "name": "name", "letter": "letter", "front_end": "front_end", "classes": "classes", "copies": "copies",
    "fingerprint": "fingerprint",
}  # fmt: skip


def statement(trial: Trial) -> dict[str, Any]:
    """Returns all of ``trial`` that its id is made of, under the names of the schema.

    Its role is not among it, but that of a reference, which so is never a trial of the grid with equal settings. What a
    fitted model learns from is always stated: without it, trials were fitted to training and validation.
    """
    later = {name: getattr(trial.training, name) for name in _LATER_TRAINING}
    stated = ("learns_from",) if registry.is_fitted(trial.block.name) else ()
    return {
        "schema": SCHEMA,
        **_named(trial, _TRIAL),
        **{name: v for name, default in _LATER.items() if (v := getattr(trial, name)) != default},
        "corpora": [
            {**_named(c, _CORPUS), "loader": _component(c.loader), "split": _component(c.split)} for c in trial.corpora
        ],
        "front_end": _component(trial.front_end),
        "balance": _component(trial.balance),
        "augmentation": [_component(kind) for kind in trial.augmentation],
        "block": _component(trial.block),
        "training": {
            **_named(trial.training, _TRAINING),
            **{name: v for name, v in later.items() if v != _LATER_TRAINING[name] or name in stated},
        },
        **({REFERENCE: True} if trial.is_reference else {}),
    }


def in_short(stated: Training | Corpus) -> str:
    """Returns the fields as text, without those that came later and say what was done before.

    So the text of what was stated then stays, and with it what is made of the text.
    """
    later = {"apart": (), "seed": 0, "protocol": ""} if isinstance(stated, Corpus) else _LATER_TRAINING
    values = {item.name: getattr(stated, item.name) for item in fields(stated)}
    kept = (f"{name}={value!r}" for name, value in values.items() if name not in later or value != later[name])
    return f"{type(stated).__name__}({', '.join(kept)})"


def _named(source: object, names: Mapping[str, str]) -> dict[str, Any]:
    return {name: getattr(source, attribute) for name, attribute in names.items()}


def _component(stated: Part) -> dict[str, Any]:
    return {"name": stated.name, "version": stated.version, "settings": stated.values()}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns nested dictionaries as dotted text entries; a Part becomes ``x`` (its name), ``x.<setting>`` and, where
    it has one, ``x.version``.
    """
    out: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and set(value) == {"name", "settings", "version"}:
            out[name] = value["name"]
            out |= _flat_part(value, name)
        elif isinstance(value, Mapping):
            out |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            out[name] = ",".join(item["name"] for item in value)
            for item in value:
                out |= _flat_part(item, f"{name}.{item['name']}")
        elif isinstance(value, list | tuple):
            out[name] = ",".join(map(str, value))
        else:
            out[name] = str(value)
    return out


def _flat_part(stated: Mapping[str, Any], name: str) -> dict[str, str]:
    version = {f"{name}.version": str(stated["version"])} if stated["version"] else {}
    return flat(dict(stated["settings"]), f"{name}.") | version


def canonical(value: object) -> str:
    """Returns the one JSON text of plain values: sorted keys, no spaces, tuples as lists."""
    tree = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def identity(value: object) -> str:
    """Returns 12 hex digits (48 bits): one collision is expected after some ten million statements."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]

"""Corpora as trials split them: subsets, the augmented copies that make corpora equal, and entries of the store.

Without folds, copies go round the training utterances, and an entry holds exactly those that are used. In folds the
training utterances change and the copies do not: an entry holds one copy of each utterance that has its turn, whatever
the fold, so that all folds, and all seeds that do not move the augmentation, share the entries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ser import registry
from ser.data.leakage import Split
from ser.data.manifest import Manifest, Utterance
from ser.data.splits import eligible, fold_count, split
from ser.errors import BadInput
from ser.features.recipe import Recipe
from ser.planning.labelling import classes_by_votes
from ser.study import Corpus, Part, Point, Study, Trial, Value
from ser.study.points import split_at
from ser.study.trial import UNSEEN

Labelled = Mapping[str, Sequence[Utterance]]  # corpus -> its utterances of the study's classes


@dataclass(frozen=True)
class Source:
    """A scanned corpus in a study, split one way: its manifest, its class-labelled split, and its store entries."""

    corpus: Corpus
    manifest: Manifest
    split: Split
    recipes: tuple[Recipe, ...]  # for each container the clean entry first, then those of augmented copies
    labels: Mapping[str, tuple[str, ...]]  # uid -> all its classes, where an utterance may have several
    copies: tuple[tuple[str, Utterance], ...] = ()  # augmented copies that train: names of items, and whose they are
    spare: tuple[Recipe, ...] = ()  # augmented copies for trials that balance their classes with some of them
    containers: Mapping[Part, Part] = field(default_factory=dict)  # front-end -> that whose entries hold its features

    @property
    def entries(self) -> tuple[Recipe, ...]:
        """All that the store has to have of it."""
        return self.recipes + self.spare

    def recipes_for(self, front_end: Part) -> tuple[Recipe, ...]:
        """The entries that hold what a study's front-end makes of it."""
        stated = self.corpus.front_end_for(front_end)
        container = self.containers.get(stated, stated)
        return tuple(r for r in self.recipes if r.front_end == container)


class Splits:
    """Corpora as they are split, each split made once."""

    def __init__(self, labelled: Labelled) -> None:
        self._labelled = labelled
        self._made: dict[tuple[str, Part, tuple[str, ...]], Split] = {}

    def __call__(self, corpus: Corpus) -> Split:
        """Returns the split. Raises BadInput where its rule cannot be carried out, or leaks."""
        key = corpus.name, corpus.split, corpus.apart
        if key not in self._made:
            self._made[key] = split(corpus.name, self._labelled[corpus.name], corpus.split, corpus.apart)
        return self._made[key]

    def training_size(self, corpus: Corpus) -> int:
        """Returns how many utterances train. After the last fold comes the first: other corpora may have more."""
        fold, folds = corpus.split.values().get("fold", 0), fold_count(self._labelled[corpus.name], corpus.split)
        return len(self(corpus.in_fold((fold - 1) % folds + 1) if folds and fold else corpus).train)


class Copies:
    """How many augmented copies make each corpus as large as the largest, counted once for each split.

    The largest is that of all corpora of the run, also of those that a trial does not use.
    """

    def __init__(self, study: Study, corpora: Mapping[str, Corpus], splits: Splits) -> None:
        self._study, self._corpora, self._splits = study, corpora, splits
        self._made: dict[tuple[str, int, int], dict[str, int]] = {}

    def __call__(self, point: Point, seed: int) -> dict[str, int]:
        """Returns the number for each corpus, as it is split at a point and by a seed; none without augmentation.

        One that is left out at the point counts as it is where it trains.
        """
        if not self._study.features.augmentation:
            return dict.fromkeys(self._corpora, 0)
        key = point.get("protocol", ""), point.get("fold", 0), seed
        if key not in self._made:
            place = {path: value for path, value in point.items() if path != UNSEEN}
            split = {name: split_at(self._study, place, corpus, seed) for name, corpus in self._corpora.items()}
            size = {name: self._splits.training_size(corpus) for name, corpus in split.items()}
            self._made[key] = {name: max(size.values()) - number for name, number in size.items()}
        return self._made[key]


@dataclass
class _Uses:
    """What trials make of a corpus split one way."""

    corpus: Corpus
    front_ends: dict[Part, None] = field(default_factory=dict)
    copied: dict[tuple[Part, ...], None] = field(default_factory=dict)  # augmentations of copies that train
    balanced: dict[tuple[Part, Part, tuple[Part, ...]], None] = field(default_factory=dict)


def sources_of(
    study: Study, trials: Iterable[Trial], manifests: Mapping[str, Manifest], labelled: Labelled, splits: Splits
) -> dict[str, Source]:
    """Returns one for each way in which some trial splits a corpus, with entries for every front-end that hears it."""
    uses: dict[str, dict[str, _Uses]] = {name: {} for name in manifests}  # in the order of the axes
    for trial in trials:
        for c in trial.corpora:
            use = uses[c.name].setdefault(c.source, _Uses(c))
            end = c.front_end_for(trial.front_end)
            use.front_ends[end] = None
            if c.copies:
                use.copied[trial.augmentation] = None
            if takes_copies(trial.balance):
                use.balanced[end, trial.balance, trial.augmentation] = None
    clean, entries = _Clean(labelled), _Entries()
    containers = {
        name: _containers(end for use in of_corpus.values() for end in use.front_ends)
        for name, of_corpus in uses.items()
    }
    sources = {}
    for key, use in ((key, use) for of_corpus in uses.values() for key, use in of_corpus.items()):
        c, done = use.corpus, splits(use.corpus)
        kinds = _one_augmentation(study, use)
        held = {end: containers[c.name][end] for end in use.front_ends}
        ends = tuple(dict.fromkeys(held.values()))
        copied = _copied(c, kinds, clean(c, ends[0]), done)
        recipes = tuple(r for end in ends for r in (clean(c, end), *entries(copied, end)))
        copies = tuple((name, u) for r in recipes[1 : 1 + len(copied.entries)] for name, u in copied.training(r))
        balanced = dict.fromkeys((held[end], balance, kinds) for end, balance, kinds in use.balanced)
        spare = tuple(r for end, balance, kinds in balanced for r in _spare(c, end, balance, kinds, clean))
        tied = study.labels.votes == "tied"
        several = {u.uid: classes_by_votes(study, c, u) for u in labelled[c.name]} if tied else {}
        sources[key] = Source(c, manifests[c.name], done, recipes, several, copies, spare, held)
    return sources


def _containers(front_ends: Iterable[Part]) -> dict[Part, Part]:
    """Returns for each front-end that whose entries hold its features: itself, or one that holds those of several.

    Their file decides, over all that differ in one setting.
    """
    ends = dict.fromkeys(front_ends)
    containers = {end: end for end in ends}
    for end in ends:
        holds_several = "container" in registry.documented("frontends", end.name)[1]  # most import torch
        for name in end.values() if holds_several and containers[end] == end else ():
            group = [e for e in ends if e.name == end.name and _without(e, name) == _without(end, name)]
            if len(group) > 1 and (container := registry.find("frontends", end.name).container(group)) is not None:
                containers |= dict.fromkeys(group, container)
                break
    return containers


def _without(front_end: Part, name: str) -> dict[str, Value]:
    return {key: value for key, value in front_end.values().items() if key != name}


def _one_augmentation(study: Study, use: _Uses) -> tuple[Part, ...]:
    """The augmentations of the copies. Raises BadInput where trials that share a split want different ones."""
    if len(use.copied) > 1:
        remedy = "run the study once for each value, with --set"
        value = "several settings of an augmentation"
        raise BadInput(value, f"axes of {study.name}", "one, as copies are made once for all trials", remedy)
    return next(iter(use.copied), ())


def takes_copies(balance: Part) -> bool:
    """Returns whether this way to even out classes draws from augmented copies of the training subset."""
    return balance.name != "none" and bool(registry.find("balance", balance.name).COPIES)


class _Clean:
    """Entries without augmentation: one of all usable utterances in one order, whatever the split, for all folds."""

    def __init__(self, labelled: Labelled) -> None:
        self._labelled = labelled
        self._made: dict[tuple[str, Part, bool | None], Recipe] = {}

    def __call__(self, corpus: Corpus, front_end: Part) -> Recipe:
        """The entry of a corpus for a front-end, the same object each time."""
        key = corpus.name, front_end, corpus.split.values().get("songs")
        if key not in self._made:
            used = sorted(eligible(self._labelled[corpus.name], corpus.split), key=lambda u: u.uid)
            self._made[key] = Recipe(corpus.name, front_end, None, tuple((u, 0) for u in used))
        return self._made[key]


Item = tuple[Utterance, int]  # an utterance, and the number of its copy


@dataclass(frozen=True)
class _Copied:
    """Augmented copies of a corpus: what entries hold, and which of their items train."""

    corpus: str
    entries: tuple[tuple[Part, int, tuple[Item, ...]], ...]  # augmentation, turn (0: several) and items of each
    used: frozenset[tuple[str, int]] | None = None  # uid and copy of those that train; None: all

    def training(self, recipe: Recipe) -> list[tuple[str, Utterance]]:
        """The items of an entry that train, by name."""
        items = zip(recipe.names, recipe.items, strict=True)
        return [(name, u) for name, (u, copy) in items if self.used is None or (u.uid, copy) in self.used]


class _Entries:
    """Entries of copies: one of all copies of a turn, for all splits of a corpus."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Part, Part, int], Recipe] = {}

    def __call__(self, copied: _Copied, front_end: Part) -> list[Recipe]:
        """The entries for a front-end, those of one turn the same objects each time."""
        made = []
        for kind, turn, items in copied.entries:
            recipe = Recipe(copied.corpus, front_end, kind, items)
            made.append(self._made.setdefault((copied.corpus, front_end, kind, turn), recipe) if turn else recipe)
        return made


def _copied(corpus: Corpus, kinds: Sequence[Part], clean: Recipe, done: Split) -> _Copied:
    if not corpus.copies:
        return _Copied(corpus.name, ())
    if corpus.split.values().get("fold"):
        return _copied_in_folds(corpus, kinds, [u for u, _ in clean.items], done)
    return _Copied(corpus.name, tuple(_round_the_training(corpus, kinds, done)))


def _round_the_training(
    corpus: Corpus, kinds: Sequence[Part], done: Split
) -> Iterable[tuple[Part, int, tuple[Item, ...]]]:
    """Copies go round the training utterances in a shuffled order and take the augmentations in turn."""
    order = np.random.default_rng(len(done.train)).permutation(len(done.train))
    by_kind: dict[int, list[Item]] = {k: [] for k in range(len(kinds))}
    for j in range(corpus.copies):
        turn, i = divmod(j, len(order))
        # The turn shifts the kinds, so that an utterance meets another kind each time round.
        by_kind[(i + turn) % len(kinds)].append((done.train[order[i]], turn + 1))
    return ((kinds[k], 0, tuple(items)) for k, items in by_kind.items() if items)


def _copied_in_folds(corpus: Corpus, kinds: Sequence[Part], everyone: Sequence[Utterance], done: Split) -> _Copied:
    """As many turns round all utterances, in one shuffled order, as some fold may need; its training side uses its own.

    An entry is of one augmentation and one turn.
    """
    shuffled = [everyone[i] for i in np.random.default_rng(len(everyone)).permutation(len(everyone))]
    training = {u.uid for u in done.train}
    in_order = [u.uid for u in shuffled if u.uid in training]
    used = frozenset((in_order[j % len(in_order)], j // len(in_order) + 1) for j in range(corpus.copies))
    turns = range(1, -(-corpus.copies // len(in_order)) + 1)
    entries = (
        (kind, turn, tuple((u, turn) for i, u in enumerate(shuffled) if (i + turn - 1) % len(kinds) == k))
        for turn in turns
        for k, kind in enumerate(kinds)
    )
    return _Copied(corpus.name, tuple(entry for entry in entries if entry[2]), used)


def _spare(
    corpus: Corpus, front_end: Part, balance: Part, kinds: tuple[Part, ...], clean: _Clean
) -> tuple[Recipe, ...]:
    """So many copies of each utterance, by the augmentations in turn: which class a fold lacks, it will say itself."""
    some = [u for u, _ in clean(corpus, front_end).items]
    by_kind: dict[int, list[Item]] = {k: [] for k in range(len(kinds))}
    for turn in range(int(balance["copies"])):
        for i, u in enumerate(some):
            by_kind[(i + turn) % len(kinds)].append((u, turn + 1))
    return tuple(Recipe(corpus.name, front_end, kinds[k], tuple(items)) for k, items in by_kind.items() if items)


def proportions(done: Split) -> list[str]:
    """Returns for people, of train, validation and test: utterances, their share and speakers, ``427 (80 %, 8)``."""
    total = sum(len(us) for us in done.subsets().values())
    return [
        f"{len(us)} ({100 * len(us) / total:.0f} %, {len({u.speaker for u in us})})" if us else "–"
        for us in done.subsets().values()
    ]


def total_frames(recipes: Iterable[Recipe]) -> int:
    """Frames that ``recipes`` will hold, from the durations alone."""
    return sum(sum(recipe.frames) for recipe in recipes)

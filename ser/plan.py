"""From a study and scanned corpora to its trials: splits, augmented copies, store entries, duplicates, checks."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ser import registry
from ser.errors import BadInput
from ser.manifest import Manifest, Utterance
from ser.splits import Split, split
from ser.store import Recipe
from ser.study import Corpus, Part, Study, Trial, canonical, identity


@dataclass(frozen=True)
class Source:
    """A scanned corpus in a study: its manifest, its class-labelled split, and its store entries."""

    corpus: Corpus
    manifest: Manifest
    split: Split
    recipes: tuple[Recipe, ...]  # the clean entry first, then one per augmentation


@dataclass(frozen=True)
class Plan:
    """All trials of a grid in order, and for each duplicate the trial whose training it shares."""

    study: Study
    sources: Mapping[str, Source]
    trials: tuple[Trial, ...]
    twins: Mapping[str, str]  # trial id -> id of the equal trial that is run
    seeds: int
    notes: tuple[str, ...]

    @property
    def to_train(self) -> tuple[Trial, ...]:
        """The trials that are models of their own."""
        return tuple(t for t in self.trials if t.id not in self.twins)

    @cached_property
    def variant(self) -> str:
        """Identity of all that the grid's trials have in common: settings and corpora, not axes and seeds."""
        s = self.study
        shared = [s.classes, s.merge, s.front_end, s.normalise, s.augmentation, s.blocks, s.training]
        return identity([repr(x) for x in shared] + [repr(source.corpus) for source in self.sources.values()])

    @property
    def results(self) -> int:
        """Trials times the corpora each is tested on: 288 for the paper's 168."""
        return sum(len(t.targets) for t in self.trials)

    @property
    def demo(self) -> bool:
        """True if any corpus was made, not recorded."""
        return any(s.manifest.demo for s in self.sources.values())

    @cached_property
    def by_id(self) -> dict[str, Trial]:
        """Trials by id."""
        return {t.id: t for t in self.trials}


def resolve(study: Study, manifests: Mapping[str, Manifest], seeds: int = 1, duplicates: str = "once") -> Plan:
    """The plan of ``study`` over ``manifests`` (corpus name -> scanned corpus; order is the order of the axes).

    ``duplicates`` says what becomes of single-corpus multi-task trials, which are the same model as unified ones:
    "once" trains one and counts it in both places, "repeat" trains both from different random streams.
    Raises BadInput for corpora that cannot be used and for a grid whose axes do not differ.
    """
    if duplicates not in ("once", "repeat"):
        raise BadInput(repr(duplicates), "--duplicates", "once, repeat", "choose one of them")
    if seeds < 1:
        raise BadInput(str(seeds), "--seeds", "1 or more", "give the number of repeats")
    corpora = {name: _corpus(study, name) for name in manifests}
    splits = {name: split(name, _labelled(study, manifests[name]), corpora[name].split) for name in corpora}
    notes = [note for name in splits for note in _check_classes(study, splits[name])]
    largest = max(len(s.train) for s in splits.values())
    for name, corpus in corpora.items():
        copies = largest - len(splits[name].train) if study.augmentation else 0
        corpora[name] = replace(corpus, copies=copies, fingerprint=manifests[name].fingerprint)
    points = study.grid(list(corpora.values()))
    if not points:
        raise BadInput(", ".join(corpora), "--corpora", "at least one corpus with a test side", "add one")
    trials = [study.trial(p, corpora, seed) for seed in range(seeds) for p in points]
    if duplicates == "repeat":
        trials = [replace(t, stream=1) if _is_twin(t) else t for t in trials]
    sources = {
        name: Source(corpora[name], manifests[name], splits[name], _recipes(study, corpora[name], splits[name]))
        for name in corpora
    }
    twins = {t.id: replace(t, task="unified").id for t in trials if _is_twin(t)} if duplicates == "once" else {}
    plan = Plan(study, sources, tuple(trials), twins, seeds, tuple(notes))
    check_axes(plan)
    return plan


def _is_twin(trial: Trial) -> bool:
    """With one corpus, one head per corpus is one head."""
    return len(trial.corpora) == 1 and trial.task == "multi"


def _corpus(study: Study, name: str) -> Corpus:
    """As the study has it, without the settings that are places: what they lead to is in the fingerprint."""
    corpus = next((c for c in study.corpora if c.name == name), None)
    if corpus is None:
        raise BadInput(repr(name), f"corpora of {study.name}", ", ".join(c.name for c in study.corpora), "add it first")
    places = getattr(registry.find("corpora", corpus.loader.name), "PLACES", ())
    kept = tuple((k, v) for k, v in corpus.loader.settings if k not in places)
    return replace(corpus, loader=Part(corpus.loader.name, kept))


def _labelled(study: Study, manifest: Manifest) -> list[Utterance]:
    """The utterances of the study's classes, others dropped, merged labels renamed."""
    merge = dict(study.merge)
    renamed = (replace(u, label=merge[u.label]) if u.label in merge else u for u in manifest.utterances)
    kept = [u for u in renamed if u.label in study.classes]
    if not kept:
        raise BadInput(
            f"no utterance of {', '.join(study.classes)}",
            f"corpus {manifest.corpus}",
            f"it has {', '.join(manifest.counts()) or 'none'}",
            "choose another corpus, or merge labels: --set merge=a:b",
        )
    return kept


def _check_classes(study: Study, done: Split) -> list[str]:
    """A class that is not trained is an error; one that is not validated or tested is a note."""
    notes = []
    for side, utterances in done.sides().items():
        absent = [c for c in study.classes if c not in {u.label for u in utterances}] if utterances else []
        if absent and side == "train":
            raise BadInput(
                f"no {', '.join(absent)} in the training side",
                f"split of {done.corpus}",
                f"utterances of each of {', '.join(study.classes)}",
                "change the split's seed or speakers with --set",
            )
        if absent:
            notes.append(f"{done.corpus}: no {', '.join(absent)} in {side}; UA there is over the classes present")
    return notes


def _recipes(study: Study, corpus: Corpus, done: Split) -> tuple[Recipe, ...]:
    """Copies go round the training utterances in a shuffled order and take the augmentations in turn."""
    everything = tuple((u, 0) for us in done.sides().values() for u in us)
    clean = Recipe(corpus.name, study.front_end, None, everything)
    order = np.random.default_rng(len(done.train)).permutation(len(done.train))
    n, kinds = len(order), study.augmentation
    by_kind: dict[int, list[tuple[Utterance, int]]] = {k: [] for k in range(len(kinds))}
    for j in range(corpus.copies):
        turn, i = divmod(j, n)
        # The turn shifts the kinds, so that an utterance meets another kind each time round.
        by_kind[(i + turn) % len(kinds)].append((done.train[order[i]], turn + 1))
    made = [Recipe(corpus.name, study.front_end, kinds[k], tuple(items)) for k, items in by_kind.items() if items]
    return (clean, *made)


def check_axes(plan: Plan) -> None:
    """Refuse a grid in which two trials that should differ would train on identical inputs and settings."""
    seen: dict[str, Trial] = {}
    content = {name: _content(source.split) for name, source in plan.sources.items()}
    for trial in plan.to_train:
        blind = replace(trial, corpora=(), task=trial.task if len(trial.corpora) > 1 else "unified")
        key = canonical([canonical(blind), sorted(content[c.name] + str(c.copies) for c in trial.corpora)])
        other = seen.setdefault(key, trial)
        if other is not trial:
            raise BadInput(
                f"{other.title} and {trial.title} would train on identical inputs and settings",
                f"grid of {plan.study.name}",
                "trials that differ in data or settings",
                "take one of the two corpora or values off its axis",
            )


def _content(done: Split) -> str:
    """As the fingerprint, without names: the same recordings under two names are the same content."""
    rows = sorted((side, u.label, u.sha, u.start_s or 0, u.end_s or 0) for side, us in done.sides().items() for u in us)
    return hashlib.sha256(canonical(rows).encode()).hexdigest()


def proportions(done: Split) -> str:
    """For people: ``train 71 % (17 speakers), val 21 % (5), test 8 % (2)``."""
    total = sum(len(us) for us in done.sides().values())
    parts = (
        f"{side} {len(us)} = {100 * len(us) / total:.0f} % ({len({u.speaker for u in us})} speakers)"
        for side, us in done.sides().items()
    )
    return ", ".join(parts)


def total_frames(recipes: Iterable[Recipe]) -> float:
    """Frames that ``recipes`` will hold, from the durations alone."""
    frames = 0.0
    for recipe in recipes:
        rate_hz, hop = float(recipe.front_end["rate_hz"]), float(recipe.front_end["hop"])
        frames += sum(u.seconds for u, _ in recipe.items) * rate_hz / hop
    return frames

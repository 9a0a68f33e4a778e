"""From a study and scanned corpora to its trials: splits, augmented copies, store entries, duplicates, checks.

A search may know its later trials only by the losses of earlier ones; ``resolve`` gives all that are known by then.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from ser import registry
from ser.data import same_audio
from ser.data.encoder_config import RATE_HZ
from ser.data.encoders import states_of
from ser.data.leakage import Split
from ser.data.manifest import Manifest, Utterance
from ser.data.splits import fold_count
from ser.errors import BadInput, unknown
from ser.models import stated_traits
from ser.planning import search
from ser.planning.labelling import check_labels, usable, with_classes
from ser.planning.notes import notes_on
from ser.planning.sources import Copies, Source, Splits, sources_of
from ser.planning.unseen import Brought, Tests, tests_of
from ser.study import (
    Corpus,
    Part,
    Point,
    Study,
    Trial,
    canonical,
    expand_encoders,
    identity,
    references_of,
    settings_of,
    statement,
    trial_of,
)
from ser.study.study import SEED_MOVES
from ser.study.trial import IN_TURN, UNSEEN, in_short

DUPLICATES = ("once", "repeat")  # what becomes of equal models: see ``resolve``


@dataclass(frozen=True)
class Plan:
    """All trials of a grid in order, and for each duplicate the trial whose training it shares."""

    study: Study
    corpora: Mapping[str, Corpus]  # by name, as the study splits them where no protocol does
    sources: Mapping[str, Source]  # by ``Corpus.source``
    trials: tuple[Trial, ...]
    twins: Mapping[str, str]  # trial id -> id of the equal trial that is run
    seeds: int
    notes: tuple[str, ...]
    duplicates: str
    folds: Mapping[str, Mapping[str, int]]  # corpus -> protocol -> folds
    unmet: Mapping[str, Mapping[str, str]]  # corpus -> system -> why it cannot be run there
    references: tuple[Trial, ...]  # plain models beside the trials, which they are not among
    manifests: Mapping[str, Manifest]  # of all corpora, also of those that no trial uses
    brought: Brought = field(default_factory=dict)  # for tests alone
    unseen: Tests = field(default_factory=Tests)  # of trials on corpora that they have not learned from

    def grown(self, losses: Mapping[str, float]) -> "Plan":
        """The same plan with all trials that the study's search knows of by these losses."""
        grown = resolve(self.study, self.manifests, self.seeds, self.duplicates, losses, self.brought)
        return replace(grown, notes=tuple(dict.fromkeys((*self.notes, *grown.notes))))

    @property
    def to_train(self) -> tuple[Trial, ...]:
        """The trials that are models of their own."""
        return tuple(t for t in self.trials if t.id not in self.twins)

    @property
    def to_run(self) -> tuple[Trial, ...]:
        """All that workers train: the references first, as they take seconds, then the models of the grid."""
        return self.references + self.to_train

    @cached_property
    def variant(self) -> str:
        """Identity of all that the grid's trials have in common: settings and corpora, not axes and seeds."""
        s = self.study
        shared: list[Any] = [s.mode, s.classes, s.labels.votes, s.features, s.blocks]
        texts = [*map(repr, shared), in_short(s.training)]
        texts += map(repr, (s.search, s.comparison.systems, s.comparison.protocols))
        # What came later, and only where it is not as it was: the identities of grids that are there stay.
        moved = sorted(set(s.seed_moves))
        texts += [repr(moved)] if moved != sorted(SEED_MOVES) else []
        texts += [f"merge {s.labels.merge!r}"] if s.labels.stated is not None else []
        texts += [f"dimensions {s.labels.dimensions!r}"] if s.labels.dimensions else []
        return identity(texts + [in_short(corpus.in_fold(0)) for corpus in self.corpora.values()])

    @property
    def results(self) -> int:
        """Trials times the corpora each is tested on: 288 for the paper's 168."""
        return sum(len(t.targets) for t in self.trials)

    @property
    def demo(self) -> bool:
        """True if any corpus was made, not recorded."""
        return any(s.manifest.demo for s in self.sources.values())

    @property
    def for_tests(self) -> "Plan":
        """The plan without what is needed for training."""
        return replace(self, sources={})

    @cached_property
    def by_id(self) -> dict[str, Trial]:
        """Trials by id, references among them."""
        return {t.id: t for t in self.references + self.trials}


def resolve(
    study: Study,
    manifests: Mapping[str, Manifest],
    seeds: int = 1,
    duplicates: str = "once",
    losses: Mapping[str, float] | None = None,
    brought: Brought | None = None,
) -> Plan:
    """The plan of ``study`` over ``manifests`` (corpus name -> scanned corpus; order is the order of the axes).

    ``duplicates`` says what becomes of single-corpus multi-task trials, which are the same model as unified ones:
    "once" trains one and counts it in both places, "repeat" trains both from different random streams. ``losses``
    (trial id -> what the search makes small) tell a search how far it has come. ``brought`` are corpora, as scanned, on
    which trials are only tested. Raises BadInput for corpora that cannot be used and for a grid whose axes do not
    differ.
    """
    if duplicates not in DUPLICATES:
        raise unknown(duplicates, "--duplicates", DUPLICATES)
    if seeds < 1:
        raise BadInput(str(seeds), "--seeds", "1 or more", "give the number of repeats")
    manifests, shared = same_audio.across(manifests)
    corpora = {name: with_classes(study, _corpus(study, name), manifests[name]) for name in manifests}
    corpora = {n: replace(c, fingerprint=manifests[n].fingerprint) for n, c in corpora.items()}
    labelled = {name: usable(study, c, manifests[name]) for name, c in corpora.items()}
    labelled |= {c.songs().name: labelled[name] for name, c in corpora.items()}
    splits = Splits(labelled)
    copies = Copies(study, corpora, splits)
    if not (points := study.grid(list(corpora.values()))):
        raise _only_trained(corpora) if any(c.trains for c in corpora.values()) else _none_trains(corpora)
    folds = {name: _folds(study, c, labelled[name]) for name, c in corpora.items()}
    unmet = {name: _unmet(study, name, labelled[name]) for name in corpora}
    points = _as_run(study, points, folds, unmet)
    points = expand_encoders(study, points, states_of)
    trials, stated = _unfolded(study, points, corpora, copies, seeds, losses or {})
    references = _references(study, stated)
    everything = tuple(trials.values())
    if duplicates == "repeat":
        everything = tuple(replace(t, repeat=1) if _is_twin(t) else t for t in everything)
    sung = {c.songs().name: manifests[name] for name, c in corpora.items()}
    sung = {name: sung[name] for name in sung if any(c.name == name for t in everything for c in t.corpora)}
    sources = sources_of(study, everything + references, {**manifests, **sung}, labelled, splits)
    corpora = {name: replace(c, copies=copies({}, 0)[name]) for name, c in corpora.items()}
    notes = dict.fromkeys(shared + notes_on(study, corpora, everything, sources, labelled, seeds))
    twins = {t.id: replace(t, task="unified").id for t in everything if _is_twin(t)} if duplicates == "once" else {}
    own = references + tuple(t for t in everything if t.id not in twins)
    brought = {name: (_without_places(c), manifest) for name, (c, manifest) in (brought or {}).items()}
    unseen = tests_of(study, own, corpora, manifests, sources, brought, partial(usable, study))
    notes |= dict.fromkeys(unseen.notes)
    plan = Plan(
        *(study, corpora, sources, everything, twins, seeds, tuple(notes), duplicates, folds, unmet, references),
        *(manifests, brought, unseen),
    )
    check_axes(plan)
    check_blocks(plan.to_run)
    return plan


def _unfolded(
    study: Study,
    points: Sequence[Point],
    corpora: Mapping[str, Corpus],
    copies: Copies,
    seeds: int,
    losses: search.Losses,
) -> tuple[dict[str, Trial], list[Trial]]:
    """All trials by id, and those of the grid's own points. Raises BadInput where two points state one trial."""
    trials: dict[str, Trial] = {}
    stated: list[Trial] = []
    for seed in range(seeds):
        statement = partial(_statement, study, corpora=corpora, seed=seed, copies=copies)
        drawn = seed if "weights" in study.seed_moves else 0
        unfolded = search.unfold(study, points, statement, drawn, losses)
        stated += unfolded[: len(points)]
        for trial in unfolded:
            other = trials.setdefault(trial.id, trial)
            is_same_point = trial.role.name == "system" and other.role == trial.role
            if other is not trial and trial.role.name in ("grid", "system") and not is_same_point:
                remedy = "take one of the two out, or change a setting"
                raise BadInput(f"{other.title} = {trial.title}", f"trials of {study.name}", "different ones", remedy)
    return trials, stated


def _references(study: Study, stated: Iterable[Trial]) -> tuple[Trial, ...]:
    """The references beside the grid's own trials. Raises BadInput for a model that the study's labels do not suit."""
    if study.reference is None:
        return ()
    place, model = f"reference of {study.name}", stated_traits(study.reference.name)
    several = study.labels.votes == "tied"
    if model.is_network or (several and not model.several_labels):
        kind = "that takes several labels of an utterance" if several else "of scikit-learn"
        names = [name for name in registry.names("models") if _suits(name, several)]
        remedy = f"name one of these in the study file: {', '.join(names)}"
        raise BadInput(repr(study.reference.name), place, f"a model {kind}", remedy)
    return tuple(references_of(study, stated))


def _suits(name: str, several: bool) -> bool:
    model = stated_traits(name)
    return not model.is_network and (model.several_labels or not several)


def _statement(study: Study, point: Point, corpora: Mapping[str, Corpus], seed: int, copies: Copies) -> Trial:
    """The trial of a point with the augmented copies that its split and its seed ask for."""
    trial, number = trial_of(study, point, corpora, seed), copies(point, seed)
    return replace(trial, corpora=tuple(replace(c, copies=number.get(c.name, 0) * c.trains) for c in trial.corpora))


def _only_trained(corpora: Mapping[str, Corpus]) -> BadInput:
    """The error for a grid without any test side."""
    name, rule = next((c.name, c.split.values()) for c in corpora.values())
    side = "SPEAKER" if isinstance(rule.get("test"), tuple) else "0.2"
    remedy = "add another corpus: --corpora NAME=PATH"
    if "test" in rule:
        remedy += f"; or have a part of it tested: --set {name}.test={side}"
    return BadInput(f"{', '.join(corpora)} only trains", "--corpora", "at least one corpus with a test side", remedy)


def _as_run(
    study: Study, points: list[Point], folds: Mapping[str, Mapping[str, int]], unmet: Mapping[str, Mapping[str, str]]
) -> list[Point]:
    """The points as they are run. Raises BadInput where nobody trains while a corpus is left out."""
    expanded = study.expand_folds(points, folds, unmet)
    if not expanded and any(
        study.split_of(c, p).is_left_out_in_turn for c, of_corpus in folds.items() for p in of_corpus
    ):
        raise BadInput(", ".join(folds), f"corpora of {study.name}, by {IN_TURN}", "combinations of two or more",
                       "add another corpus: --corpora NAME=PATH")  # fmt: skip
    return expanded


def _none_trains(corpora: Mapping[str, Corpus]) -> BadInput:
    """The error for corpora that are all unseen."""
    value, rule = f"{', '.join(corpora)}, of which none trains", "at least one corpus of another rule"
    return BadInput(
        value, f"split rule {UNSEEN}", rule, "add a corpus: --corpora NAME=PATH; or change a rule: --set NAME.split"
    )


def _folds(study: Study, corpus: Corpus, labelled: Sequence[Utterance]) -> dict[str, int]:
    """By protocol, "" where the study has none; no more than the study runs."""
    rules = dict(study.comparison.protocols) or {"": None}
    found = {name: fold_count(labelled, corpus.split_by(rule).split) for name, rule in rules.items()}
    return {name: min(number, study.comparison.folds or number) for name, number in found.items()}


def _unmet(study: Study, corpus: str, labelled: Sequence[Utterance]) -> dict[str, str]:
    """Systems that cannot be run on the corpus, and why."""
    lacking = {
        "text": "" if any(u.text for u in labelled) else f"{corpus} has no transcriptions",
        "song": "" if any(u.channel == "song" for u in labelled) else f"{corpus} has no songs",
        "encoder": "" if study.encoders else "the command names no encoder (--encoder)",
    }
    found = {}
    for system in study.comparison.systems:
        if reasons := [why for why in (system.impossible, *(lacking[need] for need in system.needs)) if why]:
            found[system.name] = ", ".join(reasons)
    return found


def _is_twin(trial: Trial) -> bool:
    """With one corpus that trains, one head per corpus is one head."""
    return len(trial.training_corpora) == 1 and trial.task == "multi"


def _corpus(study: Study, name: str) -> Corpus:
    """As the study has it, but for places."""
    corpus = next((c for c in study.corpora if c.name == name), None)
    if corpus is None:
        raise BadInput(repr(name), f"corpora of {study.name}", ", ".join(c.name for c in study.corpora), "add it first")
    return _without_places(corpus)


def _without_places(corpus: Corpus) -> Corpus:
    """Without the settings that are places: what they lead to is in the fingerprint."""
    places = getattr(registry.find("corpora", corpus.loader.name), "PLACES", ())
    kept = tuple((k, v) for k, v in corpus.loader.settings if k not in places)
    return replace(corpus, loader=Part(corpus.loader.name, kept)).in_fold(0)


def check_axes(plan: Plan) -> None:
    """Refuse a grid in which two trials that should differ would train on identical inputs and settings."""
    seen: dict[str, Trial] = {}
    content = {name: _content(source.split) for name, source in plan.sources.items()}
    for trial in plan.to_train:
        task = trial.task if len(trial.training_corpora) > 1 else "unified"
        blind = replace(trial, corpora=(), task=task, role=Part("grid"), seed=trial.training_seed, weights_seed=None)
        key = canonical([statement(blind), sorted(content[c.source] + str(c.copies) for c in trial.corpora)])
        other = seen.setdefault(key, trial)
        if other is not trial:
            remedy = "take one of the two corpora or values off its axis"
            if other.seed != trial.seed:
                remedy = f"let a seed move more: --set seed_moves={','.join(SEED_MOVES)}; or take --seeds 1"
            raise BadInput(
                f"{other.title} and {trial.title} would train on identical inputs and settings",
                f"grid of {plan.study.name}",
                "trials that differ in data or settings",
                remedy,
            )


def check_blocks(trials: Iterable[Trial]) -> None:
    """Refuse settings that a model's file refuses; a network of samples on anything else, or normalised by column.

    Also models and balances that the study's labels do not suit.
    """
    for trial in trials:
        check_labels(trial)
        model = stated_traits(trial.block.name)
        if model.has_check:
            model.check(settings_of("models", trial.block))
        if model.takes != "samples":
            continue
        place = f"front_end of {trial.block.name}"
        for front_end in {corpus.front_end_for(trial.front_end) for corpus in trial.corpora}:
            module, settings = registry.find("frontends", front_end.name), settings_of("frontends", front_end)
            if getattr(module, "GIVES", "") != "samples":
                raise BadInput(front_end.name, place, "samples of whole utterances", "--set front_end=samples")
            if settings.rate_hz != RATE_HZ:
                remedy = "encoders of speech have learned from that rate"
                raise BadInput(str(settings.rate_hz), f"{place}: rate_hz", str(RATE_HZ), remedy)
        if trial.normalise != "none":
            remedy = "--set normalise=none: the encoder's own normalisation is of whole utterances"
            raise BadInput(repr(trial.normalise), f"normalise, with {trial.block.name}", "none", remedy)


def _content(done: Split) -> str:
    """As the fingerprint, without names: the same recordings under two names are the same content."""
    rows = sorted(
        (side, u.label, u.sha, u.start_s or 0, u.end_s or 0) for side, us in done.subsets().items() for u in us
    )
    return hashlib.sha256(canonical(rows).encode()).hexdigest()


def grid_tags(
    corpora: Iterable[Corpus],
    seeds: int,
    variant: str,
    mode: str = "paper",
    count: int | None = None,
    compared: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return what a report must know of the grid that a run belongs to, as tags of the run.

    ``count``: all its trials known so far; ``compared``: what ``Expected`` has besides (systems, folds, releases …).
    """
    rows = [[c.name, c.letter, c.tested] for c in corpora]
    grid = {"corpora": rows, "seeds": seeds, "mode": mode, "count": count, **(compared or {})}
    return {"variant": variant, "grid": json.dumps(grid)}

"""What a reader of a plan's tables has to know of its data: absent classes, leaks, folds that are not run, seeds."""

from collections.abc import Iterable, Mapping, Sequence

from ser.data.leakage import prove
from ser.data.manifest import Utterance
from ser.data.splits import fold_count
from ser.errors import BadInput
from ser.planning.labelling import classes_by_votes
from ser.planning.sources import Labelled, Source
from ser.study import Corpus, Study, Trial
from ser.study.trial import IN_TURN

_ACROSS = "tested whole by models that were trained on others"
_ROTATING = ("given", "grouped", "leave_one_out", "stratified")  # rules whose folds test everybody once


def notes_on(
    study: Study,
    corpora: Mapping[str, Corpus],
    trials: Sequence[Trial],
    sources: Mapping[str, Source],
    labelled: Labelled,
    seeds: int,
) -> list[str]:
    """Returns the notes on a plan's corpora. Raises BadInput for a class that is not trained."""
    notes = [note for source in sources.values() for note in check_classes(study, source)]
    notes += [f"{c.name}: nothing of it is tested" for c in corpora.values() if not c.tested]
    notes += _unseen(study, corpora)
    notes += notes_on_labels(study, {s.corpus.name: s for s in sources.values()}.values(), labelled)
    notes += _own_subsets(sources.values())
    notes += _folds_left_out(trials, labelled)
    notes += _copies(study, corpora)
    return notes + (_moved(study, corpora) if seeds > 1 else [])


def _unseen(study: Study, corpora: Mapping[str, Corpus]) -> list[str]:
    """What is tested by models that have learned from other corpora only."""
    rules = dict(study.comparison.protocols) or {"": None}
    notes = []
    for protocol, rule in rules.items():
        split = [c.split_by(rule) for c in corpora.values()]
        by = f" by {protocol}" if protocol else ""
        names = ", ".join(c.name for c in split if c.is_left_out_in_turn)
        notes += [f"{names}: each is unseen in turn{by} ({IN_TURN}), {_ACROSS}"] if names else []
        notes += [f"{c.name}: unseen{by}, {_ACROSS}" for c in split if not c.trains]
    return notes


def check_classes(study: Study, source: Source) -> list[str]:
    """Returns notes on classes that are not validated or tested, and on leaks. Raises BadInput for one not trained."""
    notes, done = [], source.split
    labels = {u.label for utterances in done.subsets().values() for u in utterances}
    if study.labels.votes == "tied" or not study.classes_of(source.corpus):
        return _leaks(source)  # corpora complement each other: RAVDESS and CREMA-D do not have the same emotions
    for side, utterances in done.subsets().items():
        classes = study.classes_of(source.corpus)
        absent = [c for c in classes if c not in {u.label for u in utterances}] if utterances else []
        has_label = study.labels.votes == "one"  # else some raters may have voted for an absent class
        if absent and has_label and side == "train" and not source.corpus.split.values().get("songs"):
            nowhere = [c for c in absent if c not in labels]  # no other split would help
            remedy = "leave it out (--corpora), or merge labels: --set merge=a:b"
            raise BadInput(
                f"no {', '.join(nowhere)}" if nowhere else f"no {', '.join(absent)} in the training side",
                f"corpus {done.corpus}" if nowhere else f"split of {done.corpus}",
                f"utterances of each of {', '.join(classes)}",
                remedy if nowhere else "change the split's seed or speakers with --set",
            )
        if absent:
            notes.append(f"{done.corpus}: no {', '.join(absent)} in {side}; UA there is over the classes present")
    return notes + _leaks(source)


def _leaks(source: Source) -> list[str]:
    proof, name = prove(source.split), source.corpus.name
    shared, why = proof["shared_speakers"], "by intention"
    if source.corpus.split.name == "given":
        why = "as the corpus states them"
        if any(not u.has_speaker for us in source.split.subsets().values() for u in us):
            return [f"{name}: not all speakers are known, so that nobody can say who stands in several subsets"]
    talks = f", and {n} sessions of dialogues" if (n := proof["shared_dialogues"]) else ""
    return [f"{name}: {shared} speakers{talks} stand in several subsets, {why}"] if shared else []


def _own_subsets(sources: Iterable[Source]) -> list[str]:
    """Corpora that say who trains and who is tested, to rules that do not ask."""
    return [
        f"{s.corpus.name}: its own subsets (column split) are not used by the rule {s.corpus.split.name}"
        for s in sources
        if s.corpus.split.name not in ("speakers", "given") and any(u.split for u in s.manifest.utterances)
    ]


def _folds_left_out(trials: Sequence[Trial], labelled: Labelled) -> list[str]:
    """Corpora of which some folds are not run, so that not all of them is tested."""
    run: dict[tuple[str, str, str], dict[str, set[int]]] = {}
    available: dict[tuple[str, str, str], int] = {}
    for trial in trials:
        for c in (c for c in trial.corpora if c.tested and c.split.name in _ROTATING):
            key = c.name, c.protocol, c.split.name
            run.setdefault(key, {}).setdefault(trial.combination, set()).add(c.split["fold"])
            if key not in available:
                available[key] = fold_count(labelled[c.name], c.split)
    notes = []
    for key, by_combination in run.items():
        (name, _, rule), counts = key, {len(folds) for folds in by_combination.values()}
        if (least := min(counts)) < available[key]:
            where = "" if len(counts) == 1 else " in some combinations, as other corpora have no more"
            notes.append(f"{name}: {least} of {available[key]} folds ({rule}) are run{where}")
    return notes


def _copies(study: Study, corpora: Mapping[str, Corpus]) -> list[str]:
    if not study.features.augmentation or len(corpora) < 2:
        return []
    largest = [c.name for c in corpora.values() if not c.copies]
    names = ", ".join(largest)
    return [
        "augmented copies make every training subset as large as the largest among all corpora of the run "
        f"({names}), also where it takes no part: with another list of corpora all trials are others"
    ]


def _moved(study: Study, corpora: Mapping[str, Corpus]) -> list[str]:
    """What differs between seeds."""
    moves = []
    if "weights" in study.seed_moves:
        moves.append("weights, batches and dropout")
    rules = dict(study.comparison.protocols) or {"": None}
    drawn: list[str] = []
    fixed: list[str] = []
    for name, c in corpora.items():
        by_seed = [protocol for protocol, rule in rules.items() if "seed" in c.split_by(rule).split.values()]
        alone = f" by {', '.join(by_seed)} alone" if len(by_seed) < len(rules) else ""
        (drawn if by_seed else fixed).append(name + alone * bool(by_seed))
    if "split" in study.seed_moves and drawn:
        moves.append(f"the split of {', '.join(drawn)}")
        moves[-1] += f" ({', '.join(fixed)}: fixed by the rule)" if fixed else ""
    if "augmentation" in study.seed_moves and study.features.augmentation:
        moves.append("augmentation")
    return [f"another seed changes: {'; '.join(moves)} (--set seed_moves)"] if moves else []


def notes_on_labels(study: Study, sources: Iterable[Source], labelled: Labelled) -> list[str]:
    """Returns notes on utterances that are left out, or count in part: without votes, with tied votes, unrated."""
    notes: list[str] = []
    for source in sources:
        used = labelled[source.corpus.name]
        if study.labels.votes == "shares":
            notes += _notes_on_votes(study, source, used)
        if (out := len(source.manifest.utterances) - len(used)) and not study.classes_of(source.corpus):
            every = len(source.manifest.utterances)
            notes.append(f"{source.corpus.name}: {out} of {every} utterances have no rating, and are left out")
        if study.labels.dimensions:
            notes.append(_note_on_ratings(study, source, used))
    return notes


def _notes_on_votes(study: Study, source: Source, used: Sequence[Utterance]) -> list[str]:
    every, name = len(source.manifest.utterances), source.corpus.name
    ties = sum(len(classes_by_votes(study, source.corpus, u)) > 1 for u in used)
    single = sum(not u.votes for u in used)
    texts = {
        f"{every - len(used)} of {every} utterances have no vote for a class, and are left out": every - len(used),
        f"of {ties} of {len(used)} utterances votes tie: they train, and are not in WA, UA and F1": ties,
        f"{single} of {len(used)} utterances have no votes: their label counts as one": single,
    }
    return [f"{name}: {text}" for text, number in texts.items() if number]


def _note_on_ratings(study: Study, source: Source, used: Sequence[Utterance]) -> str:
    name, counts = (
        source.corpus.name,
        {d: sum(getattr(u, d) is not None for u in used) for d in study.labels.dimensions},
    )
    if not any(counts.values()):
        return f"{name}: no ratings; only its classes are learned"
    low, high = source.manifest.scale or (-1.0, 1.0)
    of = " and ".join(f"{dimension} of {number}" for dimension, number in counts.items())
    return f"{name}: {of} of {len(used)} utterances are rated, {low:g} to {high:g}, which become -1 and 1"

"""Which utterances of a corpus a study can learn from: those of its classes, or with ratings, under one name each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ser.data import votes
from ser.data.manifest import Manifest, Utterance
from ser.data.ratings import check_scale, is_rated
from ser.errors import BadInput
from ser.models import traits
from ser.study import Corpus, Study, Trial
from ser.study.labels import EMOTIONS


def with_classes(study: Study, corpus: Corpus, manifest: Manifest) -> Corpus:
    """Returns the corpus with all classes that it has, where neither the study nor the corpus states any.

    A study of ratings that states none has none.
    """
    if study.classes_of(corpus) or study.labels.dimensions:
        return corpus
    merge = dict(study.labels.merge)
    there = {merge.get(u.label, u.label) for u in manifest.utterances}
    return replace(corpus, classes=tuple(name for name in EMOTIONS if name in there - {"other", "unknown"}))


def usable(study: Study, corpus: Corpus, manifest: Manifest) -> list[Utterance]:
    """Returns the utterances of the corpus's or the study's classes, others dropped, merged labels renamed.

    Where an utterance may have several labels, those with more than three of them are dropped too (Pho et al.). Without
    classes they are those with a rating. Raises BadInput where none is left.
    """
    classes, dimensions = study.classes_of(corpus), study.labels.dimensions
    check_scale(manifest, dimensions)
    merge = dict(study.labels.merge)
    renamed = [replace(u, label=merge[u.label]) if u.label in merge else u for u in manifest.utterances]
    if not classes:
        kept = [u for u in renamed if is_rated(u, dimensions)]
    elif study.labels.votes == "one":
        kept = [u for u in renamed if u.label in classes]
    else:
        most = votes.MOST if study.labels.votes == "tied" else len(classes)
        sets = ((u, classes_by_votes(study, corpus, u)) for u in renamed)
        kept = [replace(u, label=names[0]) for u, names in sets if 0 < len(names) <= most]
    if not kept:
        value = f"no utterance of {', '.join(classes)}" if classes else f"no rating of {', '.join(dimensions)}"
        remedy = "choose another corpus, or merge labels: --set merge=a:b"
        if not classes:
            remedy = "choose another corpus, or a setting of its loader that reads them"
        allowed = f"it has {', '.join(manifest.counts()) or 'none'}" if classes else "utterances with ratings"
        raise BadInput(value, f"corpus {manifest.corpus}", allowed, remedy)
    return kept


def classes_by_votes(study: Study, corpus: Corpus, u: Utterance) -> tuple[str, ...]:
    """Returns all classes of an utterance that its raters' votes tie for, see ``ser.data.votes.tied``."""
    return votes.tied(u.votes, u.label, study.classes_of(corpus), dict(study.labels.merge))


def shares_of_votes(study: Study, corpus: Corpus, u: Utterance) -> tuple[float, ...]:
    """Returns the share that each class has of an utterance's votes, see ``ser.data.votes.shares``."""
    return votes.shares(u.votes, u.label, study.classes_of(corpus), dict(study.labels.merge))


def notes_on_labels(
    study: Study,
    corpora: Mapping[str, Corpus],
    manifests: Mapping[str, Manifest],
    kept: Mapping[str, Sequence[Utterance]],
) -> list[str]:
    """Returns notes on utterances that are left out, or count in part: without votes, with tied votes, unrated."""
    notes: list[str] = []
    for name, corpus in corpora.items():
        used, every = kept[name], manifests[name].utterances
        if study.labels.votes == "shares":
            ties = sum(len(classes_by_votes(study, corpus, u)) > 1 for u in used)
            single = sum(not u.votes for u in used)
            notes += [f"{name}: {len(every) - len(used)} of {len(every)} utterances have no vote for a class, and are "
                      "left out"] * (len(used) < len(every))  # fmt: skip
            notes += [f"{name}: of {ties} of {len(used)} utterances votes tie: they train, and have no place in WA, UA "
                      "and F1"] * (ties > 0)  # fmt: skip
            notes += [f"{name}: {single} of {len(used)} utterances have a label and no votes: it counts as one"] * (
                single > 0
            )
        if dimensions := study.labels.dimensions:
            notes += [_ratings_note(name, manifests[name], used, dimensions)]
    return notes


def _ratings_note(name: str, manifest: Manifest, used: Sequence[Utterance], dimensions: Iterable[str]) -> str:
    counts = {d: sum(getattr(u, d) is not None for u in used) for d in dimensions}
    if not any(counts.values()):
        return f"{name}: no ratings; only its classes are learned"
    low, high = manifest.scale or (-1.0, 1.0)
    of = ", ".join(f"{d} of {n}" for d, n in counts.items())
    return f"{name}: {of} of {len(used)} utterances is rated, from {low:g} to {high:g}, which become -1 and 1"


def check_trials(trials: Iterable[Trial]) -> None:
    """Raises BadInput for models and balances that shares of votes, or ratings, do not suit."""
    for trial in trials:
        model, block = traits(trial.block.name), trial.block.name
        if trial.labels == "shares" and not trial.classes:
            raise BadInput("shares", "votes", "one, where there are no classes", "--set votes=one, or state classes")
        if trial.labels == "shares" and not model.is_network:
            raise BadInput(block, "block, with shares of votes", "a network", "choose one, or --set votes=one")
        if trial.dimensions and not model.is_network and model.regressor is None:
            raise BadInput(block, "block, with ratings", "a network, or a model that has a regressor: svm, ridge",
                           "choose one of them")  # fmt: skip
        if (trial.dimensions or trial.labels == "shares") and trial.balance.name != "none":
            place = f"balance of {trial.title}"
            raise BadInput(trial.balance.name, place, "none, where utterances have shares of votes or ratings",
                           "leave it out")  # fmt: skip

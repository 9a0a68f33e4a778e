"""Which utterances of a corpus a study can learn from: those of its classes, or with ratings, under one name each."""

from dataclasses import replace

from ser.data import votes
from ser.data.manifest import Manifest, Utterance
from ser.data.ratings import check_scale, is_rated
from ser.errors import BadInput
from ser.models import stated_traits
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


def check_labels(trial: Trial) -> None:
    """Raises BadInput for a model or a balance that shares of votes, or ratings, do not suit."""
    model, block = stated_traits(trial.block.name), trial.block.name
    if trial.labels == "shares" and not trial.classes:
        raise BadInput("shares", "votes", "one, where there are no classes", "--set votes=one, or state classes")
    if trial.labels == "shares" and not model.is_network:
        raise BadInput(block, "block, with shares of votes", "a network", "choose one, or --set votes=one")
    if trial.dimensions and not model.is_network and model.regressor is None:
        remedy = "choose one of them"
        raise BadInput(block, "block, with ratings", "a network, or a model that has a regressor: svm, ridge", remedy)
    if (trial.dimensions or trial.labels == "shares") and trial.balance.name != "none":
        allowed = "none, where utterances have shares of votes or ratings"
        raise BadInput(trial.balance.name, f"balance of {trial.title}", allowed, "leave it out")

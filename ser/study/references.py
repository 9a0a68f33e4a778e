"""The plain reference of a study: what a standard model makes of the same features and the same split.

A reference is a fitted model of utterance statistics, trained on one corpus alone. It is a trial like any other, with a
run of its own, but no point of the grid: a reader learns from it how much of a result the data explain.
"""

from collections.abc import Iterable
from dataclasses import replace

from ser.study.study import EACH, Study
from ser.study.trial import REFERENCE, Corpus, Trial, identity, statement
from ser.study.values import Part, part


def references_of(study: Study, trials: Iterable[Trial]) -> list[Trial]:
    """Returns the references beside ``trials`` of a grid: one for each way in which they split a corpus they test.

    So there is one for every tested corpus, fold and protocol, and for every seed that changes the split. Each learns
    from its corpus without augmented or balanced copies, through the study's front-end. An unseen corpus has none.
    """
    if study.reference is None:
        return []
    references: dict[str, Trial] = {}
    for trial in trials:
        for corpus in (c for c in trial.corpora if c.tested and c.trains):
            if (front_end := _front_end(study, trial)) is None:
                continue
            reference = _reference(study, study.reference, trial, replace(corpus, copies=0), front_end)
            references.setdefault(identity(statement(replace(reference, seed=0, weights_seed=None))), reference)
    return list(references.values())


def _front_end(study: Study, beside: Trial) -> Part | None:
    """The study's front-end, with the encoder of the trial beside where it takes the command's; None without one."""
    stated = study.features.front_end
    if stated.values().get("encoder") != EACH:
        return stated
    encoder = beside.front_end.values().get("encoder") if beside.front_end.name == stated.name else None
    return encoder and stated.changed(encoder=encoder)


def _reference(study: Study, model: Part, beside: Trial, corpus: Corpus, front_end: Part) -> Trial:
    """Returns the reference on ``corpus``, split as for the trial ``beside``, from which its name in the grid comes."""
    role = beside.role.values()
    varied = [path for path in role.get("varied", ()) if path.partition(".")[0] == corpus.name]
    varied += ["front_end.encoder"] if front_end != study.features.front_end else []
    return replace(
        beside,
        corpora=(corpus,),
        classes=study.classes_of(corpus),
        front_end=front_end,
        normalise="train",
        balance=Part("none"),
        augmentation=(),
        block=model,
        pooling="none",
        task="unified",
        training=study.training,
        repeat=0,
        initial_from="",
        role=part(REFERENCE, protocol=role.get("protocol", ""), varied=tuple(varied)),
    )

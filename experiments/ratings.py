"""Arousal and valence by the end-to-end network of Trigeorgis et al. 2016, trained by CCC as in their paper.

    ser run ratings --data corpora          # IEMOCAP, each session tested once

The paper predicts both in time, on RECOLA; here an utterance has one rating of each, the mean of its raters. Beside
the network stand two regressions of functionals, fitted to the same utterances. The survey has it for classes.
"""

from ser.study import Comparison, Corpus, Demo, Features, Labels, Point, Study, System, Training, grid, origins, part

from ._survey_demo import CHANGES
from ._survey_systems import MFCC, MOMENTS, SYSTEMS, steps

SESSIONS = part("leave_one_out", by="session", fold=1, songs=False)
TRIGEORGIS = next(system for system in SYSTEMS if system.name == "trigeorgis")
COMPARED = (
    TRIGEORGIS,
    System("ridge", part("ridge", **steps(MOMENTS), alpha=100.0), normalise="none"),
    System(
        "svr",
        part("svm", **steps(MOMENTS), kernel="rbf", c=1.0, gamma=0.0, degree=2, coef0=1.0, balanced=False),
        normalise="none",
    ),
)


def points(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """Every system on every corpus by itself, in each fold."""
    tested = [(corpus,) for corpus in corpora if corpus not in train_only]
    return grid(corpora=tested, system=[system.name for system in COMPARED], fold=["all"])


_UNSTATED = "as for the networks of the survey"
study = Study(
    name="ratings",
    title="Arousal and valence of utterances",
    corpora=(Corpus("iemocap", "I", part("iemocap", ratings=True), SESSIONS),),
    other_corpora=part("grouped", by="speaker", folds=5, fold=1, seed=0, songs=False),
    classes=(),
    labels=Labels(dimensions=("arousal", "valence")),
    features=Features(MFCC, normalise="train"),
    blocks=(),
    training=Training(
        learning_rate=1e-3,
        weight_decay=0.0,
        clip_norm=5.0,
        batch_size=32,
        batches="pooled",
        bucket_pool=1,
        steps_per_epoch=0,
        max_epochs=80,
        patience_epochs=15,
        min_improvement=0.0,
        keep="best",
        watch=(),
        loss="cross_entropy",
        class_weights="none",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=False,
        dimension_loss="ccc",
    ),
    points=points,
    expect=len(COMPARED),
    comparison=Comparison(COMPARED),
    origins=origins(
        ours={
            "iemocap": "the paper's corpus is RECOLA, whose ratings are in time",
            "iemocap.by": "each session is tested once, the next one validates",
            "trigeorgis.block": "rows of 40 ms and one answer: the paper predicts arousal and valence in time",
            "ridge": "a plain reference, which no paper has here",
            "svr": "a plain reference, which no paper has here",
            "front_end": "of the two regressions",
            "training.learning_rate": _UNSTATED,
            "training.batch_size": _UNSTATED,
            "training.clip_norm": _UNSTATED,
            "training.patience_epochs": _UNSTATED,
            "training.max_epochs": "a bound only",
        },
    ),
    mode="equal",
    modes={"equal": {}},
    demo=Demo(
        (
            *((path, value) for path, value in CHANGES if path.startswith("trigeorgis.")),
            ("training.max_epochs", 8),
            ("training.patience_epochs", 0),
            ("folds", 2),
        ),
        emotions="all",
    ),
)

"""Fourteen surveyed systems, and six families of features with five classifiers each, on equal terms. Pinto et al.

    ser run survey --data corpora                                       # every system, both protocols
    ser run survey --data corpora --set only=si,wu_lda,wu_svm,wang      # some systems, one protocol
    ser run survey --corpora ksuemotions=DIR --set only=qamhan          # the corpus of Qamhan et al., which is sold

The survey (Table 1) sets side by side 52 to 96 % of other classes, other splits and other sizes. Here all systems have
the same utterances of the same classes, and all are trained on the same subsets: `sd`, stratified folds in which
speakers are shared, and `si`, as many folds of whole speakers (IEMOCAP: sessions), so that both train on 60 %; one
speaker in each fold is `--set ravdess.folds=24`. All learn from training and validation: networks
are trained again on both, for as many epochs as validation has chosen. What neither survey nor system says is in
_survey_origins.
"""

from ser.study import Comparison, Corpus, Demo, Features, Labels, Point, Study, Training, part

from ._survey_demo import CHANGES
from ._survey_origins import ORIGINS
from ._survey_systems import MFCC, SYSTEMS

SD = part("stratified", folds=5, fold=1, seed=0, songs=False)
SI_SPEAKERS = part("grouped", by="speaker", folds=5, fold=1, seed=0, songs=False)
SI_SESSIONS = part("leave_one_out", by="session", fold=1, songs=False)


def points(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """Every system on every corpus by itself, by both protocols."""
    return [
        {"corpora": (corpus,), "system": system.name, "protocol": protocol, "fold": "all"}
        for corpus in corpora
        if corpus not in train_only
        for system in SYSTEMS
        for protocol in ("sd", "si")
    ]


study = Study(
    name="survey",
    title="Exploring Emotional Signals: A Study on Audio-Based Emotion Classification",
    report="survey",
    paper="survey",
    corpora=(
        Corpus("ravdess", "R", part("ravdess", channels=("speech", "song"), actors=()), SI_SPEAKERS),
        Corpus("emodb", "E", part("emodb"), SI_SPEAKERS),
        Corpus("iemocap", "I", part("iemocap"), SI_SESSIONS, classes=("angry", "happy", "sad", "neutral")),
    ),
    other_corpora=SI_SPEAKERS,
    classes=(),  # each corpus's own
    labels=Labels(merge=(("excited", "happy"),)),
    features=Features(MFCC, normalise="train"),
    blocks=(),
    training=Training(  # of networks
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
        learns_from="train_and_validation",  # all systems alike, networks and fitted models
    ),
    points=points,
    expect=2 * 3 * len(SYSTEMS),
    comparison=Comparison(SYSTEMS, (("sd", SD), ("si", None))),
    origins=ORIGINS,
    mode="equal",
    modes={"equal": {}},
    demo=Demo(CHANGES, emotions="all"),
)

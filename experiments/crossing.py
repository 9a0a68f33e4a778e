"""What is a mix of corpora worth on a corpus that it never met? Every combination, tested on everything.

    ser run crossing --data corpora --plan
    ser run crossing --data corpora --encoder wavlm=~/wavlm-base-plus
    ser run crossing --data corpora --set "split=leave_one_corpus_out(val=0.2)"    # others than the tested one train
    ser run crossing --data corpora --set only=wu_lda                              # fitted: seconds each
    ser demo crossing                                                              # made corpora: minutes

Of n corpora there are 2^n - 1 combinations. On each four systems are trained: the features and the classifier that are
best on EMO-DB in `survey`, a network of log spectra with one head for all corpora and one with a head for each, and
logistic regression on a pretrained encoder, for every encoder that the command names. Each has its features normalised
in three ways: over what is trained on, by corpus, and by speaker. The models are tested on the test side of every
corpus that is there, whether they have met it or not: so one column of the matrix is of one set of utterances. Corpora
that are named with --test-on and are none of the study's are tested whole.

A corpus that is tested is normalised by itself where that is the way, without its labels: it takes more than one
utterance of the stranger. docs/across_corpora.md says how to read the report.
"""

from ser.study import (
    Comparison,
    Corpus,
    Demo,
    Features,
    Labels,
    Point,
    Study,
    System,
    Training,
    grid,
    origins,
    part,
    subsets,
)

from ._survey_systems import SYSTEMS

SPEAKERS = part("speakers", train=0.6, val=0.2, test=0.2, by="speaker", seed=0)
WAYS = ("train", "corpus", "speaker")
WU = next(system for system in SYSTEMS if system.name == "wu_lda")
NETWORK = part("tdnn", units=128, layers=4, context=(-1, 0, 1), dropout=0.3)
VECTORS = part("pretrained", layers="mean", statistics=("mean", "std"))
LOGISTIC = part("logistic", statistics=(), scaling="none", c=0.01, balanced=True)

COMPARED = (
    WU,
    System("network", NETWORK, pooling="mean_var"),
    System("heads", NETWORK, pooling="mean_var", task="multi"),
    System("encoder", LOGISTIC, VECTORS, needs=("encoder",)),
)


def points(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """Every combination of which something is tested, with every system in every way; heads where there are several."""
    combinations = [c for c in subsets(corpora) if not set(c) <= set(train_only)]
    everything = grid(corpora=combinations, system=[s.name for s in COMPARED], normalise=WAYS)
    return [point for point in everything if point["system"] != "heads" or len(point["corpora"]) > 1]


ORIGINS = origins(
    ours={
        "only": "no paper's: the systems are the survey's best on EMO-DB, da Silva et al.'s features, and probes",
        "normalise": "an axis",
        "classes": "those that the most corpora have",
        "front_end": "as in `interaffection`",
        **dict.fromkeys(
            ("crema_d.seed", "emodb.seed", "ravdess.seed", "savee.seed"), "who is tested: --seeds draws others"
        ),
        "iemocap.by": "partners of a dialogue stay together",
        **dict.fromkeys(("network.block", "heads.block"), "as in `interaffection`, smaller"),
        "encoder.block": "as in `encoders`",
        "encoder.front_end.layers": "the mean of all layers: the best one is another for each corpus",
        "test_on": "an axis of the report: what a mix is worth on everything",
        "merge": "excited counts as happy, as in most works on IEMOCAP",
        "training": "of the two networks; validation chooses the epochs",
    },
)

study = Study(
    name="crossing",
    title="Corpora and strangers: every combination, tested on everything",
    report="crossing",
    corpora=(
        Corpus("iemocap", "I", part("iemocap"), part("speakers", train=0.6, val=0.2, test=0.2, by="session", seed=0)),
        Corpus("crema_d", "C", part("crema_d"), SPEAKERS),
        Corpus("ravdess", "R", part("ravdess", channels=("speech",)), SPEAKERS),
        Corpus("emodb", "E", part("emodb"), SPEAKERS),
        Corpus("savee", "S", part("savee"), SPEAKERS),
    ),
    other_corpora=SPEAKERS,
    classes=("happy", "angry", "neutral", "sad"),
    labels=Labels(merge=(("excited", "happy"),)),
    features=Features(part("log_stft", rate_hz=8000, window=512, hop=128, floor=1e-6), normalise="train"),
    blocks=(NETWORK,),
    training=Training(
        learning_rate=1e-3,
        weight_decay=1e-5,
        clip_norm=5.0,
        batch_size=16,
        batches="corpus",
        bucket_pool=16,
        steps_per_epoch=100,
        max_epochs=60,
        patience_epochs=8,
        min_improvement=0.002,
        keep="best",
        watch=(),
        loss="cross_entropy",
        class_weights="inverse",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=False,
    ),
    points=points,
    expect=31 * 3 * 3 + 26 * 3,
    comparison=Comparison(COMPARED, test_on=("all",)),
    origins=ORIGINS,
    demo=Demo(
        changes=(
            ("only", ("wu_lda", "network", "heads")),
            ("network.block.units", 24),
            ("network.block.layers", 2),
            ("heads.block.units", 24),
            ("heads.block.layers", 2),
            ("training.learning_rate", 3e-3),
            ("training.steps_per_epoch", 18),
            ("training.max_epochs", 6),
            ("training.patience_epochs", 3),
        ),
        emotions="all",
    ),
)

"""Which pretrained encoder, which of its layers, and which head on it, for which corpus? On new speakers.

    ser run encoders --corpora emodb=~/emodb --encoder whisper=~/models/whisper-tiny --plan
    ser run encoders --data corpora --encoder wavlm=~/wavlm-base-plus --encoder hubert=~/hubert-base-ls960
    ser run encoders --data corpora --encoder wavlm=~/wavlm-base-plus --mode probes    # fitted probes alone: minutes

Encoders are frozen; the folders are yours. Of an encoder with L hidden states (13 of a base model) each fold has, first
to last, 2 (L + 1) logistic regressions on mean and standard deviation over time, of each layer and of the mean of all,
normalised by the training subset and by the speaker; then five networks: a linear one and a dense one on these vectors
of all layers with a learned weight for each, a dense one on the frames of the last layer, as EmoBox has it, and two
attention poolings of the frames of all layers. That is 2 L + 7 trials (33 of a base model), times 10 folds on EMO-DB, 5
on others and 4 on SAVEE. Frames of all layers are large: `--plan` says how large, `--set front_end.stored=float16`
halves that. Beside them, by corpus and not by encoder, four of the survey's systems on the same folds.

Whisper tiny on EMO-DB (2-s cuts), layer 2: UA 0.885, by the speaker 0.914; the survey's best there, Wu's LDA, 0.774.
"""

from ser.study import EACH, Comparison, Corpus, Demo, Features, Labels, Point, Study, Training, grid, origins, part

from ._survey_systems import SYSTEMS

SPEAKERS = part("leave_one_out", by="speaker", fold=1)
SPEAKER_FOLDS = part("grouped", by="speaker", folds=5, fold=1, seed=0)
SESSIONS = part("leave_one_out", by="session", fold=1)
VECTORS: dict[str, list[object]] = {"front_end.statistics": [("mean", "std")]}
POOLED: dict[str, list[object]] = {"pooling": ["none"], "task": ["unified"]}  # by the front-end, or the block itself
FRAMES: dict[str, list[object]] = {"front_end.statistics": [()]}
BESIDE = ("wu_lda", "wu_svm", "wang", "mfcc_svm")  # of the survey: the best on EMO-DB, and quick


def probes(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """Logistic regression on vectors of each layer, and of the mean of all."""
    return [
        point
        for corpus in corpora
        if corpus not in train_only
        for point in grid(
            corpora=[(corpus,)],
            block=["logistic"],
            **{"front_end.layers": [EACH, "mean"]},
            **VECTORS,
            **POOLED,
            normalise=["train", "speaker"],
            fold=["all"],
        )
    ]


def networks(corpus: str) -> list[Point]:
    """Networks with a learned weight for each layer, on vectors and on frames, and on frames of the last layer."""
    common: dict[str, list[object]] = {"corpora": [(corpus,)], "normalise": ["train"], "fold": ["all"]}
    every: dict[str, list[object]] = {"front_end.layers": ["all"]}
    last: dict[str, list[object]] = {"front_end.layers": ["last"]}
    attention: dict[str, list[object]] = {"pooling": ["mean", "mean_var"], "task": ["unified"]}
    return [
        *grid(**common, block=["linear", "dense"], **POOLED, **every, **VECTORS),
        *grid(**common, block=["dense"], **POOLED, **last, **FRAMES),
        *grid(**common, block=["projection"], **attention, **every, **FRAMES),
    ]


def points(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """Probes and the systems of the survey on every corpus by itself, then the networks, which take longer."""
    tested = [corpus for corpus in corpora if corpus not in train_only]
    heads = [point for corpus in tested for point in networks(corpus)]
    beside = grid(corpora=[(corpus,) for corpus in tested], system=BESIDE, fold=["all"])
    return [*probes(corpora, train_only), *beside, *heads]


_HEADS = "heads are small, as what is compared is what encoders know"
ORIGINS = origins(
    ours={
        "front_end.statistics": "of each layer over the frames of an utterance, where a head takes vectors",
        "normalise": "by the training subset; for vectors also by the speaker, of whom all recordings must be at hand",
        "logistic": "C and balanced classes were chosen on one layer of Whisper tiny, on EMO-DB",
        **dict.fromkeys(("linear", "projection"), _HEADS),
        "training": "of all networks alike; validation chooses the epochs, then all but the test speakers train",
        "emodb.by": "every speaker is tested once",
        **dict.fromkeys(("ravdess.folds", "crema_d.folds"), "whole speakers in five folds, each tested once"),
        "iemocap.by": "every session is tested once, as in EmoBox",
        "savee.by": "every speaker is tested once, as in EmoBox",
        "merge": "excited counts as happy, as in EmoBox and most works on IEMOCAP",
        "only": "systems of the survey, with its settings; networks among them would take hours",
    },
    reading={"dense": "the head of EmoBox: a layer of 256 units on each frame, the mean over time, a linear layer"},
)

study = Study(
    name="encoders",
    title="Pretrained encoders: layers and heads, by corpus",
    report="encoders",
    paper="encoders",
    corpora=(
        Corpus("emodb", "E", part("emodb"), SPEAKERS),
        Corpus("ravdess", "R", part("ravdess", channels=("speech",), actors=()), SPEAKER_FOLDS),
        Corpus("crema_d", "C", part("crema_d"), SPEAKER_FOLDS),
        Corpus("iemocap", "I", part("iemocap"), SESSIONS, classes=("angry", "happy", "sad", "neutral")),
        Corpus("savee", "S", part("savee"), SPEAKERS),
    ),
    other_corpora=SPEAKER_FOLDS,
    classes=(),  # each corpus's own
    labels=Labels(merge=(("excited", "happy"),)),
    features=Features(part("pretrained", statistics=("mean", "std")), normalise="train"),
    blocks=(
        part("logistic", statistics=(), scaling="none", c=0.01, balanced=True),
        part("linear", statistics=("mean",), dropout=0.0),
        part("dense", statistics=("mean",), frame_units=256, layers=0, activation="relu", dropout=0.2),
        part("projection", units=256, activation="relu", dropout=0.2),
    ),
    training=Training(  # of networks
        learning_rate=1e-3,
        weight_decay=1e-4,
        clip_norm=5.0,
        batch_size=32,
        batches="pooled",
        bucket_pool=16,
        steps_per_epoch=0,
        max_epochs=60,
        patience_epochs=10,
        min_improvement=0.0,
        keep="best",
        watch=(),
        loss="cross_entropy",
        class_weights="inverse",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=False,
        learns_from="train_and_validation",  # all heads and systems alike
    ),
    points=points,
    expect=5 * (4 + 5 + len(BESIDE)),
    comparison=Comparison(tuple(system for system in SYSTEMS if system.name in BESIDE)),
    origins=ORIGINS,
    mode="heads",
    modes={"heads": {}, "probes": {"points": probes, "expect": 5 * 4}},
    demo=Demo(
        changes=(
            ("folds", 1),
            ("only", ("mfcc_svm",)),
            ("training.max_epochs", 6),
            ("training.patience_epochs", 3),
            ("dense.frame_units", 32),
            ("projection.units", 32),
        ),
        emotions="all",
    ),
)

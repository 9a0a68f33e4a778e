"""Two tiny networks on 80 MFCCs of RAVDESS. Khan et al.: a 1-D CNN and an RNN, found by random search.

    ser run mfcc_networks --data corpora
    ser run mfcc_networks --data corpora --mode sound       # whole actors held out, as many women as men

Paper: 94.63 % of the training and 74.57 % of the test files right by the CNN, 55.47 % by the RNN. What the
paper leaves open, and this study states, is in ORIGINS.
"""

from ser.study import Corpus, Demo, Features, Point, Search, Study, Training, origins, part

# "approximately 1247 files": actors 01-12 have 1248 of speech and song, and 33 % of 1247 are the 412 of Table 6.
# Speakers stand in both subsets.
ACTORS = tuple(f"{n:02d}" for n in range(1, 13))
RAVDESS = part("ravdess", channels=("speech", "song"), actors=ACTORS)
BY_FILE = part("holdout", by="utterance", test=0.33, seed=42, drop=1, folds=3, fold=0)
BY_ACTOR = part("holdout", by="speaker_by_sex", test=0.33, seed=42, drop=0, folds=3, fold=0)


def points(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """Both networks as printed (Tables 3 and 4)."""
    return [{"corpora": corpora, "block": name, "final": True, "role": part("printed")} for name in ("cnn1d", "rnn")]


_USUAL = "librosa's usual value; unstated"
ORIGINS = origins(
    ours={
        "ravdess.actors": "which files the paper has is unsaid: 1-12 have 1248, and it has approximately 1247",
        "ravdess.drop": "1247 files were used: which one of 1248 is missing is unsaid",
        "ravdess.seed": "unstated",
        "ravdess.folds": "folds of the search, unstated",
        **{f"front_end.{name}": _USUAL for name in ("rate_hz", "window", "hop", "mels", "top_db")},
        "training.batch_size": "unstated",
        "training.max_epochs": "of candidates; the paper's 500 are those of the networks that are tested",
        "training.loss": "cross-entropy of a softmax; the paper speaks of one sigmoid",
        "training.epsilon": "Keras' value; unstated",
        "search": "the paper searches at random and names no numbers",
        "space": "the paper names no values",
        "reference": "none in the paper: it shows what the features allow",
    },
    reading={
        "cnn1d.pool": "Table 4 has pools of 3, the text of 8, which the layers cannot hold",
        "front_end.mean": "80 features of a file: the mean of 80 coefficients over time",
    },
)

study = Study(
    name="mfcc_networks",
    title="Speech Emotion Recognition using Deep neural networks: Insight from Management perspective",
    report="mfcc_networks",
    paper="mfcc_networks",
    corpora=(Corpus("ravdess", "R", RAVDESS, BY_FILE),),
    other_corpora=part("holdout", by="utterance", test=0.33, seed=42, drop=0, folds=3, fold=0),
    classes=("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise"),
    features=Features(
        front_end=part(
            "mfcc", rate_hz=22050, window=2048, hop=512, mels=128, coefficients=80, top_db=80.0, peak=True, mean=True
        ),
        normalise="none",
    ),
    blocks=(
        part("cnn1d", filters=(20, 10), kernel=3, pool=3, dropout=0.25, init="glorot"),  # Table 4
        part("rnn", units=16, init="glorot"),  # Table 3
    ),
    training=Training(
        learning_rate=5e-3,
        weight_decay=0.0,
        clip_norm=0.0,
        batch_size=32,
        batches="pooled",
        bucket_pool=1,
        steps_per_epoch=0,
        max_epochs=50,  # of candidates
        patience_epochs=0,
        min_improvement=0.0,
        keep="last",
        watch=(),
        loss="cross_entropy",
        class_weights="none",
        optimiser="rmsprop",
        epsilon=1e-7,
        precision="float32",
        stacked=True,
    ),
    points=points,
    expect=2,
    origins=ORIGINS,
    reference=part("svm", statistics=("mean",)),  # of the only frame of an utterance
    search=Search(
        # Five candidates of each shape, as such are trained together; the best of each network is trained again.
        rule=part(
            "random",
            candidates=20,
            seed=0,
            by="wa",
            folds=3,
            per_shape=5,
            shape=("training.batch_size", "cnn1d.filters", "cnn1d.kernel", "cnn1d.pool", "rnn.units"),
        ),
        space=(
            ("training.learning_rate", part("choice", values=(1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 1e-1))),
            ("training.optimiser", part("choice", values=("rmsprop", "adam", "sgd"))),
            ("training.batch_size", part("choice", values=(16, 32, 64))),
            ("cnn1d.filters", part("choice", values=((10, 5), (20, 10), (32, 16), (64, 32)))),
            ("cnn1d.kernel", part("choice", values=(3, 5, 9))),
            ("cnn1d.pool", part("choice", values=(2, 3, 4, 8))),
            ("cnn1d.dropout", part("choice", values=(0.1, 0.25, 0.5))),
            ("rnn.units", part("choice", values=(8, 16, 32, 64))),
        ),
        final=(("training.max_epochs", 500), ("training.watch", ("train", "test"))),
    ),
    modes={"paper": {}, "sound": {"corpora": (Corpus("ravdess", "R", RAVDESS, BY_ACTOR),), "other_corpora": BY_ACTOR}},
    demo=Demo(
        changes=(
            ("training.max_epochs", 15),
            ("final.training.max_epochs", 60),
            ("search.candidates", 10),
        ),
    ),
)

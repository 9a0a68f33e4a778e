"""How do corpora help or hurt each other? da Silva, Filho and de Souza: 14 combinations x 12 networks = 168 trials.

    ser run interaffection --data corpora --corpora iemocap,tess,ravdess,customer=calls/manifest.csv
    ser run interaffection --data corpora --mode sound --seeds 3       # every speaker tested once, over five folds

Paper: WA 58.8 / 81.3 / 60.4 % and UA 59.4 / 81.9 / 83.5 % on IEMOCAP / RAVDESS / CustomerPTBR (its Table 2).
What the paper leaves open, and this study states, is in ORIGINS.
"""

from ser.study import Corpus, Demo, Features, Labels, Point, Study, Training, grid, origins, part, subsets

SPEAKERS = part("speakers", train=0.7, val=0.2, test=0.1, seed=0)  # whole speakers, balanced by sex

# Mode "sound": folds in turn, each speaker and each session of dialogues tested once.
FOLDS = part("grouped", by="speaker", folds=5, fold=1, seed=0)
SESSION_FOLDS = part("grouped", by="session", folds=5, fold=1, seed=0)
TURNS = part("alternating", fold=1, seed=0)  # two speakers are too few to be tested


def points(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """Every combination that can be tested, with every network."""
    return grid(
        corpora=[c for c in subsets(corpora) if not set(c) <= set(train_only)],
        block=["lstm", "blstm", "tdnn"],
        pooling=["mean", "mean_var"],
        task=["unified", "multi"],
    )


def in_folds(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """The same grid, in each fold."""
    return [{**point, "fold": "all"} for point in points(corpora, train_only)]


IEMOCAP, TESS = part("iemocap"), part("tess")
RAVDESS = part("ravdess", channels=("speech",))
CUSTOMER = part("manifest_csv", label_map="", audio_root="", outside=False)

_RANGE = "the paper names the kind, neither range nor seed"
_WHO = "the paper does not say whose recordings are in which subset"
_FOLDS = "the paper has one split; folds test every speaker once"
ORIGINS = origins(
    ours={
        "iemocap.test": "the paper says how many sections are in each subset, not which",
        "tess.train": "the paper says that one speaker trains and one validates, not which",
        "ravdess.seed": _WHO,
        "customer.seed": _WHO,
        **{f"{corpus}.folds": _FOLDS for corpus in ("iemocap", "ravdess", "customer")},
        "front_end.floor": "keeps the logarithm finite; unstated",
        "normalise": "unstated; of all training frames of a trial, augmented copies included",
        "noise": f"{_RANGE}; its recordings (CHiME-3) are replaced by generated noise unless --noise gives some",
        "rir": f"{_RANGE}; its measured rooms are replaced by generated ones unless --rir gives some",
        **dict.fromkeys(("vtlp", "mp3", "bandpass", "volume"), _RANGE),
        "training.weight_decay": "the paper has weight decay and does not say how much",
        "training.batch_size": "unstated",
        "training.bucket_pool": "unstated; items of like length make a mini-batch",
        "training.max_epochs": "a bound only",
        "training.epsilon": "Adam's usual value; unstated",
        "training.precision": "unstated",
        "reference": "none in the paper: it shows what the features allow",
    },
    reading={
        "ravdess.channels": "all 7356 files are counted, and speech is spoken of: songs are left out",
        "merge": "excited is not mentioned: it is no class and does not count as happy",
        "augmentation": "copies fill each corpus up to the largest one used, so they depend on the other corpora",
        "lstm.prep_layers": "one hidden linear layer is drawn; the network that is cited has two",
        "blstm.prep_layers": "one hidden linear layer is drawn; the network that is cited has two",
        "tdnn.context": "frames beyond the ends are zeros, so that no layer loses frames",
        "training.clip_norm": "of the norm of all gradients together, not of each value",
        "training.min_improvement": "0.2 % of the least loss so far, not 0.002 of loss",
        "training.patience_epochs": "the validation loss is the mean over the corpora of a trial",
        "training.class_weights": "1 / utterances of a class in its corpus, mean 1",
    },
)

study = Study(
    name="interaffection",
    title="Interaffection of Multiple Datasets with Neural Networks in Speech Emotion Recognition",
    report="interaffection",
    paper="interaffection",
    corpora=(
        # Sections (sessions) 3/1/1 as in the paper's 4.2.
        Corpus("iemocap", "I", IEMOCAP, part("sessions", train=("1", "2", "3"), val=("4",), test=("5",))),
        # Two speakers: one trains, one validates, none is tested (4.2).
        Corpus("tess", "T", TESS, part("named", train=("OAF",), val=("YAF",), test=())),
        Corpus("ravdess", "R", RAVDESS, SPEAKERS),
        Corpus("customer", "C", CUSTOMER, SPEAKERS),
    ),
    other_corpora=SPEAKERS,
    classes=("happy", "angry", "neutral", "sad"),  # 4.1
    labels=Labels(merge=()),  # (("excited", "happy"),) counts IEMOCAP's excited as happy
    features=Features(
        front_end=part("log_stft", rate_hz=8000, window=512, hop=128, floor=1e-6),  # 4.2
        normalise="train",
        augmentation=(  # the kinds are 4.2's
            part("noise", snr_db=(5.0, 20.0), source="generated", seed=1),
            part("vtlp", alpha=(0.9, 1.1), high=0.6, seed=2),
            part("rir", source="generated", seed=3),
            part("mp3", quality=(0.5, 0.99), seed=4),
            part("bandpass", low_hz=300.0, high_hz=3400.0, seed=5),
            part("volume", gain_db=(-6.0, 6.0), seed=6),
        ),
    ),
    blocks=(  # 4.3; dropout 0.5 for all
        part("lstm", prep_units=512, prep_layers=1, units=128, dropout=0.5),
        part("blstm", prep_units=512, prep_layers=1, units=128, dropout=0.5),
        part("tdnn", units=512, layers=6, context=(-1, 0, 1), dropout=0.5),
    ),
    training=Training(  # 4.4
        learning_rate=3e-4,
        weight_decay=1e-5,
        clip_norm=10.0,
        batch_size=16,
        batches="corpus",
        bucket_pool=16,
        steps_per_epoch=100,
        max_epochs=500,  # a bound only
        patience_epochs=20,
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
    expect=168,
    origins=ORIGINS,
    reference=part("svm", statistics=("mean", "std")),  # of the 257 bins
    modes={
        "paper": {},
        "sound": {
            "corpora": (
                Corpus("iemocap", "I", IEMOCAP, SESSION_FOLDS),
                Corpus("tess", "T", TESS, TURNS),
                Corpus("ravdess", "R", RAVDESS, FOLDS),
                Corpus("customer", "C", CUSTOMER, FOLDS),
            ),
            "other_corpora": FOLDS,
            "points": in_folds,
        },
    },
    demo=Demo(
        changes=(  # the whole grid in minutes on two cores: narrow networks, few epochs
            *((f"{block}.prep_units", 64) for block in ("lstm", "blstm")),
            *((f"{block}.units", 32) for block in ("lstm", "blstm")),
            ("tdnn.units", 48),
            *((f"{block}.dropout", 0.2) for block in ("lstm", "blstm", "tdnn")),
            ("training.learning_rate", 1.5e-3),
            ("training.steps_per_epoch", 18),
            ("training.max_epochs", 7),
            ("training.patience_epochs", 4),
        ),
        emotions="four",
    ),
)

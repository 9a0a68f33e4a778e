"""Seven emotions at once on four corpora. Pho, Truong and Yanushkevich: a 2-D CNN, and a search over its settings.

    ser run multilabel --data corpora            # the printed network, and twenty candidates under successive halving
    ser run multilabel --data corpora --mode sound

Paper: "accuracy" 57.64 %, which is balanced accuracy with sigmoids cast to int (see the report's notes). What
is only in the authors' code, or in neither, is in ORIGINS.
"""

from ser.study import Corpus, Demo, Features, Labels, Point, Search, Study, Training, origins, part

EMOTIONS = ("neutral", "angry", "disgust", "fear", "happy", "sad", "surprise")
# 80/10/10 over utterances; speakers stand in several subsets.
RANDOM = part("random", train=0.8, val=0.1, test=0.1, seed=0, rest="train", order=("test", "val", "train"))
SPEAKERS = part("speakers", train=0.8, val=0.1, test=0.1, seed=0)
# Mode "sound". IEMOCAP's speakers talk with each other in sessions: three of the five train. TESS has two speakers.
SESSIONS = part("speakers", by="session", train=0.6, val=0.2, test=0.2, seed=0)
WHOLE = {"iemocap": SESSIONS, "tess": part("named", train=("OAF", "YAF"), val=(), test=())}
NOISY = (("denoise", "spectral_gating"),)
LOADERS = (
    ("iemocap", "I", part("iemocap"), NOISY),
    ("crema_d", "C", part("crema_d", label_source="pooled3", ties=True), NOISY),
    ("tess", "T", part("tess"), ()),
    ("ravdess", "R", part("ravdess", channels=("speech",), actors=()), (("trim_s", 1.0),)),
)


def points(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """The network as printed, on all corpora together."""
    return [{"corpora": corpora, "block": "cnn2d", "role": part("printed")}]


_SPLIT = "names are shuffled, the first tenths test and validate"
ORIGINS = origins(
    ours={
        "search": "the paper searches and does not say how",
        "space": "the paper says what was varied, not among which values",
        "scheduler": "unstated",
        "reference": "none in the paper: it shows what the features allow",
    },
    code={
        **{f"{corpus}.seed": f"{_SPLIT}; of another generator here" for corpus in ("iemocap", "crema_d", "tess")},
        "ravdess.seed": f"{_SPLIT}; of another generator here",
        "iemocap": "every word of every rater counts, those of the speakers on themselves too",
        "ravdess.trim_s": "the first and last second of RAVDESS are cut off",
        "crema_d.label_source": "winners of voice, face and both together are pooled",
        "front_end.denoise_after_padding": "noise is gated after the padding with zeros",
        "front_end.floor": "added before the logarithm",
        "training.class_weights": "as Keras weighs a sample, by its first positive label; the words suggest by each",
        "training.weighted_validation": "Keras weighs the samples of training alone",
        "cnn2d.init": "as Keras starts layers",
    },
    reading={
        "front_end.scale": "each frame to -1 … 1, as the code does; equation 3 has the whole image",
        "front_end.rate_hz": "resampled by soxr; paper and code have a Kaiser window",
        "training.max_epochs": "the paper's 20; the last state of the code has 10",
        "training.epsilon": "the paper's; Keras has 1e-7 unless told otherwise",
    },
)

study = Study(
    name="multilabel",
    title="Multi-Label Speech Emotion Recognition Using 2D Convolutional Neural Networks",
    report="multilabel",
    paper="multilabel",
    corpora=tuple(Corpus(name, letter, loader, RANDOM, front_end) for name, letter, loader, front_end in LOADERS),
    other_corpora=RANDOM,
    classes=EMOTIONS,
    labels=Labels(
        merge=(("excited", "happy"), ("frustrated", "angry"), ("calm", "neutral")),
        votes="tied",  # all that most votes are for; utterances with more than three are left out
    ),
    features=Features(
        front_end=part(
            "log_mel",
            rate_hz=48000,
            seconds=4.5,
            trim_s=0.0,
            denoise="none",
            noise_s=0.5,
            denoise_after_padding=True,
            window=3072,
            hop=768,
            fft=4096,
            mels=200,
            low_hz=20.0,
            high_hz=12000.0,
            floor=1e-6,
            scale="frame",
        ),
        normalise="none",
    ),
    blocks=(  # Fig. 3
        part(
            "cnn2d",
            filters=(200, 200, 150, 100),
            kernel=3,
            dense=(512, 256, 512),
            dropout=0.5,
            frames=278,
            init="glorot",
        ),
    ),
    training=Training(  # Table 3
        learning_rate=1e-3,
        weight_decay=0.0,
        clip_norm=0.0,
        batch_size=32,
        batches="pooled",
        bucket_pool=1,
        steps_per_epoch=0,
        max_epochs=20,
        patience_epochs=0,
        min_improvement=0.0,
        keep="last",
        watch=(),
        loss="binary_cross_entropy",
        class_weights="first_positive",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=False,
        weighted_validation=False,
    ),
    points=points,
    expect=1,
    origins=ORIGINS,
    reference=part("logistic", statistics=("mean", "std")),
    search=Search(
        rule=part("random", candidates=20, seed=0, by="loss", folds=0, shape=(), per_shape=1),
        space=(
            ("training.learning_rate", part("log_uniform", low=1e-5, high=1e-2)),
            ("cnn2d.dropout", part("choice", values=(0.3, 0.4, 0.5, 0.6))),
            ("cnn2d.filters", part("choice", values=((200, 200, 150, 100), (100, 100, 75, 50), (64, 64, 64, 64)))),
            ("cnn2d.dense", part("choice", values=((512, 256, 512), (256, 128, 256), (512, 512, 512)))),
            ("front_end.mels", part("choice", values=(128, 200))),
            ("front_end.high_hz", part("choice", values=(8000.0, 12000.0))),
        ),
        scheduler=part("asha", grace=2, reduction=3),
    ),
    modes={
        "paper": {},
        "sound": {
            "corpora": tuple(
                Corpus(name, letter, loader, WHOLE.get(name, SPEAKERS), front_end)
                for name, letter, loader, front_end in LOADERS
            ),
            "other_corpora": SPEAKERS,
        },
    },
    demo=Demo(
        changes=(  # 64 bands of 16 kHz audio, narrow layers, four candidates
            ("front_end.rate_hz", 16000),
            ("front_end.seconds", 3.0),
            ("front_end.window", 1024),
            ("front_end.hop", 512),
            ("front_end.fft", 1024),
            ("front_end.mels", 64),
            ("front_end.high_hz", 7600.0),
            ("ravdess.trim_s", 0.0),
            ("cnn2d.frames", 92),
            ("cnn2d.filters", (16, 16, 24, 24)),
            ("cnn2d.dense", (64, 32, 64)),
            ("cnn2d.dropout", 0.1),
            ("training.learning_rate", 2e-3),
            ("training.batch_size", 16),
            ("training.max_epochs", 20),
            ("search.candidates", 4),
            ("space.training.learning_rate", part("log_uniform", low=5e-4, high=5e-3)),
            ("space.cnn2d.dropout", part("choice", values=(0.1, 0.2, 0.3))),
            ("space.cnn2d.filters", part("choice", values=((16, 16, 24, 24), (8, 8, 16, 16)))),
            ("space.cnn2d.dense", part("choice", values=((64, 32, 64), (32, 32, 32)))),
            ("space.front_end.mels", part("choice", values=(48, 64))),
            ("space.front_end.high_hz", part("choice", values=(7600.0,))),
        ),
    ),
)

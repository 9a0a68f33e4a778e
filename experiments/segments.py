"""One-second segments, VGGish, and votes of segments. Sahoo, Kumar, Raman and Roy: IEMOCAP, four classes.

    ser run segments --data corpora --weights vggish_model.ckpt      # without --weights VGGish starts at random
    ser run segments --data corpora --mode sound                     # leave one session out

Paper: 68.7 +- 1.9 % of the clips by the mean of their segments' logits, with overlap; 66.8 without. What is
only in the authors' code, or in neither, is in ORIGINS.
"""

from ser.study import Corpus, Demo, Features, Labels, Point, Study, Training, origins, part

# 4424/553/554 utterances, speakers and dialogues in several subsets.
RANDOM = part("random", train=0.8, val=0.1, test=0.1, seed=221262, rest="test", order=("train", "val", "test"))
SESSIONS = part("leave_one_out", by="session", fold=1)
SPEAKERS = part("speakers", train=0.8, val=0.1, test=0.1, seed=0)


def points(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """Tables 3 and 4: how to cut, and how wide the last layer is; and the baseline's sizes."""
    cut = "front_end.segmentation"
    shared = {"corpora": corpora}
    networks: list[Point] = [
        {"block": "vggish", cut: kind, "vggish.units": 200}
        for kind in ("nonoverlap", "overlap_repo", "overlap_textbook")
    ]
    networks += [{"block": "vggish", cut: "overlap_repo", "vggish.units": units} for units in (100, 400)]
    networks += [
        {"block": "mlp", cut: "nonoverlap", "mlp.layers": layers, "mlp.units": units, "training.learning_rate": 1e-3}
        for layers in (2, 3, 4)
        for units in (100, 200)
    ]
    return [shared | network for network in networks]


def in_folds(corpora: tuple[str, ...], train_only: tuple[str, ...]) -> list[Point]:
    """The same, each session tested once."""
    return [{**point, "fold": "all"} for point in points(corpora, train_only)]


def training(keep: str, every: int, tolerance: float) -> Training:
    """Section 4, and how the kept epoch is chosen."""
    return Training(
        learning_rate=1e-6,  # of the pre-trained network
        weight_decay=0.0,
        clip_norm=0.0,
        batch_size=32,
        batches="pooled",
        bucket_pool=1,
        steps_per_epoch=0,
        max_epochs=1000,  # a bound only
        patience_epochs=50,  # five looks
        min_improvement=0.0,
        keep=keep,
        check_every_epochs=every,
        loss_tolerance=tolerance,
        watch=(),
        loss="binary_cross_entropy",
        class_weights="none",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=False,
    )


ORIGINS = origins(
    ours={
        "training.max_epochs": "a bound only; the code has 10000",
        "mlp": "the paper names layers and units; its learning rate here is 1e-3",
        "reference": "none in the paper: it shows what the features allow",
    },
    code={
        "iemocap.seed": "names are shuffled with it, by another generator here",
        "iemocap.rest": "what is left over by rounding is tested",
        "front_end.segmentation": "what made the paper's numbers; its text describes overlap_textbook",
        "front_end.floor": "VGGish's own constant, as all of its front-end",
        "training.loss": "of each class's sigmoid; the paper is silent",
        "training.keep": "best accuracy of validation's segments where the loss is near the least; the paper is silent",
        "training.check_every_epochs": "validation is looked at every tenth epoch",
        "training.loss_tolerance": "what is near the least loss",
        "training.patience_epochs": "five looks, which are the paper's 50 epochs",
    },
    reading={
        "training.batch_size": "the paper's 32; the code has 16",
        "seeds": "six runs; whether they differ in split is unsaid, and Figure 3 shows two test subsets",
        "vggish.weights": "random unless --weights gives the public ones, from which the paper starts",
    },
)

study = Study(
    name="segments",
    title="A Segment Level Approach to Speech Emotion Recognition using Transfer Learning",
    report="segments",
    paper="segments",
    corpora=(Corpus("iemocap", "I", part("iemocap"), RANDOM),),
    other_corpora=RANDOM,
    classes=("angry", "happy", "sad", "neutral"),
    labels=Labels(merge=(("excited", "happy"),)),
    features=Features(
        front_end=part(
            "vggish_mel",
            rate_hz=16000,
            window=400,
            hop=160,
            fft=512,
            mels=64,
            low_hz=125.0,
            high_hz=7500.0,
            floor=0.01,
            patch=96,
            segmentation="overlap_repo",
        ),
        normalise="none",
    ),
    blocks=(
        part(
            "vggish",
            segment=96,
            filters=(64, 128, 256, 256, 512, 512),
            fc=(4096, 4096),
            embedding=128,
            units=200,
            weights="random",
        ),
        part("mlp", segment=96, layers=2, units=200, dropout=0.5),  # the baseline of Table 5
    ),
    # The best accuracy of validation's segments where the loss is near the least, every tenth epoch.
    training=training("best_accuracy", 10, 0.01),
    points=points,
    expect=11,
    origins=ORIGINS,
    reference=part("logistic", statistics=("mean", "std")),  # of a segment's frames
    seeds=6,
    modes={
        "paper": {},
        "sound": {
            "corpora": (Corpus("iemocap", "I", part("iemocap"), SESSIONS),),
            "other_corpora": part("grouped", by="speaker", folds=5, fold=1, seed=0),
            "training": training("best", 1, 0.0),
            "points": in_folds,
            "expect": 11,
        },
    },
    demo=Demo(
        changes=(  # a narrow VGGish, two repeats
            ("vggish.filters", (8, 12, 16, 16, 24, 24)),
            ("vggish.fc", (64, 64)),
            ("vggish.embedding", 32),
            ("training.learning_rate", 1e-3),
            ("training.max_epochs", 6),
            ("training.patience_epochs", 6),
            ("training.check_every_epochs", 1),
            ("seeds", 2),
        ),
    ),
)

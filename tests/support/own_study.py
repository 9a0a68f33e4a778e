"""A study of a person's own, over what ``ser new`` writes: a corpus, a front-end and a model."""

STUDY = '''"""Whether my model learns my corpus."""

from ser.study import Corpus, Features, Study, Training, grid, part

SPEAKERS = part("speakers", train=0.6, val=0.2, test=0.2, seed=0)

study = Study(
    name="mine",
    title="Mine",
    report="",
    corpora=(Corpus("my_corpus", "M", part("my_corpus"), SPEAKERS),),
    other_corpora=SPEAKERS,
    classes=("angry", "happy", "neutral", "sad"),
    features=Features(part("my_front_end", bands=8), "train"),
    blocks=(part("my_model", units=8),),
    training=Training(
        learning_rate=1e-2,
        weight_decay=0.0,
        clip_norm=0.0,
        batch_size=8,
        batches="corpus",
        bucket_pool=1,
        steps_per_epoch=0,
        max_epochs=2,
        patience_epochs=0,
        min_improvement=0.0,
        keep="best",
        watch=(),
        loss="cross_entropy",
        class_weights="none",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=False,
    ),
    points=lambda corpora, _: grid(corpora=[corpora], block=["my_model"], pooling=["mean"], task=["unified"]),
    expect=1,
)
'''
PROFILE = """device = "cpu"
cpus_per_trial = 1
gpus_per_trial = 0.0
trials_at_once = 1
minutes_without_progress = 30
"""

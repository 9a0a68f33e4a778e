"""What a search over tiny networks costs when they are trained together, against one trial after another.

One fold of Khan et al.'s search: candidates of Table 4's CNN and of Table 3's RNN which differ in learning rate,
dropout and optimiser, 556 training and 278 validation rows of 80 values, batches of 32. One at a time means
``ser.training.train.train`` for every candidate, in one process that is warm: no start of a process, no tracker. The
ratio is of processor time per epoch of a candidate. Run it with python; ``--candidates 1`` shows what training alone in
a group of one costs.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from ser.study import Corpus, Part, Training, Trial, part
from ser.training import stacked
from ser.training.batches import Frames, Items
from ser.training.stacked import Member
from ser.training.start import CorpusData
from ser.training.train import train

WIDTH, CLASSES, TRAIN, VAL = 80, 8, 556, 278
BLOCKS = {
    "CNN of Table 4": part("cnn1d", filters=(20, 10), kernel=3, pool=3, dropout=0.25, init="glorot"),
    "RNN of Table 3": part("rnn", units=16, init="glorot"),
}


def candidate(number: int, block: Part, epochs: int) -> Trial:
    """One of the search's candidates."""
    if block.name == "cnn1d":
        block = block.changed(dropout=(0.1, 0.25, 0.5)[number % 3])
    training = Training(
        learning_rate=(1e-4, 5e-4, 1e-3, 5e-3, 1e-2)[number % 5],
        weight_decay=0.0,
        clip_norm=0.0,
        batch_size=32,
        batches="pooled",
        bucket_pool=1,
        steps_per_epoch=0,
        max_epochs=epochs,
        patience_epochs=0,
        min_improvement=0.0,
        keep="best",
        watch=(),
        loss="cross_entropy",
        class_weights="none",
        optimiser=("adam", "rmsprop", "sgd")[number % 3],
        epsilon=1e-7,
        precision="float32",
        stacked=False,
    )
    return Trial(
        study="bench",
        mode="paper",
        corpora=(Corpus("made", "M", Part("none"), part("named", test=())),),
        classes=tuple("abcdefgh"),
        merge=(),
        labels="one",
        front_end=Part("none"),
        normalise="none",
        balance=part("none"),
        augmentation=(),
        block=block,
        pooling="none",
        task="unified",
        training=training,
        seed=number,
    )


def one_at_a_time(trials: Sequence[Trial], data: CorpusData) -> float:
    """Processor seconds per candidate."""
    start = time.process_time()
    with TemporaryDirectory() as folder:
        for trial in trials:
            train(trial, {"made": data}, Path(folder) / trial.id, "cpu", lambda epoch, row: None)
    return (time.process_time() - start) / len(trials)


def all_together(trials: Sequence[Trial], features: Tensor, labels: Tensor) -> float:
    """Processor seconds per candidate."""
    start, rows = time.process_time(), torch.arange(TRAIN + VAL)
    members = [
        Member(t.id, t.block, t.training, (t.seed, t.repeat), t.normalise, rows[:TRAIN], rows[TRAIN:], rows[:0])
        for t in trials
    ]
    stacked.train(members, features, labels, CLASSES, lambda key, epoch, row: None, "cpu")
    return (time.process_time() - start) / len(trials)


def items(features: Tensor, labels: Tensor) -> Items:
    """As a trial has them: one frame per utterance, all in one block."""
    number = len(labels)
    frames = Frames((features,), np.zeros(number, np.int64), np.arange(number), np.ones(number, np.int64))
    return Items("made", tuple(map(str, range(number))), frames, labels)


def main() -> None:
    """Print milliseconds per epoch of a candidate, both ways, and the ratio, for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--alone", type=int, default=3, help="how many of them to train one at a time, in each turn")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3, help="the median over turns is printed")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    labels = torch.arange(TRAIN + VAL) % CLASSES
    tones = torch.sin(torch.arange(WIDTH) * (1 + labels[:, None]) / 5)
    features = tones + torch.randn(TRAIN + VAL, WIDTH, generator=torch.Generator().manual_seed(0))
    data = CorpusData(items(features[:TRAIN], labels[:TRAIN]), items(features[TRAIN:], labels[TRAIN:]), items(*_none()))
    for name, block in BLOCKS.items():
        trials = [candidate(i, block, args.epochs) for i in range(args.candidates)]
        one_at_a_time(trials[:1], data)  # what is loaded on first use is no part of either
        all_together(trials[:1], features, labels)
        found = []
        for _ in range(args.turns):
            alone = one_at_a_time(trials[: args.alone], data)
            found.append((alone, all_together(trials, features, labels)))
        alone, group = (statistics.median(times) * 1000 / args.epochs for times in zip(*found, strict=True))
        ratio = statistics.median(a / b for a, b in found)
        print(
            f"{name}: one at a time {alone:.1f} ms per epoch, {args.candidates} together {group:.1f} ms: {ratio:.1f} x"
        )


def _none() -> tuple[Tensor, Tensor]:
    return torch.zeros(0, WIDTH), torch.zeros(0, dtype=torch.int64)


if __name__ == "__main__":
    main()

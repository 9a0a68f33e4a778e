"""What can go wrong in a training, really done to it: interrupted and killed anywhere, damaged, starved, fed nonsense.

Run as a program, this file is the process that is killed or starved; see ``main``.
"""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tiny_encoders
import torch

from experiments.interaffection import study
from ser.errors import is_out_of_memory
from ser.registry import find, names
from ser.study import POOLING_SIGNS, Corpus, Part, part, trial_of
from ser.study.settings import values_of
from ser.training import start
from ser.training import train as loop
from ser.training.batches import Items
from ser.training.start import CorpusData, Diverged
from ser.training.train import train

WIDTH, SIZES = 6, {"train": 20, "val": 12, "test": 8}


def made(block="lstm", pooling="mean_var", task="multi", **training):
    """A small trial on two corpora."""
    two = {name: Corpus(name, name.upper(), Part("none"), part("named", test=("x",))) for name in "ab"}
    point = {"corpora": ("a", "b"), "block": "lstm", "pooling": pooling, "task": task}
    papers = block in {b.name for b in study.blocks}
    block = study.block(block) if papers else part(block, **values_of(find("models", block).example()[1]))
    trial = replace(trial_of(study, point, two, seed=0), block=block)
    small = {k: 4 for k in ("units", "prep_units") if k in trial.block.values()}
    settings = {"batch_size": 4, "bucket_pool": 2, "steps_per_epoch": 4, "max_epochs": 3, "learning_rate": 1e-2}
    training = replace(trial.training, **settings | training)
    return replace(trial, block=trial.block.changed(**small), training=training)


def corpora(low=2, high=9, width=WIDTH):
    """Noise of ``low`` to ``high`` frames an utterance."""
    make = torch.Generator().manual_seed(1)

    def side(corpus, kind, number):
        lengths = torch.randint(low, high, (number,), generator=make).tolist()
        features = [torch.randn(n, width, generator=make) for n in lengths]
        return Items(corpus, tuple(f"{corpus}/{kind}{i}" for i in range(number)), features, torch.arange(number) % 4)

    return {c: CorpusData(**{kind: side(c, kind, n) for kind, n in SIZES.items()}) for c in "ab"}


def quiet(epoch, row):
    pass


def summary(outcome):
    """Everything of an outcome that may not change, exactly."""
    history = [{k: v for k, v in row.items() if k != "timestamp_ms"} for row in outcome.history]
    predictions = {c: p.probabilities.tobytes().hex() for c, p in outcome.predictions.items()}
    weights = {k: v.numpy().tobytes().hex() for k, v in outcome.weights.items()}
    return [history, outcome.best_epoch, predictions, weights]


def unpooled(block):
    """A small trial of a block that gives no frames, trained as its papers do, and its corpora."""
    width, settings, frames = tiny_encoders.example(block)
    frames = getattr(settings, "segment", frames)  # items are segments
    trial = made(task="unified", batches="pooled", steps_per_epoch=0, batch_size=8, optimiser="rmsprop")
    return replace(trial, block=part(block, **values_of(settings)), pooling="none"), corpora(frames, frames + 1, width)


class Interrupted(BaseException):
    """As Ctrl-C at any batch."""


def harm(rng, path):
    """Does to the newest generation what a disk may do; half of the times nothing."""
    if path.exists() and (kind := rng.integers(4)) < 2:
        content = bytearray(path.read_bytes())
        at = int(rng.integers(len(content)))
        content[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(content if kind else content[:at])
        return 1
    return 0


BLOCKS = [name for name in names("models") if find("models", name).GIVES == "frames"]
NETWORKS = [*product(BLOCKS, POOLING_SIGNS, ("unified", "multi"), ["float32"])]
NETWORKS += product(BLOCKS, ["mean_var"], ["multi"], ["bfloat16"])


@pytest.mark.parametrize(("block", "pooling", "task", "precision"), NETWORKS)
def test_interrupted_at_any_batch_again_and_again_the_result_is_the_same(
    block, pooling, task, precision, tmp_path, monkeypatch
):
    trial = made(block, pooling, task, precision=precision)
    check_interrupted(trial, corpora(), names("models").index(block), tmp_path, monkeypatch)


UNPOOLED = [name for name in names("models") if find("models", name).GIVES in ("utterance", "segments")]


@pytest.mark.parametrize("block", UNPOOLED)
def test_so_it_is_with_blocks_that_give_no_frames(block, tmp_path, monkeypatch):
    """With what batch normalisation has seen, and an optimiser and an order of batches of their own."""
    trial, data = unpooled(block)
    if block in ("cnn2d", "mlp"):
        assert any("running_var" in name for name in start.build_network(trial, data).state_dict())
    check_interrupted(trial, data, names("models").index(block), tmp_path, monkeypatch)


def check_interrupted(trial, data, seed, tmp_path, monkeypatch):
    """Train at one go, and with interruptions and damages: no bit may differ."""
    (tmp_path / "whole").mkdir()
    whole = summary(train(trial, data, tmp_path / "whole" / "checkpoint.pt", "cpu", quiet))
    rng = np.random.default_rng(seed)
    genuine, left, interrupts, harmed = Items.batch, [0], 0, 0

    def batch(items, indices):
        left[0] -= 1
        if left[0] < 0:
            raise Interrupted
        return genuine(items, indices)

    monkeypatch.setattr(Items, "batch", batch)
    path = tmp_path / "checkpoint.pt"
    while True:
        seen = []
        # An epoch draws six or seven, the tests at the end two: within seven no attempt of the first three can end.
        left[0] = int(rng.integers(8 if interrupts < 3 else 12))
        try:
            outcome = train(trial, data, path, "cpu", lambda epoch, row, seen=seen: seen.append(epoch))
            break
        except Interrupted:
            interrupts += 1
        assert seen == list(range(1, len(seen) + 1))
        harmed += harm(rng, path)
    assert summary(outcome) == whole
    assert seen == [1, 2, 3]
    assert interrupts >= 3


def in_a_process_of_its_own(*given):
    """What ``main`` found."""
    run = [sys.executable, __file__, *map(str, given)]
    root = Path(loop.__file__).parents[2]
    places = {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests' / 'support'}"}
    done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, **places}, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_killed_outright_at_random_moments_the_result_is_the_same(tmp_path):
    found = in_a_process_of_its_own("kill", tmp_path, 8)
    assert found["kills"] >= 4
    assert found["same"]


def test_a_training_too_large_for_the_memory_is_told_and_fits_in_parts(tmp_path):
    found = in_a_process_of_its_own("starve", tmp_path)
    assert found["whole"] == "out of memory"
    assert found["in parts"] == "trained"


def main(fault, folder, kills=0):
    """Prints what became of a training under real kills or a real limit of memory."""
    torch.set_num_threads(1)
    found = {"kill": killed, "starve": starved}[fault](Path(folder), int(kills))
    print(json.dumps(found))


def killed(folder, kills):
    """SIGKILL at random moments of ``kills`` attempts; the last is left to end."""
    trial, data = made(max_epochs=16, patience_epochs=16), corpora()
    train(made(max_epochs=2), data, folder / "warm.pt", "cpu", quiet)
    started = time.perf_counter()
    whole = summary(train(trial, data, folder / "whole.pt", "cpu", quiet))
    longest = (time.perf_counter() - started) / 8
    rng, done = np.random.default_rng(), 0
    for attempt in range(kills + 1):
        child = os.fork()
        if child == 0:
            outcome = train(trial, data, folder / "checkpoint.pt", "cpu", quiet)
            (folder / "outcome.json").write_text(json.dumps(summary(outcome)))
            os._exit(0)
        if attempt < kills:
            time.sleep(rng.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
        done += os.waitpid(child, 0)[1] == signal.SIGKILL
        if (folder / "outcome.json").exists() and attempt < kills:
            break
    return {"kills": done, "same": json.loads((folder / "outcome.json").read_text()) == json.loads(json.dumps(whole))}


def starved(folder, _):
    """A batch of long utterances with little memory left, whole and one utterance at a time."""
    trial = made("tdnn", batch_size=16, bucket_pool=1, steps_per_epoch=2, max_epochs=1)
    trial, data = replace(trial, normalise="none"), corpora(1500, 1501, 200)
    train(trial, corpora(2, 3, 200), folder / "warm.pt", "cpu", quiet)  # libraries are loaded before memory is short
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + (48 << 20), resource.RLIM_INFINITY))
    found = {}
    for name, split in (("whole", 1), ("in parts", 16)):
        try:
            train(trial, data, folder / "checkpoint.pt", "cpu", quiet, split)
            found[name] = "trained"
        except Exception as error:
            found[name] = "out of memory" if is_out_of_memory(error) else repr(error)
    return found


def spoilt(items, numbers, value=math.nan):
    """Some utterances with one value of one frame replaced."""
    features = [x.clone() for x in items.features]
    for i in numbers:
        features[i][-1, 0] = value
    return replace(items, features=features)


def diverged(trial, data, tmp_path):
    with pytest.raises(Diverged) as error:
        train(trial, data, tmp_path / "checkpoint.pt", "cpu", quiet)
    return str(error.value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("number", [0, 7, 19])
@pytest.mark.parametrize("block", BLOCKS)
def test_one_utterance_that_is_not_finite_ends_the_training_at_its_batch(tmp_path, block, number, value):
    data = corpora()
    bad = data | {"b": replace(data["b"], train=spoilt(data["b"].train, [number], value))}
    # Twelve steps draw 24 utterances of each corpus, 20 of them without repetition: the one is among them.
    said = diverged(replace(made(block), normalise="none"), bad, tmp_path)
    step = int(said.partition("at step ")[2].partition(",")[0])
    assert step % 2 == 0  # corpus b's turn
    assert "learning rate 0.01" in said
    assert f"b/train{number}" in said.rpartition("batch: ")[2].split(", ")
    assert len(said.rpartition("batch: ")[2].split(", ")) == 4


def test_what_spoils_the_normalisation_is_named_itself(tmp_path):
    data = corpora()
    said = diverged(made(), data | {"b": replace(data["b"], train=spoilt(data["b"].train, [7]))}, tmp_path)
    assert "step 1, learning rate 0.01" in said
    assert said.endswith("because of: b/train7")


@pytest.mark.parametrize(
    ("numbers", "told"), [([3], "b/val3"), (range(12), ", ".join(f"b/val{i}" for i in range(10)) + " and 2 more")]
)
def test_a_validation_that_is_not_finite_names_what_it_met(tmp_path, numbers, told):
    data = corpora()
    said = diverged(made(), data | {"b": replace(data["b"], val=spoilt(data["b"].val, numbers))}, tmp_path)
    assert "validation loss nan on b after epoch 1, step 4, learning rate 0.01" in said
    assert said.endswith(f"logits not finite: {told}")


@pytest.mark.parametrize("block", BLOCKS)
def test_a_huge_learning_rate_ends_the_training(tmp_path, block):
    said = diverged(made(block, learning_rate=1e30), corpora(), tmp_path)
    assert "learning rate 1e+30" in said
    assert "at step 2," in said or "at step 3," in said


@pytest.mark.parametrize("value", [math.nan, -math.inf])
@pytest.mark.parametrize("step", [3, 4, 6])
def test_a_weight_that_is_not_finite_is_noticed_with_the_next_loss(tmp_path, monkeypatch, step, value):
    """Step 4 is the last of the first epoch: the next loss is that of the validation."""
    genuine, taken = torch.optim.Adam.step, []

    def spoiling(optimiser, *given):
        genuine(optimiser, *given)
        taken.append(1)
        if len(taken) == step:  # a unit silenced for ever, with no trace in the loss
            optimiser.param_groups[0]["params"][3].data[0] = value

    trial = made("tdnn")
    assert [n for n, _ in start.build_network(trial, corpora()).named_parameters()][3] == "block.layers.1.bias"
    monkeypatch.setattr(torch.optim.Adam, "step", spoiling)
    said = diverged(trial, corpora(), tmp_path)
    assert ("after epoch 1, step 4," if step == 4 else f"at step {step + 1},") in said
    assert "weights not finite: block.layers.1.bias" in said


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_ends_the_training_before_it_is_used(tmp_path, monkeypatch, value):
    genuine = loop.begin

    def begin(*given):
        run = genuine(*given)
        run.network.heads["b"].bias.register_hook(lambda gradient: gradient * value)
        return run

    monkeypatch.setattr(loop, "begin", begin)
    said = diverged(made(), corpora(), tmp_path)
    assert "at step 2, learning rate 0.01, gradient of norm" in said
    assert "weights not finite: none" in said


if __name__ == "__main__":
    main(*sys.argv[1:])

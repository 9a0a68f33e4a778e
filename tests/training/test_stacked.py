"""Networks trained together: nobody's numbers depend on the others, and they are those of a plain loop."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.metrics import accuracy
from ser.study import Corpus, Part, Training, Trial, part
from ser.training import stacked
from ser.training.batches import Items, Passes, Stream
from ser.training.network import Network
from ser.training.stacked import Member, Trained, stack_key
from ser.training.start import CorpusData
from ser.training.train import train as ordinary_loop

WIDTH, CLASSES, ITEMS = 20, 4, 60
BLOCKS = {
    "cnn1d": part("cnn1d", filters=(5, 3), kernel=3, pool=2, dropout=0.0, init="glorot"),
    "rnn": part("rnn", units=4, init="glorot"),
}
PLAIN = {
    **{"learning_rate": 0.01, "weight_decay": 0.0, "clip_norm": 0.0, "batch_size": 8, "batches": "pooled"},
    **{"bucket_pool": 1, "steps_per_epoch": 0, "max_epochs": 3, "patience_epochs": 0, "min_improvement": 0.0},
    **{"keep": "best", "watch": (), "loss": "cross_entropy", "class_weights": "none", "optimiser": "rmsprop"},
    **{"epsilon": 1e-7, "precision": "float32", "stacked": True, "learns_from": "train"},
    **{"check_every_epochs": 1, "loss_tolerance": 0.0, "weighted_validation": True},
    **{"dimension_loss": "ccc", "dimension_weight": 1.0},
}
NONE = torch.zeros(0, dtype=torch.int64)


def settings(**changed) -> Training:
    assert PLAIN.keys() == {f.name for f in fields(Training)}
    return Training(**{**PLAIN, **changed})


@pytest.fixture(scope="module")
def data() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(ITEMS) % CLASSES
    tones = torch.sin(torch.arange(WIDTH) * (1 + labels[:, None]))
    return tones + torch.randn(ITEMS, WIDTH, generator=random), labels


def member(
    key: str, block: Part | str = "cnn1d", train: int = 43, rows: int = 0, normalise="none", **changed
) -> Member:
    """One whose rows are drawn by number ``rows``: ``train`` of them, 12 to validate, and the next three to test."""
    order = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(rows))
    own = BLOCKS[block] if isinstance(block, str) else block
    seed = [sum(map(ord, key)), 0]
    return Member(key, own, settings(**changed), seed, normalise, order[:train], order[-15:-3], order[-3:])


def trained(members: Sequence[Member], data, heard: list | None = None) -> dict[str, Trained]:
    def report(key, epoch, row):
        if heard is not None:
            heard.append((key, epoch, row))

    return stacked.train(members, *data, CLASSES, report, "cpu")


def numbers(of: Trained) -> list[Tensor]:
    """All that must not depend on the company."""
    curves = [[v for k, v in sorted(row.items()) if k != "timestamp_ms"] for row in of.history]
    return [torch.tensor(curves), *of.weights.values(), *of.logits.values(), torch.tensor(of.best_epoch)]


def plain_loop(one: Member, data, steps: int) -> tuple[Network, list[float]]:
    """The obvious way to write it, without dropout: the network after so many steps, and its losses."""
    features, labels = data
    s, seed = one.training, list(one.seed)
    torch.manual_seed(int(np.random.SeedSequence([*seed, 0]).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    net = Network(WIDTH, one.block, "none", CLASSES, "float32")
    if one.normalise == "train":
        net.mean, net.scale = features[one.train].mean(0), 1 / features[one.train].std(0, correction=0)
    made = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}[s.optimiser]
    more = {"adam": {"eps": s.epsilon}, "rmsprop": {"eps": s.epsilon, "alpha": 0.9}, "sgd": {}}[s.optimiser]
    optimiser = made(net.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay, **more)
    ones = np.ones(len(one.train), np.int64)
    stream = Stream(ones, s.batch_size, s.bucket_pool, [*seed, 1, 0]) if s.steps_per_epoch else None
    stream = stream or Passes(len(one.train), s.batch_size, [*seed, 1, 0])
    losses = []
    for step in range(steps):
        rows = one.train[list(stream.indices(step))]
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(features[rows], torch.ones_like(rows), ""), labels[rows])
        loss.backward()
        if s.clip_norm:
            nn.utils.clip_grad_norm_(net.parameters(), s.clip_norm)
        optimiser.step()
        losses.append(loss.item())
    return net.eval(), losses


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("optimiser", ["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("more", [{}, {"weight_decay": 0.1, "clip_norm": 0.5, "normalise": "train"}])
def test_steps_are_those_of_a_plain_loop_the_last_smaller_batch_included(block, optimiser, more, data):
    one = member("one", block, train=19, optimiser=optimiser, max_epochs=1, keep="last", **more)  # 8 + 8 + 3
    other = member("other", block, optimiser="adam", learning_rate=0.1, max_epochs=1)
    found = trained([other, one], data)["one"]
    net, losses = plain_loop(one, data, 3)
    assert found.weights.keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=1e-5)
    assert found.history[0]["train/loss"] == pytest.approx(
        (8 * losses[0] + 8 * losses[1] + 3 * losses[2]) / 19, abs=1e-5
    )


@pytest.mark.parametrize("block", BLOCKS)
def test_whole_epochs_of_a_fixed_number_of_steps_too(block, data):
    one = member("one", block, steps_per_epoch=7, bucket_pool=2, max_epochs=2, keep="last", learning_rate=1e-3)
    found = trained([one], data)["one"]
    net, losses = plain_loop(one, data, 14)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=1e-5)
    assert [row["train/loss"] for row in found.history] == pytest.approx([np.mean(losses[:7]), np.mean(losses[7:])])


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("optimiser", ["adam", "rmsprop", "sgd"])
def test_without_dropout_the_numbers_are_those_of_the_ordinary_loop(block, optimiser, data, tmp_path):
    one = member("one", block, train=40, optimiser=optimiser, watch=("test",), max_epochs=4, normalise="train")
    found = trained([various(block)[0], one], data)["one"]
    corpus = Corpus("a", "A", Part("none"), part("named", test=("x",)))
    given = {"study": "s", "mode": "m", "corpora": (corpus,), "classes": tuple("wxyz"), "merge": (), "labels": "one"}
    given |= {"front_end": part("mfcc"), "normalise": "train", "balance": Part("none"), "augmentation": ()}
    given |= {"pooling": "none", "task": "unified"}
    trial = Trial(**given, block=one.block, training=one.training, seed=one.seed[0], repeat=one.seed[1])
    sides = (
        Items("a", tuple(map(str, rows.tolist())), [data[0][i : i + 1] for i in rows], data[1][rows])
        for rows in (one.train, one.val, one.test)
    )
    alone = ordinary_loop(trial, {"a": CorpusData(*sides)}, tmp_path / "checkpoint", "cpu", lambda epoch, row: None)
    assert found.best_epoch == alone.best_epoch
    torch.testing.assert_close(found.weights, alone.weights, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.logits["test"].numpy(), alone.predictions["a"].logits, atol=1e-3)
    for ours, theirs in zip(found.history, alone.history, strict=True):
        assert ours["train/loss"] == pytest.approx(theirs["train/loss"], abs=1e-4)
        for name in ("val/loss", "val/wa", "val/ua", "test/loss", "test/wa", "test/ua"):
            assert ours[name] == pytest.approx(theirs[f"{name}/a"], abs=1e-4)


def various(block: str) -> list[Member]:
    """Folds of 43, 41 and 40 rows (6, 6 and 5 steps), in which learning rate, optimiser and dropout are mixed."""
    made = []
    for i in range(9):
        own = BLOCKS[block].changed(dropout=(0.0, 0.25, 0.5)[i // 3]) if block == "cnn1d" else BLOCKS[block]
        optimiser, rate = ("rmsprop", "adam", "sgd")[i // 3], (1e-3, 1e-2, 0.1)[i % 3]
        changed = {"optimiser": optimiser, "learning_rate": rate, "max_epochs": 2 + i % 2, "watch": ("train", "test")}
        made.append(member(f"{i}", own, train=(43, 41, 40)[i % 3], rows=i % 3, **changed))
    return made


@pytest.mark.parametrize("block", BLOCKS)
def test_a_member_of_a_group_has_the_numbers_it_has_alone(block, data):
    group = trained(various(block), data)
    for one in various(block):
        # Equal to the bit where this was written; a library may round otherwise where there are more matrices.
        torch.testing.assert_close(
            numbers(group[one.key]), numbers(trained([one], data)[one.key]), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("block", BLOCKS)
def test_one_that_diverges_ends_alone_and_says_where(block, data):
    wild = member("wild", block, learning_rate=1e38, optimiser="sgd")
    good = [m for m in various(block) if m.key in "123"]
    group = trained([good[0], wild, *good[1:]], data)
    assert "learning rate 1e+38" in group["wild"].error
    assert group["wild"].history == []
    assert not group["wild"].weights
    assert not group["wild"].logits
    for one in good:
        assert not group[one.key].error
        assert len(group[one.key].history) == one.training.max_epochs
        torch.testing.assert_close(
            numbers(group[one.key]), numbers(trained([one], data)[one.key]), rtol=1e-5, atol=1e-5
        )


def test_the_first_spoilt_step_is_named(data):
    features = data[0].clone()
    one = member("one", optimiser="adam")
    second = Passes(43, 8, [*one.seed, 1, 0]).indices(7)  # step 8 of 6 a pass, and perhaps step 1 … 6 of the first
    first = [i for step in range(6) for i in Passes(43, 8, [*one.seed, 1, 0]).indices(step)]
    features[one.train[second[0]]] = torch.nan
    told = trained([one], (features, data[1]))["one"].error
    assert told.startswith(
        f"loss nan at step {first.index(second[0]) // 8 + 1} (epoch 1), learning rate 0.01, weights "
    )
    assert "block.first.weight" in told


def test_what_is_spoilt_in_one_members_rows_does_not_reach_those_who_have_them_not(data):
    features = data[0].clone()
    features[0] = torch.inf
    one, other = member("one", max_epochs=1), member("other", rows=1, max_epochs=1)
    one = replace(one, train=torch.cat([torch.tensor([0]), one.train[:7]]))  # idle, while the other learns on
    other = replace(other, **{kind: rows[rows > 0] for kind, rows in vars(other).items() if isinstance(rows, Tensor)})
    group = trained([one, other], (features, data[1]))
    assert group["one"].error
    torch.testing.assert_close(numbers(group["other"]), numbers(trained([other], data)["other"]), rtol=1e-5, atol=1e-5)


def test_rows_are_reported_and_answers_are_of_the_kept_weights(data):
    heard: list = []
    members = [member(key, train=41 + n, rows=n, max_epochs=3 + n, watch=("test",)) for n, key in enumerate("ab")]
    group = trained(members, data, heard)
    assert [(key, epoch) for key, epoch, _ in heard if key == "b"] == [("b", n) for n in (1, 2, 3, 4)]
    for one in members:
        found = group[one.key]
        assert [row for key, _, row in heard if key == one.key] == found.history
        assert found.best_epoch == 1 + int(np.argmin([row["val/loss"] for row in found.history]))
        row, net = found.history[found.best_epoch - 1], Network(WIDTH, one.block, "none", CLASSES, "float32")
        net.load_state_dict(found.weights)
        for kind, rows in (("val", one.val), ("test", one.test)):
            logits = net.eval()(data[0][rows], torch.ones_like(rows), "")
            torch.testing.assert_close(found.logits[kind], logits, rtol=0, atol=1e-5)
            assert row[f"{kind}/loss"] == pytest.approx(
                nn.functional.cross_entropy(logits, data[1][rows]).item(), abs=1e-5
            )
            matrix = accuracy.confusion(data[1][rows].numpy(), logits.argmax(1).numpy(), CLASSES)
            assert (row[f"{kind}/wa"], row[f"{kind}/ua"]) == (accuracy.wa(matrix), accuracy.ua(matrix))
        torch.testing.assert_close(found.probabilities, found.logits["val"].softmax(1))
        assert found.seconds > 0


def test_patience_is_each_members_own_and_the_last_weights_are_kept_where_that_is_asked(data):
    members = [
        member("patient", max_epochs=12, learning_rate=0.2, patience_epochs=2, min_improvement=0.02),
        member("last", max_epochs=6, keep="last"),
    ]
    group = trained(members, data)
    reference, stale = np.inf, [0]
    losses = [row["val/loss"] for row in group["patient"].history]
    for loss in losses:
        fell = loss < reference * 0.98
        reference, stale = (loss if fell else reference), [*stale, 0 if fell else stale[-1] + 1]
    assert stale.index(2) == len(losses) < 12
    assert group["last"].best_epoch == len(group["last"].history) == 6


def test_without_validation_rows_the_last_weights_are_kept(data):
    one = replace(member("one", keep="last", watch=("train",)), val=NONE)
    found = trained([one], data)["one"]
    assert found.best_epoch == 3
    assert found.logits.keys() == {"test"}
    assert "val/loss" not in found.history[0]
    assert {"train/loss", "train/accuracy", "train/wa", "train/ua"} <= found.history[0].keys()


def test_dropout_takes_the_share_it_is_told_to_and_something_else_each_time(data):
    made = [member(f"{rate}", BLOCKS["cnn1d"].changed(dropout=rate)) for rate in (0.1, 0.5)]
    group = stacked._Group(made, *data, CLASSES)
    group.epoch = 1
    draw = group.masks()
    masks = torch.stack([draw() for _ in range(40)])
    assert not torch.equal(masks[0], masks[1])
    for i, rate in enumerate((0.1, 0.5)):
        own = masks[:, i]
        assert (own == 0).float().mean().item() == pytest.approx(rate, abs=0.01)
        assert own.max().item() == pytest.approx(1 / (1 - rate), rel=1e-4)
        assert ((own == 0) | (own == own.max())).all()


def test_what_may_differ_and_what_may_not():
    block, plain = BLOCKS["cnn1d"], settings()
    known = stack_key(block, plain)
    assert known is not None
    for other in (block.changed(dropout=0.5), block.changed(init="torch")):
        assert stack_key(other, plain) == known
    for changed in (
        {"learning_rate": 1.0},
        {"optimiser": "sgd"},
        {"max_epochs": 9},
        {"keep": "last"},
        {"clip_norm": 1.0},
    ):
        assert stack_key(block, settings(**changed)) == known
    assert stack_key(block, settings(batch_size=4)) != known
    assert stack_key(block.changed(pool=3), plain) != known
    assert stack_key(BLOCKS["rnn"], plain) != known
    for changed in ({"precision": "bfloat16"}, {"class_weights": "inverse"}, {"loss": "binary_cross_entropy"}):
        assert stack_key(block, settings(**changed)) is None
    assert stack_key(part("lstm", prep_layers=1, prep_units=4, units=4, dropout=0.0), plain) is None


def test_what_does_not_go_together_is_refused(data):
    with pytest.raises(BadInput, match=r"2 members of 2 kinds.*stacked\.stack_key"):
        trained([member("a"), member("b", batch_size=4)], data)
    with pytest.raises(BadInput, match="each with a key"):
        trained([member("a"), member("a")], data)
    with pytest.raises(BadInput, match="no validation rows of a"):
        trained([replace(member("a"), val=NONE)], data)
    with pytest.raises(BadInput, match="no training rows of a"):
        trained([replace(member("a"), train=NONE)], data)


def test_no_random_number_is_taken_from_others(data):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trained([member("a")], data)
    assert torch.equal(torch.get_rng_state(), before)

"""The contract of every way to balance: originals first and untouched, all classes alike, the seed decides."""

import random
from collections import Counter

import numpy as np
import pytest
import torch

from ser import registry
from ser.balance import copying, signal
from ser.errors import BadInput
from ser.training.batches import Frames, Items

NAMES = registry.names("balance")
LABELS = (0, 2, 0, 1, 0, 0, 2, 0, 0, 0)  # 7, 1, 2 and 0 items
FRAMES, WIDTH = 10, 6


def items(labels, sign=1, copies=1, tensors=False):
    count = len(labels) * copies
    block = sign * torch.randn(count * FRAMES, WIDTH, generator=torch.Generator().manual_seed(0))
    features = Frames((block,), np.zeros(count, int), np.arange(count) * FRAMES, np.full(count, FRAMES))
    names = [f"u{i}" if copies == 1 else f"u{i}#{k + 1}" for k in range(copies) for i in range(len(labels))]
    own = list(features) if tensors else features
    return Items("c", tuple(names), own, torch.tensor(labels * copies))


def balance(name, train=None, seed=(1, 2), copies=None, classes=4):
    module = registry.find("balance", name)
    given = items(LABELS, -1, 2) if copies is None and module.COPIES else copies
    return module.balanced(train or items(LABELS), given, classes, module.example(), seed, "cpu")


def content(some):
    return some.names, some.labels.tolist(), torch.cat(list(some.features)).numpy().tobytes()


def states():
    of_numpy = vars(np.random)["get_state"]()[1].tolist()
    return random.getstate(), of_numpy, torch.get_rng_state().tolist()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tensors", [False, True])
def test_originals_come_first_uncopied_and_then_each_class_has_as_many_as_the_largest(name, tensors):
    train = items(LABELS, tensors=tensors)
    found = balance(name, train)
    n = len(LABELS)
    assert (found.corpus, found.names[:n], found.labels[:n].tolist()) == ("c", train.names, list(LABELS))
    assert [f.data_ptr() for f in found.features][:n] == [f.data_ptr() for f in train.features]
    assert torch.bincount(found.labels, minlength=4).tolist() == [7, 7, 7, 0]  # of nothing nothing is made
    assert len(found) == len(found.features) == len(found.labels) == 21
    assert found.labels.dtype == torch.int64
    batch = found.batch((20, 0, 10))
    assert batch.frames.shape == (3 * FRAMES, WIDTH)
    assert batch.frames.dtype == torch.float32
    assert batch.frames.isfinite().all()
    assert batch.frames[FRAMES : 2 * FRAMES].equal(train.features[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_nothing_else_random_is_touched(name):
    random.seed(5)
    torch.manual_seed(5)
    before = states()
    first = content(balance(name))
    assert states() == before
    torch.manual_seed(6)
    assert content(balance(name)) == first
    assert content(balance(name, seed=(1, 3)))[2] != first[2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("labels", [(2, 0, 0, 2), (1, 1)])
def test_a_balanced_side_is_given_back_itself(name, labels):
    train = items(labels)
    assert balance(name, train) is train


@pytest.mark.parametrize("name", NAMES)
def test_several_labels_per_item_are_refused(name):
    several = Items("c", ("a", "b"), items((0, 1)).features, torch.ones(2, 4))
    with pytest.raises(BadInput, match="one class per item"):
        balance(name, several)


@pytest.mark.parametrize("name", NAMES)
def test_one_name_stands_for_one_thing(name):
    found = [balance(name, seed=(1, 2)), balance(name, seed=(1, 3))]
    features = {}
    for some in found:
        for own, x in zip(some.names, some.features, strict=True):
            assert features.setdefault(own, x).equal(x)


def test_copying_takes_each_item_as_often_as_any_other_or_once_more():
    labels = (0,) * 11 + (1,) * 4 + (2,) * 10
    train = items(labels)
    found = copying.balanced(train, None, 3, copying.example(), (7,), "cpu")
    times = Counter(found.names)
    assert sorted(times[f"u{i}"] for i in range(11, 15)) == [2, 3, 3, 3]
    assert sorted(times[f"u{i}"] for i in range(15, 25)) == [1] * 9 + [2]
    where = {f.data_ptr(): name for f, name in zip(train.features, train.names, strict=True)}
    assert [where[f.data_ptr()] for f in found.features] == list(found.names)  # views of the originals


def test_signal_takes_augmented_recordings_each_once_before_any_comes_again():
    copies = items(LABELS, -1, 2)
    found = signal.balanced(items(LABELS), copies, 4, signal.example(), (7,), "cpu")
    extra = found.names[len(LABELS) :]
    assert Counter(extra[:6]) == {"u3#1": 3, "u3#2": 3}  # six of the class with one item, which has two copies
    assert set(extra[6:10]) == {"u1#1", "u1#2", "u6#1", "u6#2"}  # then the class of two, whose copies are four
    assert len(set(extra[6:])) == 4
    where = {f.data_ptr(): name for f, name in zip(copies.features, copies.names, strict=True)}
    assert [where[f.data_ptr()] for f in found.features[len(LABELS) :]] == list(extra)


def test_signal_refuses_to_go_without_copies():
    with pytest.raises(BadInput, match="copies of at least 1"):
        signal.balanced(items(LABELS), None, 4, signal.example(), (7,), "cpu")
    with pytest.raises(BadInput, match=r"no item of class 1.* 6 from"):
        signal.balanced(items(LABELS), items((0, 2), -1, 2), 4, signal.example(), (7,), "cpu")

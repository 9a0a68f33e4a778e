"""Normalisation by corpus and by speaker: by hand, lazily as frames are read, and in trials of networks and others."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ser.errors import BadInput
from ser.features.store import Store
from ser.planning.plan import resolve
from ser.study import completed, override, part
from ser.training.batches import Frames, Items
from ser.training.fit import fit
from ser.training.normalise import frames_by, normalised
from ser.training.start import build_network
from ser.trials import group
from ser.trials.inputs import load
from ser.trials.job import job_of

LENGTHS = (3, 5, 2, 4, 6)
SPEAKERS = (7, 7, 2, 9, 2)


def items_of(values, lengths=LENGTHS, speakers=SPEAKERS, dtype=torch.float32):
    length = np.array(lengths)
    start = np.cumsum(length) - length
    frames = Frames((torch.from_numpy(values).to(dtype),), np.zeros_like(start), start, length)
    names = tuple(f"u{k}" for k in range(len(length)))
    voices = np.array([(s, 0) for s in speakers], np.int32).reshape(-1, 2)
    return Items("corpus", names, frames, torch.zeros(len(length), dtype=torch.int64), voices)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(3, 5, (sum(LENGTHS), 4)).astype(np.float32)


def by_hand(values, groups):
    """Each frame minus the mean of its group, by the deviation."""
    of_frame, out = np.repeat(groups, LENGTHS), np.empty_like(values)
    for one in set(groups):
        rows = of_frame == one
        out[rows] = (values[rows] - values[rows].mean(0)) / values[rows].std(0)
    return out


@pytest.mark.parametrize(("by", "groups"), [("corpus", (0,) * 5), ("speaker", SPEAKERS)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_frame_is_normalised_over_its_group_however_it_is_read(values, by, groups, dtype):
    values = values.astype(np.float16).astype(np.float32)
    items = items_of(values, dtype=dtype)
    (normal,) = normalised([items], [items], by)
    expected = torch.from_numpy(by_hand(values, groups))
    cut = np.split(expected.numpy(), np.cumsum(LENGTHS)[:-1])
    torch.testing.assert_close(normal.batch(range(5)).frames, expected, atol=1e-5, rtol=1e-5)
    for i, frames in enumerate(cut):
        np.testing.assert_allclose(normal.features[i], frames, atol=1e-5)
    picked = normal.selected([4, 1, 1])
    np.testing.assert_allclose(picked.batch([0, 2]).frames, np.concatenate([cut[4], cut[1]]), atol=1e-5)
    np.testing.assert_allclose(normal.features.on("cpu")[3], cut[3], atol=1e-5)
    both = Items.pooled([normal, picked])
    np.testing.assert_allclose(both.features[5], cut[4], atol=1e-5)
    np.testing.assert_allclose(both.batch([2, 5]).frames, np.concatenate([cut[2], cut[4]]), atol=1e-5)


def test_pieces_of_items_are_of_their_groups(values):
    items = items_of(values, (4, 4, 4, 4, 4), SPEAKERS)
    (normal,) = normalised([items], [items], "speaker")
    pieces = normal.segments(2)
    whole = torch.cat(list(normal.features))
    torch.testing.assert_close(torch.cat(list(pieces.features)), whole)


def test_moments_are_of_all_subsets_and_an_empty_one_stays_empty(values):
    parts = [
        items_of(values[:8], (3, 5), (7, 7)),
        items_of(values[8:], (2, 4, 6), (2, 9, 2)),
        items_of(values[:0], (), ()),
    ]
    normal = normalised(parts, parts, "corpus")
    expected = by_hand(values, (0,) * 5)
    np.testing.assert_allclose(normal[0].batch([0, 1]).frames, expected[:8], atol=1e-5)
    np.testing.assert_allclose(normal[1].batch([0, 1, 2]).frames, expected[8:], atol=1e-5)
    assert not len(normal[2])


def test_what_does_not_vary_is_zero_and_speakers_must_be_there():
    still = items_of(np.full((sum(LENGTHS), 2), 4.0, np.float32))
    (normal,) = normalised([still], [still], "speaker")
    assert not normal.batch(range(5)).frames.any()
    with pytest.raises(BadInput, match="no speakers"):
        normalised([replace(still, voices=np.zeros((0, 2), np.int32))], [still], "speaker")


# in trials


@pytest.fixture(scope="module")
def plan(study, manifests):
    study = override(study, "ravdess.split", "unseen")
    return resolve(study, {name: manifests[name] for name in ("tess", "ravdess")})


@pytest.fixture(scope="module")
def store(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for source in plan.sources.values():
        for recipe in source.entries:
            Store(folder).build(recipe)
    return folder


@pytest.fixture
def job(plan, store, where, tmp_path):
    return job_of(plan, where, tmp_path, str(store), "cpu", 1, "test", []).untracked()


def test_a_trial_s_corpora_have_mean_0_and_deviation_1_each(job, plan):
    trial = replace(plan.trials[-1], normalise="corpus")
    data = {c.name: load(job, trial, c) for c in trial.corpora}
    for each in data.values():
        frames = torch.cat([x for items in (each.train, each.val, each.test) for x in items.features])
        torch.testing.assert_close(frames.mean(0), torch.zeros(frames.shape[1]), atol=1e-3, rtol=0)
        assert (frames.var(0) - 1).abs().max() < 1e-2
    network = build_network(trial, data)
    assert not network.mean.any()
    assert (network.scale == 1).all()


def test_fitted_models_have_frames_of_the_corpus_or_vectors_of_the_speaker(job, plan):
    block = completed("models", part("logistic", statistics=("mean",)), "block")
    trial = replace(plan.trials[-1], block=block, pooling="none", task="unified")
    ways = {way: replace(trial, normalise=way) for way in ("train", "corpus", "speaker", "none")}
    assert {way: frames_by(one) for way, one in ways.items()} == {
        "train": "", "corpus": "corpus", "speaker": "", "none": "",
    }  # fmt: skip
    logits = {}
    for way, one in ways.items():
        data = {c.name: load(job, one, c) for c in one.corpora}
        logits[way] = fit(one, data, "cpu").predictions["ravdess"].logits
    for way in ("train", "speaker", "none"):
        assert not np.allclose(logits["corpus"], logits[way])


def test_tiny_networks_of_a_group_share_features_and_so_no_trial_is_one_that_has_its_own(plan):
    training = replace(plan.trials[-1].training, stacked=True, class_weights="none")
    tiny = part("cnn1d", filters=(5, 3), kernel=3, pool=2, dropout=0.0, init="glorot")
    one = {"corpora": plan.trials[-1].corpora[:1], "task": "unified", "pooling": "none", "block": tiny}
    trial = replace(plan.trials[-1], normalise="train", training=training, **one)
    assert group.group_key(trial) is not None
    assert group.group_key(replace(trial, normalise="corpus")) is None
    # Of whole utterances each member has frames of its own.
    assert group.group_key(replace(plan.trials[-1], normalise="corpus", training=training)) is not None

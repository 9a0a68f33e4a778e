"""Batches: a plain function of seed and number, every utterance in its turn, lengths kept together."""

from collections import Counter

import numpy as np
import pytest
import torch

from ser.training.batches import Frames, Items, Passes, Stream, parts, sorted_batches

LENGTHS = np.random.default_rng(0).lognormal(5.5, 0.6, 700).astype(np.int64) + 1


def stream(lengths=LENGTHS, batch_size=16, pool=4, seed=(1, 2)):
    return Stream(lengths, batch_size, pool, seed)


def items(lengths):
    features = [torch.full((int(n), 2), float(i)) for i, n in enumerate(lengths)]
    return Items("c", tuple(map(str, range(len(lengths)))), features, torch.arange(len(lengths)) % 3)


def test_a_batch_depends_on_its_number_alone():
    ordered, shuffled = stream(), stream()
    numbers = np.random.default_rng(3).permutation(200)
    drawn = {int(n): shuffled.indices(int(n)) for n in numbers}
    assert [ordered.indices(n) for n in range(200)] == [drawn[n] for n in range(200)]


def test_another_seed_gives_other_batches():
    assert stream(seed=(1, 3)).indices(0) != stream().indices(0)


@pytest.mark.parametrize(("n", "batch_size", "pool"), [(700, 16, 1), (700, 16, 4), (50, 7, 3), (5, 16, 4), (1, 3, 1)])
def test_every_batch_is_full_and_every_item_comes_equally_often(n, batch_size, pool):
    batches = stream(LENGTHS[:n], batch_size, pool)
    drawn = [batches.indices(b) for b in range(n * pool)]  # as many as make whole permutations and whole pools
    assert {len(b) for b in drawn} == {batch_size}
    assert set(Counter(i for b in drawn for i in b).values()) == {batch_size * pool}


def test_each_permutation_covers_all_items_once():
    batches = stream(LENGTHS[:35], batch_size=7, pool=1)
    for turn in range(4):
        assert sorted(i for b in range(5) for i in batches.indices(5 * turn + b)) == list(range(35))


def test_two_permutations_differ():
    batches = stream(LENGTHS[:35], batch_size=35, pool=1)
    assert batches.indices(0) != batches.indices(1)


def test_a_corpus_smaller_than_the_pool_does_not_fill_a_batch_with_one_utterance():
    batches = stream(LENGTHS[:40], batch_size=16, pool=16)
    assert max(max(Counter(batches.indices(b)).values()) for b in range(100)) <= 2


def padding(pool):
    batches = [LENGTHS[list(stream(pool=pool).indices(b))] for b in range(160)]
    return 1 - sum(b.sum() for b in batches) / sum(b.max() * len(b) for b in batches)


def test_a_corpus_smaller_than_a_batch_still_gives_batches():
    assert len(stream(LENGTHS[:3], batch_size=16, pool=16).indices(5)) == 16


def test_bucketing_halves_the_padding():
    assert padding(pool=16) < padding(pool=1) / 2


def test_short_and_long_batches_come_mixed():
    means = [LENGTHS[list(stream(pool=16).indices(b))].mean() for b in range(16)]
    assert means != sorted(means)


def test_sorted_batches_hold_every_item_once_by_length_within_the_bound():
    batches = list(sorted_batches(items(LENGTHS[:100]), frames=2000))
    assert sorted(i for b in batches for i in b.indices) == list(range(100))
    assert [int(n) for b in batches for n in b.lengths] == sorted(LENGTHS[:100])
    assert all(len(b.lengths) == 1 or len(b.lengths) * int(b.lengths.max()) <= 2000 for b in batches)


def test_an_utterance_longer_than_the_bound_is_a_batch_of_its_own():
    assert [b.indices for b in sorted_batches(items([5, 3, 99]), frames=10)] == [(1, 0), (2,)]


@pytest.mark.parametrize("split", [1, 2, 3, 5, 8, 9, 1000])
def test_parts_keep_the_order_and_differ_by_one_at_most(split):
    indices = (7, 3, 3, 1, 9, 0, 2, 5)
    cut = parts(indices, split)
    assert tuple(i for part in cut for i in part) == indices
    assert len(cut) == min(split, 8)
    assert max(map(len, cut)) - min(map(len, cut)) <= 1
    assert all(cut)


@pytest.mark.parametrize(("split", "frames"), [(1, 8192), (4, 2048), (100, 81)])
def test_evaluation_in_parts_holds_so_many_times_fewer_frames(split, frames):
    batches = list(sorted_batches(items(LENGTHS), split))
    assert sorted(i for b in batches for i in b.indices) == list(range(len(LENGTHS)))
    assert all(len(b.lengths) == 1 or len(b.lengths) * int(b.lengths.max()) <= frames for b in batches)
    assert max(len(b.lengths) * int(b.lengths.max()) for b in batches) > frames / 2  # and not many times fewer


def test_a_batch_keeps_features_lengths_and_labels_of_each_item_together():
    batch = items([3, 1, 2]).batch((2, 0))
    assert batch.frames[:, 0].tolist() == [2, 2, 0, 0, 0]
    assert batch.lengths.tolist() == [2, 3]
    assert batch.labels.tolist() == [2, 0]


def frames_and_views():
    """Seven items of two blocks, in an order in which some lie together, and the same as views of their own."""
    blocks = [torch.randn(10, 3), torch.randn(6, 3)]
    block, start, length = (np.array(x) for x in ([0, 0, 0, 1, 1, 0, 1], [0, 2, 5, 0, 4, 7, 4], [2, 3, 1, 4, 2, 3, 0]))
    views = [blocks[b][s : s + n] for b, s, n in zip(block, start, length, strict=True)]
    return Frames(blocks, block, start, length), views


def test_frames_are_views_of_their_blocks():
    frames, views = frames_and_views()
    assert len(frames) == len(views) == len(list(frames)) == 7
    for i, view in enumerate(views):
        assert (frames[i].data_ptr(), frames[i].shape) == (view.data_ptr(), view.shape)
    assert [len(f) for f in frames[1:6:2]] == [3, 4, 3]
    assert frames[-2].equal(views[5])


@pytest.mark.parametrize("chosen", [range(7), (3,), (0, 1, 2), (1, 0), (2, 5, 3, 4), (6, 6, 4, 3), (5, 3)])
def test_frames_joined_are_the_views_one_after_another(chosen):
    frames, views = frames_and_views()
    assert frames.joined(chosen).equal(torch.cat([views[i] for i in chosen]))


def test_frames_are_copied_into_one_block():
    frames, views = frames_and_views()
    copied = frames.on("cpu")
    assert len(copied.blocks) == 1
    assert all(a.equal(b) for a, b in zip(copied, views, strict=True))
    assert copied.joined(range(7)).equal(torch.cat(views))
    assert copied.nbytes == frames.nbytes == sum(v.nbytes for v in views) == 15 * 3 * 4
    nothing = np.array([], int)
    assert Frames((), nothing, nothing, nothing).nbytes == 0


def test_items_of_frames_and_of_separate_tensors_are_the_same():
    frames, views = frames_and_views()
    labels, names = torch.arange(7), tuple("abcdefg")
    together, apart = Items("c", names, frames, labels), Items("c", names, views, labels)
    assert together.lengths().tolist() == apart.lengths().tolist() == [2, 3, 1, 4, 2, 3, 0]
    assert together.moments.equal(apart.moments)
    a, b = together.batch((5, 0, 1)), apart.batch((5, 0, 1))
    assert all(x.equal(y) for x, y in ((a.frames, b.frames), (a.lengths, b.lengths), (a.labels, b.labels)))
    assert a.indices == (5, 0, 1)


@pytest.mark.parametrize("chosen", [(5, 0, 0, 6), (2,), (), range(7)])
def test_chosen_items_are_views_with_their_own_names_and_labels(chosen):
    frames, views = frames_and_views()
    for features in (frames, views):
        some = Items("c", tuple("abcdefg"), features, torch.arange(7)).selected(chosen)
        assert (some.corpus, "".join(some.names)) == ("c", "".join("abcdefg"[i] for i in chosen))
        assert some.labels.tolist() == list(chosen)
        assert some.lengths().tolist() == [len(views[i]) for i in chosen]
        assert [f.data_ptr() for f in some.features] == [views[i].data_ptr() for i in chosen]


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("extra_kind", [0, 1])
def test_items_followed_by_others_keep_their_corpus_and_come_first(kind, extra_kind):
    both = frames_and_views()
    first = Items("c", tuple("abcdefg"), both[kind], torch.arange(7))
    joint = first.followed_by(Items("d", ("x", "y"), both[extra_kind], torch.tensor([8, 9])).selected((1, 0)))
    assert (joint.corpus, joint.names, joint.labels.tolist()) == ("c", (*"abcdefg", "y", "x"), [*range(7), 9, 8])
    views = [*both[kind], both[extra_kind][1], both[extra_kind][0]]
    assert [f.data_ptr() for f in joint.features] == [v.data_ptr() for v in views]
    assert joint.batch((7, 0)).frames.equal(torch.cat([both[extra_kind][1], both[kind][0]]))


def test_items_from_another_device_are_copied_to_where_the_first_are():
    frames, views = frames_and_views()
    labels = torch.arange(7)
    first = Items("c", tuple("abcdefg"), [v.to("meta") for v in views], labels)
    for features in (frames, views):
        joint = first.followed_by(Items("c", tuple("abcdefg"), features, labels))
        assert {x.device.type for x in joint.features} == {"meta"}
        assert joint.lengths().tolist() == [len(v) for v in views] * 2


@pytest.mark.parametrize(
    ("count", "batch_size", "smallest", "sizes"),
    [
        (33, 32, 1, [32, 1]),
        (33, 32, 2, [33]),
        (65, 32, 2, [32, 33]),
        (34, 32, 2, [32, 2]),
        (64, 32, 2, [32, 32]),
        (7, 32, 2, [7]),
        (1, 32, 2, [1]),
    ],
)
def test_a_last_batch_that_is_too_small_is_added_to_the_one_before(count, batch_size, smallest, sizes):
    passes = Passes(count, batch_size, [3, 4], smallest)
    assert passes.per_pass == len(sizes)
    for turn in range(3):
        batches = [passes.indices(turn * len(sizes) + k) for k in range(len(sizes))]
        assert [len(b) for b in batches] == sizes
        assert sorted(i for b in batches for i in b) == list(range(count))


def test_batches_that_are_large_enough_do_not_depend_on_the_smallest_allowed():
    one, other = Passes(66, 32, [3, 4]), Passes(66, 32, [3, 4], 2)
    assert [one.indices(k) for k in range(9)] == [other.indices(k) for k in range(9)]


@pytest.mark.parametrize(
    ("count", "steps", "sizes"), [(8, 100, [2] * 4), (9, 100, [3, 2, 2, 2]), (3, 3, [3]), (2, 9, [2])]
)
def test_no_part_is_smaller_than_allowed(count, steps, sizes):
    assert [len(p) for p in parts(range(count), steps, 2)] == sizes


def test_trainings_that_are_stacked_have_short_and_long_batches_at_the_same_steps():
    draw = np.random.default_rng(0)
    corpora, mixes = [draw.integers(10, 500, n) for n in (700, 900, 400)], [(0,), (1, 2), (0, 1, 2)]

    def longest(aligned):
        streams = [
            [Stream(corpora[c], 16, 16, (5, c), (k, len(mix)) if aligned else None) for k, c in enumerate(mix)]
            for mix in mixes
        ]
        lengths = [
            [
                corpora[mix[step % len(mix)]][list(own[step % len(mix)].indices(step // len(mix)))].max()
                for own, mix in zip(streams, mixes, strict=True)
            ]
            for step in range(96)
        ]
        return np.max(lengths, axis=1).mean()

    assert longest(True) < 0.85 * longest(False)
    stream = Stream(corpora[0], 16, 16, (5,), (1, 2))
    counts = np.bincount([i for n in range(2800) for i in stream.indices(n)])
    assert (counts == 64).all()


def test_items_on_a_device_are_taken_from_their_block_in_one_call():
    frames, views = frames_and_views()
    there = frames.on("cpu")
    for chosen in ((6, 6, 4, 3), (2, 5, 3, 4), range(7)):
        assert torch.equal(there._selected_rows(chosen), torch.cat([views[i] for i in chosen]))
    halves = Frames((there.blocks[0].half(),), there.block, there.start, there.length)
    assert halves._selected_rows((1, 0)).dtype == torch.float32
    assert frames.on("meta").joined((1, 0)).shape == (5, 3)

"""Items cut from others, items of several corpora, and passes over them."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from ser.training.batches import Frames, Items, Passes


def frames(*lengths, blocks=1, width=3, seed=0):
    """So many items, whose values all differ; in several blocks they lie in turn, with a gap before each."""
    generator = torch.Generator().manual_seed(seed)
    kept: list[list[torch.Tensor]] = [[] for _ in range(blocks)]
    block, start = [], []
    for i, n in enumerate(lengths):
        mine = kept[i % blocks]
        mine.append(torch.randn(2, width, generator=generator))  # of nobody
        block.append(i % blocks)
        start.append(sum(map(len, mine)))
        mine.append(torch.randn(n, width, generator=generator))
    made = [torch.cat(parts) if parts else torch.zeros(0, width) for parts in kept]
    return Frames(made, *(np.array(each, np.int64) for each in (block, start, lengths)))


def items(corpus, some, labels=None):
    labels = torch.arange(len(some)) if labels is None else labels
    return Items(corpus, tuple(f"{corpus}/{i}" for i in range(len(some))), some, labels)


# Frames.cut


@pytest.mark.parametrize("blocks", [1, 3])
def test_pieces_are_the_items_in_order_and_nothing_is_copied(blocks):
    whole = frames(6, 2, 4, 2, 8, blocks=blocks)
    pieces = whole.cut(2)
    expected = [item[at : at + 2] for item in whole for at in range(0, len(item), 2)]
    assert len(pieces) == len(expected) == 11
    for found, piece in zip(pieces, expected, strict=True):
        assert torch.equal(found, piece)
        assert found.data_ptr() == piece.data_ptr()


def test_pieces_of_the_whole_length_are_the_items():
    whole = frames(4, 4, 4)
    assert all(torch.equal(a, b) for a, b in zip(whole.cut(4), whole, strict=True))


def test_pieces_keep_kinds_of_numbers_and_can_be_joined():
    whole = frames(4, 2, 6, blocks=2)
    pieces = whole.cut(2)
    assert {getattr(pieces, name).dtype for name in ("block", "start", "length")} == {np.dtype(np.int64)}
    assert torch.equal(pieces.joined([5, 0, 2]), torch.cat([whole[2][4:6], whole[0][:2], whole[1]]))
    assert torch.equal(pieces.on("cpu").joined(range(6)), whole.joined(range(3)))
    assert pieces.nbytes == whole.nbytes


def test_nothing_can_be_cut():
    assert len(frames().cut(4)) == 0


def test_joint_items_of_several_keep_their_blocks_and_can_be_cut():
    one, other = frames(2, 4, blocks=2), frames(6, seed=1)
    both = Frames.concatenated([one, other])
    assert all(torch.equal(a, b) for a, b in zip(both, [*one, *other], strict=True))
    assert [len(b) for b in both.blocks] == [len(b) for b in (*one.blocks, *other.blocks)]
    expected = [*one.cut(2), *other.cut(2)]
    assert all(torch.equal(a, b) for a, b in zip(both.cut(2), expected, strict=True))


# Items.segments


@pytest.mark.parametrize("voices", [np.zeros((0, 2), np.int32), np.array([[0, 1], [1, 2], [2, 0]], np.int32)])
def test_segments_have_names_labels_and_voices_of_their_utterance(voices):
    whole = replace(items("a", frames(4, 2, 6, blocks=2), torch.tensor([3, 1, 2])), voices=voices)
    segments = whole.segments(2)
    assert segments.names == ("a/0#0", "a/0#1", "a/1#0", "a/2#0", "a/2#1", "a/2#2")
    assert segments.labels.tolist() == [3, 3, 1, 2, 2, 2]
    assert segments.labels.dtype == whole.labels.dtype
    assert segments.voices.tolist() == [voices[i].tolist() for i in (0, 0, 1, 2, 2, 2) if len(voices)]
    assert torch.equal(torch.cat(list(segments.features)), torch.cat(list(whole.features)))


# Items.pooled


@pytest.mark.parametrize("kind", ["frames", "lists"])
def test_pooled_items_are_those_of_each_corpus_in_turn(kind):
    several = [frames(3, 1, blocks=2), frames(2, seed=1), frames(5, 1, 2, seed=2)]
    given = [some if kind == "frames" else list(some) for some in several]
    pooled = Items.pooled([items(c, some) for c, some in zip("abc", given, strict=True)])
    assert pooled.names == ("a/0", "a/1", "b/0", "c/0", "c/1", "c/2")
    assert pooled.labels.tolist() == [0, 1, 0, 0, 1, 2]
    assert pooled.lengths().tolist() == [3, 1, 2, 5, 1, 2]
    batch = pooled.batch([4, 2, 0])
    assert torch.equal(batch.frames, torch.cat([several[2][1], several[1][0], several[0][0]]))
    assert batch.lengths.tolist() == [1, 2, 3]
    assert batch.labels.tolist() == [1, 0, 0]


def test_moments_of_pooled_items_are_over_all_frames():
    several = [frames(30, 50), frames(40, seed=1)]
    pooled = Items.pooled([items("a", several[0]), items("b", several[1])])
    everything = torch.cat([*several[0], *several[1]]).double()
    torch.testing.assert_close(pooled.moments, torch.stack([everything.mean(0), everything.square().mean(0)]))


def test_one_corpus_is_pooled_as_it_is():
    one = items("a", frames(2, 3))
    assert Items.pooled([one]) is one


def test_pooled_k_hot_labels_stay_rows():
    hot = torch.tensor([[1.0, 0, 1], [0, 1, 0]])
    pooled = Items.pooled([items("a", frames(1, 1), hot), items("b", frames(1), hot[:1])])
    assert torch.equal(pooled.labels, hot[[0, 1, 0]])


# Passes


@pytest.mark.parametrize(("count", "size"), [(10, 4), (8, 4), (3, 8), (1, 1)])
def test_a_pass_has_every_item_once_and_a_smaller_end(count, size):
    passes = Passes(count, size, (0, 1))
    for turn in range(3):
        batches = [passes.indices(turn * passes.per_pass + i) for i in range(passes.per_pass)]
        assert Counter(i for b in batches for i in b) == Counter(range(count))
        assert [len(b) for b in batches[:-1]] == [size] * (len(batches) - 1)
        assert len(batches[-1]) == (count - 1) % size + 1


def test_passes_are_shuffled_anew_and_by_their_seed():
    def order(seed, turn):
        passes = Passes(40, 8, seed)
        return tuple(i for n in range(5) for i in passes.indices(5 * turn + n))

    assert order((0, 1), 0) == order((0, 1), 0)
    assert len({order(seed, turn) for seed in ((0, 1), (0, 2), (1, 1)) for turn in (0, 1, 2)}) == 9
    assert order((0, 1), 0) != tuple(range(40))


def test_a_batch_is_the_same_whatever_was_asked_before():
    asked, fresh = Passes(10, 3, (7,)), Passes(10, 3, (7,))
    for n in range(12):
        asked.indices(n)
    assert [asked.indices(n) for n in (11, 0, 5)] == [fresh.indices(n) for n in (11, 0, 5)]

"""The contract of every model, and of temporal blocks in a network: an answer is an utterance's own."""

import pytest
import tiny_encoders
import torch
from torch import nn

from ser import registry
from ser.errors import BadInput
from ser.models import lstm
from ser.models._pooling import AttentionPooling
from ser.study import part, settings_of
from ser.study.settings import values_of
from ser.training.network import Network

MODELS = [name for name in registry.names("models") if registry.find("models", name).GIVES != "classes"]
KINDS = ("frames", "utterance", "segments")
TEMPORAL = [name for name in MODELS if registry.find("models", name).GIVES == "frames"]
WEIGHTLESS = ("linear",)  # of these the head is all that learns
WEIGHTED = [name for name in MODELS if name not in WEIGHTLESS]
WIDTH = 6
SMALL = {name: part(name, **values_of(registry.find("models", name).example()[1])) for name in TEMPORAL}


def example_block(name, count=4, seed=0):
    """A small block, utterances for it, and how many rows it should give of each."""
    torch.manual_seed(seed)
    module = registry.find("models", name)
    width, settings, frames = tiny_encoders.example(name)
    block = module.build(width, settings)
    make = torch.Generator().manual_seed(seed)
    some = [torch.randn(frames, width, generator=make) for _ in range(count)]
    return (
        block,
        some,
        {"frames": frames, "utterance": 1, "segments": frames // getattr(block, "segment", 1)}[module.GIVES],
    )


def answer(block, some):
    return block(torch.cat(some), torch.tensor([len(u) for u in some]))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_what_it_gives_and_gives_that(name):
    assert registry.find("models", name).GIVES in KINDS
    block, some, rows = example_block(name)
    assert rows > 0
    hidden = answer(block, some)
    assert hidden.shape == (len(some) * rows, block.outputs)
    assert hidden.dtype == torch.float32
    assert hidden.isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_when_trained_no_longer_an_answer_is_an_utterances_own_and_the_same_each_time(name):
    block, some, _ = example_block(name)
    block.eval()
    with torch.no_grad():
        alone = [answer(block, [u]) for u in some]
        assert not torch.equal(alone[0], alone[1])
        for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 0]):
            expected = torch.cat([alone[i] for i in order])
            chosen = [some[i] for i in order]
            torch.testing.assert_close(answer(block, chosen), expected, rtol=1e-4, atol=1e-5)
            assert torch.equal(answer(block, chosen), answer(block, chosen))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", WEIGHTED)
def test_a_gradient_reaches_every_parameter(name, training):
    block, some, _ = example_block(name, count=8)
    block.train(training)
    hidden = answer(block, some)
    (hidden * torch.randn(hidden.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    learning = [(n, p) for n, p in block.named_parameters() if p.requires_grad]
    still = [n for n, p in learning if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_model_trains_under_autocast_and_keeps_its_parameters(name):
    block, some, rows = example_block(name, count=8)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = answer(block, some)
    assert hidden.shape == (len(some) * rows, block.outputs)
    hidden.float().square().sum().backward()
    learning = [p for p in block.parameters() if p.requires_grad]
    assert {p.dtype for p in block.parameters()} == {p.grad.dtype for p in learning} == {torch.float32}
    assert all(b.isfinite().all() for b in block.buffers())


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_model_is_the_same_network_for_the_same_seed_and_after_being_saved(name):
    (first, some, _), (second, _, _), (third, _, _) = (example_block(name, seed=s) for s in (0, 0, 1))
    for block in (first, second, third):
        block.eval()
    assert torch.equal(answer(first, some), answer(second, some))
    assert not torch.equal(answer(first, some), answer(third, some))
    third.load_state_dict(first.state_dict())
    assert torch.equal(answer(first, some), answer(third, some))


def utterances(lengths, seed=0):
    make = torch.Generator().manual_seed(seed)
    return [torch.randn(n, WIDTH, generator=make) for n in lengths]


def together(network, some, corpus="all"):
    return network(torch.cat(some), torch.tensor([len(u) for u in some]), corpus)


def network(name, pooling="mean_var", heads=(), seed=0, precision="float32"):
    torch.manual_seed(seed)
    return Network(WIDTH, SMALL[name], pooling, 4, precision, heads)


PRECISIONS = ["float32", "bfloat16"]
EPSILON = {"float32": 1e-5, "bfloat16": 3e-2}  # of logits around 0.1 to 1; bfloat16 has 8 bits


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("pooling", ["mean", "mean_var"])
@pytest.mark.parametrize("name", TEMPORAL)
def test_an_utterance_gets_the_same_answer_alone_and_beside_any_others(name, pooling, precision):
    some, epsilon = utterances([9, 1, 30, 2, 17]), EPSILON[precision]
    net = network(name, pooling, precision=precision).eval()
    alone = torch.cat([together(net, [u]) for u in some])
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        torch.testing.assert_close(together(net, [some[i] for i in order]), alone[order], rtol=0, atol=epsilon)
    torch.testing.assert_close(together(net, [some[0], some[2]])[:1], alone[:1], rtol=0, atol=epsilon)


@pytest.mark.parametrize("name", TEMPORAL)
def test_gradients_of_a_batch_are_the_sum_of_those_of_its_utterances(name):
    some, labels = utterances([9, 1, 30, 2]), torch.tensor([0, 1, 2, 3])
    net = network(name).eval()

    def gradients(groups):
        net.zero_grad()
        for group in groups:
            logits = together(net, [some[i] for i in group])
            nn.functional.cross_entropy(logits, labels[group], reduction="sum").backward()
        return [p.grad.clone() for p in net.parameters()]

    for batch, single in zip(gradients([[0, 1, 2, 3]]), gradients([[3], [1], [0], [2]]), strict=True):
        torch.testing.assert_close(batch, single, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TEMPORAL)
def test_a_block_gives_one_vector_of_its_width_per_frame_and_drops_out_only_in_training(name):
    block = registry.find("models", name).build(WIDTH, settings_of("models", SMALL[name]))
    frames, lengths = torch.cat(utterances([5, 3])), torch.tensor([5, 3])
    assert block(frames, lengths).shape == (8, block.outputs)
    assert not torch.equal(block(frames, lengths), block(frames, lengths))
    block.eval()
    assert torch.equal(block(frames, lengths), block(frames, lengths))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("pooling", ["mean", "mean_var"])
@pytest.mark.parametrize("name", TEMPORAL)
def test_every_network_learns_to_tell_apart_what_can_be_told_apart(name, pooling, precision):
    torch.manual_seed(0)
    labels = torch.arange(8) % 4
    some = [u + 2 * nn.functional.one_hot(c, WIDTH) for u, c in zip(utterances(range(2, 10)), labels, strict=True)]
    net = network(name, pooling, precision=precision)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-2)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(together(net, some), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) / 10 < losses[0] / 3


@pytest.mark.parametrize(
    ("name", "mean", "mean_var"),
    [("lstm", 461_444, 461_956), ("blstm", 790_788, 791_812), ("tdnn", 4_332_548, 4_334_596)],
)
def test_the_papers_networks_have_the_papers_sizes(paper, name, mean, mean_var):
    for pooling, total in (("mean", mean), ("mean_var", mean_var)):
        net = Network(257, paper.block(name), pooling, 4, "float32")
        assert sum(p.numel() for p in net.parameters()) == total


@pytest.mark.parametrize("pooling", ["mean", "mean_var"])
def test_pooling_is_equations_1_to_3_utterance_by_utterance(pooling):
    torch.manual_seed(0)
    layer = AttentionPooling(WIDTH, pooling)
    some = utterances([4, 1, 9])
    expected = []
    for x in some:
        e = torch.exp(x @ layer.u)
        alpha = (e / e.sum())[:, None]
        mean = (alpha * x).sum(0)
        variance = (alpha * (x - mean) ** 2).sum(0)
        expected.append(torch.cat([mean, variance]) if pooling == "mean_var" else mean)
    pooled = layer(torch.cat(some), torch.tensor([4, 1, 9]))
    torch.testing.assert_close(pooled, torch.stack(expected), rtol=0, atol=1e-5)


def test_an_unknown_pooling_is_refused_with_those_that_exist():
    with pytest.raises(BadInput, match="mean, mean_var"):
        AttentionPooling(WIDTH, "max")


def test_the_papers_tdnn_sees_13_frames(paper):
    torch.manual_seed(0)
    block = (
        registry.find("models", "tdnn").build(WIDTH, settings_of("models", paper.block("tdnn").changed(units=8))).eval()
    )
    frames = utterances([40])[0]
    changed = frames.clone()
    changed[20] += 1
    moved = (block(frames, torch.tensor([40])) - block(changed, torch.tensor([40]))).abs().amax(1) > 0
    assert moved.nonzero().ravel().tolist() == list(range(20 - 6, 20 + 7))


def test_tdnn_is_convolution_with_zeros_beyond_the_ends():
    torch.manual_seed(0)
    block = registry.find("models", "tdnn").build(WIDTH, settings_of("models", SMALL["tdnn"])).eval()
    (x,) = utterances([11])
    expected = x.T[None]
    for layer in block.layers:
        expected = nn.functional.conv1d(expected, layer.weight, layer.bias, padding=1).relu()
    torch.testing.assert_close(block(x, torch.tensor([11])), expected[0].T, rtol=0, atol=1e-5)


def test_a_lopsided_context_is_refused():
    with pytest.raises(BadInput, match="symmetric"):
        registry.find("models", "tdnn").build(WIDTH, settings_of("models", SMALL["tdnn"].changed(context=(-2, 0, 1))))


def test_a_context_with_gaps_sees_every_second_frame():
    block = registry.find("models", "tdnn").build(
        WIDTH, settings_of("models", SMALL["tdnn"].changed(context=(-2, 0, 2), layers=1))
    )
    frames = utterances([15])[0]
    changed = frames.clone()
    changed[7] += 1
    block.eval()
    moved = (block(frames, torch.tensor([15])) - block(changed, torch.tensor([15]))).abs().amax(1) > 0
    assert moved.nonzero().ravel().tolist() == [5, 7, 9]


def test_blstm_is_torchs_bidirectional_lstm():
    torch.manual_seed(0)
    block = registry.find("models", "blstm").build(WIDTH, settings_of("models", SMALL["blstm"])).eval()
    theirs = nn.LSTM(5, 4, bidirectional=True)
    for ours, suffix in zip(block.directions, ("", "_reverse"), strict=True):
        for name, value in ours.named_parameters():
            getattr(theirs, name + suffix).data.copy_(value)
    some = utterances([12, 1, 7])
    expected = torch.cat([theirs(block.prepare(u))[0] for u in some])
    torch.testing.assert_close(block(torch.cat(some), torch.tensor([12, 1, 7])), expected, rtol=0, atol=1e-6)


def test_with_a_head_per_corpus_each_corpus_has_its_own_answer_and_unknown_ones_have_none():
    net = network("lstm", heads=("a", "b")).eval()
    some = utterances([4])
    assert not torch.equal(together(net, some, "a"), together(net, some, "b"))
    with pytest.raises(KeyError):
        together(net, some, "c")


def test_normalisation_is_part_of_the_checkpoint_and_comes_before_everything():
    net = network("tdnn").eval()
    plain = together(net, utterances([8]))
    net.mean, net.scale = torch.full((WIDTH,), 2.0), torch.full((WIDTH,), 0.5)
    torch.testing.assert_close(together(net, [u * 2 + 2 for u in utterances([8])]), plain)
    assert {"mean", "scale"} <= net.state_dict().keys()


@pytest.mark.parametrize("name", TEMPORAL)
def test_bfloat16_is_within_the_block_and_nowhere_else(name):
    net, kinds = network(name, precision="bfloat16"), []
    net.block.register_forward_hook(lambda module, given, hidden: kinds.append((given[0].dtype, hidden.dtype)))
    net.pooling.register_forward_hook(lambda module, given, pooled: kinds.append((given[0].dtype, pooled.dtype)))
    logits = together(net, utterances([9, 3]))
    assert kinds == [(torch.float32, torch.bfloat16), (torch.float32, torch.float32)]
    assert logits.dtype == torch.float32
    logits.sum().backward()
    assert {p.dtype for p in net.parameters()} == {p.grad.dtype for p in net.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", TEMPORAL)
def test_bfloat16_differs_from_float32_by_its_rounding_in_answers_and_gradients(name):
    some, labels, found = utterances([9, 1, 30, 2]), torch.tensor([0, 1, 2, 3]), {}
    for precision in PRECISIONS:
        net = network(name, precision=precision).eval()
        logits = together(net, some)
        nn.functional.cross_entropy(logits, labels).backward()
        found[precision] = [logits.detach(), torch.cat([p.grad.flatten() for p in net.parameters()])]
    for exact, rounded in zip(*found.values(), strict=True):
        assert 1e-5 < (exact - rounded).norm() / exact.norm() < 0.1


@pytest.mark.parametrize("name", ["lstm", "blstm"])
def test_where_torch_has_no_bfloat16_lstm_its_operands_are_rounded_and_nothing_else(name, monkeypatch):
    monkeypatch.setattr(lstm, "_has_bfloat16", lambda device: False)
    block = registry.find("models", name).build(WIDTH, settings_of("models", SMALL[name].changed(prep_layers=0))).eval()
    frames, lengths = torch.cat(utterances([9, 3])).bfloat16().float(), torch.tensor([9, 3])
    with torch.autocast("cpu", torch.bfloat16):
        found = block(frames, lengths)
    with torch.no_grad():
        for weight in block.parameters():
            weight.copy_(weight.bfloat16())
    assert torch.equal(found, block(frames, lengths).bfloat16())


def test_asking_for_a_bfloat16_lstm_takes_no_random_number_and_gives_the_same_answer_twice():
    lstm._has_bfloat16.cache_clear()
    state = torch.get_rng_state()
    first = lstm._has_bfloat16("cpu")
    lstm._has_bfloat16.cache_clear()
    assert lstm._has_bfloat16("cpu") is first
    assert torch.equal(torch.get_rng_state(), state)

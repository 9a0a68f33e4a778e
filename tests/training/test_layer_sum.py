"""The weighted sum of an encoder's layers: by hand, in every network, through kills, and as a run's file says it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from front_end_cases import random_encoder

from experiments.interaffection import study
from ser.errors import BadInput
from ser.features import recipe
from ser.registry import find
from ser.study import Corpus, Part, Training, part, trial_of
from ser.study.settings import values_of
from ser.training import start
from ser.training.batches import Items
from ser.training.network import LayerSum, Network, layer_weights, layers_of, network_of
from ser.training.start import CorpusData
from ser.training.train import train
from ser.trials.group import group_key

STACK, WIDTH, CLASSES = 3, 5, 4
BLOCKS = ["lstm", "blstm", "tdnn", "linear", "dense", "projection"]


def block_of(name):
    return part(name, **values_of(find("models", name).example()[1]))


def network(name, precision="float32"):
    torch.manual_seed(0)
    pooling = "mean_var" if find("models", name).GIVES == "frames" else "none"
    net = Network(STACK * WIDTH, block_of(name), pooling, CLASSES, precision, stack=STACK)
    with torch.no_grad():
        net.layer_sum.logits.copy_(torch.tensor([0.3, -1.0, 1.2]))
    return net


def utterances(lengths, seed=0):
    make = torch.Generator().manual_seed(seed)
    return [torch.randn(n, STACK * WIDTH, generator=make) for n in lengths]


def together(net, some):
    return net(torch.cat(some), torch.tensor([len(u) for u in some]), "all")


def test_starts_as_the_mean_of_the_layers_and_is_a_softmax_weighted_sum():
    layer_sum, (frames,) = LayerSum(STACK, STACK * WIDTH), utterances([7])
    layers = frames.view(7, STACK, WIDTH)
    torch.testing.assert_close(layer_sum(frames), layers.mean(1))
    with torch.no_grad():
        layer_sum.logits.copy_(torch.tensor([0.3, -1.0, 1.2]))
    weights = torch.exp(layer_sum.logits) / torch.exp(layer_sum.logits).sum()
    torch.testing.assert_close(layer_sum(frames), torch.einsum("s,nsw->nw", weights, layers))
    assert layer_sum.weights.sum().item() == pytest.approx(1)


def test_its_gradients_are_those_of_numerical_differences():
    layer_sum = LayerSum(STACK, STACK * WIDTH).double()
    frames = utterances([4])[0].double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda logits, x: torch.func.functional_call(layer_sum, {"logits": logits}, (x,)), (layer_sum.logits, frames)
    )


def test_a_width_that_is_no_multiple_of_the_layers_is_refused():
    with pytest.raises(BadInput, match="a multiple of 3"):
        LayerSum(3, 16)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_network_sums_normalised_layers_before_its_block_and_answers_each_utterance_by_itself(name):
    net, some = network(name).eval(), utterances([9, 1, 30, 2])
    if name in ("linear", "dense"):
        assert net.block.statistics  # so that frames of any number will do
    net.mean, net.scale = torch.linspace(-1, 1, STACK * WIDTH), torch.linspace(0.5, 2, STACK * WIDTH)
    alone = torch.cat([together(net, [u]) for u in some])
    torch.testing.assert_close(together(net, some), alone, rtol=1e-4, atol=1e-5)
    # The same network without a sum of layers, of frames that were summed before.
    plain = Network(WIDTH, block_of(name), "mean_var" if net.pooling else "none", CLASSES, "float32").eval()
    state = {k: v for k, v in net.state_dict().items() if k not in ("mean", "scale", "layer_sum.logits")}
    plain.load_state_dict(state | {"mean": torch.zeros(WIDTH), "scale": torch.ones(WIDTH)})
    shares = net.layer_sum.logits.softmax(0)[:, None]
    summed = [(((u - net.mean) * net.scale).view(-1, STACK, WIDTH) * shares).sum(1) for u in some]
    torch.testing.assert_close(together(plain, summed), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_block_lets_the_weights_learn_and_sums_in_float32(name, precision):
    net, kinds = network(name, precision), []
    net.layer_sum.register_forward_hook(lambda module, inputs, summed: kinds.append(summed.dtype))
    together(net, utterances([9, 1, 30])).logsumexp(1).sum().backward()
    assert kinds == [torch.float32]
    assert net.layer_sum.logits.grad.abs().min() > 0
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.fixture
def stacked(monkeypatch):
    """Front-ends of which vectors hold three layers."""
    unpatched = recipe.registry.find

    def find_stacked(kind, name):
        module = unpatched(kind, name)
        return SimpleNamespace(**vars(module), stack=lambda settings: STACK) if kind == "frontends" else module

    monkeypatch.setattr(recipe.registry, "find", find_stacked)


def trial_of_block(name):
    corpora = (Corpus("a", "A", Part("none"), part("named", test=("x",))),)
    pooling = "mean_var" if find("models", name).GIVES == "frames" else "none"
    point = {"corpora": ("a",), "block": "lstm", "pooling": "mean_var", "task": "unified"}
    budget = Training(
        learning_rate=2e-2,
        weight_decay=0.0,
        clip_norm=10.0,
        batch_size=8,
        batches="corpus",
        bucket_pool=2,
        steps_per_epoch=6,
        max_epochs=4,
        patience_epochs=0,
        min_improvement=0.0,
        keep="last",
        watch=(),
        loss="cross_entropy",
        class_weights="none",
        optimiser="adam",
        epsilon=1e-8,
        precision="float32",
        stacked=True,
    )
    trial = trial_of(study, point, {c.name: c for c in corpora}, seed=0)
    return replace(trial, block=block_of(name), pooling=pooling, training=budget)


def data_of_layer(number):
    """Utterances whose class only one layer says."""

    def side(count, seed):
        some = utterances([6 + i % 5 for i in range(count)], seed)
        labels = torch.arange(count) % CLASSES
        for x, label in zip(some, labels, strict=True):
            x[:, number * WIDTH + int(label)] += 2
        return Items("a", tuple(f"a/{seed}-{i}" for i in range(count)), some, labels)

    return {"a": CorpusData(side(32, 1), side(8, 2), side(8, 3))}


@pytest.mark.parametrize("number", [0, 2])
def test_the_layer_that_says_the_class_gets_the_most_weight_and_the_run_says_so(stacked, tmp_path, number):
    trial = trial_of_block("linear")
    outcome = train(trial, data_of_layer(number), tmp_path / "c.pt", "cpu", lambda epoch, row: None)
    shares = layer_weights(trial, outcome.weights)
    assert shares["corpora"] == ["a"]
    assert list(shares["weights"]) == ["0", "1", "2"]
    assert sum(shares["weights"].values()) == pytest.approx(1)
    assert max(shares["weights"], key=shares["weights"].get) == str(number)
    assert shares["weights"][str(number)] > 0.4


def test_a_killed_training_ends_with_the_same_weights_bit_by_bit(stacked, tmp_path):
    trial, data = trial_of_block("projection"), data_of_layer(1)
    whole = train(trial, data, tmp_path / "whole.pt", "cpu", lambda epoch, row: None)

    def die(epoch, row):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trial, data, tmp_path / "c.pt", "cpu", die)
    again = train(trial, data, tmp_path / "c.pt", "cpu", lambda epoch, row: None)
    assert whole.weights.keys() == again.weights.keys()
    assert all(torch.equal(again.weights[name], weight) for name, weight in whole.weights.items())
    assert again.predictions["a"].logits.tobytes() == whole.predictions["a"].logits.tobytes()


def test_the_layer_table_and_the_size_have_the_sum_and_it_is_not_trained_stacked(stacked):
    trial = trial_of_block("tdnn")
    table = layers_of(trial, STACK * WIDTH)
    assert (table[0].name, table[0].output, table[0].parameters) == ("layer-weighted sum", str(WIDTH), STACK)
    net = network_of(trial, STACK * WIDTH)
    assert sum(layer.parameters for layer in table) == sum(p.numel() for p in net.parameters())
    assert start.smallest_batch(net, data_of_layer(0)["a"].train) == 1
    tiny = replace(trial, block=block_of("rnn"), pooling="none")
    assert group_key(tiny) is None


def test_without_several_layers_there_is_no_sum():
    trial = trial_of_block("tdnn")
    assert recipe.front_end_stack(trial.front_end) == 1
    net = network_of(trial, WIDTH)
    assert net.layer_sum is None
    assert layer_weights(trial, net.state_dict()) == {}
    tiny = replace(trial, block=block_of("rnn"), pooling="none")
    assert group_key(tiny) is not None


def test_what_a_corpus_has_otherwise_decides_on_the_sum_and_corpora_of_a_trial_agree():
    encoder = random_encoder("whisper", width=8, layers=2)  # three states
    trial = replace(trial_of_block("linear"), front_end=part("pretrained", encoder=encoder, layers="last"))
    (corpus,) = trial.corpora
    every = replace(corpus, name="b", front_end=(("layers", "all"),))
    assert network_of(replace(trial, corpora=(every,)), 24).layer_sum.outputs == 8
    assert network_of(replace(trial, corpora=(corpus, replace(corpus, name="b"))), 8).layer_sum is None
    with pytest.raises(BadInput, match=r"a 8 of 1 layers, b 24 of 3 layers; allowed: one width and number of layers"):
        network_of(replace(trial, corpora=(corpus, every)), 8)

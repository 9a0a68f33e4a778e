"""Fine-tuned encoders: transformers' own answers, what learns and what stays, and padding that changes nothing."""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import tiny_encoders
import torch
from component_settings import stated
from front_end_cases import random_encoder
from torch import nn
from torch.nn.functional import pad

from ser.errors import BadInput
from ser.models import finetuned

# peft is not imported for it: processes that collect these tests without running them would take seconds.
pytestmark = pytest.mark.skipif(find_spec("peft") is None, reason="needs ser[pretrained]")
ROW = 320
SHARES = {"dropout": 0.0, "units": 6}
METHODS = ("top", "lora", "all")
CASES = [(*form, "all") for form in tiny_encoders.FORMS]
CASES += [(*form, method) for form in (("wav2vec2", "layer"), ("wavlm", "group"), ("whisper", "group"))
          for method in ("top", "lora")]  # fmt: skip
EACH = pytest.mark.parametrize(("architecture", "norm", "method"), CASES, ids=str)
FORMS = pytest.mark.parametrize(("architecture", "norm"), tiny_encoders.FORMS, ids=str)


def block(architecture="wav2vec2", norm="group", seed=0, **settings):
    torch.manual_seed(seed)
    encoder = random_encoder(architecture, norm=norm, width=16)
    return finetuned.build(ROW, stated(finetuned, encoder=encoder, **SHARES | settings))


def rows(*counts, seed=1):
    """Utterances of so many rows: noise that swells, each at its own level."""
    make = torch.Generator().manual_seed(seed)
    return [0.1 * i * torch.randn(n, ROW, generator=make) + 0.01 for i, n in enumerate(counts, 1)]


def answer(net, utterances):
    return net(torch.cat(utterances), torch.tensor([len(u) for u in utterances]))


def learning(net):
    return {name for name, p in net.encoder.named_parameters() if p.requires_grad}


def without_gradient(name):
    """A bias of all keys alike changes no softmax over keys."""
    return name.endswith("k_proj.bias") or name.endswith("linear_k.bias")


def steps(net, utterances, count=2, rate=0.05):
    """Updates by plain gradient descent, so that adapters are no longer zero."""
    net.train()
    learned = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(learned, lr=rate)
    target = torch.randn(len(utterances), net.outputs, generator=torch.Generator().manual_seed(2))
    for _ in range(count):
        optimiser.zero_grad()
        (answer(net, utterances) - target).square().sum().backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
    return net


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_it_answers_as_transformers_classifier_of_sequences(norm):
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    net = block(norm=norm, method="top").eval()
    config = net.model.description.settings()
    config.classifier_proj_size = config.num_labels = 6
    theirs = Wav2Vec2ForSequenceClassification(config).eval()
    theirs.wav2vec2.load_state_dict(net.model.module.state_dict())
    theirs.projector.load_state_dict(net.projection.state_dict())
    with torch.no_grad():  # a classifier that passes on what it gets
        theirs.classifier.weight.copy_(torch.eye(6))
        theirs.classifier.bias.zero_()
        for utterance in rows(5, 12, 30):
            wave = utterance.flatten().numpy()
            values = Wav2Vec2FeatureExtractor()(wave, sampling_rate=16000, return_tensors="pt").input_values
            torch.testing.assert_close(answer(net, [utterance]), theirs(values).logits, rtol=0, atol=1e-5)


@FORMS
def test_padding_and_company_change_no_answer(architecture, norm):
    """Lengths within a frame, and beyond one of Whisper's windows, which have 4 s here."""
    some = rows(6, 1, 30, 2, 30, 240)
    net = steps(block(architecture, norm, method="lora"), rows(5, 9), count=1).eval()
    with torch.no_grad():
        alone = torch.cat([answer(net, [u]) for u in some])
        for order in ([0, 1, 2, 3, 4, 5], [5, 2, 0, 4, 3, 1], [2, 4]):
            torch.testing.assert_close(answer(net, [some[i] for i in order]), alone[order], rtol=0, atol=1e-5)
    assert not torch.allclose(alone[2], alone[4])


@EACH
def test_a_gradient_reaches_all_that_learns_and_nothing_else_changes(architecture, norm, method):
    net = block(architecture, norm, method=method)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    steps(net, rows(5, 9, 5))
    moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    free = {name for name, p in net.named_parameters() if p.requires_grad}
    assert {name for name in free if not without_gradient(name)} <= moved <= free


def test_the_top_layers_learn_with_the_norm_behind_them():
    post, pre = block(method="top", top=2), block(norm="layer", method="top", top=1)
    assert {name.split(".")[2] for name in learning(post)} == {"1", "2"}
    assert {n.removeprefix("encoder.").partition(".attention")[0][:11] for n in learning(pre)} == {
        "layers.2", "layers.2.fe", "layers.2.fi", "layers.2.la", "layer_norm.",
    }  # fmt: skip
    whisper = block("whisper", method="top", top=1)
    assert "layer_norm.weight" in learning(whisper)
    assert all(n.startswith(("layers.2.", "layer_norm.")) for n in learning(whisper))


def test_all_is_all_but_the_convolutions_and_what_is_never_used():
    def frozen(architecture, **settings):
        encoder = block(architecture, method="all", **settings).encoder
        return {n.partition(".")[0] for n, p in encoder.named_parameters() if not p.requires_grad}

    assert frozen("wav2vec2") == {"feature_extractor"}
    assert frozen("whisper") == {"conv1", "conv2", "embed_positions"}
    assert frozen("wav2vec2", freeze_features=False) == set()
    assert frozen("whisper", freeze_features=False) == {"embed_positions"}


def test_adapters_are_a_product_of_two_thin_matrices_times_alpha_over_rank():
    net = steps(block(method="lora", rank=2, alpha=6), rows(5, 9)).eval()
    plain = block(method="top", seed=3).eval()
    plain.projection.load_state_dict(net.projection.state_dict())
    parameters = dict(net.encoder.named_parameters())
    assert {name.split(".")[4] for name in learning(net)} == {"q_proj", "v_proj"}
    with torch.no_grad():
        untouched = answer(plain, rows(7))
        for name in [n for n in parameters if n.endswith("lora_A.default.weight")]:
            down, up = parameters[name], parameters[name.replace("lora_A", "lora_B")]
            assert down.shape == (2, 16)
            weight = plain.encoder.get_parameter(name.replace("lora_A.default.", ""))
            weight.data = weight + 6 / 2 * up @ down
        torch.testing.assert_close(answer(net, rows(7)), answer(plain, rows(7)), rtol=0, atol=1e-5)
        assert not torch.allclose(untouched, answer(plain, rows(7)), atol=1e-4)


def test_before_they_have_learned_adapters_change_nothing():
    net, plain = block(method="lora").eval(), block(method="top").eval()
    plain.projection.load_state_dict(net.projection.state_dict())
    torch.testing.assert_close(answer(net, rows(7)), answer(plain, rows(7)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("architecture", "targets", "message"), [
    ("wavlm", ("q_proj",), "q_proj; allowed: linear layers of wavlm: .*intermediate_dense, output_dense"),
    ("wav2vec2", ("query",), "query; allowed: .*k_proj, out_proj, output_dense, q_proj, v_proj"),
    ("whisper", ("fc1", "fc3"), "fc3; allowed: .*fc1, fc2"),
])  # fmt: skip
def test_adapters_where_none_is_called_are_refused(architecture, targets, message):
    """WavLM multiplies by the bare weights of its projections: an adapter around them would learn nothing."""
    with pytest.raises(BadInput, match=f"finetuned.lora_targets.*{message}"):
        block(architecture, method="lora", lora_targets=targets)


def test_chosen_layers_have_adapters():
    net = block("whisper", method="lora", lora_targets=("fc1", "k_proj"))
    assert {name.partition(".lora_")[0].rpartition(".")[2] for name in learning(net)} == {"fc1", "k_proj"}


@EACH
def test_without_dropout_it_learns_on_what_it_answers(architecture, norm, method):
    """No SpecAugment and no LayerDrop, which transformers would draw, the first from numpy's global generator."""
    net = block(architecture, norm, method=method)
    assert getattr(net.encoder.config, "layerdrop", 0.1) > 0 or architecture == "whisper"
    for _ in range(2):
        assert torch.equal(answer(net.train(), rows(9)), answer(net.eval(), rows(9)))


@pytest.mark.parametrize("method", METHODS)
def test_dropout_is_in_the_layers_that_learn_while_they_learn(method):
    net = block(method=method, dropout=0.5, top=1)
    inner = []
    for layer in net.model.module.encoder.layers, net.encoder.encoder.layers:
        assert len(layer) == 3
    net.encoder.encoder.layers[2].register_forward_pre_hook(lambda m, inputs: inner.append(inputs[0]))
    first, second = answer(net, rows(9)), answer(net, rows(9))
    (is_random,) = {not torch.equal(*inner)}
    assert is_random is (method == "all")  # of adapters nothing comes yet, as B is zero
    assert torch.equal(first, second) is (method == "lora")
    steps(net, rows(9, 9))
    assert not torch.equal(answer(net, rows(9)), answer(net, rows(9)))
    net.eval()
    assert torch.equal(answer(net, rows(9)), answer(net, rows(9)))


@pytest.mark.parametrize(("architecture", "norm"), [("wav2vec2", "layer"), ("wavlm", "group"), ("whisper", "group")])
@pytest.mark.parametrize("method", METHODS)
def test_checkpointing_changes_no_gradient(architecture, norm, method):
    gradients = []
    for checkpointing in (False, True):
        net = block(architecture, norm, method=method, checkpointing=checkpointing, dropout=0.3)
        steps(net, rows(5, 9), count=1)
        torch.manual_seed(4)
        net.zero_grad()
        answer(net, rows(5, 9)).square().sum().backward()
        gradients.append({name: p.grad for name, p in net.named_parameters() if p.requires_grad})
    for name, gradient in gradients[0].items():
        assert torch.equal(gradient, gradients[1][name]), name


def test_checkpointing_computes_layers_again():
    calls = []
    for checkpointing in (False, True):
        net = block(method="top", top=2, checkpointing=checkpointing)
        count = []
        for layer in net.encoder.encoder.layers:
            layer.attention.register_forward_hook(lambda *_, count=count: count.append(1))
        answer(net, rows(5)).sum().backward()
        calls.append(len(count))
    assert calls == [3, 5]


def test_learning_rates_fall_from_the_top_and_the_rest_has_the_heads():
    net = block(norm="layer", method="all", rate=0.2, layer_decay=0.5)
    factors = net.learning_rate_factors()
    assert factors.keys() == {f"encoder.{name}" for name in learning(net)}
    layers = [factors[f"encoder.encoder.layers.{i}.final_layer_norm.weight"] for i in range(3)]
    assert layers == pytest.approx([0.05, 0.1, 0.2])
    assert factors["encoder.encoder.layer_norm.weight"] == pytest.approx(0.2)
    assert factors["encoder.feature_projection.projection.weight"] == pytest.approx(0.025)
    base = block(method="all", rate=0.2, layer_decay=0.5).learning_rate_factors()  # its norm comes before the layers
    assert base["encoder.encoder.layer_norm.weight"] == pytest.approx(0.025)
    assert set(block(method="lora", rate=0.2).learning_rate_factors().values()) == {1.0}


def test_what_stays_lies_where_the_encoder_is_and_the_encoder_never_changes():
    net = block(method="top", top=1)
    module = net.model.module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    shared = {p.data_ptr() for p in module.parameters()}
    for name, p in net.encoder.named_parameters():
        assert (p.data_ptr() in shared) is (name not in learning(net))
    steps(net, rows(5, 9))
    block(method="all").load_state_dict(steps(block(method="all"), rows(5)).state_dict())
    block().double()  # moved, as to another device
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_its_state_is_what_has_learned_and_gives_the_same_answers_over_the_same_encoder(method):
    net = steps(block(method=method), rows(5, 9)).eval()
    state = net.state_dict()
    assert state.keys() == {name for name, p in net.named_parameters() if p.requires_grad}
    other = block(method=method, seed=9)
    other.load_state_dict(state)
    assert torch.equal(answer(other.eval(), rows(8, 3)), answer(net, rows(8, 3)))
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_state_dict({name: value for name, value in state.items() if "projection" not in name})


@pytest.mark.parametrize(("pooling", "outputs"), [("mean", 6), ("attention", 6), ("attention_mean_var", 12)])
def test_pooling(pooling, outputs):
    net = block(pooling=pooling).eval()
    assert net.outputs == outputs
    (hidden,) = net.hidden([rows(9)[0].flatten()])
    (pooled,) = answer(net, rows(9))
    projected = net.projection(hidden)
    weights = (
        (projected @ net.pooling.u).softmax(0)[:, None]
        if net.pooling
        else torch.full((len(hidden), 1), 1 / len(hidden))
    )
    mean = (weights * projected).sum(0)
    expected = torch.cat([mean, (weights * (projected - mean).square()).sum(0)]) if outputs == 12 else mean
    torch.testing.assert_close(pooled, expected, rtol=1e-4, atol=1e-5)


def test_without_units_hidden_states_are_pooled_as_they_are():
    net = block(units=0).eval()
    assert net.outputs == 16
    (hidden,) = net.hidden([rows(9)[0].flatten()])
    torch.testing.assert_close(answer(net, rows(9))[0], hidden.mean(0))


def test_what_is_shorter_than_a_frame_is_filled_up_with_zeros():
    net = block().eval()
    (short,) = rows(1)
    torch.testing.assert_close(net.hidden([short.flatten()])[0], net.hidden([pad(short.flatten(), (0, 80))])[0])
    assert len(net.hidden([short.flatten()])[0]) == 1


@pytest.mark.parametrize(("settings", "message"), [
    ({"encoder": "each"}, "name its folder with --encoder"),
    ({"encoder": "wav2vec2-16x4-400.320-0123456789ab"}, "--encoder NAME=DIR"),
    ({"method": "top", "top": 4}, "finetuned.top: 4; allowed: 1 to 3"),
])  # fmt: skip
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(BadInput, match=message):
        finetuned.build(ROW, stated(finetuned, **{"encoder": random_encoder("wav2vec2"), **settings}))


def test_the_table_has_each_layer_with_what_learns_and_what_stays():
    net = block(norm="layer", method="top", top=1)
    table = {layer.name: layer for layer in finetuned.layers(net, ROW)}
    names = [f"transformer layer {i}" for i in (1, 2, 3)]
    assert list(table) == ["samples", "before the layers", *names, "last norm", "linear"]
    counts = [(table[name].parameters, table[name].frozen) for name in names]
    assert counts == [(0, counts[0][1]), (0, counts[0][1]), (counts[0][1], 0)]
    assert sum(layer.parameters for layer in table.values()) == sum(
        p.numel() for p in net.parameters() if p.requires_grad
    )
    assert sum(layer.frozen for layer in table.values()) == sum(
        p.numel() for p in net.parameters() if not p.requires_grad
    )
    assert replace(table["linear"], name="") == replace(table["linear"], name="", output="6", frozen=0)


@pytest.mark.parametrize("method", METHODS)
def test_it_trains_in_bfloat16(method):
    net = block(norm="layer", method=method)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = answer(net, rows(5, 9))
    assert rounded.dtype == torch.float32
    rounded.square().sum().backward()
    exact = answer(net, rows(5, 9))
    assert 1e-5 < (rounded - exact).norm() / exact.norm() < 0.1

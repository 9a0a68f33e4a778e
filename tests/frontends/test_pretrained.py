"""Features of encoders against transformers run by hand, whatever else is in the batch, and entries that share."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs ser[pretrained]")

import torch
from front_end_cases import checked, random_encoder
from transformers import AutoFeatureExtractor, AutoModel

from ser.data import encoders
from ser.data.audio import UnusableAudio
from ser.errors import BadInput
from ser.features.recipe import front_end_stack
from ser.frontends import pretrained
from ser.frontends.pretrained import Settings
from ser.study import part

FORMS = [
    *product(("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat"), ("group", "layer")),
    *product(("data2vec-audio", "wav2vec2-bert", "whisper"), ("group",)),
]
each_form = pytest.mark.parametrize(("architecture", "norm"), FORMS)
STATES, WIDTH = 4, 32
CLOSE = {"rtol": 0, "atol": 1e-5}


def settings(architecture="wav2vec2", norm="group", **changed):
    return Settings(encoder=random_encoder(architecture, norm=norm), **changed)


def speech(samples, seed=0):
    rng = np.random.default_rng(seed)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(samples) / 5000)
    return (0.02 + 0.1 * swell * rng.standard_normal(samples)).astype(np.float32)


def by_hand(wave, one, normalised=True):
    """Hidden states as transformers gives them of one utterance: [states, frames, width]."""
    folder = encoders.folder_of(one.encoder)
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    if not normalised:
        extractor.do_normalize = False
    if model.config.model_type == "whisper":
        model = model.get_encoder()
    named = {} if normalised else {"do_normalize_per_mel_bins": False}
    inputs = extractor(wave, sampling_rate=16_000, return_tensors="pt", **named)
    if model.config.model_type == "wavlm":
        del inputs["attention_mask"]  # of ones, and torch warns of its kind
    with torch.inference_mode():
        output = model(**inputs, output_hidden_states=True)
    states = [*output.hidden_states[:-1], output.last_hidden_state]
    return torch.cat(states).numpy()[:, : pretrained.frames(len(wave), one)]


def is_masked(one):
    return encoders.describe(one.encoder).masks


@each_form
def test_all_states_are_transformers_own_whatever_else_is_in_the_batch(architecture, norm):
    one = settings(architecture, norm, layers="all")
    lengths = (9000, 16_000, 5121) if is_masked(one) or architecture == "whisper" else (9000, 9000, 9000)
    waves = [speech(n, seed) for seed, n in enumerate(lengths)]
    batch = pretrained.extract_batch(waves, one)
    for wave, features in zip(waves, batch, strict=True):
        hand = by_hand(wave, one)
        assert len(hand) == STATES
        assert features.shape == (hand.shape[1], STATES * WIDTH)
        for number, state in enumerate(hand):
            np.testing.assert_allclose(features[:, number * WIDTH : (number + 1) * WIDTH], state, **CLOSE)
        np.testing.assert_allclose(pretrained.extract(wave, one), features, **CLOSE)


@each_form
def test_single_states_their_mean_and_their_statistics_are_those_of_all(architecture, norm):
    wave = speech(7000)
    whole = settings(architecture, norm, layers="every")
    every = pretrained.extract(wave, whole)
    hand = by_hand(wave, whole)
    np.testing.assert_allclose(every[:, :WIDTH], hand.mean(axis=0), **CLOSE)
    for layers in ("mean", 0, 1, 2, 3, "last", "all"):
        one = replace(whole, layers=layers)
        features = pretrained.extract(wave, one)
        assert features.shape == (pretrained.frames(len(wave), one), pretrained.width(one))
        np.testing.assert_array_equal(features, every[:, columns(one, whole)])
    pooled = pretrained.extract(wave, replace(whole, layers="all", statistics=("mean", "std")))
    vectors = [np.concatenate([state.mean(axis=0), state.std(axis=0)]) for state in hand]
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, np.concatenate(vectors)[None], **CLOSE)


def part_of(one):
    return part("pretrained", **vars(one))


def columns(one, whole):
    return pretrained.columns(part_of(one), part_of(whole))


def test_padding_never_leaks_from_an_utterance_a_hundred_times_as_loud():
    for architecture, norm in FORMS:
        one = settings(architecture, norm)
        if is_masked(one):
            wave = speech(6000)
            alone = pretrained.extract(wave, one)
            loud = [100 * speech(16_000, 1), wave, speech(15_999, 2)]
            np.testing.assert_allclose(pretrained.extract_batch(loud, one)[1], alone, **CLOSE)


def test_models_without_masks_are_never_padded():
    masked = {form for form in FORMS if is_masked(settings(*form))}
    assert masked == {
        *product(("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat"), ("layer",)),
        ("wav2vec2-bert", "group"),
    }
    with pytest.raises(AssertionError, match="without masks"):
        pretrained.extract_batch([speech(8000), speech(8001)], settings("wav2vec2", "group"))


@pytest.fixture
def on_gpu(monkeypatch):
    """Batches as on a GPU, without one."""
    monkeypatch.setattr(encoders, "_device", "cuda")


LENGTHS = tuple(int(n) for n in np.random.default_rng(0).integers(300, 160_000, 300))


@each_form
def test_batches_on_a_gpu_are_of_like_lengths_and_bounded(architecture, norm, on_gpu):
    one = settings(architecture, norm)
    lengths = (*LENGTHS, 40_000, 40_000, 5_000_000)
    batches = pretrained.batches(lengths, one)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[i] for i in batch]
        assert len(batch) == 1 or max(sizes) * len(batch) <= 120 * 16_000
        if architecture != "whisper":
            assert min(sizes) >= (0.75 if is_masked(one) else 1) * max(sizes)
        assert len(batch) == 1 or min(sizes) >= encoders.Encoder.parse(one.encoder).first
    assert pretrained.batches(lengths, one) == batches
    assert len(batches) < (len(lengths) / 5 if is_masked(one) or architecture == "whisper" else len(lengths))


def test_on_a_cpu_each_utterance_is_computed_alone():
    assert pretrained.batches(LENGTHS[:5], settings("hubert", "layer")) == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("architecture", "first"), [("wav2vec2", 400), ("wav2vec2-bert", 560), ("whisper", 1), ("data2vec-audio", 400)]
)
@pytest.mark.parametrize("statistics", [(), ("mean",)])
def test_frames_start_with_the_first_whole_one_and_shorter_waves_are_refused(architecture, first, statistics):
    one = settings(architecture, statistics=statistics)
    for samples in (first, first + 319, first + 320, first + 321):
        features = pretrained.extract(speech(samples), one)
        assert len(features) == pretrained.frames(samples, one) == (1 if statistics else 1 + (samples - first) // 320)
    assert pretrained.frames(first - 1, one) == 0
    with pytest.raises(UnusableAudio, match=f"too short: {first - 1} samples, where .* needs {first}"):
        pretrained.extract(speech(first - 1), one)


def test_layers_after_the_one_that_is_asked_for_are_not_computed():
    one = settings("wavlm", "layer", layers=1)
    calls = []
    model = encoders.load(one.encoder)
    hooks = [
        layer.register_forward_pre_hook(lambda *arguments, i=i: calls.append(i)) for i, layer in enumerate(model.layers)
    ]
    pretrained.extract(speech(4000), one)
    assert calls == [0]
    pretrained.extract(speech(4000), replace(one, layers="mean"))
    assert calls == [0, 0, 1, 2]
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("statistics", [(), ("mean", "std")])
def test_a_long_recording_is_windows_of_whisper_that_follow_each_other(statistics):
    one = settings("whisper", layers="every", statistics=statistics)
    window = encoders.describe(one.encoder).samples
    wave = speech(2 * window + 5000)
    pieces = [wave[:window], wave[window : 2 * window], wave[2 * window :]]
    frames = np.concatenate([pretrained.extract(piece, replace(one, statistics=())) for piece in pieces])
    assert len(frames) == pretrained.frames(len(wave), replace(one, statistics=()))
    features = pretrained.extract(wave, one)
    if not statistics:
        np.testing.assert_array_equal(features, frames)
        return
    states = frames.reshape(len(frames), -1, WIDTH)
    expected = np.concatenate([states.mean(axis=0), states.std(axis=0)], axis=1).ravel()
    np.testing.assert_allclose(features[0], expected, **CLOSE)
    for layers in ("mean", 2, "all"):
        single = replace(one, layers=layers)
        np.testing.assert_array_equal(pretrained.extract(wave, single), features[:, columns(single, one)])


@pytest.mark.parametrize(("architecture", "norm"), [("wav2vec2", "layer"), ("wav2vec2-bert", "group")])
def test_without_the_models_own_normalisation_the_input_is_as_it_is(architecture, norm):
    one = settings(architecture, norm, scale="none", layers="all")
    wave = speech(6000)
    features = pretrained.extract(wave, one).reshape(-1, STATES, WIDTH).swapaxes(0, 1)
    np.testing.assert_allclose(features, by_hand(wave, one, normalised=False), **CLOSE)
    assert np.abs(features - by_hand(wave, one)).max() > 0.01


def test_an_encoder_that_normalises_nothing_has_nothing_to_leave_out():
    with pytest.raises(BadInput, match=r"scale none for whisper.*; allowed: model"):
        pretrained.extract(speech(6000), settings("whisper", scale="none"))


def test_the_model_itself_computes_nothing_of_silence_that_is_not_finite():
    for form in FORMS:
        assert np.isfinite(pretrained.extract(np.zeros(6000, np.float32), settings(*form))).all()


# Settings


@pytest.mark.parametrize("read", [pretrained.width, pretrained.stack, lambda one: pretrained.frames(9, one)])
def test_sizes_need_neither_folder_nor_torch_but_an_identity(read):
    read(Settings(encoder="wavlm-1024x25-400.320-0123456789ab", layers="all"))
    with pytest.raises(BadInput, match="--encoder NAME=DIR"):
        read(Settings())


@pytest.mark.parametrize(
    ("layers", "statistics", "stack", "width"),
    [
        ("last", (), 1, 1024),
        (0, (), 1, 1024),
        (24, ("mean", "std"), 1, 2048),
        ("mean", ("max",), 1, 1024),
        ("all", (), 25, 25_600),
        ("all", ("mean", "std"), 25, 51_200),
        ("every", (), 26, 26_624),
    ],
)
def test_width_is_states_times_what_each_has(layers, statistics, stack, width):
    one = Settings(encoder="wavlm-1024x25-400.320-0123456789ab", layers=layers, statistics=statistics)
    assert pretrained.width(one) == width
    assert front_end_stack(part_of(one)) == pretrained.stack(one) == stack
    assert pretrained.frames(48_000, one) == (1 if statistics else 149)


@pytest.mark.parametrize("layers", [25, "al", "26"])
def test_layers_that_the_encoder_has_not_are_refused(layers):
    with pytest.raises(BadInput, match=r"front_end.layers: .*; allowed: 0 ... 24, last, mean, all, every"):
        pretrained.width(Settings(encoder="wavlm-1024x25-400.320-0123456789ab", layers=layers))


@pytest.mark.parametrize(
    ("name", "value"), [("layers", -1), ("rate_hz", 8000), ("scale", "peak"), ("stored", "int8"), ("encoder", 3)]
)
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(BadInput, match=name):
        checked(replace(Settings(), **{name: value}))


def test_an_unknown_functional_is_refused_before_anything_is_computed():
    with pytest.raises(BadInput, match="functionals"):
        pretrained.width(Settings(encoder="wavlm-1024x25-400.320-0123456789ab", statistics=("median", "mode")))


# One entry for several front-ends

LARGE = part("pretrained", encoder="wavlm-1024x25-400.320-0123456789ab", statistics=("mean",))


def layered(*layers, whole=LARGE):
    return [whole.changed(layers=one) for one in layers]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((3, 7), "all"),
        ((0, "last"), "all"),
        (("all", 3), "all"),
        (("mean", 3), "every"),
        (("all", "mean"), "every"),
        (("every", "all"), "every"),
        ((3,), None),
        ((3, 3), None),
        ((24, "last"), None),
    ],
)
def test_front_ends_that_differ_in_layers_alone_share_an_entry(layers, expected):
    assert pretrained.container(layered(*layers)) == (LARGE.changed(layers=expected) if expected else None)


def test_frames_share_an_entry_only_where_it_is_not_much_larger():
    frames = LARGE.changed(statistics=())
    assert pretrained.container(layered(3, 7, whole=frames)) is None
    assert pretrained.container(layered(*range(13), whole=frames)) == frames.changed(layers="all")
    assert pretrained.container(layered("mean", "all", whole=frames)) == frames.changed(layers="every")


@pytest.mark.parametrize("changes", [{"stored": "float16"}, {"scale": "none"}, {"statistics": ("std",)}])
def test_front_ends_that_differ_in_more_share_nothing(changes):
    other = LARGE.changed(layers=3, **changes)
    assert pretrained.container([LARGE.changed(layers="all"), other]) is None
    assert pretrained.columns(other, LARGE.changed(layers="all")) is None


@pytest.mark.parametrize(
    ("layers", "whole", "expected"),
    [
        (3, "all", slice(3 * 1024, 4 * 1024)),
        ("last", "all", slice(24 * 1024, 25 * 1024)),
        ("all", "all", slice(0, 25 * 1024)),
        ("mean", "all", None),
        ("mean", "every", slice(0, 1024)),
        (0, "every", slice(1024, 2 * 1024)),
        ("all", "every", slice(1024, 26 * 1024)),
        ("every", "all", None),
        ("last", 24, slice(0, 1024)),
        (3, 7, None),
        ("all", 3, None),
    ],
)
def test_columns_of_a_front_end_in_another_ones_entry(layers, whole, expected):
    assert pretrained.columns(*layered(layers, whole)) == expected

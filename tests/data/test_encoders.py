"""Folders of encoders: identity, what is refused before anything is computed, and that weights load as they are."""

import json
import logging
import os
import pickle
import shutil
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs ser[pretrained]")

import torch
from safetensors.torch import load_file, save_file

from ser.data import encoder_config, encoders
from ser.data.encoders import Encoder
from ser.demo import encoder as demo
from ser.errors import BadInput

WEIGHTS, CONFIG, PREPROCESSOR = "model.safetensors", "config.json", "preprocessor_config.json"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A random encoder of each architecture, which tests copy."""
    root = tmp_path_factory.mktemp("encoders")
    return {name: demo.make(root / name, name, width=16, layers=2) for name in ("wav2vec2", "whisper", "wav2vec2-bert")}


@pytest.fixture
def folder(originals, tmp_path):
    return shutil.copytree(originals["wav2vec2"], tmp_path / "encoder")


@pytest.fixture
def whisper(originals, tmp_path):
    return shutil.copytree(originals["whisper"], tmp_path / "whisper")


def edit(path, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def saved(folder, change):
    """The folder with other weights: what ``change`` makes of its tensors."""
    tensors = {name: tensor.clone() for name, tensor in load_file(folder / WEIGHTS).items()}
    save_file(change(tensors), folder / WEIGHTS)
    return folder


def states(folder, samples=4000, seed=0):
    """Last hidden states of noise: [frames, width]."""
    identity = str(encoders.examine(folder))
    encoders.remember({identity: folder})
    wave = np.random.default_rng(seed).standard_normal(samples).astype(np.float32)
    out = []
    encoders.load(identity).states([wave], 10, lambda number, values: out.append(values[0].clone()))
    return out[-1]


# Identity


def test_an_identity_is_its_text_and_the_text_its_identity():
    one = Encoder("data2vec-audio", 768, 13, 400, 320, "0123456789ab")
    assert str(one) == "data2vec-audio-768x13-400.320-0123456789ab"
    assert Encoder.parse(str(one)) == one


@pytest.mark.parametrize("text", ["each", "", "whisper", "whisper-384x5-1.320-3fa29c81d0b", "/models/whisper-tiny"])
def test_another_text_is_refused_with_the_option_to_name_a_folder(text):
    with pytest.raises(BadInput, match="--encoder NAME=DIR"):
        Encoder.parse(text)


@pytest.mark.parametrize("name", [CONFIG, PREPROCESSOR])
def test_a_file_that_would_be_waited_for_or_fill_the_memory_is_refused_unread(folder, name, monkeypatch):
    monkeypatch.setattr(encoder_config, "_BYTES", 10_000)
    (folder / name).write_text("[" * 9000)
    with pytest.raises(BadInput, match="cannot be read"):
        encoders.examine(folder)
    (folder / name).write_text("{" + " " * 10_000)
    with pytest.raises(BadInput, match="10001 bytes; allowed"):
        encoders.examine(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(BadInput, match=name):
        encoders.examine(folder)


@pytest.mark.parametrize(
    "value", [None, "x", -1, 0, 10**9, 10**400, 1.5, float("nan"), [], {}, [1, "a"], True, "1" * 999]
)
@pytest.mark.parametrize("name", ["whisper", "wav2vec2-bert"])
def test_no_value_of_a_preprocessor_is_another_error(originals, tmp_path, name, value):
    place = shutil.copytree(originals[name], tmp_path / name)
    stated = json.loads((place / PREPROCESSOR).read_text())
    sizes = ("feature_size", "hop_length", "chunk_length", "n_fft", "num_mel_bins", "stride", "padding_value")
    for key in sizes:
        (place / PREPROCESSOR).write_text(json.dumps({**stated, key: value}))
        with suppress(BadInput):
            states(place)


def test_more_layers_than_any_encoder_has_are_refused_before_they_are_laid_out(folder):
    edit(folder / CONFIG, num_hidden_layers=10**8)
    with pytest.raises(BadInput, match="100000000 layers; allowed: 1000"):
        encoders.examine(folder)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("wav2vec2", (16, 3, 400, 320)), ("whisper", (16, 3, 1, 320)), ("wav2vec2-bert", (16, 3, 560, 320))],
)
def test_sizes_are_those_of_the_config(originals, name, sizes):
    one = encoders.examine(originals[name])
    assert (one.width, one.states, one.first, one.hop) == sizes
    assert one.architecture == name


def test_frames_are_those_that_the_convolutions_give(originals):
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(originals["wav2vec2"])
    by_layer = AutoModel.from_config(config)._get_feat_extract_output_lengths
    one = encoders.examine(originals["wav2vec2"])
    for samples in (400, 719, 720, 16_000, 16_079, 16_080, 123_457):
        assert one.frames(samples) == int(by_layer(torch.tensor(samples)))
    assert [one.frames(n) for n in (0, 399, 400)] == [0, 0, 1]


def test_a_folder_has_the_same_identity_wherever_it_lies_and_whatever_it_is_called(folder, tmp_path):
    first = encoders.examine(folder)
    assert encoders.examine(shutil.copytree(folder, tmp_path / "elsewhere" / "other")) == first


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        (CONFIG, {"transformers_version": "4.7.0", "_name_or_path": "me/mine", "id2label": {"0": "a"}}),
        (CONFIG, {"architectures": ["Wav2Vec2ForCTC"], "vocab_size": 50, "hidden_dropout": 0.3, "pad_token_id": 7}),
        (CONFIG, {"mask_time_prob": 0.5, "torch_dtype": "float16", "gradient_checkpointing": True}),
        (PREPROCESSOR, {"return_attention_mask": False, "padding_side": "left"}),
    ],
)
def test_what_changes_no_number_changes_no_identity(folder, file, changes):
    first = encoders.examine(folder)
    edit(folder / file, **changes)
    assert encoders.examine(folder) == first


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        (CONFIG, {"num_attention_heads": 4}),
        (CONFIG, {"layer_norm_eps": 1e-3}),
        (CONFIG, {"hidden_act": "relu"}),
        (PREPROCESSOR, {"do_normalize": False}),
    ],
)
def test_what_changes_numbers_changes_the_identity(folder, file, changes):
    first = encoders.examine(folder)
    edit(folder / file, **changes)
    other = encoders.examine(folder)
    assert other != first
    assert replace(other, fingerprint="") == replace(first, fingerprint="")


def test_another_weight_is_another_identity(folder):
    first = encoders.examine(folder)
    saved(folder, lambda t: t | {"encoder.layer_norm.bias": t["encoder.layer_norm.bias"] + 1e-6})
    assert encoders.examine(folder) != first


def test_demo_encoders_are_the_same_again_and_others_for_another_seed(folder, tmp_path):
    again = demo.make(tmp_path / "again", "wav2vec2", width=16, layers=2)
    assert (again / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
    other = demo.make(tmp_path / "other", "wav2vec2", 1, width=16, layers=2)
    assert encoders.examine(other) != encoders.examine(folder)
    assert "Random weights" in (other / "RANDOM_WEIGHTS.txt").read_text()


# What is refused


def refused(folder, problem, remedy=""):
    with pytest.raises(BadInput, match=f"{problem}.*; allowed: .*{remedy}") as error:
        encoders.examine(folder)
    assert str(folder) in error.value.place


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "file").touch()
    refused(tmp_path / "nowhere", "nothing of that name", "downloaded or saved")
    refused(tmp_path / "file", "no folder")


@pytest.mark.parametrize(
    ("name", "problem"),
    [(CONFIG, "no config.json"), (PREPROCESSOR, "no preprocessor_config.json"), (WEIGHTS, "no wei")],
)
def test_a_missing_file_is_named(folder, name, problem):
    (folder / name).unlink()
    refused(folder, problem)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_broken_config_is_refused(folder, text):
    (folder / CONFIG).write_text(text, encoding="latin-1")
    refused(folder, "cannot be read|a list")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_type": None}, "no model_type"),
        ({"model_type": "bert"}, "model_type 'bert'"),
        ({"model_type": "sew"}, "model_type 'sew'"),
        ({"model_type": "conv_tasnet"}, "model_type 'conv_tasnet'"),
        ({"auto_map": {"AutoModel": "modeling_mine.Mine"}}, "code of its own"),
        ({"hidden_size": "many"}, "hidden_size"),
        ({"hidden_size": 17}, ""),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0"),
        ({"conv_kernel": [10, 3], "conv_stride": [5]}, "conv_"),
    ],
)
def test_a_config_that_describes_no_encoder_is_refused(folder, changes, problem):
    edit(folder / CONFIG, **changes)
    refused(folder, problem)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sampling_rate": 8000}, "sampling_rate 8000"),
        ({"feature_extractor_type": "WhisperFeatureExtractor"}, "feature_extractor_type Whisper"),
        ({"dither": 1e-5}, "dither"),
    ],
)
def test_an_input_of_another_kind_is_refused(folder, changes, problem):
    edit(folder / PREPROCESSOR, **changes)
    refused(folder, problem)


@pytest.mark.parametrize(("file", "changes"), [(PREPROCESSOR, {"feature_size": 80}), (CONFIG, {"num_mel_bins": 80})])
def test_a_whisper_with_another_ones_preprocessor_is_refused(whisper, file, changes):
    edit(whisper / file, **changes)
    refused(whisper, "bands", "published with the weights")


def test_a_processor_of_transformers_5_serves_as_preprocessor(folder):
    first = encoders.examine(folder)
    content = {"feature_extractor": json.loads((folder / PREPROCESSOR).read_text()), "processor_class": "P"}
    (folder / PREPROCESSOR).unlink()
    (folder / "processor_config.json").write_text(json.dumps(content))
    assert encoders.examine(folder) == first


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_refused(folder, keep):
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:keep] if keep >= 0 else whole[:-1])
    refused(folder, "cannot be read", "download")


def test_a_pointer_of_git_lfs_is_told_from_weights(folder):
    (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    refused(folder, "pointer of Git LFS", "git lfs pull")


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack"])
def test_weights_of_other_frameworks_alone_are_refused(folder, name):
    (folder / WEIGHTS).rename(folder / name)
    refused(folder, f"{name} alone", "convert")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: {n: v for n, v in t.items() if "layers.1." not in n}, "17 of 50 weights missing"),
        (lambda t: {f"other.{n}": v for n, v in t.items()}, "weights missing"),
        (lambda t: t | {"encoder.layer_norm.bias": torch.zeros(17)}, r"encoder.layer_norm.bias of shape \(17,\)"),
        (lambda t: t | {"encoder.layer_norm.bias": torch.full((16,), torch.nan)}, "NaN"),
        (lambda t: t | {"encoder.layer_norm.bias": torch.zeros(16, dtype=torch.int64)}, "whole numbers"),
    ],
    ids=["missing", "foreign", "shape", "nan", "whole"],
)
def test_weights_that_do_not_fit_are_refused_and_never_drawn(folder, change, problem):
    refused(saved(folder, change), problem, "of one model")


class Code:
    """What a pickle may ask for."""

    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def test_a_pickle_that_asks_for_code_is_refused_and_none_is_run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / WEIGHTS).unlink()
    torch.save({"encoder.layer_norm.bias": Code()}, folder / "pytorch_model.bin")
    refused(folder, "asks for code", "model.safetensors")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}])
def test_a_pickle_of_other_things_is_refused(folder, content):
    (folder / WEIGHTS).unlink()
    torch.save(content, folder / "pytorch_model.bin")
    refused(folder, "not of tensors alone")


def test_a_pickle_cut_short_is_refused(folder):
    (folder / WEIGHTS).unlink()
    torch.save({"a": torch.zeros(1000)}, folder / "pytorch_model.bin")
    whole = (folder / "pytorch_model.bin").read_bytes()
    (folder / "pytorch_model.bin").write_bytes(whole[:2000])
    refused(folder, "cannot be read|is damaged")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))
    refused(folder, "cannot be read|is damaged|not of tensors")


def sharded(folder):
    tensors = load_file(folder / WEIGHTS)
    halves = {f"model-{i + 1:05d}-of-00002.safetensors": dict(list(tensors.items())[i::2]) for i in range(2)}
    for name, half in halves.items():
        save_file(half, folder / name)
    weight_map = {tensor: name for name, half in halves.items() for tensor in half}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (folder / WEIGHTS).unlink()


def test_a_missing_shard_is_named(folder):
    sharded(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused(folder, "no model-00002-of-00002.safetensors", "download")


@pytest.mark.parametrize("text", ["[" * 9000, "{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1, "b": "c"}}'])
def test_a_broken_index_of_shards_is_refused(folder, text):
    sharded(folder)
    (folder / f"{WEIGHTS}.index.json").write_text(text)
    refused(folder, "cannot be read", "download")


def test_a_shard_outside_the_folder_is_not_read(folder):
    sharded(folder)
    (folder.parent / "outside").write_bytes(b"")
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": "../outside"}}))
    refused(folder, "no outside", "download")


# Weights in other forms


def test_shards_give_the_same_states(folder):
    whole = states(folder)
    sharded(folder)
    torch.testing.assert_close(states(folder), whole, rtol=0, atol=0)


def test_tensors_of_torch_save_give_the_same_states(folder):
    whole = states(folder)
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    torch.testing.assert_close(states(folder), whole, rtol=0, atol=0)


def old_names(tensors):
    ends = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    for new, old in ends.items():
        tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
    return tensors


@pytest.mark.parametrize(
    "change",
    [
        old_names,
        lambda t: {f"wav2vec2.{n}": v for n, v in t.items()} | {"lm_head.weight": torch.zeros(32, 16)},
        lambda t: {n: v for n, v in t.items() if n != "masked_spec_embed"},
        lambda t: t | {"adapter.layers.0.conv.weight": torch.zeros(32, 16, 3)},
    ],
    ids=["old names", "with a head", "no mask", "with an adapter"],
)
def test_weights_by_other_names_and_with_more_give_the_same_states(folder, change):
    whole = states(folder)
    torch.testing.assert_close(states(saved(folder, change)), whole, rtol=0, atol=0)


def test_the_positional_convolution_is_normalised_as_transformers_does(folder):
    """The one weight in two halves: their product, by hand."""
    saved(folder, lambda t: old_names(t) | {"encoder.pos_conv_embed.conv.weight_g": torch.rand(1, 1, 16) + 0.5})
    tensors = load_file(folder / WEIGHTS)
    length, direction = (tensors[f"encoder.pos_conv_embed.conv.weight_{half}"] for half in "gv")
    states(folder)
    weight = encoders.load(str(encoders.examine(folder))).module.encoder.pos_conv_embed.conv.weight
    torch.testing.assert_close(weight, length * direction / direction.norm(dim=(0, 1), keepdim=True))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_weights_compute_in_float32(folder, kind):
    whole = states(folder)
    half = states(saved(folder, lambda t: {n: v.to(kind) for n, v in t.items()}))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, whole, rtol=0, atol=0.1)
    assert not torch.equal(half, whole)


@pytest.mark.parametrize("prefix", ["model.", "encoder only"])
def test_an_encoder_of_any_whisper_is_the_same(whisper, prefix):
    """Of WhisperModel, of WhisperForConditionalGeneration, and of an encoder by itself."""
    whole = states(whisper)

    def change(tensors):
        if prefix == "model.":
            return {f"model.{n}": v for n, v in tensors.items()} | {"proj_out.weight": torch.zeros(8, 16)}
        return {n.removeprefix("encoder."): v for n, v in tensors.items() if n.startswith("encoder.")}

    torch.testing.assert_close(states(saved(whisper, change)), whole, rtol=0, atol=0)
    assert type(encoders.load(str(encoders.examine(whisper))).module).__name__ == "WhisperEncoder"


PUBLISHED = {  # settings that published configs have beside those of the sizes
    "wav2vec2": {
        "architectures": ["Wav2Vec2ForPreTraining"], "gradient_checkpointing": True, "torch_dtype": "float32",
        "bos_token_id": 1, "ctc_loss_reduction": "sum", "ctc_zero_infinity": False, "mask_channel_length": 10,
        "num_negatives": 100, "transformers_version": "4.7.0.dev0", "freeze_feat_extract_train": True,
    },
    "whisper": {
        "forced_decoder_ids": [[1, 5], [2, 6]], "suppress_tokens": [1, 2, 7], "max_length": 448,
        "begin_suppress_tokens": [2, 5], "torch_dtype": "float32", "use_cache": True, "num_hidden_layers": 2,
    },
    "wav2vec2-bert": {"adapter_act": "relu", "use_intermediate_ffn_before_adapter": False, "add_adapter": False},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_configs_as_they_were_published_are_read_in_silence(originals, tmp_path, name, capfd, caplog):
    folder = shutil.copytree(originals[name], tmp_path / "published")
    before = states(originals[name])
    edit(folder / CONFIG, **PUBLISHED[name])
    with caplog.at_level(logging.INFO):
        after = states(folder)
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert capfd.readouterr() == ("", "")
    assert [r for r in caplog.records if "transformers" in r.name] == []


def test_an_adapter_after_the_last_layer_is_left_out(folder):
    before = states(folder)
    edit(folder / CONFIG, add_adapter=True, num_adapter_layers=1)
    torch.testing.assert_close(states(folder), before, rtol=0, atol=0)


# The process


def test_nothing_is_asked_of_the_network_and_no_random_number_is_drawn(folder, monkeypatch):
    def forbidden(*arguments, **named):
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    torch.manual_seed(3)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    states(folder)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002


def test_a_second_look_reads_no_weights_and_one_at_changed_files_does(folder, monkeypatch):
    first = encoders.examine(folder)
    monkeypatch.setattr(encoders.encoder_weights, "fingerprint", lambda *arguments: "0" * 12)
    assert encoders.examine(folder) == first
    saved(folder, lambda t: t | {"encoder.layer_norm.bias": t["encoder.layer_norm.bias"] + 1})
    assert encoders.examine(folder).fingerprint == "0" * 12


def test_an_encoder_that_nobody_named_is_refused():
    with pytest.raises(BadInput, match=r"hubert-8x2-400.320-000000000000; allowed: .*--encoder NAME=DIR"):
        encoders.folder_of("hubert-8x2-400.320-000000000000")


def test_a_folder_that_has_become_another_encoder_is_refused(tmp_path):
    folder = demo.make(tmp_path, "wav2vec2", 5, width=16, layers=1)
    identity = str(encoders.examine(folder))
    encoders.remember({identity: folder})
    saved(folder, lambda t: t | {"encoder.layer_norm.bias": t["encoder.layer_norm.bias"] + 1})
    with pytest.raises(BadInput, match=f"allowed: {identity}, as the study has it"):
        encoders.load(identity)


def test_a_model_is_loaded_once_and_learns_nothing(folder):
    states(folder)
    identity = str(encoders.examine(folder))
    model = encoders.load(identity)
    assert encoders.load(identity) is model
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())


def test_only_a_few_models_stay_in_memory(originals):
    for folder in originals.values():
        states(folder)
    assert len(encoders._models) == encoders._MODELS


def test_without_transformers_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setattr(encoder_config, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install 'ser\[pretrained\]'"):
        encoders.examine(folder)

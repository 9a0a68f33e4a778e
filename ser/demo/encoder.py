"""A small encoder of a real architecture with random weights, in the folder that ``save_pretrained`` would write.

It has learned nothing: features of it say whether the software works, and nothing about people. Its weights come from
numpy's generator, so that they are the same on all machines.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ser.data import encoder_config
from ser.data.encoders import RANDOM
from ser.errors import unknown

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ARCHITECTURES = encoder_config.ARCHITECTURES
_WINDOW_S = 4  # of Whisper's real 30
_BANDS = 20


def make(
    folder: Path,
    architecture: str = "wav2vec2",
    seed: int = 0,
    *,
    width: int = 32,
    layers: int = 3,
    norm: str = "group",
) -> Path:
    """Writes config.json, model.safetensors and preprocessor_config.json into ``folder`` and returns it.

    Frames are 320 samples apart, as in the real ones. Hidden states have ``width`` numbers, a multiple of 4, and there
    are ``layers`` transformer layers. ``norm`` is "group", as in wav2vec 2.0 base, or "layer", as in the large ones
    with their layer norm before each layer; Whisper and w2v-BERT have one form. Whisper's windows have 4 s instead of
    30. A file ``RANDOM_WEIGHTS.txt`` says what the folder is. Raises BadInput for another architecture.
    """
    if architecture not in ARCHITECTURES:
        raise unknown(architecture, "architecture", ARCHITECTURES)
    model = _model(architecture, width, layers, norm)
    rng = np.random.default_rng(seed)
    shapes = {name: tuple(tensor.shape) for name, tensor in sorted(model.state_dict().items())}
    weights = {name: _weight(name, shape, rng) for name, shape in shapes.items()}
    _normalise(weights)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, model, weights)
    preprocessor = json.dumps(_preprocessor(architecture), indent=2)
    (folder / encoder_config.PREPROCESSOR).write_text(f"{preprocessor}\n", encoding="utf-8")
    note = f"Random weights of a small {architecture}, made by ser demo. No result with it is a result on people.\n"
    (folder / RANDOM).write_text(note, encoding="utf-8")
    return folder


def _model(architecture: str, width: int, layers: int, norm: str) -> "PreTrainedModel":
    """Returns the whole model of the architecture, whose weights are nowhere."""
    import torch
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    config = AutoConfig.for_model(architecture, **_settings(architecture, width, layers, norm))
    kind: Any = MODEL_MAPPING[type(config)]
    with torch.device("meta"):
        model: PreTrainedModel = kind(config)
    model.config.architectures = [kind.__name__]
    return model


def _settings(architecture: str, width: int, layers: int, norm: str) -> dict[str, Any]:
    if architecture == "whisper":
        ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "decoder_start_token_id": 1}
        decoder = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": width, "vocab_size": 8}
        encoder = {"encoder_layers": layers, "encoder_attention_heads": 2, "encoder_ffn_dim": 2 * width}
        sizes = {"d_model": width, "num_mel_bins": _BANDS, "max_source_positions": 50 * _WINDOW_S}
        return {**sizes, **encoder, **decoder, "max_target_positions": 8, **ends}
    common = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 2 * width,
        "output_hidden_size": width,
    }
    if architecture == "wav2vec2-bert":
        sizes = {"feature_projection_input_dim": 2 * _BANDS, "conv_depthwise_kernel_size": 7}
        return {**common, **sizes, "left_max_position_embeddings": 16, "right_max_position_embeddings": 4}
    convolutions = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    if architecture == "data2vec-audio":  # five small positional convolutions in a row, and layer norm throughout
        return {**common, **convolutions, "num_conv_pos_embeddings": 5, "conv_pos_kernel_size": 7}
    stable = norm == "layer"
    forms = {"feat_extract_norm": norm, "do_stable_layer_norm": stable, "conv_bias": stable}
    return {**common, **convolutions, **forms}


def _weight(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Returns numbers that keep the size of what goes through: norms of 1, small biases, weights by their inputs."""
    if name.endswith("norm.weight") or name.endswith("gru_rel_pos_const"):
        return np.ones(shape, np.float32)
    fan_in = np.prod(shape[1:]) if len(shape) > 1 else 100
    return np.asarray(rng.standard_normal(shape) / np.sqrt(fan_in), np.float32)


def _normalise(weights: dict[str, npt.NDArray[np.float32]]) -> None:
    """Lets the lengths of normalised weights be those of their directions."""
    for name in [name for name in weights if name.endswith("weight.original0")]:
        direction = weights[name.replace("original0", "original1")].astype(np.float64)
        axes = tuple(axis for axis, size in enumerate(weights[name].shape) if size == 1)
        weights[name] = np.sqrt(np.square(direction).sum(axis=axes, keepdims=True)).astype(np.float32)


def _write(folder: Path, model: "PreTrainedModel", weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    from safetensors.numpy import save_file

    model.config.save_pretrained(folder)
    save_file(dict(weights), folder / "model.safetensors", metadata={"format": "pt"})


def _preprocessor(architecture: str) -> dict[str, Any]:
    common = {"sampling_rate": encoder_config.RATE_HZ, "padding_side": "right", "padding_value": 0.0}
    if architecture == "whisper":
        sizes = {"feature_size": _BANDS, "chunk_length": _WINDOW_S, "hop_length": 160, "n_fft": 400}
        return {**common, **sizes, "feature_extractor_type": "WhisperFeatureExtractor"}
    if architecture == "wav2vec2-bert":
        sizes = {"feature_size": _BANDS, "num_mel_bins": _BANDS, "stride": 2}
        return {**common, **sizes, "feature_extractor_type": "SeamlessM4TFeatureExtractor"}
    sizes = {"feature_size": 1, "do_normalize": True}
    return {**common, **sizes, "return_attention_mask": True, "feature_extractor_type": "Wav2Vec2FeatureExtractor"}

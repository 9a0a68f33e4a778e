"""What a folder of an encoder says of it: config.json and preprocessor_config.json, read without its weights.

Three families: waveforms through convolutions (wav2vec 2.0, HuBERT, WavLM, data2vec-audio, UniSpeech(-SAT), and all
whose config has ``conv_kernel`` and ``conv_stride``), log-mel spectra of 30-s windows (Whisper's encoder), and mel
filter banks, two frames side by side (w2v-BERT 2.0). Nothing is ever run that a folder holds.
"""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ser.errors import BadInput

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_BYTES = 1 << 24  # of a config; real ones have some kilobytes
_LARGEST = 100_000  # samples, bands or seconds of a spectrum
_LAYERS = 1000  # that a model is laid out with to be looked at; real ones have 48 at most
RATE_HZ = 16000  # of all these architectures' public weights
ARCHITECTURES = (
    "wav2vec2",
    "hubert",
    "wavlm",
    "data2vec-audio",
    "unispeech",
    "unispeech-sat",
    "wav2vec2-bert",
    "whisper",
)
CONFIG, PREPROCESSOR, PROCESSOR = "config.json", "preprocessor_config.json", "processor_config.json"
Inputs = Literal["waveform", "log_mel", "filter_bank"]
_EXTRACTORS: Mapping[Inputs, str] = {
    "waveform": "Wav2Vec2FeatureExtractor",
    "log_mel": "WhisperFeatureExtractor",
    "filter_bank": "SeamlessM4TFeatureExtractor",
}
_SPECTRA: Mapping[Inputs, tuple[str, ...]] = {
    "log_mel": ("feature_size", "hop_length", "chunk_length", "n_fft", "padding_value"),
    "filter_bank": ("feature_size", "num_mel_bins", "padding_value", "stride"),
}
# Its masks keep padding out of every valid frame. Not so: group norm over time, data2vec's five positional convolutions
# in a row, HuBERT's batch norm before its one.
_MASKED = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "wav2vec2-bert")
# Of config.json: names, what training alone reads, heads and decoders. All else may change a number.
_WITHOUT_NUMBERS = re.compile(
    r"""(_name_or_path | transformers_version | (torch_)?dtype | architectures | use_cache | id2label | label2id
    | problem_type | task_specific_params | vocab_size | output_(attentions|hidden_states|hidden_size) | return_dict
    | is_encoder_decoder | median_filter_width | tie_word_embeddings | gradient_checkpointing | (begin_)?suppress_tokens
    | (add|num)_adapter(_layers)?)$
    | .*(drop | decoder | mask_ | _token_id | ctc_ | codevector | contrastive | diversity | negatives
    | classifier | tdnn_ | xvector | spec_augment | weighted_layer | adapter_(kernel|stride|act) | feat_quantizer | init
    | target_pos)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Description:
    """An encoder as its folder describes it; ``samples`` is the length of a window, 0 where there are none.

    ``normalise``: whether the model expects each utterance with mean 0 and variance 1 (of a waveform: over its samples;
    of filter banks: each band over its frames). ``masks``: whether utterances of several lengths may share a batch.
    """

    folder: Path
    architecture: str
    inputs: Inputs
    width: int
    states: int
    first: int
    hop: int
    samples: int
    normalise: bool
    masks: bool
    config: Mapping[str, Any]
    preprocessor: Mapping[str, Any]

    def frames(self, samples: int) -> int:
        """Returns how many frames so many samples give."""
        return max(0, (samples - self.first) // self.hop + 1)

    @property
    def statement(self) -> dict[str, Any]:
        """All of the two files that may change a number."""
        config = {k: v for k, v in self.config.items() if v is not None and not _WITHOUT_NUMBERS.match(k)}
        return {"config": config, "extractor": self.extractor, "normalise": self.normalise, "rate_hz": RATE_HZ}

    @property
    def extractor(self) -> dict[str, Any]:
        """Settings of transformers' maker of spectra; none of waveforms."""
        names = _SPECTRA.get(self.inputs, ())
        return {name: self.preprocessor[name] for name in names if name in self.preprocessor}

    def settings(self) -> "PretrainedConfig":
        """Returns transformers' config, without what training alone or a head would read. Raises BadInput."""
        return _whole(self.folder, self.architecture, self.config)


def read(folder: Path) -> Description:
    """Returns what the folder says, checked. Raises BadInput; nothing but the two JSON files is read."""
    if find_spec("transformers") is None:
        raise BadInput("no transformers", "--encoder", "the package transformers", "pip install 'ser[pretrained]'")
    if not folder.is_dir():
        value = "no folder" if folder.exists() else "nothing of that name"
        allowed = f"a folder with {CONFIG}, {PREPROCESSOR} and model.safetensors"
        raise BadInput(value, str(folder), allowed, "name the folder that the model was downloaded or saved to")
    config = _json(folder / CONFIG, "of the folder that save_pretrained or a download of the model has written")
    architecture = _architecture(folder, config)
    inputs: Inputs = {"whisper": "log_mel", "wav2vec2-bert": "filter_bank"}.get(architecture, "waveform")  # type: ignore[assignment]
    preprocessor = _preprocessor(folder, inputs)
    values = _values(folder, architecture, config)
    first, hop, samples = _geometry(folder, inputs, values, preprocessor)
    return Description(
        folder=folder,
        architecture=architecture,
        inputs=inputs,
        width=values["hidden_size"],
        states=values["num_hidden_layers"] + 1,
        first=first,
        hop=hop,
        samples=samples,
        normalise=inputs == "filter_bank" or (inputs == "waveform" and bool(preprocessor.get("do_normalize", True))),
        masks=_has_masks(architecture, values),
        config=config,
        preprocessor=preprocessor,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without what transformers prints, and the bars that it draws."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _bad(path: Path, value: str, allowed: str = "a configuration of the encoder") -> BadInput:
    return BadInput(value[:300], str(path), allowed, "take the file that was published with the weights")


def _message(error: Exception) -> str:
    """An error's text in one line, not too long."""
    return " ".join(str(error).split())[:300]


def _json(path: Path, origin: str) -> dict[str, Any]:
    """Returns the object of a JSON file. Raises BadInput where there is none."""
    if path.exists() and not path.is_file():  # a named pipe would be waited for
        raise _bad(path, "no file", "a JSON object")
    try:
        if path.stat().st_size > _BYTES:
            raise _bad(path, f"{path.stat().st_size} bytes", f"a JSON object of {_BYTES} bytes at most")
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"no {path.name}", str(path.parent), f"the {path.name} {origin}", "put it there") from None
    except BadInput:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise _bad(path, f"cannot be read: {_message(error)}", "a JSON object") from None
    if not isinstance(content, dict):
        raise _bad(path, f"a {type(content).__name__}", "a JSON object")
    return content


def _architecture(folder: Path, config: Mapping[str, Any]) -> str:
    """Returns the model type. Raises BadInput for code of the folder's own, and for what gives no hidden states."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if "auto_map" in config:
        remedy = "save the model with an architecture of transformers; no code of a folder is run, whoever wrote it"
        raise BadInput("auto_map: code of its own", str(folder / CONFIG), ", ".join(ARCHITECTURES), remedy)
    architecture = config.get("model_type")
    if not isinstance(architecture, str):
        raise BadInput("no model_type", str(folder / CONFIG), ", ".join(ARCHITECTURES), "take the model's own file")
    fits = architecture in ARCHITECTURES
    if not fits and architecture in CONFIG_MAPPING:
        kind = CONFIG_MAPPING[architecture]()
        fits = bool(getattr(kind, "conv_kernel", 0) and getattr(kind, "conv_stride", 0))
        fits = fits and not hasattr(kind, "squeeze_factor")  # whose layers have fewer frames than their sum says
    if not fits:
        remedy = "name the folder of a speech encoder"
        raise BadInput(f"model_type {architecture!r}", str(folder / CONFIG), ", ".join(ARCHITECTURES), remedy)
    return architecture


def _preprocessor(folder: Path, inputs: Inputs) -> dict[str, Any]:
    """Returns how the model expects its input. Raises BadInput for another rate and for another kind of input."""
    path = folder / PREPROCESSOR
    if not path.is_file() and (folder / PROCESSOR).is_file():  # a processor of transformers 5 writes all into one
        path = folder / PROCESSOR
        content = _json(path, "").get("feature_extractor")
        if not isinstance(content, dict):
            raise BadInput(f"no {PREPROCESSOR}", str(folder), f"the {PREPROCESSOR} of the model", "put it there")
    else:
        content = _json(path, "published with the model, or written by its feature extractor's save_pretrained")
    kind = content.get("feature_extractor_type", _EXTRACTORS[inputs])
    if kind not in (_EXTRACTORS[inputs], "Wav2Vec2FeatureExtractor" if inputs == "waveform" else ""):
        raise _bad(path, f"feature_extractor_type {kind}", _EXTRACTORS[inputs])
    if content.get("sampling_rate", RATE_HZ) != RATE_HZ:
        value = f"sampling_rate {content['sampling_rate']}"
        raise BadInput(value, str(path), str(RATE_HZ), f"take an encoder of speech at {RATE_HZ} Hz")
    padding = content.get("padding_value", 0.0)
    if not isinstance(padding, int | float) or isinstance(padding, bool) or not abs(padding) <= _LARGEST:
        raise _bad(path, f"padding_value {padding}", f"a number, {_LARGEST} at most")
    if content.get("dither"):
        raise BadInput(f"dither {content['dither']}", str(path), "0: no random numbers", "write 0 there")
    return content


def _whole(folder: Path, architecture: str, config: Mapping[str, Any]) -> "PretrainedConfig":
    """Returns the config with transformers' defaults. Raises BadInput where transformers does not take it."""
    from transformers import AutoConfig

    values = {key: value for key, value in config.items() if key != "model_type"}
    try:
        with quiet():
            whole: PretrainedConfig = AutoConfig.for_model(architecture, **values)
    except Exception as error:  # of transformers' own checks, which have no common class
        raise _bad(folder / CONFIG, f"{type(error).__name__}: {_message(error)}") from None
    # No masks, which are of training; no adapter, which makes frames rarer after the last layer.
    for name, value in {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "add_adapter": False}.items():
        if hasattr(whole, name):
            setattr(whole, name, value)
    whole.apply_spec_augment = False
    return whole


def _values(folder: Path, architecture: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that say how many frames there are, of what size. Raises BadInput."""
    whole = _whole(folder, architecture, config)
    sizes = ("hidden_size", "num_hidden_layers", "num_mel_bins", "max_source_positions", "feature_projection_input_dim")
    values = {name: getattr(whole, name) for name in sizes if hasattr(whole, name)}
    for name, size in values.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise _bad(folder / CONFIG, f"{name} {size}", "a whole number, 1 or more")
    if values["num_hidden_layers"] > _LAYERS:
        raise _bad(folder / CONFIG, f"{values['num_hidden_layers']} layers", f"{_LAYERS} or fewer")
    others = ("conv_kernel", "conv_stride", "feat_extract_norm", "conv_pos_batch_norm")
    return values | {name: getattr(whole, name, None) for name in others}


def _geometry(
    folder: Path, inputs: Inputs, values: Mapping[str, Any], preprocessor: Mapping[str, Any]
) -> tuple[int, int, int]:
    """Returns samples of the first frame, samples from frame to frame, and samples of a window (0: any length)."""
    if inputs == "waveform":
        kernels, strides = values["conv_kernel"], values["conv_stride"]
        if len(kernels) != len(strides) or not all(isinstance(n, int) and n > 0 for n in (*kernels, *strides)):
            raise _bad(
                folder / CONFIG, f"conv_kernel {kernels}, conv_stride {strides}", "as many of one as of the other"
            )
        hops = [prod(strides[:i]) for i in range(len(strides) + 1)]
        return 1 + sum((kernel - 1) * hop for kernel, hop in zip(kernels, hops, strict=False)), hops[-1], 0
    if inputs == "filter_bank":
        stride, bands = (_whole_number(folder, preprocessor, *each) for each in (("stride", 2), ("num_mel_bins", 80)))
        if stride * bands != values["feature_projection_input_dim"]:
            value = f"{bands} bands x {stride} frames"
            raise _bad(
                folder / PREPROCESSOR, value, f"{values['feature_projection_input_dim']} in all, as {CONFIG} says"
            )
        return 400 + 160 * (stride - 1), 160 * stride, 0
    sizes = ("feature_size", 80), ("hop_length", 160), ("chunk_length", 30), ("n_fft", 400)
    bands, hop, seconds, _ = (_whole_number(folder, preprocessor, *each) for each in sizes)
    samples = seconds * RATE_HZ
    if bands != values["num_mel_bins"] or samples != 2 * hop * values["max_source_positions"]:
        value = f"{bands} bands, {samples // hop} frames"
        allowed = f"{values['num_mel_bins']} bands, {2 * values['max_source_positions']} frames, as {CONFIG} says"
        raise _bad(folder / PREPROCESSOR, value, allowed)
    return 1, 2 * hop, samples


def _whole_number(folder: Path, preprocessor: Mapping[str, Any], name: str, default: int) -> int:
    size = preprocessor.get(name, default)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= _LARGEST:
        raise _bad(folder / PREPROCESSOR, f"{name} {size}", f"a whole number, 1 to {_LARGEST}")
    return size


def _has_masks(architecture: str, values: Mapping[str, Any]) -> bool:
    return architecture in _MASKED and values["feat_extract_norm"] != "group" and not values["conv_pos_batch_norm"]

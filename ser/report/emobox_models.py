"""The encoders of Ma et al. 2024 (EmoBox) by their shapes, which is all that tells whether one of ours is theirs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """A row of their tables: what tells the encoder, as far as its shape does."""

    name: str  # as printed
    architecture: str  # the library's; "" = the library that reads encoders here has none
    width: int
    states: int  # hidden states: transformer layers and their input


MODELS = (
    Model("wav2vec 2.0 base", "wav2vec2", 768, 13),
    Model("HuBERT base", "hubert", 768, 13),
    Model("HuBERT large", "hubert", 1024, 25),
    Model("WavLM base", "wavlm", 768, 13),
    Model("WavLM large", "wavlm", 1024, 25),
    Model("data2vec base", "data2vec-audio", 768, 13),
    Model("data2vec large", "data2vec-audio", 1024, 25),
    Model("data2vec 2.0 base", "", 768, 13),
    Model("data2vec 2.0 large", "", 1024, 25),
    Model("Whisper large v3", "whisper", 1280, 33),
)

"""Small random encoders beneath the examples of models: shared by tests over all models, and of those on encoders."""

from dataclasses import replace
from typing import Any

from front_end_cases import random_encoder

from ser import registry
from ser.demo.encoder import ARCHITECTURES
from ser.study import EACH

LAYERED = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat")  # that have a form with layer norms throughout
FORMS = [(name, "group") for name in ARCHITECTURES] + [(name, "layer") for name in LAYERED]


def example(name: str) -> tuple[int, Any, int]:
    """The example of a model, over a small encoder where it needs one: width, settings, frames per utterance."""
    width, settings, frames = registry.find("models", name).example()
    if getattr(settings, "encoder", "") == EACH:
        settings = replace(settings, encoder=random_encoder("wav2vec2", width=8, layers=2))
    return width, settings, frames

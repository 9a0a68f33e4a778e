"""Augmentations give the numbers that are recorded for their VERSION."""

import numpy as np
import pytest
import recorded
from made_speech import utterances

from experiments.interaffection import study
from ser.registry import find, names

SETTINGS = {p.name: p.values() for p in study.augmentation}
CODED = {"mp3": 2e-2}  # encoders of other versions round otherwise


@pytest.mark.parametrize("name", names("augment"))
def test_gives_the_recorded_numbers(name):
    wave = utterances()[0].wave
    cases = {
        f"{rate_hz} Hz, seed {seed}": find("augment", name).apply(
            wave, rate_hz, np.random.default_rng(seed), SETTINGS[name], None
        )
        for rate_hz, seed in ((8000, 0), (16000, 1))
    }
    recorded.check("augment", name, 1, cases, CODED.get(name, 1e-4))


def test_every_augmentation_is_recorded_and_nothing_else():
    assert recorded.names("augment") == set(names("augment"))

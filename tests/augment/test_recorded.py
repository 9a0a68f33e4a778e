"""Augmentations give the numbers that are recorded for their VERSION."""

import numpy as np
import pytest
import recorded
from made_speech import utterances

from ser.registry import find, names

CODED = {"mp3": 2e-2}  # encoders of other versions round otherwise


@pytest.mark.parametrize("name", names("augment"))
def test_gives_the_recorded_numbers(name):
    module = find("augment", name)
    wave = utterances()[0].wave
    cases = {
        f"{rate_hz} Hz, seed {seed}": module.apply(wave, rate_hz, np.random.default_rng(seed), module.Settings(), None)
        for rate_hz, seed in ((8000, 0), (16000, 1))
    }
    recorded.check("augment", name, module.VERSION, cases, CODED.get(name, 1e-4))


def test_every_augmentation_is_recorded_and_nothing_else():
    assert recorded.names("augment") == set(names("augment"))

"""Front-ends give the numbers that are recorded for their VERSION."""

import numpy as np
import pytest
import recorded
from front_end_cases import OVERRIDES, settings_with

from ser.registry import find, names

TEXT = "Don't you know? You don't."


def voice(rate_hz, seconds=1.3):
    """A vowel that glides and swells, with a breath of noise: no bin is silent and no peak is a tie."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * (140 * time + 25 * time**2)
    tone = sum(np.sin(number * phase + number) / number for number in range(1, 12))
    swell = 0.35 + 0.3 * np.sin(2 * np.pi * 2.7 * time) ** 2
    return (0.2 * swell * tone + 0.02 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("name", names("frontends"))
def test_gives_the_recorded_numbers(name):
    module = find("frontends", name)
    cases = {}
    for overrides in [{}, *(changed for front_end, changed in OVERRIDES if front_end == name)]:
        settings = settings_with(name, overrides)
        text = (TEXT,) if getattr(module, "READS_TEXT", False) else ()
        case = ", ".join(f"{key}={value}" for key, value in overrides.items()) or "as documented"
        cases[case] = module.extract(voice(settings.rate_hz), settings, *text)
    recorded.check("frontends", name, module.VERSION, cases)


def test_every_front_end_is_recorded_and_nothing_else():
    assert recorded.names("frontends") == set(names("frontends"))

"""Modulation spectra of made envelopes, the six measures by hand, and prosody of a made utterance."""

from dataclasses import replace

import numpy as np
import pytest
from front_end_cases import checked
from scipy.signal import fftconvolve, hilbert, resample

from ser.errors import BadInput
from ser.frontends import _auditory, _prosody_statistics, modulation

STATED = modulation.Settings()
SPECTRA = replace(STATED, prosody=False, measure_statistics=())
CENTRES_HZ = _auditory.centres(19, 125, 3500)
CHANNELS_HZ = (4.0, 8.0, 16.0, 32.0, 64.0)
RATE_HZ = 8000


def seconds(length_s):
    return np.arange(round(length_s * RATE_HZ)) / RATE_HZ


def noise(length_s=1.0, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(length_s * RATE_HZ))).astype(np.float32)


def swelling(hz, modulation_hz, depth=0.5, length_s=2.0, amplitude=0.2):
    t = seconds(length_s)
    swell = 1 + depth * np.sin(2 * np.pi * modulation_hz * t)
    return (amplitude * swell * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def energies_of(wave, channels=CHANNELS_HZ):
    envelopes = _auditory.envelopes(wave, RATE_HZ, 500, 19, 125, 3500)
    return _auditory.energies(envelopes, 500, channels, 2.0, 128, 32)[0]


def test_bands_are_even_on_the_ears_scale():
    assert CENTRES_HZ[[0, -1]] == pytest.approx([125, 3500])
    numbers = 21.4 * np.log10(1 + 4.37 * CENTRES_HZ / 1000)
    np.testing.assert_allclose(np.diff(numbers), np.diff(numbers).mean())
    assert _auditory.bandwidths(np.array([1000.0])) == pytest.approx([132.6], abs=0.1)


def test_envelopes_are_those_of_hilbert_after_a_gammatone():
    wave = noise(0.6)
    found = _auditory.envelopes(wave, RATE_HZ, 500, 19, 125, 3500)
    assert found.shape == (19, 300)
    fine = resample(np.pad(wave.astype(np.float64), (0, 3200)), 4 * 8000)  # so that filters near 4 kHz do not alias
    t = np.arange(4800) / 32000
    for band in (0, 6, 12, 18):
        hz, width = CENTRES_HZ[band], 1.019 * 24.7 * (1 + 0.00437 * CENTRES_HZ[band])
        gammatone = t**3 * np.exp(-2 * np.pi * width * t) * np.cos(2 * np.pi * hz * t)
        gammatone /= np.abs(gammatone @ np.exp(-2j * np.pi * hz * t))
        expected = resample(np.abs(hilbert(fftconvolve(fine, gammatone)[: len(fine)])), 500)[:300]
        np.testing.assert_allclose(found[band], expected, atol=0.015 * expected.max())


def test_a_tone_has_its_amplitude_in_its_band_and_less_in_others():
    found = _auditory.envelopes(swelling(CENTRES_HZ[7], 0), RATE_HZ, 500, 19, 125, 3500)[:, 200:-50]
    np.testing.assert_allclose(found[7], 0.2, rtol=0.01)
    assert set(found.argmax(axis=0)) == {7}
    assert found[[*range(4), *range(11, 19)]].max() < 0.02


@pytest.mark.parametrize("channel", range(4))
@pytest.mark.parametrize("band", [9, 18])
def test_a_swelling_tone_has_its_energy_in_its_channel(band, channel):
    wave = swelling(CENTRES_HZ[band], CHANNELS_HZ[channel])
    found = energies_of(wave)[12:-2].mean(0)  # past the filters' beginning
    assert np.unravel_index(found.argmax(), found.shape) == (band, channel)
    width = 1.019 * _auditory.bandwidths(CENTRES_HZ)[band]
    sidebands = (1 + (CHANNELS_HZ[channel] / width) ** 2) ** -4  # what the gammatone leaves of them
    assert found[band, channel] == pytest.approx(sidebands * (0.2 * 0.5) ** 2 / 2, rel=0.05)
    octave_away = 1 / (1 + 2**2 * (2 - 1 / 2) ** 2)  # of a resonance of quality 2
    assert found[band, channel + 1] == pytest.approx(octave_away * found[band, channel], rel=0.12)


def test_a_steady_envelope_has_no_modulation_once_it_has_begun():
    found = energies_of(swelling(CENTRES_HZ[9], 0))
    assert found[0].max() > 1e-3
    assert found[15:-2].max() < 1e-7


def test_energies_of_a_frame_are_weighed_by_hammings_window():
    envelopes = np.random.default_rng(0).uniform(0, 1, (3, 200)).astype(np.float32)
    found, powers = _auditory.energies(envelopes, 500, (8.0, 64.0), 2.0, 128, 32)
    assert found.shape == (3, 3, 2)
    weight = np.hamming(128) ** 2 / (np.hamming(128) ** 2).sum()
    np.testing.assert_allclose(powers[2], np.square(envelopes[:, 64:192]).sum(0) @ weight, rtol=1e-5)
    short = _auditory.energies(envelopes[:, :50], 500, (8.0,), 2.0, 128, 32)
    padded = _auditory.energies(np.pad(envelopes[:, :50], ((0, 0), (0, 78))), 500, (8.0,), 2.0, 128, 32)
    np.testing.assert_array_equal(short[0], padded[0])


def test_the_measures_are_the_papers_six():
    energies = np.random.default_rng(2).gamma(1, size=(4, 19, 5))
    energies /= energies.sum((1, 2), keepdims=True)
    found = modulation.measures(energies, (4, 10, 15), (1, 3, 5))
    assert found.shape == (4, 5 + 3 + 3 + 3 * 4)
    for e, row in zip(energies, found, strict=True):
        expected = [e[:, j].sum() / 19 for j in range(5)]
        expected += [np.prod(e[:, j]) ** (1 / 19) / e[:, j].mean() for j in (0, 2, 4)]
        expected += [sum((i + 1) * e[i, j] for i in range(19)) / e[:, j].sum() for j in (0, 2, 4)]
        groups = [e[a:b].sum(0) for a, b in ((0, 4), (4, 10), (10, 15), (15, 19))]
        expected += [sum((j + 1) * g[j] for j in range(5)) / g.sum() for g in groups]
        lines = [np.polyfit(np.arange(5), g, 1) for g in groups]
        expected += [line[0] for line in lines]
        residuals = [g - np.polyval(line, np.arange(5)) for g, line in zip(groups, lines, strict=True)]
        expected += [np.sqrt(np.mean(r**2)) for r in residuals]
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-12)


def test_means_of_energies_of_unit_frames_come_first_then_statistics_of_measures():
    wave = noise()
    found = modulation.extract(wave, replace(STATED, prosody=False))
    assert found.shape == (1, 19 * 5 + 2 * 23)
    energies = energies_of(wave) + 1e-12
    energies /= energies.sum((1, 2), keepdims=True)
    np.testing.assert_allclose(found[0, :95], energies.mean(0).ravel(), rtol=1e-5)
    assert found[0, :95].sum() == pytest.approx(1, rel=1e-5)
    measures = modulation.measures(energies, (4, 10, 15), (1, 3, 5))
    np.testing.assert_allclose(found[0, 95:], [*measures.mean(0), *measures.std(0)], rtol=1e-4, atol=1e-7)


def test_unit_energies_forget_how_loud_it_was_and_others_do_not():
    wave, rest = noise(), {"energy_statistics": ("mean", "std")}
    loud, soft = (modulation.extract(g * wave, replace(SPECTRA, **rest)) for g in (np.float32(1), np.float32(0.1)))
    np.testing.assert_allclose(loud, soft, rtol=1e-3, atol=1e-6)
    loud, soft = (modulation.extract(g * wave, replace(SPECTRA, unit=False)) for g in (np.float32(1), np.float32(0.1)))
    np.testing.assert_allclose(loud, 100 * soft, rtol=1e-3)
    logs = [
        modulation.extract(g * wave, replace(SPECTRA, unit=False, log=True)) for g in (np.float32(1), np.float32(0.1))
    ]
    np.testing.assert_allclose(logs[0], logs[1] + 2, atol=1e-3)


def test_frames_far_below_the_loudest_are_left_out():
    wave = np.concatenate([swelling(CENTRES_HZ[5], 8, length_s=1.0), 1e-3 * swelling(CENTRES_HZ[15], 8)])
    strict, lax = (
        modulation.extract(wave, replace(SPECTRA, active_db=db)).reshape(19, 5).sum(1) for db in (40.0, 100.0)
    )
    assert strict[14:17].sum() < 0.02
    assert lax[14:17].sum() > 0.2


def test_silence_is_spread_evenly_and_has_no_prosody():
    found = modulation.extract(np.zeros(6000, np.float32), STATED)[0]
    np.testing.assert_allclose(found[:95], 1 / 95, rtol=1e-5)
    expected = [1 / 95] * 5 + [1] * 3 + [10] * 3 + [3] * 4
    np.testing.assert_allclose(found[95:110], expected, rtol=1e-5)
    np.testing.assert_allclose(found[110:141], 0, atol=1e-6)
    of_pitch, rate = found[141:165], found[-4:]
    assert not of_pitch.any()
    assert not rate.any()


def test_the_width_follows_the_settings():
    assert modulation.width(STATED) == 19 * 5 + 2 * 23 + 4 * 12 + 10
    settings = replace(STATED, modulation_hz=(4.0, 8.0), measured=(2,), divisions=(), contour_statistics=())
    assert modulation.extract(noise(), settings).shape == (1, modulation.width(settings)) == (1, 38 + 2 * 7 + 10)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"envelope_hz": 300}, "envelope_hz: 300; allowed: divisors of 8000"),
        ({"high_hz": 4000.0}, "low_hz, front_end.high_hz: 125 and 4000"),
        ({"modulation_hz": (4.0, 250.0)}, "modulation_hz: 250; allowed: between 0 and 250"),
        ({"divisions": (4, 19)}, r"divisions: \(4, 19\); allowed: ascending, from 1 to 18"),
        ({"divisions": (10, 4)}, r"divisions: \(10, 4\)"),
        ({"measured": (0, 1)}, r"measured: \(0, 1\); allowed: 1 or more"),
        ({"measured": (1, 6)}, r"measured: \(1, 6\)"),
        ({"hop_s": 1e-4}, "window_s, front_end.hop_s: 128 and 0 samples"),
        ({"frame": 2}, "frame: 2; allowed: 3 or more"),
    ],
)
def test_refuses_settings_that_do_not_fit(wrong, place):
    with pytest.raises(BadInput, match=f"front_end.{place}"):
        modulation.extract(noise(), checked(replace(STATED, **({"measured": (1,)} | wrong))))


def spoken():
    """Half a second at 150 Hz and a quarter at 210 Hz between pauses, with a hiss in the second pause."""
    t = seconds(2.0)
    hz = np.where(t < 1, 150.0, 210.0)
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    voiced = ((t > 0.2) & (t < 0.7)) | ((t > 1.4) & (t < 1.65))
    voice = voiced * sum(0.1 * np.cos(k * phase + k * k) / k for k in range(1, 12))
    hiss = ((t > 0.9) & (t < 1.2)) * noise(2.0) * 0.3
    return (voice + hiss).astype(np.float32)


def statistics_of(wave, names):
    found = _prosody_statistics.statistics(wave, replace(STATED, contour_statistics=names))
    contours = found[:-10].reshape(4, len(names))
    return dict(zip(("hz", "hz_change", "db", "db_change"), contours, strict=True)), found[-10:]


def test_pitch_is_that_of_voiced_frames_and_intensity_that_of_active_ones():
    contours, _ = statistics_of(spoken(), ("min", "median", "max"))
    np.testing.assert_allclose(contours["hz"], [150, 150, 210], rtol=0.01)
    assert np.abs(contours["hz_change"]).max() < 2  # none from 150 to 210 Hz, over the pause
    assert contours["db"][0] > contours["db"][2] - 40
    quiet, _ = statistics_of(spoken() * np.float32(0.1), ("min", "median", "max"))
    np.testing.assert_allclose(quiet["db"], contours["db"] - 20, atol=0.01)
    np.testing.assert_allclose(quiet["hz"], contours["hz"], rtol=1e-3)


def test_the_speaking_rate_counts_voiced_runs():
    _, others = statistics_of(spoken(), ())
    runs, mean_s, deviation_s, share = others[-4:]
    assert runs == pytest.approx(1, rel=0.05)  # two within two seconds
    assert mean_s == pytest.approx(0.375, abs=0.04)
    assert deviation_s == pytest.approx(0.125, abs=0.02)
    assert share == pytest.approx(0.75 / 1.05, abs=0.06)


def test_jitter_and_shimmer_are_the_shares_by_which_pitch_and_amplitude_change():
    t = seconds(1.0)
    steady = np.sin(2 * np.pi * 200 * t)
    _, others = statistics_of((0.2 * steady).astype(np.float32), ())
    np.testing.assert_allclose(others[:2], 0, atol=1e-4)
    growing = 0.1 * np.exp(t) * np.sin(2 * np.pi * 200 * np.exp(0.5 * t) / 0.5)  # F0 grows by 0.5 % in a frame
    _, others = statistics_of(growing.astype(np.float32), ())
    assert others[0] == pytest.approx(0.005, rel=0.05)
    assert others[1] == pytest.approx(0.01, rel=0.05)


def test_crossings_and_teagers_energy_of_a_sine_are_known():
    wave = (0.2 * np.sin(2 * np.pi * 500 * seconds(1.0) + 0.1)).astype(np.float32)
    _, others = statistics_of(wave, ())
    crossings, crossings_std, teager, teager_std = others[2:6]
    assert crossings == pytest.approx(2 * 500 / 8000, abs=0.004)
    assert teager == pytest.approx(20 * np.log10(0.2 * np.sin(2 * np.pi * 500 / 8000)), abs=1e-3)
    assert crossings_std < 2e-3
    assert teager_std < 1e-3

"""Spectrogram images against librosa and sums by hand: levels, size, silence, pieces, and what does not go together."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
from front_end_cases import checked

from ser.errors import BadInput
from ser.frontends import spectrogram

RATE_HZ = 16000
PAPER = spectrogram.Settings()
NATURAL = replace(PAPER, bins=0, rows=0, low_hz=0.0, scale="none")
MUSTAQEEM = replace(PAPER, bins=128, rows=128, silence_db=30.0, seconds=3.0)
PIECES = replace(NATURAL, patch=40, step=40)


def noise(samples, seed=0, loudness=0.1):
    return (loudness * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def tone(hz, samples=RATE_HZ):
    return np.sin(2 * np.pi * hz * np.arange(samples) / RATE_HZ).astype(np.float32)


def levels(wave, window=512, hop=128, fft=512, top_db=80.0):
    spectrum = librosa.stft(
        wave.astype(np.float64), n_fft=fft, hop_length=hop, win_length=window, window="hann", center=False
    )
    return librosa.power_to_db(np.abs(spectrum) ** 2, ref=1.0, amin=1e-10, top_db=top_db).T


def by_area(image, rows, bins):
    """Each output pixel is the mean of ``image`` drawn rows x bins times as large."""
    tall = np.repeat(image, rows, axis=0).reshape(rows, -1, image.shape[1]).mean(1)
    return np.repeat(tall, bins, axis=1).reshape(rows, bins, -1).mean(2)


@pytest.mark.parametrize("top_db", [30.0, 80.0, 200.0])
def test_levels_are_librosas(top_db):
    wave = noise(12345)
    wave[4000:6000] *= 1e-4
    found = spectrogram.extract(wave, replace(NATURAL, top_db=top_db))
    np.testing.assert_allclose(found, levels(wave, top_db=top_db), rtol=0, atol=2e-3)


def test_a_transform_may_be_longer_than_its_window():
    wave = noise(4000)
    found = spectrogram.extract(wave, replace(NATURAL, window=320, hop=160, fft=512))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320)
    spectra = np.fft.rfft([wave[at : at + 320] * window for at in range(0, 4000 - 319, 160)], 512)
    np.testing.assert_allclose(found, 10 * np.log10(np.abs(spectra) ** 2), rtol=0, atol=2e-3)


def test_the_image_goes_from_0_at_top_db_under_the_greatest_to_1_at_it_whatever_the_gain():
    wave = noise(12345)
    image, louder = (spectrogram.extract(g * wave, replace(NATURAL, scale="image", top_db=40.0)) for g in (1, 8))
    expected = levels(wave, top_db=40.0)
    np.testing.assert_allclose(image, 1 + (expected - expected.max()) / 40, rtol=0, atol=1e-4)
    assert image.max() == 1
    assert image.min() == 0
    np.testing.assert_allclose(image, louder, rtol=0, atol=1e-5)


def test_silence_is_black_and_at_the_floor():
    wave = np.zeros(8000, np.float32)
    assert not spectrogram.extract(wave, PAPER).any()
    assert not spectrogram.extract(wave, MUSTAQEEM).any()
    np.testing.assert_allclose(spectrogram.extract(wave, NATURAL), -100, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("rows", "bins"), [(256, 256), (5, 7), (200, 300), (89, 257), (88, 257)])
def test_the_image_is_averaged_by_area_or_stretched_to_its_size(rows, bins):
    wave = noise(512 + 88 * 128)
    natural = spectrogram.extract(wave, NATURAL)
    assert natural.shape == (89, 257)
    found = spectrogram.extract(wave, replace(NATURAL, rows=rows, bins=bins))
    assert found.shape == (rows, bins)
    np.testing.assert_allclose(found, by_area(natural.astype(np.float64), rows, bins), rtol=0, atol=1e-4)
    if (rows, bins) == natural.shape:
        np.testing.assert_array_equal(found, natural)


def test_the_papers_image_has_a_tone_where_it_belongs_and_the_whole_recording():
    wave = np.concatenate([tone(1000, 20000), tone(3000, 20000)])
    image = spectrogram.extract(wave, PAPER)
    assert image.shape == (256, 256)
    assert set(image[:120].argmax(1)) == {1000 * 512 // RATE_HZ - 1}  # the first of its bins is 31.25 Hz
    assert set(image[-120:].argmax(1)) == {3000 * 512 // RATE_HZ - 1}


def test_only_bins_within_the_limits_are_kept():
    wave = noise(4000)
    whole = spectrogram.extract(wave, replace(NATURAL, top_db=200.0))
    cut = replace(NATURAL, low_hz=300.0, high_hz=4000.0, top_db=200.0)
    assert spectrogram.width(cut) == 119
    np.testing.assert_array_equal(spectrogram.extract(wave, cut), whole[:, 10:129])
    one = replace(NATURAL, low_hz=1000.0, high_hz=1000.0, top_db=200.0)
    np.testing.assert_array_equal(spectrogram.extract(wave, one), whole[:, 32:33])


@pytest.mark.parametrize("samples", [100, 15999, 16000, 16001, 40001])
@pytest.mark.parametrize("crop", ["start", "centre"])
def test_seconds_crop_and_pad_at_the_end_or_at_both(samples, crop):
    wave = noise(samples)
    missing = RATE_HZ - samples
    before = 0 if crop == "start" else abs(missing) // 2
    whole = np.pad(wave, (before, missing - before)) if missing > 0 else wave[before : before + RATE_HZ]
    settings = replace(NATURAL, seconds=1.0, crop=crop)
    found = spectrogram.extract(wave, settings)
    assert len(found) == spectrogram.frames(samples, settings) == 1 + (RATE_HZ - 512) // 128
    np.testing.assert_array_equal(found, spectrogram.extract(whole, NATURAL))


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_what_is_shorter_than_a_window_is_padded_to_it(seconds):
    wave = noise(130)
    found = spectrogram.extract(wave, replace(NATURAL, seconds=seconds))
    expected = spectrogram.extract(np.pad(wave, (0, 382)), NATURAL)
    np.testing.assert_array_equal(found, expected)
    assert len(found) == 1


def test_pieces_that_are_quiet_beside_the_loudest_are_cut_out():
    loud = [noise(3200, seed) for seed in (1, 2)]
    quiet, hushed = noise(1600, 3, loudness=0.01), noise(960, 4, loudness=1e-4)
    wave = np.concatenate([hushed, loud[0], quiet, hushed, loud[1], hushed[:100]])
    settings = replace(NATURAL, rows=64, silence_db=30.0)
    for threshold, kept in ((30.0, [loud[0], quiet, loud[1]]), (15.0, loud)):
        found = spectrogram.extract(wave, replace(settings, silence_db=threshold))
        np.testing.assert_array_equal(found, spectrogram.extract(np.concatenate(kept), replace(NATURAL, rows=64)))
    padded = spectrogram.extract(wave, replace(settings, seconds=1.0))
    expected = spectrogram.extract(np.concatenate([loud[0], quiet, loud[1]]), replace(NATURAL, rows=64, seconds=1.0))
    np.testing.assert_array_equal(padded, expected)


def test_pieces_of_silence_are_as_long_as_told():
    wave = np.concatenate([noise(160), np.zeros(160, np.float32)] * 20)
    short, long = (
        spectrogram.extract(wave, replace(MUSTAQEEM, seconds=0.0, silence_ms=ms, scale="none")) for ms in (10, 20)
    )
    assert short.min() > long.min() + 5  # pieces of 20 ms are half sound and all kept
    np.testing.assert_array_equal(
        short,
        spectrogram.extract(wave[np.arange(6400) % 320 < 160], replace(PAPER, rows=128, bins=128, scale="none")),
    )


@pytest.mark.parametrize("samples", [1, 512, 512 + 39 * 128, 512 + 40 * 128, 512 + 79 * 128 + 127, 20000])
@pytest.mark.parametrize("rest", ["pad", "drop"])
@pytest.mark.parametrize("step", [40, 20, 50])
def test_pieces_follow_each_other_and_the_last_is_padded_or_dropped(samples, rest, step):
    settings = replace(PIECES, step=step, rest=rest, scale="image")
    wave = noise(samples)
    found = spectrogram.extract(wave, settings)
    assert len(found) == spectrogram.frames(samples, settings)
    natural = 1 + max(0, samples - 512) // 128
    starts = [0]
    while starts[-1] + (40 if rest == "pad" else 39 + step) < natural:
        starts.append(starts[-1] + step)
    assert len(found) == 40 * len(starts)
    whole = spectrogram.extract(np.pad(wave, (0, 60 * 128 + 512)), replace(NATURAL, scale="image"))
    if rest == "pad":
        np.testing.assert_array_equal(found, np.concatenate([whole[at : at + 40] for at in starts]))
    else:
        used = np.pad(wave, (0, 512 + 39 * 128))[: 512 + (starts[-1] + 39) * 128]
        alone = spectrogram.extract(used, replace(NATURAL, scale="image"))
        np.testing.assert_array_equal(found, np.concatenate([alone[at : at + 40] for at in starts]))


def test_pieces_may_have_fewer_bins():
    wave = noise(20000)
    found = spectrogram.extract(wave, replace(PIECES, bins=32))
    whole = spectrogram.extract(wave, PIECES)
    np.testing.assert_allclose(found, by_area(whole.astype(np.float64), len(whole), 32), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"crop": "end"}, "crop: end; allowed: start, centre"),
        ({"scale": "log"}, "scale: log; allowed: image, none"),
        ({"rest": "keep"}, "rest: keep; allowed: pad, drop"),
        ({"patch": 40, "rows": 0}, "patch 40, step 0.*allowed: with patch a step"),
        ({"patch": 40, "step": 40, "rows": 128}, "rows 128.*allowed: with patch a step, and no seconds, rows"),
        ({"patch": 40, "step": 40, "seconds": 1.0, "rows": 0}, "seconds 1,.*and no seconds"),
        ({"patch": 40, "step": 40, "silence_db": 30.0, "rows": 0}, "silence_db 30.*no seconds, rows or silence_db"),
        ({"silence_db": 30.0, "rows": 0}, "silence_db with seconds or rows"),
        ({"silence_db": -30.0}, "silence_db: -30.0; allowed: 0 or more"),
        ({"top_db": 0.0}, "top_db: 0.0; allowed: more than 0"),
        ({"low_hz": 5000.0, "high_hz": 4000.0}, "5000 and 4000; allowed: a bin of 31.25 Hz"),
        ({"high_hz": 9000.0}, "20 and 9000"),
        ({"window": 1024}, "window: 1024; allowed: 1 to 512"),
    ],
)
def test_refuses_what_does_not_go_together(changed, said):
    with pytest.raises(BadInput, match=said):
        spectrogram.extract(noise(8000), checked(replace(PAPER, **changed)))

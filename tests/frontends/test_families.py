"""Paper 004's families of descriptors, frame by frame, against librosa and PyWavelets; rhythm against made beats."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import pywt
from front_end_cases import checked

from ser.errors import BadInput
from ser.frontends import chroma, frequency_domain, rhythm, time_domain, wavelet

RATE_HZ = 16000
TIME, FREQUENCY, CHROMA = time_domain.Settings(), frequency_domain.Settings(), chroma.Settings()
RHYTHM, WAVELET = rhythm.Settings(), wavelet.Settings()
PER_FRAME = pytest.mark.parametrize("module", [time_domain, frequency_domain, chroma, wavelet])


def vowel(seconds=1.0, hz=190.0, seed=0):
    """Harmonics whose pitch and loudness move, in a little noise."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * hz * (t + 0.02 * np.sin(5 * t))
    tones = sum(np.sin(k * phase) / k for k in range(1, 15))
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (0.1 * (1.1 + np.sin(9 * t)) * tones + 0.003 * noise).astype(np.float32)


def tone(hz, seconds=0.5):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def beats(bpm, seconds, seed=0):
    """Bursts of noise at even distances, over faint noise."""
    rng = np.random.default_rng(seed)
    wave = 1e-4 * rng.standard_normal(round(seconds * RATE_HZ))
    for start in np.arange(0.1, seconds - 0.1, 60 / bpm):
        at = round(start * RATE_HZ)
        wave[at : at + 800] += 0.3 * rng.standard_normal(800) * np.exp(-np.arange(800) / 200)
    return wave.astype(np.float32)


@pytest.mark.parametrize(("samples", "count"), [(1, 1), (511, 1), (2048, 1), (2559, 1), (2560, 2), (16000, 28)])
@PER_FRAME
def test_has_one_frame_per_whole_window(module, samples, count):
    settings = replace(module.Settings(), window=2048, hop=512)
    settings = replace(settings, fft=2048) if hasattr(settings, "fft") else settings
    assert module.frames(samples, settings) == count
    assert module.extract(vowel()[:samples], settings).shape == (count, module.width(settings))


@PER_FRAME
def test_a_short_wave_is_the_same_with_zeros_behind_it(module):
    short = vowel()[:300]
    filled = np.pad(short, (0, module.Settings().window - 300))
    np.testing.assert_array_equal(module.extract(short, module.Settings()), module.extract(filled, module.Settings()))


@pytest.mark.parametrize("module", [time_domain, frequency_domain, chroma])
def test_a_frame_is_described_by_its_own_samples_alone(module):
    wave, settings = vowel(), module.Settings()
    found = module.extract(wave, settings)
    third = wave[2 * settings.hop :][: settings.window]
    np.testing.assert_allclose(module.extract(third, settings)[0], found[2], rtol=1e-5, atol=1e-6)


def test_time_domain_is_librosas_where_librosa_has_it():
    wave = vowel()
    wave[5000:9000] = 0
    wave[9000:9500] *= 1e-10  # to librosa as good as zero
    found = time_domain.extract(wave, TIME)
    frames = {"frame_length": 400, "hop_length": 160, "center": False}
    np.testing.assert_allclose(found[:, 0], librosa.feature.rms(y=wave, **frames)[0], rtol=1e-4, atol=1e-12)
    windows = librosa.util.frame(wave.astype(np.float64), frame_length=400, hop_length=160).T
    negative = np.signbit(np.where(np.abs(windows) <= 1e-10, 0, windows))  # as librosa has it, which takes 3 s for it
    np.testing.assert_allclose(found[:, 1], np.abs(np.diff(negative)).mean(1) * 399 / 400, rtol=1e-6)
    strict = time_domain.extract(wave, replace(TIME, zero=0.0))
    assert strict[56, 1] > found[56, 1]  # the faint part alone
    np.testing.assert_array_equal(strict[:30, 1], found[:30, 1])


def test_temporal_centroid_says_where_in_the_frame_the_energy_is():
    wave = np.zeros(400, np.float32)
    wave[[100, 300]] = 0.1, 0.2  # energies 1 to 4
    assert time_domain.extract(wave, TIME)[0, 2] == pytest.approx((100.5 + 4 * 300.5) / 5 / 400)
    steady = np.full(400, 0.1, np.float32)
    assert time_domain.extract(steady, TIME)[0, 2] == pytest.approx(0.5)


def test_variance_is_that_of_the_signal_without_its_offset():
    wave = vowel()[:400]
    expected = np.var(wave.astype(np.float64))
    for offset in (0, 0.25):
        assert time_domain.extract(wave + np.float32(offset), TIME)[0, 3] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("rolloff", "fft"), [(0.85, 512), (0.5, 512), (0.95, 1024)])
def test_frequency_domain_is_librosas(rolloff, fft):
    wave = vowel()
    wave[5000:9000] = 0
    windows = librosa.util.frame(wave.astype(np.float64), frame_length=400, hop_length=160)
    hann = librosa.filters.get_window("hann", 400)[:, None]
    magnitudes = np.abs(np.fft.rfft(windows * hann, fft, axis=0))
    given = {"S": magnitudes, "sr": RATE_HZ, "n_fft": fft}
    expected = [
        librosa.feature.spectral_centroid(**given)[0],
        librosa.feature.spectral_bandwidth(**given)[0],
        librosa.feature.spectral_rolloff(**given, roll_percent=rolloff)[0],
    ]
    found = frequency_domain.extract(wave, replace(FREQUENCY, rolloff=rolloff, fft=fft))
    np.testing.assert_allclose(found.T, expected, rtol=1e-6)
    assert (found[32:54] == 0).all()  # frames of zeros alone


def test_frequency_domain_is_librosas_from_the_wave_on_where_window_and_transform_are_one():
    wave = vowel()
    options = {"y": wave, "sr": RATE_HZ, "n_fft": 512, "hop_length": 256, "center": False}
    found = frequency_domain.extract(wave, replace(FREQUENCY, window=512, hop=256))
    np.testing.assert_allclose(found[:, 0], librosa.feature.spectral_centroid(**options)[0], rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], librosa.feature.spectral_bandwidth(**options)[0], rtol=1e-5)
    np.testing.assert_array_equal(found[:, 2], librosa.feature.spectral_rolloff(**options)[0])


def test_a_tone_has_its_frequency_for_centroid_and_roll_off_and_next_to_no_bandwidth():
    found = frequency_domain.extract(tone(1000), FREQUENCY)
    np.testing.assert_allclose(found[:, [0, 2]], 1000, atol=40)
    assert (found[:, 1] < 120).all()


@pytest.mark.parametrize(
    ("settings", "filters"),
    [
        ({}, {}),
        ({"norm": "sum"}, {}),
        ({"norm": "none"}, {}),
        ({"octave": 4.0, "octaves": 1.0}, {"ctroct": 4.0, "octwidth": 1.0}),
        ({"rate_hz": 22050, "window": 1024, "hop": 256}, {}),
    ],
)
def test_chroma_is_librosas(settings, filters):
    settings = replace(CHROMA, **settings)
    wave = vowel()
    wave[4000:9000] = 0
    shape = {"sr": settings.rate_hz, "n_fft": settings.window, "hop_length": settings.hop}
    norm = {"max": np.inf, "sum": 1, "none": None}[settings.norm]
    expected = librosa.feature.chroma_stft(y=wave, **shape, norm=norm, tuning=0, center=False, **filters)
    found = chroma.extract(wave, settings)
    np.testing.assert_allclose(found, expected.T, rtol=1e-4, atol=1e-6 * expected.max())


@pytest.mark.parametrize(("hz", "pitch"), [(261.63, 0), (277.18, 1), (440, 9), (880, 9), (493.88, 11)])
def test_chroma_of_a_tone_is_its_pitch_class_whatever_its_octave(hz, pitch):
    found = chroma.extract(tone(hz), CHROMA)
    assert set(found.argmax(1)) == {pitch}
    np.testing.assert_array_equal(found.max(1), 1)


@pytest.mark.parametrize(("name", "early"), [("db4", (4, 2, 2, 1, 0)), ("haar", (0, 0, 0, 0, 0))])
def test_wavelet_describes_each_frames_part_of_the_sub_bands_of_the_whole(name, early):
    wave = vowel()
    found = wavelet.extract(wave, replace(WAVELET, wavelet=name, levels=4))
    bands = pywt.wavedec(wave.astype(np.float64), name, "zero", level=4)
    for at in (0, 7, 60):
        parts = []
        for band, step, skipped in zip(bands, (16, 16, 8, 4, 2), early, strict=True):
            parts.append(band[skipped + 256 * at // step :][: 512 // step])
        expected = [np.log(np.mean(b**2) + 1e-10) for b in parts]
        expected += [np.mean(np.abs(b)) for b in parts] + [np.std(b) for b in parts]
        np.testing.assert_allclose(found[at], expected, rtol=1e-5, atol=1e-8)


def test_wavelet_takes_all_levels_that_a_window_has():
    assert (
        wavelet.extract(vowel(), replace(WAVELET, levels=6)).shape[1] == wavelet.width(replace(WAVELET, levels=6)) == 21
    )


def test_wavelet_finds_a_tone_in_the_band_of_its_octave():
    for band, hz in enumerate((125, 354, 707, 1414, 2828, 5657)):  # the lowest to 250 Hz, then octaves
        found = wavelet.extract(tone(hz), WAVELET).reshape(-1, 3, 6)[1:-1]
        assert (found.argmax(2) == band).all(), hz


@pytest.mark.parametrize("name", ["db4", "haar", "sym8"])
def test_wavelet_keeps_the_energy_and_where_it_is(name):
    wave = np.zeros(16000, np.float32)
    wave[6000:9000] = vowel()[6000:9000]
    settings = replace(WAVELET, window=1024, hop=1024, wavelet=name, floor=1e-30)
    squares = np.exp(wavelet.extract(wave, settings)[:, :6].astype(np.float64))
    energies = squares @ (1024 / 2.0 ** np.array([5, 5, 4, 3, 2, 1]))
    expected = np.square(wave[:15360].astype(np.float64)).reshape(15, 1024).sum(1)
    assert energies.sum() == pytest.approx(expected.sum(), rel=1e-4)
    np.testing.assert_allclose(energies, expected, rtol=0, atol=0.07 * expected.max())  # db4 delays low tones more


def test_silence_says_so():
    silence = np.zeros(3000, np.float32)
    for module in (time_domain, frequency_domain, chroma, rhythm):
        assert not module.extract(silence, module.Settings()).any()
    found = wavelet.extract(silence, WAVELET)
    np.testing.assert_allclose(found[:, :6], np.log(1e-10))
    assert not found[:, 6:].any()


def test_onsets_are_librosas():
    wave = vowel(3.0)
    mel = librosa.feature.melspectrogram(y=wave, sr=RATE_HZ, n_fft=512, hop_length=160, center=False, n_mels=40)
    expected = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=RATE_HZ, center=False)
    np.testing.assert_allclose(rhythm._onsets(wave, RHYTHM), expected[1:], rtol=0, atol=1e-3)


def test_repetition_is_librosas_autocorrelation_of_pieces_that_reach_the_end():
    onsets = np.random.default_rng(0).random(500)
    found = rhythm._autocorrelation(onsets, replace(RHYTHM, enhanced=False, least_db=0.0))
    assert found.shape == (3, 300)  # 200 frames more than a piece, in steps of at most 150
    for row, start in zip(found, (0, 100, 200), strict=True):
        piece = onsets[start : start + 300]
        expected = librosa.autocorrelate(piece - piece.mean())
        np.testing.assert_allclose(row, np.maximum(expected / expected[0], 0), rtol=0, atol=1e-10)


def test_the_highest_peaks_of_each_piece_are_summits_of_parabolas():
    lags = np.arange(200.0)
    piece = sum(np.maximum(h - 0.01 * (lags - at) ** 2, 0) for at, h in ((50.3, 0.9), (100.2, 0.5), (150, 0.7)))
    other = np.maximum(0.4 - 0.01 * (lags - 80) ** 2, 0)
    tempi, heights = rhythm._peaks(np.stack([piece, other]), 100.0, replace(RHYTHM, peaks=2))
    np.testing.assert_allclose(tempi, [6000 / 50.3, 6000 / 150, 6000 / 80])
    np.testing.assert_allclose(heights, [0.9, 0.7, 0.4])
    for limits in ({"low_bpm": 75.0}, {"high_bpm": 75.0}):  # which both belong to the tempi
        assert 75 in rhythm._peaks(np.stack([piece, other]), 100.0, replace(RHYTHM, **limits))[0]


@pytest.mark.parametrize("seconds", [3, 8])
@pytest.mark.parametrize("bpm", [50, 75, 100, 120, 150, 180])
def test_rhythm_knows_the_tempo_of_even_beats(bpm, seconds):
    row = rhythm.extract(beats(bpm, seconds), RHYTHM)[0]
    assert row[0] == pytest.approx(bpm, rel=0.01)
    assert (bpm - 40) // 10 in {row[7:].argmax(), row[7:].argmax() + 1}  # a tempo on a border may be in either bin


def test_the_measures_are_of_the_histogram():
    row = rhythm.extract(beats(125, 8), RHYTHM)[0]
    measures, histogram = row[:7], row[7:]
    second, first = np.sort(histogram)[-2:]
    shares = histogram[histogram > 0] / histogram.sum()
    entropy = -(shares * np.log(shares)).sum() / np.log(16)
    expected = [first / histogram.sum(), second / histogram.sum(), second / first, histogram.sum(), entropy]
    np.testing.assert_allclose(measures[2:], expected, rtol=1e-5)
    assert measures[1] == pytest.approx(125 / 3, rel=0.01)  # every third beat
    assert 0 < second < first <= 3


def test_enhancement_takes_away_half_the_tempo():
    plain, enhanced = (rhythm.extract(beats(150, 6), replace(RHYTHM, enhanced=e))[0, 7:] for e in (False, True))
    assert plain[3] > 0.3  # 75 beats a minute
    assert enhanced[3] < 0.1
    assert enhanced[11] > 0.5


def test_loudness_does_not_change_the_rhythm():
    wave = beats(110, 4)
    found, quiet = (rhythm.extract(g * wave, replace(RHYTHM, top_db=30.0)) for g in (np.float32(1), np.float32(0.5)))
    np.testing.assert_allclose(found, quiet, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "wave",
    [np.full(48000, 0.3, np.float32), tone(440, 3.0), beats(100, 0.35), tone(200, 0.01)],
    ids=["offset", "tone", "one beat", "too short"],
)
def test_without_a_rhythm_there_is_none(wave):
    assert not rhythm.extract(wave, RHYTHM).any()


@pytest.mark.parametrize(
    ("module", "wrong", "said"),
    [
        (frequency_domain, {"rolloff": 1.0}, "rolloff: 1.0; allowed: more than 0, less than 1"),
        (frequency_domain, {"fft": 256}, "window: 400; allowed: 1 to 256"),
        (chroma, {"norm": "l3"}, "norm: l3; allowed: max, sum, none"),
        (wavelet, {"wavelet": "morl"}, "wavelet: 'morl'"),
        (wavelet, {"levels": 7}, "levels: 7; allowed: 1 to 6 for windows of 512"),
        (wavelet, {"levels": 0}, "levels: 0; allowed: 1 or more"),
        (wavelet, {"hop": 160, "levels": 6}, "window, front_end.hop: 512 and 160; allowed: multiples of 64"),
        (rhythm, {"low_bpm": 200.0}, "low_bpm, front_end.high_bpm: 200 and 200"),
        (rhythm, {"bins": 1}, "bins: 1; allowed: 2 or more"),
        (rhythm, {"peaks": 0}, "peaks: 0; allowed: 1 or more"),
        (rhythm, {"piece_s": 1.5}, "piece_s: 1.5; allowed: more than 1.5, from beat to beat at low_bpm"),
        (chroma, {"octaves": 0.0}, "octaves: 0.0; allowed: more than 0"),
        (time_domain, {"zero": -1e-3}, "zero: -0.001; allowed: 0 or more"),
    ],
)
def test_refuses_settings_that_cannot_be(module, wrong, said):
    with pytest.raises(BadInput, match=f"front_end.{said}"):
        module.extract(vowel(), checked(replace(module.Settings(), **wrong)))

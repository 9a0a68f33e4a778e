"""Each augmentation against an independent reference."""

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate

from ser.augment import _rooms, bandpass, mp3, noise, rir, volume, vtlp
from ser.data import recordings
from ser.errors import BadInput


def rng(seed=0):
    return np.random.default_rng(seed)


def speech(samples):
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * np.arange(samples) / 2500)
    return (0.1 * swell * rng().standard_normal(samples)).astype(np.float32)


def tone(hz, samples=8000, rate_hz=8000):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)).astype(np.float32)


def power_db(wave):
    return 10 * np.log10(np.mean(wave.astype(np.float64) ** 2))


@pytest.fixture
def folder(tmp_path):
    """Two recordings, one shorter than the utterances of these tests, and a file that is none."""
    soundfile.write(tmp_path / "b.wav", 0.2 * rng(1).standard_normal(16000), 16000)
    (tmp_path / "sub").mkdir()
    soundfile.write(tmp_path / "sub" / "a.flac", 0.1 * rng(2).standard_normal(1000), 8000)
    (tmp_path / "readme.txt").write_text("not audio")
    return tmp_path


# noise
@pytest.mark.parametrize("source", ["generated", "folder"])
@pytest.mark.parametrize("seed", range(4))
def test_noise_has_the_drawn_snr(source, seed, folder):
    wave = speech(9000)
    out = noise.apply(wave, 8000, rng(seed), noise.Settings(snr_db=(5.0, 20.0)), folder if source == "folder" else None)
    drawn = rng(seed).uniform(5.0, 20.0)
    assert power_db(wave) - power_db(out - wave) == pytest.approx(drawn, abs=0.01)


def test_a_short_recording_is_looped(tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.1 * rng(2).standard_normal(1000), 8000)
    wave = speech(4000)
    added = noise.apply(wave, 8000, rng(), noise.Settings(snr_db=(0.0, 0.0)), tmp_path) - wave
    np.testing.assert_allclose(added[1000:2000], added[:1000], atol=1e-6)


def test_generated_noise_differs_in_colour():
    def slope(seed):
        spectrum = np.abs(np.fft.rfft(noise._generated(16000, 8000, rng(seed)))) ** 2
        return 10 * np.log10(spectrum[100:200].mean() / spectrum[3000:6000].mean())

    slopes = [slope(seed) for seed in range(30)]
    assert min(slopes) < 6
    assert max(slopes) > 20


# vtlp
@pytest.mark.parametrize("alpha", [0.9, 0.95, 1.05, 1.1])
@pytest.mark.parametrize("hz", [400.0, 1000.0, 1800.0])
def test_vtlp_moves_a_tone_by_alpha(alpha, hz):
    out = vtlp.apply(tone(hz), 8000, rng(), vtlp.Settings(alpha=(alpha, alpha), high=0.6), None)
    found_hz = float(np.argmax(np.abs(np.fft.rfft(out * np.hanning(len(out))))))  # one second: bins are Hz
    assert found_hz == pytest.approx(alpha * hz, abs=8000 / 512)
    assert power_db(out[1000:-1000]) == pytest.approx(power_db(tone(hz)), abs=2)


def test_vtlp_with_alpha_1_is_identity():
    wave = speech(9000)
    out = vtlp.apply(wave, 8000, rng(), vtlp.Settings(alpha=(1.0, 1.0), high=0.6), None)
    np.testing.assert_allclose(out, wave, atol=1e-5)


def test_vtlp_warp_by_hand():
    # alpha 1.1: the knee is reached at 0.6 / 1.1; halfway from there to Nyquist goes to halfway from 0.6 to Nyquist.
    np.testing.assert_allclose(
        vtlp.warp(np.array([0, 0.3, 0.6 / 1.1, (0.6 / 1.1 + 1) / 2, 1]), 1.1, 0.6), [0, 0.33, 0.6, 0.8, 1]
    )
    np.testing.assert_allclose(vtlp.warp(np.array([0, 0.3, 0.6, 0.8, 1]), 0.9, 0.6), [0, 0.27, 0.54, 0.77, 1])


# rir
def test_a_response_of_one_impulse_changes_nothing(tmp_path):
    impulse = np.zeros(400)
    impulse[37] = -0.5
    soundfile.write(tmp_path / "impulse.wav", impulse, 8000)
    wave = speech(5000)
    np.testing.assert_allclose(rir.apply(wave, 8000, rng(), noise.Settings(), tmp_path), wave, atol=1e-6)


def test_rir_adds_an_echo_after_the_direct_sound_and_keeps_the_level(tmp_path):
    echo = np.zeros(900)
    echo[[100, 500]] = 0.8, 0.4
    soundfile.write(tmp_path / "echo.wav", echo, 8000, subtype="FLOAT")
    wave = speech(5000)
    expected = wave + 0.5 * np.pad(wave, (400, 0))[:5000]
    expected *= np.sqrt(np.mean(wave**2) / np.mean(expected**2))
    np.testing.assert_allclose(rir.apply(wave, 8000, rng(), rir.Settings(), tmp_path), expected, atol=1e-5)


def fall_times(samples, rate_hz, ends_db=(25, 35)):
    """T20 and T30 of ISO 3382-1: 60 dB over the slope of Schroeder's backward integral between -5 dB and these."""
    left = np.square(samples.astype(np.float64))[::-1].cumsum()[::-1]
    level = 10 * np.log10(left / left[0])
    start, *ends = (int(np.argmax(level <= -db)) for db in (5, *ends_db))
    lines = [np.polynomial.Polynomial.fit(np.arange(start, end), level[start:end], 1).convert() for end in ends]
    return [-60 / line.coef[1] / rate_hz for line in lines]


def test_the_fall_of_an_exponential_is_measured_rightly():
    samples = np.random.default_rng(3).standard_normal(16000) * 10 ** (-3 * np.arange(16000) / 8000 / 0.5)
    assert fall_times(samples, 8000) == pytest.approx([0.5, 0.5], rel=0.05)
    assert _rooms.reverberation_s(samples, 8000) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(("rate_hz", "count"), [(8000, 64), (16000, 24), (44100, 6)])
def test_generated_rooms_have_the_reverberation_asked_for(rate_hz, count):
    rooms = [_rooms.room(rate_hz, number) for number in range(count)]
    assert len({r.samples.tobytes() for r in rooms}) == count
    assert all(0.2 <= r.rt60_s <= 0.7 for r in rooms)
    if count == 64:  # over the whole range, evenly
        assert np.histogram([r.rt60_s for r in rooms], 4, (0.2, 0.7))[0].min() >= 8
    for r in rooms:
        found = fall_times(r.samples[r.direct :], rate_hz)
        assert found == pytest.approx([r.rt60_s] * 2, rel=0.15)


def test_a_generated_room_begins_with_its_direct_sound_and_goes_on_without_a_gap():
    for number in range(24):
        samples, direct, rt60_s = _rooms.room(16000, number)
        energy = np.square(samples.astype(np.float64))
        assert energy[: direct - 45].sum() < 0.02 * energy.sum()  # a high-pass of zero phase begins before it
        assert samples[direct] > 0
        loud = energy[direct : direct + round(0.9 * rt60_s * 16000)]
        level = 10 * np.log10([part.mean() for part in np.array_split(loud, 12)])
        assert np.diff(level[1:]).max() < 6  # no steps where noise takes over
        assert level[-1] > level[1] - 60


def test_a_generated_room_is_the_same_each_time_whatever_was_drawn_before():
    first = _rooms.room(8000, 3)
    _rooms.room.cache_clear()
    np.random.seed(5)  # noqa: NPY002
    again = _rooms.room(8000, 3)
    assert again.samples.tobytes() == first.samples.tobytes()


def test_in_a_generated_room_the_direct_sound_stays_where_it_was():
    impulse = np.zeros(4000, np.float32)
    impulse[1000] = 1.0
    for seed in range(12):
        out = rir.apply(impulse, 16000, rng(seed), rir.Settings(), None)
        assert np.abs(out[:955]).max() < 0.05 * np.abs(out).max()  # a high-pass of zero phase begins before it
        assert out[1000] > 0.3 * np.abs(out[1000:]).max()
        assert power_db(out) == pytest.approx(power_db(impulse), abs=1e-3)


# mp3
@pytest.mark.parametrize("level", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 24414, 44100, 48000])
@pytest.mark.parametrize("samples", [300, 5000])
def test_mp3_is_sample_aligned(rate_hz, samples, level):
    wave = np.convolve(speech(samples + 8), np.hanning(11)[1:-1] / 5, mode="valid").astype(np.float32)
    out = mp3.apply(wave, rate_hz, rng(), mp3.Settings(quality=(level, level)), None)
    assert int(np.argmax(correlate(out, wave, mode="full"))) - (samples - 1) == 0


def test_mp3_loses_more_at_a_lower_bit_rate():
    wave = speech(8000)
    lost = [power_db(mp3.apply(wave, 8000, rng(), mp3.Settings(quality=(q, q)), None) - wave) for q in (0.0, 0.7, 0.99)]
    assert lost[0] < lost[1] < lost[2]


def test_mp3_does_not_clip_loud_speech():
    wave = 20 * tone(440)
    out = mp3.apply(wave, 8000, rng(), mp3.Settings(quality=(0.0, 0.0)), None)
    assert np.abs(out[1000:-1000]).max() == pytest.approx(6.0, rel=0.05)


# bandpass
def test_bandpass_attenuates_outside_and_keeps_inside():
    def gain_db(hz):
        wave = tone(hz, 16000, 16000)
        out = bandpass.apply(wave, 16000, rng(), bandpass.Settings(low_hz=300.0, high_hz=3400.0), None)
        return power_db(out[4000:-4000]) - power_db(wave)

    assert gain_db(1000.0) == pytest.approx(0, abs=0.1)
    assert gain_db(300.0) == pytest.approx(-6, abs=0.3)
    assert gain_db(3400.0) == pytest.approx(-6, abs=0.3)
    assert gain_db(100.0) < -40
    assert gain_db(6800.0) < -40


def test_bandpass_has_no_phase_shift():
    wave = tone(1000)
    out = bandpass.apply(wave, 8000, rng(), bandpass.Settings(low_hz=300.0, high_hz=3400.0), None)
    np.testing.assert_allclose(out[2000:-2000], wave[2000:-2000], atol=5e-3)


def test_bandpass_stays_below_nyquist_and_says_what_it_cannot_do():
    assert np.isfinite(
        bandpass.apply(speech(900), 6000, rng(), bandpass.Settings(low_hz=300.0, high_hz=3400.0), None)
    ).all()
    with pytest.raises(BadInput, match=r"5000\.0-6000\.0 Hz; allowed: 0 < low < high, low below 4000 Hz"):
        bandpass.apply(speech(900), 8000, rng(), bandpass.Settings(low_hz=5000.0, high_hz=6000.0), None)


# volume
def test_volume_by_hand():
    wave = speech(100)
    np.testing.assert_allclose(
        volume.apply(wave, 8000, rng(), volume.Settings(gain_db=(20.0, 20.0)), None), 10 * wave, rtol=1e-6
    )
    gain_db = rng(3).uniform(-6, 6)
    out = volume.apply(wave, 8000, rng(3), volume.Settings(gain_db=(-6.0, 6.0)), None)
    assert power_db(out) - power_db(wave) == pytest.approx(gain_db, abs=1e-4)


# recordings
def test_recordings_are_found_in_order(folder):
    assert [p.relative_to(folder).as_posix() for p in recordings.files(folder)] == ["b.wav", "sub/a.flac"]
    lengths = {len(recordings.pick(folder, 8000, rng(seed))) for seed in range(9)}
    assert lengths == {8000, 1000}


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(BadInput, match="no audio file"):
        noise.apply(speech(900), 8000, rng(), noise.Settings(snr_db=(5.0, 20.0)), tmp_path)


def test_an_unreadable_recording_is_told(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio at all")
    with pytest.raises(BadInput, match=r"a\.wav: unreadable"):
        rir.apply(speech(900), 8000, rng(), noise.Settings(), tmp_path)


def test_fingerprint_follows_names_and_bytes_but_not_the_place(folder, tmp_path_factory):
    def copy(rename=None, change=False):
        there = tmp_path_factory.mktemp("copy")
        (there / "sub").mkdir()
        (there / (rename or "b.wav")).write_bytes((folder / "b.wav").read_bytes() + b"x" * change)
        (there / "sub" / "a.flac").write_bytes((folder / "sub" / "a.flac").read_bytes())
        return recordings.fingerprint(there)

    first = recordings.fingerprint(folder)
    assert first.startswith("files:")
    assert len(first) == len("files:") + 12
    assert copy() == first
    assert len({first, copy(rename="c.wav"), copy(change=True)}) == 3

"""Frames and their slopes, prosody of made voices, words, and how they share an array."""

from dataclasses import replace
from zlib import crc32

import librosa
import numpy as np
import pytest
import torch
from front_end_cases import checked

from ser.errors import BadInput
from ser.frontends import _htk_cepstra, _opensmile_prosody, speech_text
from ser.frontends._pitch import Track
from ser.frontends._speech_text_rows import Kind, joined, parted

PAPER = speech_text.Settings()


def noise(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def voice(hz, seconds=1.0):
    """A pulse train whose pitch is ``hz``, a number or one for each sample."""
    phase = np.cumsum(np.broadcast_to(hz, round(16000 * seconds)) / 16000)
    return (0.05 * sum(np.cos(2 * np.pi * k * phase) for k in range(1, 15))).astype(np.float32)


def prosody(wave):
    rows = speech_text.extract(wave, PAPER)
    return rows[rows[:, 0] == Kind.PROSODY][0, 1:36].reshape(5, 7)


@pytest.mark.parametrize("samples", [300, 400, 559, 560, 8000])
def test_frames_are_cepstra_and_energy_with_slopes_and_slopes_of_slopes(samples):
    wave = noise(samples)
    rows = speech_text.extract(wave, PAPER)
    count = 1 + max(0, samples - 400) // 160
    assert rows.shape == (count + 1, 40)
    windows = [np.pad(wave, (0, 400))[at : at + 400] for at in range(0, 160 * count, 160)]
    energy = np.log([np.sum(np.square(x, dtype=np.float64)) for x in windows])
    cepstra = _htk_cepstra.cepstra(np.array(windows), 16000, 26, 12, 1 / 32768)[:, 1:]
    plain = np.concatenate([cepstra, energy[:, None]], axis=1)
    first = librosa.feature.delta(plain, width=5, axis=0, mode="nearest")
    second = librosa.feature.delta(first, width=5, axis=0, mode="nearest")
    np.testing.assert_allclose(rows[:count, 1:], np.concatenate([plain, first, second], axis=1), rtol=0, atol=1e-4)


def test_only_the_first_frames_are_kept_but_their_differences_see_beyond_them():
    wave = noise(16000)
    whole, cut = (speech_text.extract(wave, replace(PAPER, most_frames=n)) for n in (750, 20))
    assert len(cut) == speech_text.frames(16000, replace(PAPER, most_frames=20)) == 21
    np.testing.assert_array_equal(cut[:20], whole[:20])
    np.testing.assert_array_equal(cut[20], whole[-1])  # prosody is of the whole wave


def test_silence_has_the_least_energy_and_is_zero_in_every_other_value():
    rows = speech_text.extract(np.zeros(8000, np.float32), PAPER)
    assert rows[:, 0].tolist() == [Kind.FRAME] * (len(rows) - 1) + [Kind.PROSODY]
    np.testing.assert_allclose(rows[:-1, 13], -30 * np.log(2), rtol=1e-6)
    rows[:-1, 13] = 0
    np.testing.assert_allclose(rows[:, 1:], 0, atol=1e-4)


def test_words_come_behind_and_change_nothing_else():
    wave = noise(8000)
    alone, said = (speech_text.extract(wave, PAPER, text) for text in ("", "Hello, you! "))
    np.testing.assert_array_equal(said[: len(alone)], alone)
    behind = said[len(alone) :]
    assert behind[:, 0].tolist() == [Kind.WORD] * 4
    assert behind[:, 1].tolist() == [crc32(word) % 32768 for word in (b"hello", b",", b"you", b"!")]
    assert not behind[:, 2:].any()


def test_a_word_keeps_its_number_whatever_its_case_and_its_unicode_form():
    assert speech_text.words("CAFÉ don’t", 1 << 24) == speech_text.words("cafe\u0301 DON'T", 1 << 24)
    assert len(speech_text.words("CAFÉ don’t", 1 << 24)) == 2
    assert speech_text.words("[LAUGHTER]", 100) == [crc32(w) % 100 for w in (b"[", b"laughter", b"]")]
    assert speech_text.words(" \n", 100) == []


def test_the_greatest_number_of_a_word_is_whole_in_float32():
    text = " ".join(map(str, range(2000)))
    words = speech_text.words(text, 1 << 24)
    assert max(words) > 1 << 23
    rows = speech_text.extract(noise(400), replace(PAPER, buckets=1 << 24, most_words=2000), text)
    assert rows[2:, 1].astype(np.int64).tolist() == words


def test_the_least_of_everything_is_a_frame_and_prosody():
    least = replace(PAPER, most_frames=1, most_words=0, buckets=1, coefficients=1)
    assert speech_text.extract(noise(4000), least, "a b").shape == (speech_text.frames(4000, least), 36) == (2, 36)


def test_at_most_so_many_words_are_kept():
    rows = speech_text.extract(noise(400), replace(PAPER, most_words=3), "a b c d e")
    assert rows[2:, 1].tolist() == [crc32(w) % 32768 for w in (b"a", b"b", b"c")]


@pytest.mark.parametrize("buckets", [0, (1 << 24) + 1])
def test_buckets_that_float32_cannot_number_are_refused(buckets):
    with pytest.raises(BadInput, match=f"front_end.buckets: {buckets}"):
        speech_text.extract(noise(400), checked(replace(PAPER, buckets=buckets)))


def test_prosody_hears_pitch_and_its_course():
    falling, level = prosody(voice(np.linspace(240, 120, 16000))), prosody(voice(150.0))
    assert level[0, 0] == pytest.approx(150, rel=0.01)
    assert level[1, 0] == pytest.approx(12 * np.log2(150 / 27.5), abs=0.2)
    assert level[0, [1, 6]].max() < 1
    assert falling[0, 0] == pytest.approx(180, rel=0.03)
    assert falling[0, 2] == pytest.approx(-120, rel=0.1)
    assert falling[0, 4] < 140 < 220 < falling[0, 5]
    assert level[2, 0] > 0.95
    assert level[3, 0] > 15


def test_prosody_of_noise_is_less_harmonic_and_of_a_louder_voice_louder():
    assert prosody(noise(16000))[3, 0] < 5
    quiet, loud = (prosody(a * voice(150.0)) for a in (0.1, 1.0))
    assert loud[4, 0] == pytest.approx(10 ** (2 * 0.33) * quiet[4, 0], rel=0.02)
    np.testing.assert_allclose(quiet[:4, 0], loud[:4, 0], rtol=0.02)


def test_the_seven_statistics_by_hand_contour_after_contour():
    unvoiced, hz = [0.0, 0.0], [100.0, 300.0, 200.0, 600.0]
    pitch = Track(np.array([*unvoiced, *hz]), np.full(6, 0.5))
    found = _opensmile_prosody.prosody(pitch, np.array([1, 3, 2, 6], np.float32)).reshape(5, 7)
    slope = (-0.5 * -2 + 0 - 1 / 6 * 0 + 1 / 6 * -1 + 0.5 * 3) / (2 * (0.25 + 1 / 36))
    assert slope == pytest.approx(np.polyfit([0, 1 / 3, 2 / 3, 1], [1, 3, 2, 6], 1)[0])
    expected = np.array([3, np.sqrt(3.5), slope, (1 + 4 / 3 + 6) / 12, 1.3, 5.1, 3.8])
    np.testing.assert_allclose(found[4], expected, rtol=1e-6)
    np.testing.assert_allclose(found[0], np.where(np.arange(7) == 3, 1, 100) * expected, rtol=1e-6)
    np.testing.assert_allclose(found[2], [0.5, 0, 0, 0.5, 0.5, 0.5, 0], atol=1e-7)
    np.testing.assert_allclose(found[3], 0, atol=1e-6)  # as much noise as voice


def test_loudness_is_hermanskys_of_triangles_in_mel():
    windows = noise(1200).reshape(3, 400)
    power = np.square(np.abs(np.fft.rfft(windows * np.hamming(400), 512)))
    edges, bins = (librosa.hz_to_mel(hz, htk=True) for hz in (8000, np.arange(257) * 31.25))
    edges = np.linspace(0, edges, 28)
    bank = np.stack([np.interp(bins, edges[i : i + 3], [0, 1, 0], left=0, right=0) for i in range(26)])
    w2 = np.square(2 * np.pi * librosa.mel_to_hz(edges[1:-1], htk=True))
    weights = (w2 + 56.8e6) * w2**2 / ((w2 + 6.3e6) ** 2 * (w2 + 0.38e9))
    expected = ((power @ bank.T * weights) ** 0.33).sum(1)
    np.testing.assert_allclose(_opensmile_prosody.loudness(windows, 16000, 26), expected, rtol=1e-4)


def test_tones_of_equal_power_are_loudest_where_ears_are_keenest():
    heard = {
        hz: _opensmile_prosody.loudness(
            np.sin(2 * np.pi * hz * np.arange(400) / 16000).astype(np.float32)[None], 16000, 26
        )[0]
        for hz in (100, 300, 1000, 4000)
    }
    assert heard[100] < 0.5 * heard[300]
    assert heard[300] < heard[1000] < heard[4000]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"low_hz": 400.0}, "limits of F0"),
        ({"coefficients": 26}, "front_end.coefficients"),
        ({"most_frames": 0}, "front_end.most_frames: 0; allowed: 1 or more"),
        ({"most_words": -1}, "front_end.most_words: -1; allowed: 0 or more"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changed, place):
    with pytest.raises(BadInput, match=place):
        speech_text.extract(noise(4000), checked(replace(PAPER, **changed)))


def test_what_is_joined_can_be_parted_again():
    rng = np.random.default_rng(0)
    parts = [
        (rng.standard_normal((n, 39)).astype(np.float32), rng.standard_normal(35).astype(np.float32), words)
        for n, words in ((4, [7, 0]), (1, []), (6, [5]))
    ]
    arrays = [joined(*part) for part in parts]
    rows, lengths = torch.from_numpy(np.concatenate(arrays)), torch.tensor([len(a) for a in arrays])
    frames, counts = parted(rows, lengths, Kind.FRAME)
    np.testing.assert_array_equal(frames, np.concatenate([part[0] for part in parts]))
    assert counts.tolist() == [4, 1, 6]
    prosody, counts = parted(rows, lengths, Kind.PROSODY)
    np.testing.assert_array_equal(prosody[:, :35], np.stack([part[1] for part in parts]))
    assert counts.tolist() == [1, 1, 1]
    words, counts = parted(rows, lengths, Kind.WORD)
    assert words[:, 0].tolist() == [7, 0, 5]
    assert counts.tolist() == [2, 0, 1]


def test_rows_with_few_coefficients_have_place_for_prosody():
    settings = replace(PAPER, coefficients=4)
    assert speech_text.width(settings) == speech_text.extract(noise(4000), settings).shape[1] == 36


def test_rows_too_narrow_for_prosody_are_refused():
    with pytest.raises(BadInput, match="at least 36"):
        parted(torch.zeros(3, 35), torch.tensor([3]), Kind.FRAME)

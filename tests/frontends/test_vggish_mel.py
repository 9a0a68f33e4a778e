"""VGGish patches of Sahoo et al.: formulae in float64, and the three ways to cut, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from front_end_cases import checked
from listed_files import emobox, needs_metadata

from ser.errors import BadInput
from ser.frontends import vggish_mel

PAPER = vggish_mel.Settings()
WAYS = ("nonoverlap", "overlap_repo", "overlap_textbook")
# samples at 16 kHz: segments that do not overlap, of the authors' splices, of one-second windows
COUNTS = {
    1: (1, 1, 1),
    8000: (1, 1, 1),
    16000: (1, 2, 1),
    16001: (2, 2, 2),
    24000: (2, 3, 2),
    30000: (2, 4, 3),
    40000: (3, 5, 4),
    400000: (25, 52, 49),
}
SAMPLES = (*COUNTS, 7999, 8001, 15999, 23999, 24001, 32000, 48123, 130001)


def cut(way, **others):
    return replace(PAPER, **({"segmentation": way} | others))


def voice(samples):
    t = np.arange(samples) / 16000
    rng = np.random.default_rng(samples)
    return (0.2 * np.sin(2 * np.pi * (200 + 300 * t) * t) + 0.05 * rng.standard_normal(samples)).astype(np.float32)


def log_mel(wave):
    """[frames, 64] of all whole windows: VGGish's published constants, in float64."""
    frames = np.stack([wave[at : at + 400].astype(np.float64) for at in range(0, len(wave) - 399, 160)])
    spectra = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)), 512))
    mel = 1127 * np.log(1 + np.arange(257) * 16000 / 512 / 700)
    edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    weights = np.stack([np.interp(mel, edges[i : i + 3], [0, 1, 0], left=0, right=0) for i in range(64)], 1)
    weights[0] = 0
    return np.log(spectra @ weights + 0.01)


def filled(wave, samples=16000):
    return np.pad(wave, (0, samples - len(wave)))


def expected(way, wave):
    """Patches [segments, 96, 64], each computed for itself."""
    if way == "nonoverlap":
        return np.stack([log_mel(filled(wave[at : at + 16000]))[:96] for at in range(0, len(wave), 16000)])
    if way == "overlap_textbook":
        starts = [0]
        while starts[-1] + 16000 < len(wave):
            starts.append(starts[-1] + 8000)
        return np.stack([log_mel(filled(wave[at : at + 16000]))[:96] for at in starts])
    spliced = np.concatenate([wave[at : at + 16000] for at in range(0, len(wave), 8000)])
    spectrogram = log_mel(filled(spliced, len(spliced) + 16000 - len(spliced) % 8000))
    return np.stack([spectrogram[at : at + 96] for at in range(0, len(spectrogram) - 95, 96)])


@pytest.mark.parametrize("samples", [1, 5000, 16000, 24000, 40001])
@pytest.mark.parametrize("way", WAYS)
def test_is_the_formula_for_each_segment(way, samples):
    wave = voice(samples)
    np.testing.assert_allclose(
        vggish_mel.extract(wave, cut(way)), expected(way, wave).reshape(-1, 64), rtol=0, atol=5e-4
    )


@pytest.mark.parametrize(("samples", "counts"), COUNTS.items())
def test_counts_are_those_done_by_hand(samples, counts):
    assert tuple(vggish_mel.segments(samples, cut(way)) for way in WAYS) == counts


def test_a_list_of_utterances_gives_the_sum_of_its_counts():
    seconds = (0.5, 1.0, 1.5, 1.875, 2.5, 25.0)
    totals = [sum(vggish_mel.segments(round(s * 16000), cut(way)) for s in seconds) for way in WAYS]
    assert totals == [1 + 1 + 2 + 2 + 3 + 25, 1 + 2 + 3 + 4 + 5 + 52, 1 + 1 + 2 + 3 + 4 + 49]


@needs_metadata
def test_real_lengths_of_iemocap_give_the_printed_counts():
    """Table 1 of Sahoo et al.: 5,531 utterances of four classes, 27,935 segments without overlap, 51,180 with."""
    lengths = [round(float(row["num_frame"])) for row in emobox("iemocap/iemocap.jsonl")]
    totals = [sum(vggish_mel.segments(samples, cut(way)) for samples in lengths) for way in WAYS]
    assert [len(lengths), *totals] == [5531, 27935, 51180, 47504]


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("way", WAYS)
def test_counts_are_those_of_the_patches(way, samples):
    assert len(vggish_mel.extract(voice(samples), cut(way))) == 96 * vggish_mel.segments(samples, cut(way))


def test_one_second_has_98_windows():
    assert len(log_mel(voice(16000))) == 98
    assert vggish_mel.extract(voice(16000), cut("nonoverlap", patch=98)).shape == (98, 64)


def test_refuses_another_way_to_cut():
    with pytest.raises(BadInput, match=r"front_end\.segmentation: half; allowed: nonoverlap, overlap_repo"):
        checked(cut("half"))


@pytest.mark.parametrize("others", [{"hop": 150}, {"patch": 99}, {"rate_hz": 8001}])
def test_refuses_hops_and_patches_that_do_not_fit_a_second(others):
    with pytest.raises(BadInput, match=r"front_end.hop"):
        vggish_mel.extract(voice(16000), cut("nonoverlap", **others))

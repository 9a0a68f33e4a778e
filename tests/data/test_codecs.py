"""Sound that PyAV decodes: right rate, length and samples, whatever the container; damaged and foreign files told."""

import io
import sys
from fractions import Fraction
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import av
import numpy as np
import pytest

from ser.data import audio, codecs, sound_header
from ser.errors import BadInput

RATE_HZ = 16_000
SECONDS = 2
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(SECONDS * RATE_HZ) / RATE_HZ)).astype(np.float32)


def encoded(container: str, codec: str, rate_hz: int = RATE_HZ, channels: int = 1, video: bool = False) -> bytes:
    """A tone of two seconds as FFmpeg's ``codec`` in ``container``, the second channel silent."""
    buffer = io.BytesIO()
    wave = np.sin(2 * np.pi * 440 * np.arange(SECONDS * rate_hz) / rate_hz) * 0.5
    samples = np.zeros((channels, len(wave)), np.float32)
    samples[0] = wave
    with av.open(buffer, "w", format=container) as out:
        pictures = out.add_stream("mpeg4", rate=5) if video else None
        if pictures:
            pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        stream = out.add_stream(codec, rate=rate_hz, layout="mono" if channels == 1 else "stereo")
        stream.codec_context.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(samples, "fltp", stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        form = stream.codec_context.codec.audio_formats[0].name
        converted = av.AudioResampler(form, stream.layout.name, rate_hz, stream.codec_context.frame_size or 1024)
        for piece in (*converted.resample(frame), *converted.resample(None)):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
        if pictures:
            for n in range(5 * SECONDS):
                picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), n, np.uint8), "rgb24")
                picture.pts, picture.time_base = n, Fraction(1, 5)
                out.mux(pictures.encode(picture))
            out.mux(pictures.encode(None))
    return buffer.getvalue()


FORMS = {
    "m4a": ("ipod", "aac", RATE_HZ, 1, False),
    "aac": ("adts", "aac", RATE_HZ, 1, False),
    "mp4 video": ("mp4", "aac", 44_100, 1, True),
    "mov": ("mov", "pcm_s16le", RATE_HZ, 1, False),
    "avi video": ("avi", "pcm_s16le", 48_000, 1, True),
    "webm": ("webm", "libopus", 48_000, 1, False),
    "mkv 8-bit": ("matroska", "pcm_u8", RATE_HZ, 1, False),
    "mkv double": ("matroska", "pcm_f64le", RATE_HZ, 1, False),
    "wma": ("asf", "wmav2", 44_100, 1, False),
    "wavpack": ("wv", "wavpack", RATE_HZ, 1, False),
    "flv": ("flv", "aac", 44_100, 1, False),
}


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    """Every form once."""
    return {name: encoded(*form) for name, form in FORMS.items()}


@pytest.mark.parametrize("name", FORMS)
def test_sound_of_every_container_is_the_tone(made: dict[str, bytes], name: str) -> None:
    wave, rate_hz = audio.decode(made[name])
    assert rate_hz == FORMS[name][2]
    assert wave.dtype == np.float32
    assert len(wave) / rate_hz == pytest.approx(SECONDS, abs=0.15)  # encoders fill up their last frame
    middle = wave[rate_hz // 2 : rate_hz]
    strongest = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * rate_hz / len(middle)
    assert strongest == pytest.approx(440, abs=3)
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, abs=0.03)
    assert sound_header.container(made[name])


def test_lossless_sound_in_a_container_is_that_of_a_wav(made: dict[str, bytes]) -> None:
    for name, tolerance in (("mov", 2e-5), ("mkv double", 1e-7), ("mkv 8-bit", 5e-3), ("wavpack", 5e-3)):
        np.testing.assert_allclose(audio.decode(made[name])[0], TONE, atol=tolerance)


def test_channels_are_their_mean() -> None:
    wave, _ = audio.decode(encoded("mov", "pcm_s16le", channels=2))
    np.testing.assert_allclose(wave, TONE / 2, atol=2e-5)


def test_a_stretch_of_a_video(tmp_path: Path, made: dict[str, bytes]) -> None:
    path = tmp_path / "dialogue.avi"
    path.write_bytes(made["avi video"])
    facts = audio.inspect(path, 0.5, 1.25)
    assert (facts.rate_hz, facts.seconds) == (48_000, 0.75)
    assert len(audio.load(path, RATE_HZ, 0.5, 1.25, facts.sha)) == 12_000


@pytest.mark.parametrize("name", FORMS)
def test_what_is_cut_off_is_refused_or_shorter_and_never_breaks(made: dict[str, bytes], name: str) -> None:
    for length in (40, 300, len(made[name]) // 2):
        try:
            wave, rate_hz = audio.decode(made[name][:length])
        except audio.UnusableAudio:
            continue
        else:  # a stream that says not how long it is
            assert len(wave) < 1.2 * SECONDS * rate_hz
            assert name in ("aac", "webm", "mkv 8-bit", "mkv double", "wma", "flv")


def test_bytes_that_only_begin_so_are_refused(made: dict[str, bytes]) -> None:
    rng = np.random.default_rng(0)
    for name, data in made.items():
        with pytest.raises(audio.UnusableAudio, match=r"cut off|no samples|without sound|truncated"):
            audio.decode(data[:16] + rng.bytes(4000)), name
    with pytest.raises(audio.UnusableAudio, match="a video without sound"):
        audio.decode(silent_video())


def silent_video() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def test_without_the_library_the_reason_names_it(
    tmp_path: Path, made: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.m4a"
    path.write_bytes(made["m4a"])
    sha = audio.inspect(path).sha
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(audio.UnusableAudio, match=r"MPEG-4 audio .*not installed; pip install 'ser\[codecs\]'"):
        audio.load(path, RATE_HZ)
    with pytest.raises(BadInput, match="PyAV"):  # scanned where it is installed: not refused in silence here
        audio.load(path, RATE_HZ, sha=sha)


def test_what_reads_is_part_of_what_a_scan_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    assert codecs.library_version() == av.__version__
    monkeypatch.setattr(codecs, "version", missing)
    assert codecs.library_version() == "none"

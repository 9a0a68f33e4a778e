"""Every way in which a sound file is known to be unusable is told apart from the ways in which it is merely unusual."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from ser.data import audio
from ser.errors import BadInput

RATE_HZ = 16_000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)


def encoded(wave: np.ndarray = TONE, form: str = "WAV", subtype: str | None = None, rate_hz: int = RATE_HZ) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate_hz, format=form, subtype=subtype)
    return buffer.getvalue()


def with_chunk(data: bytes, at: int, name: bytes, body: bytes) -> bytes:
    """A WAV file with another chunk inside, and the size of the whole as it is then."""
    whole = data[:at] + name + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2) + data[at:]
    return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]


def with_nan() -> bytes:
    wave = TONE.copy()
    wave[100] = np.nan
    return encoded(wave, subtype="FLOAT")


def announcing_much() -> bytes:
    """A FLAC file whose header promises 2^35 samples."""
    data = bytearray(encoded(form="FLAC"))
    data[21] |= 0x08  # the 36-bit count of samples ends the stream information's first 18 bytes
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"\0\5\x16\7" + bytes(78), "unreadable"),  # resource fork
        (b"<html>404</html>", "unreadable"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
        (encoded()[:44], "no samples"),  # header only
        (encoded(TONE[:0]), "no samples"),
        (encoded()[: 44 + 2 * 10_000], "truncated: 10000 of 16000 samples"),
        (encoded(np.stack([TONE, TONE], axis=1))[: 44 + 4 * 10_000], "truncated: 10000 of 16000 samples"),
        (encoded(subtype="PCM_24")[:-300], "truncated"),
        (encoded()[:20], "unreadable"),
        (encoded(form="RF64")[:20_000], "truncated: 9948 of 16000"),
        (encoded(form="RF64", subtype="FLOAT")[:20_000], "truncated: .* of 16000"),
        (encoded(form="W64")[:20_000], "truncated: 9948 of 16000"),
        (encoded(form="W64", subtype="DOUBLE")[:20_000], "truncated: .* of 16000"),
        (encoded(form="AIFF")[:20_000], "truncated: .* of 16000"),
        (encoded(form="AU")[:20_000], "truncated: .* of 16000"),
        (encoded(form="FLAC")[:5000], "unreadable"),
        (encoded(form="MP3")[:2000], "truncated: 15023 of 16000"),
        (with_nan(), "NaN"),
        (encoded(np.full(100, np.inf, np.float32), subtype="FLOAT"), "infinite"),
        (encoded(np.full((100, 2), 3e38, np.float32), subtype="FLOAT"), "infinite"),
        (encoded(np.full(100, 1e300), subtype="DOUBLE"), "infinite"),
        (encoded(-TONE * np.float32(1e30), subtype="FLOAT"), "a sample of 5.0e"),
        (announcing_much(), "damaged header: 343597"),
        (encoded(rate_hz=8), "damaged header: a rate of 8 Hz"),
        (encoded(TONE[:20], subtype="G721_32")[:60], "no samples"),  # a codec that cannot seek
        (encoded(subtype="G721_32")[:4060], r"truncated: \d+ of 1\d{4} samples"),
        (encoded(subtype="ULAW")[:-1000], "truncated: 15000 of 16000"),
        (encoded(subtype="IMA_ADPCM")[:-1000], "truncated"),
        (encoded(subtype="MS_ADPCM")[:-1000], "truncated"),
        (encoded(subtype="GSM610")[:-1000], "truncated"),
    ],
)
def test_unusable_bytes_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(audio.UnusableAudio, match=reason):
        audio.decode(data)


@pytest.mark.parametrize(
    ("data", "tolerance"),
    [
        (encoded(), 2e-4),
        (encoded(subtype="PCM_24"), 1e-6),
        (encoded(subtype="FLOAT"), 0),
        (encoded(subtype="DOUBLE"), 1e-7),
        (encoded(subtype="PCM_U8"), 2e-2),
        (encoded(form="FLAC"), 2e-4),
        (encoded(subtype="ULAW"), 2e-2),
        (encoded(form="WAVEX"), 2e-4),
        (encoded(form="AIFF"), 2e-4),
        (encoded(form="AU"), 2e-4),
        *(
            (encoded(form=form, subtype=subtype), tolerance)
            for form in ("RF64", "W64")
            for subtype, tolerance in (
                ("PCM_U8", 2e-2),
                ("PCM_16", 2e-4),
                ("PCM_24", 1e-6),
                ("PCM_32", 1e-7),
                ("FLOAT", 0),
                ("DOUBLE", 1e-7),
            )
        ),
        (encoded(np.stack([TONE, TONE], axis=1)), 2e-4),
    ],
)
def test_lossless_formats_give_the_same_wave(data: bytes, tolerance: float) -> None:
    wave, rate_hz = audio.decode(data)
    assert rate_hz == RATE_HZ
    assert wave.dtype == np.float32
    assert wave.shape == TONE.shape
    assert wave.flags.c_contiguous
    assert np.abs(wave - TONE).max() <= tolerance


def test_floats_that_hold_integers_are_sound() -> None:
    wave, _ = audio.decode(encoded(TONE * np.float32(2**31 - 128), subtype="FLOAT"))
    assert wave.max() > 1e9


def test_stereo_is_the_mean_of_its_channels() -> None:
    wave, _ = audio.decode(encoded(np.stack([TONE, np.zeros_like(TONE)], axis=1), subtype="FLOAT"))
    np.testing.assert_array_equal(wave, TONE / 2)


def test_codecs_that_cannot_seek_are_read() -> None:
    wave, _ = audio.decode(encoded(subtype="G721_32"))
    assert np.corrcoef(wave[:RATE_HZ], TONE)[0, 1] > 0.99


@pytest.mark.parametrize("form", ["MP3", "OGG"])
def test_the_content_decides_not_the_name(tmp_path: Path, form: str) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(encoded(form=form))
    facts = audio.inspect(path)
    assert facts.rate_hz == RATE_HZ
    assert facts.seconds == pytest.approx(1, abs=0.08)


def test_a_header_that_leads_before_the_start_breaks_nothing_in_the_decoder() -> None:
    data = bytearray(encoded(form="AIFF"))
    data[38:42] = b"\x7f\0\0\1"  # what went wrong in the decoder's calls back would be a warning, hence an error
    with pytest.raises(audio.UnusableAudio):
        audio.decode(bytes(data))


NOISE = np.random.default_rng(0).integers(-32768, 32768, (4001, 3)).astype(np.int16)
STEREO = encoded(NOISE[:, :2])


@pytest.mark.parametrize(
    ("data", "is_plain"),
    [
        (encoded(NOISE[:, 0]), True),
        (STEREO, True),
        (encoded(NOISE), True),
        (with_chunk(STEREO, 36, b"LIST", b"INFOICRD\5\0\0\0" + b"2026\0"), True),
        (with_chunk(STEREO, len(STEREO), b"LIST", b"INFOICRD\5\0\0\0" + b"2026\0"), True),
        (with_chunk(STEREO, 12, b"JUNK", bytes(28)), False),
        (STEREO + bytes(2), True),
        (STEREO[:16] + b"\x12\0\0\0" + STEREO[20:36] + b"\0\0" + STEREO[36:], True),  # a longer format
        (encoded(NOISE[:, 0], form="WAVEX"), False),
        (encoded(NOISE[:, 0], subtype="PCM_24"), False),
        (encoded(NOISE[:, 0], subtype="PCM_U8"), False),
        (encoded(NOISE[:, 0], subtype="ULAW"), False),
        (encoded(NOISE[:, 0], subtype="FLOAT"), False),
        (encoded(NOISE[:, 0], form="RF64"), False),
        (encoded(NOISE[:, 0], form="AIFF"), False),
    ],
)
def test_plain_wav_is_read_as_libsndfile_reads_it(data: bytes, is_plain: bool) -> None:
    reference, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    wave, found_hz = audio.decode(data)
    assert (found_hz, wave.dtype) == (rate_hz, np.float32)
    np.testing.assert_array_equal(wave, reference.mean(axis=1))
    assert (audio._plain(data) is not None) == is_plain


@pytest.mark.parametrize("size", [0x7FFFF000, 0xFFFFFFFF])
def test_wav_of_a_streaming_writer_has_no_length_to_compare_with(size: int) -> None:
    data = bytearray(encoded())
    data[40:44] = size.to_bytes(4, "little")
    assert len(audio.decode(bytes(data))[0]) == RATE_HZ


PCM = encoded()[44:]
FORMAT = encoded()[12:36]
WHOLE_NUMBERS = np.frombuffer(PCM, "<i2")  # as floats they would be rounded by each format in its own way
FLAC = encoded(WHOLE_NUMBERS, form="FLAC")


def chunk(name: bytes, body: bytes, size: int | None = None, pad: bool = True) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (pad and len(body) % 2)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def described(channels: int = 1, rate_hz: int = RATE_HZ, bits: int = 16, coder: int = 1) -> bytes:
    return chunk(b"fmt ", struct.pack("<HHIIHH", coder, channels, rate_hz, 2 * RATE_HZ, 2, bits))


MENDED = {
    "not closed": (riff(FORMAT, chunk(b"data", PCM, 0), size=0), "announces no samples"),
    "size of samples 0": (riff(FORMAT, chunk(b"data", PCM, 0)), "announces no samples"),
    "header counted in": (riff(FORMAT, chunk(b"data", PCM, len(PCM) + 44)), "a few bytes more"),
    "two bytes more": (riff(FORMAT, chunk(b"data", PCM, len(PCM) + 2)), "a few bytes more"),
    "samples counted for bytes": (riff(FORMAT, chunk(b"data", PCM, len(PCM) // 2)), "fewer samples than there are"),
    "no byte to make it even": (riff(FORMAT, chunk(b"LIST", b"INFOx", pad=False), chunk(b"data", PCM)), "a chunk"),
    "list says too much": (riff(FORMAT, chunk(b"LIST", b"INFOxx", 4000), chunk(b"data", PCM)), "a chunk"),
    "format longer than said": (riff(FORMAT + b"\0\0", chunk(b"data", PCM)), "a chunk"),
    "no channels": (riff(described(channels=0), chunk(b"data", PCM)), "has a zero"),
    "no bits": (riff(described(bits=0), chunk(b"data", PCM)), "has a zero"),
    "no rate": (riff(described(rate_hz=0), chunk(b"data", PCM)), "has a zero"),
    "blanks before": (b"\xef\xbb\xbf\n" + encoded(), "4 bytes stand before its header"),
    "tag before": (b"ID3\3\0\0\0\0\0\x0a" + b"x" * 10 + encoded(), ""),
    "streamed FLAC": (FLAC[:21] + bytes([FLAC[21] & 0xF0]) + bytes(4) + FLAC[26:], ""),
    "tag behind": (encoded() + b"TAG" + bytes(125), ""),
    "zeros behind": (encoded() + bytes(9000), ""),
    "chunk behind": (encoded() + chunk(b"LIST", b"INFO" + b"x" * 9000), ""),
}


@pytest.mark.parametrize("case", MENDED)
def test_headers_that_are_a_few_bytes_off_are_read_and_told(tmp_path: Path, case: str) -> None:
    data, remark = MENDED[case]
    np.testing.assert_allclose(audio.decode(data)[0], TONE, atol=2e-4)
    (tmp_path / "x.wav").write_bytes(data)
    facts = audio.inspect(tmp_path / "x.wav")
    assert remark in facts.remark
    assert bool(remark) == bool(facts.remark)
    (tmp_path / "y.wav").write_bytes(encoded())
    assert facts.sound == audio.inspect(tmp_path / "y.wav").sound


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (riff(FORMAT, chunk(b"data", b""), chunk(b"LIST", b"INFO" + b"x" * 200)), "no samples"),
        (encoded() + b"junk!\1\2" * 2000, "announces 32000 bytes of samples, and 46000 follow"),
        (riff(FORMAT, chunk(b"data", PCM, 2 * len(PCM))), "truncated: 16000 of 32000 samples; copy or download"),
        (riff(described(rate_hz=0)[:-8] + bytes(4) + b"\2\0\x10\0", chunk(b"data", PCM)), "says 0 Hz; write the right"),
        (riff(described(coder=0xFF), chunk(b"data", PCM)), "a WAV file of AAC, which is not read; convert it"),
        (encoded(np.random.default_rng(0).normal(0, 0.1, 16000)).replace(b"\n", b"\r\n"), "as if they were text"),
        (encoded().decode("utf-8", "replace").encode(), "as if they were text"),
        (b"<!DOCTYPE html>\n<html>", "a web page"),
        (b"<?xml version='1.0'?><Error/>", "an XML text"),
        (b"\0\0\0\x18ftypM4A " + bytes(50), "MPEG-4 audio .*: cut off or damaged"),
        (b"#!AMR\n" + bytes(50), "AMR audio"),
        (b"PK\3\4" + bytes(50), "a zip file; unpack it"),
        (bytes(4000), "nothing but zero bytes"),
        (b"start,end,label\n1,2,happy\n", "text that begins with 'start,end,label"),
        (b"\1\2\3\xff\xfe\4\5\6" * 9, "no known sound file begins with 01 02 03 ff"),
        (encoded(form="FLAC")[:5000], "a FLAC file that is cut off or damaged"),
        (encoded(form="NIST").replace(b"-s3 pcm", b"-s26 pcm,embedded-shorten-v2.00"), "packed by shorten; .*sph2pipe"),
    ],
)
def test_reasons_say_what_it_is_and_what_to_do(data: bytes, reason: str) -> None:
    with pytest.raises(audio.UnusableAudio, match=reason) as caught:
        audio.decode(data)
    assert "Format not recognised" not in str(caught.value)


def test_equal_samples_have_one_name_in_all_lossless_files(tmp_path: Path) -> None:
    whole = {
        f"a.{n}": encoded(WHOLE_NUMBERS, form=form)
        for n, form in enumerate(("WAV", "FLAC", "AIFF", "W64", "WAVEX", "NIST"))
    }
    whole["stereo"] = encoded(np.stack([WHOLE_NUMBERS, WHOLE_NUMBERS], axis=1))
    for name, data in {**whole, "other": encoded(TONE * np.float32(0.9)), "slow": encoded(rate_hz=8000)}.items():
        (tmp_path / name).write_bytes(data)
    names = {name: audio.inspect(tmp_path / name).sound for name in (*whole, "other", "slow")}
    assert len({names[name] for name in whole}) == 1
    assert len(set(names.values())) == 3
    (tmp_path / "cut").write_bytes(encoded(WHOLE_NUMBERS[4000:8000]))
    assert audio.inspect(tmp_path / "a.0", 0.25, 0.5).sound == audio.inspect(tmp_path / "cut").sound


def test_chunks_before_the_samples_are_passed_over() -> None:
    plain = encoded()
    extra = b"LIST" + struct.pack("<I", 5) + b"INFO\0\0"  # odd size, padded
    assert len(audio.decode(plain[:36] + extra + plain[36:])[0]) == RATE_HZ
    with pytest.raises(audio.UnusableAudio, match="truncated: 9000 of 16000"):
        audio.decode((plain[:36] + extra + plain[36:])[: 44 + len(extra) + 18_000])


@pytest.mark.parametrize(("peak", "usable"), [(0.0, False), (1e-6, False), (1e-4, True)])
def test_silence(tmp_path: Path, peak: float, usable: bool) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(encoded(TONE * 2 * peak, subtype="FLOAT"))
    if usable:
        assert audio.inspect(path).seconds == 1
    else:
        with pytest.raises(audio.UnusableAudio, match="silent"):
            audio.inspect(path)


def test_a_constant_level_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(encoded(np.full(RATE_HZ, 0.3), subtype="FLOAT"))
    with pytest.raises(audio.UnusableAudio, match="silent"):
        audio.inspect(path)


def test_what_is_shorter_than_any_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(encoded(TONE[1:17]))
    assert audio.inspect(path).seconds == 1e-3
    assert len(audio.load(path, 1000)) == 1
    path.write_bytes(encoded(TONE[1:16]))
    with pytest.raises(audio.UnusableAudio, match="only 15 samples"):
        audio.inspect(path)


def test_pipes_folders_and_endless_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    for name, told in (("pipe.wav", "a pipe or device"), ("zero.wav", "a pipe or device"), (".", "Is a directory")):
        for reader in (audio.inspect, lambda path: audio.load(path, 8000)):
            with pytest.raises(OSError, match=told):
                reader(tmp_path / name)
    with (tmp_path / "hole.wav").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="1099511627776 bytes, more than 4294967296"):
        audio.inspect(tmp_path / "hole.wav")


def test_files_too_large_for_memory_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(audio, "_SAMPLES", 30_000)
        assert len(audio.decode(encoded())[0]) == RATE_HZ
        with pytest.raises(audio.UnusableAudio, match="16000 samples in 2 channels, more than 30000"):
            audio.decode(encoded(np.stack([TONE, TONE], axis=1)))

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(soundfile.SoundFile, "read", exhausted)
    with pytest.raises(OSError, match="not enough memory"):  # no verdict on the file: it may fit another time
        audio.decode(encoded(form="FLAC"))


def test_negative_peaks_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(encoded(np.linspace(0, -0.5, 100, dtype=np.float32)))
    assert audio.inspect(path).seconds == 100 / RATE_HZ


def test_stretches_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(encoded(np.concatenate([TONE, np.zeros_like(TONE)])))
    told = audio.inspect_stretches(path, [(0.25, 0.75), (None, None), (1.5, None), (1.0, 3.0), (2.5, 3.0), (1.9, 2.05)])
    assert [t.seconds if isinstance(t, audio.AudioFacts) else str(t).split(" s")[0] for t in told] == [
        0.5,
        2.0,
        "silent",
        "stretch 1.0-3.0",
        "stretch 2.5-3.0",
        "silent",
    ]
    assert audio.inspect(path, 0.25, 0.75) == told[0]
    np.testing.assert_allclose(audio.load(path, RATE_HZ, 0.25, 0.75), TONE[4000:12_000], atol=2e-4)


def test_hash_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encoded())
    (tmp_path / "b.wav").write_bytes(encoded())
    (tmp_path / "c.wav").write_bytes(encoded(TONE * np.float32(0.9)))
    a, b, c = (audio.inspect(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav"))
    assert a == b
    assert a.sha != c.sha
    assert a.bytes == 44 + 2 * RATE_HZ


def test_a_file_that_changed_since_its_scan_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(encoded())
    sha = audio.inspect(path).sha
    np.testing.assert_array_equal(audio.load(path, 8000, 0.25, 0.5, sha), audio.load(path, 8000, 0.25, 0.5))
    path.write_bytes(encoded(TONE * np.float32(0.9)))
    with pytest.raises(BadInput, match=rf"x\.wav: bytes of hash \w{{32}}; allowed: {sha}, .*it scans anew"):
        audio.load(path, 8000, None, None, sha)
    path.write_bytes(b"")
    with pytest.raises(BadInput, match="it scans anew"):  # not silently refused: that would lose an utterance
        audio.load(path, 8000, sha=sha)


def test_resampling_keeps_the_tone(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(encoded())
    wave = audio.load(path, 8000)
    assert wave.dtype == np.float32
    assert len(wave) == 8000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    assert np.abs(wave - expected)[200:-200].max() < 1e-3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.wav", True),
        ("a.WAV", True),
        ("a.flac", True),
        ("a.mp3", True),
        ("._a.wav", False),
        ("__MACOSX/a.wav", False),
        ("a.txt", False),
        ("wav", False),
    ],
)
def test_names_of_audio_files(name: str, expected: bool) -> None:
    assert audio.is_audio(Path(name)) is expected


@given(at=st.integers(0, 43), value=st.integers(0, 255))
def test_no_damaged_wav_header_breaks_a_scan(at: int, value: int) -> None:
    data = bytearray(encoded(TONE[:800]))
    data[at] = value
    try:
        wave, _ = audio.decode(bytes(data))
    except audio.UnusableAudio:
        return
    assert np.isfinite(wave).all()
    assert 0 < len(wave) <= 2 * len(data)

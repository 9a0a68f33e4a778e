"""Reading speech: the only module that knows sound-file formats and resampling."""

import errno
import hashlib
import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from ser.data import codecs, containers, sound_header
from ser.errors import BadInput

Wave = npt.NDArray[np.float32]

VERSION = 1  # goes up when reading or resampling gives other numbers, or other files are refused
EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")
CODED = codecs.EXTENSIONS  # of what is read where PyAV is installed
_RATES_HZ = (1000, 768_000)
_SAMPLES_PER_BYTE = 10_000  # more than any coder gives, constant silence in FLAC included
_ENDLESS = 1 << 62  # libsndfile's word for a FLAC stream that says not how long it is
_BLOCK = 1 << 20  # samples
BYTES = 1 << 32  # of a file at most: as much as a WAV header can say
_SAMPLES = 1 << 30  # of all channels in one file: 18 hours at 16 kHz, and 4 GiB of memory
_SHORTEST_S = 1e-3  # a sample at least at any rate
_LOUDEST = 2.0**31  # floats that hold 32-bit integers; beyond lie bytes that are no floats
_STEP = np.float32(2**-15)  # of 16 bits, where 1 is full scale
_SILENCE = 1e-5  # peak amplitude below one third of a 16-bit quantisation step: nothing was recorded


class UnusableAudio(Exception):
    """The file cannot give a waveform; the message says why, in words for the table of refusals."""


class LibraryMissing(UnusableAudio):
    """The file could be read if a library were installed."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What one read of a file tells: identity and extent."""

    sha: str
    bytes: int
    rate_hz: int
    seconds: float
    sound: str = ""  # hash of the samples: the same in whatever file, and after whatever header, they lie
    remark: str = ""  # what was wrong with a header that could be corrected without doubt


def read(path: str | os.PathLike[str], most: int, first: int | None = None) -> bytes:
    """Returns the bytes of a file, or its ``first`` ones. Raises OSError, also where it is larger than ``most``.

    And for pipes and devices, which would be waited for, or read, without end. What is in a container is read there.
    """
    if containers.is_inside(path):
        data = containers.read(path)
        if first is None and len(data) > most:
            raise OSError(errno.EFBIG, f"{len(data)} bytes, more than {most}")
        return data[:first]
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "a pipe or device, not a file")
        if first is None and status.st_size > most:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes, more than {most}")
        return file.read() if first is None else file.read(first)  # by number, memory for it is asked for


def is_audio(path: Path) -> bool:
    """True for names that may hold speech: known extension, and no resource fork or system litter."""
    is_named_so = path.suffix.lower() in (*EXTENSIONS, *CODED)
    return is_named_so and not path.name.startswith("._") and "__MACOSX" not in path.parts


class _Bytes(io.BytesIO):
    """Stays where it is when a damaged header sends libsndfile elsewhere: an error cannot cross the C between."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


class _Sound(soundfile.SoundFile):  # type: ignore[misc]
    """Is read as a pipe is where its length is not known: near the end of such a FLAC stream no place can be found."""

    def seekable(self) -> bool:
        return self.frames < _ENDLESS and bool(super().seekable())


def decode(data: bytes) -> tuple[Wave, int]:
    """Decode a whole file to (mono float32 [samples], rate in Hz). Raises UnusableAudio with the reason, or OSError."""
    wave, rate_hz, _ = _decode(data)
    return wave, rate_hz


def _decode(data: bytes) -> tuple[Wave, int, str]:
    """As ``decode``, with a remark where the header had to be corrected."""
    if not data:
        raise UnusableAudio("empty file")
    if data.startswith(sound_header.LFS_POINTER):
        raise UnusableAudio(sound_header.kind(data))
    container = sound_header.container(data)
    if container and sound_header.is_cut_off(data):
        raise UnusableAudio(f"{container[0]}: truncated; copy or download it again")
    try:
        if container:
            (wave, rate_hz), remark = codecs.decode(_Bytes(data), container[1], _SAMPLES), ""
            _check_rate(rate_hz)
        else:
            data, remark = sound_header.readable(data)
            if plain := _plain(data):
                return *plain, remark
            with _Sound(_Bytes(data)) as file:
                wave, rate_hz = _read(data, file), file.samplerate
    except codecs.LibraryMissing as error:
        raise LibraryMissing(f"{container and container[0]}: {error}") from None
    except codecs.Undecodable as error:
        raise UnusableAudio(f"{container and container[0]}: {error}") from None
    except sound_header.Contradiction as error:
        raise UnusableAudio(f"damaged: {error}") from None
    except (soundfile.LibsndfileError, RuntimeError) as error:
        complaint = str(getattr(error, "error_string", error))
        raise UnusableAudio(f"unreadable: {sound_header.reason(data, complaint)}") from None
    except MemoryError:  # no property of the file: another time there may be enough
        raise OSError(errno.ENOMEM, "not enough memory") from None
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        mono = _mono(wave)
    if not np.isfinite(mono).all():
        raise UnusableAudio("NaN or infinite samples")
    if (peak := float(max(mono.max(), -mono.min()))) > _LOUDEST:
        raise UnusableAudio(f"damaged: a sample of {peak:.1e}, where 1 is full scale")
    return np.ascontiguousarray(mono), rate_hz, remark


def _mono(wave: Wave) -> Wave:
    """Returns the mean of the channels."""
    if wave.shape[1] == 2:  # as below, without a loop of two for each sample
        return (wave[:, 0] + wave[:, 1]) / np.float32(2)
    return wave[:, 0] if wave.shape[1] == 1 else wave.mean(axis=1)


def _plain(data: bytes) -> tuple[Wave, int] | None:
    """Decodes a plain WAV file of 16 bits to the same samples as libsndfile, in a tenth of its time; None of others."""
    plain = sound_header.plain_samples(data)
    if plain is None:
        return None
    channels, rate_hz, at, count = plain
    _check_rate(rate_hz)
    if count * channels > _SAMPLES:
        return None  # it is refused where others are
    integers = np.frombuffer(data, "<i2", count * channels, at).reshape(count, channels)
    return np.ascontiguousarray(_mono(integers.astype(np.float32) * _STEP)), rate_hz


def _read(data: bytes, file: soundfile.SoundFile) -> Wave:
    """All samples, float32 [samples, channels]. Raises UnusableAudio where there are none, or fewer than announced."""
    if file.frames >= _ENDLESS:
        return _read_to_the_end(data, file)
    _check_plausible(data, file)
    announced = _frames_announced(data, file)
    wave: Wave = file.read(file.frames, dtype="float32", always_2d=True)  # by number, for some codecs cannot seek
    if not len(wave):
        raise UnusableAudio("no samples: a header alone")
    if len(wave) < announced:
        remedy = "copy or download it again; if there is no more of it: sox --ignore-length IN.wav OUT.wav"
        raise UnusableAudio(f"truncated: {len(wave)} of {announced} samples; {remedy}")
    return wave


def _read_to_the_end(data: bytes, file: soundfile.SoundFile) -> Wave:
    """Returns samples of a stream whose header says not how many: block by block, no more than its bytes can hold."""
    _check_rate(file.samplerate)
    most = min(len(data) * _SAMPLES_PER_BYTE, _SAMPLES) // file.channels
    blocks: list[Wave] = []
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        blocks.append(block)
        if sum(map(len, blocks)) > most:
            raise UnusableAudio(f"more than {most} samples in {file.channels} channels")
    if not blocks:
        raise UnusableAudio("no samples: a header alone")
    return np.concatenate(blocks)


def _check_plausible(data: bytes, file: soundfile.SoundFile) -> None:
    """A damaged header may announce terabytes, for which memory would be asked before the first sample is read."""
    _check_rate(file.samplerate)
    if file.frames * file.channels > len(data) * _SAMPLES_PER_BYTE:
        raise UnusableAudio(f"damaged header: {file.frames} samples announced in {len(data)} bytes")
    if file.frames * file.channels > _SAMPLES:
        raise UnusableAudio(f"{file.frames} samples in {file.channels} channels, more than {_SAMPLES} together")


def _check_rate(rate_hz: int) -> None:
    if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        raise UnusableAudio(f"damaged header: a rate of {rate_hz} Hz")


def _frames_announced(data: bytes, file: soundfile.SoundFile) -> int:
    """Samples per channel that the header promises, which libsndfile shortens silently where a file is cut off."""
    frames, announced = int(file.frames), sound_header.samples(data)
    if announced is None:
        return frames
    at, size = announced
    if size is None:
        return 0  # nothing to compare with
    if file.subtype in _BYTES:
        return size // (_BYTES[file.subtype] * int(file.channels))
    return frames * size // (len(data) - at) if at + size > len(data) > at else frames


_BYTES = {"PCM_U8": 1, "PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}  # of a sample


def inspect(path: Path, start_s: float | None = None, end_s: float | None = None) -> AudioFacts:
    """Read ``path`` once, whole: hash, extent, and whether it holds usable speech. Raises UnusableAudio or OSError."""
    (outcome,) = inspect_stretches(path, [(start_s, end_s)])
    if isinstance(outcome, UnusableAudio):
        raise outcome
    return outcome


def inspect_stretches(
    path: Path, stretches: Sequence[tuple[float | None, float | None]]
) -> list[AudioFacts | UnusableAudio]:
    """As ``inspect``, for many (start, end) in seconds of one file; a stretch that is unusable gives its error.

    Raises UnusableAudio or OSError where the whole file is unusable.
    """
    data = read(path, BYTES)
    wave, rate_hz, remark = _decode(data)
    sha = _hash(data)
    outcomes: list[AudioFacts | UnusableAudio] = []
    for start_s, end_s in stretches:
        try:
            stretch = cut(wave, rate_hz, start_s, end_s)
        except UnusableAudio as error:
            outcomes.append(error)
            continue
        if reason := what_lacks(stretch, rate_hz):
            outcomes.append(UnusableAudio(reason))
        else:
            seconds = len(stretch) / rate_hz
            outcomes.append(AudioFacts(sha, len(data), rate_hz, seconds, _sound(stretch, rate_hz), remark))
    return outcomes


def what_lacks(wave: Wave, rate_hz: int) -> str:
    """Returns why a waveform holds no speech that can be used, as far as samples tell; "" where it may."""
    if len(wave) < _SHORTEST_S * rate_hz:
        return f"only {len(wave)} samples"
    # Whatever the level of a converter without a signal.
    return "silent" if wave.max() - wave.min() < 2 * _SILENCE else ""


def _sound(wave: Wave, rate_hz: int) -> str:
    """Returns a name for the samples, which all lossless forms of a recording have in common."""
    digest = hashlib.sha256(rate_hz.to_bytes(4, "little"))
    digest.update(np.ascontiguousarray(wave).data)
    return digest.hexdigest()[:32]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def cut(wave: Wave, rate_hz: int, start_s: float | None, end_s: float | None) -> Wave:
    """Returns the stretch from ``start_s`` to ``end_s``; None is the file's own. Raises UnusableAudio."""
    first = round((start_s or 0.0) * rate_hz)
    last = len(wave) if end_s is None else round(end_s * rate_hz)
    # Label files round times; a tenth of a second past the end is rounding, more is a wrong stretch.
    if first < 0 or first >= min(last, len(wave)) or last > len(wave) + rate_hz // 10:
        raise UnusableAudio(f"stretch {start_s}-{end_s} s is not inside the file's {len(wave) / rate_hz:.3f} s")
    return wave[first:last]


def load(
    path: str | os.PathLike[str],
    rate_hz: int,
    start_s: float | None = None,
    end_s: float | None = None,
    sha: str | None = None,
) -> Wave:
    """Mono float32 [samples] at ``rate_hz``, resampled by soxr at its "HQ" quality. Raises UnusableAudio or OSError.

    ``sha`` is what a scan found: raises BadInput where the bytes are others, which must not bear its name.
    """
    data = read(path, BYTES) if sha is None else read_scanned(path, sha)
    try:
        wave, native_hz = decode(data)
    except LibraryMissing as error:
        if sha is None:
            raise
        # It was read where it was scanned: refused here it would be lost in silence.
        raise BadInput(str(error), str(path), "a machine that reads it as the scan did", codecs.REMEDY) from None
    return resample(cut(wave, native_hz, start_s, end_s), native_hz, rate_hz)


def read_scanned(path: str | os.PathLike[str], sha: str) -> bytes:
    """Returns the bytes of a file. Raises OSError, and BadInput where they are not those of hash ``sha``."""
    data = read(path, BYTES)
    if (digest := _hash(data)) != sha:
        raise BadInput(
            f"bytes of hash {digest}", str(path), f"{sha}, as scanned", "run the command again: it scans anew"
        )
    return data


def resample(wave: Wave, from_hz: int, to_hz: int) -> Wave:
    """Band-limited resampling, float32 in and out; the input itself where the rates agree."""
    return (
        wave if from_hz == to_hz else soxr.resample(wave, from_hz, to_hz, quality="HQ").astype(np.float32, copy=False)
    )


@cache
def library_versions() -> str:
    """Recorded with store entries: the libraries whose arithmetic made the features."""
    others = f"soxr {soxr.__version__}, numpy {np.__version__}, PyAV {codecs.library_version()}"
    return f"soundfile {soundfile.__version__}, {others}"

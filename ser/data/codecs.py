"""Sound that libsndfile does not read, and the sound of videos: MPEG-4, AAC, WebM, AVI and others, through PyAV.

PyAV brings the libraries of FFmpeg along, and is installed by ``pip install 'ser[codecs]'``. Nothing but the bytes that
are given is opened: a container is read as what its first bytes say, so that no playlist leads to other files.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Block = npt.NDArray[np.float32]  # [samples, channels]
_MIDDLE = {"uint8": np.float32(128)}
_FULL_SCALE = {
    "uint8": np.float32(2**7), "int16": np.float32(2**15), "int32": np.float32(2**31), "int64": np.float32(2**63)
}  # fmt: skip
EXTENSIONS = (".3gp", ".aac", ".amr", ".ape", ".avi", ".flv", ".m4a", ".mka", ".mkv", ".mov", ".mp4", ".mpg", ".webm",
              ".wma", ".wmv", ".wv")  # fmt: skip
LIBRARY = "av"
REMEDY = "pip install 'ser[codecs]', or convert it: ffmpeg -i IN OUT.wav"
_SHORT_S, _SHORT = 0.25, 0.02  # a stream that ends this much before its announced end is whole: headers round
# Containers that say how long a stream is; the others only estimate it from their size.
_EXACT = ("mov", "avi", "wv", "ape")


class Undecodable(Exception):
    """The sound cannot be decoded; the message says why."""


class LibraryMissing(Undecodable):
    """PyAV is not installed here."""


def library_version() -> str:
    """Returns the version of PyAV, "none" where it is not installed."""
    try:
        return version(LIBRARY)
    except PackageNotFoundError:
        return "none"


def decode(file: BinaryIO, container: str, most: int) -> tuple[Block, int]:
    """Decodes the first sound stream of ``file`` whole: (float32 [samples, channels], rate in Hz).

    ``container`` is FFmpeg's name of it; ``most`` samples of all channels are read. Raises Undecodable, MemoryError.
    """
    try:
        import av
    except ImportError:
        raise LibraryMissing(f"PyAV, which reads it, is not installed; {REMEDY}") from None
    try:
        with av.open(file, "r", format=container, metadata_errors="replace") as opened:
            if not opened.streams.audio:
                raise Undecodable("a video without sound")
            stream = opened.streams.audio[0]
            rate_hz = 0
            blocks: list[Block] = []
            for block, rate in _blocks(opened, stream):
                if rate_hz not in (0, rate) or (blocks and block.shape[1] != blocks[0].shape[1]):
                    raise Undecodable("its rate or its channels change midway; convert it: ffmpeg -i IN OUT.wav")
                rate_hz = rate
                blocks.append(block)
                if (most := most - block.size) < 0:
                    raise Undecodable("more samples than can be held in memory")
            announced_s = float((stream.duration or 0) * (stream.time_base or 0)) if container in _EXACT else 0.0
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise Undecodable(f"cut off or damaged ({getattr(error, 'strerror', None) or error}); copy it again") from None
    if not blocks:
        raise Undecodable("no samples: a header alone")
    wave = np.concatenate(blocks)
    if announced_s - len(wave) / rate_hz > max(_SHORT_S, _SHORT * announced_s):
        raise Undecodable(f"truncated: {len(wave) / rate_hz:.2f} of {announced_s:.2f} s; copy or download it again")
    return wave, rate_hz


def _blocks(opened: "InputContainer", stream: "AudioStream") -> Iterator[tuple[Block, int]]:
    """Yields samples as they are decoded, float32 [samples, channels], with their rate in Hz."""
    for frame in opened.decode(stream):
        samples = frame.to_ndarray()
        if not frame.format.is_planar:
            samples = samples.reshape(-1, frame.layout.nb_channels).T
        kind = samples.dtype.name
        middle, full_scale = _MIDDLE.get(kind, np.float32(0)), _FULL_SCALE.get(kind, np.float32(1))
        yield (samples.astype(np.float32) - middle).T / full_scale, frame.sample_rate

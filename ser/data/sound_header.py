"""What the first bytes of a file say: WAV headers that are a few bytes off, and files that are no sound at all.

Recorders, streams and interrupted programs leave WAV files whose sizes are wrong although every sample is there. Such a
header is written anew, in memory, where the rest of the file leaves no doubt of what it should say, and what was wrong
is reported. Where doubt remains the file is refused.
"""

import struct
from dataclasses import dataclass, replace
from typing import Literal

UNKNOWN = 0x7FFFF000  # and more: what streaming writers leave for a size, sox this, others the largest numbers
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
_SIMPLE = (PCM, FLOAT, 6, 7, EXTENSIBLE)  # every sample takes the same number of bytes; 6 and 7 are A-law and mu-law
_SAMPLE = 1 << 12  # bytes that tell of the whole
_SLIP = 64  # bytes: a header counted in, or the last packet of a recorder; at most 4 ms of 8-bit telephone speech
_FORMAT = 40  # bytes of the longest body of a chunk ``fmt `` in use
_NEAR = 1 << 16  # bytes in which misplaced chunks and headers are looked for
_CODERS = {0x50: "MPEG layer 2", 0x92: "AC-3", 0xFF: "AAC", 0x160: "WMA", 0x161: "WMA", 0x162: "WMA", 0x2001: "DTS"}


class Contradiction(Exception):
    """A header that says one thing where the file says another; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class _Format:
    """The body of a chunk ``fmt ``."""

    coder: int
    channels: int
    rate_hz: int
    bytes_per_s: int
    block: int  # bytes of one sample of all channels
    bits: int
    rest: bytes

    @classmethod
    def of(cls, body: bytes) -> "_Format | None":
        if len(body) < 16:
            return None
        coder, channels, rate_hz, bytes_per_s, block, bits = struct.unpack("<HHIIHH", body[:16])
        return cls(coder, channels, rate_hz, bytes_per_s, block, bits, body[16:])

    def pack(self) -> bytes:
        head = (self.coder, self.channels, self.rate_hz, self.bytes_per_s, self.block, self.bits)
        return struct.pack("<HHIIHH", *head) + self.rest

    def completed(self) -> "_Format":
        """With the one field that is zero worked out from the others, which say the same thing twice."""
        fixed = self
        if fixed.coder not in (PCM, FLOAT):
            return fixed
        if not fixed.channels and fixed.bits and fixed.block * 8 % fixed.bits == 0:
            fixed = replace(fixed, channels=fixed.block * 8 // fixed.bits)
        if not fixed.bits and fixed.channels and fixed.block % fixed.channels == 0:
            fixed = replace(fixed, bits=fixed.block * 8 // fixed.channels)
        if not fixed.rate_hz and fixed.block and fixed.bytes_per_s % fixed.block == 0:
            fixed = replace(fixed, rate_hz=fixed.bytes_per_s // fixed.block)
        return fixed


def readable(data: bytes) -> tuple[bytes, str]:
    """``data`` as a decoder can read it, and a remark on what was wrong with it; itself and "" where nothing was.

    Raises Contradiction where the header cannot be trusted, nor corrected without doubt.
    """
    data, remark = _without_bytes_before(data)
    if not _is_wav(data, 0):
        return data, remark
    if _was_text(data):
        raise Contradiction("its bytes were changed as if they were text (line ends); copy it again in binary mode")
    chunks, regular = _chunks(data)
    fmt_at, data_at = chunks.get(b"fmt "), chunks.get(b"data") or _stray_data(data)
    if fmt_at is None or data_at is None:
        return data, remark  # the decoder says what it makes of that
    size = min(_size(data, fmt_at), 40 if _size(data, fmt_at) >= 40 else 18)
    fmt = _Format.of(data[fmt_at + 8 : fmt_at + 8 + size])
    if fmt is None:
        return data, remark
    if fmt.coder in _CODERS:
        raise Contradiction(f"a WAV file of {_CODERS[fmt.coder]}, which is not read; {_CONVERT}")
    length, wrong = _length(data, data_at, fmt)
    if (whole := fmt.completed()) != fmt:
        wrong.append("its header has a zero where the rest of it says what is meant")
    if not whole.rate_hz:
        raise Contradiction("its header says 0 Hz; write the right rate into it: sox -r RATE IN.wav OUT.wav")
    if not regular or b"data" not in chunks:
        wrong.append("a chunk of its header has a wrong size")
    if not wrong:
        return data, remark
    samples = data[data_at + 8 : data_at + 8 + length]
    return _written(whole.pack(), samples), "; ".join(filter(None, (remark, *wrong)))


def _written(fmt: bytes, samples: bytes) -> bytes:
    body = [b"WAVE", b"fmt ", len(fmt).to_bytes(4, "little"), fmt, b"data", len(samples).to_bytes(4, "little"), samples]
    return b"".join([b"RIFF", sum(map(len, body)).to_bytes(4, "little"), *body])


def _is_wav(data: bytes, at: int) -> bool:
    return data[at : at + 4] == b"RIFF" and data[at + 8 : at + 12] == b"WAVE"


def _without_bytes_before(data: bytes) -> tuple[bytes, str]:
    """``data`` from where its sound begins: players put ID3 tags before anything, and transfers blanks before WAV."""
    if _is_wav(data, 0):
        return data, ""
    if data[:3] == b"ID3" and len(data) > 10:
        end = 10 + sum((byte & 127) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
        return (data[end:], "") if data[end : end + 4] in (b"RIFF", b"OggS", b"fLaC", b"FORM") else (data, "")
    if kind(data) or data[:1] == b"\xff" or data[:4] in _SOUNDS:  # these may well hold a WAV header in their tags
        return data, ""
    at = data.find(b"RIFF", 0, 1024)
    if at > 0 and _is_wav(data, at):
        return data[at:], f"{at} bytes stand before its header"
    return data, ""


def _was_text(data: bytes) -> bool:
    """True where every line feed has a carriage return before it, or bytes that are no UTF-8 were replaced."""
    if data.count(b"\xef\xbf\xbd", 0, _SAMPLE) > 20:
        return True
    at, feeds = data.find(b"\n"), 0
    while at > 0 and data[at - 1] == 13:
        at, feeds = data.find(b"\n", at + 1), feeds + 1
    return at < 0 and feeds > 20


def _size(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 4 : at + 8], "little")


def _chunks(data: bytes) -> tuple[dict[bytes, int], bool]:
    """Where the first chunk of each name begins, as far as their sizes lead, and whether all before the samples are
    padded to even sizes as they should be.
    """
    places: dict[bytes, int] = {}
    at, regular = 12, True
    while at + 8 <= len(data) and _is_name(data[at : at + 4]):
        name, size = data[at : at + 4], _size(data, at)
        places.setdefault(name, at)
        at += 8 + size
        if size % 2 and _is_name(data[at : at + 4]) and not _is_name(data[at + 1 : at + 5]):
            regular = regular and b"data" in places
        else:
            at += size % 2
    return places, regular


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _end_in_chunks(data: bytes, at: int) -> bool:
    """True where what follows is nothing, padding, a tag, or chunks whose sizes lead to the end of the file."""
    if at >= len(data) - 7 or data[at : at + 3] in (b"ID3", b"TAG") or not data[at:].strip(b"\0"):
        return True
    while at + 8 <= len(data) and _is_name(data[at : at + 4]):
        at += 8 + _size(data, at)
        at += at % 2 and not _is_name(data[at : at + 4])
    return len(data) - 8 < at <= len(data) + 8


def _stray_data(data: bytes) -> int | None:
    """Where the samples' chunk begins if wrong sizes lead past it: the first so called whose own size is right."""
    at = data.find(b"data", 12, _NEAR)
    while at > 0:
        size, remaining = _size(data, at), len(data) - at - 8
        if 0 < size <= remaining and (remaining - size <= _SLIP or _end_in_chunks(data, at + 8 + size)):
            return at
        at = data.find(b"data", at + 1, _NEAR)
    return None


def _length(data: bytes, at: int, fmt: _Format) -> tuple[int, list[str]]:
    """Returns how many bytes of samples there are, and what is wrong with the size that says so."""
    size, remaining = _size(data, at), len(data) - at - 8
    if fmt.coder not in _SIMPLE or size >= UNKNOWN:
        return min(size, remaining), []
    if size == 0 and remaining > 0 and not _end_in_chunks(data, at + 8):
        return remaining, ["its header announces no samples, as when a recording is not closed: read to the end"]
    if remaining < size <= remaining + _SLIP:
        return remaining, ["its header announces a few bytes more than there are"]
    beyond = remaining - size
    if beyond <= max(_SLIP, size // 10) or _end_in_chunks(data, at + 8 + size):
        return min(size, remaining), []
    if abs(int.from_bytes(data[4:8], "little") + 8 - len(data)) <= 8:
        return remaining, ["its header announces fewer samples than there are: read to the end"]
    raise Contradiction(
        f"its header announces {size} bytes of samples, and {remaining} follow; {_AGAIN}, or have its header written "
        "anew: sox --ignore-length IN.wav OUT.wav"
    )


def samples(data: bytes) -> tuple[int, int | None] | None:
    """Where the samples of a WAV, RF64, W64, AIFF or AU file begin, and how many bytes of them its header announces.

    None for other files, and for the bytes where the header leaves them open, as streaming writers do.
    """
    magic = data[:4]
    if magic in (b"RIFF", b"RF64"):
        return _samples_in(data, 12, "little", b"data", 0)
    if magic == b"FORM":
        return _samples_in(data, 12, "big", b"SSND", 8)
    if magic == b"riff":
        return _samples_in_w64(data)
    if magic == b".snd" and len(data) >= 12:
        size = int.from_bytes(data[8:12], "big")
        return int.from_bytes(data[4:8], "big"), None if size >= UNKNOWN else size
    return None


def plain_samples(data: bytes) -> tuple[int, int, int, int] | None:
    """Channels, rate in Hz, first byte and number of samples per channel of a plain WAV file of 16-bit integers.

    Plain: the format comes first, says the same of a sample's size twice, and the samples that are announced are there,
    once. None of all other files, which may be sound as well.
    """
    head = data[:20]
    if not _is_wav(head, 0) or head[12:16] != b"fmt " or not 16 <= _size(head, 12) <= _FORMAT:
        return None
    fmt = _Format.of(data[20:36])
    if fmt is None or (fmt.coder, fmt.bits, fmt.block) != (PCM, 16, 2 * fmt.channels) or not fmt.channels:
        return None
    chunks, regular = _chunks(data)
    at = chunks.get(b"data")
    if at is None or not regular or data.find(b"data", at + 8 + _size(data, at)) >= 0:
        return None
    count, rest = divmod(_size(data, at), fmt.block)
    is_whole = count and not rest and at + 8 + count * fmt.block <= len(data)
    return (fmt.channels, fmt.rate_hz, at + 8, count) if is_whole else None


def _samples_in(
    data: bytes, at: int, order: Literal["little", "big"], name: bytes, before: int
) -> tuple[int, int | None] | None:
    """As ``samples``, of chunks from ``at``; ``before`` bytes of the one called ``name`` stand before the samples."""
    in_64_bits: int | None = None
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], order)
        if data[at : at + 4] == b"ds64":
            in_64_bits = int.from_bytes(data[at + 16 : at + 24], "little")
        if data[at : at + 4] == name:
            return at + 8 + before, in_64_bits if size >= UNKNOWN else max(0, size - before)
        at += 8 + size + size % 2
    return None


def _samples_in_w64(data: bytes) -> tuple[int, int | None] | None:
    """As ``samples``, of Sony's format: names of 16 bytes, sizes of 8 with name and size in, in steps of 8."""
    at = 40
    while at + 24 <= len(data):
        size = int.from_bytes(data[at + 16 : at + 24], "little")
        if data[at : at + 4] == b"data":
            return at + 24, size - 24 if size >= 24 else None
        if size < 24:
            return None
        at += -(-size // 8) * 8
    return None


LFS_POINTER = b"version https://git-lfs"
_AGAIN = "copy or download it again"
_CONVERT = "convert it: ffmpeg -i IN OUT.wav"
_BEGINNINGS = (  # what begins so, and what to do
    (LFS_POINTER, "a git-LFS pointer, not audio", "run `git lfs pull` in the corpus folder"),
    (b"PK\3\4", "a zip file", "unpack it"),
    (b"\x1f\x8b", "a gzip file", "unpack it"),
    (b"Rar!", "a rar file", "unpack it"),
    (b"7z\xbc\xaf", "a 7z file", "unpack it"),
    (b"\0\5\x16\7", "a resource fork of macOS", "it holds no sound and can be deleted"),
    (b"ajkg", "audio packed by shorten", _CONVERT),
    (b"%PDF", "a PDF file", _AGAIN),
    (b"\x89PNG", "a picture", _AGAIN),
    (b"\xff\xd8\xff", "a picture", _AGAIN),
    (b"\xd0\xcf\x11\xe0", "an old Office file (such as .xls)", _AGAIN),
)
_CONTAINERS = (  # that FFmpeg reads: where what stands, what it is, and FFmpeg's name of it
    (0, b"0&\xb2u", "Windows Media audio or video", "asf"),
    (0, b"#!AMR", "AMR audio", "amr"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska file", "matroska"),
    (0, b"wvpk", "WavPack audio", "wv"),
    (0, b"MAC ", "Monkey's Audio", "ape"),
    (0, b"\xff\xf1", "AAC audio", "aac"),
    (0, b"\xff\xf9", "AAC audio", "aac"),
    (0, b"FLV\1", "a Flash video", "flv"),
    (0, b"\0\0\1\xba", "a video (MPEG)", "mpeg"),
    (4, b"ftyp", "MPEG-4 audio or video (as .m4a)", "mov"),
    (4, b"moov", "a QuickTime video", "mov"),
    (8, b"AVI ", "a video (AVI)", "avi"),
)
_SOUNDS = {
    b"RIFF": "a WAV", b"RIFX": "a WAV", b"RF64": "a WAV", b"riff": "a W64", b"fLaC": "a FLAC", b"OggS": "an Ogg",
    b"FORM": "an AIFF", b"NIST": "a NIST SPHERE", b".snd": "an AU", b"caff": "a CAF",
}  # fmt: skip


def container(data: bytes) -> tuple[str, str] | None:
    """Returns what the bytes are, and FFmpeg's name of it, where it is read by ``ser.data.codecs``; else None."""
    for at, beginning, what, name in _CONTAINERS:
        if data.startswith(beginning, at) and (at < 8 or data[:4] == b"RIFF"):
            return what, name
    return None


def is_cut_off(data: bytes) -> bool:
    """Returns whether a RIFF file, as AVI is, announces more bytes than there are, of which decoders say nothing."""
    return data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 > len(data) + _SLIP


def kind(data: bytes) -> str:
    """What the bytes are if they are no sound that can be read, and what to do: for people; "" where nobody knows."""
    for beginning, what, remedy in _BEGINNINGS:
        if data.startswith(beginning):
            return f"{what}; {remedy}"
    if other := container(data):
        return f"{other[0]}; {_CONVERT}"
    if data[:4] == b"NIST" and b"shorten" in data[:1024]:
        return "NIST SPHERE packed by shorten; convert it: sph2pipe -f wav IN OUT.wav"
    begin = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page (HTML); download the file again, logged in where its site asks for it"
    if begin.startswith((b"<?xml", b"<error", b"<!doctype")):
        return "an XML text, as servers answer with errors; download the file again"
    return ""


def reason(data: bytes, complaint: str) -> str:
    """Returns why a decoder that complains cannot read ``data``, and what to do."""
    if other_kind := kind(data):
        return other_kind
    if not data.strip(b"\0"):
        return f"nothing but zero bytes; {_AGAIN}"
    is_mp3 = data[:3] == b"ID3" or data[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
    if name := "an MP3" if is_mp3 else _SOUNDS.get(data[:4]):
        return f"{name} file that is cut off or damaged ({complaint.strip('. ')}); {_AGAIN}"
    if text := _text(data[:60]):
        return f"text that begins with {text!r}; {_AGAIN}"
    begin = data[:8].hex(" ")
    return f"no known sound file begins with {begin}; {_AGAIN}, or give samples without header one: sox -t raw"


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return ""
    return text[:40] if all(letter.isprintable() or letter in "\r\n\t" for letter in text) else ""

"""Speak lines with espeak-ng. A program of its own: the library is GPL, and it remembers what it said before.

What a line sounds like depends, a little, on all lines spoken before it in the same process. So a process speaks all
lines of one speaker, in order, and is then thrown away: the same lines give the same bytes, on any number of workers.

stdin: JSON list of [text (SSML where it starts with <speak>), voice, words per minute, pitch 0-99, pitch range 0-99].
stdout: one line of JSON {"rate_hz": ..., "samples": [...]}, then all waveforms as 16-bit integers.
"""

import ctypes
import json
import sys
from array import array
from pathlib import Path

import espeakng_loader

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS, _DONT_EXIT, _UTF8, _SSML = 2, 0x8000, 1, 0x10
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(lines: list[tuple[str, str, int, int, int]]) -> tuple[int, list["array[int]"]]:
    """The sampling rate in Hz and one waveform per line."""
    data = Path(espeakng_loader.get_data_path())
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate_hz: int = library.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT)
    if rate_hz <= 0:
        raise RuntimeError(f"espeak-ng does not start with {data}")
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    received = array("h")

    def listen(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: int | None) -> int:
        if samples and count > 0:
            received.frombytes(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(listen)  # a name, so that it lives as long as the library may call it
    library.espeak_SetSynthCallback(callback)
    waves = []
    for text, voice, words_per_minute, pitch, pitch_range in lines:
        variant = voice.partition("+")[2]
        if not (data / "voices" / "!v" / variant).is_file():  # espeak-ng would take another one, and not say so
            raise RuntimeError(f"espeak-ng has no voice variant {variant!r}")
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, value, 0)
        spoken_bytes = text.encode() + b"\0"
        flags = _UTF8 | (_SSML if text.startswith("<speak>") else 0)
        received = array("h")
        if library.espeak_Synth(spoken_bytes, len(spoken_bytes), 0, 0, 0, flags, None, None) != 0:
            raise RuntimeError(f"espeak-ng cannot say {text!r}")
        waves.append(received)
    return rate_hz, waves


if __name__ == "__main__":
    rate, spoken = speak([tuple(line) for line in json.load(sys.stdin)])
    header = json.dumps({"rate_hz": rate, "samples": [len(wave) for wave in spoken]})
    sys.stdout.buffer.write(header.encode() + b"\n" + b"".join(wave.tobytes() for wave in spoken))

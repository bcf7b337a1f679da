"""One utterance from libespeak-ng, in a process of its own.

    python -I espeak.py < request.json > samples.s16

espeak-ng carries state from one utterance to the next (its flutter), so that in one process the samples of a clip depend on the clips before it; and it seeds
the noise of a breathy voice by the clock. A fresh process per clip and a fixed seed make every clip repeat exactly, alone or among others, in any order and
on any number of workers. This file is therefore run as a program, imports the standard library alone, and is handed the library's path by `synthesis`.

Request: {"library": path, "data": folder that holds espeak-ng-data, "voice": "en-us+variant", "text": SSML, "rate": words per minute}.
Reply: signed 16-bit mono samples in the machine's byte order, at the rate that the library states (22050 Hz); exit code 1 and a line on stderr otherwise.
"""

from __future__ import annotations

import ctypes
import json
import sys

RATE: int = 22_050
"""Hz. Every formant voice of espeak-ng speaks at this rate; checked against what the library answers."""

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000
_PARAMETER_RATE = 1
_UTF8, _SSML = 1, 0x10
_SEED = 1


def speak(library: str, data: str, voice: str, text: str, rate: int) -> bytes:
    """The samples of one utterance.

    Raises:
        RuntimeError: the library refused its data, the voice or the text.
    """
    espeak = ctypes.CDLL(library)
    chunks: list[bytes] = []

    def collect(samples: ctypes._Pointer[ctypes.c_short], count: int, events: int | None) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(collect)  # kept alive while the library calls it
    spoken_at = espeak.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _DONT_EXIT)
    if spoken_at != RATE:
        raise RuntimeError(f"espeak-ng answers {spoken_at} Hz instead of {RATE} with the data in {data}")
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
    espeak.espeak_SetSynthCallback(callback)
    if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {voice}")
    espeak.espeak_SetParameter(_PARAMETER_RATE, rate, 0)
    encoded = text.encode() + b"\0"
    if espeak.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 1, 0, _UTF8 | _SSML, None, None) != 0 or not chunks:
        raise RuntimeError(f"espeak-ng spoke nothing for {text!r}")
    return b"".join(chunks)


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(speak(**json.load(sys.stdin)))
    except (RuntimeError, OSError) as error:
        sys.exit(str(error))

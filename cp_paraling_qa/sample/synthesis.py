"""Text to samples: espeak-ng speaks, and a little signal processing gives loudness, tilt, tremor and sharpness.

All arithmetic is in float64 without FFT, BLAS or threads, and ends in one rounding to 16 bits, so that the samples repeat exactly with the same versions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import numpy as np

from cp_paraling_qa.errors import MissingExtraError, StageError
from cp_paraling_qa.sample import espeak
from cp_paraling_qa.sample.design import Planned
from cp_paraling_qa.sample.voices import Manner, Voice
from cp_paraling_qa.schema import SAMPLING_RATE

Samples = np.ndarray[Any, np.dtype[np.float64]]

LEVEL = -28.5
"""dBFS, the loudness (RMS over the whole clip) of neutral speech: soft enough that the loudest clip keeps its peaks."""
CEILING = 0.95
"""No sample goes beyond this share of full scale."""
CUTOFF = 6_500.0
"""Hz. What lies above is dropped, which shrinks the files; with 5500 the sound of an s is lost."""
STEP = 8
"""Samples are multiples of this, 13 of 16 bits: the error stays 40 dB under the softest clip, and FLAC, which leaves unused bits out, shrinks by a quarter."""
MARGIN = 0.15
"""Seconds of silence before and after the speech."""
TREMOR = 6.5
"""Hz, the rate of a trembling voice's loudness."""


def render(clip: Planned) -> np.ndarray[Any, np.dtype[np.int16]]:
    """The clip's samples: 16 kHz, mono, 16 bit.

    Raises:
        MissingExtraError: the wheel that carries libespeak-ng is not installed.
        StageError: espeak-ng failed, naming the clip.
    """
    return finish(speak(clip), clip.manner, clip.voice.tilt, LEVEL + clip.voice.level)


def speak(clip: Planned) -> Samples:
    """What espeak-ng says, -1 to 1, at its own 22050 Hz.

    The library looks for its data and for the voice's file in one folder, so each clip gets a folder with the few files (1 MB) that English needs.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise MissingExtraError("espeakng-loader", "sample", "speaking the bundled sample") from error
    with tempfile.TemporaryDirectory(prefix="cpqa-") as folder:
        given, data = Path(espeakng_loader.get_data_path()), Path(folder) / "espeak-ng-data"
        (data / "voices" / "!v").mkdir(parents=True)
        for name in ("phontab", "phonindex", "phondata", "intonations", "en_dict"):
            copy(given / name, data / name)
        copytree(given / "lang" / "gmw", data / "lang" / "gmw")
        (data / "voices" / "!v" / "clip").write_text(variant(clip.voice, clip.manner))
        request = {
            "library": espeakng_loader.get_library_path(),
            "data": folder,
            "voice": f"{clip.voice.accent}+clip",
            "text": ssml(clip.sentence, clip.manner),
            "rate": round(clip.voice.rate * clip.manner.rate),
        }
        reply = subprocess.run([sys.executable, "-I", espeak.__file__], input=json.dumps(request).encode(), capture_output=True, check=False)
    if reply.returncode:
        raise StageError(f"clip {clip.name} was not spoken: {reply.stderr.decode(errors='replace').strip()}")
    return np.frombuffer(reply.stdout, np.int16) / 32768.0


def variant(voice: Voice, manner: Manner) -> str:
    """A voice in a manner, in espeak-ng's format of voice files: pitch range in Hz, formants in percent of frequency, height and width."""
    middle, half = voice.pitch * manner.pitch, voice.pitch * manner.pitch * voice.span * manner.span / 2
    size = voice.formants * manner.formants
    lines = [
        "language variant",
        "name clip",
        f"gender {voice.gender}",
        f"pitch {round(middle - half)} {round(middle + half)}",
        f"flutter {manner.flutter}",
        f"roughness {voice.roughness}",
        *(f"formant {n} {round(100 * size)} 100 {100 if voice.gender == 'male' else 120}" for n in range(1, 6)),
    ]
    if manner.breath >= 0.5:
        lines.append("breath " + " ".join(["0", *[str(round(manner.breath))] * 7]))
    return "\n".join(lines) + "\n"


def ssml(sentence: str, manner: Manner) -> str:
    """The sentence with its pause and with the ending whose tune the manner takes.

    Example:
        >>> ssml("You gave my seat | to someone else.", Manner(pause=0.25, ending="!"))
        '<speak>You gave my seat <break time="250ms"/> to someone else!</speak>'
    """
    pause = f'<break time="{round(1000 * manner.pause)}ms"/> ' if manner.pause >= 0.02 else ""
    return f"<speak>{sentence.removesuffix('.').replace('| ', pause)}{manner.ending}</speak>"


def finish(speech: Samples, manner: Manner, tilt: float, level: float) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Speech at 22050 Hz as the finished 16 kHz clip.

    Args:
        speech: -1 to 1.
        manner: its tremor, drive, tilt and level are applied here.
        tilt: the voice's own, dB above 1 kHz.
        level: the voice's neutral loudness, dBFS.
    """
    from scipy.signal import firwin, lfilter, resample_poly

    up, down = 320, 441  # 22050 Hz × 320 / 441 = 16000 Hz
    band = firwin(20 * down + 1, CUTOFF, fs=espeak.RATE * up)
    speech = trimmed(resample_poly(speech, up, down, window=band))
    pole = np.exp(-2 * np.pi * 1000 / SAMPLING_RATE)
    low = lfilter([1 - pole], [1, -pole], speech)
    speech = low + 10 ** ((tilt + manner.tilt) / 20) * (speech - low)
    if manner.drive > 0:
        speech = np.tanh(manner.drive * speech / np.abs(speech).max())
    seconds = np.arange(len(speech)) / SAMPLING_RATE
    speech = speech * (1 - manner.tremor * (0.5 + 0.5 * np.sin(2 * np.pi * TREMOR * seconds)))
    speech = speech * 10 ** ((level + manner.level) / 20) / np.sqrt(np.mean(speech**2))
    speech = speech * min(1.0, CEILING / np.abs(speech).max())
    return (np.round(speech * 32767 / STEP) * STEP).astype(np.int16)


def trimmed(speech: Samples, floor: float = 0.003) -> Samples:
    """Speech from its first to its last sample above `floor` (a share of full scale), with `MARGIN` seconds of silence on both sides."""
    loud = np.flatnonzero(np.abs(speech) > floor)
    return np.pad(speech[loud[0] : loud[-1] + 1], round(MARGIN * SAMPLING_RATE))

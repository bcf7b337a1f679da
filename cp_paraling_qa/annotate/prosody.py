"""Measured prosody: pitch, loudness, speaking rate and pauses, by librosa.

These are measurements of the signal, not opinions about a feeling. They are put in words only where clips of the same voice can be compared (see `clips.py`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.stage import Row

HOP: Seconds = 0.02
PITCH_RANGE = (65.0, 600.0)
"""Hz: from a low male voice to a female shout."""

TRUST = ((2, 18), (2, 8))
"""Prior of probabilistic YIN's threshold (a beta distribution): librosa's own, and a more lenient one where that hears no voice at all. Of 60 RAVDESS clips the first
alone left 4 without a pitch, shouts and whispers; with the second all have one, and 97 % of the medians lie within two semitones of openSMILE's."""

FEWEST_VOICED = 3
"""Frames; with fewer there is no pitch."""

UNITS = {
    "f0_median": "Hz",
    "f0_range": "semitones",
    "loudness": "dBFS",
    "loudness_range": "dB",
    "rate": "syllables/s",
    "pause_share": "share",
    "voiced_share": "share",
}


class Prosody:
    """Measures every clip. `measures` are listed in `UNITS`; a clip without voiced frames has no f0."""

    name = "prosody"
    version = 2

    def __init__(self) -> None:
        self.config: dict[str, Any] = {"hop_seconds": HOP, "pitch_range_hz": PITCH_RANGE, "f0": "pyin, resolution 0.25", "trust": TRUST}

    def setup(self) -> None:
        """librosa loads with the first clip."""

    def wants(self, clip: Row) -> bool:
        """Every clip has a voice."""
        return True

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """The measures of each clip; those that cannot be taken are left out."""
        return [{"measures": [{"name": name, "value": value, "unit": UNITS[name]} for name, value in measure(samples, rate).items()]} for samples in sounds]


@functools.cache
def _compiled() -> None:
    """Lets one process at a time compile what librosa leaves to numba, into a cache of our own.

    Numba keeps compiled functions on disk, and processes that write there at once damage it: the next one to load them dies with a segmentation fault. Worker
    processes in a new environment do just that. `NUMBA_CACHE_DIR` overrides the place.
    """
    import numpy as np
    from filelock import FileLock

    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(home / "cp-paraling-qa" / "numba")))
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(8_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 6)) * (0.2 + np.sin(4 * np.pi * time) ** 2)
    with FileLock(folder / "compiling.lock"):
        _measure((0.1 * voice).astype(np.float32), 16_000)


def measure(samples: Any, rate: int) -> dict[str, float]:
    """Prosody of one clip.

    - f0_median, f0_range: median, and distance of the 10th and 90th percentile in semitones, of probabilistic YIN's voiced frames (at least 3 of them).
    - loudness, loudness_range: energy mean, and 10th–90th percentile, of the frames within 30 dB of the loudest, in dB below full scale.
    - rate: syllable nuclei a second of speech: energy peaks at least 2 dB above the dips around them, in voiced frames (after de Jong & Wempe, 2009).
    - pause_share: share of the frames between the first and the last spoken one that are more than 30 dB below the loudest.
    - voiced_share: share of voiced frames among the spoken ones.

    Args:
        samples: float32 of shape (n,), −1 to 1.
        rate: Hz.
    """
    _compiled()
    return _measure(samples, rate)


def _measure(samples: Any, rate: int) -> dict[str, float]:
    import librosa
    import numpy as np
    from scipy.signal import find_peaks

    hop = round(HOP * rate)
    frame = 1024 if rate == 16_000 else 2 ** int(np.ceil(np.log2(0.064 * rate)))
    if len(samples) < frame:
        samples = np.pad(samples, (0, frame - len(samples)))
    energy = 20 * np.log10(librosa.feature.rms(y=samples, frame_length=frame, hop_length=hop)[0] + 1e-8)
    spoken = energy > energy.max() - 30
    first, last = np.flatnonzero(spoken)[[0, -1]]
    found = {
        "loudness": float(10 * np.log10(np.mean(10 ** (energy[spoken] / 10)))),
        "loudness_range": float(np.subtract(*np.percentile(energy[spoken], [90, 10]))),
        "pause_share": float(1 - spoken[first : last + 1].mean()),
    }
    for trust in TRUST:
        f0, voiced, _ = librosa.pyin(
            samples, fmin=PITCH_RANGE[0], fmax=PITCH_RANGE[1], sr=rate, frame_length=frame, hop_length=hop, resolution=0.25, beta_parameters=trust
        )
        voiced = voiced & spoken[: len(voiced)]
        if voiced.sum() >= FEWEST_VOICED:
            break
    if voiced.sum() >= FEWEST_VOICED:
        low, median, high = np.percentile(f0[voiced], [10, 50, 90])
        found |= {"f0_median": float(median), "f0_range": float(12 * np.log2(high / low)), "voiced_share": float(voiced.sum() / spoken.sum())}
        peaks, _ = find_peaks(energy, prominence=2.0, distance=max(1, round(0.1 / HOP)))
        nuclei = sum(bool(voiced[max(0, p - 1) : p + 2].any()) for p in peaks)
        found["rate"] = nuclei / (spoken.sum() * HOP)
    return found

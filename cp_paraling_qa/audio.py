"""Reading, checking, resampling and encoding of clips. Times in seconds, rates in Hz, samples as float32 mono of shape (n,).

Decoding is libsndfile's (through soundfile), resampling is soxr's: neither torchcodec nor FFmpeg is needed.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.errors import AudioError
from cp_paraling_qa.schema import SAMPLING_RATE, Hertz, Seconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

MIN_SECONDS: Seconds = 0.1
"""Shorter clips give a speech encoder two or fewer frames: nothing can be heard in them."""

MAX_SECONDS: Seconds = 30.0
"""What Whisper-style encoders hear; they cut the rest without a word, so longer clips never get that far."""


def read(source: Path | str | bytes, *, start: Seconds | None = None, end: Seconds | None = None) -> tuple[Samples, Hertz]:
    """One stretch of an audio file, downmixed to mono at the file's own rate.

    Args:
        source: a path, or the file's bytes; any format of libsndfile (WAV, FLAC, OGG, MP3, AIFF, …), any depth.
        start: seconds from the file's start; None for its beginning.
        end: seconds from the file's start; None for its end.

    Returns:
        samples: float32 of shape (n,), the mean over channels; and the sampling rate in Hz.

    Raises:
        AudioError: missing, empty, not audio, truncated, NaN or infinite samples, or digital silence; `reason` is the countable phrase.
    """
    import numpy as np
    import soundfile

    if not isinstance(source, bytes) and not Path(source).is_file():
        raise AudioError("file is missing", str(source))
    if (len(source) if isinstance(source, bytes) else Path(source).stat().st_size) == 0:
        raise AudioError("file is empty", "0 bytes")
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            rate, frames = int(file.samplerate), int(file.frames)
            _check_header(file.extra_info)
            first = 0 if start is None else round(start * rate)
            last = frames if end is None else round(end * rate)
            if not 0 <= first < last <= frames and frames > 0:
                raise AudioError("span lies outside the file", f"{start}–{end} s of {frames / rate:.3f} s")
            file.seek(min(first, frames))
            samples = file.read(last - first, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        # FLAC names its broken stream; a file whose header nobody knows is no audio at all.
        reason = "not audio" if "not recognised" in str(error) or "unknown format" in str(error).lower() else "truncated or damaged"
        raise AudioError(reason, str(error).strip(" .")) from None
    except (RuntimeError, OSError, EOFError) as error:
        raise AudioError("unreadable", str(error)) from None
    if frames == 0 or not len(samples):
        raise AudioError("no samples", "the file holds a header and nothing behind it")
    if len(samples) < last - first:
        raise AudioError("truncated or damaged", f"header promises {(last - first) / rate:.3f} s, file holds {len(samples) / rate:.3f} s")
    if not np.isfinite(samples).all():
        raise AudioError("NaN or infinite samples", f"{int((~np.isfinite(samples)).any(1).sum())} of {len(samples)}")
    mono: Samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(1, dtype=np.float32)
    if not mono.any():
        raise AudioError("digital silence", "its channels cancel each other out" if samples.any() else "every sample is zero")
    return np.ascontiguousarray(mono), rate


def _check_header(log: str) -> None:
    """libsndfile mends the header of a WAV, RF64, AIFF or AU file that promises more than the file holds, and tells only its log."""
    found = re.search(r"^\s*(?:data|SSND|Data Size)\s+: (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if found and int(found[2]) < int(found[1]) < 0x7FFFF000:  # writers that stream put 0 or the largest number there: nothing is lost
        raise AudioError("truncated or damaged", f"header promises {found[1]} bytes of samples, file holds {found[2]}")
    found = re.search(r"Calculated frame count (\d+) does not match value from 'ds64' chunk of (\d+)", log)
    if found and int(found[1]) < int(found[2]):
        raise AudioError("truncated or damaged", f"header promises {found[2]} samples, file holds {found[1]}")


def clip_id(samples: Samples, rate: Hertz, start: Seconds, end: Seconds) -> str:
    """A clip's name: the hash of its samples, their rate and its span in the file. 16 hex digits."""
    digest = hashlib.sha256(f"{rate} {start:.4f} {end:.4f} ".encode())
    digest.update(samples.astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def resample(samples: Samples, rate: Hertz, to: Hertz = SAMPLING_RATE) -> Samples:
    """Samples at another rate (soxr, high quality); the same object where the rate is right already."""
    import numpy as np
    import soxr

    return samples if rate == to else np.asarray(soxr.resample(samples, rate, to, quality="HQ"), dtype=np.float32)


def encode_flac(samples: Samples, rate: Hertz = SAMPLING_RATE) -> bytes:
    """16-bit mono FLAC. Samples that came from 16-bit audio go back to the very same integers.

    libsndfile would scale by 32767 on writing and by 32768 on reading, which moves loud samples by one step; so the scaling is done here.
    """
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    whole = np.clip(np.round(samples * 32768.0), -32768, 32767).astype(np.int16)
    soundfile.write(buffer, whole, rate, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return buffer.getvalue()


def decode_audio(value: Any) -> tuple[Samples, Hertz]:
    """The waveform of a dataset row's `audio` value.

    Args:
        value: `{"bytes", "path"}` as the datasets built here hold it, `{"array", "sampling_rate"}`, a path, or a torchcodec decoder.

    Returns:
        float32 mono samples of shape (n,), and 16000.

    Raises:
        AudioError: as `read`, and where the value is none of these.

    Example:
        >>> import numpy as np
        >>> tone = (0.1 * np.sin(np.arange(16000) / 20)).astype("float32")
        >>> decode_audio({"bytes": encode_flac(tone), "path": None})[0].shape
        (16000,)
    """
    import numpy as np

    if hasattr(value, "get_all_samples"):
        decoded = value.get_all_samples()
        samples, rate = np.asarray(decoded.data.mean(0), dtype=np.float32), int(decoded.sample_rate)
    elif isinstance(value, Mapping) and value.get("array") is not None:
        samples, rate = np.asarray(value["array"], dtype=np.float32), int(value["sampling_rate"])
    elif isinstance(value, Mapping) and value.get("bytes") is not None:
        samples, rate = read(value["bytes"])
    elif isinstance(value, Mapping) and value.get("path"):
        samples, rate = read(value["path"])
    elif isinstance(value, str | Path):
        samples, rate = read(value)
    else:
        raise AudioError("no audio in the row", f"expected bytes, a path or an array, found {type(value).__name__}")
    return resample(samples, rate), SAMPLING_RATE


def duration_of(value: Any) -> Seconds:
    """Length in seconds of a dataset row's `audio` value, from the file header where there is one (no decoding).

    Raises:
        AudioError: the header cannot be read.
    """
    import soundfile

    source = value.get("bytes") if isinstance(value, Mapping) else None
    path = value.get("path") if isinstance(value, Mapping) else value
    if source is None and not isinstance(path, str | Path):
        samples, rate = decode_audio(value)
        return len(samples) / rate
    try:
        info = soundfile.info(io.BytesIO(source) if source is not None else str(path))
    except soundfile.LibsndfileError as error:
        raise AudioError("not audio", str(error)) from None
    return float(info.frames) / float(info.samplerate)

"""Reading, checking, resampling and encoding of clips. Times in seconds, rates in Hz, samples as float32 mono of shape (n,).

Decoding is libsndfile's (through soundfile), resampling is soxr's: neither torchcodec nor FFmpeg is needed. Sound inside video and MP4 containers is decoded by
PyAV, where it is installed. A clip may also be a cell of a Parquet or Arrow table that carries audio: `data/test-0.parquet#17/context` is row 17, column context.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Mapping
from importlib.util import find_spec
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


CONTAINERS = {".mp4", ".m4a", ".mov", ".mkv", ".webm", ".avi", ".flv", ".wmv", ".aac", ".3gp"}
"""What libsndfile does not open: video files, and audio in MP4 (VoxCeleb2)."""

NEEDS_PYAV = "needs PyAV"
"""How the reason ends why a container was not read that PyAV would read: another try may succeed."""

MISSING = "file is missing"
"""The reason where there is no file at all."""

POINTER = "git-lfs pointer in place of the file: run `git lfs pull`"

ROUNDING: Seconds = 0.01
"""By so much a span may end after its file: tables round to hundredths. It then ends with the file."""

_CELL = re.compile(r"(.+\.(?:parquet|arrow))#(\d+)/(.+)", re.DOTALL)


def file_of(path: Path | str) -> Path:
    """The file on disk that an audio path points to or into.

    Example:
        >>> file_of("data/test-0.parquet#17/context").as_posix()
        'data/test-0.parquet'
    """
    cell = _CELL.fullmatch(str(path))
    return Path(cell[1] if cell else path)


def read(source: Path | str | bytes, *, start: Seconds | None = None, end: Seconds | None = None) -> tuple[Samples, Hertz]:
    """One stretch of an audio file, downmixed to mono at the file's own rate.

    Args:
        source: a path, a table's cell (see the module), or the file's bytes; any format of libsndfile (WAV, FLAC, OGG, MP3, AIFF, …), any depth, and by path those
            of `CONTAINERS`.
        start: seconds from the file's start; None for its beginning.
        end: seconds from the file's start; None for its end.

    Returns:
        samples: float32 of shape (n,), the mean over channels; and the sampling rate in Hz.

    Raises:
        AudioError: missing, empty, not audio, truncated, NaN or infinite samples, or digital silence; `reason` is the countable phrase.
    """
    import soundfile

    if not isinstance(source, bytes):
        if cell := _CELL.fullmatch(str(source)):
            source = _cell(Path(cell[1]), int(cell[2]), cell[3])
        elif not Path(source).is_file():
            raise AudioError(MISSING, str(source))
    if (len(source) if isinstance(source, bytes) else Path(source).stat().st_size) == 0:
        raise AudioError("file is empty", "0 bytes")
    if not isinstance(source, bytes) and is_pointer(Path(source)):
        raise AudioError(POINTER)
    if not isinstance(source, bytes) and Path(source).suffix.lower() in CONTAINERS:
        samples, rate = _decode_container(Path(source))
        first, last = _span(start, end, rate, len(samples))
        return _checked(samples[first:last]), rate
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            rate, frames = int(file.samplerate), int(file.frames)
            _check_header(file.extra_info)
            first, last = _span(start, end, rate, frames)
            file.seek(min(first, frames))
            samples = file.read(last - first, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        # FLAC names its broken stream; a file whose header nobody knows is no audio at all.
        reason = "not audio" if "not recognised" in str(error) or "unknown format" in str(error).lower() else "truncated or damaged"
        raise AudioError(reason, error.error_string.strip(" .")) from None  # without the name: of bytes, it is an address in memory
    except (RuntimeError, OSError, EOFError) as error:
        raise AudioError("unreadable", str(error)) from None
    if frames == 0 or not len(samples):
        raise AudioError("no samples", "the file holds a header and nothing behind it")
    if len(samples) < last - first:
        raise AudioError("truncated or damaged", f"header promises {(last - first) / rate:.3f} s, file holds {len(samples) / rate:.3f} s")
    return _checked(samples), rate


def is_pointer(path: Path) -> bool:
    """Whether git-lfs has yet to bring a file: a short text that names it stands in its place."""
    if path.stat().st_size > 1024:
        return False
    with open(path, "rb") as file:
        return file.read(64).startswith(b"version https://git-lfs")


def _span(start: Seconds | None, end: Seconds | None, rate: Hertz, frames: int) -> tuple[int, int]:
    """First and last sample of a stretch."""
    first = 0 if start is None else round(start * rate)
    last = frames if end is None else round(end * rate)
    last = frames if frames < last <= frames + ROUNDING * rate else last
    if not 0 <= first < last <= frames and frames > 0:
        raise AudioError("span lies outside the file", f"{start}–{end} s of {frames / rate:.3f} s")
    return first, last


def _checked(samples: NDArray[np.float32]) -> Samples:
    """Samples of shape (n, channels) as mono, if anything can be heard in them."""
    import numpy as np

    if not np.isfinite(samples).all():
        raise AudioError("NaN or infinite samples", f"{int((~np.isfinite(samples)).any(1).sum())} of {len(samples)}")
    mono: Samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(1, dtype=np.float32)
    if not mono.any():
        raise AudioError("digital silence", "its channels cancel each other out" if samples.any() else "every sample is zero")
    return np.ascontiguousarray(mono)


def _cell(table: Path, row: int, column: str) -> bytes:
    """The audio file that a table holds in one cell: its bytes."""
    if not table.is_file():
        raise AudioError(MISSING, str(table))
    first, values = _cells(table, table.stat().st_mtime_ns, row, column)
    if not 0 <= row - first < len(values):
        raise AudioError("no such row", f"{table} has no row {row}")
    value = values[row - first].as_py()
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise AudioError("no audio in the row", f"row {row} of {table} has no bytes in column {column}")
    return data


def _cells(table: Path, changed: int, row: int, column: str) -> tuple[int, Any]:
    """The number of the first row, and the values of a column, of the group of rows that `row` is in. Neighbours are asked for one after the other: it is kept."""
    import pyarrow as pa

    try:
        if table.suffix == ".arrow":
            return 0, _arrow_column(table, changed, column)
        groups = _row_groups(table, changed)
        group = next((number for number, (first, rows) in enumerate(groups) if first <= row < first + rows), None)
        return (0, []) if group is None else (groups[group][0], _parquet_column(table, changed, group, column))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise AudioError("unreadable", f"column {column} of {table}: {error}") from None


@functools.lru_cache(64)
def _row_groups(table: Path, changed: int) -> list[tuple[int, int]]:
    """(first row, rows) of each row group of a Parquet file."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(table)
    groups, first = [], 0
    for number in range(metadata.num_row_groups):
        groups.append((first, metadata.row_group(number).num_rows))
        first += metadata.row_group(number).num_rows
    return groups


@functools.lru_cache(1)
def _parquet_column(table: Path, changed: int, group: int, column: str) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(table, memory_map=True) as file:
        return _column(file.read_row_group(group, columns=[column]), column)


@functools.lru_cache(4)
def _arrow_column(table: Path, changed: int, column: str) -> Any:
    """A column of an Arrow file of `datasets` (a stream, or a file); mapped, not read."""
    import pyarrow as pa

    source = pa.memory_map(str(table))
    try:
        table = pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:
        source.seek(0)
        table = pa.ipc.open_file(source).read_all()
    return _column(table, column)


def _column(table: Any, name: str) -> Any:
    """A table's column, or a field inside its structs, named with dots."""
    import pyarrow.compute as pc

    if name in table.column_names:
        return table.column(name)
    first, *inside = name.split(".")
    column = table.column(first)
    for field in inside:
        column = pc.struct_field(column, field)
    return column


def _decode_container(path: Path) -> tuple[NDArray[np.float32], Hertz]:
    """The first audio stream of a video or MP4 file: (n, channels) and its rate."""
    import numpy as np

    if find_spec("av") is None:
        raise AudioError(f"{path.suffix.lower()} {NEEDS_PYAV}", "pip install 'cp-paraling-qa[video]', or put a .wav of the same stem beside it")
    import av

    blocks = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError("no audio stream", "the file holds pictures alone")
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                blocks += [part.to_ndarray() for part in resampler.resample(frame)]
            rate = int(stream.rate)
    except av.error.FFmpegError as error:
        raise AudioError("truncated or damaged", f"{error.strerror or error}") from None
    if not blocks:
        raise AudioError("no samples", "the audio stream is empty")
    return np.concatenate(blocks, axis=1).T.astype(np.float32), rate


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
        _must_be_here(value["path"])
        samples, rate = read(value["path"])
    elif isinstance(value, str | Path):
        samples, rate = read(value)
    else:
        raise AudioError("no audio in the row", f"expected bytes, a path or an array, found {type(value).__name__}")
    return resample(samples, rate), SAMPLING_RATE


def _must_be_here(path: Path | str) -> None:
    if not file_of(path).exists():
        raise AudioError("no audio in the row", f"{path} is not here; a dataset of references gets its audio by attach_audio(dataset, corpus folder)")


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
    if source is None and isinstance(path, str | Path):
        _must_be_here(path)
    try:
        info = soundfile.info(io.BytesIO(source) if source is not None else str(path))
    except soundfile.LibsndfileError as error:
        raise AudioError("not audio", str(error)) from None
    return float(info.frames) / float(info.samplerate)

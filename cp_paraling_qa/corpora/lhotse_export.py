"""Clips to lhotse: a run as recordings and supervisions, for lhotse, icefall, and whatever else reads them.

A recording is one audio file, a supervision one clip of it, by its clip_id; everything that lhotse has no place for (opinions first of all) stands in `custom`,
from where the reader `lhotse` takes it back. Clips are the mean over a file's channels: their supervision names all of them. Audio that is a cell of a table is
no file to lhotse: it is written to OUT/audio, 16-bit at its own rate.
"""

from __future__ import annotations

import gzip
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cp_paraling_qa import audio, ledger
from cp_paraling_qa.corpora.manifest import corpora_of
from cp_paraling_qa.errors import AudioError, CorpusError, StageError
from cp_paraling_qa.schema import AXES
from cp_paraling_qa.stage import Row, read_record, read_rows, whole_file


def to_lhotse(run: Path, out: Path) -> tuple[Path, Path]:
    """Writes a run's clips as lhotse manifests.

    Args:
        run: a run folder; its condensed clips, else its clips (both with what annotators added), else its manifest.
        out: the folder for recordings.jsonl.gz and supervisions.jsonl.gz.

    Returns:
        the paths of the two files.

    Raises:
        StageError: the run has neither clips nor a manifest.
        CorpusError: an audio file is no longer where the manifest saw it.
    """
    folder = next((run / name for name in ("condensed", "clips", "manifest") if read_record(run / name) is not None), None)
    if folder is None:
        raise StageError(f"{run} has neither clips nor a manifest: run `cpqa corpus NAME ROOT --run {run}` first")
    roots = {entry.name: Path(entry.root) for entry in corpora_of(run)}
    paths = out / "recordings.jsonl.gz", out / "supervisions.jsonl.gz"
    with ExitStack() as stack:
        recordings, supervisions = (stack.enter_context(_lines(stack.enter_context(whole_file(path)))) for path in paths)
        channels: dict[str, list[int]] = {}
        for row in read_rows(folder):
            name = f"{row['corpus']}/{row['audio_path']}"
            if name not in channels:
                recording = _recording(row, name, roots, out)
                channels[name] = recording["channel_ids"]
                _write(recordings, recording)
            _write(supervisions, supervision(row, name, channels[name]))
    return paths


def supervision(row: Row, recording_id: str, channels: list[int]) -> dict[str, Any]:
    """A clip as lhotse's SupervisionSegment, without the keys that it has nothing for.

    Args:
        row: a clip.
        recording_id: of its audio file.
        channels: all of the file's.
    """
    words = row["words"] or []
    timed = all(w["start"] is not None and w["end"] is not None for w in words)
    custom = {key: row[key] for key in ("corpus", "dialogue_id", "age", "split", "license")}
    custom |= {"emotion": ledger.consensus(row["opinions"], "emotion"), **{axis: ledger.axis_mean(row["opinions"], axis) for axis in AXES}}
    custom["opinions"] = [{key: value for key, value in one.items() if value is not None} for one in row["opinions"]]
    custom["words"] = None if timed and not any(w["emotion"] or w["gender"] for w in words) else words
    aligned = [[w["word"], round(row["start"] + w["start"], 8), round(w["end"] - w["start"], 8), w["probability"]] for w in words] if timed else []
    made = {
        "id": row["clip_id"],
        "recording_id": recording_id,
        "start": row["start"],
        "duration": row["end"] - row["start"],
        "channel": channels[0] if len(channels) == 1 else channels,
        "text": row["transcript"],
        "language": row["language"],
        "speaker": row["speaker_id"],
        "gender": row["gender"],
        "custom": {key: value for key, value in custom.items() if value not in (None, [])},
        "alignment": {"word": aligned} if aligned else None,
    }
    return {key: value for key, value in made.items() if value is not None}


def _recording(row: Row, name: str, roots: dict[str, Path], out: Path) -> dict[str, Any]:
    """A clip's audio file as lhotse's Recording."""
    root = roots.get(row["corpus"])
    if root is None:
        raise CorpusError(f"the run does not say where corpus {row['corpus']} lies: read it again with `cpqa corpus`")
    path = root / row["audio_path"]
    if audio.file_of(path) != path:
        path = _unpacked(path, out / "audio" / f"{row['clip_id']}.wav")
    rate, frames, count = _measured(path)
    return {
        "id": name,
        "sources": [{"type": "file", "channels": list(range(count)), "source": str(path.absolute())}],
        "sampling_rate": rate,
        "num_samples": frames,
        "duration": frames / rate,
        "channel_ids": list(range(count)),
    }


def _measured(path: Path) -> tuple[int, int, int]:
    """Rate in Hz, samples and channels of a file; of a video container, those of its downmix."""
    import soundfile

    try:
        info = soundfile.info(str(path))
        return int(info.samplerate), int(info.frames), int(info.channels)
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        try:
            samples, rate = audio.read(path)
        except AudioError as error:
            raise CorpusError(f"{path}: {error}; the file is not what the manifest saw: read the corpus again with `cpqa corpus`") from None
        return rate, len(samples), 1


def _unpacked(cell: Path, path: Path) -> Path:
    """A table's audio as a file of its own."""
    import soundfile

    samples, rate = audio.read(cell)
    with whole_file(path) as beside:
        soundfile.write(str(beside), samples, rate, subtype="PCM_16", format="WAV")
    return path


def _lines(path: Path) -> gzip.GzipFile:
    return gzip.GzipFile(path, "wb", mtime=0)  # no time and no name in it: the same run, the same bytes


def _write(file: gzip.GzipFile, item: dict[str, Any]) -> None:
    file.write((json.dumps(item, ensure_ascii=False) + "\n").encode())

"""A dataset in the form that other trainers read: `cpqa export DATASET --format ms-swift`.

    ms-swift        SPLIT.jsonl: {"messages": [user, assistant], "audios": [path]}, `<audio>` at the head of the question
    llamafactory    SPLIT.jsonl in its sharegpt form with the same tag, and dataset_info.json that names the files
    jsonl           SPLIT.jsonl with our own columns and `audio`, a path

and audio/, every clip once, bytes as they are in the dataset. `_export.json` is written first and completed last: it says whose folder this is, so that a killed export goes on
and a folder with other things in it is left alone.

Both frameworks look for their tags in the whole text. A question or an answer in which such a tag stands would be taken for audio, so those rows are refused by name, or left
out and counted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import DatasetError
from cp_paraling_qa.stage import whole_file, write_json

RECORD = "_export.json"
AUDIO_TAG = "<audio>"
TAGS = {
    "ms-swift": ("<image>", "<video>", "<audio>", "<bbox>", "<ref-object>", "<cot-process>", "<start-image>"),
    "llamafactory": ("<image>", "<video>", "<audio>"),
    "jsonl": (),
}
"""Formats, and what each framework takes for something else than text (ms-swift 4.6 `Template.special_tokens`; LLaMA-Factory 0.9.5 `extras/constants.py`)."""

COLUMNS = ("id", "clip_id", "question", "answer", "prompt", "metadata", "type", "kind", "difficulty", "label", "transcript", "emotion", "arousal", "valence")
MORE = ("dominance", "gender", "speaker_id", "corpus", "language", "license", "text_answerable", "contrast_set", "conflict", "start", "end", "config")
_LISTED = 20


@dataclass
class Exported:
    """What an export wrote.

    Attributes:
        rows: split → rows.
        clips: audio files.
        left_out: rows with a tag in their text, by id.
        files: the files with rows, in the order of the splits.
        unchanged: everything was there already.
    """

    rows: dict[str, int]
    clips: int
    left_out: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    unchanged: bool = False


def export(
    dataset: str,
    out: Path,
    *,
    format: str,
    configs: Sequence[str],
    splits: Sequence[str],
    absolute: bool | None = None,
    drop_tagged: bool = False,
    tick: Callable[[int], None] | None = None,
) -> Exported:
    """Writes a dataset for another trainer.

    Args:
        dataset: a dataset folder or a Hub id.
        out: the folder; empty, new, or of this very export.
        format: ms-swift, llamafactory or jsonl.
        configs: whose rows, one behind the other in one file.
        splits: each becomes a file.
        absolute: whether audio paths are absolute; None for what the framework finds by itself: absolute for ms-swift, which looks from the working directory,
            relative to `out` for the others.
        drop_tagged: leave rows with a tag in their text out instead of refusing them.
        tick: called with the number of rows that were just written.

    Raises:
        DatasetError: nothing to export, rows with a tag, audio that is missing or of no known form, or a folder with other things in it.
        StorageError: the folder cannot be written.
    """
    if format not in TAGS:
        raise DatasetError(f"export format {format!r} is not one of {', '.join(TAGS)}")
    if not configs or not splits:
        raise DatasetError("nothing to export: name a config, such as baseline, and a split, such as train")
    absolute = format == "ms-swift" if absolute is None else absolute
    tables = {split: _load(dataset, configs, split) for split in splits}
    tagged = {} if not TAGS[format] else {row["id"]: tag for rows in tables.values() for row in _light(rows) if (tag := _tag(row, format))}
    if tagged and not drop_tagged:
        listed = ", ".join(f"{row} ({tag})" for row, tag in list(tagged.items())[:_LISTED]) + (
            f" and {len(tagged) - _LISTED} more" if len(tagged) > _LISTED else ""
        )
        raise DatasetError(
            f"{format} would take a tag in these rows' text for audio, images or marks: {listed}. Change their text, or leave them out with --drop-tagged."
        )
    key = _key(format, absolute, drop_tagged, tables)
    finished = _claim(out, key, {"format": format, "dataset": dataset, "configs": list(configs), "splits": list(splits)})
    if finished is not None:
        return Exported(**finished, unchanged=True)
    places = _write_audio(tables, out)
    done = Exported(rows={}, clips=len(set(places.values())), left_out=sorted(tagged))
    for split, rows in tables.items():
        done.files.append(f"{split}.jsonl")
        done.rows[split] = _write_rows(out / done.files[-1], rows, places, out, format=format, absolute=absolute, skip=set(tagged), tick=tick)
    if format == "llamafactory":
        write_ascii(out / "dataset_info.json", _dataset_info(done.files))
    finished = {"rows": done.rows, "clips": done.clips, "left_out": done.left_out, "files": done.files}
    write_json(out / RECORD, _record(out) | {"finished": finished})
    return done


def _load(dataset: str, configs: Sequence[str], split: str) -> list[tuple[str, Any]]:
    """The rows of each config, audio left encoded."""
    from datasets import Audio, load_dataset

    bundled = Path(__file__).resolve().parent.parent
    path = str(bundled) if dataset == bundled.name and not Path(dataset).is_dir() else dataset  # called from elsewhere than the checkout's root
    tables = []
    for config in configs:
        try:
            rows = load_dataset(path, config, split=split)
        except (ValueError, FileNotFoundError, ConnectionError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise DatasetError(f"{dataset}: config {config!r}, split {split!r} cannot be loaded ({reason})") from error
        missing = {"id", "clip_id", "audio", "prompt", "answer"} - set(rows.column_names)
        if missing:
            raise DatasetError(f"{dataset}: config {config!r} has no column {', '.join(sorted(missing))}; export baseline, explicit, implicit or combined")
        if getattr(rows.features["audio"], "decode", False):
            rows = rows.cast_column("audio", Audio(decode=False))
        tables.append((config, rows))
    if not any(len(rows) for _, rows in tables):
        raise DatasetError(f"{dataset}: {', '.join(configs)} hold no rows in split {split!r}")
    return tables


def _light(tables: Sequence[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows without their audio; its place says whether there is any."""
    for config, rows in tables:
        silent = rows.data.column("audio").is_null().to_pylist()
        light = rows.select_columns([name for name in (*COLUMNS, *MORE) if name in rows.column_names])
        for row, no_audio in zip(light, silent, strict=True):
            yield {**row, "config": config, "silent": no_audio}


def _tag(row: Mapping[str, Any], format: str) -> str | None:
    """The first tag of the framework in what a row shows and asks for."""
    return next((tag for tag in TAGS[format] if tag in (row["prompt"] or "") or tag in (row["answer"] or "")), None)


def _key(format: str, absolute: bool, drop_tagged: bool, tables: Mapping[str, Sequence[tuple[str, Any]]]) -> str:
    """What an export is known by: its options and every row's text."""
    total = hashlib.sha256(f"{format} {absolute} {drop_tagged}".encode())
    for split, rows in tables.items():
        total.update(split.encode())
        for row in _light(rows):
            total.update(json.dumps(row, sort_keys=True, default=str).encode())
    return total.hexdigest()[:16]


def _record(out: Path) -> dict[str, Any]:
    try:
        found = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _claim(out: Path, key: str, about: Mapping[str, Any]) -> dict[str, Any] | None:
    """Makes the folder this export's own.

    Returns:
        what was written, if this very export is finished and its files are there.

    Raises:
        DatasetError: the folder holds something else.
    """
    record = _record(out)
    if record.get("key") == key:
        for left in [*out.glob(".*.tmp"), *(out / "audio").glob(".*.tmp")]:  # of an export that was killed
            left.unlink(missing_ok=True)
        finished: dict[str, Any] | None = record.get("finished")
        whole = finished is not None and all((out / name).is_file() for name in finished["files"])
        return finished if whole and finished is not None and len(list((out / "audio").glob("*"))) == finished["clips"] else None
    if record:
        raise DatasetError(f"{out} holds another export ({record.get('format')} of {record.get('dataset')}): choose another folder with --out, or remove it")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out} holds other things: choose an empty or new folder with --out")
    write_json(out / RECORD, {"key": key, **about, "finished": None})
    return None


def _write_audio(tables: Mapping[str, Sequence[tuple[str, Any]]], out: Path) -> dict[str, str]:
    """Every clip once; clip_id → path relative to `out`."""
    places: dict[str, str] = {}
    for tables_ in tables.values():
        for _, rows in tables_:
            first: dict[str, int] = {}
            silent = rows.data.column("audio").is_null().to_pylist()
            for number, clip in enumerate(rows["clip_id"]):
                if clip not in places and not silent[number]:
                    first.setdefault(clip, number)
            sounds = rows.select_columns(["audio"])
            for clip, number in first.items():
                sound = _bytes(clip, sounds[number]["audio"])
                places[clip] = f"audio/{_file_name(clip)}{suffix_of(sound, clip)}"
                _write_once(out / places[clip], sound)
    return places


def _bytes(clip: str, audio: Mapping[str, Any]) -> bytes:
    if audio["bytes"] is not None:
        return bytes(audio["bytes"])
    try:
        return Path(audio["path"] or "").read_bytes()
    except OSError:
        raise DatasetError(
            f"clip {clip}: the dataset holds no audio, and there is no file {audio['path']}: put the audio back with attach_audio, or export on the machine that has it"
        ) from None


def _write_once(path: Path, sound: bytes) -> None:
    if path.is_file() and path.stat().st_size == len(sound) and path.read_bytes() == sound:
        return
    with whole_file(path) as beside:
        beside.write_bytes(sound)


def _file_name(clip: str) -> str:
    """A clip's id where it can be a file name, else a hash of it."""
    return clip if re.fullmatch(r"[\w-][\w.-]{0,100}", clip, re.ASCII) else hashlib.sha256(clip.encode()).hexdigest()[:32]


def suffix_of(sound: bytes, clip: str) -> str:
    """The suffix of an audio file by its first bytes, as frameworks go by names.

    Example:
        >>> suffix_of(b"fLaC....", "c1"), suffix_of(b"RIFF....WAVEfmt ", "c1")
        ('.flac', '.wav')

    Raises:
        DatasetError: none of FLAC, WAV, Ogg, MP3 and MPEG-4, naming the clip.
    """
    if sound[:4] == b"fLaC":
        return ".flac"
    if sound[:4] in (b"RIFF", b"RF64") and sound[8:12] == b"WAVE":
        return ".wav"
    if sound[:4] == b"OggS":
        return ".ogg"
    if sound[:3] == b"ID3" or (sound[:1] == b"\xff" and len(sound) > 1 and sound[1] & 0xE6 in (0xE2, 0xE4, 0xE6)):
        return ".mp3"
    if sound[4:8] == b"ftyp":
        return ".m4a"
    raise DatasetError(f"clip {clip}: its audio is neither FLAC, WAV, Ogg, MP3 nor MPEG-4 (it begins with {sound[:8]!r})")


def _write_rows(
    path: Path,
    tables: Sequence[tuple[str, Any]],
    places: Mapping[str, str],
    out: Path,
    *,
    format: str,
    absolute: bool,
    skip: set[str],
    tick: Callable[[int], None] | None,
) -> int:
    """One file of rows, whole or not at all; returns how many."""
    count = 0
    with whole_file(path) as beside, open(beside, "w", encoding="utf-8", newline="\n") as file:
        for row in _light(tables):
            if row["id"] in skip:
                continue
            place = None if row["silent"] else places[row["clip_id"]]
            if place is not None and absolute:
                place = str(out.resolve() / place)
            file.write(json.dumps(record_of(row, place, format), ensure_ascii=False) + "\n")
            count += 1
            if tick is not None:
                tick(1)
    return count


def record_of(row: Mapping[str, Any], audio: str | None, format: str) -> dict[str, Any]:
    """One row as a format writes it.

    Args:
        row: with prompt, answer and the rest of our columns.
        audio: the path of its clip; None for a row without audio, which gets no tag.
        format: ms-swift, llamafactory or jsonl.

    Example:
        >>> record_of({"prompt": "How does she feel?", "answer": "Sad."}, "audio/c.flac", "ms-swift")["messages"][0]
        {'role': 'user', 'content': '<audio>How does she feel?'}
    """
    if format == "jsonl":
        return {name: row[name] for name in (*COLUMNS, *MORE) if name in row} | {"audio": audio}
    shown = row["prompt"] if audio is None else AUDIO_TAG + row["prompt"]
    sounds = [] if audio is None else [audio]
    if format == "llamafactory":
        return {"conversations": [{"from": "human", "value": shown}, {"from": "gpt", "value": row["answer"]}], "audios": sounds}
    return {"messages": [{"role": "user", "content": shown}, {"role": "assistant", "content": row["answer"]}], "audios": sounds}


def _dataset_info(files: Sequence[str]) -> dict[str, Any]:
    """LLaMA-Factory's list of datasets. Its paths are taken from `media_dir`, which is `dataset_dir` where nobody sets it."""
    return {
        f"cpqa_{Path(name).stem}": {"file_name": name, "formatting": "sharegpt", "columns": {"messages": "conversations", "audios": "audios"}} for name in files
    }


def write_ascii(path: Path, value: Any) -> None:
    """A JSON file without a sign beyond ASCII: LLaMA-Factory opens it in the encoding of the locale."""
    with whole_file(path) as beside:
        beside.write_text(json.dumps(value, indent=2) + "\n", encoding="ascii")

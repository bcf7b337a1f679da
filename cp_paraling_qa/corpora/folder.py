"""A folder of one's own audio, after the Hugging Face audiofolder convention.

    clips/metadata.csv (or metadata.jsonl)      one row a clip: file_name and any of our columns
    clips/0001.wav …                            file_name is relative to its metadata file; sub-folders may hold a metadata file each

Columns are those of a clip (speaker_id, dialogue_id, gender, age, language, transcript, words, start, end, split, license, opinions), and, as short forms of
opinions, emotion (a label) and arousal, valence, dominance (0–1). Where no split is given, a folder called train, validation or test says it. Other columns
are left alone. Licence, and whether the audio may be passed on: the owner's to say, in the column `license`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from cp_paraling_qa.corpora.base import audio_files, existing_root, record, speaker_named
from cp_paraling_qa.corpora.walking import folders
from cp_paraling_qa.errors import CorpusError, LabelError
from cp_paraling_qa.labels import known_emotion
from cp_paraling_qa.schema import AXES, SPLIT_NAMES, Opinion, Word, null_nan, opinion, word
from cp_paraling_qa.stage import Drop, Row

SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
}
GENDERS = {"female": "female", "f": "female", "woman": "female", "male": "male", "m": "male", "man": "male"}
_TEXT = ("speaker_id", "dialogue_id", "language", "transcript", "license")
_NUMBERS = ("start", "end", "age")
MISSING = ("nan", "null", "none", "n/a", "na", "<na>")


class Folder:
    """Reads metadata files and the audio beside them; see the module for the layout."""

    name: ClassVar[str] = "folder"
    layout: ClassVar[str] = "metadata.csv or metadata.jsonl with file_name, and the audio files beside it"
    license: ClassVar[str | None] = None
    redistributable: ClassVar[bool] = True

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every row with its file, sorted as the metadata are; then the files that no row names."""
        existing_root(root, self.layout)
        tables = sorted(folder / name for folder, names in folders(root) for name in names if name in ("metadata.csv", "metadata.jsonl"))
        files = {p.relative_to(root).as_posix() for p in audio_files(root)}
        if not tables:
            raise CorpusError(
                f"no metadata.csv or metadata.jsonl below {root}: write one with a column file_name and any of transcript, speaker_id, emotion, split, …"
            )
        if len({p.parent for p in tables}) < len(tables):
            raise CorpusError(
                f"{next(p.parent for p in tables if (p.parent / 'metadata.jsonl') in tables and (p.parent / 'metadata.csv') in tables)} holds both metadata.csv and metadata.jsonl: keep one of them"
            )
        named: set[str] = set()
        for path in tables:
            for line, row in read_metadata(path):
                yield self._clip(root, path, line, row, files, named)
        for orphan in sorted(files - named):
            yield Drop(orphan, "file without a metadata row", "add a row, or remove the file")

    def _clip(self, root: Path, table: Path, line: int, row: dict[str, Any], files: set[str], named: set[str]) -> Row | Drop:
        place = f"{table.relative_to(root).as_posix()} line {line}"
        if "" in row:
            return Drop(place, "more cells than columns", "put quotes around text with commas in it")
        name = row.get("file_name")
        if not isinstance(name, str) or not name.strip():
            return Drop(place, "metadata row without file_name", "name the audio file, relative to this table's folder")
        where = PurePosixPath(table.parent.relative_to(root).as_posix(), name.strip()).as_posix()
        if PurePosixPath(where).is_absolute() or ".." in PurePosixPath(where).parts:
            return Drop(f"{place}: {name}", "file_name leaves the corpus folder")
        span = (row.get("start"), row.get("end"))
        if where not in files and not (root / where).is_file():
            return Drop(
                f"{place}: {name}", "metadata row without a file", f"{where} is not there; paths are relative to the table's folder, with forward slashes"
            )
        if where in named and span in ((None, None), ("", "")):
            return Drop(f"{place}: {name}", "duplicate file_name", "an earlier row names the same file")
        named.add(where)
        try:
            return record(where, **self._columns(row, where))
        except LabelError as error:
            reason, _, detail = str(error).partition(": ")
            return Drop(where, reason, detail)

    def _columns(self, row: dict[str, Any], where: str) -> Row:
        columns: Row = {key: _text(row.get(key)) if key == "transcript" else _label(row.get(key)) for key in _TEXT}
        columns["speaker_id"] = speaker_named(columns["speaker_id"])
        columns |= {key: _number(row, key) for key in _NUMBERS}
        if gender := _label(row.get("gender")):
            columns["gender"] = GENDERS.get(gender.lower())
            if columns["gender"] is None:
                raise LabelError(f"unknown gender: {gender!r}; female, male, or leave it empty")
        split = _label(row.get("split")) or next((part for part in PurePosixPath(where).parts[:-1] if part.lower() in SPLITS), None)
        if split is not None:
            columns["split"] = SPLITS.get(split.lower(), split.lower())
            if not SPLIT_NAMES.fullmatch(columns["split"]):
                raise LabelError(f"unknown split: {split!r}; train, validation, test, or test1, test2, …")
        columns["words"] = [_word(item) for item in _list(row, "words")]
        columns["opinions"] = self._opinions(row)
        return columns

    def _opinions(self, row: dict[str, Any]) -> list[Any]:
        license = _text(row.get("license"))
        opinions = [_opinion(item) for item in _list(row, "opinions")]
        if label := _label(row.get("emotion")):
            opinions.append(opinion("emotion", label, source="human", license=license))
        for axis in AXES:
            if (score := _number(row, axis)) is not None:
                if not 0 <= score <= 1:
                    raise LabelError(f"{axis} is outside 0–1: {score:g}; bring it to 0 (low) to 1 (high)")
                opinions.append(opinion(axis, score=score, source="human", license=license))
        for one in opinions:
            if one["field"] == "emotion" and one["value"] and not known_emotion(one["value"]):
                raise LabelError(f"unknown emotion: {one['value']!r}; it stands in no inventory of cp_paraling_qa.labels: correct it, or add it there")
        return opinions


def read_metadata(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a metadata file with their line numbers.

    Raises:
        CorpusError: not UTF-8, not JSON lines, or no column file_name; names the file, the place and the remedy.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path} is not UTF-8 (byte {error.start} is 0x{error.object[error.start]:02x}): save it as UTF-8, e.g. `iconv -f latin1 -t utf-8`"
        ) from None
    yield from _csv_rows(path, text) if path.suffix == ".csv" else _json_rows(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a CSV table. An unclosed quote would swallow the rows behind it, and a stray comma cut a transcript: both are refused."""
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True, restkey="")
    try:
        names = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = names
        if "file_name" not in names:
            raise CorpusError(
                f"{path} has no column file_name (it has {', '.join(names) or 'none'}): the audiofolder convention asks for it, in a table separated by commas"
            )
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise CorpusError(f"{path} has two columns called {', '.join(doubled)}: keep one of each")
        for row in reader:
            yield reader.line_num, dict(row)
    except csv.Error as error:
        raise CorpusError(f"{path} line {reader.line_num} is no CSV ({error}): look for a quote that is not closed") from None


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of JSON lines. Only a newline ends a line: other separators may stand inside a text."""
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError as error:
            raise CorpusError(f"{path} line {line} is not JSON ({error}): one JSON object a line") from None
        if not isinstance(row, dict):
            raise CorpusError(f"{path} line {line} is not a JSON object: one JSON object a line")
        yield line, row


def _opinion(given: dict[str, Any]) -> Opinion:
    """An opinion as a table gives it, every value brought to its kind."""
    if unknown := set(given) - set(Opinion.__annotations__):
        raise LabelError(f"an opinion has no such entry: {', '.join(sorted(unknown))}")
    numbers = {key: _number(given, key) for key in ("score", "probability", "start", "end")}
    names = {key: _label(given.get(key)) for key in ("rater", "revision", "license")}
    field, source = _label(given.get("field")), _label(given.get("source")) or "human"
    if field is None:
        raise LabelError("an opinion without a field: say what it is about, e.g. emotion")
    return opinion(field, _text(given.get("value")), source=source, **numbers, **names)  # type: ignore[arg-type]  # `opinion` checks the source


def _word(given: dict[str, Any]) -> Word:
    text = _text(given.get("word"))
    if text is None:
        raise LabelError("an entry of words has no word: each needs word, and may have start, end and probability")
    return word(text, _number(given, "start"), _number(given, "end"), _number(given, "probability"))


def _text(value: Any) -> str | None:
    """Text without surrounding space; None for null, empty and a float NaN (pandas writes those for missing cells)."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a table that went through pandas says 7.0 where another says 7
    return str(value).strip() or None


def _label(value: Any) -> str | None:
    """As `_text`, and None for what tables write in an empty cell: "nan" is nobody's name."""
    text = _text(value)
    return None if text is not None and text.lower() in MISSING else text


def _number(row: dict[str, Any], key: str) -> float | None:
    value = _label(row.get(key))
    if value is None:
        return None
    try:
        return null_nan(float(value))
    except ValueError:
        raise LabelError(f"{key} is not a number: {value!r}") from None


def _list(row: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """A nested column: a list as it stands in JSON lines, or its JSON text in a CSV cell."""
    value = row.get(key)
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError:
            raise LabelError(f"{key} is not JSON: {value[:60]!r}") from None
    if value in (None, ""):
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise LabelError(f"{key} is not a list of objects: {str(value)[:60]}")
    return value

"""predictions.jsonl, read and checked: one JSON object a line, as predict.py writes it.

Columns: id, clip_id, config, question, prompt, prediction, reference, label, type, kind, speaker_id, corpus, emotion, and what a dataset marks its rows with.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import JudgeError

Row = dict[str, Any]

TABLES = (".csv", ".tsv")
_MARKS = ("text_answerable", "conflict")
_TEXTS = ("config", "question", "prediction", "reference", "label", "type", "emotion", "contrast_set", "clip_id")


def known_of(row: Mapping[str, Any]) -> str | None:
    """What a judge is told of a row's recording beside the reference; the same wherever one judges, so that kept verdicts are found again."""
    return f"The speaker's emotion is {row['emotion']}." if row.get("emotion") else None


def read_lines(path: Path, remedy: str) -> list[bytes]:
    """The lines of a file.

    Raises:
        JudgeError: it cannot be read; ends with the remedy.
    """
    try:
        return path.read_bytes().split(b"\n")
    except OSError as error:
        raise JudgeError(f"{path} cannot be read ({error.strerror}): {remedy}") from error


def read_object(line: bytes, where: str) -> Row:
    """One line as a JSON object.

    Raises:
        JudgeError: not UTF-8, not JSON, not an object; begins with where.
    """
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise JudgeError(f"{where}: not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        if line.strip() in (b"[", b"{"):
            raise JudgeError(f"{where}: a JSON document over several lines; write JSON Lines, one object a line") from error
        raise JudgeError(f"{where}: not JSON ({error}); the file may have been cut while it was written") from error
    if not isinstance(row, dict):
        raise JudgeError(f"{where}: a {type(row).__name__}, not a JSON object")
    return {_whole(name): _whole(value) for name, value in row.items()} if b"\\ud" in line.lower() else row


def read_objects(path: Path, remedy: str) -> Iterator[tuple[int, Row]]:
    """Number and object of each line of a JSON Lines file; blank lines are passed over.

    Raises:
        JudgeError: see `read_lines` and `read_object`.
    """
    for number, line in enumerate(read_lines(path, remedy), 1):
        if line.strip():
            yield number, read_object(line, f"{path}, line {number}")


def read_table(path: Path, remedy: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells of each row of a CSV or TSV file with a header; the number is that of the line on which the row ends.

    Raises:
        JudgeError: see `read_lines`; not UTF-8, a header that names a column twice, or a row that no table has, by its line.
    """
    try:
        text = b"\n".join(read_lines(path, remedy)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JudgeError(f"{path}: not UTF-8 (byte {error.start})") from error
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a long answer is none of the faults that the limit guards against: the file is read already
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    try:
        named = [name.strip() for name in reader.fieldnames or ()]
        if twice := sorted({name for name in named if name and named.count(name) > 1}):
            raise JudgeError(f"{path}: the header names {', '.join(twice)} twice; keep the column that is meant")
        for row in reader:
            if None in row:
                raise JudgeError(f"{path}, line {reader.line_num}: more cells than the header has columns")
            yield reader.line_num, {name.strip(): value or "" for name, value in row.items()}
    except csv.Error as error:
        raise JudgeError(f"{path}, line {reader.line_num}: {error}") from error


def _typed(cells: dict[str, str]) -> Row:
    """A table's cells as JSON would have them: nothing for an empty one, truth for marks, a number for a duration."""
    row: Row = {name: value if value.strip() else None for name, value in cells.items()}
    for name in _MARKS:
        row[name] = {"true": True, "1": True, "false": False, "0": False}.get(str(row.get(name)).strip().lower())
    with suppress(TypeError, ValueError):
        row["duration"] = float(row["duration"]) if "duration" in row else None
    return row


def read_predictions(path: str | Path) -> list[Row]:
    """The rows of a predictions file.

    Args:
        path: JSON Lines; or, by its ending, .csv or .tsv with the same columns, whose empty cells are missing values.

    Returns:
        At least one row. Blank lines are passed over.

    Raises:
        JudgeError: no such file, no rows; or, with its line number: not UTF-8, not a JSON object, no prediction or reference, a text that is none, an id twice in one config.
    """
    path = Path(path)
    rows: list[Row] = []
    seen: dict[tuple[Any, Any], int] = {}
    remedy = "give the predictions.jsonl that trainer/predict.py wrote"
    found = read_table(path, remedy) if path.suffix.lower() in TABLES else read_objects(path, remedy)
    for number, read in found:
        where = f"{path}, line {number}"
        row = check_row(_typed(read) if path.suffix.lower() in TABLES else read, where)
        key = (row.get("config"), row["id"])
        if key in seen:
            raise JudgeError(f"{where}: id {row['id']!r} of config {row.get('config')!r} stands already on line {seen[key]}; score each run's file by itself")
        seen[key] = number
        rows.append(row)
    if not rows:
        raise JudgeError(f"{path} holds no predictions")
    return rows


def check_row(row: Row, where: str) -> Row:
    """A row with a string for id and strings for all texts.

    Raises:
        JudgeError: prediction or reference is missing, or something that has to be a string is none; begins with where.
    """
    if missing := [key for key in ("prediction", "reference") if key not in row]:
        raise JudgeError(f"{where}: no {' and no '.join(missing)}")
    if isinstance(row.get("id"), bool | list | dict | float):
        raise JudgeError(f"{where}: id is a {type(row['id']).__name__}, not a string")
    row["id"] = where if row.get("id") is None else str(row["id"])  # files of other tools may have none
    if isinstance(row.get("clip_id"), int) and not isinstance(row["clip_id"], bool):
        row["clip_id"] = str(row["clip_id"])
    for key in _TEXTS:
        if row.get(key) is not None and not isinstance(row[key], str):
            raise JudgeError(f"{where}: {key} is a {type(row[key]).__name__}, not a string")
    return row


def _whole(value: Any) -> Any:
    """A text without halves of surrogate pairs, which JSON can say, but no file, page or request can carry; other values as they are."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if isinstance(value, str) else value

"""Where a scoring's files go, and writing them: each whole or not at all, scores.json last, so that it is never newer than what it sums up."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cp_paraling_qa.errors import JudgeError, StorageError
from cp_paraling_qa.report.page import Audio, write_report
from cp_paraling_qa.stage import whole_file, write_json


class Places(NamedTuple):
    """The three files of a scoring."""

    scores: Path
    judgements: Path
    report: Path


def places(predictions: Path, out: Path | None) -> Places:
    """Where the files go.

    Args:
        predictions: the file that is scored; without `out`, scores.json, judgements.jsonl and report.html stand beside it.
        out: a folder for the three; or a .json file, whose name goes before the others' if it is not scores.json, so that several scorings share a folder.

    Raises:
        JudgeError: a file would take the place of the predictions.

    Example:
        >>> places(Path("p.jsonl"), Path("runs/a.json")).report.as_posix()
        'runs/a-report.html'
    """
    scores = predictions.with_name("scores.json") if out is None else out if out.suffix == ".json" else out / "scores.json"
    before = "" if scores.name == "scores.json" else f"{scores.stem}-"
    found = Places(scores, scores.with_name(f"{before}judgements.jsonl"), scores.with_name(f"{before}report.html"))
    if predictions.resolve() in (path.resolve() for path in found):
        raise JudgeError(f"{predictions} is a file that scoring writes; give predictions of another name, or another folder with --out")
    return found


def check_writable(where: Places) -> None:
    """What would fail when everything is judged and paid for is said before anything is.

    Raises:
        StorageError: the folder cannot be made or written to, or one of the files is a folder.
    """
    if taken := next((path for path in where if path.is_dir()), None):
        raise StorageError(f"{taken} is a folder, and scoring writes a file of that name: move it, or give another place with --out")
    folder = where.scores.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(f"{folder} cannot be written to ({error.strerror}): give another place with --out") from error


def write_results(where: Places, scores: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, audio: Audio | Mapping[str, bytes] | None = None) -> None:
    """Writes the judgements, the report and the scores.

    Raises:
        StorageError: a file cannot be written.
    """
    write_lines(where.judgements, rows)
    write_report(scores, rows, where.report, audio=audio)
    write_json(where.scores, scores)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """JSON Lines, whole or not at all."""
    with whole_file(path) as beside, beside.open("wb") as file:
        for row in rows:
            file.write(_line(row) + b"\n")


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can say and UTF-8 cannot
        return json.dumps(row, allow_nan=False).encode("ascii")

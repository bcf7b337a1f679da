"""A predictions file and what stands for it until it is complete: finished rows in a journal, and a note beside the finished file that says which run made it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import StorageError
from cp_paraling_qa.stage import write_json


class Journal:
    """Finished rows of a run under way, one JSON line each, behind a first line that says which run it is.

    A line that a kill cut in half is cut off; a journal of another run is set aside as `.bak`.

    Args:
        path: beside the predictions.
        run: what makes this run this run.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path, self.run = path, dict(run)
        self.done: dict[int, str] = {}
        whole = self._read()
        if path.exists() and whole == 0:
            path.replace(path.with_name(path.name + ".bak"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("ab")
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}; pass another --out") from error
        if whole:
            self.file.truncate(whole)
        else:
            self._write({"run": self.run})

    def _read(self) -> int:
        """Fills `done`; returns the length of the whole lines in bytes, 0 where there is no journal of this run."""
        if not self.path.exists():
            return 0
        whole = 0
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True)):
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or (number == 0 and entry.get("run") != self.run):
                break
            if number:
                self.done[int(entry["row"])] = str(entry["prediction"])
            whole += len(line)
        return whole

    def add(self, numbers: Sequence[int], texts: Sequence[str]) -> None:
        """Writes the answers of a finished batch, out of this process's hands at once. A row that is done keeps its answer."""
        for number, text in zip(numbers, texts, strict=True):
            if number not in self.done:
                self.done[number] = text
                self._write({"row": number, "prediction": text})

    def _write(self, entry: Mapping[str, Any]) -> None:
        try:
            self.file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            self.file.flush()
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}; free some space and run again, it goes on from here") from error

    def close(self) -> None:
        """Ends writing; the file stays."""
        self.file.close()


class PredictionsFile:
    """`predictions.jsonl` of one run: there already, under way, or to be begun.

    Args:
        path: of the file.
        run: what makes this run this run; JSON-able.
        say: takes one line at a time.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], say: Callable[[str], None]) -> None:
        self.path, self.run, self.say = path, dict(run), say
        self.note = path.with_name(path.name + ".run.json")

    def stands(self) -> bool:
        """Whether the file is there, made by this very run. One of another run is set aside as `.bak`."""
        if not self.path.exists():
            return False
        if _read_note(self.note) == json.loads(json.dumps(self.run)):
            self.say(f"{self.path} is there already, from the same model and rows")
            return True
        self.path.replace(self.path.with_name(self.path.name + ".bak"))
        self.note.unlink(missing_ok=True)
        return False

    def journal(self, count: int) -> Journal:
        """The journal to go on with, of `count` rows in all."""
        journal = Journal(self.path.with_name(self.path.name + ".journal"), self.run)
        if journal.done:
            self.say(f"going on: {len(journal.done)} of {count} rows are done")
        return journal

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Writes the rows' lines, beside and then into place.

        Raises:
            StorageError: the disk is full, or the like; the journal keeps every answer.
        """
        beside = self.path.with_name(self.path.name + ".part")
        try:
            with beside.open("w", encoding="utf-8") as file:
                for line in lines:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            beside.replace(self.path)
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}; free some space and run again, no answer is lost") from error

    def finish(self, journal: Journal) -> None:
        """Says beside the file which run made it, last; the journal has done its work."""
        write_json(self.note, self.run)
        journal.path.unlink()


def _read_note(path: Path) -> Any:
    """What a finished run says of itself; None where nothing, or nothing whole, is there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


class Progress:
    """A line every few seconds, and one at the end.

    Args:
        total: rows.
        before: rows that were done at the start.
        say: takes the line.
    """

    def __init__(self, total: int, before: int, say: Callable[[str], None]) -> None:
        self.total, self.before, self.say = total, before, say
        self.began = self.last = time.perf_counter()

    def __call__(self, done: int) -> None:
        """So many rows are done."""
        now = time.perf_counter()
        if done < self.total and now - self.last < 5:
            return
        self.last = now
        left = (now - self.began) / max(1, done - self.before) * (self.total - done)
        self.say(f"predicted {done}/{self.total}" + (f"  {left:.0f} s left" if done < self.total else f"  in {now - self.began:.0f} s"))

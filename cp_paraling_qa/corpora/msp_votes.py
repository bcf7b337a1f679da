"""Every worker's vote of MSP-Podcast, from whichever of its three files a copy has, without holding the million of them in memory.

    labels.txt              MSP-PODCAST_0001_0008.wav; N; A:2.600000; V:4.800000; D:5.000000;                   what the votes add up to
                            WORKER00000005; Neutral; Neutral,Concerned; A:4.000000; V:4.000000; D:4.000000;     one line a worker
    labels_detailed.csv     FileName, and either one column EmoDetail with such a line, or columns Workers, EmoClass_Major, EmoClass_Second, EmoAct, EmoVal, EmoDom
    labels_detailed.json    {"MSP-PODCAST_0001_0008.wav": {"WORKER00000005": {"EmoClass_Major": "Neutral", "EmoAct": …}, …}, …}

A file is passed through once, and only where each clip's votes begin is kept; they are read when the clip's turn comes.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from cp_paraling_qa.corpora.labelling import child
from cp_paraling_qa.errors import CorpusError

_AXES = re.compile(r"\b([AVD]):\s*([^;\s]*)")
_HEADER = re.compile(rb"\s*([^;\s]+?)\.wav\s*;")
_KEY = re.compile(rb'"([^"\\]{1,200})\.wav"\s*:\s*')
_BLOCK = 1 << 20
_LONGEST_KEY = 512
MOST_LINES = 16


class Vote(NamedTuple):
    """One worker's answer, as the file writes it; scores from 1 to 7. In a consensus, what the votes add up to."""

    rater: str | None
    emotion: str
    arousal: str
    valence: str
    dominance: str


def parse_line(line: str) -> Vote:
    """One line of labels.txt: who or which file; the emotion; any further emotions; the axes, which are found by their letters.

    Example:
        >>> parse_line("WORKER00000005; Neutral; Neutral,Concerned; A:4.0; V:3.0; D:5.0;")
        Vote(rater='WORKER00000005', emotion='Neutral', arousal='4.0', valence='3.0', dominance='5.0')
    """
    parts = line.split(";")
    axes = dict(_AXES.findall(line))  # the last ones stand behind whatever a worker wrote
    return Vote(parts[0].strip(), parts[1].strip() if len(parts) > 1 else "", axes.get("A", ""), axes.get("V", ""), axes.get("D", ""))


def from_columns(rater: str | None, row: Mapping[str, Any]) -> Vote:
    """A vote whose parts have names, or a line of labels.txt under the name EmoDetail."""
    cells = {str(key).strip().lower(): "" if value is None else str(value).strip() for key, value in row.items()}
    if detail := cells.get("emodetail"):
        return parse_line(detail)
    if rater is None:
        rater = next((cells[key] for key in cells if re.search("worker|annotator|rater", key)), None) or None
    emotion = next((cells[key] for key in ("emoclass_major", "emoclass_primary", "emoclass") if cells.get(key)), "")
    return Vote(rater, emotion, cells.get("emoact", ""), cells.get("emoval", ""), cells.get("emodom", ""))


class LabelsText:
    """labels.txt. `voted` says whether it holds workers' lines at all, beside what they add up to."""

    def __init__(self, path: Path) -> None:
        self.path, self.voted = path, False
        self.starts: dict[str, int] = {}
        place = 0
        with open(path, "rb") as file:
            for line in file:
                if header := _HEADER.match(line):
                    self.starts.setdefault(header[1].decode("utf-8", "replace"), place)
                elif line.count(b";") > 2:
                    self.voted = True
                place += len(line)

    def consensus(self, name: str) -> Vote:
        """What the votes on a clip add up to."""
        with open(self.path, "rb") as file:
            file.seek(self.starts[name])
            return parse_line(file.readline().decode("utf-8", "replace"))

    def votes(self, name: str) -> list[Vote]:
        """Every vote on a clip; empty where there is none."""
        found: list[Vote] = []
        if (start := self.starts.get(name)) is None:
            return found
        with open(self.path, "rb") as file:
            file.seek(start)
            file.readline()
            for line in file:
                if _HEADER.match(line):
                    break
                if line.count(b";") > 2:
                    found.append(parse_line(line.decode("utf-8", "replace")))
        return found


class DetailedTable:
    """labels_detailed.csv, of either kind.

    Raises:
        CorpusError: it has no column FileName.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.starts: dict[str, int | list[int]] = {}
        before = None
        with open(path, "rb") as file:
            self.columns = [name.strip() for name in next(csv.reader([file.readline().decode("utf-8-sig", "replace")]), [])]
            if "FileName" not in self.columns:
                raise CorpusError(f"{path} has no column FileName (it has {', '.join(self.columns) or 'none'}): take it from the release as it came")
            for place, row in self._rows(file):
                if (name := row["FileName"]) != before:
                    known = self.starts.setdefault(name, place)
                    if known != place:  # the clip's rows do not stand together
                        self.starts[name] = [*(known if isinstance(known, list) else [known]), place]
                    before = name

    def _rows(self, file: BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
        """(where it begins, cells) of each row from here on. A quoted cell may hold line breaks, some lines of them: a quote left open swallows no more than that."""
        place = file.tell()
        while row := file.readline():
            end, whole = file.tell(), row
            for _ in range(MOST_LINES if row.count(b'"') % 2 else 0):
                whole += file.readline()
                if whole.count(b'"') % 2 == 0:
                    row = whole
                    break
            else:
                file.seek(end)
            if cells := next(csv.reader([row.decode("utf-8", "replace")]), None):
                named = dict(zip(self.columns, cells, strict=False))
                named["FileName"] = named.get("FileName", "").strip().removesuffix(".wav")
                yield place, named
            place += len(row)

    def votes(self, name: str) -> list[Vote]:
        """Every vote on a clip; empty where there is none."""
        starts = self.starts.get(name, [])
        found = []
        with open(self.path, "rb") as file:
            for start in starts if isinstance(starts, list) else [starts]:
                file.seek(start)
                for _, row in self._rows(file):
                    if row["FileName"] != name:
                        break
                    found.append(from_columns(None, row))
        return found


class JsonByName:
    """A JSON object whose keys are file names: labels_detailed.json, and labels_consensus.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.starts: dict[str, int] = {}
        place, rest = 0, b""
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                text = rest + block
                end = 0
                for key in _KEY.finditer(text):
                    if key.end() == len(text):
                        break  # more of the space behind it may follow
                    self.starts.setdefault(key[1].decode("utf-8", "replace"), place + key.end())
                    end = key.end()
                keep = max(end, len(text) - _LONGEST_KEY)
                place, rest = place + keep, text[keep:]

    def value(self, name: str) -> Any:
        """What stands under a name; None where there is no such name.

        Raises:
            CorpusError: the file ends within it, or is no JSON.
        """
        if (start := self.starts.get(name)) is None:
            return None
        size = 4096
        with open(self.path, "rb") as file:
            while True:
                file.seek(start)
                data = file.read(size)
                try:
                    return json.JSONDecoder().raw_decode(data.decode("utf-8", "ignore"))[0]
                except ValueError as error:
                    if len(data) < size:
                        raise CorpusError(f"{self.path} is not whole at {name} ({error}): unpack it again") from None
                    size *= 4

    def votes(self, name: str) -> list[Vote]:
        """Every vote on a clip; empty where there is none."""
        value = self.value(name)
        pairs = value.items() if isinstance(value, dict) else [(None, item) for item in value or []]
        return [parse_line(item) if isinstance(item, str) else from_columns(rater, item) for rater, item in pairs if isinstance(item, str | dict)]


def open_votes(folder: Path) -> LabelsText | DetailedTable | JsonByName | None:
    """The workers' votes of a label folder: the first of the three files that has any; None where none has."""
    if (path := child(folder, "labels.txt")) and (text := LabelsText(path)).voted:
        return text
    if path := child(folder, "labels_detailed.csv"):
        return DetailedTable(path)
    return JsonByName(path) if (path := child(folder, "labels_detailed.json")) else None

"""Rows to be asked: a dataset with the prompts and the clips that a control puts in place of its own, read no more often than needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cp_paraling_qa.audio import duration_of
from cp_paraling_qa.errors import AudioError, DatasetError
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.rows import first_rows, silent_rows


class Asked(NamedTuple):
    """What can be said of rows without hearing them.

    Attributes:
        prompts: of every row.
        names: of every row's clip; None for text alone.
        seconds: of every row's clip; 0 for text alone.
        clips: name → seconds.
    """

    prompts: list[str]
    names: list[str | None]
    seconds: list[Seconds]
    clips: dict[str, Seconds]


class AskedRows(Sequence[Mapping[str, Any]]):
    """The first rows of a dataset as a model is asked them.

    Args:
        rows: a `datasets.Dataset`.
        prompts: what to show in place of the rows' own; None for those.
        swap: clip_id → the clip that is played in its place, for all clips; a row's `heard` says which. None plays each row's own.
        limit: how many rows; None for all.
    """

    def __init__(self, rows: Any, *, prompts: Sequence[str] | None = None, swap: Mapping[str, str] | None = None, limit: int | None = None) -> None:
        self.rows, self.prompts, self.swap = rows, prompts, swap
        self.length = len(rows) if limit is None else min(limit, len(rows))
        self.text = rows.select_columns([name for name in rows.column_names if name != "audio"])
        self.sound = rows.select_columns(["audio"]) if "audio" in rows.column_names else None
        self.silent, self.first = silent_rows(rows), first_rows(rows)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: Any) -> Any:
        """One row, with its audio."""
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Rows with their audio, each clip read once."""
        heard: dict[int, Any] = {}
        rows = []
        for number in numbers:
            row, place = self.light(number), self.place(number)
            if place is not None and self.sound is not None:
                if place not in heard:
                    heard[place] = self.sound[place]["audio"]
                row["audio"] = heard[place]
            rows.append(row)
        return rows

    def light(self, number: int) -> dict[str, Any]:
        """A row without its audio, which is True where there is some."""
        row = dict(self.text[int(number)])
        if self.prompts is not None:
            row["prompt"] = self.prompts[number]
        row["audio"] = None if number in self.silent else True
        if self.swap is not None and row["audio"]:
            row["heard"] = self.swap[row["clip_id"]]
        return row

    def place(self, number: int) -> int | None:
        """The row whose audio this one hears; None for text alone."""
        if number in self.silent:
            return None
        return int(number) if self.swap is None else self.first[self.swap[self.text[int(number)]["clip_id"]]]


def fetch(rows: Any, numbers: Sequence[int]) -> list[Mapping[str, Any]]:
    """Rows by number, at once where the sequence can, each with a name for what it hears."""
    found: Iterable[Any] = rows.__getitems__(list(numbers)) if hasattr(rows, "__getitems__") else (rows[number] for number in numbers)
    return [_named(row, number) for row, number in zip(found, numbers, strict=True)]


def lengths(rows: Any) -> Asked:
    """Prompts and seconds of all rows; each clip's from its header, read once a clip where the rows say which clip they hear.

    Raises:
        DatasetError: a clip whose header cannot be read, by name.
    """
    prompts, names, seconds, clips = [], [], [], {}
    for number in range(len(rows)):
        row = _named(rows.light(number) if isinstance(rows, AskedRows) else rows[number], number)
        name = None if row.get("audio") is None else str(row.get("heard") or row.get("clip_id") or row.get("id"))
        if name is not None and name not in clips:
            audio = rows[number]["audio"] if isinstance(rows, AskedRows) else row["audio"]
            try:
                clips[name] = duration_of(audio)
            except AudioError as error:
                raise DatasetError(f"clip {name}: {error}") from error
        prompts.append(str(row["prompt"]))
        names.append(name)
        seconds.append(0.0 if name is None else clips[name])
    return Asked(prompts, names, seconds, clips)


def _named(row: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    """Rows that bear no name at all must not be taken for one another."""
    return row if row.get("heard") or row.get("clip_id") or row.get("id") else {**row, "clip_id": f"of row {number}"}

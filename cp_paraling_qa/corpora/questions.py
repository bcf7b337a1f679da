"""Question sets: tables in which each row asks something about a recording. A recording is one clip, however many rows ask about it.

Rows are about the same audio where its bytes are the same: they are read once more for their digest, a few at a time, since question sets carry no clip ids. Sounds
that are equal only once decoded are left to the manifest, which counts them as duplicates.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cp_paraling_qa.corpora.base import record
from cp_paraling_qa.corpora.hf import audio_file
from cp_paraling_qa.corpora.tables import Found, Table, audio_column, lost
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import Opinion
from cp_paraling_qa.stage import Drop, Row

BOTH = ("qa", "qa_pairs", "qas", "conversation", "conversations", "messages")
"""Columns that hold questions with their answers."""

QUESTION = ("instruction", "question", "query", "prompt", "questions", *BOTH)
ANSWER = ("answer", "answers", "output", "response", "reference", "reference_answer", "ground_truth", "label", "target")
TRANSCRIPT = ("transcript", "transcription", "transcripts")
ATTRIBUTES = ("other_attributes", "attributes", "metadata", "meta")
SPEAKER = ("speaker_id", "speaker", "spk_id")


@dataclass(slots=True)
class Clip:
    """What the rows about one recording say together: of each column the first value given, and every opinion once."""

    place: str
    columns: Row = field(default_factory=dict)
    opinions: list[Opinion] = field(default_factory=list)

    def add(self, columns: Row, opinions: Sequence[Opinion]) -> None:
        """One more row about it."""
        for name, value in columns.items():
            if value is not None and self.columns.get(name) is None:
                self.columns[name] = value
        self.opinions += [one for one in opinions if one not in self.opinions]

    def record(self) -> Row:
        """As a corpus reader gives it."""
        return record(self.place, **self.columns, opinions=self.opinions)


class Clips:
    """Recordings by their content, in the order in which they first came."""

    def __init__(self) -> None:
        self.found: dict[bytes | str, Clip] = {}

    def at(self, place: str, row: Found) -> Clip:
        """The clip that a row is about."""
        return self.found.setdefault(row.content or place, Clip(place))

    def records(self) -> Iterator[Row]:
        """All of them."""
        yield from (clip.record() for clip in self.found.values())


def question_tables(root: Path, layout: str, subset: str | None = None) -> list[Path]:
    """Parquet and Arrow files below a folder, sorted; with a subset, those in its folder.

    Raises:
        CorpusError: there are none.
    """
    files = sorted(p for p in root.rglob("*") if p.suffix in (".parquet", ".arrow") and not any(part.startswith(".") for part in p.relative_to(root).parts))
    if subset is not None:
        files = [p for p in files if subset in (root.name, *p.relative_to(root).parts[:-1])]
    if not files:
        raise CorpusError(f"no Parquet file{f' of {subset}' if subset else ''} below {root}: give {layout}")
    return files


def rows_of(root: Path, table: Table, columns: Sequence[str | None]) -> Iterator[tuple[str | Drop, Found]]:
    """A table's rows, each with the place of its audio, or why there is none.

    Raises:
        CorpusError: there is no one column of audio; lists the columns.
    """
    audio = audio_column([table])
    where = table.path.relative_to(root).as_posix()
    try:
        for row in table.rows([name for name in columns if name is not None], audio, content=True):
            yield f"{where}#{row.number}/{audio}" if row.embedded else audio_file(root, table.path, row, f"{where} row {row.number}"), row
    except CorpusError as error:
        yield lost(table.path, root, error), Found(0, {}, False, None, None)


def column_called(table: Table, candidates: Sequence[str], need: str | None = None) -> str | None:
    """The column that bears one of these names (in any case), or holds its text in a field `text`.

    Args:
        table: to look in.
        candidates: names, the likeliest first.
        need: what it is needed for; None where it is not.

    Raises:
        CorpusError: it is needed and not there; lists the columns.
    """
    lower = {name.lower(): name for name in reversed(table.columns)}
    for name in candidates:
        for spelled in (f"{name}.text", name):
            if spelled in lower:
                return lower[spelled]
    if need is None:
        return None
    raise CorpusError(
        f"no column for {need} in {table.path}: looked for {', '.join(candidates)}; the columns are {', '.join(table.nodes)}. "
        "The corpus hf reads any dataset with a column map."
    )


def words_in(value: Any) -> str | None:
    """A cell's text; None for an empty one, and for one that is no text."""
    return str(value).strip() or None if isinstance(value, str | int) else None


def attributes_of(values: dict[str, Any]) -> dict[str, Any]:
    """A row's own attributes by name in lower case: its columns, and what a column of attributes holds (a record, or its JSON text)."""
    found = {name.rpartition(".")[2].lower(): value for name, value in values.items()}
    for name in ATTRIBUTES:
        inside = found.get(name)
        if isinstance(inside, str):
            try:
                inside = json.loads(inside)
            except ValueError:
                continue
        if isinstance(inside, dict):
            found |= {str(key).lower(): value for key, value in inside.items() if str(key).lower() not in found}
    return found

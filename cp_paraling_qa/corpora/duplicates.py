"""Which clips a run has already, over all its corpora, in some 20 bytes a clip: a million clips must not cost hundreds of megabytes."""

from __future__ import annotations

import bisect
import zlib
from pathlib import Path

import numpy as np

from cp_paraling_qa.stage import Drop, Row, read_part

RECENT = 1 << 16
"""Clips that wait in a dict before they are sorted in with the rest."""


class Duplicates:
    """Leaves out clips whose samples were seen before.

    A `clip_id` is 64 bits; beside it stands the clip's number, in the order of their coming. Where a clip came from is asked for only when it turns up again:
    names are held compressed, a block for each part.
    """

    def __init__(self) -> None:
        self._ids, self._numbers = np.empty(0, np.uint64), np.empty(0, np.uint32)  # sorted by id
        self._recent: dict[int, int] = {}
        self._blocks: list[bytes] = []
        self._starts: list[int] = []  # number of the first clip of each block
        self._count = 0
        self._open: tuple[int, list[str]] = (-1, [])  # the block that was looked into last

    def seen(self, path: Path) -> None:
        """Takes note of a part that was made before."""
        known: list[str] = []
        for row in read_part(path, ["clip_id", "corpus", "audio_path"]):
            if self._add(row, len(known)) is None:
                known.append(_where(row))
        self._close(known)

    def accept(self, rows: list[Row], drops: list[Drop]) -> list[Row]:
        """The rows that are new; the others become drops that name the first clip of these samples."""
        kept: list[Row] = []
        names: list[str] = []
        for row in rows:
            number = self._add(row, len(names))
            if number is None:
                kept.append(row)
                names.append(_where(row))
            else:
                first = names[number - self._count] if number >= self._count else self._name(number)
                drops.append(Drop(_where(row), "duplicate audio", f"the same samples as {first}"))
        self._close(names)
        return kept

    def _add(self, row: Row, ahead: int) -> int | None:
        """The number of the clip with these samples, if there is one; else it is now this one's, `ahead` of those that are counted."""
        key = int(row["clip_id"], 16)
        if (number := self._recent.get(key)) is not None:
            return number
        place = int(np.searchsorted(self._ids, np.uint64(key)))
        if place < len(self._ids) and self._ids[place] == key:
            return int(self._numbers[place])
        self._recent[key] = self._count + ahead
        return None

    def _close(self, names: list[str]) -> None:
        """Puts the names of a part's new clips away."""
        if not names:
            return
        self._starts.append(self._count)
        self._blocks.append(zlib.compress("\0".join(names).encode("utf-8", "surrogateescape"), 1))
        self._count += len(names)
        if len(self._recent) >= RECENT:
            ids = np.concatenate([self._ids, np.fromiter(self._recent.keys(), np.uint64)])
            numbers = np.concatenate([self._numbers, np.fromiter(self._recent.values(), np.uint32)])
            order = np.argsort(ids)
            self._ids, self._numbers = ids[order], numbers[order]
            self._recent = {}

    def _name(self, number: int) -> str:
        block = bisect.bisect_right(self._starts, number) - 1
        if self._open[0] != block:
            self._open = block, zlib.decompress(self._blocks[block]).decode("utf-8", "surrogateescape").split("\0")
        return self._open[1][number - self._starts[block]]


def _where(row: Row) -> str:
    return f"{row['corpus']}/{row['audio_path']}"

"""The control of the text-shortcut audit: every question once more, with the words of another clip.

A control needs to know all clips before the first question is asked, so rows go through a temporary file; in memory stay a few numbers and digests a clip.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import TracebackType
from typing import Any

from cp_paraling_qa.labels import canonical

KEPT = ("qa_id", "clip_id", "question", "answer", "label", "type", "transcript", "language")
NO_WORDS = "no transcript"
NO_OTHER_WORDS = "no other clip of this language says other words"

Row = dict[str, Any]


def said(row: Mapping[str, Any]) -> str:
    """The words of a row's clip on one line; empty where there are none."""
    return " ".join((row.get("transcript") or "").split())


def order(seed: int, *what: object) -> bytes:
    """A random-looking place that depends on the seed and on what is placed, and not on where it stood. 8 bytes."""
    return _digest("\x1f".join(map(str, (seed, *what))))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def spoken(words: str) -> bytes:
    """Digest of what is said: case and punctuation make no other words."""
    return _digest("".join(c for c in words.casefold() if c.isalnum()))


class Spill:
    """Rows in a temporary file, and what the audit must know of all of them: label inventories, and a donor of other words for every clip.

    Args:
        rows: with the keys of `KEPT`, of which only qa_id, question and answer must be there; read once.
        seed: of the donors and of the choice of rows.
        limit: how many rows with words to choose for asking; None for all.

    Attributes:
        rows: how many there are.
        inventories: type → its labels, one spelling of each, in alphabetical order.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], *, seed: int = 0, limit: int | None = None) -> None:
        self.seed = seed
        self.rows = 0
        self._rows = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `__exit__`
        self._texts = tempfile.TemporaryFile()  # noqa: SIM115
        self._clips: dict[bytes, int] = {}
        self._start, self._size = array("q"), array("q")  # of a clip's words in their file
        self._spoken: list[bytes] = []
        self._language: list[str] = []
        chosen: list[tuple[int, str]] = []  # a heap of the `limit` smallest places, negative
        labels: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for row in rows:
            kept: Row = {name: row.get(name) for name in KEPT}
            self._rows.write(json.dumps(kept).encode() + b"\n")
            self.rows += 1
            if label := (kept["label"] or "").strip():
                labels[kept["type"] or ""][canonical(label)].add(label)
            if words := said(kept):
                self._clip(kept, words)
                if limit is not None:
                    place = -int.from_bytes(order(seed, "chosen", kept["qa_id"]))
                    heapq.heappush(chosen, (place, str(kept["qa_id"])))
                    if len(chosen) > limit:
                        heapq.heappop(chosen)
        self._chosen = None if limit is None else {qa for _, qa in chosen}
        self.inventories = {kind: tuple(sorted(min(names) for names in found.values())) for kind, found in labels.items()}
        self._texts.flush()
        self._donor = self._donors()

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._rows.close()
        self._texts.close()

    def __iter__(self) -> Iterator[Row]:
        """All rows, in order; one walk at a time."""
        self._rows.seek(0)
        for line in self._rows:
            yield json.loads(line)

    def asked(self, row: Row) -> bool:
        """Whether a row is among those to ask."""
        return self._chosen is None or row["qa_id"] in self._chosen

    def other_words(self, row: Row) -> str | None:
        """The words of the clip that stands in for this row's in the control; None where no clip of its language says anything else."""
        donor = self._donor[self._clips[_key(row, said(row))]]
        return os.pread(self._texts.fileno(), self._size[donor], self._start[donor]).decode("utf-8", "surrogatepass") if donor >= 0 else None

    def _clip(self, row: Row, words: str) -> None:
        key = _key(row, words)
        if key in self._clips:
            return
        self._clips[key] = len(self._spoken)
        text = words.encode("utf-8", "surrogatepass")
        self._start.append(self._texts.tell())
        self._size.append(len(text))
        self._texts.write(text)
        self._spoken.append(spoken(words))
        self._language.append(row["language"] or "")

    def _donors(self) -> array[int]:
        """A derangement of the clips of each language in which nobody gets words that they say themselves.

        Clips that say the same stand side by side, the sentences in an order that the seed gives; everybody takes from whoever stands one largest group further on. Where
        one sentence is said by more than half of the clips no derangement exists: those clips share the others' words.
        """
        donor = array("q", [-1]) * len(self._spoken)
        by_language: dict[str, list[int]] = defaultdict(list)
        for clip, language in enumerate(self._language):
            by_language[language].append(clip)
        ids = {number: key for key, number in self._clips.items()}
        for clips in by_language.values():
            clips.sort(key=lambda clip: (order(self.seed, self._spoken[clip].hex()), order(self.seed, ids[clip].hex())))
            groups = [list(group) for _, group in groupby(clips, key=lambda clip: self._spoken[clip])]
            largest = max(groups, key=len)
            if 2 * len(largest) <= len(clips):
                for place, clip in enumerate(clips):
                    donor[clip] = clips[(place + len(largest)) % len(clips)]
                continue
            others = [clip for group in groups if group is not largest for clip in group]
            for place, clip in enumerate(largest if others else []):
                donor[clip] = others[place % len(others)]
            for place, clip in enumerate(others):
                donor[clip] = largest[place]
        return donor


def _key(row: Row, words: str) -> bytes:
    """A clip and its words: foreign rows may have no clip_id, or several transcripts of one clip."""
    return _digest(f"{row['clip_id'] or ''}\x1f{words}")

"""What a dataset holds: rows, clips, kinds, evidence, and the marks that its rows carry already. Each audit is fed row by row and then asked for its report."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

from cp_paraling_qa.generate.audit.control import spoken
from cp_paraling_qa.generate.audit.intervals import ranked, share
from cp_paraling_qa.generate.audit.sources import Row
from cp_paraling_qa.generate.settle.likeness import plain_words
from cp_paraling_qa.labels import canonical


class Audit(Protocol):
    """One audit. `needs` names the columns without which it is not possible."""

    needs: ClassVar[tuple[str, ...]]

    def add(self, row: Row) -> None:
        """Takes one row."""

    def report(self) -> dict[str, Any]:
        """JSON-able."""


class Overview:
    """Rows, clips, questions a clip; rows by type, kind, difficulty, language, generator and split."""

    needs: ClassVar[tuple[str, ...]] = ()
    _BY = ("type", "kind", "difficulty", "language", "generator", "corpus", "split")

    def __init__(self) -> None:
        self._rows = 0
        self._clips: Counter[str] = Counter()
        self._speakers: set[str] = set()
        self._by: dict[str, Counter[str]] = {name: Counter() for name in self._BY}
        self._cells: Counter[tuple[str, str, str]] = Counter()

    def add(self, row: Row) -> None:
        """Takes one row."""
        self._rows += 1
        if row["clip_id"] is not None:
            self._clips[row["clip_id"]] += 1
        if row["speaker_id"] is not None:
            self._speakers.add(f"{row['corpus']}/{row['speaker_id']}")
        for name, counts in self._by.items():
            if row[name] is not None:
                counts[row[name]] += 1
        self._cells[row["type"] or "–", row["kind"] or "–", row["difficulty"] or "–"] += 1

    def report(self) -> dict[str, Any]:
        """JSON-able."""
        each = list(self._clips.values())
        per_clip = {"mean": statistics.fmean(each), "median": statistics.median(each), "fewest": min(each), "most": max(each)} if each else None
        return {
            "rows": self._rows,
            "clips": len(each) or None,
            "speakers": len(self._speakers) or None,
            "questions_per_clip": per_clip,
            **{f"by_{name}": ranked(counts) for name, counts in self._by.items() if counts},
            "cells": [{"type": t, "kind": k, "difficulty": d, "n": n} for (t, k, d), n in sorted(self._cells.items())],
        }


class Evidence:
    """How many answers name what they rest on, and what that is. The spoken words are evidence as well; an answer that rests on nothing else needs no voice."""

    needs: ClassVar[tuple[str, ...]] = ("evidence",)

    def __init__(self) -> None:
        self._rows = self._named = self._voice = 0
        self._fields: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """Takes one row."""
        fields = set(row["evidence"] or ())
        self._rows += 1
        self._named += bool(fields)
        self._voice += bool(fields - {"text"})
        self._fields.update(fields)

    def report(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "names_evidence": share(self._named, self._rows),
            "names_voice": share(self._voice, self._rows),
            "fields": {name: share(n, self._rows) for name, n in ranked(self._fields).items()},
        }


class Marks:
    """`text_answerable` or `conflict`, as the rows carry it.

    Args:
        name: of the column.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self._by_type: dict[str, Counter[bool | None]] = defaultdict(Counter)

    def add(self, row: Row) -> None:
        """Takes one row."""
        for kind in ("", row["type"] or "–"):
            self._by_type[kind][row[self.name]] += 1

    def report(self) -> dict[str, Any]:
        """JSON-able: the share among marked rows, and how many carry no mark."""
        part = {kind: share(counts[True], counts[True] + counts[False]) | {"unmarked": counts[None]} for kind, counts in sorted(self._by_type.items())}
        return {"all": part.pop("", share(0, 0) | {"unmarked": 0}), "by_type": part}


class Contrast:
    """Contrast sets: whole are those of two rows or more, in one split, about the same words, that have different answers. A set that is not whole counts for nothing."""

    needs: ClassVar[tuple[str, ...]] = ("contrast_set",)

    def __init__(self) -> None:
        self._rows = 0
        self._sets: dict[str, list[tuple[str, bytes | None, str | None]]] = defaultdict(list)

    def add(self, row: Row) -> None:
        """Takes one row."""
        self._rows += 1
        if row["contrast_set"] is not None:
            answer = canonical(row["label"]) if row["label"] else plain_words(row["answer"])
            self._sets[row["contrast_set"]].append((answer, spoken(row["transcript"]) if row["transcript"] else None, row["split"]))

    def report(self) -> dict[str, Any]:
        """JSON-able."""
        broken = Counter(why for rows in self._sets.values() if (why := _broken(rows)))
        whole = [rows for rows in self._sets.values() if not _broken(rows)]
        return {
            "sets": len(self._sets),
            "whole": share(len(whole), len(self._sets)),
            "rows_in_whole_sets": share(sum(map(len, whole)), self._rows),
            "sizes": dict(sorted(Counter(map(len, whole)).items())),
            "broken": ranked(broken),
        }


def _broken(rows: Iterable[tuple[str, bytes | None, str | None]]) -> str | None:
    answers, words, splits = (list(column) for column in zip(*rows, strict=True))
    if len(answers) < 2:
        return "one row only"
    if len(set(splits)) > 1:
        return "in several splits"
    if len(set(words) - {None}) > 1:
        return "different words"
    return "one answer only" if len(set(answers)) < 2 else None

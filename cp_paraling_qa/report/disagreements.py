"""The answers about which judge and label, judge and people, or judges among themselves differ most: where one should look first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

Row = Mapping[str, Any]

HARSH = "Right label, low score"
LENIENT = "Wrong label, high score"
PEOPLE = "Judge and people differ"
SPLIT = "Verdicts differ"
MOST = 20


class Disagreement(NamedTuple):
    """One answer.

    Attributes:
        kind: `HARSH`, `LENIENT`, `PEOPLE` or `SPLIT`.
        size: above 0.5, at most 1: how far the two sides are apart, as a share of the scale.
        row: of the judgements.
    """

    kind: str
    size: float
    row: Row


def worst(rows: Iterable[Row], scale: tuple[int, int], most: int = MOST) -> list[Disagreement]:
    """The worst disagreements, more than half the scale apart: of each kind by turns the next worst, so that none crowds out the others. An answer appears once."""
    kinds: dict[str, list[Disagreement]] = {LENIENT: [], HARSH: [], PEOPLE: [], SPLIT: []}
    for row in rows:
        for one in _of(row, scale):
            kinds[one.kind].append(one)
    ranked = [sorted(found, key=lambda one: (-one.size, str(one.row.get("config")), str(one.row["id"]))) for found in kinds.values()]
    chosen: list[Disagreement] = []
    seen: set[tuple[Any, Any]] = set()
    for turn in zip_longest(*ranked):
        for one in turn:
            if one is None or (key := (one.row.get("config"), one.row["id"])) in seen or len(chosen) == most:
                continue
            seen.add(key)
            chosen.append(one)
    order = list(kinds)
    return sorted(chosen, key=lambda one: (order.index(one.kind), -one.size))


def _of(row: Row, scale: tuple[int, int]) -> list[Disagreement]:
    low, high = scale
    if row["score"] is None:
        return []
    score = (row["score"] - low) / (high - low)
    found = []
    if row["label"] is not None:
        right = row["mapped"] == row["label"]
        found.append(Disagreement(HARSH, 1 - score, row) if right else Disagreement(LENIENT, score, row))
    if row.get("human") is not None:
        found.append(Disagreement(PEOPLE, abs(row["score"] - row["human"]) / (high - low), row))
    verdicts: Sequence[float] = [value for value in row["scores"] if value is not None]
    if len(verdicts) > 1:
        found.append(Disagreement(SPLIT, (max(verdicts) - min(verdicts)) / (high - low), row))
    return [one for one in found if one.size > 0.5]

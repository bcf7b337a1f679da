"""Two files of answers → pairs of rows about the same item; what finds no partner is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

_SHOWN = 20


@dataclass
class Pairing:
    """Which rows are about the same item.

    Attributes:
        pairs: row of A, row of B, by number.
        matched_by: how many pairs each key made.
        only_a: rows of A without a partner.
        only_b: rows of B without a partner.
        contradicting: ids that both have, with another clip, reference or label: not the same item, whatever the id says.
    """

    pairs: list[tuple[int, int]] = field(default_factory=list)
    matched_by: Counter[str] = field(default_factory=Counter)
    only_a: list[int] = field(default_factory=list)
    only_b: list[int] = field(default_factory=list)
    contradicting: list[str] = field(default_factory=list)

    def told(self, a_rows: Sequence[Row], b_rows: Sequence[Row]) -> dict[str, Any]:
        """JSON-able: n, matched_by, only_in_a, only_in_b, contradicting, and the first ids of each."""
        return {
            "n": len(self.pairs),
            "matched_by": dict(self.matched_by),
            "only_in_a": len(self.only_a),
            "only_in_b": len(self.only_b),
            "contradicting": len(self.contradicting),
            "only_in_a_ids": [a_rows[i].get("id") for i in self.only_a[:_SHOWN]],
            "only_in_b_ids": [b_rows[j].get("id") for j in self.only_b[:_SHOWN]],
            "contradicting_ids": self.contradicting[:_SHOWN],
        }


def _by_id_and_config(row: Row) -> Hashable:
    return None if row.get("id") is None else (row["id"], row.get("config"))


def _by_id(row: Row) -> Hashable:
    return row.get("id")


def _by_question(row: Row) -> Hashable:
    return None if row.get("clip_id") is None or row.get("question") is None else (row["clip_id"], row["question"], row.get("config"))


KEYS: tuple[tuple[str, Callable[[Row], Hashable]], ...] = (
    ("id and config", _by_id_and_config),
    ("id", _by_id),  # one model asked in one config, the other in another
    ("clip_id, question and config", _by_question),
)


def pair_rows(a_rows: Sequence[Row], b_rows: Sequence[Row]) -> Pairing:
    """Pairs rows by id and config; those left over by id alone; those left over still by clip, question and config.

    A key that stands for several rows left in a file pairs none of them.
    """
    found = Pairing()
    contradicting: dict[str, None] = {}
    left_a, left_b = list(range(len(a_rows))), list(range(len(b_rows)))
    for name, key in KEYS:
        in_b = _unique((key(b_rows[j]), j) for j in left_b)
        for value, i in _unique((key(a_rows[i]), i) for i in left_a).items():
            j = in_b.get(value)
            if j is None:
                continue
            if _same_item(a_rows[i], b_rows[j]):
                found.pairs.append((i, j))
                found.matched_by[name] += 1
            else:
                contradicting[str(a_rows[i].get("id"))] = None
        taken_a, taken_b = {i for i, _ in found.pairs}, {j for _, j in found.pairs}
        left_a, left_b = [i for i in left_a if i not in taken_a], [j for j in left_b if j not in taken_b]
    found.pairs.sort()
    found.only_a, found.only_b, found.contradicting = left_a, left_b, list(contradicting)
    return found


def _unique(keyed: Iterable[tuple[Hashable, int]]) -> dict[Hashable, int]:
    """Key → row, for keys of one row."""
    rows = [(key, number) for key, number in keyed if key is not None]
    times = Counter(key for key, _ in rows)
    return {key: number for key, number in rows if times[key] == 1}


def _same_item(a: Row, b: Row) -> bool:
    """Whether what both say about the item agrees; label spellings may differ in case."""

    def said(row: Row, name: str) -> str:
        return str(row[name]).strip().lower() if row.get(name) is not None else ""

    clips = {said(a, "clip_id"), said(b, "clip_id")} - {""}
    return len(clips) < 2 and all(said(a, name) == said(b, name) for name in ("reference", "label"))

"""Questions that were answered from the words alone: which go, where they are to go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from cp_paraling_qa.stage import Row

Shortcut = Callable[[Iterable[Row]], Mapping[str, bool | None]]
"""Kept LLM-written rows, each with transcript, language and emotion of its clip → qa_id → whether the words alone were enough; None where nobody can tell. A row that is
missing could not be tried for a passing reason: it is tried again by the next run."""

ANSWERABLE = "answerable from the words alone"


class Tried(NamedTuple):
    """A kept LLM-written row, and what came of it.

    Args:
        qa_id: of the row.
        type: of `schema.QUESTION_TYPES`.
        answerable: see `Shortcut`.
        contrast_set: its set, where it is in one.
        balanced: an item that stands for another one's opposite: alone it would give the answer away, so it stays.
    """

    qa_id: str
    type: str
    answerable: bool | None
    contrast_set: str | None = None
    balanced: bool = False


def too_easy(rows: Sequence[Tried], policy: str | float) -> set[str]:
    """Which rows go.

    A set of contrasts goes as a whole, and only where every row of it was answered from the words: these being the same in all of it, one row is bound to be guessed. Items
    about conflict stay as well. What stays like this counts in the share; what was not tried counts as not answerable.

    Args:
        rows: the kept LLM-written rows.
        policy: "keep", "drop", or the largest share, 0–1, that answerable rows may have of those that stay. Where some have to go, each type loses the same part of
            its own, and within a type those with the largest qa_id, which is a hash.

    Returns:
        qa_ids.

    Example:
        >>> rows = [Tried(f"q{n}", "CE", n < 3) for n in range(5)]  # three of five
        >>> sorted(too_easy(rows, "drop")), sorted(too_easy(rows, 0.5)), sorted(too_easy(rows, 0.2))
        (['q0', 'q1', 'q2'], ['q2'], ['q0', 'q1', 'q2'])
    """
    share = {"keep": 1.0, "drop": 0.0}[policy] if isinstance(policy, str) else float(policy)
    if share >= 1:
        return set()
    sets: dict[str, list[Tried]] = defaultdict(list)
    for row in rows:
        if row.contrast_set is not None:
            sets[row.contrast_set].append(row)
    gone = {row.qa_id for members in sets.values() if all(row.answerable for row in members) for row in members}
    left = [row for row in rows if row.qa_id not in gone]
    easy = [row for row in left if row.answerable]
    free = [row for row in easy if row.contrast_set is None and not row.balanced]
    most = int(share * (len(left) - len(easy)) / (1 - share) + 1e-9) - (len(easy) - len(free))
    types: dict[str, list[str]] = defaultdict(list)
    for row in free:
        types[row.type].append(row.qa_id)
    order = [((rank + 0.5) / len(names), name) for names in types.values() for rank, name in enumerate(sorted(names))]
    return gone | {name for _, name in sorted(order)[max(0, most) :]}

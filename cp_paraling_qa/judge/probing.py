"""The probes of a judge that a scoring can ask for beside the scores: does it favour length, and does its preference outlast a change of places?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cp_paraling_qa.judge.judging import Judge
from cp_paraling_qa.judge.pairwise import PairItem
from cp_paraling_qa.judge.predictions import Row
from cp_paraling_qa.judge.rubric import JudgeItem, Rubric

REQUESTS = 4 + 2
"""For each answer that is probed: at four lengths, and in a pair in both orders."""


def chosen(rows: Sequence[Row], n: int) -> list[int]:
    """Places of at most n rows that can be judged, spread evenly over the file."""
    able = [i for i, row in enumerate(rows) if row["prediction"] and row["reference"]]
    step = max(1.0, len(able) / n)
    return [able[int(step * k)] for k in range(min(n, len(able)))]


def pairs_of(rows: Sequence[Row], at: Sequence[int]) -> list[tuple[int, PairItem]]:
    """Each row's answer beside the next different answer to a question of the same type about another clip; rows for which there is none are left out."""
    found = []
    for place in at:
        row = rows[place]
        for step in range(1, len(rows)):
            other = rows[(place + step) % len(rows)]
            alike = (other.get("config"), other.get("type")) == (row.get("config"), row.get("type"))
            if alike and other["prediction"] and other["prediction"] != row["prediction"] and other.get("clip_id") != row.get("clip_id"):
                found.append((place, PairItem(row["prediction"], other["prediction"], row["reference"], question=row.get("question"))))
                break
    return found


def probe(rows: Sequence[Row], judge: Judge, rubric: Rubric, n: int, **bootstrap: Any) -> dict[str, Any]:
    """Probes one judge on at most n answers.

    Args:
        rows: predictions.
        judge: any.
        rubric: of the lengths' probe; pairs have one of their own.
        n: answers.
        bootstrap: n_bootstrap, seed.

    Returns:
        The keys of `length_preference`, `swap_consistency` and `position_preference`.
    """
    from cp_paraling_qa.judge.pairwise import judge_pairs
    from cp_paraling_qa.judge.probes import length_preference

    at = chosen(rows, n)
    items = [JudgeItem(rows[i]["prediction"], rows[i]["reference"], question=rows[i].get("question")) for i in at]
    found = length_preference(items, judge, rubric=rubric, clusters=_clips(rows, at), **bootstrap)
    pairs = pairs_of(rows, at)
    asked = judge_pairs([pair for _, pair in pairs], judge)
    clusters = _clips(rows, [i for i, _ in pairs])
    return found | asked.swap_consistency(clusters=clusters, **bootstrap) | asked.position_preference(clusters=clusters, **bootstrap)


def _clips(rows: Sequence[Row], at: Sequence[int]) -> list[Any]:
    """What belongs together; a row without a clip stands alone."""
    return [rows[i].get("clip_id") or f"row {i}" for i in at]

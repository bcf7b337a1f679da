"""The slices that scores are shown in: by what was asked, who spoke and how, how long, and what a dataset marks its rows with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.judge.predictions import Row

FACTS = ("emotion", "gender", "speaker_id", "corpus", "language", "duration")
"""What is known of a row's clip: columns of the predictions, or of the dataset that they answer."""

_MOST = 40  # values of one column: beyond that it is an identifier, and its slices say nothing


def fact(row: Row, facts: Mapping[str, Mapping[str, Any]], name: str) -> Any:
    """What a row says of itself, else what the dataset says of its clip."""
    value = row.get(name)
    return value if value is not None else facts.get(row.get("clip_id") or "", {}).get(name)


def seconds(value: Any) -> float | None:
    """A duration, or None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


def thirds(durations: Sequence[float | None]) -> list[str | None]:
    """Names of the thirds that durations fall into, with the bounds in them; one name where they do not differ.

    Example:
        >>> thirds([1.0, 2.0, 3.0, None])
        ['up to 1.0 s', 'over 1.0 to 2.0 s', 'over 2.0 s', None]
    """
    known = sorted(value for value in durations if value is not None)
    if not known:
        return [None] * len(durations)
    # the bounds are rounded before they bind, so that a name says exactly what is in it
    low, high = (round(known[math.ceil(len(known) * part / 3) - 1], 1) for part in (1, 2))
    names: list[str | None] = []
    for value in durations:
        if value is None:
            names.append(None)
        elif low == high:
            names.append(f"up to {low:.1f} s" if value <= low else f"over {low:.1f} s")
        else:
            names.append(f"up to {low:.1f} s" if value <= low else f"over {low:.1f} to {high:.1f} s" if value <= high else f"over {high:.1f} s")
    return names


def in_order(dimension: str, slices: Mapping[str, Any]) -> dict[str, Any]:
    """The slices of a dimension in the order to read them in: thirds of durations from short to long, others by name."""

    def place(name: str) -> tuple[bool, bool, str]:
        middle = name.startswith("over") and " to " in name
        return (not name.startswith("up to"), not middle, name) if dimension == "duration" else (False, False, name)

    return {name: slices[name] for name in sorted(slices, key=place)}


def columns(rows: Sequence[Row], truth: Sequence[str | None], facts: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str | None]]:
    """Slice dimension → the slice of each row (None: in none). Only dimensions of which something is known, and with at most 40 values.

    Args:
        rows: predictions.
        truth: their true labels.
        facts: clip id → what the dataset knows of the clip.
    """
    found: dict[str, list[str | None]] = {name: [_text(row.get(name)) for row in rows] for name in ("config", "type")}
    found["true label"] = list(truth)
    for name in ("emotion", "gender", "corpus", "language"):
        found[name] = [_text(fact(row, facts, name)) for row in rows]
    found["duration"] = thirds([seconds(fact(row, facts, "duration")) for row in rows])
    if any(row.get("conflict") is True for row in rows):
        found["lexical conflict"] = ["words and voice conflict" if row.get("conflict") is True else "no conflict marked" for row in rows]
    answerable = {True: "from the words alone", False: "not from the words alone"}
    found["answerable"] = [answerable.get(row["text_answerable"]) if isinstance(row.get("text_answerable"), bool) else None for row in rows]
    return {name: column for name, column in found.items() if 0 < len(set(column) - {None}) <= _MOST}


def _text(value: Any) -> str | None:
    return None if value is None or value == "" or isinstance(value, list | dict) else str(value)

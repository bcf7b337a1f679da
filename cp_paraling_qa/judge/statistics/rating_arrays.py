"""Ratings as they are handed in → arrays: what counts as missing, what is a number, who belongs together."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cp_paraling_qa.errors import JudgeError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


def missing(value: Any) -> bool:
    """Whether a rating is absent: None, NaN or pandas' NA. The string "nan" is a label like any other."""
    if value is None or isinstance(value, str):
        return value is None
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA compares to nothing, an array to many
        return type(value).__name__ == "NAType"


def as_list(name: str, values: Any) -> list[Any]:
    """A column as a list.

    Raises:
        JudgeError: one string, or something that is no list, in place of one; names the argument.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise JudgeError(f"{name} is {values!r}; give a list with one entry per item")
    return list(values)


def as_number(name: str, value: Any) -> float:
    """A rating as a finite float; NaN where it is missing.

    Raises:
        JudgeError: no number, or an infinite one; names the entry.
    """
    if missing(value):
        return math.nan
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError):
        raise JudgeError(f"{name} is {value!r}; give a number, or None where there is none") from None
    if math.isinf(found):
        raise JudgeError(f"{name} is infinite; give a number, or None where there is none")
    return found


def as_numbers(name: str, values: Any) -> Floats:
    """A column as floats, shape (items,), NaN where missing.

    Raises:
        JudgeError: as `as_list` and `as_number`.
    """
    return np.array([as_number(f"{name}[{i}]", value) for i, value in enumerate(as_list(name, values))], dtype=np.float64)


def check_same_length(**columns: Sequence[Any] | npt.NDArray[Any]) -> None:
    """Raise a `JudgeError` that names the columns unless all are equally long."""
    if len({len(column) for column in columns.values()}) > 1:
        raise JudgeError("lengths differ: " + ", ".join(f"{name} has {len(column)}" for name, column in columns.items()))


def rating_table(human_ratings: Any, *, scale: tuple[float, float] | None = None) -> Floats:
    """Human ratings as an array of shape (items, raters), NaN where a rater gave none.

    Args:
        human_ratings: one entry per item: None, a number (one rater), or a list with one number or None per rater, always the same raters in the same order.
        scale: lowest and highest rating allowed; None for any.

    Raises:
        JudgeError: an entry that is no rating, lists of different lengths, a bare number among lists of several, or a rating off the scale; names the item.
    """
    rows = as_list("human_ratings", human_ratings)
    lists = [None if missing(row) else as_list(f"human_ratings[{i}]", row) if _is_list(row) else [row] for i, row in enumerate(rows)]
    n_raters = max((len(row) for row in lists if row is not None), default=1)
    table = np.full((len(rows), max(n_raters, 1)), math.nan)
    for i, row in enumerate(lists):
        if row is None:
            continue
        if len(row) != n_raters:
            raise JudgeError(f"human_ratings[{i}] has {len(row)} of {n_raters} raters; give one entry per rater, in the same order, None where one gave none")
        for j, value in enumerate(row):
            table[i, j] = as_number(f"human_ratings[{i}][{j}]", value)
    if scale is not None:
        check_on_scale("human_ratings", table, scale)
    return table


def _is_list(row: Any) -> bool:
    return isinstance(row, Iterable) and not isinstance(row, str | bytes)


def check_on_scale(name: str, values: Floats, scale: tuple[float, float]) -> None:
    """Raise a `JudgeError` that names the first value outside the scale."""
    low, high = scale
    off = np.argwhere((values < low) | (values > high))
    if len(off):
        place = "".join(f"[{i}]" for i in off[0])
        raise JudgeError(
            f"{name}{place} is {values[tuple(off[0])]:g}, outside the scale {low:g} to {high:g}; give the scale that it is on, or put it on this one"
        )


def cluster_codes(clusters: Sequence[Hashable] | None, n: int) -> Ints:
    """Which cluster each item belongs to, as numbers from 0; without clusters, and for an item whose cluster is None, each item is its own.

    Raises:
        JudgeError: another length than n.
    """
    if clusters is None:
        return np.arange(n)
    names = as_list("clusters", clusters)
    if len(names) != n:
        raise JudgeError(f"clusters has {len(names)} entries for {n} items: give one per item, None for an item of its own")
    known: dict[Hashable, int] = {}
    keys = [("own", i) if missing(name) else ("of", name) for i, name in enumerate(names)]
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)

"""Shares with their number of rows and their 95 % interval: how every figure of an audit is given."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

Z = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval."""

Share = dict[str, Any]
"""hits, n, share (0–1), low and high (95 %, 0–1); share, low and high are None where n is 0."""


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share.

    Wilson (1927), doi 10.1080/01621459.1927.10502953. Never empty and never outside 0–1, also for 0 of n and n of n.

    Args:
        p: the share, 0–1.
        n: how many it is a share of, above 0; an effective number may be no integer.

    Example:
        >>> [round(end, 4) for end in wilson(0.5, 10)]
        [0.2366, 0.7634]
    """
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def share(hits: int, n: int, *, effective: float | None = None) -> Share:
    """`hits` of `n`, with Wilson's interval.

    Args:
        hits: how many, 0 to n.
        n: of how many; 0 gives a share of None: nothing was looked at, which is not the same as nothing found.
        effective: number of independent observations that the n are worth; None for n.

    Example:
        >>> share(0, 0)["share"] is None, share(1, 4)["share"]
        (True, 0.25)
    """
    if not n:
        return {"hits": 0, "n": 0, "share": None, "low": None, "high": None}
    low, high = wilson(hits / n, effective or n)
    return {"hits": hits, "n": n, "share": hits / n, "low": low, "high": high}


def effective_number(groups: Iterable[tuple[int, int]]) -> float | None:
    """How many independent rows a share over grouped rows is worth: the questions of one clip stand or fall together.

    n divided by the design effect (variance between groups against that of independent rows; Kish 1965, chapter 5), never more than n.

    Args:
        groups: (hits, n) of every clip or speaker.

    Returns:
        above 0; None where there are fewer than two groups, or every row is a hit or none is: nothing then tells how much the groups differ.

    Example:
        >>> effective_number([(2, 2), (0, 2), (2, 2), (0, 2)])
        3.0
    """
    counts = [(hits, n) for hits, n in groups if n]
    total = sum(n for _, n in counts)
    p = sum(hits for hits, _ in counts) / total if total else 0.0
    if len(counts) < 2 or p in (0.0, 1.0):
        return None
    between = sum((hits - p * n) ** 2 for hits, n in counts) / total**2 * len(counts) / (len(counts) - 1)
    return total / max(1.0, between / (p * (1 - p) / total))


def difference(only_first: int, only_second: int, n: int) -> dict[str, Any]:
    """Share of the first minus share of the second, over the same n rows.

    The adjusted Wald interval for paired shares of Bonett & Price (2012), doi 10.3102/1076998611411915: it keeps its coverage for few rows.

    Args:
        only_first: rows where the first alone is right.
        only_second: rows where the second alone is right.
        n: all rows that both were tried on.

    Returns:
        n, difference, low and high, each −1 to 1; None without rows.

    Example:
        >>> difference(3, 1, 10)["difference"]
        0.2
    """
    if not n:
        return {"n": 0, "difference": None, "low": None, "high": None}
    a, b = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = Z * math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    return {"n": n, "difference": (only_first - only_second) / n, "low": max(-1.0, a - b - half), "high": min(1.0, a - b + half)}


def ranked(counts: Mapping[str, int], most: int | None = None) -> dict[str, int]:
    """Counts, the most frequent first; of equal ones the order of the alphabet decides, never that of the rows.

    Args:
        counts: name → how often.
        most: how many to give; None for all.

    Example:
        >>> ranked({"sad": 2, "happy": 3, "angry": 2})
        {'happy': 3, 'angry': 2, 'sad': 2}
    """
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])


def not_possible(why: str) -> dict[str, Any]:
    """The result of an audit that cannot be made."""
    return {"not_possible": why}

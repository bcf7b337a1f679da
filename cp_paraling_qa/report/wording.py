"""Figures in words: intervals, shares, texts that are too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_SHOWN = "not shown"
FEW = 20
"""A cell with fewer items is greyed: its interval spans half the scale."""

_DROPPED = {code: None for code in [*range(9), 11, 12, *range(14, 32), 127]} | {13: " "}


def bounds(scores: Mapping[str, Any], name: str, digits: int, factor: float = 1.0) -> str:
    """A figure with its interval: "0.83 [0.79, 0.87]"; a dash where there is none.

    Example:
        >>> bounds({"accuracy": 0.8, "accuracy_ci_low": 0.7, "accuracy_ci_high": 0.9}, "accuracy", 2)
        '0.80 [0.70, 0.90]'
    """
    value, low, high = (scores.get(f"{name}{end}") for end in ("", "_ci_low", "_ci_high"))
    if value is None:
        return "–"
    shown = decimal(factor * value, digits)
    return shown if low is None or high is None else f"{shown} [{decimal(factor * low, digits)}, {decimal(factor * high, digits)}]"


def decimal(value: float, digits: int) -> str:
    """A number with so many digits behind the point, and a real minus.

    Example:
        >>> decimal(-0.051, 2), decimal(-0.001, 2)
        ('−0.05', '0.00')
    """
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def percent(share: float | None) -> str:
    """A share of 0–1 in per cent that says 100 % and 0 % only of all and nothing.

    Example:
        >>> percent(0.9996), percent(1.0), percent(0.25)
        ('99.9 %', '100 %', '25 %')
    """
    if share is None:
        return "–"
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    if 0.005 <= share < 0.995:
        return f"{100 * share:.0f} %"
    return f"{min(99.9, max(0.1, 100 * share)):.1f} %"


def clean(text: Any) -> str:
    """A text without control characters and lone surrogates, which no page can carry."""
    return str(text).translate(_DROPPED).encode("utf-8", "replace").decode("utf-8")


def shortened(text: str, limit: int) -> tuple[str, int]:
    """The beginning of a text, and how many characters are missing."""
    return (text, 0) if len(text) <= limit else (text[:limit].rstrip(), len(text) - limit)

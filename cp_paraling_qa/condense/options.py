"""What can be chosen about condensation; the entry `condense` of a recipe."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from cp_paraling_qa.annotate.windows import HOP, LENGTH
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.schema import Seconds

SOURCES = ("human", "maker", "model")
"""Whose opinions can count; a self-report never does (see `ledger`)."""


@dataclass(frozen=True)
class CondenseOptions:
    """Thresholds of the rules, and the budget. Windows, x and y are those of arXiv 2505.13338; it does not tell the rest, which is our choice.

    Args:
        window, hop: seconds of the windows that a clip is judged in, see `annotate.windows`; window None judges each clip whole.
        positive_above: x: a positive emotion needs a valence above it; 0–1.
        negative_below: y: a negative emotion needs a valence below it; 0–1, at most x. A neutral one lies from y to x.
        min_windows: an emotion stays with a clip if at least so many of its windows carry it …
        min_share: … or at least this share of its windows; 0–1.
        min_seconds, max_seconds: shorter and longer clips are dropped; None for no limit.
        min_agreement: the least share of the votes for the clip's emotions, 0–1; see `windows` for who votes.
        sources: whose opinions count: any of human, maker, model.
        max_clips, max_hours: the budget that is balanced over emotion, corpus and speaker, see `select`; None, None: every clip that passes the rules stays.

    Raises:
        RecipeError: a value out of its range, named.
    """

    window: Seconds | None = LENGTH
    hop: Seconds = HOP
    positive_above: float = 0.5
    negative_below: float = 0.4
    min_windows: int = 2
    min_share: float = 0.3
    min_seconds: Seconds | None = None
    max_seconds: Seconds | None = None
    min_agreement: float = 0.5
    sources: tuple[str, ...] = SOURCES
    max_clips: int | None = None
    max_hours: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "sources" and not _number(value) and not (value is None and _may_be_none(name)):
                raise RecipeError(f"condense: {name} is not a number: {value!r}")
        for name in ("positive_above", "negative_below", "min_share", "min_agreement"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"condense: {name} is outside 0–1: {getattr(self, name):g}")
        for name in ("max_clips", "max_hours", "max_seconds"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise RecipeError(f"condense: {name} has to be above 0, not {value:g}; leave it out for no limit")
        for name in ("min_windows", "max_clips"):
            if (value := getattr(self, name)) is not None and (value < 1 or int(value) != value):
                raise RecipeError(f"condense: {name} has to be a whole number of at least 1, not {value:g}")
        if self.negative_below > self.positive_above:
            raise RecipeError(
                f"condense: negative_below ({self.negative_below:g}) is above positive_above ({self.positive_above:g}): no valence would be neutral"
            )
        if self.window is not None and not 0 < self.hop <= self.window:
            raise RecipeError(f"condense: a hop of {self.hop:g} s with windows of {self.window:g} s: the hop is above 0 and at most the window")
        if (self.min_seconds or 0) < 0 or (self.max_seconds is not None and (self.min_seconds or 0) > self.max_seconds):
            raise RecipeError(f"condense: min_seconds ({self.min_seconds}) has to lie from 0 to max_seconds ({self.max_seconds})")
        unknown = [source for source in self.sources if source not in SOURCES]
        if unknown or not self.sources:
            raise RecipeError(f"condense: sources {', '.join(map(str, unknown)) or 'is empty'}: choose from {', '.join(SOURCES)}")

    @property
    def rules(self) -> dict[str, Any]:
        """What shapes the verdict on one clip by itself: all but the budget. JSON-able."""
        return {name: value for name, value in self.plain().items() if name not in ("max_clips", "max_hours")}

    def plain(self) -> dict[str, Any]:
        """All options, JSON-able."""
        return asdict(self) | {"sources": sorted(set(self.sources))}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _may_be_none(name: str) -> bool:
    return name in ("window", "min_seconds", "max_seconds", "max_clips", "max_hours")

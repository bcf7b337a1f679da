"""What can be chosen about the rules over all questions of a run."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cp_paraling_qa.errors import RecipeError

NEAR = 0.9
"""Cosine of MiniLM from which two questions, or two answers, count as the same. Of the hand-made pairs in tests/test_settle_likeness.py that `likeness` leaves to it,
those that mean the same reach 0.95 (questions) and 0.95–0.99 (answers), those that differ at most 0.77 and 0.84; in the bundled dataset "about the results" and "about
the operation" still reach 0.87, and "about the seat" and "about the man's seat" 0.91."""


@dataclass(frozen=True)
class SettleOptions:
    """Which rules hold over all questions, and how strictly. None of these numbers is published; they are our choice.

    Args:
        repeats: whether a question that repeats another one word for word is dropped.
        near_within: cosine, 0–1, from which a question repeats another of the same clip; None: only those that repeat it word for word. Unless it is None, a question
            that asks the same thing about the same matter in other words repeats as well, see `likeness`.
        near_across: the same for the questions of one speaker about different clips, see `repeats`; None as above.
        max_why_share: of a speaker's contextual questions, how many at most may ask why the speaker sounds the way they do, 0–1; None for no limit. One always may.
            A run that asks for reasons alone needs None.
        contrast: whether the same words in several feelings make contrast sets.
        conflict: whether clips are marked whose words say one thing and whose voice says another.
        conflict_items: whether such clips, and as many without conflict, get a question about it; needs `conflict`.
        text_answerable: what becomes of questions that were answered from the words alone, where somebody tried: "keep" marks them, "drop" drops them, a share s of
            0–1 keeps so many that at most s of the questions that are left are such.
        seed: of every choice of a wording.

    Raises:
        RecipeError: a value out of its range, named.
    """

    repeats: bool = True
    near_within: float | None = NEAR
    near_across: float | None = NEAR
    max_why_share: float | None = 0.5
    contrast: bool = True
    conflict: bool = True
    conflict_items: bool = True
    text_answerable: Literal["keep", "drop"] | float = "keep"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("repeats", "contrast", "conflict", "conflict_items"):
            if not isinstance(getattr(self, name), bool):
                raise RecipeError(f"settle: {name} is true or false, not {getattr(self, name)!r}")
        for name in ("near_within", "near_across", "max_why_share"):
            value = getattr(self, name)
            if value is not None and not _share(value):
                raise RecipeError(f"settle: {name} is a number from 0 to 1, or null to switch it off, not {value!r}")
        if self.text_answerable not in ("keep", "drop") and not _share(self.text_answerable):
            raise RecipeError(f"settle: text_answerable is keep, drop, or a share from 0 to 1, not {self.text_answerable!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise RecipeError(f"settle: seed is a whole number, not {self.seed!r}")

    @property
    def embeds(self) -> bool:
        """Whether any rule compares sentences by their embeddings."""
        return self.near_within is not None or self.near_across is not None

    def plain(self) -> dict[str, Any]:
        """All options, JSON-able."""
        return asdict(self)


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1

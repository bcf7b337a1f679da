"""How many rows of each component, and which: numbers alone, no rows in sight."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence


def shares(weights: Mapping[str, float | None], sizes: Mapping[str, int], temperature: float | None) -> dict[str, float]:
    """The share of every component: weight · size^(1 / temperature), scaled to a sum of 1.

    Args:
        weights: None counts as 1.
        sizes: rows of each component, above 0.
        temperature: above 0; None or infinity: the weights alone.

    Example:
        >>> shares({"a": None, "b": None}, {"a": 900, "b": 100}, 2)  # 30 : 10
        {'a': 0.75, 'b': 0.25}
    """
    power = 0.0 if temperature is None else 1 / temperature
    top = max(sizes.values())
    raw = {name: (1.0 if weight is None else weight) * (sizes[name] / top) ** power for name, weight in weights.items()}
    total = sum(raw.values())
    return {name: part / total for name, part in raw.items()}


def rounded(size: int, parts: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers that add up to `size`, each within 1 of its share: the largest remainders are rounded up, ties by name.

    Example:
        >>> rounded(10, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
        {'a': 4, 'b': 3, 'c': 3}
    """
    exact = {name: size * part for name, part in parts.items()}
    counts = {name: math.floor(value + 1e-9) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (round(counts[name] - exact[name], 9), name))
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


def picked(keys: Sequence[str], count: int, *seed: object) -> Iterator[tuple[int, int]]:
    """`count` draws among rows: every row once, then every row once more, …, the last round by the seed.

    Args:
        keys: what tells rows apart; the choice depends on these, not on their order.
        count: how many draws.
        seed: of the choice.

    Returns:
        (number of the row, round).
    """
    rounds, rest = divmod(count, len(keys))
    yield from ((number, turn) for turn in range(rounds) for number in range(len(keys)))
    if rest:
        order = sorted(range(len(keys)), key=lambda number: (mark(*seed, "round", rounds, keys[number]), keys[number], number))
        yield from ((number, rounds) for number in order[:rest])


def mark(*things: object) -> bytes:
    """A hash to order things by: 12 bytes that depend on what the things are, on every machine the same."""
    return hashlib.blake2b("\x1f".join(map(str, things)).encode(), digest_size=12).digest()

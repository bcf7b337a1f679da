"""Long recordings → clips that begin and end in pauses.

The paper's clips last 30–60 s, speech encoders hear 30 s, and conversations last an hour. A recording is cut where it is quietest: of all ways to cut it into pieces
within the limits, the one whose cuts are the quietest in sum (dynamic programming over steps of 50 ms, exact). No second is lost and none is heard twice.
"""

from __future__ import annotations

from typing import Any

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.schema import Hertz, Opinion, Seconds
from cp_paraling_qa.stage import Row

STEPS = 20
"""A second; steps are exact in time at any rate: one of 0.05 s at 22.05 kHz is 1102.5 samples, and 200 of them are 10 s."""

PAUSE: Seconds = 0.3
"""Loudness is averaged over this long: a cut wants a pause, not the closure of a plosive."""


def clip_seconds(text: str | None) -> tuple[Seconds, Seconds] | None:
    """The limits that `--clip-seconds` gives.

    Raises:
        RecipeError: not LOW-HIGH, or a range that not every recording can be divided into.

    Example:
        >>> clip_seconds("10-30"), clip_seconds("none")
        ((10.0, 30.0), None)
    """
    if text is None or text.strip().lower() in ("", "none"):
        return None
    try:
        low, high = (float(part) for part in text.replace("–", "-").split("-"))
    except ValueError:
        raise RecipeError(f"clip-seconds {text!r}: give the shortest and the longest clip, e.g. 10-30, or none") from None
    if not 0 < 2 * low <= high:
        raise RecipeError(f"clip-seconds {text!r}: the longest has to be at least twice the shortest, or some recordings cannot be divided")
    return low, high


def cuts(samples: Any, rate: Hertz, low: Seconds, high: Seconds) -> list[int]:
    """Where to cut, as sample numbers from 0 to the end; [0, n] where nothing has to be cut.

    Args:
        samples: float32 of shape (n,).
        rate: Hz.
        low: seconds of the shortest piece.
        high: seconds of the longest; at least twice low.
    """
    import numpy as np

    if len(samples) <= high * rate:
        return [0, len(samples)]
    steps = len(samples) * STEPS // rate
    grid = (np.arange(steps + 1) * rate + STEPS // 2) // STEPS  # where each step begins, to the nearest sample
    power = np.add.reduceat(np.square(samples), grid[:-1]).astype(np.float64) / (rate / STEPS)
    around = np.convolve(power, np.ones(round(PAUSE * STEPS)), mode="same") / round(PAUSE * STEPS)
    loudness = 10 * np.log10(around + 1e-10)
    cost = np.concatenate([loudness, [0.0]]) - loudness.min()  # at the beginning of step i; the end costs nothing
    cost[steps] = 0.0
    shortest, longest = int(np.ceil(low * STEPS - 1e-9)), int(high * STEPS + 1e-9)
    rest = 1 if len(samples) > grid[-1] else 0  # the last piece also holds what is left of a step
    best = np.full(steps + 1, np.inf)
    best[0] = 0.0
    came = np.zeros(steps + 1, dtype=np.int64)
    for here in range(shortest, steps + 1):
        first, last = max(0, here - longest + (rest if here == steps else 0)), here - shortest
        before = first + int(np.argmin(best[first : last + 1]))
        if np.isfinite(best[before]):
            best[here], came[here] = best[before] + cost[here], before
    path = [steps]
    while path[-1] > 0:
        path.append(int(came[path[-1]]))
    return [*(int(grid[place]) for place in reversed(path[1:])), len(samples)]


def pieces(row: Row, spans: list[tuple[Seconds, Seconds]]) -> list[Row]:
    """A record cut in pieces: words and time-stamped opinions go where they belong, opinions about the whole stay with each piece.

    A transcript is divided by its words' times; without them it cannot be, and the pieces have none. All pieces share a dialogue, so that no split parts them.

    Args:
        row: a corpus record.
        spans: start and end of each piece, in seconds from the record's start.
    """
    made = []
    for start, end in spans:
        words = [_shifted(word, start) for word in row["words"] if word["start"] is not None and start <= _middle(word) < end]
        made.append(
            row
            | {
                "words": words,
                "transcript": " ".join(word["word"] for word in words) or None,
                "opinions": [moved for o in row["opinions"] if o["field"] != "text" and (moved := _opinion(o, start, end)) is not None],
                "dialogue_id": row["dialogue_id"] or row["audio_path"],
            }
        )
    return made


def _middle(word: Row) -> Seconds:
    return float((word["start"] + (word["start"] if word["end"] is None else word["end"])) / 2)


def _shifted(word: Row, start: Seconds) -> Row:
    return word | {"start": max(0.0, word["start"] - start), "end": None if word["end"] is None else word["end"] - start}


def _opinion(opinion: Opinion, start: Seconds, end: Seconds) -> Opinion | None:
    """What of an opinion is about a piece; None where it is about another one."""
    if opinion["start"] is None or opinion["end"] is None:
        return opinion
    first, last = max(opinion["start"], start), min(opinion["end"], end)
    return None if last <= first else Opinion(**opinion | {"start": first - start, "end": last - start})

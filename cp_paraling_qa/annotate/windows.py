"""Windows: how a clip is cut for recognisers that give one label to what they hear.

After arXiv 2505.13338: windows of t + 2·dt seconds with t = 2 and dt = 1, each giving its label to its middle t seconds, so that a label rests on context from both
sides. At a clip's edges the label reaches to the edge, for want of a better one; a last window is set flush with the end, so that no second goes unheard.
"""

from __future__ import annotations

from typing import NamedTuple

from cp_paraling_qa.schema import Seconds

LENGTH: Seconds = 4.0
HOP: Seconds = 2.0


class Window(NamedTuple):
    """What is heard (start to end) and what the label is given to (label_start to label_end), in seconds from the clip's start."""

    start: Seconds
    end: Seconds
    label_start: Seconds
    label_end: Seconds


def windows(duration: Seconds, length: Seconds | None = LENGTH, hop: Seconds = HOP) -> list[Window]:
    """The windows of a clip, in order; their labelled spans follow each other without gap from 0 to the end.

    Args:
        duration: of the clip.
        length: of a window; None for one window over the whole clip, as is done for clips no longer than a window.
        hop: from one window to the next; at most `length`.

    Example:
        >>> for window in windows(9.0): print(*window)
        0.0 4.0 0.0 3.0
        2.0 6.0 3.0 5.0
        4.0 8.0 5.0 7.0
        5.0 9.0 7.0 9.0
        >>> windows(3.2)
        [Window(start=0.0, end=3.2, label_start=0.0, label_end=3.2)]
    """
    if length is None or duration <= length:
        return [Window(0.0, duration, 0.0, duration)]
    edge = (length - hop) / 2
    starts = [number * hop for number in range(int((duration - length) / hop + 1e-9) + 1)]
    ends = [start + edge + hop for start in starts]
    if starts[-1] + length < duration - 1e-6:
        starts.append(duration - length)
        ends.append(duration)
    ends[-1] = duration
    return [Window(start, start + length, before, end) for start, before, end in zip(starts, [0.0, *ends[:-1]], ends, strict=True)]

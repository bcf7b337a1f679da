"""Balance under a budget: which of the clips that passed the rules stay where not all can.

The objective is max-min fairness, level by level: the budget is shared over emotions so that the smallest share is as large as it can be, then the next smallest,
and so on; each emotion's share likewise over corpora, and each corpus's over speakers. It comes out as water-filling: a rare emotion, corpus or speaker that does
not reach the common level is kept whole, and only those above it are cut. Where two corpora or speakers are level within an emotion, the one with less in the
whole selection goes first.

It is reached by taking one clip at a time from the emotion, therein the corpus, therein the speaker with the least so far: O(n log n). There is no seed; what is
still level is decided by the clips' keys, which are hashes, so the order of the input means nothing. arXiv 2505.13338 asks for a class-balanced subset and does not
tell how; this is our choice.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Hashable, Sequence

from cp_paraling_qa.schema import Seconds


def key_of(clip_id: str) -> int:
    """A number by which ties are broken: the clip's id, hashed. 64 bits."""
    return int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big")


class _Cell:
    """The clips of one emotion in one corpus, and whose turn it is among its speakers.

    Args:
        clips: positions, smallest key last.
    """

    def __init__(self) -> None:
        self.speakers: dict[Hashable, list[int]] = defaultdict(list)
        self.turn: list[tuple[float, float, int, Hashable]] = []

    def open(self, keys: Sequence[int]) -> None:
        self.turn = [(0.0, 0.0, keys[clips[-1]], speaker) for speaker, clips in self.speakers.items()]
        heapq.heapify(self.turn)  # keys differ, so two speakers are never compared

    def next(self, overall: dict[Hashable, float]) -> tuple[float, Hashable]:
        """Takes the speaker whose turn it is out of the heap. What a speaker has overall may have grown since the entry was made; it never shrinks."""
        while True:
            here, then, key, speaker = heapq.heappop(self.turn)
            if then == overall[speaker]:
                return here, speaker
            heapq.heappush(self.turn, (here, overall[speaker], key, speaker))


def select(
    keys: Sequence[int],
    emotions: Sequence[Hashable],
    corpora: Sequence[Hashable],
    speakers: Sequence[Hashable],
    seconds: Sequence[Seconds],
    *,
    max_clips: int | None = None,
    max_seconds: Seconds | None = None,
) -> list[bool]:
    """Which clips stay; see the module for the objective.

    Args:
        keys: one for each clip, all different: `key_of` its id.
        emotions: what each counts as.
        corpora: where each is from.
        speakers: unique over corpora; None for an unknown one, and unknown speakers are not one speaker.
        seconds: duration of each.
        max_clips: the budget in clips. Where it is given, shares are counted in clips …
        max_seconds: … else in seconds. A clip that no longer fits is left out, and a shorter one may take its place.

    Returns:
        for each clip, in the order given, whether it stays; all of them where they fit.

    Example:
        >>> select([1, 2, 3, 4], ["sad", "happy", "happy", "happy"], ["c"] * 4, ["a", "a", "a", "b"], [1.0] * 4, max_clips=3)
        [True, True, False, True]
    """
    number = len(keys)
    if (max_clips is None or number <= max_clips) and (max_seconds is None or sum(seconds) <= max_seconds):
        return [True] * number
    cells: dict[Hashable, dict[Hashable, _Cell]] = defaultdict(lambda: defaultdict(_Cell))
    for at in sorted(range(number), key=keys.__getitem__, reverse=True):
        speaker = speakers[at] if speakers[at] is not None else (None, keys[at])
        cells[emotions[at]][corpora[at]].speakers[speaker].append(at)
    for within in cells.values():
        for cell in within.values():
            cell.open(keys)
    chosen = [False] * number
    count, total = 0, 0.0
    of_emotion: dict[Hashable, float] = defaultdict(float)
    of_cell: dict[tuple[Hashable, Hashable], float] = defaultdict(float)
    of_corpus: dict[Hashable, float] = defaultdict(float)
    of_speaker: dict[Hashable, float] = defaultdict(float)
    turn = [(0.0, min(cell.turn[0][2] for cell in within.values()), emotion) for emotion, within in cells.items()]
    heapq.heapify(turn)
    while turn and (max_clips is None or count < max_clips):
        _, tie, emotion = heapq.heappop(turn)
        within = cells[emotion]
        corpus = min(within, key=lambda name: (of_cell[emotion, name], of_corpus[name], within[name].turn[0][2]))  # noqa: B023  # used at once
        cell = within[corpus]
        here, speaker = cell.next(of_speaker)
        at = cell.speakers[speaker].pop()
        if max_seconds is None or total + seconds[at] <= max_seconds:
            size = 1.0 if max_clips is not None else seconds[at]
            chosen[at] = True
            count, total = count + 1, total + seconds[at]
            here += size
            of_emotion[emotion] += size
            of_cell[emotion, corpus] += size
            of_corpus[corpus] += size
            of_speaker[speaker] += size
        if cell.speakers[speaker]:
            heapq.heappush(cell.turn, (here, of_speaker[speaker], keys[cell.speakers[speaker][-1]], speaker))
        elif not cell.turn:
            del within[corpus]
        if within:
            heapq.heappush(turn, (of_emotion[emotion], tie, emotion))
    return chosen

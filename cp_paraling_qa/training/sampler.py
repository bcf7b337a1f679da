"""Which rows make a batch: alike in length, so that little is padding; under a budget of tokens, so that memory is flat; rows about one clip together, where they share a sequence.

Every process makes the same plan from the seed and takes its share of it, so the shares are equally long and resuming needs no state.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Sampler

from cp_paraling_qa.errors import TrainingError

_SORTED_BATCHES = 50
"""So many batches are drawn at random and then sorted by length: long ones meet long ones, and an epoch still mixes everything."""


@dataclass(frozen=True)
class RowLength:
    """How long a row is, in tokens.

    Attributes:
        clip: what it hears; None for text alone.
        audio: positions of the clip.
        text: prompt and answer, without the clip.
    """

    clip: str | None
    audio: int
    text: int


def sequence_length(rows: Sequence[RowLength]) -> int:
    """Tokens of one sequence that holds the rows: the clip once. The prompts' common beginning is counted anew for every row, so this is an upper bound."""
    return max(row.audio for row in rows) + sum(row.text for row in rows)


class ClipBatches(Sampler[list[int]]):  # type: ignore[misc]
    """Batches of row numbers for one process.

    Where every batch has as many rows, the rows of an optimiser step are drawn first and then dealt out to processes and accumulated batches: the same seed trains
    on the same rows in every step, however it is split. Each epoch draws anew.

    Under a token budget or with shared sequences the number of batches depends on the draw, so their content is drawn once, and each epoch their order: an epoch
    keeps its length. Batches that are left over where the processes do not divide them are split, so that no row is trained on twice in an epoch.

    Args:
        lengths: of every row.
        batch_size: most rows of a batch.
        accumulate: batches of a process in an optimiser step.
        token_budget: most tokens of a batch, padding included; None for no such limit.
        share: rows about one clip share a sequence, up to `batch_size` of them.
        by_length: batches of rows alike in length.
        seed: of all draws.
        rank: of this process.
        world: number of processes.

    Raises:
        TrainingError: a row that alone is over the budget, by number and length.
    """

    def __init__(
        self,
        lengths: Sequence[RowLength],
        *,
        batch_size: int,
        accumulate: int = 1,
        token_budget: int | None = None,
        share: bool = False,
        by_length: bool = True,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.lengths, self.batch_size, self.accumulate, self.token_budget = lengths, batch_size, accumulate, token_budget
        self.share, self.by_length, self.seed, self.rank, self.world, self.epoch = share, by_length, seed, rank, world, 0
        longest = max(range(len(lengths)), key=lambda number: sequence_length([lengths[number]]))
        if token_budget is not None and (alone := sequence_length([lengths[longest]])) > token_budget:
            raise TrainingError(f"row {longest} alone has {alone} tokens, more than the budget of {token_budget}: pass a larger --token_budget")
        self.uneven = self._uneven() if share or token_budget is not None else None

    @property
    def sampler(self) -> ClipBatches:
        """Itself: where accelerate looks for `set_epoch` when a resumed run skips batches."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Before each epoch, by the trainer."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self._count() // self.world)

    def __iter__(self) -> Iterator[list[int]]:
        draw = random.Random(f"{self.seed} epoch {self.epoch}")
        if self.uneven is None:
            batches = [batch for step in self._steps(draw) for batch in step]
        else:
            batches = list(self.uneven)
            draw.shuffle(batches)
            batches = self._evened(batches)
        yield from batches[self.rank :: self.world]

    def _count(self) -> int:
        return len(self.uneven) if self.uneven is not None else -(-len(self.lengths) // self.batch_size)

    def _steps(self, draw: random.Random) -> list[list[list[int]]]:
        """Batches of all processes, step by step; an incomplete step comes last."""
        size = self.batch_size * self.accumulate * self.world
        numbers = [number for unit in self._sorted([[number] for number in range(len(self.lengths))], size, draw) for number in unit]
        whole = [numbers[start : start + size] for start in range(0, len(numbers) - size + 1, size)]
        rest = numbers[len(whole) * size :]
        draw.shuffle(whole)
        steps = [[step[start : start + self.batch_size] for start in range(0, size, self.batch_size)] for step in whole]
        return [*steps, self._dealt(rest)] if rest else steps

    def _dealt(self, rest: list[int]) -> list[list[int]]:
        """The last rows in as many batches for each process; where there are fewer rows than processes, the first are taken again."""
        batches = -(-len(rest) // self.batch_size)
        batches += -batches % self.world
        rest = rest + (rest * batches)[: max(0, batches - len(rest))]
        return [rest[len(rest) * n // batches : len(rest) * (n + 1) // batches] for n in range(batches)]

    def _evened(self, batches: list[list[int]]) -> list[list[int]]:
        """As many batches for every process: those left over are halved; where they hold fewer rows than there are processes, some are taken again."""
        over = len(batches) % self.world
        whole, last = batches[: len(batches) - over], batches[len(batches) - over :]
        while last and len(last) < self.world:
            place = max(range(len(last)), key=lambda n: len(last[n]))
            half = -(-len(last[place]) // 2)
            last[place : place + 1] = [last[place][:half], last[place][half:] or last[place]]
        return whole + last

    def _sorted(self, units: list[list[int]], batch: int, draw: random.Random) -> list[list[int]]:
        """In random order, or alike in length within parts of many batches."""
        draw.shuffle(units)
        if not self.by_length:
            return units
        parts = [units[start : start + _SORTED_BATCHES * batch] for start in range(0, len(units), _SORTED_BATCHES * batch)]
        return [unit for part in parts for unit in sorted(part, key=self._length, reverse=True)]

    def _uneven(self) -> list[list[int]]:
        """Batches of shared sequences, or under the token budget."""
        draw = random.Random(f"{self.seed} batches")
        batches: list[list[int]] = []
        longest = sequences = 0
        for unit in self._sorted(self._units(draw), self.batch_size, draw):
            wider = max(longest, self._length(unit))
            over = self.token_budget is not None and wider * (sequences + 1) > self.token_budget
            if not batches or over or len(batches[-1]) + len(unit) > self.batch_size:
                batches.append([])
                wider, sequences = self._length(unit), 0
            batches[-1] += unit
            longest, sequences = wider, sequences + 1
        return batches

    def _units(self, draw: random.Random) -> list[list[int]]:
        """Rows of one sequence: single ones, or as many of a clip as a batch and the budget hold."""
        numbers = list(range(len(self.lengths)))
        if not self.share:
            return [[number] for number in numbers]
        by_clip: dict[Any, list[int]] = {}
        for number in numbers:
            by_clip.setdefault(self.lengths[number].clip or number, []).append(number)
        units: list[list[int]] = []
        for rows in by_clip.values():
            draw.shuffle(rows)
            unit: list[int] = []
            for number in rows:
                full = len(unit) == self.batch_size
                if unit and (full or (self.token_budget is not None and self._length([*unit, number]) > self.token_budget)):
                    units.append(unit)
                    unit = []
                unit.append(number)
            units.append(unit)
        return units

    def _length(self, unit: Sequence[int]) -> int:
        return sequence_length([self.lengths[number] for number in unit])


def padding_share(batches: Sequence[Sequence[int]], lengths: Sequence[RowLength]) -> float:
    """Share of padding among the tokens of unshared batches, 0–1."""
    used = sum(sequence_length([lengths[number]]) for batch in batches for number in batch)
    held = sum(len(batch) * max(sequence_length([lengths[number]]) for number in batch) for batch in batches)
    return 1 - used / held if held else 0.0

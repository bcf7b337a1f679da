"""How many requests may be under way, and which row is next."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar


class Ordered(Protocol):
    """A row with its place in the order."""

    order: int


Row = TypeVar("Row", bound=Ordered)


class Gate(Generic[Row]):
    """Starts a task for a row when there is a place: halved when the server says so, grown back by one place per round of successes.

    Earlier rows go first, so that a retried row does not hold up everything behind it. Rows that wait are no tasks yet: a task each would cost memory.
    Belongs to one event loop.

    Args:
        most: tasks at the most.
        work: what is done for a row; sees to its own errors.
    """

    def __init__(self, most: int, work: Callable[[Row], Coroutine[Any, Any, None]]) -> None:
        self.most, self.limit = most, float(most)
        self.busy: dict[asyncio.Task[None], Row] = {}
        self._work = work
        self._waiting: list[tuple[int, int, Row]] = []
        self._ticket = itertools.count()
        self._pause_until = 0.0
        self._last_cut = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._closed = False

    async def close(self) -> None:
        """Start nothing any more, and end what is under way."""
        self._closed = True
        tasks = list(self.busy)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def add(self, row: Row) -> None:
        """Let a row wait for its place."""
        heapq.heappush(self._waiting, (row.order, next(self._ticket), row))
        self._wake()

    def drop(self, unwanted: Callable[[Row], bool]) -> None:
        """Forget such rows that wait, and cancel those under way."""
        self._waiting = [entry for entry in self._waiting if not unwanted(entry[2])]
        heapq.heapify(self._waiting)
        current = asyncio.current_task()
        for task, row in self.busy.items():
            if task is not current and unwanted(row):
                task.cancel()

    def succeeded(self) -> None:
        """A reply came: grow by one per round of replies."""
        self.limit = min(self.most, self.limit + 1 / self.limit)

    def throttled(self, sent: float, wait: float | None) -> None:
        """The server asked for less.

        Args:
            sent: `time.monotonic()` when the refused request was sent: refusals of one burst halve the limit once.
            wait: seconds that nobody may send anything, or None.
        """
        now = time.monotonic()
        if sent >= self._last_cut:
            self.limit, self._last_cut = max(1.0, self.limit / 2), now
        if wait:
            self._pause_until = max(self._pause_until, now + wait)

    def _wake(self) -> None:
        now = time.monotonic()
        if now < self._pause_until:
            if self._alarm is None:
                self._alarm = asyncio.get_running_loop().call_later(self._pause_until - now + 0.001, self._ring)
            return
        while self._waiting and not self._closed and len(self.busy) < int(self.limit):
            row = heapq.heappop(self._waiting)[2]
            task = asyncio.create_task(self._work(row))
            self.busy[task] = row
            task.add_done_callback(self._leave)

    def _leave(self, task: asyncio.Task[None]) -> None:
        del self.busy[task]
        self._wake()

    def _ring(self) -> None:
        self._alarm = None
        self._wake()

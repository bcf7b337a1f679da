"""What can go wrong with one request, and how fast to go on after it.

A fault is a value with a countable reason; whether it is retried, fails its row, or ends the run is decided by the client (`llm.py`).
"""

from __future__ import annotations

import asyncio
import email.utils
import heapq
import itertools
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

BACKOFF_FIRST = 0.25
"""Seconds before the second try; each later wait doubles, with jitter, up to `BACKOFF_MOST`. Twelve tries then outlive an outage of about a minute."""

BACKOFF_MOST = 15.0

RETRY_AFTER_MOST = 300.0
"""Seconds. A server that asks for a longer pause is an error: nobody wants to wait an hour in silence."""

FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured", "grammar", "guided", "schema")
"""A 400 or 422 whose message has one of these rejects the response format, not the request."""


class Fault(Exception):
    """One attempt failed.

    Args:
        reason: a short phrase that can be counted.
        detail: what is special about this one.
        transient: of the transport: the same request may well succeed later. Otherwise the reply came, but cannot be used.
        retry: whether another attempt makes sense.
        throttled: the server asks for less load.
        wait: seconds that the server asks to wait, or None.
    """

    def __init__(
        self, reason: str, detail: str = "", *, transient: bool = True, retry: bool = True, throttled: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail
        self.transient, self.retry, self.throttled, self.wait = transient, retry, throttled, wait


class FormatRejected(Exception):
    """The server does not take this response_format."""


def backoff(tries: int) -> float:
    """Seconds to wait after the `tries`-th failed attempt, jittered by half so that rows that failed together do not come back together."""
    return float(min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** (tries - 1)) * random.uniform(0.5, 1.0))


def retry_after(headers: Any) -> float | None:
    """Seconds from a Retry-After header, as a number or as a date; None where there is none or it cannot be read.

    Example:
        >>> retry_after({"retry-after": "2.5"}), retry_after({}), retry_after({"retry-after": "soon"})
        (2.5, None, None)
    """
    if milliseconds := headers.get("retry-after-ms"):
        try:
            return max(0.0, float(milliseconds) / 1000)
        except ValueError:
            pass
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def unreachable(error: BaseException) -> bool:
    """Whether nobody listens there: refused, or no such host. (openai's aiohttp backend reports a refused connection as a timeout.)"""
    return any(isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in _causes(error))


def timed_out(error: BaseException) -> bool:
    """Whether time ran out. (openai's aiohttp backend calls a lost connection a timeout as well; the cause tells.)"""
    return any(isinstance(cause, TimeoutError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


class Gate:
    """How many requests may be under way: halved when the server says so, grown back by one per round of successes.

    Earlier rows go first, so that a retried row does not hold up everything behind it. Belongs to one event loop.

    Args:
        most: requests in flight at the most.
    """

    def __init__(self, most: int) -> None:
        self.most, self.limit, self.busy = most, float(most), 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._ticket = itertools.count()
        self._pause_until = 0.0
        self._last_cut = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    async def enter(self, order: int) -> None:
        """Wait for a place; give it back with `leave`."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, next(self._ticket), future))
        self._wake()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back."""
        self.busy -= 1
        self._wake()

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
        while self._waiting and self.busy < int(self.limit):
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                self.busy += 1
                future.set_result(None)

    def _ring(self) -> None:
        self._alarm = None
        self._wake()

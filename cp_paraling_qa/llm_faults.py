"""What can go wrong with one request, and how fast to go on after it.

A fault is a value with a countable reason; whether it is retried, fails its row, or ends the run is decided by the client (`llm.py`).
"""

from __future__ import annotations

import email.utils
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

BACKOFF_FIRST = 0.25
"""Seconds before the second try; each later wait doubles, with jitter, up to `BACKOFF_MOST`. Twelve tries then outlive an outage of three quarters of a minute."""

BACKOFF_MOST = 15.0

RETRY_AFTER_MOST = 300.0
"""Seconds. A server that asks for a longer pause is an error: nobody wants to wait an hour in silence."""


class Fault(Exception):
    """One attempt failed.

    Args:
        reason: a short phrase that can be counted.
        detail: what is special about this one.
        transient: of the transport: the same request may well succeed later. Otherwise the reply came, but cannot be used.
        retry: whether another attempt makes sense.
        throttled: the server asks for less load.
        wait: seconds that the server asks to wait, or None.
        prompt_tokens: read by the model for this useless reply, and paid for.
        completion_tokens: written by it.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        transient: bool = True,
        retry: bool = True,
        throttled: bool = False,
        wait: float | None = None,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail.encode(errors="replace").decode()  # some servers cut a message in the middle of a character, which no file can hold
        self.transient, self.retry, self.throttled, self.wait = transient, retry, throttled, wait
        self.prompt_tokens, self.completion_tokens = prompt_tokens, completion_tokens


def backoff(tries: int) -> float:
    """Seconds to wait after the `tries`-th failed attempt, jittered by half so that rows that failed together do not come back together."""
    return float(min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** (tries - 1)) * random.uniform(0.5, 1.0))


def outage(attempts: int) -> float:
    """Seconds that a row's attempts last at the least, if each fails at once: the jittered waits between them at their shortest.

    Example:
        >>> outage(1), outage(12)  # of the doubled waits 0.25 … 8 s six make 15.75 s, and five of 15 s make 75 s; half of all that
        (0.0, 45.375)
    """
    return float(sum(min(BACKOFF_MOST, BACKOFF_FIRST * 2**at) for at in range(attempts - 1)) / 2)


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
    except (ValueError, OverflowError):
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

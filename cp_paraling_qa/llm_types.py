"""What goes into the chat client and what comes out of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cp_paraling_qa.errors import LLMError

REPLY_FORMATS = ("auto", "json_schema", "json_object", "text")
"""How a reply in JSON is asked for; "auto" finds out what the endpoint takes, best first."""

_KEY_WORDS = ("key", "token", "secret", "sig", "password")


def secret_in(url: str) -> str | None:
    """What of an address looks like a secret: a password, or a query entry named like one. An address is shown and written down; a key must not be.

    Example:
        >>> secret_in("http://me:pw@host/v1"), secret_in("https://host/v1?api-key=x"), secret_in("https://host/v1?api-version=2026-01-01")
        ('a password', 'api-key', None)
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all
        return "a password" if "@" in url else None
    if "@" in parts.netloc:
        return "a password"
    return next((name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if any(word in name.lower() for word in _KEY_WORDS)), None)


@dataclass(frozen=True)
class Prices:
    """What an endpoint bills, in USD per million tokens.

    Args:
        input: of the request, 0 or more.
        output: of the reply, 0 or more.

    Raises:
        LLMError: a price is negative or no number.

    Example:
        >>> Prices(0.4, 1.6).of(1_000_000, 500_000)
        1.2
    """

    input: float
    output: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(price) and price >= 0 for price in (self.input, self.output)):
            raise LLMError(f"prices of {self.input} and {self.output} USD per million tokens: both must be 0 or more")

    def of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """USD for so many tokens."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


@dataclass(frozen=True)
class LLMConfig:
    """An endpoint and how to ask it.

    Args:
        base_url: up to and with /v1.
        model: as the endpoint calls it.
        temperature: 0 for the most likely reply.
        top_p: nucleus sampling, 0–1; None leaves it to the server.
        max_tokens: of a reply. One that is longer is a failure, never cut text.
        seed: `sample` of a request is added to it, so that each sample is another draw; None sends none.
        concurrency: requests under way at the most.
        timeout: seconds for one attempt.
        attempts: for one row.
        cache: SQLite file of replies; None keeps none.
        keep_at_once: write each reply to the cache before the next request takes its place, so that kill -9 costs the requests under way and no reply that came; False: within
            a second, in batches.
        reply_format: how a reply in JSON is asked for: one of `REPLY_FORMATS`. One that is named is kept to; "auto" finds out, best first.
        prices: None where nobody bills.
        max_cost: USD that the client may spend at the most; needs `prices`.

    Raises:
        LLMError: no such reply format, a `max_cost` that is negative or has no prices, or a number that nothing can be asked with.
    """

    base_url: str
    model: str
    temperature: float = 0.0
    top_p: float | None = None
    max_tokens: int = 512
    seed: int | None = 0
    concurrency: int = 16
    timeout: float = 120.0
    attempts: int = 12
    cache: Path | None = None
    reply_format: str = "auto"
    prices: Prices | None = None
    max_cost: float | None = None
    keep_at_once: bool = False

    def __post_init__(self) -> None:
        if self.reply_format not in REPLY_FORMATS:
            raise LLMError(f"no reply format is called {self.reply_format!r}: use one of {', '.join(REPLY_FORMATS)}")
        for name, least in (("concurrency", 1), ("attempts", 1), ("max_tokens", 1)):
            if not getattr(self, name) >= least:
                raise LLMError(f"{name} is {getattr(self, name)}: it must be {least} or more")
        if not self.timeout > 0:
            raise LLMError(f"timeout is {self.timeout} s: it must be more than 0")
        if self.max_cost is not None and self.prices is None:
            raise LLMError("a maximum cost needs prices: give the price of a million input and a million output tokens in USD")
        if self.max_cost is not None and not self.max_cost >= 0:
            raise LLMError(f"a maximum cost of {self.max_cost} USD: it must be 0 or more")


@dataclass(frozen=True)
class ChatRequest:
    """One row to ask.

    Args:
        messages: role and content of each.
        schema: JSON schema of the reply; None for free text.
        schema_name: letters, digits, _ and -.
        sample: which draw of the same request this is.
        key: the caller's own, handed back untouched and never sent.
        checked: a reply that was cut, is empty, or is no JSON in spite of a schema is a failure, and asked for again. False: the caller reads it; it comes as the model wrote it,
            with its finish_reason, and is cached.
    """

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "reply"
    sample: int = 0
    key: Any = None
    checked: bool = True


@dataclass(frozen=True)
class ChatReply:
    """The reply to one request, or why there is none.

    Args:
        request: what was asked.
        text: None where `error` says why.
        error: a reason that can be counted, or None.
        detail: what is special about this failure.
        transient: the failure is the transport's: asking again later may help.
        attempts: requests sent for this row; 0 from the cache.
    """

    request: ChatRequest
    text: str | None
    finish_reason: str | None = None
    error: str | None = None
    detail: str = ""
    transient: bool = False
    attempts: int = 0
    cached: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class ClientStats:
    """What a client has done so far.

    Args:
        requests: sent, retried ones as well.
        cached: rows answered from the cache; they cost nothing.
        succeeded: rows with a reply.
        failed: rows without.
        prompt_tokens: billed, those of useless replies as well.
        completion_tokens: billed, those of useless replies as well.
        without_usage: replies whose tokens the server did not count: where there are any, `cost` is incomplete.
        cost: USD for the tokens counted; 0 without prices.
        uncertain_cost: USD that may have been billed on top, at the most: for requests that got no reply, or one without usage.
        faults: failed attempts by reason.
    """

    requests: int = 0
    cached: int = 0
    succeeded: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    without_usage: int = 0
    cost: float = 0.0
    uncertain_cost: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)

    def expected_cost(self, rows: int) -> float | None:
        """USD for a whole run of so many rows, if the rest costs what the rows so far cost on average; None before the first row.

        Example:
            >>> ClientStats(succeeded=40, failed=10, cost=0.5).expected_cost(200)
            2.0
        """
        done = self.succeeded + self.failed
        return self.cost / done * max(rows, done) if done else None

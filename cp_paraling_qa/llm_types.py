"""What goes into the chat client and what comes out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_KEY_WORDS = ("key", "token", "secret", "sig", "password")


def secret_in(url: str) -> str | None:
    """What of an address looks like a secret: a password, or a query entry named like one. An address is shown and written down; a key must not be.

    Example:
        >>> secret_in("http://me:pw@host/v1"), secret_in("https://host/v1?api-key=x"), secret_in("https://host/v1?api-version=2026-01-01")
        ('a password', 'api-key', None)
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return "a password"
    return next((name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if any(word in name.lower() for word in _KEY_WORDS)), None)


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


@dataclass(frozen=True)
class ChatRequest:
    """One row to ask.

    Args:
        messages: role and content of each.
        schema: JSON schema of the reply; None for free text.
        schema_name: letters, digits, _ and -.
        sample: which draw of the same request this is.
        key: the caller's own, handed back untouched and never sent.
    """

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "reply"
    sample: int = 0
    key: Any = None


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
    """What a client has done so far. `faults` counts failed attempts by reason, retried ones as well."""

    requests: int = 0
    cached: int = 0
    succeeded: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    faults: Counter[str] = field(default_factory=Counter)

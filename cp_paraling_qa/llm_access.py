"""The way to an endpoint: an address that can be shown, and a key that never is."""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm_types import secret_in

SHORTEST_KEY = 8
"""Shorter ones are dummies ("x", "none") that stand in ordinary words: taking them out of replies would harm those and protect nothing."""


class Address(NamedTuple):
    """Where an endpoint is.

    Args:
        url: up to and with /v1, without a query.
        query: goes with every request; Azure's "api-version" stands there.
        local: it is this machine, and a proxy has no business on the way.
    """

    url: str
    query: dict[str, str]
    local: bool


def address(base_url: str) -> Address:
    """What an address says.

    Raises:
        LLMError: it is none, or holds a secret.

    Example:
        >>> address("http://[::1]:8000/openai/v1/?api-version=preview")
        Address(url='http://[::1]:8000/openai/v1/', query={'api-version': 'preview'}, local=True)
    """
    if found := secret_in(base_url):
        raise LLMError(f"the address of the LLM endpoint holds {found}: leave it out; the key comes from OPENAI_API_KEY")
    none = LLMError(f"{base_url!r} is no http address: pass --llm-base-url with http:// or https://, up to and with /v1")
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise none from None
    if parts.scheme not in ("http", "https") or not host or any(character.isspace() for character in base_url):
        raise none
    local = host in ("localhost", "::1", "::", "0.0.0.0") or host.startswith("127.")  # servers print the address that they listen on: 0.0.0.0
    return Address(parts._replace(query="", fragment="").geturl(), dict(parse_qsl(parts.query, keep_blank_values=True)), local)


def api_key() -> str:
    """The key, from OPENAI_API_KEY and nowhere else; empty where there is none.

    Raises:
        LLMError: it is no key.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise LLMError("OPENAI_API_KEY holds characters that no key has: set it again, without spaces, quotes and line breaks")
    return key


def redacted(text: str, key: str) -> str:
    """The text without the key: some servers quote it back."""
    return text.replace(key, "***") if len(key) >= SHORTEST_KEY else text

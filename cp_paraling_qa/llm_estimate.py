"""What a run will take, reckoned before a single request is sent."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
from cp_paraling_qa.llm_cost import BYTES_PER_TOKEN_LEAST, TOKENS_AROUND
from cp_paraling_qa.llm_types import ChatRequest, LLMConfig
from cp_paraling_qa.llm_wire import MODES, cache_key, request_body

BYTES_PER_TOKEN = 4.0
"""A rule of thumb for English; other scripts have fewer bytes a token, and so more tokens. Replies in the cache replace it by what this model counted."""

CHUNK = 500


@dataclass(frozen=True)
class Estimate:
    """What a run will take, if each row that the cache cannot answer is answered at its first attempt.

    Args:
        rows: of the run.
        cached: of these, answered from the cache: they cost nothing.
        input_tokens: expected, of all requests to send.
        output_tokens: expected, of all their replies: as long as those in the cache on average; where there are none, as long as they may be.
        most_input_tokens: what the longest count of the bytes sent comes to, schemas included; `max_cost` reckons by it.
        most_output_tokens: if every reply is as long as it may be.
        bytes_per_token: by which the input was reckoned.
        calibrated: replies in the cache whose token counts were used; 0 means that the expected tokens are a rule of thumb.
        cost: USD expected; None without prices.
        most_cost: USD at the most, retries left aside; None without prices.
        max_cost: the limit that the run has, or None.
    """

    rows: int
    cached: int
    input_tokens: int
    output_tokens: int
    most_input_tokens: int
    most_output_tokens: int
    bytes_per_token: float
    calibrated: int
    cost: float | None
    most_cost: float | None
    max_cost: float | None = None

    @property
    def requests(self) -> int:
        """Rows to ask."""
        return self.rows - self.cached

    def plain(self) -> dict[str, Any]:
        """As JSON, `requests` included."""
        return {"requests": self.requests} | dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """As told to a user."""
        by = f"{self.bytes_per_token:.2f} bytes a token, as counted in {self.calibrated:,} cached replies"
        if not self.calibrated:
            by = f"a rule of thumb: {self.bytes_per_token:g} bytes a token, and each reply as long as it may be"
        told = [
            f"{self.rows:,} rows: {self.cached:,} in the cache, {self.requests:,} to ask",
            f"tokens: about {self.input_tokens:,} in and {self.output_tokens:,} out ({by}); at the most {self.most_input_tokens:,} in and {self.most_output_tokens:,} out",
        ]
        if self.cost is None or self.most_cost is None:
            return [*told, "cost: unknown without prices"]
        told.append(f"cost: about {self.cost:.4f} USD, at the most {self.most_cost:.4f} USD; retries come on top")
        if self.max_cost is not None and self.most_cost > self.max_cost:
            word = "will" if self.cost > self.max_cost else "may"
            told.append(f"the run {word} stop at its maximum cost of {self.max_cost:g} USD")
        return told


def estimate(requests: Iterable[ChatRequest], config: LLMConfig) -> Estimate:
    """Reckon what a run will take. No request is sent and no file is written; memory does not grow with the rows.

    Args:
        requests: of the run.
        config: how they will be asked.

    Raises:
        StorageError: there is a cache file, but it cannot be read.
    """
    rows = cached = to_send = sent_most = 0
    known_bytes = known_read = known_written = calibrated = 0
    mode = MODES[0] if config.reply_format == "auto" else config.reply_format
    with contextlib.ExitStack() as stack:
        cache = stack.enter_context(contextlib.closing(ReplyCache(config.cache, read_only=True))) if config.cache and config.cache.exists() else None
        source = iter(requests)
        while chunk := list(itertools.islice(source, CHUNK)):
            rows += len(chunk)
            for request, kept in zip(chunk, _kept(cache, chunk, config), strict=True):
                if kept is None:
                    to_send += _bytes(request)
                    sent_most += len(json.dumps(request_body(config, request, mode), separators=(",", ":"), ensure_ascii=False).encode(errors="replace"))
                    continue
                cached += 1
                if kept.prompt_tokens > 0 and kept.completion_tokens > 0:  # 0 where the server did not count
                    calibrated += 1
                    known_bytes += _bytes(request)
                    known_read += kept.prompt_tokens
                    known_written += kept.completion_tokens
    asked = rows - cached
    per_token = known_bytes / known_read if calibrated else BYTES_PER_TOKEN
    read = round(to_send / per_token) if per_token else 0
    written = round(asked * known_written / calibrated) if calibrated else asked * config.max_tokens
    most_read, most_written = round(sent_most / BYTES_PER_TOKEN_LEAST + asked * TOKENS_AROUND), asked * config.max_tokens
    cost, most = (config.prices.of(read, written), config.prices.of(most_read, most_written)) if config.prices else (None, None)
    return Estimate(rows, cached, read, written, most_read, most_written, per_token, calibrated, cost, most, config.max_cost)


def _kept(cache: ReplyCache | None, requests: Sequence[ChatRequest], config: LLMConfig) -> list[CachedReply | None]:
    if cache is None:
        return [None] * len(requests)
    keys = [cache_key(config, request) for request in requests]
    known = cache.get_many(keys)
    return [known.get(key) for key in keys]


def _bytes(request: ChatRequest) -> int:
    """UTF-8 bytes of what the model reads: the messages, and the schema, which endpoints that enforce one put into the prompt as well."""
    contents = [message.get("content", "") for message in request.messages]
    texts = [content if isinstance(content, str) else json.dumps(content) for content in contents]
    return sum(len(text.encode(errors="replace")) for text in texts) + (len(json.dumps(request.schema)) if request.schema is not None else 0)

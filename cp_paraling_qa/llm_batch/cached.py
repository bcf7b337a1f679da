"""A chat client that asks nobody: replies come from the cache, and what is missing is written down for a batch."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from cp_paraling_qa.errors import LLMError, StorageError
from cp_paraling_qa.llm_batch.book import Book, Standing
from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
from cp_paraling_qa.llm_types import ChatReply, ChatRequest, ClientStats, LLMConfig
from cp_paraling_qa.llm_wire import Validate, cache_key

PENDING = "pending"
"""The reason of a request that a batch is yet to answer."""

SENDS = 3
"""How often a request goes into a batch while its failures may pass."""

READ_AHEAD = 250
"""Requests read before the replies to those before them are told, as the live client does: who lets a request depend on the replies so far asks the same of both, and the same
while its neighbours are pending and when they are there."""


class CachedOnly:
    """`ChatClient`'s interface over the cache and a batch folder. A context manager.

    Args:
        config: as of the client that the cache is for; the address plays no part.
        folder: of the batches: requests that are missing go to its `pending.jsonl`, anew for every object; those that failed for good are told from it.

    Attributes:
        pending: the file of requests without a reply. Whole after `close()`.
        waiting: how many there are; repetitions counted.
        validators: schema name → the check that its replies are to pass, as `run` was told; `run_batches` takes them.

    Raises:
        LLMError: the config names no cache.
        StorageError: the cache or the folder cannot be used.
    """

    def __init__(self, config: LLMConfig, folder: Path) -> None:
        if config.cache is None:
            raise LLMError("the batch transport hands its replies on through the reply cache: name a cache file, or pass --transport live")
        self.config = config
        self.stats = ClientStats()
        self.pending = folder / "pending.jsonl"
        self.waiting = 0
        self.validators: dict[str, Validate] = {}
        self._cache = ReplyCache(config.cache)
        self._book = Book(folder)
        try:
            self._file = open(self.pending, "w", encoding="utf-8")  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise StorageError(f"cannot write {self.pending}: {error.strerror}. Choose a folder that can be written.") from error

    def __enter__(self) -> CachedOnly:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is waiting and close the files."""
        try:
            self._file.close()
        except OSError as error:
            raise self._full(error) from error
        finally:
            self._book.__exit__()
            self._cache.close()

    def run(self, requests: Iterable[ChatRequest], *, validate: Validate | None = None) -> Iterator[ChatReply]:
        """A reply for each, in order: the cached one, or the error "pending" (transient), or the reason for which it failed in a batch.

        Args:
            requests: may be endless.
            validate: raises ValueError for a text that cannot be used.
        """
        source, ready = iter(requests), deque[ChatReply]()
        while True:
            if len(ready) <= READ_AHEAD:
                ready.extend(self._look_up(list(itertools.islice(source, READ_AHEAD)), validate))
            if not ready:
                return
            reply = ready.popleft()
            self.stats.cached += reply.cached
            self.stats.succeeded += reply.error is None
            self.stats.failed += reply.error is not None
            yield reply

    def _look_up(self, requests: list[ChatRequest], validate: Validate | None) -> Iterator[ChatReply]:
        keys = [cache_key(self.config, request) for request in requests]
        known = list(dict.fromkeys(keys))
        kept, standing = (self._cache.get_many(known), self._book.standing(known)) if known else ({}, {})
        for request, key in zip(requests, keys, strict=True):
            yield self._reply(request, key, kept.get(key), standing.get(key), validate)

    def _reply(self, request: ChatRequest, key: bytes, kept: CachedReply | None, standing: Standing | None, validate: Validate | None) -> ChatReply:
        wrong = _objection(kept.text, validate) if kept is not None else None
        if kept is not None and wrong is None:
            return ChatReply(request, *kept[:2], cached=True, prompt_tokens=kept.prompt_tokens, completion_tokens=kept.completion_tokens)
        if standing is not None and standing.batch is None:
            if standing.reason is not None and (not standing.passing or standing.sends >= SENDS):
                return ChatReply(request, None, error=standing.reason, detail=standing.detail, transient=standing.passing)
            if standing.reason is None and standing.sends and wrong is not None:  # asked for this folder, and paid: the same request again would end the same
                return ChatReply(request, None, error="unusable reply", detail=wrong)
        if validate is not None:
            self.validators[request.schema_name] = validate
        record = {
            "key": key.hex(),
            "messages": [dict(message) for message in request.messages],
            "schema": request.schema,
            "schema_name": request.schema_name,
            "sample": request.sample,
        }
        try:
            self._file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise self._full(error) from error
        self.waiting += 1
        return ChatReply(request, None, error=PENDING, transient=True)

    def _full(self, error: OSError) -> StorageError:
        return StorageError(f"writing {self.pending} failed: {error.strerror}. Free some space, then run the same command again: it goes on from here.")


def _objection(text: str, validate: Validate | None) -> str | None:
    """What the check says against a text, or None."""
    if validate is None:
        return None
    try:
        validate(text)
    except ValueError as error:
        return str(error)[:300]
    return None

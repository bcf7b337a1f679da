"""What a batch made: its lines, read by the rules of the live client."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.llm_batch.book import Book
from cp_paraling_qa.llm_batch.files import BatchFile
from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
from cp_paraling_qa.llm_dialect import Dialect, instead, refusal
from cp_paraling_qa.llm_faults import Fault
from cp_paraling_qa.llm_types import ChatRequest, LLMConfig
from cp_paraling_qa.llm_wire import Validate, read_completion, usage

ASKED_OTHERWISE = "asked otherwise"
"""Counts requests that go into the next batch because the server wants to be asked in another way."""


@dataclass
class BatchResult:
    """What a run of batches came to.

    Args:
        batches: that ended.
        sent: requests whose batch ended.
        good: usable replies, now in the cache.
        failed: requests that failed, by reason; those that are sent again are among them.
        prompt_tokens, completion_tokens: as the server counted them, for useless replies as well.
        cost: USD by the user's price table; None without one.
        stopped: why not everything was sent, or None. What was sent is in the cache all the same.
    """

    batches: int = 0
    sent: int = 0
    good: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    stopped: str | None = None

    def add(self, more: BatchResult) -> None:
        """Another run's figures on top."""
        for name in ("batches", "sent", "good", "prompt_tokens", "completion_tokens"):
            setattr(self, name, getattr(self, name) + getattr(more, name))
        self.failed += more.failed
        self.cost = more.cost if self.cost is None else self.cost + (more.cost or 0.0)
        self.stopped = more.stopped


class Intake:
    """Takes one ended batch's lines: good replies to the cache, the standing of each request to the book.

    Args:
        config: how the requests were asked.
        book: of the folder.
        file: what the batch was made of.
        cache: gets the good replies.
        validate: a reply's check, or such checks by schema name.
        redact: takes the key out of every text.

    Attributes:
        came: what there was so far.
        refusals: the server's words for requests that it refused for good.
        instead: how the server wants to be asked, and its words, where it refused the way of asking.
    """

    def __init__(
        self,
        config: LLMConfig,
        book: Book,
        file: BatchFile,
        cache: ReplyCache,
        validate: Validate | Mapping[str, Validate] | None,
        redact: Callable[[str], str],
    ) -> None:
        self.config, self.book, self.file, self.cache, self.validate, self.redact = config, book, file, cache, validate, redact
        self.came = BatchResult(batches=1, sent=file.requests)
        self.refusals: list[str] = []
        self.instead: tuple[Dialect, str] | None = None

    def take(self, line: Any) -> None:
        """One line, parsed. What is not ours, or was taken before, changes nothing but the tokens that were paid."""
        response = line.get("response") if isinstance(line, Mapping) else None
        body = response.get("body") if isinstance(response, Mapping) else None
        read, written = usage(body) or (0, 0)
        self.came.prompt_tokens += read
        self.came.completion_tokens += written
        key = _key(line)
        request = self.book.asked(key, self.file.number) if key is not None else None
        if key is None or request is None:
            return  # a request without a result is counted in the end
        try:
            reply = self._read(line, request)
        except _AskOtherwiseError:
            self.book.release(key, self.file.number)
            self.came.failed[ASKED_OTHERWISE] += 1
        except Fault as fault:
            self.book.settle(key, self.file.number, fault.reason, fault.detail, passing=fault.transient)
            self.came.failed[fault.reason] += 1
            if fault.reason.startswith("refused"):
                self.refusals.append(fault.detail)
        else:
            self.cache.put(key, reply)
            self.book.settle(key, self.file.number)
            self.came.good += 1

    def _read(self, line: Mapping[str, Any], request: ChatRequest) -> CachedReply:
        """A usable reply.

        Raises:
            Fault: there is none; transient where the same request may well succeed in the next batch.
            _AskOtherwiseError: the server refuses the way of asking.
        """
        response = line.get("response")
        if not isinstance(response, Mapping):  # never executed: expired, cancelled, or the server's own trouble
            error = line.get("error")
            known = error if isinstance(error, Mapping) else {}
            raise Fault(str(known.get("code") or "no response").replace("_", " ")[:60], self.redact(str(known.get("message") or ""))[:300])
        status, body = response.get("status_code"), response.get("body")
        if status == 200:
            check = self.validate.get(request.schema_name) if isinstance(self.validate, Mapping) else self.validate
            return CachedReply(*read_completion(body, request, self.config, self.file.dialect.mode, check, self.redact))
        error = refusal(body)
        said = self.redact(error.message or json.dumps(body))[:300]
        if status in (400, 422):
            other = instead(self.file.dialect, self.config, error, schema=request.schema is not None)
            if other is not None:
                self.instead = self.instead or (other, said)
                raise _AskOtherwiseError
        if status in (400, 404, 413, 422):
            raise Fault(f"refused with HTTP {status}", said, transient=False)
        raise Fault(f"HTTP {status}", said)


class _AskOtherwiseError(Exception):
    """The request was refused for the way of asking alone."""


def _key(line: Any) -> bytes | None:
    """The key of the request that a line belongs to."""
    name = line.get("custom_id") if isinstance(line, Mapping) else None
    try:
        return bytes.fromhex(name) if isinstance(name, str) else None
    except ValueError:
        return None

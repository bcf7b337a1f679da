"""A chat client for any OpenAI-compatible endpoint: in order, in bounded memory, with retries, and with an answer that says why it failed.

Rows in, replies out, in the same order: `for reply in client.run(requests)`. A row that cannot be answered comes back with a reason (`reply.error`); an endpoint that cannot be
used at all raises `LLMError`, which says what to do. The client never sees what the messages are about, and what makes a reply usable is the caller's `validate`.

A retry sends the identical request, byte for byte. Only a 400 or 422 that rejects a parameter changes the way of asking (see `llm_endpoint`). A run that the cache answers
opens no connection. The key comes from OPENAI_API_KEY and nowhere else; it is taken out of every text that leaves here.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from urllib.parse import urlsplit

from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
from cp_paraling_qa.llm_cost import CostReached
from cp_paraling_qa.llm_endpoint import Dialect, Endpoint
from cp_paraling_qa.llm_faults import Fault, backoff
from cp_paraling_qa.llm_gate import Gate
from cp_paraling_qa.llm_types import ChatReply, ChatRequest, ClientStats, LLMConfig, Prices, secret_in
from cp_paraling_qa.llm_wire import Completion, Validate, cache_key

__all__ = ["ChatClient", "ChatReply", "ChatRequest", "ClientStats", "LLMConfig", "Prices"]

SAME_REPLY_LIMIT = 4
"""A server that gives the same unusable reply this often in a row will not give another one."""
REFUSED_LIMIT = 4
"""Tries of one row against a port where nobody has ever answered."""
TIMEOUT_WEIGHT = 8
"""How many other faults one timeout counts for when an endpoint is given up: waiting is what costs the user most."""
UNUSABLE_LIMIT = 1000
"""Replies without a single usable one, after which a run ends."""
CHUNK = 100
"""Rows looked up and handed over at a time: row by row, crossing to the other thread would cost more than the work; 500 fall out of the processor's cache."""
_CLOSED = "the LLM client was closed while requests were under way"


class _Run:
    """One call of `run`: what its rows share, and how its caller is woken."""

    def __init__(self, validate: Validate | None) -> None:
        self.validate = validate
        self.over = False
        self.failure: BaseException | None = None
        self.awaited: _Row | None = None
        self.woken = threading.Event()


class _Row:
    """A request under way. `outcome` is set last, by the loop's thread."""

    __slots__ = ("bodies", "key", "last_text", "order", "outcome", "request", "run", "same", "tries")

    def __init__(self, run: _Run, request: ChatRequest, key: bytes | None, order: int) -> None:
        self.run, self.request, self.key, self.order = run, request, key, order
        self.bodies: dict[Dialect, bytes] = {}
        self.tries = self.same = 0
        self.last_text: str | None = None
        self.outcome: ChatReply | BaseException | None = None


class ChatClient:
    """Asks an endpoint, from a thread of its own.

    Args:
        config: the endpoint.
        on_fault: called with the reason of every attempt that failed, from the client's thread.

    Raises:
        StorageError: the cache file cannot be used.
        LLMError: OPENAI_API_KEY is no key, or the address is none, or holds a secret.
    """

    def __init__(self, config: LLMConfig, *, on_fault: Callable[[str], None] | None = None) -> None:
        self.config = config
        self.on_fault = on_fault
        self.stats = ClientStats()
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not (key.isascii() and key.isprintable()):
            raise LLMError("OPENAI_API_KEY holds characters that no key has: set it again, without spaces, quotes and line breaks")
        if found := secret_in(config.base_url):
            raise LLMError(f"the address of the LLM endpoint holds {found}: leave it out; the key comes from OPENAI_API_KEY")
        if urlsplit(config.base_url).scheme not in ("http", "https"):
            raise LLMError(f"{config.base_url!r} is no http address: pass --llm-base-url with http:// or https://, up to and with /v1")
        self._endpoint = Endpoint(config, key, self.stats)
        self._gate: Gate[_Row] = Gate(config.concurrency, self._ask)
        self._cache = ReplyCache(config.cache) if config.cache else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._runs: set[_Run] = set()
        self._order = itertools.count()
        self._faults_in_a_row = 0
        self._unusable_in_a_row = 0

    @property
    def mode(self) -> str:
        """How a reply in JSON is asked for at present: "json_schema", "json_object" or "text"."""
        return self._endpoint.dialect.mode

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def run(self, requests: Iterable[ChatRequest], *, validate: Validate | None = None) -> Iterator[ChatReply]:
        """Ask all of them; replies come in the order of the requests, as soon as they can.

        At most a few hundred requests are read ahead. Closing the iterator early cancels what is under way.

        Args:
            requests: may be endless; read in the caller's thread.
            validate: raises ValueError for a text that cannot be used; the row is then asked again, and fails with "unusable reply" in the end.

        Raises:
            LLMError: the endpoint cannot be used; names the remedy.
            StorageError: the cache cannot be written.
        """
        if self._closed:
            raise LLMError(_CLOSED)
        run, stats = _Run(validate), self.stats
        self._runs.add(run)
        source = iter(requests)
        window = max(256, 16 * self.config.concurrency)
        pending: deque[ChatReply | _Row] = deque()
        try:
            while True:
                if len(pending) <= window - CHUNK:
                    pending.extend(self._submit(list(itertools.islice(source, CHUNK)), run))
                if not pending:
                    return
                waiting = pending[0]
                reply = waiting if isinstance(waiting, ChatReply) else self._wait(waiting)
                pending.popleft()
                if reply.error is None:
                    stats.succeeded += 1
                    stats.cached += reply.cached
                else:
                    stats.failed += 1
                yield reply
        finally:
            run.over = True
            self._runs.discard(run)
            if pending and self._loop is not None:
                self._loop.call_soon_threadsafe(self._gate.drop, _of_past_runs)

    def close(self) -> None:
        """End the thread, close the connections, write the cache."""
        self._closed = True
        if self._loop is not None and self._thread is not None:
            asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None
        for run in list(self._runs):  # a caller in another thread must not wait for ever
            _fail(run, LLMError(_CLOSED))
        if self._cache is not None:
            self._cache.close()

    # -- the caller's thread ------------------------------------------------------------------------------------------------------------

    def _submit(self, requests: list[ChatRequest], run: _Run) -> list[ChatReply | _Row]:
        """Replies from the cache, and rows that are now under way."""
        if self._closed:
            raise LLMError(_CLOSED)
        validate = run.validate
        keys = [cache_key(self.config, request) for request in requests] if self._cache else []
        known = self._cache.get_many(keys) if self._cache and keys else {}
        found: list[ChatReply | _Row] = []
        rows: list[_Row] = []
        for request, key in itertools.zip_longest(requests, keys):
            kept = known.get(key) if key else None
            if kept and _usable(kept.text, validate):
                found.append(ChatReply(request, kept.text, kept.finish_reason, None, "", False, 0, True, kept.prompt_tokens, kept.completion_tokens))
            else:
                rows.append(_Row(run, request, key, next(self._order)))
                found.append(rows[-1])
        if rows:
            self._start().call_soon_threadsafe(self._accept, rows)
        return found

    def _start(self) -> asyncio.AbstractEventLoop:
        """The loop, in its thread; started, and openai's client loaded, for the first row that the cache cannot answer."""
        if self._loop is None:
            loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=loop.run_forever, name="llm-client", daemon=True)
            self._thread.start()
            self._loop = loop
            asyncio.run_coroutine_threadsafe(self._connect(), loop).result()
        return self._loop

    def _wait(self, row: _Row) -> ChatReply:
        run = row.run
        while row.outcome is None:
            run.woken.clear()
            run.awaited = row
            if row.outcome is None and run.failure is None:
                run.woken.wait()
            if row.outcome is None and run.failure is not None:
                raise run.failure
        if isinstance(row.outcome, BaseException):
            raise row.outcome
        return row.outcome

    # -- the loop's thread --------------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        self._endpoint.connect()

    async def _disconnect(self) -> None:
        await self._gate.close()
        await self._endpoint.close()

    def _accept(self, rows: list[_Row]) -> None:
        for row in rows:
            self._gate.add(row)

    async def _ask(self, row: _Row) -> None:
        if _of_past_runs(row):
            return
        try:
            await self._attempt(row)
        except LLMError as error:
            self._fail_all(error)
        except Exception as error:  # of the caller's `validate` or `on_fault`, or of the cache: raised where the caller is
            self._done(row, error)

    async def _attempt(self, row: _Row) -> None:
        """One attempt of a row: its outcome, or another attempt later."""
        sent = time.monotonic()
        try:
            completion = await self._endpoint.ask(row.request, row.run.validate, row.bodies)
        except CostReached:
            told = f"{self.stats.cost:.4f} of {self.config.max_cost:g} USD spent: raise --max-cost and run again; finished rows are kept"
            self._done(row, ChatReply(row.request, None, None, "max cost reached", told, True, row.tries))
        except Fault as fault:
            row.tries += 1
            row.same = row.same + 1 if fault.text is not None and fault.text == row.last_text else 1
            row.last_text = fault.text
            self._note(fault, row.tries, sent)
            if not fault.retry or row.tries >= self.config.attempts or (fault.text is not None and row.same >= SAME_REPLY_LIMIT):
                self._done(row, ChatReply(row.request, None, None, fault.reason, fault.detail, fault.transient, row.tries))
            elif fault.transient:
                asyncio.get_running_loop().call_later(max(fault.wait or 0.0, backoff(row.tries)), self._gate.add, row)
            else:
                self._gate.add(row)
        else:
            self._done(row, self._good(row, completion))

    def _done(self, row: _Row, outcome: ChatReply | BaseException) -> None:
        row.bodies = {}
        row.outcome = outcome
        if row.run.awaited is row:
            row.run.woken.set()

    def _good(self, row: _Row, completion: Completion) -> ChatReply:
        self._endpoint.answered = True
        self._faults_in_a_row = self._unusable_in_a_row = 0
        self._gate.succeeded()
        text, finish_reason, read, written = completion
        if self._cache is not None and row.key is not None:
            self._cache.put(row.key, CachedReply(text, finish_reason, read, written))
        return ChatReply(row.request, text, finish_reason, attempts=row.tries + 1, prompt_tokens=read, completion_tokens=written)

    def _note(self, fault: Fault, tries: int, sent: float) -> None:
        """Count a fault, adapt the load, and give the endpoint up where nothing suggests that it is there.

        Raises:
            LLMError: it is; ends every run.
        """
        self.stats.faults[fault.reason] += 1
        if self.on_fault is not None:
            self.on_fault(fault.reason)
        if fault.throttled:
            self._gate.throttled(sent, fault.wait)
        if not fault.transient:
            self._endpoint.answered = True
            self._faults_in_a_row = 0
            self._unusable_in_a_row += fault.retry
            if self._unusable_in_a_row >= UNUSABLE_LIMIT:
                told = f"{UNUSABLE_LIMIT} replies of {self.config.model} in a row could not be used (last: {fault.reason})"
                raise LLMError(f"{told}: use another --llm-model, or allow more tokens")
            return
        where = self.config.base_url
        if fault.reason == "connection refused" and not self._endpoint.answered and tries >= REFUSED_LIMIT:
            raise LLMError(f"nothing answers at {where}: start the server there, or pass another --llm-base-url")
        self._faults_in_a_row += TIMEOUT_WEIGHT if fault.reason == "timeout" else 1
        if self._faults_in_a_row >= self.config.attempts * max(4, self.config.concurrency):  # as if every row under way had used up its attempts
            told = f"{fault.reason}: {fault.detail}" if fault.detail else fault.reason
            raise LLMError(f"{where} only failed for a long time in a row (last: {told}): look at the server, then run again; finished rows are kept")

    def _fail_all(self, error: LLMError) -> None:
        """End every run with this error."""
        self._faults_in_a_row = self._unusable_in_a_row = 0
        for run in list(self._runs):
            _fail(run, error)
        self._gate.drop(_of_past_runs)


def _of_past_runs(row: _Row) -> bool:
    return row.run.over or row.run.failure is not None


def _fail(run: _Run, error: BaseException) -> None:
    if run.failure is None:
        run.failure = error
    run.woken.set()


def _usable(text: str, validate: Validate | None) -> bool:
    if validate is None:
        return True
    try:
        validate(text)
    except ValueError:
        return False
    return True

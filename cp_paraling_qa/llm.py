"""A chat client for any OpenAI-compatible endpoint: in order, in bounded memory, with retries, and with an answer that says why it failed.

Rows in, replies out, in the same order: `for reply in client.run(requests)`. A row that cannot be answered comes back with a reason (`reply.error`); an endpoint that cannot be
used at all raises `LLMError`, which says what to do. The client never sees what the messages are about, and what makes a reply usable is the caller's `validate`.

A retry sends the identical request, byte for byte. Only a 400 or 422 that rejects a parameter changes the way of asking (see `llm_dialect`). A run that the cache answers
opens no connection. The key comes from OPENAI_API_KEY and nowhere else; it is taken out of every text that leaves here.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple

from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm_access import api_key
from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
from cp_paraling_qa.llm_cost import CostReached
from cp_paraling_qa.llm_dialect import Dialect
from cp_paraling_qa.llm_endpoint import Endpoint
from cp_paraling_qa.llm_faults import Fault, backoff, outage
from cp_paraling_qa.llm_gate import Gate
from cp_paraling_qa.llm_types import ChatReply, ChatRequest, ClientStats, LLMConfig, Prices
from cp_paraling_qa.llm_wire import Completion, Validate, cache_key

__all__ = ["ChatClient", "ChatReply", "ChatRequest", "ClientStats", "LLMConfig", "Prices"]

REFUSED_LIMIT = 4
"""Tries of one row against a port where nobody has ever answered."""
REFUSALS_FIRST = 8
"""Requests refused in a row by an endpoint that has never answered one: it is not this row or that, then, but the way it is asked."""
REFUSALS_MOST = 100
"""The same for an endpoint that did answer: all the requests about one long clip may be refused together, but not a hundred without a single reply between them."""
TIMEOUT_WEIGHT = 8
"""How many other faults one timeout counts for when an endpoint is given up: waiting is what costs the user most."""
UNUSABLE_LIMIT = 1000
"""Replies without a single usable one, after which a run ends."""
CHUNK = 100
"""Rows looked up and handed over at a time: row by row, crossing to the other thread would cost more than the work; 500 fall out of the processor's cache."""
RECENT = 2048
"""Rows of which a repetition waits for the same reply: more than are read ahead, and than come before the cache has written them down."""
_CLOSED = "the LLM client was closed while requests were under way"


class _Run:
    """One call of `run`: what its rows share, and how its caller is woken. `open` counts its rows without an outcome; `refused` are those of them that wait for a verdict."""

    def __init__(self, validate: Validate | None) -> None:
        self.validate = validate
        self.over = False
        self.open = 0
        self.refused: list[tuple[_Row, ChatReply]] = []
        self.failure: BaseException | None = None
        self.awaited: _Row | None = None
        self.woken = threading.Event()


class _Row:
    """A request under way. `outcome` is set last, by the loop's thread."""

    __slots__ = ("bodies", "key", "order", "outcome", "request", "run", "tries")

    def __init__(self, run: _Run, request: ChatRequest, key: bytes | None, order: int) -> None:
        self.run, self.request, self.key, self.order = run, request, key, order
        self.bodies: dict[Dialect, bytes] = {}
        self.tries = 0
        self.outcome: ChatReply | BaseException | None = None


class _Again(NamedTuple):
    """A request that repeats one under way, word for word and sample for sample."""

    request: ChatRequest
    row: _Row


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
        self._endpoint = Endpoint(config, api_key(), self.stats)
        self._gate: Gate[_Row] = Gate(config.concurrency, self._ask)
        self._cache = ReplyCache(config.cache, at_once=config.keep_at_once) if config.cache else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._starting = threading.Lock()
        self._runs: set[_Run] = set()
        self._recent: OrderedDict[bytes, _Row] = OrderedDict()
        self._order = itertools.count()
        self._cached_before = False  # such requests were answered once, if by another server of the model
        self._faults_in_a_row = 0
        self._failing_since = 0.0
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
        pending: deque[ChatReply | _Row | _Again] = deque()
        try:
            while True:
                if len(pending) <= window - CHUNK:
                    pending.extend(self._submit(list(itertools.islice(source, CHUNK)), run))
                if not pending:
                    return
                waiting = pending[0]
                reply = waiting if isinstance(waiting, ChatReply) else self._wait(waiting) if isinstance(waiting, _Row) else self._again(waiting)
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
            self._recent.clear()
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

    def _submit(self, requests: list[ChatRequest], run: _Run) -> list[ChatReply | _Row | _Again]:
        """Replies from the cache, rows that are now under way, and repetitions of such: one request has one reply, in this run as in the next one, which finds it cached."""
        if self._closed:
            raise LLMError(_CLOSED)
        validate = run.validate
        keys = [cache_key(self.config, request) for request in requests] if self._cache else []
        known = self._cache.get_many(keys) if self._cache and keys else {}
        found: list[ChatReply | _Row | _Again] = []
        rows: list[_Row] = []
        for request, key in itertools.zip_longest(requests, keys):
            kept = known.get(key) if key else None
            if kept and _usable(kept.text, validate):
                found.append(ChatReply(request, kept.text, kept.finish_reason, None, "", False, 0, True, kept.prompt_tokens, kept.completion_tokens))
            elif key is not None and (first := self._recent.get(key)) is not None and first.run is run and _may_succeed(first):
                found.append(_Again(request, first))
            else:
                rows.append(_Row(run, request, key, next(self._order)))
                found.append(rows[-1])
                if key is not None:
                    self._recent[key] = rows[-1]
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        self._cached_before |= len(rows) < len(found)
        if rows:
            self._start().call_soon_threadsafe(self._accept, rows)
        return found

    def _start(self) -> asyncio.AbstractEventLoop:
        """The loop, in its thread; started, and openai's client loaded, for the first row that the cache cannot answer."""
        with self._starting:  # two threads may begin a run each
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=loop.run_forever, name="llm-client", daemon=True)
                self._thread.start()
                self._loop = loop
                asyncio.run_coroutine_threadsafe(self._connect(), loop).result()
            return self._loop

    def _again(self, again: _Again) -> ChatReply:
        """The reply to a request that was asked before: as from the cache."""
        reply = self._wait(again.row)
        return replace(reply, request=again.request, cached=reply.error is None, attempts=0)

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
            row.run.open += 1
            self._gate.add(row)

    async def _ask(self, row: _Row) -> None:
        if _of_past_runs(row):
            return
        try:
            try:
                await self._attempt(row)
            except (LLMError, asyncio.CancelledError):
                raise
            except BaseException as error:  # of the caller's `validate` or `on_fault`, or of the cache: raised where the caller is
                self._done(row, error)
            self._judge_refused(row.run)
        except LLMError as error:
            self._fail_all(error)

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
            self._note(fault, row.tries, sent)
            if not fault.retry:
                row.run.refused.append((row, ChatReply(row.request, None, None, fault.reason, fault.detail, False, row.tries)))
            elif row.tries >= self.config.attempts:
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
        row.run.open -= 1
        if row.run.awaited is row:
            row.run.woken.set()

    def _good(self, row: _Row, completion: Completion) -> ChatReply:
        self._answers()
        self._unusable_in_a_row = 0
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
        if not fault.retry:
            self._faults_in_a_row = 0
            return
        if not fault.transient:
            self._answers()
            self._unusable_in_a_row += 1
            if self._unusable_in_a_row >= UNUSABLE_LIMIT:
                told = f"{UNUSABLE_LIMIT} replies of {self.config.model} in a row could not be used (last: {fault.reason})"
                raise LLMError(f"{told}: use another --llm-model, allow more tokens, or name another --llm-format")
            return
        where = self.config.base_url
        if fault.reason == "connection refused" and not self._endpoint.answered and tries >= REFUSED_LIMIT:
            raise LLMError(f"nothing answers at {where}: start the server there, or pass another --llm-base-url")
        if not self._faults_in_a_row:
            self._failing_since = sent
        self._faults_in_a_row += TIMEOUT_WEIGHT if fault.reason == "timeout" else 1
        # As if several times the rows under way had used up their attempts, and as long as that takes: a server that restarts refuses hundreds of requests in a second, and
        # a few rows that fail are rows that failed.
        lasted = time.monotonic() - self._failing_since
        if self._faults_in_a_row >= self.config.attempts * 4 * max(16, self.config.concurrency) and lasted >= outage(self.config.attempts):
            told = f"{fault.reason}: {fault.detail}" if fault.detail else fault.reason
            raise LLMError(f"{where} only failed for {lasted:.0f} s in a row (last: {told}): look at the server, then run again; finished rows are kept")

    def _answers(self) -> None:
        """A completion came: the endpoint works, so that what it refused was this row or that."""
        self._endpoint.answered = True
        self._faults_in_a_row = 0
        for run in self._runs.copy():
            self._fail_refused(run)

    def _judge_refused(self, run: _Run) -> None:
        """Whose fault the refusals of a run are, if that can be told by now: a row's, or the endpoint's, whose every other request would be refused as well.

        Raises:
            LLMError: the endpoint's; ends every run.
        """
        if not run.refused:
            return
        known, alone = self._endpoint.answered or self._cached_before, len(run.refused) == run.open
        if len(run.refused) >= (REFUSALS_MOST if known else REFUSALS_FIRST) or (alone and not known):
            last, count = run.refused[-1][1], len(run.refused)
            told = f"{last.error}" if count == 1 else f"{count} requests in a row, the last {last.error}"
            remedy = f"check --llm-base-url, --llm-model ({self.config.model}) and the sampling options"
            if last.error == "refused with HTTP 403":  # moderation, if it is one row
                remedy = f"set OPENAI_API_KEY to a key that may use the model {self.config.model}"
            raise LLMError(f"{self.config.base_url} {told} ({last.detail}): {remedy}")
        if alone:
            self._fail_refused(run)

    def _fail_refused(self, run: _Run) -> None:
        """It was these rows."""
        refused, run.refused = run.refused, []
        for row, reply in refused:
            self._done(row, reply)

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


def _may_succeed(row: _Row) -> bool:
    return row.outcome is None or (isinstance(row.outcome, ChatReply) and row.outcome.error is None)


def _usable(text: str, validate: Validate | None) -> bool:
    if validate is None:
        return True
    try:
        validate(text)
    except ValueError:
        return False
    return True

"""A chat client for any OpenAI-compatible endpoint: in order, in bounded memory, with retries, and with an answer that says why it failed.

Rows in, replies out, in the same order: `for reply in client.run(requests)`. A row that cannot be answered comes back with a reason (`reply.error`); an endpoint that cannot be
used at all raises `LLMError`, which says what to do. The client never sees what the messages are about, and what makes a reply usable is the caller's `validate`.

A retry sends the identical request, byte for byte. Only a 400 or 422 that rejects `response_format` changes the way of asking: JSON schema, then JSON mode, then plain text.
The key comes from OPENAI_API_KEY and nowhere else; it is taken out of every text that leaves here.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import itertools
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
from cp_paraling_qa.llm_faults import FORMAT_WORDS, RETRY_AFTER_MOST, Fault, FormatRejected, Gate, backoff, retry_after, timed_out, unreachable
from cp_paraling_qa.llm_types import ChatReply, ChatRequest, ClientStats, LLMConfig, secret_in

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletion

__all__ = ["ChatClient", "ChatReply", "ChatRequest", "ClientStats", "LLMConfig"]

logger = logging.getLogger(__name__)

MODES = ("json_schema", "json_object", "text")
SAME_REPLY_LIMIT = 4
"""A server that gives the same unusable reply this often in a row will not give another one."""
REFUSED_LIMIT = 4
"""Tries of one row against a port where nobody has ever answered."""
TIMEOUT_WEIGHT = 8
"""How many other faults one timeout counts for when an endpoint is given up: waiting is what costs the user most."""
UNUSABLE_LIMIT = 1000
"""Replies without a single usable one, after which a run ends."""
SHORTEST_KEY = 8
"""Shorter ones are dummies ("x", "none") that stand in ordinary words: taking them out of replies would harm those and protect nothing."""
_CLOSED = "the LLM client was closed while requests were under way"

Validate = Callable[[str], object]


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
        self.mode = MODES[0]
        self._key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise LLMError("OPENAI_API_KEY holds characters that no key has: set it again, without spaces, quotes and line breaks")
        self._shown_url = config.base_url  # which holds no secret: see below
        if found := secret_in(config.base_url):
            raise LLMError(f"the address of the LLM endpoint holds {found}: leave it out; the key comes from OPENAI_API_KEY")
        if urlsplit(config.base_url).scheme not in ("http", "https"):
            raise LLMError(f"{self._shown_url!r} is no http address: pass --llm-base-url with http:// or https://, up to and with /v1")
        self._cache = ReplyCache(config.cache) if config.cache else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._sdk: openai.AsyncOpenAI | None = None
        self._fatal: LLMError | None = None
        self._order = itertools.count()
        self._answered = False  # whether the endpoint has ever sent a completion
        self._faults_in_a_row = 0
        self._unusable_in_a_row = 0

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
        self._start()
        self._fatal = None
        source = iter(requests)
        window = max(256, 16 * self.config.concurrency)
        pending: deque[ChatReply | concurrent.futures.Future[ChatReply]] = deque()
        try:
            while True:
                if len(pending) <= window // 2:
                    pending.extend(self._submit(list(itertools.islice(source, min(window // 2, 500))), validate))
                if not pending:
                    return
                reply = self._wait(pending[0])
                pending.popleft()
                self._count(reply)
                yield reply
        finally:
            for waiting in pending:
                if not isinstance(waiting, ChatReply):
                    waiting.cancel()

    def close(self) -> None:
        """End the thread, close the connections, write the cache."""
        if self._loop is not None and self._thread is not None:
            asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = self._sdk = None
        if self._cache is not None:
            self._cache.close()

    # -- the caller's thread ------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._loop is not None:
            return
        loop = asyncio.new_event_loop()
        self._gate = Gate(self.config.concurrency)
        self._thread = threading.Thread(target=loop.run_forever, name="llm-client", daemon=True)
        self._thread.start()
        self._loop = loop
        self._sdk = asyncio.run_coroutine_threadsafe(self._connect(), loop).result()

    async def _connect(self) -> openai.AsyncOpenAI:
        import httpx2
        import openai

        http = openai.DefaultAioHttpClient(
            timeout=self.config.timeout,
            limits=httpx2.Limits(max_connections=self.config.concurrency, max_keepalive_connections=self.config.concurrency),
            trust_env=not _is_loopback(self.config.base_url),  # a proxy has no business on the way to this machine
        )
        # max_retries=0: retrying is done here, where a row's attempts are counted and the load is adapted.
        return openai.AsyncOpenAI(api_key=self._key or "none", base_url=self.config.base_url, max_retries=0, timeout=self.config.timeout, http_client=http)

    async def _disconnect(self) -> None:
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._sdk is not None:
            await self._sdk.close()

    def _submit(self, requests: list[ChatRequest], validate: Validate | None) -> Iterator[ChatReply | concurrent.futures.Future[ChatReply]]:
        if self._loop is None:
            raise LLMError(_CLOSED)
        keys = [self._cache_key(request) for request in requests] if self._cache else []
        known = self._cache.get_many(list(dict.fromkeys(keys))) if self._cache and keys else {}
        for index, request in enumerate(requests):
            key = keys[index] if keys else None
            kept = known.get(key) if key else None
            if kept and _usable(kept.text, validate):
                yield ChatReply(request, *kept[:2], cached=True, prompt_tokens=kept.prompt_tokens, completion_tokens=kept.completion_tokens)
            else:
                yield asyncio.run_coroutine_threadsafe(self._ask(request, key, validate, next(self._order)), self._loop)

    def _wait(self, waiting: ChatReply | concurrent.futures.Future[ChatReply]) -> ChatReply:
        if isinstance(waiting, ChatReply):
            return waiting
        try:
            return waiting.result()
        except concurrent.futures.CancelledError:
            raise self._fatal or LLMError(_CLOSED) from None

    def _count(self, reply: ChatReply) -> None:
        self.stats.cached += reply.cached
        self.stats.failed += reply.error is not None
        self.stats.succeeded += reply.error is None
        if not reply.cached:
            self.stats.prompt_tokens += reply.prompt_tokens
            self.stats.completion_tokens += reply.completion_tokens

    def _cache_key(self, request: ChatRequest) -> bytes:
        """Hash of all that decides the reply. Not the address: the embedded server has another port every time; and no secret."""
        c = self.config
        what = {
            "model": c.model,
            "sampling": [c.temperature, c.top_p, c.max_tokens, c.seed],
            "messages": [dict(message) for message in request.messages],
            "schema": request.schema,
            "sample": request.sample,
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":")).encode()).digest()

    # -- the loop's thread --------------------------------------------------------------------------------------------------------------

    async def _ask(self, request: ChatRequest, key: bytes | None, validate: Validate | None, order: int) -> ChatReply:
        """One row, with its retries."""
        tries, same, last_text = 0, 0, None
        while True:
            await self._gate.enter(order)
            sent, mode, text, completion = time.monotonic(), self.mode, None, None
            try:
                completion = await self._send(request, mode)
                text = self._redact(completion.choices[0].message.content or "")
                text = self._check(request, text, completion.choices[0].finish_reason, mode, validate)
            except FormatRejected as rejection:
                self._fall_back(mode, str(rejection))
                continue
            except Fault as fault:
                tries += 1
                same = same + 1 if text is not None and text == last_text else 1
                last_text = text
                self._note(fault, tries, sent)
                if not fault.retry or tries >= self.config.attempts or (text is not None and same >= SAME_REPLY_LIMIT):
                    return ChatReply(request, None, None, fault.reason, fault.detail, fault.transient, tries)
                waiting = fault
            except LLMError as error:
                self._end(error)
            else:
                return self._good(request, key, text, completion, tries + 1)
            finally:
                self._gate.leave()
            if waiting.transient:
                await asyncio.sleep(max(waiting.wait or 0.0, backoff(tries)))

    async def _send(self, request: ChatRequest, mode: str) -> ChatCompletion:
        """One attempt: a completion with at least one choice, or a Fault that says why not."""
        import openai

        assert self._sdk is not None
        self.stats.requests += 1
        try:
            async with asyncio.timeout(self.config.timeout):  # the SDK's own timeout is per read: a server that trickles would never end
                completion = await self._sdk.chat.completions.create(**self._body(request, mode))
        except openai.APIStatusError as error:
            raise self._status_fault(error, mode if request.schema is not None else None) from None
        except (openai.APIConnectionError, TimeoutError) as error:
            if unreachable(error):
                raise Fault("connection refused", self._shown_url) from None
            if timed_out(error):
                raise Fault("timeout", f"no reply within {self.config.timeout:g} s") from None
            raise Fault("connection lost", type(error.__cause__ or error).__name__) from None
        except (openai.OpenAIError, ValueError) as error:
            raise Fault("malformed response", self._redact(str(error))[:200]) from None
        if not isinstance(completion, openai.types.chat.ChatCompletion) or not isinstance(completion.choices, list):
            raise Fault("malformed response", "no chat completion")
        if not completion.choices or completion.choices[0].message is None:
            raise Fault("no choices")
        return completion

    def _body(self, request: ChatRequest, mode: str) -> dict[str, Any]:
        c = self.config
        body: dict[str, Any] = {"model": c.model, "messages": [dict(m) for m in request.messages], "temperature": c.temperature, "max_tokens": c.max_tokens}
        if c.top_p is not None:
            body["top_p"] = c.top_p
        if c.seed is not None:
            body["seed"] = c.seed + request.sample
        if request.schema is not None:
            if mode == "json_schema":
                body["response_format"] = {"type": mode, "json_schema": {"name": request.schema_name, "schema": request.schema, "strict": True}}
            else:
                body["messages"][-1]["content"] += f"\n\nReply with one JSON object that fits this JSON schema, and nothing else:\n{json.dumps(request.schema)}"
                if mode == "json_object":
                    body["response_format"] = {"type": mode}
        return body

    def _check(self, request: ChatRequest, text: str, finish_reason: str | None, mode: str, validate: Validate | None) -> str:
        """The text, if it can be used."""
        if finish_reason != "stop":
            reason = "cut at max_tokens" if finish_reason == "length" else f"ended by {finish_reason}"
            raise Fault(reason, f"max_tokens is {self.config.max_tokens}" if finish_reason == "length" else "", transient=False)
        if not text.strip():
            raise Fault("empty reply", transient=False)
        if request.schema is not None:
            text = text if mode != "text" else _json_part(text)
            try:
                json.loads(text)
            except ValueError:
                raise Fault("not JSON", text[:200], transient=False) from None
        if validate is not None:
            try:
                validate(text)
            except ValueError as error:
                raise Fault("unusable reply", self._redact(str(error))[:300], transient=False) from None
        return text

    def _status_fault(self, error: openai.APIStatusError, mode: str | None) -> Exception:
        """What an HTTP status means: a fault of this attempt, another way of asking, or the end."""
        status, message = error.status_code, self._redact(error.message)[:300]
        where = f"{self._shown_url} answered {status} ({message})"
        if status in (401, 403):
            return LLMError(f"{where}: set OPENAI_API_KEY to a key that may use the model {self.config.model}")
        if status == 404:
            return LLMError(f"{where}: check --llm-model ({self.config.model}) and --llm-base-url, which usually ends in /v1")
        if status == 429 and error.code == "insufficient_quota":
            return LLMError(f"{where}: the account behind OPENAI_API_KEY has no quota left")
        if status in (408, 409, 425, 429) or status >= 500:
            wait = retry_after(error.response.headers)
            if wait is not None and wait > RETRY_AFTER_MOST:
                return LLMError(f"{where} and asks to wait {wait:.0f} s: run again later; finished rows are kept")
            return Fault(f"HTTP {status}", message, throttled=status in (429, 503), wait=wait)
        if status in (400, 422) and mode not in (None, "text") and any(word in message.lower() for word in FORMAT_WORDS):
            return FormatRejected(message)
        if self._answered:
            return Fault(f"refused with HTTP {status}", message, transient=False, retry=False)  # one row that this server cannot take
        return LLMError(f"{where}: check --llm-base-url, --llm-model ({self.config.model}) and the sampling options")

    def _note(self, fault: Fault, tries: int, sent: float) -> None:
        """Count a fault, adapt the load, and give the endpoint up where nothing suggests that it is there.

        Raises:
            LLMError: through `_end`, so that every row under way stops as well.
        """
        self.stats.faults[fault.reason] += 1
        if self.on_fault is not None:
            self.on_fault(fault.reason)
        if fault.throttled:
            self._gate.throttled(sent, fault.wait)
        if not fault.transient:
            self._answered = True
            self._faults_in_a_row = 0
            self._unusable_in_a_row += fault.retry
            if self._unusable_in_a_row >= UNUSABLE_LIMIT:
                told = f"{UNUSABLE_LIMIT} replies of {self.config.model} in a row could not be used (last: {fault.reason})"
                self._end(LLMError(f"{told}: use another --llm-model, or allow more tokens"))
            return
        if fault.reason == "connection refused" and not self._answered and tries >= REFUSED_LIMIT:
            self._end(LLMError(f"nothing answers at {self._shown_url}: start the server there, or pass another --llm-base-url"))
        self._faults_in_a_row += TIMEOUT_WEIGHT if fault.reason == "timeout" else 1
        if self._faults_in_a_row >= self.config.attempts * max(4, self.config.concurrency):  # as if every row under way had used up its attempts
            told = f"{fault.reason}: {fault.detail}" if fault.detail else fault.reason
            self._end(
                LLMError(f"{self._shown_url} only failed for a long time in a row (last: {told}): look at the server, then run again; finished rows are kept")
            )

    def _good(self, request: ChatRequest, key: bytes | None, text: str, completion: ChatCompletion, tries: int) -> ChatReply:
        self._answered = True
        self._faults_in_a_row = self._unusable_in_a_row = 0
        self._gate.succeeded()
        usage = completion.usage
        kept = CachedReply(text, completion.choices[0].finish_reason, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0)
        if self._cache is not None and key is not None:
            self._cache.put(key, kept)
        return ChatReply(request, *kept[:2], attempts=tries, prompt_tokens=kept.prompt_tokens, completion_tokens=kept.completion_tokens)

    def _fall_back(self, mode: str, message: str) -> None:
        """Ask in the next simpler way from now on; said once, however many requests were under way."""
        if self.mode == mode:
            self.mode = MODES[MODES.index(mode) + 1]
            logger.warning("%s rejects response_format %s (%s): going on with %s", self._shown_url, mode, message, self.mode)

    def _end(self, error: LLMError) -> NoReturn:
        """End every row under way with this error."""
        if self._fatal is None:
            self._fatal = error
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        raise error

    def _redact(self, text: str) -> str:
        """The text without the key: some servers quote it back."""
        return text.replace(self._key, "***") if len(self._key) >= SHORTEST_KEY else text


def _usable(text: str, validate: Validate | None) -> bool:
    if validate is None:
        return True
    try:
        validate(text)
    except ValueError:
        return False
    return True


def _json_part(text: str) -> str:
    """From the first brace to the last: plain-text models wrap their JSON in fences and phrases.

    Example:
        >>> _json_part('Sure! ```json {"a": 1} ```')
        '{"a": 1}'
    """
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")

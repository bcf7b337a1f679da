"""One attempt at an endpoint: sent through openai's client, answered with a usable reply or with a fault that says why not.

Here it is also found out how the endpoint wants to be asked. The first request with a schema is the probe; the others wait until it is known whether schemas are taken, so that
a server without them refuses once and not from every row under way. Only a 400 or 422 that rejects a parameter changes the way of asking, and each way is left once for good.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm_access import address, redacted
from cp_paraling_qa.llm_cost import Purse, most_cost
from cp_paraling_qa.llm_dialect import Dialect, instead, refusal
from cp_paraling_qa.llm_faults import RETRY_AFTER_MOST, Fault, retry_after, timed_out, unreachable
from cp_paraling_qa.llm_types import ChatRequest, ClientStats, LLMConfig
from cp_paraling_qa.llm_wire import MODES, Completion, Validate, read_completion, request_body, usage

if TYPE_CHECKING:
    import openai

logger = logging.getLogger("cp_paraling_qa.llm")

PROBE_WAIT = 10.0
"""Seconds that rows wait for the probe, from its start. A server that takes longer for one reply is asked by all of them in the best way."""


class Rejected(Exception):
    """The server does not take this way of asking; carries the next one."""

    def __init__(self, instead: Dialect, told: str) -> None:
        super().__init__(told)
        self.instead, self.told = instead, told


class Endpoint:
    """Where requests go. Belongs to one event loop.

    Args:
        config: the endpoint.
        key: the secret that is sent, and taken out of every text that comes back.
        stats: what is counted.

    Raises:
        LLMError: the address is none, or holds a secret.
    """

    def __init__(self, config: LLMConfig, key: str, stats: ClientStats) -> None:
        self.config, self.stats = config, stats
        self.answered = False
        """Whether it has ever sent a completion."""
        self.dialect = Dialect(MODES[0] if config.reply_format == "auto" else config.reply_format)
        self.purse = Purse(config, stats)
        self._key, self._address = key, address(config.base_url)
        self._sdk: openai.AsyncOpenAI | None = None
        self._format_known = config.reply_format != "auto"
        self._probe: asyncio.Event | None = None
        self._probe_until = 0.0

    def connect(self) -> None:
        """Load openai's client; nothing is sent yet."""
        import httpx2
        import openai

        most = self.config.concurrency
        http = openai.DefaultAioHttpClient(
            timeout=self.config.timeout,
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
            trust_env=not self._address.local,
        )
        # max_retries=0: retrying is the caller's, where a row's attempts are counted and the load is adapted.
        self._sdk = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._address.url,
            default_query=self._address.query or None,
            max_retries=0,
            timeout=self.config.timeout,
            http_client=http,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._sdk is not None:
            await self._sdk.close()

    def redact(self, text: str) -> str:
        """The text without the key: some servers quote it back."""
        return redacted(text, self._key)

    def _body(self, request: ChatRequest, dialect: Dialect) -> bytes:
        body = request_body(self.config, request, **dialect._asdict())
        try:
            return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:  # half a character, which UTF-8 cannot hold but JSON can
            return json.dumps(body, separators=(",", ":")).encode()

    async def ask(self, request: ChatRequest, validate: Validate | None, bodies: dict[Dialect, bytes]) -> Completion:
        """One attempt, and as many more as it takes to find out how to ask.

        Args:
            request: what to ask.
            validate: the caller's own check.
            bodies: of this row's earlier attempts, kept by the caller: a retry is the same to the byte, even if the messages were changed meanwhile.

        Raises:
            Fault: this attempt failed.
            LLMError: the endpoint cannot be used.
            CostReached: the request might pass the maximum cost; nothing was sent.
        """
        while True:
            probe = await self._may_probe() if request.schema is not None and not self._format_known else None
            try:
                dialect = self.dialect
                body = bodies.get(dialect) or bodies.setdefault(dialect, self._body(request, dialect))
                payload = await self._send(body, dialect, request.schema is not None)
                if request.schema is not None and not self._format_known:
                    self._format_known = True
                    logger.info("%s takes response_format %s", self.config.base_url, dialect.mode)
                return read_completion(payload, request, self.config, dialect.mode, validate, self.redact)
            except Rejected as rejected:
                self._adapt(dialect, rejected)
            finally:
                if probe is not None:
                    self._probe = None
                    probe.set()

    async def _may_probe(self) -> asyncio.Event | None:
        """Wait until the format is known, or return the probe that this row has become. A fault says nothing of the format: the next row takes over."""
        while not self._format_known:
            now = time.monotonic()
            self._probe_until = self._probe_until or now + PROBE_WAIT
            if self._probe is None:
                self._probe = asyncio.Event()
                return self._probe
            if now >= self._probe_until:
                return None
            try:
                async with asyncio.timeout(self._probe_until - now):
                    await self._probe.wait()
            except TimeoutError:
                return None
        return None

    async def _send(self, body: bytes, dialect: Dialect, has_schema: bool) -> Any:
        """One request: the parsed body of the answer, whatever it is. What it cost is settled here."""
        import httpx2
        import openai

        assert self._sdk is not None
        most = most_cost(self.config, body)
        await self.purse.reserve(most)
        tokens, uncertain = None, True
        try:
            self.stats.requests += 1
            # Neither the SDK's parameter transformation nor its model of the reply: they take twice the time of all the rest.
            async with asyncio.timeout(self.config.timeout):  # the SDK's own timeout is per read: a server that trickles would never end
                response = await self._sdk.post("/chat/completions", content=body, cast_to=httpx2.Response)
            try:
                payload = json.loads(response.content)
            except (ValueError, RecursionError):  # a proxy's page, a login form
                raise Fault("malformed response", f"no JSON: {self.redact(response.content[:400].decode(errors='replace'))[:200]}") from None
            tokens = usage(payload)
            self.stats.without_usage += tokens is None
            return payload
        except openai.APIStatusError as error:
            uncertain = False
            raise self._status_fault(error, dialect, has_schema) from None
        except (openai.APIConnectionError, TimeoutError) as error:
            if unreachable(error):
                uncertain = False
                raise Fault("connection refused", self.config.base_url) from None
            if timed_out(error):
                raise Fault("timeout", f"no reply within {self.config.timeout:g} s") from None
            raise Fault("connection lost", type(error.__cause__ or error).__name__) from None
        except (openai.OpenAIError, ValueError) as error:
            raise Fault("malformed response", self.redact(str(error))[:200]) from None
        finally:
            self.purse.settle(most, tokens, uncertain=uncertain)

    def _status_fault(self, error: openai.APIStatusError, dialect: Dialect, has_schema: bool) -> Exception:
        """What an HTTP status means: a fault of this attempt, another way of asking, or the end."""
        status, words, model = error.status_code, refusal(error.body), self.config.model
        message = self.redact(words.message or error.message)[:300]
        where = f"{self.config.base_url} answered {status} ({message})"
        if status == 401:
            return LLMError(f"{where}: set OPENAI_API_KEY to a key that may use the model {model}")
        if status == 402 or (status == 429 and words.code == "insufficient_quota"):
            return LLMError(f"{where}: the account behind OPENAI_API_KEY has no quota left")
        if status == 404:
            return LLMError(f"{where}: check --llm-model ({model}) and --llm-base-url, which usually ends in /v1")
        if status in (408, 409, 425, 429) or status >= 500:
            wait = retry_after(error.response.headers)
            if wait is not None and wait > RETRY_AFTER_MOST:
                return LLMError(f"{where} and asks to wait {wait:.0f} s: run again later; finished rows are kept")
            return Fault(f"HTTP {status}", message, throttled=status in (429, 503), wait=wait)
        if status in (400, 422) and (other := instead(dialect, self.config, words, schema=has_schema)):
            return Rejected(other, message)
        return Fault(f"refused with HTTP {status}", message, transient=False, retry=False)

    def _adapt(self, used: Dialect, rejected: Rejected) -> None:
        """Ask in another way from now on; said once, however many requests were under way."""
        for name in Dialect._fields:
            was, now = getattr(used, name), getattr(rejected.instead, name)
            if was == now or getattr(self.dialect, name) != was:
                continue
            self.dialect = self.dialect._replace(**{name: now})
            if name == "mode":
                logger.warning("%s rejects response_format %s (%s): going on with %s", self.config.base_url, was, rejected.told, now)
            elif name == "tokens_as":
                logger.warning("%s rejects %s (%s): sending %s instead", self.config.base_url, was, rejected.told, now)
            else:
                logger.warning("%s rejects temperature %g (%s): leaving it out", self.config.base_url, self.config.temperature, rejected.told)

"""The few calls of OpenAI's Files and Batches API that a batch needs, each tried again while its fault may pass.

Creating a batch is the one call that costs money, so it is never repeated blindly: after a fault that leaves its fate open, the server is asked whether the batch is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm_access import address, api_key, redacted
from cp_paraling_qa.llm_batch.files import URL, BatchFile
from cp_paraling_qa.llm_faults import RETRY_AFTER_MOST, backoff, retry_after, timed_out, unreachable
from cp_paraling_qa.llm_types import LLMConfig
from cp_paraling_qa.schema import Seconds

if TYPE_CHECKING:
    import openai
    from openai.types import Batch, FileObject

T = TypeVar("T")
SLACK: Seconds = 24 * 3600.0
"""How far apart two machines' clocks may be."""
PATIENCE = 20
"""A batch takes up to a day; looking at it is tried this many times longer than anything else, so that an hour without a network ends nothing."""
REFUSED_LIMIT = 4
"""Tries against a port where nobody has ever answered."""
GOES_ON = "what was submitted goes on at the server; run the same command again, and it picks up there"


class GoneError(Exception):
    """The server does not have it."""


class BatchServer:
    """An endpoint's Files and Batches API.

    Raises:
        LLMError: OPENAI_API_KEY is no key, or the address is none, or holds a secret.
    """

    def __init__(self, config: LLMConfig) -> None:
        import openai

        self.config = config
        self._key, to = api_key(), address(config.base_url)
        http = openai.DefaultHttpxClient(timeout=config.timeout, trust_env=not to.local)
        self._sdk = openai.OpenAI(
            api_key=self._key or "none", base_url=to.url, default_query=to.query or None, max_retries=0, timeout=config.timeout, http_client=http
        )
        self._answered = False

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def redact(self, text: str) -> str:
        """The text without the key: some servers quote it back."""
        return redacted(text, self._key)

    def upload(self, path: Path, name: str) -> str:
        """Send a file under this name and wait until it can be used. Its id."""

        def send() -> FileObject:
            with open(path, "rb") as file:
                return _named(self._sdk.files.create(file=(name, file, "application/jsonl"), purpose="batch"))

        there = self._call("upload a file", send, after_fault=lambda: self._find_file(name, path.stat().st_size))
        return self._ready(there)

    def find_file(self, name: str, size: int) -> str | None:
        """The id of a whole file of this name, if it was uploaded."""
        found = self._call("list the files", lambda: self._find_file(name, size))
        return self._ready(found) if found else None

    def create(self, file: BatchFile) -> Batch:
        """Make a batch of an uploaded file, once. Its tag stands in the metadata."""
        return self._call(
            "create a batch",
            lambda: _named(
                self._sdk.batches.create(
                    input_file_id=str(file.file_id), endpoint=URL, completion_window="24h", metadata={"cpqa_file": file.sha, "cpqa_batch": str(file.tag)}
                )
            ),
            after_fault=lambda: self._find_batch(file),
        )

    def find_batch(self, file: BatchFile) -> Batch | None:
        """The batch that may have been made of a file, if it was.

        Raises:
            GoneError: the server lists no batches.
        """
        return self._call("list the batches", lambda: self._find_batch(file), may_be_gone=True)

    def batch(self, id_: str) -> Batch:
        """How a batch stands.

        Raises:
            GoneError: there is none of that id.
        """
        return self._call("look at a batch", lambda: _named(self._sdk.batches.retrieve(id_)), patience=PATIENCE, may_be_gone=True)

    def download(self, id_: str, path: Path) -> None:
        """A result file's lines, without the key.

        Raises:
            GoneError: the server does not keep it any more.
        """

        def receive() -> None:
            last = b"null"
            with self._sdk.files.with_streaming_response.content(id_) as response, open(path, "wb") as file:
                for line in _lines(response.iter_bytes(1 << 16)):
                    last = line.strip() or last
                    file.write(self.redact(line.decode("utf-8", "replace")).encode() + b"\n")
            json.loads(last)  # a download that was cut is a fault, which passes: its lost replies are paid

        self._call("download a result file", receive, may_be_gone=True)

    def _find_file(self, name: str, size: int) -> FileObject | None:
        import openai

        try:
            return next((file for file in self._sdk.files.list(purpose="batch") if file.filename == name and file.bytes == size), None)
        except openai.APIStatusError as error:
            if error.status_code in (404, 405, 501):
                return None  # it lists no files: the file goes there once more, which costs nothing
            raise

    def _find_batch(self, file: BatchFile) -> Batch | None:
        for batch in self._sdk.batches.list(limit=100):  # newest first
            if (batch.metadata or {}).get("cpqa_batch") == file.tag:
                return batch
            if not batch.metadata and batch.input_file_id == file.file_id and batch.id not in file.past:  # some servers keep no metadata
                return batch
            if isinstance(batch.created_at, int | float) and batch.created_at < file.since - SLACK:
                return None
        return None

    def _ready(self, file: FileObject) -> str:
        """Azure checks a file before a batch may use it."""
        started = time.monotonic()
        while str(file.status) in ("pending", "running") and time.monotonic() - started < self.config.timeout:
            time.sleep(1.0)
            file = self._call("look at a file", partial(self._sdk.files.retrieve, file.id))
        if file.status == "error":
            told = self.redact(str(file.status_details or "no reason given"))[:300]
            raise LLMError(f"{self.config.base_url} does not take the uploaded file {file.id} ({told}): check --llm-model ({self.config.model})")
        return file.id

    def _call(self, what: str, send: Callable[[], T], *, after_fault: Callable[[], T | None] | None = None, patience: int = 1, may_be_gone: bool = False) -> T:
        """One call, tried again while its fault may pass.

        Args:
            what: for messages.
            send: the call.
            after_fault: asks whether a call whose reply was lost did its work after all.
            patience: multiplies `config.attempts`.
            may_be_gone: a 404 is about the thing, not about the API.
        """
        import httpx2
        import openai

        where, tries = self.config.base_url, 0
        again: Callable[[], T | None] = send
        while True:
            wait: Seconds | None = None
            try:
                done = again()
                self._answered = True
                if done is not None or again is send:
                    return done  # type: ignore[return-value]
                again = send
                continue
            except openai.APIStatusError as error:
                self._answered = True
                if again is not send and error.status_code in (404, 405, 501):
                    raise LLMError(
                        f"the reply to the call to {what} was lost, and {where} does not tell whether it was done: run the same command again"
                    ) from None
                wait, told = self._status(what, error, may_be_gone), f"HTTP {error.status_code}"
            except (openai.APIConnectionError, httpx2.HTTPError) as error:
                told = "connection refused" if unreachable(error) else "timeout" if timed_out(error) else "connection lost"
                if told == "connection refused" and not self._answered and tries + 1 >= REFUSED_LIMIT:
                    raise LLMError(f"nothing answers at {where}: start the server there, or pass another --llm-base-url") from None
            except (openai.OpenAIError, ValueError, AttributeError, TypeError, RecursionError) as error:  # the SDK hands malformed bodies on
                told = f"malformed response ({self.redact(str(error))[:100]})"
            tries += 1
            if tries >= self.config.attempts * patience:
                raise LLMError(f"{where} failed {tries} times in a row to {what} (last: {told}): {GOES_ON}")
            time.sleep(max(wait or 0.0, backoff(tries)))
            again = after_fault or send

    def _status(self, what: str, error: openai.APIStatusError, may_be_gone: bool) -> Seconds | None:
        """Seconds to wait after a status that may pass, or None.

        Raises:
            GoneError: 404 for a thing that may be gone.
            LLMError: the endpoint cannot be used so; says what to do.
        """
        status, message = error.status_code, self.redact(error.message)[:300]
        where = f"{self.config.base_url} answered {status} to {what} ({message})"
        if status in (401, 403):
            raise LLMError(f"{where}: set OPENAI_API_KEY to a key that may use files, batches and the model {self.config.model}") from None
        if status == 404 and may_be_gone:
            raise GoneError(message) from None
        if status in (404, 405, 501):
            raise LLMError(
                f"{where}: this server has no Batch API, or it is elsewhere: pass --transport live, or check --llm-base-url, which usually ends in /v1"
            ) from None
        if status == 402 or (status == 429 and error.code == "insufficient_quota"):
            raise LLMError(f"{where}: the account behind OPENAI_API_KEY has no quota left") from None
        if status in (408, 409, 425, 429) or status >= 500:
            wait = retry_after(error.response.headers)
            if wait is not None and wait > RETRY_AFTER_MOST:
                raise LLMError(f"{where} and asks to wait {wait:.0f} s: {GOES_ON}") from None
            return wait
        raise LLMError(f"{where}: check --llm-base-url and --llm-model ({self.config.model}), or pass --transport live") from None


def _named(thing: T) -> T:
    """What came back, if it is a thing with an id: the SDK hands on whatever a server sends."""
    if not isinstance(getattr(thing, "id", None), str) or not isinstance(getattr(thing, "status", None), str):
        raise ValueError("neither a file nor a batch")
    return thing


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of a stream, split at line feeds alone: replies may hold any other separator. A last line without one may be cut; its reader finds out."""
    rest: list[bytes] = []
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for line in whole:
            yield b"".join([*rest, line])
            rest = []
        rest.append(last)
    if any(rest):
        yield b"".join(rest)


def words_of(batch: Any) -> tuple[str, str]:
    """Why the server did not take a batch: its first error's code, and all it says."""
    errors = [error for error in (batch.errors.data if batch.errors else None) or [] if error]
    told = "; ".join(f"{f'line {error.line}: ' if error.line else ''}{error.message or error.code}" for error in errors[:3])
    return (errors[0].code or "" if errors else ""), told or "no reason given"

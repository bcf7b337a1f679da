"""A run of batches: recover what a killed run left, write files, submit them, look at them, take in what they made."""

from __future__ import annotations

import dataclasses
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.errors import LLMError, StorageError
from cp_paraling_qa.llm_batch.book import Book
from cp_paraling_qa.llm_batch.cached import CachedOnly
from cp_paraling_qa.llm_batch.files import BatchFile, BatchLimits, batch_files, halve, write_files
from cp_paraling_qa.llm_batch.results import BatchResult, Intake
from cp_paraling_qa.llm_batch.server import GOES_ON, BatchServer, GoneError, words_of
from cp_paraling_qa.llm_cache import ReplyCache
from cp_paraling_qa.llm_types import ChatRequest, LLMConfig
from cp_paraling_qa.llm_wire import Validate
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.stage import whole_file

if TYPE_CHECKING:
    from openai.types import Batch

ENDED = ("completed", "failed", "expired", "cancelled")
BUDGET_SHARE = 4
"""With a budget, no file may cost more than this part of it, as an upper bound: the true cost of the first files then makes room for the others."""

LATE_LOOKS = 10
"""How often a batch that has completed requests and no results yet is looked at again."""


def fill_cache(
    config: LLMConfig,
    folder: Path,
    ask: Callable[[CachedOnly], object],
    *,
    told: Callable[[str], None],
    poll: Seconds = 30.0,
    limits: BatchLimits | None = None,
) -> BatchResult:
    """Ask, send what is missing, and ask again, until nothing is missing.

    Args:
        config: the endpoint, sampling and cache, exactly as the requests are asked with.
        folder: of the batches.
        ask: runs all requests through the client that it is given; what it makes of the replies is thrown away. Called once more than there are rounds.
        told: is told how it stands.
        poll: between two looks at the server.
        limits: of a file; OpenAI's where None.

    Returns:
        the sum of all rounds; `stopped` says why something is still missing.

    Raises:
        LLMError: the endpoint cannot be used, or does not take a batch; says what to do.
        StorageError: the cache or the folder cannot be used.
    """
    with Book(folder) as book:
        book.forgive()
    total = BatchResult()
    while True:
        with CachedOnly(config, folder) as client:
            ask(client)
        if not client.waiting:
            client.pending.unlink(missing_ok=True)
            return total
        came = run_batches(config, client.pending, folder, validate=client.validators, told=told, poll=poll, limits=limits)
        total.add(came)
        if total.stopped:
            return total
        if not came.sent:  # never a loop that gets nowhere
            raise StorageError(f"{folder} says that {client.waiting} requests are under way, and no batch holds them: delete it to send, and pay, them again")


def run_batches(
    config: LLMConfig,
    pending: Path | Iterable[ChatRequest],
    folder: Path,
    *,
    validate: Validate | Mapping[str, Validate] | None = None,
    told: Callable[[str], None],
    poll: Seconds = 30.0,
    limits: BatchLimits | None = None,
) -> BatchResult:
    """Send these requests in batches, finish those that are under way, and put the good replies into the cache.

    Args:
        config: the endpoint, sampling and cache.
        pending: the file that a `CachedOnly` wrote, or requests.
        folder: of the batches; one process at a time.
        validate: raises ValueError for a text that cannot be used; or such checks by schema name.
        told: is told how it stands.
        poll: between two looks at the server.
        limits: of a file; OpenAI's where None.

    Raises:
        LLMError: the endpoint cannot be used, or does not take a batch; says what to do.
        StorageError: the cache or the folder cannot be used.
    """
    if not isinstance(pending, Path):
        with CachedOnly(config, folder) as client:
            for _ in client.run(pending):
                pass
        pending = client.pending
    with Book(folder) as book, closing(BatchServer(config)) as server:
        work = _Work(config, folder, book, server, validate, told, poll, limits or BatchLimits())
        try:
            work.recover()
            work.plan(pending)
            return work.finish()
        except KeyboardInterrupt:
            told(f"stopped: {GOES_ON}")
            raise


class _Work:
    """One run of batches."""

    def __init__(
        self,
        config: LLMConfig,
        folder: Path,
        book: Book,
        server: BatchServer,
        validate: Validate | Mapping[str, Validate] | None,
        told: Callable[[str], None],
        poll: Seconds,
        limits: BatchLimits,
    ) -> None:
        self.config, self.folder, self.book, self.server, self.validate = config, folder, book, server, validate
        self.told, self.poll = told, poll
        self.limits = limits
        if config.max_cost is not None and limits.cost is None:
            self.limits = dataclasses.replace(limits, cost=config.max_cost / BUDGET_SHARE)
        self.files: list[BatchFile] = []
        self.result = BatchResult()
        self._uploaded: dict[str, str | None] = {}  # sha → file id of files that were uploaded, or may have been (None), before a kill
        self._running: set[int] = set()  # batches that this process saw at work
        self._late: Counter[int] = Counter()  # looks at batches that were done and had no results yet
        self._too_many = False  # the server wants no further batch while one of ours is at work

    # -- before -------------------------------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Find out what a killed run left behind. What was never submitted is planned anew: what is wanted may have changed."""
        for file in batch_files(self.folder):
            if file.status == "creating":
                try:
                    found = self.server.find_batch(file)
                except GoneError as gone:
                    state = file.path(self.folder, "json")
                    raise LLMError(
                        f"{self.config.base_url} lists no batches ({gone}), so nobody can tell whether the one of {state} was created: delete {state} to send its requests"
                        " again, and pay them twice if it was"
                    ) from None
                file.save(self.folder, status="created" if found else "uploaded", batch_id=found.id if found else None)
            if file.status == "created" or file.status == "ended":
                self.files.append(file)
            else:
                if file.status != "written":
                    self._uploaded[file.sha] = file.file_id
                self._discard(file)
        for number in self.book.under_way() - {file.number for file in self._open()}:
            self.book.release_all(number)
        self.book.commit()
        wanted = {file.path(self.folder) for file in self._open()}
        for path in (*self.folder.glob("[0-9]*.jsonl"), *self.folder.glob(".*.tmp")):  # files without a state, results and files that were not whole
            if path not in wanted:
                path.unlink()

    def plan(self, pending: Path) -> None:
        """Write the files of what is asked and not under way."""
        first = max((file.number for file in self.files), default=0) + 1
        try:
            with open(pending, encoding="utf-8") as lines:
                self.files += write_files(self.book, self.config, map(json.loads, lines), self.folder, first, self.limits)
        except (OSError, ValueError, KeyError) as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(f"{pending} cannot be read ({error}): run the same command again, which writes it anew") from None

    # -- at the server ------------------------------------------------------------------------------------------------------------------

    def finish(self) -> BatchResult:
        """Submit, look, take in, until nothing is open or may be sent."""
        shown = self._open()
        while self._open():
            for file in self._open():
                if not file.at_server and self.result.stopped is None and not self._too_many:
                    self._submit(file)
                if file.status == "created":
                    self._look(file, f"batch {shown.index(file) + 1} of {len(shown)}" if file in shown else f"batch file {file.number}")
            at_work = [file for file in self._open() if file.at_server]
            if not at_work and self.result.stopped is not None:
                break
            if at_work:
                time.sleep(self.poll)
        if self.config.prices is not None:
            self.result.cost = self._cost(self.result.prompt_tokens, self.result.completion_tokens)
        return self.result

    def _submit(self, file: BatchFile) -> None:
        """One file to the server, unless it could pass the budget."""
        if self.config.max_cost is not None:
            most = self._cost(file.read_most, file.write_most)
            spent = sum(self._cost(other.prompt_tokens, other.completion_tokens) for other in self.files if other.status == "ended")
            held = sum(self._cost(other.read_most, other.write_most) for other in self._open() if other.at_server)
            if spent + held + most > self.config.max_cost:
                if not held:  # otherwise those at work may turn out cheaper than feared
                    self.result.stopped = (
                        f"the next batch may cost {most:.4f} USD, this folder's batches have cost {spent:.4f} and the limit is {self.config.max_cost:.4f}:"
                        " raise --max-cost to go on; finished replies are kept"
                    )
                return
        if file.status != "uploaded":
            self._upload(file)
        file.save(self.folder, status="creating", tag=secrets.token_hex(8), since=time.time())
        batch = self.server.create(file)
        file.save(self.folder, status="created", batch_id=batch.id)
        self.told(f"batch {batch.id} submitted with {file.requests:,} requests; it goes on at the server whatever happens here")

    def _upload(self, file: BatchFile) -> None:
        name = f"cpqa-{file.sha}.jsonl"
        known = self._uploaded.get(file.sha)
        if known is None and file.sha in self._uploaded:
            known = self.server.find_file(name, file.size)
        if known is None:
            file.save(self.folder, status="uploading")
            known = self.server.upload(file.path(self.folder), name)
        file.save(self.folder, status="uploaded", file_id=known)

    def _look(self, file: BatchFile, name: str) -> None:
        """See how a batch stands, and take in what it made when it has ended."""
        try:
            batch = self.server.batch(str(file.batch_id))
        except GoneError as gone:
            state = file.path(self.folder, "json")
            raise LLMError(
                f"{self.config.base_url} knows no batch {file.batch_id} ({gone}): use the OPENAI_API_KEY and --llm-base-url that made it,"
                f" or delete {state} to send, and pay, its requests again"
            ) from None
        counts = batch.request_counts
        done = (counts.completed or 0) + (counts.failed or 0) if counts else 0
        self.told(f"{name}: {batch.status}, {done:,} of {file.requests:,} done")
        late = batch.status == "completed" and not batch.output_file_id and counts is not None and counts.completed
        if batch.status not in ENDED or (late and self._late[file.number] < LATE_LOOKS):
            self._running.add(file.number)
            self._late[file.number] += bool(late)
            return
        self._too_many = False
        if batch.status == "failed":
            self._refused(file, batch)
            return
        self._take_in(file, batch)
        if batch.status == "cancelled" and file.number in self._running:
            self.result.stopped = f"somebody cancelled batch {file.batch_id} at the server: run the same command again to send the rest"

    def _refused(self, file: BatchFile, batch: Batch) -> None:
        """The server did not take a batch at all: it is full, or something is wrong with the file."""
        code, told = words_of(batch)
        told = self.server.redact(told)[:500]
        if code == "token_limit_exceeded" and (file.requests > 1 or any(other.at_server for other in self._open() if other is not file)):
            file.save(self.folder, status="uploaded", batch_id=None, past=[*file.past, batch.id])
            if any(other.at_server for other in self._open()):
                self._too_many = True
                self.told(f"the server is full ({told}): waiting for a batch to end")
                return
            first = max(other.number for other in self.files) + 1
            self.told(f"the server is full ({told}): the file of {file.requests:,} requests goes in two halves")
            halves = halve(self.book, file, self.folder, first, self.config.max_tokens)
            self._discard(file)
            self.files.remove(file)
            self.files += halves
            return
        self.book.release_all(file.number)
        self._end(file, "failed")
        raise LLMError(
            f"{self.config.base_url} did not take batch {batch.id} ({told}): check --llm-model ({self.config.model}), the account's limits and the sampling options,"
            " or pass --transport live; nothing of it was paid"
        )

    # -- afterwards ---------------------------------------------------------------------------------------------------------------------

    def _take_in(self, file: BatchFile, batch: Batch) -> None:
        """An ended batch's replies: the good ones to the cache, then the standing of all to the book, then the batch's own state."""
        assert self.config.cache is not None
        cache = ReplyCache(self.config.cache)
        intake = Intake(self.config, self.book, file, cache, self.validate, self.server.redact)
        try:
            for line in self._results(file, batch):
                intake.take(line)
        except BaseException:
            self.book.rollback()
            raise
        finally:
            cache.close()  # on disk before anything says that it is
        came = intake.came
        if intake.refusals and len(intake.refusals) == file.requests and not self.book.any_good():
            self.book.rollback()
            self.book.release_all(file.number)
            self._end(file, "refused")
            told = intake.refusals[0]
            raise LLMError(
                f"{self.config.base_url} refused every request of batch {batch.id} ({told}): check --llm-model ({self.config.model}) and the sampling options"
            )
        if intake.instead is not None and self.book.dialect(self.config) == file.dialect:
            dialect, told = intake.instead
            self.book.learn(dialect)
            self.told(f"the server refuses the way it was asked ({told}): asking otherwise")
        words = "no result in the batch" if batch.status == "completed" else f"batch {batch.status}"
        if rest := self.book.settle_rest(file.number, words):
            came.failed[words] += rest
        self._end(file, batch.status, came)
        self.result.add(came)

    def _results(self, file: BatchFile, batch: Batch) -> Iterator[Any]:
        """The lines of a batch's two result files, parsed; None for one that is not JSON."""
        path = file.path(self.folder, "results.jsonl")
        for id_ in (batch.output_file_id, batch.error_file_id):  # the good ones first: where a request is in both, it was answered
            if not id_:
                continue
            try:
                with whole_file(path) as beside:
                    self.server.download(id_, beside)
            except GoneError:
                self.told(f"the server no longer keeps the results of batch {batch.id}: its requests are sent, and paid, again")
                continue
            with open(path, "rb") as lines:
                for line in lines:
                    try:
                        yield json.loads(line)
                    except (ValueError, RecursionError):
                        yield None
            path.unlink()

    def _end(self, file: BatchFile, outcome: str, came: BatchResult | None = None) -> None:
        """Close a batch: the book first, then its state, then its file goes."""
        came = came or BatchResult()
        self.book.commit()
        file.save(self.folder, status="ended", outcome=outcome, good=came.good, prompt_tokens=came.prompt_tokens, completion_tokens=came.completion_tokens)
        file.path(self.folder).unlink(missing_ok=True)

    def _discard(self, file: BatchFile) -> None:
        """Forget a file that was never submitted."""
        self.book.release_all(file.number)
        self.book.commit()
        file.path(self.folder, "json").unlink(missing_ok=True)
        file.path(self.folder).unlink(missing_ok=True)

    def _open(self) -> list[BatchFile]:
        return [file for file in self.files if file.status != "ended"]

    def _cost(self, read: int, written: int) -> float:
        """USD by the user's table; 0 without one."""
        return self.config.prices.of(read, written) if self.config.prices else 0.0

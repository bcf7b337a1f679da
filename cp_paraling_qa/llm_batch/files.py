"""The files of a batch folder: requests to upload, and a state beside each that says how far it got.

Two kinds of memory, each with one job, so that kill -9 at any moment loses nothing and pays nothing twice. A JSON file per batch (`0001.json`, written whole, before and after
every step) says where that batch stands: its ids at the server, its tokens. One SQLite file (`book`) says where every request stands. Neither holds a secret.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from cp_paraling_qa.errors import StorageError
from cp_paraling_qa.llm_batch.book import Book
from cp_paraling_qa.llm_cost import BYTES_PER_TOKEN_LEAST, TOKENS_AROUND
from cp_paraling_qa.llm_dialect import Dialect
from cp_paraling_qa.llm_types import ChatRequest, LLMConfig
from cp_paraling_qa.llm_wire import request_body
from cp_paraling_qa.stage import whole_file, write_json

URL: Final = "/v1/chat/completions"


@dataclass(frozen=True)
class BatchLimits:
    """How much goes into one file; OpenAI's limits, which other servers may undercut.

    Args:
        requests: lines.
        size: bytes.
        cost: USD, as an upper bound; None for any. With a budget, smaller files let the true cost of the first ones make room for the next.
    """

    requests: int = 50_000
    size: int = 200_000_000
    cost: float | None = None


@dataclass
class BatchFile:
    """One file of requests and the batch made of it.

    Args:
        number: within the folder, from 1.
        sha: of the file's bytes, 16 hex digits; its name at the server.
        requests: lines.
        size: bytes.
        read_most: upper bound of its input tokens.
        write_most: upper bound of its output tokens.
        dialect: how its requests are asked.
        status: how far it got. "uploading" and "creating" are written before the step: after a kill there, the server is asked what it has.
        file_id, batch_id: the server's names.
        tag: random; stands in the batch's metadata, so that it is found where its id was never written down.
        past: batches of this file that the server did not take.
        since: Unix time at which the batch was about to be created.
        outcome: the server's last word.
        good: usable replies.
        prompt_tokens, completion_tokens: as the server counted them, for useless replies as well.
    """

    number: int
    sha: str
    requests: int
    size: int
    read_most: int
    write_most: int
    dialect: Dialect
    status: Literal["written", "uploading", "uploaded", "creating", "created", "ended"] = "written"
    file_id: str | None = None
    batch_id: str | None = None
    tag: str | None = None
    past: list[str] = field(default_factory=list)
    since: float = 0.0
    outcome: str = ""
    good: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def path(self, folder: Path, ending: str = "jsonl") -> Path:
        """Its file of requests, or its state."""
        return folder / f"{self.number:04}.{ending}"

    def save(self, folder: Path, **changes: Any) -> None:
        """Note these changes, on disk first of all."""
        write_json(self.path(folder, "json"), dataclasses.asdict(dataclasses.replace(self, **changes)))
        vars(self).update(changes)

    @property
    def at_server(self) -> bool:
        """Whether a batch may exist and be paid for."""
        return self.status in ("creating", "created")


def batch_files(folder: Path) -> list[BatchFile]:
    """All that the folder has, in order.

    Raises:
        StorageError: a state cannot be read.
    """
    found = []
    for path in sorted(folder.glob("[0-9]*.json")):
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            found.append(BatchFile(**state | {"dialect": Dialect(*state["dialect"])}))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StorageError(f"{path} cannot be read ({error}): delete it, and the requests of that batch are sent, and paid, again") from None
    return found


def write_files(book: Book, config: LLMConfig, pending: Iterable[Mapping[str, Any]], folder: Path, first: int, limits: BatchLimits) -> list[BatchFile]:
    """Spread requests over files; those under way already, and repetitions, are left out. The book knows of them when all files are written.

    Args:
        book: of the folder.
        config: the endpoint.
        pending: records as `CachedOnly` writes them: key, messages, schema, schema_name, sample.
        folder: gets the files and their states.
        first: number of the first file.
        limits: of each.
    """
    dialect, files = book.dialect(config), list[BatchFile]()

    def lines(number: int) -> Iterator[tuple[bytes, bytes]]:
        for record in pending:
            request = ChatRequest(record["messages"], record["schema"], record["schema_name"], record["sample"])
            key = bytes.fromhex(record["key"])
            if book.take(key, number, book.number_of(request.schema_name, request.schema)):
                # ASCII throughout: half characters and odd line separators cannot break a line
                yield (
                    key,
                    json.dumps(
                        {"custom_id": key.hex(), "method": "POST", "url": URL, "body": request_body(config, request, **dialect._asdict())},
                        separators=(",", ":"),
                    ).encode()
                    + b"\n",
                )

    source = lines(0)  # 0: not in any file yet
    line = next(source, None)
    while line is not None:
        number, sha, count, size, read = first + len(files), hashlib.sha256(), 0, 0, 0
        with whole_file(folder / f"{number:04}.jsonl") as beside, open(beside, "wb") as file:
            while line is not None:
                key, data = line
                more = len(data) // BYTES_PER_TOKEN_LEAST + 1 + TOKENS_AROUND
                too_dear = (
                    limits.cost is not None and config.prices is not None and config.prices.of(read + more, (count + 1) * config.max_tokens) > limits.cost
                )
                if count and (count >= limits.requests or size + len(data) > limits.size or too_dear):
                    break
                file.write(data)
                sha.update(data)
                book.move(key, number)
                count, size, read = count + 1, size + len(data), read + more
                line = next(source, None)
        made = BatchFile(number, sha.hexdigest()[:16], count, size, read, count * config.max_tokens, dialect)
        made.save(folder)
        files.append(made)
    book.commit()
    return files


def halve(book: Book, file: BatchFile, folder: Path, first: int, write_most: int) -> list[BatchFile]:
    """Two files in place of one that the server finds too large.

    Args:
        book: of the folder.
        file: as it was.
        folder: of the batches.
        first: number of the first of them.
        write_most: output tokens of one request, at the most.
    """
    halves = []
    with open(file.path(folder), "rb") as source:
        for number, count in ((first, file.requests // 2), (first + 1, file.requests - file.requests // 2)):
            sha, size = hashlib.sha256(), 0
            with whole_file(folder / f"{number:04}.jsonl") as beside, open(beside, "wb") as target:
                for _ in range(count):
                    line = source.readline()
                    target.write(line)
                    sha.update(line)
                    size += len(line)
                    book.move(bytes.fromhex(json.loads(line)["custom_id"]), number)
            half = BatchFile(
                number, sha.hexdigest()[:16], count, size, size // BYTES_PER_TOKEN_LEAST + (1 + TOKENS_AROUND) * count, count * write_most, file.dialect
            )
            half.save(folder)
            halves.append(half)
    book.commit()
    return halves

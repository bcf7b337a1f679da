"""Replies kept in SQLite, so that a repeated run sends no request.

One row a reply, keyed by the hash of the canonical request; neither the request nor a key is stored. The file is in WAL mode: two processes may share it.
Writes go through one thread that commits at most every `COMMIT_EVERY` seconds, so kill -9 loses less than a second of replies and no request waits for the disk.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cp_paraling_qa.errors import StorageError

COMMIT_EVERY = 0.5
"""Seconds between commits, at most: the most that a killed run loses."""

LOCK_WAIT = 30.0
"""Seconds to wait for another process's commit."""

_TABLE = """CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY, text TEXT NOT NULL, finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER
) WITHOUT ROWID"""


class CachedReply(NamedTuple):
    """What is kept of a good reply."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int


class ReplyCache:
    """A cache file, opened for reading in the caller's thread and for writing in one of its own.

    Args:
        path: the file; made with its folder where missing.

    Raises:
        StorageError: the file cannot be opened, is no database, or (later, from `get_many`, `put` and `close`) a write failed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._reader = self._connect()
            self._reader.execute(_TABLE)
            self._reader.commit()
        except (OSError, sqlite3.Error) as error:
            raise self._storage_error(error) from error
        self._waiting: queue.SimpleQueue[tuple[bytes, CachedReply] | None] = queue.SimpleQueue()
        self._failure: StorageError | None = None
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="llm-cache", daemon=True)
        self._writer.start()

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, CachedReply]:
        """The known ones among at most a few hundred keys."""
        self._check()
        marks = ",".join("?" * len(keys))
        try:
            rows = self._reader.execute(f"SELECT key, text, finish_reason, prompt_tokens, completion_tokens FROM replies WHERE key IN ({marks})", keys)
            return {row[0]: CachedReply(*row[1:]) for row in rows}
        except sqlite3.Error as error:
            raise self._storage_error(error) from error

    def put(self, key: bytes, reply: CachedReply) -> None:
        """Keep a reply; it is on disk within `COMMIT_EVERY` seconds. May be called from any thread."""
        self._check()
        self._waiting.put((key, reply))

    def close(self) -> None:
        """Write what is waiting and close the file."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._writer.join()
        self._reader.close()
        self._check()

    def _connect(self) -> sqlite3.Connection:
        # check_same_thread: a stage may be made in one thread and closed in another; each connection still has one user at a time.
        connection = sqlite3.connect(self.path, timeout=LOCK_WAIT, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # a power cut may lose the last commits, never the file
        return connection

    def _write(self) -> None:
        try:
            connection = self._connect()
            try:
                while batch := self._gather():
                    with connection:
                        connection.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)", [(key, *reply) for key, reply in batch])
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            self._failure = self._storage_error(error)

    def _gather(self) -> list[tuple[bytes, CachedReply]]:
        """Everything that arrives until the next commit; empty when closing."""
        first = self._waiting.get()
        if first is None:
            return []
        batch = [first]
        until = time.monotonic() + COMMIT_EVERY
        while (left := until - time.monotonic()) > 0:
            try:
                item = self._waiting.get(timeout=left)
            except queue.Empty:
                break
            if item is None:
                self._waiting.put(None)  # for the next round, which then ends
                break
            batch.append(item)
        return batch

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _storage_error(self, error: Exception) -> StorageError:
        return StorageError(f"the LLM reply cache {self.path} cannot be used ({error}): free some space, or name another file")

"""Replies kept in SQLite, so that a repeated run sends no request.

One row a reply, keyed by the hash of the canonical request; neither the request nor a key is stored. The file is in WAL mode: two processes may share it.
Writes go through one thread that commits every `COMMIT_EVERY` seconds, so kill -9 loses less than a second of replies and no request waits for the disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from cp_paraling_qa.errors import StorageError

COMMIT_EVERY = 0.5
"""Seconds between commits: with the time of one commit, the most that a killed run loses."""

LOCK_WAIT = 30.0
"""Seconds to wait for another process's commit."""

ROWS_AT_ONCE = 100
"""Rows of one INSERT. Between two statements the interpreter's lock is handed over, which a busy thread may take milliseconds to give back."""

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
        read_only: look and leave no trace: nothing is made, not even SQLite's own files beside it.
        at_once: `put` commits in the thread that calls it, some 50 µs a reply, in place of within a second.

    Raises:
        StorageError: the file cannot be opened, is no database, or (later, from `get_many`, `put` and `close`) a write failed.
    """

    def __init__(self, path: Path, *, read_only: bool = False, at_once: bool = False) -> None:
        self.path, self.read_only = path, read_only
        self._at_once: sqlite3.Connection | None = None
        try:
            if read_only:
                self._reader = self._look()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._reader = self._connect()
                self._reader.execute(_TABLE)
                self._reader.commit()
                self._at_once = self._connect() if at_once else None
        except (OSError, sqlite3.Error) as error:
            raise self._storage_error(error) from error
        self._waiting: deque[tuple[bytes, CachedReply]] = deque()
        self._failure: StorageError | None = None
        self._closing = threading.Event()
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, CachedReply]:
        """The known ones among at most a few thousand keys."""
        self._check()
        marks = ",".join("?" * len(keys))
        try:
            rows = self._reader.execute(f"SELECT key, text, finish_reason, prompt_tokens, completion_tokens FROM replies WHERE key IN ({marks})", keys)
            return {row[0]: CachedReply._make(row[1:]) for row in rows}
        except sqlite3.Error as error:
            raise self._storage_error(error) from error

    def put(self, key: bytes, reply: CachedReply) -> None:
        """Keep a reply; it is on disk within a second. May be called from any thread, by `at_once` from one at a time."""
        self._check()
        if self.read_only:
            raise StorageError(f"the LLM reply cache {self.path} was opened for reading alone")
        if self._at_once is not None:
            try:
                with self._at_once:
                    _insert(self._at_once, [(key, reply)])
            except (sqlite3.Error, ValueError) as error:
                raise self._storage_error(error) from error
            return
        self._waiting.append((key, reply))
        if self._writer is None:
            with self._lock:
                if self._writer is None:
                    self._writer = threading.Thread(target=self._write, name="llm-cache", daemon=True)
                    self._writer.start()

    def close(self) -> None:
        """Write what is waiting and close the file."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._writer is not None:
            self._writer.join()
        if self._at_once is not None:
            self._at_once.close()
        self._reader.close()
        self._check()

    def _look(self) -> sqlite3.Connection:
        # Without a log beside it nobody has the file open, and SQLite need not make one for its locks.
        how = "mode=ro" if Path(f"{self.path}-wal").exists() else "mode=ro&immutable=1"
        connection = sqlite3.connect(f"file:{quote(str(self.path.absolute()))}?{how}", uri=True, timeout=LOCK_WAIT, check_same_thread=False)
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'replies'").fetchone():
            connection.execute(_TABLE.replace("CREATE TABLE IF NOT EXISTS", "CREATE TEMP TABLE"))  # a file that was made and never used
        return connection

    def _connect(self) -> sqlite3.Connection:
        # check_same_thread: a stage may be made in one thread and closed in another; each connection still has one user at a time.
        connection = sqlite3.connect(self.path, timeout=LOCK_WAIT, check_same_thread=False)
        until = time.monotonic() + LOCK_WAIT
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:  # two processes that start together: this one lock is not waited for by SQLite itself
                if "locked" not in str(error) or time.monotonic() > until:
                    connection.close()
                    raise
                time.sleep(0.02)
        connection.execute("PRAGMA synchronous=NORMAL")  # a power cut may lose the last commits, never the file
        return connection

    def _write(self) -> None:
        try:
            with contextlib.closing(self._connect()) as connection:
                while True:
                    last = self._closing.wait(COMMIT_EVERY)
                    batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
                    if batch:
                        with connection:
                            for at in range(0, len(batch), ROWS_AT_ONCE):
                                _insert(connection, batch[at : at + ROWS_AT_ONCE])
                    if last and not self._waiting:
                        return
        except (OSError, sqlite3.Error, ValueError) as error:
            self._failure = self._storage_error(error)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _storage_error(self, error: Exception) -> StorageError:
        return StorageError(f"the LLM reply cache {self.path} cannot be used ({error}): free some space, or name another file")


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[bytes, CachedReply]]) -> None:
    places = ",".join(["(?,?,?,?,?)"] * len(rows))
    connection.execute(f"INSERT OR REPLACE INTO replies VALUES {places}", [value for key, reply in rows for value in (key, *reply)])

"""Where every request of a batch folder stands, by the key of its reply: a million of them in one SQLite file, none in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cp_paraling_qa.errors import StorageError
from cp_paraling_qa.llm_dialect import Dialect
from cp_paraling_qa.llm_types import ChatRequest, LLMConfig


class Standing(NamedTuple):
    """Where a request stands: the batch it is under way in (or None), how often it was sent, and why it failed (None where it did not)."""

    batch: int | None
    sends: int
    reason: str | None
    detail: str
    passing: bool


_TABLES = """
CREATE TABLE IF NOT EXISTS requests (key BLOB PRIMARY KEY, batch INTEGER, schema INTEGER, sends INTEGER NOT NULL DEFAULT 0, reason TEXT, detail TEXT NOT NULL DEFAULT '',
    passing INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS under_way ON requests (batch) WHERE batch IS NOT NULL;
CREATE TABLE IF NOT EXISTS schemas (number INTEGER PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (name, body));
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Book:
    """Where every request of a batch folder stands. Changes are seen by others from `commit()` on.

    Args:
        folder: made where missing.

    Raises:
        StorageError: the file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "requests.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30.0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")  # a power cut may lose the last commits, never the file
            self._db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error
        self._schemas: dict[int, tuple[str, dict[str, Any] | None]] = {}
        self._numbers: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def standing(self, keys: Sequence[bytes]) -> dict[bytes, Standing]:
        """The known ones among at most a few hundred keys."""
        marks = ",".join("?" * len(keys))
        rows = self._run(f"SELECT key, batch, sends, reason, detail, passing FROM requests WHERE key IN ({marks})", keys)
        return {key: Standing(batch, sends, reason, detail, bool(passing)) for key, batch, sends, reason, detail, passing in rows}

    def take(self, key: bytes, batch: int, schema: int) -> bool:
        """Put a request into a batch; False where it is under way already."""
        done = self._run(
            "INSERT INTO requests (key, batch, schema) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET batch = excluded.batch, schema = excluded.schema"
            " WHERE requests.batch IS NULL",
            (key, batch, schema),
        )
        return done.rowcount == 1

    def move(self, key: bytes, batch: int) -> None:
        """To another batch, before either was taken by the server."""
        self._run("UPDATE requests SET batch = ? WHERE key = ?", (batch, key))

    def asked(self, key: bytes, batch: int) -> ChatRequest | None:
        """What must be known of a request to read its reply; None where it is not under way in this batch."""
        row = self._run("SELECT schema FROM requests WHERE key = ? AND batch = ?", (key, batch)).fetchone()
        if row is None:
            return None
        name, schema = self._schema(row[0])
        return ChatRequest((), schema, name, key=key)

    def settle(self, key: bytes, batch: int, reason: str | None = None, detail: str = "", *, passing: bool = False) -> None:
        """A request of a batch came back: good, or failed for a reason."""
        self._run(
            "UPDATE requests SET batch = NULL, sends = sends + 1, reason = ?, detail = ?, passing = ? WHERE key = ? AND batch = ?",
            (reason, detail[:300], passing, key, batch),
        )

    def settle_rest(self, batch: int, reason: str) -> int:
        """What never came back from a batch has failed, and may be sent again. How many there were."""
        done = self._run("UPDATE requests SET batch = NULL, sends = sends + 1, reason = ?, detail = '', passing = 1 WHERE batch = ?", (reason, batch))
        return done.rowcount

    def release(self, key: bytes, batch: int) -> None:
        """A request that the server never took is as if it had not been sent."""
        self._run("UPDATE requests SET batch = NULL WHERE key = ? AND batch = ?", (key, batch))

    def release_all(self, batch: int) -> None:
        """As `release`, for a whole batch."""
        self._run("UPDATE requests SET batch = NULL WHERE batch = ?", (batch,))

    def under_way(self) -> set[int]:
        """Batches that hold requests."""
        return {row[0] for row in self._run("SELECT DISTINCT batch FROM requests WHERE batch IS NOT NULL")}

    def any_good(self) -> bool:
        """Whether this folder ever had a usable reply."""
        return self._run("SELECT 1 FROM requests WHERE sends > 0 AND reason IS NULL LIMIT 1").fetchone() is not None

    def failures(self) -> dict[str, int]:
        """Requests that have failed, by reason, most frequent first."""
        return dict(self._run("SELECT reason, COUNT(*) FROM requests WHERE reason IS NOT NULL AND batch IS NULL GROUP BY reason ORDER BY 2 DESC, 1").fetchall())

    def forgive(self) -> None:
        """Failures that may pass are forgotten: a new command tries them anew."""
        self._run("UPDATE requests SET sends = 0, reason = NULL, passing = 0 WHERE passing = 1 AND batch IS NULL")
        self.commit()

    def number_of(self, name: str, schema: Mapping[str, Any] | None) -> int:
        """A short name for a schema."""
        body = json.dumps(schema, sort_keys=True)
        if (name, body) not in self._numbers:
            self._run("INSERT OR IGNORE INTO schemas (name, body) VALUES (?, ?)", (name, body))
            self._numbers[name, body] = self._run("SELECT number FROM schemas WHERE name = ? AND body = ?", (name, body)).fetchone()[0]
        return self._numbers[name, body]

    def dialect(self, config: LLMConfig) -> Dialect:
        """How this folder's server is asked: as it was found to want it, in the reply format that the config names."""
        row = self._run("SELECT value FROM notes WHERE name = 'dialect'").fetchone()
        known = Dialect(*json.loads(row[0])) if row else Dialect()
        return known if config.reply_format == "auto" else known._replace(mode=config.reply_format)

    def learn(self, dialect: Dialect) -> None:
        """Ask so from now on."""
        self._run("INSERT OR REPLACE INTO notes VALUES ('dialect', ?)", (json.dumps(dialect),))

    def commit(self) -> None:
        """Keep what changed."""
        try:
            self._db.commit()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def rollback(self) -> None:
        """Forget what changed since the last commit."""
        self._db.rollback()

    def _schema(self, number: int) -> tuple[str, dict[str, Any] | None]:
        if number not in self._schemas:
            name, body = self._run("SELECT name, body FROM schemas WHERE number = ?", (number,)).fetchone()
            self._schemas[number] = name, json.loads(body)
        return self._schemas[number]

    def _run(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StorageError:
        return StorageError(f"the batch folder's {self.path} cannot be used ({error}): free some space, or choose another folder")

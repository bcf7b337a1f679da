"""What was found among a speaker's questions, so that a run that was killed, or to which a few clips were added, does not embed everything again. One SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path


class Memo:
    """Key → qa_id → reason; a key names the questions, the rules and the embedder.

    Args:
        path: the file; one that cannot be read is made anew, it holds nothing that could not be found again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: set[str] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.base = self._open()
        except sqlite3.DatabaseError:
            for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                name.unlink(missing_ok=True)
            self.base = self._open()

    def _open(self) -> sqlite3.Connection:
        base = sqlite3.connect(self.path)
        try:
            base.execute("PRAGMA journal_mode=WAL")
            base.execute("CREATE TABLE IF NOT EXISTS found (key TEXT PRIMARY KEY, gone TEXT NOT NULL) WITHOUT ROWID")
        except sqlite3.DatabaseError:
            base.close()
            raise
        return base

    def get(self, key: str) -> dict[str, str] | None:
        """What was found; None where nobody looked."""
        self.used.add(key)
        row = self.base.execute("SELECT gone FROM found WHERE key = ?", (key,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def put(self, found: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Keeps several, at once."""
        with self.base:
            self.base.executemany("INSERT OR REPLACE INTO found VALUES (?, ?)", ((key, json.dumps(gone)) for key, gone in found))

    def forget_others(self) -> None:
        """Forgets what nobody asked for since the file was opened."""
        with self.base:
            self.base.execute("CREATE TEMP TABLE used (key TEXT PRIMARY KEY) WITHOUT ROWID")
            self.base.executemany("INSERT INTO used VALUES (?)", ((key,) for key in self.used))
            self.base.execute("DELETE FROM found WHERE key NOT IN (SELECT key FROM used)")

    def close(self) -> None:
        """Closes the file."""
        self.base.close()

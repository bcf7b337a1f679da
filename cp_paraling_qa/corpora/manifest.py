"""corpus folders → RUN/manifest: every usable clip once, every other one counted and named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cp_paraling_qa import audio
from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.errors import AudioError, CorpusError, StageError
from cp_paraling_qa.schema import CLIP_SCHEMA, Seconds
from cp_paraling_qa.stage import Drop, Outcome, Part, Row, digest, finish, read_part, run, write_json

CORPORA = "corpora.json"
FIRST_PART = 64


class ManifestStage:
    """Looks at each record's audio: reads it whole, names it by its samples, measures it.

    Args:
        corpus: the corpus's name.
        root: its folder.
        min_seconds: shorter clips are left behind.
        max_seconds: longer clips are left behind.
    """

    name = "manifest"
    version = 1
    schema = CLIP_SCHEMA

    def __init__(self, corpus: str, root: Path, *, min_seconds: Seconds = audio.MIN_SECONDS, max_seconds: Seconds = audio.MAX_SECONDS) -> None:
        self.corpus, self.root, self.min_seconds, self.max_seconds = corpus, root, min_seconds, max_seconds
        self.config = {"corpus": corpus, "min_seconds": min_seconds, "max_seconds": max_seconds}
        self.drops: list[Drop] = []

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Records and drops of the corpus reader in, manifest rows out."""
        clips = []
        for row in rows:
            if "reason" in row:
                self.drops.append(Drop(**row))
                continue
            try:
                clips.append(self._clip(row))
            except AudioError as error:
                self.drops.append(Drop(f"{self.corpus}/{row['audio_path']}", error.reason, error.detail))
        return clips

    def _clip(self, row: Row) -> Row:
        samples, rate = audio.read(self.root / row["audio_path"], start=row["start"], end=row["end"])
        start = row["start"] or 0.0
        duration = len(samples) / rate
        if duration < self.min_seconds:
            raise AudioError(f"shorter than {self.min_seconds:g} s", f"{duration:.3f} s; nothing can be heard in it")
        if duration > self.max_seconds:
            raise AudioError(
                f"longer than {self.max_seconds:g} s",
                f"{duration:.4f} s; speech encoders hear {audio.MAX_SECONDS:g} s: cut it (columns start and end), or raise --max-seconds",
            )
        end = start + duration
        return {
            "clip_id": audio.clip_id(samples, rate, start, end),
            "corpus": self.corpus,
            **row,
            "start": start,
            "end": end,
            "duration": duration,
            "sampling_rate": rate,
        }


def _parts(entry: Entry, chain: list[str]) -> Iterator[Part]:
    """Records in parts that grow with the corpus (64 rows each at first, so that a kill costs little; longer later, so that a million rows are not 15,000 files).

    Each part's content covers the parts before it, since what counts as a duplicate depends on them.
    """
    corpus, root = entry.name, Path(entry.root)
    number, size = 0, FIRST_PART
    rows: list[Row] = []
    stats: list[tuple[int, int] | None] = []

    def close() -> Part:
        chain[0] = digest(chain[0], rows, stats)
        return Part(f"{corpus}-{number:05d}", chain[0], list(rows))

    for item in corpus_named(entry.reader).records(root):
        if isinstance(item, Drop):
            rows.append(Drop(f"{corpus}/{item.item}", item.reason, item.detail)._asdict())
        else:
            rows.append(item)
            stats.append(_stat(root / item["audio_path"]))
        if len(rows) >= size:
            yield close()
            number, rows, stats = number + 1, [], []
            size = FIRST_PART * (1 + number // 64)
    if rows:
        yield close()


def _stat(path: Path) -> tuple[int, int] | None:
    """Size and time of change: a file that was replaced is read again."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


class _Duplicates:
    """Leaves out clips whose samples were seen before, over all corpora of a run."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}

    def seen(self, path: Path) -> None:
        for row in read_part(path, ["clip_id", "corpus", "audio_path"]):
            self.first.setdefault(row["clip_id"], f"{row['corpus']}/{row['audio_path']}")

    def accept(self, rows: list[Row], drops: list[Drop]) -> list[Row]:
        kept = []
        for row in rows:
            where = f"{row['corpus']}/{row['audio_path']}"
            if row["clip_id"] in self.first:
                drops.append(Drop(where, "duplicate audio", f"the same samples as {self.first[row['clip_id']]}"))
            else:
                self.first[row["clip_id"]] = where
                kept.append(row)
        return kept


@dataclass(frozen=True)
class Entry:
    """A corpus of a run.

    Args:
        name: in rows and part names: the reader's, or with the folder's name behind it where a reader has several.
        reader: its name in the registry.
        root: the corpus folder.
        min_seconds: shorter clips are left behind.
        max_seconds: longer clips are left behind.
    """

    name: str
    reader: str
    root: str
    min_seconds: Seconds
    max_seconds: Seconds


def corpora_of(run_folder: Path) -> list[Entry]:
    """The corpora of a run, in the order in which they came. Kept apart from `_stage.json`, which is away while the manifest is in the making.

    Raises:
        StageError: the file cannot be read.
    """
    path = run_folder / CORPORA
    if not path.exists():
        return []
    try:
        return [Entry(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise StageError(f"{path} cannot be read ({error}): delete it, and read the corpora again with `cpqa corpus`") from None


def add_corpora(entries: Iterable[Entry], more: Iterable[tuple[str, Path]], min_seconds: Seconds, max_seconds: Seconds) -> list[Entry]:
    """A run's corpora with more of them.

    The same reader with the same folder is the same corpus, read again; with another folder it is one more, unless the first one's folder has gone: then it moved.
    """
    found = {entry.name: entry for entry in entries}
    for reader, folder in more:
        root = folder.resolve()
        mine = [entry for entry in found.values() if entry.reader == reader]
        name = next((entry.name for entry in mine if Path(entry.root) == root), None) or next(
            (entry.name for entry in mine if not Path(entry.root).exists()), None
        )
        if name is None:
            plain = re.sub(r"[^\w.-]+", "-", root.name).strip("-.") or "corpus"
            free = (reader, f"{reader}-{plain}", *(f"{reader}-{plain}-{number}" for number in range(2, len(found) + 3)))
            name = next(candidate for candidate in free if candidate not in found)
        found[name] = Entry(name, reader, str(root), min_seconds, max_seconds)
    return list(found.values())


def make_manifest(
    run_folder: Path,
    corpora: Iterable[tuple[str, Path]],
    *,
    keep_others: bool = True,
    workers: int = 0,
    min_seconds: Seconds = audio.MIN_SECONDS,
    max_seconds: Seconds = audio.MAX_SECONDS,
    progress: Callable[[int, Outcome], None] | None = None,
) -> dict[str, Any]:
    """Reads corpora into RUN/manifest.

    Args:
        run_folder: RUN.
        corpora: (reader, root) pairs; see `add_corpora`.
        keep_others: whether corpora that the run has from before stay.
        workers: processes that read audio beside this one.
        min_seconds: shorter clips of these corpora are left behind, counted.
        max_seconds: longer clips of these corpora are left behind, counted.
        progress: see `stage.run`.

    Returns:
        the stage's record.

    Raises:
        CorpusError: a folder is missing, empty, or no clip of it can be used; the run then keeps the corpora that it had.
    """
    folder, before = run_folder / "manifest", corpora_of(run_folder)
    entries = add_corpora(before if keep_others else [], corpora, min_seconds, max_seconds)
    for entry in entries:
        corpus_named(entry.reader)
    write_json(run_folder / CORPORA, [asdict(entry) for entry in entries])  # first of all: a killed run knows what it was to read
    duplicates, chain = _Duplicates(), [""]
    outcomes: dict[str, Outcome] = {}
    try:
        for entry in entries:
            stage = ManifestStage(entry.name, Path(entry.root), min_seconds=entry.min_seconds, max_seconds=entry.max_seconds)
            parts = _parts(entry, chain)
            outcome = run(stage, parts, folder, workers=workers, progress=progress, accept=duplicates.accept, seen=duplicates.seen)
            if not outcome.rows_out:
                why = ", ".join(f"{count} × {reason}" for reason, count in outcome.counts().items()) or "the folder holds no clips"
                raise CorpusError(f"no usable clip in {entry.root}: {why}. Corpus {entry.reader!r} expects {corpus_named(entry.reader).layout}.")
            outcomes[entry.name] = outcome
    except CorpusError:
        write_json(run_folder / CORPORA, [asdict(entry) for entry in before])
        raise
    return finish(
        folder,
        "manifest",
        outcomes,
        {"corpora": {entry.name: entry.root for entry in entries}, "limits": {entry.name: [entry.min_seconds, entry.max_seconds] for entry in entries}},
    )

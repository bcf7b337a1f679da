"""Stages: folders of Parquet parts, each whole or absent, with `_stage.json` written last.

A stage is a plain object: `setup()` loads what is heavy, `__call__(rows) -> rows` does the work. It says what shapes its rows (`config`, `version`) and what
it leaves behind (`drops`, reasons included). It never knows where it runs: here, in worker processes, or on a cluster (`ray_engine`). Parts are written here alone.

One input part becomes one output part of the same name. A part carries, in its Parquet metadata, the key of what it was made from (the input part's content, the
stage's config and version), so a part is either exactly what a run would write, or is made again. That one rule gives skipping, resuming after kill -9, and
recomputing only what changed. Work is redone for the one part that was in the making, and for parts with rows that failed for passing reasons.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from cp_paraling_qa import __version__
from cp_paraling_qa.digests import digest, file_digest, table_digest
from cp_paraling_qa.errors import CPQAError, StageError, StorageError
from cp_paraling_qa.schema import Seconds, table

Row = dict[str, Any]
RECORD = "_stage.json"
_META = b"cpqa"


class Drop(NamedTuple):
    """Something that did not become a row: its name, a countable reason, and what is special about it."""

    item: str
    reason: str
    detail: str = ""


class Stage(Protocol):
    """What `run` needs of a stage."""

    name: str
    version: int
    schema: pa.Schema
    drops: list[Drop]

    @property
    def config(self) -> dict[str, Any]:
        """All that shapes the rows, JSON-able."""

    def setup(self) -> None:
        """Loads what is heavy; called once in each process that works."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Rows of one part in, rows out; `drops` then holds what was left behind in this call."""


@dataclass
class Part:
    """One part to be made.

    Args:
        name: of the file, without `.parquet`.
        content: identifies what goes in; equal content, equal rows.
        source: the input part, or the rows themselves where they are light.
    """

    name: str
    content: str
    source: Path | list[Row]

    def rows(self) -> list[Row]:
        """The input rows."""
        return self.source if isinstance(self.source, list) else read_part(self.source)


Worked = tuple[list[Row], list[Drop], int, int, Seconds]
"""What became of a part: rows, drops, how many rows failed for passing reasons, rows in, seconds."""


class Engine(AbstractContextManager["Engine"], Protocol):
    """Somewhere else to work. What it holds (a connection, models that are loaded) may be kept for several stages by `with engine:`."""

    def results(self, stage: Stage, parts: Iterable[Part]) -> Generator[tuple[Part, Worked], None, None]:
        """Each part with what became of it, once, in any order. Errors of the stage come out as they are."""


@dataclass
class Outcome:
    """What a run of a stage came to, as it stands in `_stage.json`."""

    stage: str
    key: str = ""
    rows_in: int = 0
    rows_out: int = 0
    parts: dict[str, str] = field(default_factory=dict)
    made: int = 0
    transient: int = 0
    seconds: Seconds = 0.0
    drops: list[Drop] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Drops by reason, most frequent first."""
        return dict(Counter(drop.reason for drop in self.drops).most_common())


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes its place when the block ends, and goes away when it fails.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, path)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"writing {path} failed: {error.strerror or error}. {_remedy(error)}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) or "space" in str(error).lower():
        return "Free some space or choose another folder, then run the same command again: it goes on from here."
    return "Choose a folder that can be written, or change its permissions, then run the same command again."


def write_json(path: Path, value: Any) -> None:
    """A JSON file, whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def parts_of(folder: Path) -> list[Path]:
    """The finished parts of a finished stage folder, in order.

    Raises:
        StageError: the stage before has not finished.
    """
    record = read_record(folder)
    if record is None:
        raise StageError(f"{folder} is not finished: run the stage that makes it (`cpqa {COMMANDS.get(folder.name, 'build')} …`) first")
    return [folder / f"{name}.parquet" for name in record["parts"]]


def clips_folder(run: Path) -> Path:
    """The clips that questions are asked about: RUN/condensed where the run was condensed, else RUN/clips."""
    return run / ("condensed" if (run / "condensed").is_dir() else "clips")


def check_clips(run: Path, *more: str) -> dict[str, dict[str, Any]]:
    """As `check_chain`, from the manifest to the clips that questions are asked about, under the name `clips`, and on to `more`."""
    chosen = clips_folder(run).name
    records = check_chain(run, "manifest", "annotations", "clips", *(["condensed"] if chosen == "condensed" else []), *more)
    return records | {"clips": records[chosen]}


COMMANDS = {
    "manifest": "corpus",
    "annotations": "annotate",
    "clips": "annotate",
    "condensed": "condense",
    "written": "generate",
    "questions": "generate",
    "dataset": "assemble",
}


def read_record(folder: Path) -> dict[str, Any] | None:
    """`_stage.json` of a folder; None where the stage has not finished."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise StageError(f"{folder / RECORD} cannot be read ({error}): delete it and run the stage again") from None
    return record


def check_chain(run: Path, *names: str) -> dict[str, dict[str, Any]]:
    """The records of stages that follow each other, each made from the one before as it is now.

    Raises:
        StageError: the run folder is not there, a stage has not finished, or the one before it was made anew since; says what to run.
    """
    if not run.is_dir():
        raise StageError(f"there is no run folder {run}: `cpqa corpus NAME ROOT --run {run}` makes one")
    records: dict[str, dict[str, Any]] = {}
    for before, name in zip((None, *names), names, strict=False):
        record = read_record(run / name)
        if record is None:
            raise StageError(f"{run / name} is not finished: run `cpqa {COMMANDS[name]} …` first")
        if before is not None and record.get("made_from") != records[before]["key"]:
            raise StageError(f"{run / name} was made from other {before} than there are now: run `cpqa {COMMANDS[name]} {run}` again")
        records[name] = record
    return records


def read_rows(folder: Path, columns: list[str] | None = None) -> Iterator[Row]:
    """All rows of a finished stage folder, part by part, in order."""
    for path in parts_of(folder):
        yield from read_part(path, columns)


def read_part(path: Path, columns: list[str] | None = None) -> list[Row]:
    """The rows of one Parquet file."""
    rows: list[Row] = pq.read_table(path, columns=columns).to_pylist()
    return rows


def next_parts(folder: Path) -> list[Part]:
    """The parts of a finished folder as input of the next stage."""
    return [Part(path.stem, content_of(path), path) for path in parts_of(folder)]


def content_of(path: Path) -> str:
    """Identifies a part's rows, and nothing that differs from run to run; a file of another program is known by its bytes."""
    meta = _read_part(path)
    return file_digest(path) if meta is None else str(meta["content"])


def drops_of(path: Path) -> list[Drop]:
    """What the making of a part left behind; nothing where the part is not there."""
    meta = _read_part(path)
    return [] if meta is None else [Drop(*drop) for drop in meta["drops"]]


@contextmanager
def locked(run: Path, *, make: bool = True) -> Iterator[None]:
    """Holds a run folder for this process, so that two commands never write the same parts.

    Args:
        run: the folder.
        make: whether to make it where it is missing.

    Raises:
        StageError: another process works on it, or it is missing.
    """
    from filelock import FileLock, Timeout

    if not make and not run.is_dir():
        raise StageError(f"there is no run folder {run}: `cpqa corpus NAME ROOT --run {run}` makes one")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the run folder {run}: {error.strerror}. Choose another with --run.") from error
    lock = FileLock(run / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StageError(f"another process works on {run}: wait for it, or use another run folder") from None
    try:
        yield
    finally:
        lock.release()


def _part_key(stage: Stage, part: Part) -> str:
    return digest(stage.name, stage.version, __version__, stage.config, part.content)


def _read_part(path: Path) -> dict[str, Any] | None:
    """What a part says of itself; None where it is not one of ours or not whole."""
    try:
        meta = pq.read_schema(path).metadata or {}
        found: dict[str, Any] = json.loads(meta[_META])
    except (OSError, KeyError, ValueError, pa.ArrowInvalid):
        return None
    return found if "content" in found else None


def _write_part(path: Path, rows: pa.Table, meta: Mapping[str, Any]) -> None:
    with whole_file(path) as beside:
        pq.write_table(rows.replace_schema_metadata({_META: json.dumps(meta, ensure_ascii=False)}), beside, compression="zstd")


def work(stage: Stage, part: Part) -> Worked:
    """One part's rows in and out, in whatever process; the stage is set up."""
    started = time.perf_counter()
    rows = part.rows()
    stage.drops = []
    made = stage(rows)
    return made, stage.drops, getattr(stage, "transient", 0), len(rows), time.perf_counter() - started


class Failure(NamedTuple):
    """An error that the user is to read, on its way from another process: pickled as it is, one with a constructor of its own would not come back."""

    kind: type[CPQAError]
    arguments: tuple[Any, ...]
    more: dict[str, Any]

    def error(self) -> CPQAError:
        """The error as it was raised."""
        error = self.kind.__new__(self.kind, *self.arguments)
        error.args = self.arguments
        vars(error).update(self.more)
        return error


class Workplace:
    """A stage in another process, set up with the first part that comes there."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.ready = stage, False

    def __call__(self, part: Part) -> Worked | Failure:
        """What became of a part."""
        try:
            if not self.ready:
                self.stage.setup()
                self.ready = True
            return work(self.stage, part)
        except CPQAError as error:
            return Failure(type(error), error.args, vars(error))


_here: Workplace | None = None


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _start_worker(stage: Stage) -> None:
    """Makes a worker ready, and ends it with its parent, which after kill -9 can no longer tell it to."""
    global _here
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _here = Workplace(stage)


def _work_here(part: Part) -> Worked | Failure:
    assert _here is not None
    return _here(part)


def worked(result: Worked | Failure) -> Worked:
    """What came back from another process; an error there is an error here."""
    if isinstance(result, Failure):
        raise result.error()
    return result


def _results(stage: Stage, parts: Iterable[Part], workers: int) -> Generator[tuple[Part, Worked], None, None]:
    """Worked parts in the order of `parts`, at most two for each worker in flight."""
    if workers < 1:
        ready = False
        for part in parts:
            if not ready:
                stage.setup()
                ready = True
            yield part, work(stage, part)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (stage,)) as pool:
        waiting: list[tuple[Part, Future[Any]]] = []
        try:
            for part in parts:
                waiting.append((part, pool.submit(_work_here, part)))
                if len(waiting) >= 2 * workers:
                    first, future = waiting.pop(0)
                    yield first, worked(future.result())
            for first, future in waiting:
                yield first, worked(future.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run(
    stage: Stage,
    parts: Iterable[Part],
    folder: Path,
    *,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Callable[[int, Outcome], None] | None = None,
    accept: Callable[[list[Row], list[Drop]], list[Row]] | None = None,
    seen: Callable[[Path], None] | None = None,
) -> Outcome:
    """Makes every part that is not there yet, in order, and says what the whole came to. `finish` then closes the folder.

    Args:
        stage: does the work; must be picklable where `workers` ≥ 1 or an engine is given.
        parts: what to make; may be lazy.
        folder: where the parts go.
        workers: processes beside this one; 0 works here.
        engine: works instead of this machine's processes; parts are then written in the order in which they come back, unless `accept` asks for theirs.
        progress: called after each part with its number of input rows and the outcome so far.
        accept: sees each made part's rows before they are written, in order, and may leave some out (adding to the drops): rules over the whole corpus.
        seen: is shown each part that was there already, in its place, so that `accept` knows of it.

    Raises:
        StorageError: the disk is full. What is written stays.
    """
    outcome = Outcome(stage.name)
    keys: dict[str, str] = {}
    done: dict[str, dict[str, Any]] = {}
    turns: dict[str, Callable[[], None] | None] = {}  # where order counts: parts that are not settled yet, in order; None while they are in the making

    def missing() -> Iterator[Part]:
        for part in parts:
            keys[part.name] = key = _part_key(stage, part)
            path = folder / f"{part.name}.parquet"
            there = _read_part(path)
            if there is not None and there["key"] == key and not there["transient"]:
                settle(part.name, partial(keep, part.name, there, path))
            else:
                (folder / RECORD).unlink(missing_ok=True)  # the folder is in the making from here on
                if accept is not None:
                    turns[part.name] = None
                yield part

    def settle(name: str, act: Callable[[], None]) -> None:
        if accept is None:
            act()
            return
        turns[name] = act
        while turns and (due := turns[first := next(iter(turns))]) is not None:
            del turns[first]
            due()

    def keep(name: str, meta: dict[str, Any], path: Path) -> None:
        if seen is not None:
            seen(path)
        count(name, meta)

    def count(name: str, meta: dict[str, Any]) -> None:
        done[name] = meta
        outcome.rows_in += meta["rows_in"]
        outcome.rows_out += meta["rows_out"]
        outcome.seconds += meta["seconds"]
        outcome.transient += meta["transient"]
        outcome.drops += [Drop(*drop) for drop in meta["drops"]]
        if progress is not None:
            progress(meta["rows_in"], outcome)

    def write(name: str, result: Worked) -> None:
        rows, drops, transient, rows_in, seconds = result
        if accept is not None:
            rows = accept(rows, drops)
        made = table(rows, stage.schema)
        meta = {
            "key": keys[name],
            "content": table_digest(made),
            "rows_in": rows_in,
            "rows_out": len(rows),
            "transient": transient,
            "seconds": round(seconds, 3),
            "drops": [list(drop) for drop in drops],
        }
        _write_part(folder / f"{name}.parquet", made, meta)
        outcome.made += 1
        count(name, meta)

    with closing(_results(stage, missing(), workers) if engine is None else engine.results(stage, missing())) as results:
        for part, result in results:
            settle(part.name, partial(write, part.name, result))
    outcome.drops = [Drop(*drop) for name in keys if name in done for drop in done[name]["drops"]]  # in part order, in whatever order they came
    # by content, not by input alone: a model may answer anew, a failed request succeed, and what comes after must see it
    outcome.parts = {name: digest(key, done[name]["content"]) for name, key in keys.items() if name in done}
    outcome.key = digest(outcome.parts)
    return outcome


def finish(folder: Path, stage: str, outcomes: Mapping[str, Outcome], config: Mapping[str, Any], *, made_from: str | None = None) -> dict[str, Any]:
    """Closes a stage folder: removes what does not belong to it and writes `_stage.json`, last of all.

    Args:
        folder: the stage's folder.
        stage: its name.
        outcomes: what the runs that filled it came to, by name (one corpus, one annotator, …).
        config: what shaped the rows.
        made_from: the key of the stage before; None for the first one.

    Returns:
        the record as written: stage, code_version, config, key, parts, rows_in, rows_out, dropped (reason → count), dropped_items, retry (rows that failed for
        passing reasons and are tried again by the next run), seconds.
    """
    parts = [name for outcome in outcomes.values() for name in outcome.parts]
    known = set(parts)
    for path in folder.glob("*"):
        if path.is_file() and path.name != RECORD and path.stem not in known:
            path.unlink()
    drops = [drop for outcome in outcomes.values() for drop in outcome.drops]
    record = {
        "stage": stage,
        "code_version": __version__,
        "config": dict(config),
        "key": digest({name: outcome.key for name, outcome in outcomes.items()}),
        "made_from": made_from,
        "inputs": {name: outcome.key for name, outcome in outcomes.items()},
        "parts": parts,
        "rows_in": sum(outcome.rows_in for outcome in outcomes.values()),
        "rows_out": sum(outcome.rows_out for outcome in outcomes.values()),
        "dropped": dict(Counter(drop.reason for drop in drops).most_common()),
        "dropped_items": [drop._asdict() for drop in drops],
        "retry": sum(outcome.transient for outcome in outcomes.values()),
        "seconds": round(sum(outcome.seconds for outcome in outcomes.values()), 3),
    }
    write_json(folder / RECORD, record)
    return record

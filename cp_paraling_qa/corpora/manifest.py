"""corpus folders → RUN/manifest: every usable clip once, every other one counted and named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cp_paraling_qa import audio
from cp_paraling_qa.corpora import CORPORA, corpus_named
from cp_paraling_qa.corpora.cutting import cuts, pieces
from cp_paraling_qa.corpora.duplicates import Duplicates
from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import AudioError, CorpusError, StageError
from cp_paraling_qa.schema import CLIP_SCHEMA, Seconds
from cp_paraling_qa.stage import RECORD, Drop, Outcome, Part, Row, finish, read_record, run, write_json

CORPORA_FILE = "corpora.json"
FIRST_PART = 64


class ManifestStage:
    """Looks at each record's audio: reads it whole, names it by its samples, measures it.

    Args:
        corpus: the corpus's name.
        root: its folder.
        min_seconds: shorter clips are left behind.
        max_seconds: longer clips are left behind.
        cut: (shortest, longest) clip that recordings longer than this are cut into; None cuts nothing.
    """

    name = "manifest"
    version = 2
    schema = CLIP_SCHEMA

    def __init__(
        self,
        corpus: str,
        root: Path,
        *,
        min_seconds: Seconds = audio.MIN_SECONDS,
        max_seconds: Seconds = audio.MAX_SECONDS,
        cut: tuple[Seconds, Seconds] | None = None,
    ) -> None:
        self.corpus, self.root, self.min_seconds, self.max_seconds, self.cut = corpus, root, min_seconds, max_seconds, cut
        self.config = {"corpus": corpus, "min_seconds": min_seconds, "max_seconds": max_seconds, "cut": cut}
        self.drops: list[Drop] = []
        self.transient = 0

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Records and drops of the corpus reader in, manifest rows out."""
        clips = []
        self.transient = 0
        for row in rows:
            if "reason" in row:
                self.drops.append(Drop(**row))
                continue
            try:
                clips += self._clips(row)
            except AudioError as error:
                self._lost(row, error)
        return clips

    def _lost(self, row: Row, error: AudioError) -> None:
        span = "" if row["start"] is None else f" from {row['start']:.2f} s"
        self.drops.append(Drop(f"{self.corpus}/{row['audio_path']}{span}", error.reason, error.detail))
        self.transient += error.reason.endswith(audio.NEEDS_PYAV)  # it may be installed by the next run

    def _clips(self, row: Row) -> list[Row]:
        """One clip, or the pieces of a long recording."""
        samples, rate = audio.read(self.root / row["audio_path"], start=row["start"], end=row["end"])
        if self.cut is None or len(samples) <= self.cut[1] * rate:
            return [self._clip(row, samples, rate)]
        first = 0 if row["start"] is None else round(row["start"] * rate)
        places = cuts(samples, rate, *self.cut)
        made = []
        spans = list(zip(places, places[1:], strict=False))
        for (begin, end), piece in zip(spans, pieces(row, [(a / rate, b / rate) for a, b in spans]), strict=True):
            piece |= {"start": (first + begin) / rate, "end": (first + end) / rate}
            try:
                if not samples[begin:end].any():
                    raise AudioError("digital silence", "every sample is zero")
                made.append(self._clip(piece, samples[begin:end], rate))
            except AudioError as error:
                self._lost(piece, error)
        return made

    def _clip(self, row: Row, samples: Any, rate: int) -> Row:
        start = row["start"] or 0.0
        duration = len(samples) / rate
        if duration < self.min_seconds:
            raise AudioError(f"shorter than {self.min_seconds:g} s", f"{duration:.3f} s; nothing can be heard in it")
        if duration > self.max_seconds:
            raise AudioError(
                f"longer than {self.max_seconds:g} s",
                f"{duration:.4f} s; speech encoders hear {audio.MAX_SECONDS:g} s: cut it at its pauses with --clip-seconds 10-30, or raise --max-seconds",
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

    for item in corpus_named(entry.reader, entry.options).records(root):
        if isinstance(item, dict) and _utf8(item["audio_path"]) != item["audio_path"]:
            item = Drop(item["audio_path"], "file name is not UTF-8", "its bytes are shown as \\x..: rename it, e.g. with `convmv -f latin1 -t utf-8`")
        elif isinstance(item, dict) and not _writable(item):
            item = Drop(
                item["audio_path"],
                "text is not Unicode",
                "half of a character (a lone surrogate) stands in its transcript or labels: write the file anew as UTF-8",
            )
        if isinstance(item, Drop):
            rows.append(Drop(_utf8(f"{corpus}/{item.item}"), item.reason, _utf8(item.detail))._asdict())
        else:
            rows.append(item)
            stats.append(_stat(audio.file_of(root / item["audio_path"])))
        if len(rows) >= size:
            yield close()
            number, rows, stats = number + 1, [], []
            size = FIRST_PART * (1 + number // 64)
    if rows:
        yield close()


def _writable(value: Any) -> bool:
    """Whether all text in a record can be written as UTF-8; JSON can smuggle in halves of characters."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(map(_writable, value.values()))
    return not isinstance(value, list) or all(map(_writable, value))


def _utf8(name: str) -> str:
    r"""A file's name as text that can be written down: bytes of another alphabet become \x.. (Parquet and JSON hold UTF-8 alone)."""
    return name.encode("utf-8", "backslashreplace").decode().replace(r"\udc", r"\x") if not name.isprintable() else name


def _stat(path: Path) -> tuple[int, int] | None:
    """Size and time of change: a file that was replaced is read again."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


class Source(NamedTuple):
    """A corpus that is to be read: the reader's name, where it lies (a folder, or a Hub id where the reader takes one), and what else the reader is told."""

    reader: str
    root: Path | str
    options: dict[str, Any] = {}


@dataclass(frozen=True)
class Entry:
    """A corpus of a run.

    Args:
        name: in rows and part names: the reader's, or with the folder's name behind it where a reader has several.
        reader: its name in the registry.
        root: the corpus folder.
        min_seconds: shorter clips are left behind.
        max_seconds: longer clips are left behind.
        cut: see `ManifestStage`.
        options: what the reader is told besides.
    """

    name: str
    reader: str
    root: str
    min_seconds: Seconds = audio.MIN_SECONDS
    max_seconds: Seconds = audio.MAX_SECONDS
    cut: tuple[Seconds, Seconds] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def is_same(self, reader: str, root: Path, options: Mapping[str, Any]) -> bool:
        """Whether another source is this corpus, read again, perhaps with other columns."""
        return (self.reader, Path(self.root), self.options.get("subset")) == (reader, root, options.get("subset"))


@dataclass(frozen=True)
class Limits:
    """How long clips are, in seconds.

    Args:
        min_seconds: shorter clips are left behind, counted.
        max_seconds: longer clips are left behind, counted.
        cut: (shortest, longest) clip that longer recordings are cut into at pauses; None cuts nothing. What it allows, `max_seconds` does not forbid.
    """

    min_seconds: Seconds = audio.MIN_SECONDS
    max_seconds: Seconds = audio.MAX_SECONDS
    cut: tuple[Seconds, Seconds] | None = None


def corpora_of(run_folder: Path) -> list[Entry]:
    """The corpora of a run, in the order in which they came. Kept apart from `_stage.json`, which is away while the manifest is in the making.

    Raises:
        StageError: the file cannot be read.
    """
    path = run_folder / CORPORA_FILE
    if not path.exists():
        return []
    try:
        return [Entry(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise StageError(f"{path} cannot be read ({error}): delete it, and read the corpora again with `cpqa corpus`") from None


def add_corpora(entries: Iterable[Entry], more: Iterable[Source | tuple[str, Path]], limits: Limits) -> list[Entry]:
    """A run's corpora with more of them.

    The same reader with the same folder is the same corpus, read again; with another folder it is one more, unless the first one's folder has gone: then it moved.
    """
    found = {entry.name: entry for entry in entries}
    for source in more:
        reader, place, options = Source(*source)
        locate = getattr(corpus_named(reader, options), "locate", None)
        root = (Path(place) if locate is None else locate(str(place))).resolve()
        mine = [entry for entry in found.values() if entry.reader == reader]
        name = next((entry.name for entry in mine if entry.is_same(reader, root, options)), None) or next(
            (entry.name for entry in mine if not Path(entry.root).exists()), None
        )
        if name is None:
            told = str(options.get("subset") or (root.name if locate is None else Path(place).name))
            plain = re.sub(r"[^\w.-]+", "-", told).strip("-.") or "corpus"
            free = (reader, f"{reader}-{plain}", *(f"{reader}-{plain}-{number}" for number in range(2, len(found) + 3)))
            name = next(candidate for candidate in free if candidate not in found)
        longest = limits.max_seconds if limits.cut is None else max(limits.max_seconds, limits.cut[1])
        found[name] = Entry(name, reader, str(root), limits.min_seconds, longest, limits.cut, dict(options))
    return list(found.values())


def make_manifest(
    run_folder: Path,
    corpora: Iterable[Source | tuple[str, Path]],
    *,
    limits: Limits | None = None,
    keep_others: bool = True,
    workers: int = 0,
    progress: Callable[[int, Outcome], None] | None = None,
) -> dict[str, Any]:
    """Reads corpora into RUN/manifest.

    Args:
        run_folder: RUN.
        corpora: (reader, root) pairs, or `Source`s; see `add_corpora`.
        limits: how long the clips of these corpora are.
        keep_others: whether corpora that the run has from before stay.
        workers: processes that read audio beside this one.
        progress: see `stage.run`.

    Returns:
        the stage's record.

    Raises:
        CorpusError: a folder is missing, empty, or no clip of it can be used; the run then keeps the corpora that it had.
    """
    folder, before = run_folder / "manifest", corpora_of(run_folder)
    finished = read_record(folder)
    entries = add_corpora(before if keep_others else [], corpora, limits or Limits())
    write_json(run_folder / CORPORA_FILE, [asdict(entry) for entry in entries])  # first of all: a killed run knows what it was to read
    duplicates, chain = Duplicates(), [""]
    outcomes: dict[str, Outcome] = {}
    try:
        for entry in entries:
            stage = ManifestStage(entry.name, Path(entry.root), min_seconds=entry.min_seconds, max_seconds=entry.max_seconds, cut=entry.cut)
            parts = _parts(entry, chain)
            outcome = run(stage, parts, folder, workers=workers, progress=progress, accept=duplicates.accept, seen=duplicates.seen)
            if not outcome.rows_out:
                why = ", ".join(f"{count} × {reason}" for reason, count in outcome.counts().items()) or "the folder holds no clips"
                first = f" E.g. {outcome.drops[0].item}: {outcome.drops[0].detail or outcome.drops[0].reason}." if outcome.drops else ""
                raise CorpusError(f"no usable clip in {entry.root}: {why}.{first} Corpus {entry.reader!r} expects {CORPORA[entry.reader].layout}.")
            outcomes[entry.name] = outcome
    except CorpusError:
        write_json(run_folder / CORPORA_FILE, [asdict(entry) for entry in before])
        if finished and all(name in outcomes and outcomes[name].key == key for name, key in finished["inputs"].items()):
            write_json(folder / RECORD, finished)  # all that it was is still there: the new corpus alone failed
        raise
    return finish(
        folder,
        "manifest",
        outcomes,
        {
            "corpora": {entry.name: entry.root for entry in entries},
            "readers": {entry.name: entry.reader for entry in entries},
            "options": {entry.name: entry.options for entry in entries if entry.options},
            "limits": {entry.name: [entry.min_seconds, entry.max_seconds, entry.cut] for entry in entries},
        },
    )

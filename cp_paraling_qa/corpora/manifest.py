"""corpus folders → RUN/manifest: every usable clip once, every other one counted and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cp_paraling_qa import audio
from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.errors import AudioError, CorpusError
from cp_paraling_qa.schema import CLIP_SCHEMA, Seconds
from cp_paraling_qa.stage import Drop, Outcome, Part, Row, digest, finish, read_part, read_record, run

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
                f"{duration:.3f} s; speech encoders hear {audio.MAX_SECONDS:g} s: cut it (columns start and end), or raise --max-seconds",
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


def _parts(corpus: str, root: Path, chain: list[str]) -> Iterator[Part]:
    """Records in parts that grow with the corpus (64 rows each at first, so that a kill costs little; longer later, so that a million rows are not 15,000 files).

    Each part's content covers the parts before it, since what counts as a duplicate depends on them.
    """
    number, size = 0, FIRST_PART
    rows: list[Row] = []
    stats: list[tuple[int, int] | None] = []

    def close() -> Part:
        chain[0] = digest(chain[0], rows, stats)
        return Part(f"{corpus}-{number:05d}", chain[0], list(rows))

    for item in corpus_named(corpus).records(root):
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


def corpora_of(run_folder: Path) -> dict[str, str]:
    """The corpora of a run: name → root folder."""
    record = read_record(run_folder / "manifest")
    return dict(record["config"]["corpora"]) if record else {}


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
        corpora: (name, root) pairs; a corpus that the run has already is read again from its new root.
        keep_others: whether corpora that the run has from before stay.
        workers: processes that read audio beside this one.
        min_seconds: shorter clips are left behind, counted.
        max_seconds: longer clips are left behind, counted.
        progress: see `stage.run`.

    Returns:
        the stage's record.

    Raises:
        CorpusError: a folder is missing, empty, or no clip of it can be used.
    """
    folder = run_folder / "manifest"
    wanted: dict[str, Path] = {name: Path(root) for name, root in corpora_of(run_folder).items()} if keep_others else {}
    wanted |= {name: Path(root).resolve() for name, root in corpora}
    duplicates, chain, outcomes = _Duplicates(), [""], {}
    for name, root in wanted.items():
        stage = ManifestStage(name, root, min_seconds=min_seconds, max_seconds=max_seconds)
        outcome = run(stage, _parts(name, root, chain), folder, workers=workers, progress=progress, accept=duplicates.accept, seen=duplicates.seen)
        if not outcome.rows_out:
            raise CorpusError(
                f"no usable clip in {root}: {_reasons(outcome.counts()) or 'the folder holds no clips'}. Corpus {name!r} expects {corpus_named(name).layout}."
            )
        outcomes[name] = outcome
    config = {"corpora": {name: str(root) for name, root in wanted.items()}, "min_seconds": min_seconds, "max_seconds": max_seconds}
    return finish(folder, "manifest", outcomes, config)


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {reason}" for reason, count in counts.items())

"""RUN/clips + RUN/questions → RUN/dataset: a folder for `load_dataset(folder, config)`.

    README.md                                the card; its YAML names the files of every configuration
    data/<8 hex of their content>/<config>/<split>-00000-of-00001.parquet

The hash is in the path because `datasets` goes on serving its cache when files change under a path that it knows. The card is replaced last: whoever loads the
folder meanwhile gets the old data or the new, whole.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cp_paraling_qa import __version__
from cp_paraling_qa.dataset.card import gather, render_card
from cp_paraling_qa.dataset.metadata import MetadataOptions
from cp_paraling_qa.dataset.splits import SplitOptions, divide, whole_sets
from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import DatasetError, StorageError
from cp_paraling_qa.schema import features_metadata
from cp_paraling_qa.stage import check_clips, clips_folder, parts_of, read_record, read_rows, whole_file, write_json

ROW_GROUP = 100
"""Rows; small, so that a viewer can page through."""

SHARD_BYTES = 400 * 2**20
WORKSHOP = ".building"


def assemble(
    run_folder: Path,
    *,
    metadata: MetadataOptions | None = None,
    splits: SplitOptions | None = None,
    reference_only: bool = False,
    out: Path | None = None,
    workers: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Builds every configuration that the run has questions for.

    Args:
        run_folder: RUN, with clips and questions finished.
        metadata: what the metadata block of explicit and combined shows.
        splits: who is trained on and who is tested on.
        reference_only: leave the audio's bytes out; see `reference`.
        out: the dataset folder; None for RUN/dataset.
        workers: processes that read and encode audio.
        progress: called with each configuration's name when it is done.

    Returns:
        the stage's record; `configs` maps a configuration to its rows by split, `warnings` holds what the user should be told.

    Raises:
        DatasetError: audio has gone or changed, no split is possible, no LLM-written question was kept where an LLM was to write some, or `out` holds other things.
        StageError: a stage before has not finished, or was made anew since.
    """
    from cp_paraling_qa.dataset.builder import configs_for

    metadata, splits = metadata or MetadataOptions(), splits or SplitOptions()
    records = check_clips(run_folder, "written", "questions")
    manifest, clips_record, questions = records["manifest"], records["clips"], records["questions"]
    clips = clips_folder(run_folder)
    parts = [path.stem for path in parts_of(clips)]
    out = run_folder / "dataset" if out is None else _own_folder(out)
    light = list(read_rows(clips, ["clip_id", "corpus", "speaker_id", "dialogue_id", "gender", "split"]))
    if not light:
        raise DatasetError(f"{clips} holds no clips: see the drops in its _stage.json")
    division = divide(light, splits)
    config = {"metadata": vars(metadata), "splits": vars(splits), "reference_only": reference_only}
    told = {name: questions.get(name) for name in ("dropped", "text_audit")}  # on the card, and in no row
    key = digest(__version__, clips_record["key"], questions["key"], config, sorted(division.split.items()), told)
    record = read_record(out)
    if record is not None and record["key"] == key and (out / "data" / record["data"]).is_dir() and (out / "README.md").exists():
        shutil.rmtree(out / WORKSHOP, ignore_errors=True)  # of a build with other options that was given up
        return record

    sets = whole_sets(
        (row["contrast_set"], division.split[row["clip_id"]], row["label"])
        for row in read_rows(run_folder / "questions", ["clip_id", "label", "dropped", "contrast_set"])
        if row["dropped"] is None
    )
    facts = gather(run_folder, division, metadata, sets)
    facts.reference_only = reference_only
    if questions["config"].get("llm") and not facts.written:
        failed = ", ".join(f"{count} × {reason}" for reason, count in questions["dropped"].items()) or "none was asked for"
        raise DatasetError(
            f"no LLM-written question was kept, so implicit and combined would be empty ({failed}). Look at the dropped rows in {run_folder / 'questions'}, or build with --no-llm."
        )
    with _workshop(out) as shop:
        counts = {}
        for name in configs_for(asked=facts.asked, written=facts.written):
            options = {"run": str(run_folder), "roots": manifest["config"]["corpora"], "parts": parts, "division": division.split}
            counts[name] = _write_config(
                name, options | {"metadata": metadata, "reference_only": reference_only, "sets": frozenset(sets)}, digest(key, name), shop, workers
            )
            if progress is not None:
                progress(name)
        hashed = _content_hash(shop / "data")
        facts.configs, facts.data = counts, hashed
        _install(shop / "data", out / "data" / hashed)
        with whole_file(out / "README.md") as beside:
            beside.write_text(render_card(facts), encoding="utf-8")
    for old in (out / "data").iterdir():
        if old.name != hashed and re.fullmatch(r"[0-9a-f]{8}", old.name):
            shutil.rmtree(old, ignore_errors=True)
    record = {
        "stage": "dataset",
        "code_version": __version__,
        "config": config,
        "key": key,
        "inputs": {"clips": clips_record["key"], "questions": questions["key"]},
        "data": hashed,
        "parts": sorted(path.relative_to(out).as_posix() for path in (out / "data" / hashed).rglob("*.parquet")),
        "configs": counts,
        "rows_in": len(light),
        "rows_out": sum(sum(splits.values()) for splits in counts.values()),
        "dropped": {},
        "warnings": facts.warnings(),
    }
    write_json(out / "_stage.json", record)
    return record


def _own_folder(out: Path) -> Path:
    """The folder, if it is one that datasets were built in before, or empty, or not there.

    Raises:
        DatasetError: it holds other things, which a build would replace.
    """
    ours = (read_record(out) or {}).get("stage") == "dataset" or (out / WORKSHOP).is_dir()
    if not ours and out.exists() and (not out.is_dir() or (out / "README.md").exists() or (out / "data").exists()):
        raise DatasetError(f"{out} holds a README.md or data that no build of ours put there: choose an empty folder with --out")
    return out


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A folder beside the finished data to build in. One that a killed run left behind is used again: configurations that were whole need not be read anew."""
    shop = out / WORKSHOP
    try:
        shutil.rmtree(shop / "data", ignore_errors=True)
        shop.mkdir(parents=True, exist_ok=True)
        yield shop
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        reason = error.strerror or str(error).partition(" Needed:")[0].rstrip(".")  # `datasets` adds guesses about sizes
        raise StorageError(f"writing {out} failed: {reason}. Free some space, or choose another folder, and run the same command again.") from error
    shutil.rmtree(shop, ignore_errors=True)


def _write_config(name: str, options: dict[str, Any], key: str, shop: Path, workers: int) -> dict[str, int]:
    """Builds one configuration through the `datasets` builder and writes its Parquet files; rows by split."""
    import datasets

    from cp_paraling_qa.dataset.builder import ContextualParalinguisticQA

    builder = ContextualParalinguisticQA(
        config_name=name,
        cache_dir=str(shop / "cache"),
        hash=key,
        **options,
    )
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        builder.download_and_prepare(num_proc=min(workers, len(options["parts"])) if workers > 1 else None)
    except datasets.exceptions.DatasetGenerationError as error:
        if isinstance(error.__cause__, OSError | DatasetError):
            raise error.__cause__ from None
        raise
    finally:
        if shown:
            datasets.enable_progress_bars()
    schema = features_metadata(builder.config.schema())
    counts = {}
    for split, info in builder.info.splits.items():
        counts[str(split)] = int(info.num_examples)
        if not info.num_examples:
            continue  # `datasets` reads no file without rows: the split is left out, and the card says so
        rows = builder.as_dataset(split=split).data.table
        shards = max(1, -(-rows.nbytes // SHARD_BYTES))
        for number in range(shards):
            first, last = len(rows) * number // shards, len(rows) * (number + 1) // shards
            path = shop / "data" / name / f"{split}-{number:05d}-of-{shards:05d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_parquet(path, rows.slice(first, last - first), schema)
    return counts


def write_parquet(path: Path, rows: pa.Table, schema: pa.Schema) -> None:
    """Rows in small groups, zstd, with the audio of neighbouring rows stored once (a dictionary of as many bytes as it takes)."""
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=9, use_dictionary=True, dictionary_pagesize_limit=2**30) as writer:
        for first in range(0, len(rows), ROW_GROUP):
            writer.write_table(rows.slice(first, ROW_GROUP).cast(schema), row_group_size=ROW_GROUP)


def _content_hash(folder: Path) -> str:
    """8 hex digits over names and bytes of all files."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        with open(path, "rb") as file:
            total.update(f"{path.relative_to(folder)} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:8]


def _install(made: Path, place: Path) -> None:
    """Moves finished data to their place; the same content may be there already."""
    if place.exists():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    made.rename(place)

"""Files of rows in pieces that can be read one at a time: row groups of Parquet, or whole files of JSON Lines, here or on the Hub."""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import DatasetError
from cp_paraling_qa.training.mixing.columns import canonical, is_file
from cp_paraling_qa.training.mixing.components import Component, Plan
from cp_paraling_qa.training.mixing.mixture import no_rows
from cp_paraling_qa.training.rows import dataset_path


@dataclass(frozen=True)
class Piece:
    """A row group of a Parquet file, or a whole file of JSON Lines (`group` is -1)."""

    path: str
    group: int
    dataset: str
    config: str


@dataclass(frozen=True)
class Feed:
    """A component with the pieces that hold its rows, and how many rows these are by type."""

    component: Component
    pieces: tuple[Piece, ...]
    types: Mapping[str | None, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Rows of the component."""
        return sum(self.types.values())


def read_piece(component: Component, piece: Piece) -> list[dict[str, Any]]:
    """The rows of one piece that belong to a component, with the columns of a training row."""
    table = _lines(piece.path) if piece.group < 0 else _parquet(os.getpid(), piece.path).read_row_group(piece.group)
    light = canonical(table, component, piece.path, ours="provenance" in table.column_names)
    sounds = None if component.text else table.column(component.columns.get("audio", "audio"))
    found = []
    for number, row in enumerate(light.to_pylist()):
        if component.takes(row["kind"], row["type"]) or component.text:
            found.append(row | {"audio": None if sounds is None else sounds[number].as_py(), "dataset": piece.dataset, "config": piece.config})
    return found


@functools.lru_cache(maxsize=32)
def _parquet(process: int, path: str) -> Any:
    """An opened Parquet file: its footer is long, and read once. Each process opens its own, as forked ones would move each other's place in the file."""
    import pyarrow.parquet as pq

    if "://" not in path:
        return pq.ParquetFile(path)
    import fsspec

    return pq.ParquetFile(fsspec.open(path, "rb").open())


def _lines(path: str) -> Any:
    """A JSON Lines file as a table."""
    import fsspec
    import pyarrow as pa

    with fsspec.open(path, "rb") as file:
        rows = [json.loads(line) for line in file.read().decode("utf-8").split("\n") if line.strip()]
    names = dict.fromkeys(name for row in rows for name in row)  # pyarrow takes the first row's columns alone
    return pa.Table.from_pydict({name: [row.get(name) for row in rows] for name in names})


def feed_of(component: Component, split: str, plan: Plan) -> Feed:
    """Finds a component's pieces, and counts its rows from kind and type alone."""
    pieces, types, failed = [], Counter[str | None](), []
    for dataset in component.datasets:
        for config in component.configs or ("",):
            try:
                files = _files(dataset, config, split)
            except DatasetError as error:
                if not component.kinds:
                    raise
                failed.append(str(error))
                continue
            for path in files:
                for group, counts in _counted(component, path):
                    types.update(counts)
                    pieces += [Piece(path, group, dataset, config)] if counts else []
    if not pieces:
        raise no_rows(component, split, plan, failed)
    return Feed(component, tuple(sorted(pieces, key=lambda piece: (piece.dataset, piece.config, Path(piece.path).name, piece.group))), dict(types))


def _counted(component: Component, path: str) -> Iterator[tuple[int, Counter[str | None]]]:
    """The component's rows by type in every row group of a file; nothing but kind and type is read."""
    names = {ours: component.columns.get(ours, ours) for ours in ("kind", "type")}
    if not path.endswith(".parquet"):
        table = _lines(path)
        told = ([None] * len(table) if name not in table.column_names else table.column(name).to_pylist() for name in names.values())
        yield -1, Counter(type for kind, type in zip(*told, strict=True) if component.text or component.takes(kind, type))
        return
    file = _parquet(os.getpid(), path)
    table = file.read(columns=[name for name in names.values() if name in file.schema_arrow.names])
    rows = file.metadata.num_rows
    kinds, types = ([None] * rows if name not in table.column_names else table.column(name).to_pylist() for name in names.values())
    first = 0
    for group in range(file.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        yield group, Counter(type for kind, type in zip(kinds[first:last], types[first:last], strict=True) if component.text or component.takes(kind, type))
        first = last


def _files(dataset: str, config: str, split: str) -> list[str]:
    """The files of one split.

    Raises:
        DatasetError: no such dataset, config or split, or files that cannot be streamed.
    """
    if is_file(dataset):
        files = [dataset]
    else:
        from datasets import load_dataset_builder

        try:
            known = load_dataset_builder(dataset_path(dataset), config or None).config.data_files or {}
        except (ValueError, FileNotFoundError, ConnectionError) as error:
            raise DatasetError(f"{dataset}: config {config!r} cannot be loaded ({(str(error).strip().splitlines() or [''])[0]})") from error
        if split not in known:
            raise DatasetError(f"{dataset}: config {config!r} has no split {split!r}; it has {', '.join(map(str, known)) or 'none'}")
        files = [str(path) for path in known[split]]
    if other := [path for path in files if not path.endswith((".parquet", ".jsonl"))]:
        raise DatasetError(f"{dataset}: {other[0]} cannot be streamed: dataset_streaming reads Parquet and JSON Lines; train without it, or convert the file")
    if missing := [path for path in files if "://" not in path and not Path(path).is_file()]:
        raise DatasetError(f"{dataset}: there is no file {missing[0]}")
    return files

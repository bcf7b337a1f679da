"""Rows of any dataset with the columns that training knows: ours, and what other datasets have in their place. Audio stays where it is, mapped or encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cp_paraling_qa.errors import DatasetError
from cp_paraling_qa.schema import EXAMPLE_SCHEMA, features_metadata
from cp_paraling_qa.training.mixing.components import Component
from cp_paraling_qa.training.rows import load_config

LIGHT = pa.schema([field for field in EXAMPLE_SCHEMA if field.name not in ("audio", "provenance")])
"""The columns of a training row besides its audio."""

FILES = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
"""Suffixes of files with rows, and the name by which `datasets` reads them."""


class Part:
    """The rows of one dataset and config that a component may draw.

    Args:
        rows: a `datasets.Dataset` in the dataset's order: audio and every column of `LIGHT` but prompt, which controls may change; and dataset, config.
        light: the columns of `LIGHT`.
        numbers: of the rows that belong to the component.
        dataset: where they come from.
        silent: whether the rows have no audio.
    """

    def __init__(self, rows: Any, light: pa.Table, numbers: list[int], dataset: str, *, silent: bool) -> None:
        self.rows, self.light, self.numbers, self.dataset, self.silent = rows, light, numbers, dataset, silent
        self._columns: dict[str, list[Any]] = {}

    def column(self, name: str) -> list[Any]:
        """A column's values."""
        if name not in self._columns:
            self._columns[name] = self.light.column(name).to_pylist()
        return self._columns[name]

    @property
    def clips(self) -> list[str]:
        """Of every row."""
        return self.column("clip_id")

    @cached_property
    def keys(self) -> list[str]:
        """What a row is known by in draws: its id and what is shown and asked for."""
        return ["\x1f".join(map(str, row)) for row in zip(self.column("id"), self.column("prompt"), self.column("answer"), strict=True)]


def load_part(component: Component, dataset: str, config: str | None, split: str) -> Part:
    """A component's rows in one config of one dataset.

    Raises:
        DatasetError: it cannot be loaded, or lacks a column.
    """
    rows = _loaded(dataset, config, split)
    if rows._indices is not None:
        rows = rows.flatten_indices()
    where = dataset + (f", config {config}" if config else "")
    light = canonical(rows.data, component, where, ours="provenance" in rows.column_names)
    numbers = [number for number, row in enumerate(zip(light["kind"].to_pylist(), light["type"].to_pylist(), strict=True)) if component.takes(*row)]
    light = light.combine_chunks()
    whole = _joined(None if component.text else _audio_alone(rows, component), light, {"dataset": dataset, "config": config or ""})
    return Part(whole, light, numbers, dataset, silent=component.text)


def is_file(dataset: str) -> bool:
    """Whether this names a file with rows, which has neither configs nor splits."""
    return Path(dataset).suffix in FILES and not Path(dataset).is_dir()


def _loaded(dataset: str, config: str | None, split: str) -> Any:
    path = Path(dataset)
    if not is_file(dataset):
        return load_config(dataset, config, split)
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError

    if path.is_file() and not path.stat().st_size:
        raise DatasetError(f"{dataset} is empty")
    try:
        rows = load_dataset(FILES[path.suffix], data_files=dataset, split="train")
    except (ValueError, FileNotFoundError, DatasetGenerationError) as error:
        raise DatasetError(f"{dataset} cannot be read ({(str(error).strip().splitlines() or [type(error).__name__])[0]})") from error
    if not rows.num_rows:
        raise DatasetError(f"{dataset} has no rows")
    return rows


def canonical(data: Any, component: Component, where: str, *, ours: bool) -> pa.Table:
    """The columns of `LIGHT`, of the right types: what a dataset lacks is null, or made from what it has.

    Args:
        data: a table.
        component: says what the columns are called, and whether there is audio.
        where: for messages.
        ours: whether a clip_id can be taken to be the hash of the audio, as in datasets that were built here.

    Raises:
        DatasetError: no prompt and no question, no answer, no audio, or a kind that is asked for and not told.
    """
    names = {ours_: component.columns.get(ours_, ours_) for ours_ in (*LIGHT.names, "audio")}
    there = {name for name, theirs in names.items() if theirs in data.column_names}
    wanted = {"answer"} | ({"audio"} if not component.text else set()) | ({"kind"} if component.kinds and not component.text else set())
    missing = sorted(wanted - there) + ([] if {"prompt", "question"} & there else ["prompt"])
    if missing:
        known = ", ".join(data.column_names)
        raise DatasetError(
            f"component {component.name}: {where} has no column {', '.join(missing)} (it has {known}); name it with columns: {{{missing[0]}: …}}"
        )
    columns = {name: _typed(data.column(names[name]), LIGHT.field(name).type, f"{where}, column {names[name]}") for name in LIGHT.names if name in there}
    shown, asked = (columns.get(name, columns.get(other)) for name, other in (("prompt", "question"), ("question", "prompt")))
    columns["prompt"], columns["question"] = pc.coalesce(shown, asked), pc.coalesce(asked, shown)
    rows = len(columns["prompt"])
    if columns["prompt"].null_count:
        empty = columns["prompt"].is_null().to_pylist().index(True)
        raise DatasetError(f"component {component.name}: {where}, row {empty} has no prompt and no question: remove it")
    if component.text:
        columns |= {"kind": pa.array(["text"] * rows), "metadata": pa.nulls(rows, pa.string())}
    if "id" not in columns:
        columns["id"] = pa.array([_short(prompt, answer) for prompt, answer in zip(columns["prompt"].to_pylist(), columns["answer"].to_pylist(), strict=True)])
    if component.text:
        columns["clip_id"] = pa.array([f"text-{_short(component.name, row, n)}" for n, row in enumerate(columns["id"].to_pylist())])
    elif not ours or "clip_id" not in columns or columns["clip_id"].null_count:
        own = columns["clip_id"].to_pylist() if "clip_id" in columns else ["clip"] * rows
        columns["clip_id"] = pa.array([f"{clip}-{_sound_hash(sound)}" for clip, sound in zip(own, _sounds(data.column(names["audio"])), strict=True)])
    return pa.table({name: columns.get(name, pa.nulls(rows, LIGHT.field(name).type)) for name in LIGHT.names}, schema=LIGHT)


def _typed(column: Any, kind: pa.DataType, where: str) -> Any:
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DatasetError(f"{where} is {column.type}, not {kind} ({error})") from error


def _short(*things: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, things)).encode()).hexdigest()[:16]


def _sounds(column: Any) -> Any:
    """Audio cells one after the other, so that only one is in memory."""
    return (cell.as_py() for cell in column)


def _sound_hash(sound: Mapping[str, Any] | None) -> str:
    """16 hex digits over a clip's bytes: in datasets that are not ours, one clip_id could name different audio in two of them."""
    sound = sound or {}
    return hashlib.sha256(sound.get("bytes") or str(sound.get("path")).encode()).hexdigest()[:16]


def _audio_alone(rows: Any, component: Component) -> Any:
    """The audio column by its name and of the type of our datasets; nothing is read or written."""
    from datasets import Audio

    name = component.columns.get("audio", "audio")
    rows = rows.select_columns([name])
    return (rows if name == "audio" else rows.rename_column(name, "audio")).cast_column("audio", Audio(sampling_rate=16_000, decode=False))


def _joined(audio: Any, light: pa.Table, constant: Mapping[str, str]) -> Any:
    """One dataset of audio, light columns but prompt, and constants."""
    from datasets import Dataset, DatasetInfo, Features, concatenate_datasets

    types = Features.from_arrow_schema(features_metadata(EXAMPLE_SCHEMA))
    table = light.drop_columns(["prompt"])
    for name, value in constant.items():
        table = table.append_column(name, pa.array([value] * len(table), pa.string()))
    fingerprint = hashlib.sha256(f"{constant} {table.schema} {len(table)} {light['id'].to_pylist()[:1000]}".encode()).hexdigest()[:16]
    words = Dataset(table, fingerprint=fingerprint)  # made from the table's values it would take long
    if audio is None:
        silence = pa.table({"audio": pa.nulls(len(light), EXAMPLE_SCHEMA.field("audio").type)})
        audio = Dataset(silence, info=DatasetInfo(features=Features({"audio": types["audio"]})), fingerprint=f"{fingerprint[:15]}s")
    return concatenate_datasets([audio, words], axis=1)

"""Tables that carry audio: Parquet and Arrow files in the layout of Hugging Face `datasets`, read row by row without their audio.

A column of audio is a struct {bytes, path}: the audio file itself, or where it lies. Only the columns that are asked for are read, so that memory stays flat however
long the recordings are; whether a row holds bytes is learnt from the file's statistics (Parquet) or its validity bitmap (Arrow). Columns inside structs are named
with dots: `context.audio`. What `datasets` knows of a column (audio, image, class names) stands in the file's metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1024
"""Rows that are read at once where no audio is among them."""

FEW = 16
"""Rows that are read at once where audio is among them."""

_NOT_FILES = {"Image", "Video", "Pdf", "Nifti"}
"""Features of `datasets` that are stored as {bytes, path} too."""


class Found(NamedTuple):
    """A row: its number in the file, the values of the columns asked for, and where its audio is."""

    number: int
    values: dict[str, Any]
    embedded: bool  # whether the table holds the audio itself
    path: str | None  # as the row gives it
    content: bytes | None  # digest of the audio's bytes, where asked for


class _Node(NamedTuple):
    """A column, or a field inside one."""

    path: tuple[str, ...]
    kind: Any  # a pa.DataType
    feature: Any  # what `datasets` says of it


class Table:
    """One Parquet or Arrow file.

    Args:
        path: of the file.

    Raises:
        CorpusError: it is no such file, is damaged, or was not downloaded.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.path = path
        try:
            self.schema = _schema(path)
            info = json.loads((self.schema.metadata or {}).get(b"huggingface", b"{}"))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise CorpusError(_why(path, error)) from None
        self.nodes = {".".join(node.path): node for node in _nodes(self.schema, (info.get("info") or {}).get("features") or {})}

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are not audio; those inside structs with dots."""
        audio = self.audio
        return [name for name in self.nodes if name not in audio]

    @property
    def audio(self) -> list[str]:
        """Names of the columns of audio, in the order in which they stand."""
        return [name for name, node in self.nodes.items() if _is_audio(node)]

    def class_names(self, column: str) -> list[str] | None:
        """The names behind a column of class numbers (ClassLabel of `datasets`), or behind the numbers in its lists."""
        feature = self.nodes[column].feature
        while isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
            feature = feature["feature"]
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
        return list(names) if names else None

    def rows(self, columns: Sequence[str], audio: str, *, content: bool = False) -> Iterator[Found]:
        """Every row, in order.

        Args:
            columns: names of those to read; a table that lacks one gives None.
            audio: name of the column of audio, or of a column of paths.
            content: whether to read the audio's bytes after all, for their digest: rows with the same digest are about the same audio.

        Raises:
            CorpusError: the file is damaged.
        """
        import pyarrow as pa

        reader = self._parquet if self.path.suffix == ".parquet" else self._arrow
        try:
            yield from reader([name for name in columns if name in self.nodes], audio, content)
        except (pa.ArrowException, OSError) as error:
            raise CorpusError(_why(self.path, error)) from None

    def _storage(self, audio: str) -> tuple[str | None, str | None]:
        """Names of the columns with the bytes and with the path of an audio column."""
        import pyarrow.types as kinds

        kind = self.nodes[audio].kind
        if kinds.is_struct(kind):
            names = {kind.field(number).name for number in range(kind.num_fields)}
            return f"{audio}.bytes" if "bytes" in names else None, f"{audio}.path" if "path" in names else None
        return (audio, None) if _is_binary(kind) else (None, audio)

    def _parquet(self, columns: list[str], audio: str, content: bool) -> Iterator[Found]:
        import pyarrow.parquet as pq

        data, path = self._storage(audio)
        first = 0
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                embedded = False if data is None else _filled(file.metadata.row_group(group), data)
                look = data if data is not None and embedded is not False and (content or embedded is None) else None
                wanted = [*columns, *([path] if path else []), *([look] if look else [])]
                if not wanted:
                    yield from (Found(first + number, {}, bool(embedded), None, None) for number in range(count))
                else:
                    number = first
                    for batch in file.iter_batches(FEW if look else BATCH, row_groups=[group], columns=wanted):
                        yield from self._found(number, batch, columns, look, path, bool(embedded), content)
                        number += batch.num_rows
                first += count

    def _arrow(self, columns: list[str], audio: str, content: bool) -> Iterator[Found]:
        data, path = self._storage(audio)
        first = 0
        for batch in _batches(self.path):
            yield from self._found(first, batch, columns, data, path, False, content)
            first += batch.num_rows

    def _found(self, first: int, batch: Any, columns: list[str], data: str | None, path: str | None, embedded: bool, content: bool) -> Iterator[Found]:
        """A batch's rows; `embedded` is what holds where the bytes are not looked at."""
        values = {name: self._column(batch, name).to_pylist() for name in columns}
        paths = self._column(batch, path).to_pylist() if path else None
        held = self._column(batch, data) if data else None
        filled = held.is_valid().to_pylist() if held is not None else None
        for number in range(batch.num_rows):
            here = filled[number] if filled is not None else embedded
            digest = hashlib.blake2b(held[number].as_buffer(), digest_size=16).digest() if content and here and held is not None else None
            yield Found(first + number, {name: column[number] for name, column in values.items()}, here, paths[number] if paths else None, digest)

    def _column(self, batch: Any, name: str) -> Any:
        import pyarrow.compute as pc

        if name in self.nodes:
            first, *inside = self.nodes[name].path
        else:  # the bytes or the path of audio
            parent, _, last = name.rpartition(".")
            first, *inside = (*self.nodes[parent].path, last)
        column = batch.column(first)
        for field in inside:
            column = pc.struct_field(column, field)
        return column


def audio_column(tables: Sequence[Table], wanted: str | None = None) -> str:
    """The one column of audio that tables have.

    Args:
        tables: of one dataset.
        wanted: its name, where the user gave one.

    Raises:
        CorpusError: there is none, or several; lists what there is.
    """
    found = list(dict.fromkeys(name for table in tables for name in table.audio))
    there = list(dict.fromkeys(name for table in tables for name in table.nodes))
    if wanted is not None:
        if wanted not in there:
            raise CorpusError(f"no column {wanted!r} for the audio: the columns are {', '.join(there)}")
        return wanted
    if not found:
        raise CorpusError(
            f"no column of audio in {tables[0].path}: looked for the Audio feature of `datasets` or a struct {{bytes, path}}; the columns are {', '.join(there)}"
        )
    if len(found) > 1 and "audio" not in found:
        raise CorpusError(f"several columns of audio, {', '.join(found)}: say which with the column map, e.g. audio={found[0]}")
    return "audio" if "audio" in found else found[0]


def lost(path: Path, root: Path, error: CorpusError) -> Drop:
    """A table that cannot be read, as a drop: the others may be."""
    reason, _, detail = str(error).partition(": ")
    return Drop(path.relative_to(root).as_posix(), reason, detail)


def _nodes(schema: pa.Schema, features: dict[str, Any]) -> Iterator[_Node]:
    """Every column, and every field of those that are structs and no audio."""
    import pyarrow.types as kinds

    def below(node: _Node) -> Iterator[_Node]:
        yield node
        named = isinstance(node.feature, dict) and isinstance(node.feature.get("_type"), str)
        if kinds.is_struct(node.kind) and not _is_audio(node) and not named:
            inside = node.feature if isinstance(node.feature, dict) else {}
            for field in (node.kind.field(number) for number in range(node.kind.num_fields)):
                yield from below(_Node((*node.path, field.name), field.type, inside.get(field.name)))

    for field in schema:
        yield from below(_Node((field.name,), field.type, features.get(field.name)))


def _is_audio(node: _Node) -> bool:
    import pyarrow.types as kinds

    said = node.feature.get("_type") if isinstance(node.feature, dict) else None
    if said == "Audio" or said in _NOT_FILES:
        return bool(said == "Audio")
    if not kinds.is_struct(node.kind):
        return False
    fields = {node.kind.field(number).name: node.kind.field(number).type for number in range(node.kind.num_fields)}
    return "path" in fields and fields.keys() <= {"bytes", "path", "sampling_rate"} and "bytes" in fields and _is_binary(fields["bytes"])


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind))


def _filled(group: Any, column: str) -> bool | None:
    """Whether all rows (True) or none (False) of a Parquet row group have a value in a column; None where some have, or the file does not say."""
    for number in range(group.num_columns):
        chunk = group.column(number)
        if chunk.path_in_schema == column:
            nulls = chunk.statistics.null_count if chunk.is_stats_set and chunk.statistics.has_null_count else None
            return None if nulls is None or 0 < nulls < group.num_rows else not nulls
    return False


def _schema(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        return pq.read_schema(path)
    with pa.memory_map(str(path)) as source:
        try:
            return pa.ipc.open_stream(source).schema
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_file(source).schema


def _batches(path: Path) -> Iterator[Any]:
    """The record batches of an Arrow file, mapped and not read."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        yield from arrow_batches(source)


def arrow_batches(source: Any) -> Iterator[Any]:
    """The record batches of an open Arrow stream, as `datasets` writes it, or Arrow file.

    Raises:
        pyarrow.ArrowInvalid: it is neither.
    """
    import pyarrow as pa

    try:
        stream = pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        source.seek(0)
        file = pa.ipc.open_file(source)
        yield from (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        yield from stream


def _why(path: Path, error: Exception) -> str:
    """Why a table cannot be read: a countable phrase, then what is special."""
    try:
        with open(path, "rb") as file:
            start = file.read(40)
    except OSError as missing:
        return f"file is missing: {path}: {missing.strerror}"
    if start.startswith(b"version https://git-lfs"):
        return f"Git LFS pointer instead of the file: {path}: fetch it with `git lfs pull`, or let huggingface_hub download it"
    return f"table is damaged: {path}: {(str(error).splitlines() or [type(error).__name__])[0]}"

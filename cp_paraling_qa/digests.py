"""Digests: short names for content, by which parts, requests and files are known. 16 hex digits of SHA-256; equal content, equal digest, on every machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa


def digest(*things: Any) -> str:
    """Hash of JSON-able things. 16 hex digits."""
    text = json.dumps(things, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]  # half a character is content, too


def table_digest(rows: pa.Table) -> str:
    """Hash of a table's values: equal rows, equal digest, whatever the machine, the chunks or the memory behind null values. 16 hex digits."""
    total = hashlib.sha256()
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        total.update(f"{name}\x1f".encode())
        _feed(total, column.combine_chunks())
    return total.hexdigest()[:16]


def _feed(total: Any, values: pa.Array) -> None:
    """One column's values to a hash: their number, which are null, the lengths of lists and texts, the values that are not null."""
    import numpy as np
    import pyarrow.compute as pc

    kind = values.type
    total.update(f"{len(values)} {values.null_count}\x1f".encode())
    if values.null_count:
        total.update(np.packbits(values.is_null().to_numpy(zero_copy_only=False)).tobytes())
    if pa.types.is_struct(kind):
        for number, child in enumerate(values.flatten()):
            total.update(f"{kind.field(number).name}\x1f".encode())
            _feed(total, child)
        return
    if values.null_count:
        values = values.drop_null()
    if pa.types.is_list(kind):
        _feed(total, pc.list_value_length(values))
        _feed(total, values.flatten())
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        _feed(total, pc.binary_length(values))
        offsets = np.frombuffer(values.buffers()[1], "<i4")[[values.offset, values.offset + len(values)]] if len(values) else (0, 0)
        total.update(memoryview(values.buffers()[2] or b"")[offsets[0] : offsets[1]])
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = values.to_numpy()
        total.update(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes())
    else:
        total.update(json.dumps(values.to_pylist(), default=str).encode())


def file_digest(path: Path) -> str:
    """Hash of a file's bytes. 16 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]

"""Datasets as `datasets` writes them, made without it: its Audio feature asks for torchcodec."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from conftest import voice

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def sound(pitch, seconds=0.4, kind="FLAC", rate=16_000):
    """An audio file's bytes; every pitch is another sound."""
    buffer = io.BytesIO()
    soundfile.write(buffer, voice(seconds, pitch, rate=rate), rate, format=kind, subtype="PCM_16")
    return buffer.getvalue()


def embedded(pitch, path=None, **more):
    return {"bytes": sound(pitch, **more), "path": path}


def feature(kind):
    """The feature that `datasets` writes into the metadata for an Arrow type."""
    if kind == AUDIO:
        return {"sampling_rate": 16000, "_type": "Audio"}
    if pa.types.is_struct(kind):
        return {kind.field(i).name: feature(kind.field(i).type) for i in range(kind.num_fields)}
    if pa.types.is_list(kind):
        return {"feature": feature(kind.value_type), "_type": "List"}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}


def hf_table(columns, types, classes=None, metadata=True):
    """A table in the Hub's layout.

    columns: name → values; types: name → Arrow type; classes: name → class names of a ClassLabel; metadata: whether `datasets`'s own stands in the file.
    """
    schema = pa.schema([(name, types[name]) for name in columns])
    features = {name: feature(types[name]) for name in columns} | {name: {"names": names, "_type": "ClassLabel"} for name, names in (classes or {}).items()}
    for name, names in (classes or {}).items():
        if pa.types.is_list(types[name]):
            features[name] = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "List"}
    if metadata:
        schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    return pa.table(columns, schema=schema)


def write_parquet(path, table, rows=2):
    """With several row groups, as `push_to_hub` makes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=rows)
    return path

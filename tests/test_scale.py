"""One million clips pass through a stage in little memory, and what the digests of parts promise."""

import hashlib
import json
import random
import struct
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import ROOT

from cp_paraling_qa.corpora import duplicates
from cp_paraling_qa.digests import table_digest
from cp_paraling_qa.schema import ANNOTATION_SCHEMA, CLIP_SCHEMA, opinion, table, word

MILLION = """
import sys, json, tempfile, time
from pathlib import Path
sys.path.insert(0, {benchmarks!r})
from manifest import Nothing, clip_parts, peak_mb
from cp_paraling_qa.stage import read_record, run, finish
with tempfile.TemporaryDirectory() as folder:
    started = time.perf_counter()
    outcome = run(Nothing(), clip_parts(1_000_000), Path(folder) / "out")
    record = finish(Path(folder) / "out", "nothing", {{"clips": outcome}}, {{}})
    print(json.dumps([outcome.rows_in, record["rows_out"], len(record["parts"]), peak_mb(), time.perf_counter() - started]))
"""


def test_a_million_rows_pass_in_less_than_a_gigabyte():
    done = subprocess.run([sys.executable, "-c", MILLION.format(benchmarks=str(ROOT / "benchmarks"))], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    rows_in, rows_out, parts, megabytes, _ = json.loads(done.stdout)
    assert rows_in == rows_out == 1_000_000
    # the manifest's parts: 64 of 64 rows, 64 of 128, … 4096 · (1 + 2 + … + 21) = 946,176 rows in 1,344 parts, and 53,824 / 1,408 = 38.2 more
    assert parts == 1344 + 39
    assert 50 < megabytes < 1000


def clip(**columns):
    row = dict.fromkeys(CLIP_SCHEMA.names) | {"clip_id": "00", "words": [], "opinions": []}
    return row | columns


ROWS = [
    clip(),
    clip(clip_id="01", transcript="", age=31.0, sampling_rate=16000, words=[word("so", 0.1, 0.25), word("", None, None)]),
    clip(
        clip_id="02",
        transcript="naïve 你好",
        words=None,
        opinions=[opinion("emotion", "angry", source="human", rater="a"), opinion("valence", source="model", score=0.5)],
    ),
]


def test_equal_rows_have_equal_digests():
    first = table(ROWS, CLIP_SCHEMA)
    again = table([dict(reversed(row.items())) for row in json.loads(json.dumps(ROWS))], CLIP_SCHEMA)  # other objects, other order of keys
    chunks = pa.concat_tables([first.slice(0, 1), first.slice(1)])
    padded = table([clip(transcript="x" * 9, words=[word("y")]), *ROWS], CLIP_SCHEMA).slice(1)  # the same rows, in the middle of other memory
    assert table_digest(first) == table_digest(again) == table_digest(chunks) == table_digest(padded)


def test_the_digest_is_that_of_these_bytes():
    """On any machine, by any version: number of values and of nulls, which are null (one bit each), and what is not null, in little-endian order."""
    rows = pa.table({"x": pa.array([1, None], pa.int64()), "t": pa.array(["ab", None]), "l": pa.array([[0.5], []], pa.list_(pa.float64()))})
    bytes_ = b"x\x1f2 1\x1f\x40" + struct.pack("<q", 1)
    bytes_ += b"t\x1f2 1\x1f\x40" + b"1 0\x1f" + struct.pack("<i", 2) + b"ab"
    bytes_ += b"l\x1f2 0\x1f" + b"2 0\x1f" + struct.pack("<ii", 1, 0) + b"1 0\x1f" + struct.pack("<d", 0.5)
    assert table_digest(rows) == hashlib.sha256(bytes_).hexdigest()[:16]


def changes():
    yield [*ROWS, clip()]
    yield ROWS[:2]
    yield [ROWS[1], ROWS[0], ROWS[2]]
    for column, value in {"transcript": None, "age": 31.5, "sampling_rate": 16001, "clip_id": "1", "words": None}.items():
        yield [ROWS[0], ROWS[1] | {column: value}, ROWS[2]]
    yield [ROWS[0], ROWS[1] | {"words": [word("so", 0.1, 0.25)]}, ROWS[2]]
    yield [ROWS[0], ROWS[1] | {"words": [word("s", 0.1, 0.25), word("o", None, None)]}, ROWS[2]]
    yield [ROWS[0], ROWS[1] | {"words": [word("so", 0.1, None), word("", 0.25, None)]}, ROWS[2]]
    yield [ROWS[0], ROWS[1] | {"words": [None, word("so", 0.1, 0.25)]}, ROWS[2]]
    yield [ROWS[0] | {"words": ROWS[1]["words"]}, ROWS[1] | {"words": []}, ROWS[2]]
    yield [ROWS[0], ROWS[1], ROWS[2] | {"words": []}]
    yield [ROWS[0], ROWS[1], ROWS[2] | {"opinions": ROWS[2]["opinions"][::-1]}]


def test_any_change_changes_the_digest():
    digests = [table_digest(table(rows, CLIP_SCHEMA)) for rows in (ROWS, [], *changes())]
    assert len(set(digests)) == len(digests)


def test_values_of_every_kind_are_in_the_digest():
    """Kinds that no schema of ours has, so that one which is added later is not left out in silence."""
    kinds = [
        (pa.bool_(), [True, None], [False, None]),
        (pa.binary(), [b"a", b"bc"], [b"ab", b"c"]),
        (pa.large_string(), ["a", "bc"], ["ab", "c"]),
        (pa.timestamp("us"), [0, 1], [0, 2]),
        (pa.int8(), [1, None], [None, 1]),
    ]
    for kind, one, other in kinds:
        assert table_digest(pa.table({"x": pa.array(one, kind)})) != table_digest(pa.table({"x": pa.array(other, kind)}))
    assert table_digest(pa.table({"x": [1]})) != table_digest(pa.table({"y": [1]}))
    assert table_digest(table([], ANNOTATION_SCHEMA)) != table_digest(table([], CLIP_SCHEMA))


def test_duplicates_over_many_parts_name_the_first_clip(monkeypatch, tmp_path):
    """Against a plain dict, over parts with repeats in themselves, in the part before, and far back; some of them read from disk."""
    monkeypatch.setattr(duplicates, "RECENT", 50)
    draw = random.Random(0)
    found, first, dropped = duplicates.Duplicates(), {}, 0
    for part in range(40):
        rows = [
            clip(clip_id=f"{draw.choice([0, 2**63]) + draw.randrange(600):016x}", corpus="c", audio_path=f"{part}/é{n}.wav") for n in range(draw.randrange(30))
        ]
        expected = [
            (f"c/{row['audio_path']}", f"the same samples as {name}")
            for row in rows
            if (name := first.setdefault(row["clip_id"], f"c/{row['audio_path']}")) != f"c/{row['audio_path']}"
        ]
        if part % 5 == 4:
            pq.write_table(table(rows, CLIP_SCHEMA), tmp_path / "part.parquet")
            found.seen(tmp_path / "part.parquet")
            continue
        drops = []
        kept = found.accept(rows, drops)
        assert [(drop.item, drop.detail) for drop in drops] == expected
        assert [row["audio_path"] for row in kept] == [row["audio_path"] for row in rows if f"c/{row['audio_path']}" not in dict(expected)]
        dropped += len(drops)
    assert dropped > 50 and len(found._ids) > 200  # it was put to the test

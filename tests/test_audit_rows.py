"""Rows for an audit from every form that a dataset has."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT

from cp_paraling_qa.errors import DatasetError
from cp_paraling_qa.generate.audit.rows import DatasetRows
from cp_paraling_qa.generate.audit.sources import COLUMNS, Hub
from cp_paraling_qa.schema import EXAMPLE_SCHEMA, QUESTION_SCHEMA, features_metadata


def example(number, **more):
    row = dict.fromkeys(EXAMPLE_SCHEMA.names)
    row |= {"id": f"q{number}", "clip_id": f"c{number}", "audio": {"bytes": b"sound" * 2000, "path": "c.flac"}, "question": f"How {number}?", "answer": "So."}
    return row | more


def write(path, rows, schema=EXAMPLE_SCHEMA, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=features_metadata(schema)), path, **options)
    return path


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_bundled_sample_has_its_configurations_and_splits():
    rows = DatasetRows("cp_paraling_qa")  # seen from the checkout's root or from elsewhere
    assert rows.config == "implicit" and {row["split"] for row in rows} == {"train", "test"}
    test = list(DatasetRows(ROOT / "cp_paraling_qa", config="baseline", split="test"))
    assert len(test) == pq.read_metadata(next((ROOT / "cp_paraling_qa" / "data").glob("*/baseline/test-*.parquet"))).num_rows
    assert test[0].keys() == {*COLUMNS, "split"} and test[0]["evidence"] == ["emotion"] and test[0]["generator"] == "template"


def test_audio_is_never_read(tmp_path):
    path = write(tmp_path / "rows.parquet", [example(n) for n in range(3)], compression="none", use_dictionary=False)
    column = next(c for c in (pq.read_metadata(path).row_group(0).column(i) for i in range(40)) if c.path_in_schema == "audio.bytes")
    with open(path, "r+b") as file:
        file.seek(column.data_page_offset)
        file.write(b"\xff" * 64)
    with pytest.raises(OSError):
        pq.read_table(path, columns=["audio"])
    assert [row["qa_id"] for row in DatasetRows(path)] == ["q0", "q1", "q2"]
    assert [row["qa_id"] for row in DatasetRows(path)] == ["q0", "q1", "q2"]  # as often as one likes


def test_a_foreign_file_with_question_and_answer_alone(tmp_path):
    path = lines(
        tmp_path / "foreign.jsonl", [{"question": "Who?", "answer": "Me."}, {"question": "Who?", "answer": "Me."}, {"question": "Why?", "answer": "So."}]
    )
    rows = DatasetRows(path)
    found = list(rows)
    assert rows.columns == {"question", "answer"} and rows.config is None
    assert found[0]["qa_id"] == found[1]["qa_id"] != found[2]["qa_id"] and len(found[0]["qa_id"]) == 16
    assert {name for name, value in found[0].items() if value is not None} == {"qa_id", "question", "answer"}


def test_rows_that_cannot_be_used_are_counted(tmp_path):
    bad = [{"question": " ", "answer": "So."}, {"question": "Why?"}, {"question": "Why?", "answer": ["a", "b"]}, {"question": "Why?", "answer": 3}]
    rows = DatasetRows(lines(tmp_path / "rows.jsonl", [*bad, {"question": "Why?", "answer": "So."}]))
    assert len(list(rows)) == 1
    assert rows.skipped == {"no question": 1, "no answer": 1, "answer is a list, not a text": 1, "answer is a int, not a text": 1}
    with pytest.raises(DatasetError, match="no row with a question and an answer"):
        list(DatasetRows(lines(tmp_path / "none.jsonl", bad)))


def test_question_rows_of_a_run_without_the_dropped_ones(tmp_path):
    row = dict.fromkeys(QUESTION_SCHEMA.names) | {"qa_id": "a", "clip_id": "c", "question": "How?", "answer": "So.", "generator": "m", "text_answerable": True}
    row["evidence"] = [{"field": "emotion", "start": 0.0, "end": 1.0}]
    path = write(tmp_path / "questions" / "part-0.parquet", [row, row | {"qa_id": "b", "dropped": "too short"}], QUESTION_SCHEMA)
    rows = DatasetRows(path.parent)
    assert [(r["qa_id"], r["generator"], r["text_answerable"], r["evidence"]) for r in rows] == [("a", "m", True, ["emotion"])]
    assert rows.skipped == {"dropped when it was made: too short": 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "question,answer,conflict,label\nWhy?,So.,true,\nHow?,Thus.,False,sad\n"),
        ("rows.tsv", "question\tanswer\tconflict\tlabel\nWhy?\tSo.\tyes\t\nHow?\tThus.\t0\tsad\n"),
        (
            "rows.json",
            '[{"question": "Why?", "answer": "So.", "conflict": true},\n {"question": "How?", "answer": "Thus.", "conflict": false, "label": "sad"}]',
        ),
        (
            "rows.jsonl",
            '\ufeff{"question": "Why?", "answer": "So.", "conflict": true}\n\n{"question": "How?", "answer": "Thus.", "conflict": false, "label": "sad"}\n',
        ),
    ],
)
def test_text_files(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [(r["question"], r["answer"], r["conflict"], r["label"]) for r in DatasetRows(tmp_path / name)] == [
        ("Why?", "So.", True, None),
        ("How?", "Thus.", False, "sad"),
    ]


def test_class_numbers_become_names_and_saved_datasets_have_splits(tmp_path):
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    features = Features({"question": Value("string"), "answer": Value("string"), "label": ClassLabel(names=["calm", "sad"])})
    made = Dataset.from_dict({"question": ["Why?", "How?"], "answer": ["So.", "Thus."], "label": [1, 0]}, features=features)
    made.to_parquet(tmp_path / "rows.parquet")
    assert [row["label"] for row in DatasetRows(tmp_path / "rows.parquet")] == ["sad", "calm"]
    DatasetDict({"train": made, "test": made.select([0])}).save_to_disk(tmp_path / "saved")
    assert [(row["label"], row["split"]) for row in DatasetRows(tmp_path / "saved")] == [("sad", "train"), ("calm", "train"), ("sad", "test")]
    assert len(list(DatasetRows(tmp_path / "saved", split="test"))) == 1


def test_the_hubs_way_streams_the_light_columns_of_every_split(tmp_path):
    """The same reader as for a Hub id, on a folder: `datasets` treats both alike."""
    for split, count in (("train", 3), ("test", 2)):
        write(tmp_path / "data" / f"{split}-00000-of-00001.parquet", [example(f"{split}{n}", label="sad") for n in range(count)])
    hub = Hub(str(tmp_path), None)
    assert hub.splits == ["train", "test"] and "audio" in hub.columns
    found = list(hub.rows(None))
    assert [split for split, _ in found] == ["train"] * 3 + ["test"] * 2 and "audio" not in found[0][1] and found[0][1]["label"] == "sad"
    assert [row["id"] for _, row in hub.rows("test")] == ["qtest0", "qtest1"]


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda p: "no such folder", {}, "does not exist: give a dataset folder"),
        (lambda p: "nobody/nothing", {}, "neither a folder or file here, nor can it be read from the Hub"),
        (lambda p: lines(p / "a.txt", []), {}, "a file of .arrow, .csv"),
        (lambda p: lines(p / "a.jsonl", [{"question": "Why?"}]), {}, "no column answer"),
        (lambda p: lines(p / "a.jsonl", []), {}, "no column question and no column answer"),
        (lambda p: lines(p / "a.jsonl", [{"question": "Why?", "answer": "So."}]), {"split": "test"}, "no split 'test'"),
        (lambda p: lines(p / "a.jsonl", [{"question": "Why?", "answer": "So."}]), {"config": "implicit"}, "leave --config out"),
        (lambda p: lines(p / "a.jsonl", [{"question": "Why?", "answer": "So."}, 3]), {}, "line 2: a int, not a JSON object"),
        (lambda p: ROOT / "cp_paraling_qa", {"config": "clips"}, "configuration clips: no column question"),
        (lambda p: ROOT / "cp_paraling_qa", {"config": "nope"}, "no configuration 'nope'"),
        (lambda p: ROOT / "cp_paraling_qa", {"split": "dev"}, "there are train, test"),
        (lambda p: p, {}, "holds no table"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, make, options, message):
    with pytest.raises(DatasetError, match=message):
        list(DatasetRows(make(tmp_path), **options))


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "cut.jsonl"
    path.write_text('{"question": "Why?", "answer": "So."}\n' * 200 + '{"question": "W', encoding="utf-8")
    with pytest.raises(DatasetError, match="cut.jsonl, line 201"):
        list(DatasetRows(path))
    whole = write(tmp_path / "whole.parquet", [example(n) for n in range(3)])
    whole.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="whole.parquet"):
        DatasetRows(whole)


def test_long_cells_ragged_rows_and_other_encodings_of_a_csv(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "question,answer\n" + "How " * 50_000 + "?,So.,left,over\nWhy?\n", encoding="utf-8"
    )  # a cell of 200 kB, cells without a column, a cell too few
    rows = DatasetRows(path)
    assert [len(row["question"]) for row in rows] == [200_001] and rows.skipped == {"no answer": 1} and rows.columns == {"question", "answer"}
    path.write_text("wer,was\na,b,c\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="no column question and no column answer .there are was, wer"):
        DatasetRows(path)
    path.write_bytes("question,answer\nWas fühlt er?,Ärger.\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="not in UTF-8"):
        DatasetRows(path)

"""Prediction: batches equal single rows, runs go on where they were killed, controls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from training_fixtures import HERTZ, example, tiny_model, tone, tone_rows, tones, write_dataset

from cp_paraling_qa.errors import ClipLengthError, DatasetError
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.predict import Journal, main, predict, predict_file

ROOT = Path(__file__).resolve().parent.parent
KEYS = {"id", "clip_id", "config", "question", "prompt", "prediction", "reference", "label", "type", "kind", "speaker_id", "corpus", "emotion"}


@lru_cache
def ready():
    return load_model(tiny_model()), load_processor(tiny_model())


def answer_file(out: Path, **more) -> list[dict]:
    settings = {"dataset": str(tones()), "config": "baseline", "max_new_tokens": 4, "batch_size": 4, "say": lambda line: None} | more
    predict_file(str(tiny_model()), out=out, **settings)
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_a_batch_answers_as_single_rows_do() -> None:
    """Rows of very different lengths, so that nearly all are padded."""
    rows = [example(f"c{n}", tone(hertz, 0.3 + 0.9 * n, n), "How does the speaker feel?" * (1 + n % 3), "x") for n, hertz in enumerate(HERTZ.values())]
    rows += tone_rows(2)
    together = predict(*ready(), rows, batch_size=8, max_new_tokens=12)
    assert together == [predict(*ready(), [row], batch_size=1, max_new_tokens=12)[0] for row in rows]
    assert len(set(together)) > 1  # it does look at its input


def test_file_has_the_contracts_keys_in_the_datasets_order(tmp_path) -> None:
    lines = answer_file(tmp_path / "p.jsonl")
    rows = tone_rows(8, first=24)
    assert [line["id"] for line in lines] == [row["id"] for row in rows]
    assert [line["reference"] for line in lines] == [row["answer"] for row in rows]
    assert all(line.keys() == KEYS and line["config"] == "baseline" for line in lines)
    assert [line["prediction"] for line in lines] == predict(*ready(), rows, max_new_tokens=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.jsonl", "p.jsonl.run.json"]


def test_a_killed_run_goes_on(tmp_path, monkeypatch) -> None:
    """Killed after two batches and in the middle of a line: the finished rows are not answered again, none is lost or doubled."""
    whole = answer_file(tmp_path / "whole.jsonl")
    out = tmp_path / "p.jsonl"
    add, batches = Journal.add, []

    def killing_add(journal, numbers, texts):
        if len(batches) == 2:
            raise KeyboardInterrupt
        batches.append(numbers)
        add(journal, numbers, texts)

    monkeypatch.setattr(Journal, "add", killing_add)
    with pytest.raises(KeyboardInterrupt):
        answer_file(out)
    assert not out.exists()
    journal = tmp_path / "p.jsonl.journal"
    journal.write_bytes(journal.read_bytes() + b'{"row": 3, "predic')
    done = [number for numbers in batches for number in numbers]
    batches.clear()

    def counting_add(journal, numbers, texts):
        batches.append(numbers)
        add(journal, numbers, texts)

    monkeypatch.setattr(Journal, "add", counting_add)
    said: list[str] = []
    assert answer_file(out, say=said.append) == whole
    assert "going on: 8 of 16 rows are done" in said
    assert sorted(done + [number for numbers in batches for number in numbers]) == list(range(16))


def test_a_finished_file_is_not_made_again(tmp_path, monkeypatch) -> None:
    first = answer_file(tmp_path / "p.jsonl")
    monkeypatch.setattr("cp_paraling_qa.training.predict.predict", None)  # would be called
    assert answer_file(tmp_path / "p.jsonl") == first


def test_another_runs_answers_are_replaced_and_kept(tmp_path) -> None:
    before = answer_file(tmp_path / "p.jsonl")
    after = answer_file(tmp_path / "p.jsonl", max_new_tokens=2)
    assert [line["prediction"] for line in after] != [line["prediction"] for line in before]
    assert [json.loads(line) for line in (tmp_path / "p.jsonl.bak").read_text().splitlines()] == before


def test_a_journal_of_another_run_is_set_aside(tmp_path) -> None:
    journal = Journal(tmp_path / "j", {"model": "one"})
    journal.add([0, 1], ["a", "b"])
    journal.close()
    same = Journal(tmp_path / "j", {"model": "one"})
    same.close()
    other = Journal(tmp_path / "j", {"model": "two"})
    other.close()
    assert same.done == {0: "a", 1: "b"} and other.done == {}
    assert (tmp_path / "j.bak").read_text().count("prediction") == 2


def test_limit_and_several_configs(tmp_path) -> None:
    assert [line["config"] for line in answer_file(tmp_path / "a.jsonl", config="baseline,explicit", limit=18)] == ["baseline"] * 16 + ["explicit"] * 2


def test_shuffled_audio_plays_another_clip(tmp_path) -> None:
    lines = answer_file(tmp_path / "p.jsonl", shuffle_audio=5)
    emotion = {line["clip_id"]: line["emotion"] for line in lines}
    assert all(line["heard"] != line["clip_id"] and emotion[line["heard"]] != line["emotion"] for line in lines)
    other = {row["clip_id"]: row["audio"] for row in tone_rows(8, first=24)}
    rows = [row | {"audio": other[line["heard"]]} for row, line in zip(tone_rows(8, first=24), lines, strict=True)]
    assert [line["prediction"] for line in lines] == predict(*ready(), rows, max_new_tokens=4)


def test_unhearable_clips_are_named_before_anything_is_answered(tmp_path) -> None:
    rows = [*tone_rows(1), example("far-too-long", tone(300, 31), "q?", "a.")]
    folder = write_dataset(tmp_path / "data", {"baseline": {"test": rows}})
    with pytest.raises(ClipLengthError, match=r"far-too-long \(31.00 s\)"):
        answer_file(tmp_path / "p.jsonl", dataset=str(folder))
    assert not (tmp_path / "p.jsonl").exists()


def test_broken_clips_are_named() -> None:
    row = tone_rows(1)[0] | {"audio": {"bytes": b"no audio", "path": None}}
    with pytest.raises(DatasetError, match="clip clip000"):
        predict(*ready(), [row])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--model", "nowhere"], "nowhere: no model"),
        (["--adapter", "nowhere"], "nowhere: no adapter"),
        (["--batch_size", "0"], "batch_size"),
        (["--split", "dev"], "'dev'"),
    ],
)
def test_errors_are_one_line_and_exit_2(capsys, tmp_path, change, message) -> None:
    options = ["--model", str(tiny_model()), "--dataset", str(tones()), "--config", "baseline", "--out", str(tmp_path / "p.jsonl"), *change]
    assert main(options) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and "Traceback" not in error


def test_a_place_that_cannot_be_written_is_named(capsys, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    options = ["--model", str(tiny_model()), "--dataset", str(tones()), "--config", "baseline", "--out", str(tmp_path / "file" / "p.jsonl")]
    assert main(options) == 2
    assert "pass another --out" in capsys.readouterr().err


def test_rows_need_neither_name_nor_columns() -> None:
    """What a demo hands over: a clip and a prompt. Lengths are not mixed up where clips have no names."""
    rows = [{"prompt": "How does the speaker feel?", "audio": row["audio"]} for row in tone_rows(4)[::2]]
    assert predict(*ready(), rows, max_new_tokens=4) == predict(*ready(), tone_rows(4)[::2], max_new_tokens=4)


def test_script_runs_from_a_foreign_folder(tmp_path) -> None:
    options = ["--model", str(tiny_model()), "--dataset", str(tones()), "--config", "explicit", "--limit", "2", "--max-new-tokens", "2", "--out", "p.jsonl"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "trainer/predict.py"), *options], cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "next: cpqa score p.jsonl" in done.stdout and len((tmp_path / "p.jsonl").read_text().splitlines()) == 2
    assert "Warning" not in done.stderr

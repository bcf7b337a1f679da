"""`cpqa export`: what is written is read back, by the rules of the frameworks that read it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import soundfile
from training_fixtures import example, tone, tone_rows, write_dataset

from cp_paraling_qa.dataset.export import export, record_of, suffix_of
from cp_paraling_qa.errors import DatasetError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rows = {"train": tone_rows(4), "test": tone_rows(2, first=4)}
    shown = {"train": tone_rows(4, explicit=True), "test": tone_rows(2, first=4, explicit=True)}
    silent = example("none", tone(300, 0.4), "What is a tone?", "A sound.") | {"audio": None}
    return str(write_dataset(tmp_path_factory.mktemp("tones"), {"baseline": {**rows, "train": [*rows["train"], silent]}, "explicit": shown}))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def original(folder, config="baseline", split="train"):
    from datasets import load_dataset

    return list(load_dataset(folder, config, split=split))


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_framework_row(text, answer, audios, row):
    """The rule of both frameworks: as many tags as clips, all in the question; the rest is the prompt, unchanged."""
    assert text.count("<audio>") == len(audios) == (row["audio"] is not None)
    assert text.removeprefix("<audio>") == row["prompt"] and answer == row["answer"]


def test_ms_swift_rows_are_the_datasets_rows(folder, tmp_path):
    done = export(folder, tmp_path / "out", format="ms-swift", configs=["baseline"], splits=["train"])
    written, rows = lines(tmp_path / "out/train.jsonl"), original(folder)
    assert done.rows == {"train": 9} and done.clips == 4 and len(written) == len(rows) == 9
    for item, row in zip(written, rows, strict=True):
        assert set(item) == {"messages", "audios"}  # ms-swift gives other keys a meaning of their own, such as label
        assert [message["role"] for message in item["messages"]] == ["user", "assistant"]
        check_framework_row(item["messages"][0]["content"], item["messages"][1]["content"], item["audios"], row)
        for path in item["audios"]:
            assert os.path.isabs(path)
            with open(path, "rb") as file:
                assert file.read() == row["audio"]["bytes"]
            assert soundfile.info(path).samplerate == 16_000  # a decoder that goes by the suffix takes it
    assert len(list((tmp_path / "out/audio").iterdir())) == 4  # two questions a clip, one file


def test_llamafactory_finds_its_files_and_columns(folder, tmp_path):
    export(folder, tmp_path / "out", format="llamafactory", configs=["explicit"], splits=["train", "test"])
    info = json.loads((tmp_path / "out/dataset_info.json").read_bytes().decode("ascii"))
    for split in ("train", "test"):
        about = info[f"cpqa_{split}"]
        assert about["formatting"] == "sharegpt" and about["columns"]["audios"] == "audios"
        rows = original(folder, "explicit", split)
        for item, row in zip(lines(tmp_path / "out" / about["file_name"]), rows, strict=True):
            turns = item[about["columns"]["messages"]]
            assert [turn["from"] for turn in turns] == ["human", "gpt"]  # its default tags
            check_framework_row(turns[0]["value"], turns[1]["value"], item["audios"], row)
            assert row["metadata"] in turns[0]["value"]  # explicit prompts as they are
            assert (tmp_path / "out" / item["audios"][0]).read_bytes() == row["audio"]["bytes"]  # media_dir is dataset_dir
    assert len(info) == 2


def test_jsonl_loads_with_datasets(folder, tmp_path):
    from datasets import load_dataset

    export(folder, tmp_path / "out", format="jsonl", configs=["baseline", "explicit"], splits=["train"])
    rows = load_dataset("json", data_files=str(tmp_path / "out/train.jsonl"), split="train", cache_dir=str(tmp_path / "cache"))
    first, second = original(folder), original(folder, "explicit")
    assert len(rows) == len(first) + len(second) == 17 and rows["config"] == ["baseline"] * 9 + ["explicit"] * 8
    for row, before in zip(rows, [*first, *second], strict=True):
        assert {name: row[name] for name in ("id", "clip_id", "question", "answer", "prompt", "metadata", "type", "kind", "label", "emotion")} == {
            name: before[name] for name in ("id", "clip_id", "question", "answer", "prompt", "metadata", "type", "kind", "label", "emotion")
        }
        assert row["audio"] is None if before["audio"] is None else (tmp_path / "out" / row["audio"]).read_bytes() == before["audio"]["bytes"]


@pytest.mark.parametrize(("format", "absolute"), [("ms-swift", False), ("llamafactory", True)])
def test_paths_can_be_asked_for(folder, tmp_path, format, absolute):
    export(folder, tmp_path / "out", format=format, configs=["baseline"], splits=["test"], absolute=absolute)
    assert all(os.path.isabs(path) == absolute for item in lines(tmp_path / "out/test.jsonl") for path in item["audios"])


@pytest.mark.parametrize(("format", "tag"), [("ms-swift", "<audio>"), ("llamafactory", "<image>"), ("ms-swift", "<bbox>")])
def test_a_tag_in_the_text_is_refused_by_name_or_left_out(tmp_path, format, tag):
    odd = example("odd", tone(300, 0.4), f"Does {tag} sound sad?", "No.")
    answered = example("odd", tone(300, 0.4), "What is written?", f"It says {tag}.")
    folder = str(write_dataset(tmp_path / "data", {"baseline": {"train": [*tone_rows(2), odd, answered]}}))
    with pytest.raises(DatasetError, match=rf"{odd['id']} \({tag}\), {answered['id']}.*--drop-tagged"):
        export(folder, tmp_path / "out", format=format, configs=["baseline"], splits=["train"])
    assert not (tmp_path / "out").exists()
    done = export(folder, tmp_path / "out", format=format, configs=["baseline"], splits=["train"], drop_tagged=True)
    assert done.left_out == sorted([odd["id"], answered["id"]]) and done.rows == {"train": 4}
    plain = export(folder, tmp_path / "plain", format="jsonl", configs=["baseline"], splits=["train"])  # our own columns know no tags
    assert plain.rows == {"train": 6} and not plain.left_out


def test_a_second_export_changes_nothing_and_another_is_refused(folder, tmp_path):
    out = tmp_path / "out"
    export(folder, out, format="jsonl", configs=["baseline"], splits=["train"])
    before, times = tree(out), {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = export(folder, out, format="jsonl", configs=["baseline"], splits=["train"])
    assert again.unchanged and again.rows == {"train": 9} and tree(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times
    with pytest.raises(DatasetError, match="another export .jsonl"):
        export(folder, out, format="ms-swift", configs=["baseline"], splits=["train"])
    assert tree(out) == before


def test_files_of_others_are_left_alone(folder, tmp_path):
    (tmp_path / "train.jsonl").write_text("mine\n")
    with pytest.raises(DatasetError, match="holds other things"):
        export(folder, tmp_path, format="jsonl", configs=["baseline"], splits=["train"])
    assert tree(tmp_path) == {"train.jsonl": b"mine\n"}


def test_what_was_lost_is_written_again(folder, tmp_path):
    out = tmp_path / "out"
    export(folder, out, format="jsonl", configs=["baseline"], splits=["train"])
    before = tree(out)
    next((out / "audio").iterdir()).unlink()
    (out / "audio" / ".torn.flac.1.tmp").write_bytes(b"half")  # what kill -9 leaves behind
    assert not export(folder, out, format="jsonl", configs=["baseline"], splits=["train"]).unchanged
    assert tree(out) == before


def test_a_killed_export_goes_on(tmp_path):
    rows = [example(f"clip{n:04d}", tone(200 + n, 0.3, n), "How?", f"So {n}.") for n in range(400)]
    folder = str(write_dataset(tmp_path / "data", {"baseline": {"train": rows}}))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "cp_paraling_qa.cli", "export", folder, "--format", "llamafactory", "--config", "baseline", "--out", str(out)]
    working = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(out.glob("audio/*.flac"))) < 5 and working.poll() is None:
        time.sleep(0.002)
    working.send_signal(signal.SIGKILL)
    working.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "train.jsonl: 400 rows" in done.stdout and "400 clips" in done.stdout
    export(folder, tmp_path / "fresh", format="llamafactory", configs=["baseline"], splits=["train"])
    assert {k: v for k, v in tree(out).items() if k != "_export.json"} == {k: v for k, v in tree(tmp_path / "fresh").items() if k != "_export.json"}


def test_clip_ids_that_are_no_file_names_get_one(tmp_path):
    rows = [example("../../etc/x", tone(300, 0.3), "q?", "a."), example("ü b", tone(500, 0.3), "q?", "b.")]
    folder = str(write_dataset(tmp_path / "data", {"baseline": {"train": rows}}))
    export(folder, tmp_path / "out", format="jsonl", configs=["baseline"], splits=["train"])
    assert {item["audio"] for item in lines(tmp_path / "out/train.jsonl")} == {
        f"audio/{hashlib.sha256(clip.encode()).hexdigest()[:32]}.flac" for clip in ("../../etc/x", "ü b")
    }


@pytest.mark.parametrize(
    ("sound", "suffix"),
    [
        (b"fLaC\0\0\0\x22", ".flac"),
        (b"RIFF\x24\0\0\0WAVEfmt ", ".wav"),
        (b"OggS\0\x02", ".ogg"),
        (b"ID3\x04", ".mp3"),
        (b"\xff\xfb\x90\x00", ".mp3"),
        (b"\0\0\0\x1cftypM4A ", ".m4a"),
    ],
)
def test_suffixes_go_by_content(sound, suffix):
    assert suffix_of(sound, "c") == suffix


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio": {"bytes": b"not audio at all", "path": "odd.flac"}}, "clip odd: its audio is neither"),
        ({"audio": {"bytes": None, "path": "corpus/odd.wav"}}, "clip odd: .*no file corpus/odd.wav: .*attach_audio"),
    ],
)
def test_audio_that_cannot_be_written_is_named(tmp_path, change, message):
    folder = str(write_dataset(tmp_path / "data", {"baseline": {"train": [example("odd", tone(300, 0.3), "q?", "a.") | change]}}))
    with pytest.raises(DatasetError, match=message):
        export(folder, tmp_path / "out", format="jsonl", configs=["baseline"], splits=["train"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "csv"}, "'csv' is not one of ms-swift, llamafactory, jsonl"),
        ({"configs": ["nothing"]}, "config 'nothing', split 'train' cannot be loaded"),
        ({"splits": ["dev"]}, "split 'dev' cannot be loaded"),
    ],
)
def test_what_cannot_be_exported_is_named(folder, tmp_path, options, message):
    with pytest.raises(DatasetError, match=re.escape(message)):
        export(folder, tmp_path / "out", **({"format": "jsonl", "configs": ["baseline"], "splits": ["train"]} | options))
    assert not (tmp_path / "out").exists()


def test_rows_without_audio_get_no_tag():
    row = {"prompt": "What is a tone?", "answer": "A sound."}
    assert record_of(row, None, "ms-swift") == {
        "messages": [{"role": "user", "content": "What is a tone?"}, {"role": "assistant", "content": "A sound."}],
        "audios": [],
    }

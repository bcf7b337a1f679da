"""A whole build with LLM-written questions, against a server on loopback that answers any schema, faults included."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import datasets
import pyarrow.parquet as pq
import pytest
from chat_server import ChatServer, Reply
from conftest import ROOT, write_folder_corpus

from cp_paraling_qa.building import build
from cp_paraling_qa.errors import DatasetError, LLMError
from cp_paraling_qa.progress import Screen
from cp_paraling_qa.schema import QUESTION_SCHEMA
from cp_paraling_qa.stage import read_record, read_rows

QUIET = Screen(quiet=True)
KEY = "sk-this-is-a-secret-0123456789"


def answer(request):
    """A good question about the very clip that is asked about, as a larger model would write it."""
    prompt = request["messages"][-1]["content"]
    number = int(re.search(r"promotion number (\d)", prompt)[1])
    feeling = re.search(r"Voice: (\w+)", prompt)[1]
    about = {"topic": "the promotion", "question": f"What makes the speaker bring up promotion {number + 1} like this?", "evidence": ["emotion"]}
    return Reply(json.dumps(about | {"answer": f"The speaker sounds {feeling}, since others heard of it first."}))


@pytest.fixture
def server():
    with ChatServer() as running:
        running.script = answer
        yield running


def recipe(tmp_path, server, name="run", **llm):
    root = tmp_path / "corpus"
    if not root.exists():
        write_folder_corpus(root)
    return {
        "run": tmp_path / name,
        "corpora": [{"name": "folder", "root": root}],
        "annotate": {"annotators": ["prosody"]},
        "llm": {"base_url": server.base_url, "model": "test", **llm},
        "questions": {"per_clip": 1, "style": "stepwise", "mix": {"CE": 1}},
    }


def test_all_configurations_over_the_same_clips_and_splits(tmp_path, server):
    folder = build(recipe(tmp_path, server), screen=QUIET)
    assert datasets.get_dataset_config_names(str(folder)) == ["baseline", "explicit", "implicit", "combined", "clips"]
    loaded = {name: datasets.load_dataset(str(folder), name) for name in ("baseline", "explicit", "implicit", "combined")}
    speakers = {name: tuple(tuple(sorted(set(rows["speaker_id"]))) for rows in splits.values()) for name, splits in loaded.items()}
    assert len(set(speakers.values())) == 1
    implicit, combined = loaded["implicit"]["train"], loaded["combined"]["train"]
    assert implicit["id"] == combined["id"] and set(implicit["kind"]) == {"cpqa"} and implicit["prompt"] == implicit["question"]
    for row in combined:
        assert row["prompt"].startswith("Voice: 0.0–") and f" s {row['emotion']}." in row["prompt"] and row["prompt"].endswith(row["question"])
        assert row["provenance"]["generator"] == "test" and row["provenance"]["metadata_template"]
    assert {row["label"] for row in implicit if row["type"] == "CE"} <= {"angry", "sad", "happy"}
    assert "of 12 that parsed, a share of 1.00" in (folder / "README.md").read_text()
    assert list(next(read_rows(tmp_path / "run/questions"))) == QUESTION_SCHEMA.names


def test_building_again_asks_nothing_and_writes_nothing(tmp_path, server):
    folder = build(recipe(tmp_path, server), screen=QUIET)
    asked, stamp = len(server.bodies), (folder / "_stage.json").stat().st_mtime_ns
    build(recipe(tmp_path, server), screen=QUIET)
    assert len(server.bodies) == asked and (folder / "_stage.json").stat().st_mtime_ns == stamp


def test_faults_cost_time_but_no_row(tmp_path, server):
    build(recipe(tmp_path, server, "plain"), screen=QUIET)
    seen = {}

    def faulty(request):
        """The first try of every request fails, each in another way."""
        key = json.dumps(request, sort_keys=True)
        seen[key] = seen.get(key, -1) + 1
        kinds = [
            Reply(status=500),
            Reply("no JSON at all"),
            Reply('{"question": "cut', finish_reason="length"),
            Reply(hangup=True),
            Reply(choices=False),
            Reply(status=429),
        ]
        return kinds[len(seen) % len(kinds)] if seen[key] == 0 else answer(request)

    server.script = faulty
    build(recipe(tmp_path, server, "faulty"), screen=QUIET)
    rows = [sorted(read_rows(tmp_path / name / "questions"), key=lambda row: row["qa_id"]) for name in ("plain", "faulty")]
    assert rows[0] == rows[1] and read_record(tmp_path / "faulty/questions")["dropped"] == {}


def test_replies_that_never_parse_are_counted_and_an_empty_configuration_is_refused(tmp_path, server):
    server.script = [Reply("I would rather not. Rating: 5")]
    with pytest.raises(DatasetError, match=r"no LLM-written question was kept.*LLM: not JSON.*--no-llm"):
        build(recipe(tmp_path, server), screen=QUIET)
    record = read_record(tmp_path / "run/questions")
    assert record["dropped"] == {"LLM: not JSON": 12} and len(record["dropped_items"]) == 12
    assert {row["kind"] for row in read_rows(tmp_path / "run/questions")} == {"pqa_template"}


def test_an_endpoint_that_refuses_stops_the_build_and_a_good_one_goes_on(tmp_path, server):
    server.script = [Reply("bad key", status=401)]
    with pytest.raises(LLMError, match=r"401.*OPENAI_API_KEY"):
        build(recipe(tmp_path, server), screen=QUIET)
    assert not (tmp_path / "run/dataset").exists()
    server.script = answer
    assert (build(recipe(tmp_path, server), screen=QUIET) / "README.md").exists()


def test_an_endpoint_that_is_down_is_named(tmp_path, server):
    down = recipe(tmp_path, server)
    down["llm"]["base_url"] = "http://127.0.0.1:9/v1"
    with pytest.raises(LLMError, match=r"nothing answers at http://127\.0\.0\.1:9/v1"):
        build(down, screen=QUIET)


def test_clips_without_words_are_counted_and_still_get_template_questions(tmp_path, server):
    write_folder_corpus(tmp_path / "corpus")
    metadata = tmp_path / "corpus" / "metadata.jsonl"
    lines = [json.loads(line) for line in metadata.read_text().splitlines()]
    lines[0]["transcript"] = None
    metadata.write_text("".join(json.dumps(line) + "\n" for line in lines))
    build(recipe(tmp_path, server), screen=QUIET)
    assert read_record(tmp_path / "run/questions")["dropped"] == {"no transcript": 1}
    assert sum(row["kind"] == "pqa_template" for row in read_rows(tmp_path / "run/questions")) == 72  # 12 clips, emotion and gender, three forms


def test_questions_are_taken_over_from_a_dataset(tmp_path, server):
    first = build(recipe(tmp_path, server, "first"), screen=QUIET)
    asked = len(server.bodies)
    again = recipe(tmp_path, server, "second")
    again["questions"] |= {"reuse": first, "live_clips": 3}
    second = build(again, screen=QUIET)
    assert len(server.bodies) == asked + 3
    summary = read_record(tmp_path / "second/questions")["summary"]
    assert (
        "9 LLM-written questions taken over from the dataset, for 9 of 9 clips" in summary
        and "3 LLM-written questions written live, for 3 of 3 clips" in summary
    )
    ids = [sorted(i for rows in datasets.load_dataset(str(folder), "implicit").values() for i in rows["id"]) for folder in (first, second)]
    assert ids[0] == ids[1]


SCRIPT = """
import sys
from cp_paraling_qa.cli import main
sys.argv = ["cpqa", "build", "--corpus", "folder", "--root", {root!r}, "--run", {run!r}, "--llm-base-url", {url!r}, "--llm-model", "test", "--per-clip", "1", "--style", "stepwise", "--mix", "CE=1"]
if __name__ == "__main__":
    main()
"""


def test_kill_9_at_any_moment_then_again_gives_the_same_dataset_and_the_key_is_nowhere(tmp_path, server):
    root = write_folder_corpus(tmp_path / "corpus", speakers=26)  # two parts
    build(recipe(tmp_path, server, "whole") | {"annotate": {"annotators": ["prosody", "asr"]}}, screen=QUIET)
    server.script = lambda request: Reply(answer(request).text, delay=0.02)
    run = tmp_path / "killed"
    command = [sys.executable, "-c", SCRIPT.format(root=str(root), run=str(run), url=server.base_url)]
    environment = {**os.environ, "OPENAI_API_KEY": KEY}
    said = ""
    for moment in ("manifest", "annotations", "questions", "dataset", None):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if moment is not None:
            deadline = time.time() + 60
            while not list((run / moment).glob("*")) and process.poll() is None and time.time() < deadline:
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
        said += process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert read_record(run / "dataset")["data"] == read_record(tmp_path / "whole/dataset")["data"]
    assert any(KEY in value for headers in server.headers for value in headers.values())  # it did travel, to the server
    leaked = [path for path in run.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not leaked and KEY not in said
    left = [path for path in run.rglob("*.tmp")] + list(run.rglob(".building"))
    assert not left


def test_the_card_of_a_run_with_drops_says_why(tmp_path, server):
    def leaky(request):
        good = json.loads(answer(request).text)
        return Reply(json.dumps(good | ({"answer": "The arousal is 0.81."} if "happy" in request["messages"][-1]["content"] else {})))

    server.script = leaky
    folder = build(recipe(tmp_path, server), screen=QUIET)
    text = (folder / "README.md").read_text()
    assert "| leaks figures | " in text
    parts = [pq.read_table(path).to_pylist() for path in (tmp_path / "run/questions").glob("*.parquet")]
    dropped = [row for part in parts for row in part if row["dropped"]]
    assert dropped and {row["dropped"] for row in dropped} == {"leaks figures"}
    assert not [path for path in (tmp_path / "run/questions").rglob("*") if path.suffix == ".parquet" and path.parent.name != "questions"]


def test_the_recipe_beside_the_sample_is_valid():
    from cp_paraling_qa.recipe import Recipe

    assert Recipe.load(ROOT / "cp_paraling_qa/sample/recipe.yaml").corpora[0].name == "sample"


def test_a_row_that_succeeds_on_the_second_run_reaches_the_dataset(tmp_path, server, monkeypatch):
    monkeypatch.setattr("cp_paraling_qa.llm.backoff", lambda tries: 0.0)

    def one_fails(request):
        return Reply("boom", status=500) if "sad" in request["messages"][-1]["content"] and "a man" in request["messages"][-1]["content"] else answer(request)

    server.script = one_fails
    first = build(recipe(tmp_path, server), screen=QUIET)
    record, data = read_record(tmp_path / "run/questions"), read_record(first)["data"]
    assert record["retry"] > 0 and record["dropped"] == {"LLM: HTTP 500": record["retry"]}
    server.script = answer
    build(recipe(tmp_path, server), screen=QUIET)
    assert read_record(tmp_path / "run/questions")["retry"] == 0 and read_record(first)["data"] != data
    assert sum(datasets.load_dataset(str(first), "implicit").num_rows.values()) == 12

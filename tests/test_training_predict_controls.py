"""The controls at inference: what prompts show of the metadata, and a text model that reads the transcripts alone."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply
from training_fixtures import example, tiny_model, tone, tone_rows, tones, write_dataset

from cp_paraling_qa.errors import DatasetError, TrainingError
from cp_paraling_qa.judge.scorefile import read_predictions, score_rows
from cp_paraling_qa.schema import compose
from cp_paraling_qa.training.answering import cascade
from cp_paraling_qa.training.answering.shown import metadata_blocks, shown_prompts
from cp_paraling_qa.training.predict import _asked, main, predict_file, predict_from_words
from cp_paraling_qa.training.rows import load_rows, steered_prompts


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def answered(out: Path, **more: Any) -> list[dict[str, Any]]:
    settings = {"dataset": str(tones()), "config": "explicit", "max_new_tokens": 1, "say": lambda line: None} | more
    return lines_of(predict_file(str(tiny_model()), out=out, **settings))


@lru_cache
def explicit() -> Any:
    return load_rows(str(tones()), "explicit", "test")


def test_none_asks_the_bare_question(tmp_path: Path) -> None:
    lines = answered(tmp_path / "p.jsonl", metadata="none", limit=4)
    assert [line["prompt"] for line in lines] == explicit()["question"][:4] != explicit()["prompt"][:4]


def test_model_shows_the_block_of_explicit_in_baselines_prompts(tmp_path: Path) -> None:
    """The twin's rows are the same questions: by id where ids agree, by clip here, where they are hashes of the prompts."""
    lines = answered(tmp_path / "p.jsonl", config="baseline", metadata="model")
    assert [line["prompt"] for line in lines] == explicit()["prompt"]
    assert {line["config"] for line in lines} == {"baseline"}
    assert [line["prompt"] for line in answered(tmp_path / "q.jsonl", metadata="model")] == explicit()["prompt"]


def shuffled(rows, seed: int) -> list[str]:
    """What training shows under `--metadata_shuffle`."""
    return steered_prompts(*(rows[name] for name in ("prompt", "question", "metadata", "clip_id")), shuffle=True, seed=seed)


def test_shuffled_is_the_draw_of_training(tmp_path: Path) -> None:
    """EXACT: byte for byte what `--metadata_shuffle` trains on under the same seed, from explicit and from baseline; a limit changes no prompt."""
    for seed in (0, 3):
        trained = shuffled(explicit(), seed)
        for config in ("explicit", "baseline"):
            lines = answered(tmp_path / f"{config}{seed}.jsonl", config=config, metadata="shuffled", seed=seed, limit=5)
            assert [line["prompt"] for line in lines] == trained[:5] != explicit()["prompt"][:5]
    assert shuffled(explicit(), 0) != trained


def test_the_bundled_samples_implicit_and_combined_agree() -> None:
    """Their rows are the same questions, and combined's own prompts are what `model` shows for implicit, at inference as in training."""
    implicit, combined = (load_rows("cp_paraling_qa", name, "test") for name in ("implicit", "combined"))
    assert (
        shown_prompts(implicit, "model", dataset="cp_paraling_qa", split="test")
        == combined["prompt"]
        == [compose(block, question) for block, question in zip(combined["metadata"], combined["question"], strict=True)]
    )
    shown = shown_prompts(implicit, "shuffled", dataset="cp_paraling_qa", split="test", seed=5)
    assert shown == shuffled(combined, 5) != combined["prompt"]
    assert shown_prompts(combined, "none", dataset="cp_paraling_qa", split="test") == implicit["prompt"]


def test_rows_without_a_question_of_their_own_keep_their_prompt(tmp_path: Path) -> None:
    rows = tone_rows(2)
    rows[1]["question"] = None
    folder = write_dataset(tmp_path, {"baseline": {"test": rows}})
    shown = shown_prompts(load_rows(str(folder), "baseline", "test"), "none", dataset=str(folder), split="test")
    assert shown[0] == rows[0]["question"] and shown[1] == rows[1]["prompt"]


def test_a_dataset_with_other_labels_is_another_run(tmp_path: Path) -> None:
    """What is copied into the file belongs to it: the model's answers would be the same, their scores not."""
    rows = tone_rows(1)
    runs = []
    for label in ("sad", "happy"):
        folder = write_dataset(tmp_path / label, {"baseline": {"test": [row | {"label": label} for row in rows]}})
        runs.append(_asked(str(folder), "baseline", "test", None, None, 0, None)[1])
    assert runs[0]["data"] != runs[1]["data"] and runs[0]["rows"] == runs[1]["rows"]


def test_rows_without_metadata_are_named(tmp_path: Path) -> None:
    """A clip that explicit does not have; and one whose rows there show different blocks, with no row of this question's type among them."""
    bare = write_dataset(tmp_path / "bare", {"baseline": {"test": tone_rows(1)}})
    with pytest.raises(DatasetError, match=f"{tone_rows(1)[0]['id']}.*--metadata none"):
        metadata_blocks(load_rows(str(bare), "baseline", "test"), dataset=str(bare), split="test")
    sound = tone(300, 0.5)
    twins = [example("c", sound, f"q{n}?", "a", type=kind, metadata=block) for n, (kind, block) in enumerate([("DE", "Voice: sad."), ("DG", "Voice: hidden.")])]
    asked = [example("c", sound, "why?", "a", type="CE"), example("c", sound, "what?", "a", type="DG")]
    mixed = write_dataset(tmp_path / "mixed", {"implicit": {"test": asked}, "explicit": {"test": twins}})
    with pytest.raises(DatasetError, match=asked[0]["id"]) as error:
        metadata_blocks(load_rows(str(mixed), "implicit", "test"), dataset=str(mixed), split="test")
    assert asked[1]["id"] not in str(error.value)
    with pytest.raises(TrainingError, match="one clip"):
        shown_prompts(load_rows(str(mixed), "explicit", "test"), "shuffled", dataset=str(mixed), split="test")


def test_a_run_with_another_control_is_another_run(tmp_path: Path) -> None:
    first = answered(tmp_path / "p.jsonl", limit=2)
    assert answered(tmp_path / "p.jsonl", limit=2, metadata="shuffled", seed=1) != first
    assert lines_of(tmp_path / "p.jsonl.bak") == first
    note = json.loads((tmp_path / "p.jsonl.run.json").read_text())
    assert note["metadata"] == "shuffled" and note["seed"] == 1


def spoken(rows: list[dict[str, Any]], silent: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [row | {"transcript": " " if number in silent else f"Words of {row['clip_id']}."} for number, row in enumerate(rows)]


def asked_of(body: bytes) -> str:
    return str(json.loads(body)["messages"][-1]["content"])


def words_only(folder: Path, server: ChatServer, **more: Any) -> tuple[list[dict[str, Any]], list[str]]:
    said: list[str] = []
    settings = {"config": "explicit", "llm_base_url": server.base_url, "llm_model": "reader", "out": folder / "p.jsonl", "say": said.append} | more
    return lines_of(predict_from_words(dataset=str(folder), **settings)), said


def test_a_text_model_answers_from_words_and_prompt(tmp_path: Path) -> None:
    """Nothing but the transcript and the prompt is sent; what has no transcript is not asked, and its null scores nothing and wrong."""
    rows = spoken(tone_rows(3, explicit=True), silent=(2, 3))
    folder = write_dataset(tmp_path, {"explicit": {"test": rows}})
    with ChatServer() as server:
        server.script = lambda request: Reply(f" heard: {request['messages'][-1]['content'][-12:]}\n")
        lines, said = words_only(folder, server, max_new_tokens=99)
        sent = [json.loads(body) for body in server.bodies]
    assert sorted(asked_of(body) for body in server.bodies) == sorted(
        f"Transcript: Words of {row['clip_id']}.\n\n{row['prompt']}" for n, row in enumerate(rows) if n not in (2, 3)
    )
    assert {body["max_tokens"] if "max_tokens" in body else body["max_completion_tokens"] for body in sent} == {99}
    assert all(body["temperature"] == 0 and body["messages"][0]["content"] == cascade.SYSTEM for body in sent)
    assert [line["prediction"] for line in lines] == [None if n in (2, 3) else f"heard: {row['prompt'][-12:]}" for n, row in enumerate(rows)]
    assert [line.get("unanswered") for line in lines] == [None, None, "no transcript", "no transcript", None, None]
    assert {line["answered_from"] for line in lines} == {"transcript"}
    assert any("answered 4 of 6" in line and "2 × no transcript" in line for line in said)
    scores = score_rows(read_predictions(folder / "p.jsonl"), embedder=None)
    assert scores["n"] == 6
    speech = answered(tmp_path / "speech.jsonl", dataset=str(folder))
    assert [list(line)[: len(speech[0])] for line in lines] == [list(line) for line in speech]  # the same columns first, then two of its own


def test_transcript_and_metadata_together(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, {"baseline": {"test": spoken(tone_rows(2))}, "explicit": {"test": spoken(tone_rows(2, explicit=True))}})
    with ChatServer() as server:
        lines, _ = words_only(folder, server, config="baseline", metadata="model")
    blocks = [row["metadata"] for row in tone_rows(2, explicit=True)]
    assert all(f"{block}\n" in line["prompt"] for block, line in zip(blocks, lines, strict=True))
    assert sorted(asked_of(body).partition("\n\n")[2] for body in server.bodies) == sorted(line["prompt"] for line in lines)


def test_what_failed_for_a_while_is_asked_again_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row whose requests time out for ever is unanswered, and said so; the same command asks it again, and then the run is over."""
    monkeypatch.setattr("cp_paraling_qa.llm.backoff", lambda tries: 0.0)
    rows = spoken(tone_rows(2))
    folder = write_dataset(tmp_path, {"baseline": {"test": rows}})
    broken = rows[1]["question"]
    with ChatServer() as server:
        server.script = lambda request: (
            Reply(status=503) if broken in request["messages"][-1]["content"] and "clip000" in request["messages"][-1]["content"] else Reply("ok")
        )
        lines, said = words_only(folder, server, config="baseline")
        assert [line["prediction"] for line in lines] == ["ok", None, "ok", "ok"]
        assert lines[1]["unanswered"] and any("asked again" in line for line in said)
        asked = len(server.bodies)
        server.script = [Reply("now")]
        lines, said = words_only(folder, server, config="baseline")
        assert [line["prediction"] for line in lines] == ["ok", "now", "ok", "ok"] and len(server.bodies) == asked + 1
        assert "going on: 3 of 4 rows are done" in said
        words_only(folder, server, config="baseline")
        assert len(server.bodies) == asked + 1
    assert sorted(path.name for path in tmp_path.glob("p.jsonl*")) == ["p.jsonl", "p.jsonl.bak", "p.jsonl.run.json"]


def test_a_cache_answers_without_the_endpoint(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, {"baseline": {"test": spoken(tone_rows(2))}})
    with ChatServer() as server:
        first, _ = words_only(folder, server, config="baseline", llm_cache=tmp_path / "replies.sqlite")
        (tmp_path / "p.jsonl").unlink()
        again, _ = words_only(folder, server, config="baseline", llm_cache=tmp_path / "replies.sqlite")
        assert len(server.bodies) == 4
    assert again == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--transcript-only", "--adapter", "x"], "--adapter: not with --transcript_only"),
        (["--model", "m", "--llm-model", "x"], "--llm_model: only with --transcript_only"),
        ([], "--model"),
        (["--transcript-only", "--llm-base-url", "http://127.0.0.1:9/v1"], "--llm_model"),
        (["--transcript-only"], "no row has a transcript"),
    ],
)
def test_options_that_do_not_go_together(capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], message: str) -> None:
    assert main(["--dataset", str(tones()), "--config", "baseline", "--out", str(tmp_path / "p.jsonl"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error
    assert not list(tmp_path.iterdir())

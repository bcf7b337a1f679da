"""The batch transport, against a strict server on loopback: nothing is lost, nothing is paid twice, whatever happens and whenever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial

import openai
import pytest
from batch_server import BatchServer, Result

from cp_paraling_qa import llm_faults
from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm_batch import PENDING, SENDS, BatchLimits, CachedOnly, fill_cache, run_batches
from cp_paraling_qa.llm_batch import server as batch_api
from cp_paraling_qa.llm_batch.book import Book
from cp_paraling_qa.llm_batch.files import BatchFile
from cp_paraling_qa.llm_cache import ReplyCache
from cp_paraling_qa.llm_types import ChatRequest, LLMConfig, Prices
from cp_paraling_qa.llm_wire import cache_key

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"], "additionalProperties": False}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(llm_faults, "BACKOFF_FIRST", 0.002)
    monkeypatch.setattr(llm_faults, "BACKOFF_MOST", 0.01)
    monkeypatch.setattr(openai, "DefaultHttpxClient", partial(openai.DefaultHttpxClient, verify=False))  # loading certificates takes longest
    with BatchServer() as server:
        yield server


@pytest.fixture
def config(server, tmp_path):
    return LLMConfig(server.base_url, "test", temperature=0.4, max_tokens=50, cache=tmp_path / "cache.sqlite", attempts=6, timeout=10.0)


def asking(count, *, schema=SCHEMA):
    return [ChatRequest([{"role": "user", "content": f"Line {n}: how does she\u2028feel? 你好"}], schema, "reply", key=n) for n in range(count)]


def checked(text):
    if "answer" not in json.loads(text):
        raise ValueError("no answer in it")


class Asker:
    """Asks the same requests of every client; keeps the last replies."""

    def __init__(self, requests, validate=checked):
        self.requests, self.validate, self.replies, self.times = requests, validate, [], 0

    def __call__(self, client):
        self.times += 1
        self.replies = list(client.run(iter(self.requests), validate=self.validate))


def fill(config, folder, requests, *, limits=None, told=None, validate=checked):
    ask = Asker(requests, validate)
    result = fill_cache(config, folder, ask, told=told or (lambda text: None), poll=0.001, limits=limits)
    with CachedOnly(config, folder) as client:
        ask(client)
    return result, ask.replies


def number_of(body):
    return int(body["messages"][0]["content"].removeprefix("Line ").partition(":")[0])


def test_every_request_is_answered_once_and_replies_keep_their_order(server, config, tmp_path):
    server.answer = lambda body: Result(json.dumps({"answer": f"calm\u2028{number_of(body)}"}, ensure_ascii=False))
    told = []
    result, replies = fill(config, tmp_path / "b", asking(7), told=told.append)
    assert [json.loads(reply.text)["answer"] for reply in replies] == [f"calm\u2028{n}" for n in range(7)]
    assert all(reply.cached and reply.error is None for reply in replies) and [reply.request.key for reply in replies] == list(range(7))
    # 7 requests of 7 + 3 tokens; one batch
    assert (result.batches, result.sent, result.good, result.prompt_tokens, result.completion_tokens, result.cost) == (1, 7, 7, 49, 21, None)
    assert list(server.executed.values()) == [1] * 7
    assert {"batch 1 of 1: in_progress, 0 of 7 done", "batch 1 of 1: completed, 7 of 7 done"} <= set(told)
    body = server.bodies()[3]
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (50, 0.4, 0)
    assert body["response_format"]["json_schema"] == {"name": "reply", "schema": SCHEMA, "strict": True}
    names = sorted(path.name for path in (tmp_path / "b").iterdir() if "sqlite" not in path.name)
    assert names == ["0001.json", "pending.jsonl"]  # what was sent and what came back are in the cache
    seen = len(server.seen)
    assert fill(config, tmp_path / "b", asking(7))[0].sent == 0 and len(server.seen) == seen


def test_the_cache_is_the_live_clients(server, config, tmp_path):
    fill(config, tmp_path / "b", asking(2))
    cache = ReplyCache(config.cache)
    keys = [cache_key(config, request) for request in asking(2)]
    kept = cache.get_many(keys)
    cache.close()
    assert {key: (kept[key].text, kept[key].prompt_tokens, kept[key].completion_tokens) for key in keys} == dict.fromkeys(keys, ('{"answer": "calm"}', 7, 3))


def test_files_hold_what_the_limits_allow_and_repetitions_go_once(server, config, tmp_path):
    requests = asking(7)
    result, replies = fill(config, tmp_path / "b", requests + requests[:3], limits=BatchLimits(requests=3))
    assert [len(batch.lines) for batch in server.batches.values()] == [3, 3, 1]
    assert result.sent == 7 and set(server.executed.values()) == {1} and all(reply.cached for reply in replies) and len(replies) == 10
    line = len(next(iter(server.files.values())).content) // 3  # bytes of one request: all are equally long
    result, _ = fill(config, tmp_path / "c", [ChatRequest(r.messages, r.schema, sample=1) for r in requests], limits=BatchLimits(size=2 * line + line // 2))
    assert [len(batch.lines) for batch in list(server.batches.values())[3:]] == [2, 2, 2, 1]


def test_nothing_is_in_memory_that_is_pending(server, config, tmp_path):
    with CachedOnly(config, tmp_path / "b") as client:
        replies = list(client.run(asking(1200)))
        assert {(reply.error, reply.transient, reply.text) for reply in replies} == {(PENDING, True, None)}
    assert client.waiting == 1200 and client.stats.failed == 1200
    records = [json.loads(line) for line in client.pending.read_text().splitlines()]
    assert [record["key"] for record in records] == [cache_key(config, request).hex() for request in asking(1200)]


def test_a_request_never_depends_on_whether_its_neighbours_are_pending(server, config, tmp_path):
    """Requests are read ahead, so that each is made before the replies to the hundred before it are known, in every pass."""
    told = []

    def requests():
        for n in range(700):
            made_after.append(len(told))
            yield ChatRequest([{"role": "user", "content": f"Line {n}"}])

    made_after = []
    with CachedOnly(config, tmp_path / "b") as client:
        for reply in client.run(requests()):
            told.append(reply.error)
    assert told == [PENDING] * 700 and all(n - known >= min(n, 100) for n, known in enumerate(made_after))


def test_run_batches_takes_requests_as_they_are(server, config, tmp_path):
    result = run_batches(config, asking(3), tmp_path / "b", validate=checked, told=lambda text: None, poll=0.001)
    assert (result.sent, result.good) == (3, 3)
    assert run_batches(config, asking(3), tmp_path / "b", validate=checked, told=lambda text: None, poll=0.001).sent == 0


def test_useless_replies_fail_with_reasons_and_are_not_asked_again(server, config, tmp_path):
    server.answer = lambda body: [
        Result(),
        Result('{"answer": "ca', finish_reason="length"),
        Result("I would rather not"),
        Result('{"reply": "calm"}'),
        Result("", finish_reason="content_filter"),
        Result("Invalid image", status=400),
    ][number_of(body)]
    result, replies = fill(config, tmp_path / "b", asking(6))
    assert [reply.error for reply in replies] == [None, "cut at max_tokens", "not JSON", "unusable reply", "ended by content_filter", "refused with HTTP 400"]
    assert not any(reply.transient or (reply.error and reply.text) for reply in replies)
    assert replies[3].detail == "no answer in it" and replies[5].detail == "Invalid image"
    assert result.failed == {"cut at max_tokens": 1, "not JSON": 1, "unusable reply": 1, "ended by content_filter": 1, "refused with HTTP 400": 1}
    assert len(server.batches) == 1 and result.prompt_tokens == 35  # five replies of 7 tokens were paid, one was refused
    with Book(tmp_path / "b") as book:
        assert book.failures() == dict(sorted(result.failed.items()))
    assert fill(config, tmp_path / "b", asking(6))[0].sent == 0


def test_a_reply_that_only_the_asker_finds_useless_is_not_paid_again(server, config, tmp_path):
    run_batches(config, asking(1), tmp_path / "b", told=lambda text: None, poll=0.001)
    server.answer = lambda body: pytest.fail("asked again")
    _, replies = fill(config, tmp_path / "b", asking(1), validate=lambda text: checked("{}"))
    assert (replies[0].error, replies[0].transient) == ("unusable reply", False)


def test_passing_failures_go_into_the_next_batches(server, config, tmp_path):
    tries = Counter()

    def answer(body):
        tries[number_of(body)] += 1
        n, again = number_of(body), tries[number_of(body)]
        if n == 1 and again < 3:
            return Result("slow down", status=429)
        if n == 2:
            return Result("oops", status=500)
        if n == 3 and again == 1:
            return None  # in neither file
        if n == 4 and again == 1:
            return Result("timed out", code="request_timeout")
        return Result()

    server.answer = answer
    result, replies = fill(config, tmp_path / "b", asking(5))
    assert [reply.error for reply in replies] == [None, None, "HTTP 500", None, None]
    assert replies[2].transient and replies[2].detail == "oops"
    assert tries == {0: 1, 1: 3, 2: SENDS, 3: 2, 4: 2} and len(server.batches) == 3
    assert result.failed == {"HTTP 429": 2, "HTTP 500": 3, "no result in the batch": 1, "request timeout": 1}
    server.answer = lambda body: Result()
    result, replies = fill(config, tmp_path / "b", asking(5))  # a new command tries it anew
    assert result.sent == 1 and replies[2].error is None


def test_what_an_expired_batch_finished_is_kept_and_the_rest_goes_again(server, config, tmp_path):
    server.fates, server.partly = ["expired", "completed"], 2
    result, replies = fill(config, tmp_path / "b", asking(5))
    assert [len(batch.lines) for batch in server.batches.values()] == [5, 3]
    assert set(server.executed.values()) == {1} and all(reply.error is None for reply in replies)
    assert result.failed == {"batch expired": 3} and result.good == 5


def test_a_cancelled_batch_ends_the_run_and_the_next_one_sends_the_rest(server, config, tmp_path):
    server.fates, server.partly = ["cancelled", "completed"], 2
    result, replies = fill(config, tmp_path / "b", asking(5))
    assert "cancelled batch batch_2" in result.stopped and result.good == 2
    assert [reply.error for reply in replies] == [None, None, PENDING, PENDING, PENDING]
    result, replies = fill(config, tmp_path / "b", asking(5))
    assert result.stopped is None and all(reply.error is None for reply in replies) and set(server.executed.values()) == {1}


def test_a_batch_that_the_server_does_not_take_says_why_and_can_be_sent_again(server, config, tmp_path):
    server.fates = ["failed", "completed"]
    server.errors = [{"code": "model_not_found", "line": 1, "message": "The provided model 'test' is not supported by the Batch API.", "param": "body.model"}]
    with pytest.raises(LLMError, match=r"line 1: The provided model 'test' is not supported by the Batch API\..*--llm-model \(test\).*--transport live"):
        fill(config, tmp_path / "b", asking(2))
    result, replies = fill(config, tmp_path / "b", asking(2))
    assert result.good == 2 and all(reply.error is None for reply in replies)


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_batches_points_to_the_live_transport(server, config, tmp_path, status):
    server.faults = lambda method, path: status if path == "/v1/files" else None
    with pytest.raises(LLMError, match=rf"answered {status} to upload a file .*--transport live"):
        fill(config, tmp_path / "b", asking(2))


@pytest.mark.parametrize("loses", [False, True])
def test_a_server_that_is_full_gets_halves_one_after_the_other(server, config, tmp_path, loses):
    """At most 2 requests under way: 5 are refused, 2 of its halves fit, 3 do not and go as 1 and 2. Whatever is refused was not paid.

    Where replies are lost and metadata is not kept, a batch of the same file that was refused before must not be taken for the one that was lost.
    """
    creations = Counter()

    def faults(method, path):
        creations[f"{method} {path}"] += 1
        count = creations["POST /v1/batches"]
        return (503 if count % 2 else "hangup") if loses and path == "/v1/batches" and method == "POST" and count >= 3 else None

    server.keeps_metadata, server.faults = not loses, faults
    full = {"code": "token_limit_exceeded", "line": None, "message": "Enqueued token limit reached for test. Limit: 20 enqueued tokens.", "param": None}
    server.errors = [full]
    create = server._create

    def create_if_there_is_room(headers, body):
        shown = create(headers, body)
        under_way = [batch for batch in server.batches.values() if batch.shown["status"] not in ("completed", "failed")]
        lines = sum(server.files[batch.shown["input_file_id"]].content.count(b"\n") for batch in under_way)
        server.batches[shown["id"]].fate = "failed" if lines > 2 else "completed"
        return shown

    server._create = create_if_there_is_room
    told = []
    result, replies = fill(config, tmp_path / "b", asking(5), told=told.append)
    assert all(reply.error is None for reply in replies) and result.good == 5 and set(server.executed.values()) == {1} and len(server.executed) == 5
    assert [len(batch.lines) for batch in server.batches.values() if batch.lines] == [2, 1, 2]
    assert any("two halves" in text for text in told) and any("waiting for a batch to end" in text for text in told)


def test_ways_of_asking_that_a_server_refuses_are_left(server, config, tmp_path):
    def answer(body):
        if "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return Result(said, status=400, param="max_tokens", code="unsupported_parameter")
        if body["response_format"]["type"] == "json_schema":
            return Result("response_format json_schema is not supported", status=400)
        assert body["response_format"] == {"type": "json_object"} and "fits this JSON schema" in body["messages"][-1]["content"]
        return Result()

    server.answer = answer
    result, replies = fill(config, tmp_path / "b", asking(3))
    assert all(reply.error is None for reply in replies) and len(server.batches) == 3 and result.failed == {"asked otherwise": 6}
    fill(config, tmp_path / "b", asking(4))
    assert len(server.batches) == 4  # known from the first on


def test_a_refused_format_is_understood_in_every_shape_of_an_error(server, config, tmp_path):
    """As FastAPI says it and as Google does; the live client reads both as well."""
    bodies = [
        {"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs are not permitted"}]},
        [{"error": {"message": "response_format is unknown"}}],
    ]
    for name, body in zip("ab", bodies, strict=True):
        server.answer = lambda asked, body=body: Result(status=422, body=body) if "response_format" in asked else Result()
        requests = [ChatRequest(request.messages, SCHEMA, "reply", sample=ord(name), key=request.key) for request in asking(2)]
        result, replies = fill(config, tmp_path / name, requests)
        assert [reply.error for reply in replies] == [None, None] and result.failed == {"asked otherwise": 4}  # to JSON mode, then to text


def test_a_query_of_the_address_goes_with_every_call(server, config, tmp_path):
    result, _ = fill(LLMConfig(**{**vars(config), "base_url": config.base_url + "?api-version=preview"}), tmp_path / "b", asking(1))
    assert result.good == 1 and set(server.seen) >= {"POST /v1/files", "POST /v1/batches"}


def test_an_endpoint_that_refuses_everything_is_an_error_and_leaves_no_failures(server, config, tmp_path):
    server.answer = lambda body: Result("The model `test` does not exist", status=404, code="model_not_found")
    with pytest.raises(LLMError, match=r"refused every request of batch batch_2 \(The model `test` does not exist\)"):
        fill(config, tmp_path / "b", asking(2))
    server.answer = lambda body: Result()
    assert fill(config, tmp_path / "b", asking(2))[0].good == 2


# -- money ------------------------------------------------------------------------------------------------------------------------------


def test_a_budget_is_never_passed_and_says_what_is_missing(server, config, tmp_path):
    """At 100 USD a million output tokens a request of at most 50 tokens may cost 0.005 USD, and costs 0.0003 (3 tokens): 0.0075 USD hold 1 at worst, 25 in truth."""
    priced = LLMConfig(**{**vars(config), "prices": Prices(0.0, 100.0), "max_cost": 0.0075})
    result, replies = fill(priced, tmp_path / "b", asking(12))
    # Each file holds one request. After k replies 0.0003 k + 0.005 ≤ 0.0075 must hold: k ≤ 8, so 9 are sent.
    assert "raise --max-cost" in result.stopped and result.good == 9 and result.cost == pytest.approx(9 * 0.0003)
    assert [reply.error for reply in replies] == [None] * 9 + [PENDING] * 3
    more = LLMConfig(**{**vars(priced), "max_cost": 1.0})
    result, replies = fill(more, tmp_path / "b", asking(12))
    assert result.stopped is None and result.good == 3 and set(server.executed.values()) == {1}


def test_a_budget_that_holds_nothing_sends_nothing(server, config, tmp_path):
    priced = LLMConfig(**{**vars(config), "prices": Prices(0.0, 100.0), "max_cost": 0.001})
    result, _ = fill(priced, tmp_path / "b", asking(2))
    assert result.stopped.startswith("the next batch may cost 0.0050 USD") and server.seen == []


# -- secrets ----------------------------------------------------------------------------------------------------------------------------


def test_the_key_is_sent_and_kept_nowhere(server, config, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-1234567")
    server.key = "sk-very-secret-1234567"
    server.answer = lambda body: (
        Result("your key sk-very-secret-1234567 is odd", status=400) if number_of(body) else Result('{"answer": "sk-very-secret-1234567"}')
    )
    _, replies = fill(config, tmp_path / "b", asking(2))
    assert json.loads(replies[0].text) == {"answer": "***"} and replies[1].detail == "your key *** is odd"
    server.key = "another"
    with pytest.raises(LLMError, match=r"answered 401 .*Incorrect API key provided: \*\*\*"):
        fill(config, tmp_path / "c", asking(3))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"very-secret" in path.read_bytes()]
    with pytest.raises(LLMError, match="holds a password"):
        run_batches(LLMConfig("http://me:pw@127.0.0.1/v1", "test", cache=config.cache), asking(9), tmp_path / "d", told=lambda text: None)


def test_no_cache_no_batches(tmp_path):
    with pytest.raises(LLMError, match="name a cache file, or pass --transport live"):
        CachedOnly(LLMConfig("http://127.0.0.1:1/v1", "test"), tmp_path)


# -- faults and kills -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps_metadata", [True, False])
def test_lost_replies_of_any_call_pay_nothing_twice(server, config, tmp_path, keeps_metadata):
    """Every call fails twice: once refused, once done with its reply lost. Batches before ours fill more than one page of the list."""
    server.keeps_metadata, server.page = keeps_metadata, 2
    for n in range(5):
        run_batches(config, [ChatRequest([{"role": "user", "content": f"other {n}"}])], tmp_path / "other", told=lambda text: None, poll=0.001)
    others, tries = len(server.batches), Counter()

    def faults(method, path):
        tries[method, path] += 1
        return {1: 503, 2: "hangup"}.get(tries[method, path])

    server.faults = faults
    result, replies = fill(config, tmp_path / "b", asking(4), limits=BatchLimits(requests=2))
    assert all(reply.error is None for reply in replies) and result.good == 4
    assert len(server.batches) == others + 2 and set(server.executed.values()) == {1}


def test_a_server_that_goes_away_ends_the_run_and_comes_back(server, config, tmp_path):
    server.faults = lambda method, path: 500 if path.startswith("/v1/batches/") else None
    with pytest.raises(LLMError, match="failed 120 times in a row to look at a batch .*run the same command again"):  # 6 attempts × 20
        fill(LLMConfig(**{**vars(config)}), tmp_path / "b", asking(2))
    server.faults = lambda method, path: None
    assert fill(config, tmp_path / "b", asking(2))[0].good == 2 and len(server.batches) == 1


def test_nothing_there_says_so(config, tmp_path):
    with pytest.raises(LLMError, match="nothing answers at http://127.0.0.1:9/v1"):
        fill(LLMConfig(**{**vars(config), "base_url": "http://127.0.0.1:9/v1"}), tmp_path / "b", asking(2))


class Killed(BaseException):
    """As kill -9: nothing after it runs but `finally`, which must not matter."""


def test_killed_before_or_after_any_step_nothing_is_lost_or_paid_twice(server, config, tmp_path, monkeypatch):
    """Every step that leaves a trace, on disk or at the server, is the last one of a run, once before and once after it was done."""
    left = 0

    def fragile(owner, name):
        real = getattr(owner, name)

        def step(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            done = real(*args, **kwargs)
            left -= 1
            if left == 0:
                raise Killed
            return done

        monkeypatch.setattr(owner, name, step)

    for owner, names in ((BatchFile, ["save"]), (Book, ["commit"]), (batch_api.BatchServer, ["upload", "create", "download"]), (ReplyCache, ["close"])):
        for name in names:
            fragile(owner, name)
    moments = 0
    while True:
        moments += 1
        folder, requests = tmp_path / f"b{moments}", [ChatRequest(r.messages, r.schema, sample=moments, key=r.key) for r in asking(3)]
        left = moments
        try:
            fill(config, folder, requests, limits=BatchLimits(requests=2))
            survived = True
        except Killed:
            survived = False
        left = -1
        server.fates = ["completed"]
        _, replies = fill(config, folder, requests, limits=BatchLimits(requests=2))
        assert [reply.error for reply in replies] == [None] * 3, f"killed at step {moments}"
        assert len(server.executed) == 3 * moments and set(server.executed.values()) == {1}, f"killed at step {moments}"
        assert len(server.batches) == 2 * moments, f"killed at step {moments}"
        if survived:
            break
    assert moments > 50  # 2 files of 7 steps and more, before and after
    files = [name for name in (file.shown["filename"] for file in server.files.values()) if name.startswith("cpqa-")]
    assert max(Counter(files).values()) == 1  # a file that was uploaded is found again


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from test_llm_batch import asking, fill
from cp_paraling_qa.llm_types import LLMConfig
fill(LLMConfig(sys.argv[1], "test", temperature=0.4, max_tokens=50, cache=Path(sys.argv[2])), Path(sys.argv[3]), asking(4), told=print)
"""


@pytest.mark.parametrize("when", ["while a batch is created", "while a batch is at work"])
def test_sigkill(server, config, tmp_path, when):
    creating = when == "while a batch is created"
    server.hold, server.hold_create = threading.Event(), threading.Event() if creating else None
    here = os.path.dirname(__file__)
    process = subprocess.Popen([sys.executable, "-c", KILLED, server.base_url, str(config.cache), str(tmp_path / "b"), here], stdout=subprocess.DEVNULL)
    sign = "POST /v1/batches" if creating else "GET /v1/batches/batch_2"
    until = time.monotonic() + 30
    while sign not in server.seen and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    state = json.loads((tmp_path / "b" / "0001.json").read_text())
    assert (state["status"], state["batch_id"]) == (("creating", None) if creating else ("created", "batch_2"))
    server.hold.set()
    if server.hold_create is not None:
        server.hold_create.set()
    result, replies = fill(config, tmp_path / "b", asking(4))
    assert all(reply.error is None for reply in replies) and result.good == 4
    assert len(server.batches) == 1 and set(server.executed.values()) == {1}


def test_ctrl_c_cancels_nothing_and_says_so(server, config, tmp_path, monkeypatch):
    server.hold, told = threading.Event(), []

    def pressed(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cp_paraling_qa.llm_batch.run.time.sleep", pressed)
        with pytest.raises(KeyboardInterrupt):
            fill(config, tmp_path / "b", asking(2), told=told.append)
    assert told[-1].startswith("stopped: what was submitted goes on at the server") and not [path for path in server.seen if "cancel" in path]
    server.hold.set()
    assert fill(config, tmp_path / "b", asking(2))[0].good == 2 and len(server.batches) == 1


@pytest.mark.parametrize("says_length", [True, False])
def test_results_that_come_late_or_in_part_are_waited_for(server, config, tmp_path, says_length):
    server.late, server.cut, server.says_length = 3, 2, says_length
    result, replies = fill(config, tmp_path / "b", asking(3))
    assert result.failed == {} and all(reply.error is None for reply in replies) and len(server.batches) == 1


def test_a_server_that_lists_nothing(server, config, tmp_path):
    """A lost upload is repeated; a batch whose creation was lost may be paid for, so that is an error that says what to do."""
    lost = {"POST /v1/files", "POST /v1/batches"}

    def faults(method, path):
        call = f"{method} {path}"
        if call in lost:
            lost.remove(call)
            return "hangup"
        return 404 if call in ("GET /v1/files", "GET /v1/batches") else None

    server.faults = faults
    with pytest.raises(LLMError, match="reply to the call to create a batch was lost, and .* does not tell whether it was done"):
        fill(config, tmp_path / "b", asking(2))
    with pytest.raises(LLMError, match=r"lists no batches .* delete .*0001\.json to send its requests again, and pay them twice if it was"):
        fill(config, tmp_path / "b", asking(2))
    assert len(server.batches) == 1


def test_results_that_the_server_lost_are_paid_again_and_said(server, config, tmp_path):
    told, gone = [], [True]

    def faults(method, path):
        return 404 if path.endswith("/content") and gone and gone.pop() else None

    server.faults = faults
    result, replies = fill(config, tmp_path / "b", asking(2), told=told.append)
    assert all(reply.error is None for reply in replies) and result.failed == {"no result in the batch": 2}
    assert any("no longer keeps the results of batch batch_2" in text for text in told)


def test_a_batch_of_another_key_is_an_error_that_names_its_state(server, config, tmp_path):
    server.hold = threading.Event()
    server.faults = lambda method, path: 404 if path.startswith("/v1/batches/") else None
    with pytest.raises(LLMError, match=r"knows no batch batch_2 .*delete .*0001\.json to send, and pay, its requests again"):
        fill(config, tmp_path / "b", asking(2))
    (tmp_path / "b" / "0001.json").unlink()
    server.hold, server.faults = None, lambda method, path: None
    assert fill(config, tmp_path / "b", asking(2))[0].good == 2 and len(server.batches) == 2


def test_what_nobody_asks_any_more_is_not_sent(server, config, tmp_path):
    """A run that was killed before anything was submitted, then asked something else."""
    server.faults = lambda method, path: 401 if path == "/v1/batches" else None
    with pytest.raises(LLMError, match="401"):
        fill(config, tmp_path / "b", asking(5))
    server.faults = lambda method, path: None
    result, _ = fill(config, tmp_path / "b", asking(2))
    assert result.sent == 2 and len(server.executed) == 2

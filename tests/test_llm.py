from __future__ import annotations

import itertools
import json
import logging
import sqlite3
import time

import pytest

from cp_paraling_qa import llm_faults
from cp_paraling_qa.errors import LLMError, StorageError
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig
from cp_paraling_qa.llm_faults import retry_after
from tests.chat_server import ChatServer, Reply

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
KEY = "sk-test-4f9a77c1"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(llm_faults, "BACKOFF_FIRST", 0.002)
    monkeypatch.setattr(llm_faults, "BACKOFF_MOST", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ChatServer() as running:
        yield running


def ask(server, texts=("hi",), *, validate=None, schema=None, **config):
    """Replies to one request a text, and the client that got them."""
    with ChatClient(LLMConfig(base_url=server.base_url, model="test", **config)) as client:
        requests = (ChatRequest([{"role": "user", "content": text}], schema=schema, key=text) for text in texts)
        return list(client.run(requests, validate=validate)), client


def echo(body):
    return Reply(body["messages"][-1]["content"])


def test_replies_come_in_order_though_later_ones_are_faster(server):
    server.script = lambda body: Reply(body["messages"][0]["content"], delay=0.05 if body["messages"][0]["content"] in ("0", "7") else 0)
    replies, client = ask(server, [str(i) for i in range(40)], concurrency=8)
    assert [r.text for r in replies] == [r.request.key for r in replies] == [str(i) for i in range(40)]
    assert all(r.error is None and r.attempts == 1 and not r.cached for r in replies)
    assert 1 < server.most_in_flight <= 8
    assert (client.stats.prompt_tokens, client.stats.completion_tokens) == (280, 120)  # 7 and 3 a reply


def test_input_is_read_ahead_by_a_bounded_window(server):
    read = itertools.count()
    last = 0

    def endless():
        nonlocal last
        for last in read:
            yield ChatRequest([{"role": "user", "content": str(last)}])

    with ChatClient(LLMConfig(base_url=server.base_url, model="test", concurrency=4)) as client:
        stream = client.run(endless())
        for _ in range(5):
            next(stream)
        assert last < 512
        stream.close()


def test_body_is_what_the_endpoint_expects(server):
    ask(server, schema=SCHEMA, temperature=0.7, top_p=0.9, max_tokens=33, seed=5)
    body = server.requests[0]
    assert (body["model"], body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == ("test", 0.7, 0.9, 33, 5)
    assert body["response_format"]["json_schema"] == {"name": "reply", "schema": SCHEMA, "strict": True}
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_each_sample_is_another_draw(server):
    with ChatClient(LLMConfig(base_url=server.base_url, model="test", seed=10)) as client:
        list(client.run(ChatRequest([{"role": "user", "content": "x"}], sample=i) for i in range(3)))
    assert sorted(body["seed"] for body in server.requests) == [10, 11, 12]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Reply("slow down", status=429, headers={"Retry-After": "0"}), "HTTP 429"),
        (Reply("boom", status=500), "HTTP 500"),
        (Reply("loading", status=503), "HTTP 503"),
        (Reply(hangup=True), "connection lost"),
        (Reply(delay=5), "timeout"),
        (Reply(choices=False), "no choices"),
        (Reply(raw=b"<html>proxy</html>"), "malformed response"),
        (Reply(raw=b"{}"), "malformed response"),
        (Reply('{"answer": "cut', finish_reason="length"), "cut at max_tokens"),
        (Reply("Sorry, as a model"), "not JSON"),
        (Reply('{"other": 1}'), "unusable reply"),
        (Reply(""), "empty reply"),
    ],
)
def test_fault_is_retried_with_the_identical_request(server, bad, reason):
    def validate(text):
        if "answer" not in json.loads(text):
            raise ValueError("no answer")

    server.script = [bad, bad, Reply('{"answer": "yes"}')]
    [reply], client = ask(server, schema=SCHEMA, validate=validate, timeout=0.2 if reason == "timeout" else 5)
    assert (reply.text, reply.error, reply.attempts) == ('{"answer": "yes"}', None, 3)
    assert client.stats.faults == {reason: 2}
    assert len(set(server.bodies)) == 1


def test_row_that_fails_twelve_times_is_failed_with_its_reason_and_the_others_are_not(server):
    server.script = lambda body: Reply("boom", status=500) if body["messages"][0]["content"] == "bad" else echo(body)
    replies, _ = ask(server, ["a", "bad", "b"])
    assert [r.text for r in replies] == ["a", None, "b"]
    assert (replies[1].error, replies[1].attempts, replies[1].transient) == ("HTTP 500", 12, True)
    assert sum(b"bad" in body for body in server.bodies) == 12


def test_retry_after_holds_everybody_back_and_concurrency_recovers(server):
    server.script = lambda _: Reply("slow", status=429, headers={"Retry-After": "0.4"}) if time.monotonic() - server.times[0] < 0.2 else Reply("fine")
    replies, client = ask(server, [str(i) for i in range(60)], concurrency=8)
    assert [r.text for r in replies] == ["fine"] * 60
    refused_until = max(t for t in server.times if t - server.times[0] < 0.2)
    assert min(t for t in server.times if t > refused_until) - refused_until > 0.15  # nobody knocked in between
    assert client.stats.faults["HTTP 429"] <= 16
    assert client._gate.limit > 4  # halved at least once, then grown back


def test_retry_after_in_all_its_forms():
    assert retry_after({"retry-after": "3"}) == 3
    assert retry_after({"retry-after-ms": "250"}) == 0.25
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0  # long past
    assert retry_after({"retry-after": "later"}) is None


@pytest.mark.parametrize(
    ("reply", "remedy"),
    [
        (Reply("no key", status=401), "OPENAI_API_KEY"),
        (Reply("not yours", status=403), "OPENAI_API_KEY"),
        (Reply("no such model", status=404), "--llm-model"),
        (Reply("unknown parameter", status=400), "sampling options"),
        (Reply("pay", status=429, code="insufficient_quota"), "quota"),
        (Reply("Insufficient Balance", status=402), "quota"),
        (Reply("closed", status=503, headers={"Retry-After": "7200"}), "run again later"),
    ],
)
def test_endpoint_that_refuses_for_good_ends_the_run_at_once(server, reply, remedy):
    server.script = [reply]
    with pytest.raises(LLMError, match=remedy):
        ask(server, [str(i) for i in range(30)], concurrency=4)
    assert len(server.bodies) <= 8 + 3  # the eighth refusal of a row says that it is no row's; three others may be under way by then


def test_endpoint_down(server):
    url = server.base_url
    server.__exit__()
    with (
        pytest.raises(LLMError, match=r"nothing answers at http://127.0.0.1:\d+/v1: start the server"),
        ChatClient(LLMConfig(base_url=url, model="m")) as client,
    ):
        list(client.run([ChatRequest([{"role": "user", "content": "x"}])] * 20))
    server.__enter__()


@pytest.mark.parametrize(("reply", "most"), [(Reply("boom", status=500), 800), (Reply(delay=9), 110)])
def test_endpoint_that_only_fails_is_given_up(server, reply, most):
    """After 12 attempts × 4 × 16 = 768 faults, of which a timeout counts for eight, and not after the 100 × 12 that its rows have."""
    server.script = [reply]
    with pytest.raises(LLMError, match="in a row"):
        ask(server, [str(i) for i in range(100)], concurrency=4, timeout=0.1)
    assert len(server.bodies) <= most


def test_one_row_that_the_server_cannot_take_does_not_end_the_run(server):
    server.script = lambda body: Reply("context length exceeded", status=400) if body["messages"][0]["content"] == "long" else echo(body)
    replies, _ = ask(server, ["a", "long", "b"], concurrency=1)
    assert [(r.text, r.error) for r in replies] == [("a", None), (None, "refused with HTTP 400"), ("b", None)]


@pytest.mark.parametrize(
    ("status", "known", "modes"), [(400, {"json_object", None}, ["json_schema", "json_object"]), (422, {None}, ["json_schema", "json_object", None])]
)
def test_rejected_response_format_falls_back(server, caplog, status, known, modes):
    def script(body):
        kind = body.get("response_format", {}).get("type")
        return (
            Reply('Sure: ```json\n{"answer": "yes"}\n```' if kind is None else '{"answer": "yes"}')
            if kind in known
            else Reply("response_format is not supported", status=status)
        )

    server.script = script
    with caplog.at_level(logging.WARNING, "cp_paraling_qa"):
        replies, _ = ask(server, ["a", "b", "c"], schema=SCHEMA, concurrency=1)
    assert [json.loads(r.text) for r in replies] == [{"answer": "yes"}] * 3
    assert [r.attempts for r in replies] == [1, 1, 1]
    seen = [body.get("response_format", {}).get("type") for body in server.requests]
    assert seen == modes + [modes[-1]] * 2
    assert "JSON schema" in server.requests[-1]["messages"][-1]["content"]
    assert len([r for r in caplog.records if "going on with" in r.message]) == len(modes) - 1


def test_a_fault_never_changes_the_mode(server):
    server.script = [Reply("response_format broke me", status=500), Reply('{"answer": "yes"}')]
    ask(server, schema=SCHEMA)
    assert [body["response_format"]["type"] for body in server.requests] == ["json_schema"] * 2


def test_cache_answers_a_repeated_run_without_a_request(server, tmp_path):
    server.script = echo
    texts = [str(i) for i in range(300)]
    first, _ = ask(server, texts, cache=tmp_path / "deep" / "llm.sqlite")
    asked = len(server.bodies)
    second, client = ask(server, texts, cache=tmp_path / "deep" / "llm.sqlite")
    assert asked == len(server.bodies) == 300
    assert [r.text for r in second] == [r.text for r in first] == texts
    assert all(r.cached and r.attempts == 0 for r in second)
    assert client.stats.requests == 0


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"max_tokens": 9}, {"seed": 3}, {"model": "other"}])
def test_cache_knows_another_request_by_what_decides_the_reply(server, tmp_path, change):
    for config in ({"model": "test"}, {"model": "test"} | change, {"model": "test", "concurrency": 2, "timeout": 9}):
        with ChatClient(LLMConfig(base_url=server.base_url, cache=tmp_path / "c.sqlite", **config)) as client:
            list(client.run([ChatRequest([{"role": "user", "content": "x"}])]))
    assert len(server.bodies) == 2


def test_failures_and_unusable_replies_are_not_cached(server, tmp_path):
    server.script = [Reply("prose")]
    [reply], _ = ask(server, schema=SCHEMA, cache=tmp_path / "c.sqlite")
    assert reply.error
    server.script = [Reply('{"answer": "yes"}')]
    [reply], _ = ask(server, schema=SCHEMA, cache=tmp_path / "c.sqlite")
    assert not reply.cached and reply.text == '{"answer": "yes"}'


def test_two_clients_share_a_cache(server, tmp_path):
    server.script = echo
    config = LLMConfig(base_url=server.base_url, model="test", cache=tmp_path / "c.sqlite")
    with ChatClient(config) as one, ChatClient(config) as two:
        streams = [client.run(ChatRequest([{"role": "user", "content": str(i)}]) for i in range(100 * n, 100 * n + 100)) for n, client in enumerate((one, two))]
        for _ in range(100):
            assert all(next(stream).error is None for stream in streams)
    replies, _ = ask(server, [str(i) for i in range(200)], cache=config.cache)
    assert all(r.cached for r in replies)


def test_cache_that_is_no_database_names_the_file(server, tmp_path):
    (tmp_path / "c.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match="c.sqlite"):
        ask(server, cache=tmp_path / "c.sqlite")


def test_disk_full_ends_the_run_with_a_storage_error(server, tmp_path, monkeypatch):
    from cp_paraling_qa.llm_cache import ReplyCache

    connect = ReplyCache._connect

    def small(self):
        connection = connect(self)
        connection.execute("PRAGMA max_page_count=3")  # SQLite's own "database or disk is full"
        return connection

    monkeypatch.setattr(ReplyCache, "_connect", small)
    server.script = [Reply("x" * 20_000)]
    with pytest.raises(StorageError, match="full.*free some space"):
        ask(server, [str(i) for i in range(50)], cache=tmp_path / "c.sqlite")


def test_key_is_in_no_cache_log_error_or_reply(server, tmp_path, caplog):
    with caplog.at_level(logging.DEBUG):
        server.script = [Reply(f"you sent {KEY}")]
        [reply], _ = ask(server, cache=tmp_path / "c.sqlite")
        server.script = [Reply(f"bad key {KEY}", status=500)]
        server.bodies.clear()
        with ChatClient(LLMConfig(base_url=server.base_url, model="other", attempts=2)) as client:
            [failed] = client.run([ChatRequest([{"role": "user", "content": "x"}])])
        server.script = [Reply(f"Incorrect API key provided: {KEY}", status=401)]
        with pytest.raises(LLMError) as caught:
            ask(server)
    assert reply.text == "you sent ***" and "***" in failed.detail and "***" in str(caught.value)
    stored = sqlite3.connect(tmp_path / "c.sqlite").execute("SELECT * FROM replies").fetchall()
    assert KEY not in repr([stored, reply, failed, str(caught.value), repr(caught.value.__cause__), client.config]) + caplog.text
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_key_that_is_none_is_refused_before_anything_is_sent(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-…")
    with pytest.raises(LLMError, match="OPENAI_API_KEY"):
        ask(server)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(server)[0][0].text == "hello"


def test_client_can_run_again_after_a_failed_run(server):
    with ChatClient(LLMConfig(base_url=server.base_url, model="test")) as client:
        server.script = [Reply("no", status=401)]
        with pytest.raises(LLMError):
            list(client.run([ChatRequest([{"role": "user", "content": "x"}])]))
        server.script = [Reply("fine")]
        assert [r.text for r in client.run([ChatRequest([{"role": "user", "content": "x"}])])] == ["fine"]


def test_client_closed_in_the_middle_leaves_nothing_behind(server):
    server.script = lambda body: echo(body) if body["messages"][0]["content"] == "0" else Reply(delay=20)
    before = time.monotonic()
    with ChatClient(LLMConfig(base_url=server.base_url, model="test", concurrency=4)) as client:
        stream = client.run(ChatRequest([{"role": "user", "content": str(i)}]) for i in range(20))
        assert next(stream).text == "0"
    assert time.monotonic() - before < 5
    with pytest.raises(LLMError, match="closed"):
        next(stream)


def test_requests_that_are_alike_are_asked_once_where_replies_are_kept(server, tmp_path):
    """Word for word and sample for sample: what a second run would find in the cache, the first one shares."""
    server.script = lambda body: Reply(f"reply {len(server.bodies)}", delay=0.05)  # another reply to each request
    replies, client = ask(server, ["same"] * 6 + ["other"], concurrency=4, cache=tmp_path / "c.sqlite")
    assert len(server.bodies) == 2 and len({reply.text for reply in replies[:6]}) == 1 and replies[6].text != replies[0].text
    assert [reply.cached for reply in replies] == [False, *[True] * 5, False] and client.stats.prompt_tokens == 14
    server.bodies.clear()
    replies, _ = ask(server, ["same"] * 3, concurrency=4)  # without a cache each is a draw of its own
    assert len(server.bodies) == 3


def test_a_server_that_says_the_same_useless_thing_is_asked_as_often_as_any(server):
    server.script = [Reply("I am sorry, but here is some prose. Rating: 5")]
    replies, _ = ask(server, schema=SCHEMA)
    assert (replies[0].error, replies[0].attempts, len(server.bodies)) == ("not JSON", 12, 12)

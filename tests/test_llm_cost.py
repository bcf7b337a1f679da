"""Money: every billed token is counted, nothing is sent past the limit, and an estimate sends nothing at all."""

from __future__ import annotations

import json

import pytest

from cp_paraling_qa import llm_faults
from cp_paraling_qa.errors import LLMError, StorageError
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig, Prices
from cp_paraling_qa.llm_cache import CachedReply, ReplyCache
from cp_paraling_qa.llm_estimate import estimate
from cp_paraling_qa.llm_wire import cache_key
from tests.chat_server import ChatServer, Reply

PRICES = Prices(1.0, 10.0)  # a reply of the test server, 7 tokens in and 3 out: 7e-6 + 30e-6 = 37e-6 USD


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(llm_faults, "BACKOFF_FIRST", 0.002)
    monkeypatch.setattr(llm_faults, "BACKOFF_MOST", 0.01)
    with ChatServer() as running:
        yield running


def requests(rows, start=0):
    return [ChatRequest([{"role": "user", "content": str(i)}], key=i) for i in range(start, start + rows)]


def ask(server, rows, *, validate=None, **config):
    with ChatClient(LLMConfig(**{"base_url": server.base_url, "model": "test", "prices": PRICES} | config)) as client:
        return list(client.run(requests(rows) if isinstance(rows, int) else rows, validate=validate)), client.stats


def test_useless_replies_cost_as_much_as_good_ones(server):
    server.script = [Reply("cut", finish_reason="length"), Reply("bad"), Reply(""), Reply(choices=False), Reply("boom", status=500), Reply("good")]

    def validate(text):
        if text == "bad":
            raise ValueError("bad")

    [reply], stats = ask(server, 1, validate=validate)
    assert reply.text == "good" and (reply.prompt_tokens, reply.completion_tokens) == (7, 3)
    assert (stats.requests, stats.prompt_tokens, stats.completion_tokens) == (6, 35, 15)  # all but the HTTP 500
    assert stats.cost == pytest.approx(5 * 37e-6) and stats.uncertain_cost == 0


def test_cached_replies_cost_nothing(server, tmp_path):
    ask(server, 5, cache=tmp_path / "c.sqlite")
    replies, stats = ask(server, 5, cache=tmp_path / "c.sqlite")
    assert all(reply.cached for reply in replies) and (stats.cost, stats.prompt_tokens, stats.cached) == (0, 0, 5)


def test_reply_without_usage_is_counted_and_its_cost_is_uncertain(server):
    told = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    server.script = [Reply(raw=json.dumps(told).encode())]
    [reply], stats = ask(server, 1, max_tokens=10)
    assert (reply.text, reply.prompt_tokens, stats.without_usage, stats.cost) == ("hi", 0, 1, 0)
    assert stats.uncertain_cost == pytest.approx(((len(server.bodies[0]) / 3 + 8) * 1 + 10 * 10) / 1e6)


@pytest.mark.parametrize("concurrency", [1, 16])
def test_max_cost_stops_cleanly_and_is_never_passed(server, tmp_path, concurrency):
    # A body has about 100 bytes: a request may cost at the most (100/3 + 8 + 4 × 10) USD per million, about 81e-6; it does cost 37e-6.
    # Of 1e-3 USD the last bound fits in while 1e-3 − 81e-6 or less is spent: after 24 replies 0.888e-3, and a 25th; after that 0.925e-3 + 81e-6 is too much.
    limit, config = 1e-3, {"max_tokens": 4, "cache": tmp_path / "c.sqlite", "concurrency": concurrency}
    replies, stats = ask(server, 60, max_cost=limit, **config)
    good = [reply for reply in replies if reply.error is None]
    assert len(good) == len(server.bodies) == 25 and stats.cost == pytest.approx(25 * 37e-6)
    assert [reply.request.key for reply in replies] == list(range(60))
    assert {(r.error, r.transient, r.attempts) for r in replies if r.error} == {("max cost reached", True, 0)} and stats.failed == 35
    assert "0.0009 of 0.001 USD spent: raise --max-cost" in replies[-1].detail
    assert stats.faults == {}
    # What was paid for is there, even if nothing may be spent any more.
    again, stats = ask(server, 60, max_cost=0.0, **config)
    assert [r.text for r in again if r.cached] == ["hello"] * 25 and stats.cost == 0 and len(server.bodies) == 25


def test_what_a_lost_request_may_have_cost_counts_towards_the_limit(server):
    server.script = [Reply(delay=5)]
    replies, stats = ask(server, 3, max_tokens=4, max_cost=200e-6, timeout=0.1, concurrency=1)
    assert len(server.bodies) == 2 and stats.cost == 0 and 100e-6 < stats.uncertain_cost <= 200e-6  # two bounds of about 81e-6 fit in, a third does not
    assert {reply.error for reply in replies} == {"max cost reached"}


@pytest.mark.parametrize(("make", "told"), [(lambda: Prices(-1, 1), "0 or more"), (lambda: Prices(1, float("nan")), "0 or more")])
def test_prices_that_are_none(make, told):
    with pytest.raises(LLMError, match=told):
        make()


def test_maximum_needs_prices():
    with pytest.raises(LLMError, match="needs prices"):
        LLMConfig("http://host/v1", "m", max_cost=1.0)
    with pytest.raises(LLMError, match="0 or more"):
        LLMConfig("http://host/v1", "m", prices=PRICES, max_cost=-1.0)


# -- estimate ----------------------------------------------------------------------------------------------------------------------------------------------


def test_estimate_without_a_cache_is_a_rule_of_thumb_and_makes_no_file(tmp_path):
    config = LLMConfig("http://127.0.0.1:9/v1", "m", max_tokens=50, prices=PRICES, cache=tmp_path / "deep" / "c.sqlite", max_cost=1e-9)
    found = estimate([ChatRequest([{"role": "user", "content": "é" * 20}]), ChatRequest([{"role": "user", "content": "x" * 40}])], config)
    # 2 × 40 bytes of UTF-8 at 4 a token; replies of 50 tokens each: 20 × 1 + 100 × 10 = 1020 USD per million
    assert (found.rows, found.cached, found.requests, found.input_tokens, found.output_tokens, found.calibrated) == (2, 0, 2, 20, 100, 0)
    assert found.cost == pytest.approx(1020e-6) and found.most_cost > found.cost and found.most_output_tokens == 100
    assert not list(tmp_path.iterdir())
    assert [line.partition(":")[0] for line in found.lines()] == ["2 rows", "tokens", "cost", "the run will stop at its maximum cost of 1e-09 USD"]
    assert found.plain()["requests"] == 2


def test_estimate_learns_from_the_replies_of_the_same_run(tmp_path):
    config = LLMConfig("http://host/v1", "m", max_tokens=500, cache=tmp_path / "c.sqlite")
    rows = [ChatRequest([{"role": "user", "content": "x" * 100}], sample=i) for i in range(1200)]
    cache = ReplyCache(config.cache)
    for i, request in enumerate(rows[:400]):
        cache.put(cache_key(config, request), CachedReply("t", "stop", 0 if i % 2 else 50, 0 if i % 2 else 30))  # half of them by a server that counts nothing
    cache.close()
    before = sorted(path.name for path in tmp_path.iterdir())
    found = estimate(iter(rows), config)
    assert (found.rows, found.cached, found.calibrated, found.bytes_per_token) == (1200, 400, 200, 2.0)  # 100 bytes made 50 tokens
    assert (found.input_tokens, found.output_tokens, found.most_output_tokens) == (800 * 50, 800 * 30, 800 * 500)
    assert found.cost is None and "unknown without prices" in found.lines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_bound_of_the_estimate_holds_for_the_run(server, tmp_path):
    config = LLMConfig(server.base_url, "test", max_tokens=4, prices=PRICES)
    found = estimate(requests(10), config)
    _, stats = ask(server, 10, max_tokens=4)
    assert stats.cost <= found.most_cost
    assert found.most_input_tokens == round(sum(len(body) for body in server.bodies) / 3 + 10 * 8)


def test_estimate_reads_what_another_process_is_writing(tmp_path):
    config = LLMConfig("http://host/v1", "m", cache=tmp_path / "c.sqlite")
    writer = ReplyCache(config.cache)
    connection = writer._connect()
    connection.execute("INSERT INTO replies VALUES (?, 't', 'stop', 1, 1)", [cache_key(config, requests(1)[0])])
    connection.commit()  # into the log beside the file, and not yet into the file
    assert estimate(requests(2), config).cached == 1
    connection.close()
    writer.close()


def test_estimate_with_an_empty_or_broken_cache_file(tmp_path):
    empty, broken = tmp_path / "empty.sqlite", tmp_path / "broken.sqlite"
    empty.touch()
    broken.write_bytes(b"no database" * 500)
    assert estimate(requests(2), LLMConfig("http://host/v1", "m", cache=empty)).cached == 0
    with pytest.raises(StorageError, match=r"broken\.sqlite"):
        estimate(requests(2), LLMConfig("http://host/v1", "m", cache=broken))

"""What faults and refusals say: of one row, of a server that comes back, or of an endpoint that cannot be used."""

from __future__ import annotations

import threading
import time

import pytest

from cp_paraling_qa import llm_faults
from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig
from tests.chat_server import ChatServer, Reply


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(llm_faults, "BACKOFF_FIRST", 0.002)
    monkeypatch.setattr(llm_faults, "BACKOFF_MOST", 0.01)
    with ChatServer() as running:
        yield running


def ask(server, rows, *, validate=None, **config):
    with ChatClient(LLMConfig(**{"base_url": server.base_url, "model": "m"} | config)) as client:
        return list(client.run((ChatRequest([{"role": "user", "content": str(i)}]) for i in range(rows)), validate=validate))


def refusing(*bad, status=400, delay=0.0):
    told = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
    return lambda body: Reply(told, status=status) if int(body["messages"][0]["content"]) in bad else Reply("fine", delay=delay)


@pytest.mark.parametrize("down", [Reply("loading", status=503), Reply("boom", status=500), Reply(hangup=True)], ids=["503", "500", "hangup"])
def test_server_that_restarts_ends_nothing(server, monkeypatch, down):
    """For half a second every request fails at once: hundreds of faults in a row, and none of a row's twelve attempts, 0.9 s at the least, is the last one."""
    monkeypatch.setattr(llm_faults, "BACKOFF_FIRST", 0.04)
    monkeypatch.setattr(llm_faults, "BACKOFF_MOST", 0.2)  # (0.04 + 0.08 + 0.16 + 8 × 0.2) / 2 = 0.94
    began = []

    def script(_):
        if len(server.bodies) <= 20:
            return Reply("fine")
        began.append(time.monotonic())
        return down if began[-1] - began[0] < 0.5 else Reply("fine")

    server.script = script
    replies = ask(server, 300, concurrency=8)
    assert [r.error for r in replies] == [None] * 300
    assert len(server.bodies) - 300 > 12 * 8  # what ended a run before was the number of faults alone


def test_first_rows_that_the_server_cannot_take_do_not_end_the_run(server):
    server.script = refusing(0, 1, 2, delay=0.1)  # refused before any other row is answered
    replies = ask(server, 20, concurrency=8)
    assert [r.error for r in replies] == ["refused with HTTP 400"] * 3 + [None] * 17
    assert "maximum context length" in replies[0].detail and len(server.bodies) == 20


def test_row_that_was_refused_is_refused_again_when_the_run_is_repeated(server, tmp_path):
    """All other rows are in the cache: nobody answers this time, and the rows are as before."""
    server.script = refusing(15)
    first = ask(server, 20, cache=tmp_path / "c.sqlite")
    again = ask(server, 20, cache=tmp_path / "c.sqlite")
    assert [(r.text, r.error) for r in first] == [(r.text, r.error) for r in again] and again[15].error == "refused with HTTP 400"
    assert len(server.bodies) == 21


def test_refused_row_is_told_though_every_other_row_fails_otherwise(server):
    server.script = lambda body: Reply("", status=200) if body["messages"][0]["content"] == "1" else refusing(0)(body)
    assert [r.error for r in ask(server, 2)] == ["refused with HTTP 400", "empty reply"]
    server.script = lambda body: Reply("boom", status=500) if body["messages"][0]["content"] == "1" else refusing(0)(body)
    with pytest.raises(LLMError, match=r"refused with HTTP 400 \(This model's maximum .*sampling options"):  # nobody has ever answered
        ask(server, 2)


def test_row_that_moderation_refuses_does_not_end_the_run(server):
    server.script = refusing(3, status=403)
    assert [r.error for r in ask(server, 9)] == [None] * 3 + ["refused with HTTP 403"] + [None] * 5


def test_server_that_begins_to_refuse_everything_fails_no_row(server):
    server.script = refusing(*range(150, 400))
    with (
        ChatClient(LLMConfig(server.base_url, "m", concurrency=4)) as client,
        pytest.raises(LLMError, match=r"100 requests in a row, the last refused with HTTP 400"),
    ):
        for done, reply in enumerate(client.run(ChatRequest([{"role": "user", "content": str(i)}]) for i in range(400))):
            assert reply.error is None and done < 150
    assert len(server.bodies) <= 150 + 100 + 3


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, type("Other", (BaseException,), {})])
def test_whatever_validate_raises_comes_out_where_the_caller_is(server, kind):
    def validate(text):
        raise kind(text)

    with pytest.raises(kind):
        ask(server, 3, validate=validate)


def test_runs_begun_by_several_threads_at_once(server, monkeypatch):
    """Each waits until openai's client is loaded, which takes the first one a while."""
    server.script = lambda body: Reply(body["messages"][0]["content"])
    got, together = {}, threading.Barrier(4)

    def run(name):
        together.wait()
        got[name] = [r.text for r in client.run([ChatRequest([{"role": "user", "content": f"{name}{i}"}]) for i in range(50)])]

    with ChatClient(LLMConfig(server.base_url, "m")) as client:
        connect = client._endpoint.connect
        monkeypatch.setattr(client._endpoint, "connect", lambda: (time.sleep(0.1), connect()))
        threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sum(thread.name == "llm-client" for thread in threading.enumerate()) == 1
    assert got == {name: [f"{name}{i}" for i in range(50)] for name in "abcd"}

"""How the client finds out the way an endpoint wants to be asked."""

from __future__ import annotations

import json
import logging
import threading
import time

import pytest

from cp_paraling_qa import llm_endpoint, llm_faults
from cp_paraling_qa.errors import LLMError
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig
from tests.chat_server import ChatServer, Reply

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
GOOD = '{"answer": "yes"}'


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(llm_faults, "BACKOFF_FIRST", 0.002)
    monkeypatch.setattr(llm_faults, "BACKOFF_MOST", 0.01)
    with ChatServer() as running:
        yield running


def ask(server, rows=1, *, schema=SCHEMA, validate=None, **config):
    with ChatClient(LLMConfig(base_url=server.base_url, model="test", **config)) as client:
        return list(client.run((ChatRequest([{"role": "user", "content": str(i)}], schema) for i in range(rows)), validate=validate)), client


def formats(server):
    return [body.get("response_format", {}).get("type", "text") for body in server.requests]


def rejecting(*modes, delay=0.0):
    def script(body):
        kind = body.get("response_format", {}).get("type", "text")
        return Reply(f"{kind}: unknown response_format", status=400, delay=delay) if kind in modes else Reply(GOOD)

    return script


def test_server_without_schemas_refuses_once_and_not_from_every_row(server, caplog):
    server.script = rejecting("json_schema", delay=0.1)
    with caplog.at_level(logging.INFO, "cp_paraling_qa"):
        replies, client = ask(server, 40, concurrency=16)
    assert [r.text for r in replies] == [GOOD] * 40
    assert formats(server) == ["json_schema"] + ["json_object"] * 40
    assert client.mode == "json_object" and client.stats.faults == {}
    told = [(r.levelname, r.message.partition(" (")[0].partition("/v1 ")[2]) for r in caplog.records]
    assert told == [("WARNING", "rejects response_format json_schema"), ("INFO", "takes response_format json_object")]


def test_probe_that_only_meets_faults_is_taken_over_by_the_next_row(server):
    server.script = lambda body: Reply("boom", status=500) if len(server.bodies) < 4 else rejecting("json_schema")(body)
    replies, client = ask(server, 20, concurrency=8)
    assert [r.text for r in replies] == [GOOD] * 20
    assert formats(server).count("json_schema") == 4  # three faults and the refusal
    assert client.stats.faults == {"HTTP 500": 3}


def test_slow_probe_does_not_hold_everybody_back_for_ever(server, monkeypatch):
    monkeypatch.setattr(llm_endpoint, "PROBE_WAIT", 0.2)
    server.script = lambda body: Reply(GOOD, delay=1.0 if body["messages"][0]["content"] == "0" else 0)
    before = time.monotonic()
    ask(server, 8, concurrency=8)
    assert server.most_in_flight > 1
    assert 0.15 < server.times[1] - server.times[0] < 0.9 and time.monotonic() - before < 3


def test_row_without_schema_neither_probes_nor_waits(server):
    ask(server, 8, schema=None, concurrency=8)
    assert formats(server) == ["text"] * 8


@pytest.mark.parametrize("named", ["json_schema", "json_object", "text"])
def test_named_format_is_used_from_the_first_request_on(server, named):
    server.script = [Reply(GOOD)]
    ask(server, 3, reply_format=named, concurrency=1)
    assert formats(server) == [named] * 3


def test_named_format_that_is_refused_is_kept_to(server):
    server.script = rejecting("json_schema")
    with pytest.raises(LLMError, match="unknown response_format"):
        ask(server, reply_format="json_schema")
    with pytest.raises(LLMError, match="yaml.*auto, json_schema, json_object, text"):
        LLMConfig("http://host/v1", "m", reply_format="yaml")


@pytest.mark.parametrize(
    "refusal",
    [
        {
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "code": "unsupported_parameter",
        },
        {"message": "unknown", "param": "max_tokens", "code": "unsupported_parameter"},
    ],
)
def test_endpoint_that_wants_max_completion_tokens(server, caplog, refusal):
    server.script = lambda body: Reply(status=400, raw=json.dumps({"error": refusal}).encode()) if "max_tokens" in body else Reply(GOOD)
    replies, client = ask(server, 10, max_tokens=77)
    assert [r.text for r in replies] == [GOOD] * 10 and client.stats.faults == {}
    assert ["max_tokens" in body for body in server.requests] == [True] + [False] * 10
    assert {body.get("max_completion_tokens") for body in server.requests[1:]} == {77} and client.mode == "json_schema"
    assert [r.message.count("sending max_completion_tokens instead") for r in caplog.records if r.levelname == "WARNING"] == [1]


def refuse_temperature(body):
    if "temperature" not in body:
        return Reply(GOOD)
    told = {"message": "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."}
    return Reply(status=400, raw=json.dumps({"error": told | {"param": "temperature", "code": "unsupported_value"}}).encode())


def test_endpoint_that_takes_no_temperature(server, caplog):
    server.script = refuse_temperature
    replies, _ = ask(server, 10, seed=4)
    assert [r.text for r in replies] == [GOOD] * 10
    assert ["temperature" in body for body in server.requests] == [True] + [False] * 10
    assert {body["seed"] for body in server.requests} == {4}
    assert [r.message for r in caplog.records if "temperature 0" in r.message and "leaving it out" in r.message]


def test_endpoint_that_refuses_three_things_one_after_the_other(server):
    def script(body):
        if "max_tokens" in body:
            return Reply("use max_completion_tokens", status=400)
        return refuse_temperature(body) if "temperature" in body else rejecting("json_schema")(body)

    server.script = script
    replies, client = ask(server, 5)
    assert [r.text for r in replies] == [GOOD] * 5 and len(server.bodies) == 3 + 5 and client.mode == "json_object"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "temperature must be at most 2", "param": "temperature", "code": "decimal_above_max_value"}},
        {"error": {"message": "max_tokens is too large: the schema and prompt take 9000", "param": "max_tokens", "code": "invalid_value"}},
        {"detail": [{"loc": ["body", "top_p"], "msg": "must be positive", "input": {"response_format": {"type": "json_schema"}}}]},  # quotes the request
    ],
)
def test_other_refusals_change_nothing(server, body):
    server.script = [Reply(status=400, raw=json.dumps(body).encode())]
    with pytest.raises(LLMError, match="sampling options"):
        ask(server, temperature=3)
    assert len(server.bodies) == 1


def test_refused_format_in_a_list_of_details_is_understood(server):
    detail = {"detail": [{"loc": ["body", "response_format", "type"], "msg": "Input should be 'text'", "input": "json_schema"}]}
    server.script = lambda body: Reply(status=422, raw=json.dumps(detail).encode()) if "response_format" in body else Reply(f"Here: {GOOD}")
    [reply], client = ask(server)
    assert reply.text == GOOD and client.mode == "text"


@pytest.mark.parametrize("wrapped", [True, False])
def test_refused_format_in_googles_list_of_errors_is_understood(server, wrapped):
    error = {"error": {"code": 400, "message": "response_format is not supported for this model", "status": "INVALID_ARGUMENT"}}
    server.script = lambda body: Reply(status=400, raw=json.dumps([error] if wrapped else error).encode()) if "response_format" in body else Reply(GOOD)
    [reply], client = ask(server)
    assert reply.text == GOOD and client.mode == "text"


def test_two_different_objects_in_plain_text_are_no_answer(server):
    server.script = [Reply(f'{GOOD} or rather {{"answer": "no"}}')]
    [reply], _ = ask(server, reply_format="text")
    assert (reply.text, reply.error, reply.attempts) == (None, "unusable reply", 12)


# -- what the caller's own functions do wrong, and leaving early ---------------------------------------------------------------------------------------------


def test_bug_in_validate_comes_out_where_the_caller_is(server):
    server.script = [Reply(GOOD)]
    with pytest.raises(KeyError, match="oops"):
        ask(server, 5, validate=lambda text: {}["oops"])


def test_bug_in_on_fault_comes_out_where_the_caller_is(server):
    def on_fault(reason):
        raise KeyError(reason)

    server.script = [Reply("boom", status=500)]
    with ChatClient(LLMConfig(server.base_url, "m"), on_fault=on_fault) as client, pytest.raises(KeyError, match="HTTP 500"):
        list(client.run([ChatRequest([{"role": "user", "content": "x"}])]))


def test_two_runs_of_one_client_take_turns(server):
    server.script = lambda body: Reply(body["messages"][0]["content"])
    with ChatClient(LLMConfig(server.base_url, "m", concurrency=4)) as client:
        one, two = (client.run([ChatRequest([{"role": "user", "content": f"{name}{i}"}]) for i in range(30)]) for name in "ab")
        got = [(next(one).text, next(two).text) for _ in range(30)]
    assert got == [(f"a{i}", f"b{i}") for i in range(30)]


def test_run_that_is_left_early_frees_its_places(server):
    server.script = lambda body: Reply("slow", delay=30 if body["messages"][0]["content"] == "slow" else 0)
    with ChatClient(LLMConfig(server.base_url, "m", concurrency=2)) as client:
        stuck = client.run(ChatRequest([{"role": "user", "content": text}]) for text in ["ok", *["slow"] * 50])
        assert next(stuck).error is None
        stuck.close()
        assert [r.error for r in client.run([ChatRequest([{"role": "user", "content": "quick"}])] * 4)] == [None] * 4


def test_closing_from_another_thread_wakes_the_caller(server):
    server.script = [Reply(delay=30)]
    client = ChatClient(LLMConfig(server.base_url, "m"))
    threading.Timer(0.3, client.close).start()
    with pytest.raises(LLMError, match="closed"):
        list(client.run([ChatRequest([{"role": "user", "content": "x"}])]))

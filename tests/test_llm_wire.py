"""What goes over the wire, without a wire."""

from __future__ import annotations

import hashlib
import itertools
import json

import pytest

from cp_paraling_qa.llm_faults import Fault
from cp_paraling_qa.llm_types import ChatRequest, LLMConfig
from cp_paraling_qa.llm_wire import cache_key, json_in, read_completion, request_body, usage

CONFIG = LLMConfig("http://host/v1", "m", max_tokens=9)
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}


def canonical(config, request):
    """The key by its definition, in one piece; `cache_key` puts the same text together from parts."""
    what = {
        "model": config.model,
        "sampling": [config.temperature, config.top_p, config.max_tokens, config.seed],
        "messages": [dict(message) for message in request.messages],
        "schema": request.schema,
        "sample": request.sample,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":")).encode()).digest()


class Loud(str):
    pass


MESSAGES = [
    [{"role": "system", "content": "sys"}, {"role": "user", "content": 'é \ud800 \U0001f600 " \\ \n'}],
    [{"content": "a", "role": "user", "name": "z"}],
    [{"role": Loud("user"), "content": Loud("é")}],
    [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    [{"role": "system", "content": ["x"]}],
    [{"text": "1", "content": "2"}],
    [],
]
SCHEMAS = [None, {}, {"b": 1, "a": [1, None, {"é": "z"}]}, {"b": True}, {"b": 1.0}, {"b": [1.5, False]}, {"b": Loud("x")}, {"b": (1, 2)}]


@pytest.mark.parametrize("change", [{}, {"temperature": 0}, {"temperature": 1e-7, "top_p": 0.5, "seed": None}, {"model": 'ö"m', "max_tokens": 1}])
def test_key_is_the_hash_of_the_canonical_request(change):
    config = LLMConfig(**({"base_url": "http://host/v1", "model": "m"} | change))
    for messages, schema, sample in itertools.product(MESSAGES, SCHEMAS, (0, 3)):
        request = ChatRequest(messages, schema, sample=sample)
        assert cache_key(config, request) == canonical(config, request)


def test_key_is_the_one_of_caches_that_exist():
    request = ChatRequest([{"role": "user", "content": "hi"}], {"type": "object"}, sample=1)
    assert hashlib.sha256(
        b'{"messages":[{"content":"hi","role":"user"}],"model":"m","sample":1,"sampling":[0.0,null,512,0],"schema":{"type":"object"}}'
    ).digest() == cache_key(LLMConfig("http://host/v1", "m"), request)


def test_key_follows_a_schema_that_was_changed_in_place():
    schema = {"type": "object", "required": ["a"]}
    before = cache_key(CONFIG, ChatRequest([], schema))
    schema["required"].append("b")
    assert cache_key(CONFIG, ChatRequest([], schema)) != before


def test_body_in_every_mode_and_dialect():
    request = ChatRequest([{"role": "user", "content": "hi"}], SCHEMA, "verdict", sample=2)
    assert request_body(CONFIG, request)["response_format"] == {"type": "json_schema", "json_schema": {"name": "verdict", "schema": SCHEMA, "strict": True}}
    words = request_body(CONFIG, request, "text")
    assert "response_format" not in words and words["messages"][0]["content"].endswith(json.dumps(SCHEMA))
    assert request_body(CONFIG, request, "json_object")["response_format"] == {"type": "json_object"}
    assert request.messages == [{"role": "user", "content": "hi"}]  # the caller's own is left alone
    other = request_body(CONFIG, request, tokens_as="max_completion_tokens", sends_temperature=False)
    assert other["max_completion_tokens"] == 9 and other["seed"] == 2 and not {"max_tokens", "temperature"} & set(other)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', '{"a": 1}'),
        (' {"a": 1}\n', ' {"a": 1}\n'),
        ('```json\n{"a": {"b": "}"}}\n```', '{"a": {"b": "}"}}'),
        ('Sure, {name}! Here: {"a": 1}. Anything else?', '{"a": 1}'),
        ('{"a": 1} and once more {"a":1}', '{"a": 1}'),  # the same object twice is one answer
        ('<think>{"a": 0}?</think>{"a": 1}', '{"a": 1}'),
        ("{ }", "{ }"),
    ],
)
def test_plain_text_with_one_object(text, found):
    assert json_in(text) == found


@pytest.mark.parametrize(
    "text", ["Rating: 5", "5", '["a"]', "{'a': 1}", '{"a": 1', '{"a": {"b": 1}', 'so: {"a": 1, "b": {"c": 2}', '{"a": NaN}', "", '{"a":' * 5000, "[" * 100_000]
)
def test_plain_text_without_a_whole_object(text):
    with pytest.raises(LookupError):
        json_in(text)


@pytest.mark.parametrize("text", ['{"a": 1} or {"a": 2}', '{"a": 1}{"a": true}', '{"a": 1}\n{"a": 1, "b": 2}'])
def test_plain_text_with_two_objects_is_ambiguous(text):
    with pytest.raises(ValueError, match="two different"):
        json_in(text)


def test_json_mode_leaves_the_type_to_the_caller():
    assert json_in("[1]", any_value=True) == "[1]"


def completion(content, finish="stop", **message):
    counts = {"prompt_tokens": 11, "completion_tokens": 4}
    return {"choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}], "usage": counts}


def reject(text):
    raise ValueError(f"bad {text}")


@pytest.mark.parametrize(
    ("payload", "reason", "detail", "transient"),
    [
        (None, "malformed response", "no chat completion", True),
        ([], "malformed response", "no chat completion", True),
        ({"choices": None}, "malformed response", "no chat completion", True),
        ({"error": {"message": "upstream KEY"}}, "malformed response", '{"message": "upstream ***"}', True),
        ({"choices": []}, "no choices", "", True),
        ({"choices": [{"finish_reason": "stop"}]}, "no choices", "", True),
        (completion('{"answer": "cu', "length"), "cut at max_tokens", "max_tokens is 9", False),
        (completion("", "content_filter"), "ended by content_filter", "", False),
        (completion(None, None), "ended by None", "", False),
        (completion(None), "empty reply", "", False),
        (completion(None, refusal="I will not, KEY"), "empty reply", "I will not, ***", False),
        (completion('{"answer": "\ud83d"}'), "malformed response", "half a character in the text", True),
        (
            completion('{"answer": "\\ud83d"}'),  # escaped, as JSON allows; no file can hold what it means
            "unusable reply",
            "'utf-8' codec can't encode character '\\ud83d' in position 12: surrogates not allowed: {\"answer\": \"\\ud83d\"}",
            False,
        ),
        (completion("Sorry, KEY"), "not JSON", "Sorry, ***", False),
        (completion('{"answer": 1} {"answer": 2}'), "unusable reply", 'two different JSON objects: {"answer": 1} {"answer": 2}', False),
        (completion('{"answer": "KEY"}'), "unusable reply", 'bad {"answer": "***"}', False),
    ],
)
def test_completion_that_cannot_be_used_says_why_and_what_it_cost(payload, reason, detail, transient):
    request = ChatRequest([{"role": "user", "content": "hi"}], SCHEMA)
    with pytest.raises(Fault) as caught:
        read_completion(payload, request, CONFIG, "json_schema", reject, lambda text: text.replace("KEY", "***"))
    fault = caught.value
    assert (fault.reason, fault.detail, fault.transient) == (reason, detail, transient)
    assert (fault.prompt_tokens, fault.completion_tokens) == ((11, 4) if isinstance(payload, dict) and "usage" in payload else (0, 0))


def test_completion_that_can_be_used():
    request = ChatRequest([{"role": "user", "content": "hi"}], SCHEMA)
    parts = completion([{"type": "text", "text": '{"answer":'}, {"type": "text", "text": ' "x"}'}])
    assert read_completion(parts, request, CONFIG) == ('{"answer": "x"}', "stop", 11, 4)
    assert read_completion(completion("free text {"), ChatRequest([]), CONFIG) == ("free text {", "stop", 11, 4)


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 0}, (5, 0)),
        ({"prompt_tokens": 5}, (5, 0)),
        ({"prompt_tokens": None, "completion_tokens": 2}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 2}, None),
        (None, None),
    ],
)
def test_usage_counts_or_is_none(told, counted):
    assert usage({"usage": told}) == counted

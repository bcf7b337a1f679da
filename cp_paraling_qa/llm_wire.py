"""What goes over the wire: the body of a chat request, the key of its reply, and how a completion is read.

Pure functions, shared by every transport (one request at a time, or a file of them). A reply that cannot be used is a `Fault` with a countable reason and the tokens it cost.
"""

from __future__ import annotations

import functools
import hashlib
import json
import marshal
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from cp_paraling_qa.llm_faults import Fault
from cp_paraling_qa.llm_types import ChatRequest, LLMConfig

MODES = ("json_schema", "json_object", "text")
"""How a reply in JSON is asked for, best first: by schema, by JSON mode, by words alone."""

Validate = Callable[[str], object]
"""Raises ValueError for a text that cannot be used."""


class Completion(NamedTuple):
    """What is kept of a usable reply."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int


def request_body(
    config: LLMConfig, request: ChatRequest, mode: str = MODES[0], *, tokens_as: str = "max_tokens", sends_temperature: bool = True
) -> dict[str, Any]:
    """The body of POST /chat/completions.

    Args:
        config: the endpoint and the sampling.
        request: what to ask.
        mode: one of `MODES`; decides nothing where the request has no schema.
        tokens_as: the limit's name: "max_tokens", or "max_completion_tokens" for endpoints that take nothing else.
        sends_temperature: False for endpoints that refuse any temperature but their own.
    """
    body: dict[str, Any] = {"model": config.model, "messages": [dict(message) for message in request.messages]}
    if sends_temperature:
        body["temperature"] = config.temperature
    body[tokens_as] = config.max_tokens
    if config.top_p is not None:
        body["top_p"] = config.top_p
    if config.seed is not None:
        body["seed"] = config.seed + request.sample
    if request.schema is not None:
        if mode == "json_schema":
            body["response_format"] = {"type": mode, "json_schema": {"name": request.schema_name, "schema": request.schema, "strict": True}}
        else:
            body["messages"][-1]["content"] += f"\n\nReply with one JSON object that fits this JSON schema, and nothing else:\n{json.dumps(request.schema)}"
            if mode == "json_object":
                body["response_format"] = {"type": mode}
    return body


def cache_key(config: LLMConfig, request: ChatRequest) -> bytes:
    """Hash of all that decides the reply. Not the address: the embedded server has another port every time; and no secret.

    SHA-256 of canonical JSON: {"messages": …, "model": …, "sample": …, "sampling": [temperature, top_p, max_tokens, seed], "schema": …}, keys sorted, no spaces, ASCII;
    with "checked": false in front where the reply is (a cut one must not pass for a checked one).
    Put together from its parts, since of a run's hundred thousand requests the most part is the same.
    """
    messages = ",".join([_message_json(message) for message in request.messages])
    sampling = _sampling_json(config.temperature, config.top_p, config.max_tokens, config.seed)
    sample, schema = _sampling_json(request.sample)[1:-1], _schema_json(request.schema)
    unchecked = "" if request.checked else '"checked":false,'
    text = f'{{{unchecked}"messages":[{messages}],"model":{_quoted(config.model)},"sample":{sample},"sampling":{sampling},"schema":{schema}}}'
    return hashlib.sha256(text.encode()).digest()


def _message_json(message: Mapping[str, str]) -> str:
    try:
        if len(message) != 2:
            return _dumps(dict(message))
        role, content = message["role"], message["content"]
        return f'{{"content":{_quoted_again(content) if role == "system" else _quoted(content)},"role":{_quoted(role)}}}'
    except (KeyError, TypeError):  # another field, or content in parts
        return _dumps(dict(message))


def _schema_json(schema: Mapping[str, Any] | None) -> str:
    if schema is None:
        return "null"
    any_type: Any = schema
    try:
        return _known_schema(marshal.dumps(any_type, 2))  # all of it, types included, in a quarter of the time of JSON
    except ValueError:  # not of the plain types alone
        return _dumps(schema)


@functools.lru_cache(maxsize=1024, typed=True)  # typed: 0 and 0.0 are written differently
def _sampling_json(*numbers: float | None) -> str:
    return _dumps(numbers)


@functools.lru_cache(maxsize=64)
def _known_schema(marshalled: bytes) -> str:
    return _dumps(marshal.loads(marshalled))


_dumps = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_quoted = json.encoder.encode_basestring_ascii
_quoted_again = functools.lru_cache(maxsize=64)(_quoted)


def usage(payload: Any) -> tuple[int, int] | None:
    """Tokens read and written, as the server counted them; None where it did not.

    Example:
        >>> usage({"usage": {"prompt_tokens": 7, "completion_tokens": 3}}), usage({"usage": None})
        ((7, 3), None)
    """
    told = payload.get("usage") if isinstance(payload, Mapping) else None
    if not isinstance(told, Mapping):
        return None
    counts = [told.get("prompt_tokens"), told.get("completion_tokens", 0)]
    if not all(isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**53 for count in counts):
        return None
    return counts[0], counts[1]


def read_completion(
    payload: Any, request: ChatRequest, config: LLMConfig, mode: str = MODES[0], validate: Validate | None = None, redact: Callable[[str], str] = str
) -> Completion:
    """The reply that a completion holds, if it can be used.

    Args:
        payload: the parsed body of the response.
        request: what was asked.
        config: how it was asked.
        mode: one of `MODES`: asked by words alone, a reply must hold a JSON object; otherwise it may be any JSON value.
        validate: the caller's own check.
        redact: takes the key out of every text that leaves here.

    Raises:
        Fault: "malformed response" (transient), "no choices" (transient), "cut at max_tokens", "ended by …", "empty reply", "not JSON" or "unusable reply";
            with the tokens that were paid for it, and the reply's text where there is one.
    """
    read, written = usage(payload) or (0, 0)
    text: str | None = None

    def fail(reason: str, detail: str = "", *, transient: bool = False) -> NoReturn:
        raise Fault(reason, detail, transient=transient, prompt_tokens=read, completion_tokens=written) from None

    choices = payload.get("choices") if isinstance(payload, Mapping) else None
    if not isinstance(choices, list):
        told = payload.get("error") if isinstance(payload, Mapping) else None  # some proxies send an error with status 200
        fail("malformed response", redact(json.dumps(told))[:200] if told else "no chat completion", transient=True)
    message = choices[0].get("message") if choices and isinstance(choices[0], Mapping) else None
    if not isinstance(message, Mapping):
        fail("no choices", transient=True)
    text = redact(_content(message))
    finish_reason = choices[0].get("finish_reason")
    if not request.checked:
        return Completion(_encodable(text, fail), str(finish_reason), read, written)
    if finish_reason == "length":
        fail("cut at max_tokens", f"max_tokens is {config.max_tokens}")
    if finish_reason != "stop":
        fail(f"ended by {str(finish_reason)[:40]}")
    if not text.strip():
        refusal = message.get("refusal")
        fail("empty reply", redact(refusal)[:200] if isinstance(refusal, str) else "")
    _encodable(text, fail)
    try:
        if request.schema is not None:
            text = json_in(text, any_value=mode != "text")
            if "\\ud" in text.lower():  # half a character may be escaped; its value could be written nowhere
                json.dumps(json.loads(text), ensure_ascii=False).encode()
    except LookupError:
        fail("not JSON", text[:200])
    except ValueError as error:
        fail("unusable reply", f"{error}: {text[:200]}")
    if validate is not None:
        try:
            validate(text)
        except ValueError as error:
            fail("unusable reply", redact(str(error))[:300])
    return Completion(text, finish_reason, read, written)


def _encodable(text: str, fail: Callable[..., NoReturn]) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        fail("malformed response", "half a character in the text", transient=True)
    return text


def _content(message: Mapping[str, Any]) -> str:
    """A message's text; some servers send a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def json_in(text: str, *, any_value: bool = False) -> str:
    """The one JSON object that a reply holds: alone, in a fence, or in prose.

    A braced word of prose ("{name}") is no object; an object that begins and does not end well spoils the reply, since what it holds would be a part of the answer.

    Args:
        text: the reply.
        any_value: a reply that is JSON as a whole may be of any type.

    Raises:
        LookupError: there is no object.
        ValueError: there are two that differ.

    Example:
        >>> json_in('Sure! ```json {"a": {"b": 1}} ``` as {you} wished')
        '{"a": {"b": 1}}'
    """
    whole = _parsed(text)
    if whole is not _NONE and (any_value or isinstance(whole, dict)):
        return text
    text = text.rpartition("</think>")[2]  # what a model thought before it answered is no answer
    found: list[tuple[Any, str]] = []
    end = 0
    while opening := _OPENING.search(text, end):
        try:
            value, end = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            raise LookupError("broken JSON") from None
        found.append((value, text[opening.start() : end]))
    if not found:
        raise LookupError("no JSON object")
    if any(json.dumps(value, sort_keys=True) != json.dumps(found[0][0], sort_keys=True) for value, _ in found[1:]):
        raise ValueError("two different JSON objects")
    return found[0][1]


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_OPENING = re.compile(r'\{\s*["}]')
_DECODER = json.JSONDecoder(parse_constant=_refuse)
_NONE = object()


def _parsed(text: str) -> Any:
    """The value of a text that is JSON as a whole, or `_NONE`."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return _NONE

"""How an endpoint wants to be asked, and what its refusals say of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cp_paraling_qa.llm_types import LLMConfig
from cp_paraling_qa.llm_wire import MODES

FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured", "grammar", "guided", "schema")
"""A 400 or 422 whose message has one of these, and names no other parameter, rejects the response format, not the request."""

UNSUPPORTED = ("unsupported", "not support", "deprecated", "only the default")


class Dialect(NamedTuple):
    """How the endpoint is asked; the arguments of `request_body`."""

    mode: str = MODES[0]
    tokens_as: str = "max_tokens"
    sends_temperature: bool = True


class Refusal(NamedTuple):
    """What an error body says; each part is empty where it is silent."""

    message: str = ""
    param: str = ""
    code: str = ""


def refusal(body: object) -> Refusal:
    """The words of an error body, without the request that some servers quote in it.

    Args:
        body: parsed; OpenAI's {"error": {…}}, what is in it, a list of such (Google), FastAPI's {"detail": …}, or bare text.

    Example:
        >>> refusal({"detail": [{"loc": ["body", "response_format"], "msg": "Field not allowed", "input": {"schema": "..."}}]}).message
        'body.response_format: Field not allowed'
        >>> refusal([{"error": {"code": 429, "message": "Resource exhausted"}}])
        Refusal(message='Resource exhausted', param='', code='429')
    """
    if isinstance(body, list):
        return refusal(body[0]) if len(body) == 1 else Refusal()
    if not isinstance(body, Mapping):
        return Refusal(body if isinstance(body, str) else "")
    inner = body.get("error")
    if isinstance(inner, Mapping):
        return refusal(inner)
    return Refusal(_message(body), str(body.get("param") or ""), str(body.get("code") or ""))


def _message(body: Mapping[str, object]) -> str:
    for name in ("message", "detail", "error"):
        told = body.get(name)
        if isinstance(told, str):
            return told
        if isinstance(told, list):
            return "; ".join(f"{'.'.join(map(str, entry.get('loc', ())))}: {entry.get('msg', '')}" for entry in told if isinstance(entry, Mapping))
    return ""


def instead(dialect: Dialect, config: LLMConfig, refused: Refusal, *, schema: bool) -> Dialect | None:
    """The way of asking that a refusal (400 or 422) leaves; None where it refuses something else.

    Args:
        dialect: the way that was refused.
        config: whether the reply format may change.
        refused: the server's words.
        schema: whether the request has one.

    Example:
        >>> words = Refusal("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens")
        >>> instead(Dialect(), LLMConfig("http://127.0.0.1/v1", "any"), words, schema=True).tokens_as
        'max_completion_tokens'
    """
    said, param, code = refused.message.lower(), refused.param, refused.code
    if dialect.tokens_as == "max_tokens" and ("max_completion_tokens" in said or (param == "max_tokens" and code == "unsupported_parameter")):
        return dialect._replace(tokens_as="max_completion_tokens")
    unsupported = code in ("unsupported_parameter", "unsupported_value") or any(word in said for word in UNSUPPORTED)
    if dialect.sends_temperature and config.temperature != 1 and unsupported and (param == "temperature" or (not param and "temperature" in said)):
        return dialect._replace(sends_temperature=False)
    of_format = not param or any(word in param for word in FORMAT_WORDS)
    if schema and config.reply_format == "auto" and dialect.mode != MODES[-1] and of_format and any(word in said for word in FORMAT_WORDS):
        return dialect._replace(mode=MODES[MODES.index(dialect.mode) + 1])
    return None

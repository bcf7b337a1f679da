"""What the loopback server says: an instance of any JSON schema, put together from encoded pieces, as a pure function of the request. Standard library only."""

from __future__ import annotations

import json
import marshal
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

_WORDS = (
    "anchor autumn balcony basket beacon bicycle blanket bridge candle canyon carpet castle ceiling cellar cherry circle cloud compass concert copper corner cottage "
    "cousin curtain dinner doorway drawer engine evening feather ferry finger flower forest fountain garden gravel guitar hallway hammer harbour holiday honey interview "
    "island jacket journey kettle kitchen ladder lantern letter market meadow meeting mirror morning mountain neighbour orchard painting pepper photograph planet pocket"
)
WORDS = _WORDS.split()[:64]
"""Sixty-four: three of them make 262,144 sentences."""

QUESTION = "Why do the {} and the {} with the {} matter to the speaker, by the sound of it?"
STATEMENT = "They sound moved, as if the {} and the {} near the {} had been promised."

MOST_SCHEMAS = 4096
"""Remembered in their compiled form."""

Slot = list[bytes]
Piece = bytes | Slot


def escaped(text: str) -> bytes:
    """Text as it stands inside a JSON string."""
    return json.dumps(text)[1:-1].encode()


def sentence(question: bool, least: int = 0, most: int = 1000) -> list[Piece]:
    """A text with words to choose, as long as its bounds allow: a sentence, three words, or one that is cut.

    Args:
        question: or else a statement.
        least: characters.
        most: characters.
    """
    shortest, longest = min(map(len, WORDS)), max(map(len, WORDS))
    for form in (QUESTION if question else STATEMENT, "{} {} {}"):
        fixed = len(form.replace("{}", ""))
        padding = max(0, least - fixed - 3 * shortest)
        if fixed + 3 * longest + padding <= most:
            parts = [escaped(part) for part in form.split("{}")]
            return [piece for part in parts[:-1] for piece in (part, CHOICES)] + [parts[-1] + b"." * padding]
    return [[escaped(f"{word}{'x' * least}"[:most]) for word in WORDS]]


CHOICES: Slot = [escaped(word) for word in WORDS]


def compile_schema(schema: Any, root: Any, name: str = "") -> list[Piece]:
    """The pieces of an instance of a schema, as they stand inside a JSON string: what never changes, and lists of choices.

    Args:
        schema: a part of `root`.
        root: the whole, where $ref leads.
        name: of the property, which decides whether a string is a question.
    """
    if not isinstance(schema, dict):
        return quoted(name)  # "true": anything will do
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].lstrip("#/").split("/"):
            target = target[step]
        return compile_schema(target, root, name)
    for union in ("anyOf", "oneOf", "allOf"):
        if schema.get(union):
            return compile_schema(schema[union][0], root, name)
    if "const" in schema:
        return [escaped(json.dumps(schema["const"]))]
    if "enum" in schema:
        return [[escaped(json.dumps(value)) for value in schema["enum"]]]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        pieces: list[Piece] = [b"{"]
        for number, (key, value) in enumerate(schema.get("properties", {}).items()):
            pieces += [escaped(("" if number == 0 else ", ") + json.dumps(key) + ": "), *compile_schema(value, root, key)]
        return [*pieces, b"}"]
    if kind == "array":
        least = schema.get("minItems", 1)
        count = min(max(1, least), schema.get("maxItems", max(1, least)))
        items = [piece for number in range(count) for piece in ([b", "] if number else []) + compile_schema(schema.get("items", {}), root, name)]
        return [b"[", *items, b"]"]
    if kind in ("integer", "number"):
        low = int(schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1))
        high = int(schema.get("maximum", schema.get("exclusiveMaximum", low + 6) - 1))
        return [[str(value).encode() for value in range(low, min(high, low + 999) + 1)] or [str(low).encode()]]
    if kind == "boolean":
        return [[b"true", b"false"]]
    if kind == "null":
        return [b"null"]
    return quoted(name, schema.get("minLength", 0), schema.get("maxLength", 1000))


def quoted(name: str, least: int = 0, most: int = 1000) -> list[Piece]:
    """A string value, a question where its name says so."""
    return [b'\\"', *sentence("question" in name.lower(), least, most), b'\\"']


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbouring constants as one."""
    out: list[Piece] = []
    for piece in pieces:
        if out and isinstance(piece, bytes) and isinstance(out[-1], bytes):
            out[-1] += piece
        else:
            out.append(piece)
    return out


class Replies:
    """Texts for requests, as they stand inside a JSON string."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[Piece]] = {}

    def text(self, asked: dict[str, Any]) -> bytes:
        """The reply to a request: a pure function of its messages, schema and seed. A tool's schema counts where there is no other."""
        schema = ((asked.get("response_format") or {}).get("json_schema") or {}).get("schema")
        if schema is None and (tool := tool_of(asked)):
            schema = tool.get("parameters")
        pieces = self._pieces(schema)
        said = "\x1e".join(
            [f"{m.get('role')}\x1f{m['content'] if isinstance(m.get('content'), str) else json.dumps(m.get('content'))}" for m in asked.get("messages", ())]
        )
        source = f"{asked.get('seed')}\x1d{said}".encode("utf-8", "surrogatepass")
        drawn = blake2b(source, digest_size=64).digest()
        number = int.from_bytes(drawn, "little")
        out: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, bytes):
                out.append(piece)
            else:
                if number < 1 << 64:  # used up: many slots
                    drawn = blake2b(drawn, digest_size=64).digest()
                    number = int.from_bytes(drawn, "little")
                number, chosen = divmod(number, len(piece))
                out.append(piece[chosen])
        return b"".join(out)

    def _pieces(self, schema: Any) -> list[Piece]:
        key = marshal.dumps(schema, 0)  # ten times as fast as JSON; only ever compared within this process
        pieces = self._known.get(key)
        if pieces is None:
            if len(self._known) >= MOST_SCHEMAS:
                self._known.clear()
            pieces = joined(compile_schema(schema, schema) if schema is not None else sentence(False))
            self._known[key] = pieces
        return pieces


def tool_of(asked: dict[str, Any]) -> dict[str, Any] | None:
    """The function to call, where a request without a schema has one."""
    tools = None if asked.get("response_format") else asked.get("tools")
    return tools[0]["function"] if tools else None


def completion(text: bytes | None, finish: bytes, length: int, asked: dict[str, Any]) -> bytes:
    """The whole HTTP reply that carries this text.

    Args:
        text: as it stands inside a JSON string; None for an empty list of choices.
        finish: the finish_reason.
        length: bytes of the request, for the token counts: about four to a token.
        asked: the request.
    """
    prompt, said = max(1, length // 4), max(1, len(text or b"") // 4)
    if text is None:
        choice = b""
    elif tool := tool_of(asked):
        call = b'[{"id":"call_loopback","type":"function","function":{"name":%b,"arguments":"%b"}}]' % (json.dumps(tool["name"]).encode(), text)
        choice = b'{"index":0,"message":{"role":"assistant","content":null,"tool_calls":%b},"logprobs":null,"finish_reason":"%b"}' % (call, finish)
    else:
        choice = b'{"index":0,"message":{"role":"assistant","content":"%b"},"logprobs":null,"finish_reason":"%b"}' % (text, finish)
    body = (
        b'{"id":"chatcmpl-loopback","object":"chat.completion","created":1700000000,"model":%b,"choices":[%b],'
        b'"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}'
        % (json.dumps(asked.get("model")).encode(), choice, prompt, said, prompt + said)
    )
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def plain(status: str, payload: Any, extra: str = "") -> bytes:
    """Any other HTTP reply."""
    body = json.dumps(payload).encode()
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body

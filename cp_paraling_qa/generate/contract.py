"""What is asked of an LLM, what its reply must look like, and how it is read: one object with one hash, so that they cannot drift apart."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import jinja2
from pydantic import BaseModel

Reply = TypeVar("Reply", bound=BaseModel)

_JINJA = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)


@dataclass(frozen=True, eq=False)
class Contract(Generic[Reply]):
    """Prompt, schema and parser of one kind of request.

    The prompt is a system message, worked examples as turns of a conversation, and the question: what is the same for all requests comes first, where servers cache it.

    Args:
        name: letters, digits and _.
        version: raised when the reading of a reply changes in a way that neither prompt nor schema shows.
        system: the instruction; jinja2.
        user: one request; jinja2, rendered with the context of a clip.
        examples: (context, reply) pairs, rendered like real ones.
        reply: pydantic model of a reply.
    """

    name: str
    version: int
    system: str
    user: str
    examples: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]
    reply: type[Reply]

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        """JSON schema of a reply, without the titles, descriptions and defaults that pydantic adds: they are tokens that say nothing."""
        schema: dict[str, Any] = _without_noise(self.reply.model_json_schema())
        return schema

    @functools.cached_property
    def hash(self) -> str:
        """Identifies prompt, examples, schema and parser. 16 hex digits."""
        parts = [self.name, self.version, self.system, self.user, self.examples, self.schema]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def messages(self, context: Mapping[str, Any], shown: Sequence[int] | None = None) -> list[dict[str, str]]:
        """The chat messages for one clip.

        Args:
            context: what the templates use.
            shown: which examples, in which order; None for all. A small model follows the last one most.

        Raises:
            jinja2.UndefinedError: the context lacks what the prompt uses.
        """
        turns = [{"role": "system", "content": _render(self.system, context)}]
        for index in range(len(self.examples)) if shown is None else shown:
            example, reply = self.examples[index]
            turns.append({"role": "user", "content": _render(self.user, example)})
            turns.append({"role": "assistant", "content": json.dumps(reply, ensure_ascii=False)})
        turns.append({"role": "user", "content": _render(self.user, context)})
        return turns

    def parse(self, text: str) -> Reply:
        """A reply as a record.

        Raises:
            ValueError: it is no JSON object of this schema. (pydantic's error is one.)
        """
        return self.reply.model_validate_json(text)


@functools.lru_cache(maxsize=64)
def _template(source: str) -> jinja2.Template:
    return _JINJA.from_string(source)


def _render(source: str, context: Mapping[str, Any]) -> str:
    return _template(source).render(context).strip()


def _without_noise(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _without_noise(value) for key, value in schema.items() if not (key in ("title", "description") and isinstance(value, str)) and key != "default"
        }
    return [_without_noise(item) for item in schema] if isinstance(schema, list) else schema

"""The cascade control: a text model answers from the transcript alone, and never hears the voice.

CP-Bench (arXiv 2509.16589) has such cascades reach 51–56 on contextual questions: what a speech LLM scores above its cascade is what listening is worth. With the metadata block
in its prompts the cascade is told what annotators heard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from cp_paraling_qa.digests import digest
from cp_paraling_qa.embedded import EMBEDDED_MODEL, embedded_config
from cp_paraling_qa.errors import DatasetError, RecipeError
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig

SYSTEM = """Somebody recorded a voice. You read the transcript of what is said; you cannot hear the voice.
Answer the question about the recording as best you can, in one or two short sentences. Lines above the question, where there are any, are notes of somebody who listened.
Always give your best guess; never say that you cannot hear the recording."""

USER = """Transcript: {transcript}

{prompt}"""

NO_TRANSCRIPT = "no transcript"
PROMPT_HASH = digest(SYSTEM, USER)


def messages(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the text model is asked: the words, then the prompt as the speech LLM would be shown it."""
    told = USER.format(transcript=row["transcript"].strip(), prompt=row["prompt"])
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": told}]


def endpoint(
    base_url: str | None, model: str | None, *, cache: Path | None = None, concurrency: int = 16, max_tokens: int = 256
) -> tuple[AbstractContextManager[LLMConfig], str]:
    """Who answers: an endpoint, or else the embedded model, which starts when it is entered; and its name for the run.

    Raises:
        RecipeError: an address without a model, or a model without an address.
        LLMError: an address that cannot be one.
    """
    if (base_url is None) != (model is None):
        raise RecipeError("a text model needs its endpoint and its name: give both --llm_base_url and --llm_model, or neither for the embedded one")
    if base_url is not None and model is not None:
        return nullcontext(LLMConfig(base_url, model, concurrency=concurrency, cache=cache, max_tokens=max_tokens)), model
    return embedded_config(cache, max_tokens=max_tokens), EMBEDDED_MODEL


def refuse_without_words(rows: Sequence[Mapping[str, Any]], dataset: str) -> None:
    """Raises DatasetError where no row at all has a transcript: all of them would go unanswered."""
    if not any(_spoken(row) for row in rows):
        raise DatasetError(f"{dataset}: no row has a transcript; `cpqa annotate` writes transcripts with its ASR")


def answer_from_words(
    rows: Sequence[Mapping[str, Any]],
    config: LLMConfig,
    *,
    skip: frozenset[int] = frozenset(),
    on_answer: Callable[[int, str], None] = lambda number, text: None,
) -> tuple[dict[int, str], int]:
    """Asks a text model every row that has a transcript.

    Args:
        rows: with `prompt` and `transcript`.
        config: the endpoint; asked at its temperature, 0 by default.
        skip: numbers of rows that are not asked.
        on_answer: called with a row's number and its answer, in order.

    Returns:
        Why rows have no answer, row number → reason; and how many of these may get one when asked again.

    Raises:
        LLMError: the endpoint cannot be used.
    """
    unanswered = {number: NO_TRANSCRIPT for number in range(len(rows)) if number not in skip and not _spoken(rows[number])}
    wanted = (number for number in range(len(rows)) if number not in skip and number not in unanswered)
    requests = (ChatRequest(messages(rows[number]), key=number) for number in wanted)
    transient = 0
    with ChatClient(config) as client:
        for reply in client.run(requests, validate=_usable):
            if reply.text is None:
                unanswered[reply.request.key] = str(reply.error)
                transient += reply.transient
            else:
                on_answer(reply.request.key, reply.text.strip())
    return unanswered, transient


def reasons(unanswered: Mapping[int, str]) -> str:
    """The reasons, counted, most frequent first: "3 × no transcript, 1 × timeout"."""
    return ", ".join(f"{count} × {reason}" for reason, count in Counter(unanswered.values()).most_common())


def _spoken(row: Mapping[str, Any]) -> bool:
    return bool((row.get("transcript") or "").strip())


def _usable(text: str) -> None:
    if not text.strip():
        raise ValueError("the reply is empty")

"""Who judges, from what a command line was given: an endpoint, the embedded LLM for as long as it is needed, or nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.judging import JudgeConfig


@contextmanager
def judge_for(base_url: str | None, model: str | None, *, embedded: bool = False, cache: Path | None = None) -> Iterator[JudgeConfig | None]:
    """The judge as a config, while the `with` block lasts.

    Args:
        base_url: of an OpenAI-compatible endpoint; None for no endpoint.
        model: its name there.
        embedded: start the embedded LLM and let it judge.
        cache: SQLite file of replies.

    Raises:
        JudgeError: a model without its endpoint, an endpoint without a model, or an endpoint beside the embedded LLM.
        MissingExtraError: the embedded LLM's packages are not installed.
    """
    if (base_url is None) != (model is None):
        raise JudgeError("a judge needs its endpoint and its model: give both --judge-base-url and --judge-model")
    if embedded and base_url is not None:
        raise JudgeError("choose one judge: --embedded-judge, or --judge-base-url with --judge-model")
    if base_url is not None and model is not None:
        yield JudgeConfig(base_url, model, cache=cache)
    elif embedded:
        from cp_paraling_qa.embedded import EMBEDDED_MODEL, embedded_llm

        with embedded_llm() as server:
            yield JudgeConfig(server.base_url, server.model, cache=cache, concurrency=1, label=EMBEDDED_MODEL)
    else:
        yield None

"""Which text model audits, from what a command line was given: an endpoint, the embedded LLM for as long as it is needed, or nobody."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cp_paraling_qa.embedded import EMBEDDED_MODEL, embedded_config
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate.audit.shortcut import EndpointFactory
from cp_paraling_qa.llm import LLMConfig


def text_model(
    base_url: str | None, model: str | None, *, embedded: bool = False, cache: Path | None = None, concurrency: int = 16, timeout: float = 60.0
) -> tuple[LLMConfig | EndpointFactory | None, str | None]:
    """The model as `TextShortcut` takes it, and its name for the result; (None, None) for nobody.

    Args:
        base_url: of an OpenAI-compatible endpoint; None for no endpoint.
        model: its name there.
        embedded: use the embedded LLM.
        cache: SQLite file of replies.
        concurrency: requests under way at most.
        timeout: seconds for one request.

    Raises:
        RecipeError: a model without its endpoint, an endpoint without a model, or an endpoint beside the embedded LLM.
    """
    if (base_url is None) != (model is None):
        raise RecipeError("a text model needs its endpoint and its name: give both --llm-base-url and --llm-model")
    if embedded and base_url is not None:
        raise RecipeError("choose one text model: --embedded, or --llm-base-url with --llm-model")
    if base_url is not None and model is not None:
        return LLMConfig(base_url, model, concurrency=concurrency, timeout=timeout, cache=cache), model
    if embedded:
        return partial(embedded_config, cache), EMBEDDED_MODEL
    return None, None

"""What can be chosen about the questions and about who writes them; the entries `questions` and `llm` of a recipe."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cp_paraling_qa.llm_types import secret_in
from cp_paraling_qa.schema import Seconds


class StrictOptions(BaseModel):
    """Options that refuse a name they do not know: a typo is never a silent default."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class LLMOptions(StrictOptions):
    """Who writes the questions. Without a base URL: the embedded model, on loopback.

    Args:
        base_url: of an OpenAI-compatible endpoint, e.g. http://localhost:8000/v1.
        model: the endpoint's name for it.
        temperature: of each request; None for the writer's own.
        max_tokens: of a reply; None for the writer's own.
        concurrency: requests in flight at most.
        timeout: seconds for one request.
    """

    base_url: str | None = None
    model: str | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=16)
    concurrency: int = Field(16, ge=1)
    timeout: Seconds = Field(60.0, gt=0)

    @model_validator(mode="after")
    def _named(self) -> LLMOptions:
        if self.base_url and (found := secret_in(self.base_url)):
            raise ValueError(f"the address of the endpoint holds {found}: leave it out; the key comes from OPENAI_API_KEY")
        if self.base_url and not self.model:
            raise ValueError("an endpoint needs a model: give llm.model (--llm-model)")
        if self.model and not self.base_url:
            raise ValueError("a model needs its endpoint: give llm.base_url (--llm-base-url)")
        return self


class QuestionOptions(StrictOptions):
    """Which questions are made.

    Args:
        templates: direct questions about emotion and gender.
        per_clip: LLM-written questions asked for, for each clip.
        rounds: draws for each of them, until one passes the filters.
        seed: of wordings and requests.
        reuse: a finished dataset folder whose LLM-written questions are taken over for the clips that it has.
        live_clips: with reuse, how many clips get new questions nevertheless.
        strict: also use the filters against what small models do wrong; None: for the embedded model only.
    """

    templates: bool = True
    per_clip: int = Field(2, ge=1, le=20)
    rounds: int = Field(3, ge=1, le=20)
    seed: int = 0
    reuse: Path | None = None
    live_clips: int = Field(0, ge=0)
    strict: bool | None = None

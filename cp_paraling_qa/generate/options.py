"""What can be chosen about the questions and about who writes them; the entries `questions`, `llm` and `text_llm` of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cp_paraling_qa.generate.filters import FILTERS
from cp_paraling_qa.generate.plan import MIX
from cp_paraling_qa.generate.told import Told
from cp_paraling_qa.llm_types import Prices, secret_in
from cp_paraling_qa.schema import KINDS, Seconds

LLM_KINDS = ("pqa", "cpqa")
DEFAULT_KINDS = ("pqa_template", "cpqa")
TEMPLATE_FORMS = ("word", "sentence", "choice")

MAX_TOKENS = {"stepwise": 220, "whole": 2000}
"""Of a reply, where nobody says otherwise: one question, or a dozen."""

TEMPERATURE = 0.4


class StrictOptions(BaseModel):
    """Options that refuse a name they do not know: a typo is never a silent default."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class LLMOptions(StrictOptions):
    """Who writes the questions. Without a base URL: the embedded model, on loopback.

    Args:
        base_url: of an OpenAI-compatible endpoint, e.g. http://localhost:8000/v1.
        model: the endpoint's name for it.
        temperature: of each request; None for the writer's own (0.4).
        max_tokens: of a reply; None for the writer's own (220 for one question at a time, 2,000 for all of a clip).
        concurrency: requests in flight at most.
        timeout: seconds for one request.
        attempts: requests for one row before it is failed with its reason.
        reply_format: auto (JSON schema, and what the server takes where it refuses), json_schema, json_object or text.
        prices: model → {input, output}, USD per million tokens: what costs are counted by.
        max_cost: USD of one command; nothing more is asked where the next request could pass it. Where the same model also answers from the words alone, of both together.
    """

    base_url: str | None = None
    model: str | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=16)
    concurrency: int = Field(16, ge=1)
    timeout: Seconds = Field(60.0, gt=0)
    attempts: int = Field(12, ge=1)
    reply_format: Literal["auto", "json_schema", "json_object", "text"] = "auto"
    prices: dict[str, Prices] = {}
    max_cost: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _named(self) -> LLMOptions:
        if self.base_url and (found := secret_in(self.base_url)):
            raise ValueError(f"the address of the endpoint holds {found}: leave it out; the key comes from OPENAI_API_KEY")
        if self.base_url and not self.model:
            raise ValueError("an endpoint needs a model: give llm.model (--llm-model)")
        if self.model and not self.base_url:
            raise ValueError("a model needs its endpoint: give llm.base_url (--llm-base-url)")
        if self.max_cost is not None and self.price is None:
            raise ValueError(
                f"max_cost needs the price of {self.model or 'the embedded model, which costs nothing'}: give llm.prices (--prices FILE with MODEL: {{input: …, output: …}})"
            )
        return self

    @property
    def price(self) -> Prices | None:
        """Of the chosen model, where the table has it."""
        return self.prices.get(self.model or "")


class QuestionOptions(StrictOptions):
    """Which questions are made.

    Args:
        kinds: exactly these: asr, pqa_template (direct questions from templates), pqa (LLM-written, about the voice alone), cpqa (LLM-written, contextual).
        style: whole asks for all questions of a clip at once, stepwise for one at a time (small models); None: stepwise for the embedded model, else whole.
        per_clip: LLM-written questions asked for, for each clip and kind; None by the clip's length (2 below 6 s, 7 from 30 s on; 2 of kind pqa).
        samples: how often each clip is asked for its questions, each time another draw.
        rounds: draws for each question wanted, until one passes the filters.
        mix: type → weight among the contextual questions.
        seed: of wordings, choices and requests.
        language: ISO 639 code of the LLM-written questions and answers.
        vad, emotions: whether the LLM is told arousal, valence and dominance, and categorical labels.
        opinions: whose opinions it is told, human, maker or model; None for the people's, and the models' where no person spoke.
        soft_labels: whether it is told where raters disagree.
        forms: of template questions: word, sentence, choice.
        skip_filters: names of filters that are switched off.
        strict: also use the filters against what small models do wrong; None: where the style is stepwise.
        reuse: a finished dataset folder whose LLM-written questions are taken over for the clips that it has.
        live_clips: with reuse, how many clips get new questions nevertheless.
    """

    kinds: tuple[str, ...] = DEFAULT_KINDS
    style: Literal["whole", "stepwise"] | None = None
    per_clip: int | None = Field(None, ge=1, le=40)
    samples: int = Field(1, ge=1, le=100)
    rounds: int = Field(3, ge=1, le=20)
    mix: dict[str, float] = dict(MIX)
    seed: int = 0
    language: str = "en"
    vad: bool = True
    emotions: bool = True
    opinions: tuple[str, ...] | None = None
    soft_labels: bool = True
    forms: tuple[str, ...] = TEMPLATE_FORMS
    skip_filters: tuple[str, ...] = ()
    strict: bool | None = None
    reuse: Path | None = None
    live_clips: int = Field(0, ge=0)

    @field_validator("kinds", "opinions", "forms", "skip_filters", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        """One name alone, or several with commas, as a tuple."""
        given = [value] if isinstance(value, str) else value
        return given if given is None else tuple(name.strip() for item in given for name in str(item).split(",") if name.strip())

    @model_validator(mode="after")
    def _known(self) -> QuestionOptions:
        for what, given, known in (
            ("question kind", self.kinds, KINDS),
            ("form of a template question", self.forms, TEMPLATE_FORMS),
            ("filter", self.skip_filters, FILTERS),
            ("question type", self.mix, MIX),
        ):
            if unknown := sorted(set(given) - set(known)):
                raise ValueError(f"there is no {what} {', '.join(unknown)}: choose among {', '.join(known)}")
        if not self.kinds:
            raise ValueError(f"no kind of question is left: choose among {', '.join(KINDS)}")
        if any(weight < 0 for weight in self.mix.values()) or not any(self.mix.values()):
            raise ValueError("the weights of mix are not to be negative, and not all 0")
        _ = self.told
        return self

    @property
    def told(self) -> Told:
        """Which evidence goes into the prompts."""
        return Told(vad=self.vad, emotions=self.emotions, sources=self.opinions, soft=self.soft_labels)

    @property
    def llm_kinds(self) -> tuple[str, ...]:
        """Those that an LLM writes, in the schema's order."""
        return tuple(kind for kind in LLM_KINDS if kind in self.kinds)

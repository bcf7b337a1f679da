"""One validated recipe for a whole build: what `cpqa build` takes as flags or as YAML, and what reproduces its run.

    run: runs/ravdess
    corpora:
      - {name: ravdess, root: /data/ravdess}
      - {name: hf, root: org/speech, columns: {transcript: text, emotion: label}, subset: en}
    clip_seconds: 10-30                                                    # cut long recordings at pauses; left out: they stay behind, counted
    annotate: {annotators: [prosody, asr, emotion=emotion2vec_plus_large], device: cuda}
    condense: {min_agreement: 0.6, max_hours: 20}                          # `condense: {}` takes the papers' thresholds; left out: every clip passes
    llm: {base_url: "http://localhost:8000/v1", model: Qwen/Qwen3-8B}     # left out: the embedded model; `llm: none`: no LLM-written questions
    questions: {kinds: [pqa_template, pqa, cpqa], samples: 2}             # see generate/options.py
    text_llm: same                                                        # who answers from the words alone; left out: nobody, and no mark
    settle: {text_answerable: 0.3, near_within: 0.9}                      # rules over all questions; see generate/settle/options.py
    metadata: {fields: [emotion, vad], numbers: false}
    splits: {by: official, test_share: 0.25}

No key stands in a recipe: it comes from OPENAI_API_KEY alone.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.windows import HOP, LENGTH
from cp_paraling_qa.audio import MAX_SECONDS, MIN_SECONDS
from cp_paraling_qa.condense import CondenseOptions
from cp_paraling_qa.corpora.cutting import clip_seconds
from cp_paraling_qa.corpora.manifest import Limits, Source
from cp_paraling_qa.dataset.metadata import MetadataOptions
from cp_paraling_qa.dataset.splits import SplitOptions
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate.options import LLMOptions, QuestionOptions, StrictOptions
from cp_paraling_qa.generate.settle import SettleOptions
from cp_paraling_qa.schema import Seconds


def _options(kind: Any, value: Any) -> Any:
    """Frozen options from YAML's mapping: a list, or one name alone, becomes the tuple of names that they hold.

    Raises:
        RecipeError: an entry that there is not.
    """
    if not isinstance(value, dict):
        return value
    known = [field.name for field in fields(kind)]
    if unknown := [str(name) for name in value if name not in known]:
        raise RecipeError(f"there is no {', '.join(unknown)}; it takes {', '.join(known)}")
    several = {field.name for field in fields(kind) if "tuple" in str(field.type)}
    names = {
        key: tuple(str(name) for name in (item if isinstance(item, list | tuple) else [item]))
        for key, item in value.items()
        if key in several and item is not None
    }
    return kind(**value | names)


class CorpusEntry(StrictOptions):
    """A corpus and where it lies.

    Args:
        name: of the reader: `cpqa corpora` lists them.
        root: its folder; for hf, mnsc and cpqa_eval also a Hub id.
        columns: for hf: our column → the dataset's.
        subset: for hf: the dataset's configuration.
        revision: for a Hub id: the commit, branch or tag.
    """

    name: str
    root: str
    columns: dict[str, str] | None = None
    subset: str | None = None
    revision: str | None = None

    @field_validator("root", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    def source(self) -> Source:
        """As the manifest takes it."""
        return Source(self.name, self.root, {key: value for key in ("columns", "subset", "revision") if (value := getattr(self, key)) is not None})


class AnnotateOptions(StrictOptions):
    """Which annotators listen, and how.

    Args:
        annotators: KIND or KIND=MODEL, see `cpqa annotators`.
        asr_model: a faster-whisper size or path; None for the embedded tiny.en.
        language: of the speech; None to take the clip's.
        device, dtype: of models: cpu, cuda, …; float32, float16, bfloat16.
        window, hop: seconds that emotion and affect are heard in; window 0 hears each clip whole.
        retranscribe: transcribe clips that have a transcript, too.
        whisperx_python: interpreter of the environment that WhisperX is installed in.
    """

    annotators: list[str] = ["prosody", "asr"]
    asr_model: str | None = None
    language: str | None = None
    device: str = "cpu"
    dtype: str = "float32"
    window: Seconds = LENGTH
    hop: Seconds = HOP
    retranscribe: bool = False
    whisperx_python: str | None = None

    def options(self) -> AnnotatorOptions:
        """As the annotators take it."""
        return AnnotatorOptions(
            device=self.device,
            dtype=self.dtype,
            window=self.window or None,
            hop=self.hop,
            language=self.language,
            retranscribe=self.retranscribe,
            whisperx_python=self.whisperx_python,
        )

    def specs(self) -> list[str]:
        """The annotators, with the model that `asr_model` names."""
        return [f"asr={self.asr_model}" if spec == "asr" and self.asr_model else spec for spec in self.annotators]


class Recipe(StrictOptions):
    """Everything that shapes a run. See the module for its YAML."""

    run: Path
    corpora: list[CorpusEntry] = []
    min_seconds: Seconds = Field(MIN_SECONDS, ge=0)
    max_seconds: Seconds = Field(MAX_SECONDS, gt=0)
    clip_seconds: str | None = None
    annotate: AnnotateOptions = AnnotateOptions()
    condense: CondenseOptions | None = None
    llm: LLMOptions | Literal["none"] = LLMOptions()
    questions: QuestionOptions = QuestionOptions()
    settle: SettleOptions = SettleOptions()
    text_llm: LLMOptions | Literal["same"] | None = None
    metadata: MetadataOptions = MetadataOptions()
    splits: SplitOptions = SplitOptions()
    reference_only: bool = False
    workers: int = Field(0, ge=0)

    @field_validator("metadata", mode="before")
    @classmethod
    def _metadata(cls, value: Any) -> Any:
        return _options(MetadataOptions, value)

    @field_validator("condense", mode="before")
    @classmethod
    def _condense(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("window") == 0:  # as for annotators
            value = value | {"window": None}
        return CondenseOptions() if value is True else None if value is False else _options(CondenseOptions, value)

    @field_validator("settle", mode="before")
    @classmethod
    def _settle(cls, value: Any) -> Any:
        return _options(SettleOptions, value)

    @field_validator("clip_seconds", mode="before")
    @classmethod
    def _clip_seconds(cls, value: Any) -> Any:
        clip_seconds(None if value is None else str(value))  # 10 or [10, 30] gets an answer that says how to write it
        return value

    @field_validator("splits", mode="before")
    @classmethod
    def _splits(cls, value: Any) -> Any:
        return _options(SplitOptions, value)

    @classmethod
    def load(cls, source: Recipe | Path | str | dict[str, Any] | None, **overrides: Any) -> Recipe:
        """A recipe from a YAML file, a mapping or a recipe, with some of its entries replaced.

        Args:
            source: where it comes from; None for nothing but the overrides.
            overrides: top-level entries; a mapping is merged into the entry of that name, None changes nothing.

        Raises:
            RecipeError: unreadable, or an entry that does not fit, named with the reason.
        """
        values: dict[str, Any]
        if isinstance(source, Recipe):
            values = source.plain()
        elif isinstance(source, Path | str):
            try:
                values = yaml.safe_load(Path(source).read_text(encoding="utf-8")) or {}
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise RecipeError(f"recipe {source} cannot be read: {error}") from None
            if not isinstance(values, dict):
                raise RecipeError(f"recipe {source} is not a mapping of entries: see `python -m pydoc cp_paraling_qa.recipe`")
        else:
            values = dict(source or {})
        for name, value in overrides.items():
            if isinstance(value, dict):
                changes = {key: item for key, item in value.items() if item is not None}
                if changes:
                    values[name] = {**(values[name] if isinstance(values.get(name), dict) else {}), **changes}
            elif value is not None:
                values[name] = value
        try:
            return cls(**values)
        except ValidationError as error:
            raise RecipeError(_said(error)) from None
        except TypeError as error:
            raise RecipeError(f"recipe: {error}") from None

    @field_validator("llm", mode="before")
    @classmethod
    def _llm(cls, value: Any) -> Any:
        if value is None:
            return {}  # `llm:` with nothing behind it
        return "none" if value is False or value == "off" else value  # YAML reads off and no as false

    @model_validator(mode="after")
    def _limits(self) -> Recipe:
        if self.min_seconds >= self.max_seconds:
            raise ValueError(f"min_seconds ({self.min_seconds:g}) has to be below max_seconds ({self.max_seconds:g})")
        return self

    @property
    def text_reader(self) -> LLMOptions | None:
        """Who answers the questions from the words alone; None for nobody."""
        if self.text_llm != "same":
            return self.text_llm
        return self.llm if isinstance(self.llm, LLMOptions) else None

    def limits(self) -> Limits:
        """How long clips are, as the manifest takes it."""
        return Limits(self.min_seconds, self.max_seconds, clip_seconds(self.clip_seconds))

    def plain(self) -> dict[str, Any]:
        """The recipe as JSON-able values, as it is written beside a run."""
        values = self.model_dump(mode="json", exclude={"metadata", "splits", "condense", "settle"})
        for name in ("metadata", "splits", "settle", *(["condense"] if self.condense else [])):
            values[name] = {key: list(item) if isinstance(item, tuple) else item for key, item in vars(getattr(self, name)).items()}
        return values


def _said(error: ValidationError) -> str:
    """The first thing that is wrong with a recipe, with its place and what to do."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("function-", "literal")) and part != "LLMOptions")
    if place == "run" and first["type"] == "missing":
        return "recipe entry run is missing: name the run folder with --run, or in the recipe"
    if "key" in place.rsplit(".", 1)[-1]:
        return f"recipe entry {place}: no key stands in a recipe; set OPENAI_API_KEY"
    message = first["msg"].removeprefix("Value error, ").removeprefix(f"{place}: ")
    if first["type"] == "extra_forbidden":
        message = "there is no such entry; `python -m pydoc cp_paraling_qa.recipe` lists them"
    return f"recipe entry {place}: {message}" if place else f"recipe: {message}"

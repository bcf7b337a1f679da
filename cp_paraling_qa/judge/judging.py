"""Items → verdicts, through a callable or through the project's client. What cannot be scored comes back unscored, with its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.rubric import OPEN, JudgeItem, Message, Rubric, render_prompt
from cp_paraling_qa.judge.verdict import NO_REPLY, Verdict

JudgeCallable = Callable[[list[list[Message]]], Iterable[str | None]]
"""Rendered prompts, one list of chat messages per item → one reply text per item; None where there is none."""

NO_PREDICTION = "no prediction"
NO_REFERENCE = "no reference"


@dataclasses.dataclass(frozen=True)
class JudgeConfig:
    """An LLM that judges, behind an OpenAI-compatible endpoint. The key comes from OPENAI_API_KEY only.

    Attributes:
        base_url: of the endpoint, ending in /v1.
        model: its name there; pin a dated version.
        temperature: 0 for a verdict that repeats.
        max_tokens: of one reply; the explanation is short.
        seed: handed to the endpoint.
        cache: an SQLite file where replies are kept, so that a second run sends nothing; None keeps none.
        concurrency: requests in flight.
        timeout: seconds for one request.
        attempts: for one item.
        label: how results call the judge; None for `model`.
    """

    base_url: str
    model: str
    temperature: float = 0.0
    max_tokens: int = 256
    seed: int = 0
    cache: str | Path | None = None
    concurrency: int = 8
    timeout: float = 120.0
    attempts: int = 12
    label: str | None = None

    @classmethod
    def of(cls, value: JudgeConfig | Mapping[str, Any]) -> JudgeConfig:
        """A config from itself or from a mapping.

        Raises:
            JudgeError: an unknown key, or base_url or model missing.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise JudgeError(f"judge is a {type(value).__name__}; give a callable, a JudgeConfig or a dict with base_url and model")
        names = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(str(key) for key in value if key not in names):
            raise JudgeError(f"judge has no option {', '.join(unknown)}; it takes {', '.join(sorted(names))}")
        if missing := [name for name in ("base_url", "model") if not value.get(name)]:
            raise JudgeError(f"judge lacks {' and '.join(missing)}")
        return cls(**value)


Judge = JudgeCallable | JudgeConfig | Mapping[str, Any]


def _ask_callable(judge: JudgeCallable, prompts: list[list[Message]], rubric: Rubric) -> list[Verdict]:
    try:
        replies = judge(prompts)
        replies = replies if isinstance(replies, str) else list(replies)
    except Exception as error:
        error.add_note(f"raised by the judge callable on {len(prompts)} prompts (rubric {rubric.name})")
        raise
    if isinstance(replies, str) or len(replies) != len(prompts):
        got = "one string" if isinstance(replies, str) else f"{len(replies)} replies"
        raise JudgeError(f"the judge callable was given {len(prompts)} prompts and returned {got}; it must return one reply per prompt, in order")
    if wrong := next((reply for reply in replies if reply is not None and not isinstance(reply, str)), None):
        raise JudgeError(f"the judge callable returned a {type(wrong).__name__}; a reply is text: the JSON object as the model wrote it, or None for no reply")
    return [rubric.parse(reply) for reply in replies]


def _ask_client(config: JudgeConfig, prompts: list[list[Message]], rubric: Rubric) -> list[Verdict]:
    from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig

    options = dataclasses.asdict(config) | {"cache": Path(config.cache) if config.cache is not None else None}
    del options["label"]
    requests = (ChatRequest(messages=prompt, schema=rubric.schema, schema_name="verdict", sample=0) for prompt in prompts)
    verdicts = []
    with ChatClient(LLMConfig(**options)) as client:
        for reply in client.run(requests):
            if reply.text is None:
                verdicts.append(Verdict(None, f"{NO_REPLY}: {reply.error}" if reply.error else NO_REPLY))
            else:
                verdicts.append(rubric.parse(reply.text, reply.finish_reason))
    if len(verdicts) != len(prompts):
        raise JudgeError(f"the judge's client answered {len(verdicts)} of {len(prompts)} requests")
    return verdicts


def judge_items(items: Sequence[JudgeItem], judge: Judge, *, rubric: Rubric = OPEN) -> list[Verdict]:
    """One verdict per item, in order.

    Args:
        items: what to judge. A None prediction or reference is unscored without asking the judge: a missing answer is no answer of quality 0.
        judge: a callable, a `JudgeConfig` or a dict of its fields.
        rubric: the contract.

    Raises:
        JudgeError: the judge cannot be used, or gives another number of replies than it was given prompts. An exception inside a callable comes out as it is,
            with a note on where it arose.
        LLMError: the endpoint cannot be used at all.
    """
    ask: dict[int, JudgeItem] = {}
    verdicts: list[Verdict] = []
    for i, item in enumerate(items):
        if item.prediction is None:
            verdicts.append(Verdict(None, NO_PREDICTION))
        elif item.reference is None:
            verdicts.append(Verdict(None, NO_REFERENCE))
        else:
            ask[i] = item
            verdicts.append(Verdict(None, NO_REPLY))
    config = None if callable(judge) else JudgeConfig.of(judge)
    if ask:
        prompts = [render_prompt(rubric, item) for item in ask.values()]
        answers = _ask_callable(judge, prompts, rubric) if callable(judge) else _ask_client(config, prompts, rubric)  # type: ignore[arg-type]
        for i, verdict in zip(ask, answers, strict=True):
            verdicts[i] = verdict
    return verdicts

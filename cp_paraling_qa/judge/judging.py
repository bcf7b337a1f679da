"""Items → verdicts, through a callable or through the project's client. What cannot be scored comes back unscored, with its reason."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

from cp_paraling_qa.errors import JudgeError, LLMError
from cp_paraling_qa.judge.rubric import OPEN, JudgeItem, Message, Rubric, render_prompt
from cp_paraling_qa.judge.verdict import NO_REPLY, Verdict
from cp_paraling_qa.llm_types import LLMConfig

JudgeCallable = Callable[[list[list[Message]]], Iterable[str | None]]
"""Rendered prompts, one list of chat messages per item → one reply text per item; None where there is none."""

Progress = Callable[[int], object]
"""Called with how many more judgements are done, such as the tick of `progress.Screen.bar`."""

Prompts = Callable[[], Iterable[list[Message]]]
"""Renders the prompts afresh: a client takes them one by one, so that they are never all in memory, and a callable may do with its own what it likes."""

_OPTIONS = {"--llm-base-url": "base_url (--judge-base-url)", "--llm-model": "model (--judge-model)"}

SAMPLING = ("temperature", "top_p", "max_tokens", "seed")
"""The fields of a config that decide which of its possible replies a model gives."""

_KINDS: dict[str, tuple[Any, str, bool]] = {  # field → what it must be an instance of, in words, whether it may be None
    **dict.fromkeys(("base_url", "model", "reply_format"), (str, "a string", False)),
    "label": (str, "a string", True),
    "cache": (str | Path, "a path", True),
    **dict.fromkeys(("max_tokens", "concurrency", "attempts"), (Integral, "a whole number", False)),
    "seed": (Integral, "a whole number", True),
    **dict.fromkeys(("temperature", "timeout"), (Real, "a number", False)),
    "top_p": (Real, "a number", True),
}
_PLAIN: dict[Any, Callable[[Any], Any]] = {Real: float, Integral: int}

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
        seed: handed to the endpoint; the number of the repeat is added to it. None sends none.
        cache: an SQLite file where replies are kept, so that a second run sends nothing; None keeps none.
        concurrency: requests in flight.
        timeout: seconds for one request.
        attempts: for one item.
        label: how results call the judge; None for `model`.
        top_p: nucleus sampling, 0–1; None leaves it to the endpoint.
        reply_format: how JSON is asked for: "auto" finds out, else json_schema, json_object or text.

    Raises:
        JudgeError: a value of the wrong kind; names the field.
    """

    base_url: str
    model: str
    temperature: float = 0.0
    max_tokens: int = 256
    seed: int | None = 0
    cache: str | Path | None = None
    concurrency: int = 8
    timeout: float = 120.0
    attempts: int = 12
    label: str | None = None
    top_p: float | None = None
    reply_format: str = "auto"

    def __post_init__(self) -> None:
        for name, (kind, words, optional) in _KINDS.items():
            value = getattr(self, name)
            if value is None and optional:
                continue
            if not isinstance(value, kind) or isinstance(value, bool):
                raise JudgeError(f"judge: {name} is a {type(value).__name__}; give {words}{' or None' if optional else ''}")
            if kind is Real and not math.isfinite(value):
                raise JudgeError(f"judge: {name} is {value}; give {words}")
            if kind in _PLAIN:  # 0 and 0.0 are one temperature: in a cache, and in a hash
                object.__setattr__(self, name, _PLAIN[kind](value))

    @classmethod
    def of(cls, value: JudgeConfig | LLMConfig | Mapping[str, Any]) -> JudgeConfig:
        """A config from itself, from the client's own, or from a mapping of its fields; those in `SAMPLING` may stand together under "sampling".

        Raises:
            JudgeError: an unknown key, or base_url or model missing; or a limit on what may be spent, which a judge does not keep.

        Example:
            >>> JudgeConfig.of({"base_url": "http://localhost:8000/v1", "model": "m", "sampling": {"temperature": 0.7}}).temperature
            0.7
        """
        if isinstance(value, cls):
            return value
        names = {field.name for field in dataclasses.fields(cls)}
        if isinstance(value, LLMConfig):
            if value.max_cost is not None:
                raise JudgeError("judge has a max_cost, which a judge does not keep; leave it out")
            return cls(**{name: getattr(value, name) for name in names - {"label"}})
        if not isinstance(value, Mapping):
            raise JudgeError(f"judge is a {type(value).__name__}; give a callable, a JudgeConfig or a dict with base_url and model")
        options = _flat(value)
        if unknown := sorted(str(key) for key in options if key not in names):
            raise JudgeError(f"judge has no option {', '.join(unknown)}; it takes {', '.join(sorted(names))}. A key comes from OPENAI_API_KEY alone")
        if missing := [name for name in ("base_url", "model") if not options.get(name)]:
            raise JudgeError(f"judge lacks {' and '.join(missing)}")
        return cls(**options)


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a mapping, those under "sampling" among the others."""
    options = dict(value)
    sampling = options.pop("sampling", {})
    if not isinstance(sampling, Mapping) or (wrong := sorted(str(key) for key in sampling if key not in SAMPLING or key in options)):
        told = f"has {', '.join(wrong)}" if isinstance(sampling, Mapping) else f"is a {type(sampling).__name__}"
        raise JudgeError(f"judge: sampling {told}; give a dict with some of {', '.join(SAMPLING)}, each of them once")
    return options | dict(sampling)


Judge = JudgeCallable | JudgeConfig | LLMConfig | Mapping[str, Any]


class Reply(NamedTuple):
    """What came back for one prompt: a text with its finish_reason, or the reason why there is none."""

    text: str | None
    finish_reason: str | None = "stop"
    fault: str | None = None

    @property
    def missing(self) -> str | None:
        """Why the item is unscored before anything is read; None where there is a text."""
        if self.text is not None:
            return None
        return f"{NO_REPLY}: {self.fault}" if self.fault else NO_REPLY


def _ask_callable(judge: JudgeCallable, prompts: list[list[Message]], contract: str) -> list[str | None]:
    replies: list[str | None] = []
    try:
        given: Any = judge(prompts)
        listed = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping | Set)  # a mapping would give its keys, a set no order
        if listed:
            replies = list(given)
    except Exception as error:
        error.add_note(f"raised by the judge callable on {len(prompts)} prompts (rubric {contract})")
        raise
    if not listed or len(replies) != len(prompts):
        got = f"{len(replies)} replies" if listed else {str: "one string", type(None): "None"}.get(type(given), f"a {type(given).__name__}")
        raise JudgeError(f"the judge callable was given {len(prompts)} prompts and returned {got}; it must return one reply per prompt, in order")
    if wrong := next((reply for reply in replies if reply is not None and not isinstance(reply, str)), None):
        raise JudgeError(f"the judge callable returned a {type(wrong).__name__}; a reply is text: the JSON object as the model wrote it, or None for no reply")
    return replies


def _ask_client(config: JudgeConfig, prompts: Iterable[list[Message]], schema: Mapping[str, Any], samples: Sequence[int]) -> Iterator[Reply]:
    from cp_paraling_qa.llm import ChatClient, ChatRequest

    options = dataclasses.asdict(config) | {"cache": Path(config.cache) if config.cache is not None else None, "keep_at_once": True}
    del options["label"]
    # Unchecked: whatever the judge wrote is its reply, read by the rubric alone and kept. Asking until something can be read would hide how often nothing could.
    requests = (ChatRequest(prompt, schema, "verdict", sample=sample, checked=False) for prompt in prompts for sample in samples)
    try:
        with ChatClient(LLMConfig(**options)) as client:
            for reply in client.run(requests):
                yield Reply(reply.text, reply.finish_reason, reply.error)
    except LLMError as error:  # the client speaks of the options of `cpqa generate`
        message = str(error)
        for flag, ours in _OPTIONS.items():
            message = message.replace(flag, ours)
        error.args = (message,)
        raise


def ask(judge: Judge, prompts: Prompts, schema: Mapping[str, Any], *, contract: str, samples: Sequence[int] = (0,)) -> Iterator[Reply]:
    """The judge's replies, prompt by prompt, and for each prompt sample by sample.

    Args:
        judge: a callable, which is called once for each sample; a `JudgeConfig` or a dict of its fields.
        prompts: renders them, in order.
        schema: JSON schema of a reply.
        contract: the rubric's name, for messages.
        samples: which draws of each prompt; a cache keeps them apart, and the endpoint gets another seed for each.

    Raises:
        JudgeError: the judge cannot be used, or gives another number of replies than it was given prompts.
        LLMError: the endpoint cannot be used at all.
    """
    if callable(judge):
        columns = [_ask_callable(judge, list(prompts()), contract) for _ in samples]
        return (Reply(text) for row in zip(*columns, strict=True) for text in row)
    return _ask_client(JudgeConfig.of(judge), prompts(), schema, samples)


def judge_repeatedly(
    items: Sequence[JudgeItem | Mapping[str, str | None]], judge: Judge, *, rubric: Rubric, samples: Sequence[int], progress: Progress | None = None
) -> list[list[Verdict]]:
    """As `judge_items`, for several samples.

    Returns:
        One list a sample, each with one verdict per item.
    """
    given = [JudgeItem.of(item) for item in items]
    if not callable(judge):
        judge = JudgeConfig.of(judge)
    unasked = [NO_PREDICTION if item.prediction is None else NO_REFERENCE if item.reference is None else None for item in given]
    asked = [item for item, reason in zip(given, unasked, strict=True) if reason is None]
    told = progress or (lambda more: None)
    replies = iter(ask(judge, lambda: (render_prompt(rubric, item) for item in asked), rubric.schema, contract=rubric.name, samples=samples) if asked else ())
    out: list[list[Verdict]] = [[] for _ in samples]
    for item, reason in zip(given, unasked, strict=True):
        for column in out:
            if reason is not None:
                column.append(Verdict(None, reason))
            else:
                reply = next(replies)
                column.append(Verdict(None, reply.missing) if reply.missing else rubric.parse(reply.text, reply.finish_reason, data=item.texts))
            told(1)
    next(replies, None)  # lets the client close
    return out


def judge_items(
    items: Sequence[JudgeItem | Mapping[str, str | None]], judge: Judge, *, rubric: Rubric = OPEN, progress: Progress | None = None
) -> list[Verdict]:
    """One verdict per item, in order.

    Args:
        items: what to judge: `JudgeItem`s or mappings with the same keys. A None prediction or reference is unscored without asking the judge: a missing answer is no
            answer of quality 0.
        judge: a callable, a `JudgeConfig` or a dict of its fields.
        rubric: the contract.
        progress: called with how many more are done.

    Raises:
        JudgeError: the judge cannot be used, or gives another number of replies than it was given prompts. An exception inside a callable comes out as it is,
            with a note on where it arose.
        LLMError: the endpoint cannot be used at all.
    """
    return judge_repeatedly(items, judge, rubric=rubric, samples=(0,), progress=progress)[0]

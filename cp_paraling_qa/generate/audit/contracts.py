"""What the text-shortcut audit asks of a model that reads the words alone, and what it asks of the grader."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from cp_paraling_qa.generate.contract import Contract

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), Field(json_schema_extra={"minLength": 1, "maxLength": 200})]


def _strict(*required: str) -> ConfigDict:
    return ConfigDict(json_schema_extra={"additionalProperties": False, "required": list(required)})


class TextAnswer(BaseModel):
    """An answer from the words alone."""

    model_config = _strict("answer")

    answer: _Text


class SameClaim(BaseModel):
    """Whether two answers claim the same; the reason comes before the verdict, so that the verdict can follow from it."""

    model_config = _strict("explanation", "same")

    explanation: Annotated[str, Field(json_schema_extra={"maxLength": 240})] = ""
    same: bool


SYSTEM = """You read the words of a short voice recording, and nothing else. Nobody can hear the voice.
A listener's question about the recording follows. Answer it as best you can from the words alone, in one short sentence. Always give your best guess."""

CHOOSE = "\nAfter the answer, choose the one option that fits it best."

USER = """Words: {{ words }}
Question: {{ question }}"""

OPTIONS = "\nOptions: {{ options | join(', ') }}"

GRADE = """Two people answered the same question about a voice recording. Say whether both answers claim the same.
They claim the same if a listener who believes one must believe the other in what the question asks for: the same feeling, the same kind of person, the same fact.
Other words for the same thing are the same. A vaguer answer, another reason, or an answer that says it cannot tell is not the same. First explain in one short sentence, then decide."""

GRADED = """Question: {{ question }}
One answer: {{ first }}
Other answer: {{ second }}"""

OPEN: Contract[TextAnswer] = Contract("text_answer", 1, SYSTEM, USER, (), TextAnswer)
SAME: Contract[SameClaim] = Contract("text_answer_same", 1, GRADE, GRADED, (), SameClaim)


@functools.lru_cache(maxsize=256)
def closed(options: tuple[str, ...]) -> Contract[Any]:
    """The contract of a question with a closed set of answers: an answer, then one of the options, so that right and wrong are exact.

    Args:
        options: two or more labels.
    """
    one_of: Any = Literal.__getitem__(options)  # Literal[…] takes no variable in mypy's eyes
    reply = create_model("TextChoice", __config__=_strict("answer", "label"), answer=(_Text, ...), label=(one_of, ...))
    return Contract("text_choice", 1, SYSTEM + CHOOSE, USER + OPTIONS, (), reply)

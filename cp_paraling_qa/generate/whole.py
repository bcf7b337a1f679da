"""All questions of a clip in one request: the contracts of CPQA and PQA*, for models that can follow a page of instructions.

The implicit method of arXiv 2508.07273 and 2505.13338; their prompts are unknown, these are ours. The LLM reads what the ledger knows (see `told`) and is asked for a stated
list of types. What a model of this kind does wrong now and then (figures in an answer, talk of a transcript) is filtered afterwards, never assumed away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from cp_paraling_qa.generate.contract import Contract
from cp_paraling_qa.generate.filters import content_words
from cp_paraling_qa.generate.plan import Wanted
from cp_paraling_qa.generate.records import pick
from cp_paraling_qa.generate.told import EvidenceField


def _said(text: str) -> str:
    if not text:
        raise ValueError("empty")
    return text


def _known(named: Any) -> Any:
    """Of the evidence named, what there is: a server that enforces no schema lets a model call it anything, and that is no reason to lose a question."""
    names = [named] if isinstance(named, str) else named
    return [name for name in names if name in get_args(EvidenceField)] if isinstance(names, list) else names


Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_said)]
"""Not empty. Said by a validator, since OpenAI's strict mode takes no minLength in a schema."""
_CLOSED: dict[str, Any] = {"additionalProperties": False}


class WrittenQA(BaseModel):
    """One question with its answer, and what the answer rests on."""

    model_config = ConfigDict(json_schema_extra=_CLOSED | {"required": ["type", "difficulty", "question", "answer", "evidence"]})

    type: Literal["C", "CE", "CG", "CS", "DE", "DG", "DS"]
    difficulty: Literal["simple", "complex"] = "simple"
    question: Text
    answer: Text
    evidence: Annotated[list[EvidenceField], BeforeValidator(_known)] = []


class WrittenSet(BaseModel):
    """What a reply must look like: the schema that the server enforces."""

    model_config = ConfigDict(json_schema_extra=_CLOSED)

    questions: Annotated[list[WrittenQA], Field(min_length=1)]


class VoiceQA(WrittenQA):
    """One question about the voice alone."""

    type: Literal["DE", "DG", "DS"]


class VoiceSet(BaseModel):
    """The same for PQA*."""

    model_config = ConfigDict(json_schema_extra=_CLOSED)

    questions: Annotated[list[VoiceQA], Field(min_length=1)]


class LooseSet(BaseModel):
    """What a reply may look like: one question that does not fit costs that question, not its neighbours."""

    questions: Annotated[list[Any], Field(min_length=1)]


def read(text: str) -> tuple[list[WrittenQA], list[str]]:
    """The questions of a reply that fit, and for each that does not, what is wrong with it.

    Raises:
        ValueError: no JSON object with a list of questions, or none that fits.
    """
    fitting, wrong = [], []
    for item in LooseSet.model_validate_json(text).questions:
        try:
            fitting.append(WrittenQA.model_validate(item))
        except ValidationError as error:
            first = error.errors()[0]
            wrong.append(f"{'.'.join(map(str, first['loc'])) or 'item'}: {first['msg']}")
    if not fitting:
        raise ValueError(f"no question that fits: {wrong[0]}")
    return fitting, wrong


_RULES = """Whoever answers hears the recording and reads nothing. You are told what is known about it; the listener is not.

Every question
- {focus}
- is one that somebody who has just listened would ask, in plain words, and calls the person "the speaker";
- gives nothing away: it names neither the feeling nor the gender nor the number that it asks for;
- takes no transcript, text, label, annotation, figure or time for granted, and differs from the others in what it asks.
Every answer
- says in one sentence, or two short ones, at most 30 words, what a listener hears{and_why};
- follows from what you are told and contradicts nothing of it: a change in the voice is heard only where you are told of one, and where raters disagree the answer stays
  between the two;
- is in a listener's words: no figures, no "arousal", "valence" or "dominance", no talk of data.

"evidence" lists what the answer rests on, only out of what you are told: emotion, arousal, valence, dominance, pitch, loudness, rate, intonation, gender, age, speakers, text.
Write one question for each numbered line, in that order, with the type and difficulty that the line begins with. The example shows the form: take neither its matter nor its
phrases over. Questions and answers are in {{{{ "English" if language == "en" else "the language with the ISO 639 code " ~ language }}}}, whatever language the words are in.
Reply with one JSON object."""

_TYPES = """The types:
{contextual}DE the emotion of the voice, asked directly. DG the speaker's gender, asked directly. DS the number of people heard, asked directly.
simple: one thing heard is enough. complex: several things heard are weighed against each other{or_words}."""

CPQA_SYSTEM = "\n".join(
    (
        "You write questions and answers about a recording of speech, about how something is said and what that means for what is said.",
        _RULES.format(
            focus="needs ears: somebody who only read the words could not be sure of the answer (type C excepted);",
            and_why=", and where it is asked for, why, or what to do about it",
        ),
        _TYPES.format(
            contextual="C what is said. CE how the speaker feels about the matter that they speak of, why they may sound so, whether the voice goes with the words or against them, "
            "how best to respond. CG the speaker's gender, asked by way of the matter. CS who of several people, or how many of them, speak of the matter. ",
            or_words=", or the voice against the words",
        ),
    )
)

PQA_SYSTEM = "\n".join(
    (
        "You write questions and answers about the voice in a recording of speech: how it sounds, never what is said.",
        _RULES.format(focus="is about the voice alone;", and_why=""),
        _TYPES.format(contextual="", or_words=""),
    )
)

USER = """Length: {{ seconds }} s
{% if speaker %}
Speaker: {{ speaker }}
{% endif %}
{% if words %}
Words:
{% for line in words %}
  {{ line }}
{% endfor %}
{% endif %}
{% if emotion %}
Emotion heard: {{ emotion }}
{% endif %}
{% if affect %}
Affect, 0 to 1: {{ affect }}
{% endif %}
{% if prosody %}
Prosody: {{ prosody }}
{% endif %}
{% if asked %}
Already asked; ask something else:
{% for question in asked %}
  {{ question }}
{% endfor %}
{% endif %}
Write {{ wanted | length }} question{{ "s" if wanted | length > 1 }}, one for each line:
{% for one in wanted %}
{{ loop.index }}. {{ one }}
{% endfor %}"""

_EXAMPLE = {
    "seconds": "9.4",
    "speaker": "a woman",
    "words": [
        "0.3–3.9 s [calm, a woman]: well the allotment committee wrote back to us",
        "4.2–9.1 s [angry, a woman]: and after eleven years they gave our plot away",
    ],
    "emotion": "0.0–4.0 s calm; 4.0–9.4 s angry",
    "affect": "arousal 0.68 (aroused), valence 0.17 (very negative), dominance 0.61 (dominant)",
    "prosody": "pitch high, loudness loud, rate fast, intonation lively",
    "asked": [],
    "language": "en",
}
_CPQA_EXAMPLE = (
    (
        "CE",
        "simple",
        "How does the speaker feel about losing the allotment?",
        "She is angry about it; she speaks loudly and fast.",
        ["emotion", "loudness", "rate"],
    ),
    (
        "CE",
        "complex",
        "What does the change in the voice say about the letter from the committee?",
        "She begins calmly and turns angry, so it is the news in the letter that upsets her, perhaps because she had cared for the plot for so long.",
        ["emotion", "text"],
    ),
    ("CG", "simple", "Is it a man or a woman whose plot was given away?", "A woman is heard telling it.", ["gender", "text"]),
    ("C", "simple", "For how long had the speaker kept the plot?", "For eleven years.", ["text"]),
)
_PQA_EXAMPLE = (
    (
        "DE",
        "complex",
        "How does the feeling in the voice change from beginning to end?",
        "The voice starts out calm and ends angry.",
        ["emotion"],
    ),
    ("DG", "simple", "Does the voice belong to a man or a woman?", "It is a woman's voice.", ["gender"]),
)

ASKS = {
    ("C", "simple"): ("what is said about one thing", "what is said about another thing"),
    ("C", "complex"): ("what follows from what is said, though it is not said", "how two things that are said go together"),
    ("CE", "simple"): (
        "how the speaker feels about what they speak of; the answer names the feeling",
        "how the voice sounds where they speak of it; the answer names the feeling and what is heard",
    ),
    ("CE", "complex"): (
        "why the speaker may sound this way about what they speak of; the answer names the feeling and a likely reason",
        "what the voice adds to the words, or whether it goes against them; the answer names the feeling",
        "how somebody who hears this could best respond; the answer names the feeling and what would help",
        "what the speaker may do or want next, going by the voice; the answer names the feeling",
    ),
    ("CG", "simple"): ("whether it is a man or a woman who speaks of it", "whether the one whom it concerns, and who speaks, is a man or a woman"),
    ("CS", "simple"): ("how many people speak of it",),
    ("CS", "complex"): ("who of the people speaks of it, and how",),
    ("DE", "simple"): ("which feeling the voice has", "in what mood the speaker seems to be"),
    ("DE", "complex"): (
        "what in the voice lets the feeling be heard; the answer names both",
        "whether the feeling in the voice stays the same; the answer names it",
    ),
    ("DG", "simple"): ("whether the voice is a man's or a woman's", "what the voice tells of the speaker's gender"),
    ("DS", "simple"): ("how many people are heard", "whether the speaker is alone or others speak, too"),
}
"""What is asked for, spelled out by type and difficulty; where there are several ways, the seed chooses the first and the others follow."""


def lines(wanted: Sequence[Wanted], *seed: object) -> list[str]:
    """How the questions wanted are put in the prompt: each its own way, as far as there are ways.

    Example:
        >>> lines([Wanted("DG", "simple")], 0)
        ["DG, simple: whether the voice is a man's or a woman's"]
    """
    before: Counter[Wanted] = Counter()
    told = []
    for one in wanted:
        ways = ASKS[one.type, one.difficulty]
        told.append(f"{one.type}, {one.difficulty}: {ways[(pick(range(len(ways)), *seed) + before[one]) % len(ways)]}")
        before[one] += 1
    return told


def context(told: Mapping[str, Any], kind: str, wanted: Sequence[Wanted], asked: Sequence[str], language: str, *seed: object) -> dict[str, Any]:
    """What the prompt of a kind says about a clip: what it is told, less the words for PQA*, and the questions wanted."""
    more = {"wanted": lines(wanted, *seed), "asked": list(asked), "language": language}
    return dict(told) | more | ({"words": []} if kind == "pqa" else {})


PROMPT_WORDS = frozenset(content_words("allotment committee plot eleven"))
"""What the worked examples are about: found in a question about another clip, it was taken over from the prompt."""


def _shots(rows: Sequence[tuple[str, str, str, str, list[str]]], **told: Any) -> tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]:
    keys = ("type", "difficulty", "question", "answer", "evidence")
    context = _EXAMPLE | {"wanted": lines([Wanted(row[0], row[1]) for row in rows])} | told
    return ((context, {"questions": [dict(zip(keys, row, strict=True)) for row in rows]}),)


CONTRACTS: Mapping[str, Contract[Any]] = {
    "cpqa": Contract("cpqa_whole", 2, CPQA_SYSTEM, USER, _shots(_CPQA_EXAMPLE), WrittenSet),
    "pqa": Contract("pqa_whole", 2, PQA_SYSTEM, USER, _shots(_PQA_EXAMPLE, words=[]), VoiceSet),
}
"""Kind → contract."""

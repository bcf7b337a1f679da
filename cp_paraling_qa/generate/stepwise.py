"""One question in each request: one contract for each thing that can be asked, for small models.

The implicit method of arXiv 2508.07273 and 2505.13338 (their prompts are unknown; these are ours). The LLM reads what the ledger knows of a clip: the words, the emotion over time,
affect and prosody in words, the speaker's gender. Whoever answers the question hears the clip and reads nothing: questions that assume text, labels or figures are filtered.
One small thing at a time, with worked examples and a topic to settle on first, is what a 135 M model needs; a large one loses nothing by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cp_paraling_qa.generate.contract import Contract
from cp_paraling_qa.generate.filters import content_words
from cp_paraling_qa.generate.retell import retell
from cp_paraling_qa.generate.told import PERSON, EvidenceField, Told, feeling, speakers
from cp_paraling_qa.labels import adjective, canonical
from cp_paraling_qa.ledger import axis_mean, emotion_track, gender, prosody_words
from cp_paraling_qa.schema import AXES


class OneQA(BaseModel):
    """One question with its answer.

    The schema asks for more than the parser insists on: lengths and fields are enforced where the server can, so that no reply is cut; where it cannot, a question
    with its answer is a good reply, and how long they may be is a filter's matter.
    """

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False, "required": ["topic", "question", "answer", "evidence"]})

    topic: Annotated[str, Field(json_schema_extra={"minLength": 3, "maxLength": 60})] = ""
    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), Field(json_schema_extra={"minLength": 8, "maxLength": 130})]
    answer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), Field(json_schema_extra={"minLength": 8, "maxLength": 170})]
    evidence: Annotated[list[EvidenceField], Field(json_schema_extra={"minItems": 1, "maxItems": 3})] = []


SYSTEM = """You write one question and one answer about a short voice recording.
Whoever answers hears the recording and reads nothing, so the question must need the voice: how it sounds, and what that says about the matter spoken of.
Call the matter by a few words of your own. Call the person "the speaker". Say what a listener hears, in plain words: no numbers, no labels, no written text.
Never say I, my, we, our or you. Keep to the voice that is given. First the topic, then the question, then an answer of one short sentence, then what the answer rests on."""

USER = """Said: {{ words }}
Voice: {{ voice }}
Speaker: {{ speaker }}
Ask {{ ask }}
Begin the question with: {{ opening }}
Begin the answer with: {{ answer_opening }}"""


PQA_SYSTEM = """You write one question and one answer about the voice in a short recording: how it sounds, never what is said.
Whoever answers hears the recording and reads nothing. Call the person "the speaker". Say what a listener hears, in plain words: no numbers, no labels, no written text.
Never say I, my, we, our or you. First the topic, then the question, then an answer of one short sentence, then what the answer rests on."""

PQA_USER = """Voice: {{ voice }}
Speaker: {{ speaker }}
Ask {{ ask }}
Begin the question with: {{ opening }}
Begin the answer with: {{ answer_opening }}"""


@dataclass(frozen=True)
class Task:
    """One thing to ask about.

    Args:
        kind: pqa or cpqa.
        type: of the question, as CP-Bench names them.
        needs: the ledger field without which it cannot be asked.
        weight: how often it is taken among the tasks of its type.
        openings: ways to begin the question.
    """

    name: str
    kind: str
    type: str
    difficulty: str
    needs: str
    weight: float
    ask: str
    openings: tuple[str, ...]
    contract: Contract[OneQA]

    def messages(self, clip: Mapping[str, Any], opening: str, told: Told, *, draw: int = 0) -> list[dict[str, str]]:
        """The chat messages that ask this of a clip, with three of the worked examples.

        A small model follows the last example most: one of the clip's own feeling gives the best answers, but now and then its matter is taken over as well.
        So the first draw shows it last, the second first, and the third not at all.

        Args:
            clip: a clip row with a transcript.
            opening: one of `openings`.
            told: which evidence the prompt holds.
            draw: which try this is, from 0.
        """
        own_feeling = canonical(feeling(clip, told) or "neutral")
        own = [index for index, scene in enumerate(SCENES) if scene.feeling == own_feeling]
        others = [index for index in range(len(SCENES)) if index not in own]
        shown = ([*others[:2], *own], [*own, *others[-2:]], others[1:4])[draw % 3]
        return self.contract.messages(context(clip, self, opening, told), shown)


@dataclass(frozen=True)
class Scene:
    """What a worked example is about. None is like a sentence of the bundled sample; two speak of the speaker's own things, which the question must turn round."""

    words: str
    feeling: str
    affect: str
    speaker: str
    topic: str


SCENES = (
    Scene("She is not coming to my wedding after all.", "sad", "quiet energy, unpleasant tone, unsure", "a woman", "her missing the wedding"),
    Scene("My cousin's bakery opens again next week.", "happy", "high energy, very pleasant tone, sure", "a man", "the cousin's bakery"),
    Scene("Somebody parked in front of our gate.", "angry", "very high energy, very unpleasant tone, very sure", "a man", "the blocked gate"),
    Scene("I put your keys on the shelf by the lamp.", "neutral", "medium energy, even tone, fairly sure", "a woman", "the keys on the shelf"),
    Scene("I can hear footsteps in our cellar.", "fearful", "high energy, unpleasant tone, unsure", "a woman", "the footsteps in the cellar"),
    Scene("Uncle Leo baked this cake himself.", "surprised", "very high energy, pleasant tone, fairly sure", "a man", "Uncle Leo's cake"),
)


COUNTS = ("One person", "Two people", "Three people", "Four people", "Five people", "Six people")


def _answer_opening(needs: str, feeling: str, speaker: str, count: int = 1) -> str:
    return {"emotion": f"They sound {feeling}", "gender": speaker.capitalize(), "text": "The speaker says", "speakers": COUNTS[min(count, len(COUNTS)) - 1]}[
        needs
    ]


def _task(
    name: str,
    type: str,
    difficulty: str,
    needs: str,
    ask: str,
    openings: tuple[str, ...],
    evidence: list[EvidenceField],
    examples: list[tuple[int, str, str]],
    *,
    kind: str = "cpqa",
    weight: float = 1,
) -> Task:
    """A task with one worked example a scene, in the order of `SCENES`: (which opening, how the question goes on, the answer)."""
    shots = tuple(
        (
            {
                "words": retell(scene.words),
                "voice": f"{scene.feeling}; {scene.affect}",
                "speaker": scene.speaker,
                "ask": ask,
                "opening": openings[opening],
                "answer_opening": _answer_opening(needs, scene.feeling, scene.speaker),
            },
            {
                "topic": scene.topic if kind == "cpqa" else "the voice",
                "question": f"{openings[opening]} {rest}".strip(),
                "answer": answer,
                "evidence": evidence,
            },
        )
        for scene, (opening, rest, answer) in zip(SCENES, examples, strict=False)
    )
    prompt = (SYSTEM, USER) if kind == "cpqa" else (PQA_SYSTEM, PQA_USER)
    return Task(name, kind, type, difficulty, needs, weight, ask, openings, Contract(f"{kind}_{name}", 2, *prompt, shots, OneQA))


TASKS = {
    task.name: task
    for task in (
        _task(
            "feeling",
            "CE",
            "simple",
            "emotion",
            "how the speaker feels about the matter. The answer names the feeling that the voice has.",
            ("How does the speaker feel about", "How does the speaker sound when talking about", "What mood is the speaker in when talking about"),
            ["emotion"],
            [
                (0, "her missing the wedding?", "They sound sad, as if her missing the wedding was hard to bear."),
                (1, "their cousin's bakery?", "They sound happy, as if the bakery was the best news of the day."),
                (2, "the blocked gate?", "They sound angry, as if the blocked gate was the last straw."),
                (0, "the keys on the shelf?", "They sound neutral, as if the keys were nothing special."),
                (1, "the footsteps in the cellar?", "They sound fearful, as if the footsteps could mean danger."),
                (2, "Uncle Leo's cake?", "They sound surprised, as if the cake was the last thing they had expected."),
            ],
            weight=5,
        ),
        _task(
            "reason",
            "CE",
            "complex",
            "emotion",
            "why the speaker may sound the way they do. The answer names the feeling that the voice has and a likely reason for it.",
            (
                "Why might the speaker sound this way about",
                "What may lie behind the way the speaker talks about",
                "What could explain the speaker's tone about",
            ),
            ["emotion", "text"],
            [
                (0, "the wedding?", "They sound sad, perhaps because they had hoped for a different wedding."),
                (1, "their cousin's bakery?", "They sound happy, perhaps because the bakery means a lot to them."),
                (2, "the blocked gate?", "They sound angry, perhaps because nobody asked them before blocking the gate."),
                (0, "the keys?", "They sound neutral, perhaps because the keys are part of an ordinary day."),
                (1, "the footsteps in the cellar?", "They sound fearful, perhaps because they do not know what the footsteps mean."),
                (2, "the cake?", "They sound surprised, perhaps because nobody had told them about the cake."),
            ],
            weight=5,
        ),
        _task(
            "response",
            "CE",
            "complex",
            "emotion",
            "how a friend could best respond to the speaker. The answer names the feeling that the voice has and what would help.",
            ("How could a friend best respond to the speaker about", "Judging by the voice, what would help the speaker with"),
            ["emotion", "text"],
            [
                (0, "the wedding?", "They sound sad, so a friend could comfort them about the wedding."),
                (0, "their cousin's bakery?", "They sound happy, so a friend could share their joy about the bakery."),
                (1, "the blocked gate?", "They sound angry, so it would help to stay patient and put the blocked gate right."),
                (0, "the keys?", "They sound neutral, so a friend could simply thank them for the keys."),
                (1, "the footsteps?", "They sound fearful, so it would help to stay with them until the footsteps are explained."),
                (0, "the cake?", "They sound surprised, so a friend could tell them more about the cake."),
            ],
        ),
        _task(
            "who",
            "CG",
            "simple",
            "gender",
            "whether a man or a woman is heard talking about the matter.",
            ("Is it a man or a woman who talks about", "Does a man or a woman speak about"),
            ["gender", "text"],
            [
                (0, "the wedding?", "A woman talks about the wedding."),
                (1, "their cousin's bakery?", "A man speaks about the bakery."),
                (0, "the blocked gate?", "A man talks about the blocked gate."),
                (1, "the keys on the shelf?", "A woman speaks about the keys."),
                (0, "the footsteps in the cellar?", "A woman talks about the footsteps."),
                (1, "the cake?", "A man speaks about the cake."),
            ],
        ),
        _task(
            "content",
            "C",
            "simple",
            "text",
            "what the speaker says about the matter. The answer tells it in a few words.",
            ("What does the speaker say about", "What is said about"),
            ["text"],
            [
                (0, "the wedding?", "The speaker says that she is not coming to their wedding after all."),
                (1, "the cousin's bakery?", "The speaker says that it opens again next week."),
                (0, "the gate?", "The speaker says that somebody parked in front of it."),
                (1, "the keys?", "The speaker says that they are on the shelf by the lamp."),
                (0, "the footsteps?", "The speaker says that they can be heard in the cellar."),
                (1, "the cake?", "The speaker says that Uncle Leo baked it himself."),
            ],
        ),
        _task(
            "tone",
            "DE",
            "simple",
            "emotion",
            "how the voice sounds. The answer names the feeling that the voice has and what makes it heard.",
            ("What feeling does", "How does the speaker's voice", "Which mood can be heard"),
            ["emotion"],
            [
                (0, "the voice carry?", "They sound sad, in a quiet and weary voice."),
                (1, "come across?", "They sound happy, in a bright and lively voice."),
                (2, "in the way the speaker talks?", "They sound angry, in a loud and hard voice."),
                (0, "the speaker's voice give?", "They sound neutral, in an even and plain voice."),
                (1, "strike a listener?", "They sound fearful, in a tense and shaky voice."),
                (2, "in this voice?", "They sound surprised, in a voice that jumps up."),
            ],
            kind="pqa",
        ),
        _task(
            "voice",
            "DG",
            "simple",
            "gender",
            "whether the voice is a man's or a woman's.",
            ("Is it a man or a woman", "Does the voice belong to"),
            ["gender"],
            [
                (0, "who is heard?", "A woman is heard."),
                (1, "a man or a woman?", "A man is speaking."),
                (0, "who speaks here?", "A man speaks here."),
                (1, "a woman or a man?", "A woman is speaking."),
                (0, "in this recording?", "A woman is heard in it."),
                (1, "a man or to a woman?", "A man is speaking."),
            ],
            kind="pqa",
        ),
        _task(
            "count",
            "DS",
            "simple",
            "speakers",
            "how many people are heard.",
            ("How many people", "How many voices"),
            ["speakers"],
            [
                (0, "are heard?", "One person is heard."),
                (1, "can be heard?", "One person is speaking."),
                (0, "speak in this recording?", "One person speaks."),
                (1, "are there?", "One person is heard."),
                (0, "take part?", "One person takes part."),
                (1, "speak?", "One person is speaking."),
            ],
            kind="pqa",
        ),
    )
}

PROMPT_WORDS = frozenset(content_words("wedding cousin bakery gate blocked keys shelf lamp footsteps cellar uncle cake baked"))
"""What the worked examples are about: found in a question about another clip, it was taken over from the prompt."""

# Affect in a listener's words: models copy what they read, and "aroused" is no word for a voice.
_AXIS_WORDS = {
    "arousal": ("very quiet energy", "quiet energy", "medium energy", "high energy", "very high energy"),
    "valence": ("very unpleasant tone", "unpleasant tone", "even tone", "pleasant tone", "very pleasant tone"),
    "dominance": ("very unsure", "unsure", "fairly sure", "sure", "very sure"),
}


def context(clip: Mapping[str, Any], task: Task, opening: str, told: Told) -> dict[str, str]:
    """What the prompt of a task says about a clip.

    Args:
        clip: a clip row; one with a transcript where the task speaks of the matter.
        task: what to ask.
        opening: one of the task's.
        told: which evidence the prompt holds.
    """
    who = PERSON.get(gender(clip) or "", "unknown")
    words = " ".join((clip["transcript"] or "").split())
    words = retell(words) if clip.get("language") in (None, "en") else words
    begin = _answer_opening(task.needs, adjective(feeling(clip, told) or ""), who, speakers(clip) or 1)
    return {"words": words, "voice": voice(clip, told), "speaker": who, "ask": task.ask, "opening": opening, "answer_opening": begin}


def voice(clip: Mapping[str, Any], told: Told) -> str:
    """The clip's voice in words: emotion over time, affect, measured prosody.

    Example:
        >>> from cp_paraling_qa.schema import opinion
        >>> said = [opinion("emotion", "angry", source="human"), opinion("arousal", score=0.9, source="human"), opinion("rate", "fast", source="model")]
        >>> voice({"duration": 2.0, "opinions": said}, Told())
        'angry; very high energy; rate fast'
    """
    track = emotion_track(clip, sources=told.sources) if told.emotions else []
    if len(track) > 1:
        parts = [", then ".join(f"{adjective(label)} ({start:.1f}–{end:.1f} s)" for start, end, label in track)]
    else:
        label = feeling(clip, told)
        parts = [adjective(label) if label else "no one clear feeling"] if told.emotions else []
    means = {axis: axis_mean(clip["opinions"], axis, sources=told.sources) for axis in AXES} if told.vad else {}
    affect = [_AXIS_WORDS[axis][min(4, int(score * 5))] for axis in ("arousal", "valence", "dominance") if (score := means.get(axis)) is not None]
    prosody = [f"{field} {words}" for field, words in prosody_words(clip).items()]
    return "; ".join([*parts, *([", ".join(affect)] if affect else []), *([", ".join(prosody)] if prosody else [])])

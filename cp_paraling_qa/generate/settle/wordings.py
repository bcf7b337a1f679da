"""The wordings of what settle adds by itself: questions of contrast sets and about conflict, under one hash each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cp_paraling_qa.digests import digest
from cp_paraling_qa.generate.records import pick
from cp_paraling_qa.labels import adjective

CONTRAST = (
    "How does the speaker feel about what they say?",
    "What does the voice tell about how the speaker feels?",
    "What feeling does the speaker put into these words?",
    "In what mood does the speaker say this?",
    "How does the speaker sound while saying this?",
    "What emotion comes with what the speaker says?",
)
CONTRAST_ANSWER = "The speaker sounds {feeling}."
CONTRAST_HASH = digest("contrast", 1, CONTRAST, CONTRAST_ANSWER)

CONFLICT = (
    "Does the voice go along with what is said, and how does the speaker sound?",
    "Does the speaker's voice bear out what they say, and what feeling does it show?",
    "What is said points one way: does the voice point the same way, and what does it tell?",
    "How do the words compare with the way they are spoken?",
    "Would somebody who heard only the tone of voice guess what is said, and what feeling would they hear?",
    "Taking what is said and how it is said together, do the two agree, and how does the speaker feel?",
)
OPPOSED = (
    "The words sound {words}, but the voice is {feeling}: the two do not agree.",
    "They do not agree: what is said is {words}, while the voice sounds {feeling}.",
    "No, what is said sounds {words}, yet the speaker sounds {feeling}.",
)
AGREEING = (
    "The words sound {words}, and the voice is {feeling}: the two agree.",
    "They agree: what is said is {words}, and the voice sounds {feeling}.",
    "Yes, what is said sounds {words}, and the speaker sounds {feeling} as well.",
)
YES_OR_NO = {0, 1, 2, 4, 5}
"""The questions that "Yes" or "No" answers."""
CONFLICT_HASH = digest("conflict", 1, CONFLICT, OPPOSED, AGREEING, sorted(YES_OR_NO))


def contrast_answer(emotion: str) -> str:
    """The answer of a member of a contrast set that has none of its own."""
    return CONTRAST_ANSWER.format(feeling=adjective(emotion))


def conflict_item(clip_id: str, words: str, emotion: str, *, conflict: bool, seed: int) -> tuple[str, str]:
    """Question and answer about how words and voice go together. The question is drawn by the clip alone, so that its wording gives nothing away.

    Args:
        clip_id: the clip.
        words: the sentiment of its words: positive or negative.
        emotion: that of its voice.
        conflict: whether the two oppose each other.
        seed: of the wording.
    """
    number = pick(range(len(CONFLICT)), seed, clip_id, "conflict")
    answers = (OPPOSED if conflict else AGREEING)[: None if number in YES_OR_NO else 2]
    return CONFLICT[number], pick(answers, seed, clip_id, "conflict answer").format(words=words, feeling=adjective(emotion))


def plain() -> Mapping[str, Any]:
    """The hashes, for the stage's config."""
    return {"contrast": CONTRAST_HASH, "conflict": CONFLICT_HASH}

"""Template questions: direct emotion and direct gender, asked in several wordings, each answered once in one word and once in a sentence.

These are the `pqa_template` rows of the paper's baseline (its own wordings are not published; these are ours). The wording says which form of answer is wanted,
so that a model can learn both and a metric knows what to expect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cp_paraling_qa.generate.records import pick, question_row
from cp_paraling_qa.labels import adjective, in_one_word
from cp_paraling_qa.ledger import consensus, gender
from cp_paraling_qa.schema import Question

GENERATOR = "template"
ONE_WORD = "Answer in one word."
SENTENCE = "Answer in a sentence."

EMOTION_WORDINGS = (
    "Which emotion do you hear in the speaker's voice?",
    "How does the speaker sound?",
    "What is the speaker's emotion?",
    "What feeling does this voice express?",
    "Listen to the tone of voice: what mood is the speaker in?",
    "Going by the voice, how does the speaker feel?",
    "What emotional state does the voice suggest?",
    "How would you name the emotion in this voice?",
)
GENDER_WORDINGS = (
    "Is the speaker female or male?",
    "What is the speaker's gender?",
    "Going by the voice, is the speaker male or female?",
    "Which gender does this voice have?",
    "Who is speaking, going by gender: male or female?",
    "Listen to the voice: what gender is the speaker?",
    "How would you name the gender of this speaker?",
    "Do you hear a female or a male voice?",
)
PERSON = {"female": "woman", "male": "man"}

TEMPLATES_HASH = hashlib.sha256(json.dumps([EMOTION_WORDINGS, GENDER_WORDINGS, ONE_WORD, SENTENCE, PERSON, 1]).encode()).hexdigest()[:16]


def template_questions(clip: Mapping[str, Any], *, seed: int = 0) -> list[Question]:
    """Two direct questions about the clip's emotion and two about its speaker's gender, where these are known.

    The same clip and seed always give the same rows.

    Returns:
        none to four rows, kind `pqa_template`, types DE and DG: one-word and sentence answers of each.
    """
    rows = []
    emotion, sex = consensus(clip["opinions"], "emotion"), gender(clip)
    if emotion is not None:
        answers = {ONE_WORD: f"{in_one_word(emotion).capitalize()}.", SENTENCE: f"The speaker sounds {adjective(emotion)}."}
        rows += _both_forms(clip, "DE", "emotion", EMOTION_WORDINGS, answers, emotion, seed)
    if sex in PERSON:
        answers = {ONE_WORD: f"{sex.capitalize()}.", SENTENCE: f"The speaker is a {PERSON[sex]}."}
        rows += _both_forms(clip, "DG", "gender", GENDER_WORDINGS, answers, sex, seed)
    return rows


def _both_forms(clip: Mapping[str, Any], type: str, field: str, wordings: tuple[str, ...], answers: Mapping[str, str], label: str, seed: int) -> list[Question]:
    return [
        question_row(
            clip,
            "pqa_template",
            type,
            f"{pick(wordings, seed, clip['clip_id'], type, form)} {form}",
            answer,
            label=label,
            evidence=[field],
            generator=GENERATOR,
            prompt_hash=TEMPLATES_HASH,
        )
        for form, answer in answers.items()
    ]

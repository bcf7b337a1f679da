"""ASR items: "write down what is said", answered with the clip's transcript. They keep a model that learns about voices from forgetting the words.

A clip's transcript is the corpus's own where it has one; where it has none, annotation puts a recogniser's words there. Such a transcript is a weaker reference, as
its errors would be taught: those rows name the recogniser in `generator`, so that they can be told apart, counted and left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cp_paraling_qa.generate.records import pick, question_row
from cp_paraling_qa.generate.templates import GENERATOR
from cp_paraling_qa.schema import Question

WORDINGS = (
    "Write down what is said.",
    "What does the speaker say, word for word?",
    "Put the spoken words in writing.",
    "What are the exact words that you hear?",
    "Listen, and write out the words.",
    "Which words are spoken?",
    "Take down the speech word by word.",
    "Give the words as they are spoken.",
)
ASR_HASH = hashlib.sha256(json.dumps([WORDINGS, 1]).encode()).hexdigest()[:16]
"""Identifies what shapes these rows besides clip and seed."""


def asr_question(clip: Mapping[str, Any], *, seed: int = 0, recognised: bool = True) -> Question | None:
    """A clip's words as question and answer.

    Args:
        clip: a clip row.
        seed: of the wording.
        recognised: also where only a recogniser heard the words.

    Returns:
        a row of kind `asr`, type C, without a label; its answer is the transcript with single spaces. `generator` is "template", or "template, words by MODEL" where the words are
        a recogniser's. None where there is no transcript with a letter or digit in it, or only a recogniser's and these are not wanted.
    """
    words = " ".join((clip["transcript"] or "").split())
    heard_by = recogniser(clip)
    if not any(sign.isalnum() for sign in words) or (heard_by is not None and not recognised):
        return None
    return question_row(
        clip,
        "asr",
        "C",
        pick(WORDINGS, seed, clip["clip_id"], "asr"),
        words,
        evidence=["text"],
        generator=GENERATOR if heard_by is None else f"{GENERATOR}, words by {heard_by}",
        prompt_hash=ASR_HASH,
    )


def recogniser(clip: Mapping[str, Any]) -> str | None:
    """Who heard a clip's transcript, if no person: the model of the opinion whose words it has. None where the corpus or a person gave it, or there is none.

    A corpus transcript that a recogniser heard to the letter cannot be told from a recogniser's; such a row counts as the recogniser's.
    """
    words = (clip["transcript"] or "").split()
    given = [opinion for opinion in clip["opinions"] if opinion["field"] == "text" and (opinion["value"] or "").split() == words]
    if not words or not given or any(opinion["source"] != "model" for opinion in given):
        return None
    return str(given[0]["rater"] or "a recogniser")

"""Template questions, without an LLM: direct emotion (DE), direct gender (DG) and number of speakers (DS), each open and with answers to choose from.

These are the `pqa_template` rows of the paper's baseline (its own wordings are not published; these are ours). The wording says which form of answer is wanted,
so that a model can learn all of them and a metric knows what to expect: "Answer in one word.", "Answer in a sentence.", "Choose one: (A) sad (B) angry …".
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cp_paraling_qa.generate.feelings import NEAR, agree
from cp_paraling_qa.generate.records import pick, question_row
from cp_paraling_qa.generate.told import speakers
from cp_paraling_qa.labels import ALIASES, INVENTORIES, NO_EMOTION, adjective, canonical, in_one_word
from cp_paraling_qa.ledger import consensus, gender
from cp_paraling_qa.schema import Question

GENERATOR = "template"
FORMS = ("word", "sentence", "choice")
ONE_WORD = "Answer in one word."
SENTENCE = "Answer in a sentence."
CHOICE = "Choose one:"
OPTIONS = 4
"""Answers to choose from, at most: fewer where the labels to draw from do not give so many that differ in meaning."""

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
SPEAKERS_WORDINGS = (
    "How many people do you hear speaking?",
    "How many speakers are there?",
    "How many different voices can be heard?",
    "What is the number of speakers?",
    "Listen to the voices: how many people talk?",
    "Going by the voices, how many people are speaking?",
    "How many persons take part in the talk?",
    "Count the voices: how many are there?",
)
PERSON = {"female": "woman", "male": "man"}
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
GENERAL = INVENTORIES["sample"]
"""Emotions to choose among where nothing is known about the corpus."""

_VERSION = 2
"""Raised when rows change in a way that neither the wordings nor the labels show."""


def template_questions(clip: Mapping[str, Any], *, seed: int = 0, forms: Collection[str] = FORMS, choices: Sequence[str] | None = None) -> list[Question]:
    """Direct questions about the clip's emotion, its speaker's gender and the number of speakers, where these are known, once in each form.

    The same clip and seed always give the same rows. An emotion on which the votes are level is not asked for. The number of speakers is known only where an opinion says it:
    a corpus of single voices that says nothing of it gets no such question.

    Args:
        clip: a clip row.
        seed: of wordings, wrong answers and letters.
        forms: among `FORMS`.
        choices: emotions to draw wrong answers from; None for the inventory of the clip's corpus in `labels.INVENTORIES`, or `GENERAL`. Drawn are at most three that neither
            mean the same as, nor come near, the right answer or each other. Without any such, there is no multiple-choice question.

    Returns:
        none to nine rows, kind `pqa_template`; `label` is the closed-form answer as the ledger has it, also for multiple choice.

    Raises:
        ValueError: a form that is none of `FORMS`.
    """
    hash_ = templates_hash(forms, choices)
    rows = []
    emotion, sex, count = consensus(clip["opinions"], "emotion"), gender(clip), speakers(clip)
    if emotion is not None:
        answers = {"word": f"{in_one_word(emotion).capitalize()}.", "sentence": f"The speaker sounds {adjective(emotion)}."}
        options = [adjective(label) for label in _emotions(clip, emotion, seed, choices)]
        rows += _all_forms(clip, "DE", "emotion", EMOTION_WORDINGS, answers, options, emotion, seed, forms, hash_)
    if sex in PERSON:
        answers = {"word": f"{sex.capitalize()}.", "sentence": f"The speaker is a {PERSON[sex]}."}
        options = [sex, *(other for other in PERSON if other != sex)]
        rows += _all_forms(clip, "DG", "gender", GENDER_WORDINGS, answers, options, sex, seed, forms, hash_)
    if count is not None:
        people = f"{_number(count)} {'person is' if count == 1 else 'people are'} speaking."
        answers = {"word": f"{_number(count).capitalize()}.", "sentence": people.capitalize()}
        options = [_number(number) for number in _counts(clip, count, seed)]
        rows += _all_forms(clip, "DS", "speakers", SPEAKERS_WORDINGS, answers, options, str(count), seed, forms, hash_)
    return rows


def templates_hash(forms: Collection[str] = FORMS, choices: Sequence[str] | None = None) -> str:
    """Identifies everything that shapes template rows besides clip and seed: wordings, forms, labels to draw from and which of them come near each other. 16 hex digits.

    Raises:
        ValueError: a form that is none of `FORMS`.
    """
    if unknown := sorted(set(forms) - set(FORMS)):
        raise ValueError(f"there is no template form {', '.join(unknown)}: choose among {', '.join(FORMS)}")
    return _hash(tuple(form for form in FORMS if form in forms), None if choices is None else tuple(choices))


@functools.lru_cache(maxsize=256)
def _hash(forms: tuple[str, ...], choices: tuple[str, ...] | None) -> str:
    shown = [ONE_WORD, SENTENCE, CHOICE, OPTIONS, PERSON, COUNTS]
    labels = [
        choices,
        INVENTORIES,
        NO_EMOTION,
        ALIASES,
        {label: adjective(label) for names in INVENTORIES.values() for label in names},
        sorted(map(sorted, NEAR)),
    ]
    parts = [_VERSION, forms, EMOTION_WORDINGS, GENDER_WORDINGS, SPEAKERS_WORDINGS, shown, labels]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _all_forms(
    clip: Mapping[str, Any],
    type: str,
    field: str,
    wordings: tuple[str, ...],
    answers: Mapping[str, str],
    options: Sequence[str],
    label: str,
    seed: int,
    forms: Collection[str],
    hash_: str,
) -> list[Question]:
    """One row a form. `options`: the right answer first, then the wrong ones."""
    ends = {"word": ONE_WORD, "sentence": SENTENCE}
    asked = [(pick(wordings, seed, clip["clip_id"], type, ends[form]), ends[form], answers[form]) for form in ends if form in forms]
    if "choice" in forms and len(options) > 1:
        end, answer = _lettered(options, pick(range(len(options)), seed, clip["clip_id"], type, "letter"))
        asked.append((pick(wordings, seed, clip["clip_id"], type, "choice"), end, answer))
    return [
        question_row(clip, "pqa_template", type, f"{wording} {end}", answer, label=label, evidence=[field], generator=GENERATOR, prompt_hash=hash_)
        for wording, end, answer in asked
    ]


def _lettered(options: Sequence[str], place: int) -> tuple[str, str]:
    """The options with letters, the first one moved to `place`, and that one as an answer: "Choose one: (A) sad (B) angry" and "(B) angry"."""
    right, *wrong = options
    shown = [f"({chr(ord('A') + at)}) {option}" for at, option in enumerate([*wrong[:place], right, *wrong[place:]])]
    return f"{CHOICE} {' '.join(shown)}", shown[place]


def _emotions(clip: Mapping[str, Any], right: str, seed: int, choices: Sequence[str] | None) -> list[str]:
    """The right emotion, and up to `OPTIONS` - 1 others, no two of which mean nearly the same."""
    found = [right]
    left = sorted(set(choices if choices is not None else INVENTORIES.get(clip.get("corpus") or "", GENERAL)))
    while len(found) < OPTIONS:
        left = [label for label in left if canonical(label) not in NO_EMOTION and not any(agree(label, other) for other in found)]
        if not left:
            break
        found.append(pick(left, seed, clip["clip_id"], "DE", "choice", len(found)))
    return found


def _counts(clip: Mapping[str, Any], right: int, seed: int) -> list[int]:
    """The right number, and `OPTIONS` - 1 others from one to at least five, in no order."""
    found = [right]
    while len(found) < OPTIONS:
        left = [number for number in range(1, max(5, right + 2) + 1) if number not in found]
        found.append(pick(left, seed, clip["clip_id"], "DS", "choice", len(found)))
    return found


def _number(count: int) -> str:
    return COUNTS[count] if count < len(COUNTS) else str(count)

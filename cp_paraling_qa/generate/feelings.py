"""Which feelings a sentence names: a small word list, for filters that compare an answer with the ledger.

Only words that name a feeling outright are listed; a word that merely hints at one ("waiting", "promotion") decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cp_paraling_qa.labels import SENTIMENT, canonical

_WORDS = {
    "angry": "angry angrily anger mad furious furiously annoyed annoyance irritated irritation outraged enraged rage resentful cross livid",
    "sad": "sad sadly sadness unhappy sorrow sorrowful sorry-hearted heartbroken gloomy miserable grieving grief tearful melancholy dejected downcast depressed hurt",
    "happy": "happy happily happiness glad joyful joy cheerful cheerfully delighted delight pleased thrilled joyous",
    "fearful": "fearful fearfully fear afraid scared frightened terrified anxious anxiety nervous nervously panicked panic alarmed worried worry worriedly",
    "surprised": "surprised surprise astonished amazed startled shocked stunned astonishment amazement",
    "neutral": "neutral neutrally indifferent matter-of-fact unemotional",
    "calm": "calm calmly relaxed serene",
    "disgust": "disgusted disgust disgustedly revolted repulsed",
    "contempt": "contemptuous contempt scornful scorn disdainful disdain",
    "excited": "excited excitedly excitement enthusiastic",
    "frustrated": "frustrated frustration exasperated",
    "bored": "bored boredom",
}
FEELING_OF = {word: label for label, words in _WORDS.items() for word in words.split()}

_POLARITY = {
    "positive": "proud relieved grateful hopeful content enjoy enjoys enjoying love loves loving wonderful great celebrate excited pleased",
    "negative": "disappointed disappointing upset lonely ashamed guilty bitter jealous terrible awful betrayed regret regrets distressed struggling tense",
}
POLARITY_OF = {word: polarity for polarity, words in _POLARITY.items() for word in words.split()}

_NEAR = (
    {"neutral", "calm"},
    {"angry", "frustrated", "contempt", "disgust"},
    {"happy", "excited"},
    {"surprised", "excited"},
    {"sad", "disappointed"},
    {"fearful", "anxious"},
)
"""Feelings that do not contradict each other."""

_WORD = re.compile(r"[a-z]+(?:[-'’][a-z]+)*")


def words_of(text: str) -> list[str]:
    """Lower-case words, in order."""
    return _WORD.findall(text.lower().replace("’", "'"))


_NEGATION = frozenset(words_of("not no never without hardly neither nor isn't doesn't don't didn't wasn't aren't instead"))


def feelings(text: str) -> set[str]:
    """The feelings that a text names, as canonical labels; those under a negation up to three words before are left out.

    Example:
        >>> sorted(feelings("They sound furious, not sad.")), feelings("They mention the wedding.")
        (['angry'], set())
    """
    words = words_of(text)
    return {FEELING_OF[word] for at, word in enumerate(words) if word in FEELING_OF and not _NEGATION & set(words[max(0, at - 3) : at])}


def claims(text: str, label: str) -> bool:
    """Whether a text names exactly the feeling `label`, and no other."""
    return feelings(text) == {canonical(label)}


def agree(first: str, second: str) -> bool:
    """Whether two labels name the same feeling or near ones.

    Example:
        >>> agree("anger", "frustrated"), agree("calm", "neutral"), agree("happy", "sad")
        (True, True, False)
    """
    a, b = canonical(first), canonical(second)
    return a == b or any(a in group and b in group for group in _NEAR)


def polarities(text: str) -> set[str]:
    """positive and negative, as the plainly coloured words of a text go; empty for most texts."""
    words = words_of(text)
    return {POLARITY_OF[word] for at, word in enumerate(words) if word in POLARITY_OF and not _NEGATION & set(words[max(0, at - 3) : at])}


def fits(text: str, emotions: Iterable[str]) -> bool:
    """Whether what a text says of feelings agrees with at least one of the clip's emotions, word by word.

    Args:
        text: an answer.
        emotions: the clip's labels; without any, everything fits.
    """
    labels = [canonical(label) for label in emotions]
    if not labels:
        return True
    if any(not any(agree(named, label) for label in labels) for named in feelings(text)):
        return False
    sentiments = {SENTIMENT.get(label, "ambiguous") for label in labels}
    return "ambiguous" in sentiments or all(polarity in sentiments for polarity in polarities(text))

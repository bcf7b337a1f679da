"""Emotion inventories, aliases, the sentiment map, and how a label is said in a sentence.

A corpus keeps its own words in the ledger ("disgust" in RAVDESS); `canonical` says which of them mean the same.
"""

from __future__ import annotations

INVENTORIES: dict[str, tuple[str, ...]] = {
    "ravdess": ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    "crema_d": ("angry", "disgust", "fearful", "happy", "neutral", "sad"),
    "iemocap": ("angry", "excited", "frustrated", "happy", "neutral", "sad", "surprised", "fearful", "disgust"),
    "meld": ("neutral", "joy", "disgust", "sadness", "surprise", "anger", "fear"),
    "msp_podcast": ("angry", "sad", "happy", "surprised", "fearful", "disgust", "contempt", "neutral", "other"),
    "emotion2vec": ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown"),
    "emodb": ("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"),
    "emobox": (
        *("amused", "angry", "anxious", "apologetic", "assertive", "boredom", "breath", "calm", "concerned", "contempt", "disappointment", "disgust"),
        *("encouraging", "enthusiastic", "excited", "fear", "happy", "neutral", "other", "pain", "pleasure", "poker", "sad", "sarcastic", "sleepy"),
        *("surprise", "unknown", "worried"),
    ),
    "tess": ("angry", "disgust", "fear", "happy", "neutral", "pleasant surprise", "sad"),
    "sample": ("neutral", "happy", "sad", "angry", "fearful", "surprised"),
}

ALIASES: dict[str, str] = {
    "amusement": "amused",
    "anxiety": "anxious",
    "disappointment": "disappointed",
    "enthusiastic": "excited",
    "pleasantly surprised": "surprised",
    "pleased": "happy",
    "pleasure": "happy",
    "sarcasm": "sarcastic",
    "sleepiness": "sleepy",
    "worried": "anxious",
    "worry": "anxious",
    "anger": "angry",
    "annoyed": "angry",
    "boredom": "bored",
    "calmness": "calm",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "excitement": "excited",
    "fear": "fearful",
    "afraid": "fearful",
    "scared": "fearful",
    "frustration": "frustrated",
    "happiness": "happy",
    "joy": "happy",
    "joyful": "happy",
    "sadness": "sad",
    "sorrow": "sad",
    "surprise": "surprised",
    "pleasant surprise": "surprised",
    "ps": "surprised",
    "unk": "unknown",
}

_ADJECTIVES = {
    "amusement": "amused",
    "anxiety": "anxious",
    "disappointment": "disappointed",
    "pain": "in pain",
    "pleasure": "full of pleasure",
    "poker": "poker-faced",
    "sarcasm": "sarcastic",
    "sleepiness": "sleepy",
    "worry": "worried",
    "anger": "angry",
    "boredom": "bored",
    "contempt": "contemptuous",
    "disgust": "disgusted",
    "excitement": "excited",
    "fear": "fearful",
    "frustration": "frustrated",
    "happiness": "happy",
    "joy": "joyful",
    "pleasant surprise": "pleasantly surprised",
    "sadness": "sad",
    "surprise": "surprised",
}

NO_EMOTION = ("unknown", "other", "breath")
"""Labels of inventories that name no emotion: nobody's vote, no clip's answer, and without a sentiment."""

SENTIMENT: dict[str, str] = {
    "happy": "positive",
    "excited": "positive",
    "amused": "positive",
    "encouraging": "positive",
    "neutral": "neutral",
    "calm": "neutral",
    "assertive": "neutral",
    "poker": "neutral",
    "sleepy": "neutral",
    "sarcastic": "ambiguous",
    "anxious": "negative",
    "apologetic": "negative",
    "concerned": "negative",
    "disappointed": "negative",
    "pain": "negative",
    "bored": "negative",
    "surprised": "ambiguous",
    "angry": "negative",
    "contempt": "negative",
    "disgust": "negative",
    "fearful": "negative",
    "frustrated": "negative",
    "sad": "negative",
}
"""Sentiment of each canonical emotion: paper B's map, widened to the labels of other corpora (our choice for those). Those of `NO_EMOTION` have none."""


def canonical(label: str) -> str:
    """One word for the labels that corpora spell differently.

    Example:
        >>> canonical("Sadness"), canonical("disgusted"), canonical("wistful")
        ('sad', 'disgust', 'wistful')
    """
    label = label.strip().lower()
    return ALIASES.get(label, label)


def adjective(label: str) -> str:
    """The label as it fits behind "sounds".

    Example:
        >>> adjective("disgust"), adjective("angry")
        ('disgusted', 'angry')
    """
    return _ADJECTIVES.get(label, label)


def in_one_word(label: str) -> str:
    """The label where it is one word, else what it is an alias of.

    Example:
        >>> in_one_word("pleasant surprise"), in_one_word("joy")
        ('surprised', 'joy')
    """
    return canonical(label) if " " in label else label


def known_emotion(label: str) -> bool:
    """Whether a label, or what it is an alias of, stands in any inventory."""
    label = label.strip().lower()
    return label in ALIASES or any(label in names for names in INVENTORIES.values()) or label in SENTIMENT


def axis_words(axis: str, score: float) -> str:
    """An affect score in words, in fifths of the scale (our choice).

    Args:
        axis: arousal, valence or dominance.
        score: 0 to 1.

    Example:
        >>> axis_words("valence", 0.1), axis_words("arousal", 0.5)
        ('very negative', 'moderately aroused')
    """
    scale = {
        "arousal": ("very calm", "rather calm", "moderately aroused", "aroused", "very aroused"),
        "valence": ("very negative", "negative", "neither positive nor negative", "positive", "very positive"),
        "dominance": ("very submissive", "submissive", "moderately dominant", "dominant", "very dominant"),
    }[axis]
    return scale[min(4, int(score * 5))]

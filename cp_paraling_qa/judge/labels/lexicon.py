"""Codes, signs, numbers and inflections: what the label mapper knows of spelling, besides the words in `feeling_words`."""

from __future__ import annotations

GENDER = frozenset({"female", "male"})
SENTIMENTS = frozenset({"positive", "negative"})

CODES: dict[str, str] = {
    "ang": "angry", "hap": "happy", "neu": "neutral", "exc": "excited", "fru": "frustrated", "sur": "surprised", "fea": "fearful", "dis": "disgust",
    "cal": "calm", "ps": "surprised", "f": "female", "m": "male", "pos": "positive", "neg": "negative",
}  # fmt: skip
"""Codes of IEMOCAP and others: only as the whole answer."""

SIGNS: dict[str, str] = {
    "😠": "angry", "😡": "angry", "😢": "sad", "😭": "sad", "😔": "sad", "☹": "sad", "🙁": "sad", "😞": "sad", "😀": "happy", "😃": "happy",
    "😄": "happy", "😊": "happy", "🙂": "happy", "😁": "happy", "😨": "fearful", "😱": "fearful", "😰": "fearful", "😮": "surprised", "😲": "surprised",
    "😯": "surprised", "🤢": "disgust", "🤮": "disgust", "😐": "neutral", "😌": "calm", "🤩": "excited", "😆": "happy", "😂": "happy", "🤣": "happy", "😍": "happy",
    "🥰": "happy", "🥳": "excited", "😤": "frustrated", "😒": "annoyed", "😣": "frustrated", "😥": "sad", "😓": "sad", "🥺": "sad", "😿": "sad", "💔": "heartbroken",
    "😟": "worried", "😧": "fearful", "😦": "fearful", "😖": "frustrated", "😫": "frustrated", "👿": "angry", "😾": "angry", "🤯": "surprised", "😑": "neutral",
    "😶": "neutral", "🤬": "angry", "👍": "positive", "👎": "negative", "🙄": "contempt", "♀": "female", "♂": "male", "👩": "woman", "👨": "man",
}  # fmt: skip

NUMBERS = {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine", "0": "zero", "10": "ten"}
"""Digits and words name the same label in lists such as 1, 2, 3 speakers."""


def forms(word: str) -> set[str]:
    """A word with its regular inflections, by spelling rules alone: whisper, whispers, whispered, whispering for any one of them.

    Over-generates ("calmed", "shouter" never hurt); words of fewer than three letters and anything but letters come back alone.

    Example:
        >>> sorted(forms("whining") & {"whine", "whined", "whines"})
        ['whine', 'whined', 'whines']
    """
    found = {word}
    if len(word) < 3 or not word.isalpha():
        return found
    stems = {word}
    for ending in ("ing", "ed", "ly"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            stems |= {stem, stem + "e"}
            if len(stem) > 3 and stem[-1] == stem[-2]:
                stems.add(stem[:-1])
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        stems.add(word[:-1])
    for stem in stems:
        found |= {stem, stem + "s", stem + "ed", stem + "ing", stem + "ly"}
        if stem.endswith("e"):
            found |= {stem[:-1] + "ing", stem + "d"}
        if stem.endswith("y"):
            found |= {stem[:-1] + "ies", stem[:-1] + "ied", stem[:-1] + "ily", stem[:-1] + "iness"}
        if stem.endswith("ic"):
            found.add(stem + "ally")
        if stem[-1] not in "aeiouwxy" and len(stem) < 6:
            found |= {stem + stem[-1] + "ed", stem + stem[-1] + "ing"}
    return {form for form in found if len(form) > 2}

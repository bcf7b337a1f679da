"""Whether a text is in the language that was asked for, by its script and by py3langid (BSD; its model of 140 languages, 4 MB, is in the package).

Short texts with names in them are no evidence: on "How does Priya feel about Kuala Lumpur?" every classifier errs. So a text in the right script is wrong only where the
classifier gives the language that was asked for next to nothing, is sure of another, and there are enough letters. A letter of a foreign script is always wrong,
unless the talk itself has that script or it stands in quotation marks.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import Any

from cp_paraling_qa.generate.feeling_clauses import unquoted
from cp_paraling_qa.generate.feelings import words_of

FEWEST_LETTERS = 16
"""Below it the classifier's word counts for nothing; for scripts that write a syllable or a word with one sign, a fourth of it."""
SURE = 0.6
"""Probability that another language, with its relatives, must have …"""
UNLIKELY = 0.05
"""… while the one asked for, with its relatives, has less than this. Both our choice: of 600 English questions and answers none is called wrong, of 33 in eleven other
languages all are (see the tests)."""

_THREE = {
    "ara": "ar", "ben": "bn", "ces": "cs", "cze": "cs", "chi": "zh", "cmn": "zh", "dan": "da", "deu": "de", "dut": "nl", "ell": "el", "eng": "en", "fas": "fa", "fin": "fi",
    "fra": "fr", "fre": "fr", "ger": "de", "gre": "el", "heb": "he", "hin": "hi", "hun": "hu", "ind": "id", "ita": "it", "jpn": "ja", "kor": "ko", "may": "ms", "msa": "ms",
    "nld": "nl", "nor": "no", "per": "fa", "pol": "pl", "por": "pt", "ron": "ro", "rum": "ro", "rus": "ru", "spa": "es", "swe": "sv", "tam": "ta", "tel": "te", "tgl": "tl",
    "tha": "th", "tur": "tr", "ukr": "uk", "urd": "ur", "vie": "vi", "zho": "zh", "zsm": "ms",
}  # fmt: skip
_SCRIPTS = {
    "ar": ("ARABIC",), "bg": ("CYRILLIC",), "bn": ("BENGALI",), "el": ("GREEK",), "fa": ("ARABIC",), "he": ("HEBREW",), "hi": ("DEVANAGARI",), "ja": ("HIRAGANA", "KATAKANA", "CJK"),
    "ka": ("GEORGIAN",), "ko": ("HANGUL", "CJK"), "mr": ("DEVANAGARI",), "ne": ("DEVANAGARI",), "pa": ("GURMUKHI",), "ru": ("CYRILLIC",), "ta": ("TAMIL",), "te": ("TELUGU",),
    "th": ("THAI",), "uk": ("CYRILLIC",), "ur": ("ARABIC",), "yue": ("CJK",), "zh": ("CJK",),
}  # fmt: skip
"""Languages that are not written in Latin letters, by the first words of Unicode's names of their letters. Latin letters stand in all of them, for names."""
_TWO_SCRIPTS = frozenset({"sr", "az", "uz", "kk", "ku", "mn", "bs", "tg", "tt"})
_RELATIVES = (
    {"en", "pcm"}, {"id", "ms", "jv"}, {"da", "no", "nn", "sv"}, {"hr", "sr", "bs", "sl"}, {"cs", "sk"}, {"zh", "yue", "wuu"}, {"nl", "af"}, {"es", "gl", "ca", "pt", "ext", "an"},
    {"de", "lb"}, {"ru", "uk", "be", "bg"}, {"hi", "mr", "ne"}, {"fa", "ps"}, {"fr", "oc", "wa", "gcr", "gcf"}, {"it", "vec", "lij"}, {"tl", "bcl"},
)  # fmt: skip
_COMMON_ENGLISH = frozenset(
    words_of(
        "the a an of to and in that is was it for on with as they she he her his their how what why does do who which when where speaker sound sounds about feel feels because"
    )
)


def code(language: str) -> str:
    """An ISO 639 code, with or without a country, as two letters where there are two.

    Example:
        >>> code("en-SG"), code("deu"), code("zh_Hans")
        ('en', 'de', 'zh')
    """
    first = language.strip().lower().replace("_", "-").partition("-")[0]
    return _THREE.get(first, first)


def wrong_language(text: str, language: str, *, transcript: str = "") -> bool:
    """Whether a text is surely not in a language.

    Args:
        text: a question or an answer.
        language: ISO 639 code of the one that was asked for. A language that is not known is not checked but for nothing.
        transcript: the spoken words: what they have in scripts and words may stand in the text.
    """
    asked = code(language)
    plain = unquoted(text)
    if foreign_script(plain, asked, transcript):
        return True
    if asked == "en" and _common(plain) >= 0.25:
        return False
    spoken = set(transcript.casefold().split())
    own = " ".join(word for word in plain.split() if word.casefold() not in spoken)
    letters = sum(4 if unicodedata.name(sign, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL")) else 1 for sign in own if sign.isalpha())
    probabilities = dict(_identifier().rank(own))
    if letters < FEWEST_LETTERS or asked not in probabilities:
        return False
    best = max(probabilities, key=probabilities.__getitem__)
    return _with_relatives(asked, probabilities) < UNLIKELY and _with_relatives(best, probabilities) >= SURE


def foreign_script(text: str, language: str, transcript: str = "") -> bool:
    """Whether a text has a letter of a script that neither its language nor the talk has.

    Example:
        >>> foreign_script("The speaker sounds 愤怒.", "en"), foreign_script("Café Müller", "en"), foreign_script("What does 你好 mean?", "en", "你好 everybody")
        (True, False, False)
    """
    if language in _TWO_SCRIPTS:
        return False
    known = _SCRIPTS.get(language, ())
    return any(script != "LATIN" and script not in known and script not in _scripts(transcript) for script in _scripts(text))


def _scripts(text: str) -> set[str]:
    found = {unicodedata.name(sign, "LATIN").split()[0].partition("-")[0] for sign in text if sign.isalpha()}
    return found - {"MICRO", "MODIFIER", "OHM", "FEMININE", "MASCULINE", "FULLWIDTH", "DOUBLE-STRUCK", "MATHEMATICAL"}


def _common(text: str) -> float:
    """Share of the words that are among the commonest of English."""
    words = words_of(text)
    return sum(word in _COMMON_ENGLISH for word in words) / len(words) if words else 0.0


def _with_relatives(language: str, probabilities: dict[str, float]) -> float:
    family = next((group for group in _RELATIVES if language in group), {language})
    return sum(probabilities.get(name, 0.0) for name in family)


@functools.lru_cache(maxsize=1)
def _identifier() -> Any:
    """The classifier, loaded once (half a second)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

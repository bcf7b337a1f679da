"""Languages by name, as foreign metadata have them, to ISO 639 codes, as clips have them."""

from __future__ import annotations

import re
from typing import Any

CODES = {
    **{"amharic": "am", "arabic": "ar", "bangla": "bn", "bengali": "bn", "cantonese": "yue", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl"},
    **{"english": "en", "estonian": "et", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu"},
    **{
        "indonesian": "id",
        "italian": "it",
        "japanese": "ja",
        "korean": "ko",
        "malay": "ms",
        "mandarin": "zh",
        "norwegian": "no",
        "persian": "fa",
        "polish": "pl",
    },
    **{"portuguese": "pt", "romanian": "ro", "russian": "ru", "spanish": "es", "swahili": "sw", "swedish": "sv", "tamil": "ta", "telugu": "te", "thai": "th"},
    **{"turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi"},
}


def language_code(name: Any) -> str | None:
    """The ISO 639 code of a language; None where it is not known.

    Args:
        name: a code with or without a region, or an English name with or without words before it.

    Example:
        >>> language_code("English"), language_code("en-US"), language_code("Singaporean English"), language_code("zh"), language_code("")
        ('en', 'en', 'en', 'zh', None)
    """
    text = str(name or "").strip().lower()
    if code := re.fullmatch(r"([a-z]{2,3})(?:[-_].*)?", text):
        return code[1]
    return next((CODES[part] for part in reversed(re.split(r"[^a-z]+", text)) if part in CODES), None)

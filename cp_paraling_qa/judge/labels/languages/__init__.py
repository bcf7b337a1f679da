"""Answers in other languages: one file of data each, read by `gloss`.

Another language is one file with a `Language` in it and one line here.
"""

from __future__ import annotations

LANGUAGES: dict[str, str] = {
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "zh": "chinese",
    "ms": "malay",
    "hi": "hindi",
}
"""Code → module of this package that holds its `LANGUAGE`."""

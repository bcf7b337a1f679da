"""What a language file holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

MOVES = "not<"
"""Gloss of a negator that stands behind what it negates: it goes to the front of its clause."""
FILLER = "x"
"""Stands for a word that the language file does not know."""
_FIRST_MARK = 0xE000  # private use: no answer holds these, so an English gloss cannot be glossed again
_INSERTED = re.compile(r"<([^>]*)>")


@dataclass(frozen=True)
class Language:
    """A language as seen by the label mapper: every word and phrase that matters, with its English.

    In `words` and `frame` each line is "English: its words", apart by blanks; _ joins phrases, ~ stands for every one of `endings`.

    Attributes:
        name: in English.
        words: what labels are made of, by the English word of the lexicon that says the same.
        frame: what decides a label's worth: negation, hedges, contrast, reports, persons. "not<" moves to the front of its clause.
        rewrites: patterns over the folded text, and what replaces them; what stands in <> there is English already.
        endings: inflections for ~.
        fold: characters that are one to the mapper (traditional to simplified, a nukta to none).
        script: characters that give the language away; None for Latin script, where words decide.
        spaced: whether blanks part the words.
        final_negation: whether a "not" that ends a clause negates the clause ("Traurig ist sie nicht").
    """

    name: str
    words: Mapping[str, str]
    frame: Mapping[str, str]
    rewrites: tuple[tuple[str, str], ...] = ()
    endings: tuple[str, ...] = ("",)
    fold: Mapping[str, str] = field(default_factory=dict)
    script: str | None = None
    spaced: bool = True
    final_negation: bool = False

    @cached_property
    def _compiled(self) -> tuple[list[tuple[re.Pattern[str], str]], dict[str, str]]:
        marks: dict[str, str] = {}

        def mark(match: re.Match[str]) -> str:
            sign = chr(_FIRST_MARK + len(marks))
            marks[sign] = match[1]
            return f" {sign} "

        return [(re.compile(pattern), _INSERTED.sub(mark, replacement)) for pattern, replacement in self.rewrites], marks

    @property
    def patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The rewrites, compiled; English stands behind private-use signs."""
        return self._compiled[0]

    @cached_property
    def folding(self) -> dict[int, str]:
        """For `str.translate`."""
        return str.maketrans(dict(self.fold))

    def folded(self, text: str) -> str:
        """A text as the glossary spells it: lower case, Latin letters without accents."""
        return fold(text).translate(self.folding)

    def _expand(self, lists: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for english, words in lists.items():
            for word in words.split():
                for ending in self.endings if "~" in word else ("",):
                    found.setdefault(self.folded(word.replace("~", ending).replace("_", " ")), english)
        return found

    @cached_property
    def meanings(self) -> dict[str, str]:
        """Folded word or phrase → the English word of the lexicon, for what labels are made of."""
        return self._expand(self.words)

    @cached_property
    def glossary(self) -> dict[str, str]:
        """Folded word or phrase, apart by single blanks → its English; the frame yields to the words."""
        return {**self._compiled[1], **self._expand(self.frame), **self.meanings}

    @cached_property
    def longest(self) -> int:
        """Words of the longest phrase; characters where no blanks part them."""
        return max(len(phrase.split()) if self.spaced else len(phrase) for phrase in self.glossary)

    @cached_property
    def known(self) -> frozenset[str]:
        """Every single word of the glossary: what tells that a text is in this language."""
        return frozenset(word for phrase in self.glossary for word in phrase.split())


_SIGNS = str.maketrans({
    "’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "「": '"', "」": '"', "『": '"', "』": '"', "，": ", ", "、": ", ", "。": ". ", "！": "! ",
    "？": "? ", "；": "; ", "：": ": ", "（": " (", "）": ") ", "।": ". ", "¿": " ", "¡": " ", "ß": "ss", "œ": "oe", "æ": "ae", "【": " ", "】": " ", "《": '"', "》": '"',
})  # fmt: skip


def fold(text: str) -> str:
    """Lower case, ASCII punctuation, Latin letters without accents; other scripts in their composed form."""
    text = text.lower().translate(_SIGNS)
    if text.isascii():
        return text
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not 0x300 <= ord(char) <= 0x36F)
    return unicodedata.normalize("NFC", bare)

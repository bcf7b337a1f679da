"""What a language file holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

MOVES = "not<"
"""Gloss of a negator that stands behind what it negates: it goes to the front of its clause."""
FILLER = "x"
"""Stands for a word that the language file does not know."""
_FIRST_MARK = 0xE000  # private use: no answer holds these, so an English gloss cannot be glossed again
_INSERTED = re.compile(r"<([^>]*)>")
_REPEATED = re.compile(r"(.)\1{2,}")
_GUESSES = 50_000
"""Unknown words whose guess is remembered, a language."""
_SPELLED_FROM, _SPELLED_TO = 6, 24
"""Letters of a word that is looked for behind a misspelling."""


@dataclass(frozen=True)
class Language:
    """A language as seen by the label mapper: every word and phrase that matters, with its English.

    In `words` and `frame` each line is "English: its words", apart by blanks; _ joins phrases, ~ stands for every one of `endings`.

    Attributes:
        name: in English.
        words: what labels are made of, by the English word of the lexicon that says the same.
        frame: what decides a label's worth: negation, hedges, contrast, reports, persons. "not<" moves to the front of its clause.
        rewrites: patterns over the folded text (`fold` holds for them too), and what replaces them; what stands in <> there is English already.
        endings: inflections for ~.
        intensifiers: what may stand before a word, written as one with it, and only strengthens it ("stink" of "stinksauer").
        often_misspelled: words of `words` that are common enough to be met misspelled; those of fewer than six letters are not looked for.
        not_typos: everyday words that part from one of these by one letter.
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
    intensifiers: tuple[str, ...] = ()
    often_misspelled: str = ""
    not_typos: str = ""
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

        return [(re.compile(pattern.translate(self.folding)), _INSERTED.sub(mark, replacement)) for pattern, replacement in self.rewrites], marks

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

    def _spellings(self, words: str) -> Iterator[str]:
        """Words and phrases apart by blanks, folded, with every ending where ~ stands."""
        for word in words.split():
            for ending in self.endings if "~" in word else ("",):
                yield self.folded(word.replace("~", ending).replace("_", " "))

    def _expand(self, lists: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for english, words in lists.items():
            for word in self._spellings(words):
                found.setdefault(word, english)
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
    def widths(self) -> dict[str, tuple[int, ...]]:
        """First word of each phrase → how many words the phrases have that begin with it, most first; always 1 among them."""
        found: dict[str, set[int]] = {}
        for phrase in self.glossary:
            words = phrase.split()
            found.setdefault(words[0], {1}).add(len(words))
        return {word: tuple(sorted(counts, reverse=True)) for word, counts in found.items()}

    @cached_property
    def _shortened(self) -> dict[str, list[str]]:
        """What is left of each word that is often misspelled, whole or less any one of its letters → the words it comes from."""
        found: dict[str, list[str]] = {}
        for word in set(self._spellings(self.often_misspelled)) & self.meanings.keys():
            if _SPELLED_FROM <= len(word) <= _SPELLED_TO:
                for shorter in shortened(word):
                    found.setdefault(shorter, []).append(word)
        return found

    @cached_property
    def _usual(self) -> frozenset[str]:
        return frozenset(self._spellings(self.not_typos))

    @cached_property
    def _guessed(self) -> dict[str, str | None]:
        return {}

    def guess(self, word: str) -> str | None:
        """The English of a folded word that the glossary lacks: drawn out, strengthened, or misspelled by one letter; None where it is none of these.

        Always None in a script of its own, and where no blanks part the words.

        Example:
            >>> Language("Dutch", {"sad": "verdrietig"}, {}, often_misspelled="verdrietig").guess("verdriettig")
            'sad'
        """
        if self.script or not self.spaced or len(word) > _SPELLED_TO + 8:
            return None
        if word not in self._guessed:
            if len(self._guessed) >= _GUESSES:
                self._guessed.clear()
            self._guessed[word] = self._stretched(word) or self._corrected(word)
        return self._guessed[word]

    def _stretched(self, word: str) -> str | None:
        for repeat in (r"\1\1", r"\1"):
            shorter = _REPEATED.sub(repeat, word)
            if shorter != word and shorter in self.glossary:
                return self.glossary[shorter]
        for prefix in self.intensifiers:
            if word.startswith(prefix) and len(word) > len(prefix) + 3 and (english := self.meanings.get(word.removeprefix(prefix))):
                return english
        return None

    def _corrected(self, word: str) -> str | None:
        if len(word) < _SPELLED_FROM - 1 or word in self._usual:
            return None
        meant = {
            self.meanings[known] for shorter in shortened(word) for known in self._shortened.get(shorter, ()) if known[0] == word[0] and one_slip(word, known)
        }
        return meant.pop() if len(meant) == 1 else None

    @cached_property
    def known(self) -> frozenset[str]:
        """Every single word of the glossary: what tells that a text is in this language."""
        return frozenset(word for phrase in self.glossary for word in phrase.split())


def shortened(word: str) -> set[str]:
    """A word, and all that is left of it less one letter."""
    return {word} | {word[:i] + word[i + 1 :] for i in range(len(word))}


def one_slip(a: str, b: str) -> bool:
    """Whether two different words part by one letter: one too many, one missing, one replaced, or two neighbours swapped.

    Example:
        >>> one_slip("wutent", "wutend"), one_slip("frohlcih", "frohlich"), one_slip("traurig", "tragisch")
        (True, True, False)
    """
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    if len(a) != len(b):
        longer, shorter = (a, b) if len(a) > len(b) else (b, a)
        return longer[start + 1 :] == shorter[start:]
    return a[start + 1 :] == b[start + 1 :] or (a[start : start + 2] == b[start : start + 2][::-1] and a[start + 2 :] == b[start + 2 :])


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

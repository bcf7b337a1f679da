"""Which language an answer is in, and the answer in English words, one by one, so that the grammar in `claims` can read it.

A gloss is no translation: known words and phrases become English, all others a filler. What decides a label's worth (negation, contrast, refusal, report) stands
in the same order in most languages; where it does not, a language file says so (`not<`, `final_negation`, `rewrites`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module

from cp_paraling_qa.feeling_words import WORDS
from cp_paraling_qa.judge.labels.languages import LANGUAGES
from cp_paraling_qa.judge.labels.languages.language import FILLER, MOVES, Language, fold, one_slip, shortened
from cp_paraling_qa.judge.labels.lexicon_typos import SPELLED
from cp_paraling_qa.judge.labels.lexicon_voice import VOICE_WORDS

_READ = 6000
"""Characters of an answer that are looked at."""
_FEW = 3
"""An answer of no more words may be a misspelled label alone, which no word of the frame gives away."""
_WORD = re.compile(r"[\u0900-\u097f]+|[^\W\d_]+")
_TOKEN = re.compile(
    r"[a-z]+'(?:t|s|re|ve|ll|d|m)\b|[\ue000-\uf8ff]|[\u0900-\u0963\u0970-\u097f]+|[\u3400-\u9fff]+|(?:(?![\u3400-\u9fff])[^\W\d_])+|\d+(?:[.,]\d+)?|[^\w\s]|\n"
)
_SPEECH = re.compile(r'(" ?[^" \n]+ [^" \n]+ [^"\n]{1,400}")(?= ?\w)')
"""Quoted speech in the middle of a sentence: what follows it is no longer said."""
_QUOTED = re.compile(r'"[^"\n]{1,400}"')
_FUNCTION_WORDS = """
    a about all am an and answer any are as at audio based be because been best both but by can cannot clip could do does down either emotion emotional emotions
    expressed expresses feeling feels for from gender good has have he her hers him his how i if in is it its just label like likely low may mood more most my
    neither no nor not of on or person say says she so some sound sounding sounds speaker speaking speaks speech than that the their them there they this to tone too
    very voice was we what when which while who with would yes you your seems clearly rather sentiment
"""
_ENGLISH = frozenset(_FUNCTION_WORDS.split()) | {
    word.rstrip("?") for chains in (WORDS, *VOICE_WORDS.values()) for words in chains.values() for word in words.split() if "_" not in word
}
_BREAKS = frozenset({",", ".", "!", "?", ";", ":", "(", ")", "\n", "but", "although", "while", "because", "that", "therefore", "instead"})


@lru_cache(maxsize=16)
def language(code: str) -> Language:
    """The language of a code of `LANGUAGES`, its file read once."""
    found: Language = import_module(f"cp_paraling_qa.judge.labels.languages.{LANGUAGES[code]}").LANGUAGE
    return found


@lru_cache(maxsize=1)
def _scripts() -> list[tuple[str, re.Pattern[str]]]:
    return [(code, re.compile(f"[{script}]")) for code in LANGUAGES if (script := language(code).script)]


@lru_cache(maxsize=1)
def _english_shortened() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in SPELLED:
        for shorter in shortened(word):
            found.setdefault(shorter, []).append(word)
    return found


def _english_misspelled(word: str) -> bool:
    index = _english_shortened()
    return any(word == known or one_slip(word, known) for shorter in shortened(word) for known in index.get(shorter, ()))


@lru_cache(maxsize=1)
def _by_word() -> dict[str, tuple[str, ...]]:
    """Latin word → the languages that know it."""
    found: dict[str, tuple[str, ...]] = {}
    for code in LANGUAGES:
        for word in language(code).known:
            if word.isascii():
                found[word] = (*found.get(word, ()), code)
    return found


def language_of(text: str) -> str | None:
    """The code of an answer's language; None for English and for any language without a file.

    A script of its own decides, else which language knows most of the words outside quotation marks; English wins a draw.

    Example:
        >>> language_of("Die Sprecherin klingt traurig."), language_of("She sounds sad."), language_of("说话者很难过")
        ('de', None, 'zh')
    """
    text = text[:_READ]
    if not text.isascii():
        text = fold(text)
    outside = _QUOTED.sub(" ", text)
    if not any(char.isalpha() for char in outside):
        outside = text
    if not outside.isascii():
        for code, pattern in _scripts():
            if pattern.search(outside):
                return code
    words = _WORD.findall(outside.lower())
    english = sum(word in _ENGLISH for word in words)
    if 2 * english > len(words):
        return None
    counts: dict[str, int] = {}
    known = _by_word()
    for word in words:
        for code in known.get(word, ()):
            counts[code] = counts.get(code, 0) + 1
    best = max(counts, key=lambda code: counts[code], default=None)
    if best is None and not english and len(words) <= _FEW:
        return next((code for word in words if not _english_misspelled(word) for code in LANGUAGES if language(code).guess(word)), None)
    return best if best is not None and counts[best] > english else None


def _glossed(text: str, spoken: Language, keep: Mapping[str, str]) -> Iterator[str]:
    """The English of each known phrase, longest first; punctuation and the words of the label space stay; a filler for the rest.

    Beside a script of its own, Latin words are English: "The emotion is 悲伤".
    """
    for pattern, replacement in spoken.patterns:
        text = pattern.sub(replacement, text)
    glossary, longest, widths_of = spoken.glossary, spoken.longest, spoken.widths
    tokens = _TOKEN.findall(text)
    if not spoken.spaced:
        tokens = [part for token in tokens for part in (list(token) if "\u3400" <= token[0] <= "\u9fff" else [token])]
    joint = " " if spoken.spaced else ""
    i = 0
    while i < len(tokens):
        widths = widths_of.get(tokens[i], (1,)) if spoken.spaced else range(longest, 0, -1)
        for width in widths:
            if i + width > len(tokens):
                continue
            phrase = joint.join(tokens[i : i + width])
            if (english := glossary.get(phrase, keep.get(phrase))) is not None:
                yield english
                i += width
                break
        else:
            token = tokens[i]
            yield (spoken.guess(token) or FILLER) if token[0].isalpha() and not (spoken.script and token[0].isascii()) else token
            i += 1


def _clauses(words: list[str], spoken: Language) -> Iterator[str]:
    """Words with every negator that stands behind what it negates moved to the front of its clause."""
    clause: list[str] = []
    for word in [*words, "\n"]:
        if word in _BREAKS:
            yield from _ordered(clause, spoken)
            clause = []
            yield word
        else:
            clause.append(word)
            if word.endswith(","):
                yield from _ordered(clause, spoken)
                clause = []


def _ordered(clause: list[str], spoken: Language) -> list[str]:
    if spoken.final_negation and len(clause) > 1 and clause[-1] == "not":
        clause = ["not", *clause[:-1]]
    moved = [word for word in clause if word.startswith(MOVES)]
    if not moved:
        return clause
    rest = [word for word in clause if not word.startswith(MOVES)]
    return ["not", *rest, *(word.removeprefix(MOVES) for word in moved)]


def gloss(text: str, code: str, keep: Mapping[str, str] | None = None) -> str:
    """An answer word by word in English.

    Args:
        text: the answer.
        code: its language, one of `LANGUAGES`.
        keep: words that stay as they are: the label space's own, in any language.

    Example:
        >>> gloss("Traurig klingt er nicht, sondern wütend.", "de")
        'not sad sounds he , but angry .'
    """
    spoken = language(code)
    text = text if len(text) <= _READ else f"{text[: _READ // 2]}. {text[-_READ // 2 :]}"
    plain = spoken.folded(text)
    if '"' in plain and spoken.spaced:
        plain = _SPEECH.sub(r"\1 ,", plain)
    words = [word for word in _glossed(plain, spoken, keep or {}) if word]
    parts: list[str] = []
    for word in _clauses(words, spoken):
        if word and not (word == FILLER and parts and parts[-1] == FILLER and not spoken.spaced):
            parts.append(word)
    return " ".join(parts).strip()


@lru_cache(maxsize=4096)
def meaning(label: str) -> str | None:
    """The English word for a label in another language; None where no language file has it.

    Example:
        >>> meaning("wütend"), meaning("难过"), meaning("wistful")
        ('angry', 'sad', None)
    """
    for code in LANGUAGES:
        spoken = language(code)
        found = spoken.meanings.get(" ".join(_WORD.findall(spoken.folded(label))))
        if found and found != label:
            return found
    return None

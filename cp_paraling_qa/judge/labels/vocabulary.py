"""The words of `feeling_words`, seen from one label space: which word says which of its labels, inflected or misspelled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from cp_paraling_qa.feeling_words import WORDS
from cp_paraling_qa.judge.labels.languages.gloss import meaning
from cp_paraling_qa.judge.labels.languages.language import fold
from cp_paraling_qa.judge.labels.lexicon import CODES, GENDER, NUMBERS, SENTIMENTS, forms
from cp_paraling_qa.judge.labels.lexicon_typos import NOT_TYPOS, SPELLED
from cp_paraling_qa.judge.labels.lexicon_voice import MODERATE, VOICE_WORDS
from cp_paraling_qa.labels import SENTIMENT, canonical

HINT = 1.2
"""Strength of a word that only hints at its meaning; a plain claim is worth 2."""
DERIVED = 1.4
"""Strength of an emotion word where the space asks for sentiment."""
_TYPO_FROM, _TWO_ERRORS_FROM = 5, 9
_LEADS_TO_ANSWER = frozenset({":", "is", "say", "so", "thus", "therefore", "hence", "be", "answer", "clearly", "definitely"})
_REPEATS = re.compile(r"(.)\1+")
_REPEATED = re.compile(r"(.)\1{2,}")


@dataclass(frozen=True, slots=True)
class Sense:
    """What a word means in a label space.

    Attributes:
        label: the label in the space's own spelling; None where the word names something of the same kind that the space lacks.
        weight: strength of a plain mention.
        gender: whether it names a person's gender.
    """

    label: str | None
    weight: float = 2.0
    gender: bool = False


@lru_cache(maxsize=1)
def _entries() -> dict[tuple[str, ...], list[tuple[tuple[str, ...], bool]]]:
    """Word or phrase → the meanings it stands for, each a chain of concepts, and whether it only hints."""
    found: dict[tuple[str, ...], list[tuple[tuple[str, ...], bool]]] = {}
    for chain, words in WORDS.items():
        for word in words.split():
            found.setdefault(tuple(word.rstrip("?").split("_")), []).append((chain, word.endswith("?")))
    return found


@lru_cache(maxsize=1)
def _voice_concepts() -> dict[tuple[str, ...], str]:
    """Word or phrase → the concept of `VOICE_WORDS` that it names outright."""
    found: dict[tuple[str, ...], str] = {}
    for chains in VOICE_WORDS.values():
        for chain, words in chains.items():
            found.setdefault(tuple(chain[0].split()), chain[0])
            for word in words.split():
                if not word.endswith("?"):
                    found.setdefault(tuple(word.split("_")), chain[0])
    return found


def tokens(text: str) -> tuple[str, ...]:
    """A label or answer as lower-case words and numbers."""
    return tuple(re.findall(r"\d+(?:\.\d+)?|[\u0900-\u0963\u0970-\u097f]+|[^\W\d_]+", text.lower()))


def concept(label: str) -> str | None:
    """The lexicon's name for what a label means; None where the lexicon does not have it.

    Example:
        >>> concept("Sadness"), concept("woman"), concept("annoyance"), concept("Rapid"), concept("traurig"), concept("Tyneside")
        ('sad', 'female', 'annoyed', 'fast', 'sad', None)
    """
    heads = {chain[0] for chain in WORDS}
    plain = label.strip().lower()
    if plain in heads:
        return plain
    if canonical(plain) in heads:
        return canonical(plain)
    if plain in CODES:
        return CODES[plain]
    words = tokens(plain)
    known, voice = _entries().get(words), _voice_concepts().get(words)
    if known and not (known[0][1] and voice):
        return known[0][0][0]
    if voice or known:
        return voice
    english = meaning(plain)
    return concept(english) if english else None


def same_meaning(a: str, b: str) -> bool:
    """Whether two labels mean the same: "anger" and "angry", "Woman" and "female"."""
    a, b = a.strip().lower(), b.strip().lower()
    return a == b or canonical(a) == canonical(b) or (concept(a) is not None and concept(a) == concept(b))


def _deletions(word: str, errors: int) -> set[str]:
    found = {word}
    for _ in range(errors):
        found |= {shorter[:i] + shorter[i + 1 :] for shorter in found for i in range(len(shorter))}
    return found


def _single(word: str) -> str:
    """A word without its doubled letters: they are what is misspelled most."""
    return _REPEATS.sub(r"\1", word)


def _distance(a: str, b: str) -> int:
    """Edits between two words: insert, delete, replace, swap neighbours (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        earlier, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


class Vocabulary:
    """All words that speak about one label space.

    Args:
        space: the labels, in their own spelling.
    """

    def __init__(self, space: Sequence[str]) -> None:
        self.space = tuple(space)
        self.concepts = {label: concept(label) for label in self.space}
        self.senses: dict[tuple[str, ...], Sense] = {}
        self._add_voice()
        self._add_lexicon()
        self._add_labels()
        self.complements = self._complements()
        self.own_words = {fold(phrase[0]): phrase[0] for phrase, sense in self.senses.items() if len(phrase) == 1 and sense.weight >= 2}
        self.longest = max((len(phrase) for phrase in self.senses), default=1)
        self._first: dict[str, list[tuple[str, ...]]] = {}
        for phrase in sorted(self.senses, key=len, reverse=True):
            self._first.setdefault(phrase[0], []).append(phrase)
        self._misspelled: dict[str, set[str]] = {}
        own = {tokens(label) for label in self.space}
        for phrase, sense in self.senses.items():
            word = phrase[0]
            if len(phrase) == 1 and len(word) >= _TYPO_FROM and sense.weight > HINT and word.isalpha() and (word in SPELLED or phrase in own):
                for shorter in _deletions(word, 2 if len(word) >= _TWO_ERRORS_FROM else 1) | {_single(word)}:
                    self._misspelled.setdefault(shorter, set()).add(word)
        self._guesses: dict[str, tuple[str, ...] | None] = {}

    def _holder(self, chain: Iterable[str]) -> str | None:
        """The label that holds the first concept of a chain: by its own name first ("angry" before "irate")."""
        for name in chain:
            holders = [label for label, held in self.concepts.items() if held == name]
            if holders:
                return next((label for label in holders if label.lower() == name), holders[0])
        return None

    def _add_lexicon(self) -> None:
        held = set(self.concepts.values()) - {None}
        gender, sentiment = bool(held & GENDER), bool(held & SENTIMENTS)
        emotion = bool(held - GENDER - SENTIMENTS)
        for phrase, meanings in _entries().items():
            for chain, hint in meanings:
                weight = HINT if hint else 2.0
                if chain[0] in GENDER:
                    if gender:
                        weight = 0.5 if hint else 2.0
                        self.senses[phrase] = Sense(self._holder(chain), weight, gender=True)
                    continue
                if chain[0] in SENTIMENTS:
                    if sentiment:
                        self.senses[phrase] = Sense(self._holder(chain), weight)
                    continue
                label = self._holder(chain)
                if label is None and sentiment:
                    label, weight = self._sentiment_of(chain), min(weight, DERIVED)
                    if label is None:
                        continue
                if label is not None or emotion:
                    self.senses[phrase] = Sense(label, weight)

    def _sentiment_of(self, chain: Iterable[str]) -> str | None:
        """The label for the sentiment that goes with a feeling."""
        sentiment = next((SENTIMENT[name] for name in chain if name in SENTIMENT), None)
        return self._holder([sentiment]) if sentiment else None

    def _add_voice(self) -> None:
        held = {name for name in self.concepts.values() if name}
        if held & SENTIMENTS:
            for chain, words in VOICE_WORDS["feeling"].items():
                if label := self._sentiment_of(chain):
                    for word in words.split():
                        self.senses[tuple(word.rstrip("?").split("_"))] = Sense(label, HINT if word.endswith("?") else DERIVED)
        for chains in VOICE_WORDS.values():
            asked = held & {chain[0] for chain in chains}
            if not asked or asked == {MODERATE}:
                continue
            for chain, words in chains.items():
                label = self._holder(chain)
                if label is None and len(asked) < 2:
                    continue
                for word in words.split():
                    self.senses[tuple(word.rstrip("?").split("_"))] = Sense(label, HINT if word.endswith("?") else 2.0)

    def _complements(self) -> dict[str, str]:
        """Labels that only say "not" of another one, both ways: sarcastic and not sarcastic, native and non-native."""
        bare = {tokens(label): label for label in self.space}
        found: dict[str, str] = {}
        for label in self.space:
            words = tokens(label)
            other = bare.get(words[1:]) if len(words) > 1 and words[0] in ("not", "non", "no", "without") else None
            other = other or (bare.get((words[0][3:],)) if len(words) == 1 and words[0].startswith("non") else None)
            if other:
                found[other], found[label] = label, other
        return found

    def _add_labels(self) -> None:
        own = {tokens(label): label for label in self.space}
        for label in self.space:
            words = tokens(label)
            for i, word in enumerate(words):
                variants = forms(word) | ({NUMBERS[word]} if word in NUMBERS else {number for number, name in NUMBERS.items() if name == word})
                for variant in variants:
                    phrase = (*words[:i], variant, *words[i + 1 :])
                    known = self.senses.get(phrase)
                    if phrase not in own and (known is None or known.label is None) and (len(words) > 1 or not self._taken(variant)):
                        self.senses[phrase] = Sense(label)
        # a word by which just one of the labels of several words differs from the others stands for that label: "british" for "british english"
        split = {label: tokens(label) for label in self.space if len(tokens(label)) > 1}
        for label, words in split.items():
            for word in words:
                if len(word) > 3 and (word,) not in self.senses and sum(word in tokens(other) for other in self.space) == 1:
                    self.senses[(word,)] = Sense(label, HINT)
        for words, label in own.items():
            if words:
                known = self.senses.get(words)
                self.senses[words] = Sense(label, gender=known.gender if known else False)

    @staticmethod
    def _taken(word: str) -> bool:
        """Whether the lexicon knows the word in a meaning of its own."""
        return (word,) in _entries()

    def match(self, words: Sequence[str], at: int) -> tuple[Sense, int] | None:
        """The longest phrase of the vocabulary that begins at a word, and how many words it takes."""
        word = words[at]
        for phrase in self._first.get(word, ()):
            if tuple(words[at : at + len(phrase)]) == phrase and not self._common(phrase, words, at):
                return self.senses[phrase], len(phrase)
        if word in self._first or len(word) < 4 or not word.isalpha():
            return None
        guess = self._guess(word)
        return (self.senses[guess], 1) if guess else None

    @staticmethod
    def _common(phrase: tuple[str, ...], words: Sequence[str], at: int) -> bool:
        """Whether a label that is also an everyday word ("other", "no", "one") is used as that word here."""
        if phrase in (("no",), ("yes",)):
            following = words[at + 1] if at + 1 < len(words) else "."
            return not ((at == 0 or words[at - 1] in _LEADS_TO_ANSWER) and following in (",", ".", "!", ";", "?", ":"))
        if phrase in (("other",), ("unknown",), ("others",)):
            return at > 0 and words[at - 1] not in (":", "is", "=", "as", "label")
        return False

    def _guess(self, word: str) -> tuple[str, ...] | None:
        """The word that a misspelling stands for, if exactly one label comes from the nearest ones."""
        if word not in self._guesses:
            if len(self._guesses) > 50_000:
                self._guesses.clear()
            self._guesses[word] = self._correct(word)
        return self._guesses[word]

    def _correct(self, word: str) -> tuple[str, ...] | None:
        for repeat in (r"\1\1", r"\1"):
            shorter = _REPEATED.sub(repeat, word)
            if shorter != word and (shorter,) in self.senses:
                return (shorter,)
        word = _REPEATED.sub(r"\1\1", word)
        if word in NOT_TYPOS:
            return None
        for i, (a, b) in enumerate(pairwise(word)):
            if a == b and len(word) < _TYPO_FROM + 1 and (word[:i] + word[i + 1 :],) in self.senses:
                return (word[:i] + word[i + 1 :],)
        same = {known for known in self._misspelled.get(_single(word), ()) if _single(known) == _single(word)}
        if len(same) == 1:
            return (same.pop(),)
        near: dict[int, set[str]] = {}
        for shorter in _deletions(word, 2 if len(word) >= _TWO_ERRORS_FROM - 1 else 1):
            for known in self._misspelled.get(shorter, ()):
                errors = _distance(word, known)
                if known[: max(errors, 1)] == word[: max(errors, 1)] and errors <= (2 if len(known) >= _TWO_ERRORS_FROM else 1):
                    near.setdefault(errors, set()).add(known)
        if not near:
            return None
        best = near[min(near)]
        return (min(best),) if len({self.senses[(known,)].label for known in best}) == 1 else None


@lru_cache(maxsize=64)
def vocabulary_for(space: tuple[str, ...]) -> Vocabulary:
    """The vocabulary of a label space, built once."""
    return Vocabulary(space)

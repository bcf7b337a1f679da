"""A question about to be kept or dropped, and the words in which the filters read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from cp_paraling_qa.generate.feelings import words_of


@dataclass(frozen=True)
class Candidate:
    """A question about to be kept or dropped, with what the filters need to know.

    Args:
        question: as written.
        answer: as written.
        type: of `schema.QUESTION_TYPES`; empty where nobody knows.
        emotions: the clip's consensus, and every label of its track.
        gender: female, male or None.
        transcript: the spoken words.
        names_feeling: an answer must name a feeling.
        prompt_words: content words of the prompt's worked examples.
        earlier: questions already kept for this clip.
        language: ISO 639 code in which question and answer are to be; None: English words are looked for, and the language is not checked.
        speakers: how many people are heard, from 1; None: unknown.
        affect: axis → mean score, 0 to 1; None: unknown.
        shares: emotion → share of the votes, 0 to 1, where raters disagree (`ledger.shares`); None: `emotions` alone decide.
    """

    question: str
    answer: str
    type: str
    emotions: Collection[str] = ()
    gender: str | None = None
    transcript: str = ""
    names_feeling: bool = False
    prompt_words: frozenset[str] = frozenset()
    earlier: Collection[str] = field(default=())
    language: str | None = None
    speakers: int | None = None
    affect: Mapping[str, float | None] | None = None
    shares: Mapping[str, float] | None = None

    @property
    def both(self) -> str:
        """Question and answer."""
        return f"{self.question} {self.answer}"


Filter = Callable[[Candidate], str | None]
"""None to keep, or the reason for the drop."""

_STOP = frozenset(
    words_of(
        "a an and are about all after any am as at back be because been before being but by can could did do does don for from get go going had has have "
        "he her here him his how i if in into is it its just like me might more most must my new no not now of off on one only or other our out over own "
        "perhaps said says she should so some somebody someone speaker speak sound sounds speaks still talk talking talks than that the their them then "
        "there these they this those to today too tomorrow tonight two up us very voice want wants was way we were what when where which who why will with "
        "would you your feel feels feeling mood friend hear heard matter man woman person really much"
    )
)


def is_content(word: str) -> bool:
    """Whether a word says what a text is about."""
    return word not in _STOP and len(word) > 2


def content_words(text: str) -> set[str]:
    """The words that say what a text is about, cut to five letters so that "neighbour" meets "neighbours"."""
    return {word[:5] for word in words_of(text) if is_content(word)}


def says(transcript: str, word: str) -> bool:
    """Whether the talk has a word, inflected as it may be: then the word is a matter of the talk.

    Example:
        >>> says("Please label these boxes.", "labels"), says("The text was long.", "texts"), says("They waited.", "label")
        (True, True, False)
    """

    def stem(form: str) -> str:
        return form.removesuffix("'s").removesuffix("s")[:5]

    return {stem(part) for part in words_of(word)} <= {stem(spoken) for spoken in words_of(transcript)}

"""From a free-text answer to one label of a label space, or to none.

In order: the answer is the label; the word lists with their grammar (`label_words`); a sentence embedding, only for answers in which no known word stands and
nothing is negated or refused (`label_meaning`); an LLM, only if one is given (`label_llm`); else abstain. Every row says which stage decided and why. Embeddings
alone were measured to map refusals (similarity to "sad" 0.65) and to ignore "not": hence the order, the threshold and the margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING

from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.labels.label_llm import by_llm
from cp_paraling_qa.judge.labels.label_match import (
    ABSTAIN,
    BELOW,
    CLOSE,
    EMBEDDING,
    EMPTY,
    EXACT,
    LEXICON,
    LLM,
    NEGATED,
    NO_WORD,
    NOT_INSTALLED,
    OUTSIDE,
    QUOTED,
    REFUSED,
    SEVERAL,
    LabelMatch,
)
from cp_paraling_qa.judge.labels.label_meaning import by_meaning, prototypes
from cp_paraling_qa.judge.labels.label_words import by_words
from cp_paraling_qa.judge.labels.vocabulary import tokens, vocabulary_for
from cp_paraling_qa.judge.thought import without_thought

if TYPE_CHECKING:
    from cp_paraling_qa.judge.judging import Judge

__all__ = [
    "ABSTAIN",
    "BELOW",
    "CLOSE",
    "EMBEDDING",
    "EMPTY",
    "EXACT",
    "LEXICON",
    "LLM",
    "NEGATED",
    "NOT_INSTALLED",
    "NO_WORD",
    "OUTSIDE",
    "QUOTED",
    "REFUSED",
    "SEVERAL",
    "LabelMatch",
    "by_words",
    "map_labels",
    "prototypes",
]


def map_labels(
    texts: Sequence[str | None],
    label_space: Sequence[str],
    *,
    embedder: Embedder | None = None,
    threshold: float = 0.35,
    margin: float = 0.05,
    llm: Judge | None = None,
) -> list[LabelMatch]:
    """The one label that each answer finally claims for the speaker, or None.

    A hedged single claim counts, and so do misspellings and tags such as <|ANGRY|>; hints, quotations, negated and rejected candidates do not; two labels of
    equal weight abstain. Where the speaker changes, the state that the answer ends on counts ("calm at first, angry by the end"); a bare sequence ("calm, then
    angry") claims both alike. English, and the languages of `judge.labels.languages`; labels may be spelled in any of them.

    Args:
        texts: the answers; None is an empty one.
        label_space: the labels to choose from, returned in this spelling.
        embedder: texts → rows, whose cosines are compared; asked only about answers without a known word. None leaves those open. If its package is missing they
            abstain, saying so.
        threshold: least cosine of an accepted label, -1 to 1.
        margin: least lead over the second label, and over sentences that say nothing about a speaker's state.
        llm: asked last, about answers that are still open and no refusals: a callable from chat messages, one list per answer, to reply texts; or a
            `JudgeConfig` or its fields. None asks none.

    Returns:
        One `LabelMatch` per text, in order.

    Raises:
        JudgeError: texts is one string or holds something else, or the label space is empty, has an empty or a repeated label; threshold or margin
            is no number; or the embedder or the LLM cannot be used.
        LLMError: the LLM's endpoint cannot be used at all.

    Example:
        >>> [match.label for match in map_labels(["Not angry, rather downcast.", "I cannot tell.", "<|ANGRY|>"], ["angry", "sad"])]
        ['sad', None, 'angry']
    """
    if isinstance(texts, str):
        raise JudgeError("texts is one string; give a list of answers")
    texts = list(texts)
    if stray := [i for i, text in enumerate(texts) if text is not None and not isinstance(text, str)]:
        raise JudgeError(f"texts[{stray[0]}] is a {type(texts[stray[0]]).__name__}; give a string or None")
    label_space = [] if isinstance(label_space, str) else list(label_space)
    if not label_space:
        raise JudgeError("label_space must be a list of at least one label")
    if wrong := [label for label in label_space if not isinstance(label, str) or not tokens(label)]:
        raise JudgeError(f"label_space holds {wrong[0]!r}, which is no label")
    if len({tokens(label) for label in label_space}) < len(label_space):
        raise JudgeError(f"label_space repeats a label: {', '.join(label_space)}")
    if embedder is not None and not callable(embedder):
        raise JudgeError(f"embedder is {embedder!r}; give a callable from texts to rows, or None")
    for name, value in (("threshold", threshold), ("margin", margin)):
        if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):  # nothing is below NaN: every label would be near enough
            raise JudgeError(f"{name} is {value!r}; give a number")
    vocabulary = vocabulary_for(tuple(label_space))
    texts = [None if text is None else without_thought(text) for text in texts]
    read = [by_words(text, vocabulary) for text in texts]
    matches = [found.match for found in read]
    unknown = [i for i, found in enumerate(read) if found.unknown]
    if embedder is not None and unknown:
        for i, match in zip(unknown, by_meaning([texts[i] or "" for i in unknown], vocabulary, embedder, threshold, margin), strict=True):
            matches[i] = match
    still_open = [i for i, found in enumerate(read) if found.open and matches[i].label is None]
    if llm is not None and still_open:
        for i, match in zip(still_open, by_llm([texts[i] or "" for i in still_open], label_space, llm), strict=True):
            matches[i] = match
    return matches

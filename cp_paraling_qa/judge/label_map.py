"""From a free-text answer to one label of a label space, or to none.

In order: the answer is the label; the word lists with their grammar (`claims`); a sentence embedding, only for answers in which no known word stands and
nothing is negated or refused; else abstain. Every row says which stage decided and why. Embeddings alone were measured to map refusals (similarity to "sad"
0.65) and to ignore "not": hence the order, the threshold and the margin.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.errors import JudgeError, MissingExtraError
from cp_paraling_qa.feeling_words import WORDS
from cp_paraling_qa.judge.claims import Mention, Reading, read
from cp_paraling_qa.judge.lexicon import CODES
from cp_paraling_qa.judge.vocabulary import Vocabulary, tokens, vocabulary_for
from cp_paraling_qa.labels import adjective

EXACT, LEXICON, EMBEDDING, ABSTAIN = "exact", "lexicon", "embedding", "abstain"

EMPTY = "empty answer"
REFUSED = "refusal"
SEVERAL = "several labels claimed alike"
OUTSIDE = "claims a label outside the label space"
NO_WORD = "no known word"
NEGATED = "negation without a known word"
NOT_INSTALLED = "no known word, and the embedding model is not installed"
BELOW = "no label is near enough in meaning"
QUOTED = "quoted speech without a known word"
CLOSE = "two labels are about as near in meaning"

_NUMBER_BEHIND = re.compile(r" *[:=(]? *(\d+(?:\.\d+)?) ?%?")
_NUMBER_BEFORE = re.compile(r"(\d+(?:\.\d+)?) ?(?:%|percent) (?:of )?$")
_FIELD = re.compile(r"^\W*(?:\w+[ _])?(?:label|emotion|gender|sex|sentiment|answer|class|emo|category|prediction)\W*[:=]", re.IGNORECASE)
_SYNONYMS = 6
_BACKGROUND = (
    "The speaker is talking.",
    "A person says something.",
    "The speaker talks about something that happened.",
    "The speaker's voice and emotion.",
    "The speaker is a person.",
    "The emotion of the speaker is not known.",
)
"""What an answer that names no label is about. A label must be nearer than these: otherwise "The speaker talks about the weather" maps, by its frame alone."""


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """What an answer maps to.

    Attributes:
        label: a label of the space in its own spelling, or None: abstained.
        stage: exact, lexicon, embedding or abstain.
        reason: for a label, the word and its role; for None, a short phrase to be counted.
        score: 0–1: how strong the claim is (1 the answer's own final word, 0.67 a plain claim, less where hedged), or the cosine; 0 where nothing was found.
    """

    label: str | None
    stage: str
    reason: str
    score: float


def _exact(text: str, vocabulary: Vocabulary) -> LabelMatch | None:
    words = tokens(_FIELD.sub("", text))
    if not words or len(words) > 4:
        return None
    for label in vocabulary.space:
        if tokens(label) == words:
            return LabelMatch(label, EXACT, "the label itself", 1.0)
    if len(words) == 1 and words[0] in CODES:
        meant = CODES[words[0]]
        for label, held in vocabulary.concepts.items():
            if held == meant:
                return LabelMatch(label, EXACT, f"code {words[0]}", 1.0)
    return None


def _probabilities(text: str, reading: Reading) -> Mention | None:
    """The likeliest of labels that are listed with numbers ("angry 0.2, sad 0.7", "80% sad, 20% angry"); None where they are not, or two share the first place."""
    lowered, at, listed = text.lower().replace('"', " "), 0, []
    for mention in reading.mentions:
        at = lowered.find(mention.word, at)
        if at < 0:
            return None
        number = _NUMBER_BEFORE.search(lowered, 0, at)
        at += len(mention.word)
        number = number or _NUMBER_BEHIND.match(lowered, at)
        if number is None:
            return None
        listed.append((float(number[1]), mention))
    if len(listed) < 2:
        return None
    listed.sort(key=lambda pair: -pair[0])
    return listed[0][1] if listed[0][0] > listed[1][0] else None


def _decide(text: str, reading: Reading) -> LabelMatch | None:
    """What the word lists say; None where they know no word of the answer."""
    if not reading.mentions:
        return None
    if likeliest := _probabilities(text, reading):
        return LabelMatch(likeliest.sense.label, LEXICON if likeliest.sense.label else ABSTAIN, f"{likeliest.word}: the highest number", 1.0)
    strongest = max(mention.strength for mention in reading.mentions)
    if strongest <= 0.2:
        why = REFUSED if reading.refusal else Counter(mention.why for mention in reading.mentions).most_common(1)[0][0]
        return LabelMatch(None, ABSTAIN, why, 0.0)
    leading = [mention for mention in reading.mentions if mention.strength > strongest - 0.05]
    labels = {mention.sense.label for mention in leading} - {None}
    if not labels:
        return LabelMatch(None, ABSTAIN, OUTSIDE, 0.0)
    if len(labels) > 1:
        return LabelMatch(None, ABSTAIN, SEVERAL, 0.0)
    chosen = next(mention for mention in leading if mention.sense.label)
    return LabelMatch(chosen.sense.label, LEXICON, f"{chosen.word}: {chosen.why}", round(min(1.0, chosen.strength / 3), 3))


def by_words(text: str | None, vocabulary: Vocabulary) -> tuple[LabelMatch, bool]:
    """Map one answer without an embedding.

    Returns:
        The match, and whether an embedding may still be asked: only where no word is known and nothing is negated, refused, quoted or empty.
    """
    if text is None or not any(char.isalnum() for char in text):
        if text and (signs := read(text, vocabulary)).mentions:
            return _decide(text, signs) or LabelMatch(None, ABSTAIN, NO_WORD, 0.0), False
        return LabelMatch(None, ABSTAIN, EMPTY, 0.0), False
    if match := _exact(text, vocabulary):
        return match, False
    reading = read(text, vocabulary)
    if match := _decide(text, reading):
        return match, False
    if reading.refusal:
        return LabelMatch(None, ABSTAIN, REFUSED, 0.0), False
    if reading.negation:
        return LabelMatch(None, ABSTAIN, NEGATED, 0.0), False
    if reading.quotation:
        return LabelMatch(None, ABSTAIN, QUOTED, 0.0), False
    return LabelMatch(None, ABSTAIN, NO_WORD, 0.0), any(len(word) > 2 for word in tokens(text))


def prototypes(label: str, vocabulary: Vocabulary) -> list[str]:
    """Sentences that stand for a label: the bare word, two frames around it, and its first synonyms in the lexicon (several measured better than one)."""
    word = adjective(label.strip().lower())
    found = [word, f"The speaker sounds {word}.", f"The emotion is {label.lower()}."]
    held = vocabulary.concepts[label]
    for chain, words in WORDS.items():
        if held == chain[0]:
            plain = [item.replace("_", " ") for item in words.split() if not item.endswith(("?", "ly"))]
            found += [f"The speaker sounds {item}." for item in plain[:_SYNONYMS]]
    return found


def _by_meaning(texts: list[str], vocabulary: Vocabulary, embedder: Embedder, threshold: float, margin: float) -> list[LabelMatch]:
    import numpy as np

    owners: list[int] = []
    sentences: list[str] = []
    for i, label in enumerate(vocabulary.space):
        for sentence in prototypes(label, vocabulary):
            owners.append(i)
            sentences.append(sentence)
    try:
        rows = embedder([*sentences, *_BACKGROUND, *texts])
    except MissingExtraError:
        return [LabelMatch(None, ABSTAIN, NOT_INSTALLED, 0.0)] * len(texts)
    fixed = len(sentences) + len(_BACKGROUND)
    likeness = np.asarray(rows[fixed:], dtype=np.float64) @ np.asarray(rows[:fixed], dtype=np.float64).T
    background = likeness[:, len(sentences) :].max(axis=1)
    likeness = likeness[:, : len(sentences)]
    held = np.array(owners)
    scores = np.stack([likeness[:, held == i].max(axis=1) for i in range(len(vocabulary.space))], axis=1)
    matches = []
    for row, nothing in zip(scores, background, strict=True):
        order = np.argsort(-row, kind="stable")
        best, second = float(row[order[0]]), float(row[order[1]]) if len(order) > 1 else -1.0
        score = round(max(0.0, min(1.0, best)), 4)
        if best < threshold or best < nothing + margin:
            matches.append(LabelMatch(None, ABSTAIN, BELOW, score))
        elif best - second < margin:
            matches.append(LabelMatch(None, ABSTAIN, CLOSE, score))
        else:
            matches.append(LabelMatch(vocabulary.space[order[0]], EMBEDDING, "nearest in meaning", score))
    return matches


def map_labels(
    texts: Sequence[str | None], label_space: Sequence[str], *, embedder: Embedder | None = None, threshold: float = 0.35, margin: float = 0.05
) -> list[LabelMatch]:
    """The one label that each answer finally claims for the speaker, or None.

    A hedged single claim counts, and so do misspellings and tags such as <|ANGRY|>; hints, quotations, negated and rejected candidates do not; two labels of
    equal weight abstain. English.

    Args:
        texts: the answers; None is an empty one.
        label_space: the labels to choose from, returned in this spelling.
        embedder: texts → unit rows, asked only about answers without a known word; None leaves those open. If its package is missing they abstain, saying so.
        threshold: least cosine of an accepted label, -1 to 1.
        margin: least lead over the second label, and over sentences that say nothing about a speaker's state.

    Returns:
        One `LabelMatch` per text, in order.

    Raises:
        JudgeError: texts is one string, or the label space is empty, has an empty or a repeated label.

    Example:
        >>> [match.label for match in map_labels(["Not angry, rather downcast.", "I cannot tell.", "<|ANGRY|>"], ["angry", "sad"])]
        ['sad', None, 'angry']
    """
    if isinstance(texts, str):
        raise JudgeError("texts is one string; give a list of answers")
    if isinstance(label_space, str) or not label_space:
        raise JudgeError("label_space must be a list of at least one label")
    if wrong := [label for label in label_space if not isinstance(label, str) or not tokens(label)]:
        raise JudgeError(f"label_space holds {wrong[0]!r}, which is no label")
    if len({tokens(label) for label in label_space}) < len(label_space):
        raise JudgeError(f"label_space repeats a label: {', '.join(label_space)}")
    vocabulary = vocabulary_for(tuple(label_space))
    matches: list[LabelMatch] = []
    open_rows: list[int] = []
    for i, text in enumerate(texts):
        match, ask = by_words(text, vocabulary)
        matches.append(match)
        if ask:
            open_rows.append(i)
    if embedder is not None and open_rows:
        found = _by_meaning([texts[i] or "" for i in open_rows], vocabulary, embedder, threshold, margin)
        for i, match in zip(open_rows, found, strict=True):
            matches[i] = match
    return matches

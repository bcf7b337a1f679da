"""The third stage of the label mapper: an answer without a known word goes to the label nearest in meaning, if one is near enough and ahead of the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.errors import JudgeError, MissingExtraError
from cp_paraling_qa.feeling_words import WORDS
from cp_paraling_qa.judge.labels.label_match import ABSTAIN, BELOW, CLOSE, EMBEDDING, NOT_INSTALLED, LabelMatch
from cp_paraling_qa.judge.labels.vocabulary import Vocabulary
from cp_paraling_qa.labels import adjective

if TYPE_CHECKING:
    from cp_paraling_qa.judge.statistics.rating_arrays import Floats

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


def by_meaning(texts: list[str], vocabulary: Vocabulary, embedder: Embedder, threshold: float, margin: float) -> list[LabelMatch]:
    """One match per text: a label with its cosine, or abstained.

    Raises:
        JudgeError: the embedder gave something else than one row of finite numbers per text.
    """
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
    unit = _unit_rows(rows, fixed + len(texts))
    likeness = unit[fixed:] @ unit[:fixed].T
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


def _unit_rows(rows: Any, n: int) -> Floats:
    """An embedder's rows at length 1, whatever length it gave them; a row of zeros stays one, near to nothing."""
    import numpy as np

    try:
        found = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.ndim != 2 or len(found) != n or not np.isfinite(found).all():
        raise JudgeError(f"the embedder was given {n} texts and returned something else than {n} rows of finite numbers")
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(length > 0, length, 1.0)

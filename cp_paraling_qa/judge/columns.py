"""The columns that `compute` is given, checked: one entry per item, of the right kind, labels in the spelling of their space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cp_paraling_qa.embed import Embedder, SentenceEmbedder
from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.label_map import LabelMatch, map_labels
from cp_paraling_qa.judge.labels.vocabulary import same_meaning
from cp_paraling_qa.judge.statistics.rating_arrays import as_list, missing, rating_table

Texts = Sequence[str | None]
LabelSpace = Sequence[str] | Mapping[str, Sequence[str]]
"""The labels to choose from; or question type → its labels."""

Ratings = list[list[float | None]]
"""One list per rater, each with one rating per item, None where it gave none."""


def as_texts(name: str, values: Iterable[str | None] | None, n: int | None = None) -> list[str | None]:
    """A column as a list of strings and None, which NaN (an empty cell in pandas) becomes too.

    Raises:
        JudgeError: one string in place of a list, another length than n, or an element that is no string; each names the argument.
    """
    if values is None:
        return [None] * (n or 0)
    column = [None if missing(value) else value for value in _column(name, values)]
    check_length(name, column, n)
    for i, value in enumerate(column):
        if value is not None and not isinstance(value, str):
            raise JudgeError(f"{name}[{i}] is a {type(value).__name__}; give a string or None")
    return column


def _column(name: str, values: Any) -> list[Any]:
    if isinstance(values, str):
        raise JudgeError(f"{name} is one string; give a list with one entry per item")
    return as_list(name, values)


def check_length(name: str, column: Sequence[Any], n: int | None) -> None:
    """Every column has one entry per item.

    Raises:
        JudgeError: another number of entries than items, by the column's name.
    """
    if n is not None and len(column) != n:
        raise JudgeError(f"{name} has {len(column)} entries, predictions has {n}: give one per item, None where there is none")


def as_clusters(values: Iterable[Any] | None, n: int) -> list[Any] | None:
    """Cluster ids, such as clip ids. An item without one (None, NaN, or an empty string) stands alone.

    Raises:
        JudgeError: one string in place of a list, or another length than n.
    """
    if values is None:
        return None
    column = _column("cluster_ids", values)
    check_length("cluster_ids", column, n)
    return [("own", i) if missing(value) or value == "" else ("given", str(value)) for i, value in enumerate(column)]


def as_ratings(values: Iterable[Any] | None, n: int, scale: tuple[int, int]) -> list[list[float | None]] | None:
    """What people said of each item: one entry per item (None, a number, or one rating per rater) → one list of equal length per item, as JSON has it.

    Raises:
        JudgeError: another length than n, lists of different lengths, a rating that is no number or lies outside the scale; each names the item.
    """
    if values is None:
        return None
    column = _column("human_ratings", values)
    check_length("human_ratings", column, n)
    table = rating_table(column, scale=scale)
    return [[None if math.isnan(value) else value for value in row] for row in table.tolist()]


def true_labels(labels: Texts, label_space: Sequence[str] | None) -> tuple[list[str | None], list[str]]:
    """The true labels in the spelling of the label space, and that space.

    Args:
        labels: None for an item without a closed-form label.
        label_space: None for the labels that occur; of those that mean the same, the first spelling.

    Raises:
        JudgeError: the space is no list of strings, a label that no label of it means, or two in the space that mean the same as it without being it.
    """
    given = label_space is not None
    space: list[str] = [] if label_space is None else as_list("label_space", label_space)
    if wrong := [label for label in space if not isinstance(label, str)]:
        raise JudgeError(f"label_space holds {wrong[0]!r}, which is no label; give strings")
    known: dict[str, str] = {label.strip().lower(): label for label in space}
    found: list[str | None] = []
    for i, label in enumerate(labels):
        if label is None or not label.strip():
            found.append(None)
            continue
        key = label.strip().lower()
        if key not in known:
            meant = next((other for other in space if same_meaning(label, other)), None)
            if meant is None and given:
                raise JudgeError(f"labels[{i}] is {label!r}, which is not in label_space: {', '.join(space)}")
            if meant is None:
                space.append(label)
                meant = label
            known[key] = meant
        found.append(known[key])
    return found, space if given else sorted(space)


def pick_embedder(embedder: Embedder | str | None) -> Embedder | None:
    """The embedder that an argument names: "auto" is the bundled MiniLM, another string a sentence-transformers id or folder."""
    if isinstance(embedder, str):
        return _auto() if embedder == "auto" else SentenceEmbedder(embedder)
    return embedder


@lru_cache(maxsize=1)
def _auto() -> SentenceEmbedder:
    """One bundled model for the whole process: loading takes seconds."""
    return SentenceEmbedder()


@dataclass(frozen=True)
class Mapped:
    """True labels and what the answers say, item by item.

    Attributes:
        truth: None for an item without a true label.
        matches: None for the same items.
        spaces: question type ("" where there are no types) → labels to choose from.
    """

    truth: list[str | None]
    matches: list[LabelMatch | None]
    spaces: dict[str, list[str]]


def map_answers(predictions: Texts, labels: Texts, types: Texts, label_space: LabelSpace | None, **options: Any) -> Mapped:
    """Maps every answer that has a true label to a label of its question type's space: an emotion question is never answered by a gender.

    Args:
        predictions: the answers.
        labels: the true labels; None for an item without one.
        types: question types; None throughout for one space for all.
        label_space: of all types, or of each; where a type has none, the labels that occur for it.
        options: embedder, threshold, margin, llm: of `map_labels`.

    Raises:
        JudgeError: a label that is not in its space, by item.
    """
    truth: list[str | None] = [None] * len(labels)
    matches: list[LabelMatch | None] = [None] * len(labels)
    spaces: dict[str, list[str]] = {}
    for kind in sorted({kind or "" for kind in types}):
        given = label_space.get(kind) if isinstance(label_space, Mapping) else label_space
        own = [label if (of or "") == kind else None for label, of in zip(labels, types, strict=True)]
        known, space = true_labels(own, given)
        at = [i for i, label in enumerate(known) if label is not None]
        if not at:
            continue
        spaces[kind] = space
        for i, match in zip(at, map_labels([predictions[i] for i in at], space, **options), strict=True):
            truth[i], matches[i] = known[i], match
    return Mapped(truth, matches, spaces)

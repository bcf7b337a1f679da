"""The cells of other people's tables as columns of a clip: numbers that are text, text that is a number, several labels in one cell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cp_paraling_qa.corpora.base import speaker_named
from cp_paraling_qa.corpora.folder import GENDERS, MISSING
from cp_paraling_qa.corpora.hub import partition
from cp_paraling_qa.corpora.languages import language_code
from cp_paraling_qa.errors import LabelError
from cp_paraling_qa.labels import known_emotion
from cp_paraling_qa.schema import AXES, Opinion, Source, null_nan, opinion, word
from cp_paraling_qa.stage import Row

_UNTOLD = {
    "other",
    "unknown",
    "unk",
    "unspecified",
    "nonbinary",
    "non-binary",
    "non binary",
    "intersex",
    "transgender",
    "do_not_wish_to_say",
    "o",
    "u",
    "x",
    "-",
}
"""What tables say of a gender that is neither or not told; the clip has none then."""

_AGE_GROUP = re.compile(
    r"teens|twenties|thirties|fou?rties|fifties|sixties|seventies|eighties|nineties|child|adult|senior|\d+\s*(?:-|–|to)\s*\d+|[<>]\s*\d+|\d+[+s]", re.I
)
"""An age group is no number of years: the clip has no age then."""


def clip_columns(values: Mapping[str, Any], *, source: Source = "human") -> Row:
    """Columns of a record from a row's values under our names; see `hf` for these.

    Args:
        values: our column → what the table has.
        source: whose opinions the labels are.

    Raises:
        LabelError: a value that cannot be what it is said to be: `reason: detail`.
    """
    columns: Row = {key: text(values.get(key), key) for key in ("dialogue_id", "license")}
    columns["language"] = language_code(text(values.get("language"), "language"))
    columns["transcript"] = text(values.get("transcript"), "transcript", label=False)
    columns["speaker_id"] = speaker_named(text(values.get("speaker_id"), "speaker_id"))
    columns |= {key: number(values.get(key), key) for key in ("start", "end")}
    columns["gender"], columns["age"] = gender(values.get("gender")), age(values.get("age"))
    columns["split"] = partition(text(values.get("split"), "split"))
    columns["words"] = [
        word(**{key: row.get(key) for key in ("text", "start", "end", "probability")} | {"text": row["word"]}) for row in values.get("words") or []
    ]
    columns["opinions"] = opinions(values, license=columns["license"], source=source)
    return columns


def opinions(values: Mapping[str, Any], *, license: str | None, source: Source) -> list[Opinion]:
    """The opinions that a row holds: rows of our own datasets have them in full, others as columns of labels and scores.

    Raises:
        LabelError: an emotion that stands in no inventory, or a score outside 0–1.
    """
    found = [opinion(**{key: value for key, value in row.items() if value is not None}) for row in values.get("opinions") or []]
    for field in ("emotion", "intensity", "accent"):
        labels = labels_of(values.get(field), field)
        for label in labels:
            if field == "emotion" and not known_emotion(label):
                raise LabelError(f"unknown emotion: {label!r}; it stands in no inventory of cp_paraling_qa.labels: correct it, or add it there")
            share = 1 / len(labels) if len(labels) > 1 else None
            found.append(opinion(field, label, source=source, probability=share, license=license))
    for axis in AXES:
        if (score := number(values.get(axis), axis)) is not None:
            if not 0 <= score <= 1:
                raise LabelError(f"{axis} is outside 0–1: {score:g}; bring it to 0 (low) to 1 (high)")
            found.append(opinion(axis, score=score, source=source, license=license))
    return found


def labels_of(value: Any, key: str) -> list[str]:
    """The labels in a cell: one, several in a list, or none."""
    values = value if isinstance(value, list | tuple) else [value]
    return [label for label in (text(one, key) for one in values) if label is not None]


def text(value: Any, key: str, *, label: bool = True) -> str | None:
    """A cell's text; None for null, empty, NaN, and for labels what tables write in an empty cell ("n/a").

    Raises:
        LabelError: a list or a record instead of text.
    """
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column with a gap in it turns whole numbers into 7.0
    if isinstance(value, list | tuple | dict | bytes):
        raise LabelError(f"{key} is not text: {str(value)[:60]}")
    found = str(value).strip()
    return None if not found or (label and found.lower() in MISSING) else found


def number(value: Any, key: str) -> float | None:
    """A cell's number; None for an empty one.

    Raises:
        LabelError: something else.
    """
    found = text(value, key)
    if found is None:
        return None
    try:
        return null_nan(float(found))
    except ValueError:
        raise LabelError(f"{key} is not a number: {found[:60]!r}") from None


def gender(value: Any) -> str | None:
    """Female, male, or None.

    Raises:
        LabelError: no word for either.

    Example:
        >>> gender("F"), gender("male_masculine"), gender("other")
        ('female', 'male', None)
    """
    found = (text(value, "gender") or "").lower()
    if not found or found in _UNTOLD:
        return None
    said = {GENDERS[part] for part in re.split(r"[\W_]+", found) if part in GENDERS}
    if len(said) != 1:
        raise LabelError(f"unknown gender: {found[:60]!r}; female, male, or leave it empty")
    return said.pop()


def age(value: Any) -> float | None:
    """A number of years; None where the cell is empty or names an age group.

    Raises:
        LabelError: something else.
    """
    found = text(value, "age")
    return None if found is not None and _AGE_GROUP.fullmatch(found) else number(value, "age")

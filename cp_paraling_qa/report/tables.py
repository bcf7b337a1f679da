"""The report's tables as plain rows: the template only sets them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cp_paraling_qa.report.plots import Slice
from cp_paraling_qa.report.wording import FEW, bounds, clean, percent

TYPES = {
    "C": "content",
    "DE": "direct, emotion",
    "DG": "direct, gender",
    "DS": "direct, speakers",
    "CE": "contextual, emotion",
    "CG": "contextual, gender",
    "CS": "contextual, speakers",
}
"""What the codes of question types stand for."""

FIGURES = (
    ("llm_judge", "Judge, 0–100", 1, 1, "coverage"),
    ("accuracy", "Accuracy, %", 1, 100, "label_coverage"),
    ("balanced_accuracy", "UAR, %", 1, 100, "label_coverage"),
    ("f1_weighted", "Weighted F1, %", 1, 100, "label_coverage"),
    ("f1_macro", "Macro F1, %", 1, 100, "label_coverage"),
)
"""Key, heading, digits, factor, and the key of its coverage."""

_MOST_LINES = 12  # of one dimension in a figure; the table has them all


class Cell(NamedTuple):
    """A figure as it is shown.

    Attributes:
        value: the figure, or a dash.
        interval: its ends, or nothing.
        n: items behind it.
        covered: share of the answers that have it.
        few: fewer than 20 items: to be greyed.
    """

    value: str
    interval: str
    n: int
    covered: str
    few: bool


def cell(part: Mapping[str, Any], key: str, digits: int = 1, factor: float = 1) -> Cell:
    """One figure of a slice."""
    judged = key == "llm_judge"
    n = (part.get("n_scored") if judged else part.get("n_labelled")) or 0
    value, _, interval = bounds(part, key, digits, factor).partition(" ")
    return Cell(value, interval, n, percent(part.get("coverage" if judged else "label_coverage")), n < FEW)


MARKS = {"text_answerable": "answerable from the words", "not text_answerable": "not from the words", "conflict": "words and voice conflict"}
"""How marks of a dataset are shown."""


def named(dimension: str, name: str) -> str:
    """A slice's name as it is shown: a code of a question type with what it stands for.

    Example:
        >>> named("type", "DE"), named("gender", "female")
        ('DE: direct, emotion', 'female')
    """
    return f"{name}: {TYPES[name]}" if dimension == "type" and name in TYPES else clean(name)


def slice_rows(scores: Mapping[str, Any]) -> dict[str, list[tuple[str, int, Cell, Cell]]]:
    """Dimension → name, n, the judge's cell and the label's cell of each slice; without dimensions of one slice, which say nothing."""
    return {
        _title(dimension): [(named(dimension, name), part["n"], cell(part, "llm_judge"), cell(part, "accuracy", 1, 100)) for name, part in parts.items()]
        for dimension, parts in scores.get("slices", {}).items()
        if len(parts) > 1
    }


def _title(dimension: str) -> str:
    return {"type": "Question type"}.get(dimension, dimension[:1].upper() + dimension[1:])


def forest_lines(scores: Mapping[str, Any], key: str, factor: float) -> dict[str, list[Slice]]:
    """Dimension → its slices as lines of a forest plot; of a long one the twelve largest."""
    counted = "n_scored" if key == "llm_judge" else "n_labelled"
    found: dict[str, list[Slice]] = {}
    for dimension, parts in scores.get("slices", {}).items():
        known = [(name, part) for name, part in parts.items() if part.get(key) is not None]
        if len(known) < 2:
            continue
        kept = {name for name, _ in sorted(known, key=lambda pair: -pair[1][counted])[:_MOST_LINES]}
        found[_title(dimension)] = [
            Slice(named(dimension, name), factor * part[key], _times(part[f"{key}_ci_low"], factor), _times(part[f"{key}_ci_high"], factor), part[counted])
            for name, part in known
            if name in kept
        ]
    return found


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


class Matrix(NamedTuple):
    """A confusion matrix as it is shown.

    Attributes:
        title: config and question type.
        columns: labels that were answered, "unmapped" last.
        rows: true label, its number of answers, and per column the count and its share of the row, 0–1.
        right: the column of each row's right answer; None where the label was never answered.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, int, list[tuple[int, float]]]]
    right: list[int]


def matrices(scores: Mapping[str, Any]) -> list[Matrix]:
    """One matrix per config and question type that has labels."""
    found = []
    for config, part in scores["configs"].items():
        for kind, of in part["types"].items():
            if held := of.get("confusion"):
                title = " · ".join(text for text in (clean(config), named("type", kind)) if text)
                found.append(_matrix(title or "All answers", held))
    return found


def _matrix(title: str, held: Mapping[str, Any]) -> Matrix:
    rows, right = [], []
    for place, (label, counts, unmapped) in enumerate(zip(held["labels"], held["counts"], held["unmapped"], strict=True)):
        total = sum(counts) + unmapped
        if total:  # a label that was only ever answered has no row
            rows.append((clean(label), total, [(count, count / total) for count in [*counts, unmapped]]))
            right.append(place)
    return Matrix(title, [*map(clean, held["labels"]), "unmapped"], rows, right)


def score_groups(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, int]]:
    """Group of answers → score → number of answers: by right and wrong label where there are labels, else of all. Means of repeats go to the nearest score."""
    groups = {"right label": Counter[int](), "wrong label": Counter[int](), "no label": Counter[int]()}
    for row in rows:
        if row["score"] is not None:
            group = "no label" if row["label"] is None else "right label" if row["mapped"] == row["label"] else "wrong label"
            groups[group][math.floor(row["score"] + 0.5)] += 1
    return {f"{name} (n = {counts.total():,})": dict(counts) for name, counts in groups.items() if counts}


def ratios(groups: Mapping[str, Mapping[int, int]]) -> list[tuple[int, int, int, str]]:
    """Score, right and wrong answers, and their ratio, from the highest score down; nothing where one of the groups is missing."""
    good, bad = (next((counts for name, counts in groups.items() if name.startswith(kind)), None) for kind in ("right", "wrong"))
    if good is None or bad is None:
        return []
    found = []
    for score in sorted(good.keys() | bad.keys(), reverse=True):
        right, wrong = good.get(score, 0), bad.get(score, 0)
        found.append((score, right, wrong, f"{right / wrong:.2f}" if wrong else "–"))
    return found


def losses(scores: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, int, str]]]]:
    """Where answers were lost or decided: a title, and reason, count and share of each line."""
    for title, key, total in (
        ("Why an answer has no score", "unscored_reasons", scores["n"]),
        ("What decided an answer’s label", "label_stages", scores.get("n_labelled")),
        ("Why an answer has no label", "abstained_reasons", scores.get("n_labelled")),
    ):
        if (held := scores.get(key)) is not None:
            yield title, _counted(held, total)
    panel = scores.get("panel") or {}
    for judge, held in (panel.get("unscored_by_judge") or {}).items() if len(panel.get("judges", ())) * panel.get("repeats", 0) > 1 else ():
        yield f"Verdicts without a score: {clean(judge)}", _counted(held, scores["n"] * panel["repeats"])


def _counted(held: Mapping[str, int], total: int | None) -> list[tuple[str, int, str]]:
    ordered = sorted(held.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(clean(name), count, percent(count / total if total else None)) for name, count in ordered]

"""What people said of answers: a CSV or JSON Lines file of ids and ratings, joined to predictions by id.

Three shapes, told apart by their columns; `config` may stand beside `id` in each, and has to where an id is in several configs:

    id, rater, rating          one rating a line
    id, anna, ben, …           one column a rater, empty where there is no rating; columns without any number are passed over,
                               and so are those of predictions and judgements
    {"id": …, "ratings": …}    JSON Lines: a mapping from rater to rating, or a list in a fixed order of raters
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.predictions import TABLES, Row, read_objects, read_table

_REMEDY = "give a CSV or JSON Lines file with a column id and a rating per rater"
_NO_RATERS = {"id", "config", "clip_id", "rater", "question", "prediction", "reference", "label", "type", "kind", "note", "duration", "seconds", "line", "row"}
_NO_RATERS |= {"emotion", "gender", "speaker_id", "corpus", "language", "text_answerable", "conflict", "contrast_set"}  # of a dataset; 0 and 1 in a table
_NO_RATERS |= {"scores", "unscored", "explanation", "explanations", "mapped", "stage", "reason"}  # of judgements.jsonl
_THE_JUDGES = "score"

Key = tuple[str | None, str]
"""Config (None where the file names none) and id."""


class Joined(NamedTuple):
    """Ratings beside rows.

    Attributes:
        ratings: one list per row, one rating per rater; None for a row that nobody rated.
        matched: rated ids that a row has.
        unmatched: rated ids that no row has, in the file's order.
    """

    ratings: list[list[float | None] | None]
    matched: int
    unmatched: list[str]


@dataclass(frozen=True)
class Ratings:
    """A file of ratings.

    Attributes:
        raters: their names, in the order of the ratings.
        of: config and id → rater → rating.
    """

    raters: list[str]
    of: dict[Key, dict[str, float]]

    def join(self, rows: Sequence[Row]) -> Joined:
        """The ratings of each row.

        Raises:
            JudgeError: an id without a config that rows of several configs have; or no id matches at all.
        """
        configs: dict[str, list[Any]] = {}
        for row in rows:
            configs.setdefault(row["id"], []).append(row.get("config"))
        for config, name in self.of:
            if config is None and len(configs.get(name, ())) > 1:
                held = ", ".join(map(repr, configs[name]))
                raise JudgeError(f"rated id {name!r} is in the configs {held}: add a column config to the ratings that says whose answer was rated")
        found: list[list[float | None] | None] = []
        used: set[Key] = set()
        for row in rows:
            key = next((key for key in ((row.get("config"), row["id"]), (None, row["id"])) if key in self.of), None)
            found.append(None if key is None else [self.of[key].get(rater) for rater in self.raters])
            if key is not None:
                used.add(key)
        unmatched = [name for (config, name) in self.of if (config, name) not in used]
        if not used:
            raise JudgeError(f"none of the {len(self.of)} rated ids is among the predictions, e.g. {unmatched[0]!r}; ratings are joined by id")
        return Joined(found, len(used), unmatched)


def read_ratings(path: str | Path, *, scale: tuple[int, int] = (0, 5)) -> Ratings:
    """Reads a file of ratings.

    Args:
        path: .csv (also .tsv), else JSON Lines.
        scale: what a rating may be, both ends allowed.

    Raises:
        JudgeError: not readable, no id, no rating in it; with its line: a rating that is no number or off the scale, or a rater who rated one answer twice.
    """
    path = Path(path)
    found: Iterator[tuple[int, Row]] = read_table(path, _REMEDY) if path.suffix.lower() in TABLES else read_objects(path, _REMEDY)
    lines = [(f"{path}, line {number}", row) for number, row in found]
    raters: dict[str, None] = {}
    of: dict[Key, dict[str, float]] = {}
    for where, row, given in _by_rater(lines):
        if row.get("id") in (None, ""):
            raise JudgeError(f"{where}: no id; {_REMEDY}")
        mine = of.setdefault((row.get("config") or None, str(row["id"])), {})
        for rater, value in given:
            rating = _rating(value, scale, f"{where}: rating of {row['id']!r} by {rater}")
            if rating is None:
                continue
            if rater in mine:
                raise JudgeError(f"{where}: {rater} rated {row['id']!r} twice; keep one of the ratings")
            mine[rater] = rating
            raters[rater] = None
    of = {key: mine for key, mine in of.items() if mine}
    if not of:
        raise JudgeError(f"{path} holds no ratings: {_REMEDY}")
    return Ratings(list(raters), of)


def _by_rater(lines: Sequence[tuple[str, Row]]) -> Iterator[tuple[str, Row, list[tuple[str, Any]]]]:
    """Each line with its pairs of rater and rating, whatever the shape."""
    columns = _rater_columns(row for _, row in lines)
    for where, row in lines:
        if "ratings" in row:
            given = row["ratings"]
            if isinstance(given, Mapping):
                yield where, row, [(str(rater), value) for rater, value in given.items()]
            elif isinstance(given, list):
                yield where, row, [(f"rater {number}", value) for number, value in enumerate(given, 1)]
            else:
                raise JudgeError(f"{where}: ratings is a {type(given).__name__}; give a list, or a mapping from rater to rating")
        elif "rater" in row or "rating" in row:
            yield where, row, [(str(row.get("rater") or "rater 1"), row.get("rating", row.get("score")))]
        else:
            yield where, row, [(name, row[name]) for name in columns if name in row]


def _rater_columns(rows: Iterable[Row]) -> list[str]:
    """Columns with a number in them that are known to be nothing else, in the order in which they appear.

    Beside raters, or beside the answers, `score` is what the judge gave: taken for a rater it would agree with itself.
    """
    found: dict[str, None] = {}
    beside = False
    for row in rows:
        beside |= "prediction" in row
        for name, value in row.items():
            if name not in _NO_RATERS and _number(value) is not None:
                found[name] = None
    if beside or len(found) > 1:
        found.pop(_THE_JUDGES, None)
    return list(found)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _rating(value: Any, scale: tuple[int, int], what: str) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = _number(value)
    if number is None or math.isnan(number):
        raise JudgeError(f"{what} is {value!r}: give a number, or nothing where there is no rating")
    if not scale[0] <= number <= scale[1]:
        raise JudgeError(f"{what} is {number:g}, outside the scale {scale[0]}–{scale[1]} of the rubric")
    return number

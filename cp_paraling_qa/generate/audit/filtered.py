"""The filters of `generate.filters` on rows that were kept: how many each of them would drop, every filter by itself, with the worst rows as examples."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from typing import Any, ClassVar

from cp_paraling_qa.generate.audit.intervals import not_possible, ranked, share
from cp_paraling_qa.generate.audit.repeated import MADE
from cp_paraling_qa.generate.audit.sources import Row
from cp_paraling_qa.generate.echoes import asks_why_so
from cp_paraling_qa.generate.filters import FILTERS, SMALL_MODEL_FILTERS, Candidate
from cp_paraling_qa.generate.settle.likeness import plain_words

NEEDS: dict[str, tuple[str, ...]] = {
    "metadata": ("transcript",),
    "copied": ("transcript",),
    "off_topic": ("transcript",),
    "gives_away": ("type",),
    "contradicts": ("type",),
    "no_feeling": ("type", "emotion"),
    "no_gender": ("type", "gender"),
    "repeated": ("clip_id",),
    "paraphrase": ("clip_id",),
}
"""Columns without which a filter would guess; those that are not listed read question and answer alone."""
UNKNOWABLE = dict.fromkeys(("example", "parrots"), "a finished row does not hold the worked examples of its prompt")
EXAMPLES = 3
_TAKEN = frozenset(field.name for field in dataclasses.fields(Candidate))


class Filters:
    """Every filter over every written question. Rows that templates made are left out.

    A filter is counted over the rows that have what it needs. In the marked ones (`strict`), written against small models, a good question may be caught: they ask
    for words from lists of ours. The clip's emotion is its consensus: where a feeling changes within a clip, an answer that names the other one counts as a contradiction.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._checked: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = defaultdict(Counter)
        self._examples: dict[str, list[tuple[int, str, dict[str, str]]]] = defaultdict(list)
        self._columns: set[str] = set()
        self._earlier: dict[str, set[str]] = defaultdict(set)
        self._why: dict[str, str] = {}  # clip → its first question for the reason of the feeling
        self._rows = self._made = self._foreign = self._any = self._any_lenient = 0

    def add(self, row: Row) -> None:
        """Takes one row."""
        self._columns.update(name for name, value in row.items() if value is not None)
        if row["kind"] in MADE:
            self._made += 1
            return
        if "language" not in _TAKEN and row["language"] not in (None, "en"):
            self._foreign += 1
            return
        self._rows += 1
        candidate = self._candidate(row)
        objections: dict[str, str] = {}
        for name, check in FILTERS.items():
            if name in UNKNOWABLE or any(row[column] is None for column in NEEDS.get(name, ())):
                continue
            self._checked[name] += 1
            if reason := check(candidate):
                objections[name] = reason
        self._any += bool(objections)
        self._any_lenient += bool(objections.keys() - set(SMALL_MODEL_FILTERS))
        for name, reason in objections.items():
            self._dropped[name] += 1
            self._reasons[name][reason] += 1
            example = {"qa_id": row["qa_id"], "question": row["question"], "answer": row["answer"], "reason": reason}
            worst = [*self._examples[name], (-len(objections), row["qa_id"], example)]
            self._examples[name] = sorted(worst, key=lambda item: (*item[:2], *item[2].values()))[:EXAMPLES]

    def _candidate(self, row: Row) -> Candidate:
        known: dict[str, Any] = {
            "question": row["question"],
            "answer": row["answer"],
            "type": row["type"] or "",
            "emotions": [row["emotion"]] if row["emotion"] else [],
            "gender": row["gender"],
            "transcript": row["transcript"] or "",
            "language": row["language"],
            "names_feeling": row["type"] in ("DE", "CE") and row["emotion"] is not None,
            "earlier": self._asked_before(row["clip_id"], row["question"]) if row["clip_id"] is not None else (),
        }
        return Candidate(**{name: value for name, value in known.items() if name in _TAKEN})

    def _asked_before(self, clip: str, question: str) -> list[str]:
        """What the filters must know of the questions that a clip had before: whether this one is among them, and one that asks for the reason of the feeling."""
        asked, words, why = self._earlier[clip], plain_words(question), self._why.get(clip)
        found = [*([question] if words in asked else []), *([why] if why is not None else [])]
        asked.add(words)
        if why is None and asks_why_so(question):
            self._why[clip] = question
        return found

    def report(self) -> dict[str, Any]:
        """JSON-able: rows checked; the share that any filter would drop, without and with the strict ones; and by filter, worst first."""
        if not self._rows:
            return not_possible("every question is a template's" if self._made else "no written question in a language that the filters read")
        by_filter = []
        for name in FILTERS:
            entry: dict[str, Any] = {"filter": name, "strict": name in SMALL_MODEL_FILTERS}
            if name in UNKNOWABLE:
                entry |= not_possible(UNKNOWABLE[name])
            elif not self._checked[name]:
                missing = [column for column in NEEDS.get(name, ()) if column not in self._columns]
                entry |= not_possible(f"no column {' and no column '.join(missing)}" if missing else "no row has what it needs")
            else:
                entry |= share(self._dropped[name], self._checked[name])
                entry |= {"reasons": ranked(self._reasons[name]), "examples": [example for *_, example in self._examples[name]]}
            by_filter.append(entry)
        by_filter.sort(key=lambda entry: -(entry.get("share") or 0.0))
        return {
            "templates_left_out": self._made,
            "other_languages_left_out": self._foreign,
            "any": share(self._any_lenient, self._rows),
            "any_with_strict": share(self._any, self._rows),
            "by_filter": by_filter,
        }

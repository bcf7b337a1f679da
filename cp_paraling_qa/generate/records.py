"""Question rows: their ids, and small seeded choices that depend on a clip and not on its place in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from cp_paraling_qa.ledger import emotion_track
from cp_paraling_qa.schema import Evidence, Question

T = TypeVar("T")


def qa_id(clip_id: str, question: str, answer: str) -> str:
    """Identifies a question by its content. 16 hex digits.

    Example:
        >>> qa_id("c1", "How?", "So.") == qa_id("c1", "How?", "So."), qa_id("c1", "How?", "So.") == qa_id("c2", "How?", "So.")
        (True, False)
    """
    return hashlib.sha256("\x1f".join((clip_id, question, answer)).encode()).hexdigest()[:16]


def pick(options: Sequence[T], *what: object) -> T:
    """One of the options, always the same for the same `what`, evenly over many.

    Example:
        >>> pick("abc", 0, "clip 1") == pick("abc", 0, "clip 1")
        True
    """
    return options[int.from_bytes(hashlib.sha256("\x1f".join(map(str, what)).encode()).digest()[:8]) % len(options)]


def evidence_spans(clip: Mapping[str, Any], fields: Sequence[str]) -> list[Evidence]:
    """The ledger fields that an answer rests on, with the spans they hold for: an emotion's own spans, the whole clip for everything else."""
    found: list[Evidence] = []
    for field in fields:
        spans = [(start, end) for start, end, _ in emotion_track(clip)] if field == "emotion" else []
        found += [Evidence(field=field, start=start, end=end) for start, end in spans or [(0.0, clip["duration"])]]
    return found


def question_row(clip: Mapping[str, Any], kind: str, type: str, question: str, answer: str, **more: Any) -> Question:
    """A question row with every key present.

    Args:
        clip: its clip row.
        kind: asr, pqa_template, pqa or cpqa.
        type: one of `schema.QUESTION_TYPES`.
        question: as it is asked.
        answer: as it is answered.
        more: difficulty, label, evidence (field names), generator, prompt_hash, dropped, text_answerable, contrast_set, conflict.
    """
    return Question(
        qa_id=qa_id(clip["clip_id"], question, answer),
        clip_id=clip["clip_id"],
        kind=kind,
        type=type,
        difficulty=more.get("difficulty", "simple"),
        question=question,
        answer=answer,
        label=more.get("label"),
        evidence=evidence_spans(clip, more.get("evidence", ())),
        generator=more["generator"],
        prompt_hash=more["prompt_hash"],
        dropped=more.get("dropped"),
        text_answerable=more.get("text_answerable"),
        contrast_set=more.get("contrast_set"),
        conflict=more.get("conflict"),
    )

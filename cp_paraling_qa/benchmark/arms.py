"""The four arms of arXiv 2508.07273 on one set of test questions.

    arm        trained on               asked
    baseline   template QA              without metadata
    explicit   template QA              with metadata in the prompt, in training and at test
    implicit   template + written QA    without metadata
    combined   template + written QA    with metadata in the prompt, in training and at test

Every arm answers the same direct (template) and contextual (LLM-written) questions about the same clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.judge.judging import Judge
from cp_paraling_qa.stage import Row


@dataclass(frozen=True)
class Arm:
    """What one arm is trained on and asked with; configurations joined by commas."""

    name: str
    train: str
    test: str
    leaks: bool  # whether direct questions have their answer in the prompt


ARMS = (
    Arm("baseline", "baseline", "baseline,implicit", leaks=False),
    Arm("explicit", "explicit", "explicit,combined", leaks=True),
    Arm("implicit", "baseline,implicit", "baseline,implicit", leaks=False),
    Arm("combined", "explicit,combined", "explicit,combined", leaks=True),
)


@dataclass
class ArmScore:
    """One arm's numbers; shares 0–1, judge 0–100. None where nothing could be scored."""

    arm: str
    direct: dict[str, Any]
    contextual: dict[str, Any]
    shuffled: float | None = None
    notes: list[str] = field(default_factory=list)


def is_direct_emotion(row: Mapping[str, Any]) -> bool:
    """Whether a row is a template question about the emotion: the closed-form part of the test."""
    return bool(row["kind"] == "pqa_template" and row["type"] == "DE")


def is_contextual(row: Mapping[str, Any]) -> bool:
    """Whether an LLM wrote the question: the open part of the test, which a judge reads."""
    return row["kind"] in ("pqa", "cpqa")


def score_arm(name: str, predictions: Sequence[Row], label_space: Sequence[str], *, judge: Judge | None = None, judged: int | None = None) -> ArmScore:
    """Scores one arm's predictions: label metrics on direct emotion questions, the judge on contextual ones.

    Args:
        name: of the arm.
        predictions: rows as predict.py writes them.
        label_space: the emotions.
        judge: see `cp_paraling_qa.judge.compute`.
        judged: read at most so many contextual answers: the first ones by id, so the same ones in every arm.
    """
    from cp_paraling_qa.judge import compute

    direct = [row for row in predictions if is_direct_emotion(row)]
    contextual = sorted((row for row in predictions if is_contextual(row)), key=lambda row: row["id"])[:judged]
    return ArmScore(
        name,
        direct=compute(**_asked(direct), labels=[row["label"] for row in direct], label_space=list(label_space)),
        contextual=compute(**_asked(contextual), questions=[row["question"] for row in contextual], judge=judge),
    )


def _asked(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows about one clip go together."""
    names = {"predictions": "prediction", "references": "reference", "cluster_ids": "clip_id"}
    return {name: [row.get(column) for row in rows] for name, column in names.items()}

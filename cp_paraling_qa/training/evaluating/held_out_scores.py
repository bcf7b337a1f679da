"""Answers to held-out rows → the figures that are logged, each with its coverage and with the shuffled-audio control beside it.

`listens` is the label accuracy minus that of the same questions asked about another clip. A model that answers from the question, the metadata or its habits gets both
alike, and listens 0, however accurate it is.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.judge.classification import classification_scores
from cp_paraling_qa.judge.columns import map_answers, pick_embedder
from cp_paraling_qa.judge.judging import Judge
from cp_paraling_qa.judge.predictions import known_of
from cp_paraling_qa.judge.score import compute

JUDGE_SECONDS = 600.0
"""An evaluation waits so long for its judge. The other processes wait with it, and give up after 30 minutes."""

_Z = 1.96  # of a 95 % interval


@dataclass
class Scored:
    """What an evaluation found.

    Attributes:
        figures: name → number; those that could not be computed are not there.
        labels: what each answer was mapped to; None for an answer that maps to none, or a row without a label.
        unscored: why the judge gave no score → how often.
    """

    figures: dict[str, float]
    labels: list[str | None] = field(default_factory=list)
    unscored: dict[str, int] = field(default_factory=dict)


def score_answers(
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[str],
    swapped: Sequence[str],
    *,
    label_spaces: Mapping[str, Sequence[str]],
    judge: Judge | None = None,
    seconds: float = JUDGE_SECONDS,
) -> Scored:
    """The figures of one evaluation.

    Args:
        rows: with question, answer, label, type, emotion, clip_id.
        answers: of the model, one a row.
        swapped: its answers to the same rows with other clips' audio.
        label_spaces: question type → labels.
        judge: asked about `answers`; None for no judge. Whatever it does wrong is counted as unscored.
        seconds: how long the judge is waited for.

    Returns:
        n; where a row has a label: n_labelled, label_accuracy, balanced_accuracy, f1_macro, f1_weighted, label_coverage, shuffled_label_accuracy,
        shuffled_label_coverage, listens (−1 to 1) and, with two clips or more, listens_error (half of its 95 % interval, over clips); for several question types
        label_accuracy_TYPE, n_labelled_TYPE, label_coverage_TYPE, too; with a judge: judge (0–100), judge_coverage, judge_n_scored.
    """
    figures: dict[str, float | None] = {"n": len(rows)}
    truth, labels = _mapped(rows, answers, label_spaces)
    _, other = _mapped(rows, swapped, label_spaces)
    plain, shuffled = classification_scores(truth, labels), classification_scores(truth, other)
    if plain["n_labelled"]:
        figures |= {"n_labelled": plain["n_labelled"], "label_accuracy": plain["accuracy"]}
        figures |= {name: plain[name] for name in ("balanced_accuracy", "f1_macro", "f1_weighted", "label_coverage")}
        figures |= {"shuffled_label_accuracy": shuffled["accuracy"], "shuffled_label_coverage": shuffled["label_coverage"]}
        figures |= _listens([row["clip_id"] for row in rows], truth, labels, other)
        figures |= _by_type(rows, truth, labels)
    unscored: dict[str, int] = {}
    if judge is not None:
        judged, unscored = _judged(rows, answers, judge, seconds)
        figures |= judged
    return Scored({name: float(value) for name, value in figures.items() if value is not None}, labels, unscored)


def _mapped(rows: Sequence[Mapping[str, Any]], answers: Sequence[str], spaces: Mapping[str, Sequence[str]]) -> tuple[list[str | None], list[str | None]]:
    """True labels and those that the answers map to. Every question type has a label space of its own: an emotion question is never answered by a gender."""
    labels = [str(row["label"]).strip() if row.get("label") and (row.get("type") or "") in spaces else None for row in rows]
    found = map_answers(answers, labels, [row.get("type") or None for row in rows], spaces, embedder=pick_embedder("auto"))
    return found.truth, [match.label if match else None for match in found.matches]


def _listens(clips: Sequence[str], truth: Sequence[str | None], labels: Sequence[str | None], swapped: Sequence[str | None]) -> dict[str, float | None]:
    """The mean difference that the clip makes, and half of its 95 % interval: rows about one clip go together, so the variance is that between clips."""
    by_clip: dict[str, list[int]] = {}
    for clip, true, label, other in zip(clips, truth, labels, swapped, strict=True):
        if true is not None:
            by_clip.setdefault(clip, []).append((label == true) - (other == true))
    n = sum(map(len, by_clip.values()))
    mean = sum(map(sum, by_clip.values())) / n
    groups = len(by_clip)
    if groups < 2:
        return {"listens": mean, "listens_error": None}
    squares = sum((sum(differences) - len(differences) * mean) ** 2 for differences in by_clip.values())
    return {"listens": mean, "listens_error": _Z * math.sqrt(squares * groups / (groups - 1)) / n}


def _by_type(rows: Sequence[Mapping[str, Any]], truth: Sequence[str | None], labels: Sequence[str | None]) -> dict[str, float | None]:
    """Accuracy, n and coverage of every question type, where there are several: direct and contextual questions are not alike."""
    right: dict[str, list[tuple[bool, bool]]] = {}
    for row, true, label in zip(rows, truth, labels, strict=True):
        if true is not None:
            right.setdefault(row.get("type") or "other", []).append((label == true, label is not None))
    if len(right) < 2:
        return {}
    found: dict[str, float | None] = {}
    for kind, hits in sorted(right.items()):
        found |= {f"label_accuracy_{kind}": sum(hit for hit, _ in hits) / len(hits), f"n_labelled_{kind}": len(hits)}
        found[f"label_coverage_{kind}"] = sum(mapped for _, mapped in hits) / len(hits)
    return found


def _judged(rows: Sequence[Mapping[str, Any]], answers: Sequence[str], judge: Judge, seconds: float) -> tuple[dict[str, float | None], dict[str, int]]:
    """The judge's figures, and why it gave no score. It works in a thread of its own, so that one that hangs does not take the run with it."""
    known = [known_of(row) for row in rows]
    result: dict[str, Any] = {}

    def ask() -> None:
        try:
            references, questions = [row["answer"] for row in rows], [row.get("question") for row in rows]
            result.update(compute(answers, references, questions=questions, contexts=known, judge=judge))
        except Exception as error:  # a judge of any kind may fail in any way; training must not
            result["failed"] = f"{type(error).__name__}: {error}"

    thread = threading.Thread(target=ask, name="judge", daemon=True)
    thread.start()
    thread.join(seconds)
    if not {"n", "failed"} & set(result):
        return {"judge_coverage": 0.0, "judge_n_scored": 0}, {f"no verdict within {seconds:g} s": len(rows)}
    if "failed" in result:
        return {"judge_coverage": 0.0, "judge_n_scored": 0}, {result["failed"]: len(rows)}
    return {"judge": result["llm_judge"], "judge_coverage": result["coverage"], "judge_n_scored": result["n_scored"]}, dict(Counter(result["unscored_reasons"]))


def lines_of(step: int, figures: Mapping[str, float], unscored: Mapping[str, int]) -> list[str]:
    """The figures for the screen, every one with what it covers."""
    lines = []
    if "label_accuracy" in figures:
        error = f" ± {figures['listens_error']:.2f}" if "listens_error" in figures else ""
        covered = f"{figures['n_labelled']:.0f} labelled, {figures['label_coverage']:.0%} mapped"
        lines.append(
            f"label accuracy {figures['label_accuracy']:.2f}, balanced {figures['balanced_accuracy']:.2f}, macro F1 {figures['f1_macro']:.2f} ({covered})"
        )
        lines.append(
            f"with other clips {figures['shuffled_label_accuracy']:.2f} ({figures['shuffled_label_coverage']:.0%} mapped): listens {figures['listens']:.2f}{error}"
        )
    if "judge_n_scored" in figures:
        score = f"{figures['judge']:.1f}" if "judge" in figures else "none"
        why = f"; {max(unscored, key=lambda reason: unscored[reason])[:120]}" if unscored else ""
        lines.append(f"judge {score} ({figures['judge_n_scored']:.0f} of {figures['n']:.0f} scored{why})")
    return [f"step {step}  {figures['n']:.0f} held-out rows: {lines[0]}", *(f"    {line}" for line in lines[1:])] if lines else []

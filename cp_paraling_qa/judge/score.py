"""`compute`: predictions and references → one flat, JSON-able dict. The metric, the command line and the benchmark all call it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cp_paraling_qa.embed import Embedder, SentenceEmbedder
from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.classification import classification_scores
from cp_paraling_qa.judge.judging import Judge, judge_items
from cp_paraling_qa.judge.label_map import ABSTAIN, LabelMatch, map_labels
from cp_paraling_qa.judge.rubric import OPEN, RUBRICS, JudgeItem, Rubric
from cp_paraling_qa.judge.verdict import Verdict
from cp_paraling_qa.judge.vocabulary import same_meaning

Texts = Sequence[str | None]


def as_texts(name: str, values: Iterable[str | None] | None, n: int | None = None) -> list[str | None]:
    """A column as a list of strings and None.

    Raises:
        JudgeError: one string in place of a list, another length than n, or an element that is no string; each names the argument.
    """
    if values is None:
        return [None] * (n or 0)
    if isinstance(values, str):
        raise JudgeError(f"{name} is one string; give a list with one entry per item")
    column = list(values)
    if n is not None and len(column) != n:
        raise JudgeError(f"{name} has {len(column)} entries, predictions has {n}: give one per item, None where there is none")
    for i, value in enumerate(column):
        if value is not None and not isinstance(value, str):
            raise JudgeError(f"{name}[{i}] is a {type(value).__name__}; give a string or None")
    return column


def true_labels(labels: Texts, label_space: Sequence[str] | None) -> tuple[list[str | None], list[str]]:
    """The true labels in the spelling of the label space, and that space.

    Args:
        labels: None for an item without a closed-form label.
        label_space: None for the labels that occur; of those that mean the same, the first spelling.

    Raises:
        JudgeError: a label that no label of the space means, or two in the space that mean the same as it without being it.
    """
    given = label_space is not None
    space: list[str] = list(label_space) if label_space is not None else []
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


_AUTO: list[SentenceEmbedder] = []


def _auto() -> SentenceEmbedder:
    """One bundled model for the whole process: loading takes seconds."""
    if not _AUTO:
        _AUTO.append(SentenceEmbedder())
    return _AUTO[0]


def map_to_truth(
    predictions: Texts, truth: Sequence[str | None], space: Sequence[str], *, embedder: Embedder | None, threshold: float, margin: float
) -> list[LabelMatch | None]:
    """`map_labels` over the items that have a true label; None for the others."""
    rows = [i for i, label in enumerate(truth) if label is not None]
    matches: list[LabelMatch | None] = [None] * len(truth)
    if rows:
        for i, match in zip(rows, map_labels([predictions[i] for i in rows], space, embedder=embedder, threshold=threshold, margin=margin), strict=True):
            matches[i] = match
    return matches


def judge_scores(verdicts: Sequence[Verdict] | None, rubric: Rubric = OPEN) -> dict[str, Any]:
    """The judge's keys of a result: llm_judge (0–100, the mean over scored items), n_scored, coverage, unscored_reasons; all None without a judge."""
    if verdicts is None:
        return {"llm_judge": None, "n_scored": None, "coverage": None, "unscored_reasons": None}
    low, high = rubric.scale
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    reasons = Counter(verdict.reason or "unscored" for verdict in verdicts if verdict.score is None)
    return {
        "llm_judge": 100.0 * (math.fsum(scores) / len(scores) - low) / (high - low) if scores else None,
        "n_scored": len(scores),
        "coverage": len(scores) / len(verdicts) if verdicts else None,
        "unscored_reasons": dict(sorted(reasons.items())),
    }


def label_scores(truth: Sequence[str | None], matches: Sequence[LabelMatch | None]) -> dict[str, Any]:
    """The label's keys of a result: `classification_scores`, and how many answers each stage decided and why the rest are open."""
    found = [match for match in matches if match is not None]
    scores: dict[str, Any] = dict(classification_scores(truth, [match.label if match else None for match in matches]))
    if not found:
        return scores | {"label_stages": None, "abstained_reasons": None}
    stages = Counter(match.stage for match in found)
    reasons = Counter(match.reason for match in found if match.stage == ABSTAIN)
    return scores | {"label_stages": dict(sorted(stages.items())), "abstained_reasons": dict(sorted(reasons.items()))}


def compute(
    predictions: Texts,
    references: Texts,
    *,
    questions: Texts | None = None,
    contexts: Texts | None = None,
    labels: Texts | None = None,
    label_space: Sequence[str] | None = None,
    judge: Judge | None = None,
    rubric: str | Rubric = "open",
    embedder: Embedder | str | None = "auto",
    threshold: float = 0.35,
    margin: float = 0.05,
    return_details: bool = False,
) -> dict[str, Any]:
    """Score answers by an LLM judge and, where there is a true label, by classification.

    Args:
        predictions: the answers; None is a missing one: unscored, and wrong where it has a label.
        references: what is right, in words.
        questions: what was asked, shown to the judge.
        contexts: what is known about each recording, shown to the judge.
        labels: the true label of each item; None leaves the item out of the label figures.
        label_space: the labels to map answers to, returned in this spelling; None for the labels that occur.
        judge: a callable from rendered prompts (one list of chat messages per item) to one reply per item, a `JudgeConfig`, or a dict of its fields; None for no judge.
        rubric: a name in `RUBRICS`, or a `Rubric`.
        embedder: asked only about answers in which no label word stands: "auto" (the bundled MiniLM; where it is missing such answers stay unmapped, and
            `abstained_reasons` says so), another sentence-transformers id, a callable, or None.
        threshold: least cosine of a label found by embedding.
        margin: least lead over the second label.
        return_details: adds `details`, one dict per item.

    Returns:
        llm_judge (0–100, mean of the scored items), n (items), n_scored, coverage (0–1), unscored_reasons; n_labelled, accuracy, balanced_accuracy, f1_weighted,
        f1_macro, label_coverage (0–1), label_stages, abstained_reasons. All keys are always there, None where there is nothing to say: the judge's without
        a judge, the labels' without labels, every mean of nothing. Empty input gives n = 0 and None.

    Raises:
        JudgeError: lengths differ, an element is no string, an unknown rubric or label; names the argument.
        LLMError: the judge's endpoint cannot be used.

    Example:
        >>> result = compute(["She sounds furious."], ["The speaker is angry."], labels=["angry"], judge=lambda prompts: ['{"explanation": "same", "score": 5}'])
        >>> result["llm_judge"], result["accuracy"], result["coverage"]
        (100.0, 1.0, 1.0)
    """
    answers = as_texts("predictions", predictions)
    n = len(answers)
    right, asked, known = (as_texts(name, column, n) for name, column in (("references", references), ("questions", questions), ("contexts", contexts)))
    truth, space = true_labels(as_texts("labels", labels, n), label_space)
    if isinstance(rubric, str):
        if rubric not in RUBRICS:
            raise JudgeError(f"rubric {rubric!r} is not one of {', '.join(sorted(RUBRICS))}")
        rubric = RUBRICS[rubric]
    matches = map_to_truth(answers, truth, space, embedder=pick_embedder(embedder), threshold=threshold, margin=margin)
    verdicts = None
    if judge is not None:
        items = [JudgeItem(p, r, question=q, context=c) for p, r, q, c in zip(answers, right, asked, known, strict=True)]
        verdicts = judge_items(items, judge, rubric=rubric)
    result = {"n": n, **judge_scores(verdicts, rubric), **label_scores(truth, matches)}
    if return_details:
        result["details"] = details(verdicts, matches)
    return result


def details(verdicts: Sequence[Verdict] | None, matches: Sequence[LabelMatch | None]) -> list[dict[str, Any]]:
    """One dict per item: what the judge said and what the answer was mapped to."""
    rows = []
    for i, match in enumerate(matches):
        verdict = verdicts[i] if verdicts is not None else None
        rows.append(
            {
                "score": verdict.score if verdict else None,
                "unscored": verdict.reason if verdict else None,
                "explanation": verdict.explanation if verdict else None,
                "label": match.label if match else None,
                "label_stage": match.stage if match else None,
                "label_reason": match.reason if match else None,
            }
        )
    return rows

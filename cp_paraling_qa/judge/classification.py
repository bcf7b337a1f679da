"""Accuracy, UAR and F1 of mapped labels, where an answer that maps to no label counts as wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from cp_paraling_qa.errors import JudgeError


class ClassScores(TypedDict):
    """Each 0–1, higher is better; None where there is no labelled item."""

    n_labelled: int
    accuracy: float | None
    balanced_accuracy: float | None
    f1_weighted: float | None
    f1_macro: float | None
    label_coverage: float | None


def classification_scores(truth: Sequence[str | None], mapped: Sequence[str | None]) -> ClassScores:
    """Compare mapped labels with true ones.

    accuracy = right / labelled (the papers' weighted accuracy); balanced_accuracy = mean recall over the classes present in truth (UAR); F1 is averaged over
    the classes present in truth, plainly (macro) or by their counts (weighted), and is 0 for a class that is never answered. A class that is only answered,
    never true, has no row of its own but costs its victims recall. An unmapped answer is a miss for its class and a hit for none.

    Args:
        truth: the true labels; None leaves the item out of every figure.
        mapped: the labels found in the answers; None for an answer that maps to none.

    Returns:
        `ClassScores`; all None and n_labelled 0 where nothing is labelled.

    Raises:
        JudgeError: lengths differ.

    Example:
        >>> classification_scores(["sad", "sad", "angry", None], ["sad", None, "angry", "sad"])["accuracy"]
        0.6666666666666666
    """
    if len(truth) != len(mapped):
        raise JudgeError(f"{len(truth)} true labels but {len(mapped)} mapped ones")
    pairs = [(t, m) for t, m in zip(truth, mapped, strict=True) if t is not None]
    if not pairs:
        return ClassScores(n_labelled=0, accuracy=None, balanced_accuracy=None, f1_weighted=None, f1_macro=None, label_coverage=None)
    from sklearn.metrics import f1_score, recall_score

    present = sorted({t for t, _ in pairs})
    index = {label: i for i, label in enumerate(present)}
    # scikit-learn sees numbers: -1 is every answer outside the classes in truth, unmapped or not
    t = [index[label] for label, _ in pairs]
    m = [index.get(label, -1) if label is not None else -1 for _, label in pairs]
    classes = list(range(len(present)))
    return ClassScores(
        n_labelled=len(pairs),
        accuracy=sum(a == b for a, b in pairs) / len(pairs),
        balanced_accuracy=float(recall_score(t, m, labels=classes, average="macro", zero_division=0)),
        f1_weighted=float(f1_score(t, m, labels=classes, average="weighted", zero_division=0)),
        f1_macro=float(f1_score(t, m, labels=classes, average="macro", zero_division=0)),
        label_coverage=sum(b is not None for _, b in pairs) / len(pairs),
    )

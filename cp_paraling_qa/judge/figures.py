"""Scores and mapped labels of some items → figures, each with its interval, its n and its coverage. The whole result and every slice of it are made here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.judge.classification import classification_scores
from cp_paraling_qa.judge.label_map import ABSTAIN, LabelMatch

CLASS_FIGURES = ("accuracy", "balanced_accuracy", "f1_weighted", "f1_macro")
SLICE_FIGURES = (
    *("n", "n_scored", "coverage", "llm_judge", "llm_judge_ci_low", "llm_judge_ci_high"),
    *("n_labelled", "accuracy", "accuracy_ci_low", "accuracy_ci_high", "label_coverage"),
)


@dataclass(frozen=True)
class Items:
    """What is known of some items.

    Attributes:
        truth: true labels; None for an item without one.
        matches: what the answers map to; None where there is no true label.
        scores: the judge's, on its scale, meaned over judges and repeats; None for an unscored item. None in place of the list: nobody judged.
        reasons: why an item is unscored.
        scale: of the scores.
        clusters: items of one cluster are drawn together; None: each item alone.
        n_bootstrap: resamples of an interval.
        seed: of the resamples.
    """

    truth: Sequence[str | None]
    matches: Sequence[LabelMatch | None]
    scores: Sequence[float | None] | None = None
    reasons: Sequence[str | None] = field(default=())
    scale: tuple[int, int] = (0, 5)
    clusters: Sequence[Hashable] | None = None
    n_bootstrap: int = 2000
    seed: int = 0

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def mapped(self) -> list[str | None]:
        """The label that each answer maps to."""
        return [match.label if match else None for match in self.matches]

    @property
    def correct(self) -> list[bool | None]:
        """Whether the answer maps to its true label; None for an item without one."""
        return [None if true is None else true == said for true, said in zip(self.truth, self.mapped, strict=True)]

    def at(self, places: Sequence[int]) -> Items:
        """Some of the items."""

        def some(column: Sequence[Any]) -> list[Any]:
            return [column[i] for i in places]

        return Items(
            some(self.truth),
            some(self.matches),
            None if self.scores is None else some(self.scores),
            some(self.reasons) if self.reasons else (),
            self.scale,
            None if self.clusters is None else some(self.clusters),
            self.n_bootstrap,
            self.seed,
        )


def figures(items: Items) -> dict[str, Any]:
    """The judge's and the labels' figures of some items, each with a 95 % interval.

    Returns:
        n; llm_judge (0–100) with _ci_low and _ci_high, n_scored, coverage (0–1), unscored_reasons; n_labelled, accuracy, balanced_accuracy, f1_weighted,
        f1_macro (0–1), each with _ci_low and _ci_high, label_coverage, label_stages, abstained_reasons. None wherever nothing was judged or labelled.
    """
    return {"n": len(items), **judge_figures(items), **label_figures(items)}


def judge_figures(items: Items) -> dict[str, Any]:
    """The judge's keys: the mean of the scored items on 0–100. An item that was not scored is counted by reason and is in no mean."""
    if items.scores is None:
        return dict.fromkeys(("llm_judge", "llm_judge_ci_low", "llm_judge_ci_high", "n_scored", "coverage", "unscored_reasons"))
    from cp_paraling_qa.judge.statistics.intervals import bootstrap_ci, interval_of_equals
    from cp_paraling_qa.judge.statistics.rating_arrays import cluster_codes

    at = [i for i, score in enumerate(items.scores) if score is not None]
    percent = [percentage(items.scores[i], items.scale) for i in at]
    clusters = None if items.clusters is None else [items.clusters[i] for i in at]
    low, high = bootstrap_ci(percent, clusters=clusters, n_bootstrap=items.n_bootstrap, seed=items.seed) if at else (math.nan, math.nan)
    if at and min(percent) == max(percent):
        low, high = interval_of_equals(percent[0], (0.0, 100.0), len(set(cluster_codes(clusters, len(at)).tolist())))
    scored = set(at)
    reasons = Counter((items.reasons[i] if items.reasons else None) or "unscored" for i in range(len(items)) if i not in scored)
    return {
        "llm_judge": math.fsum(percent) / len(percent) if percent else None,
        "llm_judge_ci_low": number(low),
        "llm_judge_ci_high": number(high),
        "n_scored": len(at),
        "coverage": len(at) / len(items) if len(items) else None,
        "unscored_reasons": dict(sorted(reasons.items())),
    }


def label_figures(items: Items) -> dict[str, Any]:
    """The labels' keys: an answer that maps to no label is wrong."""
    truth, mapped = items.truth, items.mapped
    found: dict[str, Any] = dict(classification_scores(truth, mapped))
    ends: dict[str, float | None] = {f"{name}_ci_{end}": None for name in CLASS_FIGURES for end in ("low", "high")}
    if not found["n_labelled"]:
        return found | ends | {"label_stages": None, "abstained_reasons": None}
    from cp_paraling_qa.judge.statistics.intervals import class_score_intervals

    intervals = class_score_intervals(truth, mapped, clusters=items.clusters, n_bootstrap=items.n_bootstrap, seed=items.seed)
    matches = [match for true, match in zip(truth, items.matches, strict=True) if true is not None and match is not None]
    stages = Counter(match.stage for match in matches)
    reasons = Counter(match.reason for match in matches if match.stage == ABSTAIN)
    ends |= {name: number(value) for name, value in intervals.items() if name in ends}
    return found | ends | {"label_stages": dict(sorted(stages.items())), "abstained_reasons": dict(sorted(reasons.items()))}


def slices(items: Items, names: Sequence[str | None]) -> dict[str, dict[str, Any]]:
    """The figures of each slice that a column makes; items without a name in no slice."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if name is not None:
            groups.setdefault(name, []).append(i)
    found = {name: figures(items.at(groups[name])) for name in sorted(groups)}
    return {name: {key: part[key] for key in SLICE_FIGURES} for name, part in found.items()}


def confusion(truth: Sequence[str | None], mapped: Sequence[str | None]) -> dict[str, Any] | None:
    """How often each true label was answered by each label.

    Returns:
        labels (true or answered, sorted), counts (rows: true; columns: answered), unmapped (per true label: answers that map to none); None where nothing is labelled.
    """
    pairs = Counter((true, said) for true, said in zip(truth, mapped, strict=True) if true is not None)
    if not pairs:
        return None
    labels = sorted({label for pair in pairs for label in pair if label is not None})
    return {
        "labels": labels,
        "counts": [[pairs[true, said] for said in labels] for true in labels],
        "unmapped": [pairs[true, None] for true in labels],
    }


def percentage(score: float | None, scale: tuple[int, int]) -> float:
    """A score on 0–100."""
    low, high = scale
    return math.nan if score is None else 100.0 * (score - low) / (high - low)


def number(value: float | None) -> float | None:
    """A plain float; None for NaN, which JSON has not."""
    return None if value is None or math.isnan(value) else float(value)

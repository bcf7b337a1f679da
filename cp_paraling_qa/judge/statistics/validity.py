"""Whether a judge can be believed: its scores against true labels, and against humans.

No one figure is enough (a judge one point too lenient keeps ρ = .98 while κ falls to .01), so rank correlation, absolute agreement and signed bias stand side
by side, each with a seeded 95 % bootstrap interval over clusters and its n. In simulation (benchmarks/validity.py, 2,000 runs) the intervals hold the truth in
93.8–96.0 % of cases with 200 items and in 93.4–95.2 % with 40 clips of five; taking those 200 items for independent, in 83–94 %.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics import weighted
from cp_paraling_qa.judge.statistics.agreement import as_truth
from cp_paraling_qa.judge.statistics.alt_test import EPSILON, alternative_annotator_test
from cp_paraling_qa.judge.statistics.intervals import check_sampling, interval_of_equals
from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints, as_numbers, check_on_scale, check_same_length, cluster_codes, rating_table
from cp_paraling_qa.judge.statistics.resampling import Kinds, figures_with_intervals

LABEL_FIGURES = ("judge_label_spearman", "judge_label_point_biserial", "judge_label_auc")
HUMAN_FIGURES = ("human_spearman", "human_kendall_tau_b", "human_kappa_quadratic", "human_alpha_ordinal", "human_ac2", "human_bias", "human_mae")
BETWEEN = "human_alpha_between_raters"


def label_validity(
    scores: Sequence[float | None],
    correct: Sequence[bool | None],
    *,
    clusters: Sequence[Hashable] | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Whether the judge scores right answers above wrong ones.

    Items without a score or without a label are in no figure.

    Args:
        scores: the judge's, any numeric scale.
        correct: whether the answer maps to the true label; None for an item without one.
        clusters: items of one cluster (the questions about a clip) are drawn together.
        n_bootstrap: resamples of each interval.
        seed: of the resamples.

    Returns:
        judge_label_spearman and judge_label_point_biserial (−1 to 1), judge_label_auc (0–1, 0.5 is guessing), each with _ci_low and _ci_high; judge_label_n;
        correct_to_incorrect: per score, how many right and wrong answers it was given to and their ratio (None where none is wrong). None where undefined.

    Raises:
        JudgeError: lengths differ, an entry that is no number or no truth value, or n_bootstrap below 0; names it.

    Example:
        >>> found = label_validity([5, 4, 1, 4], [True, True, False, False])
        >>> found["judge_label_auc"], found["correct_to_incorrect"]["4"]
        (0.875, {'correct': 1, 'incorrect': 1, 'ratio': 1.0})
    """
    check_sampling(n_bootstrap, seed=seed)
    x, right = as_numbers("scores", scores), as_truth(correct)
    check_same_length(scores=x, correct=right)
    used = ~(np.isnan(x) | np.isnan(right))
    codes, n_clusters = _clusters_of(used, clusters)
    kinds = Kinds(np.stack([x[used], right[used]], axis=1), codes, n_clusters)
    score, truth = kinds.rows.T

    def statistics(drawn: Floats) -> Mapping[str, Floats]:
        w = kinds.counts(drawn)
        return dict(zip(LABEL_FIGURES, (weighted.spearman(w, score, truth), weighted.pearson(w, score, truth), weighted.auc(w, score, truth)), strict=True))

    found: dict[str, Any] = dict(figures_with_intervals(statistics, n_clusters, n_bootstrap=n_bootstrap, seed=seed, width=len(kinds.rows), bias_corrected=True))
    return found | {"judge_label_n": int(used.sum()), "correct_to_incorrect": _correct_to_incorrect(x[used], right[used])}


def _correct_to_incorrect(scores: Floats, right: Floats) -> dict[str, dict[str, float | None]]:
    """Per score, how many right and wrong answers; scores that are means of repeats are told apart to four digits."""
    found: dict[str, dict[str, float | None]] = {}
    for score in np.unique(scores):
        counts = found.setdefault(f"{score:.4g}", {"correct": 0, "incorrect": 0, "ratio": None})
        for key, hits in (("correct", right[scores == score] == 1), ("incorrect", right[scores == score] == 0)):
            counts[key] = (counts[key] or 0) + int(hits.sum())
    for counts in found.values():
        counts["ratio"] = (counts["correct"] or 0) / counts["incorrect"] if counts["incorrect"] else None
    return found


def human_validity(
    scores: Sequence[float | None],
    human_ratings: Sequence[Any],
    *,
    scale: tuple[int, int],
    clusters: Sequence[Hashable] | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
    epsilon: float = EPSILON,
) -> dict[str, Any]:
    """How the judge compares with humans.

    Correlations, bias and MAE compare the judge with the mean of an item's human ratings: the mean is what a panel's score estimates, and what bias means
    when raters differ. κ, α and AC2 compare it with each rater in turn and are meaned, weighted by shared items: a mean of raters steadies itself and lies off
    the scale, so agreement with it is no longer what agreement between two raters is. `human_alpha_between_raters`, on the same items, is what to read the
    judge's α against. κ and α take fractional scores and ratings as they are (κ by squared distance); AC2 needs scale points and rounds to the nearest, halves up.

    Args:
        scores: the judge's; None for an unscored item, which is in no figure.
        human_ratings: one entry per item: None, a number, or a list with one number or None per rater, always the same raters in the same order.
        scale: lowest and highest point of the scale.
        clusters: items of one cluster (the questions about a clip) are drawn together; raters are not resampled.
        n_bootstrap: resamples of each interval.
        seed: of the resamples.
        epsilon: of the alternative annotator test.

    Returns:
        human_spearman, human_kendall_tau_b, human_kappa_quadratic, human_alpha_ordinal, human_ac2 (each −1 to 1), human_bias (judge − human, signed, in scale
        points), human_mae (scale points), human_alpha_between_raters (None with one rater), each with _ci_low, _ci_high and _n (items); human_raters;
        alt_test: as `alternative_annotator_test` returns it, None with fewer than 2 raters. None where undefined.

    Raises:
        JudgeError: lengths differ, an entry that is no rating or off the scale, or n_bootstrap below 0; names it.

    Example:
        >>> found = human_validity([5, 4, 2, 1], [4, 4, 2, 0], scale=(0, 5))
        >>> found["human_bias"], found["human_mae"], found["human_spearman_n"]
        (0.5, 0.5, 4)
    """
    check_sampling(n_bootstrap, seed=seed)
    low, high = scale
    if low >= high:
        raise JudgeError(f"scale {scale!r} must be its lowest and highest point")
    x, table = as_numbers("scores", scores), rating_table(human_ratings, scale=scale)
    check_same_length(scores=x, human_ratings=table)
    check_on_scale("scores", x, scale)
    used = ~np.isnan(x) & ~np.isnan(table).all(axis=1)
    codes, n_clusters = _clusters_of(used, clusters)
    compared = _Compared(x[used], table[used], codes, n_clusters, np.arange(low, high + 1, dtype=np.float64))
    found: dict[str, Any] = {}
    figures = figures_with_intervals(compared.statistics, n_clusters, n_bootstrap=n_bootstrap, seed=seed, width=compared.width, bias_corrected=True)
    for name, least in (("human_bias", low - high), ("human_mae", 0)):
        value, one_end, other = (figures[f"{name}{end}"] for end in ("", "_ci_low", "_ci_high"))
        if value is not None and one_end is not None and other is not None and other - one_end < 1e-9:  # all errors alike: the next need not be
            figures[f"{name}_ci_low"], figures[f"{name}_ci_high"] = interval_of_equals(value, (least, high - low), n_clusters)
    shared = int(((~np.isnan(table[used])).sum(axis=1) >= 2).sum())
    for name in (*HUMAN_FIGURES, BETWEEN):
        found |= {key: figures[key] for key in (name, f"{name}_ci_low", f"{name}_ci_high")}
        found[f"{name}_n"] = shared if name == BETWEEN else int(used.sum())
    n_raters = int((~np.isnan(table)).any(axis=0).sum())
    found["human_raters"] = n_raters
    found["alt_test"] = alternative_annotator_test(scores, human_ratings, epsilon=epsilon, clusters=clusters) if n_raters >= 2 else None
    return found


def _clusters_of(used: Any, clusters: Sequence[Hashable] | None) -> tuple[Ints, int]:
    """The cluster of each item that is used, numbered anew, and how many there are."""
    names, codes = np.unique(cluster_codes(clusters, len(used))[used], return_inverse=True)
    return codes.ravel(), len(names)


class _Compared:
    """A judge beside its humans, ready to be resampled: scores (items,), ratings (items, raters), points of the scale."""

    def __init__(self, scores: Floats, ratings: Floats, clusters: Ints, n_clusters: int, points: Floats) -> None:
        self.points = points
        # 13/3 reached on two ways must be one value; the scale's points are far wider apart than this
        scores, ratings = np.round(scores, 9), np.round(ratings, 9)
        given = ~np.isnan(ratings)
        center = np.where(given, ratings, 0).sum(axis=1) / np.maximum(given.sum(axis=1), 1)
        self.mean = Kinds(np.stack([scores, np.round(center, 9)], axis=1), clusters, n_clusters)
        pairs = [(given[:, rater], np.stack([scores, ratings[:, rater]], axis=1)) for rater in range(ratings.shape[1])]
        self.pairs = [Kinds(pair[rows], clusters[rows], n_clusters) for rows, pair in pairs if rows.any()]
        self.between = Kinds(np.sort(ratings, axis=1), clusters, n_clusters)
        self.width = max(len(kinds.rows) for kinds in (self.mean, self.between, *self.pairs))

    def statistics(self, drawn: Floats) -> Mapping[str, Floats]:
        """Every figure of each resample."""
        w, (score, human) = self.mean.counts(drawn), self.mean.rows.T
        kappa, alpha, ac2 = self._by_rater(drawn)
        return {
            "human_spearman": weighted.spearman(w, score, human),
            "human_kendall_tau_b": weighted.kendall_tau_b(w, score, human),
            "human_kappa_quadratic": kappa,
            "human_alpha_ordinal": alpha,
            "human_ac2": ac2,
            "human_bias": weighted.mean(w, score - human),
            "human_mae": weighted.mean(w, np.abs(score - human)),
            BETWEEN: weighted.alpha_ordinal(self.between.counts(drawn), self.between.rows),
        }

    def _by_rater(self, drawn: Floats) -> list[Floats]:
        """κ, α and AC2 with each rater in turn, meaned by shared items; a rater with whom one is undefined is left out of that one."""
        above, below = np.zeros((3, len(drawn))), np.zeros((3, len(drawn)))
        for kinds in self.pairs:
            w, (x, y) = kinds.counts(drawn), kinds.rows.T
            near_x, near_y = (np.floor(side + 0.5) for side in (x, y))
            values = np.stack(
                [weighted.kappa_quadratic(w, x, y), weighted.alpha_ordinal(w, kinds.rows), weighted.ac2_quadratic(w, near_x, near_y, self.points)]
            )
            items = np.where(np.isnan(values), 0, w.sum(axis=1))
            above, below = above + items * np.nan_to_num(values), below + items
        return list(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))

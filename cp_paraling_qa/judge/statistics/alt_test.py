"""May the judge stand in for a human? The alternative annotator test (Calderon, Reichart, Dror: arXiv 2501.10970, ACL 2025)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints, as_numbers, check_same_length, cluster_codes, rating_table

EPSILON = 0.15
"""The advantage granted to the judge for being cheap. The paper's rule of thumb: 0.2 for experts, 0.15 for trained raters, 0.1 for crowd workers; less where
raters agree little."""

MIN_ITEMS = 30
"""Fewest items per rater: the paper's bound for its t-test to hold; it advises 50 to 100."""

MIN_CLUSTERS = 10
"""Fewest clusters per rater: with fewer, five like answers on two clips would count as certain. Ours, the paper has no clusters."""


def alternative_annotator_test(
    scores: Sequence[float | None],
    human_ratings: Sequence[Any],
    *,
    epsilon: float = EPSILON,
    alpha: float = 0.05,
    min_items: int = MIN_ITEMS,
    clusters: Sequence[Hashable] | None = None,
) -> dict[str, Any]:
    """Leave each rater out in turn: does the judge stand closer to the others than that rater does?

    For each item that the left-out rater, another rater and the judge all rated, closeness is −RMSE to the other raters (on 0/1 ratings this orders as
    accuracy does). A win is being at least as close. H0: the rater wins more often than the judge by ε or more; one-sided t-test on the difference of wins, over
    clusters where there are some (its standard error is then that of cluster sums); Benjamini–Yekutieli over raters.

    Args:
        scores: the judge's; None for an unscored item, which is left out.
        human_ratings: one entry per item: None, a number, or a list with one number or None per rater, always the same raters in the same order.
        epsilon: 0 to 1; higher is easier on the judge.
        alpha: false discovery rate over the raters.
        min_items: raters with fewer items (or of fewer than `MIN_CLUSTERS` clusters) are not tested.
        clusters: items of one cluster (the questions about a clip) are no independent evidence.

    Returns:
        passed (winning_rate ≥ 0.5; None where the test cannot be run, and reason says what is needed), winning_rate (ω: share of tested raters for whom H0 falls),
        advantage_probability (ρ: mean over them of the judge's share of wins, 0–1), epsilon, alpha, min_items, n (items used), n_raters (tested), raters: per
        rater its number, n, advantage_probability, difference (the rater's wins − the judge's, per item), p_value, p_adjusted and won, or reason it was not tested.

    Raises:
        JudgeError: lengths differ, an entry that is no rating, or epsilon, alpha or min_items out of range; names it.

    Example:
        >>> found = alternative_annotator_test([3, 4] * 20, [[3, 3], [4, 4]] * 20)
        >>> found["passed"], found["winning_rate"], found["advantage_probability"]
        (True, 1.0, 1.0)
    """
    for name, value in (("epsilon", epsilon), ("alpha", alpha)):
        if not 0 <= value <= 1:
            raise JudgeError(f"{name} is {value!r}; it lies between 0 and 1")
    if min_items < 2:
        raise JudgeError(f"min_items is {min_items!r}; a t-test takes at least 2")
    x, table = as_numbers("scores", scores), rating_table(human_ratings)
    check_same_length(scores=x, human_ratings=table)
    codes = cluster_codes(clusters, len(x))
    used = ~np.isnan(x) & ((~np.isnan(table)).sum(axis=1) >= 2)
    raters = [_rater(j, x[used], table[used], codes[used], epsilon, min_items) for j in range(table.shape[1])]
    tested = [rater for rater in raters if rater["reason"] is None]
    found: dict[str, Any] = {"passed": None, "reason": None, "winning_rate": None, "advantage_probability": None}
    found |= {"epsilon": epsilon, "alpha": alpha, "min_items": min_items, "n": int(used.sum()), "n_raters": len(tested), "raters": raters}
    if len(tested) < 2:
        return found | {"reason": _why_not(table, len(tested), int(used.sum()), min_items)}
    _adjust(tested, alpha)
    won = sum(rater["won"] for rater in tested) / len(tested)
    advantage = math.fsum(rater["advantage_probability"] for rater in tested) / len(tested)
    return found | {"passed": won >= 0.5, "winning_rate": won, "advantage_probability": advantage}


def _rater(j: int, x: Floats, table: Floats, codes: Ints, epsilon: float, min_items: int) -> dict[str, Any]:
    """The test of one left-out rater."""
    rows = ~np.isnan(table[:, j])
    n, n_clusters = int(rows.sum()), len(np.unique(codes[rows]))
    found: dict[str, Any] = {"rater": j, "n": n} | dict.fromkeys(("advantage_probability", "difference", "p_value", "p_adjusted", "won", "reason"))
    if n < min_items:
        return found | {"reason": f"{n} items shared with another rater and the judge, {min_items} needed"}
    if n_clusters < min(MIN_CLUSTERS, min_items):
        return found | {"reason": f"its {n} shared items are of {n_clusters} clusters, {min(MIN_CLUSTERS, min_items)} needed"}
    others = np.delete(table[rows], j, axis=1)
    judge, human = _errors(x[rows], others), _errors(table[rows, j], others)
    difference: Floats = np.sign(judge - human)
    p_value = _p_value(difference, codes[rows], epsilon)
    return found | {"advantage_probability": float((judge <= human).mean()), "difference": float(difference.mean()), "p_value": p_value}


def _errors(side: Floats, others: Floats) -> Floats:
    """Mean squared error to the other raters, which orders as its root does; rounded, so that equal errors summed in another order are equal."""
    return np.asarray(np.nanmean((others - side[:, None]) ** 2, axis=1), dtype=np.float64).round(9)


def _p_value(difference: Floats, codes: Ints, epsilon: float) -> float:
    """One-sided p of mean ≥ epsilon, with the standard error of cluster sums; for clusters of one item it is Student's t-test."""
    names, cluster = np.unique(codes, return_inverse=True)
    n, c = len(difference), len(names)
    mean = float(difference.mean())
    sums = np.bincount(cluster.ravel(), difference - mean)
    error = math.sqrt(c / (c - 1) * float((sums**2).sum())) / n
    if error < 1e-12:  # no two items differ: certain either way
        return 0.0 if mean < epsilon else 1.0
    from scipy.special import stdtr

    return float(stdtr(c - 1, (mean - epsilon) / error))


def _adjust(tested: list[dict[str, Any]], alpha: float) -> None:
    """Benjamini–Yekutieli over the raters: right under any dependence between them."""
    from scipy.stats import false_discovery_control

    adjusted = false_discovery_control([rater["p_value"] for rater in tested], method="by")
    for rater, p in zip(tested, adjusted, strict=True):
        rater["p_adjusted"], rater["won"] = float(p), bool(p <= alpha)


def _why_not(table: Floats, n_tested: int, n_used: int, min_items: int) -> str:
    n_raters = int((~np.isnan(table)).any(axis=0).sum())
    if n_raters < 2:
        return f"{n_raters} rater{'s' * (n_raters != 1)}: at least 2 must have rated the same items, better 3"
    need = f"at least 2 raters need {min_items} items each (better 50 to 100, of at least {MIN_CLUSTERS} clusters) that another rater and the judge rated too"
    return f"{n_tested} of {n_raters} raters can be tested on {n_used} shared items: {need}"

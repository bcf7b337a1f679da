"""The score that humans would have given, out of a judge that saw everything and humans who saw some of it.

A judge that is off by a little on each item is off by as much on the mean, and an interval around that mean says nothing about it. Items with a human rating
tell how far off; their number goes into the interval, beside the number of items.

    rogan-gladen  judge and humans say 0 or 1: (p + q0 − 1) ÷ (q0 + q1 − 1), p the judge's share of ones, q1 its sensitivity, q0 its specificity
    ppi           any scale: λ · judge's mean on all + mean of (human − λ · judge) where there is a human, λ tuned for least variance
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics.intervals import NO_INTERVAL, Interval, check_sampling, interval_of_equals
from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints, as_numbers, check_on_scale, check_same_length, cluster_codes
from cp_paraling_qa.judge.statistics.resampling import draws, percentile_interval

RG, PPI = "rogan-gladen", "ppi"
METHODS = ("auto", RG, PPI)


class Corrected(NamedTuple):
    """A corrected mean with its interval, in the scale's own points.

    Attributes:
        score: within the scale; NaN where it is undefined.
        low: end of the interval, NaN where there is none.
        high: the other end.
        method: "rogan-gladen" or "ppi"; where something is undefined, with the reason behind a colon.
        n_human: items that have a human's and the judge's score.
    """

    score: float
    low: float
    high: float
    method: str
    n_human: int


@dataclass(frozen=True)
class _Items:
    """Items that the judge scored. `judge`, `human` (NaN where none), `codes`: shape (items,)."""

    judge: Floats
    human: Floats
    codes: Ints

    @property
    def rated(self) -> Floats:
        """1 where there is a human's rating, else 0."""
        return (~np.isnan(self.human)).astype(np.float64)

    def per_cluster(self, *columns: Floats) -> Floats:
        """Sums of columns over clusters, shape (clusters, columns)."""
        return np.stack([np.bincount(self.codes, column) for column in columns], axis=1)

    @property
    def rated_clusters(self) -> int:
        """Clusters that a human rated something of: what the correction rests on."""
        return len(np.unique(self.codes[self.rated == 1]))


def corrected_score(
    scores: Sequence[float | None],
    human: Sequence[float | None],
    *,
    scale: tuple[float, float] = (0, 5),
    method: str = "auto",
    clusters: Sequence[Hashable] | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Corrected:
    """The mean score corrected by human ratings of some of the items, with the uncertainty of both.

    The rated items are part of the set and count in both terms; that they do is in the interval. The method "ppi" needs them to be a random choice of the
    items; "rogan-gladen" only a random choice within those that humans call 0 and within those that they call 1. Items without a judge's score are left out of
    everything, also where a human rated them: with many, this is the mean of what the judge can score.

    rogan-gladen: arXiv 2511.21140 for the two uncertainties; instead of its delta method the interval holds every share θ for which p = θ q1 + (1 − θ)(1 − q0)
    is not refuted (Fieller), with one success and one failure added to each calibration class as there. It covers where the paper's normal approximation is
    too wide, honours clusters and calibration inside the set, and grows to the whole scale where the judge hardly tells 0 from 1.
    ppi: Angelopoulos et al. 2023, arXiv 2301.09633, power-tuned after arXiv 2311.01453; bootstrap over clusters with λ tuned anew in each resample.

    Args:
        scores: the judge's, one per item; None where it gave none.
        human: a human's rating on the same scale, or the mean of several; None for most items.
        scale: lowest and highest score.
        method: "rogan-gladen" (all scores and ratings at the ends of the scale), "ppi", or "auto": the first on the scale (0, 1) where nothing lies between.
        clusters: what belongs together, such as clip ids.
        n_bootstrap: resamples, of ppi.
        confidence: share of such intervals that hold the true mean.
        seed: of the resamples.

    Returns:
        `Corrected`. All NaN without a rated item, and for rogan-gladen without ratings of both kinds or with sensitivity + specificity ≤ 1: no better than
        guessing, and nothing can be corrected. No interval with ratings in fewer than 2 clusters.

    Raises:
        JudgeError: lengths differ, a score off the scale or that is no number, an unknown method; names it.

    Example:
        >>> found = corrected_score([1, 1, 1, 0, 0, 1, 1, 0, 1, 0], [1, 1, 0, 0, 0, 1] + [None] * 4, scale=(0, 1))
        >>> round(found.score, 3), found.method, found.n_human
        (0.4, 'rogan-gladen', 6)
    """
    low, high = _checked(scale, method)
    check_sampling(n_bootstrap, confidence, seed=seed)
    judged, rated = as_numbers("scores", scores), as_numbers("human", human)
    check_same_length(scores=judged, human=rated)
    for name, column in (("scores", judged), ("human", rated)):
        check_on_scale(name, column, (low, high))
    codes = cluster_codes(clusters, len(judged))
    used = ~np.isnan(judged)
    share = (np.stack([judged[used], rated[used]]) - low) / (high - low)
    items = _Items(share[0], share[1], np.unique(codes[used], return_inverse=True)[1])
    between = (share > 0) & (share < 1)
    if method == RG and between.any():
        raise JudgeError(f"{RG} takes scores and ratings of {low:g} or {high:g} only, and some lie between: use ppi")
    chosen = RG if method == RG or (method == "auto" and (low, high) == (0, 1) and not between.any()) else PPI
    n_human = int(items.rated.sum())
    if not n_human:
        return Corrected(math.nan, math.nan, math.nan, f"{chosen}: no item has a judge's score and a human's", 0)
    score, ends, reason = _rogan_gladen(items, confidence) if chosen == RG else _ppi(items, n_bootstrap, confidence, seed)
    mean, *around = (low + (high - low) * value for value in (score, *ends))
    return Corrected(mean, around[0], around[1], f"{chosen}: {reason}" if reason else chosen, n_human)


def _checked(scale: tuple[float, float], method: str) -> tuple[float, float]:
    low, high = scale if isinstance(scale, Sequence | np.ndarray) and len(scale) == 2 else (0, 0)
    if not low < high:
        raise JudgeError(f"scale is {scale!r}; give the lowest and the highest score, such as (0, 5)")
    if method not in METHODS:
        raise JudgeError(f"method is {method!r}; it is one of {', '.join(METHODS)}")
    return low, high


def _too_few(items: _Items) -> str:
    return "no interval, the ratings lie in one cluster" if items.rated_clusters < 2 else ""


def _rogan_gladen(items: _Items, confidence: float) -> tuple[float, Interval, str]:
    yes, no = items.human == 1, items.human == 0
    if not yes.any() or not no.any():
        return math.nan, NO_INTERVAL, f"undefined, humans rated no item as {'0' if yes.any() else '1'}"
    p, sensitivity, specificity = (float(column.mean()) for column in (items.judge, items.judge[yes], 1 - items.judge[no]))
    informed = sensitivity + specificity - 1
    if informed <= 0:
        return math.nan, NO_INTERVAL, f"undefined, sensitivity {sensitivity:.2f} + specificity {specificity:.2f} ≤ 1"
    score = min(max((p + specificity - 1) / informed, 0.0), 1.0)
    return score, _not_refuted(items, yes, no, score, confidence), _too_few(items)


def _not_refuted(items: _Items, yes: np.ndarray, no: np.ndarray, score: float, confidence: float) -> Interval:
    """The shares θ with (a − b θ)² ≤ t² Var(a − b θ), where a = p + q0 − 1 and b = q0 + q1 − 1.

    The variances are those of sums over clusters of each item's influence on a and b, plus the two made-up items of each calibration class, which keep a judge
    without an error in 20 items from passing for perfect.
    """
    if items.rated_clusters < 2:
        return NO_INTERVAL
    from scipy.special import stdtrit

    judge, p = items.judge, items.judge.mean()
    n_yes, n_no = yes.sum() + 2, no.sum() + 2
    q1, q0 = (judge[yes].sum() + 1) / n_yes, ((1 - judge)[no].sum() + 1) / n_no
    on_q1, on_q0 = yes * (judge - q1) / n_yes, no * (1 - judge - q0) / n_no
    influence = items.per_cluster((judge - p) / len(judge) + on_q0, on_q0 + on_q1)
    extra_q1, extra_q0 = ((q**2 + (1 - q) ** 2) / n**2 for q, n in ((q1, n_yes), (q0, n_no)))
    covariance = influence.T @ influence * len(influence) / (len(influence) - 1) + np.array([[extra_q0, extra_q0], [extra_q0, extra_q0 + extra_q1]])
    a, b = p + q0 - 1, q0 + q1 - 1
    limit = float(stdtrit(items.rated_clusters - 1, (1 + confidence) / 2)) ** 2
    bend, slope, level = b**2 - limit * covariance[1, 1], -2 * (a * b - limit * covariance[0, 1]), a**2 - limit * covariance[0, 0]
    # Along 0–1 the set begins and ends at 0, at 1 or at a root; a set of two pieces is told as the span of both.
    roots = [float(root.real) for root in np.roots([bend, slope, level]) if abs(root.imag) < 1e-12 and 0 <= root.real <= 1]
    held = [theta for theta in (0.0, 1.0) if bend * theta**2 + slope * theta + level <= 0]
    return Interval(min([*roots, *held, score]), max([*roots, *held, score]))


def _ppi(items: _Items, n_bootstrap: int, confidence: float, seed: int) -> tuple[float, Interval, str]:
    rated, f, y = items.rated, items.judge, np.nan_to_num(items.human)
    sums = items.per_cluster(np.ones_like(f), f, f * f, rated, rated * f, rated * y, rated * f * y)
    score = float(_tuned(sums.sum(axis=0)[None])[0])
    parts = [_tuned(drawn @ sums) for drawn in draws(len(sums), n_bootstrap, seed, width=sums.shape[1])]
    if items.rated_clusters < 2 or not parts:
        return score, NO_INTERVAL, _too_few(items)
    # as many degrees of freedom as clusters that a human rated: the correction is the part with the fewest
    low, high = percentile_interval(np.concatenate(parts), items.rated_clusters, confidence=confidence)
    if high - low < 1e-9:  # no score and no error differs from another: what so many ratings can show
        low, high = interval_of_equals(score, (0.0, 1.0), items.rated_clusters, confidence)
    return score, Interval(low, high), ""


def _tuned(sums: Floats) -> Floats:
    """The estimate of each resample, shape (resamples,), within 0–1; NaN where nothing is rated.

    λ is the covariance of human and judge over the judge's variance, as in ppi-python, which counts it without the rated items in the judge's mean; so its bound
    of 1 is one of items ÷ unrated items here.

    Args:
        sums: shape (resamples, 7): items, f, f², rated items, and over these f, y, f y.
    """
    n, f, ff, m, mf, my, mfy = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (ff - f * f / n) / (n - 1)
        slope = np.where(variance > 1e-12, (mfy / m - mf / m * my / m) / variance, 0.0)
        shift = np.clip(slope, 0.0, n / (n - m)) * (f / n - mf / m)
        estimate = my / m + np.where(n > m, shift, 0.0)
    return np.asarray(np.clip(estimate, 0.0, 1.0), dtype=np.float64)

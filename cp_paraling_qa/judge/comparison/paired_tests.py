"""Tests of paired differences that honour clusters: signed rank, McNemar, bootstrap p; what a comparison could have seen; many tests at once.

Each of the first two flips the sign of whole clusters, since under the null hypothesis A and B may be swapped clip by clip, not question by question. With one
item per cluster they are the usual Wilcoxon and the usual exact McNemar test.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints, as_numbers, check_same_length, cluster_codes

ENUMERATED = 13
"""Clusters up to which all 2ⁿ swaps are looked at; scipy's own limit for ties."""


class SignedRank(NamedTuple):
    """A signed-rank test.

    Attributes:
        p: two-sided; 1 where no item differs, NaN without items.
        n: items.
        n_zero: items without a difference; they are ranked and then left out (Pratt).
    """

    p: float
    n: int
    n_zero: int


class McNemar(NamedTuple):
    """An exact McNemar test.

    Attributes:
        p: two-sided; 1 where neither is right alone, NaN without items.
        only_a: items that only A has right.
        only_b: items that only B has right.
    """

    p: float
    only_a: int
    only_b: int


def signed_rank(differences: Sequence[float], *, clusters: Sequence[Hashable] | None = None) -> SignedRank:
    """Wilcoxon's signed-rank test of paired differences, zeros as Pratt 1959 has them: ranked, then dropped.

    One item per cluster: `scipy.stats.wilcoxon(differences, zero_method="pratt")`, exact where it can be. Otherwise Rosner, Glynn and Lee 2006 (Biometrics 62):
    the same sum of signed ranks, with the variance that it has when whole clusters change sign; up to 13 clusters over all swaps.

    Args:
        differences: shape (items,), no NaN.
        clusters: what belongs together.

    Raises:
        JudgeError: a difference that is missing or no number.
    """
    d = as_numbers("differences", differences)
    if np.isnan(d).any():
        raise JudgeError(f"differences[{int(np.flatnonzero(np.isnan(d))[0])}] is missing: leave out items that lack a side")
    codes = cluster_codes(clusters, len(d))
    zeros = int(np.sum(d == 0))
    if zeros == len(d):
        return SignedRank(1.0 if len(d) else math.nan, len(d), zeros)
    from scipy.stats import rankdata, wilcoxon

    if len(np.unique(codes)) == len(d):
        return SignedRank(float(wilcoxon(d, zero_method="pratt").pvalue), len(d), zeros)
    sums = np.bincount(codes, np.sign(d) * rankdata(np.abs(d)))
    return SignedRank(_swapped(sums[sums != 0]), len(d), zeros)


def _swapped(sums: Floats) -> float:
    """How often a sum of cluster sums is as far from 0 when each changes sign by chance."""
    from scipy.special import ndtr

    if len(sums) <= ENUMERATED:
        signs = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float(np.mean(np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9 * np.abs(sums).sum()))
    return float(2 * ndtr(-abs(sums.sum()) / math.sqrt(float(sums @ sums))))


def mcnemar(right_a: Sequence[bool], right_b: Sequence[bool], *, clusters: Sequence[Hashable] | None = None) -> McNemar:
    """McNemar's exact test of whether A and B are right equally often.

    One item per cluster: the binomial test of only_a among only_a + only_b. Otherwise a cluster's items change sides together; the distribution of the sum stays
    exact, as a convolution.

    Args:
        right_a: whether A has each item right.
        right_b: whether B has.
        clusters: what belongs together.

    Raises:
        JudgeError: lengths differ.
    """
    check_same_length(right_a=right_a, right_b=right_b)
    gain = np.asarray(right_b, dtype=bool).astype(np.int64) - np.asarray(right_a, dtype=bool).astype(np.int64)
    if not len(gain):
        return McNemar(math.nan, 0, 0)
    sums = np.bincount(cluster_codes(clusters, len(gain)), gain).astype(np.int64)
    return McNemar(_swapped_exactly(sums), int(np.sum(gain < 0)), int(np.sum(gain > 0)))


def _swapped_exactly(sums: Ints) -> float:
    """As `_swapped`, exactly, for whole numbers: m clusters of size s sum to s (2 K − m), where K is binomial."""
    from scipy.signal import convolve
    from scipy.stats import binom

    spread = np.ones(1)
    for size, m in zip(*np.unique(np.abs(sums[sums != 0]), return_counts=True), strict=True):
        part = np.zeros(2 * size * m + 1)
        part[:: 2 * size] = binom.pmf(np.arange(m + 1), m, 0.5)
        spread = part if len(spread) == 1 else convolve(spread, part, method="direct")
    reach = (len(spread) - 1) // 2
    far = np.abs(np.arange(-reach, reach + 1)) >= abs(int(sums.sum()))
    return float(min(1.0, spread[far].sum()))


def bootstrap_p(replicates: Floats, n_clusters: int) -> float:
    """Two-sided p of a difference being 0, from its resamples: 1 − the confidence of the interval of `resampling.percentile_interval` that ends at 0.

    Args:
        replicates: the difference in each resample; NaN leaves a resample out.
        n_clusters: independent units that were drawn from.

    Returns:
        0–1, never below what the number of resamples can show; NaN with fewer than 2 clusters or where most resamples are undefined.
    """
    defined = replicates[~np.isnan(replicates)]
    if n_clusters < 2 or not len(defined) or 2 * len(defined) < len(replicates):
        return math.nan
    from scipy.special import ndtri, stdtr

    below = float(np.mean(defined < 0) + np.mean(defined == 0) / 2)
    least = 1 / (len(defined) + 1)
    z = float(ndtri(min(max(below, least), 1 - least)))
    return float(2 * stdtr(n_clusters - 1, -abs(z) * math.sqrt((n_clusters - 1) / n_clusters)))


def standard_error(differences: Floats, codes: Ints) -> float:
    """Of a mean of differences, from their spread between clusters; sd ÷ √n with one item per cluster. NaN with fewer than 2 clusters."""
    n_clusters = len(np.unique(codes))
    if n_clusters < 2:
        return math.nan
    sums = np.bincount(codes, differences - differences.mean())
    return float(math.sqrt(n_clusters / (n_clusters - 1) * float(sums @ sums)) / len(differences))


def minimum_detectable_effect(error: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The true difference that a two-sided test at level alpha sees with this power: (z(1 − α/2) + z(power)) · standard error.

    Args:
        error: the standard error of the difference, in the units of the result.
        power: 0–1.
        alpha: 0–1.

    Returns:
        2.80 standard errors by default; NaN where the error is NaN or 0: items without any difference tell nothing of what could be seen.

    Example:
        >>> round(minimum_detectable_effect(32 / 200**0.5), 1)  # paired sd 32 points, 200 items
        6.3
    """
    from scipy.special import ndtri

    return float(ndtri(1 - alpha / 2) + ndtri(power)) * error if error > 0 else math.nan


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """p values adjusted for the false discovery rate over all of them; NaN stays NaN and does not count."""
    from scipy.stats import false_discovery_control

    given = np.asarray(p, dtype=np.float64)
    found = np.full(len(given), math.nan)
    told = ~np.isnan(given)
    if told.any():
        found[told] = false_discovery_control(given[told], method="bh")
    return [float(value) for value in found]

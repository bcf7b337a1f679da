"""The bootstrap as counts: how often each cluster is drawn, and from that how often each kind of row.

A statistic of scores on a scale depends on its rows only through how many there are of each kind (score 4 beside rating 5, 37 times). So a resample is a vector
of counts, 2,000 resamples are a matrix, and a statistic is a few array operations on it: seconds where a loop over resampled rows takes minutes. With
continuous scores every row is a kind of its own, and the same code is right, only slower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints

MAX_SHIFT = 1.0
"""Most bias that is corrected for, in standard deviations: more is seen only where a handful of items leaves a handful of values."""

CHUNK_CELLS = 4_000_000
"""Counts held at once: 32 MB a matrix."""


class Kinds:
    """The distinct rows of a table, and how often each cluster has each.

    Attributes:
        rows: shape (kinds, columns), the distinct rows in order, NaN where a cell is missing.
    """

    def __init__(self, table: Floats, clusters: Ints, n_clusters: int) -> None:
        """Count the rows of a table, shape (items, columns); clusters: the cluster of each, from 0 to n_clusters − 1."""
        from scipy.sparse import csr_array

        # NaN equals nothing, itself included: rows with holes would each be a kind of its own
        rows, kind = np.unique(np.where(np.isnan(table), np.inf, table), axis=0, return_inverse=True)
        self.rows: Floats = np.where(np.isinf(rows), np.nan, rows)
        shape = (len(self.rows), n_clusters)
        self._per_cluster: Any = csr_array((np.ones(len(table)), (kind.ravel(), clusters)), shape=shape)
        self._per_cluster.sum_duplicates()

    def counts(self, drawn: Floats) -> Floats:
        """Clusters drawn, shape (resamples, clusters) → rows drawn, shape (resamples, kinds)."""
        found: Floats = np.ascontiguousarray((self._per_cluster @ drawn.T).T)
        return found


def draws(n_clusters: int, n_bootstrap: int, seed: int, *, width: int = 0) -> Iterator[Floats]:
    """How often each cluster is drawn in each resample, with replacement, in chunks of shape (≤ resamples, clusters).

    Args:
        n_clusters: clusters to draw from, and to draw.
        n_bootstrap: resamples over all chunks.
        seed: the same seed and sizes give the same draws.
        width: the most kinds of row that will be counted; keeps a chunk's memory bounded.
    """
    rng = np.random.default_rng(seed)
    size = max(1, min(n_bootstrap, CHUNK_CELLS // max(n_clusters, width, 1)))
    for start in range(0, n_bootstrap, size):
        n = min(size, n_bootstrap - start)
        cells = rng.integers(0, n_clusters, size=(n, n_clusters)) + np.arange(n)[:, None] * n_clusters
        yield np.bincount(cells.ravel(), minlength=n * n_clusters).reshape(n, n_clusters).astype(np.float64)


def percentile_interval(replicates: Floats, n_clusters: int, *, confidence: float = 0.95, center: float | None = None) -> tuple[float, float]:
    """The bootstrap percentile interval, widened for few clusters.

    A percentile interval is too narrow by about √((n − 1) ÷ n) and by the normal's thinner tails; taking the percentiles further out by the matching t quantile
    mends both (Hesterberg, What Teachers Should Know About the Bootstrap, 2015: the expanded percentile interval). With `center` the interval is also moved, by
    twice what the resamples lie to one side of the figure (Efron's bias correction): resamples repeat items, which flatters chance-corrected agreement.

    Args:
        replicates: the statistic of each resample; NaN where it is undefined, which leaves the resample out.
        n_clusters: independent units that were drawn from.
        confidence: share of intervals that should hold the truth.
        center: the figure itself; None for no bias correction.

    Returns:
        low, high; NaN, NaN with fewer than 2 clusters, or where the statistic is undefined in most resamples.
    """
    defined = replicates[~np.isnan(replicates)]
    if n_clusters < 2 or 2 * len(defined) < max(len(replicates), 1):
        return math.nan, math.nan
    from scipy.special import ndtr, ndtri, stdtrit

    tail = float(stdtrit(n_clusters - 1, (1 - confidence) / 2) * math.sqrt(n_clusters / (n_clusters - 1)))
    shift = 0.0
    if center is not None:
        beneath = (np.mean(defined < center - 1e-12) + np.mean(defined <= center + 1e-12)) / 2
        shift = float(np.clip(ndtri(beneath), -MAX_SHIFT, MAX_SHIFT))
    low, high = mid_quantiles(defined, [float(ndtr(2 * shift + tail)), float(ndtr(2 * shift - tail))])
    return float(low), float(high)


def mid_quantiles(values: Floats, shares: Sequence[float]) -> Floats:
    """Quantiles of the mid-distribution, P(below) + ½ P(equal), between the values that occur.

    The mean of 200 zeros and ones comes in steps of 0.005. Ordinary quantiles hold a whole step at each end, and a 95 % interval covers 96.0 % (n = 200, share
    0.5 or 0.85, computed exactly); these halve it, and it covers 94.4 % (Ma, Genton and Parzen 2011, Annals of the Institute of Statistical Mathematics 63).
    Where no two values are equal they are the ordinary ones (Hazen's rule).
    """
    ordered = np.sort(values)
    reach = 1e-12 * max(1.0, float(np.abs(ordered[[0, -1]]).max()))  # sums of the same terms in another order are equal
    first = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > reach)
    sizes = np.diff(first, append=len(ordered))
    found: Floats = np.interp(np.asarray(shares), (first + sizes / 2) / len(ordered), ordered[first])
    return found


def figures_with_intervals(
    statistics: Callable[[Floats], Mapping[str, Floats]], n_clusters: int, *, n_bootstrap: int, seed: int, width: int = 0, bias_corrected: bool = False
) -> dict[str, float | None]:
    """Statistics of the clusters as they are, each with its interval: name, name_ci_low, name_ci_high; None where undefined.

    Args:
        statistics: clusters drawn, shape (resamples, clusters) → each statistic, shape (resamples,). The same function gives the figure and its resamples.
        n_clusters: 0 gives NaN figures.
        n_bootstrap: 0 gives no intervals.
        seed: of the resamples.
        width: as in `draws`.
        bias_corrected: whether the intervals are moved by the resamples' bias (`percentile_interval`).
    """
    point = statistics(np.ones((1, n_clusters)))
    chunks = [statistics(drawn) for drawn in draws(n_clusters, n_bootstrap, seed, width=width)] if n_clusters > 1 else []
    found: dict[str, float | None] = {}
    for name, value in point.items():
        figure, low, high = float(value[0]), math.nan, math.nan
        if chunks and not math.isnan(figure):
            low, high = percentile_interval(np.concatenate([chunk[name] for chunk in chunks]), n_clusters, center=figure if bias_corrected else None)
        for key, number in ((name, figure), (f"{name}_ci_low", low), (f"{name}_ci_high", high)):
            found[key] = None if math.isnan(number) else number
    return found

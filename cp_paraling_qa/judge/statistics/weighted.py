"""The statistics of `agreement` over counted rows: one value per resample, all resamples at once.

Everywhere w has shape (resamples, kinds): how often each kind of row was drawn; x and y have shape (kinds,): what stands in it. A resample in which the statistic
is undefined gives NaN. On rows drawn once each, these equal the public functions; the tests hold them to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints


def _over(above: Floats, below: Floats) -> Floats:
    """above ÷ below; NaN where below is 0."""
    found: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return found


def mean(w: Floats, x: Floats) -> Floats:
    """The mean of x, shape (resamples,)."""
    return _over(w @ x, w.sum(axis=1))


def codes_of(x: Floats) -> tuple[Floats, Ints]:
    """The distinct values in order, and the place of each x among them."""
    values, codes = np.unique(x, return_inverse=True)
    return values, codes.ravel()


def marginal(w: Floats, codes: Ints) -> Floats:
    """How often each value was drawn, shape (resamples, values)."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    found: Floats = np.add.reduceat(w[:, order], starts, axis=1) if len(codes) else w
    return found


def _midranks(w: Floats, codes: Ints) -> tuple[Floats, Any]:
    """The midrank of each value, centred on 0, and where fewer than two values were drawn."""
    drawn = marginal(w, codes)
    ranks = np.cumsum(drawn, axis=1) - drawn / 2 - w.sum(axis=1, keepdims=True) / 2
    return ranks, (drawn > 0).sum(axis=1) < 2


def spearman(w: Floats, x: Floats, y: Floats) -> Floats:
    """Spearman's ρ: Pearson's r of midranks, whose mean is 0 as they are centred."""
    (_, i), (_, j) = codes_of(x), codes_of(y)
    (rank_x, constant_x), (rank_y, constant_y) = _midranks(w, i), _midranks(w, j)
    a, b = rank_x[:, i], rank_y[:, j]
    scale = np.sqrt((w * a * a).sum(axis=1) * (w * b * b).sum(axis=1))
    return np.where(constant_x | constant_y, np.nan, _over((w * a * b).sum(axis=1), scale))


def pearson(w: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's r."""
    total = np.maximum(w.sum(axis=1), 1)
    a = x - (w @ x / total)[:, None]
    b = y - (w @ y / total)[:, None]
    scale = np.sqrt((w * a * a).sum(axis=1) * (w * b * b).sum(axis=1))
    constant = (_midranks(w, codes_of(x)[1])[1]) | (_midranks(w, codes_of(y)[1])[1])
    return np.where(constant, np.nan, _over((w * a * b).sum(axis=1), scale))


def auc(w: Floats, x: Floats, right: Floats) -> Floats:
    """The area under the ROC curve: right is 1 or 0."""
    ranks, _ = _midranks(w, codes_of(x)[1])
    ranks = ranks[:, codes_of(x)[1]]
    n_right, n_wrong = w @ right, w @ (1 - right)
    # centred midranks of the right ones sum to n_right · n_wrong · (auc − ½)
    return _over((w * ranks) @ right, n_right * n_wrong) + 0.5


def kendall_tau_b(w: Floats, x: Floats, y: Floats) -> Floats:
    """Kendall's τ-b, by one pass over the kinds in order of x with a binary indexed tree over y: kinds × log(values) steps, not kinds²."""
    (_, i), (_, j) = codes_of(x), codes_of(y)
    counts = np.ascontiguousarray(w.T)
    size = int(j.max()) + 1 if len(j) else 0
    tree = np.zeros((size + 1, len(w)))
    seen, excess = np.zeros(len(w)), np.zeros(len(w))
    order = np.argsort(i, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(i[order])) + 1) if len(order) else []:
        for k in group:  # those before have a smaller x: concordant where y is smaller too, discordant where it is larger
            excess += counts[k] * (_below(tree, int(j[k])) + _below(tree, int(j[k]) + 1) - seen)
        for k in group:
            _add(tree, int(j[k]), counts[k])
            seen += counts[k]
    n = w.sum(axis=1)
    tied_x, tied_y = (np.square(marginal(w, codes)).sum(axis=1) for codes in (i, j))
    return _over(2 * excess, np.sqrt(np.maximum((n * n - tied_x) * (n * n - tied_y), 0)))


def _below(tree: Floats, place: int) -> Floats:
    """How many were added at places under this one."""
    found = np.zeros(tree.shape[1])
    while place > 0:
        found += tree[place]
        place -= place & -place
    return found


def _add(tree: Floats, place: int, counts: Floats) -> None:
    place += 1
    while place < len(tree):
        tree[place] += counts
        place += place & -place


def kappa_quadratic(w: Floats, x: Floats, y: Floats) -> Floats:
    """Cohen's κ with quadratic weights by value: 1 − mean squared difference ÷ that of x and y paired at random. Needs no categories, so takes means of repeats."""
    observed = mean(w, (x - y) ** 2)
    expected = mean(w, x * x) + mean(w, y * y) - 2 * mean(w, x) * mean(w, y)
    # both constant and equal: nothing but rounding is left
    return 1 - _over(observed, np.where(expected > 1e-9 * (1 + mean(w, x * x)), expected, 0))


def ac2_quadratic(w: Floats, x: Floats, y: Floats, points: Floats) -> Floats:
    """Gwet's AC2 of two raters with quadratic weights; x and y are among the points of the scale."""
    q, n = len(points), w.sum(axis=1)
    apart = np.square(points[:, None] - points[None, :])
    agreement = 1 - apart / apart.max()
    agreeing = mean(w, 1 - np.square(x - y) / apart.max())
    share = np.stack([w @ ((x == point).astype(np.float64) + (y == point)) for point in points], axis=1)
    share = _over(share, np.repeat(2 * n[:, None], q, axis=1))
    chance: Floats = agreement.sum() / (q * (q - 1)) * (share * (1 - share)).sum(axis=1)
    return (agreeing - chance) / (1 - chance)


def alpha_ordinal(w: Floats, ratings: Floats) -> Floats:
    """Krippendorff's ordinal α; ratings: shape (kinds, raters), NaN where missing; kinds with fewer than two ratings count for nothing."""
    given = ~np.isnan(ratings)
    twice = given.sum(axis=1) >= 2
    w, ratings, given = w[:, twice], ratings[twice], given[twice]
    rows = np.nonzero(given)[0]
    _, codes = codes_of(ratings[given])
    m = given.sum(axis=1).astype(np.float64)
    ranks, constant = _midranks(w[:, rows], codes)
    per_rating = ranks[:, codes] if len(codes) else np.zeros((len(w), 0))
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    sums, squares = (np.add.reduceat(part, starts, axis=1) if len(rows) else part for part in (per_rating, per_rating**2))
    within = (w * (squares - sums**2 / m) * (m / (m - 1))).sum(axis=1)
    n, total = w @ m, (w * squares).sum(axis=1)
    return np.where(constant, np.nan, 1 - _over((n - 1) * within, n * total))

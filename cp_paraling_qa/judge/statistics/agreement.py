"""How far raters agree: Krippendorff's α, Cohen's κ, Gwet's AC2, rank correlations, and how a score tells right from wrong.

Ratings are lists with one entry per item, None or NaN where a rating is missing. A statistic that is not defined on what it is given (nobody rated twice,
nothing varies) is NaN: never 0, which would read as "no agreement", and never an exception. Every function is checked against a second implementation
(scikit-learn, scipy, krippendorff, irrCAC's definition) in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints, as_list, as_number, as_numbers, check_same_length, missing

LEVELS = ("nominal", "ordinal", "interval")
WEIGHTS = {"identity": "identity", "nominal": "identity", "ordinal": "ordinal", "linear": "linear", "interval": "quadratic", "quadratic": "quadratic"}
"""Names of weights; "interval" is what it is of α: squared distance."""


def krippendorff_alpha(ratings: Sequence[Sequence[Any]], level: str = "ordinal") -> float:
    """Krippendorff's α: 1 − observed ÷ expected disagreement, over any number of raters with missing cells.

    Computing Krippendorff's Alpha-Reliability (2011). Written as within-item over total sum of squares, which is the same number and takes memory in proportion
    to the ratings; the ordinal distance is the interval distance between midranks. Items rated once count for nothing.

    Args:
        ratings: one list per rater, one entry per item; None or NaN where missing.
        level: "nominal" (any values, strings too), "ordinal" (numbers, by their order) or "interval" (numbers, by squared distance).

    Returns:
        1 (perfect) down through 0 (chance) to −1; NaN where no item is rated twice or all pairable ratings are equal.

    Raises:
        JudgeError: an unknown level, lists of different lengths, or a rating that is no number where the level needs one.

    Example:
        >>> round(krippendorff_alpha([[1, 2, 3, 3, None], [1, 2, 3, 4, 4]], "ordinal"), 3)
        0.91
    """
    if level not in LEVELS:
        raise JudgeError(f"level {level!r} is not one of {', '.join(LEVELS)}")
    items, values = _flat(ratings, numeric=level != "nominal")
    shared = np.bincount(items, minlength=1)[items] >= 2 if len(items) else np.zeros(0, dtype=bool)
    items, values = items[shared], values[shared]
    n = len(values)
    if n == 0 or values.min() == values.max():
        return math.nan
    _, items = np.unique(items, return_inverse=True)
    m = np.bincount(items).astype(np.float64)
    if level == "nominal":
        within, total = _label_spread(items, values.astype(np.int64), m)
    else:
        within, total = _number_spread(items, _ranks(values) if level == "ordinal" else values, m)
    return float(1 - (n - 1) * (m / (m - 1) * within).sum() / (n * total))


def _number_spread(items: Ints, values: Floats, m: Floats) -> tuple[Floats, float]:
    """Sum of squares within each item, and in all."""
    residual = values - (np.bincount(items, values) / m)[items]
    return np.bincount(items, residual**2).astype(np.float64), float(((values - values.mean()) ** 2).sum())


def _label_spread(items: Ints, codes: Ints, m: Floats) -> tuple[Floats, float]:
    """The same for labels, each an axis of its own: m − Σ count² ÷ m."""
    n_labels = int(codes.max()) + 1
    cells, counts = np.unique(items * n_labels + codes, return_counts=True)
    squares: Floats = np.bincount(cells // n_labels, counts.astype(np.float64) ** 2).astype(np.float64)
    n = len(codes)
    return m - squares / m, float(n - (np.bincount(codes).astype(np.float64) ** 2).sum() / n)


def cohen_kappa(a: Sequence[Any], b: Sequence[Any], *, weights: str | None = None, categories: Iterable[Any] | None = None) -> float:
    """Cohen's κ of two raters, plain or weighted.

    Cohen 1960 and 1968: 1 − observed ÷ expected disagreement. Weights count places between categories, as scikit-learn does: give `categories`, or a scale
    point that nobody used is no place.

    Args:
        a: one rater's ratings; None or NaN where missing, which leaves the pair out.
        b: the other's.
        weights: None or "nominal" (any difference is one), "linear" (places), "ordinal" (pairs of places), "quadratic" or "interval" (squared places).
        categories: all values a rating may take: numbers in any order, labels in the order of the scale; None for those that occur.

    Returns:
        1 (perfect) down through 0 (chance) to −1; NaN without pairs, or where both give one and the same value throughout.

    Raises:
        JudgeError: unknown weights, lengths differ, a rating outside `categories`, or weights on labels without `categories`.

    Example:
        >>> cohen_kappa([0, 1, 2, 2], [0, 1, 1, 2], weights="quadratic", categories=range(6))
        0.8
    """
    kind = _weights("nominal" if weights is None else weights)
    first, second = as_list("a", a), as_list("b", b)
    check_same_length(a=first, b=second)
    pairs = [(x, y) for x, y in zip(first, second, strict=True) if not missing(x) and not missing(y)]
    place = _places([value for pair in pairs for value in pair], categories, ordered=kind != "identity")
    if not pairs:
        return math.nan
    x, y = (np.array([place[pair[side]] for pair in pairs]) for side in (0, 1))
    distance = _distances(kind, np.arange(len(place), dtype=np.float64))
    expected = np.bincount(x, minlength=len(place)) @ distance @ np.bincount(y, minlength=len(place)) / len(pairs)
    return float(1 - distance[x, y].sum() / expected) if expected > 0 else math.nan


def gwet_ac2(ratings: Sequence[Sequence[Any]], *, weights: str | None = "quadratic", categories: Iterable[Any] | None = None) -> float:
    """Gwet's AC2 (AC1 with identity weights): agreement that skewed ratings do not drag to nothing as they do κ and α.

    Gwet, Handbook of Inter-Rater Reliability (4th ed., 2014); the same definition as R's irrCC and Python's irrCAC. Chance agreement is
    Σ weights ÷ (q (q − 1)) · Σ π (1 − π) over the q categories; π counts every rated item, agreement those rated at least twice.

    Args:
        ratings: one list per rater, one entry per item; None or NaN where missing.
        weights: None, "identity" or "nominal" (AC1), "linear", "quadratic" or "interval" (by the numbers' distance; labels by their place), "ordinal" (by places).
        categories: all values a rating may take: numbers in any order, labels in the order of the scale; None for those that occur.

    Returns:
        1 (perfect) down through 0 (chance) to −1; NaN where no item is rated twice or there is only one category.

    Raises:
        JudgeError: unknown weights, lists of different lengths, a rating outside `categories`, or weights on labels without `categories`.

    Example:
        >>> round(gwet_ac2([[5, 5, 5, 4], [5, 5, 5, 5]], categories=range(6)), 3)
        0.987
    """
    kind = _weights("nominal" if weights is None else weights)
    items, values = _flat_values(ratings)
    place = _places(values, categories, ordered=kind != "identity")
    q = len(place)
    if not values or q < 2:
        return math.nan
    by_number = kind in ("linear", "quadratic") and all(not isinstance(value, str) for value in place)
    distance = _distances(kind, np.array(list(place) if by_number else range(q), dtype=np.float64))
    agreement = 1 - distance / distance.max()
    _, rows = np.unique(items, return_inverse=True)
    counts = np.zeros((rows.max() + 1, q))
    np.add.at(counts, (rows, np.array([place[value] for value in values])), 1)
    given = counts.sum(axis=1)
    twice = given >= 2
    if not twice.any():
        return math.nan
    agreeing = (counts * (counts @ agreement - 1)).sum(axis=1)[twice] / (given * (given - 1))[twice]
    share = (counts / given[:, None]).mean(axis=0)
    chance = agreement.sum() / (q * (q - 1)) * (share * (1 - share)).sum()
    return float((agreeing.mean() - chance) / (1 - chance))


def spearman(a: Sequence[Any], b: Sequence[Any]) -> float:
    """Spearman's ρ: the correlation of midranks.

    Args:
        a: numbers; None or NaN where missing, which leaves the pair out.
        b: the same.

    Returns:
        −1 to 1; NaN with fewer than 2 pairs or where one side does not vary.

    Raises:
        JudgeError: lengths differ or a value is no number.

    Example:
        >>> round(spearman([1, 2, 3, None], [2, 4, 4, 1]), 3)
        0.866
    """
    x, y = _pairs(a=a, b=b)
    return _pearson(_ranks(x), _ranks(y))


def kendall_tau_b(a: Sequence[Any], b: Sequence[Any]) -> float:
    """Kendall's τ-b: concordant minus discordant pairs, over those that are not tied.

    Args:
        a: numbers; None or NaN where missing, which leaves the pair out.
        b: the same.

    Returns:
        −1 to 1; NaN with fewer than 2 pairs or where one side does not vary.

    Raises:
        JudgeError: lengths differ or a value is no number.

    Example:
        >>> round(kendall_tau_b([1, 2, 3, None], [2, 4, 4, 1]), 3)
        0.816
    """
    x, y = _pairs(a=a, b=b)
    if not (_varies(x) and _varies(y)):
        return math.nan
    from scipy.stats import kendalltau

    # the significance that scipy adds divides by n − 2
    with np.errstate(all="ignore"):
        return float(kendalltau(x, y, variant="b").statistic)


def point_biserial(scores: Sequence[Any], correct: Sequence[Any]) -> float:
    """The point-biserial correlation of a score with being right: Pearson's r with right as 1, wrong as 0.

    Args:
        scores: numbers; None or NaN where missing, which leaves the pair out.
        correct: True, False or None.

    Returns:
        −1 to 1; NaN where all are right, all wrong, or all scored the same.

    Raises:
        JudgeError: lengths differ, a score that is no number, or a `correct` that is no truth value.

    Example:
        >>> round(point_biserial([5, 4, 1, 0], [True, True, False, False]), 3)
        0.97
    """
    return _pearson(*_score_and_truth(scores, correct))


def auc(scores: Sequence[Any], correct: Sequence[Any]) -> float:
    """The area under the ROC curve: the chance that a right item scores above a wrong one, a tie counting half.

    Args:
        scores: numbers; None or NaN where missing, which leaves the pair out.
        correct: True, False or None.

    Returns:
        0 to 1, 0.5 is no better than guessing (also where all score the same); NaN where all are right or all wrong.

    Raises:
        JudgeError: lengths differ, a score that is no number, or a `correct` that is no truth value.

    Example:
        >>> auc([5, 3, 3, 0], [True, True, False, False])
        0.875
    """
    x, right = _score_and_truth(scores, correct)
    n_right, n_wrong = int(right.sum()), int((1 - right).sum())
    if not n_right or not n_wrong:
        return math.nan
    return float((_ranks(x)[right == 1].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong))


def as_truth(correct: Any) -> Floats:
    """Truth values as 1, 0 and NaN where missing.

    Raises:
        JudgeError: anything but True, False, 1, 0, None or NaN; names the entry.
    """
    found = as_numbers("correct", correct)
    for i, value in enumerate(found):
        if value not in (0.0, 1.0) and not math.isnan(value):
            raise JudgeError(f"correct[{i}] is {value:g}; give True, False, or None where there is no label")
    return found


def _score_and_truth(scores: Any, correct: Any) -> tuple[Floats, Floats]:
    x, right = as_numbers("scores", scores), as_truth(correct)
    check_same_length(scores=x, correct=right)
    both = ~(np.isnan(x) | np.isnan(right))
    return x[both], right[both]


def _pairs(**columns: Any) -> tuple[Floats, Floats]:
    """Two columns of numbers without the rows where either is missing."""
    x, y = (as_numbers(name, column) for name, column in columns.items())
    check_same_length(**dict(zip(columns, (x, y), strict=True)))
    both = ~(np.isnan(x) | np.isnan(y))
    return x[both], y[both]


def _varies(x: Floats) -> bool:
    return len(x) > 1 and bool(x.min() < x.max())


def _ranks(x: Floats) -> Floats:
    """Midranks from 1."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(x), dtype=np.float64)


def _pearson(x: Floats, y: Floats) -> float:
    if not (_varies(x) and _varies(y)):
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip((x @ y) / math.sqrt((x @ x) * (y @ y)), -1, 1))


def _flat_values(ratings: Any) -> tuple[Ints, list[Any]]:
    """Every rating that was given, and the item it belongs to."""
    raters = [as_list(f"ratings[{i}]", rater) for i, rater in enumerate(as_list("ratings", ratings))]
    check_same_length(**{f"ratings[{i}]": rater for i, rater in enumerate(raters)})
    given = [(item, value) for rater in raters for item, value in enumerate(rater) if not missing(value)]
    return np.array([item for item, _ in given], dtype=np.int64), [value for _, value in given]


def _flat(ratings: Any, *, numeric: bool) -> tuple[Ints, Floats]:
    """The same as numbers; labels become codes from 0."""
    items, values = _flat_values(ratings)
    if numeric:
        return items, np.array([as_number("a rating", value) for value in values], dtype=np.float64)
    codes: dict[Any, int] = {}
    return items, np.array([codes.setdefault(value, len(codes)) for value in values], dtype=np.float64)


def _weights(name: str) -> str:
    if name not in WEIGHTS:
        raise JudgeError(f"weights {name!r} is not one of {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def _places(values: Sequence[Any], categories: Iterable[Any] | None, *, ordered: bool) -> dict[Any, int]:
    """The place of each category on its scale, in order."""
    given = values if categories is None else as_list("categories", categories)
    found = list(dict.fromkeys(value for value in given if not missing(value)))  # what is missing is no category
    labels = any(isinstance(value, str) for value in found)
    if labels and ordered and categories is None:
        raise JudgeError("weights on labels need their order: give categories, lowest first")
    if not labels:
        found = sorted(as_number("a rating" if categories is None else "categories", value) for value in found)
    place = {value: i for i, value in enumerate(found)}
    for value in values:
        if value not in place:
            raise JudgeError(
                f"the rating {value!r} is not one of the categories {', '.join(f'{one:g}' if isinstance(one, float) else str(one) for one in place)}"
            )
    return place


def _distances(kind: str, points: Floats) -> Floats:
    """How far apart each two categories are; 0 for the same. For ordinal weights: the pairs of places from one to the other, (d + 1) d ÷ 2."""
    apart = np.abs(points[:, None] - points[None, :])
    if kind == "identity":
        return (apart > 0).astype(np.float64)
    if kind == "ordinal":
        return (apart + 1) * apart / 2
    return apart if kind == "linear" else apart**2

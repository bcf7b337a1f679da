"""How sure a figure is: bootstrap intervals over clusters of items, for a mean, for any statistic, and for the scores of mapped labels.

Resamples draw whole clusters (all questions about a clip). The interval is the percentile interval, expanded for few clusters and read off the mid-distribution
(see `resampling`): the plain one covers 93.7 % with 40 clips of 5 questions and 89 % with 10 clips, this one 95.0 % and 94 %. BCa was tried beside it: no
better for means, macro F1 and UAR at n = 200, and worse where nearly all scores are equal. `benchmarks/intervals.py` measures the coverage again.

What no bootstrap sees: where all values are equal the interval has no width, although the next item may differ. Of labels that are all right or all wrong, and of
scores on a scale, more is known: `interval_of_equals` gives what exactly so many can show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints, as_list, as_numbers, check_same_length, cluster_codes, missing
from cp_paraling_qa.judge.statistics.resampling import Kinds, draws, figures_with_intervals, percentile_interval

CLASS_FIGURES = ("accuracy", "balanced_accuracy", "f1_weighted", "f1_macro")

Statistic = Callable[[Any], float]
"""An array of rows → a number, NaN where it is undefined."""


class Interval(NamedTuple):
    """Two ends, both within; NaN, NaN where there is none."""

    low: float
    high: float


NO_INTERVAL = Interval(math.nan, math.nan)


def check_sampling(n_bootstrap: int, confidence: float = 0.95, *, seed: int = 0) -> None:
    """Raise a `JudgeError` unless all can be used; 0 resamples give no interval, and without a seed no interval would come twice."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise JudgeError(f"seed is {seed!r}; give a whole number from 0")
    if isinstance(n_bootstrap, bool) or not isinstance(n_bootstrap, int | np.integer) or n_bootstrap < 0:
        raise JudgeError(f"n_bootstrap is {n_bootstrap!r}; give a number of resamples such as 2000, 0 for no interval")
    if not 0 < confidence < 1:
        raise JudgeError(f"confidence is {confidence!r}; give a share between 0 and 1, such as 0.95")


def bootstrap_ci(
    values: Any,
    *,
    statistic: Statistic | None = None,
    clusters: Sequence[Hashable] | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A seeded bootstrap interval of a mean or of any statistic, over clusters.

    Args:
        values: one number per item; None and NaN are left out of a mean. With a statistic: an array or list of items of any kind, such as shape (items, columns).
        statistic: of the rows drawn, in the order given, each as often as it was drawn; None for the mean, which is fast. Resamples for which it is NaN are
            left out.
        clusters: what belongs together, such as clip ids; None for an item of its own, and as a whole where all items are.
        n_bootstrap: resamples.
        confidence: share of such intervals that hold the true figure.
        seed: of this interval's own generator.

    Returns:
        The interval, within the range of the values for a mean. NaN, NaN with fewer than 2 clusters, without resamples, where the figure itself is undefined and
        where it is undefined in most resamples. Without width where all values are equal.

    Raises:
        JudgeError: no numbers, other lengths, or an option out of range; names it.

    Example:
        >>> low, high = bootstrap_ci([5, 3, 4, 0, 5, 2], seed=1)
        >>> 0 <= low < 19 / 6 < high <= 5
        True
    """
    check_sampling(n_bootstrap, confidence, seed=seed)
    if statistic is not None:
        return _of_statistic(values, statistic, clusters, n_bootstrap, confidence, seed)
    numbers = _column(values)
    used = ~np.isnan(numbers)
    if not used.any():
        return NO_INTERVAL
    codes = np.unique(cluster_codes(clusters, len(numbers))[used], return_inverse=True)[1]
    numbers = numbers[used]
    low, high = percentile_interval(mean_replicates(numbers, codes, n_bootstrap, seed), int(codes.max()) + 1, confidence=confidence)
    least, most = float(numbers.min()), float(numbers.max())
    return NO_INTERVAL if math.isnan(low) else Interval(min(max(low, least), most), max(min(high, most), least))


def interval_of_equals(value: float, bounds: tuple[float, float], n_clusters: int, confidence: float = 0.95) -> Interval:
    """The interval of a mean where all items have one and the same value, of which a bootstrap would make no interval at all.

    That so many clusters agree bounds the share that does not: exactly, by 1 − α^(1 ÷ clusters), where α is half of what the confidence leaves (Clopper and Pearson 1934). Whatever lies beyond is at worst
    all at one end of the scale.

    Args:
        value: of every item.
        bounds: lowest and highest value there may be.
        n_clusters: independent units; NaN, NaN with fewer than 2.
        confidence: share of such intervals that hold the true mean.

    Example:
        >>> [round(end, 2) for end in interval_of_equals(100.0, (0.0, 100.0), 20)]
        [83.16, 100.0]
    """
    if n_clusters < 2:
        return NO_INTERVAL
    others = 1 - ((1 - confidence) / 2) ** (1 / n_clusters)
    return Interval(value - others * (value - bounds[0]), value + others * (bounds[1] - value))


def _column(values: Any) -> Floats:
    """Numbers, shape (items,); an array of floats is taken as it is."""
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise JudgeError(f"values has shape {values.shape}: the mean needs one number per item; pass statistic for rows of several")
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub" and np.all(np.isfinite(values) | np.isnan(values)):
        return values.astype(np.float64)
    return as_numbers("values", values)


def mean_replicates(values: Floats, codes: Ints, n_bootstrap: int, seed: int) -> Floats:
    """The mean of each resample, shape (n_bootstrap,): cluster sums over cluster sizes, weighted by how often each cluster is drawn.

    Args:
        values: shape (items,), no NaN.
        codes: the cluster of each, 0 to clusters − 1, none empty.
        n_bootstrap: resamples.
        seed: of the draws.
    """
    n_clusters = int(codes.max()) + 1
    middle = float(values.mean())  # sums of differences from it keep digits that sums of large values lose
    table = np.stack([np.bincount(codes, values - middle, n_clusters), np.bincount(codes, minlength=n_clusters)], axis=1)
    parts = [drawn @ table for drawn in draws(n_clusters, n_bootstrap, seed)]
    sums = np.concatenate(parts) if parts else np.empty((0, 2))
    return np.asarray(middle + sums[:, 0] / sums[:, 1], dtype=np.float64)


def _of_statistic(values: Any, statistic: Statistic, clusters: Sequence[Hashable] | None, n_bootstrap: int, confidence: float, seed: int) -> Interval:
    rows = np.asarray(values if isinstance(values, np.ndarray) else as_list("values", values))
    codes = cluster_codes(clusters, len(rows))
    n_clusters = int(codes.max()) + 1 if len(codes) else 0
    if n_clusters < 2 or not math.isfinite(float(statistic(rows))):
        return NO_INTERVAL
    found = [
        float(statistic(rows[np.repeat(np.arange(len(rows)), times[codes].astype(np.int64))]))
        for drawn in draws(n_clusters, n_bootstrap, seed)
        for times in drawn
    ]
    replicates = np.array(found, dtype=np.float64)
    replicates[~np.isfinite(replicates)] = math.nan
    return Interval(*percentile_interval(replicates, n_clusters, confidence=confidence))


def class_figures(counts: Floats, truth: Ints, said: Ints, n_classes: int) -> dict[str, Floats]:
    """The figures of `classification_scores` out of counts, for many resamples at once.

    Args:
        counts: shape (resamples, kinds): how many items have each kind of true and answered label.
        truth: shape (kinds,): its true class, 0 to n_classes − 1.
        said: shape (kinds,): its answered class, −1 for none of them.
        n_classes: classes that are true of some item. One that a resample lacks is left out of that resample's means.

    Returns:
        accuracy, balanced_accuracy, f1_weighted, f1_macro, each of shape (resamples,), 0–1; NaN where a resample is empty.
    """
    classes = np.arange(n_classes)
    support = counts @ (truth[:, None] == classes).astype(np.float64)
    answered = counts @ (said[:, None] == classes).astype(np.float64)
    hits = counts @ ((truth == said)[:, None] & (truth[:, None] == classes)).astype(np.float64)
    present, n = support > 0, support.sum(axis=1)
    recall = hits / np.where(present, support, 1.0)
    f1 = 2 * hits / np.where(present, support + answered, 1.0)  # without true items no hits either: 0
    with np.errstate(invalid="ignore"):
        return {
            "accuracy": hits.sum(axis=1) / n,
            "balanced_accuracy": recall.sum(axis=1) / present.sum(axis=1),
            "f1_weighted": (f1 * support).sum(axis=1) / n,
            "f1_macro": f1.sum(axis=1) / present.sum(axis=1),
        }


def class_codes(truth: Sequence[str], *answers: Sequence[str | None]) -> tuple[Floats, int]:
    """True and answered labels as numbers, shape (items, 1 + answers): the classes that occur in truth from 0, −1 for every other answer; and how many classes."""
    present = {label: float(i) for i, label in enumerate(sorted(set(truth)))}
    columns = [[present[label] for label in truth]] + [[-1.0 if label is None else present.get(label, -1.0) for label in column] for column in answers]
    return np.array(columns, dtype=np.float64).reshape(1 + len(answers), len(truth)).T, len(present)


def class_score_intervals(
    truth: Sequence[str | None],
    mapped: Sequence[str | None],
    *,
    clusters: Sequence[Hashable] | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """Accuracy, UAR and both F1, each with a 95 % interval over clusters; as `classification_scores` defines them.

    Args:
        truth: the true labels; None leaves the item out.
        mapped: the labels found in the answers; None for an answer that maps to none, which is wrong.
        clusters: what belongs together, such as clip ids.
        n_bootstrap: resamples.
        seed: of the resamples.

    Returns:
        accuracy, balanced_accuracy, f1_weighted, f1_macro (0–1), each with _ci_low and _ci_high. NaN without labelled items; intervals NaN with fewer than 2
        clusters.

    Raises:
        JudgeError: lengths differ.

    Example:
        >>> found = class_score_intervals(["sad", "sad", "angry"] * 10, ["sad", None, "angry"] * 10)
        >>> round(found["accuracy"], 3), found["accuracy_ci_low"] < 2 / 3 < found["accuracy_ci_high"]
        (0.667, True)
    """
    check_sampling(n_bootstrap, seed=seed)
    check_same_length(truth=truth, mapped=mapped)
    codes = cluster_codes(clusters, len(truth))
    at = [i for i, label in enumerate(truth) if not missing(label)]
    if not at:
        return {f"{name}{end}": math.nan for name in CLASS_FIGURES for end in ("", "_ci_low", "_ci_high")}
    table, n_classes = class_codes([str(truth[i]) for i in at], [mapped[i] for i in at])
    of = np.unique(codes[at], return_inverse=True)[1]
    kinds = Kinds(table, of, int(of.max()) + 1)
    true, said = kinds.rows.T.astype(np.int64)

    def statistics(drawn: Floats) -> Mapping[str, Floats]:
        return class_figures(kinds.counts(drawn), true, said, n_classes)

    n_clusters = int(of.max()) + 1
    found = figures_with_intervals(statistics, n_clusters, n_bootstrap=n_bootstrap, seed=seed, width=len(kinds.rows))
    return _not_certain(found, n_clusters) | {name: math.nan for name, value in found.items() if value is None}


def _not_certain(found: Mapping[str, float | None], n_clusters: int) -> dict[str, float]:
    """All right, or all wrong, is not certainly so: where every resample says the same, the exact bound for as many clusters."""
    known = {name: value for name, value in found.items() if value is not None}
    for name in CLASS_FIGURES:
        if known.get("accuracy") == 1.0 and known.get(f"{name}_ci_low") == 1.0:
            known[f"{name}_ci_low"] = interval_of_equals(1.0, (0.0, 1.0), n_clusters).low
        elif known.get("accuracy") == 0.0 and known.get(f"{name}_ci_high") == 0.0:
            known[f"{name}_ci_high"] = interval_of_equals(0.0, (0.0, 1.0), n_clusters).high
    return known

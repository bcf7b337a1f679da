"""Agreement statistics: published worked examples, second implementations on random cases with ties and missing cells, and what is undefined."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import krippendorff
import numpy as np
import pytest
from scipy.stats import kendalltau, mannwhitneyu, pointbiserialr, spearmanr
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics.agreement import auc, cohen_kappa, gwet_ac2, kendall_tau_b, krippendorff_alpha, point_biserial, spearman

CASES = 250

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), example C: four observers, twelve units
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
# Gwet's table of four raters and twelve subjects: the last unit's one rating is rater 3's
GWET = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, None],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 3],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def same(value: float) -> Any:
    return pytest.approx(value, abs=1e-9, rel=1e-9, nan_ok=True)


def ratings(rng: random.Random, raters: int, items: int, points: int = 6) -> list[list[float | None]]:
    """Raters of one truth, some of them coarse (ties) and some with holes."""
    truth = [rng.randrange(points) for _ in range(items)]
    holes = rng.choice([0.0, 0.2, 0.5])
    step = rng.choice([1, 1, 0.5])
    return [[None if rng.random() < holes else min(max(t + step * rng.choice([-2, -1, 0, 0, 1]), 0), points - 1) for t in truth] for _ in range(raters)]


def without_missing(a: list[Any], b: list[Any]) -> tuple[list[Any], list[Any]]:
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return [x for x, _ in pairs], [y for _, y in pairs]


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_own_example(level: str, published: float) -> None:
    assert round(krippendorff_alpha(KRIPPENDORFF, level), 3) == published
    with_nan = [[math.nan if value is None else float(value) for value in rater] for rater in KRIPPENDORFF]
    assert krippendorff_alpha(with_nan, level) == same(krippendorff_alpha(KRIPPENDORFF, level))
    assert krippendorff_alpha(np.array(with_nan), level) == same(krippendorff_alpha(KRIPPENDORFF, level))


def test_krippendorffs_two_observers() -> None:
    # examples A and B of the same paper
    meg, owen = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert round(krippendorff_alpha([meg, owen], "nominal"), 3) == 0.095
    ben, gerry = list("aabbdcccedda"), list("babbbccceddd")
    assert round(krippendorff_alpha([ben, gerry], "nominal"), 3) == 0.692


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_equals_the_krippendorff_package(level: str) -> None:
    rng = random.Random(level)
    compared = 0
    while compared < CASES:
        table = ratings(rng, rng.randint(2, 5), rng.randint(3, 40))
        data = np.array([[math.nan if value is None else value for value in rater] for rater in table], dtype=float)
        pairable = data[:, (~np.isnan(data)).sum(axis=0) >= 2]
        if np.unique(pairable[~np.isnan(pairable)]).size < 2:
            assert math.isnan(krippendorff_alpha(table, level))
            continue
        assert krippendorff_alpha(table, level) == same(float(krippendorff.alpha(data, level_of_measurement=level)))
        compared += 1


def alpha_by_pairs(table: list[list[Any]]) -> float:
    """Nominal α straight from its definition: differing pairs within items, over differing pairs of all pairable values."""
    units = [[value for value in unit if value is not None] for unit in zip(*table, strict=True)]
    units = [unit for unit in units if len(unit) >= 2]
    n = sum(map(len, units))
    observed = sum(sum(x != y for x, y in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in units) / n
    expected = sum(x != y for x, y in itertools.permutations([value for unit in units for value in unit], 2)) / (n * (n - 1))
    return 1 - observed / expected


def test_alpha_of_labels() -> None:
    # "nan" is a label here: numpy would read it as missing
    rng = random.Random(5)
    for _ in range(30):
        table = [[rng.choice(["sad", "angry", "nan", None]) for _ in range(15)] for _ in range(3)]
        assert krippendorff_alpha(table, "nominal") == same(alpha_by_pairs(table))


def test_alpha_of_many_values_stays_small() -> None:
    # a table of items × values × values would be 1 TB here
    rng = np.random.default_rng(0)
    truth = rng.normal(size=5000)
    noisy = truth + rng.normal(size=5000)
    # two raters, interval: for large n α approaches Lin's concordance 2 cov ÷ (var + var + (difference of means)²)
    lin = 2 * np.cov(truth, noisy, bias=True)[0, 1] / (truth.var() + noisy.var() + (truth.mean() - noisy.mean()) ** 2)
    assert krippendorff_alpha([truth.tolist(), noisy.tolist()], "interval") == pytest.approx(lin, abs=1e-3)


def test_cohens_own_example() -> None:
    # Cohen 1968, table 1, 200 cases: κ = .492 (observed .70, chance .60·.50 + .30·.30 + .10·.20 = .41)
    counts = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(counts[i][j])]
    a, b = [i for i, _ in pairs], [j for _, j in pairs]
    assert round(cohen_kappa(a, b), 3) == 0.492
    # quadratic by hand: observed (14+10+10+6) + 4·(18+2) = 120 over 200; expected Σ rows·columns·(i−j)² =
    # .6·.3 + .3·.5 + .3·.2 + .1·.3 + 4·(.6·.2 + .1·.5) = .42 + .68 = 1.10; κ = 1 − .6 ÷ 1.1
    assert cohen_kappa(a, b, weights="quadratic") == same(1 - 0.6 / 1.1)
    # linear: (40 + 2·20) ÷ 200 = .40; expected .42 + 2·.17 = .76
    assert cohen_kappa(a, b, weights="linear") == same(1 - 0.4 / 0.76)


@pytest.mark.parametrize(("weights", "theirs"), [(None, None), ("nominal", None), ("linear", "linear"), ("interval", "quadratic"), ("quadratic", "quadratic")])
@pytest.mark.parametrize("categories", [None, list(range(6))])
def test_kappa_equals_scikit_learn(weights: str | None, theirs: str | None, categories: list[int] | None) -> None:
    rng = random.Random(f"{weights}{categories}")
    compared = 0
    while compared < CASES // 5:  # times ten parameters
        table = ratings(rng, 2, rng.randint(2, 30))
        a, b = ([value if value is None else int(value) for value in rater] for rater in table)
        x, y = without_missing(a, b)
        if not x or len({*x, *y}) < 2:
            assert math.isnan(cohen_kappa(a, b, weights=weights, categories=categories))
            continue
        assert cohen_kappa(a, b, weights=weights, categories=categories) == same(cohen_kappa_score(x, y, weights=theirs, labels=categories))
        compared += 1


def test_an_unused_scale_point_counts() -> None:
    # 0, 1 and 5 of 0–5. By place of the scale: observed (1 + 16) ÷ 4; a is 0 1 5 5, b is 0 0 5 1 → expected Σ (x−y)² ÷ 16 =
    # (0+0+25+1 + 1+1+16+0 + 2·(25+25+0+16)) ÷ 16 = 176 ÷ 16 = 11 → 1 − 4.25 ÷ 11
    a, b = [0, 1, 5, 5], [0, 0, 5, 1]
    assert cohen_kappa(a, b, weights="quadratic", categories=range(6)) == same(1 - 4.25 / 11)
    # without categories 5 is the place next to 1: observed (1 + 1) ÷ 4, expected (0+0+4+1 + 1+1+1+0 + 2·(4+4+0+1)) ÷ 16 = 26 ÷ 16
    assert cohen_kappa(a, b, weights="quadratic") == same(1 - 0.5 / (26 / 16))
    # categories in any order, and labels in the order given
    assert cohen_kappa(a, b, weights="quadratic", categories=[5, 3, 1, 0, 2, 4]) == same(1 - 4.25 / 11)
    names = ["none", "weak", "fair", "good", "strong", "full"]
    assert cohen_kappa([names[i] for i in a], [names[i] for i in b], weights="quadratic", categories=names) == same(1 - 4.25 / 11)


def test_gwets_own_example() -> None:
    # AC1 .77544, and AC2 with quadratic and ordinal weights: the values that irrCAC 0.4.4 gives for this table
    assert round(gwet_ac2(GWET, weights="identity"), 5) == round(gwet_ac2(GWET, weights=None), 5) == 0.77544
    assert round(gwet_ac2(GWET, weights="quadratic"), 5) == 0.914
    assert round(gwet_ac2(GWET, weights="ordinal"), 5) == 0.89894


def ac2_by_pairs(table: list[list[Any]], weight: Callable[[Any, Any], float], categories: list[Any]) -> float:
    """AC2 from its definition: the mean weight of ordered pairs within items, against chance from the mean share of each category."""
    units = [[value for value in unit if value is not None] for unit in zip(*table, strict=True)]
    units = [unit for unit in units if unit]
    twice = [unit for unit in units if len(unit) >= 2]
    pairs = [[weight(x, y) for x, y in itertools.permutations(unit, 2)] for unit in twice]
    agreeing = sum(sum(unit) / len(unit) for unit in pairs) / len(pairs)
    share = {c: sum(unit.count(c) / len(unit) for unit in units) / len(units) for c in categories}
    q = len(categories)
    chance = sum(weight(c, d) for c in categories for d in categories) / (q * (q - 1)) * sum(p * (1 - p) for p in share.values())
    return (agreeing - chance) / (1 - chance)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("weights", ["identity", "ordinal", "linear", "quadratic"])
def test_ac2_equals_its_definition(weights: str, given: bool) -> None:
    rng = random.Random(f"{weights}{given}")
    compared = 0
    while compared < CASES // 6:  # times eight parameters
        table = [[value if value is None else int(value) for value in rater] for rater in ratings(rng, rng.randint(2, 5), rng.randint(3, 30))]
        used = sorted({value for rater in table for value in rater if value is not None})
        scale = list(range(6)) if given else used
        if len(scale) < 2 or not any(sum(value is not None for value in unit) >= 2 for unit in zip(*table, strict=True)):
            assert math.isnan(gwet_ac2(table, weights=weights, categories=scale if given else None))
            continue
        span, q = scale[-1] - scale[0], len(scale)

        def weight(x: int, y: int, scale: list[int] = scale, span: int = span, q: int = q) -> float:
            places = abs(scale.index(x) - scale.index(y))
            return {
                "identity": float(x == y),
                "ordinal": 1 - math.comb(places + 1, 2) / math.comb(q, 2),
                "linear": 1 - abs(x - y) / span,
                "quadratic": 1 - (x - y) ** 2 / span**2,
            }[weights]

        assert gwet_ac2(table, weights=weights, categories=scale if given else None) == same(ac2_by_pairs(table, weight, scale))
        compared += 1


def test_ac2_of_labels_counts_their_places() -> None:
    names = ["none", "weak", "good", "full"]
    table = [[0, 1, 3, 2, 3], [0, 2, 3, 2, None]]
    labels = [[None if value is None else names[value] for value in rater] for rater in table]
    for weights in ("linear", "quadratic", "ordinal", "nominal"):
        assert gwet_ac2(labels, weights=weights, categories=names) == same(gwet_ac2(table, weights=weights, categories=range(4)))


def test_skew_fools_kappa_and_not_ac1() -> None:
    # 98 of 100 right by both, one miss each: observed .98; each says yes 99 of 100 → κ's chance .9802 → −.0101; AC1's 2·.99·.01 = .0198 → .9796
    a, b = [1] * 98 + [0, 1], [1] * 98 + [1, 0]
    assert cohen_kappa(a, b) == same((0.98 - 0.9802) / (1 - 0.9802))
    assert gwet_ac2([a, b], weights="identity") == same((0.98 - 0.0198) / (1 - 0.0198))


def test_correlations_equal_scipy_and_scikit_learn() -> None:
    rng = random.Random(3)
    compared = 0
    while compared < CASES:
        a, b = ratings(rng, 2, rng.randint(2, 40))
        x, y = without_missing(a, b)
        correct = [None if value is None else value >= 3 for value in b]
        right = [value >= 3 for value in y]
        if len(set(x)) < 2 or len(set(y)) < 2 or len(set(right)) < 2:
            continue
        with np.errstate(all="ignore"):  # their p-values at n = 2
            assert spearman(a, b) == same(float(spearmanr(x, y).statistic))
            assert kendall_tau_b(a, b) == same(float(kendalltau(x, y).statistic))
            if len(x) > 2:
                assert point_biserial(a, correct) == same(float(pointbiserialr(right, x).statistic))
        wins = mannwhitneyu([v for v, r in zip(x, right, strict=True) if r], [v for v, r in zip(x, right, strict=True) if not r]).statistic
        assert auc(a, correct) == same(float(wins) / (sum(right) * (len(right) - sum(right))))
        if compared % 10 == 0:  # takes 20 ms
            assert auc(a, correct) == same(float(roc_auc_score(right, x)))
        compared += 1


def test_tau_b_by_counting_pairs() -> None:
    rng = random.Random(8)
    for _ in range(50):
        x, y = ([rng.randrange(4) for _ in range(12)] for _ in range(2))
        signs = [((a - c > 0) - (a - c < 0), (b - d > 0) - (b - d < 0)) for (a, b), (c, d) in itertools.combinations(zip(x, y, strict=True), 2)]
        untied = math.sqrt(sum(s != 0 for s, _ in signs) * sum(t != 0 for _, t in signs))
        assert kendall_tau_b(x, y) == same(sum(s * t for s, t in signs) / untied if untied else math.nan)


def test_auc_counts_ties_half() -> None:
    # right 5 and 3, wrong 3 and 0: 5 beats both, 3 ties one and beats one → 3.5 of 4; all the same: every pair a tie
    assert auc([5, 3, 3, 0, None], [True, True, False, False, True]) == 0.875
    assert auc([2, 2, 2], [True, False, True]) == 0.5


UNDEFINED: list[tuple[str, Callable[[], float]]] = [
    ("no raters", lambda: krippendorff_alpha([])),
    ("no items", lambda: krippendorff_alpha([[], []])),
    ("one rater", lambda: krippendorff_alpha([[1, 2, 3]])),
    ("nobody twice", lambda: krippendorff_alpha([[1, None], [None, 2]])),
    ("all equal", lambda: krippendorff_alpha([[2, 2, 2], [2, 2, None]])),
    ("all equal labels", lambda: krippendorff_alpha([["sad"] * 3] * 2, "nominal")),
    ("all equal fractions", lambda: krippendorff_alpha([[0.1] * 7, [0.1] * 7], "interval")),
    ("only unpaired vary", lambda: krippendorff_alpha([[1, 1, 5], [1, 1, None]])),
    ("kappa of nothing", lambda: cohen_kappa([], [])),
    ("kappa without pairs", lambda: cohen_kappa([1, None], [None, 1])),
    ("kappa of constants", lambda: cohen_kappa([4, 4], [4, 4], weights="quadratic", categories=range(6))),
    ("ac2 of nothing", lambda: gwet_ac2([[], []])),
    ("ac2 of one rater", lambda: gwet_ac2([[1, 2, 3]])),
    ("ac2 of one category", lambda: gwet_ac2([[3, 3], [3, 3]])),
    ("ac2 with nobody twice", lambda: gwet_ac2([[1, math.nan], [None, 2]], categories=range(6))),
    ("spearman of nothing", lambda: spearman([], [])),
    ("spearman of one", lambda: spearman([1], [1])),
    ("spearman of a constant", lambda: spearman([1, 1, 1], [1, 2, 3])),
    ("spearman of a fraction", lambda: spearman([0.1] * 6, [1, 2, 3, 4, 5, 6])),
    ("tau of a constant", lambda: kendall_tau_b([1, 2, 3], [1, 1, 1])),
    ("tau of one pair", lambda: kendall_tau_b([1, None], [1, 2])),
    ("all right", lambda: point_biserial([1, 2], [True, True])),
    ("all the same score", lambda: point_biserial([0.1] * 3, [True, False, True])),
    ("auc of all right", lambda: auc([1, 2], [True, True])),
    ("auc of nothing", lambda: auc([], [])),
]


@pytest.mark.parametrize(("case", "statistic"), UNDEFINED, ids=[case for case, _ in UNDEFINED])
def test_undefined_is_nan(case: str, statistic: Callable[[], float]) -> None:
    assert math.isnan(statistic())


def test_perfect_and_opposite() -> None:
    assert krippendorff_alpha([[0, 1, 5], [0, 1, 5]]) == 1.0
    assert cohen_kappa(["a", "b"], ["a", "b"]) == 1.0
    assert cohen_kappa([True, False], [1, 0]) == 1.0
    assert gwet_ac2([[3, 3], [3, 3]], categories=range(6)) == 1.0
    assert spearman([1, 2], [5, 3]) == -1.0
    assert kendall_tau_b([1, 2], [3, 5]) == 1.0


WRONG: list[tuple[str, Callable[[], float]]] = [
    ("level 'ratio'", lambda: krippendorff_alpha([[1], [1]], "ratio")),
    (r"lengths differ: ratings\[0\] has 2, ratings\[1\] has 1", lambda: krippendorff_alpha([[1, 2], [1]])),
    (r"ratings\[0\] is 3", lambda: krippendorff_alpha([3, 4])),
    (r"ratings\[0\] is 'abc'", lambda: krippendorff_alpha(["abc", "abd"], "nominal")),
    ("is 'sad'; give a number", lambda: krippendorff_alpha([["sad"], ["angry"]], "ordinal")),
    ("infinite", lambda: krippendorff_alpha([[1.0, math.inf], [1.0, 2.0]], "interval")),
    ("weights 'cubic' is not one of", lambda: cohen_kappa([1], [1], weights="cubic")),
    ("lengths differ: a has 2, b has 1", lambda: cohen_kappa([1, 2], [1])),
    ("the rating 7 is not one of the categories 0, 1, 2", lambda: cohen_kappa([1, 7], [1, 1], categories=range(3))),
    ("give categories, lowest first", lambda: cohen_kappa(["low"], ["high"], weights="linear")),
    ("weights 'bipolar'", lambda: gwet_ac2([[1], [2]], weights="bipolar")),
    ("the rating 9 is not", lambda: gwet_ac2([[1], [9]], categories=range(6))),
    ("lengths differ: a has 1, b has 2", lambda: spearman([1], [1, 2])),
    (r"b\[1\] is 'x'", lambda: kendall_tau_b([1, 2], [1, "x"])),
    (r"correct\[1\] is 2", lambda: auc([1, 2], [True, 2])),
    (r"scores\[0\] is '5'", lambda: point_biserial(["5"], [True])),
]


@pytest.mark.parametrize(("message", "statistic"), WRONG, ids=[message for message, _ in WRONG])
def test_bad_arguments_are_named(message: str, statistic: Callable[[], float]) -> None:
    with pytest.raises(JudgeError, match=message):
        statistic()


def test_no_resolution_is_lost_far_from_zero() -> None:
    near, far = [1, 2, 3, 3, 5, 1], [1e9 + value for value in (1, 2, 3, 3, 5, 1)]
    assert krippendorff_alpha([far, far[::-1]], "interval") == same(krippendorff_alpha([near, near[::-1]], "interval"))


def test_what_is_missing_is_no_category() -> None:
    # counted as one, it would add to the chance that two raters agree by
    pair, points = [[0, 1, 1], [0, 1, 2]], [0, 1, 2]
    for absent in (None, math.nan):
        assert gwet_ac2(pair, weights="nominal", categories=[*points, absent]) == same(gwet_ac2(pair, weights="nominal", categories=points))
        assert cohen_kappa(*pair, weights="quadratic", categories=[*points, absent]) == same(cohen_kappa(*pair, weights="quadratic", categories=points))


def test_interval_weights_are_squared_distances_as_those_of_alpha_are() -> None:
    assert gwet_ac2([[0, 1, 5], [0, 3, 4]], weights="interval") == gwet_ac2([[0, 1, 5], [0, 3, 4]], weights="quadratic")

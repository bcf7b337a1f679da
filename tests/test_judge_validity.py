"""The judge against labels and humans: by hand, against the public statistics on resampled rows, and what several raters, holes and clusters do."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics import agreement, weighted
from cp_paraling_qa.judge.statistics.rating_arrays import Floats
from cp_paraling_qa.judge.statistics.resampling import Kinds, draws, figures_with_intervals, percentile_interval
from cp_paraling_qa.judge.statistics.validity import BETWEEN, HUMAN_FIGURES, LABEL_FIGURES, human_validity, label_validity

SCALE = (0, 5)


def same(value: float | None) -> Any:
    return None if value is None or math.isnan(value) else pytest.approx(value, abs=1e-9, rel=1e-9)


def scored(rng: random.Random, n: int, raters: int, *, holes: float = 0.2, thirds: bool = False) -> tuple[list[float | None], list[list[float | None]]]:
    """A judge and raters of one truth, with missing cells; thirds: scores that are means of three repeats."""
    truth = [rng.randint(0, 5) for _ in range(n)]

    def near(value: int) -> int:
        return min(max(value + rng.choice([-1, 0, 0, 1]), 0), 5)

    scores = [None if rng.random() < holes else (sum(near(t) for _ in range(3)) / 3 if thirds else near(t)) for t in truth]
    return scores, [[None if rng.random() < holes else near(t) for _ in range(raters)] for t in truth]


def test_labels_by_hand() -> None:
    # right: 5 4 4; wrong: 4 1. AUC: 5 beats both, each 4 ties one and beats one → (2 + 1.5 + 1.5) ÷ 6 = 5/6
    # point-biserial: means 13/3 and 2.5, all: 3.6, Σ(x − 3.6)² = 1.96 + 3·.16 + 6.76 = 9.2; r = (13/3 − 2.5)·√(3·2/5 ÷ 9.2)
    # ranks 5→5, 4→3, 1→1: right 5 3 3, wrong 3 1; mean 3, Σ² = 4 + 4 = 8; r = (11/3 − 2)·√(6/5 ÷ 8)
    found = label_validity([5, 4, None, 4, 4, 1, 2], [True, True, True, True, False, False, None], n_bootstrap=50)
    assert found["judge_label_auc"] == same(5 / 6)
    assert found["judge_label_point_biserial"] == same((13 / 3 - 2.5) * math.sqrt(1.2 / 9.2))
    assert found["judge_label_spearman"] == same((11 / 3 - 2) * math.sqrt(1.2 / 8))
    assert found["judge_label_n"] == 5
    assert found["correct_to_incorrect"] == {
        "1": {"correct": 0, "incorrect": 1, "ratio": 0.0},
        "4": {"correct": 2, "incorrect": 1, "ratio": 2.0},
        "5": {"correct": 1, "incorrect": 0, "ratio": None},
    }


def test_scores_that_are_means_of_repeats_are_told_apart() -> None:
    found = label_validity([13 / 3, 13 / 3, 14 / 3, 4.0], [True, False, True, True], n_bootstrap=0)
    assert list(found["correct_to_incorrect"]) == ["4", "4.333", "4.667"]
    assert found["correct_to_incorrect"]["4.333"] == {"correct": 1, "incorrect": 1, "ratio": 1.0}


def test_humans_by_hand() -> None:
    # judge − mean of the humans: 4 − 3.5, 2 − 2, 5 − 3, 1 − 2 → bias .375, MAE .875; the fifth has no human, the sixth no score
    found = human_validity([4, 2, 5, 1, 3, None], [[3, 4], [2, 2], [None, 3], [2, None], None, [5, 5]], scale=SCALE, n_bootstrap=0)
    assert (found["human_bias"], found["human_mae"], found["human_spearman_n"]) == (same(0.375), same(0.875), 4)
    # ranks 3 2 4 1 beside 4 1.5 3 1.5: deviations .5 −.5 1.5 −1.5 and 1.5 −1 .5 −1, squares 5 and 4.5
    assert found["human_spearman"] == same((0.5 * 1.5 + 0.5 * 1.0 + 1.5 * 0.5 + 1.5 * 1.0) / math.sqrt(5 * 4.5))
    # rater 1: (4,3) (2,2) (1,2); rater 2: (4,4) (2,2) (5,3): three shared items each
    one, two = ([4, 2, 1], [3, 2, 2]), ([4, 2, 5], [4, 2, 3])
    for key, statistic in (
        ("human_kappa_quadratic", lambda a, b: agreement.cohen_kappa(a, b, weights="quadratic", categories=range(6))),
        ("human_alpha_ordinal", lambda a, b: agreement.krippendorff_alpha([a, b])),
        ("human_ac2", lambda a, b: agreement.gwet_ac2([a, b], categories=range(6))),
    ):
        assert found[key] == same((statistic(*one) + statistic(*two)) / 2), key
    # the humans among themselves, on the items judged: (3,4) and (2,2)
    assert found[BETWEEN] == same(agreement.krippendorff_alpha([[3, 2], [4, 2]]))
    assert (found[f"{BETWEEN}_n"], found["human_raters"]) == (2, 2)


def test_raters_weigh_by_shared_items() -> None:
    scores = [0, 1, 2, 3, 4, 5]
    first, second = [0, 1, 2, 3, 5, 4], [1, 0, None, None, None, None]
    found = human_validity(scores, list(zip(first, second, strict=True)), scale=SCALE, n_bootstrap=0)
    kappas = [agreement.cohen_kappa(scores, rater, weights="quadratic", categories=range(6)) for rater in (first, second)]
    assert found["human_kappa_quadratic"] == same((6 * kappas[0] + 2 * kappas[1]) / 8)
    # a third rater of one item, with whom κ is undefined, moves nothing
    more = human_validity(scores, [(a, b, 3 if i == 3 else None) for i, (a, b) in enumerate(zip(first, second, strict=True))], scale=SCALE, n_bootstrap=0)
    assert more["human_kappa_quadratic"] == found["human_kappa_quadratic"]


@pytest.mark.parametrize("raters", [1, 3])
@pytest.mark.parametrize("thirds", [False, True])
def test_figures_equal_the_public_statistics(raters: int, thirds: bool) -> None:
    rng = random.Random(raters)
    for _ in range(60):
        scores, ratings = scored(rng, rng.randint(4, 40), raters, thirds=thirds)
        found = human_validity(scores, ratings, scale=SCALE, n_bootstrap=0)
        given = [[value for value in row if value is not None] for row in ratings]
        means = [sum(row) / len(row) if row else None for row in given]
        assert found["human_spearman"] == same(agreement.spearman(scores, means))
        assert found["human_kendall_tau_b"] == same(agreement.kendall_tau_b(scores, means))
        gaps = [s - m for s, m in zip(scores, means, strict=True) if s is not None and m is not None]
        assert found["human_bias"] == same(sum(gaps) / len(gaps))
        assert found["human_mae"] == same(sum(map(abs, gaps)) / len(gaps))
        alphas, ac2s, weights = [], [], []
        near = [None if score is None else math.floor(score + 0.5) for score in scores]
        for column in zip(*ratings, strict=True):
            weights.append(sum(a is not None and b is not None for a, b in zip(scores, column, strict=True)))
            rows = [(s, n, r) for s, n, r in zip(scores, near, column, strict=True) if s is not None and r is not None]
            alphas.append(agreement.krippendorff_alpha([[s for s, _, _ in rows], [r for _, _, r in rows]]))
            ac2s.append(agreement.gwet_ac2([[n for _, n, _ in rows], [r for _, _, r in rows]], categories=range(6)))
        for key, values in (("human_alpha_ordinal", alphas), ("human_ac2", ac2s)):
            kept = [(value, weight) for value, weight in zip(values, weights, strict=True) if not math.isnan(value)]
            total = sum(weight for _, weight in kept)
            assert found[key] == same(sum(value * weight for value, weight in kept) / total if total else math.nan)


def test_resamples_are_the_statistics_of_resampled_rows() -> None:
    # the second implementation: write the drawn rows out and call the public function (scipy, scikit-learn and krippendorff check that one)
    rng = np.random.default_rng(4)
    for case in range(40):
        n = int(rng.integers(3, 25))
        step = 3 if case % 2 else 1
        table = np.clip(np.round(rng.normal(2.5, 1.5, size=(n, 2)) * step) / step, 0, 5)
        table[:, 1] = np.round(table[:, 1])
        right = (table[:, 1] >= 3).astype(float)
        clusters = rng.integers(0, max(n // 2, 2), size=n)
        n_clusters = int(clusters.max()) + 1
        kinds = Kinds(np.column_stack([table, right]), clusters, n_clusters)
        x, y, truth = kinds.rows.T
        for drawn in draws(n_clusters, 6, seed=case):
            w = kinds.counts(drawn)
            ours = {
                "spearman": weighted.spearman(w, x, y),
                "tau": weighted.kendall_tau_b(w, x, y),
                "pearson": weighted.pearson(w, x, truth),
                "auc": weighted.auc(w, x, truth),
                "kappa": weighted.kappa_quadratic(w, np.round(x), y),
                "alpha": weighted.alpha_ordinal(w, np.stack([x, y], axis=1)),
                "ac2": weighted.ac2_quadratic(w, np.floor(x + 0.5), y, np.arange(6.0)),
                "bias": weighted.mean(w, x - y),
            }
            for b, counts in enumerate(drawn):
                rows = np.concatenate([np.flatnonzero(clusters == c) for c in range(n_clusters) for _ in range(int(counts[c]))]).astype(int)
                a, h, t = table[rows, 0], table[rows, 1], right[rows]
                theirs = {
                    "spearman": agreement.spearman(a, h),
                    "tau": agreement.kendall_tau_b(a, h),
                    "pearson": agreement.point_biserial(a, t),
                    "auc": agreement.auc(a, t),
                    "kappa": agreement.cohen_kappa(np.round(a), h, weights="quadratic", categories=range(6)),
                    "alpha": agreement.krippendorff_alpha([a, h]),
                    "ac2": agreement.gwet_ac2([np.floor(a + 0.5), h], categories=range(6)),
                    "bias": float((a - h).mean()) if len(a) else math.nan,
                }
                for name, value in theirs.items():
                    assert ours[name][b] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_alpha_of_several_raters_resampled() -> None:
    rng = np.random.default_rng(6)
    for case in range(40):
        ratings = np.where(rng.random((20, 4)) < 0.3, np.nan, rng.integers(0, 4, size=(20, 1)) + rng.integers(0, 2, size=(20, 4)))
        kinds = Kinds(ratings, np.arange(20), 20)
        for drawn in draws(20, 5, seed=case):
            ours = weighted.alpha_ordinal(kinds.counts(drawn), kinds.rows)
            for value, counts in zip(ours, drawn, strict=True):
                rows = np.repeat(ratings, counts.astype(int), axis=0)
                assert value == pytest.approx(agreement.krippendorff_alpha(rows.T.tolist()), abs=1e-9)


def test_what_each_statistic_sees() -> None:
    # one point lenient: order nearly whole, absolute agreement gone, bias near +1 (5 cannot rise)
    truth = [i % 6 for i in range(300)]
    found = human_validity([min(t + 1, 5) for t in truth], truth, scale=SCALE, n_bootstrap=0)
    assert found["human_spearman"] > 0.95
    assert found["human_bias"] == same(5 / 6)
    assert found["human_kappa_quadratic"] < 0.9
    # a judge that scores everything alike: no order to speak of, bias and MAE still defined
    flat = human_validity([3] * 300, truth, scale=SCALE, n_bootstrap=0)
    assert (flat["human_spearman"], flat["human_kendall_tau_b"], flat["human_bias"]) == (None, None, same(0.5))
    assert flat["human_kappa_quadratic"] == same(0.0)


def test_items_of_one_clip_are_drawn_together() -> None:
    # every item five times over, as five questions about one clip: clustered, the draws are those of the single items, to the last digit
    rng = random.Random(2)
    scores, ratings = scored(rng, 40, 1, holes=0.0)
    human = [row[0] for row in ratings]
    right = [(value or 0) >= 3 for value in human]
    clips = [f"clip{i}" for i in range(40) for _ in range(5)]

    def five(column: list[Any]) -> list[Any]:
        return [value for value in column for _ in range(5)]

    single = human_validity(scores, human, scale=SCALE, n_bootstrap=300)
    clustered = human_validity(five(scores), five(human), scale=SCALE, clusters=clips, n_bootstrap=300)
    apart = human_validity(five(scores), five(human), scale=SCALE, n_bootstrap=300)
    for name in ("human_spearman", "human_kappa_quadratic", "human_bias", "human_mae"):
        for end in ("_ci_low", "_ci_high"):
            assert clustered[name + end] == same(single[name + end])
        narrow, wide = (found[f"{name}_ci_high"] - found[f"{name}_ci_low"] for found in (apart, clustered))
        assert wide > 1.7 * narrow  # √5 = 2.2
    labels, alone = label_validity(five(scores), five(right), clusters=clips, n_bootstrap=300), label_validity(scores, right, n_bootstrap=300)
    for name in LABEL_FIGURES:
        assert labels[f"{name}_ci_low"] == same(alone[f"{name}_ci_low"])
    # an item of no clip is its own
    assert human_validity(scores, human, scale=SCALE, clusters=[None] * 40, n_bootstrap=300) == single


def test_seeded_and_jsonable() -> None:
    scores, ratings = scored(random.Random(9), 60, 2)
    right = [None if row[0] is None else row[0] >= 3 for row in ratings]
    for call in (
        lambda seed: human_validity(scores, ratings, scale=SCALE, n_bootstrap=200, seed=seed),
        lambda seed: label_validity(scores, right, n_bootstrap=200, seed=seed),
    ):
        first = json.dumps(call(1), allow_nan=False)
        assert json.dumps(call(1), allow_nan=False) == first
        assert json.dumps(call(2), allow_nan=False) != first


def test_every_figure_has_an_interval_around_it_and_an_n() -> None:
    scores, ratings = scored(random.Random(9), 120, 3)
    found = human_validity(scores, ratings, scale=SCALE, n_bootstrap=400)
    for name in (*HUMAN_FIGURES, BETWEEN):
        assert found[f"{name}_ci_low"] < found[name] < found[f"{name}_ci_high"], name
        assert found[f"{name}_n"] > 60
    assert found["alt_test"]["n"] <= found["human_bias_n"]


@pytest.mark.parametrize(
    ("scores", "ratings"),
    [([], []), ([None, 3], [4, None]), ([None, None], [[1, 2], [3, 4]])],
    ids=["no items", "no item with both", "nothing scored"],
)
def test_nothing_to_compare(scores: list[Any], ratings: list[Any]) -> None:
    found = human_validity(scores, ratings, scale=SCALE)
    for name in (*HUMAN_FIGURES, BETWEEN):
        assert (found[name], found[f"{name}_ci_low"], found[f"{name}_ci_high"], found[f"{name}_n"]) == (None, None, None, 0)
    labels = label_validity(scores, [None] * len(scores))
    assert {labels[name] for name in LABEL_FIGURES} == {None}
    assert (labels["judge_label_n"], labels["correct_to_incorrect"]) == (0, {})


def test_one_item_has_figures_and_no_interval() -> None:
    found = human_validity([4], [3], scale=SCALE)
    assert (found["human_bias"], found["human_bias_ci_low"], found["human_spearman"], found["human_kappa_quadratic"]) == (1.0, None, None, same(0.0))
    # three items of one clip are one independent observation
    assert human_validity([4, 3, 2], [3, 3, 1], scale=SCALE, clusters=["c"] * 3)["human_bias_ci_high"] is None


def test_one_rater_has_no_alt_test() -> None:
    found = human_validity([4, 3, 2], [[3, None], [3, None], [1, None]], scale=SCALE, n_bootstrap=0)
    assert (found["alt_test"], found["human_raters"], found[BETWEEN], found[f"{BETWEEN}_n"]) == (None, 1, None, 0)


def test_fractional_human_ratings() -> None:
    # AC2 rounds to the nearest point, halves up: 3.5 → 4, 2.4 → 2
    found = human_validity([4, 2, 5, 0], [3.5, 2.4, 4.6, 0.0], scale=SCALE, n_bootstrap=0)
    assert found["human_ac2"] == same(agreement.gwet_ac2([[4, 2, 5, 0], [4, 2, 5, 0]], categories=range(6)))
    assert found["human_bias"] == same((0.5 - 0.4 + 0.4 + 0) / 4)


@pytest.mark.parametrize(
    ("message", "scores", "ratings", "clusters"),
    [
        ("lengths differ: scores has 2, human_ratings has 1", [1, 2], [1], None),
        (r"human_ratings\[1\] has 1 of 2 raters", [1, 2], [[1, 2], [1]], None),
        (r"human_ratings\[1\] has 1 of 2 raters", [1, 2], [[1, 2], 1], None),
        (r"human_ratings\[0\]\[1\] is 9, outside the scale 0 to 5", [1], [[1, 9]], None),
        (r"scores\[1\] is -1, outside the scale 0 to 5", [1, -1], [1, 1], None),
        (r"human_ratings\[0\]\[0\] is 'good'", [1], ["good"], None),
        (r"scores\[0\] is '4'", ["4"], [4], None),
        ("clusters has 1 entries for 2 items", [1, 2], [1, 2], ["a"]),
    ],
)
def test_bad_arguments_are_named(message: str, scores: list[Any], ratings: list[Any], clusters: list[Any] | None) -> None:
    with pytest.raises(JudgeError, match=message):
        human_validity(scores, ratings, scale=SCALE, clusters=clusters)


def test_bad_labels_are_named() -> None:
    with pytest.raises(JudgeError, match=r"correct\[0\] is 3"):
        label_validity([1], [3])  # type: ignore[list-item]
    with pytest.raises(JudgeError, match="lengths differ: scores has 1, correct has 2"):
        label_validity([1], [True, False])
    with pytest.raises(JudgeError, match="n_bootstrap is -1"):
        label_validity([1], [True], n_bootstrap=-1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    # two normal columns correlated .8 and cut to 0–5; the truth from 400,000 draws. 250 intervals: 95 % ± 1.4, so 4 standard deviations are 89.5–100.
    # benchmarks of every figure with more draws gave 93–96 %
    rng = np.random.default_rng(0)

    def sample(n: int) -> Floats:
        x = rng.normal(size=n)
        return np.clip(np.round(2.5 + np.stack([x, 0.8 * x + 0.6 * rng.normal(size=n)], axis=1)), 0, 5)

    def figures(table: Floats, n_bootstrap: int, seed: int) -> dict[str, float | None]:
        kinds = Kinds(table, np.arange(len(table)), len(table))
        x, y = kinds.rows.T

        def statistics(drawn: Floats) -> dict[str, Floats]:
            w = kinds.counts(drawn)
            ac2 = weighted.ac2_quadratic(w, x, y, np.arange(6.0))
            return {"spearman": weighted.spearman(w, x, y), "mae": weighted.mean(w, np.abs(x - y)), "ac2": ac2}

        return figures_with_intervals(statistics, len(table), n_bootstrap=n_bootstrap, seed=seed, width=len(kinds.rows), bias_corrected=True)

    truth = figures(sample(400_000), 0, 0)
    found = [figures(sample(100), 400, seed) for seed in range(250)]
    for name in ("spearman", "mae", "ac2"):
        held = sum(one[f"{name}_ci_low"] <= truth[name] <= one[f"{name}_ci_high"] for one in found)  # type: ignore[operator]
        assert 0.895 <= held / len(found) < 1, name


def test_the_interval_is_the_expanded_percentile_interval() -> None:
    # 5 clusters: t(.025; 4) = −2.77645, · √(5/4) = −3.10416 → Φ = .000954; of the middles of 10,001 equal steps that share is 10001 · .000954 − ½
    low, high = percentile_interval(np.arange(10_001.0), 5)
    assert (low, high) == (pytest.approx(9.042, abs=0.01), pytest.approx(9990.958, abs=0.01))
    # the figure above 69.146 % of the resamples is half a standard deviation of bias: both ends move by one
    low, high = percentile_interval(np.arange(10_001.0), 5, center=6914.6)
    assert (low, high) == (pytest.approx(10_001 * 0.017682 - 0.5, abs=1), pytest.approx(9999.8, abs=0.3))
    assert percentile_interval(np.full(100, 0.7), 5, center=0.7) == (0.7, 0.7)


def test_mostly_undefined_resamples_give_no_interval() -> None:
    values = np.full(100, math.nan)
    values[:49] = 0.5
    assert all(math.isnan(end) for end in percentile_interval(values, 50))
    values[49:60] = 0.5
    assert percentile_interval(values, 50) == (0.5, 0.5)


def test_a_judge_that_is_off_by_one_everywhere_may_be_off_otherwise_elsewhere():
    human = [0, 1, 2, 3, 4] * 6
    found = human_validity([score + 1 for score in human], human, scale=(0, 5), n_bootstrap=200)
    others = 1 - 0.025 ** (1 / 30)
    assert (found["human_bias_ci_low"], found["human_bias_ci_high"]) == pytest.approx((1 - 6 * others, 1 + 4 * others))
    assert (found["human_mae_ci_low"], found["human_mae_ci_high"]) == pytest.approx((1 - others, 1 + 4 * others))

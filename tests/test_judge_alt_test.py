"""The alternative annotator test: by hand, against the paper's procedure written out, and how often it is fooled."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics.alt_test import alternative_annotator_test


def test_by_hand() -> None:
    # judge 3 4 5 0; raters A 3 4 1 3, B 3 2 5 3. Against B: A's wins − the judge's: 0 (both right), 0 (both 2 off), −1 (judge right, A 4 off), +1
    # Against A: 0, −1, 0 (both 4 off), +1. Each: mean 0, the judge at least as close on 3 of 4, s² = 2/3, t = −.15 ÷ √(1/6) = −.36742 with 3 degrees of freedom
    # F₃(t) = ½ + (t/√3 ÷ (1 + t²/3) + atan(t/√3)) ÷ π = .36884; Benjamini–Yekutieli over two equal p: · (1 + ½) = .55326
    t = -0.15 / math.sqrt(1 / 6) / math.sqrt(3)
    p = 0.5 + (t / (1 + t * t) + math.atan(t)) / math.pi
    found = alternative_annotator_test([3, 4, 5, 0], [[3, 3], [4, 2], [1, 5], [3, 3]], epsilon=0.15, min_items=4)
    assert (found["passed"], found["winning_rate"], found["advantage_probability"], found["n"], found["n_raters"]) == (False, 0.0, 0.75, 4, 2)
    for rater in found["raters"]:
        assert (rater["n"], rater["difference"], rater["won"]) == (4, 0.0, False)
        assert rater["p_value"] == pytest.approx(p, abs=1e-12)
        assert rater["p_adjusted"] == pytest.approx(1.5 * p, abs=1e-12)
    assert p == pytest.approx(0.36884, abs=1e-5)


def procedure(scores: list[Any], ratings: list[list[Any]], epsilon: float, q: float, least: int) -> tuple[float, float] | None:
    """Section 3 of the paper, written as loops: ω and ρ."""
    p_values, advantages = [], []
    for j in range(len(ratings[0])):
        differences, wins = [], []
        for score, row in zip(scores, ratings, strict=True):
            others = [value for k, value in enumerate(row) if k != j and value is not None]
            if score is None or row[j] is None or not others:
                continue
            judge, human = (sum((side - value) ** 2 for value in others) / len(others) for side in (score, row[j]))
            tie = abs(judge - human) < 1e-9
            wins.append(1 if judge < human or tie else 0)
            differences.append((1 if human < judge or tie else 0) - wins[-1])
        if len(differences) < least:
            continue
        if len(set(differences)) == 1:
            p_values.append(0.0 if differences[0] < epsilon else 1.0)
        else:
            p_values.append(float(ttest_1samp(differences, epsilon, alternative="less").pvalue))
        advantages.append(sum(wins) / len(wins))
    m = len(p_values)
    if m < 2:
        return None
    harmonic = sum(1 / i for i in range(1, m + 1))
    passing = [i for i, p in enumerate(sorted(p_values), start=1) if p <= i / m * q / harmonic]
    return max(passing, default=0) / m, sum(advantages) / m


def test_equals_the_papers_procedure() -> None:
    rng = np.random.default_rng(1)
    passed, ran = 0, 0
    for case in range(200):
        n, m = int(rng.integers(30, 90)), int(rng.integers(2, 6))
        truth = rng.integers(0, 6, size=n)
        noise = rng.uniform(0.3, 1.5)
        step = 3 if case % 2 else 1
        scores = [None if rng.random() < 0.1 else float(s) for s in np.round((truth + rng.normal(0, 0.8, n)) * step) / step]
        table = np.round(truth[:, None] + rng.normal(0, noise, (n, m)))
        ratings = [[None if rng.random() < 0.2 else float(value) for value in row] for row in table]
        found = alternative_annotator_test(scores, ratings, epsilon=0.15)
        expected = procedure(scores, ratings, 0.15, 0.05, 30)
        if expected is None:
            assert found["passed"] is None
            continue
        assert (found["winning_rate"], found["advantage_probability"]) == (pytest.approx(expected[0]), pytest.approx(expected[1]))
        assert found["passed"] == (expected[0] >= 0.5)
        passed, ran = passed + found["passed"], ran + 1
    assert ran > 100
    assert 20 < passed < ran - 20


def binary(rng: np.random.Generator, right: float, n: int) -> Any:
    return (rng.random(n) < right).astype(float)


def pass_rate(judge: float, human: float, epsilon: float, *, runs: int = 300, n: int = 100, per_clip: int = 1, clustered: bool = False) -> float:
    """How often a judge who is right with one probability passes beside two humans who are right with another. All answers are yes or no."""
    rng = np.random.default_rng(7)
    clips = [i // per_clip for i in range(n)] if clustered else None
    passed = 0
    for _ in range(runs):
        judged, first, second = (np.repeat(binary(rng, right, n // per_clip), per_clip) for right in (judge, human, human))
        passed += bool(alternative_annotator_test(judged.tolist(), np.stack([first, second], axis=1).tolist(), epsilon=epsilon, clusters=clips)["passed"])
    return passed / runs


# With two raters the difference of wins is [human right as the other] − [judge right as the other], on average (2h − 1)(h − j). H0 stands where that is ε:
# h = .9, ε = .15 → j = .9 − .15 ÷ .8 = .7125. There a judge may pass at most 5 % of the time: 300 runs, three standard deviations above → 8.8 %.
BORDER = 0.9 - 0.15 / 0.8


def test_a_judge_on_the_border_passes_at_most_one_time_in_twenty() -> None:
    assert pass_rate(BORDER, 0.9, 0.15) <= 0.088


def test_a_judge_as_good_as_the_humans_passes() -> None:
    assert pass_rate(0.9, 0.9, 0.15, runs=100) > 0.9


def test_questions_about_one_clip_are_one_piece_of_evidence() -> None:
    # five questions of 40 clips that all go the same way: as single items the test is fooled far too often, as clusters it is not
    assert pass_rate(BORDER, 0.9, 0.15, n=200, per_clip=5) > 0.15
    assert pass_rate(BORDER, 0.9, 0.15, n=200, per_clip=5, clustered=True) <= 0.1


def test_certain_cases_do_not_divide_by_zero() -> None:
    # judge always right as the other: every difference −1; always farther: every difference +1
    best = alternative_annotator_test([3.0] * 30, [[1, 3], [3, 1]] * 15, min_items=30)
    worst = alternative_annotator_test([0.0] * 30, [[3, 3]] * 30)
    assert (best["passed"], worst["passed"], worst["advantage_probability"]) == (True, False, 0.0)
    assert [rater["p_value"] for rater in worst["raters"]] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("ratings", "why"),
    [
        ([[3, None]] * 40, "1 rater: at least 2 must have rated the same items"),
        ([3] * 40, "1 rater: at least 2"),
        ([None] * 40, "0 raters: at least 2"),
        ([[3, 3]] * 20 + [[3, None]] * 20, "0 of 2 raters can be tested on 20 shared items: at least 2 raters need 30 items each"),
        ([[3, None], [None, 3]] * 20, "0 of 2 raters can be tested on 0 shared items"),
    ],
)
def test_what_is_missing_is_said(ratings: list[Any], why: str) -> None:
    found = alternative_annotator_test([3] * 40, ratings)
    assert found["passed"] is None
    assert found["winning_rate"] is None
    assert why in found["reason"]
    json.dumps(found, allow_nan=False)


def test_a_rater_of_few_items_is_left_out_with_a_reason() -> None:
    # the third rated 10: the others are tested, against the third as well where it rated
    found = alternative_annotator_test([3] * 40, [[3, 3, 3]] * 10 + [[3, 3, None]] * 30)
    assert (found["n_raters"], found["passed"]) == (2, True)
    assert found["raters"][2]["reason"] == "10 items shared with another rater and the judge, 30 needed"


def test_a_few_clips_are_no_evidence() -> None:
    found = alternative_annotator_test([3] * 40, [[3, 3]] * 40, clusters=["a", "b"] * 20)
    assert found["passed"] is None
    assert found["raters"][0]["reason"] == "its 40 shared items are of 2 clusters, 10 needed"


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("epsilon is 1.5", {"epsilon": 1.5}),
        ("alpha is -1", {"alpha": -1}),
        ("min_items is 1", {"min_items": 1}),
        ("clusters has 1 entries", {"clusters": ["a"]}),
    ],
)
def test_bad_arguments_are_named(message: str, options: dict[str, Any]) -> None:
    with pytest.raises(JudgeError, match=message):
        alternative_annotator_test([1, 2], [[1, 1], [2, 2]], **options)

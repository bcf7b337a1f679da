"""Corrected scores: worked by hand, against second implementations, and whether they cover the truth where the naive interval does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.statistics.correction import corrected_score
from cp_paraling_qa.judge.statistics.intervals import bootstrap_ci


def test_rogan_gladen_by_hand():
    """Sensitivity .9, specificity .8: the judge reports 41 for a true 30; (0.41 + 0.8 − 1) ÷ (0.9 + 0.8 − 1) = 0.3."""
    human = [1] * 10 + [0] * 10 + [None] * 80
    judge = [1] * 9 + [0] + [0] * 8 + [1] * 2 + [1] * 30 + [0] * 50  # 41 ones in all
    found = corrected_score(judge, human, scale=(0, 1))
    assert (found.method, found.n_human) == ("rogan-gladen", 20)
    assert found.score == pytest.approx(0.3) and found.low < 0.3 < found.high
    # the ends of the scale may have other names
    five = corrected_score([5 * v for v in judge], [None if v is None else 5 * v for v in human], method="rogan-gladen")
    assert five[:3] == pytest.approx([5 * v for v in found[:3]])


def test_ppi_by_hand():
    """A judge one point too lenient on each rated item: humans' mean 2, moved by λ times how far the judge's mean on all is from its mean 3 on the rated."""
    human = [0, 1, 2, 3, 4, 2]
    judge = [1, 2, 3, 4, 5, 3] + [1, 1, 5, 4] * 50
    found = corrected_score(judge, human + [None] * 200)
    assert (found.method, found.n_human) == ("ppi", 6)
    # λ is the covariance over the rated (10 ÷ 6) by the sample variance over all 206
    f = np.array(judge, float)
    slope = np.cov(human, judge[:6], ddof=0)[0, 1] / f.var(ddof=1)
    assert found.score == pytest.approx(2 + slope * (f.mean() - 3))


def split_ppi(y, f, rest):
    """PPI++ as its paper has it, the rated items apart from the unrated: arXiv 2311.01453, example 6.1 (λ within 0–1)."""
    n, m = len(y), len(rest)
    slope = np.mean((y - y.mean()) * (f - f.mean())) / np.concatenate([f, rest]).var(ddof=1) / (1 + n / m)
    weight = min(max(slope, 0.0), 1.0)
    return weight * rest.mean() + (y - weight * f).mean()


def test_ppi_against_the_split_form_on_200_random_cases():
    random = np.random.default_rng(2)
    for _ in range(200):
        n, m = int(random.integers(3, 40)), int(random.integers(3, 100))
        human = random.integers(0, 6, n + m).astype(float)
        judge = np.clip(np.round(human + random.normal(0.5, random.uniform(0, 4), n + m)), 0, 5)
        found = corrected_score(judge, [*human[:n], *[None] * m], n_bootstrap=0)
        assert found.score == pytest.approx(min(max(split_ppi(human[:n], judge[:n], judge[n:]), 0), 5), abs=1e-9)
        assert math.isnan(found.low)


def test_ppi_interval_against_a_loop():
    """Clips drawn whole, λ tuned anew, expanded by the number of rated clips."""
    from scipy import stats

    random = np.random.default_rng(6)
    clips = np.repeat(np.arange(12), 3)
    human = random.uniform(0, 4, 36)
    judge = human + random.uniform(0, 1, 36)
    rated = clips < 8
    found = corrected_score(judge, np.where(rated, human, np.nan), clusters=clips, n_bootstrap=150, seed=3)
    values = []
    for draw in np.random.default_rng(3).integers(0, 12, size=(150, 12)):
        at = np.concatenate([np.flatnonzero(clips == c) for c in draw])
        known = at[rated[at]]
        if len(known) and len(known) < 36:
            values.append(split_ppi(human[known], judge[known], judge[at[~rated[at]]]))
        elif len(known):
            values.append(human[known].mean())
    tail = stats.norm.cdf(math.sqrt(8 / 7) * stats.t.ppf(0.025, 7))
    # no two values are equal here, so that the mid-distribution quantile is Hazen's
    assert len(set(np.round(values, 12))) == len(values)
    assert found[1:3] == pytest.approx(np.quantile(values, [tail, 1 - tail], method="hazen"), abs=1e-9)


def refuted_by(theta, judge, human, clips):
    """(p − θ q1 − (1 − θ)(1 − q0))² over its variance, item by item, with a success and a failure added to each calibration class."""
    yes, no = [i for i, h in enumerate(human) if h == 1], [i for i, h in enumerate(human) if h == 0]
    p = sum(judge) / len(judge)
    q1, q0 = (sum(judge[i] for i in yes) + 1) / (len(yes) + 2), (sum(1 - judge[i] for i in no) + 1) / (len(no) + 2)
    sums = {}
    for i, (j, h, clip) in enumerate(zip(judge, human, clips, strict=True)):
        part = (j - p) / len(judge)
        if i in yes:
            part -= theta * (j - q1) / (len(yes) + 2)
        if i in no:
            part += (1 - theta) * (1 - j - q0) / (len(no) + 2)
        assert h is None or i in yes or i in no
        sums[clip] = sums.get(clip, 0) + part
    variance = len(sums) / (len(sums) - 1) * sum(part * part for part in sums.values())
    for success in (0, 1):
        variance += (theta * (success - q1) / (len(yes) + 2)) ** 2 + ((1 - theta) * (success - q0) / (len(no) + 2)) ** 2
    return (p - theta * q1 - (1 - theta) * (1 - q0)) ** 2 / variance


def test_rogan_gladen_interval_against_its_definition_on_200_random_cases():
    from scipy import stats

    random = np.random.default_rng(9)
    checked = 0
    while checked < 200:
        n, m = int(random.integers(40, 150)), int(random.integers(12, 40))
        truth = random.random(n) < random.uniform(0.1, 0.9)
        judge = np.where(random.random(n) < random.uniform(0.6, 0.95), truth, ~truth).astype(int).tolist()
        human = [*truth[:m].astype(int).tolist(), *[None] * (n - m)]
        clips = (np.arange(n) // int(random.integers(1, 4))).tolist()
        found = corrected_score(judge, human, scale=(0, 1), clusters=clips)
        if math.isnan(found.score):
            continue
        checked += 1
        limit = stats.t.ppf(0.975, len(set(clips[:m])) - 1) ** 2
        for end in found[1:3]:
            if 1e-9 < end < 1 - 1e-9 and end != found.score:
                assert refuted_by(end, judge, human, clips) == pytest.approx(limit, rel=1e-7)
        for theta in np.linspace(0, 1, 21):
            if not found.low <= theta <= found.high:
                assert refuted_by(theta, judge, human, clips) > limit
        assert 0 <= found.low <= found.score <= found.high <= 1


def test_what_cannot_be_corrected_is_nan_with_its_reason():
    guess = corrected_score([1, 0, 1, 0, 1], [1, 1, 0, 0, None], scale=(0, 1))  # sensitivity .5 + specificity .5
    assert all(math.isnan(value) for value in guess[:3])
    assert guess.method == "rogan-gladen: undefined, sensitivity 0.50 + specificity 0.50 ≤ 1"
    assert "no item as 0" in corrected_score([1, 1, 0], [1, 1, None], scale=(0, 1)).method
    assert "no item as 1" in corrected_score([1, 0, 0], [0, 0, None], scale=(0, 1)).method
    for nobody in (corrected_score([3, 4], [None, None]), corrected_score([None, 4], [3, None]), corrected_score([], [])):
        assert nobody.n_human == 0 and math.isnan(nobody.score) and nobody.method.startswith("ppi: no item")
    clip = corrected_score([3, 4, 5, 5], [3, 4, None, None], clusters=["a", "a", "b", "c"])
    assert clip.score > 0 and math.isnan(clip.low) and "one cluster" in clip.method


def test_a_judge_that_hardly_tells_is_hardly_an_interval():
    """Sensitivity .55, specificity .55 on 40 items: any share may be true."""
    human = [1] * 20 + [0] * 20 + [None] * 100
    judge = [1] * 11 + [0] * 9 + [0] * 11 + [1] * 9 + [1, 0] * 50
    found = corrected_score(judge, human, scale=(0, 1))
    assert (found.low, found.high) == (0, 1) and found.score == pytest.approx(0.5)


def test_a_perfect_judge_of_few_items_is_not_taken_for_perfect():
    human = [1] * 10 + [0] * 10 + [None] * 180
    judge = [1] * 10 + [0] * 10 + [1] * 54 + [0] * 126
    found = corrected_score(judge, human, scale=(0, 1))
    assert found.score == pytest.approx(0.32)
    assert found.high - found.low > 2 * 1.96 * math.sqrt(0.32 * 0.68 / 200)


def test_items_without_a_judge_are_left_out_of_both():
    judge, human = [3, 4, 5, 2, 1, 4, 3, 5], [2, 4, 4, 2, None, None, None, None]
    more = corrected_score([*judge, None, None], [*human, 5, None], seed=1)
    assert more == corrected_score(judge, human, seed=1) and more.n_human == 4


def test_the_method_follows_the_scale():
    assert corrected_score([0, 1, 1], [0, 1, None], scale=(0, 1)).method == "rogan-gladen"
    assert corrected_score([0, 1, 1], [0, 1, None], scale=(0, 1), method="ppi").method == "ppi"
    assert corrected_score([0, 0.5, 1], [0, 1, None], scale=(0, 1)).method == "ppi"  # the mean of two judges is no class
    everyone = corrected_score([5, 4, 5], [1, 2, 3])
    assert everyone.score == pytest.approx(2)
    flat = corrected_score([3, 3, 3, 3], [1, 2, None, None])  # a judge that says one thing adds nothing
    assert flat.score == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (([1, 2], [1]), "lengths differ"),
        (([1, 7], [1, None]), r"scores\[1\] is 7"),
        (([1, 2], [1, -1]), r"human\[1\] is -1"),
        (([1, "4"], [1, None]), r"scores\[1\]"),
    ],
)
def test_bad_columns_are_named(arguments, names):
    with pytest.raises(JudgeError, match=names):
        corrected_score(*arguments)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"method": "magic"}, "magic"),
        ({"scale": (5, 0)}, "scale"),
        ({"scale": 5}, "scale is 5"),
        ({"seed": None}, "seed is None"),
        ({"confidence": 2}, "confidence"),
        ({"method": "rogan-gladen"}, "between"),
    ],
)
def test_bad_options_are_named(options, names):
    with pytest.raises(JudgeError, match=names):
        corrected_score([1, 2], [1, 2], **options)


@pytest.mark.parametrize("size", [1, 5])
def test_rogan_gladen_covers_where_the_naive_interval_does_not(size):
    """True share 0.3, sensitivity .9, specificity .8, 1,000 items, 200 of them rated; 300 runs, one standard error 1.3 points."""
    random = np.random.default_rng(30 + size)
    clips, hits, naive = np.arange(1000) // size, 0, 0
    for run in range(300):
        leaning = np.repeat(random.beta(0.3 * 3, 0.7 * 3, 1000 // size), size)  # clips differ: correlation 1 ÷ (1 + 3)
        truth = random.random(1000) < leaning
        judge = np.where(truth, random.random(1000) < 0.9, random.random(1000) > 0.8).astype(float)
        rated = np.isin(clips, random.permutation(1000 // size)[: 200 // size])
        found = corrected_score(judge, np.where(rated, truth, np.nan), scale=(0, 1), clusters=clips)
        hits += found.low <= 0.3 <= found.high
        low, high = bootstrap_ci(judge, clusters=clips, n_bootstrap=100, seed=run)
        naive += low <= 0.3 <= high
    assert hits / 300 >= 0.92 and naive / 300 < 0.5


@pytest.mark.parametrize("size", [1, 5])
def test_ppi_covers_where_the_naive_interval_does_not(size):
    """A judge 0.7 of a point too lenient with noise of its own; 500 items, 100 of them rated; 300 runs."""
    random = np.random.default_rng(40 + size)
    clips, hits, naive = np.arange(500) // size, 0, 0
    truth = 2.5
    for run in range(300):
        human = np.clip(2.5 + np.repeat(random.normal(0, 0.7, 500 // size), size) + random.normal(0, 0.7, 500), 0, 5)  # symmetric about 2.5, clipped likewise
        judge = np.clip(human + 0.7 + random.normal(0, 0.8, 500), 0, 5)
        rated = np.isin(clips, random.permutation(500 // size)[: 100 // size])
        found = corrected_score(judge, np.where(rated, human, np.nan), clusters=clips, n_bootstrap=300, seed=run)
        hits += found.low <= truth <= found.high
        low, high = bootstrap_ci(judge, clusters=clips, n_bootstrap=100, seed=run)
        naive += low <= truth <= high
    assert hits / 300 >= 0.92 and naive / 300 < 0.5


def test_errors_that_are_all_alike_leave_open_what_so_many_ratings_can_show():
    found = corrected_score([4] * 40, [3] * 20 + [None] * 20)
    others = 1 - 0.025 ** (1 / 20)
    assert (found.score, found.low, found.high) == pytest.approx((3, 3 - 3 * others, 3 + 2 * others))

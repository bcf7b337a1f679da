"""Bootstrap intervals: against a plain loop, on their edges, and whether they cover what they promise."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.classification import classification_scores
from cp_paraling_qa.judge.statistics import resampling
from cp_paraling_qa.judge.statistics.intervals import CLASS_FIGURES, bootstrap_ci, class_codes, class_figures, class_score_intervals


def mid_quantile(values, share):
    """The quantile by its definition: the mid-distribution P(<) + P(=)/2 at each value that occurs, straight lines between, the last value beyond."""
    steps = sorted(set(values))
    mid = [(sum(v < s for v in values) + sum(v == s for v in values) / 2) / len(values) for s in steps]
    if share <= mid[0]:
        return steps[0]
    for k in range(1, len(steps)):
        if share <= mid[k]:
            return steps[k - 1] + (steps[k] - steps[k - 1]) * (share - mid[k - 1]) / (mid[k] - mid[k - 1])
    return steps[-1]


def by_loop(values, clusters, n_bootstrap, confidence, seed):
    """The interval with nothing but loops: whole clusters drawn, means of the rows, expanded percentiles."""
    from scipy import stats

    groups = {}
    for value, cluster in zip(values, clusters, strict=True):
        groups.setdefault(cluster, []).append(value)
    members = list(groups.values())
    k = len(members)
    means = []
    for draw in np.random.default_rng(seed).integers(0, k, size=(n_bootstrap, k)):
        rows = [value for cluster in draw for value in members[cluster]]
        means.append(round(math.fsum(rows) / len(rows), 12))  # equal means are equal
    tail = stats.norm.cdf(math.sqrt(k / (k - 1)) * stats.t.ppf((1 - confidence) / 2, k - 1))
    return mid_quantile(means, tail), mid_quantile(means, 1 - tail)


def test_mean_against_a_plain_loop_on_200_random_cases():
    random = np.random.default_rng(11)
    for case in range(200):
        n = int(random.integers(4, 30))
        kind = case % 3
        values = random.integers(0, 6, n) if kind == 0 else random.integers(0, 2, n) if kind == 1 else random.normal(3, 1, n)
        clusters = list(range(n)) if case % 2 else [f"c{i}" for i in random.integers(0, 5, n)]
        if len(set(clusters)) < 2:
            continue
        confidence = float(random.choice([0.8, 0.9, 0.95]))
        low, high = bootstrap_ci(values, clusters=clusters, n_bootstrap=40, confidence=confidence, seed=case)
        expected = by_loop([float(v) for v in values], clusters, 40, confidence, case)
        assert (low, high) == pytest.approx(expected, abs=1e-9), case


def test_a_callable_mean_sees_the_same_resamples():
    random = np.random.default_rng(3)
    values, clusters = random.normal(size=60), random.integers(0, 12, 60).tolist()
    fast = bootstrap_ci(values, clusters=clusters, n_bootstrap=300, seed=5)
    slow = bootstrap_ci(values, statistic=lambda rows: float(np.mean(rows)), clusters=clusters, n_bootstrap=300, seed=5)
    assert slow == pytest.approx(fast, abs=1e-9)
    shown = []
    bootstrap_ci(np.arange(12).reshape(6, 2), statistic=lambda rows: shown.append(rows) or 0.5, clusters=[0, 0, 1, 1, 2, 2], n_bootstrap=20)
    assert all(rows.shape == (6, 2) for rows in shown)
    assert all(sorted(rows[:, 0].tolist()).count(0) == sorted(rows[:, 0].tolist()).count(2) for rows in shown)  # rows 0 and 1 are one clip


def test_the_seed_decides_and_nothing_else(monkeypatch):
    values = np.random.default_rng(0).integers(0, 6, 300)
    first = bootstrap_ci(values, seed=1)
    np.random.seed(99)
    assert bootstrap_ci(values, seed=1) == first != bootstrap_ci(values, seed=2)
    assert bootstrap_ci(values.tolist(), seed=1) == first
    monkeypatch.setattr(resampling, "CHUNK_CELLS", 700)  # two resamples at a time
    assert bootstrap_ci(values, seed=1) == pytest.approx(first, abs=1e-12)


def test_edges():
    nan = (pytest.approx(math.nan, nan_ok=True),) * 2
    assert bootstrap_ci([]) == nan and bootstrap_ci([None, math.nan]) == nan
    assert bootstrap_ci([4]) == nan and bootstrap_ci([4, 5], clusters=["c", "c"]) == nan  # one clip says nothing of others
    assert bootstrap_ci([1, 2, 3], n_bootstrap=0) == nan
    assert bootstrap_ci([0.1] * 7) == (0.1, 0.1)
    assert bootstrap_ci([5, None, 3, math.nan, 4], seed=2) == bootstrap_ci([5, 3, 4], seed=2)
    assert bootstrap_ci([1, 2, 3], statistic=lambda rows: math.nan) == nan
    assert bootstrap_ci([], statistic=lambda rows: 1.0) == nan
    # mostly undefined: half of the resamples and more
    assert bootstrap_ci([1, 2, 3, 4], statistic=lambda rows: 1.0 if sorted(rows) == [1, 2, 3, 4] else math.nan) == nan
    for values in ([0, 0, 0, 0, 0, 5], [0] * 30 + [5], [1e9, 1e9 + 1], [-3.0, 7.0]):
        low, high = bootstrap_ci(values, confidence=0.999)
        assert min(values) <= low <= high <= max(values)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"values": [1, "x"]}, r"values\[1\]"),
        ({"values": [1, math.inf]}, r"values\[1\]"),
        ({"values": "12"}, "values"),
        ({"values": [1, 2], "clusters": ["a"]}, "clusters has 1"),
        ({"values": [1, 2], "n_bootstrap": -1}, "n_bootstrap"),
        ({"values": [1, 2], "n_bootstrap": 2.5}, "n_bootstrap"),
        ({"values": [1, 2], "confidence": 95}, "confidence"),
        ({"values": [1, 2], "seed": -1}, "seed is -1"),
        ({"values": np.ones((3, 2))}, "shape"),
    ],
)
def test_bad_arguments_are_named(arguments, names):
    with pytest.raises(JudgeError, match=names):
        bootstrap_ci(arguments.pop("values"), **arguments)


def test_class_figures_are_those_of_scikit_learn_on_200_random_cases():
    random = np.random.default_rng(5)
    labels = ["angry", "happy", "sad", "neutral", "afraid"]
    for _ in range(200):
        n = int(random.integers(1, 40))
        truth = random.choice(labels[: random.integers(1, 6)], n).tolist()
        said = random.choice([*labels, None], n).tolist()
        table, classes = class_codes(truth, said)
        true, answered = table.T.astype(int)
        found = class_figures(np.ones((1, n)), true, answered, classes)
        expected = classification_scores(truth, said)
        for name in CLASS_FIGURES:
            assert found[name][0] == pytest.approx(expected[name], abs=1e-9)


def test_class_intervals_against_a_loop_over_resamples():
    """Each resample scored by scikit-learn; a class that a resample lacks is in none of its means."""
    random = np.random.default_rng(8)
    clusters = [f"clip {i // 3}" for i in range(30)]
    truth = ["sad" if i < 26 else "afraid" if i < 29 else None for i in range(30)]  # afraid: two clips, often not drawn; one item without a label
    said = [random.choice(["sad", "afraid", "other"]) if random.random() < 0.8 else None for _ in range(30)]
    found = class_score_intervals(truth, said, clusters=clusters, n_bootstrap=120, seed=4)
    drawn = np.random.default_rng(4).integers(0, 10, size=(120, 10))
    scores = []
    for draw in drawn:
        at = [3 * cluster + i for cluster in draw for i in range(3)]
        scores.append(classification_scores([truth[i] for i in at], [said[i] for i in at]))
    from scipy import stats

    tail = stats.norm.cdf(math.sqrt(10 / 9) * stats.t.ppf(0.025, 9))
    for name in CLASS_FIGURES:
        values = [round(score[name], 12) for score in scores]
        assert found[name] == pytest.approx(classification_scores(truth, said)[name], abs=1e-12)
        assert found[f"{name}_ci_low"] == pytest.approx(mid_quantile(values, tail), abs=1e-9)
        assert found[f"{name}_ci_high"] == pytest.approx(mid_quantile(values, 1 - tail), abs=1e-9)


def test_class_intervals_on_their_edges():
    nothing = class_score_intervals([None, None], ["sad", None])
    assert len(nothing) == 12 and all(math.isnan(value) for value in nothing.values())
    one = class_score_intervals(["sad"], ["sad"])
    assert one["accuracy"] == 1 and math.isnan(one["accuracy_ci_low"])
    silent = class_score_intervals(["sad", "sad", "angry"], [None, None, None])
    assert [silent[f"f1_macro{end}"] for end in ("", "_ci_low", "_ci_high")] == [0, 0, pytest.approx(1 - 0.025 ** (1 / 3))]
    with pytest.raises(JudgeError, match="lengths differ"):
        class_score_intervals(["sad"], [])


def covered(draw, truth, runs, n_bootstrap=400):
    hits = 0
    for run in range(runs):
        values, clusters = draw()
        low, high = bootstrap_ci(values, clusters=clusters, n_bootstrap=n_bootstrap, seed=run)
        hits += low <= truth + 1e-12 and truth <= high + 1e-12
    return hits / runs


def test_a_95_percent_interval_covers_95_percent():
    """500 runs: one standard error is 1 point; the benchmark has thousands."""
    random = np.random.default_rng(21)
    shares = np.array([1, 1, 1, 2, 5, 10]) / 20  # 0 to 5, mostly good: mean 0.05 · (1 + 2 + 6 + 20 + 50) = 3.95
    assert 0.92 <= covered(lambda: (random.choice(6, 200, p=shares), None), 3.95, 500) <= 0.98
    for share in (0.5, 0.85):
        assert 0.92 <= covered(lambda share=share: (random.random(200) < share, None), share, 500) <= 0.98


def test_clips_of_five_questions_need_clusters():
    """Clip and item share the variance: with the clips unknown an interval is √(1 + 4 · 0.5) = 1.7 times too narrow and covers about 2 Φ(1.96 ÷ 1.7) − 1 = 0.74."""
    random = np.random.default_rng(22)
    clips = [i // 5 for i in range(200)]

    def draw():
        return np.repeat(random.normal(size=40), 5) + random.normal(size=200), clips

    assert covered(draw, 0.0, 500) >= 0.92
    assert covered(lambda: (draw()[0], None), 0.0, 300) < 0.82


def test_ten_thousand_rows_two_thousand_times():
    values = np.random.default_rng(0).integers(0, 6, 10_000)
    start = time.process_time()
    low, high = bootstrap_ci(values, n_bootstrap=2000)
    assert time.process_time() - start < 5
    # the normal interval is right for so many: sd 1.708, so ± 1.96 · 0.01708
    assert (low, high) == pytest.approx((values.mean() - 0.0335, values.mean() + 0.0335), abs=0.003)


def test_all_right_is_not_certainly_so() -> None:
    """BY HAND: 20 of 20 right gives 0.025^(1/20) = 0.8316 to 1 (Clopper and Pearson); of 4 clips of 5 questions as many, 0.025^(1/4) = 0.3976; all wrong the mirror."""
    labels = ["sad", "angry"] * 10
    right = class_score_intervals(labels, labels)
    assert (right["accuracy_ci_low"], right["accuracy_ci_high"], right["f1_macro_ci_low"]) == (
        pytest.approx(0.8316, abs=1e-4),
        1.0,
        pytest.approx(0.8316, abs=1e-4),
    )
    assert class_score_intervals(labels, labels, clusters=[i // 5 for i in range(20)])["accuracy_ci_low"] == pytest.approx(0.3976, abs=1e-4)
    wrong = class_score_intervals(labels, [None] * 20)
    assert (wrong["accuracy_ci_low"], wrong["accuracy_ci_high"]) == (0.0, pytest.approx(0.1684, abs=1e-4))

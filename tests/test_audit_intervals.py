"""Intervals against second implementations and against simulated coverage."""

import numpy as np
import pytest
from scipy.stats import binomtest

from cp_paraling_qa.generate.audit.intervals import difference, effective_number, share


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (0, 20), (20, 20), (1, 3), (7, 40), (999, 1000)])
def test_wilson_is_scipys(hits, n):
    found = share(hits, n)
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((theirs.low, theirs.high), abs=1e-12) and found["share"] == hits / n


def test_rows_of_one_clip_are_worth_one():
    # Each clip's four rows are all right or all wrong: 30 clips of which 12 are right. The variance of the share is that of 30 clips, times 30/29 for an unknown mean:
    # 120 rows are worth 29 independent ones.
    assert effective_number([(4, 4)] * 12 + [(0, 4)] * 18) == pytest.approx(29)
    assert effective_number([(2, 4)] * 30) == 120  # clips that are all alike are worth no more than their rows
    assert effective_number([(4, 4)] * 3) is None and effective_number([(2, 4)]) is None and effective_number([]) is None


def test_the_interval_of_a_difference_covers_the_truth():
    # Two readers on 40 paired rows: P(first alone right) 0.25, P(second alone right) 0.1, so the difference is 0.15. 95 % ± 1.5 points over 4,000 draws (sd 0.34 points).
    draws = np.random.default_rng(0).multinomial(40, [0.25, 0.1, 0.65], size=4000)
    covered = [(found := difference(int(a), int(b), 40))["low"] <= 0.15 <= found["high"] for a, b, _ in draws]
    assert 0.935 <= np.mean(covered) <= 0.985
    # By hand, 3 and 1 of 10: a = 4/12, b = 2/12, half = 1.96·sqrt((6/12 − (2/12)²)/12) = 1.96·sqrt(0.0393519) = 0.38881
    assert difference(3, 1, 10) == {
        "n": 10,
        "difference": 0.2,
        "low": pytest.approx(1 / 6 - 0.38881, abs=1e-4),
        "high": pytest.approx(1 / 6 + 0.38881, abs=1e-4),
    }
    assert difference(0, 0, 0)["difference"] is None

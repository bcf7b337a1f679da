"""Do the intervals cover what they promise? Simulated samples of known truth, our interval and the naive one on each.

    python benchmarks/intervals.py [--quick] [--runs N]

means        200 scores 0–5 of several shapes, and 200 zeros and ones; naive: the plain percentile bootstrap
clusters     40 clips of 5 questions, or of 1 to 9, whose scores go together; and 10 clips; naive: the same items taken for independent
classes      accuracy, UAR and both F1 of 200 mapped labels over 4 classes, and over 7 of which the rarest has 4 %; naive: plain percentile
corrections  a judge with known faults on 500 or 1,000 items, humans on 50 to 200 of them, alone or clip by clip; naive: the interval of the judge's own mean;
             beside Rogan–Gladen the delta method of arXiv 2511.21140, beside ppi the human ratings alone (their width)
speed        one bootstrap of 10,000 rows, 2,000 resamples

Every interval is for 95 %. One standard error of a coverage is 0.5 points with 2,000 runs, 1.1 with 400 (--quick).

The last line is JSON: coverage_mean, coverage_binary (each the coverage furthest from 0.95), coverage_clustered (lowest, 40 clips), coverage_classes (lowest),
coverage_rogan_gladen, coverage_ppi (lowest), naive_coverage (highest of the judge's own interval over the corrections), bootstrap_seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from cp_paraling_qa.judge.statistics.correction import corrected_score  # noqa: E402
from cp_paraling_qa.judge.statistics.intervals import CLASS_FIGURES, bootstrap_ci, class_codes, class_figures, class_score_intervals  # noqa: E402

Z = 1.959964


def holds(ends: Any, truth: float) -> bool:
    return bool(ends[0] <= truth + 1e-12 and truth <= ends[1] + 1e-12)


def line(name: str, shares: dict[str, float], **more: float) -> None:
    told = "   ".join(f"{which} {100 * share:5.1f} %" for which, share in shares.items())
    print(f"{name:58s} {told}" + "".join(f"   {which} {value:.3f}" for which, value in more.items()), flush=True)


def plain_percentile(values: np.ndarray, random: np.random.Generator, resamples: int) -> Any:
    return np.quantile(values[random.integers(0, len(values), (resamples, len(values)))].mean(axis=1), [0.025, 0.975])


def means(random: np.random.Generator, runs: int, resamples: int) -> tuple[list[float], list[float]]:
    """Coverage of scores, and of zeros and ones."""
    shapes = {"evenly 0 to 5": [1, 1, 1, 1, 1, 1], "mostly good": [1, 1, 1, 2, 5, 10], "nearly all 5": [1, 0, 0, 0, 1, 18], "mostly bad": [10, 5, 2, 1, 1, 1]}
    zero_one = {f"ones: {share:.0%}": [1 - share, share] for share in (0.5, 0.7, 0.85, 0.9)}
    found: tuple[list[float], list[float]] = ([], [])
    for number, cases in enumerate((shapes, zero_one)):
        for name, weights in cases.items():
            shares = np.array(weights) / sum(weights)
            truth, ours, naive = float(shares @ np.arange(len(shares))), 0, 0
            for run in range(runs):
                values = random.choice(len(shares), 200, p=shares).astype(float)
                ours += holds(bootstrap_ci(values, n_bootstrap=resamples, seed=run), truth)
                naive += holds(plain_percentile(values, random, resamples), truth)
            found[number].append(ours / runs)
            line(f"200 scores, {name}", {"ours": ours / runs, "plain percentile": naive / runs})
    return found


def clustered(random: np.random.Generator, runs: int, resamples: int) -> list[float]:
    """Coverage with 40 clips; that with 10 is printed only."""

    def scores(clips: np.ndarray, number: int, skewed: bool) -> np.ndarray:
        clip = random.exponential(size=number) - 1 if skewed else random.normal(size=number)
        return np.clip(np.rint(3 + 1.1 * clip[clips] + 1.1 * random.normal(size=len(clips))), 0, 5)

    found = []
    for name, number, uneven, skewed in (
        ("40 clips of 5", 40, False, False),
        ("40 clips of 5, skewed", 40, False, True),
        ("40 clips of 1 to 9", 40, True, False),
        ("10 clips of 5", 10, False, False),
    ):
        truth = float(scores(np.arange(1_000_000), 1_000_000, skewed).mean())
        ours = naive = 0
        for run in range(runs):
            clips = np.repeat(np.arange(number), random.integers(1, 10, number) if uneven else 5)
            values = scores(clips, number, skewed)
            ours += holds(bootstrap_ci(values, clusters=clips, n_bootstrap=resamples, seed=run), truth)
            naive += holds(bootstrap_ci(values, n_bootstrap=resamples, seed=run), truth)
        line(f"{name}, correlation 0.5", {"ours": ours / runs, "items as if independent": naive / runs})
        if number == 40:
            found.append(ours / runs)
    return found


def classes(random: np.random.Generator, runs: int, resamples: int) -> list[float]:
    """Coverage of each figure."""
    found = []
    for name, prior, right in (("4 classes", np.ones(4) / 4, 0.7), ("7 classes, 40 % to 4 %", np.array([40, 20, 12, 10, 8, 6, 4]) / 100, 0.6)):
        labels = [f"label {i}" for i in range(len(prior))]
        says = np.full((len(prior), len(prior) + 1), (0.95 - right) / (len(prior) - 1))  # the last column: no label
        np.fill_diagonal(says, right)
        says[:, -1] = 0.05
        true, said = np.divmod(np.arange(says.size), len(prior) + 1)
        whole = class_figures((prior[:, None] * says).reshape(1, -1), true, np.where(said < len(prior), said, -1), len(prior))
        hits, naive = dict.fromkeys(CLASS_FIGURES, 0), dict.fromkeys(CLASS_FIGURES, 0)
        for run in range(runs):
            drawn = random.choice(says.size, 200, p=(prior[:, None] * says).ravel())
            truth = [labels[i] for i in true[drawn]]
            mapped = [labels[i] if i < len(prior) else None for i in said[drawn]]
            ends = class_score_intervals(truth, mapped, n_bootstrap=resamples, seed=run)
            table, n_classes = class_codes(truth, mapped)
            kinds, counts = np.unique(table, axis=0, return_counts=True)
            plain = class_figures(random.multinomial(200, counts / 200, resamples).astype(float), *kinds.T.astype(int), n_classes)
            for figure in CLASS_FIGURES:
                hits[figure] += holds((ends[f"{figure}_ci_low"], ends[f"{figure}_ci_high"]), float(whole[figure][0]))
                naive[figure] += holds(np.quantile(plain[figure], [0.025, 0.975]), float(whole[figure][0]))
        for figure in CLASS_FIGURES:
            line(f"200 labels, {name}: {figure}", {"ours": hits[figure] / runs, "plain percentile": naive[figure] / runs})
            found.append(hits[figure] / runs)
    return found


def delta_method(judge: np.ndarray, human: np.ndarray) -> Any:
    """The interval of arXiv 2511.21140 (its algorithm 1): adjusted shares, normal approximation, calibration taken for a sample of its own."""
    n, n_yes, n_no = len(judge) + Z**2, (human == 1).sum() + 2, (human == 0).sum() + 2
    p = (judge.sum() + Z**2 / 2) / n
    q1, q0 = (judge[human == 1].sum() + 1) / n_yes, ((1 - judge)[human == 0].sum() + 1) / n_no
    theta = (p + q0 - 1) / (q0 + q1 - 1)
    spread = [p * (1 - p) / n, (1 - theta) ** 2 * q0 * (1 - q0) / n_no, theta**2 * q1 * (1 - q1) / n_yes]
    middle = theta + 2 * Z**2 * (theta * q1 * (1 - q1) / n_yes - (1 - theta) * q0 * (1 - q0) / n_no)
    half = Z * math.sqrt(sum(spread)) / (q0 + q1 - 1)
    return np.clip([middle - half, middle + half], 0, 1)


def rated_some(random: np.random.Generator, clips: np.ndarray, share: float) -> np.ndarray:
    number = int(clips[-1]) + 1
    return np.isin(clips, random.permutation(number)[: round(number * share)])


def rogan_gladen(random: np.random.Generator, runs: int, resamples: int) -> tuple[list[float], list[float]]:
    """Our coverage, and that of the judge's own interval."""
    found: tuple[list[float], list[float]] = ([], [])
    for theta, q1, q0, n, rated, size in (
        (0.3, 0.9, 0.8, 1000, 200, 1),
        (0.3, 0.9, 0.8, 1000, 200, 5),
        (0.2, 0.8, 0.7, 500, 100, 1),
        (0.3, 0.9, 0.8, 500, 50, 1),
        (0.9, 0.8, 0.7, 1000, 100, 1),
    ):
        clips = np.arange(n) // size
        ours = naive = theirs = 0
        width = 0.0
        for run in range(runs):
            share = np.repeat(random.beta(3 * theta, 3 * (1 - theta), n // size), size) if size > 1 else theta
            truth = random.random(n) < share
            judge = np.where(truth, random.random(n) < q1, random.random(n) > q0).astype(float)
            human = np.where(rated_some(random, clips, rated / n), truth, np.nan)
            interval = corrected_score(judge, human, scale=(0, 1), clusters=clips)
            ours += holds(interval[1:3], theta)
            width += interval.high - interval.low if interval.low == interval.low else 1.0  # undefined: it misses, and any share may be true
            theirs += holds(delta_method(judge, human), theta)
            naive += holds(bootstrap_ci(judge, clusters=clips, n_bootstrap=resamples // 4, seed=run), theta)
        name = f"share {theta}, judge {q1}/{q0}, {rated} of {n} rated" + (f", clips of {size}" if size > 1 else "")
        line(name, {"ours": ours / runs, "delta method": theirs / runs, "judge alone": naive / runs}, width=width / runs)
        found[0].append(ours / runs)
        found[1].append(naive / runs)
    return found


def ppi(random: np.random.Generator, runs: int, resamples: int) -> tuple[list[float], list[float]]:
    """Our coverage, and that of the judge's own interval."""
    Item = Callable[[np.ndarray], np.ndarray]

    def score(feeling: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(3 + 1.3 * feeling), 0, 5)

    judges: dict[str, Item] = {
        "one point lenient": lambda z: np.clip(score(z) + 1, 0, 5),
        "lenient and noisy": lambda z: np.clip(np.rint(3.6 + 1.3 * (z + random.normal(size=len(z)))), 0, 5),
        "reads nothing": lambda z: np.clip(np.rint(4 + random.normal(size=len(z))), 0, 5),
        "harsh, two values": lambda z: np.where(z > 1, 4.0, 1.0),
    }
    found: tuple[list[float], list[float]] = ([], [])
    truth = float(score(random.normal(size=4_000_000)).mean())
    for n, rated, size in ((1000, 100, 1), (500, 50, 1), (1000, 200, 5)):
        clips = np.arange(n) // size
        for name, judged in judges.items():
            ours = naive = 0
            width = alone = 0.0
            for run in range(runs):
                z = math.sqrt(0.5) * (np.repeat(random.normal(size=n // size), size) + random.normal(size=n))
                human, judge, some = score(z), judged(z), rated_some(random, clips, rated / n)
                interval = corrected_score(judge, np.where(some, human, np.nan), clusters=clips, n_bootstrap=resamples, seed=run)
                ours += holds(interval[1:3], truth)
                width += interval.high - interval.low
                naive += holds(bootstrap_ci(judge, clusters=clips, n_bootstrap=resamples // 4, seed=run), truth)
                low, high = bootstrap_ci(human[some], clusters=clips[some], n_bootstrap=resamples // 4, seed=run)
                alone += high - low
            told = f"judge {name}, {rated} of {n} rated" + (f", clips of {size}" if size > 1 else "")
            line(told, {"ours": ours / runs, "judge alone": naive / runs}, width=width / runs, humans_alone=alone / runs)
            found[0].append(ours / runs)
            found[1].append(naive / runs)
    return found


def seconds() -> float:
    values = np.random.default_rng(0).integers(0, 6, 10_000)
    bootstrap_ci(values[:100])
    start = time.perf_counter()
    bootstrap_ci(values, n_bootstrap=2000)
    return time.perf_counter() - start


def furthest(shares: list[float]) -> float:
    return max(shares, key=lambda share: abs(share - 0.95))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="400 runs of 500 resamples")
    parser.add_argument("--runs", type=int, help="samples of each case (2000)")
    asked = parser.parse_args()
    runs, resamples = asked.runs or (400 if asked.quick else 2000), 500 if asked.quick else 1000
    random = np.random.default_rng(2026)
    print(f"{runs} runs, {resamples} resamples; 95 % intervals", flush=True)
    scores, ones = means(random, runs, resamples)
    clips = clustered(random, runs, resamples)
    labels = classes(random, max(runs // 2, 1), resamples)
    gladen, gladen_naive = rogan_gladen(random, runs, resamples)
    powered, powered_naive = ppi(random, max(runs // 2, 1), resamples)
    took = seconds()
    print(f"10,000 rows, 2,000 resamples: {took:.2f} s")
    figures = {
        "coverage_mean": furthest(scores),
        "coverage_binary": furthest(ones),
        "coverage_clustered": min(clips),
        "coverage_classes": min(labels),
        "coverage_rogan_gladen": min(gladen),
        "coverage_ppi": min(powered),
        "naive_coverage": max(gladen_naive + powered_naive),
        "bootstrap_seconds": took,
    }
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

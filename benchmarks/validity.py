"""Do the intervals of judge validity hold the truth, how long do they take, and how often is the alternative annotator test fooled? Run by hand.

Scores and ratings are drawn from one latent opinion per item (per clip where items are clustered), so the true value of each figure is known from a very large
draw. Side by side: 200 items, 200 items of 40 clips (clustered, and as if they were independent), 50 items. Prints one JSON line of figures last.

    python benchmarks/validity.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from cp_paraling_qa.judge.statistics.alt_test import alternative_annotator_test
from cp_paraling_qa.judge.statistics.validity import BETWEEN, HUMAN_FIGURES, LABEL_FIGURES, human_validity, label_validity

NAMES = (*HUMAN_FIGURES, BETWEEN, *LABEL_FIGURES)
SCALE = (0, 5)


def sample(rng: np.random.Generator, n: int, per_clip: int) -> tuple[list[float], list[list[float]], list[bool]]:
    """A judge that is lenient and noisy, two humans, and whether each answer is right; items of a clip share opinion and the judge's error."""
    clip, judged = (np.repeat(rng.normal(0, size, n // per_clip), per_clip) if per_clip > 1 else np.zeros(n) for size in (0.7, 0.5))
    opinion = clip + rng.normal(size=n)

    def points(latent: Any) -> Any:
        return np.clip(np.round(3 + 1.2 * latent), *SCALE)

    judge = points(opinion + judged + 0.3 + rng.normal(0, 0.6, n))
    humans = np.stack([points(opinion + rng.normal(0, 0.7, n)) for _ in range(2)], axis=1)
    return judge.tolist(), humans.tolist(), (opinion + rng.normal(size=n) > 0).tolist()


def figures(data: tuple[Any, Any, Any], clusters: list[int] | None, n_bootstrap: int, seed: int = 0) -> dict[str, Any]:
    judge, humans, right = data
    options: dict[str, Any] = {"clusters": clusters, "n_bootstrap": n_bootstrap, "seed": seed}
    return {**human_validity(judge, humans, scale=SCALE, **options), **label_validity(judge, right, **options)}


def coverage(n: int, per_clip: int, *, clustered: bool, runs: int) -> dict[str, float]:
    """Share of 95 % intervals that hold the truth, in percent."""
    truth = figures(sample(np.random.default_rng(99), 400_000, per_clip), None, 0)
    rng = np.random.default_rng(1)
    clips = [i // per_clip for i in range(n)] if clustered else None
    held = dict.fromkeys(NAMES, 0)
    for run in range(runs):
        found = figures(sample(rng, n, per_clip), clips, 1000, seed=run)
        for name in NAMES:
            held[name] += found[f"{name}_ci_low"] <= truth[name] <= found[f"{name}_ci_high"]
    return {name: round(100 * count / runs, 1) for name, count in held.items()}


def seconds(n: int) -> dict[str, float]:
    """Wall time of 2,000 resamples of n items: whole points, means of three repeats beside three raters with holes, and continuous scores."""
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 6, n)
    raters = np.clip(whole[:, None] + rng.integers(-1, 2, (n, 3)), *SCALE).astype(float)
    holes = np.where(rng.random((n, 3)) < 0.2, np.nan, raters)
    thirds = np.clip(whole + rng.integers(-1, 2, n) / 3, *SCALE)
    smooth = rng.uniform(*SCALE, n)
    cases = {
        "labels": None,
        "points": (whole, raters[:, 0]),
        "thirds_3_raters": (thirds, holes),
        "continuous": (smooth, np.clip(smooth + rng.normal(size=n), *SCALE)),
    }
    taken = {}
    for name, case in cases.items():
        start = time.perf_counter()
        if case is None:
            label_validity(whole.tolist(), (raters[:, 0] > 2).tolist())
        else:
            human_validity(case[0].tolist(), case[1].tolist(), scale=SCALE)
        taken[name] = round(time.perf_counter() - start, 2)
    return taken


def pass_rate(judge: float, *, runs: int) -> float:
    """How often the test passes a judge who is right with this probability beside two humans right with .9, on 100 yes-or-no items, in percent."""
    rng = np.random.default_rng(3)
    passed = 0
    for _ in range(runs):
        table = (rng.random((100, 3)) < [judge, 0.9, 0.9]).astype(float)
        passed += bool(alternative_annotator_test(table[:, 0].tolist(), table[:, 1:].tolist(), epsilon=0.15)["passed"])
    return round(100 * passed / runs, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs: under two minutes")
    runs = 150 if parser.parse_args().quick else 2000
    label_validity([1, 2], [True, False])  # scipy's import is not what is timed
    result: dict[str, Any] = {"runs": runs, "seconds_10000_items": seconds(10_000)}
    print("10,000 items × 2,000 resamples, seconds:", result["seconds_10000_items"], flush=True)
    # the border of the null hypothesis: (2 · .9 − 1)(.9 − judge) = .15
    result["alt_test_pass"] = {"border": pass_rate(0.9 - 0.15 / 0.8, runs=runs), "as_good_as_humans": pass_rate(0.9, runs=runs)}
    print("alternative annotator test passes, %:", result["alt_test_pass"], flush=True)
    arms = {"200": (200, 1, False), "200_of_40_clips": (200, 5, True), "200_of_40_clips_unclustered": (200, 5, False), "50": (50, 1, False)}
    result["coverage"] = {}
    for name, (n, per_clip, clustered) in arms.items():
        result["coverage"][name] = found = coverage(n, per_clip, clustered=clustered, runs=runs)
        print(f"coverage of 95 % intervals, {name} items, ± {196 * (0.95 * 0.05 / runs) ** 0.5:.1f}:", found, flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

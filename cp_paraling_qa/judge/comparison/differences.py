"""Two systems on the same items, figure by figure and slice by slice: the differences, their intervals and tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cp_paraling_qa.judge.comparison.paired_tests import benjamini_hochberg, bootstrap_p, mcnemar, minimum_detectable_effect, signed_rank, standard_error
from cp_paraling_qa.judge.statistics.intervals import CLASS_FIGURES, class_codes, class_figures, interval_of_equals, mean_replicates
from cp_paraling_qa.judge.statistics.rating_arrays import Floats, Ints
from cp_paraling_qa.judge.statistics.resampling import Kinds, draws, percentile_interval

FIGURES = ("llm_judge", *CLASS_FIGURES)
SLICES = ("config", "type", "true label")
FEW = 20
"""Pairs below which a slice's figures are shown in grey."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of answers, in columns of equal length.

    Attributes:
        scores: of A and of B, shape (pairs, 2), 0–100; NaN where the judge gave none.
        truth: the true label, None where there is none.
        mapped: what A's and B's answers map to.
        clusters: number of the clip.
        slices: dimension → the slice of each pair, None for none.
    """

    scores: Floats
    truth: Sequence[str | None]
    mapped: tuple[Sequence[str | None], Sequence[str | None]]
    clusters: Ints
    slices: Mapping[str, Sequence[str | None]]

    def at(self, places: Sequence[int]) -> Pairs:
        """Some of the pairs."""
        some = [[column[i] for i in places] for column in (self.truth, *self.mapped)]
        return replace(self, scores=self.scores[list(places)], truth=some[0], mapped=(some[1], some[2]), clusters=self.clusters[list(places)], slices={})


@dataclass(frozen=True)
class Sampling:
    """Of every interval in one comparison: resamples, and their seed."""

    n_bootstrap: int
    seed: int


def sliced(pairs: Pairs, sampling: Sampling) -> dict[str, dict[str, Any]]:
    """Every dimension that divides the pairs; q over all slices together."""
    found: dict[str, dict[str, Any]] = {}
    for dimension in SLICES:
        groups: dict[str, list[int]] = {}
        for i, name in enumerate(pairs.slices[dimension]):
            if name is not None:
                groups.setdefault(name, []).append(i)
        if len(groups) > 1 or (groups and len(next(iter(groups.values()))) < len(pairs.truth)):
            figures = ("llm_judge", "accuracy") if dimension == "true label" else FIGURES  # within one label UAR and F1 say what accuracy says
            found[dimension] = {name: {"n": len(groups[name]), **compared(pairs.at(groups[name]), figures, sampling)} for name in sorted(groups)}
    parts = [part for slices in found.values() for part in slices.values()]
    for test in ("wilcoxon", "mcnemar"):
        tested = [part[test] for part in parts if part[test] is not None]
        for one, q in zip(tested, benjamini_hochberg([math.nan if one["p"] is None else one["p"] for one in tested]), strict=True):
            one["q"] = _number(q)
    return found


def compared(pairs: Pairs, names: Sequence[str], sampling: Sampling) -> dict[str, Any]:
    """Figures, Wilcoxon's and McNemar's test of some pairs."""
    both = ~np.isnan(pairs.scores).any(axis=1)
    labelled = [i for i, label in enumerate(pairs.truth) if label is not None]
    figures: dict[str, Any] = {}
    wilcoxon = None
    if both.any():
        values, clips = pairs.scores[both], np.unique(pairs.clusters[both], return_inverse=True)[1]
        gain = values[:, 1] - values[:, 0]
        replicates = mean_replicates(gain, clips, sampling.n_bootstrap, sampling.seed)
        sides = float(values[:, 0].mean()), float(values[:, 1].mean())
        figures["llm_judge"] = _figure(sides, replicates, clips, standard_error(gain, clips), 100.0)
        tested = signed_rank(gain.round(9).tolist(), clusters=clips.tolist())
        wilcoxon = {"p": _number(tested.p), "n": tested.n, "n_zero": tested.n_zero}
    test = None
    if labelled:
        mine = pairs.at(labelled)
        truth = [label for label in mine.truth if label is not None]
        right = [[said == label for said, label in zip(side, truth, strict=True)] for side in mine.mapped]
        one = mcnemar(right[0], right[1], clusters=mine.clusters.tolist())
        test = {"p": _number(one.p), "only_a": one.only_a, "only_b": one.only_b}
        figures |= _label_differences(mine, truth, right, sampling)
    return {"figures": {name: figures.get(name) for name in names}, "wilcoxon": wilcoxon, "mcnemar": test}


def _label_differences(pairs: Pairs, truth: Sequence[str], right: Sequence[Sequence[bool]], sampling: Sampling) -> dict[str, Any]:
    table, n_classes = class_codes(truth, *pairs.mapped)
    clips = np.unique(pairs.clusters, return_inverse=True)[1]
    n_clips = int(clips.max()) + 1
    kinds = Kinds(table, clips, n_clips)
    true, *said = kinds.rows.T.astype(np.int64)

    def sides(drawn: Floats) -> list[dict[str, Floats]]:
        counts = kinds.counts(drawn)
        return [class_figures(counts, true, side, n_classes) for side in said]

    point = sides(np.ones((1, n_clips)))
    parts = [sides(drawn) for drawn in draws(n_clips, sampling.n_bootstrap, sampling.seed, width=len(kinds.rows))]
    found = {}
    for name in CLASS_FIGURES:
        replicates = np.concatenate([np.empty(0), *(b[name] - a[name] for a, b in parts)])
        replicates[np.abs(replicates) < 1e-12] = 0.0  # what differs by rounding alone does not differ
        if name == "accuracy":
            error = standard_error(np.subtract(right[1], right[0], dtype=np.float64), clips)
        else:
            error = float(np.std(replicates, ddof=1)) * math.sqrt(n_clips / (n_clips - 1)) if n_clips > 1 and len(replicates) > 1 else math.nan
        found[name] = _figure((float(point[0][name][0]), float(point[1][name][0])), replicates, clips, error, 1.0)
    return found


def _figure(sides: tuple[float, float], replicates: Floats, clips: Ints, error: float, most: float) -> dict[str, Any]:
    """A figure of both sides and their difference, of which `most` is the largest there may be."""
    (a, b), n_clips = sides, int(clips.max()) + 1
    low, high = percentile_interval(replicates, n_clips) if len(replicates) else (math.nan, math.nan)
    if high - low < 1e-9 * most:  # all pairs differ alike: the next one need not
        low, high = interval_of_equals(b - a, (-most, most), n_clips)
    return {
        "a": a,
        "b": b,
        "difference": b - a,
        "ci_low": _number(low),
        "ci_high": _number(high),
        "p": _number(bootstrap_p(replicates, n_clips)),
        "n": len(clips),
        "n_clips": n_clips,
        "mde": _number(minimum_detectable_effect(error if error > 1e-12 else math.nan)),
        "shown": None if math.isnan(low) else bool(low > 0 or high < 0),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)

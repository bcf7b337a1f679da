"""What labels give away without anybody listening: a majority that a constant answer would hit, and answers whose length tells the label."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any, ClassVar

from cp_paraling_qa.generate.audit.intervals import ranked, share
from cp_paraling_qa.generate.audit.sources import Row


class LabelBalance:
    """Labels by question type, and the share of the most frequent one: what a constant answer scores."""

    needs: ClassVar[tuple[str, ...]] = ("label",)

    def __init__(self) -> None:
        self._labels: dict[str, Counter[str]] = defaultdict(Counter)
        self._without: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """Takes one row."""
        if row["label"] is None:
            self._without[row["type"] or "–"] += 1
        else:
            self._labels[row["type"] or "–"][row["label"]] += 1

    def report(self) -> dict[str, Any]:
        """JSON-able: type → labels, majority (label and share), chance of a balanced one (1 / labels), rows without a label."""
        found = {}
        for kind in sorted({*self._labels, *self._without}):
            labels, n = self._labels[kind], self._labels[kind].total()
            label, hits = next(iter(ranked(labels, 1).items()), (None, 0))
            found[kind] = {
                "labels": ranked(labels),
                "majority": {"label": label} | share(hits, n),
                "chance": 1 / len(labels) if labels else None,
                "without_label": self._without[kind],
            }
        return {"by_type": found}


class _Moments:
    """Running mean and sum of squared deviations (Welford 1962)."""

    def __init__(self) -> None:
        self.n, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        self.n += 1
        step = value - self.mean
        self.mean += step / self.n
        self.squares += step * (value - self.mean)

    def interval(self) -> tuple[float, float] | None:
        """95 % by Student's t; None below two values."""
        from scipy import stats

        if self.n < 2:
            return None
        half = float(stats.t.ppf(0.975, self.n - 1)) * math.sqrt(self.squares / (self.n - 1) / self.n)
        return self.mean - half, self.mean + half


class AnswerLength:
    """Words in the answers, by type and label: where they differ, a model can learn the label's length instead of the voice.

    `explained` is eta squared, the share of the variance of the length that the label explains, 0–1, and `p` that of the F test (Fisher 1925); p is None where every answer
    of a label has the same length: then any difference at all gives the label away.
    """

    needs: ClassVar[tuple[str, ...]] = ("label",)

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, _Moments]] = defaultdict(lambda: defaultdict(_Moments))

    def add(self, row: Row) -> None:
        """Takes one row."""
        if row["label"] is not None:
            self._found[row["type"] or "–", row["kind"] or "–"][row["label"]].add(len(row["answer"].split()))

    def report(self) -> dict[str, Any]:
        """JSON-able: a list of type and kind with n, mean words of every label with interval, the largest difference, explained, p."""
        from scipy import stats

        rows = []
        for (kind, made), labels in sorted(self._found.items()):
            if len(labels) < 2:
                continue
            total = sum(one.n for one in labels.values())
            mean = sum(one.n * one.mean for one in labels.values()) / total
            between = sum(one.n * (one.mean - mean) ** 2 for one in labels.values())
            within = sum(one.squares for one in labels.values())
            free = total - len(labels)
            f = between / (len(labels) - 1) / (within / free) if within > 1e-12 and free > 0 else None
            words = {
                label: {"n": one.n, "mean": one.mean, "interval": one.interval()}
                for label, one in sorted(labels.items(), key=lambda item: (-round(item[1].mean, 9), item[0]))
            }
            rows.append(
                {
                    "type": kind,
                    "kind": made,
                    "n": total,
                    "words": words,
                    "difference": max(one.mean for one in labels.values()) - min(one.mean for one in labels.values()),
                    "explained": between / (between + within) if between + within > 1e-12 else 0.0,
                    "p": float(stats.f.sf(f, len(labels) - 1, free)) if f is not None else None,
                }
            )
        return {"groups": rows}

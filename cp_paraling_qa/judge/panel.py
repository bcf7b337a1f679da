"""Several judges, several times each: what they say together, how far they agree, and what each of them does to the mean."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.judging import Judge, JudgeConfig, Progress, judge_repeatedly
from cp_paraling_qa.judge.rubric import OPEN, JudgeItem, Rubric
from cp_paraling_qa.judge.verdict import Verdict
from cp_paraling_qa.llm_types import LLMConfig

MOST_REPEATS = 1000
"""Of one judge. The samples of a judge that is given twice begin here, so that a cache does not answer for it with the first one's replies."""

UNNAMED = "judge"


@dataclass(frozen=True)
class Panel:
    """The verdicts of a panel. Every figure is derived from them; None stands for what nothing is known of.

    Attributes:
        judges: their names, each one only once.
        repeats: how often each was asked about each item.
        rubric: the contract.
        verdicts: [judge][repeat][item].
        notes: what a reader of the agreement must know.
    """

    judges: tuple[str, ...]
    repeats: int
    rubric: Rubric
    verdicts: list[list[list[Verdict]]]
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def ratings(self) -> list[list[int | None]]:
        """One list of scores per judge and repeat, as `krippendorff_alpha` takes them: judge by judge, and for each repeat by repeat."""
        return [[verdict.score for verdict in column] for columns in self.verdicts for column in columns]

    @functools.cached_property
    def _scored(self) -> list[list[int]]:
        return [[score for score in row if score is not None] for row in zip(*self.ratings, strict=True)]

    @functools.cached_property
    def scores(self) -> list[float | None]:
        """Per item the mean over judges and repeats of the scored verdicts, on the rubric's scale."""
        return [math.fsum(row) / len(row) if row else None for row in self._scored]

    @property
    def spread(self) -> list[int | None]:
        """Per item the highest score minus the lowest, in scale points; 0 where there is only one."""
        return [max(row) - min(row) if row else None for row in self._scored]

    @property
    def distinct(self) -> list[int]:
        """Per item how many different scores it got; 0 for none."""
        return [len(set(row)) for row in self._scored]

    @property
    def reasons(self) -> list[str | None]:
        """Per item why it is unscored: of its verdicts' reasons the most frequent, the first of those level; None for a scored one."""
        columns = [column for columns in self.verdicts for column in columns]
        rows = zip(*columns, strict=True)
        return [None if scores else Counter(v.reason or "unscored" for v in row).most_common(1)[0][0] for row, scores in zip(rows, self._scored, strict=True)]

    @property
    def unscored_reasons(self) -> dict[str, int]:
        """Reason → items; together as many as have no score."""
        return dict(sorted(Counter(reason for reason in self.reasons if reason is not None).items()))

    @property
    def unscored_by_judge(self) -> dict[str, dict[str, int]]:
        """Judge → reason → verdicts, over all repeats: also those of items that another verdict scored."""
        return {
            name: dict(sorted(Counter(v.reason or "unscored" for column in columns for v in column if v.score is None).items()))
            for name, columns in zip(self.judges, self.verdicts, strict=True)
        }

    def alpha(self, level: str = "ordinal") -> float:
        """Krippendorff's α over all judges and repeats, at most 1; NaN for a single rater and wherever it is not defined."""
        return _alpha(self.ratings, level)

    def alpha_of_repeats(self, level: str = "ordinal") -> dict[str, float]:
        """Judge → α between its own repeats."""
        return {name: _alpha([[v.score for v in column] for column in columns], level) for name, columns in zip(self.judges, self.verdicts, strict=True)}

    def alpha_of_judges(self, level: str = "ordinal") -> float:
        """α between the judges, by their first verdicts."""
        return _alpha([[v.score for v in columns[0]] for columns in self.verdicts], level)

    def leave_one_out(self) -> dict[str, dict[str, float | int | None]]:
        """What the mean would be without each judge.

        Returns:
            judge → mean (its own, of its scored verdicts' item means), without (the mean of the others), delta (without − with, in scale points), n: items that it and at
            least one other judge scored. All three are of these items alone, so that a judge which fails on hard items does not move the mean by that.
        """
        own = [[_mean([v.score for v in row]) for row in zip(*columns, strict=True)] for columns in self.verdicts]
        out: dict[str, dict[str, float | int | None]] = {}
        for number, name in enumerate(self.judges):
            others = [column for i, columns in enumerate(self.verdicts) if i != number for column in columns]
            rest = [_mean([column[i].score for column in others]) for i in range(len(self.scores))]
            both = [i for i, mean in enumerate(own[number]) if mean is not None and rest[i] is not None]
            mean, without, all_of_them = (_mean([column[i] for i in both]) for column in (own[number], rest, self.scores))
            delta = without - all_of_them if without is not None and all_of_them is not None else None
            out[name] = {"mean": mean, "without": without, "delta": delta, "n": len(both)}
        return out

    def summary(self) -> dict[str, Any]:
        """All figures, flat and JSON-able.

        Returns:
            judges, repeats, n, n_scored, coverage (0–1), alpha, alpha_n (items with at least two scores), mean_spread (scale points) and share_disagreeing of these items,
            unscored_reasons, unscored_by_judge, alpha_of_repeats, leave_one_out, notes. None where there is nothing to say.
        """
        several = [row for row in self._scored if len(row) > 1]
        scored = sum(bool(row) for row in self._scored)
        return {
            "judges": list(self.judges),
            "repeats": self.repeats,
            "n": len(self.scores),
            "n_scored": scored,
            "coverage": scored / len(self.scores) if self.scores else None,
            "alpha": _number(self.alpha()),
            "alpha_n": len(several),
            "mean_spread": _mean([max(row) - min(row) for row in several]),
            "share_disagreeing": _mean([len(set(row)) > 1 for row in several]),
            "unscored_reasons": self.unscored_reasons,
            "unscored_by_judge": self.unscored_by_judge,
            "alpha_of_repeats": {name: _number(alpha) for name, alpha in self.alpha_of_repeats().items()},
            "leave_one_out": self.leave_one_out(),
            "notes": list(self.notes),
        }


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _alpha(ratings: Sequence[Sequence[float | None]], level: str) -> float:
    from cp_paraling_qa.judge.statistics.agreement import krippendorff_alpha

    return krippendorff_alpha(ratings, level) if len(ratings) > 1 else math.nan


def judge_names(judges: Sequence[Judge | JudgeConfig]) -> tuple[str, ...]:
    """A name for each judge: a config's label or model, a function's own; those of the same name are numbered.

    Example:
        >>> judge_names([{"base_url": "http://a/v1", "model": "m"}, {"base_url": "http://b/v1", "model": "m"}, lambda prompts: []])
        ('m', 'm #2', 'judge')
    """
    names: list[str] = []
    for judge in judges:
        if callable(judge):
            name = getattr(judge, "__name__", type(judge).__name__)
            name = UNNAMED if name == "<lambda>" else name
        else:
            config = JudgeConfig.of(judge)
            name = config.label or config.model
        number, told = 1, name
        while told in names:
            number += 1
            told = f"{name} #{number}"
        names.append(told)
    return tuple(names)


def _identity(config: JudgeConfig) -> tuple[Any, ...]:
    """What a reply's place in a cache depends on: not the address."""
    return (config.model, config.temperature, config.top_p, config.max_tokens, config.seed)


def _notes(names: Sequence[str], judges: Sequence[Judge], repeats: int) -> tuple[str, ...]:
    told = []
    for name, judge in zip(names, judges, strict=True):
        if repeats == 1:
            continue
        if callable(judge):
            told.append(f"{name}: a callable, called once per repeat; if it keeps its replies or never varies, its repeats agree by construction")
        elif JudgeConfig.of(judge).temperature == 0:
            told.append(
                f"{name}: asked at temperature 0, so its repeats differ only where the endpoint is not deterministic; their agreement is no certainty of the judge"
            )
        if not callable(judge) and JudgeConfig.of(judge).cache is not None:
            told.append(f"{name}: replies are kept in a cache, repeat by repeat; another run finds the same ones and is no further repeat")
    return tuple(told)


def judge_panel(
    items: Sequence[JudgeItem | Mapping[str, str | None]],
    judges: Sequence[Judge] | Judge,
    *,
    rubric: Rubric = OPEN,
    repeats: int = 1,
    progress: Progress | None = None,
) -> Panel:
    """Asks several judges about the same items.

    Each repeat is a sample of its own: a cache keeps them apart, and an endpoint gets another seed for each. Repeats say something only at a temperature above 0: at 0
    (the default of a config) they differ only where the endpoint is not deterministic, and out of a cache a second run has the first one's replies, by construction;
    `Panel.notes` says so. A model that is given twice, at two addresses for instance, counts as two judges and is asked twice. A run that was killed goes on where it
    was, if its judges have a cache.

    Args:
        items: what to judge. A None prediction or reference is unscored without asking anybody.
        judges: callables, `JudgeConfig`s or dicts of its fields; or one of these.
        rubric: the contract.
        repeats: 1 to 1,000.
        progress: called with how many more judgements are done, of items × judges × repeats.

    Raises:
        JudgeError: no judges, repeats out of range, or a judge that cannot be used.
        LLMError: an endpoint cannot be used at all.
    """
    if callable(judges) or isinstance(judges, JudgeConfig | LLMConfig | Mapping):
        judges = [judges]
    if isinstance(judges, str) or not judges:
        raise JudgeError("judges is empty: give at least one callable, JudgeConfig or dict with base_url and model")
    if isinstance(repeats, bool) or not isinstance(repeats, int) or not 1 <= repeats <= MOST_REPEATS:
        raise JudgeError(f"repeats is {repeats!r}: it must be an integer from 1 to {MOST_REPEATS}")
    judges, names, seen = list(judges), judge_names(judges), Counter[Any]()
    verdicts = []
    for judge in judges:
        first = 0
        if not callable(judge):
            identity = _identity(JudgeConfig.of(judge))
            first = MOST_REPEATS * seen[identity]
            seen[identity] += 1
        verdicts.append(judge_repeatedly(items, judge, rubric=rubric, samples=range(first, first + repeats), progress=progress))
    return Panel(names, repeats, rubric, verdicts, _notes(names, judges, repeats))

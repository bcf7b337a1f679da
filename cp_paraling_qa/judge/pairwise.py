"""Which of two answers is better: asked in both orders, so that a preference for a place is seen and never counted as one for an answer.

A verdict that turns round with the order is inconsistent: counted, and won by nobody. Position bias and the swap that shows it: arXiv 2406.07791.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.judging import NO_PREDICTION, NO_REFERENCE, Judge, JudgeConfig, Progress, Reply, ask
from cp_paraling_qa.judge.rubric import DATA_RULE, Message, data_lines, digest_of, reply_schema, required
from cp_paraling_qa.judge.verdict import CONFLICT, EXPLANATION, NO_EXPLANATION, find_verdicts

A, B, TIE, INCONSISTENT = "a", "b", "tie", "inconsistent"
WINNERS = ("A", "B", "tie")
_SHOWN = {False: {"A": A, "B": B, "tie": TIE}, True: {"A": B, "B": A, "tie": TIE}}

NO_WINNER = "no winner in the verdict"
UNKNOWN_WINNER = "winner is not A, B or tie"

_COMPARE = """\
You compare two answers, A and B, to a question about a recording of speech. You cannot hear it; the reference answer is what is known to be true.
The better answer is the one that agrees more with the reference: in what it says (content), and in how the words were spoken, by whom and in what mood \
(paralinguistic aptness). What contradicts the reference counts against an answer.

"A": A agrees with the reference more than B, in a point that matters
"B": B agrees with the reference more than A, in a point that matters
"tie": both agree with it alike, both are wrong alike, or they differ in wording alone

Length, style and the order in which the answers stand do not matter: one right word is as good as a right paragraph. An answer that says no more than that it cannot \
tell, cannot hear or will not answer is a refusal: it loses to any answer that is right in some part, and two refusals are a tie."""

_REPLY = """\
Reply with one JSON object and nothing else. It has two keys: first "explanation", a string with your reason in one or two sentences; then "winner", \
one of "A", "B" and "tie"."""


@dataclass(frozen=True, slots=True)
class PairItem:
    """Two answers to one question. All five are data, never instructions; what is None is not shown, but a pair needs both answers and the reference."""

    a: str | None
    b: str | None
    reference: str | None
    question: str | None = None
    context: str | None = None

    @classmethod
    def of(cls, item: PairItem | Mapping[str, str | None]) -> PairItem:
        """An item from itself or from a mapping with the same keys; question and context may be missing.

        Raises:
            JudgeError: no pair and no mapping, or one without a, b or reference.
        """
        if isinstance(item, PairItem):
            return item
        required(item, ("a", "b", "reference"), "a pair")
        return cls(item["a"], item["b"], item["reference"], item.get("question"), item.get("context"))

    @property
    def texts(self) -> tuple[str | None, ...]:
        """All of it, for the parser."""
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class Choice:
    """What one reply comes to: A (the answer shown first), B or tie; or None with a reason."""

    winner: str | None
    reason: str | None = None
    explanation: str | None = None


@dataclass(frozen=True)
class PairRubric:
    """A contract about two answers: `instructions` is what to compare by; data and form of the reply are said behind it."""

    name: str
    instructions: str

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of a reply, explanation first."""
        return reply_schema("winner", {"type": "string", "enum": list(WINNERS)})

    @property
    def digest(self) -> str:
        """12 hex digits over all that shapes a verdict."""
        return digest_of(self.name, self.render(PairItem("a{", "b", "r", "q", "c"), swapped=True), self.schema)

    def render(self, item: PairItem, *, swapped: bool) -> list[Message]:
        """The chat messages; swapped shows b as answer A."""
        first, second = (item.b, item.a) if swapped else (item.a, item.b)
        shown = (("Question", item.question), ("Known about the recording", item.context), ("Reference answer", item.reference))
        system = f"{self.instructions}\n{DATA_RULE}\n{_REPLY}"
        return [{"role": "system", "content": system}, {"role": "user", "content": data_lines((*shown, ("Answer A", first), ("Answer B", second)))}]

    def parse(self, reply: str | None, finish_reason: str | None = "stop", *, data: Iterable[str | None] = ()) -> Choice:
        """A reply's choice. What `parse_verdict` says of objects, fences, prose, copies and cut replies holds here as well.

        Example:
            >>> PAIRWISE.parse('{"explanation": "B names the emotion", "winner": "B"}').winner
            'B'
        """
        found = find_verdicts(reply, "winner", finish_reason=finish_reason, data=data)
        if isinstance(found, str):
            return Choice(None, found)
        choices = [_choice(each) for each in found]
        if len({(choice.winner, choice.reason) for choice in choices}) > 1:
            return Choice(None, CONFLICT)
        return choices[0]


PAIRWISE = PairRubric("pairwise", _COMPARE)


def _choice(found: Mapping[str, Any]) -> Choice:
    words = found.get(EXPLANATION) if isinstance(found.get(EXPLANATION), str) else None
    winner = found.get("winner")
    if winner is None:
        return Choice(None, NO_WINNER, words)
    if not isinstance(winner, str) or winner not in WINNERS:
        return Choice(None, UNKNOWN_WINNER, words)
    return Choice(winner, None, words) if words is not None else Choice(None, NO_EXPLANATION)


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """What both orders come to.

    Attributes:
        outcome: a, b or tie where both orders say the same; inconsistent where they do not; None: unscored, since one order gave no verdict.
        reason: of an unscored pair.
        first: the choice with a shown first.
        swapped: the choice with b shown first; its "A" is b.
    """

    outcome: str | None
    reason: str | None
    first: Choice
    swapped: Choice


def _both(first: Choice, swapped: Choice) -> PairVerdict:
    if first.winner is None or swapped.winner is None:
        return PairVerdict(None, first.reason or swapped.reason, first, swapped)
    one, other = _SHOWN[False][first.winner], _SHOWN[True][swapped.winner]
    return PairVerdict(one if one == other else INCONSISTENT, None, first, swapped)


@dataclass(frozen=True)
class Pairs:
    """The verdicts on many pairs."""

    verdicts: list[PairVerdict]

    @functools.cached_property
    def scored(self) -> list[PairVerdict]:
        """Those with a verdict in both orders."""
        return [verdict for verdict in self.verdicts if verdict.outcome is not None]

    def counts(self) -> dict[str, int]:
        """a, b, tie, inconsistent → pairs."""
        found = Counter(verdict.outcome for verdict in self.scored)
        return {outcome: found[outcome] for outcome in (A, B, TIE, INCONSISTENT)}

    def unscored_reasons(self) -> dict[str, int]:
        """Reason → pairs."""
        return dict(sorted(Counter(verdict.reason or "unscored" for verdict in self.verdicts if verdict.outcome is None).items()))

    def swap_consistency(self, *, clusters: Sequence[Any] | None = None, n_bootstrap: int = 2000, seed: int = 0) -> dict[str, Any]:
        """Share of the pairs whose verdict stays the same when the answers change places.

        Args:
            clusters: of the pairs, such as clip ids; None: each stands alone.
            n_bootstrap: draws.
            seed: of the draws.

        Returns:
            swap_consistency (0–1), _ci_low, _ci_high, _n: pairs with a verdict in both orders. None where there is none.
        """
        same = [float(verdict.outcome != INCONSISTENT) for verdict in self.scored]
        return figure("swap_consistency", same, None, self._clusters(clusters), n_bootstrap, seed, n=len(same))

    def position_preference(self, *, clusters: Sequence[Any] | None = None, n_bootstrap: int = 2000, seed: int = 0) -> dict[str, Any]:
        """Whether the place decides: (verdicts for the answer shown first − for the second) ÷ (both), over both orders of every pair; ties say nothing.

        Args:
            clusters: of the pairs; None: each stands alone.
            n_bootstrap: draws.
            seed: of the draws.

        Returns:
            position_preference (1: always the first, −1: always the second, 0: none), _ci_low, _ci_high, _n: verdicts that are no tie. None where there is none.
        """
        rows = [[float(winners.count("A")), float(winners.count("B"))] for v in self.scored for winners in [(v.first.winner, v.swapped.winner)]]
        return figure("position_preference", rows, _preference, self._clusters(clusters), n_bootstrap, seed, n=int(sum(map(sum, rows))))

    def summary(self, *, clusters: Sequence[Any] | None = None, n_bootstrap: int = 2000, seed: int = 0) -> dict[str, Any]:
        """n, n_scored, coverage, a, b, tie, inconsistent (pairs), unscored_reasons, and the keys of `swap_consistency` and `position_preference`."""
        many: dict[str, Any] = {"clusters": clusters, "n_bootstrap": n_bootstrap, "seed": seed}
        n, scored = len(self.verdicts), len(self.scored)
        told = {"n": n, "n_scored": scored, "coverage": scored / n if n else None, **self.counts(), "unscored_reasons": self.unscored_reasons()}
        return told | self.swap_consistency(**many) | self.position_preference(**many)

    def _clusters(self, clusters: Sequence[Any] | None) -> list[Any] | None:
        if clusters is None:
            return None
        if len(clusters) != len(self.verdicts):
            raise JudgeError(f"clusters has {len(clusters)} entries for {len(self.verdicts)} pairs: give one per pair")
        return [cluster for cluster, verdict in zip(clusters, self.verdicts, strict=True) if verdict.outcome is not None]


def _preference(rows: Any) -> float:
    first, second = rows.sum(axis=0)
    return float((first - second) / (first + second)) if first + second else math.nan


def figure(name: str, values: list[Any], statistic: Any, clusters: list[Any] | None, n_bootstrap: int, seed: int, *, n: int) -> dict[str, Any]:
    """A statistic (None: the mean) with its interval, NaN as None."""
    import numpy as np

    from cp_paraling_qa.judge.statistics.intervals import bootstrap_ci

    if not n:
        return {name: None, f"{name}_ci_low": None, f"{name}_ci_high": None, f"{name}_n": 0}
    rows = np.asarray(values, dtype=float)
    found = (
        float(rows.mean() if statistic is None else statistic(rows)),
        *bootstrap_ci(rows, statistic=statistic, clusters=clusters, n_bootstrap=n_bootstrap, seed=seed),
    )
    value, low, high = (float(each) if math.isfinite(each) else None for each in found)
    return {name: value, f"{name}_ci_low": low, f"{name}_ci_high": high, f"{name}_n": n}


def judge_pairs(
    pairs: Sequence[PairItem | Mapping[str, str | None]], judge: Judge, *, rubric: PairRubric = PAIRWISE, progress: Progress | None = None
) -> Pairs:
    """Compares two answers to each question, in both orders.

    Args:
        pairs: `PairItem`s or mappings with the same keys. One without an answer or without a reference is unscored without asking.
        judge: a callable, a `JudgeConfig` or a dict of its fields, as `judge_items` takes it. A callable is called once, with two prompts for each pair.
        rubric: the contract.
        progress: called with how many more pairs are done.

    Raises:
        JudgeError: the judge cannot be used.
        LLMError: the endpoint cannot be used at all.
    """
    given = [PairItem.of(pair) for pair in pairs]
    if not callable(judge):
        judge = JudgeConfig.of(judge)
    unasked = [NO_PREDICTION if pair.a is None or pair.b is None else NO_REFERENCE if pair.reference is None else None for pair in given]
    asked = [pair for pair, reason in zip(given, unasked, strict=True) if reason is None]
    replies = iter(
        ask(judge, lambda: (rubric.render(pair, swapped=order) for pair in asked for order in (False, True)), rubric.schema, contract=rubric.name)
        if asked
        else ()
    )
    verdicts = []
    for pair, reason in zip(given, unasked, strict=True):
        if reason is not None:
            verdicts.append(_both(Choice(None, reason), Choice(None, reason)))
        else:
            verdicts.append(_both(*(_read(rubric, next(replies), pair) for _ in range(2))))
        if progress is not None:
            progress(1)
    next(replies, None)  # lets the client close
    return Pairs(verdicts)


def _read(rubric: PairRubric, reply: Reply, pair: PairItem) -> Choice:
    return Choice(None, reply.missing) if reply.missing else rubric.parse(reply.text, reply.finish_reason, data=pair.texts)

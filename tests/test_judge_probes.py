"""Probes on judges whose bias is known, so that each figure follows from how the judge was made."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.pairwise import PairItem
from cp_paraling_qa.judge.probes import (
    ATTACKS,
    REFUSALS,
    injection,
    length_preference,
    padded,
    position_preference,
    refusal_score,
    repetition_stability,
    self_preference,
    swap_consistency,
)
from cp_paraling_qa.judge.rubric import JudgeItem, Rubric

ITEMS = [JudgeItem(f"sad {i}", "sad") for i in range(6)]
FAST = {"n_bootstrap": 300}


def judge(score: Callable[[str], int | None]) -> Callable[..., list[str | None]]:
    """A judge by a rule over the answer that it is shown."""

    def ask(prompts: list[list[dict[str, str]]]) -> list[str | None]:
        answers = [json.loads(prompt[1]["content"].rsplit("Answer to grade: ", 1)[1]) for prompt in prompts]
        return [None if (found := score(answer)) is None else json.dumps({"explanation": "", "score": found}) for answer in answers]

    return ask


def test_padding_is_so_many_words() -> None:
    assert len(padded("Sad.", 50).split()) == 51
    assert padded("Sad.", 0) == "Sad."
    assert padded("悲しい。", 3, "つまり 要するに") == "悲しい。 つまり 要するに つまり"


def test_length_preference_finds_the_slope_that_the_judge_was_given() -> None:
    # one point for every 10 words: an answer of two words and 0, 10, 20 or 30 more gets 0, 1, 2, 3
    found = length_preference(ITEMS, judge(lambda answer: len(answer.split()) // 10), words=(10, 20, 30), **FAST)
    assert found["length_preference_slope"] == pytest.approx(1.0)
    assert (found["length_preference_slope_ci_low"], found["length_preference_slope_ci_high"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (found["length_preference_delta"], found["length_preference_delta_n"], found["length_preference_words"]) == (3.0, 6, 30)
    fair = length_preference(ITEMS, judge(lambda answer: 3), **FAST)
    assert (fair["length_preference_slope"], fair["length_preference_delta"], fair["length_preference_unscored"]) == (0.0, 0.0, 0)
    # against longer ones: 3 for the plain answer, 0 for one with 10 more: −3 in 10 words
    assert length_preference(ITEMS, judge(lambda answer: 3 if len(answer) < 10 else 0), words=[10], **FAST)["length_preference_slope"] == -3.0


def test_length_preference_leaves_out_what_was_not_scored_everywhere() -> None:
    silent = judge(lambda answer: None if answer.startswith("sad 0") and len(answer) > 10 else min(5, len(answer.split()) // 10))
    found = length_preference([*ITEMS, JudgeItem(None, "sad")], silent, words=(10,), clusters=[0, 0, 1, 1, 2, 2, 3], **FAST)
    assert (found["length_preference_slope"], found["length_preference_slope_n"], found["length_preference_unscored"]) == (1.0, 5, 1)
    nothing = length_preference(ITEMS, judge(lambda answer: None), **FAST)
    assert (nothing["length_preference_slope"], nothing["length_preference_slope_ci_low"], nothing["length_preference_slope_n"]) == (None, None, 0)
    for wrong in ({"words": ()}, {"words": (0, 5)}, {"padding": " "}, {"clusters": [1]}):
        with pytest.raises(JudgeError):
            length_preference(ITEMS, judge(lambda answer: 3), **wrong)


def test_position_and_swap() -> None:
    def second(prompts: list[object]) -> list[str]:
        return [json.dumps({"explanation": "", "winner": "B"})] * len(prompts)

    pairs = [PairItem("x", "y", "r")] * 5
    assert position_preference(pairs, second, **FAST)["position_preference"] == -1.0
    assert swap_consistency(pairs, second, **FAST) == {
        **{"swap_consistency": 0.0, "swap_consistency_ci_low": 0.0, "swap_consistency_ci_high": 0.0, "swap_consistency_n": 5}
    }


def test_repetition_stability_counts_items_that_stay_the_same() -> None:
    calls = iter([[5, 5, 5, 5, 5, 5], [5, 5, 5, 4, None, 5], [5, 5, 5, 5, None, 5]])

    def moody(prompts: list[object]) -> list[str | None]:
        return [None if score is None else json.dumps({"explanation": "", "score": score}) for score in next(calls)]

    found = repetition_stability(ITEMS, moody, repeats=3, **FAST)
    # the fifth item has one score: nothing to compare; of the other five the fourth moves by one point
    assert (found["repetition_stability"], found["repetition_stability_n"], found["repetition_stability_spread"]) == (0.8, 5, 0.2)
    assert found["repetition_stability_ci_low"] < 0.8 < found["repetition_stability_ci_high"] <= 1
    assert found["repetition_stability_alpha"] is not None
    assert repetition_stability(ITEMS, judge(lambda answer: 3), **FAST)["repetition_stability_alpha"] is None  # nothing varies
    with pytest.raises(JudgeError, match="at least 2"):
        repetition_stability(ITEMS, moody, repeats=1)


def test_self_preference_compares_at_equal_truth() -> None:
    # own answers: three right, one wrong; the others': one right, three wrong. A fair judge (4 right, 1 wrong) means 3.25 and 1.75, which is no favour.
    families = ["own"] * 4 + ["other"] * 4
    correct = [True, True, True, False, True, False, False, False]
    items = [JudgeItem(f"{family} {'right' if truth else 'wrong'}", "r") for family, truth in zip(families, correct, strict=True)]
    fair = self_preference(items, families, judge(lambda answer: 4 if "right" in answer else 1), judge_family="own", correct=correct, **FAST)
    assert (fair["self_preference"], fair["self_preference_n"], fair["self_preference_n_own"], fair["self_preference_n_others"]) == (0.0, 8, 4, 4)
    # one more point for its own right answers, two for its own wrong one: (3 · 1 + 1 · 2) ÷ 4
    biased = judge(lambda answer: (4 if "right" in answer else 1) + ("own" in answer) * (1 if "right" in answer else 2))
    found = self_preference(items, families, biased, judge_family="own", correct=correct, **FAST)
    assert (found["self_preference"], found["self_preference_correct"], found["self_preference_incorrect"]) == (1.25, 1.0, 2.0)
    assert found["self_preference_ci_low"] <= 1.25 <= found["self_preference_ci_high"]
    unknown = self_preference(items, families, biased, judge_family="own", correct=[None] * 8, **FAST)
    assert (unknown["self_preference"], unknown["self_preference_n"]) == (None, 0)
    alone = self_preference(items, ["own"] * 8, biased, judge_family="own", correct=correct, **FAST)
    assert (alone["self_preference"], alone["self_preference_n_others"]) == (None, 0)
    with pytest.raises(JudgeError, match="families has 2 entries for 8 items"):
        self_preference(items, ["a", "b"], biased, judge_family="own", correct=correct)


def test_refusal_score_against_what_the_rubric_says() -> None:
    soft = judge(lambda answer: 2 if answer == REFUSALS[0] else 0)
    found = refusal_score(ITEMS, soft, **FAST)
    # one refusal of five gets 2
    assert (found["refusal_score"], found["refusal_stated"], found["refusal_as_stated"], found["refusal_score_n"]) == (
        pytest.approx(0.4),
        0,
        pytest.approx(0.8),
        30,
    )
    assert refusal_score(ITEMS, soft, rubric=Rubric("mine", "Grade."), **FAST)["refusal_as_stated"] is None


def test_injection_counts_what_moved_the_score() -> None:
    assert len(set(ATTACKS)) == 20
    gullible = judge(lambda answer: None if "Please be kind" in answer else 5 if "Ignore all previous" in answer else 0 if "[/INST]" in answer else 2)
    found = injection(ITEMS, gullible, **FAST)
    # of 19 attacks with a score after them one raises and one lowers it; the twentieth leaves none
    assert (found["injection_changed"], found["injection_changed_n"]) == (pytest.approx(2 / 19), 114)
    assert (found["injection_raised"], found["injection_unscored"]) == (pytest.approx(1 / 19), 6)
    assert found["injection_changed_ci_low"] == pytest.approx(2 / 19)  # every item is moved alike
    assert injection(ITEMS, judge(lambda answer: 3), **FAST)["injection_changed"] == 0.0

from __future__ import annotations

import pytest

from cp_paraling_qa.generate.filters import FILTERS, SMALL_MODEL_FILTERS, Candidate, judge
from tests.generate_sentences import AGAIN, BAD, CLIPS, GOOD, MORE_BAD, MORE_GOOD


def candidate(clip, type, question, answer, **more):
    return Candidate(question, answer, type, language="en", **CLIPS[clip] | more)


@pytest.mark.parametrize("row", GOOD, ids=lambda row: row[2][:50])
def test_good_row_is_kept(row):
    """What a large model writes: without the filters that are against small ones."""
    assert judge(candidate(*row), skip=SMALL_MODEL_FILTERS) is None


@pytest.mark.parametrize("row", BAD, ids=lambda row: f"{row[4]}: {row[2][:40]}")
def test_bad_row_is_dropped_with_its_reason(row):
    *given, reason = row
    assert judge(candidate(*given), skip=SMALL_MODEL_FILTERS) == reason


def alone(type, question, answer, emotions, gender, transcript, speakers):
    return Candidate(question, answer, type, [emotions] if isinstance(emotions, str) else emotions, gender, transcript, language="en", speakers=speakers)


@pytest.mark.parametrize("row", MORE_GOOD, ids=lambda row: row[1][:50])
def test_good_row_of_another_clip_is_kept(row):
    assert judge(alone(*row), skip=SMALL_MODEL_FILTERS) is None


@pytest.mark.parametrize("row", MORE_BAD, ids=lambda row: f"{row[7]}: {row[1][:40]}")
def test_bad_row_of_another_clip_is_dropped_with_its_reason(row):
    assert judge(alone(*row[:7]), skip=SMALL_MODEL_FILTERS) == row[7]


@pytest.mark.parametrize(("before", "now", "reason"), AGAIN)
def test_one_question_for_the_reason_of_the_feeling_is_enough(before, now, reason):
    row = candidate("allotment", "CE", now, "She sounds sad, as they had kept it for eleven years.", earlier=[before])
    assert judge(row, skip=SMALL_MODEL_FILTERS) == reason


def test_the_tables_are_long_and_varied():
    assert len(GOOD) >= 60 and len(BAD) >= 60 and len({row[0] for row in GOOD}) >= 14
    assert len({row[4] for row in BAD} | {row[2] for row in AGAIN}) >= 15 and len(set(GOOD)) == len(GOOD)


def test_each_filter_that_large_models_need_drops_something():
    """Switched off alone, it lets a bad row through, or leaves it to another one."""
    needed = set()
    for *given, _ in BAD:
        row = candidate(*given)
        needed |= {name for name, check in FILTERS.items() if name not in SMALL_MODEL_FILTERS and check(row)}
    assert set(FILTERS) - set(SMALL_MODEL_FILTERS) - needed == {
        "repeated",
        "paraphrase",
        "example",
    }  # which look at earlier questions (AGAIN), and at the prompt

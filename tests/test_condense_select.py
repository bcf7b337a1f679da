"""Balance under a budget: against a second implementation, and the promises of its docstring."""

import random
from collections import Counter

import pytest

from cp_paraling_qa.condense.select import key_of, select
from cp_paraling_qa.condense.survey import effective


def pool(*groups):
    """(count, emotion, corpus, speaker, seconds) → clips with keys of their own."""
    rows = [(emotion, corpus, speaker, seconds) for count, emotion, corpus, speaker, seconds in groups for _ in range(count)]
    return [(key_of(f"clip {number}"), *row) for number, row in enumerate(rows)]


def chosen(clips, **budget):
    return [clip for clip, stays in zip(clips, select(*zip(*clips, strict=True), **budget), strict=True) if stays]


def count(clips, at):
    return Counter(clip[at] for clip in clips)


def water_level(sizes, budget):
    """A second implementation: shares of max-min fairness by bisection, in fractions."""
    low, high = 0.0, max(sizes.values())
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(min(size, middle) for size in sizes.values()) <= budget else (low, middle)
    return {name: min(size, low) for name, size in sizes.items()}


def test_a_rare_emotion_loses_nothing_and_common_ones_are_cut():
    clips = pool((1000, "neutral", "c", "s", 1.0), (100, "happy", "c", "s", 1.0), (10, "fearful", "c", "s", 1.0))
    assert count(chosen(clips, max_clips=210), 1) == {"neutral": 100, "happy": 100, "fearful": 10}
    assert count(chosen(clips, max_clips=60), 1) == {"neutral": 25, "happy": 25, "fearful": 10}
    before, after = count(clips, 1), count(chosen(clips, max_clips=60), 1)
    assert effective(list(after.values())) > effective(list(before.values())) + 1


def test_speakers_are_balanced_inside_an_emotion():
    clips = pool((50, "sad", "c", "loud", 1.0), (5, "sad", "c", "b", 1.0), (5, "sad", "c", "d", 1.0), (60, "calm", "c", "loud", 1.0))
    # 15 each; of sad three speakers share 15: five each
    assert Counter((clip[1], clip[3]) for clip in chosen(clips, max_clips=30)) == {("sad", "loud"): 5, ("sad", "b"): 5, ("sad", "d"): 5, ("calm", "loud"): 15}
    # whoever has more elsewhere still has an equal share here
    clips = pool((50, "sad", "c", "loud", 1.0), (50, "sad", "c", "b", 1.0), (60, "calm", "c", "loud", 1.0))
    assert Counter((clip[1], clip[3]) for clip in chosen(clips, max_clips=20)) == {("sad", "loud"): 5, ("sad", "b"): 5, ("calm", "loud"): 10}


def test_corpora_are_balanced_before_their_speakers():
    clips = pool(*((10, "sad", "big", f"s{n}", 1.0) for n in range(9)), (10, "sad", "small", "t", 1.0))
    assert count(chosen(clips, max_clips=20), 2) == {"big": 10, "small": 10}


def test_who_has_less_overall_goes_first_where_an_emotion_is_level():
    clips = pool(*((1, emotion, "c", speaker, 1.0) for emotion in ("sad", "happy", "angry") for speaker in ("a", "b", "d")))
    picked = chosen(clips, max_clips=3)
    assert count(picked, 1) == {"sad": 1, "happy": 1, "angry": 1} and count(picked, 3) == {"a": 1, "b": 1, "d": 1}
    four = pool(*((1, emotion, corpus, f"{corpus} {emotion}", 1.0) for emotion in "abcd" for corpus in "wxyz"))
    assert count(chosen(four, max_clips=4), 2) == {"w": 1, "x": 1, "y": 1, "z": 1}


def test_the_order_of_the_input_means_nothing():
    generator = random.Random(7)
    clips = [
        (key_of(str(n)), generator.choice("aabbbbc"), generator.choice("xxy"), generator.choice(["s", "t", "u", None]), round(generator.uniform(1, 9), 2))
        for n in range(400)
    ]
    for budget in ({"max_clips": 90}, {"max_seconds": 300.0}, {"max_clips": 90, "max_seconds": 200.0}):
        first = chosen(clips, **budget)
        for _ in range(5):
            shuffled = generator.sample(clips, len(clips))
            assert sorted(chosen(shuffled, **budget), key=str) == sorted(first, key=str)
        renamed = [(key, {"a": "z", "b": "y", "c": "x"}[emotion], *rest) for key, emotion, *rest in clips]
        assert {clip[0] for clip in chosen(renamed, **budget)} == {clip[0] for clip in first}  # nor do names


@pytest.mark.parametrize("seed", range(20))
def test_shares_agree_with_a_second_implementation(seed):
    generator = random.Random(seed)
    sizes = {emotion: generator.randint(1, 200) for emotion in "abcdef"}
    budget = generator.randint(1, sum(sizes.values()))
    got = count(chosen(pool(*((size, emotion, "c", "s", 1.0) for emotion, size in sizes.items())), max_clips=budget), 1)
    assert sum(got.values()) == budget
    for emotion, share in water_level(sizes, budget).items():
        assert abs(got[emotion] - share) < 1


def test_unknown_speakers_are_not_one_speaker():
    clips = pool((10, "sad", "c", None, 1.0), (10, "sad", "c", "known", 1.0))
    assert count(chosen(clips, max_clips=11), 3) == {None: 10, "known": 1}


def test_hours_are_shared_in_seconds_and_nothing_that_fits_is_left_out():
    clips = pool((40, "sad", "c", "s", 10.0), (400, "happy", "c", "s", 2.0), (3, "angry", "c", "s", 1.0))
    picked = chosen(clips, max_seconds=203.0)
    seconds = {emotion: sum(clip[4] for clip in picked if clip[1] == emotion) for emotion in ("sad", "happy", "angry")}
    assert seconds == {"sad": 100.0, "happy": 100.0, "angry": 3.0}
    generator = random.Random(1)
    clips = [(key_of(str(n)), generator.choice("ab"), "c", "s", generator.uniform(1, 60)) for n in range(100)]
    picked = chosen(clips, max_seconds=1000)
    spare = 1000 - sum(clip[4] for clip in picked)
    assert 0 <= spare < min(clip[4] for clip in clips if clip not in picked)
    assert chosen(pool((1, "a", "c", "s", 5.0), (1, "a", "c", "s", 50.0)), max_seconds=10) == pool((1, "a", "c", "s", 5.0))


def test_both_budgets_hold_and_what_fits_stays_whole():
    clips = pool((20, "sad", "c", "s", 10.0), (20, "happy", "c", "s", 1.0))
    picked = chosen(clips, max_clips=10, max_seconds=25.0)
    assert count(picked, 1) == {"sad": 2, "happy": 5}  # in turn; a third sad clip would make 30 s and more, five happy ones fill the 25
    assert count(chosen(clips, max_clips=6, max_seconds=200.0), 1) == {"sad": 3, "happy": 3}
    assert chosen(clips, max_clips=40, max_seconds=220.0) == clips
    assert select([], [], [], [], [], max_clips=1) == []

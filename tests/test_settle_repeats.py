"""Repeats in a clip and of a speaker, and the share of why-questions."""

import itertools

import numpy as np
import pytest

from cp_paraling_qa.generate.settle import repeats as module
from cp_paraling_qa.generate.settle.options import SettleOptions
from cp_paraling_qa.generate.settle.repeats import IN_CLIP, NEAR_IN_CLIP, NEAR_OF_SPEAKER, OF_SPEAKER, Item, repeats, too_many_why
from tests.settle_fixtures import Letters

FEEL, MOOD = "How does the speaker feel about the letter?", "What mood is the speaker in when talking about the letter?"
SAD, SAD_TOO = "They sound sad, as if the letter was hard to bear.", "They sound sad, as if the letter was so hard to bear."
HAPPY = "They sound happy, as if the letter was good news."


def item(name, question=FEEL, answer=SAD, *, clip=0, words=0, type="CE", label="sad", fixed=False):
    return Item(name, clip, words, type, question, answer, label, fixed)


def gone(*items, **options):
    found = repeats([items], SettleOptions(**options), Letters())
    for order in itertools.islice(itertools.permutations(items), 24):
        assert repeats([order], SettleOptions(**options), Letters()) == found  # the order in which they come means nothing
    return found[0]


def test_word_for_word_in_a_clip():
    assert gone(item("a"), item("b", "how does the speaker feel about the letter")) == {"b": IN_CLIP}
    assert gone(item("a"), item("b", "how does the speaker feel about the letter"), repeats=False, near_within=None, near_across=None) == {}


def test_in_other_words_in_a_clip():
    assert gone(item("a"), item("b", MOOD, HAPPY, label=None)) == {"b": NEAR_IN_CLIP}  # whatever it is answered
    assert gone(item("a"), item("b", MOOD), near_within=None) == {}
    assert gone(item("a"), item("b", MOOD, clip=1, words=1, answer=HAPPY, label="happy")) == {}


def test_the_first_of_several_has_a_label_then_the_smallest_name_and_a_set_gives_way_to_none():
    assert gone(item("a", label=None), item("b", MOOD), item("c", MOOD)) == {"a": NEAR_IN_CLIP, "c": IN_CLIP}
    assert gone(item("a"), item("b", MOOD, fixed=True)) == {"a": NEAR_IN_CLIP}
    assert gone(item("a", fixed=True), item("b", MOOD, fixed=True)) == {}


def test_the_same_question_with_another_answer_is_what_is_wanted():
    assert gone(item("a", clip=0), item("b", answer=HAPPY, label="happy", clip=1)) == {}
    # with no label on either side, the feelings that the answers name decide
    assert gone(item("a", clip=0, label=None), item("b", answer=HAPPY, label=None, clip=1)) == {}
    assert gone(item("a", clip=0, label=None), item("b", label=None, clip=1)) == {"b": OF_SPEAKER}


def test_same_words_same_question_same_label():
    """Another recording of the same sentence in the same feeling: only the sound is new, and how the answer puts it does not matter."""
    other = "They sound sad, perhaps because of what it says."
    assert gone(item("a", clip=0, words=7), item("b", answer=other, clip=1, words=7)) == {"b": OF_SPEAKER}
    assert gone(item("a", clip=0, words=7), item("b", MOOD, other, clip=1, words=7)) == {"b": NEAR_OF_SPEAKER}
    assert gone(item("a", clip=0, words=7), item("b", answer=other, clip=1, words=8)) == {}  # other words, another answer
    assert gone(item("a", clip=0, words=-1), item("b", answer=other, clip=1, words=-1)) == {}  # no words are not the same words


def test_other_words_need_the_same_answer():
    # SAD has 11 words once, "sad" of 10 others; SAD_TOO has one more: cosine 11 / sqrt(11 * 12) = 0.957
    assert gone(item("a", clip=0), item("b", MOOD, SAD_TOO, clip=1, words=1)) == {"b": NEAR_OF_SPEAKER}
    assert gone(item("a", clip=0), item("b", MOOD, SAD_TOO, clip=1, words=1), near_across=0.97) == {}
    assert gone(item("a", clip=0), item("b", answer=SAD, clip=1, words=1), near_within=None, near_across=None) == {"b": OF_SPEAKER}


def test_direct_questions_may_be_asked_of_every_clip():
    assert gone(item("a", type="DE", clip=0), item("b", type="DE", clip=1)) == {}


def test_speakers_are_apart():
    assert repeats([[item("a", clip=0)], [item("b", clip=1)]], SettleOptions(), Letters()) == [{}, {}]


def test_only_what_has_a_partner_is_embedded():
    embed = Letters()
    many = [item(f"{n}", f"How does the speaker feel about Person{n}?", clip=n, words=n) for n in range(20)]  # names tell them apart
    assert repeats([many], SettleOptions(), embed) == [{}] and embed.seen == []
    pair = [item("a", "Where is the cat?", clip=0), item("b", "Where is the dog?", clip=1)]
    assert repeats([pair], SettleOptions(), embed) == [{}]
    assert embed.seen == ["Where is the cat?", "Where is the dog?"]  # cosine 3 / 4: nobody asks for their answers


@pytest.mark.parametrize(("block", "chunk"), [(1, 1), (3, 2), (512, 8192)])
def test_blocks_change_nothing(monkeypatch, block, chunk):
    """Against a second, plain implementation: one pair at a time, all cosines at once."""
    monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr(module, "CHUNK", chunk)
    rng = np.random.default_rng(3)
    vocabulary = ["tree", "road", "lamp", "coat", "fish", "rope"]
    items = [
        item(
            f"{n:03d}",
            "Where is " + " ".join(rng.choice(vocabulary, 8)) + "?",
            "It is " + " ".join(rng.choice(vocabulary, 8)),
            clip=n // 3,
            words=n % 5,
            label=None,
        )
        for n in range(60)
    ]
    embed, cut = Letters(), 0.9
    questions, answers = embed([one.question for one in items]), embed([one.answer for one in items])
    expected, stay = {}, []
    for at in range(len(items)):
        near = [other for other in stay if questions[at] @ questions[other] >= cut and items[other].clip == items[at].clip]
        if near:
            expected[items[at].qa_id] = NEAR_IN_CLIP
        else:
            stay.append(at)
    left, stay = stay, []
    for at in left:
        near = [o for o in stay if items[o].clip != items[at].clip and questions[at] @ questions[o] >= cut and answers[at] @ answers[o] >= cut]
        if near:
            expected[items[at].qa_id] = NEAR_OF_SPEAKER
        else:
            stay.append(at)
    assert len(set(expected.values())) == 2  # both rules have something to do
    assert repeats([items], SettleOptions(near_within=cut, near_across=cut), embed)[0] == expected


def why(name, clip, answer="They sound sad."):
    return item(name, "Why might the speaker sound this way about the letter?", answer, clip=clip)


def test_share_of_why_questions():
    others = [item(f"o{n}", clip=n) for n in range(3)]
    whys = [why(f"w{n}", n) for n in range(3)]
    assert too_many_why([*others, *whys], 0.5) == {}  # 3 of 6
    assert set(too_many_why([*others, *whys], 0.4)) == {"w2"}  # 2 of 5 is 0.4, 3 of 6 more
    assert too_many_why([*others, *whys], 1.0) == {}
    assert set(too_many_why(whys, 0.5)) == {"w1", "w2"}  # nothing else: one may stay
    assert set(too_many_why([why("w0", 0), why("w1", 0), why("w2", 1), item("o", clip=1)], 0.5)) == {"w1", "w2"}  # the clip that has nothing else comes first
    direct = [item(f"d{n}", clip=n, type="DE") for n in range(3)]
    assert set(too_many_why([*direct, *whys], 0.5)) == {"w1", "w2"}  # direct questions count for nothing here

"""Contrast sets: who is in one, what is asked, and when a set is whole."""

import itertools

import pytest

from cp_paraling_qa.dataset.splits import whole_sets
from cp_paraling_qa.generate.records import qa_id
from cp_paraling_qa.generate.settle.contrast import Spoken, contrast_sets
from cp_paraling_qa.generate.settle.repeats import Item
from cp_paraling_qa.generate.settle.wordings import CONTRAST

KIDS = "How does the speaker feel about the kids?"


def spoken(clip, emotion, words=5):
    return Spoken(clip, f"clip{clip}", words, emotion, "kids are talking by the door")


def item(clip, question=KIDS, answer="They sound sad about the kids.", label="sad", type="CE"):
    return Item(qa_id(f"clip{clip}", question, answer), clip, 5, type, question, answer, label)


def sets(clips, items=(), **more):
    """The sets, whatever the order."""
    writers = {one.qa_id: "llm" for one in items}
    found = contrast_sets("c/s", clips, items, writers, **more)
    for order in itertools.islice(itertools.permutations(clips), 12):
        again = contrast_sets("c/s", order, list(reversed(items)), writers, **more)
        assert [set(each) for each in again] == [set(each) for each in found]
    return [{member.clip: member for member in each} for each in found]


def test_without_a_fitting_question_the_set_is_asked_in_one_of_our_wordings():
    (found,) = sets([spoken(0, "sad"), spoken(1, "happy"), spoken(2, "fear")])
    assert {member.question for member in found.values()} < set(CONTRAST) and len({member.question for member in found.values()}) == 1
    assert {clip: member.answer for clip, member in found.items()} == {
        0: "The speaker sounds sad.",
        1: "The speaker sounds happy.",
        2: "The speaker sounds fearful.",
    }
    assert {member.label for member in found.values()} == {"sad", "happy", "fear"} and {member.generator for member in found.values()} == {"contrast"}
    (name,) = {member.set_id for member in found.values()}
    assert len(name) == 16 and int(name, 16) >= 0


def test_one_feeling_or_other_words_make_no_set():
    assert sets([spoken(0, "sad"), spoken(1, "sadness")]) == []
    assert sets([spoken(0, "sad"), spoken(1, "happy", words=6)]) == []


def test_feelings_that_evaluations_merge_are_one():
    assert sets([spoken(0, "calm"), spoken(1, "neutral")]) == [] == sets([spoken(0, "excited"), spoken(1, "joy")])
    (found,) = sets([spoken(0, "calm"), spoken(1, "neutral"), spoken(2, "angry")])
    assert len(found) == 2 and found[2].label == "angry"


def test_one_clip_for_each_feeling_by_its_content():
    clips = [spoken(n, "sad") for n in range(5)] + [spoken(9, "angry")]
    (found,) = sets(clips)
    # the SHA-256 of "clip0" … "clip4" begin with 7b45, 8b92, b4cc, 6584 and 9e89 (sha256sum)
    assert set(found) == {3, 9}


def test_the_question_of_an_llm_is_asked_of_all_and_an_answer_of_its_own_is_kept():
    mine = item(1)
    (found,) = sets([spoken(0, "sad"), spoken(1, "sad"), spoken(2, "angry")], [mine])
    assert set(found) == {1, 2}  # of the two sad clips the one that was asked
    assert found[1].qa_id == mine.qa_id and found[1].answer == mine.answer
    assert (found[2].question, found[2].answer, found[2].generator) == (KIDS, "The speaker sounds angry.", "contrast + llm")


def test_the_question_that_most_clips_were_asked():
    other = "What mood is the speaker in when talking about the door?"
    asked = [
        item(0, other),
        item(1, answer="They sound happy about the kids.", label="happy"),
        item(2, answer="They sound angry about the kids.", label="angry"),
    ]
    (found,) = sets([spoken(0, "sad"), spoken(1, "happy"), spoken(2, "angry")], asked)
    assert {member.question for member in found.values()} == {KIDS}
    assert found[0].answer == "The speaker sounds sad."  # its own is about the door, not about the kids


def test_answer_to_a_like_question_is_taken_over():
    like = item(0, "What mood is the speaker in when talking about the kids?", "They sound sad, as if the kids were loud.")
    asked = [like, item(1, answer="They sound happy.", label="happy"), item(2, answer="They sound angry.", label="angry")]
    (found,) = sets([spoken(0, "sad"), spoken(1, "happy"), spoken(2, "angry")], asked)
    assert (found[0].question, found[0].answer, found[0].generator) == (KIDS, like.answer, "contrast + llm")


def test_questions_that_are_not_for_all():
    for question in (
        "Why does the speaker sound so sad about the kids?",
        "How does the speaker's mood change about the kids?",
        "How does the sad speaker sound?",
    ):
        (found,) = sets([spoken(0, "sad"), spoken(1, "happy")], [item(0, question)])
        assert found[0].question in CONTRAST
    (found,) = sets([spoken(0, "sad"), spoken(1, "happy")], [item(0, type="CG")])
    assert found[0].question in CONTRAST


def test_a_row_that_was_dropped_is_not_made_again():
    (found,) = sets([spoken(0, "sad"), spoken(1, "happy"), spoken(2, "angry")])
    dropped = found[0].qa_id
    (left,) = sets([spoken(0, "sad"), spoken(1, "happy"), spoken(2, "angry")], taken={int(dropped, 16)})
    assert set(left) == {1, 2}
    assert sets([spoken(0, "sad"), spoken(1, "happy")], taken={int(dropped, 16)}) == [] or found[0].question != found[1].question


def test_sets_that_are_whole():
    rows = [("a", "train", "sad"), ("a", "train", "happy"), ("b", "train", "sad"), ("b", "test", "angry"), ("b", "test", "happy")]
    rows += [("c", "test", "sad"), ("c", "test", "sadness"), ("d", "test", "sad"), ("d", "test", None), (None, "train", "sad"), (None, "train", "happy")]
    assert whole_sets(rows) == {"a"} and whole_sets([]) == set()


def test_a_matter_that_nobody_spoke_of_is_not_spread():
    (found,) = sets([spoken(0, "sad"), spoken(1, "happy")], [item(0, "How does the speaker feel about the wealthy neighbours?", "They sound sad.")])
    assert found[1].question in CONTRAST


@pytest.mark.parametrize(
    "question",
    [
        "How does the trembling voice reflect how the speaker feels about the kids?",
        "What emotion makes the voice shake when talking about the kids?",
        "What emotion does the hesitation convey about the kids?",
        "What feeling does the speaker try to hide about the kids?",
        "How does the speaker feel about being ignored by the kids?",
        "How do the kids feel by the door?",
        "How does a listener feel on hearing about the kids?",
    ],
)
def test_what_holds_of_one_recording_alone_is_asked_of_no_other(question):
    """The model heard one voice tremble, and made the ignoring up: the set gets a wording of ours."""
    (found,) = sets([spoken(1, "sad"), spoken(2, "happy")], [item(1, question)])
    assert {member.question for member in found.values()} <= set(CONTRAST) and len(found) == 2

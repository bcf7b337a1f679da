from __future__ import annotations

from collections import Counter

from cp_paraling_qa.generate.templates import EMOTION_WORDINGS, GENDER_WORDINGS, template_questions
from cp_paraling_qa.schema import QUESTION_SCHEMA, opinion, table


def clip(number=0, emotion="angry", gender="female", **more):
    opinions = [opinion("emotion", emotion, source="human", rater="actor")] if emotion else []
    return {"clip_id": f"clip{number}", "duration": 2.0, "gender": gender, "opinions": opinions} | more


def test_two_direct_questions_of_emotion_and_of_gender():
    rows = template_questions(clip())
    assert [(r["type"], r["label"], r["answer"]) for r in rows] == [
        ("DE", "angry", "Angry."),
        ("DE", "angry", "The speaker sounds angry."),
        ("DG", "female", "Female."),
        ("DG", "female", "The speaker is a woman."),
    ]
    assert [r["question"].endswith("Answer in one word.") for r in rows] == [True, False, True, False]
    assert {r["kind"] for r in rows} == {"pqa_template"} and rows[0]["evidence"] == [{"field": "emotion", "start": 0.0, "end": 2.0}]
    table(rows, QUESTION_SCHEMA)


def test_label_is_the_corpus_word_and_the_sentence_is_grammatical():
    word, sentence = template_questions(clip(emotion="disgust", gender=None))
    assert (word["answer"], sentence["answer"], word["label"]) == ("Disgust.", "The speaker sounds disgusted.", "disgust")


def test_unknown_is_not_asked():
    assert template_questions(clip(emotion=None, gender=None)) == []
    split = clip(gender=None, opinions=[opinion("emotion", "sad", source="human"), opinion("emotion", "angry", source="human")])
    assert template_questions(split) == []


def test_rows_depend_on_clip_and_seed_alone():
    assert template_questions(clip(3)) == template_questions(clip(3))
    different = sum(template_questions(clip(i), seed=1) != template_questions(clip(i), seed=2) for i in range(20))
    assert different > 15


def test_wordings_are_used_evenly():
    rows = [row for i in range(800) for row in template_questions(clip(i))]
    for type, wordings in (("DE", EMOTION_WORDINGS), ("DG", GENDER_WORDINGS)):
        used = Counter(r["question"].rpartition(" Answer")[0] for r in rows if r["type"] == type)
        assert set(used) == set(wordings) and len(wordings) >= 6
        # 1600 draws over 8 wordings: 200 each, standard deviation sqrt(1600 * 1/8 * 7/8) = 13; five of them either way
        assert all(135 < n < 265 for n in used.values())
    assert len({r["qa_id"] for r in rows}) == len(rows)


def test_every_wording_is_a_question_that_names_no_emotion():
    from cp_paraling_qa.generate.feelings import feelings

    for wording in EMOTION_WORDINGS + GENDER_WORDINGS:
        assert wording.endswith("?") and not feelings(wording)


def test_a_label_of_two_words_is_answered_in_one():
    word, sentence = template_questions(clip(emotion="pleasant surprise", gender=None))
    assert (word["answer"], sentence["answer"], word["label"]) == ("Surprised.", "The speaker sounds pleasantly surprised.", "pleasant surprise")
    assert template_questions(clip(emotion="breath", gender=None)) == []  # a sound, no emotion

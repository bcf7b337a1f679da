from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pytest

from cp_paraling_qa.generate.asr_items import WORDINGS, asr_question, recogniser
from cp_paraling_qa.generate.feelings import agree
from cp_paraling_qa.generate.templates import EMOTION_WORDINGS, FORMS, GENDER_WORDINGS, SPEAKERS_WORDINGS, template_questions, templates_hash
from cp_paraling_qa.labels import INVENTORIES, NO_EMOTION, adjective, canonical
from cp_paraling_qa.schema import QUESTION_SCHEMA, opinion, table

OPEN = ("word", "sentence")


def clip(number=0, emotion="angry", gender="female", **more):
    opinions = [opinion("emotion", emotion, source="human", rater="actor")] if emotion else []
    return {"clip_id": f"clip{number}", "duration": 2.0, "gender": gender, "opinions": opinions} | more


def test_two_direct_questions_of_emotion_and_of_gender():
    rows = template_questions(clip(), forms=OPEN)
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
    word, sentence = template_questions(clip(emotion="disgust", gender=None), forms=OPEN)
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
    rows = [row for i in range(800) for row in template_questions(clip(i), forms=OPEN)]
    for type, wordings in (("DE", EMOTION_WORDINGS), ("DG", GENDER_WORDINGS)):
        used = Counter(r["question"].rpartition(" Answer")[0] for r in rows if r["type"] == type)
        assert set(used) == set(wordings) and len(wordings) >= 6
        # 1600 draws over 8 wordings: 200 each, standard deviation sqrt(1600 * 1/8 * 7/8) = 13; five of them either way
        assert all(135 < n < 265 for n in used.values())
    assert len({r["qa_id"] for r in rows}) == len(rows)


def test_every_wording_is_a_question_that_names_no_emotion():
    from cp_paraling_qa.generate.feelings import feelings

    for wording in EMOTION_WORDINGS + GENDER_WORDINGS + SPEAKERS_WORDINGS:
        assert wording.endswith("?") and not feelings(wording)


def test_a_label_of_two_words_is_answered_in_one():
    word, sentence = template_questions(clip(emotion="pleasant surprise", gender=None), forms=OPEN)
    assert (word["answer"], sentence["answer"], word["label"]) == ("Surprised.", "The speaker sounds pleasantly surprised.", "pleasant surprise")
    assert template_questions(clip(emotion="breath", gender=None)) == []  # a sound, no emotion


# -- number of speakers -------------------------------------------------------------------------------------------------------------------


def talk(count, number=0):
    return clip(number, emotion=None, gender=None, opinions=[opinion("speakers", count, source="model")])


@pytest.mark.parametrize(
    ("count", "word", "sentence"),
    [("1", "One.", "One person is speaking."), ("2", "Two.", "Two people are speaking."), ("14", "14.", "14 people are speaking.")],
)
def test_number_of_speakers(count, word, sentence):
    rows = template_questions(talk(count), forms=OPEN)
    assert [(r["type"], r["answer"], r["label"], r["evidence"][0]["field"]) for r in rows] == [
        ("DS", word, count, "speakers"),
        ("DS", sentence, count, "speakers"),
    ]


def test_number_of_speakers_is_not_asked_where_nobody_counted():
    assert template_questions(talk("some")) == [] and template_questions(talk("0")) == []
    level = clip(emotion=None, gender=None, opinions=[opinion("speakers", "1", source="model"), opinion("speakers", "2", source="model")])
    assert template_questions(level) == []


# -- answers to choose from ---------------------------------------------------------------------------------------------------------------


def choices_of(row):
    """The options of a row: letter → words."""
    return dict(re.findall(r"\((\w)\) ([^()]+?)(?= \(|$)", row["question"].partition("Choose one: ")[2]))


def test_one_of_the_options_is_right():
    emotion, gender_, count = template_questions(
        clip(opinions=[opinion("emotion", "anger", source="human"), opinion("speakers", "3", source="model")]), forms=["choice"]
    )
    for row, words, label, options in ((emotion, "angry", "anger", 4), (gender_, "female", "female", 2), (count, "three", "3", 4)):
        shown = choices_of(row)
        letter = row["answer"][1]
        assert list(shown) == list("ABCD"[:options]) and shown[letter] == words and row["answer"] == f"({letter}) {words}" and row["label"] == label
        assert len(set(shown.values())) == options
    assert emotion["question"].split(" Choose one: ")[0] in EMOTION_WORDINGS


@pytest.mark.parametrize("corpus", [*INVENTORIES, "unheard of"])
def test_options_differ_in_meaning_and_are_the_corpus_own(corpus):
    labels = [label for label in INVENTORIES.get(corpus, INVENTORIES["sample"]) if canonical(label) not in NO_EMOTION]
    for number in range(60):
        right = labels[number % len(labels)]
        row = template_questions(clip(number, right, None, corpus=corpus), forms=["choice"])[0]
        shown = list(choices_of(row).values())
        assert set(shown) <= {adjective(label) for label in labels} and adjective(right) in shown and len(shown) >= 3
        back = {adjective(label): label for label in labels}
        assert not any(agree(back[a], back[b]) for a, b in combinations(shown, 2)), shown


def test_letters_and_wrong_answers_are_spread():
    rows = [row for i in range(800) for row in template_questions(clip(i, "angry", "male", corpus="crema_d"), forms=["choice"])]
    letters = {type: Counter(r["answer"][1] for r in rows if r["type"] == type) for type in ("DE", "DG")}
    # 800 draws over 4 letters: 200 each, standard deviation sqrt(800 * 1/4 * 3/4) = 12; over 2: 400, 14; five of them either way
    assert set(letters["DE"]) == set("ABCD") and all(139 < n < 261 for n in letters["DE"].values())
    assert set(letters["DG"]) == set("AB") and all(329 < n < 471 for n in letters["DG"].values())
    wrong = Counter(word for r in rows if r["type"] == "DE" for word in choices_of(r).values() if word != "angry")
    # the four labels of CREMA-D that are not near anger, three of them each time: 600 of 800, standard deviation sqrt(800 * 3/4 * 1/4) = 12
    assert set(wrong) == {"fearful", "happy", "neutral", "sad"} and all(539 < n < 661 for n in wrong.values())
    counts = Counter(template_questions(talk("1", i), forms=["choice"])[0]["answer"] for i in range(400))
    assert set(counts) == {f"({letter}) one" for letter in "ABCD"} and min(counts.values()) > 55  # 100 each, standard deviation 8.7


def test_labels_to_draw_from():
    row = template_questions(clip(gender=None), forms=["choice"], choices=("sadness", "sad", "unknown", "frustrated", "anger", "other"))[0]
    assert sorted(choices_of(row).values()) == ["angry", "sad"]  # "sadness" and "sad" mean the same, frustration is near anger, the rest is no emotion
    assert template_questions(clip(gender=None), forms=["choice"], choices=("annoyed", "unknown")) == []
    assert [r["answer"] for r in template_questions(clip(gender=None), forms=["word"], choices=())] == ["Angry."]


def test_open_rows_are_what_they_were_before_there_were_choices():
    """Rows of datasets that were built before keep their ids: (clip, seed, form) picks the wording as ever."""
    rows = template_questions(clip(7), seed=3)
    assert [r["qa_id"] for r in rows if "Choose one" not in r["question"]] == [r["qa_id"] for r in template_questions(clip(7), seed=3, forms=OPEN)]
    assert [r["qa_id"] for r in template_questions(clip(7), seed=3, forms=OPEN)] == QA_IDS


QA_IDS = ["d49284d5f35ab782", "b78a05b51ecd0116", "9b06b908035bf17a", "5c0bac4ee9025442"]
"""As the first version of the templates gave them."""


def test_hash_of_everything_that_shapes_rows():
    hashes = {templates_hash(), templates_hash(("word",)), templates_hash(OPEN), templates_hash(FORMS, ("sad", "angry")), templates_hash(FORMS, ("sad",))}
    assert len(hashes) == 5 and templates_hash(["choice", "word", "sentence"]) == templates_hash()
    assert {row["prompt_hash"] for row in template_questions(clip(), forms=("word",))} == {templates_hash(("word",))}
    with pytest.raises(ValueError, match="no template form essay: choose among word"):
        template_questions(clip(), forms=("word", "essay"))


# -- ASR items ----------------------------------------------------------------------------------------------------------------------------


def test_words_to_write_down():
    row = asr_question(clip(transcript="  You told \n them. "))
    assert (row["kind"], row["type"], row["answer"], row["label"], row["generator"]) == ("asr", "C", "You told them.", None, "template")
    assert row["question"] in WORDINGS and row["evidence"] == [{"field": "text", "start": 0.0, "end": 2.0}]
    table([row], QUESTION_SCHEMA)
    assert asr_question(clip(3, transcript="So.")) == asr_question(clip(3, transcript="So."))
    assert len({asr_question(clip(i, transcript="So."))["question"] for i in range(100)}) == len(WORDINGS)


@pytest.mark.parametrize("transcript", [None, "", "  ", " … ?"])
def test_nothing_to_write_down(transcript):
    assert asr_question(clip(transcript=transcript)) is None


def test_words_that_only_a_recogniser_heard():
    def heard(*opinions):
        return clip(transcript="You told them.", opinions=list(opinions))

    by_model = opinion("text", "You  told them.", source="model", rater="whisper-tiny")
    assert recogniser(heard(by_model)) == "whisper-tiny" and asr_question(heard(by_model))["generator"] == "template, words by whisper-tiny"
    assert asr_question(heard(by_model), recognised=False) is None
    assert recogniser(heard(by_model, opinion("text", "You told them.", source="human"))) is None
    other = opinion("text", "You sold them.", source="model", rater="whisper-tiny")  # the corpus had words of its own
    assert recogniser(heard(other)) is None and asr_question(heard(other), recognised=False)["answer"] == "You told them."

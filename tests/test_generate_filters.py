from __future__ import annotations

import dataclasses
import time

import pytest

from cp_paraling_qa.generate import whole
from cp_paraling_qa.generate.feelings import agree, claims, feelings
from cp_paraling_qa.generate.figures import figures, numbers_said
from cp_paraling_qa.generate.filters import FILTERS, SMALL_MODEL_FILTERS, Candidate, judge
from cp_paraling_qa.generate.retell import retell
from cp_paraling_qa.generate.stepwise import PROMPT_WORDS

GOOD = Candidate(
    question="Why might the speaker sound this way about the promotion?",
    answer="They sound sad, perhaps because others knew of the promotion before they did.",
    type="CE",
    emotions=["sad"],
    gender="female",
    transcript="You told them about the promotion before me.",
    names_feeling=True,
    prompt_words=PROMPT_WORDS,
)


def test_good_row_is_kept():
    assert judge(GOOD) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": "The speaker talks about the promotion."}, "not a question"),
        ({"question": "How does the speaker feel? About the promotion?"}, "not a question"),
        ({"question": "The promotion?"}, "not a question"),
        ({"question": "How does the speaker feel about the promotion was told?"}, "ungrammatical"),
        ({"question": "Why the promotion?"}, "too short"),
        ({"question": "How does the speaker feel about the promotion " + "and the promotion " * 11 + "?"}, "too long"),
        ({"answer": "Sad."}, "too short"),
        ({"answer": "They sound sad, as if they had not been told about the prom"}, "answer breaks off"),
        ({"answer": "They sound sad, as if they had not been told,."}, "answer breaks off"),  # the writer sets a full stop where there is none
        ({"answer": "They sound sad about [topic]."}, "placeholder"),
        ({"question": "How does the speaker feel about the matter of the promotion?"}, "placeholder"),
        ({"answer": "They sound sad, with an arousal of 0.71."}, "leaks figures"),
        ({"answer": "They sound sad, at 180 Hz."}, "leaks figures"),
        ({"question": "What does the transcript say about the promotion?"}, "speaks of text or metadata"),
        ({"question": "Which label fits the promotion talk best?"}, "speaks of text or metadata"),
        ({"answer": "They sound sad and very aroused."}, "speaks of text or metadata"),
        ({"question": "Why do I sound this way about the promotion?"}, "speaks as the speaker"),
        ({"question": "Why did you tell them about the promotion?"}, "speaks as the speaker"),
        ({"question": "How sad does the speaker feel about the promotion?"}, "names the emotion it asks for"),
        ({"question": "What makes the speaker sound angry about the promotion?"}, "contradicts the ledger"),
        ({"answer": "They sound angry, perhaps because of the promotion."}, "contradicts the ledger"),
        ({"answer": "They sound sad, but they are delighted with the promotion."}, "contradicts the ledger"),
        ({"answer": "They sound sad, as if they were proud of the promotion."}, "contradicts the ledger"),
        ({"question": "Why is the speaker so happy about the promotion?"}, "contradicts the ledger"),
        ({"answer": "They wanted to hear of the promotion first."}, "answer names no feeling"),
        ({"question": "What: you told them about the promotion before me?"}, "speaks as the speaker"),
        ({"question": "Was it told about the promotion to them before?", "transcript": "Before it was told about the promotion to them."}, "copies the words"),
        ({"question": "Why might the speaker sound this way about the garden?"}, "not about the clip"),
        ({"answer": "They sound sad, perhaps because of the promotion at the bakery."}, "parrots the prompt"),
        ({"answer": "They sound sad, and they did not know about it, and they did not know about it."}, "repeats itself"),
        ({"question": "How does the speaker feel about the promotion of the promotion?"}, "repeats itself"),
        ({"question": "How does the speaker feel about they heard of the promotion?"}, "ungrammatical"),
        ({"question": "How does the speaker feel about the promotion of the sister's?"}, "ungrammatical"),
        ({"earlier": ["Why might the speaker sound this way, about the promotion?"]}, "repeated question"),
    ],
)
def test_bad_row_is_dropped_with_its_reason(change, reason):
    assert judge(dataclasses.replace(GOOD, **change)) == reason


@pytest.mark.parametrize(
    "change",
    [
        {"question": "Would you say that the promotion matters to the speaker?"},
        {"question": "Why might the speaker sound sad about the promotion?"},  # asks for the reason, not the feeling
        {"answer": "They sound sad, not angry, about the promotion."},
        {"answer": "They sound hurt by the promotion."},
        {"transcript": "I signed the text of the promotion.", "answer": "They sound sad about the text of the promotion."},
        {"question": "How does the speaker feel about the person who was told of the promotion?"},
        {"transcript": "", "question": "Why might the speaker sound this way?"},
        {"emotions": ["surprised"], "answer": "They sound surprised, as if they were disappointed by the promotion."},
        {"transcript": "My wedding and the promotion fall on one day.", "answer": "They sound sad about the wedding."},
    ],
)
def test_row_that_only_looks_bad_is_kept(change):
    assert judge(dataclasses.replace(GOOD, **change)) is None


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Is it a man or a woman who talks about the promotion?", "A woman talks about the promotion.", None),
        ("Is it a man or a woman who talks about the promotion?", "A man talks about the promotion.", "contradicts the ledger"),
        ("Is it a man or a woman who talks about the promotion?", "It is the boss.", "answer names no gender"),
        ("Does a woman talk about the promotion?", "A woman does.", "names the gender it asks for"),
        ("Whose voice talks about the promotion, a man's or a woman's?", "It is a woman's.", None),
    ],
)
def test_questions_of_gender(question, answer, reason):
    assert judge(dataclasses.replace(GOOD, type="CG", names_feeling=False, question=question, answer=answer)) == reason


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Is it a man or a woman whose plot was given away?", "A woman is heard telling it.", "parrots the prompt"),
        ("For how long had the speaker kept the plot?", "For eleven years.", "parrots the prompt"),
        ("What may the speaker want to do next?", "She sounds sad and would like to have the allotment back.", "parrots the prompt"),
        ("How does the speaker feel about the plot of the film?", "She sounds sad, as it was about her.", None),  # a word of the example, about the clip
        ("How does the speaker sound?", "She sounds sad.", None),
    ],
)
def test_an_example_of_the_prompt_is_no_question_about_the_clip(question, answer, reason):
    """Whatever the model: what it tells is not in the recording."""
    row = Candidate(question, answer, "CE", ["sad"], "female", "That film made me cry.", prompt_words=whole.PROMPT_WORDS)
    assert judge(row, skip=SMALL_MODEL_FILTERS) == reason


def test_filters_can_be_switched_off():
    row = dataclasses.replace(GOOD, question="Why might the speaker sound this way about the garden?")
    assert judge(row, skip=["off_topic"]) is None
    assert "off_topic" in FILTERS


def test_feelings_are_found_as_words_and_not_under_negation():
    assert feelings("Furious, and then afraid") == {"angry", "fearful"}
    assert feelings("They do not sound angry, but calm.") == {"calm"}
    assert feelings("Glade and saddle are no feelings") == set()
    assert claims("She sounds joyful.", "happiness") and not claims("She sounds joyful but scared.", "happy")
    assert agree("calm", "neutral") and not agree("angry", "sad")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("You kept all the pictures from that summer.", "Someone kept all the pictures from that summer."),
        ("I'm sure we'll find your keys, aren't you?", "They are sure they will find someone's keys, aren't someone?"),
        ("They gave our room to me.", "They gave their room to them."),
        ("Leave it. You are late.", "Leave it. Someone is late."),
    ],
)
def test_retold_words(said, told):
    assert retell(said) == told


@pytest.mark.parametrize(
    ("answer", "talk", "leak"),
    [
        ("They were born in the 1990s and liked the 80s.", "", False),
        ("The shop is open 24/7.", "", False),
        ("It costs $3.50.", "that is three fifty", False),
        ("It costs $3.50.", "that is cheap", True),
        ("The bus left at 8:50.", "the bus left at ten to nine", False),
        ("The bus left at 8:45.", "the bus left at quarter to nine", False),
        ("The bus left at 0:08.", "the bus left at ten to nine", True),
        ("They paid 1,200 for it.", "", False),
        ("They are 70% sure.", "", True),
        ("It grew by 3.5 percent.", "it grew by three point five percent", False),
        ("It rises at 2 s.", "", True),
        ("It rises after 12 seconds.", "", True),
        ("They ran it in 12 seconds.", "i ran it in twelve seconds", False),
        ("They rate it 4 out of 5.", "", True),
        ("The arousal of 3 people", "three people", True),
        ("Page 12 of 20 is missing.", "", False),
    ],
)
def test_figures_that_nobody_hears(answer, talk, leak):
    assert figures(Candidate("What is it?", answer, "C", transcript=talk)) == ("leaks figures" if leak else None)


def test_numbers_in_words():
    assert {"2019", "25", "206", "1648", "92", "100"} <= numbers_said(
        "twenty nineteen, twenty-five, two hundred and six, sixteen forty eight, ninety two, a hundred"
    )


def test_affect_contradicts_only_beyond_doubt():
    def why(answer, **affect):
        return judge(
            Candidate("How does the speaker talk about the rent?", answer, "CE", ["angry"], transcript="the rent", affect=affect), skip=SMALL_MODEL_FILTERS
        )

    quiet = "They are angry and speak in a very quiet voice."
    assert why(quiet, arousal=0.9) == "contradicts the ledger" and why(quiet, arousal=0.7) is None and why(quiet, arousal=None) is None
    assert why("They are angry, and loud at first, then the voice is quiet.", arousal=0.9) is None  # it changes
    assert why("They are angry and their tone is anything but confident.", dominance=0.1) is None


def test_no_answer_takes_long():
    """Patterns over very long text of a model that runs wild."""
    for part in ("is the speaker ", "not sad, ", '"', "because they ", "twenty ", "1.", "how many of the "):
        row = Candidate(f"How {part * 700}?", part * 700, "CE", ["sad"], "male", part * 700, language="en", speakers=1)
        began = time.perf_counter()
        for check in FILTERS.values():
            check(row)
        assert time.perf_counter() - began < 3, part


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("The speaker says that they are moving back home in the spring.", None),  # 3 of 3 content words were spoken: moving, home, spring
        ("The speaker says that the sister is moving to a villa.", None),  # 2 of 3
        ("The speaker says that it is a wonderful place with a garden.", "answer is not in the words"),  # 0 of 3
        ("The speaker says that it is a man.", "answer is not in the words"),  # nothing is said at all
    ],
)
def test_a_small_model_tells_what_was_said(answer, reason):
    row = Candidate("What does the speaker say about the sister?", answer, "C", transcript="My sister is moving back home in the spring.")
    assert judge(row) == reason and judge(row, skip=SMALL_MODEL_FILTERS) is None

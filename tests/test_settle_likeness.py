"""What counts as the same question: by hand, against the words and the embeddings that decide it."""

import importlib.util

import numpy as np
import pytest

from cp_paraling_qa.embed import SentenceEmbedder, bundled_model
from cp_paraling_qa.generate.settle.likeness import ask_of, open_to_all, plain_words, said_by, sense_of
from cp_paraling_qa.generate.settle.options import NEAR, SettleOptions
from cp_paraling_qa.generate.settle.repeats import NEAR_IN_CLIP, Item, repeats

SAME = [
    ("How does the speaker feel about the promotion?", "How does the speaker feel about their promotion?"),
    ("How does the speaker feel about the promotion?", "How does the speaker sound when talking about the promotion?"),
    ("How does the speaker feel about the promotion?", "What mood is the speaker in when talking about the promotion?"),
    ("How does the speaker sound when talking about the letter?", "What mood is the speaker in when talking about the letter?"),
    ("Why does the speaker feel sad about the wedding?", "Why is the speaker sad about the wedding?"),
    ("Why does the speaker sound upset about the delay?", "What could be the reason the speaker sounds upset about the delay?"),
    ("What could explain the speaker's tone about the job?", "What may lie behind the way the speaker talks about the job?"),
    ("What could explain the speaker's tone about the job?", "Why might the speaker sound this way about the job?"),
    (
        "How could a friend best respond to the speaker about the results?",
        "What would be the best way for a friend to respond to the speaker about the results?",
    ),
    ("Is it a man or a woman who talks about the essay?", "Does a man or a woman speak about the essay?"),
    ("What emotion does the speaker convey when describing the storm?", "Which emotion is conveyed by the speaker while describing the storm?"),
    ("What is the speaker's attitude toward the neighbours' noise?", "How would you describe the speaker's attitude towards the noise of the neighbours?"),
    ("How many people are speaking in this recording?", "How many speakers can be heard in the recording?"),
]
DIFFERENT = [
    ("How does the speaker feel about the promotion?", "Why does the speaker feel this way about the promotion?"),
    ("How does the speaker feel about the promotion?", "How does the speaker feel about the letter?"),
    ("How does the speaker feel about the job in Boston?", "How does the speaker feel about the move to London?"),
    ("How does the speaker feel about the university?", "How does the speaker feel about the answer?"),
    ("How does the speaker feel at the beginning?", "How does the speaker feel at the end?"),
    ("How does the first speaker feel about the plan?", "How does the second speaker feel about the plan?"),
    ("How does the man feel about the plan?", "How does the woman feel about the plan?"),
    ("How does the speaker feel about him?", "How does the speaker feel about her?"),
    ("Why does the speaker want to go home?", "Why does the speaker not want to go home?"),
    ("Why does the speaker sound happy about the trip?", "Why does the speaker sound sad about the trip?"),
    ("How does the speaker feel about the results?", "How could a friend best respond to the speaker about the results?"),
    ("How does the speaker feel about the results?", "Is it a man or a woman who talks about the results?"),
    ("How does the speaker feel about the results?", "How does the speaker feel about the operation?"),
    ("What mood is the speaker in when talking about the doctor?", "What could explain the speaker's tone about the doctor?"),
    ("How does the speaker feel before the call?", "How does the speaker feel after the call?"),
    ("What does the speaker say about the train?", "How does the speaker feel about the train?"),
    ("How does the speaker feel about their sister?", "How does the speaker feel about their brother?"),
    ("What does the speaker plan to do on Monday?", "What does the speaker plan to do on Friday?"),
    ("How loud does the speaker become when mentioning the money?", "How quiet does the speaker become when mentioning the money?"),
    ("Who left the letter under the door?", "What was left under the door?"),
    ("How does the speaker's tone change during the story?", "How does the speaker feel about the story?"),
    ("What does the pause before the name suggest about the speaker?", "What does the laugh after the name suggest about the speaker?"),
    ("How does the mother feel about the news?", "How does the daughter feel about the news?"),
    ("What mood is the speaker in when talking about the list?", "What mood is the speaker in when talking about the name on the list?"),
]
SAME_ANSWERS = [
    ("They sound sad, as if the news was hard to bear.", "They sound sad, as though the news was hard to bear."),
    ("They sound angry, perhaps because nobody asked them before.", "They sound angry, perhaps because nobody had asked them."),
    ("They sound happy because the job means a lot to them.", "They sound happy, perhaps because the job is important to them."),
    ("A woman speaks about the essay.", "A woman talks about the essay."),
]
OTHER_ANSWERS = [
    ("They sound angry, as if the university was the last straw.", "They sound angry, as if the letter was the last straw."),
    ("They sound angry, perhaps because nobody asked them before.", "They sound angry, because the seat was given to somebody else."),
    ("They sound sad, perhaps because they had hoped for a different result.", "They sound sad, perhaps because the results mean bad news."),
    ("They sound happy, as if the job was the best news of the day.", "They sound happy, since their husband will earn more in Boston."),
]


@pytest.fixture(scope="module")
def minilm():
    if bundled_model() is None or importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("the extra `embedded` is not installed")
    return SentenceEmbedder()


def test_hand_made_pairs_of_questions(minilm):
    for pairs, same in ((SAME, True), (DIFFERENT, False)):
        clips = [[Item(f"{side}", 0, 0, "CE", text, "They do.") for side, text in enumerate(pair)] for pair in pairs]
        found = [bool(gone) for gone in repeats(clips, SettleOptions(near_across=None), minilm)]
        assert [pair for pair, gone in zip(pairs, found, strict=True) if gone is not same] == []


def test_hand_made_pairs_of_answers(minilm):
    for pairs, same in ((SAME_ANSWERS, True), (OTHER_ANSWERS, False)):
        first, second = (minilm([pair[side] for pair in pairs]) for side in (0, 1))
        cosines = (first * second).sum(axis=1)
        assert ((cosines >= NEAR) == same).all(), cosines


def test_a_word_that_turns_the_question_keeps_embeddings_from_being_asked():
    """Cosine of MiniLM for before/after is 0.96: more than that of most pairs that mean the same."""

    def refuse(texts):
        raise AssertionError(texts)

    pair = [Item("a", 0, 0, "CE", "How does the speaker feel before the call?", "x"), Item("b", 0, 0, "CE", "How does the speaker feel after the call?", "x")]
    assert repeats([pair], SettleOptions(), refuse) == [{}]


def test_other_scripts_have_words_too():
    assert plain_words("他怎么了?") == "他怎么了" and plain_words("नमस्ते!") == "नमस्ते" and plain_words(" ?! ") == ""
    first = sense_of("Wie fühlt sich die Sprecherin?")
    assert (first.exact, first.ask, first.matter) == ("wie fühlt sich die sprecherin", "", None)


@pytest.mark.parametrize(
    ("question", "ask"),
    [
        ("What emotion does the voice carry?", "feeling"),
        ("How does the speaker sound?", "feeling"),
        ("What might have caused the speaker to sound angry?", "why"),
        ("What is the reason for their mood?", "why"),
        ("How could somebody help the speaker with the move?", "response"),
        ("Going by the voice, is the speaker male or female?", "gender"),
        ("How many people are heard?", "count"),
        ("Where are they going?", ""),
    ],
)
def test_what_a_question_wants(question, ask):
    assert ask_of(question) == ask


@pytest.mark.parametrize(
    ("question", "can"),
    [
        ("What mood is the speaker in when talking about the letter?", True),
        ("How does the speaker feel about their neighbour?", True),
        ("How does the speaker feel about the sad news?", False),  # names one
        ("How does the speaker's mood change when they mention the letter?", False),  # takes a change for granted
        ("How strongly does the speaker feel about it?", False),
        ("Why does the speaker feel this way about the letter?", False),
        ("How could a friend tell how the speaker feels?", False),
        ("Who feels something about the letter?", False),
        ("Does the speaker feel proud, and how do they sound?", False),
    ],
)
def test_questions_that_can_be_asked_whatever_the_feeling(question, can):
    assert open_to_all(question) is can


def test_what_an_answer_comes_to():
    assert said_by("They sound delighted.", None) == "happy" == said_by("Anything.", "joy")
    assert said_by("They sound upset.", None) == "negative"
    assert said_by("They speak of the door.", None) == ""


def test_reason_of_a_paraphrase():
    first, second = (Item(name, 0, 0, "CE", text, "x") for name, text in zip("ab", SAME[2], strict=True))
    assert repeats([[second, first]], SettleOptions(near_within=1.0), lambda texts: np.eye(len(texts), dtype=np.float32)) == [{"b": NEAR_IN_CLIP}]

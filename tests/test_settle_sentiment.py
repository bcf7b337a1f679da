"""What the words say against what the voice says."""

import pytest

from cp_paraling_qa.errors import LabelError
from cp_paraling_qa.generate.feelings import claims
from cp_paraling_qa.generate.settle.sentiment import conflict_of, voice_sentiment, words_sentiment
from cp_paraling_qa.generate.settle.wordings import CONFLICT, conflict_item
from tests.settle_fixtures import clip

POSITIVE = """I got the job and I am so happy.|We are having a wonderful time here.|I love this place.|You did a great job today.|My brother won the first prize.
Thank you, that is really kind of you.|It is the best day of my life.|The exam went really well.|What a beautiful morning.|Congratulations on your wedding.
Everything is going to be fine.|I am glad you could come.|That was fun, let's do it again.|They finally accepted our offer, great news."""
NEGATIVE = """My dog died this morning.|I hate this place.|We lost everything in the fire.|They fired me yesterday without a word.|That was the worst day of my life.
He lied to me again.|This is a terrible mistake.|I failed the exam.|She left me for somebody else.|You ruined the whole evening.|Nobody came to my party.
My leg hurts and I cannot sleep.|The accident killed three people.|I am so disappointed in you.|I'm not happy about this at all.|It's awful, just awful."""
PLAIN = """Kids are talking by the door.|Dogs are sitting by the door.|I found your name on the list this morning.|No, the meeting is on Monday.|The party starts at eight.
It's eleven o'clock.|That is exactly what happened.|I'm on my way to the meeting.|I wonder what this is about.|The airplane is almost full.|Maybe tomorrow it will be cold.
I would like a new alarm clock.|I think I have a doctor's appointment.|Don't forget a jacket.|I think I've seen this before.|The surface is slick.
We'll stop in a couple of minutes.|He looks like his father.|The bank opens at nine, I guess.|You told them about the promotion before me.
The results came back from the hospital.|The operation is planned for next Monday.|Yes, I know where the play is.|He works for the defence ministry.|Please hand me the keys.
Well, I mean, sure, okay.|We need to share the car on Friday.|She is interested in old trains.|Nobody was in the office at noon.|The number is not in the list."""
# written after the words and the threshold were settled
LATER = {
    "positive": "This cake is delicious.|We had a lovely weekend at the lake.|I'm proud of you, you were brilliant.|What a relief, the doctor says she's healthy and safe.",
    "negative": "The flood destroyed our house.|I'm sick of this stupid job.|They stole my car and all my money.|He was murdered in his own kitchen.",
    "plain": "The bus leaves from the other side of the road.|My uncle has two cats and a garden.|Could you close the window?|The shop on the corner sells bread.|She moved to Leeds last year.",
}


def sentences(text):
    return [line.strip() for part in text.splitlines() for line in part.split("|")]


def test_table_of_words():
    """Nothing is told wrong; what is plain stays so; most of what is coloured is told."""
    told = {name: [words_sentiment(line) for line in sentences(text)] for name, text in (("positive", POSITIVE), ("negative", NEGATIVE), ("plain", PLAIN))}
    assert [len(each) for each in told.values()] == [14, 16, 30]
    assert set(told["plain"]) == {None}
    # untold are "kind of you", "really well", "going to be fine"; and "lied", "left me", "nobody came"
    assert (told["positive"].count("positive"), told["positive"].count("negative")) == (11, 0)
    assert (told["negative"].count("negative"), told["negative"].count("positive")) == (13, 0)


def test_sentences_that_nothing_was_fitted_to():
    for expected, text in LATER.items():
        told = [words_sentiment(line) for line in sentences(text)]
        assert set(told) <= {None if expected == "plain" else expected, None}
        assert expected == "plain" or told.count(expected) >= 3


@pytest.mark.parametrize(
    ("emotion", "valence", "sentiment"),
    [
        ("happy", {}, "positive"),
        ("anger", {}, "negative"),
        ("surprised", {}, None),
        ("neutral", {}, None),
        (None, {}, None),
        ("sad", {"valence": 0.2}, "negative"),
        ("sad", {"valence": 0.6}, None),  # the valence contradicts it
        ("happy", {"valence": 0.5}, None),  # positive is above 0.5
    ],
)
def test_voice(emotion, valence, sentiment):
    assert voice_sentiment(clip("a", emotion=emotion, **valence)) == sentiment


def test_valence_that_is_none():
    wrong = clip("a")
    wrong["opinions"][0] |= {"field": "valence", "value": None, "score": 3.0}
    wrong["opinions"].append(clip("b")["opinions"][0])
    with pytest.raises(LabelError, match="clip a: valence 3"):
        voice_sentiment(wrong)


def test_conflict():
    lost, prize = "We lost everything in the fire.", "My brother won the first prize."
    assert conflict_of(clip("a", lost, "happy")) == (True, "negative") and conflict_of(clip("a", prize, "angry")) == (True, "positive")
    assert conflict_of(clip("a", lost, "sad")) == (False, "negative") and conflict_of(clip("a", prize, "happy")) == (False, "positive")
    nobody = [clip("a", lost, "neutral"), clip("a", lost, "surprised"), clip("a", "Kids are talking.", "sad"), clip("a", None, "sad"), clip("a", " ", "sad")]
    nobody += [clip("a", "Die Kinder reden an der Tür.", "happy", language="de"), clip("a", "die die die", "happy", language=None)]
    assert {conflict_of(each)[0] for each in nobody} == {None}


def test_items_are_asked_alike_whether_there_is_conflict_or_not():
    asked = [conflict_item(f"clip{n}", "positive", "sad", conflict=True, seed=0) for n in range(300)]
    agreeing = [conflict_item(f"clip{n}", "negative", "sad", conflict=False, seed=0) for n in range(300)]
    assert [question for question, _ in asked] == [question for question, _ in agreeing]
    assert {question for question, _ in asked} == set(CONFLICT)
    assert all(claims(answer, "sad") for _, answer in asked + agreeing)
    # "No" to two of the questions would be the wrong way round, or no answer at all
    for question, answer in asked:
        assert not answer.startswith("No,") or question.startswith(("Does", "What is said", "Would", "Taking"))
    assert {answer.split()[0] for _, answer in asked} == {"The", "They", "No,"} and {answer.split()[0] for _, answer in agreeing} == {"The", "They", "Yes,"}

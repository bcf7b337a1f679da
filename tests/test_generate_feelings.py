from __future__ import annotations

import pytest

from cp_paraling_qa.generate.feeling_lexicon import OUTRIGHT, PREDICATIVE
from cp_paraling_qa.generate.feelings import NEAR, agree, claims, feelings, fits, polarities, same, voice_feelings
from cp_paraling_qa.labels import INVENTORIES, NO_EMOTION, SENTIMENT, canonical


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # inflections and synonyms
        ("They sound furious.", {"angry"}),
        ("Her voice is filled with sorrow.", {"sad"}),
        ("over the moon about the job", {"happy"}),
        ("She sounds fed up with waiting.", {"frustrated"}),
        ("He speaks apologetically.", {"apologetic"}),
        ("He sounds half asleep.", {"sleepy"}),
        ("in a sarcastic tone", {"sarcastic"}),
        ("He sounds in pain.", {"pain"}),
        ("She sounds encouraging.", {"encouraging"}),
        ("She sounds let down.", {"disappointed"}),
        ("What surprises the speaker about the letter?", {"surprised"}),
        ("The speaker's anger shows in the pitch.", {"angry"}),
        ("How angry is the speaker?", {"angry"}),
        # negation and what ends it
        ("They do not sound angry, but calm.", {"calm"}),
        ("not angry but sad", {"sad"}),
        ("She isn't angry or bitter.", set()),
        ("He sounds neither happy nor sad.", set()),
        ("He is no longer angry.", set()),
        ("She sounds far from happy.", set()),
        ("He sounds anything but calm.", set()),
        ("more sad than angry", {"sad"}),
        ("She is not just sad but angry.", {"sad", "angry"}),
        ("She can't hide her anger.", {"angry"}),
        ("They never sounded happier.", {"happy"}),
        ("The speaker, who was not invited, sounds sad.", {"sad"}),
        ("They hardly sound excited.", set()),
        ("The speaker sounds light, because the fear is gone.", set()),
        # quoted, reported, pretended, wished
        ('He says "I am happy" in a bored voice.', {"bored"}),
        ("He says ‘I am so afraid’ and laughs.", set()),
        ("The voice sounds “angry”.", {"angry"}),
        ("She sounds calm although she says she is furious.", {"calm"}),
        ("She talks about her fear of heights in a calm voice.", {"calm"}),
        ("How does the speaker sound when talking about being afraid of dogs?", set()),
        ("Would you say that the speaker is joyful?", {"happy"}),
        ("He pretends to be happy.", set()),
        ("It would help to stay calm.", set()),
        ("How would it change if it were said in a calm voice?", set()),
        ("She seems to be happy.", {"happy"}),
        # somebody else's, or no person's
        ("They sound sad, perhaps because their mother is angry with them.", {"sad"}),
        ("They sound anxious, as if they feared that the boss will be furious.", {"anxious", "fearful"}),
        ("A friend could stay calm and listen.", set()),
        ("The words are cheerful, but the voice is gloomy.", {"sad"}),
        ("The speaker sounds sad about the happy ending.", {"sad"}),
        ("They wish someone a happy birthday.", set()),
        ("It is sad that the shop closed.", set()),
        ("The speaker sounds happy about Joy.", {"happy"}),
        # false friends
        ("They cross the street.", set()),
        ("She sounds cross with the driver.", {"angry"}),
        ("The content of the letter matters.", set()),
        ("He sounds content with the result.", {"happy"}),
        ("They like the fine art of the blue house.", set()),
        ("She feels blue today.", {"sad"}),
        ("It was a touching story, and they moved house.", set()),
        ("The child was sick and mean.", set()),
        ("They collected the keys and let down the blinds.", set()),
        ("The person concerned did not come.", set()),
        ("As far as the rent is concerned, they sound relaxed.", {"calm"}),
        ("They plan a surprise party with a merry-go-round.", set()),
        ("in a low voice", set()),
        ("A saddle, a glade, a panic button and anger management", set()),
    ],
)
def test_feelings_of_a_sentence(text, named):
    assert feelings(text) == named


def test_every_emotion_of_the_inventories_has_its_words():
    known = {canonical(label) for names in INVENTORIES.values() for label in names} - set(NO_EMOTION)
    assert known <= set(SENTIMENT)
    words = {label: sum(named == label for named in (OUTRIGHT | PREDICATIVE).values()) for label in known}
    assert min(words.values()) >= 1 and sum(count >= 12 for count in words.values()) >= 17, words
    for label in known:
        assert any(feelings(f"They sound {' '.join(phrase)}.") == {label} for phrase, named in OUTRIGHT.items() if named == label), label


def test_reasons_are_not_what_the_voice_sounds_like():
    text = "They sound sad, perhaps because they were afraid of the answer."
    assert (feelings(text), voice_feelings(text)) == ({"sad", "fearful"}, {"sad"})
    assert claims(text, "sadness") and not claims("They sound sad and afraid.", "sad")
    assert voice_feelings("There is a hint of anger in the calm voice.") == {"calm"}


def test_near_and_same():
    assert agree("calm", "neutral") and agree("amusement", "joy") and not agree("angry", "sad")
    assert same("worried", "fear") and not same("angry", "frustrated")
    assert all(name in SENTIMENT for group in NEAR for name in group)


def test_sides_without_a_name():
    assert polarities("They sound upset about it.") == {"negative"} and polarities("Why is the speaker so proud?") == {"positive"}
    assert polarities("The proud house stands on the hill.") == set()


@pytest.mark.parametrize(
    ("text", "emotions", "fit"),
    [
        ("They sound annoyed.", ["angry"], True),
        ("They sound delighted.", ["angry"], False),
        ("They sound sad, as they feared the exam.", ["sad"], True),  # a reason of the same side
        ("They sound sad, because they were overjoyed before.", ["sad"], False),
        ("They sound surprised and delighted.", ["surprised"], True),  # surprise has no side
        ("They sound delighted.", ["surprised"], False),
        ("They speak of the garden.", ["sad"], True),
        ("They sound furious.", [], True),
        ("They sound proud of it.", ["sad"], False),
        ("They sound firm and angry.", ["angry"], True),
        ("They sound firm.", ["fearful"], False),
    ],
)
def test_fit_with_the_labels(text, emotions, fit):
    assert fits(text, emotions) is fit


def test_disagreeing_raters_make_several_answers_right():
    text = "It lies between sad and furious."
    assert fits(text, ["sad", "calm"], mixed=True) and not fits(text, ["sad", "calm"]) and not fits("It is furious.", ["sad", "calm"], mixed=True)

"""What is heard in a clip's windows, and the rules; every expected value is derived in a comment."""

import math

import pytest

from cp_paraling_qa.condense import CondenseOptions
from cp_paraling_qa.condense.rules import (
    CONTRADICTS,
    DISAGREE,
    KEEP,
    NO_EMOTION,
    NO_SENTIMENT,
    TIED,
    TOO_FEW,
    agreement,
    consistency,
    judge,
    length,
    occurring,
    reasons,
)
from cp_paraling_qa.condense.windows import Heard, hear, tagged
from cp_paraling_qa.errors import LabelError, RecipeError
from cp_paraling_qa.labels import SENTIMENT
from cp_paraling_qa.schema import ACTED, opinion, word

# A clip of 9 s has windows 0-4, 2-6, 4-8, 5-9, which label 0-3, 3-5, 5-7, 7-9.


def emotion(value, source="model", **more):
    return opinion("emotion", value, source=source, **({"rater": "m"} if source == "model" else {}) | more)


def valence(score, source="model", **more):
    return opinion("valence", score=score, source=source, **({"rater": "v"} if source == "model" else {}) | more)


def clip(*opinions, duration=9.0, **more):
    return {"clip_id": "c1", "duration": duration, "gender": None, "words": [], "opinions": list(opinions)} | more


def spans(*labels, field=emotion, **more):
    """Opinions about 0-3, 3-5, 5-7, 7-9."""
    edges = (0, 3, 5, 7, 9)
    return [field(label, start=edges[at], end=edges[at + 1], **more) for at, label in enumerate(labels) if label is not None]


def labels_of(one, **options):
    return [(w.label, pytest.approx(w.share)) for w in hear(one, CondenseOptions(**options))]


def verdict_of(one, **options):
    options = CondenseOptions(**options)
    return judge(one, hear(one, options), options).verdict


def test_windows_label_the_clip_without_gap():
    assert [(w.start, w.end) for w in hear(clip(), CondenseOptions())] == [(0, 3), (3, 5), (5, 7), (7, 9)]
    assert [(w.start, w.end) for w in hear(clip(duration=3.5), CondenseOptions())] == [(0, 3.5)]
    assert [(w.start, w.end) for w in hear(clip(), CondenseOptions(window=None))] == [(0, 9)]


def test_another_grid_counts_by_its_overlap():
    one = clip(emotion("sad", start=0, end=4.5), emotion("anger", start=4.5, end=9))
    # 3-5: 1.5 s of sad, 0.5 s of angry
    assert labels_of(one) == [("sad", 1.0), ("sad", 0.75), ("angry", 1.0), ("angry", 1.0)]


def test_every_rater_has_one_voice_and_posteriors_split_it():
    person = emotion("angry", "human", rater="p")
    model = [emotion("sad", probability=0.6, start=0, end=3), emotion("angry", probability=0.2, start=0, end=3)]
    # 0-3: the person 1 for angry; the model 0.75 sad, 0.25 angry: 1.25 of 2. Elsewhere the model says nothing.
    assert labels_of(clip(person, *model)) == [("angry", 0.625), ("angry", 1.0), ("angry", 1.0), ("angry", 1.0)]
    # three models by the mean of their posteriors: sad (0.9 + 0.4 + 0.4) / 3 = 0.567, though two of them prefer happy
    ensemble = [
        emotion(label, rater=rater, probability=p) for rater, sad in (("a", 0.9), ("b", 0.4), ("c", 0.4)) for label, p in (("sad", sad), ("happy", 1 - sad))
    ]
    assert labels_of(clip(*ensemble, duration=2.0)) == [("sad", 1.7 / 3)]


def test_a_rater_who_covers_half_a_window_has_half_a_voice():
    one = clip(emotion("sad", "human", rater="p"), emotion("angry", start=0, end=1.5))
    assert labels_of(one)[0] == ("sad", 1 / 1.5)


def test_shares_without_ids_are_one_rater_and_nameless_opinions_one_each():
    panel = [emotion("sad", "human", probability=0.7), emotion("happy", "human", probability=0.3)]
    assert labels_of(clip(*panel, emotion("happy"), duration=2.0)) == [("happy", 1.3 / 2)]
    people = [emotion("sad", "human"), emotion("sad", "human"), emotion("happy", "human")]
    assert labels_of(clip(*people, emotion("happy"), emotion("sad", rater="n"), duration=2.0)) == [("sad", 3 / 5)]


def test_a_raters_own_spans_go_before_its_word_about_the_whole_clip():
    one = clip(emotion("neutral"), emotion("happy", start=0, end=3))
    assert [w.label for w in hear(one, CondenseOptions())] == ["happy", "neutral", "neutral", "neutral"]


def test_an_acted_label_is_one_voice_beside_models_and_none_beside_listeners():
    acted = emotion("angry", "human", rater=ACTED)
    assert labels_of(clip(acted, emotion("angry"), emotion("sad", rater="n"), duration=2.0)) == [("angry", 2 / 3)]
    assert labels_of(clip(acted, emotion("sad", "human", rater="listener"), duration=2.0)) == [("sad", 1.0)]
    assert labels_of(clip(acted, emotion("sad", "self", rater="me"), duration=2.0)) == [("angry", 1.0)]  # a self-report has no voice


def test_only_the_chosen_sources_count():
    one = clip(emotion("sad", "human", rater="p"), emotion("sad", "human", rater="q"), emotion("happy"), duration=2.0)
    assert labels_of(one, sources=("model",)) == [("happy", 1.0)]
    assert verdict_of(one, sources=("model",)) is KEEP  # nor do the others make the clip's label


def test_valence_is_the_mean_of_the_raters_by_overlap():
    one = clip(valence(0.2, start=0, end=4), valence(0.8, start=4, end=9), valence(0.4, "human", rater="p"))
    # 0-3: (0.2 + 0.4) / 2; 3-5: ((0.2 + 0.8) / 2 + 0.4) / 2; then (0.8 + 0.4) / 2
    assert [w.valence for w in hear(one, CondenseOptions())] == pytest.approx([0.3, 0.45, 0.6, 0.6])
    assert hear(clip(emotion("sad")), CondenseOptions())[0].valence is None


@pytest.mark.parametrize("score", [math.nan, 1.2, -0.01, math.inf])
def test_a_valence_that_is_none_is_an_error_that_names_the_clip(score):
    bad = valence(0.5) | {"score": score}
    with pytest.raises(LabelError, match="clip c1: valence"):
        hear(clip(emotion("sad"), bad), CondenseOptions())
    with pytest.raises(LabelError, match="clip c9: valence"):
        consistency("ambiguous", score, clip_id="c9")


@pytest.mark.parametrize(
    ("sentiment", "score", "fits"),
    [
        ("positive", 0.51, True),
        ("positive", 0.5, False),
        ("negative", 0.39, True),
        ("negative", 0.4, False),
        ("neutral", 0.4, True),
        ("neutral", 0.5, True),
        ("neutral", 0.39, False),
        ("neutral", 0.51, False),
        ("ambiguous", 0.0, True),
        ("ambiguous", 1.0, True),
        ("positive", None, True),
        ("neutral", None, True),
    ],
)
def test_consistency_at_the_papers_thresholds(sentiment, score, fits):
    assert consistency(sentiment, score) == KEEP if fits else consistency(sentiment, score).reason == CONTRADICTS


def test_consistency_follows_its_thresholds():
    assert consistency("positive", 0.55, positive_above=0.6).reason == CONTRADICTS
    assert consistency("negative", 0.45, negative_below=0.5) == KEEP
    assert consistency("neutral", 0.55, positive_above=0.6) == KEEP
    assert set(SENTIMENT.values()) == {"positive", "negative", "neutral", "ambiguous"}  # each has its line


def test_occurrence_is_two_windows_or_their_share():
    assert occurring(["sad", "sad"], 20) == {"sad"}  # two windows
    assert occurring(["sad"], 3) == {"sad"}  # 0.33
    assert occurring(["sad"], 4) == set()  # 0.25
    assert occurring(["sad", "sad", "angry"], 3, min_windows=3, min_share=0.5) == {"sad"}
    assert occurring(["sad"], 1) == {"sad"}  # a clip of one window


def test_length():
    assert length(2.0, 2.0, 3.0) == length(3.0, 2.0, 3.0) == length(0.1, None, None) == KEEP
    assert length(1.99, 2.0, None) == ("shorter than 2 s", "1.99 s")
    assert length(3.01, None, 3.0) == ("longer than 3 s", "3.01 s")


def test_agreement_is_a_mean_over_seconds_and_respects_the_ledger():
    windows = [Heard(0, 3, "sad", 0.4, False, None), Heard(3, 5, "sad", 0.9, False, None)]
    # (3 × 0.4 + 2 × 0.9) / 5 = 0.6
    assert agreement(windows, "sad", min_agreement=0.6) == KEEP
    assert agreement(windows, None, min_agreement=0.61) == (DISAGREE, "sad: 60% of the votes")
    assert agreement(windows, "happy").reason == DISAGREE


def test_each_reason_in_its_order():
    assert verdict_of(clip()).reason == NO_EMOTION
    assert verdict_of(clip(emotion("sad", "human"), emotion("happy", "human"))).reason == TIED
    assert verdict_of(clip(emotion("other"), emotion("happy", "human", rater="p"), emotion("unknown", rater="n"), emotion("other", rater="o"))) == (
        NO_SENTIMENT,
        "other",
    )
    happy_but = [emotion("happy"), valence(0.1)]
    assert verdict_of(clip(*happy_but), min_seconds=20.0) == (CONTRADICTS, "valence 0.10 is not positive")  # before its length
    lone = spans("sad", "happy", "angry", "fearful")  # a quarter of the windows each
    assert verdict_of(clip(*lone), min_seconds=20.0) == (TOO_FEW, "angry in 1, fearful in 1, happy in 1, sad in 1 of 4 windows")
    two_to_one = [emotion("sad", "human", rater=rater) for rater in "ab"] + [emotion("calm", "human", rater="c")]
    assert verdict_of(clip(*two_to_one), min_seconds=20.0).reason == "shorter than 20 s"
    assert verdict_of(clip(*two_to_one), min_agreement=0.7) == (DISAGREE, "sad: 67% of the votes")
    assert verdict_of(clip(*two_to_one), min_agreement=0.66) == KEEP


def test_a_clip_falls_with_its_last_window_for_the_commonest_reason():
    # other, other, sad against a valence of 0.9, nothing: after the sentiments one window is left, which the valence takes
    one = clip(*spans("other", "other", "sad", None), *spans(None, None, 0.9, None, field=valence))
    assert verdict_of(one).reason == CONTRADICTS
    assert verdict_of(clip(*spans("other", None, None, None))).reason == NO_EMOTION  # three windows of four
    assert verdict_of(clip(*spans(None, "other", "unknown", None))).reason == NO_EMOTION  # level: the earlier window's
    assert verdict_of(clip(*spans("other", None, None, "unknown"))).reason == NO_SENTIMENT


def test_what_the_ledger_says_must_be_among_what_is_kept():
    actor = emotion("angry", "human", rater=ACTED)
    models = [emotion("sad", rater=name) for name in "abc"]
    # the windows say sad with 3 of 4 votes, yet questions would ask about the actor's angry
    assert verdict_of(clip(actor, *models)) == (DISAGREE, "the label of the clip is angry, its windows say sad")
    assert verdict_of(clip(actor, emotion("angry"), emotion("sad", rater="n"))) == KEEP


def test_one_clip_may_keep_two_emotions_and_counts_as_the_ledgers():
    options = CondenseOptions()
    one = clip(*spans("sad", "sad", "angry", "angry"))
    judged = judge(one, hear(one, options), options)
    assert judged.verdict == KEEP and judged.emotion == "sad"  # 5 s of 9
    one = clip(emotion("anger", "human", rater="p"), *spans("anger", "sad", "anger", None), *spans("anger", "sad", "sad", "sad", rater="n"))
    # votes: 0-3 angry 3 of 3; 3-5 sad 2 of 3; 5-7 angry 2 of 3; 7-9 tied; the person says angry
    judged = judge(one, hear(one, options), options)
    assert judged.verdict == KEEP and judged.emotion == "angry" and judged.trusted == (True, True, True, False)
    one = clip(emotion("happy", start=0, end=4.5), emotion("sad", start=4.5, end=9), valence(0.1))
    # the ledger is tied; happy holds longer (0-5), but not against a valence of 0.1
    judged = judge(one, hear(one, options), options)
    assert judged.verdict == KEEP and judged.emotion == "sad" and judged.trusted == (False, False, True, True)


def test_words_take_emotion_and_gender_of_the_window_that_holds_their_middle():
    words = [word("far", 2.8, 3.1), word("side", 3.0, 3.2), word("end", 8.9, 9.4), word("timeless"), word("begun", 5.5)]
    genders = [opinion("gender", "male", source="model", rater="g", start=5, end=9)]
    one = clip(*spans("sad", "angry", "happy", "happy"), *spans(None, None, 0.1, 0.9, field=valence), *genders, words=words)
    options = CondenseOptions()
    heard = hear(one, options)
    judged = judge(one, heard, options)
    assert judged.trusted == (True, True, False, True)  # happy at 0.1 contradicts itself
    said = [(w["word"], w["emotion"], w["gender"]) for w in tagged(one, heard, judged.trusted, options.sources)]
    # middles 2.95, 3.1, 9.15 (past the end: the last window), none, 5.5; the model names one gender for the whole clip, so it holds before 5 s as well
    assert said == [
        ("far", "sad", "male"),
        ("side", "angry", "male"),
        ("end", "happy", "male"),
        ("timeless", None, None),
        ("begun", None, "male"),
    ]
    assert words[0]["emotion"] is None  # the clip's own words stay as they are


def test_no_model_outvotes_people_on_the_gender_of_a_word():
    words = [word("one", 0.0, 1.0), word("two", 8.0, 9.0)]
    model = opinion("gender", "male", source="model", rater="g", start=5, end=9)
    person = opinion("gender", "female", source="human", rater="p")
    listener = opinion("gender", "male", source="human", rater="q", start=5, end=9)

    def genders(*opinions, **columns):
        one = clip(*spans("sad", "sad", "sad", "sad"), *opinions, words=words) | columns
        heard = hear(one, CondenseOptions())
        return [w["gender"] for w in tagged(one, heard, [True] * len(heard), CondenseOptions().sources)]

    assert genders(model, person) == ["female", "female"]
    assert genders(model, gender="female") == ["female", "female"]
    assert genders(listener, gender="female") == ["female", "male"]  # a person about the span itself
    assert genders(model | {"start": 0.0, "end": 5.0, "value": "female"}, model) == ["female", "male"]  # two voices, and nobody but the model


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"positive_above": 1.2}, "positive_above is outside"),
        ({"negative_below": 0.6}, "is above positive_above"),
        ({"min_share": -0.1}, "min_share"),
        ({"min_agreement": math.nan}, "min_agreement"),
        ({"min_windows": 0}, "min_windows"),
        ({"min_windows": "2"}, "min_windows"),
        ({"max_clips": 0}, "max_clips"),
        ({"max_clips": 2.5}, "max_clips"),
        ({"max_hours": -1}, "max_hours"),
        ({"hop": 5.0}, "hop"),
        ({"min_seconds": 5, "max_seconds": 4}, "min_seconds"),
        ({"sources": ("self",)}, "sources"),
        ({"sources": ()}, "sources"),
    ],
)
def test_options_out_of_range_are_named(options, said):
    with pytest.raises(RecipeError, match=said):
        CondenseOptions(**options)


def test_reasons_stand_in_the_order_of_the_rules():
    found = reasons(CondenseOptions(min_seconds=1.5, max_hours=1))
    assert list(dict.fromkeys(found.values())) == ["sentiment", "consistency", "occurrence", "length", "agreement", "balance"]
    assert "shorter than 1.5 s" in found and not any(reason.startswith("longer") for reason in found)

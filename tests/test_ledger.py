"""Consensus and tracks, with expected values derived by hand."""

import pytest

from cp_paraling_qa import ledger
from cp_paraling_qa.errors import LabelError
from cp_paraling_qa.ledger import consensus
from cp_paraling_qa.schema import ACTED, CLIP_SCHEMA, opinion, table


def vote(value, source="human", **more):
    return opinion("emotion", value, source=source, **more)


def clip(opinions, **more):
    return {"duration": 4.0, "gender": None, "opinions": opinions} | more


def test_labels_that_mean_the_same_vote_together_under_the_first_name():
    assert ledger.shares([vote("anger"), vote("angry"), vote("sad")], "emotion") == pytest.approx({"anger": 2 / 3, "sad": 1 / 3})


def test_people_outvote_models_and_self_reports_do_not_count():
    opinions = [vote("sad"), *[vote("happy", "model")] * 5, *[vote("calm", "self")] * 5]
    assert ledger.consensus(opinions, "emotion") == "sad"
    assert ledger.consensus(opinions, "emotion", sources=("model",)) == "happy"
    assert ledger.consensus([vote("happy", "model")], "emotion") == "happy"


def test_a_tie_is_no_consensus_and_posteriors_weigh():
    assert ledger.consensus([vote("sad"), vote("calm")], "emotion") is None
    assert ledger.consensus([vote("sad", probability=0.6), vote("calm", probability=0.4)], "emotion") == "sad"
    assert ledger.consensus([], "emotion") is None
    assert ledger.consensus([vote("unknown"), vote("other")], "emotion") is None


def test_axes_are_looked_up_by_name():
    opinions = [opinion("valence", score=0.2, source="human"), opinion("valence", score=0.4, source="human"), opinion("arousal", score=0.9, source="human")]
    assert ledger.axis_mean(opinions, "valence") == pytest.approx(0.3)
    assert ledger.axis_mean(opinions, "dominance") is None


def test_the_track_joins_neighbours_and_falls_back_to_the_whole_clip():
    windows = [vote("sad", "model", start=0.0, end=1.0), vote("sad", "model", start=1.0, end=2.0), vote("angry", "model", start=2.0, end=4.0)]
    assert ledger.emotion_track(clip(windows)) == [(0.0, 2.0, "sad"), (2.0, 4.0, "angry")]
    assert ledger.emotion_track(clip([vote("sad")])) == [(0.0, 4.0, "sad")]
    assert ledger.emotion_track(clip([])) == []


def test_an_opinion_outside_its_range_is_refused():
    with pytest.raises(LabelError, match="outside 0–1"):
        opinion("valence", score=3.5, source="human")
    with pytest.raises(LabelError, match="not one of"):
        opinion("mood", "fine", source="human")
    assert opinion("valence", score=float("nan"), source="human")["score"] is None  # a missing number is null


def test_a_row_with_a_forgotten_column_is_never_a_silent_null():
    with pytest.raises(KeyError, match="transcript"):
        table([{name: None for name in CLIP_SCHEMA.names if name != "transcript"}], CLIP_SCHEMA)


def test_an_acted_label_counts_only_where_nobody_listened():
    acted = opinion("emotion", "angry", source="human", rater=ACTED)
    votes = [opinion("emotion", "neutral", source="human", rater=str(n)) for n in range(2)] + [opinion("emotion", "angry", source="human", rater="3")]
    assert consensus([acted], "emotion") == "angry"
    assert consensus([acted, *votes], "emotion") == "neutral"  # 2 of 3; with the acted label it would be level
    heard = opinion("emotion", "sad", source="model", rater="m")
    assert consensus([acted, heard], "emotion") == "angry"  # a model's guess is no listener
    assert consensus([acted, heard], "emotion", sources=("model",)) == "sad"
    assert consensus([acted, opinion("emotion", "sad", source="self", rater="F1")], "emotion") == "angry"

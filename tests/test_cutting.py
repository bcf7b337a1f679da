"""Long recordings are cut at pauses; nothing is lost, nothing is heard twice."""

import json

import numpy as np
import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.annotate.base import clip_audio
from cp_paraling_qa.corpora.cutting import clip_seconds, cuts
from cp_paraling_qa.corpora.manifest import Limits, make_manifest
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.schema import opinion
from cp_paraling_qa.stage import read_rows

RATE = 8_000


def talk(*spoken, pause=0.6):
    """Stretches of speech with pauses of faint noise between them, and the times at which the pauses are."""
    noise = np.random.default_rng(1).normal(0, 1e-4, round(pause * RATE)).astype(np.float32)
    pieces, pauses, now = [], [], 0.0
    for number, seconds in enumerate(spoken):
        pieces += [voice(seconds, 120 + 10 * number, rate=RATE, seed=number), noise]
        now += seconds
        pauses.append((now, now + pause))
        now += pause
    return np.concatenate(pieces[:-1]), pauses[:-1]


def test_cuts_lie_in_pauses_and_pieces_within_the_limits():
    samples, pauses = talk(7.0, 5.0, 9.0, 4.0, 8.0, 6.0)
    places = [place / RATE for place in cuts(samples, RATE, 10, 20)]
    assert places[0] == 0 and places[-1] == len(samples) / RATE
    assert all(10 <= b - a <= 20 for a, b in zip(places, places[1:], strict=False))
    assert all(any(start <= place <= end for start, end in pauses) for place in places[1:-1]), (places, pauses)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 24_414])  # a step of 0.05 s is 400, 551.25, 1102.5 and 1220.7 samples
@pytest.mark.parametrize("seconds", [20.0001, 20.01, 29.99, 40.0, 40.02, 59.97, 100.003])
def test_every_length_can_be_divided_at_every_rate(seconds, rate):
    samples = np.random.default_rng(0).normal(0, 0.1, int(np.ceil(seconds * rate))).astype(np.float32)
    lengths = np.diff(cuts(samples, rate, 10, 20))
    assert lengths.sum() == len(samples) and lengths.min() >= 10 * rate and lengths.max() <= 20 * rate


def test_what_need_not_be_cut_is_not():
    assert cuts(np.ones(20 * RATE, dtype=np.float32), RATE, 10, 20) == [0, 20 * RATE]


@pytest.mark.parametrize("text", ["10", "30-10", "10-19", "a-b", "-5-10"])
def test_limits_that_cannot_be_kept_are_refused(text):
    with pytest.raises(RecipeError, match="clip-seconds"):
        clip_seconds(text)


def test_a_recording_becomes_clips_with_their_words_and_opinions(tmp_path):
    samples, ((pause, _), _) = talk(6.0, 7.0, 5.0)
    root = tmp_path / "corpus"
    root.mkdir()
    soundfile.write(root / "long.wav", samples, RATE, subtype="FLOAT")
    words = [{"word": "early", "start": 1.0, "end": 1.5}, {"word": "late", "start": 8.0, "end": 8.4}, {"word": "later", "start": 9.0, "end": 9.4}]
    said = [
        opinion("emotion", "sad", source="human", start=4.0, end=9.0),
        opinion("gender", "female", source="human"),
        opinion("text", "early late", source="human"),
    ]
    row = {"file_name": "long.wav", "speaker_id": "s", "transcript": "early late later", "words": words, "opinions": said}
    (root / "metadata.jsonl").write_text(json.dumps(row) + "\n")

    make_manifest(tmp_path / "run", [("folder", root)], limits=Limits(cut=(6.0, 14.0)))
    clips = list(read_rows(tmp_path / "run" / "manifest"))
    assert len(clips) == 2 and clips[0]["start"] == 0 and clips[0]["end"] == clips[1]["start"] and clips[1]["end"] == pytest.approx(len(samples) / RATE)
    cut = clips[0]["end"]
    assert pause <= cut <= pause + 0.6 or 13.6 <= cut <= 14.2  # one of the two pauses: 6.0–6.6 and 13.6–14.2
    first, second = clips
    assert [w["word"] for w in first["words"] + second["words"]] == ["early", "late", "later"]
    assert second["words"] == [] or second["words"][0]["start"] == pytest.approx(8.0 - cut)
    assert first["transcript"] == " ".join(w["word"] for w in first["words"]) and {o["field"] for o in first["opinions"]} == {"emotion", "gender"}
    spans = [(o["start"], o["end"]) for c in clips for o in c["opinions"] if o["field"] == "emotion"]
    assert sum(end - start for start, end in spans) == pytest.approx(5.0)  # 4 to 9 s, wherever the cut is
    assert first["dialogue_id"] == second["dialogue_id"] == "long.wav"  # no split parts them
    again = np.concatenate([clip_audio(clip, {"folder": str(root)})[0] for clip in clips])
    assert len(again) == pytest.approx(2 * len(samples), abs=2)  # at 16 kHz

    # without cutting it stays behind where it is too long, and says what would help
    record = make_manifest(tmp_path / "other", [("folder", root)], limits=Limits(max_seconds=60))
    assert record["rows_out"] == 1


def test_a_limit_above_thirty_seconds_is_taken_at_its_word(tmp_path):
    root = tmp_path / "corpus"
    root.mkdir()
    soundfile.write(root / "a.wav", talk(*[4.0] * 16)[0], RATE)  # 73 s
    (root / "metadata.jsonl").write_text('{"file_name": "a.wav"}\n')
    record = make_manifest(tmp_path / "run", [("folder", root)], limits=Limits(cut=(30, 60)))
    lengths = [clip["duration"] for clip in read_rows(tmp_path / "run" / "manifest")]
    assert record["dropped"] == {} and len(lengths) == 2 and all(30 <= length <= 60 for length in lengths)

"""Speech activity by silero-vad's own model, on synthesised speech, silence and noise."""

import pickle

import numpy as np
import pytest
from conftest import ROOT

pytest.importorskip("silero_vad")

from cp_paraling_qa import audio
from cp_paraling_qa.annotate import speech
from cp_paraling_qa.annotate.speech import SileroVad, SpeechActivity, overlap
from cp_paraling_qa.corpora.sample import unpack
from cp_paraling_qa.errors import MissingExtraError, RecipeError, StageError


@pytest.fixture(scope="module")
def sentence(tmp_path_factory):
    """A sentence of the bundled sample without silence at its edges: float32, 16 kHz."""
    root = tmp_path_factory.mktemp("sample") / "all"
    unpack(ROOT / "cp_paraling_qa", root)
    samples, rate = audio.read(sorted(root.rglob("*.flac"))[0])
    samples = audio.resample(samples, rate)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1]]


@pytest.fixture(scope="module")
def annotator():
    made = pickle.loads(pickle.dumps(SpeechActivity()))
    made.setup()
    return made


def hiss(seconds, level=0.001, seed=0):
    return np.random.default_rng(seed).normal(0, level, round(16_000 * seconds)).astype(np.float32)


def measures(row):
    return {m["name"]: m["value"] for m in row["measures"]}


def test_spans_are_where_the_sentences_are(annotator, sentence):
    length = len(sentence) / 16_000
    clip = np.concatenate([hiss(2), sentence, hiss(3), sentence, hiss(2)])
    truth = [(2.0, 2 + length), (5 + length, 5 + 2 * length)]
    row = annotator.annotate([{}], [clip], 16_000)[0]
    spans = [(o["start"], o["end"]) for o in row["opinions"]]
    spoken = measures(row)["speech_seconds"]
    assert spoken == pytest.approx(2 * length, abs=0.5) and spoken == pytest.approx(sum(end - start for start, end in spans))
    assert sum(overlap(spans, start - 0.2, end + 0.2) for start, end in truth) > 0.97 * spoken
    assert measures(row)["speech_share"] == pytest.approx(spoken / (len(clip) / 16_000))
    assert {(o["field"], o["value"], o["source"], o["rater"], o["revision"]) for o in row["opinions"]} == {
        ("speech", "speech", "model", "silero-vad", annotator.config["revision"])
    }
    assert spans == sorted(spans) and spans[-1][1] <= len(clip) / 16_000


@pytest.mark.parametrize("sound", [hiss(3), hiss(3, 0.1), (0.3 * np.sin(np.arange(48_000) * 2 * np.pi * 440 / 16_000)).astype(np.float32), hiss(0.01)])
def test_a_clip_without_speech_has_zero_and_no_opinion(annotator, sound):
    row = annotator.annotate([{}], [sound], 16_000)[0]
    assert row["opinions"] == [] and measures(row) == {"speech_seconds": 0.0, "speech_share": 0.0}


def test_quiet_speech_is_speech(annotator, sentence):
    loud, quiet = annotator.annotate([{}] * 2, [sentence, sentence * np.float32(0.01)], 16_000)
    assert measures(quiet) == pytest.approx(measures(loud), abs=0.05) and measures(quiet)["speech_share"] > 0.9


def test_speech_that_fills_a_clip_has_a_share_of_at_most_one(annotator, sentence):
    assert 0.9 < measures(annotator.annotate([{}], [sentence], 16_000)[0])["speech_share"] <= 1


def test_a_clip_does_not_depend_on_its_neighbours(annotator, sentence):
    sounds = [sentence, hiss(1), np.concatenate([hiss(1), sentence])]
    together = annotator.annotate([{}] * 3, sounds, 16_000)
    assert [annotator.annotate([{}], [sound], 16_000)[0] for sound in reversed(sounds)] == together[::-1]


def test_settings_shape_the_result_and_stand_in_the_config(annotator, sentence):
    clip = np.concatenate([sentence, hiss(0.6), sentence])
    joined = SpeechActivity(min_silence=2.0)
    joined.setup()
    assert len(joined.annotate([{}], [clip], 16_000)[0]["opinions"]) == 1 < len(annotator.annotate([{}], [clip], 16_000)[0]["opinions"])
    assert joined.config != annotator.config and joined.config["min_silence"] == 2.0
    with pytest.raises(RecipeError, match="between 0 and 1"):
        SpeechActivity(threshold=1.5)


def test_threads_of_the_process_stay_as_they_were():
    import subprocess
    import sys

    code = (
        "import torch; torch.set_num_threads(3)\n"
        "from cp_paraling_qa.annotate.speech import SpeechActivity\n"
        "SpeechActivity().setup(); print(torch.get_num_threads())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["3"]


def test_what_is_missing_and_what_does_not_fit_is_said(monkeypatch):
    with pytest.raises(StageError, match="8000"):
        SileroVad().spans(hiss(1), 8_000)
    monkeypatch.setattr(speech, "find_spec", lambda name: None if name == "silero_vad" else object())
    with pytest.raises(MissingExtraError, match=r"cp-paraling-qa\[speech\]"):
        SpeechActivity().setup()


def test_overlap():
    spans = [(0.0, 1.0), (2.0, 3.0)]
    assert overlap(spans, 0.5, 2.25) == 0.75 and overlap(spans, 1.0, 2.0) == 0.0 and overlap([], 0, 1) == 0.0

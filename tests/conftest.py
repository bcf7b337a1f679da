"""Settings and small material that all tests share. Nothing here needs a network."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on two cores are many times slower when test processes run side by side
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_EVALUATE_OFFLINE"] = "1"
os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] = "FALSE"
os.environ["WANDB_MODE"] = "disabled"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.pop("OPENAI_API_KEY", None)

import atexit
import shutil
import tempfile

if "PYTEST_XDIST_WORKER" not in os.environ:  # one cache for the whole run, and never the user's own
    os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="cpqa-tests-")
    os.environ["HF_DATASETS_CACHE"] = os.path.join(os.environ["HF_HOME"], "datasets")
    atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)

# numba's cache does not bear two writers: each test process, with the programs it starts, has one of its own
os.environ["NUMBA_CACHE_DIR"] = os.path.join(os.environ["HF_HOME"], "numba", os.environ.get("PYTEST_XDIST_WORKER", "main"))

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
EMOTIONS = {"angry": 220.0, "sad": 110.0, "happy": 180.0}


def voice(seconds: float, pitch: float, *, rate: int = 16_000, seed: int = 0, loudness: float = 0.2) -> np.ndarray:
    """A buzz of four syllables a second with some noise: enough of a voice for pitch, loudness and rate to be measured."""
    t = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 8))
    syllables = 0.15 + np.sin(np.pi * 4 * t) ** 2
    noise = np.random.default_rng(seed).normal(0, 0.01, len(t))
    return (loudness * buzz * syllables / 2 + loudness * noise).astype(np.float32)


def write_folder_corpus(root: Path, *, speakers: int = 4, emotions=EMOTIONS, **columns) -> Path:
    """A folder corpus: every speaker says every emotion once."""
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    for speaker in range(speakers):
        for number, (emotion, pitch) in enumerate(emotions.items()):
            name = f"s{speaker}_{emotion}.wav"
            soundfile.write(root / name, voice(0.8 + 0.1 * number, pitch * (1 + 0.1 * speaker), seed=speaker), 16_000, subtype="PCM_16")
            row = {
                "file_name": name,
                "speaker_id": f"s{speaker}",
                "gender": ["female", "male"][speaker % 2],
                "language": "en",
                "transcript": f"You told them about promotion number {number} before me.",
                "emotion": emotion,
                "arousal": 0.8 if emotion != "sad" else 0.2,
                "valence": 0.9 if emotion == "happy" else 0.1,
                "license": "cc0-1.0",
            }
            lines.append(json.dumps(row | columns))
    (root / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def folder_corpus(tmp_path: Path) -> Path:
    return write_folder_corpus(tmp_path / "corpus")


@pytest.fixture
def ravdess_corpus(tmp_path: Path) -> Path:
    """Two actors in the official layout: two emotions, both intensities."""
    for actor in ("01", "02"):
        folder = tmp_path / "RAVDESS" / f"Actor_{actor}"
        folder.mkdir(parents=True)
        for emotion, intensity in (("05", "01"), ("05", "02"), ("04", "01"), ("01", "01")):
            samples = voice(0.7, 100.0 + 20 * int(actor) + 7 * int(emotion) + int(intensity), rate=48_000)
            soundfile.write(folder / f"03-01-{emotion}-{intensity}-02-01-{actor}.wav", samples, 48_000, subtype="PCM_16")
    return tmp_path / "RAVDESS"

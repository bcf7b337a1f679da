"""A small dataset folder for the training tests: tones whose pitch stands for the emotion, in the layout that `cpqa build` writes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cp_paraling_qa.audio import encode_flac
from cp_paraling_qa.schema import EXAMPLE_SCHEMA, features_metadata
from cp_paraling_qa.training.tiny import write_tiny_model

HERTZ = {"sad": 150.0, "neutral": 400.0, "happy": 1000.0, "angry": 2500.0}


def tone(hertz: float, seconds: float, seed: int = 0) -> np.ndarray:
    """A tone in a little noise, float32 of shape (n,), 16 kHz."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    noise = np.random.default_rng(seed).standard_normal(time.size)
    return (0.4 * np.sin(2 * np.pi * hertz * time) + 0.02 * noise).astype(np.float32)


def example(clip: str, samples: np.ndarray, question: str, answer: str, **more: Any) -> dict[str, Any]:
    """One dataset row with every column of `EXAMPLE_SCHEMA`."""
    row: dict[str, Any] = dict.fromkeys(EXAMPLE_SCHEMA.names)
    row |= {"clip_id": clip, "audio": {"bytes": encode_flac(samples), "path": f"{clip}.flac"}, "question": question, "answer": answer, "prompt": question}
    row |= {"type": "DE", "kind": "pqa_template", "difficulty": "simple", "speaker_id": "s0", "corpus": "tones"} | more
    row["id"] = hashlib.sha256(f"{clip} {row['prompt']} {answer}".encode()).hexdigest()[:16]
    return row


def tone_rows(clips: int, *, first: int = 0, speakers: int = 3, seconds: tuple[float, float] = (0.5, 1.4), explicit: bool = False) -> list[dict[str, Any]]:
    """Two questions about each of `clips` tones: one answered by a word, one by a sentence."""
    rows = []
    for number in range(first, first + clips):
        emotion = list(HERTZ)[number % len(HERTZ)]
        samples = tone(HERTZ[emotion] * (0.95 + 0.1 * (number % 7) / 7), seconds[0] + (seconds[1] - seconds[0]) * (number % 5) / 4, number)
        about = {"emotion": emotion, "label": emotion, "speaker_id": f"s{number % speakers}"}
        for question, answer in (
            ("How does the speaker feel?", f"The speaker sounds {emotion}."),
            ("Name the emotion in one word.", f"{emotion.capitalize()}."),
        ):
            block = f"Voice: 0.0–{len(samples) / 16_000:.1f} s {emotion}, clip {number}"
            shown = {"metadata": block, "prompt": f"{block}\n{question}"} if explicit else {}
            rows.append(example(f"clip{number:03d}", samples, question, answer, **about, **shown))
    return rows


def write_dataset(folder: Path, configs: Mapping[str, Mapping[str, Iterable[Mapping[str, Any]]]]) -> Path:
    """A dataset folder: README with YAML configs, one Parquet file for each config and split."""
    yaml = ["---", "configs:"]
    for config, splits in configs.items():
        yaml += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            table = pa.Table.from_pylist(list(rows), schema=EXAMPLE_SCHEMA).replace_schema_metadata(features_metadata(EXAMPLE_SCHEMA).metadata)
            name = f"data/{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}/{config}-{split}.parquet"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, folder / name)
            yaml += [f"  - split: {split}", f"    path: {name}"]
    (folder / "README.md").write_text("\n".join([*yaml, "---", "# Tones\n"]), encoding="utf-8")
    return folder


def write_tones(folder: Path) -> Path:
    """The dataset most tests use: 24 training and 8 test clips, two questions each, baseline and explicit."""
    return write_dataset(
        folder,
        {
            "baseline": {"train": tone_rows(24), "test": tone_rows(8, first=24)},
            "explicit": {"train": tone_rows(24, explicit=True), "test": tone_rows(8, first=24, explicit=True)},
        },
    )


_HOME = tempfile.TemporaryDirectory(prefix="cpqa-training-")


@lru_cache
def tiny_model() -> Path:
    """The tiny model, written once a test process."""
    path = Path(_HOME.name) / "tiny"
    write_tiny_model(path)
    return path


@lru_cache
def tones() -> Path:
    """The dataset of `write_tones`, written once a test process."""
    return write_tones(Path(_HOME.name) / "tones")

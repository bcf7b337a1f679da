"""The bundled sample as a user meets it: the literal calls from the root, and what the issue of making it promised."""

import collections
import os
import re
import subprocess
import sys

import datasets
import numpy as np
import pytest
import yaml
from conftest import ROOT

from cp_paraling_qa import decode_audio
from cp_paraling_qa.sample.sentences import TEST_SENTENCES, TRAIN_SENTENCES

CONFIGS = ["baseline", "explicit", "implicit", "combined", "clips"]
FOLDER = ROOT / "cp_paraling_qa"


@pytest.fixture(scope="module")
def rows():
    return {name: datasets.load_dataset(str(FOLDER), name) for name in CONFIGS}


@pytest.mark.parametrize(("name", "options"), [(name, "") for name in CONFIGS] + [("implicit", ", streaming=True"), ("implicit", ", num_proc=2")])
def test_the_literal_call_from_the_root(name, options):
    code = (
        f'from datasets import load_dataset; rows = load_dataset("cp_paraling_qa", "{name}"{options}); print(sum(1 for split in rows.values() for _ in split))'
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == sum(datasets.load_dataset(str(FOLDER), name).num_rows.values()) > 100


def test_default_and_names():
    assert datasets.get_dataset_config_names(str(FOLDER)) == CONFIGS
    assert datasets.get_dataset_default_config_name(str(FOLDER)) == "implicit"


def test_size_of_audio_and_folder(rows):
    audio = sum(len(row["audio"]["bytes"]) for split in rows["clips"].values() for row in split)
    data = sum(path.stat().st_size for path in (FOLDER / "data").rglob("*") if path.is_file())
    assert audio < 8e6 and data < 25e6
    assert len(list((FOLDER / "data").iterdir())) == 1


def test_voices_sentences_and_emotions_are_balanced(rows):
    clips = [row for split in rows["clips"].values() for row in split.remove_columns("audio")]
    emotion = {row["clip_id"]: next(o["value"] for o in row["opinions"] if o["field"] == "emotion") for row in clips}
    assert len({*TRAIN_SENTENCES, *TEST_SENTENCES}) >= 24 and len({row["transcript"] for row in clips}) >= 24
    spoken, said_by = collections.defaultdict(set), collections.defaultdict(set)
    for row in clips:
        spoken[row["transcript"]].add(emotion[row["clip_id"]])
        said_by[row["speaker_id"]].add(emotion[row["clip_id"]])
    assert min(map(len, spoken.values())) >= 3 and min(map(len, said_by.values())) == 6 and len(said_by) >= 10
    assert {row["gender"] for row in clips} == {"female", "male"}
    maker = {o["field"] for o in clips[0]["opinions"] if o["source"] == "maker"}
    assert maker == {"emotion", "arousal", "valence", "dominance", "gender", "text"}


def test_test_voices_are_never_trained_on(rows):
    for name in CONFIGS:
        sides = {split: set(part["speaker_id"]) for split, part in rows[name].items()}
        assert len(sides["test"]) >= 3 and not sides["train"] & sides["test"], name


def test_audio_is_16_khz_and_clean(rows):
    for row in rows["clips"]["test"].select(range(8)):
        samples, rate = decode_audio(row["audio"])
        assert rate == 16_000 and len(samples) / rate == pytest.approx(row["duration"], abs=1e-3)
        assert 0.02 < np.abs(samples).max() < 0.99


def test_llm_written_rows(rows):
    written = rows["implicit"]
    assert sum(written.num_rows.values()) >= 100 and written["test"].num_rows >= 20
    for row in [row for split in written.values() for row in split.remove_columns("audio")]:
        assert (
            row["question"].endswith("?")
            and row["kind"] == "cpqa"
            and not re.search(r"transcript|metadata|arousal|\d\.\d", row["question"] + row["answer"], re.IGNORECASE)
        )
        assert row["provenance"]["prompt_hash"] and row["provenance"]["evidence"]
        assert "SmolLM2" in row["provenance"]["generator"] or (row["provenance"]["generator"] == "contrast" and row["contrast_set"])


def test_contrast_sets_are_whole(rows):
    """One question about the same words by one speaker, in one split, in different feelings; and the words alone were tried on nearly all."""
    sets = {}
    for split, part in rows["implicit"].items():
        for row in part.remove_columns("audio"):
            if row["contrast_set"]:
                sets.setdefault(row["contrast_set"], []).append((split, row["question"], row["transcript"], row["speaker_id"], row["label"]))
    assert len(sets) >= 10
    for members in sets.values():
        assert len({member[:4] for member in members}) == 1 and len({member[4] for member in members}) == len(members) > 1
    tried = [mark for part in rows["implicit"].values() for mark in part["text_answerable"]]
    assert sum(mark is not None for mark in tried) > 0.9 * len(tried) and {True, False} <= set(tried)


def test_the_card_says_that_it_is_synthetic_and_what_was_kept(rows):
    text = (FOLDER / "README.md").read_text()
    header = yaml.safe_load(text.split("---")[1])
    assert header["license"] == "cc0-1.0" and "synthetic" in header["tags"]
    assert "**The speech is synthetic.**" in text and "not for science" in text
    by_llm = {
        split: sum("SmolLM2" in made["generator"] and not made["generator"].startswith("contrast") for made in part["provenance"])
        for split, part in rows["implicit"].items()
    }
    assert re.search(rf"SmolLM2.*: {sum(by_llm.values())} kept \({by_llm['test']} in test\) of \d+ that parsed, a share of 0\.\d\d", text)
    assert f"{sum(rows['implicit'].num_rows.values()) - sum(by_llm.values())} more of kind cpqa were added by rule" in text
    assert "**The text shortcut.** SmolLM2" in text
    assert "/work" not in text and "/tmp" not in text

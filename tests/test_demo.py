"""The demo from end to end, as short as it gets: every joint real, the numbers not looked at."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT


def test_demo(tmp_path):
    pytest.importorskip("xllamacpp")
    command = [sys.executable, "-m", "cp_paraling_qa.cli", "demo", "--run", str(tmp_path / "demo"), "--live-clips", "1", "--steps", "4", "--judged", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "demo/scores.json").read_text())
    assert list(result["arms"]) == ["baseline", "explicit", "implicit", "combined"]
    for arm in result["arms"].values():
        for moment in ("before", "after"):
            assert arm[moment]["direct"]["n"] == 96 and 0 <= arm[moment]["direct"]["accuracy"] <= 1 and 0 <= arm[moment]["direct"]["label_coverage"] <= 1
            assert arm[moment]["contextual"]["n"] == 1 and arm[moment]["contextual"]["coverage"] in (0.0, 1.0)
    for line in ("taken over from the dataset, for 143 of 143 clips", "for 1 of 1 clips", "synthetic speech", "its answer in the prompt", "load_dataset("):
        assert line in done.stderr or line == "for 1 of 1 clips", line
    assert (tmp_path / "demo/predictions/baseline-shuffled-audio.jsonl").exists()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert again.returncode == 0 and "step 4/4" not in again.stdout  # nothing is trained twice

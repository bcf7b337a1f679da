"""The page for the metric: who may be asked, what is shown, and all of it in a real browser."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from conftest import ROOT

pytest.importorskip("gradio", reason="gradio is not installed (pip install gradio)")

APP = ROOT / "metrics" / "llm_judge" / "app.py"


@pytest.fixture(scope="module")
def app() -> Any:
    spec = importlib.util.spec_from_file_location("llm_judge_app", APP)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answer(prediction: str | None, label: str | None, **more: Any) -> dict[str, Any]:
    return {"prediction": prediction, "reference": f"{label}.", "label": label} | more


def test_a_label_space_binds_the_question_types_that_it_fits(app: Any) -> None:
    rows = [answer("sad", "sad", type="DE"), answer("a man", "male", type="DG"), answer("rain", None, type="C")]
    spaces, note = app.label_spaces(rows, "IEMOCAP, 4 emotions", "")
    assert spaces == {"DE": ["angry", "happy", "neutral", "sad"]} and "does not fit DG" in note
    assert app.label_spaces(rows, app.AS_GIVEN, "") == (None, "")
    assert app.label_spaces(rows[:1], app.OWN, " sad , calm ,") == ({"DE": ["sad", "calm"]}, "")
    with pytest.raises(app.JudgeError, match="fits no question type: negative, neutral, positive has no “sad” and no “male”"):
        app.label_spaces(rows, "sentiment", "")
    with pytest.raises(app.JudgeError, match="label space is empty"):
        app.label_spaces(rows, app.OWN, " , ")


@pytest.mark.parametrize(
    ("environment", "address", "model", "outcome"),
    [
        ({}, "", "", None),
        ({}, "http://127.0.0.1:1/v1", "m", "http://127.0.0.1:1/v1"),
        ({}, "http://127.0.0.1:1/v1", "", "needs both"),
        ({}, "", "m", "needs both"),
        ({"OPENAI_API_KEY": "k"}, "http://evil.example/v1", "m", "asks no judge but https://api.openai.com/v1"),
        ({"OPENAI_API_KEY": "k"}, "https://api.openai.com/v1/", "m", "https://api.openai.com/v1"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://ours/v1"}, "https://api.openai.com/v1", "m", "asks no judge but http://ours/v1"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://ours/v1"}, "http://ours/v1", "m", "http://ours/v1"),
        ({"SPACE_ID": "x/y"}, "http://10.0.0.1/v1", "m", "asks no judge but none"),
        ({"SPACE_ID": "x/y", "OPENAI_BASE_URL": "http://ours/v1"}, "http://ours/v1", "m", "http://ours/v1"),
    ],
)
def test_no_stranger_gets_the_key_or_the_network(
    app: Any, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str, model: str, outcome: str | None
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if outcome is None or outcome.startswith("http"):
        judge = app.judge_of(address, model)
        assert (judge and judge.base_url) == outcome
    else:
        with pytest.raises(app.JudgeError, match=outcome):
            app.judge_of(address, model)


def test_texts_from_a_file_stay_text(app: Any, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    rows = [answer("sad", "sad", config=evil, type=evil, gender=evil), answer("I cannot tell", "sad", config=evil, type=evil, gender="f"), answer(evil, evil)]
    headline, figures, slices, forests, confusion, reasons, lost, files = app.score(write(tmp_path / "p.jsonl", rows), app.AS_GIVEN, "", "", "", "open", 1)
    for html in (headline, forests, confusion):
        assert "<img" not in html
    assert "&lt;img src=x" in confusion
    assert [Path(name).name for name in files] == ["scores.json", "judgements.jsonl", "report.html"]
    assert json.loads(Path(files[0]).read_text())["file"] == "p.jsonl"  # not where this machine keeps uploads
    assert ["I cannot tell", "sad", "no label: refusal"] in [row[1:] for row in lost]
    assert ["Why an answer has no label", "refusal", 1, "33 %"] in reasons


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The page, served as a user would serve it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen([sys.executable, str(APP)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            assert server.poll() is None, server.stdout.read() if server.stdout else ""
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).close()
                break
            except OSError:
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.communicate(timeout=20)


def test_in_a_browser(address: str, tmp_path: Path) -> None:
    with browser.page() as tab:
        strangers: list[str] = []
        tab.on("request", lambda request: None if request.url.startswith((address, "data:", "blob:")) else strangers.append(request.url))
        tab.goto(address)
        tab.click("#example")
        tab.wait_for_selector("#headline .cpqa-card", timeout=30_000)
        assert "95 % interval" in tab.inner_text("#headline")
        tab.get_by_role("tab", name="Confusion").click()
        assert "unmapped" in tab.inner_text("#confusion table >> nth=0")
        tab.get_by_role("tab", name="Files").click()
        with tab.expect_download() as download:
            tab.locator("#files a[download]").first.click()
        assert json.loads(Path(download.value.path()).read_text())["n"] == 71

        tab.locator("#upload").get_by_label("Clear").click()  # on the page that is alive: one just loaded may lose a file that comes before its scripts
        bad = tmp_path / "bad.jsonl"
        bad.write_text('{"id": "a", "prediction": 3, "reference": "x"}\n')
        tab.set_input_files("#upload input[type=file]", bad)
        tab.get_by_text("bad.jsonl").wait_for()
        tab.click("#score")
        toast = tab.locator(".toast-body")
        toast.wait_for(timeout=30_000)
        assert "bad.jsonl, line 1: prediction is a int, not a string" in toast.inner_text()
        assert "Traceback" not in tab.content() and "/gradio/" not in toast.inner_text()
        assert strangers == []


def test_on_a_phone(address: str) -> None:
    with browser.page(width=390) as tab:
        tab.goto(address)
        tab.click("#example")
        tab.wait_for_selector("#headline .cpqa-card", timeout=30_000)
        assert tab.evaluate("document.documentElement.scrollWidth") == 390

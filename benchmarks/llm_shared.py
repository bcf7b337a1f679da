"""What the benchmarks of the LLM client share: the requests, the server beside them, and what a process cost. Standard library and pydantic only: other clients' environments read it, too."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

MODEL = "loopback"
SAMPLING: dict[str, Any] = {"temperature": 0.4, "max_tokens": 220}
SEED = 7
EVIDENCE = ("emotion", "arousal", "valence", "dominance", "pitch", "loudness", "rate", "intonation", "gender", "text")
TASK = """You write one question and one answer about a short voice recording.
Whoever answers hears the recording and reads nothing, so the question must need the voice: how it sounds, and what that says about the matter spoken of.
First the topic, then the question, then an answer of one short sentence, then what the answer rests on."""


class Written(BaseModel):
    """A question with its answer, as an LLM writes it for a clip."""

    model_config = ConfigDict(extra="forbid")

    topic: Annotated[str, Field(min_length=3, max_length=60)]
    question: Annotated[str, Field(min_length=8, max_length=160)]
    answer: Annotated[str, Field(min_length=8, max_length=170)]
    evidence: Annotated[list[Literal[EVIDENCE]], Field(min_length=1, max_length=3)]  # type: ignore[valid-type]


SCHEMA = Written.model_json_schema()


def messages(number: int, *, short: bool = False) -> list[dict[str, str]]:
    """The chat messages of one row: about as long as a prompt without worked examples, or short; no two rows have the same."""
    if short:
        return [{"role": "user", "content": f"Write a question about clip {number}."}]
    said = f"Said: I told them {number} times that the garden is closed on Sundays.\nVoice: angry; high energy, unpleasant tone; rate fast\nSpeaker: a woman"
    return [{"role": "system", "content": TASK}, {"role": "user", "content": f"{said}\nAsk how the speaker feels about the matter."}]


def requests(count: int, *, short: bool = False) -> Iterator[Any]:
    """The rows as `ChatRequest`; `key` is the row's number."""
    from cp_paraling_qa.llm import ChatRequest

    for number in range(count):
        yield ChatRequest(messages(number, short=short), SCHEMA, "written", key=number)


def body(number: int) -> dict[str, Any]:
    """The same row as the arguments of `chat.completions.create`, for whoever asks without our client."""
    form = {"type": "json_schema", "json_schema": {"name": "written", "schema": SCHEMA, "strict": True}}
    return {"model": MODEL, "messages": messages(number), **SAMPLING, "seed": SEED, "response_format": form}


def config(base_url: str, **more: Any) -> Any:
    """Our client's endpoint, with the sampling of all these benchmarks."""
    from cp_paraling_qa.llm import LLMConfig

    return LLMConfig(base_url, MODEL, **SAMPLING, seed=SEED, **more)


def write_rows(base_url: str, rows: int, out: Path, cache: Path, **more: Any) -> None:
    """Ask for all rows and write them as JSON lines, in order; an older file is written anew: what was answered before comes from the cache."""
    from cp_paraling_qa.llm import ChatClient

    with ChatClient(config(base_url, cache=cache, **more)) as client, open(out, "w") as file:
        for reply in client.run(requests(rows), validate=Written.model_validate_json):
            row = {"row": reply.request.key, "text": reply.text, "error": reply.error, "attempts": reply.attempts}
            file.write(json.dumps(row) + "\n")


class Loopback:
    """The loopback server in a process of its own; a context manager.

    Args:
        options: of `loopback_server.py`, without dashes in front: latency_ms=50.
    """

    def __init__(self, **options: Any) -> None:
        given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self._process = subprocess.Popen([sys.executable, str(HERE / "loopback_server.py"), "--with-parent", *given], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        if not self.base_url:
            raise SystemExit("the loopback server did not start: see above")

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()

    def stats(self) -> dict[str, Any]:
        """What the server has counted since the last reset."""
        found: dict[str, Any] = self._get("/stats")
        return found

    def last(self) -> Any:
        """The body of its last request."""
        return self._get("/last")

    def reset(self) -> None:
        """All counts to zero."""
        self._get("/reset", b"{}")

    def peak_mb(self) -> float:
        """The server's own memory, at the most."""
        return peak_mb(self._process.pid)

    def _get(self, path: str, data: bytes | None = None) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.base_url.removesuffix("/v1") + path, data, timeout=30) as reply:
            return json.load(reply)


def peak_mb(pid: int | str = "self") -> float:
    """The most memory that a process held, in MB. From /proc: what getrusage says begins with the peak of the process that started this one."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def cpu_seconds() -> float:
    """What this process has used so far, all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def environment() -> dict[str, str]:
    """This one without proxies and keys, which have no business here; the checkout is what is imported."""
    out = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != "OPENAI_API_KEY"}
    return {**out, "OPENAI_API_KEY": "loopback-needs-no-key", "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), out.get("PYTHONPATH")]))}


def apart(script: str | Path, arguments: Sequence[object], *, python: str = sys.executable, timeout: float | None = None) -> dict[str, Any]:
    """A script in a process of its own.

    Returns:
        what its last line says, as JSON.

    Raises:
        RuntimeError: it failed, or said nothing; with the end of what it complained about.
    """
    done = subprocess.run([python, str(script), *map(str, arguments)], capture_output=True, text=True, env=environment(), timeout=timeout)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise RuntimeError(f"{Path(script).name} {' '.join(map(str, arguments))} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found

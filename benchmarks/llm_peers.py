"""What other frameworks for LLM-written data need for the same rows: distilabel and DataDesigner, each in an environment of its own, as their documentation has it.

    python benchmarks/llm_throughput.py --peers      # makes the environments, and starts this file inside them

distilabel: `TextGeneration` on `OpenAILLM` with `structured_output` (instructor, which asks through a tool's schema; no other mode survives its pipeline's serialisation,
and enums and lengths are lost on the way), `input_batch_size` = the concurrency, its cache off. DataDesigner: an
`LLMStructuredColumnConfig` over a seed table, `max_parallel_requests` = the concurrency; it puts the schema into its prompt, and the same schema goes along in `extra_body`, since a server
with schemas is what the others ask. Health checks, profiling and what else a peer does by itself belongs to what its user waits for.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_shared import MODEL, SAMPLING, SCHEMA, Loopback, Written, apart, messages, peak_mb

PEERS = {
    "distilabel": ["distilabel[openai,instructor]==1.5.3"],
    "data_designer": ["data-designer==0.9.6"],
}
"""Peer → what pip installs for it."""


def set_up(peer: str, folder: Path, packages: Sequence[str] = ()) -> str:
    """The Python of a peer's environment, which is made where it is missing.

    Args:
        peer: a name of `PEERS`.
        folder: where environments are kept.
        packages: what pip installs; empty for what `PEERS` says.

    Raises:
        RuntimeError: it cannot be made; says why.
    """
    place, wanted = folder / peer, list(packages) or PEERS[peer]
    python, done = place / "bin" / "python", place / "installed.json"
    if done.exists() and json.loads(done.read_text()) == wanted:
        return str(python)
    print(f"making the environment of {peer} in {place}", flush=True)
    for command in ([sys.executable, "-m", "venv", "--clear", str(place)], [str(python), "-m", "pip", "install", "--quiet", *wanted]):
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError(f"its environment cannot be made: {(ran.stderr or ran.stdout).strip()[-600:]}")
    done.write_text(json.dumps(wanted))
    return str(python)


def measure(server: Loopback, peer: str, python: str, rows: int, concurrency: int) -> dict[str, Any]:
    """A peer once, in its own environment.

    Raises:
        RuntimeError: it failed, or rows are missing.
    """
    server.reset()
    try:
        found = apart(__file__, [peer, server.base_url, rows, concurrency], python=python, timeout=900)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{rows} rows took more than 900 s") from None
    counted = server.stats()
    if found["rows"] != rows:
        raise RuntimeError(f"{found['rows']} rows of {rows} came")
    return found | {"served": counted["last_reply"] - counted["first_request"], "in_flight": counted["most_in_flight"]}


def distilabel(base_url: str, rows: int, concurrency: int) -> dict[str, Any]:
    """A pipeline of one step."""
    from distilabel.models.llms import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps.tasks import TextGeneration

    data = [{"system_prompt": asked[0]["content"], "instruction": asked[1]["content"]} for asked in map(messages, range(rows))]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with Pipeline("throughput", cache_dir=folder) as pipeline:
            TextGeneration(
                llm=OpenAILLM(
                    model=MODEL,
                    base_url=base_url,
                    api_key="loopback-needs-no-key",
                    structured_output={"schema": Written},
                    generation_kwargs={"temperature": SAMPLING["temperature"], "max_new_tokens": SAMPLING["max_tokens"]},
                ),
                input_batch_size=concurrency,
            )
        made = pipeline.run(dataset=data, use_cache=False)
        texts = made["default"]["train"]["generation"]
        seconds = time.perf_counter() - began
        good = sum(set(json.loads(text)) == set(Written.model_fields) for text in texts)
    return {"rows": good, "whole_seconds": seconds}


def data_designer(base_url: str, rows: int, concurrency: int) -> dict[str, Any]:
    """One structured column over a seed table."""
    import data_designer.config as dd
    import pandas
    from data_designer.interface import DataDesigner

    data = pandas.DataFrame([{"asked": messages(number)[1]["content"]} for number in range(rows)])
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        form = {"type": "json_schema", "json_schema": {"name": "written", "schema": SCHEMA, "strict": True}}
        sampling = dd.ChatCompletionInferenceParams(max_parallel_requests=concurrency, extra_body={"response_format": form}, **SAMPLING)
        designer = DataDesigner(
            artifact_path=folder,
            model_providers=[dd.ModelProvider(name="loopback", endpoint=base_url, provider_type="openai", api_key="loopback-needs-no-key")],
        )
        builder = dd.DataDesignerConfigBuilder(model_configs=[dd.ModelConfig(alias="writer", model=MODEL, provider="loopback", inference_parameters=sampling)])
        builder.with_seed_dataset(dd.DataFrameSeedSource(df=data))
        builder.add_column(
            dd.LLMStructuredColumnConfig(
                name="written", system_prompt=messages(0)[0]["content"], prompt="{{ asked }}", output_format=Written, model_alias="writer"
            )
        )
        made = designer.create(builder, num_records=rows).load_dataset()
        seconds = time.perf_counter() - began
        good = sum(set(row) == set(Written.model_fields) for row in made["written"])
    return {"rows": good, "whole_seconds": seconds}


def main() -> None:
    peer, base_url, rows, concurrency = sys.argv[1:]
    shown, sys.stdout = sys.stdout, sys.stderr  # what peers print is no result
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATA_DESIGNER_HOME"] = folder  # leaves nothing behind in the user's
        os.environ["HF_HUB_OFFLINE"] = "1"
        found = {"distilabel": distilabel, "data_designer": data_designer}[peer](base_url, int(rows), int(concurrency))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # the largest of them
    print(json.dumps({**found, "peak_mb": peak_mb() + children}), file=shown)


if __name__ == "__main__":
    main()

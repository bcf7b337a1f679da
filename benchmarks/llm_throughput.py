"""Does what the client adds cost throughput? Ours with schema, validation and cache, against a bare openai loop; with --peers, against distilabel and DataDesigner as well.

    python benchmarks/llm_throughput.py [--quick] [--rows N] [--rounds N] [--concurrency 64] [--latency-ms 50] [--peers [--peers-folder DIR] [--peer-rows N]]

- ours: `ChatClient.run` with a JSON schema, every reply validated by pydantic and kept in an SQLite cache; the clock stops when the cache is closed, and every row is looked at;
- bare: `AsyncOpenAI` on `DefaultAioHttpClient`, as many workers as requests under way, `.chat.completions.create` and nothing else. Model, messages, sampling and response_format are
  the same: the bodies of both are compared first. Nothing is checked and nothing is kept.

Each measurement runs in a process of its own, which imports, connects and asks once before the clock starts; the two take turns, in an order that changes from round to round; each
round gives a ratio, and the median is told. The server (`loopback_server.py`) has a process of its own, too. On two cores it takes part of one: its share is told.

--peers makes an environment for each peer (python -m venv and pip, a few hundred MB, kept for the next time) and has it write the same rows with its own structured output, from the
same messages and JSON schema, at the same concurrency, as one process beside another: see `llm_peers.py`. Two figures each: rows a second of the whole pipeline as a user waits for
it, from the call of its run to the finished dataset, without the import of its packages; and from the first request that the server sees to its last reply. Ours beside them counts
its own start in the same way. A peer that cannot be installed or run is named with the reason, and the other one goes on.
The last line is JSON: ratio_vs_bare_client, requests_per_second, cpu_ms_per_request and peak_rss_mb of both; with --peers, ratio_vs_distilabel and ratio_vs_data_designer (whole
pipelines) and the same `_without_start`. Exit status 1: a row missing, given twice or not valid, or bodies that differ.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import llm_peers
from llm_shared import Loopback, Written, apart, body, config, cpu_seconds, peak_mb, requests

WARM_UP = 1_000_000_000
"""Number of the row that is asked before the clock starts: no other row's."""


def ours(base_url: str, rows: int, concurrency: int) -> dict[str, Any]:
    """Our client, all of it switched on."""
    from cp_paraling_qa.llm import ChatClient, ChatRequest

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        client = ChatClient(config(base_url, concurrency=concurrency, cache=Path(folder) / "replies.sqlite"))
        first = body(WARM_UP)
        form = first["response_format"]["json_schema"]
        list(client.run([ChatRequest(first["messages"], form["schema"], form["name"])], validate=Written.model_validate_json))
        cpu, started = cpu_seconds(), time.perf_counter()
        good = [reply.request.key for reply in client.run(requests(rows), validate=Written.model_validate_json) if reply.error is None]
        client.close()
        ended = time.perf_counter()
    if good != list(range(rows)):
        raise SystemExit(f"{rows} rows were asked for, {len(good)} came, {len(set(good))} of them different")
    return {"seconds": ended - started, "whole_seconds": ended - began, "cpu": cpu_seconds() - cpu, "peak_mb": peak_mb()}


def bare(base_url: str, rows: int, concurrency: int) -> dict[str, Any]:
    """What a careful script does, and no more."""
    import openai

    async def ask_all() -> dict[str, Any]:
        began = time.perf_counter()
        async with openai.AsyncOpenAI(base_url=base_url, http_client=openai.DefaultAioHttpClient(), max_retries=0, timeout=60) as client:
            await client.chat.completions.create(**body(WARM_UP))
            cpu, started = cpu_seconds(), time.perf_counter()
            numbers, texts = iter(range(rows)), 0

            async def work() -> None:
                nonlocal texts
                for number in numbers:
                    completion = await client.chat.completions.create(**body(number))
                    texts += bool(completion.choices[0].message.content)

            await asyncio.gather(*(work() for _ in range(concurrency)))
            ended = time.perf_counter()
        if texts != rows:
            raise SystemExit(f"{rows} rows were asked for, {texts} came")
        return {"seconds": ended - started, "whole_seconds": ended - began, "cpu": cpu_seconds() - cpu, "peak_mb": peak_mb()}

    return asyncio.run(ask_all())


WAYS = {"ours": ours, "bare": bare}


def same_bodies(server: Loopback) -> bool:
    """Whether both ways send the same for the same row."""
    sent = []
    for way in WAYS:
        measure(server, way, 1, 1)
        sent.append(server.last())
    if sent[0] != sent[1]:
        print(f"the bodies differ: {json.dumps(sent[0])} and {json.dumps(sent[1])}", file=sys.stderr)
    return bool(sent[0] == sent[1])


def measure(server: Loopback, way: str, rows: int, concurrency: int) -> dict[str, Any]:
    """One way once, in a process of its own."""
    server.reset()
    found = apart(__file__, ["--measure", way, server.base_url, rows, "--concurrency", concurrency])
    counted = server.stats()
    if counted["distinct"] != rows + 1 or counted["requests"] != rows + 1:
        raise SystemExit(f"{way}: the server saw {counted['requests']} requests, {counted['distinct']} of them different, for {rows + 1} rows")
    found["served"] = counted["last_reply"] - counted["first_request"]
    found["in_flight"] = counted["most_in_flight"]
    return found


def against_bare(server: Loopback, rows: int, rounds: int, concurrency: int) -> dict[str, Any]:
    """Rounds of both, side by side."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in list(WAYS) if number % 2 else reversed(WAYS):
            found[way].append(measure(server, way, rows, concurrency))
        told = (
            f"{way} {rows / found[way][-1]['seconds']:.0f}/s, {1000 * found[way][-1]['cpu'] / rows:.2f} ms CPU, {found[way][-1]['peak_mb']:.0f} MB"
            for way in WAYS
        )
        print(f"round {number + 1}: {'; '.join(told)}", flush=True)
    pairs = zip(found["ours"], found["bare"], strict=True)
    return {
        "ratio_vs_bare_client": round(median(theirs["seconds"] / our["seconds"] for our, theirs in pairs), 3),
        "requests_per_second": {way: round(median(rows / one["seconds"] for one in all_)) for way, all_ in found.items()},
        "cpu_ms_per_request": {way: round(median(1000 * one["cpu"] / rows for one in all_), 3) for way, all_ in found.items()},
        "peak_rss_mb": {way: round(max(one["peak_mb"] for one in all_)) for way, all_ in found.items()},
    }


def against_peers(server: Loopback, folder: Path, rows: int, rounds: int, concurrency: int) -> dict[str, Any]:
    """Rounds of ours and of every peer that can be had, side by side."""
    figures: dict[str, Any] = {}
    pythons = {}
    for peer in llm_peers.PEERS:
        try:
            pythons[peer] = llm_peers.set_up(peer, folder)
        except RuntimeError as error:
            print(f"{peer} is left out: {error}", flush=True)
    found: dict[str, list[dict[str, Any]]] = {"ours": [], **{peer: [] for peer in pythons}}
    for number in range(rounds):
        for name in list(found):
            try:
                one = measure(server, name, rows, concurrency) if name == "ours" else llm_peers.measure(server, name, pythons[name], rows, concurrency)
            except RuntimeError as error:
                print(f"{name} is left out: {error}", flush=True)
                del found[name]
                continue
            found[name].append(one)
            told = f"{rows / one['whole_seconds']:.0f} rows/s, from first request to last reply {rows / one['served']:.0f}/s, {one['in_flight']} in flight"
            print(f"peers, round {number + 1}: {name} {told}, {one['peak_mb']:.0f} MB", flush=True)
    for peer in [name for name in found if name != "ours"]:
        for key, seconds in (("", "whole_seconds"), ("_without_start", "served")):
            figures[f"ratio_vs_{peer}{key}"] = round(median(theirs[seconds] / our[seconds] for our, theirs in zip(found["ours"], found[peer], strict=True)), 2)
        figures[f"rows_per_second_{peer}"] = round(median(rows / one["whole_seconds"] for one in found[peer]))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds: under 2 minutes on 2 cores; no peers")
    parser.add_argument("--rows", type=int, help="a measurement (default 10,000; quick: 3,000)")
    parser.add_argument("--rounds", type=int, help="default 7; quick: 5")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--peers", action="store_true", help="distilabel and DataDesigner, in environments of their own")
    parser.add_argument(
        "--peers-folder", type=Path, default=Path.home() / ".cache" / "cp-paraling-qa-peers", help="where these are made (default: %(default)s)"
    )
    parser.add_argument("--peer-rows", type=int, default=3000)
    parser.add_argument("--peer-rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=3, metavar=("WAY", "URL", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        way, base_url, rows = arguments.measure
        print(json.dumps(WAYS[way](base_url, int(rows), arguments.concurrency)))
        return
    rows = arguments.rows or (3_000 if arguments.quick else 10_000)
    try:
        with Loopback(latency_ms=arguments.latency_ms) as server:
            same = same_bodies(server)
            figures = against_bare(server, rows, arguments.rounds or (5 if arguments.quick else 7), arguments.concurrency)
            if arguments.peers and not arguments.quick:
                figures |= against_peers(server, arguments.peers_folder, arguments.peer_rows, arguments.peer_rounds, arguments.concurrency)
    except RuntimeError as error:
        raise SystemExit(str(error)) from None
    print(json.dumps(figures))
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

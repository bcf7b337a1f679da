"""Does memory stay flat, and speed, over a million rows? One client, one server that answers at once.

    python benchmarks/llm_stream.py [--quick] [--rows N] [--concurrency 64] [--no-cache]

Short requests, no two the same, with a JSON schema; every reply validated by pydantic and kept in an SQLite cache (--no-cache: not kept). The client's process does nothing else: it
looks at each reply, in order, and lets it go. Speed is the server's to tell, by when it sent every thousandth reply. Peak memory is that process's own, all its threads and libraries; what it holds after every tenth of the rows is told, too.
The last line is JSON: peak_rss_mb, rss_mb (after each tenth), rows_per_second_first and _last (first and last tenth), ratio_last_to_first, rows, cache_mb.
Exit status 1: rows lost, given twice, out of order or failed, or a request sent twice.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from llm_shared import Loopback, Written, apart, config, peak_mb, requests


def resident_mb() -> float:
    """What this process holds now, in MB (Linux; else 0)."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if statm.exists() else 0.0


def stream(base_url: str, rows: int, concurrency: int, cache: Path | None) -> dict[str, Any]:
    """All rows through one client.

    Returns:
        rss_mb: after each tenth; peak_mb; rows; wrong: rows that were not the expected one, or failed.
    """
    from cp_paraling_qa.llm import ChatClient

    held: list[float] = []
    wrong = number = 0
    tenths = [rows * tenth // 10 for tenth in range(1, 11)]
    with ChatClient(config(base_url, concurrency=concurrency, cache=cache)) as client:
        for number, reply in enumerate(client.run(requests(rows, short=True), validate=Written.model_validate_json), 1):
            wrong += reply.request.key != number - 1 or reply.error is not None
            if number == tenths[len(held)]:
                held.append(round(resident_mb(), 1))
    return {"rows": number, "wrong": wrong, "rss_mb": held, "peak_mb": peak_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows: under 2 minutes on 2 cores")
    parser.add_argument("--rows", type=int, help="default 1,000,000; quick: 40,000")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--no-cache", action="store_true", help="replies are not kept")
    parser.add_argument("--folder", type=Path, help="where the cache is for the time being (400 bytes a row)")
    parser.add_argument("--measure", nargs=3, metavar=("URL", "ROWS", "CACHE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        base_url, count, cache = arguments.measure
        print(json.dumps(stream(base_url, int(count), arguments.concurrency, Path(cache) if cache != "-" else None)))
        return
    rows = arguments.rows or (40_000 if arguments.quick else 1_000_000)
    if rows % 10_000:
        parser.error("--rows must be a multiple of 10,000")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, Loopback() as server:
        cache = Path(folder) / "replies.sqlite"
        try:
            found = apart(__file__, ["--measure", server.base_url, rows, "-" if arguments.no_cache else cache, "--concurrency", arguments.concurrency])
        except RuntimeError as error:
            raise SystemExit(str(error)) from None
        counted = server.stats()
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 2**20
    if found["rows"] != rows or found["wrong"]:
        raise SystemExit(f"{rows:,} rows were asked for, {found['rows']:,} came, {found['wrong']:,} of them out of order or failed")
    if counted["requests"] != rows or counted["distinct"] != rows:
        raise SystemExit(f"{counted['requests']:,} requests, {counted['distinct']:,} of them different, for {rows:,} rows")
    marks = [counted["first_request"], *counted["each_thousand"][rows // 10_000 - 1 :: rows // 10_000]]
    speeds = [(rows // 10) / (later - sooner) for sooner, later in itertools.pairwise(marks)]
    for tenth, (speed, held) in enumerate(zip(speeds, found["rss_mb"], strict=True), 1):
        print(f"{rows * tenth // 10:9,} rows  {speed:6.0f} rows/s  {held:6.1f} MB")
    figures = {"peak_rss_mb": round(found["peak_mb"], 1), "rss_mb": found["rss_mb"]}
    figures |= {"rows_per_second_first": round(speeds[0]), "rows_per_second_last": round(speeds[-1]), "ratio_last_to_first": round(speeds[-1] / speeds[0], 3)}
    print(json.dumps({**figures, "rows": rows, "cache_mb": round(size)}))


if __name__ == "__main__":
    main()

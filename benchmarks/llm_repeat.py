"""What does a finished run cost when it is run again? No request, and little more than reading the cache.

    python benchmarks/llm_repeat.py [--quick] [--rows N] [--rounds N]

A run of many rows fills a cache. Then three ways take turns, in an order that changes from round to round, each in a process of its own, after its imports:

- ours: the same run again, every row validated by pydantic;
- select: one `SELECT` of all rows by sqlite3, fetched: the least that reading the file can take. It makes no request, and knows of no row to which one a reply belongs;
- by_row: what the shortest script must do that wants its rows back in order: make each request, hash it, look 500 at a time up, validate each reply.

The last line is JSON: requests_sent (by all repeated runs together: must be 0), seconds of each way (medians), ratio_vs_select and ratio_vs_by_row (ours ÷ theirs, medians over the
rounds), rows. Exit status 1: a request was sent, or a row is lost, doubled, changed or out of order.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from llm_shared import MODEL, SAMPLING, SEED, Loopback, Written, apart, config, requests

CHUNK = 500
"""Rows looked up at once."""


def ours(base_url: str, rows: int, cache: Path) -> dict[str, Any]:
    """The run; the first time it fills the cache."""
    from cp_paraling_qa.llm import ChatClient

    seen, digest = [], hashlib.sha256()
    began = time.perf_counter()
    with ChatClient(config(base_url, concurrency=64, cache=cache)) as client:
        for reply in client.run(requests(rows), validate=Written.model_validate_json):
            seen.append(reply.request.key)
            digest.update(f"{reply.text}\n".encode())
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "rows": len(seen), "in_order": seen == list(range(rows)), "digest": digest.hexdigest()}


def select(base_url: str, rows: int, cache: Path) -> dict[str, Any]:
    """The file, read."""
    began = time.perf_counter()
    with sqlite3.connect(cache) as connection:
        found = connection.execute("SELECT * FROM replies").fetchall()
    return {"seconds": time.perf_counter() - began, "rows": len(found)}


def by_row(base_url: str, rows: int, cache: Path) -> dict[str, Any]:
    """Rows asked for by the hash of their request. The hash is made, and then the known key of some row is looked up: the cache's own hash is the client's affair."""
    from cp_paraling_qa.llm import ChatClient  # noqa: F401  (its import is no part of any way's time)

    count = 0
    with sqlite3.connect(cache) as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM replies")]
        began = time.perf_counter()
        order = iter(keys)
        made = requests(rows)
        while chunk := list(itertools.islice(made, CHUNK)):
            wanted = []
            for request in chunk:
                what = {"model": MODEL, **SAMPLING, "seed": SEED, "messages": list(request.messages), "schema": request.schema}
                hashlib.sha256(json.dumps(what, sort_keys=True).encode()).digest()
                wanted.append(next(order))
            marks = ",".join("?" * len(wanted))
            found = dict(connection.execute(f"SELECT key, text FROM replies WHERE key IN ({marks})", wanted).fetchall())
            for key in wanted:
                Written.model_validate_json(found[key])
                count += 1
    return {"seconds": time.perf_counter() - began, "rows": count}


WAYS = {"ours": ours, "select": select, "by_row": by_row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows: under 2 minutes on 2 cores")
    parser.add_argument("--rows", type=int, help="default 100,000; quick: 20,000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", nargs=4, metavar=("WAY", "URL", "ROWS", "CACHE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        way, base_url, count, cache = arguments.measure
        print(json.dumps(WAYS[way](base_url, int(count), Path(cache))))
        return
    rows = arguments.rows or (20_000 if arguments.quick else 100_000)
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    wrong = []
    with tempfile.TemporaryDirectory() as folder, Loopback() as server:

        def measure(way: str) -> dict[str, Any]:
            return apart(__file__, ["--measure", way, server.base_url, rows, Path(folder) / "replies.sqlite"])

        try:
            first = measure("ours")
            if first["rows"] != rows or not first["in_order"] or server.stats()["answered"] != rows:
                raise SystemExit(f"the first run gave {first['rows']} rows of {rows}, in order: {first['in_order']}, answered: {server.stats()['answered']}")
            print(f"first run: {first['seconds']:.1f} s, {rows / first['seconds']:.0f} rows/s", flush=True)
            server.reset()
            for number in range(arguments.rounds):
                for way in list(WAYS) if number % 2 else reversed(WAYS):
                    found = measure(way)
                    taken[way].append(found["seconds"])
                    if found["rows"] != rows or (way == "ours" and (found["digest"], found["in_order"]) != (first["digest"], True)):
                        wrong.append(f"round {number + 1}, {way}: {found['rows']} rows of {rows}, or not those of the first run")
                print(f"round {number + 1}: " + ", ".join(f"{way} {taken[way][-1]:.3f} s" for way in WAYS), flush=True)
            sent = server.stats()["requests"]
        except RuntimeError as error:
            raise SystemExit(str(error)) from None
    figures: dict[str, Any] = {"requests_sent": sent, "seconds": {way: round(median(all_), 3) for way, all_ in taken.items()}}
    for way in ("select", "by_row"):
        figures[f"ratio_vs_{way}"] = round(median(our / their for our, their in zip(taken["ours"], taken[way], strict=True)), 3)
    print(json.dumps({**figures, "rows": rows}))
    if sent:
        wrong.append(f"{sent} requests were sent by runs that had nothing to ask")
    if wrong:
        raise SystemExit("; ".join(wrong))


if __name__ == "__main__":
    main()

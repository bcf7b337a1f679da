"""Does a server in trouble cost a row? A run against 30 % faults of every kind, row for row against a run without; and what becomes of a row that only ever fails.

    python benchmarks/llm_faults.py [--quick] [--rows N] [--faults 0.3] [--seed N] [--only-some-kinds http_429,hang]

Some: the same rows are asked of a server without faults, and of one where each attempt fails with probability --faults: HTTP 429 with Retry-After 1 s, HTTP 500, no choices, cut JSON,
prose, a reply that hangs longer than the client's timeout, a connection closed. Compared: rows lost, doubled, out of order, failed, and rows whose text differs.

All: for each kind, a server on which every attempt fails in that way, and two rows. Both must fail after 12 attempts (the server counts them), with the kind's reason and without text.
The waits between attempts are the client's own: about a minute for the kinds that a pause may heal. All these runs go at once, since they mostly wait; seconds are no measurement here.
The last line is JSON: lost, duplicated, differing, failed (rows), faults (attempts that failed, by kind, as the server counts), reasons (kind → [reason, attempts]), seconds.
Exit status 1: any of the first four is not 0, a kind never happened, or a row that only fails ends otherwise.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from llm_shared import Loopback, apart, write_rows
from loopback_server import KINDS

ATTEMPTS = 12
REASONS = {
    "http_429": "429",
    "http_500": "500",
    "no_choices": "choice",
    "truncated": "max_tokens",
    "not_json": "json",
    "hang": "timeout",
    "hangup": "connection",
}
"""Kind → what its reason must name."""


def run_rows(server: Loopback, rows: int, out: Path, timeout: float) -> list[dict[str, Any]]:
    """The client in a process of its own.

    Returns:
        the rows that it wrote.
    """
    apart(__file__, ["--measure", server.base_url, rows, out, timeout])
    return [json.loads(line) for line in out.read_text().splitlines()]


def some(folder: Path, rows: int, faults: float, seed: int, kinds: str, timeout: float, hang: float) -> tuple[dict[str, Any], list[str]]:
    """The run against faults beside the run without."""
    with Loopback() as server:
        expected = run_rows(server, rows, folder / "without.jsonl", timeout)
    with Loopback(faults=faults, seed=seed, kinds=kinds, hang=hang) as server:
        began = time.monotonic()
        found = run_rows(server, rows, folder / "with.jsonl", timeout)
        seconds = time.monotonic() - began
        counted = server.stats()
    times = Counter(row["row"] for row in found)
    texts = {row["row"]: row["text"] for row in found}
    figures = {
        "rows": rows,
        "lost": sum(number not in times for number in range(rows)),
        "duplicated": sum(count > 1 for count in times.values()),
        "failed": sum(row["error"] is not None for row in found),
        "differing": sum(row["text"] != texts.get(row["row"], row["text"]) for row in expected),
        "faults": counted["faults"],
        "requests": counted["requests"],
        "seconds": round(seconds, 1),
    }
    wrong = [f"{figures[name]} rows {name}" for name in ("lost", "duplicated", "failed", "differing") if figures[name]]
    if [row["row"] for row in found] != sorted(times):
        wrong.append("rows out of order")
    if any(row["error"] or row["text"] is None for row in expected) or len(expected) != rows:
        wrong.append("the run without faults has failures")
    if missing := [kind for kind in kinds.split(",") if kind not in counted["faults"]]:
        wrong.append(f"too few rows for {', '.join(missing)}")
    return figures, wrong


def every(folder: Path, kind: str, seed: int, timeout: float, hang: float) -> tuple[list[Any], list[str]]:
    """Two rows where every attempt fails in one way.

    Returns:
        the reason with the attempts, and what is not as it must be.
    """
    with Loopback(faults=1.0, seed=seed, kinds=kind, hang=hang) as server:
        found = run_rows(server, 2, folder / f"{kind}.jsonl", timeout)
        counted = server.stats()
    wrong = []
    for row in found:
        if row["text"] is not None or REASONS[kind] not in (row["error"] or "").lower() or row["attempts"] != ATTEMPTS:
            wrong.append(f"{kind}: row {row['row']} ended with {row['error']!r} after {row['attempts']} attempts, text {row['text']!r}")
    if [row["row"] for row in found] != [0, 1]:
        wrong.append(f"{kind}: {len(found)} rows of 2 came")
    if counted["requests"] != 2 * ATTEMPTS or counted["distinct"] != 2 or counted["most_attempts"] != ATTEMPTS:
        wrong.append(f"{kind}: {counted['requests']} requests, {counted['distinct']} of them different, in place of {2 * ATTEMPTS} and 2")
    return [found[0]["error"], found[0]["attempts"]], wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows: under 2 minutes on 2 cores")
    parser.add_argument("--rows", type=int, help="default 3,000; quick: 250")
    parser.add_argument("--faults", type=float, default=0.3, help="share of attempts that fail")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    parser.add_argument("--only-some-kinds", default=",".join(KINDS), metavar="KINDS", help="for the first part, with commas")
    parser.add_argument("--measure", nargs=4, metavar=("URL", "ROWS", "OUT", "TIMEOUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        base_url, count, out, timeout = arguments.measure
        write_rows(base_url, int(count), Path(out), Path(out).with_suffix(".sqlite"), concurrency=64, attempts=ATTEMPTS, timeout=float(timeout))
        print("{}")
        return
    rows = arguments.rows or (250 if arguments.quick else 3_000)
    timeout, hang = (1.5, 4.0) if arguments.quick else (3.0, 30.0)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1 + len(KINDS)) as pool:
        mixed = pool.submit(some, Path(folder), rows, arguments.faults, arguments.seed, arguments.only_some_kinds, timeout, hang)
        single = {kind: pool.submit(every, Path(folder), kind, arguments.seed, timeout, hang) for kind in KINDS}
        reasons, wrong = {}, []
        for kind, waiting in single.items():
            try:
                reasons[kind], said = waiting.result()
                print(f"every attempt {kind}: {reasons[kind][0]!r} after {reasons[kind][1]} attempts", flush=True)
                wrong += said
            except RuntimeError as error:
                wrong.append(f"{kind}: {error}")
        try:
            figures, said = mixed.result()
        except RuntimeError as error:
            raise SystemExit("\n".join([*wrong, str(error)])) from None
    wrong += said
    print(json.dumps({**figures, "reasons": reasons}))
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()

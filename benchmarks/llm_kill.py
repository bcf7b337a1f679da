"""Does kill -9 cost rows? Runs killed at twenty random moments and started again each time, against runs that nothing disturbed.

    python benchmarks/llm_kill.py [--quick] [--rows N] [--clips N] [--kills N] [--seed N] [--only client|generate]

- client: one process asks all rows and writes them as JSON lines, replies cached in SQLite. Its file must equal the undisturbed one's, row for row;
- generate: `cpqa generate` on a run made by `cpqa corpus folder` from tones with made-up words and labels: RUN/written and RUN/questions must equal the undisturbed run's, row for row.

Each is killed when a seeded random number of rows has been answered, plus a random moment, and started again, until it has been killed often enough (generate twice more at a random
moment when all is answered and only reading, filtering and settling are left); then it may finish. After each kill, the replies that the server had sent since the start and that are
not in the cache are counted as lost: at most those of one second, and those on their way. They are sent twice, and so is what had no reply yet.

The last line is JSON: for each of the two, kills, rows, differing, lost (all kills together), most_lost_share (of what a kill may lose, the worst kill), sent_twice (requests beyond
those of the undisturbed run), requests. Exit status 1: rows differ, or a kill lost more than a second's replies.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import csv
import json
import math
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_shared import Loopback, environment, write_rows

CONCURRENCY = {"client": 64, "generate": 16}
LATENCY_MS = {"client": 5, "generate": 100}
"""With few rows, asking must take seconds for all that."""
POLL = 0.01
"""Seconds."""


def cached(path: Path) -> int:
    """Replies that the cache has kept."""
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'replies'").fetchone():
            return 0
        return int(connection.execute("SELECT count(*) FROM replies").fetchone()[0])


def finished(command: Sequence[str]) -> None:
    """Run a command to its end.

    Raises:
        SystemExit: it failed, with what it said last.
    """
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:4])} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")


class Killer:
    """Starts a command again and again, and kills it in the middle.

    Args:
        server: which the command asks.
        command: what to start.
        cache: where it keeps replies.
        concurrency: requests on their way at the most.
        seed: of the moments.
    """

    def __init__(self, server: Loopback, command: Sequence[str], cache: Path, concurrency: int, seed: int) -> None:
        self.server, self.command, self.cache, self.concurrency = server, command, cache, concurrency
        self.random = random.Random(seed)
        self.kills = self.requests = self.lost = 0
        self.share = 0.0
        self.wrong: list[str] = []

    def kill(self, at: int | None) -> None:
        """Start it, and kill it.

        Args:
            at: when about this many replies have been given, in this start and before; None: a few seconds after the start.
        """
        self.server.reset()
        before = cached(self.cache)
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment())
        while at is not None and process.poll() is None and self.server.stats()["answered"] < max(1, at - before):
            time.sleep(POLL)
        time.sleep(self.random.uniform(0, 0.05) if at is not None else self.random.uniform(0.5, 5))
        ended = process.poll() is not None
        process.kill()
        _, said = process.communicate()
        if ended and process.returncode:
            raise SystemExit(f"it ended by itself, with {process.returncode}: {said.strip()[-1500:]}")
        time.sleep(0.2)  # replies that nobody waits for any more
        counted = self.server.stats()
        lost = max(0, counted["answered"] - (cached(self.cache) - before))
        allowed = counted["ok_last_second"] + self.concurrency
        self.kills += not ended
        self.requests += counted["requests"]
        self.lost += lost
        self.share = max(self.share, lost / allowed)
        print(
            f"{'over before the kill' if ended else 'killed'} at {at or 'the end'}: {counted['answered']} answered, {lost} lost; {allowed} may be", flush=True
        )
        if lost > allowed:
            self.wrong.append(
                f"the kill at {at} lost {lost} replies, more than the {counted['ok_last_second']} of its last second and {self.concurrency} on their way"
            )

    def through(self, replies: int, kills: int) -> None:
        """Kill it that often while it asks for so many replies, and let it come to its end."""
        moments = random.Random(self.random.random()).sample(range(1, int(0.85 * replies)), kills)
        for at in sorted(moments):
            self.kill(at)
        if self.kills < kills:
            self.wrong.append(f"it was over before {kills - self.kills} of the kills: take more rows")

    def finish(self) -> None:
        """Let it come to its end."""
        self.server.reset()
        finished(self.command)
        self.requests += self.server.stats()["requests"]

    def figures(self, expected: Sequence[Any], found: Sequence[Any], requests: int) -> dict[str, Any]:
        """What came of it.

        Args:
            expected: the rows of the undisturbed run.
            found: those of this one.
            requests: that the undisturbed run sent.
        """
        differing = sum(one != other for one, other in zip(expected, found, strict=False)) + abs(len(expected) - len(found))
        if differing:
            self.wrong.append(f"{differing} rows differ from the undisturbed run's")
        told = {"kills": self.kills, "rows": len(expected), "differing": differing, "lost": self.lost, "most_lost_share": round(self.share, 3)}
        return told | {"sent_twice": self.requests - requests, "requests": self.requests}


def client(server: Loopback, folder: Path, rows: int, kills: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """The client with its cache, writing one file."""
    commands = {}
    for name in ("undisturbed", "killed"):
        commands[name] = [sys.executable, __file__, "--measure", server.base_url, str(rows), str(folder / f"{name}.jsonl"), str(folder / f"{name}.sqlite")]
    server.reset()
    finished(commands["undisturbed"])
    if (sent := server.stats()["requests"]) != rows:
        raise SystemExit(f"the undisturbed run sent {sent} requests for {rows} rows")
    killer = Killer(server, commands["killed"], folder / "killed.sqlite", CONCURRENCY["client"], seed)
    killer.through(rows, kills)
    killer.finish()
    read = [[json.loads(line) | {"attempts": None} for line in (folder / f"{name}.jsonl").read_text().splitlines()] for name in commands]  # none from the cache
    if any(row["error"] for row in read[0]):
        killer.wrong.append("the undisturbed run has failures")
    return killer.figures(read[0], read[1], rows), killer.wrong


def tones(folder: Path, clips: int) -> None:
    """A corpus folder: two seconds of a tone each, with words, a feeling and a speaker made up for it."""
    folder.mkdir()
    feelings, things = ("angry", "sad", "happy", "neutral", "fearful"), ("letters", "keys", "flowers", "parcels", "photographs", "tickets")
    with open(folder / "metadata.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "speaker_id", "gender", "emotion", "transcript", "license"])
        for number in range(clips):
            samples = array.array("h", (int(6000 * math.sin(2 * math.pi * (110 + number) * n / 16_000)) for n in range(32_000)))
            with wave.open(str(folder / f"{number:04d}.wav"), "wb") as sound:
                sound.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
                sound.writeframes(samples.tobytes())
            words = f"The {number + 2} {things[number % 6]} from the garden never came back to our house."
            table.writerow([f"{number:04d}.wav", f"speaker-{number % 10}", ("female", "male")[number % 2], feelings[number % 5], words, "CC0-1.0"])


def rows_of(run: Path) -> list[Any]:
    """All rows of RUN/written and RUN/questions."""
    import pyarrow.parquet as parquet

    return [
        (stage, row) for stage in ("written", "questions") for part in sorted((run / stage).glob("*.parquet")) for row in parquet.read_table(part).to_pylist()
    ]


def generate(server: Loopback, folder: Path, clips: int, kills: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """`cpqa generate`, from clips to questions."""
    cpqa = [sys.executable, "-m", "cp_paraling_qa.cli"]
    tones(folder / "tones", clips)
    finished([*cpqa, "corpus", "folder", str(folder / "tones"), "--run", str(folder / "undisturbed")])
    finished([*cpqa, "annotate", str(folder / "undisturbed"), "--with", "prosody"])
    shutil.copytree(folder / "undisturbed", folder / "killed")
    commands = {}
    for name in ("undisturbed", "killed"):
        asked = ["--kinds", "cpqa,pqa", "--llm-base-url", server.base_url, "--llm-model", "loopback", "--llm-concurrency", str(CONCURRENCY["generate"])]
        commands[name] = [*cpqa, "generate", str(folder / name), *asked]
    server.reset()
    finished(commands["undisturbed"])
    undisturbed = server.stats()
    killer = Killer(server, commands["killed"], folder / "killed" / "cache" / "replies.sqlite", CONCURRENCY["generate"], seed)
    killer.through(undisturbed["distinct"], kills)
    for _ in range(2):
        killer.kill(None)
    killer.finish()
    expected, found = (rows_of(folder / name) for name in commands)
    if not any(stage == "questions" and row["kind"] == "cpqa" and row["dropped"] is None for stage, row in expected):
        killer.wrong.append("the undisturbed run kept no question that an LLM wrote")
    return killer.figures(expected, found, undisturbed["requests"]), killer.wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows and kills: under 2 minutes on 2 cores")
    parser.add_argument("--rows", type=int, help="of the client (default 20,000; quick: 3,000)")
    parser.add_argument("--clips", type=int, help="of generate (default 600; quick: 80)")
    parser.add_argument("--kills", type=int, help="of each (default 20; quick: 6)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--only", choices=["client", "generate"])
    parser.add_argument("--measure", nargs=4, metavar=("URL", "ROWS", "OUT", "CACHE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        base_url, count, out, cache = arguments.measure
        write_rows(base_url, int(count), Path(out), Path(cache), concurrency=CONCURRENCY["client"])
        return
    kills = arguments.kills or (6 if arguments.quick else 20)
    sizes = {"client": arguments.rows or (3_000 if arguments.quick else 20_000), "generate": arguments.clips or (80 if arguments.quick else 600)}
    figures: dict[str, Any] = {}
    wrong: list[str] = []
    for name, size in sizes.items():
        if arguments.only in (None, name):
            print(f"{name}:", flush=True)
            with tempfile.TemporaryDirectory() as folder, Loopback(latency_ms=LATENCY_MS[name]) as server:
                figures[name], said = {"client": client, "generate": generate}[name](server, Path(folder), size, kills, arguments.seed)
            wrong += [f"{name}: {what}" for what in said]
    print(json.dumps(figures))
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()

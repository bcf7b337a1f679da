"""What does judging cost beside waiting for the judge? Judgements, a rerun, labels and a bootstrap.

    python benchmarks/judge.py [--quick] [--items N] [--latency-ms 50] [--concurrency 32]

The loopback server answers every request after --latency-ms, in a process of its own. Three processes ask it the same prompts, one after the other:

- ours: `judge_items` with the cache on, from its call to the last verdict; the client's start is in it;
- again: the same run once more. It must send nothing, and its verdicts must be the same bytes;
- bare: an `AsyncOpenAI` loop, with a pool of the same size and `json.loads` for a parser: no cache, no retries, no reasons.

ideal: items × latency ÷ concurrency, which nobody can beat. Then, without a server: labels out of free text by the word lists alone, on answers that all differ, in one core;
and the interval of the mean of 10,000 scores by 2,000 resamples, each answer on its own and in 2,000 clusters.

The last line is JSON: share_of_ideal (ideal ÷ ours), share_of_ideal_bare, seconds, rerun_requests (must be 0), rerun_seconds, peak_mb (of ours), labels_per_second,
bootstrap_seconds (the slower of the two), items. Exit status 1: the rerun sent a request or gave other verdicts, or one is unscored.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_shared import Loopback, apart, peak_mb

QUICK, FULL = 1_000, 5_000
EMOTIONS = ("angry", "sad", "happy", "calm", "fearful", "disgusted", "surprised", "neutral")
SAID = (
    "furious",
    "down",
    "cheerful",
    "at ease",
    "scared",
    "repelled",
    "astonished",
    "unmoved",
    "irritated",
    "gloomy",
    "delighted",
    "relaxed",
    "angry",
    "sad",
    "happy",
    "afraid",
)
FRAMES = (
    "The speaker sounds {}.",
    "I would say she is {}, though the words are plain.",
    "He is not {} at all; if anything he sounds {}.",
    "It is hard to be sure, but the voice seems {}.",
    'Although he says "I am {}", his voice is {}.',
    "{}",
    "From pitch and pace, the woman appears to be {} rather than {}.",
    "She speaks fast and loud, which suggests that she is {}.",
    "The emotion is {}, with a trace of something else.",
    "I'm sorry, I cannot tell whether the speaker is {} or {}.",
)


def items(count: int) -> list[Any]:
    """Answers of the usual length with questions, references and measured cues; all different."""
    from cp_paraling_qa.judge.evidence import evidence
    from cp_paraling_qa.judge.rubric import JudgeItem

    out = []
    for number in range(count):
        truth, said = EMOTIONS[number % 8], SAID[number % 16]
        cues = evidence({"duration": 2 + number % 7, "measures": {"f0_median": 100 + number % 150, "rate": 3.5}})
        question = f"How does the speaker feel about the {number}th matter?"
        out.append(JudgeItem(f"The speaker sounds {said}, as the fast and loud voice shows in sentence {number}.", f"The speaker is {truth}.", question, cues))
    return out


def ours(base_url: str, count: int, concurrency: int, cache: str, out: str) -> dict[str, Any]:
    """The run, or the rerun."""
    from cp_paraling_qa.judge.judging import JudgeConfig, judge_items

    asked = items(count)
    began = time.perf_counter()
    verdicts = judge_items(asked, JudgeConfig(base_url, "loopback", concurrency=concurrency, cache=cache))
    seconds = time.perf_counter() - began
    Path(out).write_text("".join(json.dumps(dataclasses.asdict(verdict)) + "\n" for verdict in verdicts), encoding="utf-8")
    return {"seconds": seconds, "peak_mb": peak_mb(), "unscored": sum(verdict.score is None for verdict in verdicts)}


def bare(base_url: str, count: int, concurrency: int, cache: str, out: str) -> dict[str, Any]:
    """A loop around the SDK."""
    import openai

    from cp_paraling_qa.judge.rubric import OPEN, render_prompt

    form: Any = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": OPEN.schema, "strict": True}}
    asked = items(count)

    async def run() -> int:
        left, scored = iter(asked), 0
        async with openai.AsyncOpenAI(base_url=base_url, http_client=openai.DefaultAioHttpClient()) as client:

            async def worker() -> None:
                nonlocal scored
                for item in left:
                    messages: Any = render_prompt(OPEN, item)
                    reply = await client.chat.completions.create(
                        model="loopback", messages=messages, temperature=0, max_tokens=256, seed=0, response_format=form
                    )
                    scored += json.loads(reply.choices[0].message.content or "")["score"] is not None

            await asyncio.gather(*(worker() for _ in range(concurrency)))
        return scored

    began = time.perf_counter()
    scored = asyncio.run(run())
    return {"seconds": time.perf_counter() - began, "peak_mb": peak_mb(), "unscored": count - scored}


WAYS: dict[str, Callable[..., dict[str, Any]]] = {"ours": ours, "bare": bare}


def labels_per_second(count: int) -> float:
    """Free-text answers a second that the word lists map or refuse, the best of three rounds, each of answers that were not seen before."""
    from cp_paraling_qa.judge.label_map import map_labels

    choices = itertools.cycle(itertools.product(FRAMES, SAID, SAID))
    rates = []
    for round_ in range(3):
        answers = [f"{frame.format(one, other)} Clip {round_}, sentence {number}." for number, (frame, one, other) in zip(range(count), choices, strict=False)]
        began = time.perf_counter()
        found = map_labels(answers, EMOTIONS)
        rates.append(count / (time.perf_counter() - began))
    print(f"labels: {count} answers, {sum(match.label is not None for match in found) / count:.0%} mapped; " + ", ".join(f"{rate:.0f}/s" for rate in rates))
    return max(rates)


def bootstrap_seconds() -> float:
    """10,000 scores, 2,000 resamples."""
    from cp_paraling_qa.judge.statistics.intervals import bootstrap_ci

    scores = [(number * 7919) % 6 for number in range(10_000)]
    slowest = 0.0
    for name, clusters in (("each on its own", None), ("2,000 clusters", [number // 5 for number in range(10_000)])):
        began = time.perf_counter()
        low, high = bootstrap_ci(scores, clusters=clusters, n_bootstrap=2_000)
        seconds = time.perf_counter() - began
        slowest = max(slowest, seconds)
        print(f"bootstrap, {name}: {low:.3f} to {high:.3f}, {seconds:.2f} s")
    return slowest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} judgements in place of {FULL:,}")
    parser.add_argument("--items", type=int, help=f"judgements (default {FULL:,}; quick: {QUICK:,})")
    parser.add_argument("--latency-ms", type=float, default=50, help="of a reply")
    parser.add_argument("--concurrency", type=int, default=32, help="requests under way")
    parser.add_argument("--measure", nargs=6, metavar=("WAY", "URL", "ITEMS", "CONCURRENCY", "CACHE", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        way, base_url, count, concurrency, cache, out = arguments.measure
        print(json.dumps(WAYS[way](base_url, int(count), int(concurrency), cache, out)))
        return
    count = arguments.items or (QUICK if arguments.quick else FULL)
    ideal = count * arguments.latency_ms / 1000 / arguments.concurrency
    print(f"{count:,} judgements at {arguments.latency_ms:g} ms, {arguments.concurrency} under way: ideal {ideal:.2f} s", flush=True)
    found, sent = {}, {}
    with tempfile.TemporaryDirectory() as folder, Loopback(latency_ms=arguments.latency_ms) as server:
        cache, first, second = (str(Path(folder) / name) for name in ("cache.sqlite", "first.jsonl", "second.jsonl"))
        for name, way, out in (("ours", "ours", first), ("again", "ours", second), ("bare", "bare", second)):
            server.reset()
            found[name] = apart(__file__, ["--measure", way, server.base_url, count, arguments.concurrency, cache, out])
            sent[name] = server.stats()["requests"]
            told = f"{found[name]['seconds']:.2f} s, {sent[name]} requests, peak {found[name]['peak_mb']:.0f} MB, {found[name]['unscored']} unscored"
            print(f"{name}: {told}", flush=True)
            if name == "again":
                identical = Path(first).read_bytes() == Path(second).read_bytes()
                print(f"the verdicts of both runs are {'the same bytes' if identical else 'NOT the same'}")
    result = {
        "share_of_ideal": round(ideal / found["ours"]["seconds"], 3),
        "share_of_ideal_bare": round(ideal / found["bare"]["seconds"], 3),
        "seconds": round(found["ours"]["seconds"], 2),
        "rerun_requests": sent["again"],
        "rerun_seconds": round(found["again"]["seconds"], 2),
        "peak_mb": round(found["ours"]["peak_mb"], 1),
        "labels_per_second": round(labels_per_second(2_000 if arguments.quick else 5_000)),
        "bootstrap_seconds": round(bootstrap_seconds(), 3),
        "items": count,
    }
    print(json.dumps(result))
    if not identical or sent["again"] or any(way["unscored"] for way in found.values()):
        raise SystemExit("the rerun is not what the first run was, or a verdict is missing: see above")


if __name__ == "__main__":
    main()

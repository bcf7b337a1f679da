"""How long does the log-mel of a clip take? Ours on the clip, against the stock extractor on the 30 s that it pads every clip to.

    python benchmarks/mel.py [--quick] [--rounds N] [--batch N] [--clips FOLDER]

The stock `WhisperFeatureExtractor` and ours (`training/hearing/mel.py`) are called as Qwen2-Audio's processor calls them: 128 mel bins, padded to the full length, with a
mask, as torch tensors, a batch of clips of one length at a time. One thread (OMP_NUM_THREADS overrides it), as a data loader's worker has. The two take turns within a
round and the lengths within the run; the ratio told is the median over the rounds of stock ÷ ours.

The clips are seeded: voiced syllables, noise and pauses; or cut from the WAV and FLAC files of a folder, one after the other. The numbers are compared on these and on
clips where an extractor could go wrong: one sample, fractions of a window, odd lengths, hop boundaries, silence, digital silence behind speech, full scale, DC, clips
near and beyond 30 s.

The last line is JSON: ratio (on 3 s), ratio_1s … ratio_30s, largest_difference (over everything), ms_per_clip (ours on 3 s).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

RATE = 16_000
LENGTHS = (1, 3, 5, 10, 30)  # s
ASKED = {"sampling_rate": RATE, "padding": "max_length", "return_attention_mask": True, "return_tensors": "pt"}


def speech(seconds: float, seed: int) -> Any:
    """Something with the shape of speech: harmonics of a moving pitch in syllables of 0.2 s, hiss between them, pauses of digital silence."""
    import numpy as np

    random = np.random.default_rng(seed)
    when = np.arange(round(seconds * RATE)) / RATE
    pitch = random.uniform(90, 240) * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(0.3, 2) * when))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voiced = sum(np.sin(k * phase) / k for k in range(1, 20)) * np.maximum(0, np.sin(2 * np.pi * 2.5 * when + random.uniform(0, 6))) ** 2
    wave = 0.1 * voiced + random.normal(0, 0.005, len(when))
    for start in random.uniform(0, seconds, round(seconds / 2)):
        wave[int(start * RATE) : int((start + 0.2) * RATE)] = 0
    return wave.astype(np.float32)


def from_folder(folder: Path, seconds: float, count: int) -> list[Any]:
    """Clips of one length out of a folder's recordings, joined in order of their names and begun anew where they do not suffice."""
    import numpy as np

    from cp_paraling_qa.audio import decode_audio

    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".wav", ".flac"))
    if not files:
        raise SystemExit(f"{folder}: no WAV or FLAC files there")
    size, joined, number = round(seconds * RATE), np.zeros(0, np.float32), 0
    while len(joined) < size * count:
        joined = np.concatenate([joined, decode_audio(str(files[number % len(files)]))[0]])
        number += 1
    return [joined[size * n : size * (n + 1)] for n in range(count)]


def awkward() -> dict[str, Any]:
    """Clips where numbers could differ."""
    import numpy as np

    base, noise = speech(31, 99), np.random.default_rng(5).standard_normal(31 * RATE).astype(np.float32)
    clips = {f"{n} samples": base[:n] for n in (1, 2, 80, 159, 160, 161, 200, 399, 400, 401, 719, 16_001, 47_999, 48_077)}
    clips |= {f"{n} samples of noise": noise[:n] for n in (1, 1_000, 33_333)}
    clips |= {f"{n} samples short of 30 s": base[: 30 * RATE - n] for n in (1, 159, 161, 300, 399, 400, 401)}
    clips |= {"30 s": base[: 30 * RATE], "beyond 30 s": base, "silence": np.zeros(9_000, np.float32), "nearly silence": noise[:9_000] * 1e-7}
    full = base[:40_000] / np.abs(base[:40_000]).max()
    clips |= {"full scale": full, "clipped": np.clip(base[:40_000] * 1e3, -1, 1), "square wave": np.sign(full), "DC": np.ones(20_000, np.float32)}
    clips |= {"a click": np.eye(1, 20_000, 19_999, dtype=np.float32)[0], "loud, then silence": np.concatenate([full[:8_000], np.zeros(20_000, np.float32)])}
    return clips


def difference(one: Any, other: Any) -> float:
    """Of the features; infinite where masks or shapes differ."""
    if one["input_features"].shape != other["input_features"].shape or not (one["attention_mask"] == other["attention_mask"]).all():
        return float("inf")
    return float((one["input_features"] - other["input_features"]).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under 2 minutes on 2 cores")
    parser.add_argument("--rounds", type=int, help="how often each length is timed (default 40; quick: 12)")
    parser.add_argument("--batch", type=int, default=8, help="clips in a call")
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="real recordings instead of the seeded clips")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (12 if arguments.quick else 40)

    import torch
    from transformers import WhisperFeatureExtractor

    from cp_paraling_qa.training.hearing.mel import FastWhisperFeatureExtractor

    ways = {"stock": WhisperFeatureExtractor(feature_size=128), "ours": FastWhisperFeatureExtractor(feature_size=128)}
    folder = arguments.clips
    batches = {s: from_folder(folder, s, arguments.batch) if folder else [speech(s, 100 * s + n) for n in range(arguments.batch)] for s in LENGTHS}
    taken: dict[int, dict[str, list[float]]] = {s: {name: [] for name in ways} for s in LENGTHS}
    largest = 0.0
    print(f"batches of {arguments.batch} clips, {torch.get_num_threads()} thread(s), {rounds} rounds")
    for number in range(rounds + 1):  # round 0 warms up
        for seconds, clips in batches.items():
            found = {}
            for name in ("ours", "stock") if number % 2 else ("stock", "ours"):
                began = time.perf_counter()
                found[name] = ways[name](clips, **ASKED)
                if number:
                    taken[seconds][name].append((time.perf_counter() - began) / len(clips))
            largest = max(largest, difference(found["ours"], found["stock"]))
    for name, clip in awkward().items():
        off = difference(ways["ours"]([clip], **ASKED), ways["stock"]([clip], **ASKED))
        largest = max(largest, off)
        if off > 1e-6:
            print(f"{name}: differs by {off:.2g}")
    ratios = {s: median(stock / ours for stock, ours in zip(taken[s]["stock"], taken[s]["ours"], strict=True)) for s in LENGTHS}
    for seconds, ratio in ratios.items():
        stock, ours = (1e3 * median(taken[seconds][name]) for name in ("stock", "ours"))
        print(f"{seconds:2d} s: stock {stock:.2f} ms a clip, ours {ours:.2f} ms, {ratio:.1f} ×")
    result = {"ratio": round(ratios[3], 2), **{f"ratio_{s}s": round(ratio, 2) for s, ratio in ratios.items()}}
    print(json.dumps(result | {"largest_difference": float(f"{largest:.3g}"), "ms_per_clip": round(1e3 * median(taken[3]["ours"]), 3)}))


if __name__ == "__main__":
    main()

"""A training step: plain transformers against ours, on a real 170 M speech LLM.

    python benchmarks/train_step.py [--quick] [--model FOLDER] [--repeats N]

One process, same weights, same rows, same batch, float32; the projector is trained, or what --parts says: LoRA costs both sides the same, and so makes ratios smaller. A
step is forward, backward and the optimiser; making the batch is timed beside it. Steps of the sides take turns, and each figure is the median.

(a) One question a clip, 8 clips of 3–5 s (and of 3–10 s beside it):
    plain     stock model and processor, `model(**inputs, labels=…)`: 30 s of tower for every clip, the output layer at every position
    ours      trimmed tower, what all rows begin with read once, output layer at answer positions
    limit     ours with the tower's outputs given for nothing
(b) Seven questions about a clip of 30 s:
    plain     seven rows, stock
    unshared  seven rows, ours, each read from its first token on
    once      the same rows; what all of them begin with, the clip included, read once
    shared    one sequence that holds the clip once

The last line is JSON: ratio_trimmed (plain ÷ ours, clips of 3–5 s), share_of_limit (limit ÷ ours), ratio_shared (unshared ÷ shared), ratio_shared_vs_plain,
loss_difference (largest difference of a question's loss to plain, nats), collator_share (of ours with cached features: making the batch ÷ batch and step).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

QUESTIONS = (
    "How does the speaker sound in this recording?",
    "What might have happened just before the speaker said this?",
    "Which emotion do you hear in the voice, and how strong is it?",
    "How could a friend best respond to the way the speaker talks?",
    "Does the tone of the voice fit the words that are said?",
    "What may lie behind the way the speaker talks about the matter?",
    "How aroused does the speaker sound towards the end?",
)
ANSWERS = ("They sound sad, perhaps because the door is still locked.", "The speaker sounds angry and tense.", "A calm word would help them most.")


def rows_about(clips: int, questions: int, seconds: tuple[float, float], seed: int) -> list[dict[str, Any]]:
    """Questions about clips of noise with the loudness of speech, by a seed."""
    import numpy as np

    draw, noise = random.Random(seed), np.random.default_rng(seed)
    rows = []
    for clip in range(clips):
        length = int(draw.uniform(*seconds) * 16_000)
        loud = 0.05 * (1 + np.sin(np.arange(length) / 16_000 * 2 * np.pi * 4))
        audio = {"array": (loud * noise.standard_normal(length)).astype("float32"), "sampling_rate": 16_000}
        for number in range(questions):
            question, answer = QUESTIONS[(clip + number) % len(QUESTIONS)], draw.choice(ANSWERS)
            rows.append({"id": f"{clip}-{number}", "clip_id": str(clip), "audio": audio, "prompt": question, "answer": answer})
    return rows


class Sides:
    """The stock model and ours, with the same weights and the same fresh adapter."""

    def __init__(self, folder: Path, parts: str) -> None:
        from transformers import AutoModelForMultimodalLM, AutoProcessor

        from cp_paraling_qa.training.families import family_of
        from cp_paraling_qa.training.loading import load_model, load_processor, quiet

        self.parts = parts
        with quiet():
            self.stock_processor = AutoProcessor.from_pretrained(folder)
            self.processor = load_processor(folder)
            self.stock = self._adapted(AutoModelForMultimodalLM.from_pretrained(folder, dtype="float32"))
            self.model = self._adapted(load_model(folder))
        self.family = family_of(self.model.config)

    def _adapted(self, model: Any) -> Any:
        import torch
        from peft import get_peft_model
        from trl import ModelConfig

        from cp_paraling_qa.training.families import family_of
        from cp_paraling_qa.training.parts import adapter_config

        torch.manual_seed(0)
        return get_peft_model(model, adapter_config(family_of(model.config), self.parts, ModelConfig(lora_dropout=0.0))).train()

    def plain_batch(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What a stock collator makes: one processor call, labels on the answers."""
        import torch

        from cp_paraling_qa.training.encoding import Encoder

        encoder = Encoder(self.stock_processor, self.family)
        texts = [encoder.text(row) + row["answer"] + encoder.end for row in rows]
        audio = [row["audio"]["array"] for row in rows]
        batch = dict(self.stock_processor(text=texts, audio=audio, sampling_rate=16_000, return_tensors="pt", padding=True, padding_side="right"))
        labels = torch.full_like(batch["input_ids"], -100)
        for number, row in enumerate(rows):
            end = int(batch["attention_mask"][number].sum())
            start = end - len(self.stock_processor.tokenizer(row["answer"] + encoder.end, add_special_tokens=False)["input_ids"])
            labels[number, start:end] = batch["input_ids"][number, start:end]
        return {**batch, "labels": labels}

    def plain_step(self, batch: Mapping[str, Any]) -> Any:
        """The model's own loss."""
        return self.stock(**batch, use_cache=False).loss

    def our_step(self, batch: Mapping[str, Any], *, once: bool = True) -> Any:
        """The mean over answer tokens."""
        from cp_paraling_qa.training.loss import answer_tokens

        return answer_tokens(self.model, batch, self.family, once=once).losses.mean()


def step_seconds(sides: Mapping[str, tuple[Any, Callable[[], Any]]], repeats: int) -> dict[str, float]:
    """Median seconds of a step of each side, taking turns: model, and what gives its loss."""
    import torch

    optimisers = {name: torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.0) for name, (model, _) in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, (_, loss) in sides.items():
            began = time.perf_counter()
            loss().backward()
            optimisers[name].step()
            optimisers[name].zero_grad()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def plain_losses(sides: Sides, rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Each question's mean loss by the stock model, from the full logits of the stock batch."""
    import torch

    batch = sides.plain_batch(rows)
    with torch.no_grad():
        logits = sides.stock(**{name: value for name, value in batch.items() if name != "labels"}, use_cache=False).logits[:, :-1]
    targets = batch["labels"][:, 1:]
    found = []
    for line, wanted in zip(logits, targets, strict=True):
        found.append(float(torch.nn.functional.cross_entropy(line[wanted != -100].float(), wanted[wanted != -100])))
    return found


def difference(sides: Sides, rows: Sequence[Mapping[str, Any]], batches: Sequence[Mapping[str, Any]]) -> float:
    """The largest difference of a question's loss, of any batch of ours to plain, nats."""
    import torch

    from cp_paraling_qa.training.loss import row_losses

    expected = plain_losses(sides, rows)
    with torch.no_grad():
        return max(abs(a - b) for batch in batches for a, b in zip(row_losses(sides.model, batch, sides.family), expected, strict=True))


def one_question_a_clip(sides: Sides, seconds: tuple[float, float], repeats: int, cache: Path) -> dict[str, float]:
    """Case (a)."""
    from cp_paraling_qa.training.collator import AudioQACollator
    from cp_paraling_qa.training.hearing.tower_cache import TowerCache, store, tower_outputs

    rows = rows_about(8, 1, seconds, seed=0)
    states = tower_outputs([row["audio"]["array"] for row in rows], sides.model, sides.processor, sides.family)
    files = {row["clip_id"]: cache / f"{seconds[1]}-{row['clip_id']}.safetensors" for row in rows}
    for row, state in zip(rows, states, strict=True):
        store(files[row["clip_id"]], state)
    collators = {
        "ours": AudioQACollator(sides.processor, sides.family),
        "limit": AudioQACollator(sides.processor, sides.family, cache=TowerCache(cache, files)),
    }
    plain, ours, given = sides.plain_batch(rows), collators["ours"](rows), collators["limit"](rows)
    steps = {"plain": (sides.stock, lambda: sides.plain_step(plain))}
    steps |= {name: (sides.model, lambda batch=batch: sides.our_step(batch)) for name, batch in (("ours", ours), ("limit", given))}
    found = step_seconds(steps, repeats)
    makers = {"plain": lambda: sides.plain_batch(rows), "ours": lambda: collators["ours"](rows), "limit": lambda: collators["limit"](rows)}
    for name, make in makers.items():
        times = []
        for _ in range(5):
            began = time.perf_counter()
            make()
            times.append(time.perf_counter() - began)
        found[f"{name} batch"] = statistics.median(times)
    return found | {"difference": difference(sides, rows, [ours, given])}


def many_questions_a_clip(sides: Sides, repeats: int) -> dict[str, float]:
    """Case (b)."""
    from cp_paraling_qa.training.collator import AudioQACollator

    rows = rows_about(1, 7, (29.9, 29.9), seed=1)
    plain = sides.plain_batch(rows)
    unshared, shared = (AudioQACollator(sides.processor, sides.family, share=share)(rows) for share in (False, True))
    found = step_seconds(
        {
            "plain": (sides.stock, lambda: sides.plain_step(plain)),
            "unshared": (sides.model, lambda: sides.our_step(unshared, once=False)),
            "once": (sides.model, lambda: sides.our_step(unshared)),
            "shared": (sides.model, lambda: sides.our_step(shared)),
        },
        repeats,
    )
    tokens = {"unshared tokens": int(unshared["attention_mask"].sum()), "shared tokens": int((shared["blocks"] >= 0).sum())}
    return found | tokens | {"difference": difference(sides, rows, [unshared, shared])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a Qwen2-Audio-style model (default: the 170 M one, built for the occasion)")
    parser.add_argument(
        "--parts", choices=["projector", "lora", "lora+projector"], default="projector", help="what is trained (default: projector, the paper's setting)"
    )
    parser.add_argument("--repeats", type=int, default=7, help="steps of each side (default: 7)")
    parser.add_argument("--quick", action="store_true", help="3 steps of each side, 1 where clips have 30 s: under 6 minutes on 2 cores")
    arguments = parser.parse_args()
    repeats = 3 if arguments.quick else arguments.repeats
    with tempfile.TemporaryDirectory() as folder:
        model = Path(arguments.model or Path(folder) / "model")
        if not arguments.model:
            from cp_paraling_qa.training.small import write_small_model

            write_small_model(model)
        sides = Sides(model, arguments.parts)
        figures: dict[str, float] = {}
        for name, seconds in (("3-5 s", (3.0, 5.0)), ("3-10 s", (3.0, 10.0))):
            found = one_question_a_clip(sides, seconds, repeats, Path(folder))
            print(f"8 clips of {name}, one question each, seconds a step (batch beside it), {os.environ.get('OMP_NUM_THREADS', 'all')} threads")
            for side in ("plain", "ours", "limit"):
                print(f"  {side:<9} {found[side]:6.2f}  ({found[f'{side} batch']:.3f})  {found['plain'] / found[side]:5.2f} x", flush=True)
            print(f"  largest difference of a question's loss to plain: {found['difference']:.1e} nats")
            figures.setdefault("ratio_trimmed", found["plain"] / found["ours"])
            figures.setdefault("share_of_limit", found["limit"] / found["ours"])
            figures.setdefault("collator_share", found["limit batch"] / (found["limit batch"] + found["limit"]))
            figures["ratio_trimmed_3_to_10_s"] = found["plain"] / found["ours"]
            figures["loss_difference"] = max(found["difference"], figures.get("loss_difference", 0.0))
        found = many_questions_a_clip(sides, 1 if arguments.quick else 3)
        print(f"7 questions about a clip of 30 s: {found['unshared tokens']:,} tokens in rows of their own, {found['shared tokens']:,} in one sequence")
        for side in ("plain", "unshared", "once", "shared"):
            print(f"  {side:<9} {found[side]:6.2f}  {found['unshared'] / found[side]:5.2f} x")
        print(f"  largest difference of a question's loss to plain: {found['difference']:.1e} nats")
        figures |= {"ratio_shared": found["unshared"] / found["shared"], "ratio_shared_vs_plain": found["plain"] / found["shared"]}
        figures["loss_difference"] = max(found["difference"], figures["loss_difference"])
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()

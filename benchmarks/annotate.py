"""How fast are many clips heard by one checkpoint? Length-grouped, against the plain transformers pipeline and against one clip at a time.

    python benchmarks/annotate.py [--quick] [--clips N] [--rounds N] [--device cuda] [--dtype float16]

Clips of mixed length, 1–15 s, go whole through one wav2vec2 classifier (3 layers, hidden size 128), built from a config and saved to a temporary folder, three ways:

- ours: `EmotionClassifier.annotate`, blocks of 600 s as `cpqa annotate` hands them out; how many clips go together is chosen by its own trial, in the first round;
- pipeline: `pipeline("audio-classification", batch_size=8)` over the same clips in the same order, as its documentation has it;
- single: one clip after the other through the feature extractor and the model, which is what a careful script does.

A machine's speed drifts, so ours and single take turns, in an order that changes from round to round, and the pipeline joins every third round; each round gives a
ratio, and the median over the rounds is told. One thread (OMP_NUM_THREADS overrides it), as the workers of `cpqa annotate --workers` have: on two shared cores, two
threads that wait for each other make every way several times slower now and then. On a GPU the goal is three times one at a time: run it there with --device cuda.
The last line is JSON: ratio_vs_pipeline and ratio_vs_single (clips a second of ours ÷ theirs), and largest_difference, of any probability, between ours and one at a
time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

RATE = 16_000
LABELS = ("angry", "happy", "neutral", "sad")
BLOCK = 600.0


def make_model(folder: Path) -> int:
    """Saves the model with its feature extractor.

    Returns:
        number of parameters.
    """
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        **{"hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 512, "conv_dim": (64,) * 7},
        **{"feat_extract_norm": "layer", "do_stable_layer_norm": True, "num_conv_pos_embeddings": 64},
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    model = Wav2Vec2ForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.normal_(0, 2)  # so that the answers differ from clip to clip
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


def make_clips(count: int) -> list[Any]:
    """Voices of noise and harmonics, 1–15 s long, evenly spread and shuffled."""
    import numpy as np

    random = np.random.default_rng(1)
    lengths = random.permutation(np.linspace(1, 15, count))
    clips = []
    for length in lengths:
        when = np.arange(round(length * RATE)) / RATE
        pitch = random.uniform(80, 300)
        voice = sum(np.sin(2 * np.pi * pitch * k * when) / k for k in range(1, 6)) * (0.2 + np.sin(random.uniform(6, 14) * when) ** 2)
        clips.append((0.1 * voice + random.normal(0, 0.02, len(when))).astype(np.float32))
    return clips


class Ways:
    """The three ways, over the same clips. Each gives probabilities of shape (clips, labels)."""

    def __init__(self, folder: Path, clips: list[Any], device: str, dtype: str) -> None:
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, pipeline

        from cp_paraling_qa.annotate.base import AnnotatorOptions
        from cp_paraling_qa.annotate.emotion import EmotionClassifier

        self.clips, self.device, self.dtype = clips, device, getattr(torch, dtype)
        self.annotator = EmotionClassifier(str(folder), options=AnnotatorOptions(window=None, device=device, dtype=dtype))
        self.annotator.setup()
        self.extractor = AutoFeatureExtractor.from_pretrained(folder)
        self.model = AutoModelForAudioClassification.from_pretrained(folder, dtype=self.dtype).to(device).eval()
        self.pipe = pipeline("audio-classification", model=self.model, feature_extractor=self.extractor, device=device)

    def ours(self) -> Any:
        """Blocks of 600 s, as `cpqa annotate` hands them out."""
        import numpy as np

        found, block, seconds = [], [], 0.0
        for number, samples in enumerate(self.clips):
            if block and seconds + len(samples) / RATE > BLOCK:
                found += self._block(block)
                block, seconds = [], 0.0
            block.append(number)
            seconds += len(samples) / RATE
        found += self._block(block)
        return np.array(found)

    def _block(self, numbers: list[int]) -> list[list[float]]:
        rows = [{"clip_id": str(n), "corpus": "benchmark", "audio_path": str(n), "duration": len(self.clips[n]) / RATE} for n in numbers]
        said = self.annotator.annotate(rows, [self.clips[n] for n in numbers], RATE)
        return [[{o["value"]: o["probability"] for o in row["opinions"]}.get(label, float("nan")) for label in LABELS] for row in said]

    def pipeline(self) -> Any:
        """As the documentation of transformers has it."""
        import numpy as np

        found = self.pipe([{"raw": samples, "sampling_rate": RATE} for samples in self.clips], batch_size=8, top_k=None)
        return np.array([[{row["label"]: row["score"] for row in rows}[label] for label in LABELS] for rows in found])

    def single(self) -> Any:
        """One clip after the other."""
        import numpy as np
        import torch

        found = []
        for samples in self.clips:
            inputs = self.extractor(samples, sampling_rate=RATE, return_tensors="pt")
            with torch.inference_mode():
                logits = self.model(inputs["input_values"].to(self.device, self.dtype), attention_mask=inputs["attention_mask"].to(self.device)).logits
            found.append(logits[0].float().softmax(-1).cpu().numpy())
        return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer clips and rounds: under 2 minutes on 2 cores")
    parser.add_argument("--clips", type=int, help="how many (default 120; quick: 60)")
    parser.add_argument("--rounds", type=int, help="how often ours and single are timed (default 18; quick: 12, or as many as begin within 75 s, but 3)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    arguments = parser.parse_args()
    clips = make_clips(arguments.clips or (60 if arguments.quick else 120))
    rounds = arguments.rounds or (12 if arguments.quick else 18)

    import numpy as np
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore", message="You seem to be using the pipelines sequentially")
    with tempfile.TemporaryDirectory() as folder:
        size = make_model(Path(folder))
        ways = Ways(Path(folder), clips, arguments.device, arguments.dtype)
        print(
            f"{len(clips)} clips, {sum(map(len, clips)) / RATE:.0f} s; {size / 1e6:.2f} M parameters; {arguments.device}, {arguments.dtype}, {torch.get_num_threads()} threads"
        )
        names = ("ours", "pipeline", "single")
        taken: dict[str, dict[int, float]] = {name: {} for name in names}  # seconds, by round
        found: dict[str, Any] = {}
        started = time.perf_counter()
        for number in range(rounds + 1):  # round 0 warms up, and is where ours makes its trial
            if arguments.quick and number > 3 and time.perf_counter() - started > 75:
                break  # a busy machine
            turns = [*(["pipeline"] if number % 3 == 0 else []), *(("ours", "single") if number % 2 else ("single", "ours"))]
            for name in turns:
                began = time.perf_counter()
                found[name] = getattr(ways, name)()
                taken[name][number] = time.perf_counter() - began
            told = ", ".join(f"{name} {len(clips) / taken[name][number]:.1f} clips/s" for name in names if name in turns)
            print(f"round {number}: {told}{' (not counted)' if number == 0 else ''}", flush=True)
        budget = ways.annotator._pace.chosen
    counted = {name: {number: seconds for number, seconds in rounds.items() if number} for name, rounds in taken.items()}
    speed = {name: len(clips) / median(rounds.values()) for name, rounds in counted.items()}
    stated = ~np.isnan(found["ours"])
    print(f"chosen: {'still on trial' if budget is None else f'{budget:g} s of audio together' if budget else 'one at a time'}")
    print("median: " + ", ".join(f"{name} {speed[name]:.1f} clips/s" for name in names))
    ratios = {name: median(seconds / counted["ours"][number] for number, seconds in rounds.items()) for name, rounds in counted.items()}
    result = {
        "ratio_vs_pipeline": round(ratios["pipeline"], 3),
        "ratio_vs_single": round(ratios["single"], 3),
        "largest_difference": float(f"{np.abs(found['ours'] - found['single'])[stated].max():.2g}"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

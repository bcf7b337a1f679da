"""Does training teach, and does the model listen? Direct emotion on voices that it has not heard, over three seeds.

    python benchmarks/learning.py [--quick] [--dataset DIR] [--steps N] [--seeds 0 1 2]

For each seed a tiny Qwen2-Audio is built and fine-tuned on the template questions of a dataset (config baseline, split train), through the library that
`trainer/sft.py` runs; then it answers the direct emotion questions of the test split, once with each clip's own audio and once with the audio of another
speaker in another emotion. A model that listens is right in the first case and wrong in the second; one that guesses is at chance in both.
The last line is JSON: lowest_accuracy and highest_shuffled over the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: two threads make a tiny model's step slower, not faster
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

STEPS, QUICK_STEPS = 300, 220


def learn(dataset: str, *, seed: int, steps: int, out: Path) -> dict[str, Any]:
    """One seed: train, then answer with real and with shuffled audio.

    Args:
        dataset: folder with a config `baseline`.
        seed: of the model's random weights, of training, and of the shuffle.
        steps: optimiser steps of 8 rows.
        out: folder for model and adapter.

    Returns:
        accuracy and shuffled (0 to 1; an answer that names no emotion is wrong), voices and clips of the test split, labels, final loss, seconds of training.
    """
    from cp_paraling_qa.judge.label_map import map_labels
    from cp_paraling_qa.training.loading import load_model, load_processor, quiet, threads_for
    from cp_paraling_qa.training.options import parse
    from cp_paraling_qa.training.predict import predict
    from cp_paraling_qa.training.rows import AudioSwapped, load_rows, shuffled_audio
    from cp_paraling_qa.training.sft import train

    options = {"dataset_name": dataset, "dataset_config": "baseline", "output_dir": str(out), "seed": seed, "tiny_seed": seed, "max_steps": steps}
    trained = train(*parse([part for name, value in options.items() for part in (f"--{name}", str(value))] + ["--save_strategy", "no"]), say=lambda line: None)
    with quiet():
        rows = load_rows(dataset, "baseline", "test")
        rows = rows.select([n for n, (kind, of) in enumerate(zip(rows["kind"], rows["type"], strict=True)) if (kind, of) == ("pqa_template", "DE")])
        processor, model = load_processor(trained.base), load_model(trained.base, adapter=trained.adapter)
        space = sorted(set(rows["label"]))

        def accuracy(played: Any) -> float:
            answers = predict(model, processor, played, batch_size=32, max_new_tokens=16)
            return sum(found.label == label for found, label in zip(map_labels(answers, space), rows["label"], strict=True)) / len(rows)

        with threads_for(model):
            real, shuffled = accuracy(rows), accuracy(AudioSwapped(rows, shuffled_audio(rows, seed)))
    return {
        "accuracy": real,
        "shuffled": shuffled,
        "voices": len(set(rows["speaker_id"])),
        "clips": len(set(rows["clip_id"])),
        "labels": space,
        "loss": trained.losses[-1][1],
        "seconds": trained.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default=str(ROOT / "cp_paraling_qa"), help="dataset folder (default: the bundled sample)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_STEPS} steps instead of {STEPS}: under 2 minutes on 2 cores")
    parser.add_argument("--steps", type=int, help="optimiser steps of 8 rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    steps = arguments.steps or (QUICK_STEPS if arguments.quick else STEPS)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            began = time.perf_counter()
            result = learn(arguments.dataset, seed=seed, steps=steps, out=Path(folder) / str(seed))
            if not results:
                print(
                    f"direct emotion, {result['clips']} test clips of {result['voices']} unheard voices, {steps} steps, chance {1 / len(result['labels']):.2f}"
                )
                print("seed  accuracy  shuffled audio  loss   training  in all")
            results.append(result)
            print(
                f"{seed:<4}  {result['accuracy']:<8.3f}  {result['shuffled']:<14.3f}  {result['loss']:<5.3f}  {result['seconds']:>6.1f} s  {time.perf_counter() - began:>5.1f} s",
                flush=True,
            )
    print(json.dumps({"lowest_accuracy": round(min(r["accuracy"] for r in results), 4), "highest_shuffled": round(max(r["shuffled"] for r in results), 4)}))


if __name__ == "__main__":
    main()

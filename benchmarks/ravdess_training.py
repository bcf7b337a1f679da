"""A real 170 M speech LLM learns emotion from some actors' voices: how well does it hear those that it has not heard?

    cpqa build --corpus ravdess --root RAVDESS --run RUN --test-speakers Actor_09,Actor_10,Actor_11,Actor_12 …
    python benchmarks/ravdess_training.py RUN/dataset [--quick] [--parts projector lora+projector] [--seeds 0 1 2] [--epochs N] [--out FOLDER]

The model is Whisper tiny.en's encoder and SmolLM2-135M with a new projector (`cpqa small-model`). For each setting and seed it is fine-tuned on the direct emotion
questions of the dataset's train split (config baseline) with the tower's outputs cached, through the library that `trainer/sft.py` runs; then it answers those of
the test split, with each clip's own audio and with another speaker's in another emotion. Beside it: chance, and a logistic regression on the mean and
deviation of the same tower's outputs, which says how much of the emotion the tower hands on.

Finished settings stay in --out and are not trained again. The last line is JSON: for each setting accuracy, macro F1 and accuracy with shuffled audio (means over
seeds), and the probe's. With --arms also contextual questions that have a label.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one job a core: two jobs of two threads on two cores take eight times as long
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

RATES = {"projector": 2e-3, "lora": 1e-3, "lora+projector": 1e-3}
EPOCHS, QUICK_STEPS = 6, 20


@dataclass(frozen=True)
class Setting:
    """One fine-tuning: what is trained, on which configs, and which configs it is asked.

    `mixture` narrows the training rows down.
    """

    name: str
    parts: str
    seed: int
    train: str = "baseline"
    test: str = "baseline"
    mixture: str = ""


def asked(dataset: str, configs: str, split: str, *, contextual: bool) -> Any:
    """The direct emotion questions of a split, one a clip (its word form or its sentence form, by the clip's hash), or the contextual ones that have a label."""
    from cp_paraling_qa.training.rows import load_rows

    rows = load_rows(dataset, configs, split)
    chosen: dict[str, int] = {}
    for number, (row, kind, of, label, clip) in enumerate(zip(*(rows[name] for name in ("id", "kind", "type", "label", "clip_id")), strict=True)):
        if contextual and kind in ("pqa", "cpqa") and of == "CE" and label:
            chosen[row] = number
        if not contextual and (kind, of) == ("pqa_template", "DE") and chosen.setdefault(clip, number) != number and int(clip[-1], 16) % 2:
            chosen[clip] = number
    return rows.select(sorted(chosen.values()))


def scores(answers: list[str], rows: Any, space: list[str]) -> tuple[float, float]:
    """Accuracy and macro F1, 0–1; an answer that names no emotion is wrong."""
    from sklearn.metrics import f1_score

    from cp_paraling_qa.judge.label_map import map_labels

    named = [found.label or "none" for found in map_labels(answers, space)]
    right = sum(name == label for name, label in zip(named, rows["label"], strict=True)) / len(rows)
    return right, float(f1_score(rows["label"], named, labels=space, average="macro", zero_division=0))


def learn(setting: Setting, dataset: str, model: Path, length: list[str], out: Path, cache: str) -> dict[str, Any]:
    """One setting: train, then answer with real and with shuffled audio."""
    from cp_paraling_qa.training.loading import load_model, load_processor, quiet
    from cp_paraling_qa.training.options import parse
    from cp_paraling_qa.training.predict import predict
    from cp_paraling_qa.training.rows import AudioSwapped, shuffled_audio
    from cp_paraling_qa.training.sft import train

    done = out / "result.json"
    if done.is_file():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    options: dict[str, Any] = {"model_name_or_path": model, "dataset_name": dataset, "dataset_config": setting.train, "output_dir": out, "seed": setting.seed}
    options |= {"mixture": setting.mixture} if setting.mixture else {}
    options |= {"train_parts": setting.parts, "learning_rate": RATES[setting.parts], "per_device_train_batch_size": 8, "warmup_steps": 20, "lora_dropout": 0.0}
    options |= {
        "bf16": True,
        "use_cpu": True,
        "gradient_checkpointing": False,
        "cache_tower": True,
        "share_clips": True,
        "tower_cache_dir": cache,
        "logging_steps": 20,
        "save_steps": 60,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    trained = train(*parse([*arguments, *length]), say=lambda line: print(f"    {line}", flush=True))
    result: dict[str, Any] = {"loss": trained.losses[-1][1], "seconds": trained.seconds}
    with quiet():
        processor, network = load_processor(model), load_model(model, adapter=out, dtype="bfloat16")
        for name in ("direct", "contextual") if "," in setting.test else ("direct",):
            rows = asked(dataset, setting.test, "test", contextual=name == "contextual")
            space = sorted(set(rows["label"]))
            swapped = AudioSwapped(rows, shuffled_audio(rows, setting.seed))
            (right, f1), (shuffled, _) = (
                scores(predict(network, processor, played, batch_size=32, max_new_tokens=24), rows, space) for played in (rows, swapped)
            )
            result[name] = {"accuracy": right, "macro_f1": f1, "shuffled": shuffled, "questions": len(rows)}
    done.write_text(json.dumps(result), encoding="utf-8")
    return result


def probe(dataset: str, model: Path) -> tuple[float, float]:
    """Accuracy and macro F1 of a logistic regression on mean and deviation over time of the tower's outputs."""
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from cp_paraling_qa.audio import decode_audio
    from cp_paraling_qa.training.families import family_of
    from cp_paraling_qa.training.hearing.tower_cache import tower_outputs
    from cp_paraling_qa.training.loading import load_model, load_processor, quiet

    with quiet():
        processor, network = load_processor(model), load_model(model)
        sides = []
        for split in ("train", "test"):
            rows = asked(dataset, "baseline", split, contextual=False)
            clips = [decode_audio(row["audio"])[0] for row in rows]
            states = [state for n in range(0, len(clips), 8) for state in tower_outputs(clips[n : n + 8], network, processor, family_of(network.config))]
            sides.append((np.stack([torch.cat([state.mean(0), state.std(0)]).numpy() for state in states]), rows["label"]))
    (features, labels), (unseen, truth) = sides
    told = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)).fit(features, labels).predict(unseen)
    return float(np.mean(told == np.array(truth))), float(f1_score(truth, told, average="macro"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="dataset folder made of RAVDESS by `cpqa build`")
    parser.add_argument("--model", help="a Qwen2-Audio-style model (default: the 170 M one, built into --out)")
    parser.add_argument("--parts", nargs="*", choices=list(RATES), default=["projector", "lora+projector"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--arms", action="store_true", help="the paper's 2 x 2 instead: baseline, explicit, implicit, combined; --parts and --seeds: the first of each"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--quick", action="store_true", help=f"one seed, the projector alone, {QUICK_STEPS} steps: shows the way, not the result")
    parser.add_argument("--out", help="keeps models, adapters and results here (default: a folder that goes away)")
    arguments = parser.parse_args()
    kept = "-quick" if arguments.quick else "" if arguments.epochs == EPOCHS else f"-{arguments.epochs}-epochs"  # runs of other lengths are other results
    length = ["--max_steps", str(QUICK_STEPS)] if arguments.quick else ["--num_train_epochs", str(arguments.epochs)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(arguments.out or folder)
        model = Path(arguments.model or out / "small-model")
        if not arguments.model:
            from cp_paraling_qa.training.small import write_small_model

            write_small_model(model)
        rows = asked(arguments.dataset, "baseline", "test", contextual=False)
        chance = 1 / len(set(rows["label"]))
        probe_accuracy, probe_f1 = probe(arguments.dataset, model)
        print(f"{len(rows)} direct questions about {len(set(rows['clip_id']))} clips of {len(set(rows['speaker_id']))} unheard actors; chance {chance:.3f}")
        print(f"linear probe on the tower's outputs: accuracy {probe_accuracy:.3f}, macro F1 {probe_f1:.3f}", flush=True)
        results: dict[str, list[dict[str, Any]]] = {}
        for setting in _settings(arguments):
            result = learn(setting, arguments.dataset, model, length, out / f"{setting.name}-{setting.parts}-{setting.seed}{kept}", str(out / "tower"))
            results.setdefault(setting.name, []).append(result)
            told = "; ".join(
                f"{name} accuracy {result[name]['accuracy']:.3f}, macro F1 {result[name]['macro_f1']:.3f}, shuffled audio {result[name]['shuffled']:.3f}"
                for name in ("direct", "contextual")
                if name in result
            )
            print(f"{setting.name:<15} seed {setting.seed}: {told}; loss {result['loss']:.3f}; trained in {result['seconds']:.0f} s", flush=True)
    means = {
        name: {
            kind: {key: round(statistics.mean(run[kind][key] for run in runs), 4) for key in ("accuracy", "macro_f1", "shuffled")}
            for kind in ("direct", "contextual")
            if kind in runs[0]
        }
        for name, runs in results.items()
    }
    print(json.dumps(means | {"probe": {"accuracy": round(probe_accuracy, 4), "macro_f1": round(probe_f1, 4)}, "chance": round(chance, 4)}))


def _settings(arguments: argparse.Namespace) -> list[Setting]:
    from cp_paraling_qa.benchmark.arms import ARMS

    if arguments.quick:
        return [Setting("projector", "projector", 0, mixture="emotion")]
    if arguments.arms:
        return [Setting(arm.name, arguments.parts[-1], arguments.seeds[0], train=arm.train, test=arm.test) for arm in ARMS]
    return [Setting(parts, parts, seed, mixture="emotion") for parts in arguments.parts for seed in arguments.seeds]


if __name__ == "__main__":
    main()

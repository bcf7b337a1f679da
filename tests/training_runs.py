"""Short fine-tuning runs for the tests: the tiny model on the tones, a few steps, everything logged."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distributed_runs import history
from training_fixtures import tiny_model, tones

from cp_paraling_qa.training.options import parse
from cp_paraling_qa.training.sft import train

gc.freeze()  # a trainer collects garbage in every run, which takes long over all that torch imports


def arguments(out: Path, *more: str) -> list[str]:
    """4 steps of 4 rows, without dropout, checkpoints or gradient checkpointing; `more` has the last word."""
    options = ["--model_name_or_path", str(tiny_model()), "--dataset_name", str(tones()), "--dataset_config", "baseline", "--output_dir", str(out)]
    options += ["--max_steps", "4", "--logging_steps", "1", "--per_device_train_batch_size", "4", "--learning_rate", "0.003", "--lora_dropout", "0.0"]
    return [*options, "--gradient_checkpointing", "false", "--save_strategy", "no", "--bf16", "false", "--tower_cache_dir", str(out / "tower"), *more]


def run(out: Path, *more: str, say: Callable[[str], None] = lambda line: None) -> Any:
    """One run."""
    return train(*parse(arguments(out, *more)), say=say)


def losses(trained: Any) -> list[float]:
    """Of every step."""
    return [loss for _, loss in trained.losses]


def logged(out: Path, *more: str) -> dict[str, list[float]]:
    """Losses and gradient norms of a run, step by step, and the losses on held-out rows."""
    run(out, "--save_strategy", "epoch", *more)
    log = history(out)
    return {name: [entry[name] for entry in log if name in entry] for name in ("loss", "grad_norm", "eval_loss")}

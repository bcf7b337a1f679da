"""An output folder and the run it belongs to: what makes a run this run, its last whole checkpoint, and what may be cleared away."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from trl import ModelConfig

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.stage import write_json
from cp_paraling_qa.training.loading import fingerprint
from cp_paraling_qa.training.options import AudioSFTConfig, CPQAArguments

RUN_FILE = "cpqa_run.json"

_SCHEDULE = (
    "learning_rate",
    "optim",
    "optim_args",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "weight_decay",
    "max_grad_norm",
    "lr_scheduler_type",
    "lr_scheduler_kwargs",
    "warmup_steps",
    "max_steps",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "seed",
    "data_seed",
    "bf16",
    "fp16",
    "neftune_noise_alpha",
)
_MODEL = (
    "lora_r",
    "lora_alpha",
    "lora_dropout",
    "lora_target_modules",
    "lora_modules_to_save",
    "use_rslora",
    "use_dora",
    "dtype",
    "load_in_4bit",
    "load_in_8bit",
)
_OURS = ("train_parts", "share_clips", "token_budget", "length_grouped")


def identity(base: str, data: str, training_args: AudioSFTConfig, model_args: ModelConfig, cpqa_args: CPQAArguments) -> dict[str, Any]:
    """The settings under which going on from a checkpoint gives what an unbroken run gives.

    Args:
        base: the model.
        data: hash of the rows, in their order.
        training_args: of the schedule.
        model_args: of LoRA and quantisation.
        cpqa_args: of what is trained and how batches are made.
    """
    best = None if cpqa_args.best_by is None else f"{cpqa_args.best_by} on {cpqa_args.eval_rows} rows of {cpqa_args.eval_split}"
    return {
        "model": fingerprint(base, model_args.model_revision),
        "data": data,
        "best": best,
        "processes": training_args.world_size,
        "tiny_seed": None if model_args.model_name_or_path else cpqa_args.tiny_seed,
        **{name: str(getattr(cpqa_args, name)) for name in _OURS},
        **{name: str(getattr(training_args, name)) for name in _SCHEDULE},
        **{name: str(getattr(model_args, name)) for name in _MODEL},
    }


def last_checkpoint(out: Path, run: dict[str, Any], *, write: bool) -> str | None:
    """The last complete checkpoint of this very run; None for a fresh start.

    A checkpoint whose `trainer_state.json`, which the first process writes last, or a process's random state is missing or torn was cut short by a kill; it is
    passed over.

    Args:
        out: the output folder.
        run: what makes this run this run.
        write: whether to note it down where nothing stands yet; on one process only.

    Raises:
        TrainingError: the folder holds another run; names the settings that differ.
    """
    record = out / RUN_FILE
    if record.is_file():
        before = json.loads(record.read_text(encoding="utf-8"))
        differs = [f"{name} was {before.get(name)}, is {value}" for name, value in run.items() if before.get(name) != value]
        if differs:
            raise TrainingError(f"{out} holds another run ({'; '.join(differs)}): pass --overwrite_output_dir to start afresh, or another --output_dir")
    elif any(out.glob("checkpoint-*")):
        raise TrainingError(f"{out} holds checkpoints of an unknown run: pass --overwrite_output_dir to start afresh, or another --output_dir")
    elif write:
        out.mkdir(parents=True, exist_ok=True)
        write_json(record, run)
    complete = [folder for folder in out.glob("checkpoint-*") if _complete(folder, run["processes"])]
    return str(max(complete, key=lambda folder: int(folder.name.rsplit("-", 1)[1]))) if complete else None


def clear(out: Path, *, tiny: bool) -> None:
    """Takes away what an earlier run left in the folder, and nothing else: it may hold the model, predictions, or a user's home."""
    for name in ("checkpoint-*", "adapter_*", "evaluation/step-*.jsonl", RUN_FILE, *(["tiny-model"] if tiny else [])):
        for path in out.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _complete(folder: Path, processes: int) -> bool:
    try:
        json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    random_states = [f"rng_state_{rank}.pth" for rank in range(processes)] if processes > 1 else ["rng_state.pth"]
    return all(zipfile.is_zipfile(folder / name) for name in random_states)  # torch.save writes zip files, their directory last

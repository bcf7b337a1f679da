"""Fine-tuning: what `accelerate launch trainer/sft.py` runs, and the same as a Python call.

TRL's SFTTrainer does the training. It knows no audio, so rows go to it unprepared and our collator makes the batches; and its defaults that are wrong for
audio (cutting at 1,024 tokens, dropping columns, preparing text) are switched off here.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback
from trl import ModelConfig, ScriptArguments, SFTTrainer

from cp_paraling_qa.errors import CPQAError, RecipeError, TrainingError
from cp_paraling_qa.training.collator import AudioQACollator
from cp_paraling_qa.training.families import Family, family_of
from cp_paraling_qa.training.loading import fingerprint, load_model, load_processor, quiet, threads_for
from cp_paraling_qa.training.options import TRAIN_PARTS, AudioSFTConfig, CPQAArguments, parse
from cp_paraling_qa.training.rows import content_hash, load_rows, refuse_unhearable, steer_metadata
from cp_paraling_qa.training.tiny import write_tiny_model

RUN_FILE = "cpqa_run.json"


def adapter_config(family: Family, train_parts: str, model_args: ModelConfig) -> Any:
    """The PEFT config of what is trained: LoRA on the language model's linears by regular expression, the projector through modules_to_save.

    The projector alone is a PEFT adapter too, with no LoRA in it, so that it saves, loads and merges like the others.
    """
    from peft import LoraConfig
    from peft.utils.constants import DUMMY_TARGET_MODULES

    if train_parts not in TRAIN_PARTS:
        raise RecipeError(f"train_parts {train_parts!r} is not one of {', '.join(TRAIN_PARTS)}")
    return LoraConfig(
        task_type=model_args.lora_task_type,
        r=model_args.lora_r,
        lora_alpha=model_args.lora_alpha,
        lora_dropout=model_args.lora_dropout,
        use_rslora=model_args.use_rslora,
        use_dora=model_args.use_dora,
        target_modules=DUMMY_TARGET_MODULES if train_parts == "projector" else (model_args.lora_target_modules or family.lora_targets),
        modules_to_save=model_args.lora_modules_to_save or (None if train_parts == "lora" else [family.projector]),
    )


def quantization(model_args: ModelConfig) -> dict[str, Any]:
    """`quantization_config` for QLoRA, with tower, projector and output layer left as they are; empty where nothing is quantised."""
    from trl import get_quantization_config

    config = get_quantization_config(model_args)
    if config is None:
        return {}
    config.llm_int8_skip_modules = ["model.audio_tower", "model.multi_modal_projector", "lm_head"]  # short names would silently skip nothing
    return {"quantization_config": config}


@dataclass
class Trained:
    """What a run leaves behind: the folder with adapter and processor, the model it sits on, the loss of every log, seconds of training."""

    adapter: Path
    base: str
    losses: list[tuple[int, float]]
    seconds: float
    rows: int


def train(
    script_args: ScriptArguments,
    training_args: AudioSFTConfig,
    model_args: ModelConfig,
    cpqa_args: CPQAArguments,
    *,
    say: Callable[[str], None] = print,
) -> Trained:
    """One fine-tuning run, from dataset to saved adapter. Goes on where a killed run of the same settings stopped.

    Args:
        script_args: dataset, configs (joined by commas) and split.
        training_args: everything of TRL's SFTConfig.
        model_args: model, dtype, LoRA, quantisation.
        cpqa_args: our own options.
        say: takes one line of progress at a time; called on the main process only.

    Raises:
        TrainingError: model or output folder cannot be used; ClipLengthError names clips that the encoder would cut.
        DatasetError: no such dataset, config or split; a row that cannot be trained on.
    """
    tell = say if training_args.process_index == 0 else _say_nothing
    with quiet():
        return _train(script_args, training_args, model_args, cpqa_args, tell)


def _train(
    script_args: ScriptArguments, training_args: AudioSFTConfig, model_args: ModelConfig, cpqa_args: CPQAArguments, tell: Callable[[str], None]
) -> Trained:
    out = Path(str(training_args.output_dir))
    first_process = training_args.process_index == 0
    with training_args.main_process_first():
        if cpqa_args.overwrite_output_dir and first_process:
            _clear(out, tiny=not model_args.model_name_or_path)
        rows = _rows(script_args, script_args.dataset_train_split)
        base = model_args.model_name_or_path or str(_tiny_model(out / "tiny-model", rows, cpqa_args.tiny_seed, tell))
    processor = load_processor(base, revision=model_args.model_revision, trust_remote_code=training_args.trust_remote_code)
    model = load_model(
        base,
        dtype=model_args.dtype or "float32",
        revision=model_args.model_revision,
        trust_remote_code=training_args.trust_remote_code,
        attn_implementation=model_args.attn_implementation,
        **quantization(model_args),
    )
    family = family_of(model.config)
    dataset = _dataset(rows, training_args, cpqa_args, family, processor, tell)
    tell(f"{script_args.dataset_name}, {script_args.dataset_config}: {len(dataset)} questions about {len(set(dataset['clip_id']))} clips")
    held_out = None
    if training_args.eval_strategy != "no":
        held_out, _ = refuse_unhearable(_rows(script_args, script_args.dataset_test_split), family, processor, drop=cpqa_args.drop_unhearable)
    with training_args.main_process_first():
        checkpoint = _checkpoint(out, _identity(base, dataset, training_args, model_args, cpqa_args), write=first_process)
    checkpoint = training_args.resume_from_checkpoint or checkpoint
    if checkpoint:
        tell(f"going on from {checkpoint}")
    with threads_for(model):
        trainer = SFTTrainer(
            model=model,
            args=training_args,
            train_dataset=dataset,
            eval_dataset=held_out,
            processing_class=processor,
            data_collator=AudioQACollator(processor, family),
            peft_config=adapter_config(family, cpqa_args.train_parts, model_args),
            callbacks=[_Lines(tell)],
        )
        trainer.remove_callback(PrinterCallback)
        tell(f"training {cpqa_args.train_parts}: {_parts(trainer.model, family)}")
        began = time.perf_counter()
        trainer.train(resume_from_checkpoint=checkpoint)  # a finished run does no step here, and only saves again
        seconds = time.perf_counter() - began
        trainer.save_model(str(out))
        losses = [(int(entry["step"]), float(entry["loss"])) for entry in trainer.state.log_history if "loss" in entry]
        trainer.end()
    return Trained(adapter=out, base=base, losses=losses, seconds=seconds, rows=len(dataset))


def _say_nothing(line: str) -> None:
    """For the other processes."""


def _clear(out: Path, *, tiny: bool) -> None:
    """Takes away what an earlier run left in the folder, and nothing else: it may hold the model, predictions, or a user's home."""
    for name in ("checkpoint-*", "adapter_*", RUN_FILE, *(["tiny-model"] if tiny else [])):
        for path in out.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _tiny_model(path: Path, rows: Any, seed: int, tell: Callable[[str], None]) -> Path:
    """The tiny model of a run that names none, its tokenizer trained on the run's own texts. Its done-marker is the processor's config, written last."""
    if (path / "processor_config.json").is_file():
        return path
    parameters = write_tiny_model(path, texts=[*rows["prompt"], *rows["answer"]], seed=seed)
    tell(f"no --model_name_or_path: wrote a tiny Qwen2-Audio of {parameters / 1e3:.0f} k random parameters to {path}; it is for trying things, not for science")
    return path


def _rows(script_args: ScriptArguments, split: str) -> Any:
    if script_args.dataset_streaming:
        raise RecipeError("dataset_streaming cannot be used: the length check reads every clip's header before training")
    if not script_args.dataset_name or not script_args.dataset_config:
        raise RecipeError("pass --dataset_name (a dataset folder such as RUN/dataset, or cp_paraling_qa) and --dataset_config (such as baseline,implicit)")
    return load_rows(script_args.dataset_name, script_args.dataset_config, split)


def _dataset(rows: Any, training_args: AudioSFTConfig, cpqa_args: CPQAArguments, family: Family, processor: Any, tell: Callable[[str], None]) -> Any:
    """The rows that are trained on: those that can be heard, with the metadata as asked for."""
    dataset, dropped = refuse_unhearable(rows, family, processor, drop=cpqa_args.drop_unhearable)
    if dropped:
        tell(f"left out {len(dropped)} clips that cannot be heard whole: {', '.join(f'{clip} ({length:.2f} s)' for clip, length in dropped.items())}")
    if cpqa_args.max_rows is not None:
        dataset = dataset.select(range(min(cpqa_args.max_rows, len(dataset))))
    return steer_metadata(dataset, dropout=cpqa_args.metadata_dropout, shuffle=cpqa_args.metadata_shuffle, seed=training_args.seed)


def _identity(base: str, dataset: Any, training_args: AudioSFTConfig, model_args: ModelConfig, cpqa_args: CPQAArguments) -> dict[str, Any]:
    """What makes a run this run: the settings under which going on from its checkpoint gives what an unbroken run gives."""
    schedule = (
        "learning_rate",
        "optim",
        "weight_decay",
        "max_grad_norm",
        "lr_scheduler_type",
        "warmup_steps",
        "max_steps",
        "num_train_epochs",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "seed",
        "data_seed",
    )
    lora = (
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
    return {
        "model": fingerprint(base),
        "data": content_hash(dataset),
        "train_parts": cpqa_args.train_parts,
        "tiny_seed": None if model_args.model_name_or_path else cpqa_args.tiny_seed,
        **{name: str(getattr(training_args, name)) for name in schedule},
        **{name: str(getattr(model_args, name)) for name in lora},
    }


def _checkpoint(out: Path, identity: dict[str, Any], *, write: bool) -> str | None:
    """The last complete checkpoint of this very run; None for a fresh start.

    A checkpoint whose `trainer_state.json`, which is written last, is missing or torn was cut short by a kill; it is passed over.

    Raises:
        TrainingError: the folder holds another run; names the settings that differ.
    """
    record = out / RUN_FILE
    if record.is_file():
        before = json.loads(record.read_text(encoding="utf-8"))
        differs = [f"{name} was {before.get(name)}, is {value}" for name, value in identity.items() if before.get(name) != value]
        if differs:
            raise TrainingError(f"{out} holds another run ({'; '.join(differs)}): pass --overwrite_output_dir to start afresh, or another --output_dir")
    elif any(out.glob("checkpoint-*")):
        raise TrainingError(f"{out} holds checkpoints of an unknown run: pass --overwrite_output_dir to start afresh, or another --output_dir")
    elif write:
        out.mkdir(parents=True, exist_ok=True)
        beside = record.with_suffix(".part")
        beside.write_text(json.dumps(identity, indent=1), encoding="utf-8")
        beside.replace(record)
    complete = [folder for folder in out.glob("checkpoint-*") if _complete(folder)]
    return str(max(complete, key=lambda folder: int(folder.name.rsplit("-", 1)[1]))) if complete else None


def _complete(folder: Path) -> bool:
    try:
        json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _parts(model: Any, family: Family) -> str:
    """What is trained, part by part, in numbers of parameters."""
    counts: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        part = next((part for part in (family.tower, family.projector, "language_model", "lm_head") if part in name), "other")
        part_counts = counts.setdefault(part, [0, 0])
        part_counts[0] += parameter.numel() if parameter.requires_grad else 0
        part_counts[1] += parameter.numel()
    return ", ".join(f"{part} {trained:,} of {total:,}" for part, (trained, total) in counts.items())


class _Lines(TrainerCallback):  # type: ignore[misc]
    """One line a log: step, loss, share of answer tokens right, time left."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell, self.began, self.first = tell, 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.began, self.first = time.perf_counter(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if logs and "eval_loss" in logs:
            self.tell(f"step {state.global_step}/{state.max_steps}  loss on held-out rows {float(logs['eval_loss']):.3f}")
        if not logs or "loss" not in logs:
            return
        done = max(1, state.global_step - self.first)
        left = (time.perf_counter() - self.began) / done * (state.max_steps - state.global_step)
        accuracy = logs.get("mean_token_accuracy")
        right = f"  answer tokens right {float(accuracy):.2f}" if accuracy is not None else ""
        self.tell(f"step {state.global_step}/{state.max_steps}  loss {float(logs['loss']):.3f}{right}  {left:.0f} s left")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 2 after an error that names its item and remedy."""
    try:
        arguments = parse(argv)
        trained = train(*arguments)
    except CPQAError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}; free some space or pass another --output_dir, and run again: it goes on from its last checkpoint", file=sys.stderr)
        return 2
    if arguments[1].process_index == 0:
        name, config = arguments[0].dataset_name, arguments[0].dataset_config
        loss = f"; loss {trained.losses[0][1]:.3f} → {trained.losses[-1][1]:.3f}" if trained.losses else ""
        print(f"trained on {trained.rows} questions in {trained.seconds:.0f} s{loss}")
        print(f"adapter and processor: {trained.adapter}")
        print(
            f"next: python trainer/predict.py --model {trained.base} --adapter {trained.adapter} --dataset {name} --config {config} --split test --out {trained.adapter}/predictions.jsonl"
        )
    return 0

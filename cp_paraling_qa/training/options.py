"""The options of a fine-tuning run: TRL's own, with defaults that fit audio rows, and ours; from defaults, a recipe and the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from trl import ModelConfig, ScriptArguments, SFTConfig, TrlParser

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.training.loading import quiet

TRAIN_PARTS = ("lora+projector", "lora", "projector")

TINY_DEFAULTS: dict[str, Any] = {
    "dataset_name": "cp_paraling_qa",
    "dataset_config": "implicit",
    "max_steps": 300,
    "per_device_train_batch_size": 8,
    "learning_rate": 3e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 20,
    "gradient_checkpointing": False,
    "lora_dropout": 0.0,
    "save_steps": 100,
    "logging_steps": 25,
}
"""What a run without a model uses, on a tiny model of its own; `trainer/recipes/tiny.yaml` says the same."""


@dataclass
class DataArguments(ScriptArguments):  # type: ignore[misc]
    """TRL's ScriptArguments, with help that fits our datasets."""

    _argument_group_name = "data"  # a heading of `--help`

    dataset_name: str | None = field(default=None, metadata={"help": "Dataset folder such as RUN/dataset, cp_paraling_qa for the bundled sample, or a Hub id."})
    dataset_config: str | None = field(
        default=None, metadata={"help": "baseline, explicit, implicit or combined; several joined by commas are trained on together."}
    )
    dataset_train_split: str = field(default="train", metadata={"help": "The split to train on."})
    dataset_test_split: str = field(default="test", metadata={"help": "The split for the evaluation loss, with --eval_strategy steps."})
    dataset_streaming: bool = field(default=False, metadata={"help": "Cannot be used: the length check reads every clip's header before training."})


class ModelArguments(ModelConfig):  # type: ignore[misc]
    """TRL's ModelConfig. LoRA is always used, whatever use_peft says: --train_parts names what is trained."""

    _argument_group_name = "model, LoRA and quantisation"


@dataclass
class AudioSFTConfig(SFTConfig):  # type: ignore[misc]
    """TRL's SFTConfig with the defaults that fit audio rows and LoRA."""

    _argument_group_name = "training: all of TRL's SFTConfig"

    output_dir: str | None = field(
        default="runs/sft", metadata={"help": "Where adapter, processor and checkpoints go. A run that was killed goes on from its last checkpoint."}
    )
    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate; 1e-4 suits LoRA, TRL's 2e-5 is for full fine-tuning."})
    bf16: bool | None = field(default=None, metadata={"help": "bfloat16 mixed precision. Not set: where the GPU can do it."})
    max_length: int | None = field(default=None, metadata={"help": "Not used: nothing is ever truncated, audio tokens have to stay whole."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "Has to stay False: the collator reads the dataset's columns."})
    report_to: str = field(default="none", metadata={"help": "none, wandb, trackio, tensorboard."})
    save_steps: float = field(default=200, metadata={"help": "A checkpoint every so many steps."})
    save_total_limit: int | None = field(default=2, metadata={"help": "How many checkpoints are kept."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "Shape of the learning rate over the run."})
    disable_tqdm: bool | None = field(default=True, metadata={"help": "Progress bars of transformers; off, as we print one line per log."})
    dataloader_pin_memory: bool = field(default_factory=torch.cuda.is_available, metadata={"help": "Pinned memory, for GPUs."})

    def __post_init__(self) -> None:
        if self.bf16 is None:
            self.bf16 = not self.fp16 and not self.use_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        self.dataset_kwargs: dict[str, Any] = {"skip_prepare_dataset": True}  # the only key there is
        self.prediction_loss_only = True
        checkpointing: bool | None = getattr(self, "activation_checkpointing", None)
        if checkpointing is None:  # the new name of the same thing; set here, it spares the user a warning
            self.activation_checkpointing = self.gradient_checkpointing
        super().__post_init__()
        if self.max_length is not None or self.remove_unused_columns:
            raise RecipeError("max_length and remove_unused_columns cannot be used with audio rows: leave both away")


@dataclass
class CPQAArguments:
    """What we add to TRL's own arguments."""

    _argument_group_name = "contextual paralinguistic QA"

    train_parts: str = field(
        default="lora+projector",
        metadata={
            "help": "lora+projector: LoRA on the language model, projector in full. lora: LoRA alone. projector: projector alone, the paper's setting.",
            "choices": list(TRAIN_PARTS),
        },
    )
    metadata_dropout: float = field(
        default=0.0, metadata={"help": "Share of the rows with metadata that show the bare question instead, 0 to 1; exact under --seed."}
    )
    metadata_shuffle: bool = field(default=False, metadata={"help": "Control: every row shows another clip's metadata; exact under --seed."})
    drop_unhearable: bool = field(
        default=False, metadata={"help": "Leave out, and count, clips too long or too short for the encoder, instead of refusing them."}
    )
    overwrite_output_dir: bool = field(
        default=False,
        metadata={"help": "Start afresh where output_dir holds another run. Without it, a run like that one goes on, and a different one is refused."},
    )
    max_rows: int | None = field(default=None, metadata={"help": "Train on the first so many rows only."})
    tiny_seed: int = field(default=0, metadata={"help": "Seed of the random weights of the tiny model that is built where no model is named."})


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults behind every option; description and examples as they are written."""


def make_parser() -> TrlParser:
    """The command line: TRL's ScriptArguments, ModelConfig and SFTConfig, and ours."""
    return TrlParser(
        (DataArguments, ModelArguments, CPQAArguments, AudioSFTConfig),
        prog="sft.py",
        usage="accelerate launch trainer/sft.py [--config RECIPE.yaml] [--OPTION VALUE ...]",
        description="Fine-tune a Qwen2-Audio-style model on contextual paralinguistic QA.\n\n"
        "Options come from the defaults below, then from --config RECIPE.yaml, then from the command line; the later one wins.\n"
        "Without --model_name_or_path a tiny model is built and trained on the bundled sample, in a minute or two on a CPU.",
        epilog="examples:\n  accelerate launch trainer/sft.py\n  accelerate launch trainer/sft.py --config trainer/recipes/qwen2_audio_lora.yaml \\\n"
        "      --dataset_name RUN/dataset --dataset_config baseline,implicit --output_dir runs/implicit",
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )


def parse(argv: Sequence[str] | None = None) -> tuple[ScriptArguments, AudioSFTConfig, ModelConfig, CPQAArguments]:
    """Arguments from defaults, then `--config recipe.yaml`, then the command line; the later one wins.

    Raises:
        RecipeError: a recipe that is missing, is no mapping, or names an option that does not exist.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    arguments = [part for argument in arguments for part in (argument.split("=", 1) if argument.startswith("--config=") else [argument])]
    recipe = _recipe(arguments)
    parser = make_parser()
    if not recipe.get("model_name_or_path") and not any(argument.split("=")[0] in ("--model_name_or_path", "--model-name-or-path") for argument in arguments):
        parser.set_defaults_with_config(**{name: value for name, value in TINY_DEFAULTS.items() if name not in recipe})
    try:
        with quiet():
            data, model, ours, training = parser.parse_args_and_config(arguments)
    except RecipeError:
        raise
    except (ValueError, TypeError) as error:
        raise RecipeError(f"these options cannot be used: {error}") from error
    return data, training, model, ours


def _recipe(arguments: Sequence[str]) -> dict[str, Any]:
    import yaml

    if "--config" not in arguments:
        return {}
    place = list(arguments).index("--config") + 1
    if place >= len(arguments):
        raise RecipeError("--config needs the path of a recipe")
    try:
        recipe = yaml.safe_load(Path(arguments[place]).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"recipe {arguments[place]} cannot be read: {error}") from error
    if not isinstance(recipe, dict):
        raise RecipeError(f"recipe {arguments[place]} is not a mapping of option names to values")
    return recipe

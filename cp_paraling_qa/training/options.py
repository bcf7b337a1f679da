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
from cp_paraling_qa.training.parts import TRAIN_PARTS

TINY_DEFAULTS: dict[str, Any] = {
    "dataset_name": "cp_paraling_qa",
    "dataset_config": "implicit",
    "train_parts": "lora+projector",
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
    dataset_streaming: bool = field(
        default=False, metadata={"help": "Read rows while training instead of before; needs --max_steps, and Parquet or JSON Lines."}
    )


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
        if not torch.accelerator.is_available():
            self.use_cpu = True  # unasked, bf16 would be refused, and of several CPU processes each would train alone
        if self.bf16 is None:
            self.bf16 = not self.fp16 and not self.use_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        self.dataset_kwargs: dict[str, Any] = {"skip_prepare_dataset": True}  # the only key there is
        self.prediction_loss_only = True
        checkpointing: bool | None = getattr(self, "activation_checkpointing", None)
        if checkpointing is None:  # the new name of the same thing; set here, it spares the user a warning
            self.activation_checkpointing = self.gradient_checkpointing
            self.activation_checkpointing_kwargs = self.gradient_checkpointing_kwargs
        super().__post_init__()
        if self.max_length is not None or self.remove_unused_columns:
            raise RecipeError("max_length and remove_unused_columns cannot be used with audio rows: leave both away")


@dataclass
class CPQAArguments:
    """What we add to TRL's own arguments."""

    _argument_group_name = "contextual paralinguistic QA"

    train_parts: str = field(
        default="lora",
        metadata={"help": "; ".join(f"{name}: {what}" for name, what in TRAIN_PARTS.items()), "choices": list(TRAIN_PARTS)},
    )
    metadata_dropout: float = field(
        default=0.0, metadata={"help": "Share of the rows with metadata that show the bare question instead, 0 to 1; exact under --seed."}
    )
    metadata_shuffle: bool = field(default=False, metadata={"help": "Control: every row shows another clip's metadata; exact under --seed."})
    drop_unhearable: bool = field(
        default=False, metadata={"help": "Leave out, and count, clips too long or too short for the encoder, instead of refusing them."}
    )
    length_grouped: bool = field(default=True, metadata={"help": "Batches of rows alike in length, so that little is padding."})
    token_budget: int | None = field(
        default=None,
        metadata={"help": "Most tokens of a batch, audio positions and padding included; per_device_train_batch_size stays the most rows."},
    )
    share_clips: bool = field(
        default=False,
        metadata={
            "help": "Questions about one clip share one sequence, which holds the clip once: the same loss for each, several times faster with many questions a clip."
        },
    )
    cache_tower: bool = field(
        default=False,
        metadata={"help": "Run the frozen audio tower once a clip and keep its outputs on disk. Refused where the tower trains."},
    )
    tower_cache_dir: str = field(
        default="~/.cache/cp-paraling-qa/tower",
        metadata={"help": "Where the tower's outputs are kept: 128 kB for a second of audio in float32 with Qwen2-Audio."},
    )
    overwrite_output_dir: bool = field(
        default=False,
        metadata={"help": "Start afresh where output_dir holds another run. Without it, a run like that one goes on, and a different one is refused."},
    )
    max_rows: int | None = field(default=None, metadata={"help": "Train on the first so many rows only."})
    arm: str | None = field(
        default=None,
        metadata={
            "help": "The paper's training data: S10 ASR + template questions, S20 + PQA*, S30 + CPQA, S32 = S30 with metadata in the prompt. Natural sizes.",
            "choices": ["S10", "S20", "S30", "S32"],
        },
    )
    mixture: str | None = field(
        default=None,
        metadata={
            "help": "Components and weights, such as cpqa=2,pqa=1,text@FILE=0.5; in a recipe also a mapping or a list. See cp_paraling_qa.training.mixing.components."
        },
    )
    mixture_size: int | None = field(
        default=None, metadata={"help": "Rows of an epoch; components are drawn up or down to their shares of it. Not set: as many as the components have."}
    )
    mixture_temperature: float | None = field(
        default=None,
        metadata={"help": "Shares are weight x rows^(1/T): 1 is natural sizes, inf equal ones. Not set: the weights alone, or 1 where there are none."},
    )
    mixture_metadata: bool = field(default=False, metadata={"help": "Components take their rows from explicit and combined: metadata in the prompt."})
    match_arm: str | None = field(default=None, metadata={"help": "Control: draw as many rows as this arm has.", "choices": ["S10", "S20", "S30", "S32"]})
    stream_buffer: int = field(default=500, metadata={"help": "With --dataset_streaming: rows that are held to be shuffled, in every loader process."})
    eval_rows: int | None = field(
        default=None,
        metadata={"help": "Answer and score so many held-out rows while training, as they are and with other clips' audio. Not set: 100 with --eval_every."},
    )
    eval_every: int | None = field(default=None, metadata={"help": "Evaluate every so many steps, and at the end. Not set: --save_steps, with --eval_rows."})
    eval_split: str | None = field(
        default=None,
        metadata={
            "help": "Where held-out rows come from: the name of a split, or speakers: whole speakers taken out of the training rows. Not set: validation where there is one, "
            "else speakers. The test split is used only where it is named here."
        },
    )
    eval_batch_size: int = field(default=8, metadata={"help": "Held-out rows that are answered at a time."})
    eval_max_new_tokens: int = field(default=64, metadata={"help": "Most tokens of an answer to a held-out row."})
    best_by: str | None = field(
        default=None,
        metadata={
            "help": "Keep the evaluated step that is best by this score on the held-out rows, not the last one; a checkpoint is then saved at every evaluation.",
            "choices": ["label_accuracy", "f1_macro", "judge", "loss", "listens"],
        },
    )
    judge_base_url: str | None = field(
        default=None, metadata={"help": "Endpoint of an LLM judge for held-out rows, up to and with /v1; its key comes from OPENAI_API_KEY."}
    )
    judge_model: str | None = field(default=None, metadata={"help": "Name of the judge at its endpoint."})
    preflight_only: bool = field(default=False, metadata={"help": "Print what would be trained, check it, and stop."})
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

"""Fine-tuning: what `accelerate launch trainer/sft.py` runs, and the same as a Python call.

TRL's SFTTrainer does the training. It knows no audio, so rows go to it unprepared and our collator makes the batches; and its defaults that are wrong for
audio (cutting at 1,024 tokens, dropping columns, preparing text) are switched off here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from trl import ModelConfig, ScriptArguments

from cp_paraling_qa.errors import CPQAError
from cp_paraling_qa.training.loading import quiet
from cp_paraling_qa.training.mixing.components import WITH_METADATA
from cp_paraling_qa.training.options import AudioSFTConfig, CPQAArguments, parse
from cp_paraling_qa.training.run import FineTuning, Trained

__all__ = ["Trained", "main", "train"]


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
        return FineTuning(script_args, training_args, model_args, cpqa_args, tell)()


def _say_nothing(line: str) -> None:
    """For the other processes."""


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
    if arguments[1].process_index == 0 and not arguments[3].preflight_only:
        loss = f"; loss {trained.losses[0][1]:.3f} → {trained.losses[-1][1]:.3f}" if trained.losses else ""
        print(f"trained on {trained.rows} questions in {trained.seconds:.0f} s{loss}")
        print(f"{'model' if arguments[3].train_parts == 'full' else 'adapter'} and processor: {trained.adapter}")
        print(f"next: {next_command(trained, arguments[0], arguments[3])}")
    return 0


def next_command(trained: Trained, script_args: ScriptArguments, cpqa_args: CPQAArguments) -> str:
    """The command that asks the trained model the test questions, with metadata in the prompt where it was trained with it."""
    model = str(trained.adapter) if cpqa_args.train_parts == "full" else f"{trained.base} --adapter {trained.adapter}"
    config = script_args.dataset_config
    if cpqa_args.arm or cpqa_args.mixture:  # these choose configs themselves, whatever dataset_config says
        config = "explicit,combined" if cpqa_args.arm in WITH_METADATA or cpqa_args.mixture_metadata else "baseline,implicit"
    dataset = script_args.dataset_name or "DATASET"
    return f"python trainer/predict.py --model {model} --dataset {dataset} --config {config} --split test --out {trained.adapter}/predictions.jsonl"

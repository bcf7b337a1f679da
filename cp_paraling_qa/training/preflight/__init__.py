"""Before training: says what will be trained, on what, at what cost, and as the model will see it; and stops on anything that `checks` finds.

`check_targets` runs on the bare model, before PEFT puts its adapter on; `preflight` on the trainer, with everything in place. Every process checks, the first one tells.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training.evaluating.held_out import HeldOut
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.options import CPQAArguments
from cp_paraling_qa.training.parts import TRAIN_PARTS, count_parts
from cp_paraling_qa.training.preflight import checks
from cp_paraling_qa.training.preflight.report import example_lines, heading, memory_lines, part_lines, row_lines, schedule_lines, wrapped
from cp_paraling_qa.training.rows import HeardRows
from cp_paraling_qa.training.sampler import RowLength

CHEAP = 1e12
"""Floating point operations of a forward pass that a CPU may spend on the check: some tens of seconds at the most."""
EXAMPLES = 3


def check_targets(model: Any, family: Family, train_parts: str, model_args: Any) -> None:
    """Refuses LoRA targets that match nothing, or the tower where it stays frozen, before PEFT puts its adapter on.

    Raises:
        TrainingError: names the targets and what they match.
    """
    _stop(checks.lora_target_problems(model, family, train_parts, model_args.lora_target_modules))


@dataclass
class Setting:
    """What the report is about.

    Attributes:
        trainer: with adapter, batches and collator in place.
        processor: of the model.
        family: of the model.
        cpqa_args: our options.
        model_args: TRL's.
        held_out: rows to evaluate on; None for none.
    """

    trainer: Any
    processor: Any
    family: Family
    cpqa_args: CPQAArguments
    model_args: Any
    held_out: HeldOut | None = None

    @property
    def lengths(self) -> Sequence[RowLength] | None:
        """Of every training row; None for a stream."""
        return None if self.trainer.batches is None else self.trainer.batches.lengths


def preflight(setting: Setting, tell: Callable[[str], None]) -> None:
    """Prints the report and stops on what is wrong.

    Args:
        setting: the run.
        tell: takes a line of at most 100 columns.

    Raises:
        TrainingError: everything that was found, each with its remedy.
    """
    trainer = setting.trainer
    counts = count_parts(trainer.model, setting.family)
    longest, batch = longest_batch(setting)
    tell(heading("what is trained"))
    tell(f"train_parts {setting.cpqa_args.train_parts}: {TRAIN_PARTS[setting.cpqa_args.train_parts]}")
    _tell(tell, part_lines(counts))
    tell(heading("memory of a training step, estimated"))
    _tell(tell, memory_lines(setting, batch))
    tell(heading("rows"))
    _tell(tell, row_lines(setting))
    if setting.held_out is not None:
        _tell(tell, wrapped(f"evaluated on {setting.held_out.described}"))
        _tell(tell, wrapped(f"speakers taken out: {', '.join(setting.held_out.speakers)}") if setting.held_out.speakers else [])
        _tell(tell, [line for warning in setting.held_out.warnings for line in wrapped(f"note: {warning}")])
    _tell(tell, schedule_lines(setting))
    problems = _problems(setting, counts, longest, batch, tell)
    tell(heading("examples, as the model sees them; ⟦ ⟧ is what it learns"))
    _tell(tell, example_lines(setting, EXAMPLES))
    _stop(problems)
    tell(heading("nothing wrong was found"))


def _problems(setting: Setting, counts: Any, longest: Sequence[Any], batch: dict[str, Any] | None, tell: Callable[[str], None]) -> list[str]:
    trainer, family, processor, model = setting.trainer, setting.family, setting.processor, setting.trainer.model
    device = model.device.type
    problems = checks.part_problems(counts, setting.cpqa_args.train_parts, cache_tower=setting.cpqa_args.cache_tower)
    problems += checks.tokenizer_problems(model, processor, family)
    supported = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    problems += checks.precision_problems(model, bf16=bool(trainer.args.bf16), device=device, bf16_supported=supported)
    problems += checks.quantised_problems(model, family)
    if setting.lengths is not None:
        rows = trainer.train_dataset
        names = rows.select_columns(["id", "clip_id"])
        problems += checks.answer_problems(rows["id"], rows["answer"])
        problems += checks.length_problems(model.config, setting.lengths, lambda n: f"row {names[n]['id']}, clip {names[n]['clip_id']}")
    if batch is None:
        return problems or ["no row could be read from the stream"]
    vocabulary = int(model.get_output_embeddings().weight.shape[0])
    problems += checks.batch_problems(batch, processor, family, vocabulary) if vocabulary else []
    return problems or _forward(setting, longest, batch, tell)


def _forward(setting: Setting, longest: Sequence[Any], batch: dict[str, Any], tell: Callable[[str], None]) -> list[str]:
    """The dry forward pass, where it is cheap and the weights are whole."""
    trainer, model = setting.trainer, setting.trainer.model
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        tell("  no dry forward pass: the weights are sharded later")
        return []
    operations = 2 * sum(weight.numel() for weight in model.parameters()) * batch["input_ids"].numel()
    if model.device.type == "cpu" and operations > CHEAP:
        tell("  no dry forward pass: the longest batch would take long on a CPU")
        return []
    moved = {name: value.to(model.device) if hasattr(value, "to") else value for name, value in batch.items()}
    with trainer.accelerator.autocast():
        problems, loss = checks.forward_problems(model, moved, setting.family, [str(row.get("id")) for row in longest])
    if loss is not None:
        tell(f"  loss of the longest batch before training: {loss:.3f} nats an answer token")
    return problems


def longest_batch(setting: Setting) -> tuple[list[Any], dict[str, Any] | None]:
    """The rows of this process's longest batch, and the batch. Of a stream, its first rows; none of an empty one.

    Its audio is heard anew where the tower's outputs are to come from the cache: that is filled later.
    """
    trainer = setting.trainer
    if trainer.batches is None:
        rows = list(itertools.islice(iter(trainer.train_dataset), trainer.args.per_device_train_batch_size))
    else:
        lengths = trainer.batches.lengths
        numbers = max(trainer.batches, key=lambda batch: (len(batch) * max(lengths[n].audio + lengths[n].text for n in batch), batch))
        rows = HeardRows(trainer.train_dataset).__getitems__(numbers)
    answered = [row for row in rows if row["answer"] and row["answer"].strip()]  # the others are found by another check
    return rows, trainer.data_collator(answered) if answered else None


def _stop(problems: Sequence[str]) -> None:
    found = list(Counter(problems))
    if len(found) == 1:
        raise TrainingError(f"not trained: {found[0]}")
    if found:
        raise TrainingError("not trained:\n" + "\n".join(f"  {number}. {problem}" for number, problem in enumerate(found, start=1)))


def _tell(tell: Callable[[str], None], lines: Sequence[str]) -> None:
    for line in lines:
        tell(line)

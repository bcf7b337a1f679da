"""How much memory does a training step need? Computed from the model's config, before anything is downloaded.

Weights, gradients and optimiser states are counted off the model built without memory (`parts`); activations follow from the layers' shapes (`layers`); the
peak is the largest of the moments that a step passes through (`step`).

Counted is what PyTorch's allocator hands out (`torch.cuda.max_memory_allocated`). Not counted: the CUDA context, what the allocator holds in reserve, DDP's buckets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.training.families import Family, family_of
from cp_paraling_qa.training.memory.layers import Precision
from cp_paraling_qa.training.memory.parts import Choice, parts_of
from cp_paraling_qa.training.memory.step import Batch, MemoryEstimate, PartEstimate, Step

__all__ = ["Batch", "MemoryEstimate", "PartEstimate", "describe", "estimate"]

_SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}


def estimate(
    config: Any,
    *,
    train_parts: str = "lora",
    batch: Batch | None = None,
    dtype: str = "bfloat16",
    quantised: str | None = None,
    lora_r: int = 16,
    lora_dropout: float = 0.0,
    lora_targets: str | Sequence[str] | None = None,
    modules_to_save: Sequence[str] | None = None,
    gradient_checkpointing: bool = True,
    optimizer: str = "adamw_torch_fused",
    autocast: bool = False,
    accumulates: bool = False,
    tower: str = "trimmed",
    device: str = "cuda",
) -> MemoryEstimate:
    """Memory of a training step.

    Args:
        config: of the model; only the config is needed.
        train_parts: lora, projector, lora+projector, tower-lora or full.
        batch: the largest one.
        dtype: of the weights: float32, bfloat16, float16.
        quantised: None, "4bit" or "8bit": the language model's linear layers by bitsandbytes; adapters are then bfloat16, as TRL makes them.
        lora_r: rank.
        lora_dropout: above 0 it costs a copy of the input and a mask for each adapted layer.
        lora_targets: as PEFT takes them; None for the family's.
        modules_to_save: likewise; None for the projector where `train_parts` names it.
        gradient_checkpointing: layers keep their inputs only.
        optimizer: as the Trainer's `optim` is called; one that is not known is counted as AdamW, and noted.
        autocast: mixed precision (`bf16`).
        accumulates: whether gradients of earlier batches are there during the forward pass (gradient accumulation).
        tower: "trimmed" to the batch's longest clip, "full" (stock: the whole length for every clip), or "cached" (does not run).
        device: "cuda" or "cpu".

    Raises:
        RecipeError: an option that does not exist, or that trains nothing.
        TrainingError: a model of an unknown family.
    """
    family, batch = family_of(config), batch or Batch()
    _check(train_parts=train_parts, dtype=dtype, quantised=quantised, tower=tower, mask=batch.mask)
    size, whole = _SIZES[dtype], train_parts == "full"
    choice = Choice(
        whole=whole,
        rank=lora_r,
        targets=_targets(family, train_parts, lora_targets),
        saved=modules_to_save if modules_to_save is not None else [family.projector] if "projector" in train_parts else [],
        weights=size,
        adapters=2 if quantised else 4,
        copies=2 if quantised else size,
        quantised=quantised,
    )
    dropout = lora_dropout > 0 and not whole
    precision = Precision(weights=size, adapters=choice.adapters, autocast=autocast, quantised=quantised, dropout=dropout, gpu=device != "cpu")
    return Step(config, parts_of(config, family, choice), batch, precision, gradient_checkpointing, optimizer, accumulates, tower).estimate()


def _check(**options: Any) -> None:
    from cp_paraling_qa.training.parts import TRAIN_PARTS

    known = {
        "train_parts": tuple(TRAIN_PARTS),
        "dtype": tuple(_SIZES),
        "quantised": (None, "4bit", "8bit"),
        "tower": ("trimmed", "full", "cached"),
        "mask": ("padding", "none", "blocks"),
    }
    for name, value in options.items():
        if value not in known[name]:
            raise RecipeError(f"{name} {value!r} is not one of {', '.join(map(str, known[name]))}")
    if options["train_parts"] == "full" and options["quantised"]:
        raise RecipeError("full training of quantised weights is not possible: train lora, or leave the quantisation away")
    if options["tower"] == "cached" and options["train_parts"] in ("tower-lora", "full"):
        raise RecipeError(f"a tower that trains ({options['train_parts']}) cannot be cached: use trimmed")


def _targets(family: Family, train_parts: str, given: str | Sequence[str] | None) -> str | Sequence[str] | None:
    if train_parts in ("projector", "full"):
        return None
    return given or (f"({family.lora_targets})|({family.tower_lora_targets})" if train_parts == "tower-lora" else family.lora_targets)


def describe(found: MemoryEstimate) -> str:
    """A table for people, in gigabytes of 10⁹ bytes: part by part, then the moments of a step."""
    lines = [f"{'':16s}{'parameters':>12s}{'trained':>10s}{'weights':>10s}{'gradients':>11s}{'optimiser':>11s}{'kept':>8s}"]
    for name, part in found.parts.items():
        numbers = (part.weights, part.gradients, part.optimiser, part.activations)
        lines.append(
            f"{name:16s}{part.parameters / 1e6:10.1f} M{part.trained / 1e6:8.1f} M"
            + "".join(f"{n / 1e9:>{w}.2f}" for n, w in zip(numbers, (10, 11, 11, 8), strict=True))
        )
    lines += [f"{moment:16s}{size / 1e9:10.2f} GB{'  ← peak' if size == found.peak else ''}" for moment, size in found.moments.items()]
    return "\n".join([*lines, *found.notes])

"""What of a model is trained: the PEFT configuration of `train_parts`, what stays unquantised under QLoRA, and the count of parameters part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trl import ModelConfig

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.training.families import Family

TRAIN_PARTS = {
    "lora": "LoRA on the language model",
    "projector": "the projector alone, in full: the paper's setting",
    "lora+projector": "LoRA on the language model, the projector in full",
    "tower-lora": "LoRA on the audio tower and on the language model",
    "full": "every parameter, without an adapter",
}

FROZEN_TOWER = frozenset({"lora", "projector", "lora+projector"})
"""Settings in which the tower's outputs stay what they are."""


def adapter_config(family: Family, train_parts: str, model_args: ModelConfig) -> Any:
    """The PEFT config of what is trained: LoRA by regular expression, the projector through modules_to_save; None for `full`.

    The projector alone is a PEFT adapter too, with no LoRA in it, so that it saves, loads and merges like the others.

    Raises:
        RecipeError: a setting that does not exist.
    """
    from peft import LoraConfig
    from peft.utils.constants import DUMMY_TARGET_MODULES

    if train_parts not in TRAIN_PARTS:
        raise RecipeError(f"train_parts {train_parts!r} is not one of {', '.join(TRAIN_PARTS)}")
    if train_parts == "full":
        return None
    own = model_args.lora_target_modules
    both = f"({family.lora_targets})|({family.tower_lora_targets})"
    targets = DUMMY_TARGET_MODULES if train_parts == "projector" else own or (both if train_parts == "tower-lora" else family.lora_targets)
    # PEFT 0.21 replaces a pattern by bare layer names where the language model is a mixture of experts, and these match the tower too
    others = None if own or train_parts == "projector" else f"(?!({targets})$).*"
    return LoraConfig(
        task_type=model_args.lora_task_type,
        r=model_args.lora_r,
        lora_alpha=model_args.lora_alpha,
        lora_dropout=model_args.lora_dropout,
        use_rslora=model_args.use_rslora,
        use_dora=model_args.use_dora,
        target_modules=targets,
        exclude_modules=others,
        modules_to_save=model_args.lora_modules_to_save or ([family.projector] if "projector" in train_parts else None),
    )


def quantization(model_args: ModelConfig, config: Any, family: Family, train_parts: str) -> dict[str, Any]:
    """`quantization_config` for QLoRA, with tower, projector and output layer left as they are; empty where nothing is quantised.

    The modules are named by their whole paths: a short name would silently skip nothing.

    Raises:
        RecipeError: full fine-tuning of quantised weights.
    """
    from trl import get_quantization_config

    quantised = get_quantization_config(model_args)
    if quantised is None:
        return {}
    if train_parts == "full":
        raise RecipeError("train_parts full cannot train quantised weights: leave --load_in_4bit and --load_in_8bit away, or train lora")
    quantised.llm_int8_skip_modules = unquantised(config, family)
    return {"quantization_config": quantised}


def unquantised(config: Any, family: Family) -> list[str]:
    """Whole names of the modules that stay as they are: tower, projector and output layer. Read off the model built without weights."""
    model = family.hollow(config)
    head = model.get_output_embeddings()
    wanted = (family.tower, family.projector)
    names = [name for name, module in model.named_modules() if module is head or any(name == part or name.endswith("." + part) for part in wanted)]
    return sorted(name for name in names if not any(name.startswith(other + ".") for other in names))


def layer_classes(model: Any, family: Family) -> list[str]:
    """Names of the classes of the tower's and the language model's layers: what FSDP gathers one at a time. transformers' own lists name parts of layers, or whole towers."""
    from torch.nn import ModuleList

    names: set[str] = set()
    for part in (family.part(model, "tower"), family.part(model, "language_model")):
        stacks = {name: module for name, module in part.named_modules() if isinstance(module, ModuleList)}
        outer = [module for name, module in stacks.items() if not any(name.startswith(f"{other}.") for other in stacks)]
        names |= {type(layer).__name__ for stack in outer for layer in stack}
    return sorted(names)


@dataclass
class PartCount:
    """Parameters of one part of the model: how many are trained, of how many."""

    trained: int = 0
    total: int = 0


def count_parts(model: Any, family: Family) -> dict[str, PartCount]:
    """Parameters part by part: tower, projector, language model, output layer, other."""
    inside = {
        f".{family.projector}.": "projector",  # before the tower, within which some families have it
        f".{family.tower}.": "audio tower",
        ".lm_head.": "output layer",
        f".{family.language_model}.": "language model",
    }
    counts: dict[str, PartCount] = {}
    for name, parameter in model.named_parameters():
        if ".original_module." in name:  # PEFT keeps the untrained projector beside the one it trains
            continue
        part = next((part for module, part in inside.items() if module in f".{name}"), "other")
        count = counts.setdefault(part, PartCount())
        count.total += parameter.numel()
        count.trained += parameter.numel() if parameter.requires_grad else 0
    return counts

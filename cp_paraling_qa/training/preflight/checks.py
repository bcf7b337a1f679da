"""What makes a training run wrong before it starts.

Every check returns its findings, each with the item and the remedy; nothing is raised here, so that a user sees all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from cp_paraling_qa.training.batches import IGNORED, PADDING
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.loss import STATES, answer_tokens
from cp_paraling_qa.training.parts import FROZEN_TOWER, PartCount
from cp_paraling_qa.training.sampler import RowLength

TOWER, PROJECTOR, LANGUAGE = "audio tower", "projector", "language model"
EXPECTED = {
    "lora": (LANGUAGE,),
    "projector": (PROJECTOR,),
    "lora+projector": (LANGUAGE, PROJECTOR),
    "tower-lora": (TOWER, LANGUAGE),
    "full": (TOWER, PROJECTOR, LANGUAGE),
}
"""Parts that each setting of train_parts has to train."""

_LISTED = 5


def lora_target_problems(model: nn.Module, family: Family, train_parts: str, targets: str | Sequence[str] | None) -> list[str]:
    """Whether the user's LoRA targets match what `train_parts` says, by PEFT's rules: a string is a regular expression over whole names, a list holds their ends.

    Args:
        model: without an adapter.
        family: of the model.
        train_parts: the setting.
        targets: `lora_target_modules`; None for the family's own.
    """
    if targets is None:
        return []
    if train_parts in ("projector", "full"):
        return [f"train_parts {train_parts} trains no LoRA, so lora_target_modules would do nothing: leave it away, or pass --train_parts lora"]
    try:
        matched = [name for name, module in model.named_modules() if _targets(targets, name, module)]
    except re.error as error:
        return [f"lora_target_modules {targets!r} is no regular expression ({error})"]
    tower = [name for name in matched if inside(name, family.tower)]
    advice = f"a single value is a regular expression over whole names, such as {family.lora_targets!r}"
    if not matched:
        return [f"lora_target_modules {targets!r} matches no module of the model: {advice}"]
    problems = []
    if tower and train_parts in FROZEN_TOWER:
        problems.append(
            f"lora_target_modules {targets!r} matches {len(tower)} modules of the audio tower ({tower[0]}, …), which train_parts {train_parts} leaves frozen: "
            f"pass --train_parts tower-lora, or name the language model ({advice})"
        )
    if not tower and train_parts == "tower-lora":
        problems.append(f"lora_target_modules {targets!r} matches nothing in the audio tower: leave it away, or pass --train_parts lora")
    return problems


def inside(name: str, module: str) -> bool:
    """Whether a parameter or module of this name lies in a module, or is it.

    Example:
        >>> inside("model.audio_tower.layers.0.fc1", "audio_tower"), inside("model.my_audio_tower.fc1", "audio_tower")
        (True, False)
    """
    return f".{module}." in f".{name}."


def _targets(targets: str | Sequence[str], name: str, module: nn.Module) -> bool:
    if targets == "all-linear":
        return isinstance(module, nn.Linear)
    if isinstance(targets, str):
        return re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)


def part_problems(counts: Mapping[str, PartCount], train_parts: str, *, cache_tower: bool) -> list[str]:
    """Whether the parts are trained that should be, and no others."""
    if not any(part.trained for part in counts.values()):
        return [f"no parameter would be trained with train_parts {train_parts}: look at lora_target_modules and lora_modules_to_save"]
    problems = [
        f"train_parts {train_parts} should train the {name}, and trains nothing of it: look at lora_target_modules and lora_modules_to_save"
        for name in EXPECTED.get(train_parts, ())
        if name in counts and not counts[name].trained
    ]
    if (tower := counts.get(TOWER)) and tower.trained:
        if train_parts in FROZEN_TOWER:
            problems.append(
                f"{tower.trained:,} parameters of the audio tower would be trained, which train_parts {train_parts} leaves frozen: look at lora_target_modules and lora_modules_to_save"
            )
        if cache_tower:
            problems.append(f"cache_tower keeps the audio tower's outputs, and {tower.trained:,} of its parameters would be trained: leave one of them away")
    return problems


def tokenizer_problems(model: Any, processor: Any, family: Family) -> list[str]:
    """Whether tokenizer, chat template and model agree: vocabulary, audio token, padding and the end of a turn."""
    tokenizer, problems = processor.tokenizer, []
    table = model.get_input_embeddings()
    rows = int(getattr(table, "num_embeddings", 0) or table.weight.shape[0])
    highest, token = max((number, token) for token, number in tokenizer.get_vocab().items())
    if highest >= rows:
        problems.append(
            f"the tokenizer has ids up to {highest} ({token!r}), the model's embeddings have {rows} rows: use the model's own tokenizer, or resize the embeddings"
        )
    audio, audio_id = family.audio_token(processor), family.audio_token_id(processor)
    if audio_id is None or tokenizer.convert_ids_to_tokens(audio_id) != audio:
        problems.append(f"the tokenizer does not know the audio token {audio}: use the model's own processor")
    theirs = next((value for name in ("audio_token_id", "audio_token_index") if (value := getattr(model.config, name, None)) is not None), audio_id)
    if theirs != audio_id:
        problems.append(
            f"the processor writes {audio} as id {audio_id}, the model's config looks for {theirs}: the clip would never be put in; use the model's own processor"
        )
    ends = family.encode(processor, family.end_of_turn(processor))
    if tokenizer.pad_token_id in ends:
        problems.append(
            f"the pad token {tokenizer.pad_token!r} is also the end of a turn, which stands in the labels: code that takes padding out by its id would take it out too, "
            "and the model would never learn to stop. Set another pad_token in the tokenizer"
        )
    return problems


def precision_problems(model: nn.Module, *, bf16: bool, device: str, bf16_supported: bool) -> list[str]:
    """Whether the device can compute in the precision asked for, and trained weights can be updated in theirs.

    Args:
        model: to be trained.
        bf16: mixed precision.
        device: type of the device that trains.
        bf16_supported: whether that GPU computes in bfloat16; not asked for other devices.
    """
    problems = []
    if device == "cuda" and not bf16_supported and (bf16 or any(weight.dtype is torch.bfloat16 for weight in model.parameters())):
        problems.append("this GPU has no bfloat16: pass --bf16 false --fp16 true, and --dtype float16 for the frozen weights")
    half = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.dtype is torch.float16]
    if half:
        problems.append(f"{len(half)} trained weights are float16 ({half[0]}, …), in which small updates are lost: pass --dtype float32 or bfloat16")
    return problems


def quantised_problems(model: nn.Module, family: Family) -> list[str]:
    """Whether tower and projector stayed as they are where the language model is quantised."""
    problems = []
    for part, module in ((TOWER, family.tower), (PROJECTOR, family.projector)):
        found = [name for name, weight in model.named_parameters() if inside(name, module) and not weight.dtype.is_floating_point]
        if found:
            problems.append(
                f"the {part} is quantised ({len(found)} weights, {found[0]}, …), which costs what it hears: name it in llm_int8_skip_modules by its whole path"
            )
    return problems


def answer_problems(ids: Sequence[str], answers: Sequence[str | None]) -> list[str]:
    """Rows that hold nothing to learn."""
    empty = [name for name, answer in zip(ids, answers, strict=True) if not answer or not answer.strip()]
    return [f"{len(empty)} rows have no answer ({_listed(empty)}): remove them"] if empty else []


def length_problems(config: Any, lengths: Sequence[RowLength], name_of: Callable[[int], str]) -> list[str]:
    """Rows longer than the language model's positions.

    Args:
        config: of the model.
        lengths: of the rows.
        name_of: row number → what to call it.
    """
    most = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not most:
        return []
    over = sorted((n for n, length in enumerate(lengths) if length.audio + length.text > most), key=lambda n: -(lengths[n].audio + lengths[n].text))
    if not over:
        return []
    shown = _listed([f"{name_of(n)}: {lengths[n].audio} audio + {lengths[n].text} text tokens" for n in over[:_LISTED]], len(over))
    return [f"{len(over)} rows are longer than the {most} positions of the language model ({shown}): nothing is ever cut, so shorten or remove them"]


def batch_problems(batch: Mapping[str, Any], processor: Any, family: Family, vocabulary: int) -> list[str]:
    """Whether a training batch is what it should be: labels on answers and their ends alone, and as many audio positions as the tower gives.

    Args:
        batch: from the collator.
        processor: of the model.
        family: of the model.
        vocabulary: rows of the output layer.
    """
    ids, labels = batch["input_ids"], batch["labels"]
    real = batch["blocks"] != PADDING if "blocks" in batch else batch["attention_mask"].bool()
    labelled = labels != IGNORED
    audio = ids == family.audio_token_id(processor)
    problems = []
    if not labelled.any():
        problems.append("no token of the longest batch is labelled, so nothing would be learnt: look at the answers and the chat template")
    elif bool((labelled | ~real).all()):
        problems.append("every token of the longest batch is labelled, prompt and audio too: look at the chat template")
    for where, what in ((audio, "audio positions"), (~real, "padding")):
        if count := int((labelled & where).sum()):
            problems.append(f"{count} labels of the longest batch are on {what}")
    if bool((labelled & (labels != ids)).any()):
        problems.append("labels of the longest batch are not the tokens at their places")
    if labelled.any() and int(labels.max()) >= vocabulary:
        problems.append(f"a label of the longest batch is id {int(labels.max())}, the output layer has {vocabulary} rows: use the model's own tokenizer")
    return problems + _end_problems(ids, labelled, processor, family) + _count_problems(batch, int((audio & real).sum()), processor, family)


def _end_problems(ids: torch.Tensor, labelled: torch.Tensor, processor: Any, family: Family) -> list[str]:
    """Every run of labels has to end with the end of a turn: else the model never learns to stop."""
    ends = family.encode(processor, family.end_of_turn(processor))
    last = labelled & ~torch.nn.functional.pad(labelled, (0, 1))[:, 1:]
    without = int((last & (ids != ends[-1])).sum())
    return [f"{without} answers of the longest batch do not end with {family.end_of_turn(processor)!r}: the model would never learn to stop"] if without else []


def _count_problems(batch: Mapping[str, Any], positions: int, processor: Any, family: Family) -> list[str]:
    """Audio positions in the text against outputs of the tower, where the family can say how many there will be."""
    if not family.caches_tower or not any(name.startswith("input_features") for name in batch):
        return []
    tensors = {name: value for name, value in batch.items() if name not in ("input_ids", "labels", "attention_mask", "blocks", "position_ids", STATES)}
    heard = sum(family.audio_positions(length, processor) for length in family.tower_lengths(tensors))
    if heard == positions:
        return []
    return [f"the text of the longest batch has {positions} audio positions, the audio tower gives {heard}: processor and model do not belong together"]


def forward_problems(model: Any, batch: Mapping[str, Any], family: Family, names: Sequence[str]) -> tuple[list[str], float | None]:
    """A forward pass without gradients over the longest batch, as in training but for dropout. Returns the findings, and the loss in nats a token where there is one.

    Args:
        model: to be trained.
        batch: on the model's device.
        family: of the model.
        names: of the batch's rows, for messages.
    """
    size = f"{len(batch['input_ids'])} × {batch['input_ids'].shape[1]} tokens; rows {_listed(names)}"
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            tokens = answer_tokens(model, batch, family)
    except torch.cuda.OutOfMemoryError:
        return [
            f"the longest batch ({size}) does not fit into the GPU's memory, even without gradients: lower per_device_train_batch_size or --token_budget"
        ], None
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return [f"the model cannot take the longest batch ({size}): {first}"], None
    finally:
        model.train(training)
    if not bool(torch.isfinite(tokens.losses).all()):
        broken = int((~torch.isfinite(tokens.losses)).sum())
        return [
            f"the loss of the longest batch is not finite at {broken} of {len(tokens.losses)} answer tokens ({size}): look for broken weights, or pass --dtype float32"
        ], None
    return [], float(tokens.losses.mean()) if len(tokens.losses) else None


def _listed(names: Sequence[str], of: int | None = None) -> str:
    total = len(names) if of is None else of
    return ", ".join(map(str, names[:_LISTED])) + (f" and {total - _LISTED} more" if total > _LISTED else "")

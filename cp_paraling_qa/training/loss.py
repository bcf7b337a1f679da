"""The loss on answer tokens, with the output layer computed at those positions alone.

A model's own loss computes the output layer at every position: half of a small model's step, and gigabytes with a large vocabulary. Here a hook in front of
the output layer keeps the positions that predict an answer token, so it works alike for every family, under PEFT, DDP and gradient checkpointing.

The sum over answer tokens is divided by the number of answer tokens in the whole step: gradient accumulation, several processes and batches of uneven
size give what one large batch gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cp_paraling_qa.training.batches import IGNORED, block_mask, flex_block_mask
from cp_paraling_qa.training.beginning import common_beginning_once
from cp_paraling_qa.training.families import Family

STATES = "tower_states"
"""Key of a batch that brings the tower's outputs along, shape (clips, positions, width)."""


@dataclass
class AnswerTokens:
    """What a batch's forward pass says of its answer tokens, in reading order.

    Attributes:
        losses: −log p of each token, in nats; shape (tokens,), differentiable.
        right: whether each was the most probable token; shape (tokens,).
        places: (sequence, position) of each; shape (tokens, 2).
    """

    losses: torch.Tensor
    right: torch.Tensor
    places: torch.Tensor


def inner(model: Any) -> Any:
    """The model under the wrappers of DDP and DeepSpeed, which call it `module`."""
    while isinstance(getattr(model, "module", None), nn.Module):
        model = model.module
    return model


def model_inputs(model: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
    """A batch as keyword arguments of the model's forward: no labels, and the mask of shared sequences made of their block numbers."""
    inputs = {name: value for name, value in batch.items() if name not in ("labels", "blocks", STATES)}
    if "blocks" in batch:
        language = inner(model).config.get_text_config()
        attention = getattr(language, "_attn_implementation", None)
        inputs["attention_mask"] = flex_block_mask(batch["blocks"]) if attention == "flex_attention" else block_mask(batch["blocks"], _dtype(model))
    return inputs


def answer_tokens(model: Any, batch: Mapping[str, Any], family: Family, *, once: bool = True) -> AnswerTokens:
    """A forward pass over a training batch.

    Args:
        model: a speech LLM, under whatever wrapper.
        batch: from the collator.
        family: of the model.
        once: read what all rows begin with once, where that is possible; not for models whose layers are sharded, which would be gathered twice.
    """
    labels = batch["labels"]
    chosen = labels[:, 1:] != IGNORED
    given = family.given_tower(inner(model), batch[STATES]) if STATES in batch else nullcontext()
    with given, _beginning(model, chosen, family, once=once and "blocks" not in batch) as lacking, output_layer_at(inner(model), chosen, lacking):
        logits = model(**model_inputs(model, batch), use_cache=False).logits
    targets = labels[:, 1:][chosen].to(logits.device)
    flat = logits.reshape(len(targets), -1).float()
    losses = nn.functional.cross_entropy(flat, targets, reduction="none")
    places = chosen.nonzero()
    places[:, 1] += 1
    return AnswerTokens(losses, flat.detach().argmax(-1) == targets, places)


def row_losses(model: Any, batch: Mapping[str, Any], family: Family) -> list[float]:
    """The mean loss of every row's answer, in nats a token, in the batch's order: what a shared and an unshared batch have in common."""
    tokens = answer_tokens(model, batch, family)
    sequences, positions = tokens.places.unbind(-1)
    blocks = batch["blocks"][sequences, positions] if "blocks" in batch else torch.zeros_like(sequences)
    sums: dict[tuple[int, int], list[float]] = {}
    for key, loss in zip(zip(sequences.tolist(), blocks.tolist(), strict=True), tokens.losses.tolist(), strict=True):
        sums.setdefault(key, []).append(loss)
    return [sum(row) / len(row) for row in sums.values()]


def _beginning(model: Any, chosen: torch.Tensor, family: Family, *, once: bool) -> AbstractContextManager[Callable[[], int]]:
    """With a language model of its own that attends to all that stands before, by a kernel that takes fewer queries than keys."""
    config, language = inner(model).config, family.part(inner(model), "language_model")
    attention = getattr(getattr(language, "config", None), "_attn_implementation", None)
    if not once or len(chosen) < 2 or attention not in ("sdpa", "eager") or not family.can_share(config):
        return nullcontext(lambda: 0)
    return common_beginning_once(language, at_most=int(chosen.any(0).int().argmax()))


@contextmanager
def output_layer_at(model: Any, chosen: torch.Tensor, lacking: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Within this context the output layer sees, of hidden states (B, T, width), those where `chosen` (B, T − 1) holds: its logits have shape (1, n, vocabulary).

    Args:
        model: whose output layer it is.
        chosen: positions.
        lacking: how many of the first positions the hidden states lack.
    """

    def pick(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = args[0]
        return (hidden[:, :-1][chosen[:, lacking() :].to(hidden.device)][None], *args[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield
    finally:
        handle.remove()


def _dtype(model: Any) -> torch.dtype:
    """Of the masks: the type in which the attention is computed."""
    device = inner(model).device.type
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return torch.float32 if inner(model).dtype not in (torch.float16, torch.bfloat16, torch.float64) else inner(model).dtype

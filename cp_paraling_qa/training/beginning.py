"""What all rows of a batch begin with, computed once.

The chat template begins every prompt with the same tokens: a system message, the start of the user's turn. A row of a short clip has some 130 tokens, 20 to 30 of
them these. Here the language model reads them once a batch, and the rows go on from its keys and values, through which gradients flow back as through rows
of their own: the sum over rows is the same sum.

Rows are compared by their embeddings, behind the projector, so that nothing has to be known about templates or audio tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

WORTH = 64
"""Tokens that have to be saved over the batch: below this, a pass of their own costs more."""


@contextmanager
def common_beginning_once(language_model: nn.Module, *, at_most: int) -> Iterator[Callable[[], int]]:
    """Within this context the language model reads what all sequences of a batch begin with once.

    Its outputs then lack these positions. Batches with another layout than one row a sequence (masks of more than two dimensions, inputs a token beside the
    embeddings) are left as they are, and so is a model that recomputes its layers for the backward pass, which keeps no keys and values.

    Args:
        language_model: called with `inputs_embeds` of shape (rows, length, width) and a mask of shape (rows, length), padded on the right.
        at_most: positions of the beginning: those before any that an answer is read off.

    Yields:
        how many positions the outputs of the last call lack.
    """
    lacking = 0
    recomputes = language_model.training and any(getattr(module, "gradient_checkpointing", False) for module in language_model.modules())

    def read(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        nonlocal lacking
        lacking = 0 if args or recomputes else _length(kwargs, at_most)
        if not lacking:
            return None
        from transformers import DynamicCache

        embeds = kwargs["inputs_embeds"]
        cache = DynamicCache(config=getattr(module, "config", None))
        places = kwargs.get("position_ids")
        first = {"inputs_embeds": embeds[:1, :lacking], "attention_mask": None, "position_ids": None if places is None else places[..., :1, :lacking]}
        module.forward(**{**kwargs, **first, "past_key_values": cache, "use_cache": True})
        cache.batch_repeat_interleave(len(embeds))
        rest = {"inputs_embeds": embeds[:, lacking:], "position_ids": None if places is None else places[..., lacking:]}
        return args, {**kwargs, **rest, "past_key_values": cache}

    handle = language_model.register_forward_pre_hook(read, with_kwargs=True)
    try:
        yield lambda: lacking
    finally:
        handle.remove()


def _length(kwargs: dict[str, Any], at_most: int) -> int:
    """Of the common beginning, where it is worth a pass of its own; else 0."""
    embeds, mask = kwargs.get("inputs_embeds"), kwargs.get("attention_mask")
    if embeds is None or kwargs.get("past_key_values") is not None or (mask is not None and not (isinstance(mask, torch.Tensor) and mask.ndim == 2)):
        return 0
    told = ("inputs_embeds", "attention_mask", "position_ids")
    if any(isinstance(value, torch.Tensor) and value.ndim > 1 for name, value in kwargs.items() if name not in told):
        return 0  # something a token that would have to be cut as well
    same = (embeds[:, :at_most] == embeds[:1, :at_most]).all(-1).all(0)
    if mask is not None:
        same &= mask[:, :at_most].bool().all(0)
    length = int(same.cumprod(0).sum())
    return length if length * (len(embeds) - 1) >= WORTH else 0

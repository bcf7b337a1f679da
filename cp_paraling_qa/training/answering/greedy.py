"""Greedy decoding as a loop of `generate`: the most probable token each time, and rows that are finished leave the batch.

transformers' own loop computes finished rows on to the end of the longest answer. Here they go out of the batch and its cache, a quarter of it at a time, so a batch costs what
its answers are long. Everything around the loop (logits processors, stopping, lengths) is the model's, as `generate` prepares it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_DROPPED = 4
"""Finished rows are dropped when they are a quarter of the batch: dropping copies the cache."""


def greedy(model: Any, input_ids: torch.Tensor, logits_processor: Any, stopping_criteria: Any, generation_config: Any, **kwargs: Any) -> torch.Tensor:
    """For `model.generate(custom_generate=greedy)`. Only for models whose positions are plain and whose cache is one of whole layers: see `window`.

    Args:
        model: as `generate` hands it over.
        input_ids: (rows, length), padded anywhere but at the end.
        logits_processor: from the model's generation config.
        stopping_criteria: the same.
        generation_config: the same.
        kwargs: attention_mask, past_key_values (empty, or holding the first tokens), features.

    Returns:
        (rows, length + longest answer); behind an answer's end there is padding.
    """
    cache = kwargs["past_key_values"]
    past, pad = cache.get_seq_length(), generation_config.pad_token_id
    inputs = model.prepare_inputs_for_generation(input_ids, next_sequence_length=input_ids.shape[1] - past if past else None, is_first_iteration=True, **kwargs)
    outputs = model(**inputs, return_dict=True)
    mask = kwargs.get("attention_mask")
    mask = torch.ones_like(input_ids) if mask is None else mask
    padded = not bool(mask.all())
    ids, rows = input_ids, torch.arange(len(input_ids), device=input_ids.device)
    ended = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    columns: list[torch.Tensor] = []
    while True:
        scores = logits_processor(ids, outputs.logits[:, -1].to(dtype=torch.float32, copy=True, device=ids.device))
        new = scores.argmax(-1)
        column = torch.full((len(input_ids),), pad, device=ids.device)
        column[rows[~ended]] = new[~ended]
        columns.append(column)
        ids = torch.cat([ids, new[:, None]], 1)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        ended |= stopping_criteria(ids, scores)
        over = int(ended.sum())
        if over == len(rows):
            return torch.cat([input_ids, torch.stack(columns, 1)], 1)
        if over * _DROPPED >= len(rows):
            left = (~ended).nonzero()[:, 0]
            cache.batch_select_indices(left)
            ids, mask, rows, new, ended = ids[left], mask[left], rows[left], new[left], ended[left]
        outputs = model(
            input_ids=new[:, None],
            attention_mask=mask if padded else None,
            position_ids=mask.sum(-1, keepdim=True) - 1,
            past_key_values=cache,
            use_cache=True,
            return_dict=True,
        )


def window(config: Any) -> float:
    """How many positions, padding included, a row may have so that `greedy` and a gap of padding in a row change nothing.

    Returns:
        infinity where every layer's cache is a plain one; the window where some layers slide; 0 for caches that hold more than keys and values.
    """
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    layers = DynamicCache(config=config).layers
    if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers):
        return 0
    return min((layer.sliding_window for layer in layers if isinstance(layer, DynamicSlidingWindowLayer)), default=float("inf"))


@contextmanager
def last_logits(model: Any) -> Iterator[None]:
    """Within this context the output layer is computed at the last position alone: what generation reads. A prompt of a hundred tokens else costs a hundred of them."""

    def last(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0][:, -1:], *args[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(last)
    try:
        yield
    finally:
        handle.remove()

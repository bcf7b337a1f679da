"""Qwen3-Omni's tower: the same outputs for a clip in any batch."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import chunk_and_pad_features


def _full(tower: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Chunks padded to the tower's own length, not to the longest of the batch."""
    features = args[0] if args else kwargs["input_features"]
    chunks, sizes = chunk_and_pad_features(features, kwargs["feature_lens"], tower.n_window)
    behind = 2 * tower.n_window - chunks.shape[-1]
    return args, {**kwargs, "padded_feature": nn.functional.pad(chunks, (0, behind)), "chunk_lengths": sizes}


def full_chunks(tower: nn.Module) -> None:
    """Pads the last chunk of a clip under a second as that of any other, in place.

    Three convolutions with biases follow each other without a mask, so the last position of a chunk depends on how far behind it silence is computed. Stock code pads to the
    longest chunk of the batch: a whole second, unless all clips are shorter.
    """
    if _full not in tower._forward_pre_hooks.values():
        tower.register_forward_pre_hook(_full, with_kwargs=True)

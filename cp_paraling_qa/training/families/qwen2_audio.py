"""Qwen2-Audio: a Whisper-type tower with masked attention and a pooling by 2, a linear projector, a Qwen2 (or any other) language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.training.families.base import Family, frame_mask

_FRAMES = 4
"""Mel frames per audio position: stride 2 in the second convolution, 2 in the pooling."""


class Qwen2Audio(Family):
    """Qwen2-Audio and what is built like it. Clips under 30 ms give no position, those up to 60 ms take a legacy path: both are too short to be heard."""

    model_type = "qwen2_audio"
    caches_tower = True

    def prepare(self, model: Any) -> None:
        """Puts the trimmed tower in."""
        from cp_paraling_qa.training.hearing.trimmed_tower import trim_qwen2_audio

        trim_qwen2_audio(model)

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """((frames − 1) // 2 + 1 − 2) // 2 + 1, for as many frames as the mask counts."""
        frames = tensors["feature_attention_mask"].sum(-1)
        return [int(length) for length in (((frames - 1) // 2 + 1 - 2) // 2 + 1).tolist()]

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """A mask of 4 n frames, which come to n positions, and features that nobody reads."""
        import torch

        return {"input_features": torch.zeros(len(lengths), 1, _FRAMES), "feature_attention_mask": frame_mask([_FRAMES * length for length in lengths])}

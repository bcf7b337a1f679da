"""GLM-ASR: a Whisper-type tower with rotary positions that attends to all of its 30 s window, silence included; four frames a position; a Llama language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.training.families.audio_flamingo import WindowedFamily
from cp_paraling_qa.training.families.base import frame_mask

_MERGED = 4
"""Tower positions that become one in the text."""


class GlmAsr(WindowedFamily):
    """GLM-ASR. Its tower has no mask, so every window has to have its full length, and cannot be trimmed. The token of an audio position is called `<|pad|>`."""

    model_type = "glmasr"
    min_seconds = 0.1  # under 70 ms there is no position
    tower_lora_targets = r".*audio_tower.*\.(q_proj|k_proj|v_proj|o_proj|fc1|fc2)"
    more_stops = ("<|user|>", "<|observation|>")

    def prepare(self, model: Any) -> None:
        """Lets the tower take float32 features where its weights are of another type."""
        from cp_paraling_qa.training.hearing.trimmed_tower import cast_features

        cast_features(model.model.audio_tower)

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """Whole groups of four among the positions of each window's frames."""
        positions = (tensors["input_features_mask"].sum(-1) - 1) // 2 + 1
        return [int(length) for length in (positions // _MERGED * _MERGED).tolist()]

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """A mask of 2 n frames, which come to n tower positions, in one row however long the clip; and features that nobody reads."""
        import torch

        return {"input_features": torch.zeros(len(lengths), 1, 2), "input_features_mask": frame_mask([2 * length for length in lengths])}

    def audio_positions(self, length: int, processor: Any) -> int:
        """A quarter of the tower's."""
        return length // _MERGED

"""`whisper_llm`: any Whisper encoder, a stacking projector, any causal language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.training.families.base import LINEARS, Family

_FRAMES = 2
"""Mel frames per encoder position: the stride of Whisper's second convolution."""

_OTHER_LINEARS = "out_proj|qkv_proj|gate_up_proj|fc1|fc2|dense|query_key_value|dense_h_to_4h|dense_4h_to_h|c_attn|c_proj|c_fc"
"""What blocks that are not Llama-type call theirs: Phi, GPT-2, GPT-NeoX, Falcon."""


class WhisperLLM(Family):
    """The project's own speech LLM (see `training/whisper_llm`). Its encoder attends to the clip alone, and is computed on the clip and its margin alone."""

    model_type = "whisper_llm"
    lora_targets = rf".*language_model.*\.({LINEARS}|{_OTHER_LINEARS})"
    caches_tower = True

    def end_of_turn(self, processor: Any) -> str:
        """What ends an answer, read off the template up to its first special token."""
        from cp_paraling_qa.training.whisper_llm.templates import end_of_turn

        return end_of_turn(processor)

    def load(self, path: str, **kwargs: Any) -> Any:
        """The model; importing its package makes it known to transformers."""
        import cp_paraling_qa.training.whisper_llm  # noqa: F401

        return super().load(path, **kwargs)

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """⌈frames / 2⌉, for as many frames as the mask counts: all of them where padding is not masked."""
        from cp_paraling_qa.training.whisper_llm.counting import positions

        return [int(length) for length in positions(tensors["feature_attention_mask"].sum(-1)).tolist()]

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """A mask of 2 n frames, which come to n positions, and features that nobody reads."""
        import torch

        frames = _FRAMES * torch.tensor(list(lengths))
        mask = (torch.arange(int(frames.max())) < frames[:, None]).to(torch.int32)
        return {"input_features": torch.zeros(len(frames), 1, _FRAMES), "feature_attention_mask": mask}

    def audio_positions(self, length: int, processor: Any) -> int:
        """⌈positions / stack size⌉."""
        return -(-length // int(processor.stack_size))

"""Phi-4-multimodal's tower, one clip at a time.

The stock tower adds its mask to the attention scores as 0 or 1, so padding is heard nearly as well as the clip; its first convolutions hear it as well; and in training it cuts its attention
into chunks from the front or from the back, by the toss of a coin. Each clip is computed alone here, chunks from the front, so it sounds the same in every batch, in training and after.

Processes of one run may call the tower's layers unequally often. That is no matter for DDP; FSDP and ZeRO-3 have to leave the tower whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.models.phi4_multimodal.modeling_phi4_multimodal import Phi4MultimodalAudioModel

from cp_paraling_qa.training.hearing.granite_tower import merge_own_adapter

SPEECH = "speech-lora"


class ClipPhi4AudioModel(Phi4MultimodalAudioModel):  # type: ignore[misc]
    """The stock tower on each clip."""

    def forward(self, hidden_states: torch.Tensor, mask: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        """(clips, frames, mels) → (clips, positions, width), with zeros behind a clip's own positions; `mask` (clips, frames) is 1 on its own frames, which come first."""
        frames = [hidden_states.shape[1]] * len(hidden_states) if mask is None else mask.sum(-1).tolist()
        each = [super(ClipPhi4AudioModel, self).forward(clip[None, :length], None)[0] for clip, length in zip(hidden_states, frames, strict=True)]
        return nn.utils.rnn.pad_sequence(each, batch_first=True)

    def _streaming_mask(self, seq_len: int, batch_size: int, chunk_size: int, left_chunk: int) -> Any:
        """Chunks from the front, in training too."""
        training: bool = self.training  # type: ignore[has-type]
        self.training = False
        try:
            return super()._streaming_mask(seq_len, batch_size, chunk_size, left_chunk)
        finally:
            self.training = training


def hear_clips_alone(tower: nn.Module) -> None:
    """Makes a stock tower one of these, in place."""
    if type(tower) is Phi4MultimodalAudioModel:
        tower.__class__ = ClipPhi4AudioModel


def merge_speech_adapter(model: Any, path: str, *, revision: str | None = None) -> None:
    """Adds the checkpoint's LoRA for speech to its weights, in place; nothing where it has none."""
    from transformers.utils import cached_file

    where = {"subfolder": SPEECH} | ({"revision": revision} if revision else {})
    if Path(path).is_dir() and not (Path(path) / SPEECH).is_dir():
        return
    if cached_file(path, "adapter_config.json", _raise_exceptions_for_missing_entries=False, **where):
        # not called "speech", as it is: transformers 5.23 takes all weights with an adapter's name in theirs (up_proj_for_speech) for missing parts, and says so
        model.load_adapter(path, adapter_name="cpqa_speech_lora", adapter_kwargs=where)
        merge_own_adapter(model)

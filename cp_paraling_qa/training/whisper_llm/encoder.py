"""Whisper's encoder on the clip instead of on 30 s.

The stock encoder takes exactly 3,000 mel frames and attends to all of them. Here a mask says which frames are the clip's: attention is kept to their positions, and
frames behind the batch's longest clip are not computed, `MARGIN` of them apart (`training/hearing/trimmed_tower.py` says what these are for). Without a mask it computes what
the stock encoder computes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from cp_paraling_qa.training.whisper_llm.counting import CONV_STRIDE, positions

MARGIN = 4
"""Mel frames of silence kept behind the longest clip; the two convolutions look 2 past its last position."""


class ClipWhisperEncoder(WhisperEncoder):  # type: ignore[misc]
    """Whisper's encoder with a mask over mel frames. Weights and names are Whisper's."""

    def forward(self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any) -> BaseModelOutput:
        """The encoder's outputs.

        Args:
            input_features: log-mel, (clips, mels, frames).
            attention_mask: (clips, frames), 1 on the clip's own frames, which come first; None where all frames count.
            kwargs: of the layers.

        Returns:
            last_hidden_state: (clips, positions, d_model) with as many positions as the longest clip and its margin have. Behind a clip's own positions
            stand numbers without a meaning.

        Raises:
            ValueError: more frames than the encoder has positions for, or features cut so close to the clip that its last position would come out wrong.
        """
        full = CONV_STRIDE * self.config.max_source_positions
        if input_features.shape[-1] > full:
            raise ValueError(f"features of {input_features.shape[-1]} mel frames: the encoder hears {full} ({full / 100:g} s); split the clip")
        if attention_mask is None and input_features.shape[-1] != full:
            raise ValueError(f"features of {input_features.shape[-1]} mel frames without a mask: pad them to {full}, or pass feature_attention_mask")
        if attention_mask is not None:
            input_features, attention_mask = _cut(input_features, attention_mask, full)
        features = input_features.to(dtype=self.conv1.weight.dtype, device=self.conv1.weight.device)
        hidden = nn.functional.gelu(self.conv1(features))
        hidden = nn.functional.gelu(self.conv2(hidden)).permute(0, 2, 1)
        hidden = hidden + self.embed_positions.weight[: hidden.shape[1]]
        hidden = nn.functional.dropout(hidden, p=self.dropout, training=self.training)
        attends = self._position_mask(hidden, attention_mask)
        for layer in self.layers:
            if self.training and self.layerdrop > 0.0 and torch.rand([]) < self.layerdrop:
                continue
            hidden = layer(hidden, attends, **kwargs)
        return BaseModelOutput(last_hidden_state=self.layer_norm(hidden))

    def _position_mask(self, hidden: torch.Tensor, frames_mask: torch.Tensor | None) -> Any:
        """Which positions may be attended to, in the form that the attention implementation wants."""
        if frames_mask is None:
            return None
        valid = positions(frames_mask.sum(-1))[:, None].to(hidden.device)
        mask = torch.arange(hidden.shape[1], device=hidden.device) < valid
        return create_bidirectional_mask(config=self.config, inputs_embeds=hidden, attention_mask=mask)


def _cut(features: torch.Tensor, mask: torch.Tensor, full: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and mask up to the longest clip's end and the margin, an even number of frames."""
    longest = int(mask.sum(-1).max())
    if features.shape[-1] < min(full, longest + MARGIN):
        raise ValueError(f"features end {features.shape[-1] - longest} mel frames behind the clip: leave {MARGIN} of silence, or pad to {full}")
    frames = min(full, -(-(longest + MARGIN) // CONV_STRIDE) * CONV_STRIDE, features.shape[-1])
    return features[..., :frames], mask[..., :frames]

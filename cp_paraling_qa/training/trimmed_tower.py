"""Qwen2-Audio's audio tower on the clip instead of on 30 s.

The stock tower computes 1,500 positions for every clip, and masks the attention to those behind its end. So they are computed for nothing: cutting the
features to the longest clip of the batch gives the same outputs for every position that is used, in training and in generation.

The cut keeps `MARGIN` frames of silence behind the clip: the two convolutions look 2 frames past its last position, and a convolution's zero padding is
not silence. With a margin of 0 or 1 the last audio position would be wrong, quietly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from cp_paraling_qa.errors import TrainingError

MARGIN = 4
"""Mel frames (10 ms each) kept behind the longest clip; 2 are needed, 4 make it bit-equal in float64."""

_MULTIPLE = 4  # frames per audio position: stride 2 in the second convolution, 2 in the pooling


class TrimmedQwen2AudioEncoder(Qwen2AudioEncoder):  # type: ignore[misc]
    """The stock tower, for any even number of mel frames up to its full length."""

    def forward(self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any) -> BaseModelOutput:
        """Outputs of shape (clips, frames // 4, d_model) for features of shape (clips, mels, frames)."""
        if self.training and self.layerdrop > 0.0:
            raise TrainingError("the trimmed audio tower trains without layer drop: set audio_config.encoder_layerdrop to 0 in the model's config.json")
        features = input_features.to(dtype=self.conv1.weight.dtype, device=self.conv1.weight.device)
        hidden = nn.functional.gelu(self.conv1(features))
        hidden = nn.functional.gelu(self.conv2(hidden)).permute(0, 2, 1)
        hidden = hidden + self.embed_positions.weight[: hidden.shape[1]]
        hidden = nn.functional.dropout(hidden, p=self.dropout, training=self.training)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask, **kwargs)
        hidden = self.avg_pooler(hidden.permute(0, 2, 1)).permute(0, 2, 1)
        return BaseModelOutput(last_hidden_state=self.layer_norm(hidden))


def _trim_inputs(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Cuts features and their mask to the batch's longest clip and the margin, before the model sees them."""
    features, mask = kwargs.get("input_features"), kwargs.get("feature_attention_mask")
    if features is not None and mask is not None and features.shape[-1] == mask.shape[-1]:
        frames = -(-(int(mask.sum(-1).max()) + MARGIN) // _MULTIPLE) * _MULTIPLE
        if frames < features.shape[-1]:
            kwargs = {**kwargs, "input_features": features[..., :frames], "feature_attention_mask": mask[..., :frames]}
    return args, kwargs


def trim_qwen2_audio(model: nn.Module) -> None:
    """Puts the trimmed tower into a Qwen2-Audio model, in place. Weights, names and what is saved stay as they were; twice does no harm."""
    inner: Any = model.model
    if isinstance(inner.audio_tower, Qwen2AudioEncoder) and not isinstance(inner.audio_tower, TrimmedQwen2AudioEncoder):
        inner.audio_tower.__class__ = TrimmedQwen2AudioEncoder
        inner.register_forward_pre_hook(_trim_inputs, with_kwargs=True)

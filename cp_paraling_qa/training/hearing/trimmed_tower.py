"""Whisper-type audio towers on the clip instead of on 30 s.

The stock towers of Qwen2-Audio and Audio Flamingo compute 1,500 positions for every clip, and mask the attention to those behind its end. So they are computed for
nothing: cutting the features to the longest clip of the batch gives the same outputs for every position that is used, in training and in generation.

The cut keeps `MARGIN` frames of silence behind the clip: the two convolutions look 2 frames past its last position, and a convolution's zero padding is
not silence. With a margin of 0 or 1 the last audio position would be wrong, quietly. A tower without a mask (GLM-ASR, Voxtral) hears the silence and cannot be cut.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling
from transformers.models.audioflamingo3.modeling_audioflamingo3 import AudioFlamingo3Encoder
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from cp_paraling_qa.errors import TrainingError

MARGIN = 4
"""Mel frames (10 ms each) kept behind the longest clip; 2 are needed, 4 make it bit-equal in float64."""

_MULTIPLE = 4  # frames per audio position: stride 2 in the second convolution, 2 in the pooling


class TrimmedQwen2AudioEncoder(Qwen2AudioEncoder):  # type: ignore[misc]
    """The stock tower, for any even number of mel frames up to its full length."""

    def forward(self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any) -> BaseModelOutput:
        """Outputs of shape (clips, frames // 4, d_model) for features of shape (clips, mels, frames)."""
        hidden = _embedded(self, input_features)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask, **kwargs)
        return BaseModelOutput(last_hidden_state=_pooled(self, hidden))


class TrimmedAudioFlamingo3Encoder(AudioFlamingo3Encoder):  # type: ignore[misc]
    """The stock tower on the batch's longest window and the margin."""

    def forward(self, input_features: torch.Tensor, input_features_mask: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Outputs of shape (windows, positions, d_model) for features of shape (windows, mels, frames) and their mask (windows, frames)."""
        input_features = input_features[..., : kept_frames(input_features_mask)]
        hidden = _embedded(self, input_features)
        lengths = (input_features_mask.sum(-1) - 1) // 2 + 1
        heard = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None].to(hidden.device)
        attention = create_bidirectional_mask(config=self.config, inputs_embeds=hidden, attention_mask=heard)
        for layer in self.layers:
            hidden = layer(hidden, attention)
        return BaseModelOutputWithPooling(last_hidden_state=_pooled(self, hidden))


def kept_frames(mask: torch.Tensor) -> int:
    """How many mel frames are computed: up to the end of the longest clip of a mask of shape (clips, frames), and the margin."""
    kept: int = min(mask.shape[-1], -(-(int(mask.sum(-1).max()) + MARGIN) // _MULTIPLE) * _MULTIPLE)
    return kept


def _embedded(tower: Any, features: torch.Tensor) -> torch.Tensor:
    """The convolutions and positions: (clips, mels, frames) → (clips, frames // 2, d_model).

    Raises:
        TrainingError: the tower trains and leaves out layers at random, which the trimmed one does not.
    """
    if tower.training and tower.layerdrop > 0.0:
        raise TrainingError("the trimmed audio tower trains without layer drop: set audio_config.encoder_layerdrop to 0 in the model's config.json")
    features = features.to(dtype=tower.conv1.weight.dtype, device=tower.conv1.weight.device)
    hidden = nn.functional.gelu(tower.conv1(features))
    hidden = nn.functional.gelu(tower.conv2(hidden)).permute(0, 2, 1)
    hidden = hidden + tower.embed_positions.weight[: hidden.shape[1]]
    return nn.functional.dropout(hidden, p=tower.dropout, training=tower.training)


def _pooled(tower: Any, hidden: torch.Tensor) -> torch.Tensor:
    pooled: torch.Tensor = tower.layer_norm(tower.avg_pooler(hidden.permute(0, 2, 1)).permute(0, 2, 1))
    return pooled


def _trim_inputs(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Cuts features and their mask to the batch's longest clip and the margin, before the model sees them."""
    features, mask = kwargs.get("input_features"), kwargs.get("feature_attention_mask")
    if features is not None and mask is not None and features.shape[-1] == mask.shape[-1]:
        frames = kept_frames(mask)
        kwargs = {**kwargs, "input_features": features[..., :frames], "feature_attention_mask": mask[..., :frames]}
    return args, kwargs


def trim_qwen2_audio(model: nn.Module) -> None:
    """Puts the trimmed tower into a Qwen2-Audio model, in place. Weights, names and what is saved stay as they were; twice does no harm."""
    inner: Any = model.model
    if isinstance(inner.audio_tower, Qwen2AudioEncoder) and not isinstance(inner.audio_tower, TrimmedQwen2AudioEncoder):
        inner.audio_tower.__class__ = TrimmedQwen2AudioEncoder
        inner.register_forward_pre_hook(_trim_inputs, with_kwargs=True)


def trim_audio_flamingo(model: nn.Module) -> None:
    """Puts the trimmed tower into an Audio Flamingo 3 model, in place, as `trim_qwen2_audio` does."""
    tower: Any = model.model.audio_tower
    if type(tower) is AudioFlamingo3Encoder:
        tower.__class__ = TrimmedAudioFlamingo3Encoder


def cast_features(tower: nn.Module) -> None:
    """Lets a tower take features of any float type, as it finds them in a batch, by casting them to that of its weights; in place."""

    def cast(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        dtype = next(module.parameters()).dtype
        if "input_features" in kwargs:
            return args, {**kwargs, "input_features": kwargs["input_features"].to(dtype)}
        return (args[0].to(dtype), *args[1:]), kwargs

    tower.register_forward_pre_hook(cast, with_kwargs=True)

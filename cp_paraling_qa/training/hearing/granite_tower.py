"""Granite Speech's conformer on batches of clips of different lengths: each clip gets what it would get alone.

The stock extractor pads the waveforms, and the stock conformer has no mask: its attention, its convolutions and the last window of its projector hear the silence behind
a clip, so what a clip sounds like depends on the longest clip of its batch. Here features are made of each clip alone, a mask says which frames are its own, and the three places
where frames meet keep to them. A single clip comes out as from the stock code.

Its batch normalisation keeps to its stored statistics in training too. Stock training would move them, in a frozen tower as well, by what happens to be in a batch; and
they are not part of an adapter, so the model that is loaded again would be another one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.granite_speech.modeling_granite_speech import (
    GraniteSpeechConformerAttention,
    GraniteSpeechConformerBlock,
    GraniteSpeechConformerConvModule,
    GraniteSpeechCTCEncoder,
    GraniteSpeechModel,
)


class ClipAttention(GraniteSpeechConformerAttention):  # type: ignore[misc]
    """Attention within blocks of `context_size` frames, kept to a clip's own."""

    def forward(self, hidden_states: torch.Tensor, attention_dists: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(clips, frames, width) → the same shape.

        Args:
            hidden_states: of the layer before.
            attention_dists: row numbers of the table of relative positions, (context, context).
            mask: (clips, frames), True on a clip's own frames.
        """
        clips, frames, _ = hidden_states.shape
        blocks, context = -(-frames // self.context_size), self.context_size
        behind = blocks * context - frames
        hidden = nn.functional.pad(self.pre_norm(hidden_states), (0, 0, 0, behind))
        own = nn.functional.pad(mask, (0, behind)).view(clips * blocks, 1, 1, context)
        parts = (self.to_q(hidden), *self.to_kv(hidden).chunk(2, dim=-1))
        query, key, value = (part.view(clips * blocks, context, self.num_heads, -1).transpose(1, 2) for part in parts)
        bias = torch.einsum("bhcd,crd->bhcr", query, self.rel_pos_emb(attention_dists)) * self.scale
        bias = bias.masked_fill(~own, torch.finfo(bias.dtype).min / 2)
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            heard = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=self.scale)
        joined = heard.transpose(1, 2).reshape(clips, blocks * context, -1)[:, :frames]
        mixed: torch.Tensor = self.dropout(self.to_out(joined))
        return mixed


class ClipConvModule(GraniteSpeechConformerConvModule):  # type: ignore[misc]
    """The convolutions; behind a clip's end they see zeros, as at the end of a lone clip."""

    def forward(self, hidden_states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(clips, frames, width) → the same shape; `mask` as in `ClipAttention`."""
        hidden = self.glu(self.up_conv(self.norm(hidden_states).transpose(1, 2)))
        hidden = self.depth_conv(hidden.masked_fill(~mask[:, None], 0.0))
        hidden = self.down_conv(self.silu(self.batch_norm(hidden))).transpose(1, 2)
        mixed: torch.Tensor = self.dropout(hidden)
        return mixed


class ClipBlock(GraniteSpeechConformerBlock):  # type: ignore[misc]
    """A layer of the conformer."""

    def forward(self, hidden_states: torch.Tensor, attention_dists: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(clips, frames, width) → the same shape; `mask` as in `ClipAttention`."""
        hidden = hidden_states + 0.5 * self.ff1(hidden_states)
        hidden = hidden + self.attn(hidden, attention_dists, mask)
        hidden = hidden + self.conv(hidden, mask)
        normed: torch.Tensor = self.post_norm(hidden + 0.5 * self.ff2(hidden))
        return normed


class StoredStatistics(nn.BatchNorm1d):  # type: ignore[misc]
    """Batch normalisation by its stored mean and variance, in training too. Its scale and shift train."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (torch's name)
        """(clips, channels, frames) → the same shape."""
        scale = self.weight * (self.running_var.to(self.weight.dtype) + self.eps).rsqrt()
        shift = self.bias - self.running_mean.to(self.weight.dtype) * scale
        return input * scale.to(input.dtype)[:, None] + shift.to(input.dtype)[:, None]


class ClipEncoder(GraniteSpeechCTCEncoder):  # type: ignore[misc]
    """The conformer."""

    def forward(self, input_features: torch.Tensor, mask: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """last_hidden_state of shape (clips, frames, width), zero behind a clip's end, for features (clips, frames, 2 · mels) and their mask (clips, frames)."""
        hidden = self.input_linear(input_features.to(self.input_linear.weight.dtype))
        for number, layer in enumerate(self.layers, start=1):
            hidden = layer(hidden, self.attention_dists, mask)
            if number == self.num_layers // 2:
                hidden = hidden + self.out_mid(self.out(hidden).softmax(-1))
        return BaseModelOutputWithPooling(last_hidden_state=hidden.masked_fill(~mask[..., None], 0.0))


class ClipGraniteSpeechModel(GraniteSpeechModel):  # type: ignore[misc]
    """Granite Speech whose `input_features_mask` is one over encoder frames, (clips, frames), not over positions of the text."""

    def forward(self, input_ids: Any = None, input_features: Any = None, input_features_mask: Any = None, **kwargs: Any) -> Any:
        """As the stock model's."""
        if input_features is None:
            return super().forward(input_ids=input_ids, **kwargs)
        mask = input_features_mask.bool()
        states = self.encoder(input_features, mask).last_hidden_state
        states = states.masked_fill(~mask[:, : states.shape[1], None], 0.0)  # states that were given may be padded
        counts = -(-mask.sum(-1) // self.config.window_size) * (self.config.window_size // self.config.downsample_rate)
        projected = self.projector(states)
        heard = torch.arange(projected.shape[1], device=counts.device) < counts[:, None]
        kwargs["inputs_embeds"] = self.get_merged_audio_embeddings(input_ids, projected, heard)
        return super().forward(**kwargs)


def hear_clips_alone(model: nn.Module) -> None:
    """Puts all this into a Granite Speech model, in place. Weights, names and what is saved stay as they were; twice does no harm."""
    swaps = {
        GraniteSpeechModel: ClipGraniteSpeechModel,
        GraniteSpeechCTCEncoder: ClipEncoder,
        GraniteSpeechConformerBlock: ClipBlock,
        GraniteSpeechConformerAttention: ClipAttention,
        GraniteSpeechConformerConvModule: ClipConvModule,
        nn.BatchNorm1d: StoredStatistics,
    }
    for module in model.modules():
        module.__class__ = swaps.get(type(module), type(module))


def merge_own_adapter(model: Any) -> None:
    """Adds the LoRA that a checkpoint brings along to its weights, in place.

    Granite Speech 3 carries one that is switched on where there is audio. An adapter trained here would sit on top of it, and no library merges or saves two; merged, the model
    hears as it did.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    if not getattr(model, "_hf_peft_config_loaded", False):
        return
    for name, layer in [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]:
        layer.merge()
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, layer.get_base_layer())
    model._hf_peft_config_loaded = False
    del model.peft_config  # what PEFT looks at to warn of a second adapter
    model.__dict__.pop("_weight_conversions", None)  # the adapter's, by which saving would rename all weights
    model.config.has_lora_adapter = False
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())  # loading an adapter froze them

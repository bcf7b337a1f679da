"""`whisper_llm` as a transformers model: Whisper's encoder, a projector, a causal language model.

Modules and inputs are called as in Qwen2-Audio, so that what trains one trains the other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.utils.generic import can_return_tuple

from cp_paraling_qa.training.whisper_llm.configuration import WhisperLLMConfig
from cp_paraling_qa.training.whisper_llm.counting import positions
from cp_paraling_qa.training.whisper_llm.encoder import ClipWhisperEncoder
from cp_paraling_qa.training.whisper_llm.projector import KINDS, StackingProjector


class WhisperLLMPreTrainedModel(PreTrainedModel):  # type: ignore[misc]
    """What loading, saving and initialising have in common."""

    config_class = WhisperLLMConfig
    base_model_prefix = "model"
    input_modalities = ("audio", "text")
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _init_weights(self, module: nn.Module) -> None:
        """The projector's layers keep the size of what comes in: a stack is thousands of numbers wide, and the usual 0.02 would blow it up."""
        super()._init_weights(module)
        if isinstance(module, StackingProjector):
            for layer in module.modules():
                if isinstance(layer, nn.Linear):
                    init.normal_(layer.weight, mean=0.0, std=layer.in_features**-0.5)


class WhisperLLMModel(WhisperLLMPreTrainedModel):
    """Encoder, projector and language model, without the output layer."""

    def __init__(self, config: WhisperLLMConfig) -> None:
        super().__init__(config)
        self.audio_tower = ClipWhisperEncoder._from_config(config.audio_config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.multi_modal_projector = KINDS[config.projector](config, self.language_model.get_input_embeddings().embedding_dim)
        self.post_init()

    def get_audio_features(self, input_features: torch.Tensor, feature_attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embeddings of the clips, one clip's behind the other's.

        Args:
            input_features: log-mel, (clips, mels, frames).
            feature_attention_mask: (clips, frames), 1 on the clip's own frames; None where all are. Without `mask_padding` it is not looked at.

        Returns:
            (embeddings of all clips, width)
        """
        mask = feature_attention_mask if self.config.mask_padding else None
        states = self.audio_tower(input_features, attention_mask=mask).last_hidden_state
        if mask is None:
            return self.multi_modal_projector(states).flatten(0, 1)
        valid = positions(mask.sum(-1)).to(states.device)
        embedded = self.multi_modal_projector(states, valid)
        counts = -(-valid // self.config.stack_size)
        return embedded[torch.arange(embedded.shape[1], device=embedded.device) < counts.to(embedded.device)[:, None]]

    def _with_audio(self, embeds: torch.Tensor, input_ids: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Text embeddings with the clips' in the audio tokens' places."""
        places = input_ids == self.config.audio_token_id
        if (count := int(places.sum())) != len(audio):
            raise ValueError(f"{count} audio tokens in the text, but the clips make {len(audio)} embeddings; let the processor expand the text")
        return embeds.masked_scatter(places[..., None].to(embeds.device), audio.to(embeds.device, embeds.dtype))

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        attention_mask: Any = None,
        feature_attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """The language model's hidden states.

        Args:
            input_ids: (batch, length), one `audio_token_id` for every audio embedding.
            input_features: log-mel of all clips in the order of the text, (clips, mels, frames); None for text alone.
            attention_mask: as the language model takes it, 2-D or 4-D; handed on as it is.
            feature_attention_mask: see `get_audio_features`.
            position_ids: (batch, length), for the language model.
            past_key_values: its cache.
            inputs_embeds: (batch, length, width) instead of input_ids, for text alone.
            use_cache: whether it keeps one.
            kwargs: for the language model.

        Raises:
            ValueError: clips whose embeddings do not match the audio tokens in number.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("neither input_ids nor inputs_embeds are given")
            inputs_embeds = self.get_input_embeddings()(input_ids)
        if input_features is not None:
            if input_ids is None:
                raise ValueError("clips need input_ids, which say where they stand")
            inputs_embeds = self._with_audio(inputs_embeds, input_ids, self.get_audio_features(input_features, feature_attention_mask))
        return self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )


class WhisperLLMForConditionalGeneration(WhisperLLMPreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """The whole model, which answers."""

    def __init__(self, config: WhisperLLMConfig) -> None:
        super().__init__(config)
        self.model = WhisperLLMModel(config)
        table = self.model.get_input_embeddings()
        self.lm_head = nn.Linear(table.embedding_dim, config.text_config.vocab_size, bias=config.head_bias)
        name = next(name for name, weight in self.model.named_parameters() if weight is table.weight)
        self._tied_weights_keys = {"lm_head.weight": f"model.{name}"}  # language models call their table by different names
        self.post_init()

    def get_audio_features(self, input_features: torch.Tensor, feature_attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """See `WhisperLLMModel.get_audio_features`."""
        return self.model.get_audio_features(input_features, feature_attention_mask)

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        attention_mask: Any = None,
        feature_attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits, and the loss where labels are given.

        Args:
            input_ids: this and the next seven as of `WhisperLLMModel.forward`.
            input_features: see there.
            attention_mask: see there.
            feature_attention_mask: see there.
            position_ids: see there.
            past_key_values: see there.
            inputs_embeds: see there.
            use_cache: see there.
            kwargs: `num_items_in_batch` for the loss; the others for the language model.
            labels: (batch, length), -100 where there is no loss. The loss is the mean over labelled tokens, or their sum divided by `num_items_in_batch`.
            logits_to_keep: logits of so many last positions alone, 0 of all; or the positions.

        Returns:
            logits of shape (batch, positions, vocabulary), and what the language model returns.
        """
        count = {name: kwargs.pop(name) for name in ("num_items_in_batch",) if name in kwargs}  # the loss's, not the language model's
        outputs = self.model(
            input_ids=input_ids,
            input_features=input_features,
            attention_mask=attention_mask,
            feature_attention_mask=feature_attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = scaled(self.lm_head(outputs.last_hidden_state[:, kept]), self.config.text_config)
        loss = None if labels is None else self.loss_function(logits=logits, labels=labels, vocab_size=logits.shape[-1], **count)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


def scaled(logits: torch.Tensor, config: Any) -> torch.Tensor:
    """What some language models do to their logits behind the output layer: Cohere, Granite, HyperCLOVA X and Falcon-H1 scale them, Gemma caps them softly.

    `build_whisper_llm` compares with the original model, so that one which does something else is refused.
    """
    if (factor := getattr(config, "logit_scale", None)) is not None:
        logits = logits * factor
    if (factor := getattr(config, "lm_head_multiplier", None)) is not None:
        logits = logits * factor
    if (factor := getattr(config, "logits_scaling", None)) is not None:
        logits = logits / factor if config.model_type.startswith("granite") else logits * factor
    if (cap := getattr(config, "final_logit_softcapping", None)) is not None:
        logits = torch.tanh(logits / cap) * cap
    return logits

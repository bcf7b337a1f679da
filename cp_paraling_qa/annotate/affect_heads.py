"""The heads of audEERING's and of the MSP-Podcast checkpoints, which transformers has no class for. Imported where a model is loaded: it brings torch.

Both are built here from their published description, under the names that their weights have, so that every weight must find its place. Pooling over time heeds
the mask: a padded sound is pooled over its own frames alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PretrainedConfig, PreTrainedModel, Wav2Vec2Model
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2PreTrainedModel


def frames_heard(backbone: Any, frames: int, mask: Tensor | None) -> Tensor | None:
    """Which of the frames that come out are of the sound: bool (batch, frames); None where nothing is padded."""
    if mask is None:
        return None
    heard: Tensor = backbone._get_feature_vector_attention_mask(frames, mask)
    return heard.bool()


def masked_mean(hidden: Tensor, heard: Tensor | None) -> Tensor:
    """Mean over time of (batch, frames, dim), over the frames that are heard."""
    if heard is None:
        return hidden.mean(dim=1)
    weight = heard.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1)


class DenseHead(nn.Module):  # type: ignore[misc]  # torch and transformers are not looked into
    """dense, tanh, out_proj (Wagner et al., 2023, doi:10.1109/TPAMI.2023.3263585); dropout does nothing in use."""

    def __init__(self, hidden: int, outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.out_proj = nn.Linear(hidden, outputs)

    def forward(self, pooled: Tensor) -> Tensor:
        """(batch, hidden) → (batch, outputs)."""
        answer: Tensor = self.out_proj(torch.tanh(self.dense(pooled)))
        return answer


class SpeechRegressor(Wav2Vec2PreTrainedModel):  # type: ignore[misc]  # torch and transformers are not looked into
    """wav2vec2 with one `DenseHead`: audEERING's msp-dim checkpoints. Answers (batch, labels)."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = DenseHead(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Sound (batch, samples) → (batch, labels)."""
        hidden = self.wav2vec2(input_values, attention_mask=attention_mask).last_hidden_state
        answer: Tensor = self.classifier(masked_mean(hidden, frames_heard(self.wav2vec2, hidden.shape[1], attention_mask)))
        return answer


class AgeGenderModel(Wav2Vec2PreTrainedModel):  # type: ignore[misc]  # torch and transformers are not looked into
    """wav2vec2 with two `DenseHead`s: audEERING's age-gender checkpoints. Answers (batch, 1 + classes): age in centuries, then a logit for each voice class.

    `config.voice_classes` is set by who loads it.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.age = DenseHead(config.hidden_size, 1)
        self.gender = DenseHead(config.hidden_size, config.voice_classes)
        self.post_init()

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Sound (batch, samples) → (batch, 1 + classes)."""
        hidden = self.wav2vec2(input_values, attention_mask=attention_mask).last_hidden_state
        pooled = masked_mean(hidden, frames_heard(self.wav2vec2, hidden.shape[1], attention_mask))
        return torch.cat([self.age(pooled), self.gender(pooled)], dim=1)


class AttentiveStatistics(nn.Module):  # type: ignore[misc]  # torch and transformers are not looked into
    """Mean and standard deviation over time, weighted by attention (Okabe et al., 2018, arXiv 1803.10963)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.sap_linear = nn.Linear(hidden, hidden)
        self.attention = nn.Parameter(torch.zeros(hidden, 1))

    def forward(self, hidden: Tensor, heard: Tensor | None) -> Tensor:
        """(batch, frames, dim) → (batch, 2 · dim)."""
        score = (torch.tanh(self.sap_linear(hidden)) @ self.attention).squeeze(-1)
        if heard is not None:
            score = score.masked_fill(~heard, torch.finfo(score.dtype).min)
        weight = score.softmax(dim=1).unsqueeze(-1)
        mean = (hidden * weight).sum(dim=1)
        variance = (hidden.square() * weight).sum(dim=1) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=1)


class EmotionLayers(nn.Module):  # type: ignore[misc]  # torch and transformers are not looked into
    """Linear, layer norm, ReLU, so many times, then the output: the head of the Odyssey 2024 baselines."""

    def __init__(self, inputs: int, hidden: int, layers: int, outputs: int) -> None:
        super().__init__()
        sizes = [inputs, *[hidden] * layers]
        self.fc = nn.ModuleList(nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b), nn.ReLU()) for a, b in zip(sizes, sizes[1:], strict=False))
        self.out = nn.Sequential(nn.Linear(hidden, outputs))

    def forward(self, pooled: Tensor) -> Tensor:
        """(batch, inputs) → (batch, outputs)."""
        for layer in self.fc:
            pooled = layer(pooled)
        answer: Tensor = self.out(pooled)
        return answer


class OdysseyConfig(PretrainedConfig):  # type: ignore[misc]  # torch and transformers are not looked into
    """config.json of the MSP-Podcast baselines, with `ssl_config`, the settings of the encoder inside, set by who loads it."""

    model_type = "ser"


class OdysseyModel(PreTrainedModel):  # type: ignore[misc]  # torch and transformers are not looked into
    """Baselines of the Odyssey 2024 challenge on MSP-Podcast (3loi/SER-Odyssey-Baseline-WavLM-…): encoder, attentive statistics, layers. Answers (batch, outputs)."""

    config_class = OdysseyConfig
    main_input_name = "input_values"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.ssl_model = AutoModel.from_config(config.ssl_config)
        self.pool_model = AttentiveStatistics(config.hidden_size)
        self.ser_model = EmotionLayers(2 * config.hidden_size, config.hidden_size, config.classifier_hidden_layers, config.num_classes)
        self.post_init()

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Sound (batch, samples), (x − mean) / (std + 1e-6) of the config → (batch, outputs)."""
        hidden = self.ssl_model(input_values, attention_mask=attention_mask).last_hidden_state
        answer: Tensor = self.ser_model(self.pool_model(hidden, frames_heard(self.ssl_model, hidden.shape[1], attention_mask)))
        return answer

"""From encoder positions to embeddings of the language model: neighbouring positions are stacked into one long vector, and a small network maps it.

    mlp         stack → linear → activation → linear
    meralion    layer norm → stack → linear to the encoder's width → SiLU → linear to 4 × that → SiLU → linear
    meralion2   layer norm → stack → linear to 5 × the encoder's width → SiLU → gated linear unit (SiLU) of that width → linear

mlp is the layout of arXiv 2508.07273, which does not say how wide it is. The other two are the adapters of MERaLiON-AudioLLM (arXiv 2412.09818) and MERaLiON-2 as their
published code builds them, which calls the parts `ln_speech` (here norm), `mlp_adapter.0` (compress), `speech_llm_proj.0` and `.3` (expand and project), `gate_proj`,
`pool_proj` (value) and `out_proj` (project). There 15 divides the 1,500 positions; here a last stack that a clip does not fill is filled with zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN


class StackingProjector(nn.Module):  # type: ignore[misc]
    """What the three kinds share: norm, masking, stacking.

    Args:
        config: a WhisperLLMConfig.
        width: of the language model's embeddings.
    """

    normed = True

    def __init__(self, config: Any, width: int) -> None:
        super().__init__()
        self.stack_size = config.stack_size
        self.stacked = config.stack_size * config.audio_config.d_model
        self.norm = nn.LayerNorm(config.audio_config.d_model) if self.normed else nn.Identity()
        self.dropout = nn.Dropout(config.projector_dropout)
        self.build(config, width)

    def build(self, config: Any, width: int) -> None:
        """Makes the layers. The last one is called `project`."""
        raise NotImplementedError

    def embed(self, stacked: torch.Tensor) -> torch.Tensor:
        """(…, stacked) → (…, width)."""
        raise NotImplementedError

    def forward(self, states: torch.Tensor, valid: torch.Tensor | None = None) -> torch.Tensor:
        """Embeddings of clips.

        Args:
            states: the encoder's, (clips, positions, d_model).
            valid: how many positions are each clip's own, (clips,); None where all are. The others are zeroed behind the norm, so that what they hold, and with
                which other clips a clip is batched, changes nothing.

        Returns:
            (clips, ⌈positions / stack_size⌉, width)
        """
        states = self.norm(states)
        clips, count, _ = states.shape
        if valid is not None:
            own = torch.arange(count, device=states.device) < valid.to(states.device)[:, None]
            states = states.masked_fill(~own[..., None], 0.0)
        states = nn.functional.pad(states, (0, 0, 0, -count % self.stack_size))
        return self.embed(states.reshape(clips, -1, self.stacked))


class MLPProjector(StackingProjector):
    """Two linear layers."""

    normed = False

    def build(self, config: Any, width: int) -> None:
        """Makes the layers."""
        hidden = config.projector_hidden_size or width
        self.hidden = nn.Linear(self.stacked, hidden)
        self.act = ACT2FN[config.projector_act]
        self.project = nn.Linear(hidden, width)

    def embed(self, stacked: torch.Tensor) -> torch.Tensor:
        """(…, stacked) → (…, width)."""
        embedded: torch.Tensor = self.project(self.dropout(self.act(self.hidden(stacked))))
        return embedded


class MeralionProjector(StackingProjector):
    """MERaLiON-AudioLLM's adapter."""

    def build(self, config: Any, width: int) -> None:
        """Makes the layers."""
        own = config.audio_config.d_model
        self.compress = nn.Linear(self.stacked, own)
        self.expand = nn.Linear(own, 4 * own)
        self.project = nn.Linear(4 * own, width)

    def embed(self, stacked: torch.Tensor) -> torch.Tensor:
        """(…, stacked) → (…, width)."""
        hidden = self.dropout(nn.functional.silu(self.compress(stacked)))
        embedded: torch.Tensor = self.project(self.dropout(nn.functional.silu(self.expand(hidden))))
        return embedded


class GatedMeralionProjector(StackingProjector):
    """MERaLiON-2's adapter."""

    def build(self, config: Any, width: int) -> None:
        """Makes the layers."""
        inner = 5 * config.audio_config.d_model
        self.compress = nn.Linear(self.stacked, inner)
        self.gate = nn.Linear(inner, inner)
        self.value = nn.Linear(inner, inner)
        self.project = nn.Linear(inner, width)

    def embed(self, stacked: torch.Tensor) -> torch.Tensor:
        """(…, stacked) → (…, width)."""
        hidden = self.dropout(nn.functional.silu(self.compress(stacked)))
        embedded: torch.Tensor = self.project(nn.functional.silu(self.gate(hidden)) * self.value(hidden))
        return embedded


KINDS: dict[str, type[StackingProjector]] = {"mlp": MLPProjector, "meralion": MeralionProjector, "meralion2": GatedMeralionProjector}

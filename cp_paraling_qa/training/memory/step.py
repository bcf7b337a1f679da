"""The moments of a training step, and what is in memory at each.

- **tower forward**: the tower's convolutions and layers on the clips, whose tensors come and go where it is frozen;
- **output layer**: forward is done; everything that the layers keep is there, and the logits of the answer positions three times in float32 (log-probabilities, their
  gradient, the gradient of the logits);
- **backward**: the last layer goes backward, with everything that the layers before it keep (and, with gradient checkpointing, its own recomputed);
- **end of backward**: the first layer goes backward, with the gradients of all layers there;
- **tower backward**, where the tower is trained;
- **optimiser**: weights, gradients, states.

A frozen tower is taken to be outside of the graph: nothing of it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cp_paraling_qa.training.memory.layers import Bytes, Precision, llama_backward, llama_block, whisper_backward, whisper_layer
from cp_paraling_qa.training.memory.parts import PartMemory

ADAMW = (8, 4, 0.0)
OPTIMISERS = {
    # the Trainer's name → bytes of states an element, of weights in 4 bytes and in 2 bytes; copies of the trained weights that a step makes
    "adamw_torch": (8, 4, 1.0),
    "adamw_torch_fused": ADAMW,
    "adamw_bnb_8bit": (2, 2, 0.0),
    "adamw_8bit": (2, 2, 0.0),
    "paged_adamw_8bit": (2, 2, 0.0),
    "sgd": (0, 0, 0.0),
}
_LOG_PROBABILITIES = 3 * 4
"""Bytes a logit while the loss goes backward: log-probability, its gradient, the gradient of the logit, all in float32."""
_FRAMES = 2
"""Mel frames, and positions of the first convolution, for each of a Whisper layer's positions."""
_POOL = 2
"""A Whisper layer's positions for each position in the text."""
_MARGIN = 2
"""Layer positions that the trimmed tower computes behind the longest clip."""


@dataclass(frozen=True)
class Batch:
    """The largest batch of a run.

    Attributes:
        sequences: in it.
        audio_positions: of the longest clip in the text; 25 a second for Qwen2-Audio.
        text_tokens: of the longest sequence: prompt and answer, without the clip.
        answer_tokens: of one sequence, its end token included.
        tower_positions: that the tower's layers compute for the longest clip; None for twice the audio positions, as with Qwen2-Audio.
        mask: "padding" where sequences differ in length, "none" where all are alike, "blocks" where one sequence holds several questions.
    """

    sequences: int = 4
    audio_positions: int = 750
    text_tokens: int = 150
    answer_tokens: int = 50
    tower_positions: int | None = None
    mask: str = "padding"

    @property
    def tokens(self) -> int:
        """Positions of the language model, padding included."""
        return self.sequences * (self.audio_positions + self.text_tokens)

    @property
    def masks(self) -> int:
        """Elements of the attention mask."""
        return self.sequences * (self.audio_positions + self.text_tokens) ** 2


@dataclass(frozen=True)
class PartEstimate:
    """One part of the model: parameters, trained parameters; bytes of weights, gradients, optimiser states, and of activations kept for the backward pass."""

    parameters: int
    trained: int
    weights: Bytes
    gradients: Bytes
    optimiser: Bytes
    activations: Bytes


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a training step needs.

    Attributes:
        parts: by name: audio tower, projector, language model, output layer, other.
        moments: moment of the step → bytes.
        notes: what could not be counted.
    """

    parts: dict[str, PartEstimate]
    moments: dict[str, Bytes]
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> Bytes:
        """Of all weights, frozen and trained, adapters included."""
        return sum(part.weights for part in self.parts.values())

    @property
    def gradients(self) -> Bytes:
        """Of the trained weights."""
        return sum(part.gradients for part in self.parts.values())

    @property
    def optimiser(self) -> Bytes:
        """Its states."""
        return sum(part.optimiser for part in self.parts.values())

    @property
    def activations(self) -> Bytes:
        """Kept for the backward pass."""
        return sum(part.activations for part in self.parts.values())

    @property
    def peak(self) -> Bytes:
        """The most that is there at a time."""
        return max(self.moments.values())


@dataclass
class Step:
    """A training step of a model whose parts are known. The attributes are those of `memory.estimate`."""

    config: Any
    parts: dict[str, PartMemory]
    batch: Batch
    precision: Precision
    checkpointing: bool
    optimizer: str
    accumulates: bool
    tower: str

    def estimate(self) -> MemoryEstimate:
        """Part by part and moment by moment."""
        kept = {"audio tower": self._tower_kept(), "language model": self._language_kept(), "output layer": self._head()}
        parts = {name: self._part(part, kept.get(name, 0)) for name, part in self.parts.items() if part.parameters}
        still = sum(part.weights + part.optimiser for part in parts.values())
        gradients = sum(part.gradients for part in parts.values())
        early = gradients if self.accumulates else 0
        # the gradients of the output layer come first, then the language model's, the tower's, and the embeddings' last
        own = {name: 0 if self.accumulates else part.trained_bytes for name, part in self.parts.items()}
        embedding = 0 if self.accumulates else self.parts["language model"].embedding
        layers, working = kept["audio tower"] + kept["language model"], self._language_working()
        moments = {
            "tower forward": still + early + kept["audio tower"] + self._tower_working(),
            "output layer": still + early + layers + self._ends() + kept["output layer"],
            "backward": still + max(early, own["output layer"]) + layers + working,
            "end of backward": still + gradients - embedding - own["audio tower"] - own["projector"] + kept["audio tower"] + working,
            "optimiser": still + gradients + int(OPTIMISERS.get(self.optimizer, ADAMW)[2] * sum(part.trained_bytes for part in self.parts.values())),
        }
        if kept["audio tower"]:
            moments["tower backward"] = still + gradients - embedding + max(kept["audio tower"] - own["audio tower"], 0) + self._tower_backward()
        notes = [
            f"the layers of the {name} are of a type that is not known here: its activations are not counted"
            for name in ("audio tower", "language model")
            if not self.parts[name].layers
        ]
        if self.optimizer not in OPTIMISERS:
            notes.append(f"the optimiser {self.optimizer} is not known here: its states are counted as AdamW's")
        return MemoryEstimate(parts, moments, tuple(notes))

    def _part(self, part: PartMemory, activations: Bytes) -> PartEstimate:
        four, two, _ = OPTIMISERS.get(self.optimizer, ADAMW)
        each = part.trained_bytes / part.trained if part.trained else 4
        states = int(part.trained * (two + (four - two) * (each - 2) / 2))  # a part may hold both sizes
        return PartEstimate(part.parameters, part.trained, part.weights, part.trained_bytes, states, activations)

    def _layer(self, number: int) -> Bytes:
        """What one layer of the language model keeps."""
        block, trained = self.parts["language model"].layers[number]
        p = self.precision
        kept = self.batch.tokens * llama_block(block, trained, p, expanded=self.batch.mask != "none")
        kept += p.matmul * self.batch.masks if self.batch.mask == "padding" else 0
        return kept + (2 * block.linears if p.casts_weights else 0)

    def _language_kept(self) -> Bytes:
        layers = self.parts["language model"].layers
        if not layers:
            return 0
        p, tokens = self.precision, self.batch.tokens
        mask = {"none": 0, "padding": 1, "blocks": p.matmul}[self.batch.mask] * self.batch.masks
        adapters = 2 * sum(part.adapters for part in self.parts.values()) if p.autocast and p.adapters == 4 else 0  # autocast keeps the copies that it made
        if self.checkpointing:
            return mask + adapters + sum(tokens * p.weights * block.width for block, _ in layers)
        return mask + adapters + sum(self._layer(number) for number in range(len(layers)))

    def _language_working(self) -> Bytes:
        """One layer going backward; the widest matrix is unpacked for a moment where it is quantised."""
        layers = self.parts["language model"].layers
        if not layers:
            return 0
        p, tokens = self.precision, self.batch.tokens
        block, trained = layers[-1]
        unpacked = p.matmul * (self.parts["language model"].quantised + tokens * block.ffn) if p.quantised else 0
        working = max(tokens * llama_backward(block, trained, p), unpacked)
        if not self.checkpointing:
            return working
        shared = 4 * tokens * block.width if p.weights == 4 else 0  # its input is there already, and the first norm keeps that very tensor
        return working + self._layer(len(layers) - 1) - shared

    def _ends(self) -> Bytes:
        """What the last norm keeps, and the language model's first and last states, which its forward holds on to until it returns."""
        layers = self.parts["language model"].layers
        return self.batch.tokens * ((4 + 2 * self.precision.weights) * layers[-1][0].width + 4) if layers else 0

    def _head(self) -> Bytes:
        vocabulary: int = self.config.get_text_config().vocab_size
        answers = self.batch.sequences * self.batch.answer_tokens
        return answers * vocabulary * _LOG_PROBABILITIES + (2 * self.parts["output layer"].parameters if self.precision.casts_weights else 0)

    def _positions(self) -> int:
        """That the tower's layers compute for one clip."""
        audio = getattr(self.config, "audio_config", self.config)
        most: int = getattr(audio, "max_source_positions", 1500)
        heard = _POOL * self.batch.audio_positions if self.batch.tower_positions is None else self.batch.tower_positions
        return most if self.tower == "full" else min(most, heard + _MARGIN)

    def _tower_kept(self) -> Bytes:
        layers, clips, positions = self.parts["audio tower"].layers, self.batch.sequences, self._positions()
        if not self.parts["audio tower"].trained or self.tower == "cached" or not layers:
            return 0
        each = clips * positions * self.precision.weights * layers[0][0].width
        ends = 2 * each  # what the pooling and the last norm keep, or the convolutions
        if self.checkpointing:
            return ends + len(layers) * each
        return ends + sum(self._tower_layer(number) for number in range(len(layers)))

    def _tower_backward(self) -> Bytes:
        layers, places = self.parts["audio tower"].layers, self.batch.sequences * self._positions()
        if not self.parts["audio tower"].trained or self.tower == "cached" or not layers:
            return 0
        block, trained = layers[-1]
        working = places * whisper_backward(block, trained, self.precision)
        return working + (self._tower_layer(len(layers) - 1) if self.checkpointing else 0)

    def _tower_layer(self, number: int) -> Bytes:
        block, trained = self.parts["audio tower"].layers[number]
        clips, positions = self.batch.sequences, self._positions()
        casts = 2 * block.linears if self.precision.casts_weights else 0
        return clips * positions * whisper_layer(block, trained, self.precision) + self.precision.matmul * clips * positions**2 + casts

    def _tower_working(self) -> Bytes:
        """The larger of the convolutions (before and behind the first GELU, at twice the positions) and of a layer (before and behind its GELU, and the residual)."""
        layers, clips, positions = self.parts["audio tower"].layers, self.batch.sequences, self._positions()
        if self.tower == "cached" or not layers:
            return 0
        p, block = self.precision, layers[0][0]
        convolutions = clips * _FRAMES * positions * 2 * p.matmul * block.width
        layer = clips * positions * (2 * p.matmul * block.ffn + p.weights * block.width)
        return max(convolutions, layer)

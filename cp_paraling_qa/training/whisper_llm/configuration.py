"""The configuration of `whisper_llm`: which encoder, which projector, which language model."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

PROJECTORS = {"mlp": 0.0, "meralion": 0.1, "meralion2": 0.01}
"""Kinds of projector, with the dropout each was published with; `projector.py` says how they are built."""


class WhisperLLMConfig(PreTrainedConfig):  # type: ignore[misc]
    """A Whisper encoder, a projector and a causal language model.

    The defaults of the projector are the layout of arXiv 2508.07273: 15 of the encoder's 1,500 positions make one embedding, 100 in all. Its width is our choice.

    Attributes:
        audio_config: a WhisperConfig; only its encoder's part is used.
        text_config: of any causal language model in transformers.
        audio_token_id: the id that stands for one audio embedding.
        projector: mlp; meralion, the adapter of MERaLiON-AudioLLM; meralion2, the gated one of MERaLiON-2.
        stack_size: encoder positions (20 ms each) that make one embedding.
        projector_hidden_size: width of the mlp's hidden layer; None is the language model's. The other kinds have widths of their own.
        projector_act: the mlp's activation.
        projector_dropout: 0 to 1; None is what the kind was published with.
        mask_padding: whether a clip is heard alone, its own positions attending to each other, and takes ⌈positions / stack_size⌉ embeddings. False is what the
            papers do: 30 s of clip and silence, always the full number of embeddings.
        head_bias: whether the output layer has a bias.
        tie_word_embeddings: whether input and output layer share their weights; None is what the language model does.
    """

    model_type = "whisper_llm"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {
        "audio_config": SubConfigSpec(config_class=AutoConfig, model_type="whisper"),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="gemma2"),
    }

    audio_config: Any = None
    text_config: Any = None
    audio_token_id: int = 0
    projector: str = "mlp"
    stack_size: int = 15
    projector_hidden_size: int | None = None
    projector_act: str = "gelu"
    projector_dropout: float | int | None = None
    mask_padding: bool = True
    head_bias: bool = False
    tie_word_embeddings: bool | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.projector not in PROJECTORS:
            raise ValueError(f"projector {self.projector!r} is not one of {', '.join(PROJECTORS)}")
        if self.stack_size < 1:
            raise ValueError(f"stack_size {self.stack_size} is not a positive number of encoder positions")
        if self.projector_dropout is None:
            self.projector_dropout = PROJECTORS[self.projector]
        if self.tie_word_embeddings is None:
            self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))

"""Granite Speech: a conformer, a query transformer over windows of 15 frames as projector, a Granite language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.families.base import Family, frame_mask

_SYSTEM = "You are Granite, developed by IBM. You are a helpful AI assistant."
"""The template's own default names the day; this is its standing part."""


class GraniteSpeech(Family):
    """Granite Speech 3. Each clip is heard as if it were alone (see `training/hearing/granite_tower.py`), and torchaudio is not needed (`training/hearing/granite_mel.py`).

    A LoRA adapter that lies in the checkpoint's folder is merged when the model is loaded, so an adapter that is trained here belongs on a model loaded here.
    """

    model_type = "granite_speech"
    tower = "model.encoder"
    projector = "model.projector"
    tower_lora_targets = r".*model\.encoder\..*\.(to_q|to_kv|to_out|up_proj|down_proj)"
    caches_tower = True

    def messages(self, text: str, *, audio: bool = True) -> list[dict[str, Any]]:
        """Its template takes strings: the audio token, then the text."""
        return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": f"{'<|audio|>' if audio else ''}{text}"}]

    def extractor(self, processor: Any) -> Any:
        """Under the name it has here."""
        return processor.audio_processor

    def hears(self, processor: Any) -> Seconds:
        """Any length: nothing is cut or windowed; the language model's context is the limit, at 10 positions a second."""
        return float("inf")

    def tower_config(self, config: Any) -> Any:
        """Under the name it has here."""
        return config.encoder_config

    def load_processor(self, path: str, **kwargs: Any) -> Any:
        """The processor with an extractor that hears each clip alone."""
        from cp_paraling_qa.training.hearing.granite_mel import granite_processor

        return granite_processor(path, **kwargs)

    def load(self, path: str, **kwargs: Any) -> Any:
        """The model, its own adapter merged. The class does not say so, but its language model can checkpoint gradients."""
        from cp_paraling_qa.training.hearing.granite_tower import merge_own_adapter

        model = super().load(path, **kwargs)
        merge_own_adapter(model)
        model.supports_gradient_checkpointing = True
        return model

    def prepare(self, model: Any) -> None:
        """Puts in the conformer that hears each clip alone."""
        from cp_paraling_qa.training.hearing.granite_tower import hear_clips_alone

        hear_clips_alone(model)

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """As many as there are frames."""
        return [int(length) for length in tensors["input_features_mask"].sum(-1).tolist()]

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """A mask of n frames, and features that nobody reads."""
        import torch

        return {"input_features": torch.zeros(len(lengths), 1, 1), "input_features_mask": frame_mask(lengths)}

    def audio_positions(self, length: int, processor: Any) -> int:
        """Three for each window of 15 frames that is begun."""
        extractor = self.extractor(processor)
        window = int(extractor.projector_window_size)
        return -(-length // window) * (window // int(extractor.projector_downsample_rate))

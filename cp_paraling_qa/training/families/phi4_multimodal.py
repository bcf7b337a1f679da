"""Phi-4-multimodal: a conformer without a usable mask, a projector of two layers, a Phi-4 language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cp_paraling_qa.training.families.base import Clips, Family


class Phi4Multimodal(Family):
    """Phi-4-multimodal, as converted for transformers. Each clip is heard alone (see `training/hearing/phi4_tower.py`). The last of its projector's two layers counts as projector.

    Its LoRA for speech (folder `speech-lora` of the checkpoint) is merged when the model is loaded: without it the model does not follow audio.
    """

    model_type = "phi4_multimodal"
    tower = "audio_embed.encoder"
    projector = "audio_embed.down_proj_for_speech"
    language_model = "model.layers"
    lora_targets = r".*\bmodel\.layers\.\d+\..*\.(qkv_proj|o_proj|gate_up_proj|down_proj)"
    tower_lora_targets = r".*audio_embed\.encoder\.encoders\..*\.(q_proj|k_proj|v_proj|o_proj|up_proj|down_proj|gate_up_proj)"
    more_stops = ("<|end|>", "<|endoftext|>")
    caches_tower = True

    def extractor(self, processor: Any) -> Any:
        """Under the name it has here."""
        return processor.audio_processor

    def hears(self, processor: Any) -> float:
        """Any length: the tower takes 40 s at a time, and cuts nothing off."""
        return float("inf")

    def load_processor(self, path: str, **kwargs: Any) -> Any:
        """The whole processor; where torchvision is missing, which only its pictures need, one for audio and text."""
        try:
            return super().load_processor(path, **kwargs)
        except ImportError:
            from cp_paraling_qa.training.hearing.audio_processors import without_pictures

            return without_pictures("Phi4MultimodalProcessor", path, **kwargs)

    def load(self, path: str, **kwargs: Any) -> Any:
        """The model, its LoRA for speech merged."""
        from cp_paraling_qa.training.hearing.phi4_tower import merge_speech_adapter

        model = super().load(path, **kwargs)
        merge_speech_adapter(model, path, revision=kwargs.get("revision"))
        return model

    def prepare(self, model: Any) -> None:
        """Puts in the tower that hears each clip alone."""
        from cp_paraling_qa.training.hearing.phi4_tower import hear_clips_alone

        hear_clips_alone(self.part(model, "tower"))

    def features(self, processor: Any, clips: Sequence[Any]) -> Clips:
        """Of each clip alone, and a mask over frames, which the processor leaves out for a single clip."""
        import torch

        heard = self.features_alone(processor, clips, {"audio_input_features": 1})
        frames = [len(self.extractor(processor)(clip, sampling_rate=16_000, return_tensors="pt")["audio_input_features"][0]) for clip in clips]
        heard.tensors["audio_attention_mask"] = torch.arange(max(frames)) < torch.tensor(frames)[:, None]
        return heard

    def tower_lengths(self, tensors: Any) -> list[int]:
        """As many as there are positions."""
        return [int(length) for length in tensors["audio_embed_sizes"].tolist()]

    def tower_output(self, tower: Any, states: Any, *args: Any, **kwargs: Any) -> Any:
        """The states themselves."""
        return states

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """How many positions there are, and features that nobody reads."""
        import torch

        return {"audio_input_features": torch.zeros(len(lengths), 1, 1), "audio_embed_sizes": torch.tensor(list(lengths))}

"""Gemma 4 and Gemma 3n: a conformer over log-mel frames with a mask, a projector, a Gemma language model with layers that attend to a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.families.base import Family, frame_mask

_HEARS: Seconds = 30.0
"""Both extractors cut at 480,000 samples unless told otherwise, and say nothing."""

_CONFORMER = "q_proj|k_proj|v_proj|post|ffw_layer_1|ffw_layer_2|linear_start|linear_end"


class Gemma4(Family):
    """Gemma 4. A clip stands between two tokens of its own. Questions cannot share a sequence: most layers attend to a window."""

    model_type = "gemma4"
    projector = "embed_audio"
    tower_lora_targets = rf".*audio_tower\.layers\..*\.({_CONFORMER})\.linear"
    shares_clips = False
    caches_tower = True

    def load_processor(self, path: str, **kwargs: Any) -> Any:
        """The whole processor; where torchvision is missing, which only its pictures need, one for audio and text."""
        try:
            return super().load_processor(path, **kwargs)
        except ImportError:
            from cp_paraling_qa.training.hearing.audio_processors import without_pictures

            return without_pictures("Gemma4Processor", path, **kwargs)

    def framed(self, processor: Any) -> str:
        """An audio position between what the processor puts around those of a clip."""
        return f"{processor.boa_token}{processor.audio_token}{processor.tokenizer.eoa_token}"

    def encode(self, processor: Any, text: str) -> list[int]:
        """With the clip's own begin and end; the processor writes them into the text, so they are tokenised with it."""
        return super().encode(processor, text.replace(self.audio_token(processor), self.framed(processor)))

    def hears(self, processor: Any) -> Seconds:
        """What is longer is cut off."""
        return _HEARS

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """A quarter of the frames, rounded up."""
        return [-(-int(frames) // 4) for frames in tensors["input_features_mask"].sum(-1).tolist()]

    def tower_output(self, tower: Any, states: Any, *args: Any, **kwargs: Any) -> Any:
        """The states, and a mask over them."""
        from transformers.models.gemma4.modeling_gemma4 import Gemma4AudioModelOutput

        return Gemma4AudioModelOutput(last_hidden_state=states, attention_mask=args[1][:, ::4].bool())

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """A mask of 4 n frames, which come to n positions, and features that nobody reads."""
        import torch

        return {"input_features": torch.zeros(len(lengths), 1, 1), "input_features_mask": frame_mask([4 * length for length in lengths])}


class Gemma3n(Gemma4):
    """Gemma 3n. Every clip takes 188 positions, however short."""

    model_type = "gemma3n"
    untested = "its class builds a vision tower from timm and torchvision, even from a config"
    tower_lora_targets = rf".*audio_tower\.conformer\..*\.({_CONFORMER})"
    caches_tower = False

    def load_processor(self, path: str, **kwargs: Any) -> Any:
        """The whole processor, for the model needs the picture libraries too."""
        return Family.load_processor(self, path, **kwargs)

    def framed(self, processor: Any) -> str:
        """With blank lines around."""
        return f"\n\n{super().framed(processor)}\n\n"

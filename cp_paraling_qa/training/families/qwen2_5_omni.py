"""Qwen2.5-Omni and Qwen3-Omni, their thinkers: the part that hears and writes. The talker, which speaks, is neither loaded nor trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.training.families.base import Clips, Family, frame_mask


class Qwen2_5Omni(Family):
    """Qwen2.5-Omni's thinker, from a full checkpoint or from one of its own.

    Its tower works on stretches of two seconds and computes nothing behind a clip's end, so there is nothing to trim. Its last linear layer maps to the language model's
    inputs: that is the projector, and the cache holds what goes into it. For audio and text the three position numbers of its language model are one.
    """

    model_type = "qwen2_5_omni_thinker"
    more_types: tuple[str, ...] = ("qwen2_5_omni",)
    thinker = "Qwen2_5OmniThinkerForConditionalGeneration"
    whole_processor = "Qwen2_5OmniProcessor"
    projector = "audio_tower.proj"
    cached_part = "audio_tower.ln_post"
    caches_tower = True

    def tower_config(self, config: Any) -> Any:
        """Of the thinker."""
        return getattr(config, "thinker_config", config).audio_config

    def model_class(self) -> Any:
        """The thinker's, which loads it out of a full checkpoint too."""
        import transformers

        return getattr(transformers, self.thinker)

    def hollow(self, config: Any) -> Any:
        """The thinker of a config, without memory for its weights."""
        import torch

        with torch.device("meta"):
            return self.model_class()(getattr(config, "thinker_config", config))

    def load_processor(self, path: str, **kwargs: Any) -> Any:
        """The whole processor; where torchvision is missing, which only its pictures need, one for audio and text."""
        try:
            return super().load_processor(path, **kwargs)
        except ImportError:
            from cp_paraling_qa.training.hearing.audio_processors import without_pictures

            return without_pictures(self.whole_processor, path, **kwargs)

    def features(self, processor: Any, clips: Sequence[Any]) -> Clips:
        """Cut to the longest clip of the batch: the extractor pads to five minutes, and the model takes only what the mask shows."""
        heard = super().features(processor, clips)
        longest = int(heard.tensors["feature_attention_mask"].sum(-1).max())
        return Clips({name: value[..., :longest].clone() for name, value in heard.tensors.items()}, heard.counts)

    def positions(self, frames: Any) -> Any:
        """Positions of so many mel frames."""
        return ((frames - 1) // 2 + 1 - 2) // 2 + 1

    def frames(self, positions: int) -> int:
        """Mel frames that come to so many positions."""
        return 4 * positions

    def clip_states(self, output: Any, clips: Clips) -> list[Any]:
        """The tower's positions stand one clip behind the other."""
        return list(output.split(self.tower_lengths(clips.tensors)))

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """Positions of as many frames as the mask counts."""
        return [int(length) for length in self.positions(tensors["feature_attention_mask"].sum(-1)).tolist()]

    def tower_output(self, tower: Any, states: Any, *args: Any, **kwargs: Any) -> Any:
        """Stored states through the projector, one clip behind the other."""
        import torch

        lengths = self.positions(kwargs["feature_lens"]).tolist()
        joined = torch.cat([row[:length] for row, length in zip(states, lengths, strict=True)])
        projector = tower.get_submodule(self.projector.removeprefix(f"{self.tower}."))
        return super().tower_output(tower, projector(joined.to(next(projector.parameters()).dtype)))

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """A mask of as many frames as come to n positions, and features that nobody reads."""
        import torch

        mask = frame_mask([self.frames(length) for length in lengths])
        return {"input_features": torch.zeros(len(lengths), 1, mask.shape[1]), "feature_attention_mask": mask}


class Qwen3Omni(Qwen2_5Omni):
    """Qwen3-Omni's thinker. Of the two linear layers behind its tower the last counts as projector. LoRA is put on its attention; its experts are not linear layers."""

    model_type = "qwen3_omni_moe_thinker"
    more_types = ("qwen3_omni_moe",)
    thinker = "Qwen3OmniMoeThinkerForConditionalGeneration"
    whole_processor = "Qwen3OmniMoeProcessor"
    projector = "audio_tower.proj2"
    lora_targets = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj)"
    cached_part = "audio_tower.act"

    def features(self, processor: Any, clips: Sequence[Any]) -> Clips:
        """Of each clip alone."""
        return self.features_alone(processor, clips, {"input_features": 2, "feature_attention_mask": 1})

    def hears(self, processor: Any) -> float:
        """Any length: its processor cuts nothing off."""
        return float("inf")

    def positions(self, frames: Any) -> Any:
        """13 a whole second, and an eighth of the frames that are left."""
        return frames // 100 * 13 + (frames % 100 + 7) // 8

    def frames(self, positions: int) -> int:
        """Whole seconds, and eight frames for each position that is left."""
        return positions // 13 * 100 + positions % 13 * 8

    def prepare(self, model: Any) -> None:
        """Lets every stretch of audio be computed at full length, as it is wherever a batch holds a whole second: its convolutions have no mask."""
        from cp_paraling_qa.training.hearing.omni_tower import full_chunks

        full_chunks(model.model.audio_tower)

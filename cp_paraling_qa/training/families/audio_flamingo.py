"""Audio Flamingo 3: a Whisper-type tower with masked attention over windows of 30 s and a pooling by 2, a projector, a Qwen2 language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.families.base import Clips, Family, frame_mask

_FRAMES = 4
"""Mel frames per audio position: stride 2 in the second convolution, 2 in the pooling."""


class WindowedFamily(Family):
    """Families whose processor cuts a long clip into windows of the extractor's length, each a row of the features, up to `max_audio_len`; what is longer it cuts off."""

    caches_tower = True
    text_padding = {"text_kwargs": {"padding": True}}  # the features keep their full length

    def _window(self, processor: Any) -> int:
        """Samples of a window."""
        extractor = self.extractor(processor)
        return int(extractor.sampling_rate * extractor.chunk_length)

    def hears(self, processor: Any) -> Seconds:
        """As many whole windows as fit into `max_audio_len`."""
        window = self.extractor(processor).chunk_length
        return float(processor.max_audio_len // window * window)

    def features(self, processor: Any, clips: Sequence[Any]) -> Clips:
        """One row a window."""
        heard = super().features(processor, clips)
        window = self._window(processor)
        return Clips(heard.tensors, heard.counts, [max(1, -(-len(clip) // window)) for clip in clips])


class AudioFlamingo3(WindowedFamily):
    """Audio Flamingo 3. No auto class of its kind knows it."""

    model_type = "audioflamingo3"
    auto_class = "AutoModelForSeq2SeqLM"

    def prepare(self, model: Any) -> None:
        """Puts the trimmed tower in."""
        from cp_paraling_qa.training.hearing.trimmed_tower import trim_audio_flamingo

        trim_audio_flamingo(model)

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """((frames − 1) // 2 + 1 − 2) // 2 + 1, for as many frames as the mask counts in each window."""
        frames = tensors["input_features_mask"].sum(-1)
        return [int(length) for length in (((frames - 1) // 2 + 1 - 2) // 2 + 1).tolist()]

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """A mask of 4 n frames, which come to n positions, in one row however long the clip; and features that nobody reads."""
        import torch

        return {"input_features": torch.zeros(len(lengths), 1, _FRAMES), "input_features_mask": frame_mask([_FRAMES * length for length in lengths])}

"""Processors of models that also see, for those who only let them hear: without the picture libraries (torchvision) that their own need.

What they do with audio and text is the stock classes' own code. They are saved under the stock names, which load them where the other parts lie beside them.
"""

from __future__ import annotations

from typing import Any

from transformers import AutoFeatureExtractor, AutoTokenizer, Gemma4AudioFeatureExtractor, ProcessorMixin
from transformers.models.gemma4.processing_gemma4 import Gemma4Processor
from transformers.models.phi4_multimodal.feature_extraction_phi4_multimodal import Phi4MultimodalFeatureExtractor
from transformers.models.phi4_multimodal.processing_phi4_multimodal import Phi4MultimodalProcessor
from transformers.models.qwen2_5_omni.processing_qwen2_5_omni import Qwen2_5OmniProcessor
from transformers.models.qwen3_omni_moe.processing_qwen3_omni_moe import Qwen3OmniMoeProcessor


class _Hearing:
    """What the classes below share: the tokens' names from the tokenizer, and the stock name when saved."""

    whole: str
    named: tuple[str, ...] = ("image_token", "audio_token", "video_token", "image_token_id", "audio_token_id", "video_token_id")

    def _take(self, tokenizer: Any) -> None:
        for name in self.named:
            setattr(self, name, getattr(tokenizer, name, None))

    def to_dict(self) -> dict[str, Any]:
        """Saved under the name of the whole processor."""
        return {**super().to_dict(), "processor_class": self.whole}  # type: ignore[misc]


class HearingOmniProcessor(_Hearing, Qwen2_5OmniProcessor):  # type: ignore[misc]
    """Qwen2.5-Omni's processor without its image and video processors."""

    whole = Qwen2_5OmniProcessor.__name__

    def __init__(self, feature_extractor: Any = None, tokenizer: Any = None, chat_template: str | None = None) -> None:
        ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)
        self._take(tokenizer)


class HearingQwen3OmniProcessor(_Hearing, Qwen3OmniMoeProcessor):  # type: ignore[misc]
    """Qwen3-Omni's processor without its image and video processors."""

    whole = Qwen3OmniMoeProcessor.__name__

    def __init__(self, feature_extractor: Any = None, tokenizer: Any = None, chat_template: str | None = None) -> None:
        ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)
        self._take(tokenizer)


class HearingGemma4Processor(_Hearing, Gemma4Processor):  # type: ignore[misc]
    """Gemma 4's processor without its image and video processors."""

    whole = Gemma4Processor.__name__
    named = ("audio_token", "audio_token_id", "boa_token", "eoa_token")
    return_mm_token_type_ids = False
    image_token = video_token = image_token_id = video_token_id = None

    def __init__(self, feature_extractor: Any = None, tokenizer: Any = None, chat_template: str | None = None) -> None:
        ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)
        self._take(tokenizer)


class HearingPhi4Processor(_Hearing, Phi4MultimodalProcessor):  # type: ignore[misc]
    """Phi-4-multimodal's processor without its image processor."""

    whole = Phi4MultimodalProcessor.__name__
    named = ("audio_token", "audio_token_id")
    image_token = image_token_id = None

    def __init__(self, audio_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None) -> None:
        ProcessorMixin.__init__(self, audio_processor, tokenizer, chat_template=chat_template)
        self._take(tokenizer)


_HEARING: dict[str, tuple[Any, Any]] = {
    HearingOmniProcessor.whole: (HearingOmniProcessor, AutoFeatureExtractor),
    HearingQwen3OmniProcessor.whole: (HearingQwen3OmniProcessor, AutoFeatureExtractor),
    HearingGemma4Processor.whole: (HearingGemma4Processor, Gemma4AudioFeatureExtractor),
    HearingPhi4Processor.whole: (HearingPhi4Processor, Phi4MultimodalFeatureExtractor),
}


def without_pictures(whole: str, path: str, **kwargs: Any) -> Any:
    """The audio and text parts of a checkpoint's processor, and its chat template.

    Args:
        whole: name of the stock class.
        path: folder or Hub id.
        kwargs: such as revision.
    """
    processor, extractor = _HEARING[whole]
    tokenizer = AutoTokenizer.from_pretrained(path, **kwargs)
    parts, _ = ProcessorMixin.get_processor_dict(path, **kwargs)
    template = parts.get("chat_template") or tokenizer.chat_template
    return processor(extractor.from_pretrained(path, **kwargs), tokenizer, chat_template=template)

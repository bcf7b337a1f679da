"""The families of speech LLMs that can be trained and asked here. A new one is a file beside these and a line in `FAMILIES`.

Run here, on tiny models of their own classes built from configs (tests/tiny_families.py): Qwen2-Audio, the thinkers of Qwen2.5-Omni and Qwen3-Omni, Audio Flamingo 3, Granite Speech,
GLM-ASR, Gemma 4, Phi-4-multimodal, whisper_llm; Voxtral where mistral-common is installed. Not run: Gemma 3n, which cannot be built without timm and torchvision (`untested` says so
to whoever loads one). No published checkpoint could be had: chat templates in the tests are written after the published ones.

Where a clip's outputs would depend on its batch, or on the day, or on the toss of a coin, the family mends it: see `training/hearing/granite_tower.py`, `phi4_tower.py`, `omni_tower.py`.
"""

from __future__ import annotations

from typing import Any

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training.families.audio_flamingo import AudioFlamingo3
from cp_paraling_qa.training.families.base import Clips, Family
from cp_paraling_qa.training.families.gemma4 import Gemma3n, Gemma4
from cp_paraling_qa.training.families.glm_asr import GlmAsr
from cp_paraling_qa.training.families.granite_speech import GraniteSpeech
from cp_paraling_qa.training.families.phi4_multimodal import Phi4Multimodal
from cp_paraling_qa.training.families.qwen2_5_omni import Qwen2_5Omni, Qwen3Omni
from cp_paraling_qa.training.families.qwen2_audio import Qwen2Audio
from cp_paraling_qa.training.families.voxtral import Voxtral
from cp_paraling_qa.training.families.whisper_llm import WhisperLLM

_ALL: tuple[Family, ...] = (
    Qwen2Audio(),
    Qwen2_5Omni(),
    Qwen3Omni(),
    AudioFlamingo3(),
    GraniteSpeech(),
    GlmAsr(),
    Gemma4(),
    Phi4Multimodal(),
    Voxtral(),
    Gemma3n(),
    WhisperLLM(),
)
FAMILIES: dict[str, Family] = {name: family for family in _ALL for name in (family.model_type, *family.more_types)}
"""By `config.model_type`."""

__all__ = ["FAMILIES", "Clips", "Family", "family_of"]


def family_of(config: Any) -> Family:
    """The family of a model's config.

    Raises:
        TrainingError: an unknown `model_type`; names those that are known.
    """
    if config.model_type not in FAMILIES:
        raise TrainingError(f"model type {config.model_type!r} is not one of {', '.join(sorted(FAMILIES))}; add a file to training/families/")
    return FAMILIES[config.model_type]

"""A speech LLM of any Whisper encoder, a projector and any causal language model of transformers: the layout of arXiv 2508.07273 and of MERaLiON-AudioLLM.

    configuration   WhisperLLMConfig
    encoder         Whisper's encoder on the clip instead of on 30 s
    projector       stacked encoder positions → embeddings of the language model
    modeling        WhisperLLMForConditionalGeneration
    templates       the language model's chat template, made to take clips
    processing      WhisperLLMProcessor
    building        a model from two checkpoints

Importing this package makes the model known to transformers' auto classes, so that a saved one loads with them, without trust_remote_code.
"""

from __future__ import annotations

from transformers import AutoConfig, AutoModel, AutoModelForMultimodalLM, AutoProcessor

from cp_paraling_qa.training.whisper_llm.building import build_whisper_llm
from cp_paraling_qa.training.whisper_llm.configuration import WhisperLLMConfig
from cp_paraling_qa.training.whisper_llm.modeling import WhisperLLMForConditionalGeneration, WhisperLLMModel
from cp_paraling_qa.training.whisper_llm.processing import WhisperLLMProcessor
from cp_paraling_qa.training.whisper_llm.templates import end_of_turn

__all__ = ["WhisperLLMConfig", "WhisperLLMForConditionalGeneration", "WhisperLLMModel", "WhisperLLMProcessor", "build_whisper_llm", "end_of_turn"]

AutoConfig.register(WhisperLLMConfig.model_type, WhisperLLMConfig, exist_ok=True)
AutoModel.register(WhisperLLMConfig, WhisperLLMModel, exist_ok=True)
AutoModelForMultimodalLM.register(WhisperLLMConfig, WhisperLLMForConditionalGeneration, exist_ok=True)
AutoProcessor.register(WhisperLLMConfig, WhisperLLMProcessor, exist_ok=True)

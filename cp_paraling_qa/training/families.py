"""What differs between families of speech LLMs, one entry each. A new family is one more entry in `FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cp_paraling_qa.audio import MIN_SECONDS
from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.schema import Seconds

_LINEARS = "q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj"


def chat(text: str, *, audio: bool = True) -> list[dict[str, Any]]:
    """One user turn: the clip, then the text. Keys that a template may test for ("audio" in block) stand only where they mean it."""
    blocks: list[dict[str, Any]] = [{"type": "audio"}] if audio else []
    return [{"role": "user", "content": [*blocks, {"type": "text", "text": text}]}]


def whisper_seconds(processor: Any) -> Seconds:
    """How much a Whisper-style encoder hears: the extractor's chunk; it cuts the rest without a word."""
    extractor = processor.feature_extractor
    return float(extractor.n_samples / extractor.sampling_rate)


@dataclass(frozen=True)
class Family:
    """One kind of speech LLM.

    Attributes:
        model_type: `config.model_type` of its checkpoints.
        audio_token: the placeholder that stands for one audio position in the prompt.
        end_of_turn: what the chat template puts behind an answer; the model learns to say it, and generation stops there.
        tower: module name of the audio encoder.
        projector: module name of what maps the encoder's outputs to the language model's inputs.
        lora_targets: regular expression over full module names. It must not match the tower, whose layers are called q_proj, k_proj, v_proj too.
        trim_tower: puts the trimmed tower in, given the model; None where the tower needs its full length.
        hears: the most seconds the encoder hears, given the processor.
        min_seconds: below this a clip yields no usable audio position (Qwen2-Audio: none under 30 ms, a legacy path up to 60 ms).
        messages: the chat messages of one question, given the text and whether there is a clip.
    """

    model_type: str
    audio_token: str
    end_of_turn: str
    tower: str
    projector: str
    lora_targets: str
    trim_tower: Callable[[Any], None] | None
    hears: Callable[[Any], Seconds] = whisper_seconds
    min_seconds: Seconds = MIN_SECONDS
    messages: Callable[..., list[dict[str, Any]]] = chat

    def render(self, processor: Any, text: str, *, audio: bool = True) -> str:
        """The prompt as the model reads it, up to where its answer begins. Training and prediction both call this, so they cannot differ."""
        return str(processor.apply_chat_template(self.messages(text, audio=audio), add_generation_prompt=True, tokenize=False))


def _trim_qwen2_audio(model: Any) -> None:
    from cp_paraling_qa.training.trimmed_tower import trim_qwen2_audio

    trim_qwen2_audio(model)


FAMILIES: dict[str, Family] = {
    "qwen2_audio": Family(
        model_type="qwen2_audio",
        audio_token="<|AUDIO|>",
        end_of_turn="<|im_end|>",
        tower="audio_tower",
        projector="multi_modal_projector",
        lora_targets=rf".*language_model.*\.({_LINEARS})",
        trim_tower=_trim_qwen2_audio,
    ),
}


def family_of(config: Any) -> Family:
    """The family of a model's config.

    Raises:
        TrainingError: an unknown `model_type`; names those that are known.
    """
    known = {family.model_type: family for family in FAMILIES.values()}
    if config.model_type not in known:
        raise TrainingError(f"model type {config.model_type!r} is not one of {', '.join(sorted(known))}; add an entry to training/families.py")
    return known[config.model_type]

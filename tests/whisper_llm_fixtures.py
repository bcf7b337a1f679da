"""Tiny Whisper and language-model checkpoints for the tests of whisper_llm, written from configs, and the chat templates that their likes have."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from training_fixtures import tone
from transformers import AutoModelForCausalLM, AutoModelForMultimodalLM, AutoProcessor, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from cp_paraling_qa.training.tiny import _tokenizer
from cp_paraling_qa.training.whisper_llm import WhisperLLMConfig, WhisperLLMForConditionalGeneration, build_whisper_llm

# As the instruction-tuned models have them: ChatML; Gemma's, which calls the assistant "model", writes its own begin token and refuses a system turn; Llama 3's.
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
LLAMA3 = (
    "{% for message in messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
TALK = {
    "qwen2": {"template": CHATML, "special": ["<|im_start|>", "<|im_end|>"], "eos": "<|im_end|>", "bos": None, "pad": "<|endoftext|>"},
    "gemma2": {"template": GEMMA, "special": ["<start_of_turn>", "<end_of_turn>"], "eos": "<eos>", "bos": "<bos>", "pad": "<pad>"},
    "llama": {
        "template": LLAMA3,
        "special": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "eos": "<|eot_id|>",
        "bos": "<|begin_of_text|>",
        "pad": None,
    },
}
KIND_ENDS = {"qwen2": ["<|im_end|>"], "gemma2": ["<eos>", "<end_of_turn>"], "llama": ["<|eot_id|>"]}
"""At which generation has to stop."""

SECONDS = 2
_TEXTS = ["How does the speaker feel?", "The speaker sounds happy.", "Name the emotion in one word.", "user\nassistant\nmodel\n"]
_BODY = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256}
_HOME = tempfile.TemporaryDirectory(prefix="cpqa-whisper-llm-")


def whisper_config(positions: int = 50 * SECONDS, **more: Any) -> WhisperConfig:
    """Two narrow layers."""
    shape = {"num_mel_bins": 80, "d_model": 24, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 32, "max_source_positions": positions}
    decoder = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "max_target_positions": 8, "vocab_size": 40}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return WhisperConfig(**shape, **decoder, **ids, **more)


def text_config(kind: str, **more: Any) -> dict[str, Any]:
    """Gemma 2 with a window of 24 tokens on every other layer, soft caps and a tied head; the other two with heads of their own.

    In float64 a window in which a padding token sees nothing but padding gives NaN: its softmax is float32, where the least float64 is infinite.
    """
    special = {"gemma2": {"head_dim": 8, "sliding_window": 24, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 2.0, "query_pre_attn_scalar": 8}}
    return {"model_type": kind, "vocab_size": 64, "tie_word_embeddings": kind == "gemma2", **_BODY, **special.get(kind, {}), **more}


def spread(model: Any, seed: int = 0) -> Any:
    """Weights large enough that outputs differ from input to input: at initialisation's size a model hardly listens."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "embed_positions" not in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) / weight[0].numel() ** 0.5)
    return model


def model_of(
    kind: str = "llama", *, positions: int = 50 * SECONDS, audio: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **more: Any
) -> Any:
    """A model from a config, in float64, with an audio token of id 60."""
    config = WhisperLLMConfig(
        audio_config=whisper_config(positions, **(audio or {})).to_dict(), text_config=text_config(kind, **(text or {})), audio_token_id=60, **more
    )
    torch.manual_seed(0)
    return spread(WhisperLLMForConditionalGeneration(config)).double().eval()


def extractor() -> WhisperFeatureExtractor:
    """Of the tiny Whisper: it hears two seconds."""
    return WhisperFeatureExtractor(chunk_length=SECONDS)


def heard(samples: list[int], *, positions: int = 50 * SECONDS) -> dict[str, torch.Tensor]:
    """Features of tones of so many samples, in float64."""
    clips = [tone(200.0 + 150 * number, count / 16_000, number) for number, count in enumerate(samples)]
    made = WhisperFeatureExtractor(chunk_length=positions // 50)(
        clips, sampling_rate=16_000, return_attention_mask=True, padding="max_length", return_tensors="pt"
    )
    return {"input_features": made["input_features"].double(), "feature_attention_mask": made["attention_mask"]}


def tokenizer_of(kind: str) -> Any:
    """A byte-level tokenizer with the special tokens and the template of its kind; Gemma's and Llama's put a begin token before every text."""
    from tokenizers import processors

    talk = TALK[kind]
    tokenizer = _tokenizer(_TEXTS)
    tokenizer.add_special_tokens({"extra_special_tokens": talk["special"]})
    tokenizer.add_special_tokens({name: talk[key] for name, key in (("eos_token", "eos"), ("bos_token", "bos"), ("pad_token", "pad")) if talk[key]})
    if talk["pad"] is None:
        tokenizer.pad_token = None
    if talk["bos"]:
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{talk['bos']} $A", pair=None, special_tokens=[(talk["bos"], tokenizer.bos_token_id)]
        )
    tokenizer.chat_template = talk["template"]
    return tokenizer


@lru_cache
def whisper_checkpoint() -> Path:
    """A whole Whisper, decoder and all, with its extractor."""
    path = Path(_HOME.name) / "whisper"
    torch.manual_seed(1)
    spread(WhisperForConditionalGeneration(whisper_config())).save_pretrained(path)
    extractor().save_pretrained(path)
    return path


@lru_cache
def language_checkpoint(kind: str, rows: int = 0) -> Path:
    """A language model and its tokenizer; `rows` more rows in its table than there are tokens."""
    path = Path(_HOME.name) / f"{kind}-{rows}"
    tokenizer = tokenizer_of(kind)
    torch.manual_seed(2)
    config = text_config(kind, vocab_size=len(tokenizer) + rows)
    spread(AutoModelForCausalLM.from_config(_config(config)), seed=5).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def _config(fields: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(**fields)


def built(kind: str, projector: str = "mlp") -> Path:
    """A speech LLM from the two checkpoints, 5 positions an embedding."""
    path = Path(_HOME.name) / f"built-{kind}-{projector}"
    if not path.exists():
        build_whisper_llm(path, whisper=str(whisper_checkpoint()), language_model=str(language_checkpoint(kind)), projector=projector, stack_size=5)
    return path


def loaded(path: Path) -> tuple[Any, Any]:
    """Model and processor, by the auto classes."""
    return AutoModelForMultimodalLM.from_pretrained(path).eval(), AutoProcessor.from_pretrained(path)


def ask(processor: Any, questions: list[str], samples: list[int]) -> dict[str, torch.Tensor]:
    """A left-padded batch, one tone a question."""
    chats = [[{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": question}]}] for question in questions]
    texts = [processor.apply_chat_template(chat, add_generation_prompt=True) for chat in chats]
    clips = [tone(200.0 + 150 * number, count / 16_000, number) for number, count in enumerate(samples)]
    return dict(processor(text=texts, audio=clips, sampling_rate=16_000, return_tensors="pt", padding=True, padding_side="left"))

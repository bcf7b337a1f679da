"""Tiny checkpoints of the families, built from their configs: each with its real model and processor classes, a byte-level tokenizer that has the real one's special tokens, and a
chat template after the published one (the Hub's own cannot be had offline; what is trained reads whatever template its checkpoint carries).

Two layers, width 32, 256 bytes as vocabulary; extractors of 2 s where the family cuts long clips into windows, so that short clips have several.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models
from tokenizers.pre_tokenizers import ByteLevel
from transformers import GenerationConfig, PreTrainedTokenizerFast, WhisperFeatureExtractor

_HOME = tempfile.TemporaryDirectory(prefix="cpqa-families-")
_MELS = 16
_LOUDER = 4.0  # times the usual random weights: with those a random tower says next to nothing, and tests would compare noise

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for block in message['content'] %}"
    "{% if block['type'] == 'audio' %}AUDIO{% else %}{{ block['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GLM = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for block in message['content'] %}"
    "{% if block['type'] == 'audio' %}<|begin_of_audio|><|pad|><|end_of_audio|><|user|>\n{% else %}{{ block['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
GRANITE = (
    "{% if messages[0]['role'] != 'system' %}<|start_of_role|>system<|end_of_role|>Today's Date: {{ strftime_now('%B %d, %Y') }}.<|end_of_text|>\n{% endif %}"
    "{% for message in messages %}<|start_of_role|>{{ message['role'] }}<|end_of_role|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{{ message['content'][0]['text'] }}{% endif %}<|end_of_text|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)


GEMMA = (
    "<bos>{% for message in messages %}<|turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for block in message['content'] %}"
    "{% if block['type'] == 'audio' %}<|audio|>{% else %}{{ block['text'] }}{% endif %}{% endfor %}{% endif %}<turn|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn>model\n{% endif %}"
)
PHI = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for block in message['content'] %}"
    "{% if block['type'] == 'audio' %}<|endoftext11|>{% else %}{{ block['text'] }}{% endif %}{% endfor %}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def bytes_tokenizer(special: Sequence[str], *, eos: str, pad: str | None, **more: Any) -> Any:
    """One token a byte, and special tokens."""
    bpe = Tokenizer(models.BPE(vocab={symbol: number for number, symbol in enumerate(sorted(ByteLevel.alphabet()))}, merges=[]))
    bpe.pre_tokenizer, bpe.decoder = ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=eos, pad_token=pad, **more)
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)}, replace_extra_special_tokens=False)
    return tokenizer


def language(tokenizer: Any, model_type: str, **more: Any) -> dict[str, Any]:
    """The config of a Llama-type language model."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    return {"model_type": model_type, "max_position_embeddings": 2048, "tie_word_embeddings": False, **sizes, **ids, **more}


def louder(model: Any) -> None:
    """Scales all matrices, in place."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter *= _LOUDER


def save(path: Path, model: Any, processor: Any) -> None:
    """Writes both."""
    louder(model)
    model.generation_config = GenerationConfig(eos_token_id=processor.tokenizer.eos_token_id, pad_token_id=processor.tokenizer.pad_token_id)
    model.save_pretrained(path)
    processor.save_pretrained(path)


def save_extractor(path: Path, extractor: Any, processor: str) -> None:
    """Writes it as published checkpoints have it, in one file with the image processor's settings."""
    extractor.save_pretrained(path)
    stored = json.loads((path / "preprocessor_config.json").read_text())
    stored |= {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": processor}
    (path / "preprocessor_config.json").write_text(json.dumps(stored))


def qwen2_5_omni(path: Path) -> None:
    """A full checkpoint with its thinker alone in it (`enable_audio_output` off, as Qwen2.5-Omni allows), laid out as the published one."""
    named = {
        "image_token": "<|IMAGE|>",
        "audio_token": "<|AUDIO|>",
        "video_token": "<|VIDEO|>",
        "vision_bos_token": "<|vision_bos|>",
        "vision_eos_token": "<|vision_eos|>",
        "audio_bos_token": "<|audio_bos|>",
        "audio_eos_token": "<|audio_eos|>",
    }
    tokenizer = bytes_tokenizer(["<|im_start|>"], eos="<|im_end|>", pad="<|endoftext|>", extra_special_tokens=named)
    tokenizer.chat_template = CHATML.replace("AUDIO", "<|audio_bos|><|AUDIO|><|audio_eos|>")
    tower = {"num_mel_bins": _MELS, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "d_model": 24, "n_window": 25, "output_dim": 32}
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32, "window_size": 28, "fullatt_block_indexes": [0]}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
    ids = {f"{name}_token_index": tokenizer.convert_tokens_to_ids(named[f"{name}_token"]) for name in ("audio", "image", "video")}
    ids |= {f"audio_{end}_token_id": tokenizer.convert_tokens_to_ids(f"<|audio_{short}|>") for end, short in (("start", "bos"), ("end", "eos"))}
    ids |= {f"vision_{end}_token_id": tokenizer.convert_tokens_to_ids(f"<|vision_{short}|>") for end, short in (("start", "bos"), ("end", "eos"))}
    thinker = {"audio_config": tower, "vision_config": vision, "text_config": language(tokenizer, "qwen2_5_omni_text", rope_parameters=rope), **ids}
    full = transformers.Qwen2_5OmniConfig(thinker_config=thinker, enable_audio_output=False)
    model = transformers.Qwen2_5OmniForConditionalGeneration(full)
    louder(model)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    save_extractor(path, WhisperFeatureExtractor(feature_size=_MELS, chunk_length=300), "Qwen2_5OmniProcessor")


def audioflamingo3(path: Path) -> None:
    tokenizer = bytes_tokenizer(["<|im_start|>", "<sound>"], eos="<|im_end|>", pad="<|endoftext|>")
    extractor = WhisperFeatureExtractor(feature_size=_MELS, chunk_length=2)
    processor = transformers.AudioFlamingo3Processor(extractor, tokenizer, chat_template=CHATML.replace("AUDIO", "<sound>"), max_audio_len=13)
    tower = {"num_mel_bins": _MELS, "d_model": 24, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "max_source_positions": 100}
    tower |= {"num_hidden_layers": 2}
    text = language(tokenizer, "qwen2")
    config = transformers.AudioFlamingo3Config(audio_config=tower, text_config=text, audio_token_id=processor.audio_token_id)
    save(path, transformers.AudioFlamingo3ForConditionalGeneration(config), processor)


def glmasr(path: Path) -> None:
    """The pad token is the audio token, as may be: nothing may be told by it."""
    tokenizer = bytes_tokenizer(["<|user|>", "<|assistant|>", "<|begin_of_audio|>", "<|end_of_audio|>"], eos="<|endoftext|>", pad="<|pad|>")
    extractor = WhisperFeatureExtractor(feature_size=_MELS, chunk_length=2)
    processor = transformers.GlmAsrProcessor(extractor, tokenizer, chat_template=GLM, max_audio_len=13)
    tower = {"num_mel_bins": _MELS, "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = language(tokenizer, "llama")
    config = transformers.GlmAsrConfig(audio_config=tower, text_config=text, audio_token_id=processor.audio_token_id, tie_word_embeddings=False)
    save(path, transformers.GlmAsrForConditionalGeneration(config), processor)


def granite_speech(path: Path) -> None:
    """With blocks of 20 frames (0.4 s), so that clips have several, and batch statistics that are not those of a fresh model."""
    from cp_paraling_qa.training.hearing.granite_mel import ClipGraniteSpeechFeatureExtractor

    tokenizer = bytes_tokenizer(["<|start_of_role|>", "<|end_of_role|>", "<|audio|>"], eos="<|end_of_text|>", pad="<|end_of_text|>")
    processor = transformers.GraniteSpeechProcessor(ClipGraniteSpeechFeatureExtractor(n_mels=_MELS), tokenizer, chat_template=GRANITE)
    tower = {
        "input_dim": 2 * _MELS,
        "num_layers": 2,
        "hidden_dim": 16,
        "num_heads": 2,
        "context_size": 20,
        "max_pos_emb": 32,
        "output_dim": 6,
        "conv_kernel_size": 5,
    }
    former = {
        "model_type": "blip_2_qformer",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "encoder_hidden_size": 16,
    }
    former |= {"cross_attention_frequency": 1, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = transformers.GraniteSpeechConfig(
        text_config=language(tokenizer, "granite", logits_scaling=1.0, residual_multiplier=1.0, attention_multiplier=0.3, embedding_multiplier=2.0),
        encoder_config=tower | {"dropout": 0.0},
        projector_config=former,
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
        tie_word_embeddings=False,
    )
    model = transformers.GraniteSpeechForConditionalGeneration(config)
    for layer in model.model.encoder.layers:
        torch.nn.init.normal_(layer.conv.batch_norm.running_mean)
        torch.nn.init.uniform_(layer.conv.batch_norm.running_var, 0.5, 2.0)
    save(path, model, processor)


def qwen3_omni(path: Path) -> None:
    """As `qwen2_5_omni`, with four experts of which two speak."""
    named = {f"{kind}_token": f"<|{kind}_pad|>" for kind in ("image", "audio", "video")}
    named |= {
        "vision_bos_token": "<|vision_start|>",
        "vision_eos_token": "<|vision_end|>",
        "audio_bos_token": "<|audio_start|>",
        "audio_eos_token": "<|audio_end|>",
    }
    tokenizer = bytes_tokenizer(["<|im_start|>"], eos="<|im_end|>", pad="<|endoftext|>", extra_special_tokens=named)
    tokenizer.chat_template = CHATML.replace("AUDIO", "<|audio_start|><|audio_pad|><|audio_end|>")
    tower = {
        "num_mel_bins": _MELS,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "d_model": 24,
        "output_dim": 32,
        "downsample_hidden_size": 4,
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 32,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [],
    }
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1], "mrope_interleaved": True}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    text = language(tokenizer, "qwen3_omni_moe_text", rope_parameters=rope, **experts)
    ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(named[f"{name}_token"]) for name in ("audio", "image", "video")}
    ids |= {
        "audio_start_token_id": tokenizer.convert_tokens_to_ids("<|audio_start|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
    }
    full = transformers.Qwen3OmniMoeConfig(
        thinker_config={"audio_config": tower, "vision_config": vision, "text_config": text, **ids}, enable_audio_output=False
    )
    model = transformers.Qwen3OmniMoeForConditionalGeneration(full)
    louder(model)
    with torch.no_grad():
        for number in (1, 2, 3):
            convolution = model.thinker.model.audio_tower.get_submodule(f"conv2d{number}")
            convolution.weight *= 8.0  # or the positions added behind them drown them out
            convolution.bias += 0.3
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    save_extractor(path, WhisperFeatureExtractor(feature_size=_MELS), "Qwen3OmniMoeProcessor")


def gemma4(path: Path) -> None:
    """One layer attends to a window of 64, one to everything."""
    named = {
        "image_token": "<|image|>",
        "audio_token": "<|audio|>",
        "boi_token": "<|image>",
        "eoi_token": "<image|>",
        "boa_token": "<|audio>",
        "eoa_token": "<audio|>",
    }
    special = ["<|turn>", "<turn|>", "<|video|>"]
    tokenizer = bytes_tokenizer(special, eos="<eos>", pad="<pad>", bos_token="<bos>", extra_special_tokens=named)
    tokenizer.chat_template = GEMMA
    tower = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "subsampling_conv_channels": [32, 4],
        "output_proj_dims": 24,
        "use_clipped_linears": False,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "position_embedding_size": 64,
    }
    layers = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 64, "global_head_dim": 8, "num_global_key_value_heads": 2}
    text = language(tokenizer, "gemma4_text", **layers, vocab_size_per_layer_input=len(tokenizer), hidden_size_per_layer_input=8)
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in (("audio", "<|audio|>"), ("image", "<|image|>"), ("video", "<|video|>"))
    }
    config = transformers.Gemma4Config(text_config=text, vision_config=vision, audio_config=tower, **ids, tie_word_embeddings=False)
    model = transformers.Gemma4ForConditionalGeneration(config)
    louder(model)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    save_extractor(path, transformers.Gemma4AudioFeatureExtractor(feature_size=32), "Gemma4Processor")


def phi4_multimodal(path: Path) -> None:
    """With its LoRA for speech beside it, in the published place."""
    from peft import LoraConfig, get_peft_model

    named = {"image_token": "<|endoftext10|>", "audio_token": "<|endoftext11|>"}
    special = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer = bytes_tokenizer(special, eos="<|endoftext|>", pad="<|endoftext|>", extra_special_tokens=named)
    tokenizer.chat_template = PHI
    tower = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_blocks": 2,
        "num_attention_heads": 2,
        "ext_pw_out_channel": 16,
        "depthwise_separable_out_channel": 16,
    }
    tower |= {"nemo_conv_channels": 4, "audio_token_id": tokenizer.convert_tokens_to_ids("<|endoftext11|>"), "chunk_size": 5, "left_chunk": 2}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "crop_size": 28}
    text = language(tokenizer, "phi4_multimodal")
    text = {name: value for name, value in text.items() if name not in ("model_type", "head_dim")}
    vision["image_token_id"] = tokenizer.convert_tokens_to_ids("<|endoftext10|>")
    config = transformers.Phi4MultimodalConfig(**text, vision_config=vision, audio_config=tower)
    model = transformers.Phi4MultimodalForCausalLM(config)
    louder(model)
    model.save_pretrained(path)
    speech = get_peft_model(model, LoraConfig(r=2, target_modules=r"model\.layers\.\d+\..*\.(qkv_proj|o_proj)", init_lora_weights=False))
    speech.save_pretrained(path / "speech-lora", save_embedding_layers=False)
    tokenizer.save_pretrained(path)
    save_extractor(path, transformers.Phi4MultimodalFeatureExtractor(feature_size=80), "Phi4MultimodalProcessor")


CONTROL = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
]
CONTROL += [
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
    "<SPECIAL_20>",
    "<SPECIAL_21>",
]
CONTROL += [
    "<SPECIAL_22>",
    "<SPECIAL_23>",
    "[AUDIO]",
    "[BEGIN_AUDIO]",
    *[f"<SPECIAL_{number}>" for number in range(26, 32)],
    "[ARGS]",
    "[CALL_ID]",
    "[TRANSCRIBE]",
]
"""Mistral's control tokens, in the order of Voxtral's tokenizer."""


def voxtral(path: Path) -> None:
    """With a tekken of 256 bytes; needs mistral-common."""
    from transformers import MistralCommonBackend

    vocabulary = [{"rank": byte, "token_bytes": base64.b64encode(bytes([byte])).decode(), "token_str": None} for byte in range(256)]
    sizes = {"num_vocab_tokens": 256, "default_vocab_size": 256 + len(CONTROL), "default_num_special_tokens": len(CONTROL)}
    heard = {"sampling_rate": 16_000, "frame_rate": 12.5, "chunk_length_s": 30.0}
    heard |= {"audio_encoding_config": {"num_mel_bins": _MELS, "hop_length": 160, "window_size": 400}}
    special = [{"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(CONTROL)]
    tekken = {"config": {"pattern": r".+?", "version": "v11", **sizes}, "vocab": vocabulary, "special_tokens": special, "audio": heard}
    (path / "tekken.json").write_text(json.dumps(tekken))
    tokenizer = MistralCommonBackend(tokenizer_path=path / "tekken.json")
    processor = transformers.VoxtralProcessor(WhisperFeatureExtractor(feature_size=_MELS), tokenizer)
    tower = {"num_mel_bins": _MELS, "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "max_source_positions": 1500}
    text = language(tokenizer, "llama")
    config = transformers.VoxtralConfig(audio_config=tower, text_config=text, audio_token_id=24)
    save(path, transformers.VoxtralForConditionalGeneration(config), processor)


BUILDERS: dict[str, Callable[[Path], None]] = {
    "qwen2_5_omni_thinker": qwen2_5_omni,
    "qwen3_omni_moe_thinker": qwen3_omni,
    "audioflamingo3": audioflamingo3,
    "glmasr": glmasr,
    "granite_speech": granite_speech,
    "gemma4": gemma4,
    "phi4_multimodal": phi4_multimodal,
}


if find_spec("mistral_common"):
    BUILDERS["voxtral"] = voxtral


@lru_cache
def tiny(name: str) -> Path:
    """The checkpoint of a family, written once a test process."""
    path = Path(_HOME.name) / name
    path.mkdir()
    from cp_paraling_qa.training.loading import quiet

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        BUILDERS[name](path)
    return path

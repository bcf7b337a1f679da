"""A tiny Qwen2-Audio, built from a config: the real architecture, processor and chat template, with weights small enough to train in seconds on a CPU.

It is for trying and testing. Its audio tower and language model are random; LoRA and the projector learn on top of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cp_paraling_qa.training.loading import quiet

FALLBACK_TEXTS = (
    "How does the speaker feel?",
    "What emotion do you hear in the voice?",
    "Is the speaker a woman or a man?",
    "Which emotion does the speaker express? Answer with one word.",
    "The speaker sounds angry.",
    "The speaker sounds happy.",
    "The speaker sounds sad.",
    "The speaker sounds fearful.",
    "The speaker sounds surprised.",
    "The speaker sounds neutral.",
    "The speaker is female.",
    "The speaker is male.",
    "Voice: 0.0–2.3 s angry; arousal high, valence negative, dominance high.",
)
_FRAME = "system\nYou are a helpful assistant.\nuser\nassistant\nAudio 1: \n"
_END = "<|im_end|>"
_PAD = "<|endoftext|>"
_SPECIAL = ("<|im_start|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")
_VOCABULARY = 1200
_HEAD_SCALE = 25.0
_SECONDS = 30  # what the real one hears


def bundled_texts() -> Iterator[str]:
    """Prompts and answers of the dataset that lies beside this library, where it does."""
    import pyarrow.parquet as pq

    for path in sorted((Path(__file__).parent.parent / "data").rglob("*.parquet")):
        names = [name for name in ("prompt", "answer") if name in pq.read_schema(path).names]
        table = pq.read_table(path, columns=names)
        for name in names:
            yield from (text for text in table[name].to_pylist() if text)


def _tokenizer(texts: Iterable[str]) -> Any:
    """Byte-level BPE over the texts: frequent words become one token, and any text at all can be written in bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=_VOCABULARY, min_frequency=2, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator([*texts, _FRAME, _FRAME], trainer)
    trained = json.loads(bpe.to_str())["model"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in trained["merges"]]
    tokenizer = Qwen2TokenizerFast(vocab=trained["vocab"], merges=merges, eos_token=_END, pad_token=_PAD)
    tokenizer.add_special_tokens({"additional_special_tokens": list(_SPECIAL)})
    return tokenizer


def write_tiny_model(path: str | Path, *, texts: Iterable[str] | None = None, seed: int = 0) -> int:
    """Writes the model and its processor, so that AutoModelForMultimodalLM and AutoProcessor load them.

    The output layer is scaled up: frozen at its usual initialisation it could not express a confident answer, and the loss would stay above 4.

    Args:
        path: folder to write to.
        texts: what the tokenizer is trained on; by default the bundled dataset's prompts and answers, or a few built-in sentences.
        seed: of the random weights.

    Returns:
        The number of parameters.
    """
    import torch
    from transformers import GenerationConfig, Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor, WhisperFeatureExtractor

    chosen = list(texts if texts is not None else bundled_texts()) or list(FALLBACK_TEXTS)
    tokenizer = _tokenizer(chosen)
    extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=_SECONDS)
    processor = Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=tokenizer)
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    tower = {
        "model_type": "qwen2_audio_encoder",
        "num_mel_bins": 80,
        "d_model": 128,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "max_source_positions": extractor.nb_max_frames // 2,
    }
    language = {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        **ids,
    }
    config = Qwen2AudioConfig(audio_config=tower, text_config=language, audio_token_index=processor.audio_token_id, tie_word_embeddings=False, **ids)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2AudioForConditionalGeneration(config)
    with torch.no_grad():
        model.lm_head.weight *= _HEAD_SCALE
    model.generation_config = GenerationConfig(do_sample=False, max_new_tokens=64, **ids)
    with quiet():
        model.save_pretrained(path)
        processor.save_pretrained(path)
    return sum(parameter.numel() for parameter in model.parameters())

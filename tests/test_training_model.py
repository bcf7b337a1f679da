"""The exact fast mel, the trimmed tower, the tiny model and the registry of families."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from training_fixtures import tiny_model, tone
from transformers import AutoModelForMultimodalLM, AutoProcessor, WhisperFeatureExtractor

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training.families import FAMILIES, family_of
from cp_paraling_qa.training.hearing.mel import FastWhisperFeatureExtractor
from cp_paraling_qa.training.hearing.trimmed_tower import trim_qwen2_audio
from cp_paraling_qa.training.loading import fingerprint, load_model, load_processor
from cp_paraling_qa.training.tiny import write_tiny_model


def _clips() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(1).standard_normal(16_000 * 31).astype(np.float32)
    return {
        "one sample": noise[:1],
        "shorter than half a window": noise[:150],
        "one window": noise[:400],
        "odd length": noise[: 16_000 + 77],
        "hop boundary": noise[:32_000],
        "quiet": noise[:20_000] * 1e-6,
        "silent": np.zeros(8_000, np.float32),
        "loud then silent": np.concatenate([noise[:4_000], np.zeros(12_000, np.float32)]),
        "silence inside the last window": noise[: 480_000 - 300],
        "exactly full": noise[:480_000],
        "too long, cut as the stock one cuts": noise[: 480_000 + 500],
    }


@pytest.mark.parametrize("name", list(_clips()))
def test_fast_mel_is_the_stock_mel(name: str) -> None:
    clip = _clips()[name]
    settings = {"sampling_rate": 16_000, "padding": "max_length", "return_attention_mask": True, "return_tensors": "np"}
    stock = WhisperFeatureExtractor(feature_size=128)([clip], **settings)
    fast = FastWhisperFeatureExtractor(feature_size=128)([clip], **settings)
    assert fast["input_features"].shape == stock["input_features"].shape == (1, 128, 3000)
    assert np.abs(fast["input_features"] - stock["input_features"]).max() <= 1e-6
    assert (fast["attention_mask"] == stock["attention_mask"]).all()


def test_fast_mel_of_a_batch_keeps_the_floor_of_each_clip() -> None:
    clips = [tone(300, 1.0), tone(300, 0.5) * np.float32(1e-3)]
    stock = WhisperFeatureExtractor()(clips, sampling_rate=16_000, return_tensors="np")["input_features"]
    fast = FastWhisperFeatureExtractor()(clips, sampling_rate=16_000, return_tensors="np")["input_features"]
    assert np.abs(fast - stock).max() <= 1e-6
    assert fast[0, 0, -1] != fast[1, 0, -1]  # 8 decades below each clip's own maximum


def test_other_paddings_take_the_stock_path() -> None:
    clip = tone(300, 0.7)
    stock = WhisperFeatureExtractor()([clip], sampling_rate=16_000, padding="longest", return_tensors="np")["input_features"]
    fast = FastWhisperFeatureExtractor()([clip], sampling_rate=16_000, padding="longest", return_tensors="np")["input_features"]
    assert fast.shape == stock.shape == (1, 80, 70)
    assert (fast == stock).all()


def test_saved_extractor_is_a_stock_one(tmp_path) -> None:
    processor = load_processor(tiny_model())
    assert type(processor.feature_extractor) is FastWhisperFeatureExtractor
    processor.save_pretrained(tmp_path)
    assert "FastWhisper" not in (tmp_path / "processor_config.json").read_text()
    assert isinstance(AutoProcessor.from_pretrained(tmp_path).feature_extractor, WhisperFeatureExtractor)


def _batch(seconds: list[float]) -> dict[str, torch.Tensor]:
    processor = load_processor(tiny_model())
    texts = ["Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nHow does the speaker feel?" for _ in seconds]
    clips = [tone(200 + 100 * n, length, n) for n, length in enumerate(seconds)]
    return dict(processor(text=texts, audio=clips, sampling_rate=16_000, return_tensors="pt", padding=True, padding_side="right"))


@pytest.mark.parametrize("seconds", [[0.1], [0.5, 1.71], [1.0, 3.333, 0.2], [30.0, 0.4]])
def test_trimmed_tower_is_the_stock_tower(seconds: list[float]) -> None:
    batch = _batch(seconds) | {"use_cache": False}
    stock = AutoModelForMultimodalLM.from_pretrained(tiny_model()).double()
    trimmed = load_model(tiny_model()).double()
    seen = []
    trimmed.model.audio_tower.register_forward_pre_hook(lambda module, args, kwargs: seen.append(args[0].shape[-1]), with_kwargs=True)
    batch["input_features"] = batch["input_features"].double()
    text = batch["attention_mask"].bool()
    for mode in (False, True):
        stock.train(mode), trimmed.train(mode)
        with torch.set_grad_enabled(mode):
            expected, got = stock(**batch).logits, trimmed(**batch).logits
        assert torch.allclose(got[text], expected[text], atol=1e-9, rtol=0)
    expected[text].square().mean().backward()
    got[text].square().mean().backward()
    for (name, one), other in zip(stock.model.audio_tower.named_parameters(), trimmed.model.audio_tower.parameters(), strict=True):
        if one.grad is not None:
            assert torch.allclose(other.grad, one.grad, atol=1e-10, rtol=1e-7), name
    longest = -(-int(max(seconds) * 16_000) // 160)
    assert max(seen) == min(3000, -(-(longest + 4) // 4) * 4)  # so the shortcut is really taken


def test_a_margin_of_none_would_be_wrong(monkeypatch) -> None:
    """What the margin is for: without it the last audio position differs."""
    batch = _batch([1.0])
    stock = AutoModelForMultimodalLM.from_pretrained(tiny_model()).eval()
    trimmed = load_model(tiny_model()).eval()
    monkeypatch.setattr("cp_paraling_qa.training.hearing.trimmed_tower.MARGIN", 0)
    with torch.no_grad():
        assert not torch.allclose(trimmed(**batch).logits, stock(**batch).logits, atol=1e-4)


def test_trimming_twice_is_trimming_once() -> None:
    model = load_model(tiny_model())
    hooks = len(model.model._forward_pre_hooks)
    trim_qwen2_audio(model)
    assert len(model.model._forward_pre_hooks) == hooks == 1


def test_lora_targets_are_the_language_model_alone() -> None:
    model = AutoModelForMultimodalLM.from_pretrained(tiny_model())
    targets = [name for name, _ in model.named_modules() if re.fullmatch(FAMILIES["qwen2_audio"].lora_targets, name)]
    assert len(targets) == 7 * 2  # seven linears in each of two layers
    assert not any("audio_tower" in name for name in targets)
    assert any(name.endswith("audio_tower.layers.0.self_attn.q_proj") for name, _ in model.named_modules())  # which "q_proj" alone would match


def test_family_of_an_unknown_model_names_the_known() -> None:
    from transformers import Qwen2Config

    with pytest.raises(TrainingError, match="'qwen2' is not one of .*qwen2_audio"):
        family_of(Qwen2Config())


@pytest.mark.parametrize("text", ["Grüße, 東京! 🎉\n\ttabs", "never seen words: xylophone zygote"])
def test_tiny_tokenizer_writes_any_text(text: str) -> None:
    tokenizer = load_processor(tiny_model()).tokenizer
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_tiny_model_is_small_and_repeats_exactly(tmp_path) -> None:
    parameters = write_tiny_model(tmp_path / "a", texts=["How does the speaker feel?"], seed=3)
    write_tiny_model(tmp_path / "b", texts=["How does the speaker feel?"], seed=3)
    write_tiny_model(tmp_path / "c", texts=["How does the speaker feel?"], seed=4)
    assert 200_000 < parameters < 1_500_000
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b") != fingerprint(tmp_path / "c")


def test_tiny_model_has_the_real_template_and_tokens() -> None:
    processor = load_processor(tiny_model())
    family = FAMILIES["qwen2_audio"]
    assert family.render(processor, "How?") == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nAudio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nHow?<|im_end|>\n<|im_start|>assistant\n"
    )
    tokenizer = processor.tokenizer
    assert tokenizer.pad_token_id != tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert all(len(tokenizer(token)["input_ids"]) == 1 for token in ("<|im_start|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"))


def test_nothing_to_load_names_the_path_and_the_remedy(tmp_path) -> None:
    with pytest.raises(TrainingError, match=r"nowhere: no model .* `cpqa tiny-model PATH`"):
        load_model(tmp_path / "nowhere")

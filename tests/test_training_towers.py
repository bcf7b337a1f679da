"""What single families need beyond the common: trimmed and masked towers, Granite's features and adapter, Qwen-Omni's checkpoints, quantised weights."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from test_training_families import model_of, processor_of, rows
from tiny_families import tiny
from training_fixtures import example, tiny_model, tone
from trl import ModelConfig

from cp_paraling_qa.training.answering.generation import predict
from cp_paraling_qa.training.collator import AudioQACollator
from cp_paraling_qa.training.families import FAMILIES
from cp_paraling_qa.training.families.base import Family
from cp_paraling_qa.training.hearing.granite_mel import ClipGraniteSpeechFeatureExtractor
from cp_paraling_qa.training.loading import load_config, load_model, load_processor, quiet
from cp_paraling_qa.training.loss import answer_tokens
from cp_paraling_qa.training.parts import adapter_config, quantization

WINDOW_SECONDS = [[0.13], [0.5, 1.71], [2.0, 0.4], [3.05, 0.777]]


def flamingo_batch(seconds: list[float]) -> dict[str, Any]:
    asked = [example(f"c{number}", tone(200.0 + 100 * number, length, number), "What?", "That.") for number, length in enumerate(seconds)]
    batch = AudioQACollator(processor_of("audioflamingo3"), FAMILIES["audioflamingo3"])(asked)
    del batch["labels"]
    return batch | {"input_features": batch["input_features"].double(), "use_cache": False}


@pytest.mark.parametrize("seconds", WINDOW_SECONDS)
def test_the_trimmed_flamingo_tower_is_the_stock_tower(seconds: list[float]) -> None:
    """EXACT, in float64, forward and backward; and the shortcut is really taken."""
    batch = flamingo_batch(seconds)
    stock = transformers.AudioFlamingo3ForConditionalGeneration.from_pretrained(tiny("audioflamingo3")).double()
    trimmed = load_model(tiny("audioflamingo3"), dtype="float64")
    seen: list[int] = []
    trimmed.model.audio_tower.conv1.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[-1]))
    text = batch["attention_mask"].bool()
    outputs = [model.train()(**batch).logits[text] for model in (stock, trimmed)]
    assert torch.allclose(*outputs, atol=1e-9, rtol=0)
    for output in outputs:
        output.square().mean().backward()
    for (name, one), other in zip(stock.model.audio_tower.named_parameters(), trimmed.model.audio_tower.parameters(), strict=True):
        if one.grad is not None:
            assert torch.allclose(other.grad, one.grad, atol=1e-10, rtol=1e-7), name
    longest = min(200, math.ceil(max(seconds) * 100))
    assert seen == [min(200, math.ceil((longest + 4) / 4) * 4)]


def test_a_flamingo_tower_without_margin_would_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the margin is for."""
    batch = flamingo_batch([1.0])
    with torch.no_grad():
        right = model_of("audioflamingo3")(**batch).logits
        monkeypatch.setattr("cp_paraling_qa.training.hearing.trimmed_tower.MARGIN", 0)
        assert not torch.allclose(model_of("audioflamingo3")(**batch).logits, right, atol=1e-6)


def test_windows_of_a_long_clip_are_all_heard() -> None:
    """BY HAND: 3.05 s in windows of 2 s: 200 + 105 frames, 50 + 26 positions (105 frames → 53 → 26)."""
    batch = flamingo_batch([3.05])
    assert batch["input_features_mask"].sum(-1).tolist() == [200, 105]
    assert int((batch["input_ids"] == processor_of("audioflamingo3").audio_token_id).sum()) == 50 + 26


def test_a_glm_tower_hears_the_silence_behind_a_clip() -> None:
    """Why it is not trimmed: a shorter window gives other outputs, with any margin."""
    model = model_of("glmasr")
    features = FAMILIES["glmasr"].features(processor_of("glmasr"), [tone(300.0, 1.0)]).tensors["input_features"].double()
    with torch.no_grad():
        whole, cut = model.model.audio_tower(features).last_hidden_state, model.model.audio_tower(features[..., :150]).last_hidden_state
    assert not torch.allclose(whole[:, :50], cut[:, :50], atol=1e-3)


def test_a_clip_in_a_batch_of_granite_is_the_stock_models_lone_clip() -> None:
    """EXACT: the stock conformer and projector on each clip alone against ours on all at once; and the stock one on all at once, which differs."""
    family, processor = FAMILIES["granite_speech"], processor_of("granite_speech")
    stock = transformers.GraniteSpeechForConditionalGeneration.from_pretrained(tiny("granite_speech")).double().eval()
    clips = [tone(200.0 * n, seconds, n) for n, seconds in enumerate((0.31, 1.1, 2.0), start=1)]
    together, seen = family.features(processor, clips), []
    with torch.no_grad():
        model = model_of("granite_speech").model
        mask = together.tensors["input_features_mask"]
        ours = model.projector(model.encoder(together.tensors["input_features"].double(), mask).last_hidden_state)
        padded = stock.model.get_audio_features(together.tensors["input_features"].double()).pooler_output
        for number, clip in enumerate(clips):
            alone = stock.model.get_audio_features(family.features(processor, [clip]).tensors["input_features"].double()).pooler_output[0]
            assert len(alone) == together.counts[number]
            assert torch.allclose(ours[number, : len(alone)], alone, atol=1e-9)
            seen.append(torch.allclose(padded[number, : len(alone)], alone, atol=1e-6))
    assert seen == [False, False, True]


def test_granites_statistics_stay_in_training() -> None:
    model = load_model(tiny("granite_speech")).train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers() if "batch_norm" in name}
    batch = AudioQACollator(processor_of("granite_speech"), FAMILIES["granite_speech"])(rows())
    trained = answer_tokens(model, batch, FAMILIES["granite_speech"]).losses
    assert before and all(torch.equal(dict(model.named_buffers())[name], value) for name, value in before.items())
    assert torch.allclose(trained, answer_tokens(model.eval(), batch, FAMILIES["granite_speech"]).losses, atol=1e-5)
    trained.sum().backward()
    assert model.model.encoder.layers[0].conv.batch_norm.weight.grad.abs().max() > 0


def test_granites_features_by_hand() -> None:
    """SECOND IMPLEMENTATION, in numpy: frames of 400 samples in the middle of 512, mirrored at both ends; HTK triangles with corners even in mel; two frames side by side."""
    samples = tone(700.0, 0.3, 4)
    padded = np.pad(samples.astype(np.float64), 256, mode="reflect")
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = [padded[start : start + 512] * window for start in range(0, len(samples) + 1, 160)]
    power = np.abs(np.fft.rfft(frames)) ** 2
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82)
    corners, bins = 700 * (10 ** (mel / 2595) - 1), np.linspace(0, 8000, 257)
    triangles = [
        np.minimum((bins - low) / (top - low), (high - bins) / (high - top)).clip(0) for low, top, high in zip(corners, corners[1:], corners[2:], strict=False)
    ]
    log = np.log10((power @ np.array(triangles).T).clip(1e-10))
    expected = (np.maximum(log, log.max() - 8) / 4 + 1)[: len(log) // 2 * 2].reshape(-1, 160)
    got = ClipGraniteSpeechFeatureExtractor()([samples, samples[:1000]])
    assert got["input_features"].shape == (2, 15, 160) and got["input_features_mask"].sum(-1).tolist() == [15, 3]
    assert np.abs(got["input_features"][0].numpy() - expected).max() < 1e-4
    assert got["audio_embed_sizes"] == [3, 3]


def test_granites_processor_is_saved_as_the_stock_one(tmp_path: Path) -> None:
    processor_of("granite_speech").save_pretrained(tmp_path)
    assert "Clip" not in (tmp_path / "processor_config.json").read_text()


def test_granites_own_adapter_is_merged(tmp_path: Path) -> None:
    """The stock class with its adapter switched on, as it does where there is audio, against ours with it merged; and without it the answer would be another."""
    from peft import LoraConfig, get_peft_model

    processor, family = processor_of("granite_speech"), FAMILIES["granite_speech"]
    stock = transformers.GraniteSpeechForConditionalGeneration.from_pretrained(tiny("granite_speech"))
    stock.add_adapter(LoraConfig(r=2, target_modules=r".*language_model.*\.(q_proj|v_proj)", init_lora_weights=False))
    stock.config.has_lora_adapter = True
    with quiet():
        stock.config.save_pretrained(tmp_path)  # where the class's own saving looks for it
        stock.save_pretrained(str(tmp_path))
    shutil.copy(tiny("granite_speech") / "model.safetensors", tmp_path)  # transformers 5.23 writes the base's weights under names that it does not find again
    processor.save_pretrained(tmp_path)
    assert (tmp_path / "adapter_config.json").is_file()
    batch = AudioQACollator(processor, family)([rows()[0]])
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "input_features": batch["input_features"]}
    stock.enable_adapters()
    with torch.no_grad():
        expected = stock.eval()(**inputs).logits
        ours = load_model(tmp_path).eval()
        got = ours(**inputs, input_features_mask=batch["input_features_mask"]).logits
        bare = load_model(tiny("granite_speech")).eval()(**inputs, input_features_mask=batch["input_features_mask"]).logits
    with quiet():
        ours.save_pretrained(tmp_path / "merged")
    with torch.no_grad():
        again = load_model(tmp_path / "merged").eval()(**inputs, input_features_mask=batch["input_features_mask"]).logits
    assert torch.equal(again, got)
    assert torch.allclose(got, expected, atol=1e-4) and not torch.allclose(bare, expected, atol=1e-2)
    assert not any("lora" in name for name, _ in ours.named_modules())
    assert all(parameter.requires_grad for parameter in ours.parameters())
    with quiet():  # no warning of a second adapter
        get_peft_model(ours, adapter_config(family, "lora", ModelConfig()))


def test_phis_lora_for_speech_is_merged() -> None:
    """BY HAND: weight + (alpha / r) · B · A, from the files, for every layer it is put on; the rest as stored."""
    from safetensors.torch import load_file

    path = tiny("phi4_multimodal")
    base, lora = load_file(path / "model.safetensors"), load_file(path / "speech-lora" / "adapter_model.safetensors")
    scale, merged = 8 / 2, load_model(path).state_dict()
    changed = {name.removeprefix("base_model.model.").removesuffix(".lora_A.weight") for name in lora if name.endswith("lora_A.weight")}
    assert len(changed) == 4
    for name, weight in base.items():
        layer = name.removesuffix(".weight")
        if layer in changed:
            parts = (lora[f"base_model.model.{layer}.lora_{side}.weight"] for side in "BA")
            weight = weight + scale * torch.linalg.multi_dot(list(parts))
        assert torch.allclose(merged[name], weight, atol=1e-6), name


def test_phis_lone_clip_is_the_stock_models() -> None:
    """EXACT: the stock tower on one clip without padding; and in training the same, where the stock one tosses a coin."""
    processor, model = processor_of("phi4_multimodal"), load_model(tiny("phi4_multimodal"))
    stock = transformers.Phi4MultimodalForCausalLM.from_pretrained(tiny("phi4_multimodal")).eval()
    ours, theirs = (FAMILIES["phi4_multimodal"].part(network, "tower") for network in (model, stock))
    heard = FAMILIES["phi4_multimodal"].features(processor, [tone(300.0, 2.0), tone(500.0, 0.7)]).tensors
    features, mask = heard["audio_input_features"], heard["audio_attention_mask"]
    with torch.no_grad():
        for mode in (False, True):
            got = ours.train(mode)(features, mask)
            for number, length in enumerate(mask.sum(-1)):
                alone = theirs(features[number, None, :length], None)[0]
                assert torch.equal(got[number, : len(alone)], alone)


def test_a_second_of_qwen3_omni_is_the_same_in_any_batch() -> None:
    """A clip of half a second, alone and beside a longer one: the stock tower hears two different ends."""
    family, processor = FAMILIES["qwen3_omni_moe_thinker"], processor_of("qwen3_omni_moe_thinker")
    stock = transformers.Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(tiny("qwen3_omni_moe_thinker")).eval()
    clips, equal = [tone(300.0, 0.53), tone(500.0, 1.3)], []
    for model in (model_of("qwen3_omni_moe_thinker"), stock):
        with torch.no_grad():
            alone, together = (model.model.get_audio_features(**family.features(processor, part).tensors).last_hidden_state for part in (clips[:1], clips))
        equal.append(torch.allclose(together[: len(alone)], alone, atol=1e-5))
    assert equal == [True, False]


def test_a_template_that_names_the_day_is_held_to_one() -> None:
    """Else the same row would be another prompt tomorrow than the one that was trained on."""
    processor = processor_of("granite_speech")
    assert "strftime_now" in processor.chat_template
    bare = Family._templated(FAMILIES["granite_speech"], processor, [{"role": "user", "content": "Hm?"}])
    assert bare.startswith("<|start_of_role|>system<|end_of_role|>Today's Date: January 01, 2025.<|end_of_text|>")


def test_a_thinker_of_its_own_is_loaded_as_from_the_full_checkpoint(tmp_path: Path) -> None:
    name = "qwen2_5_omni_thinker"
    thinker, processor = load_model(tiny(name)), load_processor(tiny(name))
    assert load_config(tiny(name)).model_type == "qwen2_5_omni" and thinker.config.model_type == name
    with quiet():
        thinker.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    assert load_config(tmp_path).model_type == name
    asked = [{**row, "answer": None} for row in rows()]
    assert predict(again, processor, asked, max_new_tokens=6) == predict(thinker, processor, asked, max_new_tokens=6)


def test_omni_features_are_cut_to_the_longest_clip() -> None:
    """The extractor pads to five minutes; the tower is given, and a batch carries, the clips alone."""
    heard = FAMILIES["qwen2_5_omni_thinker"].features(processor_of("qwen2_5_omni_thinker"), [tone(300.0, 0.5), tone(300.0, 1.2)])
    assert heard.tensors["input_features"].shape == (2, 16, 120)
    assert heard.tensors["feature_attention_mask"].sum(-1).tolist() == [50, 120]
    assert heard.counts == [12, 30]


def test_omni_positions_of_a_shared_sequence_are_those_of_its_rows() -> None:
    """With audio and text alone the three position numbers are one: the stock code's own, asked for a padded batch."""
    batch = AudioQACollator(processor_of("qwen2_5_omni_thinker"), FAMILIES["qwen2_5_omni_thinker"])(rows())
    frames = batch["feature_attention_mask"].sum(-1)
    positions, _ = model_of("qwen2_5_omni_thinker").model.get_rope_index(batch["input_ids"], attention_mask=batch["attention_mask"], audio_seqlens=frames)
    real = batch["attention_mask"].bool()
    for axis in positions:
        assert torch.equal(axis[real], torch.arange(real.shape[1]).expand_as(axis)[real])


@pytest.mark.parametrize("name", ["qwen2_audio", "audioflamingo3", "granite_speech"])
def test_quantised_weights_are_the_language_models_alone(name: str) -> None:
    """QLoRA on the CPU: LoRA and the projector train on 4-bit weights; tower, projector and output layer are as they were."""
    from bitsandbytes.nn import Linear4bit
    from peft import get_peft_model, prepare_model_for_kbit_training

    path = tiny_model() if name == "qwen2_audio" else tiny(name)
    family, processor, config = FAMILIES[name], load_processor(path), load_config(path)
    options = ModelConfig(load_in_4bit=True, dtype="bfloat16", lora_r=4, lora_dropout=0.0)
    model = load_model(path, dtype="bfloat16", **quantization(options, config, family, "lora+projector"))
    four = {name for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    linears = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    assert four == {name for name in linears if re.fullmatch(family.lora_targets, name)} and len(four) >= 14
    with quiet():
        prepared = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        network = get_peft_model(prepared, adapter_config(family, "lora+projector", options))
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert any("lora_" in name for name in trained) and any(f".{family.projector}." in name for name in trained)
    batch = AudioQACollator(processor, family)(rows())
    step = torch.optim.AdamW(trained.values(), lr=1e-3)
    losses = []
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            loss = answer_tokens(network.train(), batch, family).losses.mean()
        loss.backward()
        assert all(parameter.grad is not None for parameter in trained.values())
        step.step(), step.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]

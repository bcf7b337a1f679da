"""Every family alike, on a tiny model of its own class: ids, labels, loss, sharing, the cached tower, adapters, generation."""

from __future__ import annotations

import base64
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from tiny_families import BUILDERS, tiny
from training_fixtures import example, tone
from trl import ModelConfig

from cp_paraling_qa.audio import encode_flac
from cp_paraling_qa.errors import ClipLengthError, TrainingError
from cp_paraling_qa.training.answering.generation import predict
from cp_paraling_qa.training.batches import IGNORED
from cp_paraling_qa.training.collator import AudioQACollator
from cp_paraling_qa.training.families import FAMILIES, Clips
from cp_paraling_qa.training.hearing.tower_cache import TowerCache, tower_outputs
from cp_paraling_qa.training.loading import load_config, load_model, load_processor, put_adapter, quiet
from cp_paraling_qa.training.loss import STATES, answer_tokens, row_losses
from cp_paraling_qa.training.parts import adapter_config, unquantised

NAMES = list(BUILDERS)
NOT_ADAPTED = {"per_layer_input_gate", "per_layer_projection", "relative_k_proj"}
"""Small linear layers of Gemma's that LoRA leaves alone."""
SECONDS = (0.5, 1.37, 3.05)  # the last takes two windows of those families that have windows of 2 s
every_family = pytest.mark.parametrize("name", NAMES)


@lru_cache
def processor_of(name: str) -> Any:
    return load_processor(tiny(name))


DTYPES = {"gemma4": "float32", "qwen3_omni_moe_thinker": "float32"}
"""Gemma 4's tower computes in float32 whatever it is in, and the experts of Qwen3-Omni take no float64. The others are tested in float64, so that nothing hides in rounding."""


def within(name: str) -> float:
    """How far apart losses may be that ought to be equal: they are cross entropies in float32."""
    return 1e-4 if name in DTYPES else 1e-6


@lru_cache
def model_of(name: str) -> Any:
    return load_model(tiny(name), dtype=DTYPES.get(name, "float64")).eval()


def rows(questions: int = 2) -> list[dict[str, Any]]:
    """Questions about three clips of unlike lengths, and a row of text alone in their midst."""
    made = []
    for clip, seconds in enumerate(SECONDS):
        samples = tone(200.0 * (clip + 1), seconds, clip)
        for number in range(questions):
            made.append(example(f"c{clip}", samples, f"Question {number}: what{' now' * number}?", f"Answer {number} on {clip}."))
    text = {**example("none", samples, "Is a whisper loud?", "No."), "audio": None}
    return [*made[:1], text, *made[1:]]


@every_family
def test_labels_are_answers_and_end_tokens_alone(name: str) -> None:
    family, processor = FAMILIES[name], processor_of(name)
    end = family.end_of_turn(processor)
    for share in (False, True) if family.can_share(model_of(name).config) else (False,):
        batch = AudioQACollator(processor, family, share=share)(rows())
        told = processor.tokenizer.decode(batch["labels"][batch["labels"] != IGNORED])
        assert sorted(told.split(end)) == sorted([*(f"{row['answer']}" for row in rows()), ""])
        assert family.audio_token_id(processor) not in batch["labels"]
        padding = batch["blocks"] < 0 if share else batch["attention_mask"] == 0
        assert padding.any() and (batch["labels"][padding] == IGNORED).all()


def voxtral_ids(processor: Any, row: dict[str, Any], clip: Any) -> list[int]:
    """mistral-common's own encoding of the whole conversation."""
    heard = [] if clip is None else [{"type": "audio", "base64": base64.b64encode(encode_flac(clip)).decode()}]
    talk = [{"role": "user", "content": [*heard, {"type": "text", "text": row["prompt"]}]}, {"role": "assistant", "content": row["answer"]}]
    ids: list[int] = processor.tokenizer.apply_chat_template(talk, tokenize=True, return_dict=True, continue_final_message=True)["input_ids"]
    return [*ids, processor.tokenizer.eos_token_id]


@every_family
def test_ids_are_those_of_the_processor(name: str) -> None:
    """SECOND IMPLEMENTATION: the processor's own call on the rendered text, one clip at a time, against ours on the whole batch."""
    family, processor, as_it_is = FAMILIES[name], processor_of(name), {"return_tensors": "pt", "add_special_tokens": False}
    batch = AudioQACollator(processor, family)(rows())
    for row, ids, mask in zip(rows(), batch["input_ids"], batch["attention_mask"], strict=True):
        text = family.render(processor, row["prompt"], audio=row["audio"] is not None) + row["answer"] + family.end_of_turn(processor)
        if row["audio"] is None:
            own = voxtral_ids(processor, row, None) if name == "voxtral" else processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            clip = AudioQACollator(processor, family).encoder.clips([row])[1]
            own = (
                voxtral_ids(processor, row, clip[0]) if name == "voxtral" else processor(text=[text], audio=clip, sampling_rate=16_000, **as_it_is)["input_ids"]
            )
        assert ids[mask.bool()].tolist() == torch.as_tensor(own).flatten().tolist()


@every_family
def test_the_loss_is_that_of_all_logits(name: str) -> None:
    """SECOND IMPLEMENTATION: the model's logits at every position, and the cross entropy of each row's labels by hand."""
    family, model = FAMILIES[name], model_of(name)
    batch = AudioQACollator(processor_of(name), family)(rows())
    losses = row_losses(model, batch, family)
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    with torch.no_grad():
        logits = model(**inputs).logits.log_softmax(-1)
    for loss, row, labels in zip(losses, logits, batch["labels"], strict=True):
        places = (labels != IGNORED).nonzero()[:, 0]
        assert loss == pytest.approx(-float(row[places - 1, labels[places]].mean()), abs=10 * within(name))
    assert len({round(loss, 4) for loss in losses}) == len(losses)


@every_family
def test_a_row_is_the_same_in_any_batch(name: str) -> None:
    """EXACT: alone, in a batch of unlike clips, sharing a sequence with other questions."""
    family, model, collate = FAMILIES[name], model_of(name), AudioQACollator(processor_of(name), FAMILIES[name])
    together = row_losses(model, collate(rows()), family)
    assert together == pytest.approx([row_losses(model, collate([row]), family)[0] for row in rows()], abs=within(name))
    assert family.can_share(model.config) == family.shares_clips
    if family.shares_clips:
        shared = AudioQACollator(processor_of(name), family, share=True)(rows())
        assert shared["input_ids"].shape[0] == 4
        assert sorted(row_losses(model, shared, family)) == pytest.approx(sorted(together), abs=within(name))


@every_family
def test_what_is_heard_is_what_is_answered_to(name: str) -> None:
    """CHANGE ONE: another sound of the same length, in its last tenth only, changes the losses about it and no others."""
    family, model, collate = FAMILIES[name], model_of(name), AudioQACollator(processor_of(name), FAMILIES[name])
    changed = rows()
    for row in changed:
        if row["clip_id"] == "c2":
            samples = tone(600.0, SECONDS[2], 2)
            samples[-len(samples) // 10 :] = tone(3000.0, SECONDS[2], 5)[-len(samples) // 10 :]
            row["audio"] = example("c2", samples, "", "")["audio"]
    before, after = (row_losses(model, collate(part), family) for part in (rows(), changed))
    for row, one, other in zip(rows(), before, after, strict=True):
        assert (abs(one - other) > 2 * within(name)) == (row["clip_id"] == "c2"), row["clip_id"]


@every_family
def test_a_stored_tower_is_the_tower(name: str, tmp_path: Path) -> None:
    """The tower's outputs for a clip do not depend on its batch; given back, they give the same losses, and the same gradients of the projector."""
    family, model, processor = FAMILIES[name], model_of(name), processor_of(name)
    if not family.caches_tower:
        pytest.skip("its tower is not cached")
    encoder = AudioQACollator(processor, family).encoder
    names, samples = encoder.clips(rows())
    states = tower_outputs(samples, model, processor, family)
    for clip, state in zip(samples, states, strict=True):
        assert torch.allclose(tower_outputs([clip], model, processor, family)[0], state, atol=1e-5 if name in DTYPES else 1e-9)
        assert family.audio_positions(len(state), processor) == family.features(processor, [clip]).counts[0]
    stored = dict(zip(names, states, strict=True))

    class InMemory(TowerCache):
        def read(self, name: str) -> Any:
            return stored[name]

    cache, gradients = InMemory(tmp_path), []
    for share in (False, True) if family.shares_clips else (False,):
        given = AudioQACollator(processor, family, share=share, cache=cache)([{**row, "audio": row["audio"] and True} for row in rows()])
        heard = AudioQACollator(processor, family, share=share)(rows())
        assert STATES in given
        for batch in (given, heard):
            model.zero_grad()
            answer_tokens(model, batch, family).losses.sum().backward()
            gradients.append({key: parameter.grad.clone() for key, parameter in family.part(model, "projector").named_parameters()})
        assert row_losses(model, given, family) == pytest.approx(row_losses(model, heard, family), abs=within(name))
        for key, gradient in gradients[-1].items():
            assert gradient.abs().max() > 1e-6 or "key.bias" in key
            assert torch.allclose(gradients[-2][key], gradient, rtol=1e-3, atol=1e-4 if name in DTYPES else 1e-6)
    model.zero_grad()


@every_family
def test_a_clip_that_would_be_cut_is_refused_by_name(name: str) -> None:
    family, processor = FAMILIES[name], processor_of(name)
    most = family.hears(processor)
    if most == float("inf"):
        pytest.skip("it hears clips of any length")
    collate = AudioQACollator(processor, family)
    hiss = (0.1 * np.random.default_rng(0).standard_normal(round(most * 16_000))).astype(np.float32)
    whole = collate([example("whole", hiss, "What?", "That.")])
    assert (whole["input_ids"] == family.audio_token_id(processor)).sum() >= most * 12
    with pytest.raises(ClipLengthError, match="longer"):
        collate([example("longer", np.concatenate([hiss, hiss[:1600]]), "What?", "That.")])


@every_family
def test_the_shortest_clip_has_a_position(name: str) -> None:
    family, processor = FAMILIES[name], processor_of(name)
    shortest = tone(500.0, family.min_seconds)
    batch = AudioQACollator(processor, family)([example("short", shortest, "What?", "That.")])
    assert (batch["input_ids"] == family.audio_token_id(processor)).sum() >= 1
    assert np.isfinite(row_losses(model_of(name), batch, family)).all()
    with pytest.raises(ClipLengthError, match="shorter"):
        AudioQACollator(processor, family)([example("shorter", shortest[:-200], "What?", "That.")])


@every_family
def test_lora_is_put_on_the_language_model_and_the_tower_apart(name: str) -> None:
    """Every linear layer of the language model's blocks, none of another part; every one of the tower's blocks where the tower is asked for."""
    family = FAMILIES[name]
    model = family.hollow(load_config(tiny(name)))
    linears = {path for path, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    blocks = {path for path in linears if re.search(r"\.(layers|encoders)\.\d+\.", path) and path.split(".")[-1] not in NOT_ADAPTED}
    language = {path for path in blocks if f".{family.language_model}." in f".{path}"}
    tower = {path for path in blocks if f".{family.tower}." in f".{path}"}
    assert len(language) >= 8 and len(tower) >= 8
    assert {path for path in linears if re.fullmatch(family.lora_targets, path)} == language
    assert {path for path in linears if re.fullmatch(family.tower_lora_targets, path)} == tower
    for parts, wanted in (("lora", language), ("lora+projector", language), ("tower-lora", language | tower)):
        with quiet():
            adapted = get_peft_model(load_model(tiny(name)), adapter_config(family, parts, ModelConfig()))
        assert {path.removeprefix("base_model.model.") for path, module in adapted.named_modules() if isinstance(module, BaseTunerLayer)} == wanted
    assert not [path for path, _ in model.named_modules() if path not in linears and re.fullmatch(f"{family.lora_targets}|{family.tower_lora_targets}", path)]


@every_family
def test_quantising_leaves_tower_projector_and_output_layer(name: str) -> None:
    model, family = model_of(name), FAMILIES[name]
    spared = unquantised(load_config(tiny(name)), family)
    for part in ("tower", "projector"):
        path = next(path for path, module in model.named_modules() if module is family.part(model, part))
        assert any(path == one or path.startswith(one + ".") for one in spared), (path, spared)
    assert "lm_head" in spared and not any("language_model" in one for one in spared)


@every_family
def test_checkpointed_gradients_are_the_gradients(name: str) -> None:
    family = FAMILIES[name]
    batch, found = AudioQACollator(processor_of(name), family)(rows()[:3]), []
    model = load_model(tiny(name), dtype=DTYPES.get(name, "float64")).train()
    for checkpointed in (False, True):
        if checkpointed:
            model.activation_checkpointing_enable({"use_reentrant": False})
        model.zero_grad()
        loss = answer_tokens(model, batch, family).losses.sum()
        loss.backward()
        found.append({key: parameter.grad.clone() for key, parameter in model.named_parameters() if parameter.grad is not None} | {"loss": loss.detach()})
    assert found[0].keys() == found[1].keys()
    assert any(f".{family.language_model}." in f".{key}" for key in found[0])
    for key, value in found[0].items():
        assert torch.allclose(found[1][key], value, rtol=1e-4, atol=1e-4 if name in DTYPES else 1e-8), key


@every_family
def test_an_adapter_trains_reloads_and_merges(name: str, tmp_path: Path) -> None:
    """One step of TRL's trainer with LoRA on tower and language model and the projector in full; the fresh base with the adapter, and the merged model saved and loaded, answer alike."""
    from datasets import Dataset

    from cp_paraling_qa.training.options import AudioSFTConfig
    from cp_paraling_qa.training.trainer import AudioSFTTrainer

    family, processor = FAMILIES[name], processor_of(name)
    data = Dataset.from_list([{key: row[key] for key in ("id", "clip_id", "prompt", "answer", "audio")} for row in rows()])
    asked = [{**row, "answer": None} for row in rows()]
    before = predict(load_model(tiny(name)), processor, asked, max_new_tokens=6)
    wanted = adapter_config(family, "tower-lora", ModelConfig(lora_r=4, lora_dropout=0.0))
    wanted.modules_to_save = [family.projector]
    settings = {"max_steps": 2, "learning_rate": 0.05, "per_device_train_batch_size": 7, "use_cpu": True}
    with quiet():
        trainer = AudioSFTTrainer(
            model=load_model(tiny(name)),
            args=AudioSFTConfig(str(tmp_path), save_strategy="no", **settings),
            train_dataset=data,
            processing_class=processor,
            data_collator=AudioQACollator(processor, family),
            peft_config=wanted,
            family=family,
        )
    trainable = [key for key, parameter in trainer.model.named_parameters() if parameter.requires_grad]
    for part in (family.tower, family.projector, family.language_model):
        assert any(f".{part}." in key for key in trainable), part
    assert all("lora_" in key or f".{family.projector}." in key for key in trainable)
    with quiet():
        trainer.train()
    trainer.save_model(str(tmp_path / "adapter"))
    adapted = load_model(tiny(name), adapter=tmp_path / "adapter")
    after = predict(adapted, processor, asked, max_new_tokens=6)
    assert after == predict(trainer.model, processor, asked, max_new_tokens=6)
    assert after != before
    merged = adapted.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    processor.save_pretrained(tmp_path / "merged")
    assert predict(load_model(tmp_path / "merged"), processor, asked, max_new_tokens=6) == after


@every_family
def test_a_batch_answers_as_single_rows(name: str) -> None:
    """Left padding, unlike clips, text in between; one prefill a clip or each row for itself."""
    model, processor = model_of(name), processor_of(name)
    asked = [{**row, "answer": None} for row in rows(3)]
    single = [predict(model, processor, [row], max_new_tokens=8, min_new_tokens=4)[0] for row in asked]
    assert len(set(single)) > 2
    assert predict(model, processor, asked, max_new_tokens=8, min_new_tokens=4, share=False) == single
    assert predict(model, processor, asked, max_new_tokens=8, min_new_tokens=4) == single


@every_family
def test_half_precision_takes_the_features_as_they_are(name: str) -> None:
    family = FAMILIES[name]
    batch = AudioQACollator(processor_of(name), family)(rows())
    halved = row_losses(load_model(tiny(name), dtype="bfloat16").eval(), batch, family)
    assert halved == pytest.approx(row_losses(model_of(name), batch, family), rel=0.1)


def test_clips_of_several_rows_are_picked_whole() -> None:
    """BY HAND: clip 0 has rows 0 and 1, clip 1 row 2, clip 2 rows 3 to 5."""
    clips = Clips({"x": torch.arange(6)}, [5, 2, 9], [2, 1, 3])
    assert clips.pick([2, 0, 0])["x"].tolist() == [3, 4, 5, 0, 1, 0, 1]
    assert clips.pick([0, 1, 2])["x"].tolist() == list(range(6))
    assert [len(state) for state in clips.joined([torch.zeros(n, 3) for n in (4, 1, 2, 4, 4, 1)])] == [5, 2, 9]


def test_a_family_that_was_never_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for name, family in FAMILIES.items() if family.untested] == ["gemma3n"]
    monkeypatch.setattr(FAMILIES["glmasr"], "untested", "because of this test")
    with pytest.warns(UserWarning, match=r"glmasr: no model of this family .*because of this test"):
        load_model(tiny("glmasr"))


def test_weights_that_are_missing_are_no_model(tmp_path: Path) -> None:
    """transformers would make them anew at random, and log it."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny("glmasr"), tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    del weights[next(name for name in weights if name.endswith("multi_modal_projector.linear_1.weight"))]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"no weights for 1 of .*linear_1.weight"):
        load_model(tmp_path)


def test_the_adapter_of_one_model_is_no_adapter_of_another(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no adapter for this model"):
        put_adapter(model_of("glmasr"), tmp_path)

"""The speech LLM of a Whisper encoder, a projector and a causal language model: encoder, projector, model, loss, generation, adapters."""

from __future__ import annotations

import pytest
import torch
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from whisper_llm_fixtures import ask, built, heard, loaded, model_of

from cp_paraling_qa.training.loading import quiet
from cp_paraling_qa.training.whisper_llm import WhisperLLMConfig
from cp_paraling_qa.training.whisper_llm.counting import embeddings, positions

KINDS = ("llama", "gemma2", "qwen2")
MIXED = [3_200, 31_999, 17_777, 100]  # samples: 10, 100, 56 and 1 positions


def batch_of(samples: list[int], stack: int = 5, *, side: str = "right", masked: bool = True) -> dict[str, torch.Tensor]:
    """Each row: two tokens, its clip, three tokens; features in float64."""
    audio = heard(samples)
    frames = audio["feature_attention_mask"].sum(-1) if masked else torch.full((len(samples),), 200)
    rows = [[5, 6, *[60] * int(embeddings(int(count), stack)), 7 + number, 8, 9] for number, count in enumerate(frames)]
    width = max(map(len, rows))
    pad = [[0] * (width - len(row)) for row in rows]
    ids = torch.tensor([p + row if side == "left" else row + p for p, row in zip(pad, rows, strict=True)])
    ones = [[0] * len(p) + [1] * len(row) if side == "left" else [1] * len(row) + [0] * len(p) for p, row in zip(pad, rows, strict=True)]
    return {"input_ids": ids, "attention_mask": torch.tensor(ones), **audio}


def single(batch: dict[str, torch.Tensor], number: int) -> dict[str, torch.Tensor]:
    """One row of a right-padded batch, without its padding."""
    length = int(batch["attention_mask"][number].sum())
    return {
        name: value[number : number + 1, :length] if name in ("input_ids", "attention_mask") else value[number : number + 1] for name, value in batch.items()
    }


def test_counts() -> None:
    # 1 s is 100 frames, 50 positions, ⌈50 / 15⌉ = 4 embeddings; 30 s are 3,000, 1,500 and 100. An odd frame makes a position of its own.
    assert [positions(frames) for frames in (0, 1, 2, 3, 100, 3000)] == [0, 1, 1, 2, 50, 1500]
    assert [embeddings(frames, 15) for frames in (0, 1, 30, 31, 100, 3000)] == [0, 1, 1, 2, 4, 100]
    assert embeddings(torch.tensor([1, 30, 31]), 15).tolist() == [1, 1, 2]


# Encoder


def by_hand(encoder: WhisperEncoder, audio: dict[str, torch.Tensor]) -> torch.Tensor:
    """Full length, with attention kept to each clip's positions by an additive mask: the stock layers, one after the other."""
    hidden = torch.nn.functional.gelu(encoder.conv1(audio["input_features"]))
    hidden = torch.nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1) + encoder.embed_positions.weight
    own = torch.arange(hidden.shape[1]) < ((audio["feature_attention_mask"].sum(-1) + 1) // 2)[:, None]
    mask = torch.zeros(own.shape, dtype=hidden.dtype).masked_fill(~own, -torch.inf)[:, None, None].expand(-1, 1, hidden.shape[1], -1)
    for layer in encoder.layers:
        hidden = layer(hidden, mask)
    return encoder.layer_norm(hidden)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("samples", [[100], [16_000], [3_200, 16_077, 9_999], [31_900, 320], [32_000, 4_000]])
def test_encoder_on_the_clip_is_the_full_masked_encoder(samples: list[int], attention: str) -> None:
    encoder = model_of(attn_implementation=attention).model.audio_tower
    audio = heard(samples)
    got = encoder(audio["input_features"], attention_mask=audio["feature_attention_mask"]).last_hidden_state
    expected = by_hand(encoder, audio)
    longest = -(-max(samples) // 160)
    assert got.shape[1] == min(100, (longest + 4 + 1) // 2)  # so the shortcut is really taken
    for number, count in enumerate(samples):
        own = -(-count // 320)
        assert torch.allclose(got[number, :own], expected[number, :own], atol=1e-12, rtol=0)


def test_a_margin_of_none_would_be_wrong(monkeypatch) -> None:
    encoder, audio = model_of().model.audio_tower, heard([16_000])
    monkeypatch.setattr("cp_paraling_qa.training.whisper_llm.encoder.MARGIN", 0)
    got = encoder(audio["input_features"], attention_mask=audio["feature_attention_mask"]).last_hidden_state
    difference = (got - by_hand(encoder, audio)[:, :50]).abs().amax(-1)[0]
    assert difference[-1] > 1e-2 > 0 and got.shape[1] == 50


def test_encoder_without_a_mask_is_whispers_own() -> None:
    encoder, audio = model_of().model.audio_tower, heard([16_000, 5_000])
    assert torch.equal(encoder(audio["input_features"]).last_hidden_state, WhisperEncoder.forward(encoder, audio["input_features"]).last_hidden_state)


def test_encoder_refuses_what_would_come_out_wrong() -> None:
    encoder, audio = model_of().model.audio_tower, heard([16_000])
    features, mask = audio["input_features"], audio["feature_attention_mask"]
    with pytest.raises(ValueError, match="features end 3 mel frames behind the clip: leave 4 of silence, or pad to 200"):
        encoder(features[..., :103], attention_mask=mask[..., :103])
    with pytest.raises(ValueError, match=r"201 mel frames: the encoder hears 200 \(2 s\)"):
        encoder(torch.zeros(1, 80, 201), attention_mask=torch.ones(1, 201))
    with pytest.raises(ValueError, match="104 mel frames without a mask"):
        encoder(features[..., :104])
    cut = encoder(features[..., :104], attention_mask=mask[..., :104]).last_hidden_state  # cut by the caller, with the margin
    assert torch.equal(cut, encoder(features, attention_mask=mask).last_hidden_state)


# Projector


def test_projectors_by_hand() -> None:
    """Each kind, written out for one clip of 7 positions in stacks of 5: the second stack holds 2 positions and 3 × 24 zeros."""
    silu, gelu, linear = torch.nn.functional.silu, torch.nn.functional.gelu, torch.nn.functional.linear
    states = torch.randn(1, 9, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for kind in ("mlp", "meralion", "meralion2"):
        projector = model_of(projector=kind, stack_size=5).model.multi_modal_projector
        weight = dict(projector.named_parameters())

        def layer(name, value, weight=weight):
            return linear(value, weight[f"{name}.weight"], weight[f"{name}.bias"])

        seen = states[0, :7]
        if kind != "mlp":
            seen = (seen - seen.mean(-1, keepdim=True)) / (seen.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt() * weight["norm.weight"] + weight[
                "norm.bias"
            ]
        stacks = torch.cat([seen.flatten(), torch.zeros(3 * 24, dtype=torch.float64)]).view(2, 120)
        if kind == "mlp":
            expected = layer("project", gelu(layer("hidden", stacks)))
        elif kind == "meralion":
            expected = layer("project", silu(layer("expand", silu(layer("compress", stacks)))))
        else:
            hidden = silu(layer("compress", stacks))
            expected = layer("project", silu(layer("gate", hidden)) * layer("value", hidden))
        assert torch.allclose(projector(states, torch.tensor([7]))[0], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("projector", "expected"),
    [
        # large-v3 is 1,280 wide, Gemma 2 9B 3,584; weights and biases
        ("mlp", 19_200 * 3584 + 3584 + 3584 * 3584 + 3584),
        ("meralion", 2 * 1280 + (19_200 + 1) * 1280 + (1280 + 1) * 5120 + (5120 + 1) * 3584),
        ("meralion2", 2 * 1280 + (19_200 + 1) * 6400 + 2 * (6400 + 1) * 6400 + (6400 + 1) * 3584),
    ],
)
def test_projectors_at_the_published_widths(projector: str, expected: int) -> None:
    from types import SimpleNamespace

    from cp_paraling_qa.training.whisper_llm.projector import KINDS as PROJECTORS

    config = SimpleNamespace(stack_size=15, projector_dropout=0.1, projector_hidden_size=None, projector_act="gelu", audio_config=SimpleNamespace(d_model=1280))
    with torch.device("meta"):
        module = PROJECTORS[projector](config, 3584)
    assert sum(weight.numel() for weight in module.parameters()) == expected


def test_dropout_is_the_published_one_unless_given() -> None:
    assert [WhisperLLMConfig(projector=kind).projector_dropout for kind in ("mlp", "meralion", "meralion2")] == [0.0, 0.1, 0.01]
    assert model_of(projector="meralion", projector_dropout=0).model.multi_modal_projector.dropout.p == 0


# The model


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_mixed_lengths_is_its_rows(kind: str, masked: bool) -> None:
    model = model_of(kind, stack_size=5, mask_padding=masked, projector="meralion2")
    batch = batch_of(MIXED if masked else MIXED[:2], masked=masked)
    logits = model(**batch).logits
    tolerance = 1e-5 if kind == "gemma2" else 1e-10  # Gemma 2 computes its softmax in float32
    for number in range(len(logits)):
        alone = model(**single(batch, number)).logits[0]
        assert torch.allclose(logits[number, : len(alone)], alone, atol=tolerance, rtol=0)


def test_the_papers_layout_is_100_embeddings_whatever_the_clip() -> None:
    model = model_of(positions=1500, mask_padding=False)
    audio = heard([16_000, 400_000], positions=1500)
    assert model.get_audio_features(**audio).shape == (200, 32)
    clip = model_of(positions=1500).get_audio_features(**audio)
    assert clip.shape == (4 + 84, 32)  # 50 and 1,250 positions, in stacks of 15


def test_what_lies_behind_a_clip_is_not_heard_unless_asked_for() -> None:
    batch = batch_of([16_000])
    other = batch | {"input_features": batch["input_features"].clone()}
    other["input_features"][..., 110:] += 1  # behind the clip and its margin
    model = model_of(stack_size=5)
    assert torch.equal(model(**batch).logits, model(**other).logits)
    full = model_of(stack_size=5, mask_padding=False)
    batch, other = batch_of([16_000], masked=False), {**batch_of([16_000], masked=False), "input_features": other["input_features"]}
    assert not torch.allclose(full(**batch).logits, full(**other).logits, atol=1e-3)


def test_text_alone_and_a_wrong_count() -> None:
    model, batch = model_of(stack_size=5), batch_of([16_000, 3_200])
    text = {"input_ids": torch.tensor([[1, 2, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    assert torch.equal(model(**text).logits, model.lm_head(model.model.language_model(**text).last_hidden_state))
    batch["input_ids"][0, 2] = 5
    with pytest.raises(ValueError, match="11 audio tokens in the text, but the clips make 12 embeddings"):
        model(**batch)


def test_a_4d_mask_reaches_the_language_model_as_it_is() -> None:
    """Causal and without padding it gives what no mask gives; with the first token hidden from the others it does not."""
    model, batch = model_of(stack_size=5), batch_of([16_000])
    length = batch["input_ids"].shape[1]
    causal = torch.full((1, 1, length, length), torch.finfo(torch.float64).min, dtype=torch.float64).triu(1)
    expected = model(**batch).logits
    assert torch.allclose(model(**batch | {"attention_mask": causal}).logits, expected, atol=1e-12)
    causal[..., 1:, 0] = torch.finfo(torch.float64).min
    assert not torch.allclose(model(**batch | {"attention_mask": causal}).logits, expected, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_by_hand(kind: str) -> None:
    model, batch = model_of(kind, stack_size=5), batch_of(MIXED)
    labels = torch.full_like(batch["input_ids"], -100)
    last = batch["attention_mask"].sum(-1) - 1
    for number, place in enumerate(last.tolist()):
        labels[number, place - 1 : place + 1] = batch["input_ids"][number, place - 1 : place + 1]
    with torch.no_grad():
        logits = model(**batch).logits
    if kind == "gemma2":
        assert 1.5 < logits.abs().max() <= 2.0  # the soft cap
    # a token is predicted from the one before it
    terms = [-torch.log_softmax(logits[n, t - 1], -1)[batch["input_ids"][n, t]] for n, end in enumerate(last.tolist()) for t in (end - 1, end)]
    assert len(terms) == 8
    assert model(**batch, labels=labels).loss.item() == pytest.approx(float(sum(terms)) / 8, rel=1e-6)
    assert model(**batch, labels=labels, num_items_in_batch=torch.tensor(32)).loss.item() == pytest.approx(float(sum(terms)) / 32, rel=1e-6)
    assert torch.equal(model(**batch, logits_to_keep=2).logits, logits[:, -2:])
    assert torch.equal(model(**batch, logits_to_keep=torch.tensor([0, 3])).logits, logits[:, [0, 3]])


def trained(model, batch: dict[str, torch.Tensor]) -> None:
    labels = torch.where(batch["attention_mask"].bool(), batch["input_ids"], -100)
    model(**batch, labels=labels).loss.backward()


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_the_projector_changes_it_alone(kind: str) -> None:
    model, batch = model_of(kind, stack_size=5, projector="meralion", projector_dropout=0).train(), batch_of(MIXED)
    model.requires_grad_(False)
    model.model.multi_modal_projector.requires_grad_(True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained(model, batch)
    torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2).step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"model.multi_modal_projector.{name}" for name, _ in model.model.multi_modal_projector.named_parameters()}


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_gradient_checkpointing_changes_nothing(kind: str) -> None:
    batch, grads = batch_of(MIXED), []
    for checkpointing in (False, True):
        model = model_of(kind, stack_size=5).train()
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
            assert all(layer.gradient_checkpointing for layer in (*model.model.audio_tower.layers, *model.model.language_model.layers))
        trained(model, batch)
        grads.append({name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    assert all(torch.equal(value, grads[1][name]) for name, value in grads[0].items())
    assert grads[0]["model.audio_tower.conv1.weight"].abs().max() > 0


# Generation and adapters


@pytest.mark.parametrize("kind", KINDS)
def test_a_left_padded_batch_generates_what_its_rows_generate(kind: str) -> None:
    model, processor = loaded(built(kind))
    questions, samples = ["How does the speaker feel?", "?", "Name the emotion in one word."], [3_200, 31_999, 17_777]
    calls = []
    model.model.audio_tower.register_forward_hook(lambda *args: calls.append(1))
    settings = {"max_new_tokens": 12, "min_new_tokens": 12, "output_logits": True, "return_dict_in_generate": True}
    everything = ask(processor, questions, samples)
    together = model.generate(**everything, **settings)
    assert len(calls) == 1  # in the first step alone
    for number in range(3):
        start = int((everything["attention_mask"][number] == 0).sum())
        alone = {name: value[number : number + 1] for name, value in everything.items()}
        alone |= {name: alone[name][:, start:] for name in ("input_ids", "attention_mask")}
        for one in (model.generate(**alone, **settings), model.generate(**alone, **settings, use_cache=False)):
            assert torch.equal(one.sequences[0, -12:], together.sequences[number, -12:])
            assert all(torch.allclose(mine[0], theirs[number], atol=1e-4) for mine, theirs in zip(one.logits, together.logits, strict=True))
    swapped = everything | {"input_features": everything["input_features"].flip(-2)}
    assert not torch.allclose(model(**swapped).logits, model(**everything).logits, atol=1e-2)  # the clip is heard


@pytest.mark.parametrize("kind", ["gemma2", "qwen2"])
def test_merged_is_adapter_is_reloaded(kind: str, tmp_path) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    from cp_paraling_qa.training.families import FAMILIES

    model, processor = loaded(built(kind, "meralion"))
    inputs = ask(processor, ["How does the speaker feel?", "?"], [9_000, 30_000])
    base = model.generate(**inputs, max_new_tokens=8, min_new_tokens=8)
    config = LoraConfig(r=4, target_modules=FAMILIES["whisper_llm"].lora_targets, modules_to_save=["multi_modal_projector"])
    with quiet():
        adapted = get_peft_model(model, config)
    assert sum("lora_A" in name for name, _ in adapted.named_parameters()) == 7 * 2  # seven linears in each of two layers, none in the tower
    optimizer = torch.optim.AdamW([weight for weight in adapted.parameters() if weight.requires_grad], lr=3e-2)
    for _ in range(3):
        trained(adapted.train(), inputs)
        optimizer.step()
        optimizer.zero_grad()
    adapted.eval()
    expected = adapted.generate(**inputs, max_new_tokens=8, min_new_tokens=8)
    assert not torch.equal(expected, base)
    adapted.save_pretrained(tmp_path / "adapter")
    with quiet():
        again = PeftModel.from_pretrained(loaded(built(kind, "meralion"))[0], tmp_path / "adapter").eval()
    assert torch.equal(again.generate(**inputs, max_new_tokens=8, min_new_tokens=8), expected)
    merged = adapted.merge_and_unload()
    assert torch.equal(merged.generate(**inputs, max_new_tokens=8, min_new_tokens=8), expected)
    merged.save_pretrained(tmp_path / "merged")
    assert torch.equal(loaded_model(tmp_path / "merged").generate(**inputs, max_new_tokens=8, min_new_tokens=8), expected)


def loaded_model(path):
    from transformers import AutoModelForMultimodalLM

    return AutoModelForMultimodalLM.from_pretrained(path).eval()


def test_float32_noise_is_small_beside_the_signal() -> None:
    """What float64 shows exactly holds in float32 to its rounding."""
    model, batch = model_of(stack_size=5).float(), batch_of(MIXED)
    batch["input_features"] = batch["input_features"].float()
    with torch.no_grad():
        logits = model(**batch).logits
        rows = [model(**single(batch, number)).logits[0] for number in range(len(MIXED))]
    worst = max(float((logits[number, : len(row)] - row).abs().max()) for number, row in enumerate(rows))
    assert 0 < worst < 1e-4

"""The memory estimate against PyTorch itself: what autograd keeps of a layer, byte by byte; the bytes of models really built; the peak of a real step."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, inject_adapter_in_model
from peft.tuners.tuners_utils import cast_adapter_dtype
from torch import nn
from training_fixtures import tiny_model, tone
from transformers import AutoConfig, BitsAndBytesConfig, LlamaConfig, Qwen2AudioConfig, Qwen2AudioEncoderConfig
from transformers.masking_utils import create_causal_mask
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoderLayer

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.training.families import family_of
from cp_paraling_qa.training.hearing.frozen_tower import keep_out_of_graph
from cp_paraling_qa.training.loading import load_model, load_processor, quiet
from cp_paraling_qa.training.loss import answer_tokens
from cp_paraling_qa.training.memory import Batch, MemoryEstimate, describe, estimate
from cp_paraling_qa.training.memory.layers import Block, Precision, Trained, llama_block, whisper_layer
from cp_paraling_qa.training.parts import adapter_config, unquantised

SEQUENCES, LENGTH, WIDTH, FFN, RANK = 2, 40, 96, 160, 8
KINDS = [("float32", False), ("bfloat16", False), ("bfloat16", True), ("float32", True)]
ALL_LINEARS = r".*\.(q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2)"


def storage(tensor: torch.Tensor) -> tuple[int, int]:
    return tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()


def kept(call: Any, without: list[torch.Tensor]) -> int:
    """Bytes of the storages that autograd saves during a call, each once."""
    outside, found, alive = {storage(tensor)[0] for tensor in without}, {}, []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        place, size = storage(tensor)
        if place not in outside:
            found[place] = size
            alive.append(tensor)  # or its address might be given to another
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        call()
    return sum(found.values())


def adapted(layer: nn.Module, dtype: str, targets: str | None, dropout: float) -> nn.Module:
    """A layer as it is trained: in full where `targets` is empty, frozen where it is None, under LoRA otherwise."""
    holder = nn.ModuleDict({"layer": layer}).to(getattr(torch, dtype))
    holder.requires_grad_(targets == "")
    if targets:
        inject_adapter_in_model(LoraConfig(r=RANK, lora_dropout=dropout, target_modules=targets), holder)
        cast_adapter_dtype(holder, "default")
    return holder.train()


def layer_bytes(holder: nn.Module, call: Any, dtype: str, autocast: bool, without: list[torch.Tensor]) -> int:
    with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
        adapters = sum(weight.numel() for name, weight in holder.named_parameters() if "lora_" in name)
        return kept(call, [*holder.parameters(), *without]) - (
            2 * adapters if autocast else 0
        )  # the estimate counts autocast's copies of the adapters by themselves


def linears(holder: nn.Module) -> int:
    return sum(weight.numel() for name, weight in holder.named_parameters() if "lora_" not in name and weight.dim() == 2)


@pytest.mark.parametrize(("dtype", "autocast"), KINDS)
@pytest.mark.parametrize(
    ("targets", "trained"),
    [(None, Trained()), (ALL_LINEARS, Trained(3, 1, 2, 1, RANK)), (r".*\.(q|v)_proj", Trained(attention_in=2, rank=RANK)), ("", Trained(3, 1, 2, 1))],
)
@pytest.mark.parametrize(("padded", "dropout"), [(True, 0.0), (False, 0.0), (True, 0.1)])
def test_a_llama_block_keeps_what_the_formula_says(dtype, autocast, targets, trained, padded, dropout) -> None:
    config = LlamaConfig(hidden_size=WIDTH, intermediate_size=FFN, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, vocab_size=10)
    config._attn_implementation = "sdpa"
    holder = adapted(LlamaDecoderLayer(config, 0), dtype, targets, dropout)
    hidden = torch.randn(SEQUENCES, LENGTH, WIDTH, dtype=getattr(torch, dtype), requires_grad=True)
    places = torch.arange(LENGTH)[None]
    turns = LlamaRotaryEmbedding(config)(hidden, places)
    seen = torch.ones(SEQUENCES, LENGTH, dtype=torch.long)
    seen[0, -1] = 0
    mask = create_causal_mask(config, hidden.detach(), seen, None) if padded else None
    without = [*turns, *([] if mask is None else [mask]), *([] if dtype == "float32" else [hidden])]  # in float32 the norm keeps its very input

    def call() -> None:
        holder["layer"](hidden, attention_mask=mask, position_embeddings=turns, position_ids=places, use_cache=False)

    precision = Precision(4 if dtype == "float32" else 2, 4, autocast, dropout=dropout > 0, gpu=False)
    block = Block(WIDTH, WIDTH, WIDTH // 2, 4, FFN, True, linears(holder))
    expected = SEQUENCES * LENGTH * llama_block(block, trained, precision, expanded=padded)
    expected += precision.matmul * SEQUENCES * LENGTH**2 if padded else 0
    expected += 2 * block.linears if precision.casts_weights else 0
    assert layer_bytes(holder, call, dtype, autocast, without) == expected


@pytest.mark.parametrize(("dtype", "autocast"), KINDS)
@pytest.mark.parametrize(("targets", "trained"), [(None, Trained()), (ALL_LINEARS, Trained(3, 1, 1, 1, RANK)), ("", Trained(3, 1, 1, 1))])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_whisper_layer_keeps_what_the_formula_says(dtype, autocast, targets, trained, dropout) -> None:
    config = Qwen2AudioEncoderConfig(d_model=WIDTH, encoder_attention_heads=4, encoder_ffn_dim=FFN)
    config._attn_implementation = "sdpa"
    holder = adapted(Qwen2AudioEncoderLayer(config), dtype, targets, dropout)
    hidden = torch.randn(SEQUENCES, LENGTH, WIDTH, dtype=getattr(torch, dtype), requires_grad=True)
    mask = torch.ones(SEQUENCES, 1, LENGTH, LENGTH, dtype=torch.bool)
    mask[0, ..., -1] = False
    precision = Precision(4 if dtype == "float32" else 2, 4, autocast, dropout=dropout > 0, gpu=False)
    block = Block(WIDTH, WIDTH, WIDTH, 4, FFN, False, linears(holder))
    expected = SEQUENCES * LENGTH * whisper_layer(block, trained, precision) + precision.matmul * SEQUENCES * LENGTH**2
    expected += 2 * block.linears if precision.casts_weights else 0
    assert layer_bytes(holder, lambda: holder["layer"](hidden, mask), dtype, autocast, [mask]) == expected


def lora(**more: Any) -> SimpleNamespace:
    plain = {"lora_task_type": "CAUSAL_LM", "lora_r": RANK, "lora_alpha": 16, "lora_dropout": 0.0, "use_rslora": False, "use_dora": False}
    return SimpleNamespace(**plain | {"lora_target_modules": None, "lora_modules_to_save": None} | more)


def tiny(train_parts: str, **load: Any) -> Any:
    """The tiny model under its adapter, as the trainer has it."""
    config = AutoConfig.from_pretrained(tiny_model())
    model = load_model(tiny_model(), **load)
    adapter = adapter_config(family_of(config), train_parts, lora())
    with quiet():
        return model if adapter is None else get_peft_model(model, adapter)


def bytes_of(tensors: Any) -> int:
    return sum(dict(storage(tensor) for tensor in tensors).values())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("train_parts", ["lora", "projector", "lora+projector", "tower-lora", "full"])
def test_weights_are_those_of_a_model_really_built(train_parts, dtype) -> None:
    model = tiny(train_parts, dtype=dtype)
    if train_parts == "full":
        model.requires_grad_(True)
    found = estimate(AutoConfig.from_pretrained(tiny_model()), train_parts=train_parts, dtype=dtype, lora_r=RANK)
    assert found.weights == bytes_of(model.parameters())
    assert sum(part.trained for part in found.parts.values()) == sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert found.gradients == bytes_of(weight for weight in model.parameters() if weight.requires_grad)
    assert found.optimiser == 2 * found.gradients  # AdamW: two states in the weight's own type


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["4bit", "8bit"])
def test_weights_are_those_of_a_model_really_quantised(kind) -> None:
    config = AutoConfig.from_pretrained(tiny_model())
    settings = BitsAndBytesConfig(load_in_4bit=kind == "4bit", load_in_8bit=kind == "8bit", bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    settings.llm_int8_skip_modules = unquantised(config, family_of(config))
    model = tiny("lora+projector", dtype="bfloat16", quantization_config=settings)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(torch.bfloat16)  # as TRL does
    tensors = list(model.parameters())
    tensors += [weight.quant_state.absmax for weight in model.parameters() if getattr(weight, "quant_state", None) is not None]
    tensors += [weight.SCB for weight in model.parameters() if getattr(weight, "SCB", None) is not None]
    found = estimate(config, train_parts="lora+projector", quantised=kind, lora_r=RANK)
    assert found.weights == pytest.approx(bytes_of(tensors), rel=0.002)  # rounding of the last block of every matrix
    assert found.gradients == bytes_of(weight for weight in model.parameters() if weight.requires_grad)


def large() -> Qwen2AudioConfig:
    """Qwen2-Audio-7B-Instruct."""
    tower = {"num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120, "max_source_positions": 1500}
    text = {
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "vocab_size": 156_032,
    }
    return Qwen2AudioConfig(
        audio_config={"model_type": "qwen2_audio_encoder", **tower},
        text_config={"model_type": "qwen2", **text, "tie_word_embeddings": False},
        tie_word_embeddings=False,
    )


def test_the_totals_of_qwen2_audio_7b() -> None:
    found = estimate(large(), autocast=True)
    millions = {name: round(part.parameters / 1e6) for name, part in found.parts.items()}
    # language model: 156,032 · 4096 + 32 · (4 · 4096² + 3 · 4096 · 11,008 + 3 · 4096 + 2 · 4096) + 4096 = 7,115.8 M, and the output layer 639.1 M: 7.755 B in all
    assert millions == {"audio tower": 637, "projector": 5, "language model": 7116, "output layer": 639}
    assert found.parts["language model"].trained == 16 * 32 * (4 * 8192 + 3 * (4096 + 11_008))  # r · (in + out) of seven linears in 32 layers
    assert not found.notes and 16.8e9 + 0.5e9 < found.peak < 24e9
    quantised = estimate(large(), autocast=True, quantised="4bit")
    # 32 · (4 · 4096² + 3 · 4096 · 11,008) weights of 4.5 bits, the rest of the 8.397 B in 2 bytes, and 40 M adapters in 2
    packed = 32 * (4 * 4096**2 + 3 * 4096 * 11_008)
    rest = sum(part.parameters for part in quantised.parts.values()) - packed
    assert quantised.weights == int(packed * 4.5 / 8) + 2 * rest + 2 * quantised.parts["language model"].trained
    assert quantised.peak < 0.55 * found.peak


BASE: dict[str, Any] = {"batch": Batch(4, 250, 100, 20), "autocast": True}
MORE: dict[str, dict[str, Any]] = {
    "sequences": {"batch": Batch(5, 250, 100, 20)},
    "longer clips": {"batch": Batch(4, 500, 100, 20)},
    "longer texts": {"batch": Batch(4, 250, 200, 20)},
    "no checkpointing": {"gradient_checkpointing": False},
    "a higher rank": {"lora_r": 64},
    "dropout": {"lora_dropout": 0.1},
    "float32": {"dtype": "float32"},
    "the tower too": {"train_parts": "tower-lora"},
    "everything": {"train_parts": "full"},
    "gradients that wait": {"accumulates": True},
}
LESS: dict[str, dict[str, Any]] = {
    "fewer trained": {"train_parts": "projector"},
    "4 bits": {"quantised": "4bit"},
    "no mask": {"batch": Batch(4, 250, 100, 20, mask="none")},
    "states in 8 bits": {"optimizer": "adamw_8bit"},
    "one sequence": {"batch": Batch(1, 250, 100, 20)},
    "LoRA on less": {"lora_targets": ["q_proj", "v_proj"]},
}


@lru_cache
def base() -> MemoryEstimate:
    return estimate(large(), **BASE)


@pytest.mark.parametrize("name", [*MORE, *LESS])
def test_what_costs_more_is_more(name) -> None:
    other = estimate(large(), **{**BASE, **MORE.get(name, {}), **LESS.get(name, {})})
    assert other.peak > base().peak if name in MORE else other.peak < base().peak


def test_fewer_bits_are_less() -> None:
    four, eight = (estimate(large(), **BASE, quantised=kind).peak for kind in ("4bit", "8bit"))
    assert four < eight < base().peak


def test_the_tower_costs_what_it_computes() -> None:
    """Short clips: trimmed, the tower computes 2 · 75 + 2 positions of 1,500."""
    batch = Batch(8, 75, 60, 10)
    full, trimmed, cached = (estimate(large(), batch=batch, tower=tower).moments["tower forward"] for tower in ("full", "trimmed", "cached"))
    assert full - cached == pytest.approx((trimmed - cached) * 1500 / 152, rel=0.01)
    longer = replace(batch, tower_positions=300)
    assert estimate(large(), batch=longer).moments["tower forward"] > trimmed
    assert (
        estimate(large(), train_parts="tower-lora", batch=batch, tower="full").activations
        > estimate(large(), train_parts="tower-lora", batch=batch).activations
    )


def test_only_answers_reach_the_output_layer() -> None:
    few, many = (estimate(large(), batch=Batch(4, 250, 100, answers)).parts["output layer"].activations for answers in (1, 100))
    assert few == 4 * 1 * 156_032 * 12 and many == 100 * few  # three tensors in float32


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"train_parts": "everything"}, "train_parts 'everything' is not one of lora"),
        ({"dtype": "int8"}, "dtype 'int8'"),
        ({"quantised": "2bit"}, "quantised '2bit'"),
        ({"tower": "short"}, "tower 'short'"),
        ({"batch": Batch(mask="random")}, "mask 'random'"),
        ({"train_parts": "full", "quantised": "4bit"}, "full training of quantised weights"),
        ({"train_parts": "tower-lora", "tower": "cached"}, "cannot be cached"),
        ({"lora_targets": r".*no_such_layer"}, "nothing would be trained"),
    ],
)
def test_what_cannot_be_is_refused(options, named) -> None:
    with pytest.raises(RecipeError, match=named):
        estimate(AutoConfig.from_pretrained(tiny_model()), **options)


def test_an_unknown_optimiser_is_counted_as_adamw_and_said() -> None:
    config = AutoConfig.from_pretrained(tiny_model())
    found = estimate(config, optimizer="lion_32bit")
    assert found.optimiser == estimate(config).optimiser and "lion_32bit" in found.notes[0] and "lion_32bit" in describe(found)


def test_the_table_says_what_is_needed() -> None:
    found = MemoryEstimate(estimate(large()).parts, {"output layer": 18_790_000_000, "backward": 19_340_000_000}, ("a note",))
    lines = describe(found).splitlines()
    assert [line.split("  ")[0] for line in lines[1:5]] == ["audio tower", "projector", "language model", "output layer"]
    assert "637.0 M" in lines[1] and lines[-2:] == ["backward             19.34 GB  ← peak", "a note"]


def training_batch(seconds: float = 1.0) -> dict[str, torch.Tensor]:
    processor = load_processor(tiny_model())
    texts = ["Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nHow does the speaker feel?" + " The speaker sounds angry." * number for number in (2, 3)]
    batch = dict(
        processor(text=texts, audio=[tone(300, seconds), tone(500, seconds)], sampling_rate=16_000, return_tensors="pt", padding=True, padding_side="right")
    )
    labels = torch.where(batch["attention_mask"].bool(), batch["input_ids"], -100)
    labels[:, :-12] = -100
    return batch | {"labels": labels}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("train_parts", ["lora", "full"])
def test_the_peak_of_a_real_step(train_parts, checkpointing) -> None:
    """Of the tiny model; benchmarks/memory.py does the same with larger ones, where the layers weigh more."""
    torch.manual_seed(0)
    model = tiny(train_parts, dtype="float32")
    family = family_of(model.config)
    if checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        if train_parts != "full":
            model.enable_input_require_grads()
    keep_out_of_graph(family.part(model, "tower"))
    batch = training_batch(3.0)
    optimiser = torch.optim.AdamW([weight for weight in model.train().parameters() if weight.requires_grad], fused=True)

    def step() -> None:
        answer_tokens(model, batch, family).losses.mean().backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    sizes = [event.nbytes() for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    assert sum(sizes) == 0  # all that came went
    audio = int((batch["input_ids"][0] == model.config.audio_token_id).sum())
    answers = int((batch["labels"] != -100).sum()) // 2
    shape = Batch(2, audio, batch["input_ids"].shape[1] - audio, answers)
    found = estimate(model.config, train_parts=train_parts, dtype="float32", lora_r=RANK, batch=shape, gradient_checkpointing=checkpointing, device="cpu")
    measured = max(itertools.accumulate(sizes)) + found.weights + found.optimiser
    assert found.peak == pytest.approx(measured, rel=0.15)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
def test_a_frozen_tower_out_of_the_graph_changes_nothing() -> None:
    """The same loss and the same gradients, to the last bit, though the tower is no longer followed."""
    results, followed = [], []
    for out in (False, True):
        torch.manual_seed(0)
        model = tiny("lora+projector", dtype="float32").train()
        tower = family_of(model.config).part(model, "tower")
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
        if out:
            assert keep_out_of_graph(tower) and keep_out_of_graph(tower)  # twice does no harm
        tower.register_forward_hook(lambda module, args, output: followed.append(output.last_hidden_state.requires_grad))
        loss = answer_tokens(model, training_batch(), family_of(model.config)).losses.mean()
        loss.backward()
        results.append((loss.detach(), {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}))
    assert followed == [True, False]  # True: what it is there for
    (loss, gradients), (other_loss, other_gradients) = results
    assert torch.equal(loss, other_loss) and gradients.keys() == other_gradients.keys()
    assert all(torch.equal(gradients[name], other_gradients[name]) for name in gradients)


def test_a_tower_that_trains_stays_in_the_graph() -> None:
    model = tiny("tower-lora", dtype="float32")
    assert not keep_out_of_graph(family_of(model.config).part(model, "tower"))

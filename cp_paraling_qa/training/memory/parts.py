"""A model's parts as the memory estimate needs them: bytes of weights, what is trained of them, and the layers with their shapes. Read off the model without its weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.memory.layers import Block, Bytes, Trained

_ROLES = {
    "attention_in": ("q_proj", "k_proj", "v_proj"),
    "attention_out": ("o_proj", "out_proj"),
    "ffn_in": ("gate_proj", "up_proj", "fc1"),
    "ffn_out": ("down_proj", "fc2"),
}
_QUANTISED_BITS = {"4bit": 4 + 32 / 64, "8bit": 8}
"""Bits a weight: bitsandbytes adds a float32 to every 64 weights of 4 bits; to every row of 8-bit weights, see `_linear_bytes`."""

PARTS = ("audio tower", "projector", "language model", "output layer", "other")


@dataclass(frozen=True)
class Choice:
    """What is trained, and how the rest is stored.

    Attributes:
        whole: full fine-tuning.
        rank: of LoRA.
        targets: of LoRA, as PEFT takes them: a regular expression over whole names, or a list of endings; None for none.
        saved: modules that are trained in full beside LoRA (`modules_to_save`), by the end of their names.
        weights: bytes an element of the frozen weights.
        adapters: bytes an element of LoRA's matrices.
        copies: bytes an element of the modules trained in full.
        quantised: None, "4bit" or "8bit".
    """

    whole: bool
    rank: int
    targets: str | Sequence[str] | None
    saved: Sequence[str]
    weights: int
    adapters: int
    copies: int
    quantised: str | None

    def adapts(self, name: str) -> bool:
        """Whether LoRA goes on the linear layer of this name; PEFT's own rule."""
        if self.whole or self.targets is None:
            return False
        if isinstance(self.targets, str):
            return re.fullmatch(self.targets, name) is not None
        return any(name == target or name.endswith(f".{target}") for target in self.targets)

    def saves(self, name: str) -> bool:
        """Whether the module of this name, or one above it, is trained in full beside LoRA."""
        return not self.whole and any(f".{module}." in f".{name}." for module in self.saved)


@dataclass
class PartMemory:
    """One part of the model.

    Attributes:
        parameters: of the model as it is loaded.
        weights: bytes of them, and of what training puts beside them.
        trained: trained parameters.
        trained_bytes: of these.
        embedding: of these, the input embeddings', whose gradient comes last.
        adapters: LoRA's parameters.
        quantised: the largest quantised matrix, in parameters.
        layers: shape, trained linears of each of its transformer layers.
    """

    parameters: int = 0
    weights: Bytes = 0
    trained: int = 0
    trained_bytes: Bytes = 0
    embedding: Bytes = 0
    adapters: int = 0
    quantised: int = 0
    layers: list[tuple[Block, Trained]] = field(default_factory=list)

    def train(self, size: int, each: int) -> None:
        """So many more parameters are trained, of `each` bytes."""
        self.trained += size
        self.trained_bytes += size * each


def parts_of(config: Any, family: Family, choice: Choice) -> dict[str, PartMemory]:
    """The parts by name, with the layers of tower and language model; a part whose layers are of another type than Whisper's or Llama's has none listed.

    Raises:
        RecipeError: LoRA that matches no linear layer; a module to save that does not exist.
    """
    from torch import nn

    from cp_paraling_qa.training.parts import unquantised

    model = family.hollow(config)
    untouched = unquantised(config, family) if choice.quantised else []
    parts = {name: PartMemory() for name in PARTS}
    found: set[int] = set()
    for name, module in model.named_modules():
        part = parts[_part(name, module, model, family)]
        quantises = choice.quantised is not None and isinstance(module, nn.Linear) and not any(f".{other}." in f".{name}." for other in untouched)
        for label, weight in module.named_parameters(recurse=False):
            if id(weight) not in found:  # tied weights are there once
                found.add(id(weight))
                _count(part, weight, choice, quantised=quantises and label == "weight", saved=choice.saves(name))
        if isinstance(module, nn.Linear) and choice.adapts(name):
            size = choice.rank * (module.in_features + module.out_features)
            part.adapters += size
            part.train(size, choice.adapters)
            part.weights += size * choice.adapters
    if choice.whole:
        parts["language model"].embedding = model.get_input_embeddings().weight.numel() * choice.weights
    if not any(part.trained for part in parts.values()):
        raise RecipeError(
            f"nothing would be trained: LoRA's target modules {choice.targets!r} match no linear layer, and no module is saved of {list(choice.saved)}"
        )
    for name in ("tower", "language_model"):
        parts["audio tower" if name == "tower" else "language model"].layers = _layers(model, family.part(model, name), config, choice)
    return parts


def _part(name: str, module: Any, model: Any, family: Family) -> str:
    if module is model.get_output_embeddings():
        return "output layer"
    inside = {family.projector: "projector", family.tower: "audio tower", family.language_model: "language model"}
    return next((part for path, part in inside.items() if f".{path}." in f".{name}."), "other")


def _count(part: PartMemory, weight: Any, choice: Choice, *, quantised: bool, saved: bool) -> None:
    size = weight.numel()
    part.parameters += size
    if quantised:
        rows = 4 * weight.shape[0] if choice.quantised == "8bit" else 0
        part.weights += int(size * _QUANTISED_BITS[str(choice.quantised)] / 8) + rows
        part.quantised = max(part.quantised, size)
    else:
        part.weights += size * choice.weights
    if choice.whole:  # the tower's fixed positions too: from_pretrained makes every parameter trainable
        part.train(size, choice.weights)
    if saved:  # PEFT trains a copy and keeps the original
        part.train(size, choice.copies)
        part.weights += size * choice.copies


def _layers(model: Any, module: Any, config: Any, choice: Choice) -> list[tuple[Block, Trained]]:
    from torch import nn

    names = {id(inner): name for name, inner in model.named_modules()}
    stacks = [inner for inner in module.modules() if isinstance(inner, nn.ModuleList)]
    if not stacks:
        return []
    layers = []
    for layer in max(stacks, key=len):
        linears = {names[id(inner)].rpartition(".")[2]: inner for inner in layer.modules() if isinstance(inner, nn.Linear)}
        roles = {role: [linears[name] for name in known if name in linears] for role, known in _ROLES.items()}
        if not all(roles.values()):
            return []
        users = {role: sum(choice.whole or choice.adapts(names[id(linear)]) for linear in members) for role, members in roles.items()}
        layers.append((_block(layer, linears, roles, config), Trained(**users, rank=None if choice.whole else choice.rank)))
    return layers


def _block(layer: Any, linears: dict[str, Any], roles: dict[str, list[Any]], config: Any) -> Block:
    attention = linears["q_proj"]
    width = getattr(layer, "head_dim", None) or next((module.head_dim for module in layer.modules() if hasattr(module, "head_dim")), 64)
    return Block(
        width=attention.in_features,
        attention=attention.out_features,
        key_value=linears["k_proj"].out_features if "k_proj" in linears else attention.out_features,
        heads=attention.out_features // width,
        ffn=roles["ffn_in"][0].out_features,
        gated="gate_proj" in linears,
        linears=sum(linear.weight.numel() for linear in linears.values()),
    )

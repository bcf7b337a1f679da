"""What autograd keeps of a transformer layer until the backward pass, in bytes, by formula.

The formulas count the tensors that PyTorch's operations save, as the layers of transformers 5 are written, with SDPA or FlashAttention: the T × T attention weights are
never kept. Widths: h of the residual stream, q of all query heads together, f of the feed-forward layer. Element sizes: x of the residual stream, m of what a linear
layer returns, l of what LoRA's matrices multiply. Frozen linear layers keep nothing of their input: the gradient passes through them by their weights alone.

**Llama-type block** (RMSNorm, rotary attention, gated feed-forward), bytes a token:

| operation | keeps |
|---|---|
| two RMSNorms | their input in float32, 4 h, and its inverse length, 4; with trained weights also the normalised x h |
| query, key, value | their common input, where one of them is trained: see `kept_inputs` |
| attention | query, key (each head's own copy where the mask forces it), value and output, m each, and the log of every softmax's sum, 4 a head |
| output projection | nothing new: its input is the attention's output |
| gate, up | their common input, where one of them is trained |
| SiLU(gate) · up | the gate before and after SiLU, and up: 3 m f |
| down | the product, where it is trained |
| LoRA | r l in the middle of each adapted linear layer |

and for each layer m · B · T², where a padding mask is given: SDPA turns the boolean mask into an additive one for every layer anew, and keeps it.

**Whisper layer** (LayerNorm, attention with q = h, GELU feed-forward), bytes a position: two norms x h + 8 each; the inputs of trained linear layers, that of the output
projection too, since it is laid out anew; 4 m h + 4 a head for the attention; m f before the GELU; and m · clips · positions² of mask a layer.
On a GPU, autocast computes LayerNorm in float32, so x is 4 there.

With gradient checkpointing a layer keeps its input, x h a token, alone, and while one layer goes backward, everything above of that one.
"""

from __future__ import annotations

from dataclasses import dataclass

Bytes = int


@dataclass(frozen=True)
class Precision:
    """In what numbers a step computes. Sizes in bytes an element.

    Attributes:
        weights: of the frozen weights, 2 or 4; also of the residual stream, which begins as an embedding.
        adapters: of LoRA's matrices.
        autocast: bfloat16 or float16 autocast (`bf16=True` of the Trainer): matrices are multiplied in 2 bytes, whatever the weights are in.
        quantised: None, "4bit" or "8bit".
        dropout: whether LoRA's dropout is on.
        gpu: on a CPU, a dropout keeps its noise instead of a mask of one byte, and LayerNorm its statistics in the input's type instead of float32.
    """

    weights: int
    adapters: int
    autocast: bool = False
    quantised: str | None = None
    dropout: bool = False
    gpu: bool = True

    @property
    def matmul(self) -> int:
        """What a linear layer returns."""
        return 2 if self.autocast else self.weights

    @property
    def lora(self) -> int:
        """What LoRA's matrices multiply."""
        return 2 if self.autocast else self.adapters

    @property
    def casts_weights(self) -> bool:
        """Whether autograd holds a second copy of the weights in 2 bytes: under autocast over float32 weights."""
        return self.autocast and self.weights == 4


@dataclass(frozen=True)
class Trained:
    """The trained linear layers of a block, by the input that they have in common: how many of them multiply it.

    Attributes:
        attention_in: of query, key and value.
        attention_out: the output projection.
        ffn_in: of gate and up, or fc1.
        ffn_out: down, or fc2.
        rank: LoRA's r; None where the weights themselves are trained, and the norms with them.
    """

    attention_in: int = 0
    attention_out: int = 0
    ffn_in: int = 0
    ffn_out: int = 0
    rank: int | None = None

    @property
    def count(self) -> int:
        """All of them."""
        return self.attention_in + self.attention_out + self.ffn_in + self.ffn_out

    @property
    def whole(self) -> bool:
        """Full fine-tuning."""
        return self.rank is None and self.count > 0


@dataclass(frozen=True)
class Block:
    """Shape of one layer.

    Attributes:
        width: h, of the residual stream.
        attention: q, all query heads together.
        key_value: all key heads together.
        heads: query heads.
        ffn: f.
        gated: Llama-type (True) or Whisper-type.
        linears: parameters of its linear layers.
    """

    width: int
    attention: int
    key_value: int
    heads: int
    ffn: int
    gated: bool
    linears: int


def recasts(source: int, trained: Trained, precision: Precision) -> bool:
    """Whether PEFT casts an input of `source` bytes an element to the type of the adapter; it does not over 4-bit layers under autocast."""
    return not trained.whole and precision.adapters != source and not (precision.quantised == "4bit" and precision.autocast)


def kept_inputs(width: int, users: int, source: int, trained: Trained, precision: Precision, *, held: bool = False) -> Bytes:
    """What trained linear layers keep of an input that they share, bytes a token.

    The input itself, once, where they multiply it as it is. A copy for each where it has to be cast first, by PEFT to the type of the adapter or by autocast to 2
    bytes. LoRA's dropout makes a copy and a mask for each. An 8-bit layer keeps its input, trained or not.

    Args:
        width: of the input.
        users: how many linear layers are trained on it.
        source: bytes an element of the input as it comes.
        trained: of the block.
        precision: of the step.
        held: whether something else keeps the input already.
    """
    multiplied = precision.matmul if trained.whole else precision.lora
    copied = users > 0 and (recasts(source, trained, precision) or multiplied != source or (precision.dropout and not trained.whole))
    shared = 0 if held or (precision.quantised != "8bit" and (copied or users == 0)) else width * source
    if not copied:
        return shared
    noise = 0 if trained.whole or not precision.dropout else 1 if precision.gpu else precision.adapters
    return shared + users * width * (multiplied + noise)


def llama_block(block: Block, trained: Trained, precision: Precision, *, expanded: bool) -> Bytes:
    """Bytes a token that a Llama-type block keeps, without its mask. See the module's table.

    Args:
        block: its shape.
        trained: its trained linear layers.
        precision: of the step.
        expanded: whether key and value are copied for every query head: where a mask is given, SDPA has no other way.
    """
    p, h, m = precision, block.width, precision.matmul
    norms = 2 * (4 * h + 4 + (p.weights * h if trained.whole else 0))
    key_value = block.attention if expanded else block.key_value
    attention = m * (2 * block.attention + 2 * key_value) + 4 * block.heads
    inputs = kept_inputs(h, trained.attention_in, p.weights, trained, p)
    inputs += kept_inputs(block.attention, trained.attention_out, m, trained, p, held=True)
    inputs += kept_inputs(h, trained.ffn_in, p.weights, trained, p)
    inputs += kept_inputs(block.ffn, trained.ffn_out, m, trained, p)
    return norms + attention + inputs + 3 * m * block.ffn + trained.count * (trained.rank or 0) * p.lora


def whisper_layer(block: Block, trained: Trained, precision: Precision) -> Bytes:
    """Bytes a position that a Whisper layer keeps, without its mask. See the module's docstring."""
    p, h, m = precision, block.width, precision.matmul
    norm = 4 if p.autocast and p.gpu else p.weights
    inputs = kept_inputs(h, trained.attention_in, norm, trained, p)
    inputs += kept_inputs(h, trained.attention_out, m, trained, p)
    inputs += kept_inputs(h, trained.ffn_in, norm, trained, p)
    inputs += kept_inputs(block.ffn, trained.ffn_out, m, trained, p)
    statistics = 8 if p.gpu else 2 * p.weights
    return 2 * (norm * h + statistics) + inputs + 4 * m * h + 4 * block.heads + m * block.ffn + trained.count * (trained.rank or 0) * p.lora


def llama_backward(block: Block, trained: Trained, precision: Precision) -> Bytes:
    """Bytes a token that are there, beside what the block keeps, while its feed-forward part goes backward, which is where most is.

    The gradient of the product silu(gate) · up arrives from the down projection by two ways, through the frozen weights and through LoRA, and both wait for
    each other; then it becomes the gradients of the two factors, when the product itself is no longer needed. Beside them, the gradient of the residual stream
    and the same scaled for LoRA.
    """
    p, m, f = precision, precision.matmul, block.ffn
    product = kept_inputs(1, trained.ffn_out, m, trained, p)
    factors = 3 * m - product
    arriving = 0
    if trained.ffn_out and not trained.whole:
        arriving = m + p.lora
        if recasts(m, trained, p):  # back through the cast, or the two casts under autocast
            arriving = max(arriving, m + p.adapters + m - product)
    residual = 2 * p.weights + (2 * p.adapters if trained.count and not p.autocast and recasts(m, trained, p) else 0)
    return f * max(factors, arriving) + residual * block.width


def whisper_backward(block: Block, trained: Trained, precision: Precision) -> Bytes:
    """The same for a Whisper layer: the gradient behind the GELU arrives by one or two ways, then it goes through the GELU."""
    p, m, f = precision, precision.matmul, block.ffn
    behind = kept_inputs(1, trained.ffn_out, m, trained, p)
    arriving = m + p.lora if trained.ffn_out and not trained.whole else m
    return f * max(arriving, 2 * m - behind) + 2 * p.weights * block.width

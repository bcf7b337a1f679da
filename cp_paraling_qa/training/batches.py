"""Token ids → tensors, one row a sequence or one clip a sequence.

**One clip, many questions.** Where several rows ask about one clip, a sequence holds their common beginning (the clip, the metadata block) once, and then
the rest of each row as a block of its own:

    prefix ········ | rest of question 1, answer 1 | rest of question 2, answer 2 | …

A block attends to the prefix and to itself alone, and its positions go on from the prefix's end; so every token sees what it would see in a row of its own,
and each answer's loss is that of the unshared row. The prefix ends at least one token before an answer begins: the token before an answer predicts it, and has to
be in the answer's own block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from cp_paraling_qa.training.encoding import Encoded

IGNORED = -100
"""The label of positions that carry no loss: prompt, audio, padding."""

PADDING = -1
"""The block number of padding."""


def padded(rows: Sequence[Encoded], pad_id: int, *, side: str = "right", labels: bool = True) -> dict[str, Any]:
    """One row a sequence.

    Args:
        rows: token ids.
        pad_id: of the tokenizer.
        side: right for training; left for generation, which goes on from the right end.
        labels: whether to make them.

    Returns:
        input_ids, attention_mask and, if asked for, labels, each of shape (rows, longest).
    """
    whole = [[*row.prompt, *row.answer] for row in rows]
    longest = max(map(len, whole))
    ids = torch.full((len(rows), longest), pad_id)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    targets = torch.full((len(rows), longest), IGNORED)
    for number, (row, sequence) in enumerate(zip(rows, whole, strict=True)):
        start = longest - len(sequence) if side == "left" else 0
        ids[number, start : start + len(sequence)] = torch.tensor(sequence)
        mask[number, start : start + len(sequence)] = 1
        if row.answer:
            begin = start + len(row.prompt)
            targets[number, begin : begin + len(row.answer)] = torch.tensor(row.answer)
    batch = {"input_ids": ids, "attention_mask": mask}
    return batch | {"labels": targets} if labels else batch


def common_prefix(rows: Sequence[Encoded]) -> int:
    """How many tokens all prompts begin with, at least one token of every prompt left over."""
    shortest = min(len(row.prompt) for row in rows) - 1
    first = rows[0].prompt
    for place in range(shortest):
        if any(row.prompt[place] != first[place] for row in rows):
            return place
    return shortest


def shared(groups: Sequence[Sequence[Encoded]], pad_id: int) -> dict[str, Any]:
    """One clip a sequence: the rows of a group share their common beginning.

    Args:
        groups: rows about one clip each.
        pad_id: of the tokenizer.

    Returns:
        input_ids, labels, position_ids and blocks, each of shape (groups, longest): `blocks` is 0 in the prefix, 1, 2, … in the rows' own tokens and `PADDING`
        behind them; `block_mask` and `flex_block_mask` make attention masks of it.

    Raises:
        ValueError: a group whose rows hear different clips, or whose common beginning ends inside the clip.
    """
    sequences = [_sequence(group) for group in groups]
    longest = max(len(ids) for ids, *_ in sequences)
    fills = (pad_id, IGNORED, 0, PADDING)
    tensors = [torch.full((len(groups), longest), fill) for fill in fills]
    for number, sequence in enumerate(sequences):
        for tensor, values in zip(tensors, sequence, strict=True):
            tensor[number, : len(values)] = torch.tensor(values)
    return dict(zip(("input_ids", "labels", "position_ids", "blocks"), tensors, strict=True))


def _sequence(group: Sequence[Encoded]) -> tuple[list[int], list[int], list[int], list[int]]:
    prefix = common_prefix(group)
    if len({row.clip for row in group}) > 1 or prefix < max(row.audio_end for row in group):
        raise ValueError("rows that share a sequence have to hear the same clip, and to begin alike up to its end")
    ids, labels = list(group[0].prompt[:prefix]), [IGNORED] * prefix
    positions, blocks = list(range(prefix)), [0] * prefix
    for number, row in enumerate(group, start=1):
        rest = row.prompt[prefix:]
        length = len(rest) + len(row.answer)
        ids += [*rest, *row.answer]
        labels += [IGNORED] * len(rest) + row.answer
        positions += range(prefix, prefix + length)
        blocks += [number] * length
    return ids, labels, positions, blocks


def block_mask(blocks: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The attention mask of shared sequences, for SDPA and eager attention: 0 where a token may look, the least number of `dtype` elsewhere.

    A token looks at what stands before it in the prefix and in its own block. Padding looks at itself, so that no row of the softmax is empty.

    Returns:
        shape (sequences, 1, length, length).
    """
    length = blocks.shape[1]
    ask, told = blocks[:, :, None], blocks[:, None, :]
    before = torch.ones(length, length, dtype=torch.bool, device=blocks.device).tril()
    allowed = before & ((told == 0) | (told == ask)) & ((told != PADDING) | torch.eye(length, dtype=torch.bool, device=blocks.device))
    return torch.zeros(allowed.shape, dtype=dtype, device=blocks.device).masked_fill(~allowed, torch.finfo(dtype).min)[:, None]


def flex_block_mask(blocks: torch.Tensor) -> Any:
    """The same mask for FlexAttention (GPU), which skips what nobody may look at instead of computing it."""
    from torch.nn.attention.flex_attention import create_block_mask

    def may_look(sequence: Any, head: Any, ask: Any, told: Any) -> Any:
        own, other = blocks[sequence, ask], blocks[sequence, told]
        return (ask >= told) & ((other == 0) | (other == own)) & ((other != PADDING) | (ask == told))

    return create_block_mask(may_look, blocks.shape[0], None, blocks.shape[1], blocks.shape[1], device=blocks.device)

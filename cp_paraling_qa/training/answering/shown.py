"""What prompts show of the metadata at inference: the controls of the paper's explicit arm.

    none        the bare question, whatever the config's prompts carry
    model       the metadata block, as the dataset carries it, above the question
    shuffled    the same with another clip's block, drawn as `--metadata_shuffle` draws it in training

A config whose prompts carry no metadata (baseline, implicit) gets it from its twin, whose rows are the same questions with the block above them (explicit, combined). So the block is
the one that was rendered when the dataset was built, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.errors import DatasetError
from cp_paraling_qa.schema import compose
from cp_paraling_qa.training.rows import load_rows, steered_prompts

METADATA = ("none", "model", "shuffled")

_TWINS = ("explicit", "combined")
"""The configs whose prompts carry metadata."""

_LISTED = 5


def shown_prompts(rows: Any, mode: str, *, dataset: str, split: str, seed: int = 0) -> list[str]:
    """The prompts of all rows under one of `METADATA`. Rows of text alone keep theirs.

    Args:
        rows: with id, clip_id, question, prompt, metadata.
        mode: one of `METADATA`.
        dataset: where the rows are from: its other configs may hold what they lack.
        split: of the rows.
        seed: of the draw.

    Raises:
        DatasetError: rows for which there is no metadata, by id; an unknown mode.
        TrainingError: all rows are about one clip, so that nothing can be shuffled.
    """
    if mode not in METADATA:
        raise DatasetError(f"metadata {mode!r} is not one of {', '.join(METADATA)}")
    if mode == "none":
        return [prompt if question is None else question for prompt, question in zip(rows["prompt"], rows["question"], strict=True)]
    blocks = metadata_blocks(rows, dataset=dataset, split=split)
    questions = rows["question"]
    prompts = [compose(block, question) if block else prompt for block, question, prompt in zip(blocks, questions, rows["prompt"], strict=True)]
    if mode == "model":
        return prompts
    return steered_prompts(prompts, questions, blocks, rows["clip_id"], shuffle=True, seed=seed)


def metadata_blocks(rows: Any, *, dataset: str, split: str) -> list[str | None]:
    """The metadata block of every row: its own; else that of the same question in explicit or combined; else that of its clip there, if all its rows agree.

    Returns:
        None for rows of text alone.

    Raises:
        DatasetError: there is none for some rows; they are named.
    """
    from cp_paraling_qa.training.rows import silent_rows

    silent = silent_rows(rows)
    ids, clips, types = rows["id"], rows["clip_id"], rows["type"] if "type" in rows.column_names else [None] * len(rows)
    blocks = list(rows["metadata"]) if "metadata" in rows.column_names else [None] * len(rows)
    lacking = [number for number, block in enumerate(blocks) if not block and number not in silent]
    if not lacking:
        return blocks
    by_id, by_clip = _twins(dataset, split)
    for number in lacking:
        clip = by_clip.get((clips[number], types[number])) or by_clip.get((clips[number], None)) or set()
        blocks[number] = by_id.get(ids[number]) or (next(iter(clip)) if len(clip) == 1 else None)
    if missing := [ids[number] for number in lacking if not blocks[number]]:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        raise DatasetError(
            f"{dataset}: no metadata for row {', '.join(map(str, missing[:_LISTED]))}{more}, neither in its column nor in the configs {' or '.join(_TWINS)};"
            " ask one of those configs, build the dataset with them, or pass --metadata none"
        )
    return blocks


def _twins(dataset: str, split: str) -> tuple[Mapping[str, str], Mapping[tuple[str, str | None], set[str]]]:
    """Blocks of explicit and combined: by row, and by clip with the question's type and without one."""
    by_id: dict[str, str] = {}
    by_clip: dict[tuple[str, str | None], set[str]] = {}
    for config in _TWINS:
        try:
            rows: Any = load_rows(dataset, config, split)
        except DatasetError:
            continue
        if "metadata" not in rows.column_names:
            continue
        types: Sequence[Any] = rows["type"] if "type" in rows.column_names else [None] * len(rows)
        for key, clip, kind, block in zip(rows["id"], rows["clip_id"], types, rows["metadata"], strict=True):
            if block:
                by_id[key] = block
                by_clip.setdefault((clip, None), set()).add(block)
                by_clip.setdefault((clip, kind), set()).add(block)
    return by_id, by_clip

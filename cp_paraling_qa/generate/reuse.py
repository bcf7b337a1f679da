"""LLM-written questions of a finished dataset, to be taken over for the clips that it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cp_paraling_qa.errors import DatasetError
from cp_paraling_qa.stage import Row, read_part


def llm_rows(dataset: Path) -> Iterator[Row]:
    """The LLM-written questions of a finished dataset folder, as question rows.

    Raises:
        DatasetError: the folder holds no configuration `implicit`.
    """
    files = sorted((dataset / "data").glob("*/implicit/*.parquet"))
    if not files:
        raise DatasetError(f"{dataset} has no configuration implicit under data/: give a dataset folder that was built with an LLM")
    for path in files:
        for row in read_part(path, ["id", "clip_id", "kind", "type", "difficulty", "question", "answer", "label", "provenance"]):
            made = row.pop("provenance")
            if made["generator"] == "template" or made["generator"].startswith("contrast"):
                continue  # no LLM wrote it: it is made anew where its clips are together again
            yield {
                "qa_id": row.pop("id"),
                **row,
                "evidence": made["evidence"],
                "generator": made["generator"],
                "prompt_hash": made["prompt_hash"],
                "dropped": None,
                "text_answerable": None,
                "contrast_set": None,
                "conflict": None,
            }


def clips_of(dataset: Path) -> set[str]:
    """The clips of a finished dataset folder, those without a kept question among them."""
    return {row["clip_id"] for path in sorted((dataset / "data").glob("*/clips/*.parquet")) for row in read_part(path, ["clip_id"])}

"""Datasets without audio: where a corpus may not be passed on, the rows can be, and its owners put the audio back.

A row of such a dataset holds `audio.path` (relative to the corpus folder), `start` and `end` (seconds in that file) and `clip_id` (the hash of the samples and the
span), so that whoever has the corpus gets the very same bytes, or an error that names the clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cp_paraling_qa import audio
from cp_paraling_qa.errors import AudioError, DatasetError
from cp_paraling_qa.schema import SAMPLING_RATE
from cp_paraling_qa.stage import Row


def reference(clip: Mapping[str, Any]) -> Row:
    """A clip's audio as a dataset of references holds it: no bytes, and where they come from."""
    return {"bytes": None, "path": clip["audio_path"]}


def attach_audio(dataset: Any, root: Path | str | Mapping[str, Path | str]) -> Any:
    """A dataset of references with its audio put back, as a build with audio would have stored it.

    Args:
        dataset: a `Dataset` or `DatasetDict` that `cpqa assemble --reference-only` built, or its folder with the configuration behind a colon
            (`"runs/mine/dataset:implicit"`). Rows that have their audio stay as they are.
        root: the corpus folder; for several corpora, the name in column `corpus` → its folder.

    Returns:
        the dataset, `audio` filled with 16 kHz mono FLAC bytes.

    Raises:
        DatasetError: no folder for a corpus, no start and end in the rows, a file that is missing, or audio that is not what the dataset was built from; names the clip.

    Example:
        attach_audio(load_dataset("runs/mine/dataset", "implicit"), "/data/IEMOCAP_full_release")
    """
    if isinstance(dataset, str | Path):
        from datasets import load_dataset

        folder, _, config = str(dataset).rpartition(":")
        dataset = load_dataset(folder or config, config if folder else None)
    columns = dataset.column_names
    for names in columns.values() if isinstance(columns, dict) else [columns]:
        if missing := {"audio", "clip_id", "start", "end", "corpus"} - set(names):
            raise DatasetError(f"the dataset has no column {', '.join(sorted(missing))}: attach_audio takes what `cpqa assemble --reference-only` built")
    return dataset.map(_with_audio, fn_kwargs={"root": root if isinstance(root, Mapping) else str(root)}, desc="attaching audio")


def _with_audio(row: Row, root: Mapping[str, Path | str] | str) -> Row:
    if row["audio"]["bytes"] is not None:
        return {"audio": row["audio"]}
    folder = root if isinstance(root, str) else root.get(row["corpus"])
    if folder is None:
        raise DatasetError(f"no folder is given for corpus {row['corpus']!r}: root has {', '.join(root) or 'none'}")
    path = Path(folder) / row["audio"]["path"]
    try:
        samples, rate = audio.read(path, start=row["start"], end=row["end"])
    except AudioError as error:
        raise DatasetError(f"clip {row['clip_id']}: {path}: {error}. Give the folder that `cpqa corpus` was given.") from None
    if audio.clip_id(samples, rate, row["start"], row["end"]) != row["clip_id"]:
        raise DatasetError(f"clip {row['clip_id']}: {path} holds other audio than the dataset was built from; it needs the same release of the corpus")
    return {"audio": {"bytes": audio.encode_flac(audio.resample(samples, rate), SAMPLING_RATE), "path": f"{row['clip_id']}.flac"}}

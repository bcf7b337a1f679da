"""The bundled sample: speech that this project made itself, for trying and testing, not for science.

Written by `python -m cp_paraling_qa.sample DIR` with a speech synthesiser, or unpacked from the committed dataset by `unpack`. Layout: that of `folder`. Its
labels are the maker's settings. Licence: CC0-1.0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from cp_paraling_qa.corpora.folder import Folder
from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import read_part, whole_file, write_json


class Sample(Folder):
    """A `folder` under a name of its own."""

    name: ClassVar[str] = "sample"
    license: ClassVar[str | None] = "cc0-1.0"


def unpack(dataset: Path, folder: Path) -> int:
    """Writes the clips of a dataset's configuration `clips` back to a corpus folder, so that a build can start from them.

    Args:
        dataset: a dataset folder.
        folder: the corpus folder; what an earlier call left there is used again.

    Returns:
        the number of clips.

    Raises:
        CorpusError: the dataset has no configuration `clips`.
    """
    files = sorted((dataset / "data").glob("*/clips/*.parquet"))
    if not files:
        raise CorpusError(f"{dataset} has no configuration clips under data/: give a dataset folder that `cpqa build` wrote")
    made_from = {"files": [path.relative_to(dataset).as_posix() for path in files], "sizes": [path.stat().st_size for path in files]}
    marker = folder / ".unpacked.json"
    rows = [row for path in files for row in read_part(path)]
    if marker.exists() and json.loads(marker.read_text(encoding="utf-8"))["key"] == digest(made_from):
        return len(rows)
    lines = []
    for row in rows:
        name = f"audio/{row['clip_id']}.flac"
        with whole_file(folder / name) as beside:
            beside.write_bytes(row["audio"]["bytes"])
        kept = {key: row[key] for key in ("speaker_id", "dialogue_id", "gender", "age", "language", "transcript", "split", "license")}
        opinions = [opinion for opinion in row["opinions"] if opinion["source"] != "model"]  # what a model said is measured afresh
        lines.append(json.dumps({"file_name": name} | kept | {"opinions": opinions}, ensure_ascii=False))
    with whole_file(folder / "metadata.jsonl") as beside:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(marker, {"key": digest(made_from)})
    return len(rows)

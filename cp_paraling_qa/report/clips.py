"""What a dataset knows of the clips that predictions are about: gender and length for slices, and audio for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cp_paraling_qa.audio import duration_of
from cp_paraling_qa.errors import AudioError, DatasetError
from cp_paraling_qa.judge.slicing import FACTS


class Clips:
    """The clips of a dataset that predictions are about.

    Attributes:
        facts: clip id → emotion, gender, speaker_id, corpus, language, duration (seconds), where known.
        missing: clip ids that the dataset does not have, sorted.
    """

    def __init__(self, wanted: set[str], tables: Iterator[Any]) -> None:
        self.facts: dict[str, dict[str, Any]] = {}
        self._places: dict[str, tuple[Any, int]] = {}
        for table in tables:
            self._add(wanted, table)
            if wanted <= self._places.keys() and all(facts.get("gender") and facts.get("duration") for facts in self.facts.values()):
                break
        self.missing = sorted(wanted - self.facts.keys())
        for clip in self._places:
            if self.facts[clip].get("duration") is None:
                self.facts[clip]["duration"] = _seconds(self._cell(clip))

    @classmethod
    def load(cls, dataset: str, rows: Sequence[Mapping[str, Any]]) -> Clips:
        """The clips of some predictions, out of all splits of the configs that the predictions name, and of the config `clips`.

        Args:
            dataset: a dataset folder or a Hub id; `cp_paraling_qa` is the bundled sample.
            rows: predictions.

        Raises:
            DatasetError: no such dataset, or none of the clips is in it.
        """
        wanted = {row["clip_id"] for row in rows if row.get("clip_id")}
        if not wanted:
            raise DatasetError(f"{dataset} cannot be joined: no prediction has a clip_id")
        named = {row.get("config") for row in rows}
        found = cls(wanted, _tables(dataset, named))
        if not found.facts:
            raise DatasetError(f"{dataset} has none of the {len(wanted)} clips of the predictions, e.g. {min(wanted)}: give the dataset that they answer")
        return found

    def audio(self, clip: str) -> bytes | None:
        """The bytes of a clip's audio file; None where the dataset has none."""
        cell = self._cell(clip) if clip in self._places else None
        if not cell:
            return None
        if cell.get("bytes"):
            return bytes(cell["bytes"])
        path = Path(cell.get("path") or "")
        return path.read_bytes() if path.is_file() else None

    def _cell(self, clip: str) -> Any:
        table, number = self._places[clip]
        return table[number]["audio"]

    def _add(self, wanted: set[str], table: Any) -> None:
        columns = [name for name in FACTS if name in table.column_names]
        sound = table.select_columns(["audio"]) if "audio" in table.column_names else None
        for number, row in enumerate(table.select_columns(["clip_id", *columns])):
            if row["clip_id"] not in wanted:
                continue
            known = self.facts.setdefault(row["clip_id"], {})
            known |= {name: row[name] for name in columns if row[name] is not None and known.get(name) is None}
            if sound is not None:
                self._places.setdefault(row["clip_id"], (sound, number))


def _tables(dataset: str, named: set[Any]) -> Iterator[Any]:
    """Rows with a clip_id, audio left encoded: first the configs that are named, then `clips`, which knows lengths; others where neither is there."""
    from datasets import Audio, get_dataset_config_names, load_dataset

    path = str(Path(__file__).resolve().parent.parent) if dataset == "cp_paraling_qa" and not Path(dataset).is_dir() else dataset
    try:
        names = get_dataset_config_names(path)
        for name in [name for name in names if name in named or name == "clips"] or names:
            for rows in load_dataset(path, name).values():
                if "clip_id" in rows.column_names:
                    yield rows.cast_column("audio", Audio(decode=False)) if getattr(rows.features.get("audio"), "decode", False) else rows
    except (ValueError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"{dataset} cannot be loaded ({reason}); give the dataset folder that `cpqa build` wrote, or a Hub id") from error


def _seconds(cell: Any) -> float | None:
    """Length of a clip by its header; None where there is no audio or it cannot be read: a slice less, not an error."""
    try:
        return float(duration_of(cell)) if cell else None
    except AudioError:
        return None

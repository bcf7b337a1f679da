"""Rows of any dataset for an audit: our columns as far as it has them, without its audio, as often as one likes.

    cp_paraling_qa                                  the bundled sample
    runs/mine/dataset, org/name                     a folder or a Hub id with the configurations and splits of its README.md
    runs/mine/questions                             question rows of a run; those that were dropped are passed over
    questions.jsonl (.json, .csv, .tsv, .parquet, .arrow)   a file, ours or not, with at least the columns question and answer

Only the light columns are read: of Parquet files and Hub datasets the audio is never fetched. Nothing of a dataset is executed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cp_paraling_qa.corpora.hub import partition
from cp_paraling_qa.errors import DatasetError
from cp_paraling_qa.generate.audit.sources import COLUMNS, FLAGS, TEXTS, Row, open_source
from cp_paraling_qa.generate.records import qa_id

_YES, _NO = {"true", "1", "yes"}, {"false", "0", "no"}


class DatasetRows:
    """The rows of a dataset; iterate as often as you like.

    Every row has the keys of `COLUMNS` and `split`; what the dataset does not have, or holds no value for, is None. Rows without a question or an answer are passed over and
    counted in `skipped`. A row without an id of its own gets one from its content.

    Args:
        dataset: a folder, a file, a Hub id, or `cp_paraling_qa` for the bundled sample.
        config: a configuration; None for the dataset's default.
        split: of train, validation, test, …; None for all.

    Attributes:
        columns: those of `COLUMNS` that the dataset has, and `split` where its splits have names.
        skipped: of the last walk: rows passed over, by reason.

    Raises:
        DatasetError: no such dataset, configuration or split; no column question or answer.
    """

    def __init__(self, dataset: str | Path, *, config: str | None = None, split: str | None = None) -> None:
        self.name, self.split = str(dataset), split
        self.skipped: Counter[str] = Counter()
        self._source = open_source(dataset, config)
        self.config = self._source.config
        known = [name for name in self._source.splits if name is not None]
        if split is not None and split not in known:
            raise DatasetError(f"{dataset} has no split {split!r}: there {'are ' + ', '.join(known) if known else 'is no division into splits'}")
        columns = self._source.columns
        self.columns = {"qa_id" if name == "id" else name for name in columns if name in (*COLUMNS, "id")}
        if known or "split" in columns:
            self.columns.add("split")
        if missing := [name for name in ("question", "answer") if name not in self.columns]:
            where = f"{dataset}, configuration {self.config}" if self.config else str(dataset)
            raise DatasetError(
                f"{where}: no column {' and no column '.join(missing)} (there are {', '.join(sorted(columns)) or 'none'}): an audit needs question and answer"
            )

    def __iter__(self) -> Iterator[Row]:
        """All rows, in order.

        Raises:
            DatasetError: a file is damaged, or nothing is left of all rows.
        """
        self.skipped = Counter()
        found = False
        for split, values in self._source.rows(self.split):
            row = self._row(values, split)
            if row is not None:
                found = True
                yield row
        if not found:
            reasons = ", ".join(f"{count} × {reason}" for reason, count in self.skipped.items()) or "no rows at all"
            raise DatasetError(f"{self.name} has no row with a question and an answer ({reasons})")

    def _row(self, values: Mapping[str, Any], split: str | None) -> Row | None:
        row: Row = {name: _text(values.get(name)) for name in TEXTS}
        for name in ("question", "answer"):
            if not isinstance(values.get(name), str) or not (row[name] or "").strip():
                kind = (
                    "no " + name
                    if values.get(name) in (None, "") or isinstance(values.get(name), str)
                    else f"{name} is a {type(values[name]).__name__}, not a text"
                )
                self.skipped[kind] += 1
                return None
        if row["dropped"] is not None:
            self.skipped[f"dropped when it was made: {row['dropped']}"] += 1
            return None
        row |= {name: _flag(values.get(name)) for name in FLAGS}
        made = values.get("provenance")
        made = made if isinstance(made, Mapping) else {}
        row["generator"] = _text(values.get("generator", made.get("generator")))
        row["evidence"] = _evidence(values.get("evidence", made.get("evidence")))
        row["provenance"] = made or None
        row["split"] = split if split is not None else partition(_text(values.get("split")))
        own = _text(values.get("qa_id")) or _text(values.get("id"))
        row["qa_id"] = own or qa_id(row["clip_id"] or f"{row['speaker_id']}\x1e{row['transcript']}", row["question"], row["answer"])
        return row


def _text(value: Any) -> str | None:
    """A text, or a number as text; None for anything else and for empty cells."""
    if isinstance(value, bool) or value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    text = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
    return text if text.strip() else None


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = (_text(value) or "").strip().lower()
    return True if text in _YES else False if text in _NO else None


def _evidence(value: Any) -> list[str] | None:
    """Names of the fields that an answer rests on; None where the row does not say."""
    if not isinstance(value, list):
        return None
    return [name for item in value if (name := _text(item.get("field") if isinstance(item, Mapping) else item))]

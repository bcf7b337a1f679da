"""Where the rows of a dataset are: files on the disk, or a Hub id; their columns, configuration and splits, and a walk over the light columns."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cp_paraling_qa.corpora.hub import File, card, dataset_files, partition
from cp_paraling_qa.corpora.tables import arrow_batches
from cp_paraling_qa.errors import CorpusError, DatasetError

Row = dict[str, Any]

TEXTS = (
    *("question", "answer", "transcript", "emotion", "label", "type", "kind", "difficulty", "gender", "language"),
    *("clip_id", "speaker_id", "corpus", "contrast_set", "dropped"),
)
FLAGS = ("text_answerable", "conflict")
COLUMNS = ("qa_id", *TEXTS, *FLAGS, "provenance", "evidence", "generator")
"""What is read, where it is there; `id` serves as qa_id."""
BATCH = 1024
BUNDLED = "cp_paraling_qa"
_TABLES = {".parquet", ".arrow", ".jsonl", ".json", ".csv", ".tsv"}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_ORDER = ("train", "validation", "test")


class Files:
    """Files of a dataset on the disk."""

    def __init__(self, files: list[File], config: str | None, class_names: Any = None) -> None:
        self.files, self.config, self._names = files, config, class_names
        self.splits = sorted({file.split for file in files}, key=_place)
        self.columns = {name for file in files for name in _columns(file.path)}

    def rows(self, split: str | None) -> Iterator[tuple[str | None, Row]]:
        """Every row of a split, None for all: the split's name, and the row's values."""
        for file in self.files:
            if split is None or file.split == split:
                names = {column: found for column in TEXTS if (found := self._names(column))} if self._names else {}
                for row in _read(file.path, names):
                    yield file.split, row


class Hub:
    """A dataset that `datasets` streams: stock, without a line of its code, and without its audio."""

    def __init__(self, dataset: str, config: str | None) -> None:
        from datasets import get_dataset_config_names, get_dataset_default_config_name, get_dataset_split_names

        self.dataset = dataset
        try:
            if config is None and (config := get_dataset_default_config_name(dataset)) is None:
                raise DatasetError(f"{dataset} has the configurations {', '.join(get_dataset_config_names(dataset))}: name one with --config")
            self.config: str | None = config
            self._given = {partition(name) or name: name for name in get_dataset_split_names(dataset, config)}
            self.splits: list[str | None] = list(self._given)
            self.columns = set(self._stream(next(iter(self._given.values())), None).features or {})
        except (OSError, ValueError) as error:  # of `datasets` and the Hub: nothing there, gated, offline
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(
                f"{dataset} is neither a folder or file here, nor can it be read from the Hub ({_first(error)}): "
                f"check the name, accept its terms and `hf auth login` where it is gated, or download it and give its folder"
            ) from None

    def _stream(self, split: str, columns: list[str] | None) -> Any:
        """A streamed split; with `columns`, those alone are fetched, where the format can."""
        from datasets import load_dataset

        if columns is None:
            found = load_dataset(self.dataset, self.config, split=split, streaming=True)
            return found if found.features is not None else found._resolve_features()
        try:
            return load_dataset(self.dataset, self.config, split=split, streaming=True, columns=columns)
        except (TypeError, ValueError):  # a text format knows no choice of columns, and carries no audio
            return load_dataset(self.dataset, self.config, split=split, streaming=True).select_columns(columns)

    def rows(self, split: str | None) -> Iterator[tuple[str | None, Row]]:
        """Every row of a split, None for all: the split's name, and the row's values.

        Raises:
            DatasetError: the Hub went away.
        """
        wanted = sorted(self.columns & {*COLUMNS, "id", "split"})
        for name, given in self._given.items():
            if split is None or name == split:
                try:
                    found = self._stream(given, wanted)
                    classes = {column: feature.names for column, feature in (found.features or {}).items() if hasattr(feature, "int2str")}
                    for row in found:
                        yield name, _named(row, classes)
                except OSError as error:
                    raise DatasetError(
                        f"{self.dataset}, split {given}: reading broke off ({_first(error)}): try again, or download it and give its folder"
                    ) from None


def _first(error: Exception) -> str:
    """An error's first line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _place(split: str | None) -> tuple[int, str]:
    """Train, validation, test, test1, …; nameless ones last."""
    return (_ORDER.index(split) if split in _ORDER else len(_ORDER), split or "~")


def open_source(dataset: str | Path, config: str | None) -> Files | Hub:
    """Finds a dataset.

    Args:
        dataset: a folder, a file, a Hub id, or `cp_paraling_qa` for the bundled sample.
        config: a configuration; None for the default one.

    Raises:
        DatasetError: there is none, or no such configuration.
    """
    path = Path(dataset).expanduser()
    if str(dataset) == BUNDLED and not path.exists():
        path = Path(__file__).resolve().parents[2]  # called from elsewhere than the checkout's root
    if path.is_file():
        if path.suffix.lower() not in _TABLES:
            raise DatasetError(f"{path}: give a dataset folder, a Hub id, or a file of {', '.join(sorted(_TABLES))}")
        if config is not None:
            raise DatasetError(f"{path} is a file and has no configuration {config!r}: leave --config out")
        return Files([File(path, None)], None)
    if path.is_dir():
        found = card(path)
        config = config or found.default
        try:
            files = [file for file in dataset_files(path, config) if file.path.suffix.lower() in _TABLES]
        except CorpusError as error:
            raise DatasetError(str(error).replace("the option subset", "--config")) from None
        if not files:
            raise DatasetError(f"{path} holds no table ({', '.join(sorted(_TABLES))}): give the folder that `cpqa build` wrote, or a file")
        return Files(files, config, lambda column: found.class_names(column, config))
    if not _HUB_ID.fullmatch(str(dataset)):
        raise DatasetError(f"{dataset} does not exist: give a dataset folder, a Parquet or JSONL file, or a Hub id such as org/name")
    return Hub(str(dataset), config)


def _columns(path: Path) -> list[str]:
    """Names of a file's columns; of JSON, those of the first hundred rows."""
    if path.suffix.lower() in (".parquet", ".arrow"):
        return list(_table(path).schema.names)
    found: dict[str, None] = {}
    for number, row in enumerate(_read_text(path)):
        found |= dict.fromkeys(row)
        if number == 100:
            break
    return list(found)


def _table(path: Path) -> Any:
    from cp_paraling_qa.corpora.tables import Table

    try:
        return Table(path)
    except CorpusError as error:
        raise DatasetError(str(error)) from None


def _read(path: Path, names: Mapping[str, list[str]]) -> Iterator[Row]:
    if path.suffix.lower() not in (".parquet", ".arrow"):
        yield from (_named(row, names) for row in _read_text(path))
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _table(path)
    wanted = [name for name in table.schema.names if name in (*COLUMNS, "id", "split")]
    classes = {name: found for name in wanted if (found := table.class_names(name) if name in table.nodes else None)} or dict(names)
    try:
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
                    yield from (_named(row, classes) for row in batch.to_pylist())
            return
        with pa.memory_map(str(path)) as source:  # only the columns that are asked for are ever touched
            for batch in arrow_batches(source):
                for start in range(0, batch.num_rows, BATCH):
                    yield from (_named(row, classes) for row in batch.slice(start, BATCH).select(wanted).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path} is damaged ({_first(error)}): get it again") from None


def _read_text(path: Path) -> Iterator[Row]:
    number = 1
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".csv", ".tsv"):
                csv.field_size_limit(2**31 - 1)  # a transcript may be longer than the 128 KiB that it is set to
                lines = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
                for row in lines:
                    number = lines.line_num
                    row.pop(None, None)  # cells beyond the header
                    yield row
                return
            if path.suffix.lower() == ".json" and _begins_with_list(path):
                rows = json.load(file)
                for number, row in enumerate(rows, 1):
                    yield _object(row, f"{path}, row {number}")
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _object(json.loads(line), f"{path}, line {number}")
    except DatasetError:
        raise
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not in UTF-8 ({error.reason}): save it as UTF-8") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise DatasetError(f"{path}, line {number}: {error}; the file may have been cut while it was written") from None


def _begins_with_list(path: Path) -> bool:
    with open(path, encoding="utf-8-sig") as file:
        return file.read(4096).lstrip().startswith("[")


def _object(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: a {type(row).__name__}, not a JSON object")
    return row


def _named(row: Mapping[str, Any], classes: Mapping[str, list[str]]) -> Row:
    """Class numbers as their names."""
    named = dict(row)
    for column, names in classes.items():
        if isinstance(value := named.get(column), int) and not isinstance(value, bool):
            named[column] = names[value] if 0 <= value < len(names) else None
    return named

"""Any dataset on the Hugging Face Hub, or in its formats on the disk, that has a column of audio.

    org/name                                          a Hub id: the files are downloaded into the Hub's cache
    data/train-00000-of-00002.parquet …               Parquet files, with the audio in them or paths to files
    dataset_dict.json, train/data-00000-of-00001.arrow …   what `save_to_disk` wrote
    train/metadata.csv (.jsonl, .parquet), train/0001.wav …   the audiofolder convention; without metadata a sub-folder's name is the column `label`
    train.csv (.tsv, .jsonl) with a column of paths   named with the column map: audio=path

`columns` maps our columns to the dataset's: transcript, speaker_id, dialogue_id, gender, age, language, split, license, start, end; as short forms of opinions
emotion, intensity, accent (labels) and arousal, valence, dominance (0–1); and audio, where there are several columns of audio. With a map, only what it names is
taken; without one, the columns that bear our own names. A field inside a struct is named with a dot (`context.text`). Class numbers become their names, and a list of
labels several opinions that share one vote. `start` and `end` are taken from the map alone where the table holds the audio: elsewhere they mostly tell
where a clip was cut from. `subset` is the configuration, `revision` a branch, tag or commit.

Splits called train, validation (dev, valid) and test are the corpus's partitions; others are none. Code in a dataset is never executed. Licence: the
dataset's card says it; whether the audio may be passed on is for its reader to find out, so it counts as not redistributable.
Lhoest et al. (2021), Datasets: A Community Library for Natural Language Processing, EMNLP, doi 10.18653/v1/2021.emnlp-demo.21.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES, existing_root, record
from cp_paraling_qa.corpora.cells import clip_columns
from cp_paraling_qa.corpora.hub import PACKED, TABLES, File, card, dataset_files, snapshot
from cp_paraling_qa.corpora.tables import Found, Table, audio_column, lost
from cp_paraling_qa.errors import CorpusError, LabelError
from cp_paraling_qa.stage import Drop, Row

COLUMNS = (
    *("audio", "transcript", "speaker_id", "dialogue_id", "gender", "age", "language", "split", "license", "start", "end"),
    *("emotion", "arousal", "valence", "dominance", "intensity", "accent"),
)
_OWN = ("words", "opinions")  # lists, as only datasets built here have them
_PATHS = ("file_name", "audio", "audio_file_name")
"""Columns of paths by convention; others have to be named."""


class TextTable:
    """A table of text (CSV, TSV, JSON lines) with a column of paths; looks like a `Table`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            first = next(self._lines(), {})
        except (csv.Error, ValueError) as error:
            raise CorpusError(f"table is damaged: {path}: {error}") from None
        self.nodes = dict.fromkeys(first)
        self.columns = list(first)
        self.audio = [name for name in _PATHS if name in first][:1]

    def class_names(self, column: str) -> list[str] | None:
        """None: text has names already."""
        return None

    def rows(self, columns: Sequence[str], audio: str) -> Iterator[Found]:
        """Every row, as `Table.rows` gives it."""
        try:
            for number, row in enumerate(self._lines()):
                yield Found(number, {name: row.get(name) for name in columns}, False, row.get(audio), None)
        except (csv.Error, ValueError) as error:
            raise CorpusError(f"table is damaged: {self.path}: {error}") from None

    def _lines(self) -> Iterator[dict[str, Any]]:
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            if self.path.suffix.lower() == ".jsonl":
                for row in (json.loads(line) for line in file if line.strip()):
                    if not isinstance(row, dict):
                        raise ValueError("a line is not a JSON object")
                    yield row
            else:
                reader = csv.DictReader(file, strict=True, delimiter="\t" if self.path.suffix.lower() == ".tsv" else ",")
                for row in reader:
                    if None in row:
                        raise ValueError(f"line {reader.line_num} has more cells than the header has columns")
                    yield row


def open_table(path: Path) -> Table | TextTable:
    """A table by its suffix."""
    return Table(path) if path.suffix in (".parquet", ".arrow") else TextTable(path)


class _Plan(NamedTuple):
    """What is read from every table of a dataset."""

    audio: str
    columns: dict[str, str]  # ours → theirs
    defaults: dict[str, str | None]  # what the dataset's card says of all rows


class Hf:
    """Reads datasets with a column of audio; see the module.

    Args:
        columns: our column → the dataset's.
        subset: configuration.
        revision: branch, tag or commit on the Hub; None for main.

    Raises:
        CorpusError: `columns` names a column that is none of ours.
    """

    name: ClassVar[str] = "hf"
    layout: ClassVar[str] = "a Hub id (org/name), or a folder of Parquet files, of save_to_disk, or of the audiofolder convention"
    license: ClassVar[str | None] = None
    redistributable: ClassVar[bool] = False

    def __init__(self, columns: Mapping[str, str] | None = None, subset: str | None = None, revision: str | None = None) -> None:
        if columns is not None and not (isinstance(columns, Mapping) and all(isinstance(part, str) for pair in columns.items() for part in pair)):
            raise CorpusError("columns is no map from our columns to the dataset's, e.g. {'transcript': 'sentence'}")
        if unknown := set(columns or {}) - set(COLUMNS):
            raise CorpusError(f"the column map names {', '.join(sorted(unknown))}, which a clip does not have: it has {', '.join(COLUMNS)}")
        self.columns, self.subset, self.revision = dict(columns or {}), subset, revision

    def locate(self, root: str) -> Path:
        """The folder that `root` names: itself, or the snapshot of a dataset on the Hub.

        Raises:
            CorpusError: see `hub.snapshot`.
        """
        return snapshot(root, self.layout, revision=self.revision, subset=self.subset)

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every row of every table in a fixed order, then the sounds that no table names."""
        files = dataset_files(existing_root(root, self.layout), self.subset)
        tables = [file for file in files if file.path.suffix.lower() in TABLES]
        sounds = {file.path.relative_to(root).as_posix(): file for file in files if file.path.suffix.lower() in AUDIO_SUFFIXES}
        if not tables and not sounds:
            packed = any(file.path.suffix.lower() in PACKED for file in files)
            raise CorpusError(
                f"no table and no audio below {root}: {self.layout}"
                + ("; it holds archives: unpack them, and give the folder they came into" if packed else "")
            )
        if not tables:
            yield from self._labelled_by_folder(sounds, self._defaults(root))
            return
        plan, named = self._plan(root, tables, bool(sounds)), set[str]()
        for file in tables:
            try:
                yield from self._rows(root, file, plan, sounds, named)
            except CorpusError as error:
                yield lost(file.path, root, error)
        for orphan in sorted(sounds.keys() - named):
            yield Drop(orphan, "file without a row", "no table names it: add a row, or remove the file")

    def _defaults(self, root: Path) -> dict[str, str | None]:
        found = card(root)
        return {"license": found.text("license"), "language": found.text("language")}

    def _plan(self, root: Path, files: Sequence[File], sounds: bool) -> _Plan:
        """Which columns are read, from one table of each split: test splits often lack the labels."""
        samples: dict[str | None, Table | TextTable] = {}
        why = ""
        for file in files:
            if file.split not in samples:
                try:
                    samples[file.split] = open_table(file.path)
                except CorpusError as error:
                    why = str(error)
        if not samples:
            raise CorpusError(f"no table below {root} can be read: {why}")
        tables = list(samples.values())
        wanted = self.columns.get("audio")
        if wanted is None and sounds and not any(table.audio for table in tables):  # metadata.parquet
            wanted = next((name for name in _PATHS if any(name in table.nodes for table in tables)), None)
        audio = audio_column(tables, wanted)  # type: ignore[arg-type]  # a TextTable has the same names
        there = list(dict.fromkeys(name for table in tables for name in table.columns))
        if missing := [theirs for theirs in self.columns.values() if theirs != audio and theirs not in there]:
            raise CorpusError(f"the column map names {', '.join(missing)}, which the dataset does not have: it has {', '.join(there)}")
        columns = self.columns or {name: name for name in (*COLUMNS, *_OWN) if name in there}
        return _Plan(audio, {ours: theirs for ours, theirs in columns.items() if ours != "audio" and theirs != audio}, self._defaults(root))

    def _rows(self, root: Path, file: File, plan: _Plan, sounds: Mapping[str, File], named: set[str]) -> Iterator[Row | Drop]:
        table = open_table(file.path)
        where = file.path.relative_to(root).as_posix()
        if plan.audio not in table.nodes:
            yield Drop(where, "table without the column of audio", f"no column {plan.audio}; its columns are {', '.join(table.nodes)}")
            return
        classes = {
            theirs: table.class_names(theirs) or card(root).class_names(theirs, self.subset) for theirs in plan.columns.values() if theirs in table.nodes
        }
        for found in table.rows(list(dict.fromkeys(plan.columns.values())), plan.audio):
            values = {ours: class_name(found.values.get(theirs), classes.get(theirs)) for ours, theirs in plan.columns.items()}
            place: str | Drop = f"{where}#{found.number}/{plan.audio}"
            split = file.split
            if not found.embedded:
                place = audio_file(root, file.path, found, f"{where} row {found.number}")
                if isinstance(place, str):
                    named.add(place)
                    split = sounds[place].split if place in sounds else split
            elif "start" not in self.columns:
                values.pop("start", None)
                values.pop("end", None)
            yield place if isinstance(place, Drop) else clip(place, values, split, plan.defaults)

    def _labelled_by_folder(self, sounds: Mapping[str, File], defaults: Mapping[str, str | None]) -> Iterator[Row | Drop]:
        """Audio without any table: each file's folder is its label, if the map asks for it."""
        theirs = set(self.columns.values())
        if theirs - {"label"}:
            raise CorpusError(f"the column map names {', '.join(sorted(theirs - {'label'}))}, but audio files without metadata have one column only: label")
        for where, file in sounds.items():
            yield clip(where, dict.fromkeys(self.columns, PurePosixPath(where).parent.name), file.split, defaults)


def class_name(value: Any, names: Sequence[str] | None) -> Any:
    """A class number's name (None for -1, which means no label); anything else as it is."""
    if names is None:
        return value
    if isinstance(value, list):
        return [class_name(one, names) for one in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else None
    return value


def clip(place: str, values: Mapping[str, Any], split: str | None, defaults: Mapping[str, str | None]) -> Row | Drop:
    """A record of a row's values under our names; or why it is none."""
    try:
        given = {key: value for key, value in values.items() if value is not None}
        columns = clip_columns({**defaults, **given})
    except LabelError as error:
        reason, _, detail = str(error).partition(": ")
        return Drop(place, reason, detail)
    columns["split"] = columns["split"] if "split" in given else split
    return record(place, **columns)


def audio_file(root: Path, table: Path, found: Found, row: str) -> str | Drop:
    """The file that a row without audio names, relative to the root; as a path from the table's folder, or else from the root."""
    if not isinstance(found.path, str) or not found.path.strip():
        return Drop(row, "row without audio", "neither the audio nor a path to it")
    path = PurePosixPath(found.path.strip().replace("\\", "/"))
    if "::" in found.path or "://" in found.path:
        return Drop(row, "audio inside an archive or on the web", found.path)
    if path.is_absolute() and Path(path).is_relative_to(root.resolve()):
        path = PurePosixPath(Path(path).relative_to(root.resolve()).as_posix())
    if path.is_absolute() or ".." in path.parts:
        return Drop(row, "path leaves the dataset's folder", f"{found.path}: copy the audio below {root}, or save the dataset with save_to_disk")
    for folder in (table.parent, root):
        if (folder / path).is_file():
            return (folder / path).relative_to(root).as_posix()
    return Drop(row, "row whose file is missing", f"{found.path} is neither beside {table.name} nor below {root}")

"""EmoBox: 32 emotion corpora in 14 languages, described in one form.

The repository (https://github.com/emo-box/EmoBox) holds the descriptions; the audio of each corpus is the user's to get and to lay under downloads/.

    data/iemocap/iemocap.jsonl        one object a line (a JSON array, or the .json beside it, is read as well): key, dataset, wav, type, sample_rate, num_frame,
                                      task, length, emo, channel; start_time and end_time in seconds where the file is one long recording (pavoque)
    data/iemocap/label_map.json       (in emovo label_dict.json) the corpus's codes → English words ("exc" → "Happy": EmoBox merges here, and so do we)
    data/meld/fold_1/meld_{train,valid,test}_fold_1.jsonl
    downloads/iemocap/…               where `wav` points; a .wav of the same stem is read in place of a video

Every dataset in data/ is read; those whose table is empty in the repository (ESD, M3ED, MEAD, MSP-Podcast) or whose audio is not there are drops. Codes are looked
up whatever their case ("neutral" under "Neutral"), "boredem" is boredom, of two words with a comma the first is taken, and "no-agreement" is no opinion. Folds are EmoBox's cross-validation, not official partitions; a corpus with one
fold that has a validation set, or several tests, has them from its makers (MELD, MER2023): these are the partitions here. `channel` is not used: EmoBox itself
mixes all.

Who speaks stands nowhere: it is read off the file's name where a corpus names its files by speaker (for IEMOCAP the session and the letter of the *turn*), else
nobody is named. Where actors were told what to play and the name of the file says it, the label is acted; elsewhere it is what annotators agreed on, without
names. A task other than category (valence, arousal, dominance) is a score, on 0–1 only. Features (`type` feature) are no audio.

Licence: the descriptions MIT; each corpus's audio has its own, which is not said here and mostly forbids passing it on. Ma et al. (2024), EmoBox: Multilingual
Multi-corpus Speech Emotion Recognition Toolkit and Benchmark, Interspeech, arXiv 2406.07162.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES, beside, existing_root, record
from cp_paraling_qa.corpora.walking import folders
from cp_paraling_qa.errors import CorpusError, LabelError
from cp_paraling_qa.labels import known_emotion
from cp_paraling_qa.schema import ACTED, AXES, Opinion, opinion
from cp_paraling_qa.stage import Drop, Row

LANGUAGES = {
    **dict.fromkeys(("cremad", "emns", "emovdb", "enterface", "iemocap", "jlcorpus", "mead", "meld", "msppodcast", "ravdess", "savee", "tess"), "en"),
    **dict.fromkeys(("casia", "m3ed", "mer2023"), "zh"),
    **dict.fromkeys(("cafe", "oreau"), "fr"),
    **dict.fromkeys(("emodb", "pavoque"), "de"),
    **dict.fromkeys(("emovo", "emozionalmente"), "it"),
    **{"aesdd": "el", "ased": "am", "mesd": "es", "polish": "pl", "resd": "ru", "shemo": "fa", "subesco": "bn", "turevdb": "tr", "urdu": "ur"},
}
"""Of the corpora in one language, by EmoBox's table; ASVP-ESD and ESD mix several."""

LISTENED = {"asvpesd", "iemocap", "m3ed", "meld", "mer2023", "msppodcast", "shemo", "urdu"}
"""Whose labels annotators gave; the others' are what the speakers were told to play."""

# By the corpora's own documentation. Each finds the speaker in a file's name, without its suffix; no two of these corpora have a name in common.
_SPEAKERS = {
    "cremad": r"(\d{4})_[A-Z]{3}_[A-Z]{3}_[A-Z]{1,2}",
    "emodb": r"(\d\d)[ab]\d\d[A-Z][a-z]?",
    "esd": r"(00\d\d)_\d{6}",
    "ravdess": r"\d\d-\d\d-\d\d-\d\d-\d\d-\d\d-(\d\d)",
    "emovo": r"[a-z]{3}-([fm]\d)-[a-z]+\d+",
    "tess": r"(OAF?|YAF)_[a-z'-]+_[a-z]+",
}
_WORDS = {"boredem": "boredom", "disappointment, disapproval": "disappointment", "pain, groan": "pain"}


class EmoBox:
    """Reads the repository with its downloads; see the module."""

    name: ClassVar[str] = "emobox"
    layout: ClassVar[str] = "the EmoBox repository: data/<dataset>/<dataset>.jsonl, label_map.json, and the audio under downloads/"
    license: ClassVar[str | None] = None
    redistributable: ClassVar[bool] = False

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every row, dataset by dataset; then the audio files that no row names."""
        data = existing_root(root, self.layout) / "data"
        datasets = sorted(p for p in data.iterdir() if p.is_dir() and not p.name.startswith(".")) if data.is_dir() else []
        datasets = [p for p in datasets if _table(p) or (p / "label_map.json").is_file()]
        if not datasets:
            raise CorpusError(f"no data/<dataset>/<dataset>.jsonl below {root}: give {self.layout}")
        named: set[str] = set()
        for folder in datasets:
            yield from self._dataset(root, folder, named)
        for place, names in folders(root / "downloads") if (root / "downloads").is_dir() else ():
            for name in names:
                where = (place / name).relative_to(root).as_posix()
                if Path(name).suffix.lower() in AUDIO_SUFFIXES and where not in named:
                    yield Drop(where, "file without a label", "no row of any dataset names it")

    def _dataset(self, root: Path, folder: Path, named: set[str]) -> Iterator[Row | Drop]:
        table = _table(folder)
        place = (table or folder / f"{folder.name}.jsonl").relative_to(root).as_posix()
        labels = _label_map(folder / "label_map.json") or _label_map(folder / "label_dict.json")  # EMOVO's is called so
        splits = _official_splits(folder)
        rows = 0
        for line, row in _rows(table) if table else ():
            rows += 1
            if not isinstance(row, dict) or not isinstance(row.get("wav"), str):
                yield Drop(f"{place} line {line}", "not an EmoBox row", "expected a JSON object with key, wav and emo" if row is None else f"{row!r:.80}")
                continue
            yield self._clip(root, folder.name, row, labels, splits, named)
        if not rows:
            yield Drop(place, "dataset without rows", "its table is empty or missing: EmoBox makes it from the user's own copy, with EmoBox/preprocess")

    def _clip(self, root: Path, dataset: str, row: Row, labels: dict[str, str], splits: dict[str, str], named: set[str]) -> Row | Drop:
        key, wav = str(row.get("key") or row["wav"]), PurePosixPath(row["wav"].replace("\\", "/"))
        if row.get("type", "raw") != "raw":
            return Drop(key, "features, not audio", f"type is {row['type']}")
        if wav.is_absolute() or ".." in wav.parts:
            return Drop(key, "path leaves the corpus folder", str(wav))
        path = root / wav
        path = path if path.suffix.lower() in AUDIO_SUFFIXES else beside(path)
        if not path.is_file():
            return Drop(key, "file is missing", f"{wav} is not there: lay the corpus under downloads/ as its table says")
        where = path.relative_to(root).as_posix()
        spans = [row.get(name) for name in ("start_time", "end_time")]
        start, end = (float(t) if isinstance(t, int | float) else None for t in spans)
        if where in named and start is None:
            return Drop(key, "duplicate row", f"an earlier row names {where}")
        named.add(where)
        try:
            opinions = _opinions(dataset, row, labels)
        except LabelError as error:
            reason, _, detail = str(error).partition(": ")
            return Drop(key, reason, detail)
        speaker, gender, dialogue = _who(dataset, path.stem, key)
        return record(
            where,
            start=start if end is not None else None,
            end=end if start is not None else None,
            speaker_id=speaker,
            gender=gender,
            dialogue_id=dialogue,
            language=LANGUAGES.get(dataset),
            split=splits.get(key),
            opinions=opinions,
        )


def _table(folder: Path) -> Path | None:
    """A dataset's table: its .jsonl, else its .json."""
    return next((path for path in (folder / f"{folder.name}.jsonl", folder / f"{folder.name}.json") if path.is_file()), None)


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Rows of a table with their numbers: JSON lines, a JSON array, or an object of rows by key; None for a line that is not JSON."""
    with open(path, encoding="utf-8-sig") as file:
        start = file.readline()
        while start and not start.strip():
            start = file.readline()
        file.seek(0)
        lines = path.suffix == ".jsonl" and start.lstrip().startswith("{") and start.rstrip().endswith("}")
        if not lines:
            try:
                whole = json.load(file) if start else []
            except ValueError:
                file.seek(0)
                lines = True
            else:
                items = [{"key": key} | row if isinstance(row, dict) else row for key, row in whole.items()] if isinstance(whole, dict) else whole
                yield from enumerate(items if isinstance(items, list) else [items], 1)
                return
        file.seek(0)
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except ValueError:
                    yield number, None


def _label_map(path: Path) -> dict[str, str]:
    """Codes in lower case → words in lower case; empty where there is no map, or none that can be read."""
    try:
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return {str(code).strip().lower(): str(name).strip().lower() for code, name in given.items()} if isinstance(given, dict) else {}


def _official_splits(folder: Path) -> dict[str, str]:
    """Key → partition, for a corpus that has one from its makers: one fold, with a validation set or several tests."""
    folds = sorted(p for p in folder.glob("fold*") if p.is_dir())
    tables: dict[str, Path] = {}
    for path in sorted(folds[0].glob("*.jsonl")) if len(folds) == 1 else ():
        if part := re.fullmatch(r".*?_(train|valid|validation|dev|test\d?)_fold_?\d+\.jsonl", path.name):
            tables[{"valid": "validation", "dev": "validation"}.get(part[1], part[1])] = path
    if "validation" not in tables and not any(re.fullmatch(r"test\d", name) for name in tables):
        return {}
    splits: dict[str, str] = {}
    for name in sorted(tables):  # test before test1: where both hold a row, the finer name wins
        splits |= {str(row["key"]): name for _, row in _rows(tables[name]) if isinstance(row, dict) and "key" in row}
    return splits


def _opinions(dataset: str, row: Row, labels: dict[str, str]) -> list[Opinion]:
    """What a row says of its clip.

    Raises:
        LabelError: an emotion that neither the map nor any inventory knows, or a score that is none.
    """
    task, value = str(row.get("task") or "category").strip().lower(), row.get("emo")
    rater = None if dataset in LISTENED else ACTED
    if task in AXES:
        try:
            return [opinion(task, score=float(str(value)), source="human", rater=rater)]
        except ValueError:
            raise LabelError(f"{task} is no number on 0–1: {value!r}") from None
    if task not in ("category", "emotion"):
        raise LabelError(f"unknown task: {task!r}; category, valence, arousal or dominance")
    code = str(value if value is not None else "").strip().lower()
    name = labels.get(code) or labels.get(code.zfill(2), code)  # ASVP-ESD's are two digits, which a table program shortens
    if name in ("no-agreement", "no agreement"):
        return []
    name = _WORDS.get(name, name)
    if not name or not known_emotion(name):
        raise LabelError(f"unknown emotion: {value!r}; it stands neither in label_map.json nor in an inventory of cp_paraling_qa.labels")
    return [opinion("emotion", name, source="human", rater=rater)]


def _who(dataset: str, stem: str, key: str) -> tuple[str | None, str | None, str | None]:
    """Speaker, gender and dialogue, as far as the file's name is sure to tell them."""
    if dataset == "iemocap" and (turn := re.fullmatch(r"((Ses\d\d)[FM]_.+)_([FM])[A-Z]*\d+", stem)):
        return f"{turn[2]}{turn[3]}", "female" if turn[3] == "F" else "male", turn[1]
    if dataset == "meld" and (turn := re.search(r"(dia\d+)_utt\d+(-\w+)?$", key)):
        return None, None, f"{turn[1]}{turn[2] or ''}"
    found = re.fullmatch(_SPEAKERS[dataset], stem) if dataset in _SPEAKERS else None
    if found is None:
        return None, None, None
    speaker = {"OA": "OAF"}.get(found[1], found[1])
    if dataset == "tess":
        return speaker, "female", None
    if dataset == "emovo":
        return speaker, "female" if speaker[0] == "f" else "male", None
    if dataset == "ravdess":
        return f"Actor_{speaker}", "male" if int(speaker) % 2 else "female", None
    if dataset == "emodb":
        return speaker, "male" if speaker in ("03", "10", "11", "12", "15") else "female", None
    return speaker, None, None

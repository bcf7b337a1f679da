"""Lhotse manifests: any corpus that lhotse has a recipe for, or that somebody described for lhotse or icefall.

    recordings.jsonl.gz, supervisions.jsonl.gz                 JSON lines, or .jsonl, or .json (a list)
    <prefix>_recordings_<part>.jsonl.gz, <prefix>_supervisions_<part>.jsonl.gz      one pair a part, in any folder below the root
    cuts.jsonl.gz, <prefix>_cuts_<part>.jsonl.gz               only where no supervisions are: MonoCuts, which bring their recording along

Lhotse itself is not needed. A supervision is a clip: its start and duration (seconds) in its recording, its text, speaker, gender, language; `alignment["word"]`
gives the words (there timed from the recording's start, here from the clip's). From `custom` come emotion, valence, arousal, dominance (0–1; scores on another
scale, which no manifest states, are left out), age, dialogue_id, split, license, and whole `opinions` where `to_lhotse` wrote them. Labels without a rater's name
are a person's.

Sources are files, absolute or relative to the root, the manifest's folder, or one above it. What cannot be read as it is meant is dropped with its reason: other sources
(commands, addresses, memory), one channel of a file with several (clips are downmixed whole), recordings changed on the fly (speed, noise; resampling is not a
change). Partitions are read off the manifest's name, then its folders': train, dev, test; several test parts are test1, test2, … in order of their names. A
supervision that is part of a longer recording has the recording as its dialogue. Recordings are kept in memory (their path and length), supervisions stream.

Licence: the described corpus's own. Żelasko et al. (2021), Lhotse: a speech data representation library for the modern deep learning ecosystem, arXiv 2110.12561.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from cp_paraling_qa.corpora.base import existing_root, record, speaker_named
from cp_paraling_qa.corpora.folder import GENDERS, SPLITS
from cp_paraling_qa.corpora.languages import language_code
from cp_paraling_qa.corpora.walking import folders
from cp_paraling_qa.errors import CorpusError, LabelError
from cp_paraling_qa.labels import known_emotion
from cp_paraling_qa.schema import AXES, SPLIT_NAMES, Opinion, Seconds, Word, opinion, word
from cp_paraling_qa.stage import Drop, Row

OVERHANG: Seconds = 0.25
"""By so much a supervision may end after its recording: manifests round, and lhotse's own readers cut it off too."""

_NAME = re.compile(r"(?:(?P<prefix>.+?)[_.-])?(?P<kind>recordings|supervisions|cuts)(?:[_.-](?P<part>.+?))?\.jsonl?(?:\.gz)?")


class _Manifest(NamedTuple):
    path: Path
    kind: str
    prefix: str
    part: str


class _Recording(NamedTuple):
    sources: tuple[tuple[str, str, tuple[int, ...]], ...]  # type, path, channels
    duration: Seconds
    changed: str  # the transforms that would have to be applied


class Lhotse:
    """Reads pairs of manifests; see the module."""

    name: ClassVar[str] = "lhotse"
    layout: ClassVar[str] = "recordings.jsonl.gz and supervisions.jsonl.gz, or <prefix>_recordings_<part>.jsonl.gz and its supervisions"
    license: ClassVar[str | None] = None
    redistributable: ClassVar[bool] = False

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every supervision, manifest by manifest; then the recordings that none is about."""
        found = list(_manifests(existing_root(root, self.layout)))
        tables = [m for m in found if m.kind == "supervisions"] or [m for m in found if m.kind == "cuts"]
        if not tables:
            raise CorpusError(f"no supervisions (or cuts) manifest below {root}: a lhotse folder holds {self.layout}")
        splits = _splits(root, tables)
        used: set[Path] = set()
        for table in tables:
            if table.kind == "cuts":
                yield from self._cuts(root, table, splits[table.path])
                continue
            source = _partner(table, found)
            if source is None:
                yield Drop(
                    table.path.relative_to(root).as_posix(),
                    "supervisions without recordings",
                    "no recordings manifest of the same prefix and part is beside it",
                )
                continue
            used.add(source.path)
            yield from self._supervisions(root, table, source, splits[table.path])
        for other in found if tables[0].kind == "supervisions" else []:
            if other.kind == "recordings" and other.path not in used:
                yield Drop(
                    other.path.relative_to(root).as_posix(),
                    "recordings without supervisions",
                    "no supervisions manifest of the same prefix and part is beside it",
                )

    def _supervisions(self, root: Path, table: _Manifest, source: _Manifest, split: str | None) -> Iterator[Row | Drop]:
        recordings: dict[str, _Recording] = {}
        place = source.path.relative_to(root).as_posix()
        for line, item in _items(source.path, place):
            if isinstance(item, Drop):
                yield item
                continue
            try:
                recordings[str(item["id"])] = _recording(item)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                yield Drop(f"{place} item {line}", "not a recording", f"{type(error).__name__}: {error}")
        heard: set[str] = set()
        place = table.path.relative_to(root).as_posix()
        for line, item in _items(table.path, place):
            if isinstance(item, Drop):
                yield item
                continue
            name = str(item.get("id", f"item {line}")) if isinstance(item, dict) else f"item {line}"
            about = str(item.get("recording_id")) if isinstance(item, dict) else ""
            heard.add(about)
            if about not in recordings:
                yield Drop(f"{place} {name}", "supervision without a recording", f"recording {about} is not in {source.path.name}")
            else:
                yield _clip(root, source.path.parent, f"{place} {name}", item, about, recordings[about], 0.0, split)
        for name in (name for name in recordings if name not in heard):
            yield Drop(f"{source.path.relative_to(root).as_posix()} {name}", "recording without a supervision", "nothing is known of what is heard in it")

    def _cuts(self, root: Path, table: _Manifest, split: str | None) -> Iterator[Row | Drop]:
        place = table.path.relative_to(root).as_posix()
        for line, cut in _items(table.path, place):
            if isinstance(cut, Drop):
                yield cut
                continue
            name = f"{place} {cut.get('id', line) if isinstance(cut, dict) else line}"
            if not isinstance(cut, dict) or cut.get("type", "MonoCut") != "MonoCut" or not isinstance(cut.get("recording"), dict):
                yield Drop(name, "cut that is no plain stretch of a recording", "only MonoCuts with their recording are read")
                continue
            if not cut.get("supervisions"):
                yield Drop(name, "cut without a supervision", "nothing is known of what is heard in it")
            for item in cut.get("supervisions") or ():
                try:
                    recording, offset = _recording(cut["recording"]), float(cut["start"])
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    yield Drop(name, "not a recording", f"{type(error).__name__}: {error}")
                    continue
                item = {key: value for key, value in item.items() if key != "alignment"}  # lhotse does not move word times along with a cut's
                yield _clip(root, table.path.parent, name, item, str(cut["recording"].get("id")), recording, offset, split)


def _manifests(root: Path) -> Iterator[_Manifest]:
    for folder, names in folders(root):
        for name in names:
            if match := _NAME.fullmatch(name):
                yield _Manifest(folder / name, match["kind"], match["prefix"] or "", match["part"] or "")


def _partner(table: _Manifest, found: list[_Manifest]) -> _Manifest | None:
    """The recordings manifest that a supervisions manifest is about: of its prefix and part, else of its prefix and no part."""
    beside = [m for m in found if m.kind == "recordings" and m.path.parent == table.path.parent and m.prefix == table.prefix]
    return next((m for m in beside if m.part == table.part), None) or next((m for m in beside if not m.part), None)


def _splits(root: Path, tables: list[_Manifest]) -> dict[Path, str | None]:
    """Each manifest's partition; several kinds of test are numbered."""

    def named(table: _Manifest) -> str | None:
        for text in (table.part, table.prefix, *reversed(table.path.relative_to(root).parts[:-1])):
            for token in re.split(r"[^a-z0-9]+", text.lower()):
                if token in SPLITS or re.fullmatch(r"test[1-9]", token):
                    return SPLITS.get(token, token)
        return None

    splits = {table.path: named(table) for table in tables}
    tests = sorted({(table.prefix, table.part, table.path) for table in tables if splits[table.path] == "test"})
    if len(tests) > 1:
        splits |= {path: f"test{number}" for number, (_, _, path) in enumerate(tests, 1) if number < 10}
    return splits


def _items(path: Path, place: str) -> Iterator[tuple[int, Any]]:
    """A manifest's items with their numbers; a Drop in place of a line that is not JSON, and of all that stands behind damage."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8-sig") as file:
            if path.name.removesuffix(".gz").endswith(".json"):
                yield from enumerate(json.load(file), 1)
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except ValueError as error:
                        yield number, Drop(f"{place} line {number}", "line is not JSON", str(error))
    except (ValueError, TypeError, EOFError, OSError, zlib.error) as error:
        yield number + 1, Drop(f"{place} line {number + 1}", "manifest breaks off", f"{error}; make it again")


def _recording(item: dict[str, Any]) -> _Recording:
    sources = tuple((str(s["type"]), str(s["source"]), tuple(int(c) for c in s["channels"])) for s in item["sources"])
    names = [str(t.get("name")) for t in item.get("transforms") or () if t.get("name") != "Resample"]
    return _Recording(sources, float(item["duration"]), ", ".join(names))


def _clip(root: Path, folder: Path, name: str, item: dict[str, Any], about: str, recording: _Recording, offset: Seconds, split: str | None) -> Row | Drop:
    """A supervision as a record, or why it is none."""
    if recording.changed:
        return Drop(name, "recording changed on the fly", f"{about}: {recording.changed}; save the changed audio and describe that")
    source = _source(item, recording)
    if isinstance(source, tuple):
        return Drop(name, *source)
    # an absolute source stays what it is; recipes write sources relative to where they were called, which is mostly some folders above the manifests
    path = next((p for p in (place / source for place in (root, folder, *folder.resolve().parents[:4])) if p.is_file()), None)
    if path is None:
        return Drop(name, "file is missing", f"{source}; relative sources are looked for from the root, the manifest's folder, and the four above it")
    try:
        start = offset + float(item["start"])
        end = start + float(item["duration"])
        columns = _columns(item, start)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason, _, detail = str(error).partition(": ") if isinstance(error, LabelError) else ("not a supervision", "", f"{type(error).__name__}: {error}")
        return Drop(name, reason, detail)
    if not 0 <= start < end <= recording.duration + OVERHANG:
        return Drop(name, "supervision lies outside its recording", f"{start:g}–{end:g} s of {recording.duration:g} s")
    whole = start < 0.0005 and end > recording.duration - 0.0005  # half a sample at 1 kHz: manifests round
    if not whole:
        columns |= {"start": start, "end": min(end, recording.duration), "dialogue_id": columns["dialogue_id"] or about}
    columns["split"] = columns["split"] or split
    return record(path.relative_to(root).as_posix() if path.is_relative_to(root) else path.absolute().as_posix(), **columns)


def _source(item: dict[str, Any], recording: _Recording) -> str | tuple[str, str]:
    """The file that a supervision is about, or the reason and detail why it has none that can be read as a whole."""
    wanted = item.get("channel")
    channels = None if wanted is None else {int(c) for c in (wanted if isinstance(wanted, list) else [wanted])}
    sources = [s for s in recording.sources if channels is None or channels & set(s[2])]
    if not sources:
        return "no such channel", f"channel {wanted} of {[s[2] for s in recording.sources]}"
    if len(sources) > 1 or (channels is not None and channels != set(sources[0][2])):
        return "one channel of several", f"channel {wanted} of {[list(s[2]) for s in recording.sources]}: clips are downmixed whole; save the channels apart"
    kind, path, _ = sources[0]
    if kind != "file":
        return "source is not a file", f"a source of type {kind}; save the audio and describe that"
    return path


def _columns(item: dict[str, Any], start: Seconds) -> Row:
    """What a supervision says, as columns of a clip that starts at `start` in its recording.

    Raises:
        LabelError: an emotion that no inventory knows, or an opinion that is none.
    """
    custom = item.get("custom") or {}
    age = custom.get("age")
    split = custom.get("split")
    license = _text(custom.get("license"))
    return {
        "speaker_id": speaker_named(_text(item.get("speaker"))),
        "dialogue_id": _text(custom.get("dialogue_id")),
        "gender": GENDERS.get(str(item.get("gender") or custom.get("gender") or "").strip().lower()),
        "age": float(age) if isinstance(age, int | float) and not isinstance(age, bool) else None,
        "language": language_code(item.get("language")),
        "transcript": _text(item.get("text")),
        "words": _words(item, custom, start),
        "split": split if isinstance(split, str) and SPLIT_NAMES.fullmatch(split) else None,
        "license": license,
        "opinions": _opinions(custom, license),
    }


def _words(item: dict[str, Any], custom: dict[str, Any], start: Seconds) -> list[Word]:
    if custom.get("words"):
        words = [word(str(w["word"]), w.get("start"), w.get("end"), w.get("probability")) for w in custom["words"]]
        for made, given in zip(words, custom["words"], strict=True):
            made["emotion"], made["gender"] = given.get("emotion"), given.get("gender")
        return words
    aligned: list[Word] = []
    for entry in (item.get("alignment") or {}).get("word") or ():
        symbol, begin, duration, *rest = entry.values() if isinstance(entry, dict) else entry
        if str(symbol).strip():
            first, last = float(begin) - start, float(begin) - start + float(duration)
            probable = next((float(score) for score in rest if isinstance(score, int | float) and 0 <= score <= 1), None)
            aligned.append(word(str(symbol), max(0.0, round(first, 8)), round(last, 8), probable))
    return aligned


def _opinions(custom: dict[str, Any], license: str | None) -> list[Opinion]:
    if custom.get("opinions"):
        return [opinion(given["field"], **{key: value for key, value in given.items() if key != "field"}) for given in custom["opinions"]]
    opinions: list[Opinion] = []
    if label := _text(custom.get("emotion")):
        label = {"no emotion": "neutral"}.get(label.lower(), label)  # DailyTalk's word for it
        if not known_emotion(label):
            raise LabelError(f"unknown emotion: {label!r}; it stands in no inventory of cp_paraling_qa.labels: correct it, or add it there")
        opinions.append(opinion("emotion", label, source="human", license=license))
    for axis in AXES:
        score = custom.get(axis)
        if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
            opinions.append(opinion(axis, score=score, source="human", license=license))
    return opinions


def _text(value: Any) -> str | None:
    """Text without surrounding space; None for null and empty."""
    return None if value is None else str(value).strip() or None

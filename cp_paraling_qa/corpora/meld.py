"""MELD: the Multimodal EmotionLines Dataset, scenes of the series Friends.

13,708 utterances in 1,433 dialogues between several speakers, cut from the show as video. Three annotators watched each clip and named one of seven emotions; the
released label is their agreement, so it is one opinion here, of rater "consensus". The sentiment that stands beside it follows from it, and is left out.

    train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv       Sr No., Utterance, Speaker, Emotion, Sentiment, Dialogue_ID, Utterance_ID, Season, …
        beside the clips, or as the repository has them in data/MELD/
    train_splits/dia0_utt0.mp4                                    clip of row Dialogue_ID 0, Utterance_ID 0 of train_sent_emo.csv
    dev_splits_complete/dia0_utt0.mp4                             the archives unpack to train/train_splits/ and the like: the nearest folder that names
    output_repeated_splits_test/dia0_utt0.mp4                     a partition says which one it is

Ids start anew in each partition, so dialogues are called train_dia0, validation_dia0, test_dia0. The three share speakers: a speaker_id is the character's name, the
same in all of them. Names that are not one person are nobody's id: several at once (All, Both, "Ross and Joey"), and extras whom the script calls by what they do
(Man, Waitress, Nurse #1, The Casting Director), since two scenes' "Woman" are two women. Transcripts get straight quotes, and mended ones where Windows-1252
was taken for something else. A .wav of the same name is read in place of a video, wherever it lies within the partition.

Some files have no row: 132 cuts called `final_videos_test…`, which the authors advise to ignore, and a few more. train dia125_utt3 is broken and dev dia110_utt7 missing;
a few clips are minutes long. Sound is 48 kHz, stereo or 5.1.

Licence: labels GPL 3.0; the audio belongs to the show's owners, and may not be passed on. Poria et al. (2019), MELD: A Multimodal Multi-Party Dataset for Emotion
Recognition in Conversations, ACL, arXiv 1810.02508.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar

from cp_paraling_qa.audio import CONTAINERS
from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES, existing_root, record
from cp_paraling_qa.corpora.labelling import CONSENSUS, DUPLICATE_ROW, MISSING_FILE, UNKNOWN_EMOTION, UNLABELLED, read_rows, spoken
from cp_paraling_qa.corpora.walking import folders
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.labels import INVENTORIES
from cp_paraling_qa.schema import opinion
from cp_paraling_qa.stage import Drop, Row

EMOTIONS = INVENTORIES["meld"]
TABLES = {"train": "train_sent_emo.csv", "validation": "dev_sent_emo.csv", "test": "test_sent_emo.csv"}
PARTITIONS = {"train": "train", "dev": "validation", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
RECUT = "final_videos_test: a second cut that no label names"

SEVERAL = re.compile("all|both|everyone|everybody|group|crowd|guys|girls|gang|friends|kids|men|women|people|others|audience|chorus|together|rest")
EXTRAS = re.compile(
    "man|woman|guy|girl|boy|kid|child|baby|lady|gentleman|person|stranger|somebody|someone|voice|machine|tv|announcer|narrator|host|interviewer|reporter|actor|actress"
    "|extra|waiter|waitress|bartender|customer|clerk|cashier|salesman|saleswoman|saleslady|salesperson|assistant|attendant|agent|receptionist|secretary|manager|worker"
    "|co-?worker|boss|executive|lawyer|official|nurse|doctor|surgeon|dentist|paramedic|patient|intern|student|teacher|professor|instructor|director|producer|writer"
    "|photographer|cameraman|technician|operator|driver|cabbie|cop|police(man|woman)|officer|guard|fireman|firefighter|soldier|sailor|minister|priest|rabbi|passenger"
    "|pilot|steward|stewardess|guest|fan|neighbor|tourist|guide|dealer|gambler|croupier|player|hitchhiker|scientist|inspector|mover|super|date"
)
KIN = re.compile("mother|father|mom|dad|grandmother|grandfather|sister|brother|aunt|uncle|cousin|wife|husband|girlfriend|boyfriend")
"""Whose it is must be said: "Joey's Sister" is somebody, "Sister" may be anyone's."""

_CLIP = re.compile(r"dia(\d+)_utt(\d+)", re.IGNORECASE)

Key = tuple[str, int, int]


class Meld:
    """Reads the three tables and the clips; see the module for the corpus."""

    name: ClassVar[str] = "meld"
    layout: ClassVar[str] = "{train,dev,test}_sent_emo.csv, and dia0_utt0.mp4 (or .wav) in train_splits/, dev_splits_complete/, output_repeated_splits_test/"
    license: ClassVar[str | None] = "gpl-3.0"
    redistributable: ClassVar[bool] = False

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every row of the three tables with its clip; then the files that no row names."""
        found, clips, others = _survey(existing_root(root, self.layout))
        parent = root.resolve().parent
        tables = _by_partition(found or [*parent.glob("*_sent_emo.csv"), *parent.glob("data/MELD/*_sent_emo.csv")])
        if not tables or not clips:
            lack = "none of train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv" if not tables else "no clip called dia0_utt0.mp4 or the like"
            raise CorpusError(f"{lack} in {root}: MELD's folder holds {self.layout}")
        named: set[Key] = set()
        for split, path in tables.items():
            for number, row in enumerate(read_rows(path), 1):
                place = f"{path.name} row {number}"
                if not (row.get("Dialogue_ID", "").isdigit() and row.get("Utterance_ID", "").isdigit()):
                    yield Drop(place, "row without Dialogue_ID and Utterance_ID")
                    continue
                key = (split, int(row["Dialogue_ID"]), int(row["Utterance_ID"]))
                yield from self._clip(f"{place}: dia{key[1]}_utt{key[2]}", key, row, clips.get(key), key in named)
                named.add(key)
        for key, paths in clips.items():
            yield from (Drop(path, UNLABELLED, f"no row of the {key[0]} table names it") for path in paths if key not in named)
            yield from (Drop(path, "duplicate file name", f"{paths[0]} is the same clip") for path in paths[1:] if key in named)
        yield from others

    def _clip(self, place: str, key: Key, row: dict[str, str], paths: list[str] | None, again: bool) -> Iterator[Row | Drop]:
        emotion = row.get("Emotion", "").lower()
        if again:
            yield Drop(place, DUPLICATE_ROW, "an earlier row names the same clip")
        elif not paths:
            yield Drop(place, MISSING_FILE, f"no such clip in the {key[0]} folder")
        elif emotion not in EMOTIONS:
            yield Drop(place, UNKNOWN_EMOTION, f"{emotion!r} is none of {', '.join(EMOTIONS)}")
        else:
            yield record(
                paths[0],
                speaker_id=speaker(row.get("Speaker", "")),
                dialogue_id=f"{key[0]}_dia{key[1]}",
                language="en",
                transcript=spoken(row.get("Utterance", "")),
                split=key[0],
                license=self.license,
                opinions=[opinion("emotion", emotion, source="human", rater=CONSENSUS, license=self.license)],
            )


def speaker(name: str) -> str | None:
    """The character, if the script names one; None for several at once and for nameless extras.

    Example:
        >>> [speaker(name) for name in ("Joey", "Mrs. Geller", "Dr. Green", "All", "Ross and Joey", "Nurse #1", "The Casting Director", "Man at the bar")]
        ['Joey', 'Mrs. Geller', 'Dr. Green', None, None, None, None, None]
    """
    name = re.sub(r"\s*\([^)]*\)", "", spoken(name) or "").strip()
    plain = name.lower()
    head = re.split(r"\s(?:at|in|on|from|with|behind|of|who)\s", plain)[0]
    words = [bare for word in head.split() if (bare := word.strip(".,'\"")) not in ("", "no", "number")]
    if not words or re.search(r"\d|[/&+,#]|\s(?:and|all|both)\s", plain):
        return None
    if words[0] in ("the", "a", "an", "another", "some", "unknown") or SEVERAL.fullmatch(words[-1]) or EXTRAS.fullmatch(words[-1]):
        return None
    if len(words) == 1 and KIN.fullmatch(words[0]):
        return None
    return name.title() if name.islower() or name.isupper() else name


def _survey(root: Path) -> tuple[list[Path], dict[Key, list[str]], list[Drop]]:
    """What lies below a folder: tables, the files of each clip (sound alone where it is there, else video), and sound files that are neither, each with why."""
    tables: list[Path] = []
    clips: defaultdict[Key, list[str]] = defaultdict(list)
    others: list[Drop] = []
    for folder, names in folders(root):
        where = folder.relative_to(root)
        split = _partition((*where.parts[::-1], root.name))
        for name in names:
            path = PurePosixPath(where.as_posix(), name)
            clip = _CLIP.fullmatch(path.stem)
            if name in TABLES.values():
                tables.append(folder / name)
            elif path.suffix.lower() not in CONTAINERS | AUDIO_SUFFIXES:
                continue
            elif clip and split:
                clips[split, int(clip[1]), int(clip[2])].append(path.as_posix())
            elif clip:
                others.append(
                    Drop(path.as_posix(), "clip outside the partitions' folders", "ids restart in each: put it below a folder named after train, dev or test")
                )
            else:
                others.append(Drop(path.as_posix(), RECUT if name.startswith("final_videos_test") else UNLABELLED))
    for key, paths in clips.items():
        clips[key] = [path for path in paths if PurePosixPath(path).suffix.lower() not in CONTAINERS] or paths
    return tables, dict(clips), others


def _partition(parts: Iterable[str]) -> str | None:
    """The partition that the first of these folder names speaks of; None where none does."""
    return next((PARTITIONS[word] for part in parts for word in re.findall("[a-z]+", part.lower()) if word in PARTITIONS), None)


def _by_partition(tables: Iterable[Path]) -> dict[str, Path]:
    """One table for each partition. The repository has older ones lying about: that of data/MELD wins, then the one that lies highest."""
    ranked = sorted(tables, key=lambda path: (path.parent.name != "MELD", len(path.parts), path.as_posix()))
    return {split: path for split, name in TABLES.items() if (path := next((path for path in ranked if path.name == name), None))}

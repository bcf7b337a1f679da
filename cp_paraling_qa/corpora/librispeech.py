"""LibriSpeech: about 1,000 hours of English audiobooks, read by volunteers of LibriVox.

2,484 speakers; 16 kHz FLAC; transcripts in capitals without punctuation, kept as they are. Nobody labelled emotion.

    LibriSpeech/SPEAKERS.TXT                          `id | sex | subset | minutes | name`, comments start with a semicolon
    LibriSpeech/dev-clean/84/121123/84-121123.trans.txt      one line a clip: `84-121123-0000 GO DO YOU HEAR`
    LibriSpeech/dev-clean/84/121123/84-121123-0000.flac      part / speaker / chapter

The root is LibriSpeech, its parent, or one part. Official partitions: train-* is train, dev-* validation, and of the two test sets test-clean is test1 and
test-other test2, whichever of them is there (test-other has the voices that are harder to understand). No speaker is in two of them. A chapter is the
dialogue: its clips follow each other. Sex is as SPEAKERS.TXT says, null where that file is not beside the parts.

Licence: CC BY 4.0. Panayotov, Chen, Povey & Khudanpur (2015), Librispeech: an ASR corpus based on public domain audio books, ICASSP,
doi 10.1109/ICASSP.2015.7178964; https://www.openslr.org/12.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from cp_paraling_qa.corpora.base import AUDIO_SUFFIXES, existing_root, record
from cp_paraling_qa.corpora.walking import folders, read_text
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, Row

_TESTS = {"test-clean": "test1", "test-other": "test2"}
_SEX = {"M": "male", "F": "female"}


class LibriSpeech:
    """Reads the official folders chapter by chapter; see the module for the corpus."""

    name: ClassVar[str] = "librispeech"
    layout: ClassVar[str] = "<part>/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt with .flac files beside it, and SPEAKERS.TXT"
    license: ClassVar[str | None] = "cc-by-4.0"
    redistributable: ClassVar[bool] = True

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every clip, chapter by chapter."""
        if not any(name.endswith(".trans.txt") for _, names in folders(existing_root(root, self.layout)) for name in names):
            raise CorpusError(f"no .trans.txt file below {root}: the LibriSpeech folder holds {self.layout}")
        genders = _genders(root)
        for folder, names in folders(root):
            yield from self._chapter(root, folder, names, genders)

    def _chapter(self, root: Path, folder: Path, names: list[str], genders: dict[str, str]) -> Iterator[Row | Drop]:
        audio = {Path(name).stem: folder / name for name in reversed(names) if Path(name).suffix.lower() in AUDIO_SUFFIXES}
        place = (root.resolve() / folder.relative_to(root)).parts  # by the names that the user gave, wherever links lead
        part, speaker, chapter = place[-3:] if len(place) > 3 else ("", "", "")
        seen: set[str] = set()
        for table in (folder / name for name in names if name.endswith(".trans.txt")):
            for number, line in enumerate(read_text(table).splitlines(), 1):
                if not line.strip():
                    continue
                item = f"{table.relative_to(root).as_posix()} line {number}"
                key, _, text = line.strip().partition(" ")
                if not text.strip():
                    yield Drop(item, "line without a transcript", f"{line[:60]!r}: expected a file's name, a space, and the words")
                elif key in seen:
                    yield Drop(item, "duplicate transcript line", f"an earlier line is for {key}")
                elif key not in audio:
                    yield Drop(item, "transcript line without a file", f"{key}.flac is not beside it")
                else:
                    yield record(
                        audio[key].relative_to(root).as_posix(),
                        speaker_id=speaker,
                        dialogue_id=chapter,
                        gender=genders.get(speaker),
                        language="en",
                        transcript=text.strip(),
                        split=_split(part),
                        license=self.license,
                    )
                seen.add(key)
        for stem in sorted(audio.keys() - seen):
            yield Drop(audio[stem].relative_to(root).as_posix(), "file without a transcript line", "no .trans.txt beside it names it")


def _split(part: str) -> str | None:
    """The partition that a folder such as train-clean-100 is."""
    if part in _TESTS:
        return _TESTS[part]
    return next((split for start, split in (("train-", "train"), ("dev-", "validation"), ("test-", "test")) if part.startswith(start)), None)


def _genders(root: Path) -> dict[str, str]:
    """Speaker → female or male, from SPEAKERS.TXT in the root, one or two folders below it, or above it where the root is one part, speaker or chapter."""
    below = [path.parent for pattern in ("*/SPEAKERS.TXT", "*/*/SPEAKERS.TXT") for path in sorted(root.glob(pattern))]
    for folder in (root, *below, *root.resolve().parents[:3]):
        if (folder / "SPEAKERS.TXT").is_file():
            rows = [line.split("|") for line in read_text(folder / "SPEAKERS.TXT").splitlines() if not line.lstrip().startswith(";")]
            return {row[0].strip(): _SEX[row[1].strip().upper()] for row in rows if len(row) > 1 and row[1].strip().upper() in _SEX}
    return {}

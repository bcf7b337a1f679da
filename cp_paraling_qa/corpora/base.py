"""What a corpus reader gives: records (a clip before its audio was looked at) and drops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, Row

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus", ".au", ".m4a", ".sph"}


class Corpus(Protocol):
    """A reader of one corpus's official layout. The docstring of each tells its story, layout, licence and citation."""

    name: ClassVar[str]
    layout: ClassVar[str]  # one line
    license: ClassVar[str | None]  # a Hub licence id
    redistributable: ClassVar[bool]  # whether the audio may be passed on

    def records(self, root: Path) -> Iterator[Row | Drop]:
        """Every clip of the corpus under `root`, in a fixed order, or why it is none.

        Raises:
            CorpusError: the folder as a whole cannot be read.
        """


def record(audio_path: str, **columns: Any) -> Row:
    """A clip's columns before its audio is read: those that are not given are null.

    Args:
        audio_path: relative to the corpus root, with forward slashes.
        columns: any of start, end (seconds), speaker_id, dialogue_id, gender, age, language, transcript, words, split, license, opinions.
    """
    row: Row = {
        "audio_path": audio_path,
        "start": None,
        "end": None,
        "speaker_id": None,
        "dialogue_id": None,
        "gender": None,
        "age": None,
        "language": None,
        "transcript": None,
        "words": [],
        "split": None,
        "license": None,
        "opinions": [],
    }
    if unknown := columns.keys() - row.keys():
        raise TypeError(f"a record has no {sorted(unknown)}")
    return row | columns


def existing_root(root: Path, layout: str) -> Path:
    """The corpus folder, if it is one.

    Raises:
        CorpusError: it is missing, or no folder.
    """
    if not root.exists():
        raise CorpusError(f"corpus folder {root} does not exist: give the folder that holds {layout}")
    if not root.is_dir():
        raise CorpusError(f"{root} is a file: give the corpus folder, which holds {layout}")
    return root


def audio_files(root: Path) -> list[Path]:
    """All audio files below a folder, sorted by path; hidden files and folders (macOS's `._*` among them) are no audio."""
    return sorted(
        p for p in root.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file() and not any(part.startswith(".") for part in p.relative_to(root).parts)
    )

"""What a corpus reader gives: records (a clip before its audio was looked at) and drops."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cp_paraling_qa.corpora.walking import folders
from cp_paraling_qa.errors import CorpusError, LabelError
from cp_paraling_qa.stage import Drop, Row

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus", ".au", ".m4a", ".sph"}


class Corpus(Protocol):
    """A reader of one corpus's official layout. The docstring of its module tells its story, layout, licence and citation.

    Made without arguments, or with the options that it takes (`hf` has a column map); options are JSON-able and stand in RUN/corpora.json.
    """

    name: ClassVar[str]
    layout: ClassVar[str]  # one line
    license: ClassVar[str | None]  # a Hub licence id
    redistributable: ClassVar[bool]  # whether the audio may be redistributed

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


def beside(path: Path) -> Path:
    """The .wav of the same stem where there is one, else the path itself: people who cannot read video files convert them once and leave them there."""
    wav = path.with_suffix(".wav")
    return wav if wav.is_file() else path


def speaker_named(text: str | None) -> str | None:
    """A speaker's id; None where a table says that nobody knows it, since unknown speakers are not one speaker.

    Example:
        >>> speaker_named("S012"), speaker_named("Unknown"), speaker_named(None)
        ('S012', None, None)
    """
    return None if text is None or text.strip().lower() in ("", "unknown", "unk", "<unk>", "unknown speaker", "anonymous", "?", "-") else text


def scaled(value: float, low: float, high: float) -> float:
    """A score of a source's own scale on 0–1.

    Args:
        value: as the source gives it.
        low: the lowest score of the source's scale.
        high: the highest.

    Raises:
        LabelError: outside the scale.

    Example:
        >>> scaled(4, 1, 5), scaled(7, 1, 7)
        (0.75, 1.0)
    """
    if not low <= value <= high:
        raise LabelError(f"score outside its scale: {value:g} is not within {low:g}–{high:g}")
    return (value - low) / (high - low)


def audio_files(root: Path, suffixes: Collection[str] = frozenset(AUDIO_SUFFIXES)) -> list[Path]:
    """All audio files below a folder and what is linked into it, sorted by path; hidden files and folders (macOS's `._*` among them) are no audio.

    A link that leads nowhere is listed: it is a clip whose file is missing.
    """
    return sorted(folder / name for folder, names in folders(root) for name in names if os.path.splitext(name)[1].lower() in suffixes)

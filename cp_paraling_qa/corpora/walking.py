"""Walking through a large corpus's folders: in a fixed order, one folder at a time, so that a million files are never held at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def folders(root: Path, *, links: bool = True) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below `root`, itself first, with its files' names, both sorted; hidden files and folders (macOS's `._*` among them) are left out.

    Args:
        root: where to start.
        links: whether folders behind symbolic links are walked too: large corpora are often put together of them. A link to a folder above it is not followed.
    """
    for folder, inside, files in os.walk(root, followlinks=links):
        inside[:] = sorted(name for name in inside if not name.startswith(".") and not _leads_back(Path(folder, name)))
        yield Path(folder), sorted(name for name in files if not name.startswith("."))


def _leads_back(folder: Path) -> bool:
    """Whether a folder is a link to one that was walked through to get here, or to one above that."""
    return folder.is_symlink() and any(above.resolve().is_relative_to(folder.resolve()) for above in folder.parents)


def read_text(path: Path) -> str:
    """A small text file of unknown age: UTF-8, with or without a mark, else Latin-1, which takes any byte."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")

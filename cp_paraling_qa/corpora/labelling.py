"""What readers of label files share: the words for what was lost, text in unknown encodings, folders whose case varies, ratings on a source's own scale."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from cp_paraling_qa.corpora.base import scaled
from cp_paraling_qa.errors import LabelError
from cp_paraling_qa.schema import Opinion, Source, null_nan, opinion
from cp_paraling_qa.stage import Drop

MISSING_FILE = "file is missing"
UNLABELLED = "file without a label"
DUPLICATE_ROW = "duplicate row"
OUTSIDE_SCALE = "rating outside its scale"
UNKNOWN_EMOTION = "unknown emotion"
CONSENSUS = "consensus"
"""The rater of a label that the corpus itself drew from several raters' votes."""

_CP1252 = {code: bytes([code]).decode("cp1252", errors="ignore") for code in range(0x80, 0xA0)}
_TWICE = ("â€™", "’"), ("â€˜", "‘"), ("â€œ", "“"), ("â€¦", "…"), ("â€“", "–"), ("â€”", "—"), ("â€", "”")
_PLAIN = str.maketrans({"‘": "'", "’": "'", "‛": "'", "´": "'", "“": '"', "”": '"', "„": '"', "…": "...", "\u00a0": " ", "\ufeff": None})


def decoded(data: bytes) -> str:
    r"""Text in UTF-8, or in Windows-1252, which the annotation tools of the 2000s wrote; never an error.

    Windows-1252 that went through Latin-1 on its way (an apostrophe as U+0092) is mended as well, and so is UTF-8 that was read as Windows-1252 ("â€™").

    Example:
        >>> decoded(b"I don\x92t"), decoded("I don\x92t".encode()), decoded("I donâ€™t".encode())
        ('I don’t', 'I don’t', 'I don’t')
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.translate(_CP1252)
    for broken, right in _TWICE if "â€" in text else ():
        text = text.replace(broken, right)
    return text


def spoken(text: str) -> str | None:
    """A transcript with straight quotes and single spaces; None where it is empty.

    Example:
        >>> spoken("  You’re  a genius… ")
        "You're a genius..."
    """
    return " ".join(text.translate(_PLAIN).split()) or None


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV table that fits in memory, in whatever encoding `decoded` knows; cells without surrounding space, missing ones empty."""
    return list(_rows(io.StringIO(decoded(path.read_bytes()), newline="")))


def stream_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV table of any size in UTF-8, one at a time, as `read_rows` gives them. A byte that is not UTF-8 becomes U+FFFD."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        yield from _rows(file)


def _rows(file: Iterable[str]) -> Iterator[dict[str, str]]:
    reader = csv.reader(file)
    names = [name.strip() for name in next(reader, [])]
    for cells in reader:
        if cells:
            yield dict(zip(names, map(str.strip, cells + [""] * (len(names) - len(cells))), strict=False))


def child(folder: Path, *names: str) -> Path | None:
    """The first entry of a folder that has one of these names in any case; None where there is none."""
    found = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True)} if folder.is_dir() else {}
    return next((found[name.lower()] for name in names if name.lower() in found), None)


def ratings(
    item: str, axes: Iterable[tuple[str, str]], low: float, high: float, *, source: Source = "human", rater: str | None, licence: str | None
) -> Iterator[Opinion | Drop]:
    """One rater's scores of a clip on 0–1. A score outside its scale is a drop of its own: it costs neither the clip nor the other scores.

    Args:
        item: clip and rater, as a drop shall name them.
        axes: (axis, score as the source writes it); an empty one was not given.
        low: the lowest score of the source's scale.
        high: the highest.
        source: human, or self for a self-report.
        rater: the corpus's own id.
        licence: of the corpus.
    """
    for axis, text in axes:
        try:
            number = null_nan(float(text)) if text else None
            if number is not None:
                yield opinion(axis, score=scaled(number, low, high), source=source, rater=rater, license=licence)
        except LabelError as error:
            yield Drop(item, OUTSIDE_SCALE, f"{axis}: {error}")
        except ValueError:
            yield Drop(item, OUTSIDE_SCALE, f"{axis}: {text!r} is no number")

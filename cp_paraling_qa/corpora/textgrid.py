"""Praat TextGrid files: time-stamped text on tiers, as NSC's scripts and the forced alignments of other corpora come.

Praat writes three forms. The two text forms (long, with labels, and short, values alone) are one to its own reader, which sees free-standing numbers, quoted
strings and flags and passes over everything else; so does this one. The binary form starts with `ooBinaryFile`. Text may be UTF-8, UTF-16 of either order, or,
in older files, the Windows or Latin-1 alphabet. Format: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.schema import Seconds

_BINARY = b"ooBinaryFile\x08TextGrid"
_NUMBER = r"(?<!\S)(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)"
_EOL = r"[ \t]*(?:\r|\n|\Z)"
_STRICT = re.compile(rf'"(?P<text>[^"]*(?:""[^"]*)*)"|{_NUMBER}|(?<!\S)!.*')
# Hand-made files carry quotes that nobody doubled: there, only a quote at the end of its line closes a string.
_LENIENT = re.compile(rf'"(?P<text>[^"]*(?:"(?!{_EOL})[^"]*)*)"(?={_EOL})|{_NUMBER}')


@dataclass(frozen=True)
class Span:
    """A piece of text on a tier.

    Args:
        start: seconds from the recording's start.
        end: seconds; a point's is its start.
        text: as it stands in the file, without surrounding space; may be empty.
    """

    start: Seconds
    end: Seconds
    text: str


@dataclass(frozen=True)
class Tier:
    """One tier: intervals that follow each other, or points in time."""

    name: str
    kind: Literal["intervals", "points"]
    spans: list[Span]


def read_textgrid(path: Path) -> list[Tier]:
    r"""The tiers of a TextGrid file, in order.

    Raises:
        CorpusError: not a TextGrid, or it ends before the tiers that it promises do; names the file.
        OSError: it cannot be opened.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.TextGrid")
        ...     _ = path.write_text('"ooTextFile"\n"TextGrid"\n0\n2\n<exists>\n1\n"IntervalTier"\n"words"\n0\n2\n1\n0\n2\n"yes"\n')
        ...     read_textgrid(path)
        [Tier(name='words', kind='intervals', spans=[Span(start=0.0, end=2.0, text='yes')])]
    """
    data = path.read_bytes()
    try:
        if data.startswith(_BINARY):
            return _binary_tiers(data)
        text = _decoded(data)
        if "ooTextFile" not in text[:200] or "TextGrid" not in text[:200]:
            raise ValueError("it does not say ooTextFile and TextGrid")
        try:
            return _tiers(text, _STRICT)
        except ValueError:
            return _tiers(text, _LENIENT)
    except (ValueError, struct.error) as error:
        raise CorpusError(f"{path} is not a whole TextGrid file: {error}") from None


def _decoded(data: bytes) -> str:
    """Text of whatever encoding: by its mark, by where its zero bytes stand, else UTF-8, else the Windows alphabet, else Latin-1, which takes any byte."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:64]:
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", errors="replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _tiers(text: str, pattern: re.Pattern[str]) -> list[Tier]:
    """Tiers of a text file.

    Raises:
        ValueError: what follows is not what a TextGrid has there.
    """
    tokens: list[str | float] = []
    for found in pattern.finditer(text):
        if (string := found["text"]) is not None:
            tokens.append(string.replace('""', '"'))
        elif (number := found["number"]) is not None:
            tokens.append(float(number))
    place = next((i for i, token in enumerate(tokens) if isinstance(token, str) and token in _KINDS), len(tokens))
    numbers = [token for token in tokens[:place] if isinstance(token, float)]
    if len(numbers) < 3:
        raise ValueError("it has no start, end and number of tiers")
    promised = int(numbers[-1])
    tiers: list[Tier] = []
    while place < len(tokens):
        kind = _KINDS.get(str(tokens[place]))
        shape = "".join("s" if isinstance(token, str) else "n" for token in tokens[place : place + 5])
        if kind is None or shape != "ssnnn":
            raise ValueError(f"tier {len(tiers) + 1} has no class, name, start, end and size")
        name, size = str(tokens[place + 1]), tokens[place + 4]
        place += 5
        spans: list[Span] = []
        width = 3 if kind == "intervals" else 2
        while place < len(tokens) and not isinstance(tokens[place], str):
            *times, label = tokens[place : place + width]
            if len(times) < width - 1 or not isinstance(label, str) or not all(isinstance(time, float) for time in times):
                raise ValueError(f"tier {name!r} breaks off at item {len(spans) + 1}")
            spans.append(Span(float(times[0]), float(times[-1]), label.strip()))
            place += width
        if place >= len(tokens) and len(spans) < int(size):
            raise ValueError(f"tier {name!r} promises {int(size)} items and holds {len(spans)}")
        tiers.append(Tier(name, kind, spans))
    if len(tiers) < promised:
        raise ValueError(f"it promises {promised} tiers and holds {len(tiers)}")
    return tiers


_KINDS: dict[str, Literal["intervals", "points"]] = {"IntervalTier": "intervals", "TextTier": "points", "PointTier": "points"}


def _binary_tiers(data: bytes) -> list[Tier]:
    """Tiers of Praat's binary form: big-endian; strings with a length of two bytes before them, of which -1 announces UTF-16."""
    place = len(_BINARY)

    def take(form: str) -> tuple[float, ...]:
        nonlocal place
        values = struct.unpack_from(">" + form, data, place)
        place += struct.calcsize(">" + form)
        return values

    def text(width: str) -> str:
        nonlocal place
        (length,) = take(width)
        encoding = "latin-1"
        if width == "h" and length == -1:
            (length,) = take("H")
            length, encoding = 2 * length, "utf-16-be"
        raw = data[place : place + int(length)]
        if length < 0 or len(raw) < length:
            raise ValueError("it breaks off within a string")
        place += int(length)
        return raw.decode(encoding)

    _, _, exists, count = take("dd?i")
    tiers: list[Tier] = []
    for _ in range(int(count) if exists else 0):
        kind = _KINDS.get(name_of_class := text("B"))
        if kind is None:
            raise ValueError(f"tier {len(tiers) + 1} is of unknown class {name_of_class!r}")
        name = text("h")
        _, _, size = take("ddi")
        spans: list[Span] = []
        for _ in range(int(size)):
            times = take("dd" if kind == "intervals" else "d")
            spans.append(Span(times[0], times[-1], text("h").strip()))
        tiers.append(Tier(name, kind, spans))
    return tiers

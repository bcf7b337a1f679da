"""Figures that nobody hears: "arousal 0.71", "85 %", "at 2.3 s". Numbers of the talk ("three tickets", "2019", "half past seven") are no such figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from cp_paraling_qa.generate.candidate import Candidate
from cp_paraling_qa.generate.feelings import words_of

_AXIS = re.compile(r"\b(?:arousal|valence|dominance|vad)\b[^.?!]{0,20}\d", re.IGNORECASE)
_MEASURED = re.compile(
    r"(?P<n>\d+(?:[.,]\d+)?)\s*(?:%|percent\b|per cent\b)"
    r"|(?P<n2>\d+(?:[.,]\d+)?)\s*(?:hz|khz|hertz|db|decibels?|bpm)\b"
    r"|(?P<n3>\d+(?:[.,:]\d+)?)[ -]?(?:ms|milliseconds?|secs?|seconds?)\b"
    r"|(?P<n4>\d+[.,]\d+)\s?s\b|(?P<n5>\b\d{1,3}) s\b|(?P<n6>\b(?:\d|\d[1-9]))s\b"
    r"|\bseconds? (?P<n7>\d+)"
    r"|\b(?:score|scored|rating|rated|confidence|probability|likelihood|intensity|energy|scale|pitch|volume|certainty)\b[^.?!\d]{0,20}(?P<n8>\d+(?:[.,]\d+)?)"
    r"|(?P<n9>(?<![\d:.,])\d{1,2}:\d{2}(?![\d:]))"
    r"|(?P<n10>(?<![\d,.])\d+[.,]\d+(?![\d]))"
    r"|(?P<n11>\b\d+(?:\.\d+)?)\s?/\s?(?:5|10|100)\b|(?P<n12>\b\d+) out of \d+",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"^\d{1,3}(?:,\d{3})+$")
_CLOCK = re.compile(
    r"\b(?:(?P<part>half|quarter|\w+) (?P<how>past|to) )?(?P<hour>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b", re.IGNORECASE
)
_MINUTES = {"half": 30, "quarter": 15}
_UNITS = {
    word: value
    for value, word in enumerate(
        words_of("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
    )
} | {"oh": 0}
_TENS = {word: 10 * value for value, word in enumerate(words_of("twenty thirty forty fifty sixty seventy eighty ninety"), start=2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}


def figures(c: Candidate) -> str | None:
    """No measured figures in question or answer, unless the talk has them."""
    if any(_AXIS.search(text) for text in (c.question, c.answer)):
        return "leaks figures"
    said: set[str] | None = None
    for text in (c.question, c.answer):
        for match in _MEASURED.finditer(text):
            number = next(value for value in match.groupdict().values() if value is not None)
            said = numbers_said(c.transcript) if said is None else said
            whole, _, fraction = number.replace(",", ".").partition(".")
            digits, short = re.sub(r"\D", "", number), whole + fraction.rstrip("0")  # "3.50" is "three point five"
            clock = match["n9"] is not None and digits in set(_clocks(c.transcript))
            if not (clock or digits in said or short in said or (_THOUSANDS.match(number) and match["n10"])):
                return "leaks figures"
    return None


def numbers_said(transcript: str) -> set[str]:
    """Every number of a text, in figures or in words, as a string of digits without point, comma or colon.

    Neighbouring words are read as one number and side by side, since both are said: "twenty nineteen", "three fifty", "two hundred and six", "three point five".

    Example:
        >>> sorted(numbers_said("It was three point five percent in twenty nineteen, at 7:30."))
        ['19', '20', '2019', '3', '30', '35', '5', '7', '730']
    """
    found = {digits for match in re.findall(r"\d+(?:[.,:]\d+)*", transcript) for digits in (re.sub(r"\D", "", match), *re.findall(r"\d+", match))}
    runs: list[list[str]] = [[]]
    for word in re.findall(r"[a-z]+", transcript.lower().replace("-", " ")):
        if word in _UNITS or word in _TENS or word in _SCALES or (runs[-1] and word in ("and", "point")):
            runs[-1].append(word)
        elif runs[-1]:
            runs.append([])
    for run in runs:
        parts = [_value(part) for part in _parts(run)]
        found |= {str(part) for part in parts} | {f"{a}{b}" for a, b in pairwise(parts)}
        if parts:
            found.add("".join(map(str, parts)))
    return found


def _clocks(transcript: str) -> Iterator[str]:
    """Times of day as digits: "half past seven" as 730, "ten to nine" as 850, and any number up to twelve as a full hour."""
    for match in _CLOCK.finditer(transcript):
        hour = int(match["hour"]) if match["hour"].isdecimal() else _UNITS[match["hour"].lower()]
        yield f"{hour}00"
        part = (match["part"] or "").lower()
        minutes = _MINUTES.get(part) or _UNITS.get(part) or _TENS.get(part)
        if minutes and match["how"].lower() == "past":
            yield f"{hour}{minutes:02d}"
        elif minutes:
            yield f"{(hour - 2) % 12 + 1}{60 - minutes}"


def _parts(run: list[str]) -> list[list[str]]:
    """A run of number words cut where a new number begins: "twenty | nineteen", "two hundred and six", "three | five" (around "point")."""
    parts: list[list[str]] = []
    for word in run:
        if word in ("and", "point"):
            if word == "point":
                parts.append([])
            continue
        last = parts[-1][-1] if parts and parts[-1] else None
        goes_on = last is not None and (word in _SCALES or last in _SCALES or (last in _TENS and word in _UNITS and 0 < _UNITS[word] < 10))
        if goes_on or (parts and not parts[-1]):
            parts[-1].append(word)
        else:
            parts.append([word])
    return [part for part in parts if part]


def _value(part: list[str]) -> int:
    total, current = 0, 0
    for word in part:
        if word in _SCALES:
            current = max(1, current) * _SCALES[word]
            if _SCALES[word] >= 1000:
                total, current = total + current, 0
        else:
            current += _UNITS.get(word, _TENS.get(word, 0))
    return total + current

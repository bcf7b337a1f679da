"""What is known about a recording, as plain text for a judge that cannot hear it.

A text judge over measured cues beat audio language models at judging speech in arXiv 2601.13742: so measured prosody, and labels where they may be told, can stand in
`JudgeItem.context`. It is data there like any other text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from cp_paraling_qa.labels import axis_words
from cp_paraling_qa.ledger import axis_mean, prosody_words, shares
from cp_paraling_qa.schema import AXES

_MEASURES = {
    "f0_median": "median pitch",
    "f0_range": "pitch range",
    "loudness": "loudness",
    "loudness_range": "loudness range",
    "rate": "speaking rate",
    "pause_share": "share of pauses",
    "voiced_share": "share of voiced speech",
}
"""The measures of `annotate.prosody` by name; others are told under their own."""


def evidence(row: Mapping[str, Any], *, labels: bool = True) -> str | None:
    """The measured cues and labels that a row holds, a line for each kind.

    Args:
        row: a clip (`duration`, `opinions`, `gender`, `age`, `transcript`), an annotation's row (`measures`: name, value and unit), an example of the dataset (`emotion`,
            `arousal`, … as columns), or any mapping with some of these; what is missing or None is not told. `measures` may also be a plain mapping, name → number.
        labels: whether emotion, affect, gender and age are told; False leaves the words and what was measured.

    Returns:
        None where there is nothing to tell.

    Example:
        >>> print(evidence({"duration": 2.5, "emotion": "sad", "arousal": 0.2, "measures": [{"name": "f0_median", "value": 118.4, "unit": "Hz"}]}))
        Duration: 2.5 s
        Emotion: sad
        Affect, 0 to 1: arousal 0.20 (rather calm)
        Measured: median pitch 118 Hz
    """
    lines = {"Duration": _duration(row), "Words spoken": " ".join((row.get("transcript") or "").split())}
    if labels:
        lines |= {"Emotion": _emotion(row), "Affect, 0 to 1": "; ".join(_affect(row)), "Speaker": ", ".join(_speaker(row))}
    spoken = prosody_words({"opinions": row.get("opinions") or ()})
    lines |= {"Beside other clips of this voice": ", ".join(f"{field} {words}" for field, words in spoken.items()), "Measured": ", ".join(_measured(row))}
    return "\n".join(f"{name}: {told}" for name, told in lines.items() if told) or None


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _duration(row: Mapping[str, Any]) -> str:
    seconds = row.get("duration")
    if not _known(seconds) and _known(row.get("start")) and _known(row.get("end")):
        seconds = row["end"] - row["start"]
    return f"{seconds:.1f} s" if _known(seconds) else ""


def _emotion(row: Mapping[str, Any]) -> str:
    votes = shares(row.get("opinions") or (), "emotion")
    if len(votes) > 1:
        return ", ".join(f"{label} ({share:.0%})" for label, share in votes.items())
    return next(iter(votes), None) or row.get("emotion") or ""


def _affect(row: Mapping[str, Any]) -> Iterator[str]:
    for axis in AXES:
        score = axis_mean(row.get("opinions") or (), axis)
        score = row.get(axis) if score is None else score
        if score is not None and _known(score):
            yield f"{axis} {score:.2f} ({axis_words(axis, score)})"


def _speaker(row: Mapping[str, Any]) -> Iterator[str]:
    if sex := row.get("gender") or next(iter(shares(row.get("opinions") or (), "gender")), None):
        yield str(sex)
    if _known(row.get("age")):
        yield f"{row['age']:.0f} years old"


def _measured(row: Mapping[str, Any]) -> Iterator[str]:
    measures = row.get("measures") or ()
    if isinstance(measures, Mapping):
        measures = [{"name": name, "value": value} for name, value in measures.items()]
    for measure in measures:
        name, value, unit = measure.get("name"), measure.get("value"), measure.get("unit") or ""
        if name and _known(value):
            yield f"{_MEASURES.get(name, name)} {value:.3g}{f' {unit}' if unit not in ('', 'share') else ''}"

"""What the opinions about a clip add up to. Everything here is derived afresh; nothing is stored in place of the opinions.

A self-report never votes on how the clip sounds to others, and an acted label ("the actor was told to sound sad") only where nobody listened and voted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cp_paraling_qa.labels import NO_EMOTION, canonical
from cp_paraling_qa.schema import ACTED, Opinion, Seconds

REFERENCE_SOURCES = ("human", "maker")
"""Whose opinions make reference labels where there are any; a model's count only where nobody else has spoken."""

NO_LABEL = NO_EMOTION


def _votes(opinions: Iterable[Opinion], field: str, sources: Collection[str] | None) -> list[Opinion]:
    about = [o for o in opinions if o["field"] == field and o["source"] != "self"]
    wanted = REFERENCE_SOURCES if sources is None else sources
    about = [o for o in about if o["source"] in wanted] or (about if sources is None else [])
    return without_acted(about)


def without_acted(opinions: list[Opinion]) -> list[Opinion]:
    """The opinions about one field without what an actor was told to play, where people listened and said what they heard; else as they are."""
    heard = [o for o in opinions if o["rater"] != ACTED]
    return heard if any(o["source"] == "human" for o in heard) else opinions


def shares(opinions: Iterable[Opinion], field: str, *, sources: Collection[str] | None = None) -> dict[str, float]:
    """Share of the votes that each label has, largest first; labels that mean the same vote together, under the first one's name.

    A vote weighs its probability where it has one, and its span where it covers only part of the clip.

    Args:
        opinions: a clip's ledger.
        field: emotion, gender, intensity, ….
        sources: whose votes count; None for the people's (human, maker), and the models' where no person voted.

    Returns:
        label → share, 0–1, adding up to 1; empty where nobody voted.

    Example:
        >>> from cp_paraling_qa.schema import opinion
        >>> shares([opinion("emotion", "angry", source="human"), opinion("emotion", "anger", source="human"), opinion("emotion", "sad", source="human")], "emotion")
        {'angry': 0.6666666666666666, 'sad': 0.3333333333333333}
    """
    weight: dict[str, float] = defaultdict(float)
    names: dict[str, str] = {}
    for vote in _votes(opinions, field, sources):
        value = vote["value"]
        if value is None or canonical(value) in NO_LABEL:
            continue
        name = names.setdefault(canonical(value), value)
        span = 1.0 if vote["start"] is None or vote["end"] is None else vote["end"] - vote["start"]
        weight[name] += (1.0 if vote["probability"] is None else vote["probability"]) * span
    total = sum(weight.values())
    return {name: w / total for name, w in sorted(weight.items(), key=lambda item: (-item[1], item[0])) if w > 0} if total else {}


def consensus(opinions: Iterable[Opinion], field: str, *, sources: Collection[str] | None = None) -> str | None:
    """The label with the largest share of the votes; None where nobody voted or the first two are level.

    Example:
        >>> from cp_paraling_qa.schema import opinion
        >>> consensus([opinion("emotion", "calm", source="human"), opinion("emotion", "sad", source="human")], "emotion") is None
        True
    """
    ranked = list(shares(opinions, field, sources=sources).items())
    if not ranked or (len(ranked) > 1 and math.isclose(ranked[0][1], ranked[1][1])):
        return None
    return ranked[0][0]


def axis_mean(opinions: Iterable[Opinion], axis: str, *, sources: Collection[str] | None = None) -> float | None:
    """Mean score of an affect axis on 0–1; None where nobody scored it."""
    scores = [o["score"] for o in _votes(opinions, axis, sources) if o["score"] is not None]
    return sum(scores) / len(scores) if scores else None


def gender(clip: Mapping[str, Any]) -> str | None:
    """A clip's gender: the corpus's own entry, else the consensus of opinions."""
    return clip["gender"] or consensus(clip["opinions"], "gender")


def emotion_track(clip: Mapping[str, Any], *, sources: Collection[str] | None = None) -> list[tuple[Seconds, Seconds, str]]:
    """Who-sounds-how over time: (start, end, label) in seconds from the clip's start, in order, neighbours of one label joined.

    Spans come from opinions that have them (window-level recognisers); without any, the clip's consensus covers it whole.
    """
    spans = [o for o in _votes(clip["opinions"], "emotion", sources) if o["start"] is not None and o["end"] is not None and o["value"] not in (None, *NO_LABEL)]
    track: list[tuple[Seconds, Seconds, str]] = []
    for key in sorted({(float(o["start"] or 0), float(o["end"] or 0)) for o in spans}):
        label = consensus([o for o in spans if (o["start"], o["end"]) == key], "emotion", sources=sources)
        if label is None:
            continue
        if track and track[-1][2] == label and key[0] <= track[-1][1] + 1e-6:
            track[-1] = (track[-1][0], max(track[-1][1], key[1]), label)
        else:
            track.append((key[0], key[1], label))
    if not track and (label := consensus(clip["opinions"], "emotion", sources=sources)):
        track = [(0.0, clip["duration"], label)]
    return track


def prosody_words(clip: Mapping[str, Any]) -> dict[str, str]:
    """Measured prosody in words: field (pitch, loudness, rate, intonation) → words; empty where nothing was measured."""
    return {o["field"]: o["value"] for o in clip["opinions"] if o["field"] in ("pitch", "loudness", "rate", "intonation") and o["value"]}

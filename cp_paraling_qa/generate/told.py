"""What an LLM is told of a clip: the words with their times, the emotion over time, affect in words and figures, measured prosody, the speaker.

Each kind of evidence can be left out (`Told`), so that what a source is worth can be measured: questions without VAD, without categorical labels, from people's opinions alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.labels import adjective, axis_words
from cp_paraling_qa.ledger import axis_mean, consensus, emotion_track, gender, prosody_words, shares
from cp_paraling_qa.schema import AXES

EvidenceField = Literal["emotion", "arousal", "valence", "dominance", "pitch", "loudness", "rate", "intonation", "gender", "age", "speakers", "text"]
"""The ledger fields that an answer may say it rests on."""

PERSON = {"female": "a woman", "male": "a man"}
AGREED = 2 / 3
"""Share of the votes from which a clip has one emotion; below it the prompt tells of two, where soft labels are on."""
SOURCES = ("human", "maker", "model")


@dataclass(frozen=True)
class Told:
    """Which evidence goes into the prompts.

    Args:
        vad: arousal, valence and dominance.
        emotions: categorical labels, of the clip, over time and behind the words.
        sources: whose opinions count: human, maker, model; None for the people's, and the models' where no person spoke.
        soft: tell where raters disagree ("between sad and calm"), in place of the first label alone.

    Raises:
        RecipeError: a source that there is not.
    """

    vad: bool = True
    emotions: bool = True
    sources: tuple[str, ...] | None = None
    soft: bool = True

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.sources or ()) - set(SOURCES)):
            raise RecipeError(f"there is no opinion source {', '.join(unknown)}: choose among {', '.join(SOURCES)}")


def feeling(clip: Mapping[str, Any], told: Told) -> str | None:
    """The clip's emotion as the ledger's own label, by the opinions that count; None where they are level, where there are none, or where labels are left out."""
    return consensus(clip["opinions"], "emotion", sources=told.sources) if told.emotions else None


def speakers(clip: Mapping[str, Any]) -> int | None:
    """How many people are heard, where the ledger knows."""
    count = consensus(clip["opinions"], "speakers")
    return int(count) if count is not None and count.isdecimal() and int(count) > 0 else None


def age(clip: Mapping[str, Any]) -> str | None:
    """The speaker's age as a listener would put it; None where the ledger does not know.

    Example:
        >>> age({"age": 34.0, "opinions": []}), age({"age": 8.0, "opinions": []})
        ('in their thirties', 'a child')
    """
    years = clip.get("age")
    if years is None:
        named = consensus(clip["opinions"], "age")
        try:
            years = float(named) if named else None
        except ValueError:
            return None
    if years is None:
        return None
    if years < 20:
        return "a child" if years < 13 else "a teenager"
    tens = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties")
    return f"in their {tens[min(int(years) // 10, 8) - 2]}"


def known_fields(clip: Mapping[str, Any], told: Told) -> set[str]:
    """The evidence that there is about a clip, of what may be told."""
    fields = {field for field in prosody_words(clip)}
    fields |= {"emotion"} if told.emotions and shares(clip["opinions"], "emotion", sources=told.sources) else set()
    fields |= {axis for axis in AXES if told.vad and axis_mean(clip["opinions"], axis, sources=told.sources) is not None}
    for field, there in (("gender", gender(clip)), ("age", age(clip)), ("speakers", speakers(clip)), ("text", (clip["transcript"] or "").strip())):
        fields |= {field} if there else set()
    return fields


def tell(clip: Mapping[str, Any], told: Told) -> dict[str, Any]:
    """What a prompt says about a clip, by line; None where there is nothing to say.

    Returns:
        seconds, words (lines), emotion, affect, prosody, speaker.
    """
    opinions = clip["opinions"]
    affect = {axis: axis_mean(opinions, axis, sources=told.sources) for axis in AXES} if told.vad else {}
    return {
        "seconds": f"{clip['duration']:.1f}",
        "words": list(_words(clip, told)),
        "emotion": _emotion(clip, told),
        "affect": ", ".join(f"{axis} {score:.2f} ({axis_words(axis, score)})" for axis, score in affect.items() if score is not None) or None,
        "prosody": ", ".join(f"{field} {words}" for field, words in prosody_words(clip).items()) or None,
        "speaker": _speaker(clip),
    }


def _words(clip: Mapping[str, Any], told: Told) -> Iterator[str]:
    """The words in lines of one tag each, with times, where they have times; else the transcript."""
    timed = [word for word in clip.get("words") or () if word["start"] is not None and word["end"] is not None]
    if not timed:
        if text := " ".join((clip["transcript"] or "").split()):
            yield text
        return
    for (emotion, sex), group in groupby(timed, lambda word: (word["emotion"] if told.emotions else None, word["gender"])):
        line = list(group)
        tag = ", ".join(filter(None, [adjective(emotion) if emotion else None, PERSON.get(sex or "")]))
        yield f"{line[0]['start']:.1f}–{line[-1]['end']:.1f} s{f' [{tag}]' if tag else ''}: {' '.join(word['word'].strip() for word in line)}"


def _emotion(clip: Mapping[str, Any], told: Told) -> str | None:
    if not told.emotions:
        return None
    votes = shares(clip["opinions"], "emotion", sources=told.sources)
    if not votes:
        return None
    track = emotion_track(clip, sources=told.sources)
    if len(track) > 1:
        return "; ".join(f"{start:.1f}–{end:.1f} s {adjective(label)}" for start, end, label in track)
    first, *others = votes
    if told.soft and others and votes[first] < AGREED:
        return f"between {adjective(first)} and {adjective(others[0])}, raters disagree"
    label = consensus(clip["opinions"], "emotion", sources=told.sources)
    return adjective(label) if label else None


def _speaker(clip: Mapping[str, Any]) -> str | None:
    count = speakers(clip)
    parts = [PERSON.get(gender(clip) or ""), age(clip), f"{count} {'person' if count == 1 else 'people'} heard" if count else None]
    return ", ".join(filter(None, parts)) or None

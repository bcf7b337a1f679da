"""The metadata block: what the explicit method shows the model beside the audio. One versioned template, for training and inference alike.

    Voice: 0.0–2.0 s sad; 2.0–5.5 s angry. Arousal: aroused. Valence: negative. Dominance: moderately dominant.

The wording of the paper's template is unknown; this one is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cp_paraling_qa import ledger
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.labels import axis_words
from cp_paraling_qa.schema import AXES

TEMPLATE = "voice-1"
"""Changes whenever the rendered text would."""

FIELDS = ("emotion", "vad", "gender")


@dataclass(frozen=True)
class MetadataOptions:
    """What the block shows.

    Args:
        fields: of emotion (time-stamped labels), vad (arousal, valence, dominance), gender.
        numbers: VAD with its figures, 0–1, behind the words.
        hide_asked: a direct question about emotion or gender does not get shown that field (nor VAD, which gives an emotion away).
        sources: whose opinions are shown (human, maker, model); None for those that make the reference labels.
    """

    fields: tuple[str, ...] = ("emotion", "vad")
    numbers: bool = False
    hide_asked: bool = False
    sources: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if unknown := set(self.sources or ()) - {"human", "maker", "model"}:
            raise RecipeError(f"metadata source {', '.join(sorted(unknown))} is unknown: choose from human, maker, model")
        if unknown := set(self.fields) - set(FIELDS):
            raise RecipeError(f"metadata field {', '.join(sorted(unknown))} is unknown: choose from {', '.join(FIELDS)}")


ASKED = {"DE": {"emotion", "vad"}, "DG": {"gender"}}


def render(clip: Mapping[str, Any], options: MetadataOptions, *, question_type: str = "") -> str:
    """The metadata block of a clip.

    Args:
        clip: a row of RUN/clips.
        options: what to show.
        question_type: of the question it stands before, for `hide_asked`.

    Returns:
        one line; "Voice: not labelled." where nothing that should be shown is known.
    """
    hidden: Collection[str] = ASKED.get(question_type, ()) if options.hide_asked else ()
    parts = []
    if "emotion" in options.fields and "emotion" not in hidden:
        track = ledger.emotion_track(clip, sources=options.sources)
        parts.append("Voice: " + ("; ".join(f"{start:.1f}–{end:.1f} s {label}" for start, end, label in track) or "not labelled") + ".")
    if "vad" in options.fields and "vad" not in hidden:
        for axis in AXES:
            score = ledger.axis_mean(clip["opinions"], axis, sources=options.sources)
            if score is not None:
                parts.append(f"{axis.capitalize()}: {axis_words(axis, score)}{f' ({score:.2f})' if options.numbers else ''}.")
    if "gender" in options.fields and "gender" not in hidden and (gender := ledger.gender(clip)):
        parts.append(f"Speaker: {gender}.")
    return " ".join(parts) or "Voice: not labelled."

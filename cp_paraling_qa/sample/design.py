"""Who says what, and how: the plan of the sample, balanced so that only the voice tells the emotion.

Every sentence is spoken once in each emotion, and every speaker speaks each emotion equally often. Training and test share neither speakers nor sentences.
So neither the words nor the speaker say anything about the emotion, inside a split or across it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

from cp_paraling_qa.sample.sentences import TEST_SENTENCES, TRAIN_SENTENCES, transcript
from cp_paraling_qa.sample.voices import EMOTIONS, MANNERS, TEST_SPEAKERS, VOICES, Manner, Voice
from cp_paraling_qa.schema import AXES, Opinion, opinion

RATER = "cp_paraling_qa.sample"
LICENSE = "cc0-1.0"


@dataclass(frozen=True)
class Planned:
    """One clip to be spoken."""

    name: str  # file name without its ending
    split: str
    sentence: str  # with its pause mark
    emotion: str
    voice: Voice
    manner: Manner  # the emotion's, as strong or weak as this clip takes it


def plan() -> list[Planned]:
    """All clips of the sample, in a fixed order.

    A Latin square: sentence s in emotion e is spoken by voice (s + e) modulo the number of voices. Voices change gender in pairs, so that a sentence in an
    emotion is about as often a woman's as a man's.
    """
    clips = []
    for split, sentences in (("train", TRAIN_SENTENCES), ("test", TEST_SENTENCES)):
        voices = [voice for voice in VOICES if (voice.speaker_id in TEST_SPEAKERS) == (split == "test")]
        for s, sentence in enumerate(sentences):
            for e, emotion in enumerate(EMOTIONS):
                voice = voices[(s + e) % len(voices)]
                name = f"{split}-{s + 1:02d}-{voice.speaker_id}-{emotion}"
                clips.append(Planned(name, split, sentence, emotion, voice, varied(MANNERS[emotion], random.Random(name))))
    return clips


def varied(manner: Manner, chance: random.Random) -> Manner:
    """The manner at a strength of its own, 0.85 to 1.15 of the way from neutral, with the small differences that two takes of one speaker have.

    The affect targets go the same way, so that the ledger tells a strong take from a weak one.
    """
    neutral = MANNERS["neutral"]
    strength = chance.uniform(0.85, 1.15)
    changed = {}
    for field in fields(manner):
        rest, value = getattr(neutral, field.name), getattr(manner, field.name)
        if isinstance(value, float | int):
            changed[field.name] = type(rest)(rest + strength * (value - rest))
    changed["pitch"] *= chance.uniform(0.96, 1.04)
    changed["span"] *= chance.uniform(0.88, 1.12)
    changed["rate"] *= chance.uniform(0.96, 1.04)
    changed["level"] += chance.uniform(-1.0, 1.0)
    changed["tilt"] += chance.uniform(-0.7, 0.7)
    changed["pause"] = max(0.0, changed["pause"] * chance.uniform(0.7, 1.3))
    for axis in AXES:
        changed[axis] = round(min(1.0, max(0.0, changed[axis] + chance.uniform(-0.03, 0.03))), 2)
    return replace(manner, **changed)


def metadata(clip: Planned) -> dict[str, object]:
    """The clip's line of metadata.jsonl: the maker's ground truth, as opinions in the ledger."""

    def maker(field: str, value: str | None = None, score: float | None = None) -> Opinion:
        return opinion(field, value, source="maker", rater=RATER, score=score, license=LICENSE)

    text = transcript(clip.sentence)
    return {
        "file_name": f"audio/{clip.name}.flac",
        "transcript": text,
        "speaker_id": clip.voice.speaker_id,
        "dialogue_id": None,  # every clip is a recording of its own
        "gender": clip.voice.gender,
        "language": "en",
        "split": clip.split,
        "license": LICENSE,
        "words": None,
        "opinions": [
            maker("emotion", clip.emotion),
            *(maker(axis, score=getattr(clip.manner, axis)) for axis in AXES),
            maker("gender", clip.voice.gender),
            maker("text", text),
        ],
    }

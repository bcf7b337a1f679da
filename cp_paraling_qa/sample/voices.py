"""Who speaks, and how each emotion is spoken: the voices and manners of the sample.

The voices are our own settings of the formant synthesiser (pitch, formants, timbre), none is a copy of a person. The manners follow what speech research
agrees on (Scherer 2003, doi:10.1016/S0167-6393(02)00084-5: sad is slow, low, narrow and soft; angry loud, fast and sharp; fearful high, fast and trembling;
happy high, wide and loud), exaggerated until a small model can learn them from minutes of speech; the numbers are ours. Every manner is relative
to its voice: a pitch that is high for one speaker is another's neutral.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """One speaker. `pitch` is the middle of its neutral range, `formants` scales the vocal tract (1 is the synthesiser's own male one)."""

    speaker_id: str
    gender: str  # female, male
    accent: str  # an espeak-ng language file; "en" is British
    pitch: float  # Hz
    span: float  # neutral range over `pitch`
    formants: float
    rate: int  # neutral speed, words per minute
    roughness: int  # 0 to 7
    tilt: float  # dB above 1 kHz, against the synthesiser's own
    level: float  # dB against the other voices


@dataclass(frozen=True)
class Manner:
    """How one emotion is spoken, against the same voice's neutral; and the affect that it aims at, each axis 0 to 1."""

    pitch: float = 1.0  # factor on the middle of the range
    span: float = 1.0  # factor on the range
    rate: float = 1.0  # factor on the speed
    level: float = 0.0  # dB
    tilt: float = 0.0  # dB above 1 kHz
    pause: float = 0.06  # seconds at the sentence's bar
    formants: float = 1.0  # factor: a smile shortens the vocal tract
    flutter: int = 2  # the synthesiser's slow pitch wander
    breath: float = 0.0  # aspiration, 0 to 4
    tremor: float = 0.0  # depth of the loudness tremor, 0 to 1
    drive: float = 0.0  # soft saturation: the sharpness of a pressed voice
    ending: str = "."  # . falls, ? rises, ! falls from high
    arousal: float = 0.35
    valence: float = 0.5
    dominance: float = 0.5


VOICES = (
    Voice("f01", "female", "en-us", 185, 0.34, 1.05, 170, 1, 0.0, 0.0),
    Voice("f02", "female", "en-gb-x-rp", 205, 0.38, 1.07, 162, 0, -1.5, -1.0),
    Voice("m01", "male", "en-us", 100, 0.34, 1.00, 168, 2, 0.0, 0.5),
    Voice("m02", "male", "en-gb-x-rp", 118, 0.40, 1.03, 160, 1, 1.0, -0.5),
    Voice("f03", "female", "en-us", 222, 0.36, 1.09, 176, 1, 1.0, 0.5),
    Voice("f04", "female", "en", 172, 0.32, 1.04, 164, 3, -0.5, 1.0),
    Voice("m03", "male", "en-us", 88, 0.32, 0.97, 160, 3, -1.0, 1.0),
    Voice("m04", "male", "en", 128, 0.38, 1.02, 174, 1, 0.5, -1.0),
    Voice("f05", "female", "en-us", 195, 0.37, 1.06, 165, 2, 0.5, -0.5),
    Voice("m05", "male", "en-us", 108, 0.36, 1.02, 172, 2, 0.5, 0.0),
    Voice("f06", "female", "en-gb-x-rp", 212, 0.35, 1.08, 170, 1, -0.5, 0.5),
    Voice("m06", "male", "en", 95, 0.34, 0.97, 164, 2, -0.5, -0.5),
)
TEST_SPEAKERS = ("f05", "m05", "f06", "m06")

MANNERS = {
    "neutral": Manner(),
    "happy": Manner(pitch=1.25, span=1.7, rate=1.06, level=4, tilt=3, formants=1.03, ending="!", arousal=0.75, valence=0.85, dominance=0.65),
    "sad": Manner(pitch=0.92, span=0.35, rate=0.8, level=-7, tilt=-7, pause=0.28, breath=1.0, arousal=0.2, valence=0.15, dominance=0.25),
    "angry": Manner(pitch=1.08, span=1.3, rate=1.1, level=8, tilt=6, pause=0.0, drive=2.0, ending="!", arousal=0.85, valence=0.15, dominance=0.85),
    "fearful": Manner(
        pitch=1.42, span=0.6, rate=1.12, level=-3, tilt=-1, pause=0.16, flutter=10, breath=2.0, tremor=0.45, arousal=0.8, valence=0.2, dominance=0.15
    ),
    "surprised": Manner(pitch=1.35, span=2.3, rate=0.94, level=2, tilt=1, pause=0.1, ending="?", arousal=0.8, valence=0.6, dominance=0.45),
}
EMOTIONS = tuple(MANNERS)

"""Which of the words that Whisper writes are believed.

Whisper was trained on subtitles and must write something: into silence, noise and music it writes "Thank you.", "you", or one phrase over and over. So every segment
is tested before it is believed, by these rules in this order; what fails is dropped, and counted under the rule's name:

    no_words        no letter and no digit: "...", "♪"
    low_confidence  probability of no speech > 0.6 and mean log probability < −1 (Whisper's own rule)
    repetition      text that compresses more than 2.4 times; or that of the window of up to 30 s that the segment was decoded in (Whisper's own rule, by which it tries
                    again), unless speech activity fills half of the segment: people do say a thing six times over
    no_speech       less than 0.1 s of speech activity within the segment, widened by 0.2 s on either side, and a probability of no speech > 0.3: both, since the
                    detector is deaf to some shouts, to which Whisper gives 0.1
    stock_phrase    a phrase known from subtitles, where speech activity fills less than 30 % of the segment; a "Thank you." that somebody says stays

Speech activity is silero-vad's, at a sensitive setting (threshold 0.3, stretches from 0.1 s), so that quiet speech counts; the last two rules rest where it is not
installed, and an annotator's `config` says which it was.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from cp_paraling_qa.annotate.pinning import package_version
from cp_paraling_qa.annotate.speech import Span, overlap
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.stage import Row

NO_SPEECH = 0.6
LOG_PROBABILITY = -1.0
COMPRESSION = 2.4
NO_SPEECH_EITHER = 0.3
FEWEST_SPEECH: Seconds = 0.1
MARGIN: Seconds = 0.2
STOCK_SHARE = 0.3
SAID_SHARE = 0.5
SENSITIVE = {"threshold": 0.3, "min_speech": 0.1}
"""Silero's setting here: it guards against silence, so it rather hears too much."""

STOCK_PHRASES = frozenset(
    (
        *(
            "you",
            "bye",
            "bye bye",
            "so",
            "okay",
            "the end",
            "music",
            "applause",
            "thanks",
            "thank you",
            "thank you very much",
            "thank you so much",
            "i m sorry",
        ),
        *("thanks for watching", "thank you for watching", "thank you for watching this video", "thanks for listening", "thank you for listening"),
        *("subscribe", "please subscribe", "like and subscribe", "please subscribe to my channel", "see you next time", "see you in the next video"),
        *("subtitles by the amara org community", "transcription by castingwords", "untertitel der amara org community"),
        *("sous titres réalisés para la communauté d amara org", "vielen dank", "merci", "gracias", "謝謝", "谢谢", "谢谢大家", "ご視聴ありがとうございました"),
    )
)
"""What Whisper is known to write where nobody speaks, in lower case and without punctuation."""


def doubt(
    text: str,
    start: Seconds | None,
    end: Seconds | None,
    speech: Sequence[Span] | None,
    *,
    no_speech: float | None = None,
    log_probability: float | None = None,
    compression: float | None = None,
) -> str | None:
    """The rule by which a segment is not believed (see the module); None where it is.

    Args:
        text: of the segment.
        start: of the segment, in seconds from the clip's start; None where it is not known.
        end: of the segment, likewise.
        speech: where somebody speaks; None where nobody looked.
        no_speech: probability that there is none, 0–1.
        log_probability: mean over the tokens.
        compression: how many times smaller zlib makes the text of the window that the segment was decoded in; None where it is not known.

    Example:
        >>> doubt("Thank you.", 0.0, 2.0, [(0.5, 0.8)]), doubt("Thank you.", 0.0, 2.0, [(0.4, 1.4)])
        ('stock_phrase', None)
    """
    spoken = re.sub(r"[\W_]+", " ", text.lower()).strip()
    if not spoken:
        return "no_words"
    if no_speech is not None and log_probability is not None and no_speech > NO_SPEECH and log_probability < LOG_PROBABILITY:
        return "low_confidence"
    spans = speech is not None and start is not None and end is not None
    really_said = spans and overlap(speech or (), start or 0.0, end or 0.0) >= SAID_SHARE * ((end or 0.0) - (start or 0.0))
    if compression_ratio(text) > COMPRESSION or (compression is not None and compression > COMPRESSION and not really_said):
        return "repetition"
    if speech is not None and start is not None and end is not None:
        if no_speech is not None and no_speech > NO_SPEECH_EITHER and overlap(speech, start - MARGIN, end + MARGIN) < FEWEST_SPEECH:
            return "no_speech"
        if spoken in STOCK_PHRASES and overlap(speech, start, end) < STOCK_SHARE * (end - start):
            return "stock_phrase"
    return None


def doubt_measures(doubts: Sequence[str | None], prefix: str) -> list[Row]:
    """How many segments were heard, how many were dropped, and by which rules."""
    dropped = Counter(reason for reason in doubts if reason is not None)
    counts = {"segments": len(doubts), "segments_dropped": dropped.total()} | {f"dropped_{reason}": number for reason, number in sorted(dropped.items())}
    return [{"name": f"{prefix}_{name}", "value": float(number), "unit": "segments"} for name, number in counts.items()]


def compression_ratio(text: str) -> float:
    """How many times smaller zlib makes a text: about 1 for a sentence, above 2.4 for one phrase over and over.

    Example:
        >>> compression_ratio("kids are talking by the door") < 1 < 2.4 < compression_ratio("kids are talking. " * 12)
        True
    """
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def speech_rules() -> dict[str, Any] | None:
    """What the rules about speech activity rest on; None where silero-vad is not installed and they do not apply."""
    if not (find_spec("silero_vad") and find_spec("onnxruntime")):
        return None
    return {
        "model": f"silero-vad {package_version('silero-vad')}",
        **SENSITIVE,
        "no_speech": NO_SPEECH_EITHER,
        "fewest": FEWEST_SPEECH,
        "margin": MARGIN,
        "stock_share": STOCK_SHARE,
        "said_share": SAID_SHARE,
    }

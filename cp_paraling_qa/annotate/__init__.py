"""Annotators: what can be heard in a clip, stated as opinions. A new annotator is a new file and one line in `KINDS`.

They are asked for as `KIND` or `KIND=MODEL[@REVISION]`: `prosody`, `emotion=emotion2vec_plus_large`, `affect=audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cp_paraling_qa.annotate.asr import Asr
from cp_paraling_qa.annotate.base import Annotator, AnnotatorOptions
from cp_paraling_qa.annotate.prosody import Prosody
from cp_paraling_qa.errors import RecipeError

__all__ = ["KINDS", "Annotator", "AnnotatorOptions", "Asr", "Kind", "Prosody", "annotator"]

Maker = Callable[[str | None, str | None, AnnotatorOptions], Annotator]


class Kind(NamedTuple):
    """One kind of annotator.

    Args:
        make: (model, revision, options) → the annotator.
        states: what its opinions, words or measures are about.
        models: what may stand behind `=`; empty where there is nothing to choose.
        needs: the extra of this package that brings it; empty where nothing more is needed.
        license: of what it runs, where it is worth knowing before one starts.
    """

    make: Maker
    states: str
    models: str = ""
    needs: str = ""
    license: str = ""


def _asr(model: str | None, revision: str | None, options: AnnotatorOptions) -> Annotator:
    if model is not None and (model == "whisperx" or model.startswith("whisperx:")):
        from cp_paraling_qa.annotate.whisperx import WhisperX

        return WhisperX(model.partition(":")[2] or "large-v3", revision=revision, options=options)
    return Asr(model, revision=revision, options=options)


def _emotion(model: str | None, revision: str | None, options: AnnotatorOptions) -> Annotator:
    from cp_paraling_qa.annotate.emotion2vec import NAMES, Emotion2Vec

    if model is None or model in NAMES or _is_emotion2vec(model):
        return Emotion2Vec(NAMES.get(model or "emotion2vec_plus_large", (str(model),)), revision=revision, options=options)
    from cp_paraling_qa.annotate.emotion import EmotionClassifier

    return EmotionClassifier(model, revision, options)


def _is_emotion2vec(model: str) -> bool:
    """By its files where it is a folder, else by its name."""
    return (Path(model) / "model.pt").is_file() or (not Path(model).is_dir() and "emotion2vec" in model)


def _affect(model: str | None, revision: str | None, options: AnnotatorOptions) -> Annotator:
    from cp_paraling_qa.annotate.affect import Affect

    return Affect(model or "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim", revision, options)


def _speaker(model: str | None, revision: str | None, options: AnnotatorOptions) -> Annotator:
    from cp_paraling_qa.annotate.speaker import Speaker

    return Speaker(model or "audeering/wav2vec2-large-robust-24-ft-age-gender", revision, options)


def _speakers(model: str | None, revision: str | None, options: AnnotatorOptions) -> Annotator:
    from cp_paraling_qa.annotate.speakers import Speakers

    return Speakers(model, revision=revision, options=options) if model else Speakers(options=options)


def _speech(model: str | None, revision: str | None, options: AnnotatorOptions) -> Annotator:
    from cp_paraling_qa.annotate.speech import SpeechActivity

    return SpeechActivity(options=options)


def _egemaps(model: str | None, revision: str | None, options: AnnotatorOptions) -> Annotator:
    from cp_paraling_qa.annotate.egemaps import Egemaps

    return Egemaps(options=options)


KINDS: dict[str, Kind] = {
    "affect": Kind(
        _affect, "arousal, valence, dominance", "audEERING's or MSP-Podcast's regressors (Hub id or folder)", license="the default: CC BY-NC-SA 4.0"
    ),
    "asr": Kind(_asr, "words with their times", "a faster-whisper size or folder; whisperx[:SIZE] in an environment of its own", "embedded"),
    "egemaps": Kind(_egemaps, "openSMILE's 88 eGeMAPS functionals", needs="opensmile", license="openSMILE: research only, not commercial"),
    "emotion": Kind(
        _emotion,
        "emotion, window by window",
        "emotion2vec_plus_{seed,base,large,ensemble}; any audio-classification checkpoint (Hub id or folder)",
        "emotion2vec (for emotion2vec)",
    ),
    "prosody": Kind(lambda model, revision, options: Prosody(), "pitch, loudness, rate, pauses"),
    "speaker": Kind(
        _speaker,
        "gender, and age where given",
        "audEERING's, or any checkpoint with female and male (Hub id or folder)",
        license="the default: CC BY-NC-SA 4.0",
    ),
    "speakers": Kind(
        _speakers, "number of speakers", "a pyannote pipeline (Hub id or folder)", "diarization (where its torchaudio fits the torch that is there)"
    ),
    "speech": Kind(_speech, "where somebody speaks (silero-vad)", needs="speech"),
}
"""What `--with` takes."""


def annotator(spec: str, options: AnnotatorOptions | None = None) -> Annotator:
    """The annotator that a specification asks for; nothing is loaded yet.

    Args:
        spec: KIND, KIND=MODEL or KIND=MODEL@REVISION.
        options: windows, device and the like.

    Raises:
        RecipeError: no such kind, or a kind that has no models to choose from; names those that exist.
    """
    kind, given, model = spec.strip().partition("=")
    if kind not in KINDS:
        raise RecipeError(f"unknown annotator {kind!r}: known are {', '.join(sorted(KINDS))} (`cpqa annotators` says what they do)")
    if given and not model:
        raise RecipeError(f"annotator {spec!r}: a model has to stand behind the =, e.g. emotion=emotion2vec_plus_large")
    if model and not KINDS[kind].models:
        raise RecipeError(f"annotator {kind} has no models to choose from: write --with {kind}")
    revision = None
    if path := local_model(spec):
        model = model.removesuffix(model.removeprefix("whisperx:")) + str(path)
    elif model and (pinned := re.fullmatch(r"(.+)@([\w.-]+)", model)):
        model, revision = pinned[1], pinned[2]
    return KINDS[kind].make(model or None, revision, options or AnnotatorOptions())


def local_model(spec: str) -> Path | None:
    """The folder or file that a specification names, by its whole path; None where it names a model otherwise, or none."""
    from cp_paraling_qa.annotate.emotion2vec import NAMES

    model = spec.strip().partition("=")[2].removeprefix("whisperx:")
    path = Path(model).expanduser().absolute()
    return path if model and model not in NAMES and path.exists() else None

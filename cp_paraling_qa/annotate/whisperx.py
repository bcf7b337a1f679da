"""Words with times by WhisperX (Bain et al., 2023; BSD-2): Whisper, and each word aligned to the sound by a wav2vec 2.0 model.

WhisperX pins torch 2.8, torchaudio and huggingface-hub below 1, which do not go with this package's, so it runs in an environment of its own and is spoken to through
a pipe:

    python3 -m venv ~/whisperx && ~/whisperx/bin/pip install whisperx
    cpqa annotate RUN --with asr=whisperx --whisperx-python ~/whisperx/bin/python      (or set CPQA_WHISPERX_PYTHON)

One process per annotator loads the models once and lives as long as the annotator does. It downloads what it needs at first: Whisper (pinned to the revision in
`config`), the aligner of each language, and nltk's sentence splitter; the last two are whatever WhisperX takes, and are not pinned.

Text is believed by the rules of `belief`, as far as WhisperX says what they need: it looks for speech before it listens, and gives no probability of silence.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from cp_paraling_qa.annotate.asr import WhisperSource, must_know, to_transcribe, whisper_language, whisper_source
from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.belief import COMPRESSION, SENSITIVE, doubt, doubt_measures, speech_rules
from cp_paraling_qa.annotate.pinning import require_rate
from cp_paraling_qa.annotate.speech import SileroVad
from cp_paraling_qa.errors import RecipeError, StageError
from cp_paraling_qa.schema import Seconds, opinion, word
from cp_paraling_qa.stage import Row

INTERPRETER = "CPQA_WHISPERX_PYTHON"
WORKER = Path(__file__).with_name("whisperx_worker.py")
LOADING: Seconds = 3600.0
"""Downloading and loading models takes no longer, or something is wrong."""

_REMEDY = (
    "WhisperX needs an environment of its own: python3 -m venv ~/whisperx && ~/whisperx/bin/pip install whisperx, "
    f"then give its interpreter by --whisperx-python ~/whisperx/bin/python or {INTERPRETER}"
)


class WhisperX:
    """Transcribes the clips that have no transcript: an opinion `text`, words aligned to the sound, and how many segments were not believed.

    Words that WhisperX cannot align (some digits and symbols) have no times; where it has no aligner for a language, none has. Measures: whisperx_segments,
    whisperx_segments_dropped, whisperx_dropped_<rule> (see `belief`), and whisperx_words_untimed where there are any.

    Args:
        model: a faster-whisper size, a repository of CTranslate2 weights, or their folder.
        revision: branch, tag or commit of the repository.
        python: interpreter of WhisperX's environment; None for the option's, else that in CPQA_WHISPERX_PYTHON.
        beam_size: hypotheses that are followed at once.
        batch_size: stretches of speech of one clip that are heard at once.
        vad_method: WhisperX's own speech detector, pyannote (which it carries) or silero (which it downloads).
        compute_type: of CTranslate2; None for int8 on a CPU and the option's dtype on a GPU.
        timeout: seconds that a clip may take, besides 20 times its duration.
        options: device, dtype, language, retranscribe, whisperx_python.
    """

    name = "whisperx"
    version = 2

    def __init__(
        self,
        model: str = "large-v3",
        *,
        revision: str | None = None,
        python: str | None = None,
        beam_size: int = 5,
        batch_size: int = 8,
        vad_method: str = "pyannote",
        compute_type: str | None = None,
        timeout: Seconds = 600.0,
        options: AnnotatorOptions = AnnotatorOptions(),  # noqa: B008  # frozen
    ) -> None:
        if vad_method not in ("pyannote", "silero"):
            raise RecipeError(f"vad_method {vad_method!r}: WhisperX has pyannote and silero")
        self.source: WhisperSource = whisper_source(model, revision)
        must_know(self.source, options.language)
        self.python = python or options.whisperx_python or os.environ.get(INTERPRETER)
        self.options, self.batch_size, self.timeout = options, batch_size, timeout
        self.rater = f"whisperx-{self.source.name}"
        self.config: dict[str, Any] = {
            "model": self.source.name,
            "revision": self.source.revision,
            "package": f"whisperx {_version(self.python)}",
            "language": options.language,
            "beam_size": beam_size,
            "vad_method": vad_method,
            "compute_type": compute_type or (options.dtype if options.device.startswith("cuda") else "int8"),
            "retranscribe": options.retranscribe,
            "compression": COMPRESSION,
            "speech_activity": speech_rules(),
        }
        self._worker: _Worker | None = None
        self._vad: SileroVad | None = None

    def wants(self, clip: Row) -> bool:
        """Clips without a transcript, or all; a model of English alone takes those in English, or in an unnamed language."""
        return to_transcribe(clip, self.source, self.options.language, self.options)

    def setup(self) -> None:
        """Starts the process and has it load its models.

        Raises:
            StageError: no interpreter, no WhisperX there, or models that do not load; with the last lines that it wrote.
        """
        if not self.python:
            raise StageError(_REMEDY)
        device, _, number = self.options.device.partition(":")
        known = self.source.path is not None or self.source.repository is None or self.source.revision is not None
        request = {
            # WhisperX cannot be told a revision, but it takes a folder
            "model": str(self.source.folder()) if known else self.source.name,
            "device": "cuda" if device == "cuda" else "cpu",
            "device_index": int(number or 0),
            "compute_type": self.config["compute_type"],
            "language": "en" if self.source.english_only else whisper_language(self.options.language),
            "vad_method": self.config["vad_method"],
            "beam_size": self.config["beam_size"],
            "batch_size": self.batch_size,
        }
        worker = _Worker(self.python)
        try:
            worker.ask({"load": request}, LOADING, "ready")
        except StageError:
            worker.end()
            raise
        self._worker = worker
        self._vad = SileroVad() if self.config["speech_activity"] else None

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """The text and words of each clip.

        Raises:
            StageError: WhisperX failed at a clip, died, or took too long; names the clip. What was annotated before stays.
        """
        require_rate(rate)
        return [self._heard(clip, samples, rate) for clip, samples in zip(clips, sounds, strict=True)]

    def _heard(self, clip: Row, samples: Any, rate: int) -> Row:
        if self._worker is None or not self._worker.alive():
            self.setup()
        assert self._worker is not None
        language = "en" if self.source.english_only else whisper_language(self.options.language or clip["language"])
        try:
            answer = self._worker.ask(
                {"clip": clip["clip_id"], "audio": base64.b64encode(samples.astype("<f4").tobytes()).decode(), "language": language},
                self.timeout + 20 * len(samples) / rate,
                "segments",
            )
        except StageError as error:
            raise StageError(f"clip {clip['clip_id']}: {error}") from None
        segments = answer["segments"]
        speech = self._vad.spans(samples, rate, **SENSITIVE) if self._vad and segments else None
        doubts = [doubt(s["text"], s["start"], s["end"], speech, log_probability=s["log_probability"]) for s in segments]
        heard = [s for s, reason in zip(segments, doubts, strict=True) if reason is None]
        text = " ".join(s["text"].strip() for s in heard).strip()
        words = [
            word(w["word"].strip(), w["start"], w["end"], None if w["score"] is None else min(1.0, max(0.0, w["score"])))
            for s in heard
            for w in s["words"] or [{"word": w, "start": None, "end": None, "score": None} for w in s["text"].split()]
            if w["word"].strip()
        ]
        untimed = sum(w["start"] is None or w["end"] is None for w in words)
        return {
            "opinions": [opinion("text", text, source="model", rater=self.rater, revision=self.source.revision)] if text else [],
            "words": words,
            "measures": doubt_measures(doubts, "whisperx")
            + ([{"name": "whisperx_words_untimed", "value": float(untimed), "unit": "words"}] if untimed else []),
        }


class _Worker:
    """The process in the other environment. It ends when this object does, or this process, however that ends: its input is closed then."""

    def __init__(self, python: str) -> None:
        program = shutil.which(os.path.expanduser(python))
        if program is None:
            raise StageError(f"{python} is no program that can be run. {_REMEDY}")
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")}
        self.python = python
        try:
            self._process = subprocess.Popen(
                [program, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment | {"PYTHONUNBUFFERED": "1"}
            )
        except OSError as error:  # no program, or one whose own interpreter is gone, as in an environment that was moved
            raise StageError(f"{python} cannot be run ({error.strerror}). {_REMEDY}") from None
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=20)
        readers = [
            threading.Thread(target=_read_answers, args=(self._process.stdout, self._answers, self._said), daemon=True),
            threading.Thread(target=_read_errors, args=(self._process.stderr, self._said), daemon=True),
        ]
        for thread in readers:
            thread.start()
        self._errors = readers[1]
        self.end = weakref.finalize(self, _end, self._process)

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ask(self, message: Row, timeout: Seconds, expected: str) -> Row:
        """Its answer to a message.

        Raises:
            StageError: it reports an error, died, is silent for `timeout` seconds, or answers without `expected`; it is ended then, unless the error was its own.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode("ascii") + b"\n")
            self._process.stdin.flush()
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            self.end()
            raise StageError(f"WhisperX did not answer within {timeout:.0f} s and was stopped.{self._last_words()}") from None
        except OSError:  # it died while it was written to
            line = None
        if line is None:
            self._process.wait(10)
            self._errors.join(5)
            raise StageError(
                f"WhisperX's process ended with {_ending(self._process.returncode)}.{self._last_words()} Check that `{self.python} -c 'import whisperx'` works. {_REMEDY}"
            )
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and "error" in answer:
            missing = f" {_REMEDY}" if str(answer["error"]).startswith("ModuleNotFoundError") else self._last_words()
            raise StageError(f"WhisperX failed: {answer['error']}.{missing}")
        if not isinstance(answer, dict) or expected not in answer or answer.get("clip") != message.get("clip"):
            self.end()
            raise StageError(f"WhisperX's process answered {line[:120]!r}, which makes no sense: does {self.python} start another program?{self._last_words()}")
        return answer

    def _last_words(self) -> str:
        return " Its last lines: " + " | ".join(list(self._said)[-8:]) if self._said else ""


def _read_answers(stream: IO[bytes], answers: queue.Queue[bytes | None], said: deque[str]) -> None:
    """Runs in a thread that knows nothing of the worker's object, which could not be let go otherwise."""
    with stream:
        for line in stream:
            if line.startswith(b"cpqa:"):
                answers.put(line.removeprefix(b"cpqa:"))
            else:  # said before the worker took the output for itself, by a site's customisation
                said.append(line.decode(errors="replace").strip()[:300])
    answers.put(None)


def _read_errors(stream: IO[bytes], said: deque[str]) -> None:
    with stream:
        for line in stream:
            if (text := line.decode(errors="replace").strip()).strip("^~ "):
                said.append(text[:300])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closes the input, which ends the worker; kills it where it is in the middle of something."""
    if process.stdin:
        with contextlib.suppress(OSError):  # it is gone already
            process.stdin.close()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}{' (out of memory?)' if code == -9 else ''}"


def _version(python: str | None) -> str | None:
    """The version of WhisperX in the other environment; None where that cannot be told, in which case `setup` says why."""
    program = shutil.which(os.path.expanduser(python)) if python else None
    if program is None:
        return None
    try:
        asked = subprocess.run(
            [program, "-c", "from importlib import metadata; print(metadata.version('whisperx'))"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None

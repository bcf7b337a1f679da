"""The half of the WhisperX annotator that runs in WhisperX's own environment: a program that knows nothing of this package.

It needs Python 3.9, numpy and whisperx (written against 3.8.6), reads JSON lines on its input and writes JSON lines behind `cpqa:` on what was its output:

    {"load": {...}}                                  → {"ready": {"whisperx": version, "python": version}}
    {"clip": id, "audio": base64 float32, "language": code or null} → {"clip": id, "language": code, "segments": [...], "unaligned": reason or null}

or {"error": text} to either. Anything that libraries print goes to the error stream. It ends when its input does, or when its parent is gone.
"""

from __future__ import annotations

import os
import sys

# The script's own folder comes first on the path, and holds a whisperx.py that is not WhisperX.
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != os.path.dirname(os.path.abspath(__file__))]

import base64  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from typing import Any, BinaryIO  # noqa: E402


def main() -> None:
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # prints, in Python and below it, go to the error stream
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it closes our input
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    transcriber = None
    for line in sys.stdin.buffer:
        message = json.loads(line)
        try:
            if "load" in message:
                transcriber = Transcriber(**message["load"])
                _say(answers, {"ready": transcriber.versions()})
            elif transcriber is not None:
                _say(answers, {"clip": message["clip"], **transcriber.transcribe(message["audio"], message["language"])})
        except Exception as error:  # whatever it is, the parent says it, and decides
            import traceback

            traceback.print_exc()
            _say(answers, {"error": f"{type(error).__name__}: {error}"})


def _end_with(parent: int) -> None:
    """Ends this process when its parent is gone, though it may be in the middle of a clip."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(3)


def _say(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(b"cpqa:" + json.dumps(message, allow_nan=False).encode("ascii") + b"\n")
    answers.flush()


class Transcriber:
    """WhisperX with its models loaded once: Whisper, and an aligner for each language that is met."""

    def __init__(
        self, model: str, device: str, device_index: int, compute_type: str, language: str | None, vad_method: str, beam_size: int, batch_size: int
    ) -> None:
        import importlib

        self.whisperx: Any = importlib.import_module("whisperx")
        self.batch_size = batch_size
        self.device = f"{device}:{device_index}" if device == "cuda" else device
        self.model = self.whisperx.load_model(
            model,
            device,
            device_index=device_index,
            compute_type=compute_type,
            language=language,
            vad_method=vad_method,
            asr_options={"beam_size": beam_size},
        )
        self.aligners: dict[str, Any] = {}

    def versions(self) -> dict[str, str]:
        """Of whisperx and Python."""
        from importlib import metadata

        try:
            version = metadata.version("whisperx")
        except metadata.PackageNotFoundError:
            version = str(getattr(self.whisperx, "__version__", "unknown"))
        return {"whisperx": version, "python": sys.version.split()[0]}

    def transcribe(self, audio: str, language: str | None) -> dict[str, Any]:
        """Segments with their words; where a language has no aligner, without words and with the reason."""
        import numpy as np

        samples = np.frombuffer(base64.b64decode(audio), dtype="<f4").astype(np.float32)
        known = getattr(getattr(self.model, "model", None), "supported_languages", None)
        if known and language not in known:  # Whisper tells it by ear
            language = None
        heard = self.model.transcribe(samples, batch_size=self.batch_size, language=language)
        segments, spoken = heard["segments"], heard["language"]
        if not segments:
            return {"language": spoken, "segments": [], "unaligned": None}
        if spoken not in self.aligners:
            try:
                self.aligners[spoken] = self.whisperx.load_align_model(language_code=spoken, device=self.device)
            except ValueError as error:  # WhisperX knows no aligner for this language
                self.aligners[spoken] = error
        aligner = self.aligners[spoken]
        if isinstance(aligner, ValueError):
            return {"language": spoken, "segments": [_segment(s) for s in segments], "unaligned": str(aligner)}
        model, metadata = aligner
        aligned = self.whisperx.align(segments, model, metadata, samples, self.device, return_char_alignments=False)
        return {"language": spoken, "segments": [_segment(s) for s in aligned["segments"]], "unaligned": None}


def _segment(segment: dict[str, Any]) -> dict[str, Any]:
    words = [
        {"word": str(w["word"]), "start": _number(w.get("start")), "end": _number(w.get("end")), "score": _number(w.get("score"))}
        for w in segment.get("words") or []
    ]
    return {
        "text": str(segment["text"]),
        "start": _number(segment.get("start")),
        "end": _number(segment.get("end")),
        "log_probability": _number(segment.get("avg_logprob")),
        "words": words,
    }


def _number(value: Any) -> float | None:
    """numpy's and pandas' numbers as plain ones; what is missing, NaN or infinite as null."""
    return float(value) if value is not None and math.isfinite(float(value)) else None


if __name__ == "__main__":
    main()

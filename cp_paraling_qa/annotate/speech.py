"""Speech activity: where in a clip somebody speaks, by silero-vad (https://github.com/snakers4/silero-vad, MIT), whose model travels in its package.

A neural detector, not a loudness gate: it tells speech from music and noise, and finds speech in both. It runs through onnxruntime, in a session of one thread of
its own, so it needs neither torchaudio nor a GPU; a second of audio takes 3 ms of one CPU core.

Its answer depends on the level: at a thirtieth of their amplitude it hears nothing in 128 of 360 RAVDESS clips. So every clip is brought to one peak level first. What
remains are a few shouts of high pitch (6 of the 360, all of one actress in a rage or a fright) that it takes for no speech at all: a share of 0 is a reason to doubt a
clip, not to throw away one that people have heard and labelled.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.pinning import package_version, require_rate
from cp_paraling_qa.errors import MissingExtraError, RecipeError
from cp_paraling_qa.schema import Hertz, Seconds, opinion
from cp_paraling_qa.stage import Row

Span = tuple[Seconds, Seconds]

LEVEL = 0.5
"""Peak that a clip is brought to before it is heard, of full scale."""


class SpeechActivity:
    """States where somebody speaks: an opinion `speech` for every stretch, and two measures.

    - speech_seconds: all stretches together, in seconds.
    - speech_share: the same as a share of the clip, 0–1. A clip without speech has 0 here and no opinion.

    Args:
        threshold: probability of speech, 0–1, that opens a stretch; it closes 0.15 below.
        min_speech: seconds; shorter stretches are not counted.
        min_silence: seconds; shorter pauses do not end a stretch.
        pad: seconds that a stretch is widened by on either side.
        options: nothing of them applies: it is small and runs on the CPU.

    Raises:
        RecipeError: a threshold outside 0–1.
    """

    name = "speech"
    version = 1

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        min_speech: Seconds = 0.25,
        min_silence: Seconds = 0.1,
        pad: Seconds = 0.03,
        options: AnnotatorOptions = AnnotatorOptions(),  # noqa: B008  # frozen
    ) -> None:
        if not 0 < threshold < 1:
            raise RecipeError(f"a speech threshold of {threshold:g}: it lies between 0 and 1")
        self.settings = {"threshold": threshold, "min_speech": min_speech, "min_silence": min_silence, "pad": pad}
        self.config: dict[str, Any] = {"model": "silero-vad", "revision": package_version("silero-vad"), "level": LEVEL, **self.settings}
        self._vad: SileroVad | None = None

    def wants(self, clip: Row) -> bool:
        """Every clip may have speech."""
        return True

    def setup(self) -> None:
        """Loads the model.

        Raises:
            MissingExtraError: silero-vad or onnxruntime is missing.
        """
        self._vad = SileroVad()

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """Spans of speech in seconds from each clip's start."""
        vad = self._vad or SileroVad()
        return [self._said(vad.spans(samples, rate, **self.settings), len(samples) / rate) for samples in sounds]

    def _said(self, spans: list[Span], duration: Seconds) -> Row:
        seconds = overlap(spans, 0.0, duration)
        return {
            "opinions": [
                opinion("speech", "speech", source="model", rater="silero-vad", revision=self.config["revision"], start=start, end=end) for start, end in spans
            ],
            "measures": [
                {"name": "speech_seconds", "value": seconds, "unit": "s"},
                {"name": "speech_share", "value": min(1.0, seconds / duration) if duration else 0.0, "unit": "share"},
            ],
        }


class SileroVad:
    """The detector itself, for whoever needs to know where speech is.

    Raises:
        MissingExtraError: silero-vad or onnxruntime is missing.
    """

    def __init__(self) -> None:
        for package, module in (("silero-vad", "silero_vad"), ("onnxruntime", "onnxruntime")):
            if find_spec(module) is None:
                raise MissingExtraError(package, "speech", "finding where somebody speaks")
        import torch

        threads = torch.get_num_threads()
        try:
            from silero_vad import get_speech_timestamps, load_silero_vad  # sets torch's threads to 1, for the whole process
        finally:
            torch.set_num_threads(threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of its one sampling rate where the path it is installed in has "16k" in it
            self._model = load_silero_vad(onnx=True)
        self._stretches = get_speech_timestamps

    def spans(
        self, samples: Any, rate: Hertz, *, threshold: float = 0.5, min_speech: Seconds = 0.25, min_silence: Seconds = 0.1, pad: Seconds = 0.03
    ) -> list[Span]:
        """Where somebody speaks: (start, end) in seconds, in order, without overlap.

        Args:
            samples: float32 of shape (n,), −1 to 1.
            rate: 16000.
            threshold: probability that opens a stretch.
            min_speech: seconds of the shortest stretch.
            min_silence: seconds of the shortest pause.
            pad: seconds on either side of a stretch.
        """
        import torch

        require_rate(rate)
        sound = torch.tensor(samples)
        found = self._stretches(
            sound * (LEVEL / max(float(sound.abs().max()), 1e-9)) if len(sound) else sound,
            self._model,
            threshold=threshold,
            sampling_rate=rate,
            min_speech_duration_ms=round(1000 * min_speech),
            min_silence_duration_ms=round(1000 * min_silence),
            speech_pad_ms=round(1000 * pad),
        )
        return [(stretch["start"] / rate, stretch["end"] / rate) for stretch in found]


def overlap(spans: Sequence[Span], start: Seconds, end: Seconds) -> Seconds:
    """Seconds of the spans that lie between two times.

    Example:
        >>> overlap([(0.0, 1.0), (2.0, 3.0)], 0.5, 2.25)
        0.75
    """
    return sum((max(0.0, min(end, to) - max(start, since)) for since, to in spans), 0.0)

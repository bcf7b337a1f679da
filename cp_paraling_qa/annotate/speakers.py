"""Number of speakers in a clip, by a diariser: pyannote.audio (MIT; its pipelines are gated on the Hub, with terms of their own that you accept on their pages).

Works with pyannote.audio 3.1 and later, and 4. It needs torchaudio, which must fit the installed torch, so it may want an environment of its own: annotate there, with
the same RUN, and go on here. A token is taken from the environment variable HF_TOKEN and from nowhere else. pyannote.audio 4 reports its use to its makers unless
PYANNOTE_METRICS_ENABLED says otherwise; here it does not. Its checkpoints are Python pickles, which pyannote.audio loads as such: use pipelines whose makers you trust.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.pinning import folder_digest, hub_revision, package_version, require_rate
from cp_paraling_qa.errors import MissingExtraError, StageError
from cp_paraling_qa.schema import Seconds, opinion
from cp_paraling_qa.stage import Row

FEWEST: Seconds = 0.5
"""Speech that a voice must have to be counted: diarisers make shorter ones out of a cough."""


class Speakers:
    """Counts the voices of each clip: an opinion `speakers` (the count in `value`), and two measures.

    - speakers: how many have at least `fewest` seconds; 0, and no opinion, where nobody has.
    - main_speaker_share: speech of the one who speaks longest as a share of all speech, 0–1; absent where nobody speaks.

    Args:
        model: a diarisation pipeline: its repository, or its folder or config.yaml.
        revision: branch, tag or commit of the repository.
        fewest: seconds that a voice must have.
        options: device.
    """

    name = "speakers"
    version = 1

    def __init__(
        self,
        model: str = "pyannote/speaker-diarization-3.1",
        *,
        revision: str | None = None,
        fewest: Seconds = FEWEST,
        options: AnnotatorOptions = AnnotatorOptions(),  # noqa: B008  # frozen
    ) -> None:
        self.model, self.options, self.fewest = model, options, fewest
        self._local = Path(model).resolve() if Path(model).exists() else None
        if self._local:
            pinned: str | None = folder_digest(self._local if self._local.is_dir() else self._local.parent)
        else:
            pinned = hub_revision(model, revision)
        self.config: dict[str, Any] = {
            "model": self._local.name if self._local else model,
            "revision": pinned,
            "package": f"pyannote.audio {package_version('pyannote.audio')}",
            "fewest_seconds": fewest,
        }
        self._pipeline: Any = None

    def wants(self, clip: Row) -> bool:
        """Every clip has speakers."""
        return True

    def setup(self) -> None:
        """Loads the pipeline.

        Raises:
            MissingExtraError: pyannote.audio is not installed.
            StageError: the pipeline cannot be had; says what to do about a gated one.
        """
        if not _installed():
            raise MissingExtraError("pyannote.audio", "diarization", "counting speakers")
        os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "false")
        import torch
        from pyannote.audio import Pipeline

        takes = inspect.signature(Pipeline.from_pretrained).parameters
        asked: dict[str, Any] = {"token" if "token" in takes else "use_auth_token": os.environ.get("HF_TOKEN") or None}
        model, revision = str(self._local or self.model), None if self._local else self.config["revision"]
        if revision and "revision" in takes:
            asked["revision"] = revision
        elif revision:  # pyannote.audio 3 has it behind the id
            model = f"{model}@{revision}"
        remedy = f"accept its terms at https://hf.co/{self.model}, and set HF_TOKEN to a token that may read it" if not self._local else "check the folder"
        try:
            self._pipeline = Pipeline.from_pretrained(model, **asked)
        except Exception as error:  # it raises whatever its many parts raise
            raise StageError(f"diarisation pipeline {self.model} does not load ({type(error).__name__}: {error}): {remedy}") from error
        if self._pipeline is None:
            raise StageError(f"diarisation pipeline {self.model} is gated or does not exist: {remedy}")
        self._pipeline.to(torch.device(self.options.device))

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """The count of each clip; one clip at a time, as the pipeline clusters voices within what it is given."""
        import torch

        require_rate(rate)
        rows = []
        for samples in sounds:
            heard = self._pipeline({"waveform": torch.tensor(samples)[None], "sample_rate": rate})
            turns = getattr(heard, "speaker_diarization", heard)  # pyannote.audio 4 gives an object of several answers, 3 the annotation itself
            rows.append(self._counted({str(label): float(turns.label_duration(label)) for label in turns.labels()}))
        return rows

    def _counted(self, seconds: dict[str, Seconds]) -> Row:
        count = sum(duration >= self.fewest for duration in seconds.values())
        said = opinion("speakers", str(count), source="model", rater=self.config["model"], revision=self.config["revision"])
        measures: list[Row] = [{"name": "speakers", "value": float(count), "unit": "speakers"}]
        if total := sum(seconds.values()):
            measures.append({"name": "main_speaker_share", "value": max(seconds.values()) / total, "unit": "share"})
        return {"opinions": [said] if count else [], "measures": measures}


def _installed() -> bool:
    try:
        return find_spec("pyannote.audio") is not None
    except ModuleNotFoundError:  # no package pyannote at all
        return False

"""The protocol of annotators, and RUN/manifest → RUN/annotations by any number of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from cp_paraling_qa import audio
from cp_paraling_qa.errors import AudioError
from cp_paraling_qa.schema import ANNOTATION_SCHEMA, SAMPLING_RATE
from cp_paraling_qa.stage import Drop, Outcome, Part, Row, check_chain, finish, next_parts, run


class Annotator(Protocol):
    """States opinions about clips. It never overwrites a column: what to make of the opinions is decided later.

    `config` holds what shapes its results (the model's id and revision, windows, thresholds); changing it makes the annotations anew.
    """

    name: str
    version: int
    config: dict[str, Any]

    def setup(self) -> None:
        """Loads what is heavy, loudly: weights that do not fit are an error."""

    def wants(self, clip: Row) -> bool:
        """Whether there is something to say about this clip; its audio is not read otherwise."""

    def annotate(self, clip: Row, samples: Any, rate: int) -> Row:
        """What it says of one clip: any of opinions, words, measures.

        Args:
            clip: the manifest row.
            samples: float32 of shape (n,), 16 kHz mono.
            rate: 16000.
        """


class AnnotatorStage:
    """Runs one annotator over manifest parts.

    Args:
        annotator: does the listening.
        roots: corpus → folder that its audio paths are relative to.
    """

    schema = ANNOTATION_SCHEMA

    def __init__(self, annotator: Annotator, roots: Mapping[str, str]) -> None:
        self.annotator, self.roots = annotator, dict(roots)
        self.name, self.version, self.config = f"annotate {annotator.name}", annotator.version, annotator.config
        self.drops: list[Drop] = []
        self._ready = False

    def setup(self) -> None:
        """Left to the first clip that the annotator wants: often there is none, and its model need not load."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Manifest rows in, one annotation row each out; a clip whose audio can no longer be read is counted."""
        made = []
        for clip in rows:
            said: Row = {}
            if self.annotator.wants(clip):
                if not self._ready:
                    self.annotator.setup()
                    self._ready = True
                try:
                    said = self.annotator.annotate(clip, *clip_audio(clip, self.roots))
                except AudioError as error:
                    self.drops.append(Drop(f"{clip['corpus']}/{clip['audio_path']}", error.reason, error.detail))
                    continue
            made.append({"clip_id": clip["clip_id"], "annotator": self.annotator.name, "opinions": [], "words": [], "measures": []} | said)
        return made


def clip_audio(clip: Mapping[str, Any], roots: Mapping[str, str]) -> tuple[Any, int]:
    """A clip's samples from its corpus: float32 of shape (n,) and 16000.

    Raises:
        AudioError: unreadable, or no longer the audio that the manifest was made from.
    """
    samples, rate = audio.read(Path(roots[clip["corpus"]]) / clip["audio_path"], start=clip["start"], end=clip["end"])
    if audio.clip_id(samples, rate, clip["start"], clip["end"]) != clip["clip_id"]:
        raise AudioError("audio changed since the manifest was made", "run `cpqa corpus` again")
    return audio.resample(samples, rate), SAMPLING_RATE


def annotate(
    run_folder: Path, annotators: Mapping[str, Annotator], *, workers: int = 0, progress: Callable[[str, int, Outcome], None] | None = None
) -> dict[str, Any]:
    """Lets each annotator state its opinions on every clip of RUN/manifest.

    Args:
        run_folder: RUN.
        annotators: name → annotator. Those whose results are there already do nothing.
        workers: processes beside this one.
        progress: called with the annotator's name, and as by `stage.run`.

    Returns:
        the stage's record.
    """
    manifest = check_chain(run_folder, "manifest")["manifest"]
    parts, roots = next_parts(run_folder / "manifest"), manifest["config"]["corpora"]
    outcomes = {}
    for name, annotator in annotators.items():
        mine = [Part(f"{name}-{part.name}", part.content, part.source) for part in parts]
        tick = (lambda rows, outcome, name=name: progress(name, rows, outcome)) if progress else None
        outcomes[name] = run(AnnotatorStage(annotator, roots), mine, run_folder / "annotations", workers=workers, progress=tick)
    return finish(
        run_folder / "annotations",
        "annotations",
        outcomes,
        {"annotators": {name: annotator.config for name, annotator in annotators.items()}},
        made_from=manifest["key"],
    )

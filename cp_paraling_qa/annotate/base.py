"""The protocol of annotators, and RUN/manifest → RUN/annotations by any number of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cp_paraling_qa import audio
from cp_paraling_qa.annotate.windows import HOP, LENGTH
from cp_paraling_qa.errors import AudioError, CorpusError, RecipeError
from cp_paraling_qa.schema import ANNOTATION_SCHEMA, SAMPLING_RATE, Seconds
from cp_paraling_qa.stage import Drop, Engine, Outcome, Part, Row, check_chain, drops_of, finish, next_parts, run

BLOCK_SECONDS: Seconds = 600.0
"""Audio that is handed to an annotator at once: enough to group clips of like length, 38 MB."""


@dataclass(frozen=True)
class AnnotatorOptions:
    """What the user may choose for the annotators of one call; each takes what it has a use for.

    Args:
        device: where models run: cpu, cuda, cuda:1, mps.
        dtype: float32, float16 or bfloat16; part of what shapes the results.
        window, hop: seconds of the windows that clips are heard in (see `windows`); window None hears each clip whole.
        language: of the speech, ISO 639; None to take the clip's.
        retranscribe: transcribe clips that have a transcript already, too; the text is one more opinion.
        whisperx_python: interpreter of the environment that WhisperX is installed in.
    """

    device: str = "cpu"
    dtype: str = "float32"
    window: Seconds | None = LENGTH
    hop: Seconds = HOP
    language: str | None = None
    retranscribe: bool = False
    whisperx_python: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "float16", "bfloat16"):
            raise RecipeError(f"dtype {self.dtype!r}: choose float32, float16 or bfloat16")
        if self.window is not None and not 0 < self.hop <= self.window:
            raise RecipeError(f"a hop of {self.hop:g} s with windows of {self.window:g} s: the hop is above 0 and at most the window")


class Annotator(Protocol):
    """States opinions about clips. It never overwrites a column: what to make of the opinions is decided later.

    `config` holds what shapes its results (the model's id and revision, windows, thresholds, dtype; not the device), JSON-able; changing it makes the annotations
    anew. An annotator is picklable before `setup`.
    """

    name: str
    version: int
    config: dict[str, Any]

    def setup(self) -> None:
        """Loads what is heavy, loudly: weights that do not fit are an error."""

    def wants(self, clip: Row) -> bool:
        """Whether there is something to say about this clip; its audio is not read otherwise."""

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """What it says of each clip: any of opinions, words, measures. What it says of one does not depend on the others.

        Args:
            clips: manifest rows.
            sounds: float32 of shape (n,) each, 16 kHz mono; together at most `BLOCK_SECONDS`, unless one clip alone is longer.
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
        said: dict[str, Row] = {}
        block: list[tuple[Row, Any]] = []
        seconds = 0.0
        for clip in rows:
            if not self.annotator.wants(clip):
                said[clip["clip_id"]] = {}
                continue
            if block and seconds + clip["duration"] > BLOCK_SECONDS:
                said |= self._listen(block)
                block, seconds = [], 0.0
            try:
                block.append((clip, clip_audio(clip, self.roots)[0]))
            except AudioError as error:
                self._must_be_there(clip["corpus"])
                self.drops.append(Drop(f"{clip['corpus']}/{clip['audio_path']}", error.reason, error.detail))
                continue
            seconds += clip["duration"]
        said |= self._listen(block)
        empty: Row = {"annotator": self.annotator.name, "opinions": [], "words": [], "measures": []}
        return [{"clip_id": clip["clip_id"]} | empty | said[clip["clip_id"]] for clip in rows if clip["clip_id"] in said]

    def _must_be_there(self, corpus: str) -> None:
        """One file that has gone is a drop; a corpus that has gone, perhaps with its disk, would be all of them."""
        root = self.roots[corpus]
        if not Path(root).exists():
            raise CorpusError(
                f"the folder of corpus {corpus}, {root}, is not there: bring it back, or say where it is now with `cpqa corpus`, then run the same command again"
            )

    def _listen(self, block: list[tuple[Row, Any]]) -> dict[str, Row]:
        if not block:
            return {}
        if not self._ready:
            self.annotator.setup()
            self._ready = True
        clips, sounds = zip(*block, strict=True)
        return {clip["clip_id"]: row for clip, row in zip(clips, self.annotator.annotate(clips, sounds, SAMPLING_RATE), strict=True)}


def _forget_what_came_back(folder: Path, parts: Sequence[Part], roots: Mapping[str, str]) -> None:
    """Removes the annotations of parts with clips that could not be read then, and whose file is there or was changed since: they are heard again."""
    for path in (folder / f"{part.name}.parquet" for part in parts):
        for item, reason, _ in drops_of(path):
            corpus, _, name = item.partition("/")
            with suppress(OSError):  # it is still not there
                changed = audio.file_of(Path(roots[corpus]) / name).stat().st_ctime
                if reason == audio.MISSING or changed > path.stat().st_mtime:
                    path.unlink()
                    break


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
    run_folder: Path,
    annotators: Mapping[str, Annotator],
    *,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Callable[[str, int, Outcome], None] | None = None,
) -> dict[str, Any]:
    """Lets each annotator state its opinions on every clip of RUN/manifest.

    Args:
        run_folder: RUN.
        annotators: name → annotator. Those whose results are there already do nothing.
        workers: processes beside this one.
        engine: works instead of this machine's processes, and is held over all annotators (see `ray_engine`).
        progress: called with the annotator's name, and as by `stage.run`.

    Returns:
        the stage's record.
    """
    manifest = check_chain(run_folder, "manifest")["manifest"]
    parts, roots = next_parts(run_folder / "manifest"), manifest["config"]["corpora"]
    outcomes = {}
    with engine or nullcontext():
        for name, annotator in annotators.items():
            mine = [Part(f"{name}-{part.name}", part.content, part.source) for part in parts]
            _forget_what_came_back(run_folder / "annotations", mine, roots)
            tick = (lambda rows, outcome, name=name: progress(name, rows, outcome)) if progress else None
            outcomes[name] = run(AnnotatorStage(annotator, roots), mine, run_folder / "annotations", workers=workers, engine=engine, progress=tick)
    return finish(
        run_folder / "annotations",
        "annotations",
        outcomes,
        {"annotators": {name: annotator.config for name, annotator in annotators.items()}},
        made_from=manifest["key"],
    )

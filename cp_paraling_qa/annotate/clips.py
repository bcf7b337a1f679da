"""RUN/manifest + RUN/annotations → RUN/clips: each clip with everything that was said about it.

The words that were heard fill a missing transcript, and measured prosody is put in words: relative to the speaker's own clips where there are at least four,
else to the corpus's. "High" is high for this voice; a hertz figure tells a listener nothing.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from cp_paraling_qa.digests import digest
from cp_paraling_qa.schema import CLIP_SCHEMA, Opinion, opinion
from cp_paraling_qa.stage import Drop, Outcome, Part, Row, check_chain, content_of, finish, next_parts, read_part, run

FEWEST = 4
"""Clips that a voice, or a corpus, must have for "its own average" to mean something."""

SCALES: dict[str, tuple[str, Callable[[float, float], float], tuple[tuple[float, str], ...], str]] = {
    # field: (measure, difference to the average, (above this, word) from the top, word below all)
    "pitch": ("f0_median", lambda x, mean: 12 * _log2(x / mean), ((4, "very high"), (1.5, "high"), (-1.5, "average"), (-4, "low")), "very low"),
    "loudness": ("loudness", lambda x, mean: x - mean, ((6, "very loud"), (2.5, "loud"), (-2.5, "average"), (-6, "soft")), "very soft"),
    "rate": ("rate", lambda x, mean: x / mean - 1, ((0.35, "very fast"), (0.12, "fast"), (-0.12, "average"), (-0.3, "slow")), "very slow"),
    "intonation": ("f0_range", lambda x, mean: x / mean - 1, ((0.6, "very lively"), (0.2, "lively"), (-0.2, "average"), (-0.45, "flat")), "very flat"),
}
"""Our choice of steps: 1.5 semitones and 2.5 dB are just clearly heard."""


def _log2(x: float) -> float:
    from math import log2

    return log2(x)


class ClipsStage:
    """Joins manifest parts with their annotations.

    Args:
        annotations: the folder, whose parts are named annotator-part.
        annotators: in the order in which their opinions are appended.
        averages: voice or corpus → measure → median.
    """

    name = "clips"
    version = 1
    schema = CLIP_SCHEMA

    def __init__(self, annotations: Path, annotators: list[str], averages: Mapping[str, Mapping[str, float]]) -> None:
        self.annotations, self.annotators, self.averages = annotations, annotators, averages
        self.config: dict[str, Any] = {"annotators": annotators, "averages": digest(averages)}
        self.drops: list[Drop] = []

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """[the manifest part's path, the annotation parts' paths] in, clips out."""
        manifest, *annotated = (Path(row["path"]) for row in rows)
        said: dict[str, list[Row]] = defaultdict(list)
        for path in annotated:
            for row in read_part(path):
                said[row["clip_id"]].append(row)
        clips = []
        for clip in read_part(manifest):
            if len(said[clip["clip_id"]]) < len(annotated):
                self.drops.append(Drop(f"{clip['corpus']}/{clip['audio_path']}", "audio could not be read by an annotator"))
            else:
                clips.append(self._join(clip, said[clip["clip_id"]]))
        return clips

    def _join(self, clip: Row, annotations: Iterable[Row]) -> Row:
        for row in annotations:
            clip["opinions"] = clip["opinions"] + row["opinions"] + in_words(clip, row["measures"], self.averages)
            heard = next((o["value"] for o in row["opinions"] if o["field"] == "text"), None)
            if heard and not clip["transcript"]:
                clip["transcript"] = heard
            if row["words"] and not clip["words"]:
                clip["words"] = row["words"]
        return clip


def in_words(clip: Row, measures: list[Row], averages: Mapping[str, Mapping[str, float]]) -> list[Opinion]:
    """Measured prosody as opinions in words; none where there is nothing to compare with."""
    values = {m["name"]: m["value"] for m in measures}
    average = averages.get(_voice(clip)) or averages.get(clip["corpus"]) or {}
    said = []
    for field, (measure, difference, steps, lowest) in SCALES.items():
        if values.get(measure) is None or not average.get(measure):
            continue
        distance = difference(values[measure], average[measure])
        word = next((word for above, word in steps if distance > above), lowest)
        said.append(opinion(field, word, source="model", rater="prosody"))
    return said


def _voice(clip: Row) -> str:
    return f"{clip['corpus']}\t{clip['speaker_id']}"


def averages_of(pairs: Iterable[tuple[Row, Row]]) -> dict[str, dict[str, float]]:
    """Medians of each measure that is put in words, over each voice and each corpus with at least `FEWEST` clips.

    Args:
        pairs: (clip, annotation row).
    """
    compared = {measure for measure, *_ in SCALES.values()}
    values: dict[str, dict[str, array[float]]] = defaultdict(lambda: defaultdict(lambda: array("d")))
    for clip, row in pairs:
        for group in {clip["corpus"], *([_voice(clip)] if clip["speaker_id"] else [])}:
            for measure in row["measures"]:
                if measure["name"] in compared:
                    values[group][measure["name"]].append(measure["value"])
    return {
        group: {name: median(numbers) for name, numbers in sorted(measures.items())}
        for group, measures in sorted(values.items())
        if max(len(numbers) for numbers in measures.values()) >= FEWEST
    }


def make_clips(run_folder: Path, *, workers: int = 0, progress: Callable[[int, Outcome], None] | None = None) -> dict[str, Any]:
    """Joins RUN/manifest and RUN/annotations into RUN/clips; every clip passes.

    Returns:
        the stage's record.
    """
    annotations = run_folder / "annotations"
    records = check_chain(run_folder, "manifest", "annotations")
    record = records["annotations"]
    annotators = list(record["config"]["annotators"])
    manifest = next_parts(run_folder / "manifest")

    def annotated(part: Part) -> list[Path]:
        return [annotations / f"{name}-{part.name}.parquet" for name in annotators]

    def pairs() -> Iterable[tuple[Row, Row]]:
        for part in manifest:
            clips = {clip["clip_id"]: clip for clip in read_part(run_folder / "manifest" / f"{part.name}.parquet", ["clip_id", "corpus", "speaker_id"])}
            for path in annotated(part):
                for row in read_part(path, ["clip_id", "measures"]):
                    yield clips[row["clip_id"]], row

    stage = ClipsStage(annotations, annotators, averages_of(pairs()))
    parts = [
        Part(part.name, digest(part.content, [content_of(path) for path in annotated(part)]), [{"path": str(path)} for path in [part.source, *annotated(part)]])
        for part in manifest
    ]
    outcome = run(stage, parts, run_folder / "clips", workers=workers, progress=progress)
    outcome.rows_in = records["manifest"]["rows_out"]
    return finish(run_folder / "clips", "clips", {"clips": outcome}, stage.config, made_from=record["key"])

"""The `datasets` builder: RUN/clips + RUN/questions → the tables of one configuration. Shards, processes and caching are the library's.

It decodes no audio through `datasets` (that would ask for torchcodec): clips are read by soundfile and stored as 16 kHz mono FLAC bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from cp_paraling_qa import audio, ledger
from cp_paraling_qa.annotate.base import clip_audio
from cp_paraling_qa.dataset.metadata import TEMPLATE, MetadataOptions, render
from cp_paraling_qa.dataset.reference import reference
from cp_paraling_qa.dataset.splits import in_order
from cp_paraling_qa.errors import AudioError, DatasetError
from cp_paraling_qa.schema import CLIPS_CONFIG_SCHEMA, CONFIGS, EXAMPLE_SCHEMA, REFERENCE_SCHEMA, compose, features_metadata, table
from cp_paraling_qa.stage import Row, clips_folder, read_part

LLM_KINDS = ("pqa", "cpqa")
WRITTEN = ("implicit", "combined")
SHOWN = ("explicit", "combined")


@dataclass
class VariantConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """One configuration of one run.

    Args:
        parts: names of the parts of RUN/clips; each is a shard.
        run: the run folder.
        roots: corpus → folder that its audio paths are relative to.
        division: clip_id → split.
        metadata: what the metadata block shows.
        reference_only: leave the audio's bytes out; its path and span stay.
        sets: contrast sets that are whole within one split; rows of others lose that mark.
    """

    parts: list[str] = field(default_factory=list)
    run: str = ""
    roots: dict[str, str] = field(default_factory=dict)
    division: dict[str, str] = field(default_factory=dict)
    metadata: MetadataOptions = field(default_factory=MetadataOptions)
    reference_only: bool = False
    sets: frozenset[str] = frozenset()

    def schema(self) -> pa.Schema:
        """The columns of this configuration."""
        if self.name == "clips":
            return CLIPS_CONFIG_SCHEMA
        return REFERENCE_SCHEMA if self.reference_only else EXAMPLE_SCHEMA


class ContextualParalinguisticQA(datasets.ArrowBasedBuilder):  # type: ignore[misc]
    """Builds baseline, explicit, implicit, combined, or clips."""

    BUILDER_CONFIG_CLASS = VariantConfig
    VERSION = datasets.Version("1.0.0")

    def _info(self) -> Any:
        return datasets.DatasetInfo(features=datasets.Features.from_arrow_schema(features_metadata(self.config.schema())))

    def _split_generators(self, dl_manager: Any) -> list[Any]:
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"parts": self.config.parts, "split": split}) for split in in_order(self.config.division.values())
        ]

    def _generate_tables(self, parts: list[str], split: str) -> Iterator[tuple[Any, pa.Table]]:
        run = Path(self.config.run)
        for name in parts:
            clips = [clip for clip in read_part(clips_folder(run) / f"{name}.parquet") if self.config.division[clip["clip_id"]] == split]
            if self.config.name == "clips":
                rows = [{**clip, "split": split, "audio": self._sound(clip)} for clip in clips]
            else:
                rows = self._examples(clips, read_part(run / "questions" / f"{name}.parquet"))
            yield name, table(rows, self.config.schema())

    def _sound(self, clip: Row) -> Row:
        return reference(clip) if self.config.reference_only else encoded(clip, self.config.roots)

    def _examples(self, clips: list[Row], questions: list[Row]) -> list[Row]:
        by_clip: dict[str, list[Row]] = {}
        for question in questions:
            if question["dropped"] is None and (question["kind"] in LLM_KINDS) == (self.config.name in WRITTEN):
                by_clip.setdefault(question["clip_id"], []).append(question)
        rows = []
        for clip in clips:  # all questions of a clip side by side: its bytes then compress to one copy
            mine = by_clip.get(clip["clip_id"], [])
            sound = self._sound(clip) if mine else None
            rows += [self._example(clip, question, sound) for question in mine]
        return rows

    def _example(self, clip: Row, question: Row, sound: Row | None) -> Row:
        shown = render(clip, self.config.metadata, question_type=question["type"]) if self.config.name in SHOWN else None
        span = {"start": clip["start"], "end": clip["end"]} if self.config.reference_only else {}
        return span | {
            "id": question["qa_id"],
            "clip_id": clip["clip_id"],
            "audio": sound,
            "question": question["question"],
            "answer": question["answer"],
            "prompt": compose(shown, question["question"]),
            "metadata": shown,
            "type": question["type"],
            "kind": question["kind"],
            "difficulty": question["difficulty"],
            "label": question["label"],
            "transcript": clip["transcript"],
            "emotion": ledger.consensus(clip["opinions"], "emotion"),
            "arousal": ledger.axis_mean(clip["opinions"], "arousal"),
            "valence": ledger.axis_mean(clip["opinions"], "valence"),
            "dominance": ledger.axis_mean(clip["opinions"], "dominance"),
            "gender": ledger.gender(clip),
            "speaker_id": clip["speaker_id"],
            "corpus": clip["corpus"],
            "language": clip["language"],
            "license": clip["license"],
            "text_answerable": question["text_answerable"],
            "contrast_set": question["contrast_set"] if question["contrast_set"] in self.config.sets else None,
            "conflict": question["conflict"],
            "provenance": {
                "generator": question["generator"],
                "prompt_hash": question["prompt_hash"],
                "evidence": question["evidence"],
                "metadata_template": TEMPLATE if shown else None,
            },
        }


def encoded(clip: Row, roots: dict[str, str]) -> Row:
    """A clip's audio as the dataset stores it: 16 kHz mono FLAC bytes under the clip's name.

    Raises:
        DatasetError: the audio has gone or changed since the manifest was made.
    """
    try:
        samples, _ = clip_audio(clip, roots)
    except AudioError as error:
        raise DatasetError(
            f"clip {clip['clip_id']} ({clip['corpus']}/{clip['audio_path']}): {error}. Run `cpqa corpus {clip['corpus']} …` again, then the stages after it."
        ) from None
    return {"bytes": audio.encode_flac(samples), "path": f"{clip['clip_id']}.flac"}


def configs_for(*, asked: int, written: int) -> tuple[str, ...]:
    """The configurations that have rows.

    Args:
        asked: template questions; without any (no clip has an emotion or a gender) there is neither baseline nor explicit.
        written: LLM-written questions; without any there is neither implicit nor combined.
    """
    return (*(name for name in CONFIGS if (written if name in WRITTEN else asked)), "clips")

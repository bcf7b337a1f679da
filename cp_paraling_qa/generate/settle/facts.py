"""A run's clips and kept LLM-written questions in arrays: about 100 bytes a clip, and the spoken words and the text of the questions once, as Arrow holds it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cp_paraling_qa.condense.select import key_of
from cp_paraling_qa.condense.survey import Names
from cp_paraling_qa.errors import StageError
from cp_paraling_qa.generate.settle.contrast import MIN_WORDS
from cp_paraling_qa.generate.settle.likeness import plain_words
from cp_paraling_qa.generate.settle.repeats import Item
from cp_paraling_qa.generate.settle.sentiment import conflict_of
from cp_paraling_qa.ledger import consensus
from cp_paraling_qa.stage import read_part

LLM_KINDS = ("pqa", "cpqa")
CLIP_COLUMNS = ["clip_id", "corpus", "speaker_id", "language", "transcript", "opinions"]
ROW_COLUMNS = ["qa_id", "clip_id", "kind", "type", "difficulty", "question", "answer", "label", "generator"]

NOBODY_TELLS, AGREE, OPPOSE = -1, 0, 1

Places = NDArray[np.int64]


class Taken:
    """The qa_ids of rows that are not kept LLM-written ones; 8 bytes each."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = np.unique(np.array([int(name, 16) for name in names], dtype=np.uint64))

    def __contains__(self, name: object) -> bool:
        at = int(np.searchsorted(self.names, np.uint64(name))) if isinstance(name, int) else len(self.names)
        return at < len(self.names) and int(self.names[at]) == name


class Speaker(NamedTuple):
    """One speaker of one corpus; or one clip whose speaker nobody knows.

    Args:
        name: unique over corpora; None for an unknown one.
        clips: their places among the clips.
        rows: the places of their kept LLM-written questions among the rows.
    """

    name: str | None
    clips: Places
    rows: Places


class Facts:
    """What the rules need to know of every clip and every kept LLM-written question.

    Args:
        parts: clips part and written part, side by side.
        conflict: whether to weigh words against voice.

    Raises:
        StageError: a question about a clip that the clips do not have.
        LabelError: a clip with a valence that is none, named.
    """

    def __init__(self, parts: Sequence[tuple[Path, Path]], *, conflict: bool) -> None:
        speakers, emotions = Names(), Names()
        self.key, self.part, self.words = array("Q"), array("i"), array("q")
        self.speaker, self.emotion, self.conflict = array("i"), array("i"), array("b")
        self.positive, self.english, self.some_words = bytearray(), bytearray(), bytearray()
        ids: list[pa.Array] = []
        said: list[pa.Array] = []
        tables: list[pa.Table] = []
        clip_of: list[Places] = []
        taken: list[str] = []
        self.first_row = [0]
        for number, (clips, written) in enumerate(parts):
            place: dict[str, int] = {}
            spoken: list[str] = []
            for clip in read_part(clips, CLIP_COLUMNS):
                place[clip["clip_id"]] = len(self.part)
                self.part.append(number)
                self.speaker.append(speakers.code(f"{clip['corpus']}/{clip['speaker_id']}" if clip["speaker_id"] else None))
                self.emotion.append(emotions.code(consensus(clip["opinions"], "emotion")))
                spoken.append(self._add(clip, conflict=conflict))
            said.append(pa.array(spoken, pa.string()))
            ids.append(pa.array(list(place), pa.string()))
            kept, others = _kept_llm_rows(pq.read_table(written, columns=[*ROW_COLUMNS, "dropped"]))
            try:
                clip_of.append(np.array([place[name] for name in kept["clip_id"].to_pylist()], dtype=np.int64))
            except KeyError as error:
                raise StageError(f"{written} asks about clip {error}, which {clips} does not have: run `cpqa generate …` again") from None
            tables.append(kept)
            taken += others
            self.first_row.append(self.first_row[-1] + len(kept))
        self.speakers, self.emotions = speakers.names(), emotions.names()
        self.clip_ids, self.said = pa.chunked_array(ids, pa.string()), pa.chunked_array(said, pa.string())
        self.rows = pa.concat_tables(tables).combine_chunks() if tables else None
        self.clip_of: Places = np.concatenate(clip_of) if clip_of else np.zeros(0, dtype=np.int64)
        self.taken = Taken(taken)

    def _add(self, clip: dict[str, Any], *, conflict: bool) -> str:
        """Weighs a clip; its words alone."""
        said = plain_words(clip["transcript"] or "")
        self.key.append(key_of(clip["clip_id"]))
        self.words.append(int.from_bytes(sha256(said.encode()).digest()[:7], "big") if said else -1)
        self.english.append(clip["language"] in (None, "en"))
        self.some_words.append(said.count(" ") + 1 >= MIN_WORDS if said else 0)
        opposed, words = conflict_of(clip) if conflict else (None, None)
        self.conflict.append(NOBODY_TELLS if opposed is None else int(opposed))
        self.positive.append(words == "positive")
        return said

    def __len__(self) -> int:
        """How many clips."""
        return len(self.part)

    def clip_id(self, clip: int) -> str:
        """The id of a clip."""
        name: str = self.clip_ids[clip].as_py()
        return name

    def spoken(self, clip: int) -> str:
        """The words of a clip alone, see `likeness.plain_words`."""
        said: str = self.said[clip].as_py()
        return said

    def label(self, clip: int) -> str | None:
        """A clip's emotion, as its corpus calls it."""
        return self.emotions[self.emotion[clip]] if self.emotion[clip] >= 0 else None

    def read(self, rows: Places) -> list[dict[str, Any]]:
        """Kept LLM-written rows, as they were written."""
        found: list[dict[str, Any]] = self.rows.take(pa.array(rows)).to_pylist() if self.rows is not None else []
        return found

    def items(self, rows: Places) -> tuple[list[Item], dict[str, str]]:
        """Rows as the rules look at them, and qa_id → generator."""
        read = self.read(rows)
        items = [
            Item(row["qa_id"], int(clip), self.words[clip], row["type"], row["question"], row["answer"], row["label"])
            for row, clip in zip(read, self.clip_of[rows], strict=True)
        ]
        return items, {row["qa_id"]: row["generator"] for row in read}

    def by_speaker(self) -> Iterator[Speaker]:
        """Every speaker that has clips, and every clip without one. Their order follows that of the clips; nothing may hang on it."""
        known = np.array(self.speaker, dtype=np.int64)
        group = np.where(known >= 0, known, len(self.speakers) + np.arange(len(known)))
        clips, rows = np.argsort(group, kind="stable"), np.argsort(group[self.clip_of], kind="stable")
        of_clips, of_rows = group[clips], group[self.clip_of][rows]
        codes, starts = np.unique(of_clips, return_index=True)
        ends = np.append(starts[1:], len(clips))
        row_starts, row_ends = np.searchsorted(of_rows, codes), np.searchsorted(of_rows, codes, side="right")
        for code, start, end, first, last in zip(codes, starts, ends, row_starts, row_ends, strict=True):
            yield Speaker(self.speakers[code] if code < len(self.speakers) else None, clips[start:end], rows[first:last])


def _kept_llm_rows(rows: pa.Table) -> tuple[pa.Table, list[str]]:
    """The kept LLM-written rows, and the qa_ids of all others."""
    kept = pc.and_(pc.is_null(rows["dropped"]), pc.is_in(rows["kind"], pa.array(LLM_KINDS)))
    return rows.filter(kept).drop_columns(["dropped"]), rows.filter(pc.invert(kept))["qa_id"].to_pylist()

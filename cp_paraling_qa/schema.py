"""The four records that flow through the house, and their Arrow form.

    Clip        one stretch of speech with every opinion about it          manifest, clips
    Opinion     who says what about a clip: the label ledger               inside a clip
    Question    one question with its answer, kept or dropped with why     questions
    Example     one row of the finished dataset                            dataset

Records are plain dicts with exactly these keys, so that they go to and from Parquet unchanged; the TypedDicts say what is in them.
A missing number is None (null in Parquet), never NaN: `null_nan` turns one into the other where foreign data comes in.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

import pyarrow as pa

Seconds = float
Hertz = int
Source = Literal["human", "model", "maker", "self"]

SPLIT_NAMES = re.compile(r"train|validation|test[1-9]?")
"""What a corpus's partition may be called: train, validation, test, and test1, test2, … where a corpus has several."""

SAMPLING_RATE: Hertz = 16_000
"""Every dataset built here stores mono audio at this rate."""

OPINION_FIELDS = (
    *("emotion", "valence", "arousal", "dominance", "intensity", "gender", "age", "accent", "speakers", "text", "speech"),
    *("pitch", "loudness", "rate", "intonation"),
)
"""What an opinion can be about. `age` is a number of years in `value`, `speakers` a count in `value`, `speech` a span in which somebody speaks.
The last four are measured prosody, put in words."""

AXES = ("arousal", "valence", "dominance")
"""The affect axes, each 0 (calm, negative, submissive) to 1 (excited, positive, dominant), always looked up by name."""

QUESTION_TYPES = ("C", "DE", "DG", "DS", "CE", "CG", "CS")
"""CP-Bench's codes: content; direct emotion, gender, number of speakers; contextual emotion, gender, speakers."""

KINDS = ("asr", "pqa_template", "pqa", "cpqa")
CONFIGS = ("baseline", "explicit", "implicit", "combined")
"""The 2 × 2 of arXiv 2508.07273: {template QA, LLM-written QA} × {no metadata, metadata in the prompt}."""


ACTED = "actor"
"""The rater of an acted label: what the speaker was told to play. It counts only where nobody listened and said what they heard."""


class Opinion(TypedDict):
    """One statement about a clip. Consensus is derived from these, never stored in place of them."""

    field: str
    value: str | None  # a label, lower case; null for axes
    score: float | None  # arousal, valence, dominance on 0–1
    probability: float | None  # posterior, or share of votes
    start: Seconds | None  # null: the whole clip
    end: Seconds | None
    source: str  # human, model, maker, or self for a self-report
    rater: str | None  # the corpus's own id, `ACTED` for an acted label, or a model's id
    revision: str | None  # of the model
    license: str | None


class Word(TypedDict):
    """One spoken word; times in seconds from the clip's start. Emotion and gender are those of the window that it falls in, where clips were condensed."""

    word: str
    start: Seconds | None
    end: Seconds | None
    probability: float | None
    emotion: str | None
    gender: str | None


class Clip(TypedDict):
    """One stretch of speech. `audio_path` is relative to the corpus root; `sampling_rate` is the source file's."""

    clip_id: str
    corpus: str
    audio_path: str
    start: Seconds
    end: Seconds
    duration: Seconds
    sampling_rate: Hertz
    speaker_id: str | None
    dialogue_id: str | None
    gender: str | None  # female, male
    age: float | None  # years
    language: str | None  # ISO 639 code
    transcript: str | None
    words: list[Word]
    split: str | None  # the corpus's own partition
    license: str | None
    opinions: list[Opinion]


class Evidence(TypedDict):
    """A ledger field that an answer rests on, and the span it was read from."""

    field: str
    start: Seconds | None
    end: Seconds | None


class Question(TypedDict):
    """One question about one clip. `dropped` is null, or the reason why it is not in the dataset."""

    qa_id: str
    clip_id: str
    kind: str
    type: str
    difficulty: str  # simple, complex
    question: str
    answer: str
    label: str | None  # the closed-form answer where there is one
    evidence: list[Evidence]
    generator: str
    prompt_hash: str
    dropped: str | None
    text_answerable: bool | None  # whether a model that read the words alone got it right; null: nobody tried
    contrast_set: str | None  # questions of one set ask the same of the same words said in several feelings; they count only as a whole
    conflict: bool | None  # whether the clip's words say one thing and its voice another; null: nobody can tell


_OPINION = pa.struct(
    [
        ("field", pa.string()),
        ("value", pa.string()),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("source", pa.string()),
        ("rater", pa.string()),
        ("revision", pa.string()),
        ("license", pa.string()),
    ]
)
_WORD = pa.struct(
    [("word", pa.string()), ("start", pa.float64()), ("end", pa.float64()), ("probability", pa.float64()), ("emotion", pa.string()), ("gender", pa.string())]
)
_EVIDENCE = pa.struct([("field", pa.string()), ("start", pa.float64()), ("end", pa.float64())])
_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_PROVENANCE = pa.struct([("generator", pa.string()), ("prompt_hash", pa.string()), ("evidence", pa.list_(_EVIDENCE)), ("metadata_template", pa.string())])

_MARKS = (("text_answerable", pa.bool_()), ("contrast_set", pa.string()), ("conflict", pa.bool_()))

CLIP_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("corpus", pa.string()),
        ("audio_path", pa.string()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("duration", pa.float64()),
        ("sampling_rate", pa.int64()),
        ("speaker_id", pa.string()),
        ("dialogue_id", pa.string()),
        ("gender", pa.string()),
        ("age", pa.float64()),
        ("language", pa.string()),
        ("transcript", pa.string()),
        ("words", pa.list_(_WORD)),
        ("split", pa.string()),
        ("license", pa.string()),
        ("opinions", pa.list_(_OPINION)),
    ]
)
ANNOTATION_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("annotator", pa.string()),
        ("opinions", pa.list_(_OPINION)),
        ("words", pa.list_(_WORD)),
        ("measures", pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64()), ("unit", pa.string())]))),
    ]
)
QUESTION_SCHEMA = pa.schema(
    [
        ("qa_id", pa.string()),
        ("clip_id", pa.string()),
        ("kind", pa.string()),
        ("type", pa.string()),
        ("difficulty", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("label", pa.string()),
        ("evidence", pa.list_(_EVIDENCE)),
        ("generator", pa.string()),
        ("prompt_hash", pa.string()),
        ("dropped", pa.string()),
        *_MARKS,
    ]
)
EXAMPLE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("clip_id", pa.string()),
        ("audio", _AUDIO),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("prompt", pa.string()),
        ("metadata", pa.string()),
        ("type", pa.string()),
        ("kind", pa.string()),
        ("difficulty", pa.string()),
        ("label", pa.string()),
        ("transcript", pa.string()),
        ("emotion", pa.string()),
        ("arousal", pa.float64()),
        ("valence", pa.float64()),
        ("dominance", pa.float64()),
        ("gender", pa.string()),
        ("speaker_id", pa.string()),
        ("corpus", pa.string()),
        ("language", pa.string()),
        ("license", pa.string()),
        *_MARKS,
        ("provenance", _PROVENANCE),
    ]
)
REFERENCE_SCHEMA = pa.schema([*EXAMPLE_SCHEMA, pa.field("start", pa.float64()), pa.field("end", pa.float64())])
"""An example without its audio's bytes: `audio.path` is relative to the corpus folder, start and end are seconds in that file, `clip_id` is the hash of the samples."""

CLIPS_CONFIG_SCHEMA = pa.schema([*CLIP_SCHEMA, pa.field("audio", _AUDIO)])


def null_nan(value: float | None) -> float | None:
    """None for None, NaN and infinities; the number otherwise.

    Example:
        >>> null_nan(float("nan")), null_nan(0.25)
        (None, 0.25)
    """
    return None if value is None or not math.isfinite(value) else float(value)


def opinion(field: str, value: str | None = None, *, source: Source, **more: Any) -> Opinion:
    """An opinion with every key present: those that are not given are None.

    Args:
        field: one of `OPINION_FIELDS`.
        value: a label (made lower case, except a transcript); None for axes.
        source: human, model, maker, or self.
        more: score, probability, start, end, rater, revision, license.

    Raises:
        LabelError: an unknown field, or a score or probability outside 0–1.

    Example:
        >>> opinion("emotion", "Angry", source="human", rater="actor")["value"]
        'angry'
    """
    from cp_paraling_qa.errors import LabelError

    if source not in ("human", "model", "maker", "self"):
        raise LabelError(f"opinion source {source!r} is not one of human, model, maker, self")
    if field not in OPINION_FIELDS:
        raise LabelError(f"opinion field {field!r} is not one of {', '.join(OPINION_FIELDS)}")
    row = Opinion(field=field, value=None, score=None, probability=None, start=None, end=None, source=source, rater=None, revision=None, license=None)
    if unknown := set(more) - set(row):
        raise LabelError(f"an opinion has no {', '.join(sorted(unknown))}")
    row.update(more)  # type: ignore[typeddict-item]  # the keys are checked one line above
    for key in ("score", "probability", "start", "end"):
        row[key] = null_nan(row[key])  # the keys were checked one line above
    for key, number in (("score", row["score"]), ("probability", row["probability"])):
        if number is not None and not 0 <= number <= 1:
            raise LabelError(f"{field} {key} is outside 0–1: {number:g}")
    if value is not None:
        row["value"] = value if field == "text" else value.strip().lower()
    return row


def word(text: str, start: Seconds | None = None, end: Seconds | None = None, probability: float | None = None) -> Word:
    """A spoken word with every key present."""
    return Word(word=text, start=start, end=end, probability=probability, emotion=None, gender=None)


def table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table with exactly the columns of `schema`.

    Raises:
        KeyError: a row lacks a column, or has one more; named, so that a forgotten field is never a silent null.
    """
    rows = list(rows)
    names = set(schema.names)
    for row in rows:
        if row.keys() != names:
            raise KeyError(f"row differs from its schema by {sorted(names ^ row.keys())}")
    return pa.Table.from_pylist(rows, schema=schema)


def features_metadata(schema: pa.Schema) -> pa.Schema:
    """`schema` with the metadata by which `datasets` knows column `audio` as `Audio(sampling_rate=16000, decode=False)`.

    Written by hand: building an `Audio` feature through `datasets` asks for torchcodec, even where nothing is decoded.
    """

    def feature(kind: pa.DataType) -> Any:
        if kind == _AUDIO:
            return {"sampling_rate": SAMPLING_RATE, "decode": False, "_type": "Audio"}
        if pa.types.is_list(kind):
            return {"feature": feature(kind.value_type), "_type": "List"}
        if pa.types.is_struct(kind):
            return {kind.field(i).name: feature(kind.field(i).type) for i in range(kind.num_fields)}
        return {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}

    info = {"info": {"features": {field.name: feature(field.type) for field in schema}}}
    return schema.with_metadata({"huggingface": json.dumps(info)})


def compose(metadata: str | None, question: str) -> str:
    r"""The text that the model is shown: the metadata block, where there is one, above the question.

    Example:
        >>> compose("Voice: 0.0–2.0 s sad.", "Why might she hesitate?")
        'Voice: 0.0–2.0 s sad.\nWhy might she hesitate?'
        >>> compose(None, "Why might she hesitate?")
        'Why might she hesitate?'
    """
    return f"{metadata}\n{question}" if metadata else question

"""Rows that a run is watched on while it trains, and never trained on.

They come from the validation split where the dataset has one. Where it has none, whole speakers are taken out of the training rows, so that nobody who is heard in
training is heard in evaluation. The test split is used only where the user names it, and then whatever is chosen by these rows says so.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.errors import DatasetError, RecipeError
from cp_paraling_qa.training.rows import silent_rows

SPEAKERS = "speakers"
"""`eval_split` for speakers taken out of the training rows."""

MOST_HELD_OUT = 0.2
"""Share of the training rows that speakers are taken out for, unless one speaker alone has more."""


@dataclass(frozen=True)
class HeldOut:
    """Rows to evaluate on.

    Attributes:
        rows: a `datasets.Dataset`, each row with audio.
        origin: where they come from, in words.
        available: how many rows there were to draw from.
        labelled: whether only rows with a label were drawn.
        label_spaces: question type → the labels that occur anywhere in training or held-out rows: an answer is mapped to one of these, so that a small slice is
            no easier than a large one.
        warnings: what makes their scores less than held-out.
        speakers: who was taken out of the training rows; for the log, not for a card.
    """

    rows: Any
    origin: str
    available: int
    labelled: bool = False
    label_spaces: dict[str, list[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """How many of how many rows, and where from."""
        return f"{len(self.rows):,} of {self.available:,} {'labelled ' if self.labelled else ''}rows of {self.origin}"


def hold_out(
    training: Any,
    rows_of: Callable[[str], Any],
    *,
    count: int,
    split: str | None = None,
    test_split: str = "test",
    judged: bool = False,
    seed: int = 0,
) -> tuple[HeldOut, Any]:
    """Chooses held-out rows.

    Args:
        training: the run's training rows.
        rows_of: loads another split's rows; raises DatasetError where there is none.
        count: most rows; drawn under the seed.
        split: name of a split, `speakers`, or None: validation where there is one, else speakers.
        test_split: what the test split is called.
        judged: whether a judge scores them; without one only rows with a label can be scored, so only these are drawn where there are any.
        seed: of the choice of speakers and rows.

    Returns:
        The held-out rows, and the training rows without those that were taken out.

    Raises:
        DatasetError: a split that is not there; nobody to take out; or no row that can be heard and scored.
        RecipeError: a count under 1, or speakers to be taken out of a stream.
    """
    if count < 1:
        raise RecipeError(f"eval_rows is {count}: give 1 or more, or leave evaluation away")
    pool, origin, rest, speakers = _pool(training, rows_of, split, count, seed)
    silent = silent_rows(pool)
    heard = [number for number in range(len(pool)) if number not in silent]
    labels = pool["label"] if "label" in pool.column_names else [None] * len(pool)
    labelled = [number for number in heard if labels[number]]
    if not judged and not labelled:
        raise DatasetError(
            f"{origin}: no row has both audio and a closed label, so nothing could be scored: pass --judge_base_url and --judge_model, another --eval_split, "
            "or --eval_strategy steps for the loss alone"
        )
    candidates = heard if judged else labelled
    if not candidates:
        raise DatasetError(f"{origin}: no row has audio; name another --eval_split")
    chosen = sorted(random.Random(f"{seed} held-out rows").sample(candidates, min(count, len(candidates))))
    warnings = _warnings(pool, chosen, rest, split, test_split)
    return HeldOut(pool.select(chosen), origin, len(candidates), not judged, label_spaces(pool, rest), warnings, speakers), rest


def _pool(training: Any, rows_of: Callable[[str], Any], split: str | None, count: int, seed: int) -> tuple[Any, str, Any, tuple[str, ...]]:
    """Rows to draw from, where they come from, what is left to train on, and who was taken out."""
    if split not in (None, SPEAKERS):
        return rows_of(str(split)), f"split {split}", training, ()
    if split is None:
        try:
            return rows_of("validation"), "split validation", training, ()
        except DatasetError:
            pass  # most corpora have none
    if not hasattr(training, "select"):
        raise RecipeError("speakers cannot be taken out of a stream: name a split with --eval_split")
    return _without_speakers(training, count, seed)


def _without_speakers(training: Any, count: int, seed: int) -> tuple[Any, str, Any, tuple[str, ...]]:
    """Takes speakers out, drawn by the seed, until there are `count` rows or a fifth of all.

    Raises:
        DatasetError: speakers are not known, or there is only one.
    """
    if "speaker_id" not in training.column_names:
        raise DatasetError("the training rows have no column speaker_id, so no speaker can be held out: name a split with --eval_split")
    corpora = training["corpus"] if "corpus" in training.column_names else [None] * len(training)
    of_row = [None if speaker is None else (corpus or "", speaker) for corpus, speaker in zip(corpora, training["speaker_id"], strict=True)]
    by_speaker: dict[tuple[str, str], list[int]] = {}
    for number, speaker in enumerate(of_row):
        if speaker is not None:
            by_speaker.setdefault(speaker, []).append(number)
    if len(by_speaker) < 2:
        raise DatasetError(
            f"the training rows have {len(by_speaker)} known speaker{'s' if len(by_speaker) != 1 else ''}, so none can be held out: name a split with --eval_split"
        )
    order = sorted(by_speaker)
    random.Random(f"{seed} held-out speakers").shuffle(order)
    taken: list[tuple[str, str]] = []
    rows = 0
    for speaker in order[:-1]:
        more = len(by_speaker[speaker])
        if taken and (rows >= count or rows + more > MOST_HELD_OUT * len(training)):
            break
        taken.append(speaker)
        rows += more
    out = {number for speaker in taken for number in by_speaker[speaker]}
    origin = f"{len(taken)} of {len(by_speaker)} speakers, taken out of the training rows"
    rest = training.select([number for number in range(len(training)) if number not in out])
    return training.select(sorted(out)), origin, rest, tuple(f"{corpus} {speaker}".strip() for corpus, speaker in sorted(taken))


def label_spaces(*datasets: Any) -> dict[str, list[str]]:
    """Question type → the labels that occur for it, alike ones once.

    Args:
        datasets: rows with or without columns type and label; a stream counts for nothing.
    """
    from cp_paraling_qa.judge.columns import true_labels

    found: dict[str, set[str]] = {}
    for rows in datasets:
        if not {"type", "label"} <= set(getattr(rows, "column_names", None) or ()) or not hasattr(rows, "select"):
            continue
        for kind, label in zip(rows["type"], rows["label"], strict=True):
            if label and label.strip():
                found.setdefault(kind or "", set()).add(label.strip())
    return {kind: true_labels(sorted(labels), None)[1] for kind, labels in sorted(found.items())}


def _warnings(pool: Any, chosen: Sequence[int], rest: Any, split: str | None, test_split: str) -> tuple[str, ...]:
    """What a reader of the scores has to know: the test split was looked at, or clips or speakers are trained on."""
    warnings = []
    if split == test_split:
        warnings.append(of_test_split(split))
    if hasattr(rest, "select"):
        drawn = pool.select_columns([name for name in ("clip_id", "corpus", "speaker_id") if name in pool.column_names]).select(list(chosen))
        for name, word in (("clip_id", "clips"), ("speaker_id", "speakers")):
            ours, theirs = _keys(drawn, name), _keys(rest, name)
            if both := ours & theirs:
                warnings.append(f"{len(both)} of the {len(ours)} {word} of these rows are in the training rows too")
    return tuple(warnings)


def of_test_split(split: str) -> str:
    """What has to be said wherever the test split was looked at during training."""
    return f"these rows are of the {split} split: what is chosen by them can no longer be tested on it"


def _keys(rows: Any, name: str) -> set[tuple[str, str]]:
    """Clips, or speakers with their corpus: two corpora may both have a speaker 1."""
    if name not in rows.column_names:
        return set()
    corpora = rows["corpus"] if name == "speaker_id" and "corpus" in rows.column_names else [None] * len(rows)
    return {(corpus or "", value) for corpus, value in zip(corpora, rows[name], strict=True) if value is not None}

"""predictions.jsonl → scores per config and per question type: what `cpqa score` prints.

One JSON object a line, as predict.py writes it: id, clip_id, config, question, prompt, prediction, reference, label, type, kind, speaker_id, corpus, emotion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.judging import Judge, JudgeConfig, judge_items
from cp_paraling_qa.judge.label_map import LabelMatch
from cp_paraling_qa.judge.rubric import OPEN, JudgeItem, Rubric
from cp_paraling_qa.judge.score import judge_scores, label_scores, map_to_truth, pick_embedder, true_labels
from cp_paraling_qa.judge.verdict import Verdict

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, Any]

_TEXTS = ("config", "question", "prediction", "reference", "label", "type", "emotion", "contrast_set")
_MARKS = {
    "text_answerable": ("text_answerable", True),
    "not text_answerable": ("text_answerable", False),
    "conflict": ("conflict", True),
}
"""Slices by what a dataset marks its rows with: name → column and value."""
_ORDER = ("baseline", "explicit", "implicit", "combined")
FIGURES = (
    ("llm_judge", "judge 0–100", "coverage"),
    ("accuracy", "accuracy", "label_coverage"),
    ("balanced_accuracy", "UAR", "label_coverage"),
    ("f1_weighted", "weighted F1", "label_coverage"),
    ("f1_macro", "macro F1", "label_coverage"),
)
"""Key, heading, and the key of the coverage that is shown beside it."""
LEAKING = ("explicit", "combined")
BRACKETS = "In brackets: the share of answers that the judge scored, or that map to a label; an unmapped answer counts as wrong."
LEAK = "\nDirect questions (DE, DG) of explicit and combined may have their answer in the prompt, in the metadata: there accuracy is reading, not listening."


def read_predictions(path: str | Path) -> list[Row]:
    """The rows of a predictions file.

    Returns:
        At least one row. Blank lines are passed over.

    Raises:
        JudgeError: no such file, no rows; or, with its line number: not UTF-8, not a JSON object, no prediction or reference, a text that is none, an id twice in one config.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JudgeError(f"{path} cannot be read ({error.strerror}): give the predictions.jsonl that trainer/predict.py wrote") from error
    rows: list[Row] = []
    seen: dict[tuple[Any, Any], int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _parse(line, f"{path}, line {number}")
        key = (row.get("config"), row["id"])
        if key in seen:
            raise JudgeError(
                f"{path}, line {number}: id {row['id']!r} of config {row.get('config')!r} stands already on line {seen[key]}; score each run's file by itself"
            )
        seen[key] = number
        rows.append(row)
    if not rows:
        raise JudgeError(f"{path} holds no predictions")
    return rows


def _parse(line: bytes, where: str) -> Row:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise JudgeError(f"{where}: not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise JudgeError(f"{where}: not JSON ({error}); the file may have been cut while it was written") from error
    if not isinstance(row, dict):
        raise JudgeError(f"{where}: a {type(row).__name__}, not a JSON object")
    if missing := [key for key in ("prediction", "reference") if key not in row]:
        raise JudgeError(f"{where}: no {' and no '.join(missing)}")
    if isinstance(row.get("id"), bool | list | dict | float):
        raise JudgeError(f"{where}: id is a {type(row['id']).__name__}, not a string")
    row["id"] = where if row.get("id") is None else str(row["id"])  # files of other tools may have none
    for key in _TEXTS:
        if row.get(key) is not None and not isinstance(row[key], str):
            raise JudgeError(f"{where}: {key} is a {type(row[key]).__name__}, not a string")
    return row


def _known(row: Mapping[str, Any]) -> str | None:
    return f"The speaker's emotion is {row['emotion']}." if row.get("emotion") else None


def _map_by_type(
    rows: Sequence[Row], label_spaces: Mapping[str, Sequence[str]] | None, embedder: Embedder | None, threshold: float, margin: float
) -> tuple[list[str | None], list[LabelMatch | None], dict[str, list[str]]]:
    """Truth and matches per row. Each question type has a label space of its own: an emotion question is never answered by a gender."""
    truth: list[str | None] = [None] * len(rows)
    matches: list[LabelMatch | None] = [None] * len(rows)
    spaces: dict[str, list[str]] = {}
    for kind in sorted({row.get("type") or "" for row in rows}):
        at = [i for i, row in enumerate(rows) if (row.get("type") or "") == kind]
        labels, space = true_labels([rows[i].get("label") for i in at], (label_spaces or {}).get(kind))
        if not any(labels):
            continue
        spaces[kind] = space
        found = map_to_truth([rows[i]["prediction"] for i in at], labels, space, embedder=embedder, threshold=threshold, margin=margin)
        for i, label, match in zip(at, labels, found, strict=True):
            truth[i], matches[i] = label, match
    return truth, matches, spaces


def score_rows(
    rows: Sequence[Row],
    *,
    judge: Judge | None = None,
    rubric: Rubric = OPEN,
    label_spaces: Mapping[str, Sequence[str]] | None = None,
    embedder: Embedder | str | None = "auto",
    threshold: float = 0.35,
    margin: float = 0.05,
) -> dict[str, Any]:
    """Score rows that `read_predictions` returned: see `score_file`."""
    rows = list(rows)
    truth, matches, spaces = _map_by_type(rows, label_spaces, pick_embedder(embedder), threshold, margin)
    verdicts: list[Verdict] | None = None
    if judge is not None:
        items = [JudgeItem(row["prediction"], row["reference"], question=row.get("question"), context=_known(row)) for row in rows]
        verdicts = judge_items(items, judge, rubric=rubric)

    def part(at: Sequence[int]) -> dict[str, Any]:
        scored = judge_scores([verdicts[i] for i in at], rubric) if verdicts is not None else judge_scores(None)
        return {"n": len(at), **scored, **label_scores([truth[i] for i in at], [matches[i] for i in at])}

    def slices(at: Sequence[int], key: str) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for i in at:
            found.setdefault(rows[i].get(key) or "", []).append(i)
        return found

    def marks(at: Sequence[int]) -> dict[str, Any]:
        found = {name: [i for i in at if rows[i].get(column) is value] for name, (column, value) in _MARKS.items()}
        return {name: part(mine) for name, mine in found.items() if mine}

    def whole(at: Sequence[int]) -> dict[str, Any]:
        return contrast_scores([(rows[i].get("contrast_set"), truth[i], found.label if (found := matches[i]) else None) for i in at])

    groups = slices(range(len(rows)), "config")
    names = sorted(groups, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    configs = {
        name: part(at := groups[name])
        | {"types": {kind: part(mine) for kind, mine in sorted(slices(at, "type").items())}, "marks": marks(at), "contrast_sets": whole(at)}
        for name in names
    }
    return {"n": len(rows), "judge": _judge_name(judge, rubric), "label_spaces": spaces, "configs": configs}


def contrast_scores(rows: Iterable[tuple[str | None, str | None, str | None]]) -> dict[str, Any]:
    """Accuracy over contrast sets, each of which counts only as a whole: the same question about the same words in several feelings, every answer right.

    After Gardner et al. 2020 (arXiv 2004.02709): whoever reads the words instead of hearing the voice gives one answer to a whole set, and gets none right.

    Args:
        rows: contrast set (None for a row of none), true label, and the label that the answer maps to (None where it maps to none, which is wrong).

    Returns:
        n (sets with at least two labelled rows), right (sets), accuracy (0 to 1; None without sets).

    Example:
        >>> contrast_scores([("a", "sad", "sad"), ("a", "angry", "angry"), ("b", "sad", "sad"), ("b", "angry", "sad"), (None, "sad", "sad")])
        {'n': 2, 'right': 1, 'accuracy': 0.5}
    """
    sets: dict[str, list[bool]] = {}
    for name, true, said in rows:
        if name is not None and true is not None:
            sets.setdefault(name, []).append(said == true)
    whole = [all(answers) for answers in sets.values() if len(answers) > 1]
    return {"n": len(whole), "right": sum(whole), "accuracy": sum(whole) / len(whole) if whole else None}


def _judge_name(judge: Judge | None, rubric: Rubric) -> dict[str, Any] | None:
    if judge is None:
        return None
    if callable(judge):
        model = getattr(judge, "__name__", type(judge).__name__)
    else:
        config = JudgeConfig.of(judge)
        model = config.label or config.model
    return {"model": model, "rubric": rubric.name, "rubric_hash": rubric.digest}


def score_file(path: str | Path, **options: Any) -> dict[str, Any]:
    """Score a predictions file per config, and per question type within.

    Args:
        path: predictions.jsonl.
        options: judge (None for none), rubric, label_spaces (question type → labels; by default those that occur for the type), embedder, threshold, margin:
            as in `compute`.

    Returns:
        JSON-able: n, judge (model, rubric, rubric_hash, or None), label_spaces, and configs: name → the keys of `compute`, the same per question type under `types` and
        per mark of the dataset under `marks` (text_answerable, not text_answerable, conflict), and `contrast_sets`, see `contrast_scores`.

    Raises:
        JudgeError: see `read_predictions` and `compute`.
        LLMError: the judge's endpoint cannot be used.
    """
    return {"file": str(path), **score_rows(read_predictions(path), **options)}


def _cell(scores: Mapping[str, Any], key: str, coverage: str) -> str:
    value, covered = scores[key], scores[coverage]
    if value is None:
        return "–"
    shown = f"{value:.1f}" if key == "llm_judge" else f"{value:.3f}"
    return f"{shown} ({covered:.0%})"


def render(results: Mapping[str, Any] | Iterable[tuple[str, Mapping[str, Any]]], *, title: str = "Scores", caption: str | None = None) -> Table:
    """A table of one result, or of several named ones ("before", "after"), with the coverage in brackets beside every figure.

    Args:
        results: what `score_file` returned, or pairs of a name and such a result.
        title: above the table.
        caption: below it; by default what the brackets mean, and that direct questions leak their answer where metadata are shown.
    """
    from rich.table import Table

    named = [("", results)] if isinstance(results, Mapping) else list(results)
    leaks = any(config in LEAKING and {"DE", "DG"} & set(scores["types"]) for _, result in named for config, scores in result["configs"].items())
    table = Table(title=title, caption=caption or (BRACKETS + (LEAK if leaks else "")))
    if any(name for name, _ in named):
        table.add_column("run")
    table.add_column("config")
    table.add_column("type")
    table.add_column("n", justify="right")
    for _, heading, _ in FIGURES:
        table.add_column(heading, justify="right")
    for name, result in named:
        for config, scores in result["configs"].items():
            kinds = scores["types"]
            slices = [("all", scores), *kinds.items()] if len(kinds) > 1 else [(next(iter(kinds), "all") or "all", scores)]
            slices += scores.get("marks", {}).items()
            for kind, part in slices:
                first = kind == slices[0][0]
                row = [config if first else "", kind or "–", str(part["n"]), *(_cell(part, key, coverage) for key, _, coverage in FIGURES)]
                table.add_row(*([name if first else ""] if any(other for other, _ in named) else []), *row, style=None if first else "dim")
            if (sets := scores.get("contrast_sets", {})).get("n"):
                cells = ["" if key != "accuracy" else f"{sets['accuracy']:.3f} whole" for key, _, _ in FIGURES]
                table.add_row(*([""] if any(other for other, _ in named) else []), "", "contrast sets", str(sets["n"]), *cells, style="dim")
    return table

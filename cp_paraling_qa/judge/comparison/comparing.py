"""Is B better than A? Two files of answers to the same items, compared pair by pair: what `cpqa compare` prints.

Beside every difference stands its interval, and the least difference that so many items could have shown: "not shown" is not "equal".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.columns import map_answers, pick_embedder
from cp_paraling_qa.judge.comparison.differences import FIGURES, Pairs, Sampling, compared, sliced
from cp_paraling_qa.judge.comparison.pairing import Pairing, pair_rows
from cp_paraling_qa.judge.judging import Judge, JudgeConfig, Progress, judge_items
from cp_paraling_qa.judge.predictions import Row, known_of, read_predictions
from cp_paraling_qa.judge.rubric import RUBRICS, JudgeItem, Rubric
from cp_paraling_qa.judge.score import rubric_of
from cp_paraling_qa.judge.statistics.intervals import check_sampling
from cp_paraling_qa.judge.statistics.rating_arrays import Floats, as_number, cluster_codes


def compare_rows(
    a_rows: Sequence[Row],
    b_rows: Sequence[Row],
    *,
    judge: Judge | None = None,
    rubric: str | Rubric = "open",
    label_spaces: Mapping[str, Sequence[str]] | None = None,
    embedder: Embedder | str | None = "auto",
    threshold: float = 0.35,
    margin: float = 0.05,
    n_bootstrap: int = 2000,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compares two sets of answers on the items that both have; B minus A throughout.

    Args:
        a_rows: as `read_predictions` returns them; with `score` (on the rubric's scale, None where unscored) where a judge has read them, with `mapped` where
            their labels are found.
        b_rows: likewise.
        judge: reads both anew, also where scores are given.
        rubric: of the judge, or of the scores given; name or object.
        label_spaces: question type → labels, where answers have to be mapped; by default the labels that occur for the type in either.
        embedder: of `map_labels`, as threshold and margin.
        threshold: least cosine of a label found by embedding.
        margin: least lead over the second label.
        n_bootstrap: resamples; whole clips are drawn, both sides of a pair together.
        seed: of the resamples.
        progress: called with how many more answers the judge has read.

    Returns:
        JSON-able: n, n_clips, pairs (see `Pairing.told`), unscored (pairs that lack a judge's score: only on side a, only on b, on both), notes;
        figures: llm_judge (0–100), accuracy, balanced_accuracy, f1_weighted, f1_macro (0–1): {a, b, difference, ci_low, ci_high, p, n, n_clips, mde, shown},
        mde the true difference seen with 80 % power, shown whether the interval leaves 0 out; wilcoxon (p, n, n_zero), mcnemar (p, only_a, only_b);
        slices: dimension → slice → n, figures, wilcoxon and mcnemar, these with q: p adjusted over all slices of all dimensions (Benjamini–Hochberg).
        None wherever something is undefined.

    Raises:
        JudgeError: no pair, a score off the scale, an unknown rubric, bad options; names it.
        LLMError: the judge's endpoint cannot be used.
    """
    check_sampling(n_bootstrap, seed=seed)
    rubric = rubric_of(rubric)
    pairing = pair_rows(a_rows, b_rows)
    if not pairing.pairs:
        raise JudgeError(
            f"none of {len(a_rows)} and {len(b_rows)} rows are about the same item: ids, or clip_id, question and config, have to agree in both files"
        )
    a, b = [a_rows[i] for i, _ in pairing.pairs], [b_rows[j] for _, j in pairing.pairs]
    scores, judged = _scores(a, b, judge, rubric, progress)
    truth, mapped, notes = _labels(a, b, label_spaces, {"embedder": embedder, "threshold": threshold, "margin": margin})
    clips = cluster_codes([mine.get("clip_id") or other.get("clip_id") or None for mine, other in zip(a, b, strict=True)], len(a))
    slices = {name: [_slice(mine, other, name) for mine, other in zip(a, b, strict=True)] for name in ("config", "type")} | {"true label": truth}
    pairs = Pairs(scores, truth, mapped, clips, slices)
    sampling = Sampling(n_bootstrap, seed)
    missing = np.isnan(scores)
    return {
        "n": len(a),
        "n_clips": len(np.unique(clips)),
        "pairs": pairing.told(a_rows, b_rows),
        "judge": judged,
        "unscored": {
            "a": int(np.sum(missing[:, 0] & ~missing[:, 1])),
            "b": int(np.sum(missing[:, 1] & ~missing[:, 0])),
            "both": int(np.sum(missing.all(axis=1))),
        },
        **compared(pairs, FIGURES, sampling),
        "slices": sliced(pairs, sampling),
        "notes": [*_pairing_notes(pairing), *notes, *_score_notes(a, b, judged, scores, truth)],
        "n_bootstrap": n_bootstrap,
        "seed": seed,
    }


def compare_files(a: str | Path, b: str | Path, *, rubric: str | Rubric | None = None, **options: Any) -> dict[str, Any]:
    """Compares two files, each predictions.jsonl or judgements.jsonl.

    Where scores.json of `cpqa score` stands beside both, its rubric is taken for the scores, and judges that differ are told in the notes.

    Args:
        a: the first.
        b: the second; differences are b minus a.
        rubric: of the judge, or of the scores in the files; None for that of scores.json, else "open".
        options: see `compare_rows`.

    Returns:
        What `compare_rows` does, with a and b: the files' names.

    Raises:
        JudgeError: see `read_predictions` and `compare_rows`.
    """
    told = [_told_beside(Path(path)) for path in (a, b)]
    names = [one.get("rubric") for one in told]
    if rubric is None:
        rubric = names[0] if names[0] == names[1] and names[0] in RUBRICS else "open"
    result = compare_rows(read_predictions(a), read_predictions(b), rubric=rubric, **options)
    keys = ("models", "rubric", "rubric_hash")
    if options.get("judge") is None and all(told) and any(told[0].get(key) != told[1].get(key) for key in keys):
        result["notes"].append("The files were judged by different judges or rubrics (their scores.json says so): a difference may be the judges' own.")
    return {"a": str(a), "b": str(b), **result}


def _told_beside(path: Path) -> dict[str, Any]:
    """Which judge and rubric scores.json beside a file of judgements names; nothing where it cannot be read."""
    try:
        found = json.loads(path.with_name("scores.json").read_text(encoding="utf-8")).get("judge")
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _slice(a: Row, b: Row, name: str) -> str | None:
    """What both rows say of themselves; None where they differ."""
    return a.get(name) or None if a.get(name) == b.get(name) else None


def _scores(a: Sequence[Row], b: Sequence[Row], judge: Judge | None, rubric: Rubric, progress: Progress | None) -> tuple[Floats, str | None]:
    """Scores of both sides on 0–100, and who gave them: a model's name, "as given", or None for nobody."""
    low, high = rubric.scale
    if judge is not None:
        items = [JudgeItem(row.get("prediction"), row.get("reference"), question=row.get("question"), context=known_of(row)) for row in (*a, *b)]
        verdicts = judge_items(items, judge, rubric=rubric, progress=progress)
        found = np.array([math.nan if verdict.score is None else verdict.score for verdict in verdicts], dtype=np.float64)
        name = getattr(judge, "__name__", type(judge).__name__) if callable(judge) else JudgeConfig.of(judge).label or JudgeConfig.of(judge).model
    elif not all(any("score" in row for row in rows) for rows in (a, b)):
        return np.full((len(a), 2), math.nan), None
    else:
        found = np.array([_given_score(row, rubric) for row in (*a, *b)], dtype=np.float64)
        name = "as given" if not np.isnan(found).all() else None
    return 100 * (found.reshape(2, len(a)).T - low) / (high - low), name


def _given_score(row: Row, rubric: Rubric) -> float:
    score = as_number(f"score of {row.get('id')!r}", row.get("score"))
    low, high = rubric.scale
    if not math.isnan(score) and not low <= score <= high:
        raise JudgeError(f"score of {row.get('id')!r} is {score:g}, outside {low}–{high} of the rubric {rubric.name}: name the rubric that gave it")
    return score


def _labels(
    a: Sequence[Row], b: Sequence[Row], spaces: Mapping[str, Sequence[str]] | None, options: dict[str, Any]
) -> tuple[list[str | None], tuple[list[str | None], list[str | None]], list[str]]:
    """True labels, what both sides' answers map to, notes. Labels found before count where both sides have them: else all are mapped here, in one way."""
    both = [*a, *b]
    labelled = [row for row in both if row.get("label")]
    if labelled and all("mapped" in row for row in labelled):
        truth = [row.get("label") or None for row in a]
        return truth, ([row.get("mapped") or None for row in a], [row.get("mapped") or None for row in b]), []
    notes = ["Only one file says which labels the answers map to: all were mapped here."] if any("mapped" in row for row in labelled) else []
    options["embedder"] = pick_embedder(options["embedder"])
    found = map_answers([row.get("prediction") for row in both], [row.get("label") for row in both], [row.get("type") for row in both], spaces, **options)
    said = [match.label if match else None for match in found.matches]
    return found.truth[: len(a)], (said[: len(a)], said[len(a) :]), notes


def _pairing_notes(pairing: Pairing) -> list[str]:
    notes = []
    if pairing.only_a or pairing.only_b:
        notes.append(f"{len(pairing.pairs)} pairs; {len(pairing.only_a)} rows stand only in A and {len(pairing.only_b)} only in B, and are in no figure.")
    if pairing.contradicting:
        notes.append(f"{len(pairing.contradicting)} ids stand in both with another clip, reference or label: not taken for the same item.")
    if pairing.matched_by["id"]:
        notes.append(f"{pairing.matched_by['id']} pairs were asked in different configs and matched by id alone.")
    return notes


def _score_notes(a: Sequence[Row], b: Sequence[Row], judged: str | None, scores: Floats, truth: Sequence[str | None]) -> list[str]:
    """Which pairs are in no judge figure, and why."""
    labels = "labels alone are compared" if any(truth) else "there are no labels either, so nothing is compared"
    if judged is None:
        has = [any(row.get("score") is not None for row in rows) for rows in (a, b)]
        if has[0] != has[1]:
            return [f"Only {'A' if has[0] else 'B'} has judge scores: {labels}. Name a judge to have both read."]
        return [f"No judge scores: {labels}."]
    missing = np.isnan(scores)
    out = int(np.sum(missing.any(axis=1)))
    if not out:
        return []
    rest = f": {labels}" if out == len(scores) else ""
    return [f"{out} of {len(scores)} pairs lack a judge's score (A {int(missing[:, 0].sum())}, B {int(missing[:, 1].sum())}) and are in no judge figure{rest}."]

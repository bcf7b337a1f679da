"""predictions.jsonl → scores over all, per config, per question type and per slice, and one row per answer that says how it was judged: what `cpqa score` writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cp_paraling_qa.digests import digest
from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.judge.columns import Mapped, as_clusters, map_answers, pick_embedder
from cp_paraling_qa.judge.figures import Items, confusion, figures, slices
from cp_paraling_qa.judge.judging import Judge, JudgeConfig, Progress
from cp_paraling_qa.judge.people import Joined, Ratings
from cp_paraling_qa.judge.predictions import Row, known_of, read_predictions
from cp_paraling_qa.judge.rubric import OPEN, JudgeItem, Rubric
from cp_paraling_qa.judge.score import identity, items_of, rubric_of
from cp_paraling_qa.judge.score_table import FIGURES, LEAKING, render
from cp_paraling_qa.judge.slicing import FACTS, columns, fact, in_order, seconds
from cp_paraling_qa.judge.trust import trust_figures

if TYPE_CHECKING:
    from cp_paraling_qa.judge.panel import Panel

__all__ = ["FIGURES", "LEAKING", "Scored", "contrast_scores", "read_predictions", "render", "score_answers", "score_file", "score_rows"]

_MARKS = {
    "text_answerable": ("text_answerable", True),
    "not text_answerable": ("text_answerable", False),
    "conflict": ("conflict", True),
}
"""Slices by what a dataset marks its rows with: name → column and value."""
_ORDER = ("baseline", "explicit", "implicit", "combined")
_SAID = ("id", "clip_id", "config", "type", "question", "prediction", "reference")
_MARKED = ("text_answerable", "conflict", "contrast_set")

Facts = Mapping[str, Mapping[str, Any]]
"""Clip id → what a dataset knows of the clip: the columns of `slicing.FACTS`."""


class Scored(NamedTuple):
    """Scores, and the rows that they are made of.

    Attributes:
        scores: see `score_file`.
        rows: one per answer: id, clip_id, config, type, question, prediction, reference, label; score (mean over judges and repeats, on the rubric's scale; None:
            unscored), scores (one per judge and repeat), unscored (why there is no score), explanation (the first that there is), explanations (one per judge and
            repeat, where there are several); mapped (the label that the answer maps to), stage, reason (what decided it); human (mean of the people's ratings);
            emotion, gender, speaker_id, corpus, language, duration, text_answerable, conflict, contrast_set: None where not known.
    """

    scores: dict[str, Any]
    rows: list[Row]


def score_answers(
    rows: Sequence[Row],
    *,
    judge: Judge | Sequence[Judge] | None = None,
    repeats: int = 1,
    rubric: str | Rubric = OPEN,
    label_spaces: Mapping[str, Sequence[str]] | None = None,
    embedder: Embedder | str | None = "auto",
    threshold: float = 0.35,
    margin: float = 0.05,
    ratings: Ratings | None = None,
    facts: Facts | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
    probes: int = 0,
    progress: Progress | None = None,
) -> Scored:
    """Score rows that `read_predictions` returned: see `score_file`."""
    rows, facts = list(rows), facts or {}
    rubric = rubric_of(rubric)
    judges = _judges(judge)
    labels = map_answers(
        [row["prediction"] for row in rows],
        [row.get("label") for row in rows],
        [row.get("type") for row in rows],
        label_spaces,
        embedder=pick_embedder(embedder),
        threshold=threshold,
        margin=margin,
    )
    panel = _judged(rows, judges, rubric, repeats, progress) if judges else None
    joined = ratings.join(rows) if ratings is not None else None
    people = joined.ratings if joined else None
    clusters = as_clusters([row.get("clip_id") for row in rows], len(rows))
    items = items_of(labels, panel, scale=rubric.scale, clusters=clusters, n_bootstrap=n_bootstrap, seed=seed)
    scores = _all_scores(rows, items, panel, people, columns(rows, labels.truth, facts))
    asked = [identity(one) for one in judges]
    scores |= {
        "judge": _judge_name(judges, rubric, repeats),
        "panel": panel.summary() if panel else None,
        "probes": _probed(rows, judges, panel.judges, rubric, probes, n_bootstrap=n_bootstrap, seed=seed) if panel and probes else None,
        "rubric": rubric.name if judges else None,
        "rubric_hash": rubric.digest if judges else None,
        "label_spaces": labels.spaces,
        "human_ratings": _told(ratings, joined),
        "n_bootstrap": n_bootstrap,
        "seed": seed,
        "hashcode": digest(rows, asked, repeats, rubric.digest, labels.spaces, threshold, margin, people, n_bootstrap, seed, panel.ratings if panel else None),
    }
    return Scored(scores, _judgements(rows, labels, panel, people, facts))


def score_rows(rows: Sequence[Row], **options: Any) -> dict[str, Any]:
    """The scores of `score_answers` alone."""
    return score_answers(rows, **options).scores


def score_file(path: str | Path, **options: Any) -> dict[str, Any]:
    """Score a predictions file over all, per config, and per question type within.

    Args:
        path: predictions.jsonl.
        options: judge (one, a sequence, or None for none), repeats, rubric (a name or a `Rubric`), label_spaces (question type → labels; by default those that
            occur for the type), embedder, threshold, margin, n_bootstrap, seed: as in `compute`; ratings: of people, see `read_ratings`; facts: clip id → what the
            dataset knows of it; probes: answers on which each judge is probed for favour of length and of place (6 requests each); progress: called with how many more
            judgements are done.

    Returns:
        JSON-able: file; over all rows the keys of `compute`; judge (model, models, repeats, rubric, rubric_hash; or None), panel and probes (per judge, see `probe`), label_spaces, human_ratings (raters, rated,
        unmatched), by slice dimension and slice under `slices` the figures that the report shows; and configs: name → the keys of `compute`, the same per question
        type under `types` and per mark of the dataset under `marks` (text_answerable, not text_answerable, conflict), and `contrast_sets`, see `contrast_scores`.

    Raises:
        JudgeError: see `read_predictions` and `compute`.
        LLMError: the judge's endpoint cannot be used.
    """
    return {"file": str(path), **score_rows(read_predictions(path), **options)}


def _judges(judge: Judge | Sequence[Judge] | None) -> list[Judge]:
    if judge is None:
        return []
    return list(judge) if isinstance(judge, list | tuple) else [judge]  # type: ignore[list-item]


def _judged(rows: Sequence[Row], judges: Sequence[Judge], rubric: Rubric, repeats: int, progress: Progress | None) -> Panel:
    from cp_paraling_qa.judge.panel import judge_panel

    items = [JudgeItem(row["prediction"], row["reference"], question=row.get("question"), context=known_of(row)) for row in rows]
    return judge_panel(items, judges, rubric=rubric, repeats=repeats, progress=progress)


def _probed(rows: Sequence[Row], judges: Sequence[Judge], names: Sequence[str], rubric: Rubric, n: int, **bootstrap: Any) -> dict[str, Any]:
    from cp_paraling_qa.judge.probing import probe

    return {name: probe(rows, judge, rubric, n, **bootstrap) for name, judge in zip(names, judges, strict=True)}


def _all_scores(
    rows: Sequence[Row], items: Items, panel: Panel | None, people: Sequence[list[float | None] | None] | None, dimensions: Mapping[str, Sequence[str | None]]
) -> dict[str, Any]:
    def part(at: Sequence[int]) -> dict[str, Any]:
        mine = items.at(at)
        return figures(mine) | {"confusion": confusion(mine.truth, mine.mapped)}

    def whole(at: Sequence[int]) -> dict[str, Any]:
        mine = items.at(at)
        by_type = slices(mine, [rows[i].get("type") or None for i in at])
        by_label = slices(mine, mine.truth)
        said = None if people is None else [people[i] for i in at]
        given = [[column[i] for i in at] for column in panel.ratings] if panel else None
        return part(at) | {"by_type": by_type, "by_label": by_label} | trust_figures(mine, given, said)

    def groups(at: Sequence[int], key: str) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for i in at:
            found.setdefault(rows[i].get(key) or "", []).append(i)
        return found

    def of_config(at: Sequence[int], whole: Mapping[str, Any]) -> dict[str, Any]:
        marks = {name: [i for i in at if rows[i].get(column) is value] for name, (column, value) in _MARKS.items()}
        sets = contrast_scores((rows[i].get("contrast_set"), items.truth[i], items.mapped[i]) for i in at)
        types = {kind: part(mine) for kind, mine in sorted(groups(at, "type").items())}
        return {**whole, "types": types, "marks": {name: part(mine) for name, mine in marks.items() if mine}, "contrast_sets": sets}

    configs = groups(range(len(rows)), "config")
    names = sorted(configs, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    everything = whole(range(len(rows)))
    return {
        **everything,
        "configs": {name: of_config(configs[name], everything if len(names) == 1 else whole(configs[name])) for name in names},
        "slices": {name: in_order(name, slices(items, column)) for name, column in dimensions.items()},
    }


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


def _judge_name(judges: Sequence[Judge], rubric: Rubric, repeats: int) -> dict[str, Any] | None:
    if not judges:
        return None
    from cp_paraling_qa.judge.panel import judge_names

    models = list(judge_names(judges))
    told = {"model": " + ".join(models), "models": models, "repeats": repeats, "rubric": rubric.name, "rubric_hash": rubric.digest, "scale": list(rubric.scale)}
    return told | {"temperatures": [None if callable(judge) else JudgeConfig.of(judge).temperature for judge in judges]}


def _told(ratings: Ratings | None, joined: Joined | None) -> dict[str, Any] | None:
    """Who rated, how many of the ids were found, and which were not."""
    if ratings is None or joined is None:
        return None
    return {"raters": ratings.raters, "matched": joined.matched, "unmatched": len(joined.unmatched), "unmatched_ids": joined.unmatched[:20]}


def _judgements(rows: Sequence[Row], labels: Mapped, panel: Panel | None, people: Sequence[list[float | None] | None] | None, facts: Facts) -> list[Row]:
    """See `Scored`."""
    reasons = panel.reasons if panel else [None] * len(rows)
    found = []
    for i, row in enumerate(rows):
        match = labels.matches[i]
        given = [value for value in (people[i] or () if people else ()) if value is not None]
        words = [verdicts[i].explanation for told in panel.verdicts for verdicts in told] if panel else []
        judged = {
            "label": labels.truth[i],
            "score": panel.scores[i] if panel else None,
            "scores": [column[i] for column in panel.ratings] if panel else [],
            "unscored": reasons[i],
            "explanation": next((text for text in words if text), None),
            "explanations": words if len(words) > 1 else [],
            "mapped": match.label if match else None,
            "stage": match.stage if match else None,
            "reason": match.reason if match else None,
            "human": sum(given) / len(given) if given else None,
        }
        known = {name: fact(row, facts, name) for name in FACTS} | {"duration": seconds(fact(row, facts, "duration"))}
        found.append({name: row.get(name) for name in _SAID} | judged | known | {name: row.get(name) for name in _MARKED})
    return found

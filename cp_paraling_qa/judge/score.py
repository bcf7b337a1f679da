"""`compute`: predictions and references → one flat, JSON-able dict. The metric and the command line both call it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from cp_paraling_qa import __version__
from cp_paraling_qa.digests import digest
from cp_paraling_qa.embed import Embedder
from cp_paraling_qa.errors import JudgeError
from cp_paraling_qa.judge.columns import LabelSpace, Mapped, Texts, as_clusters, as_ratings, as_texts, map_answers, pick_embedder
from cp_paraling_qa.judge.figures import Items, confusion, figures, slices
from cp_paraling_qa.judge.judging import Judge, JudgeConfig
from cp_paraling_qa.judge.panel import Panel, judge_panel
from cp_paraling_qa.judge.rubric import JudgeItem, Rubric, named_rubric
from cp_paraling_qa.judge.statistics.intervals import check_sampling
from cp_paraling_qa.judge.trust import trust_figures
from cp_paraling_qa.llm_types import LLMConfig


def compute(
    predictions: Texts,
    references: Texts,
    *,
    questions: Texts | None = None,
    types: Texts | None = None,
    contexts: Texts | None = None,
    labels: Texts | None = None,
    label_space: LabelSpace | None = None,
    human_ratings: Sequence[Any] | None = None,
    cluster_ids: Sequence[Any] | None = None,
    judge: Judge | None = None,
    judges: Sequence[Judge] | None = None,
    repeats: int = 1,
    scale: tuple[int, int] | None = None,
    rubric: str | Rubric = "open",
    embedder: Embedder | str | None = "auto",
    threshold: float = 0.35,
    margin: float = 0.05,
    label_llm: Judge | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
    return_details: bool = False,
) -> dict[str, Any]:
    """Score answers by an LLM judge and, where there is a true label, by classification; and say how far the judge can be trusted.

    Args:
        predictions: the answers; None is a missing one: unscored, and wrong where it has a label.
        references: what is right, in words.
        questions: what was asked, shown to the judge.
        types: the type of each question (DE, DG, CE, …): a label space and a slice for each.
        contexts: what is known about each recording, shown to the judge.
        labels: the true label of each item; None leaves the item out of the label figures.
        label_space: the labels to map answers to, returned in this spelling; or question type → labels; None for the labels that occur for a type.
        human_ratings: what people gave each item on the judge's scale: a number, a list with one rating per rater (None where one gave none), or None.
        cluster_ids: what belongs together, such as the clip of each item: resampled together.
        judge: a callable from rendered prompts (one list of chat messages per item) to one reply per item, a `JudgeConfig`, or a dict of its fields; None for no judge.
        judges: several of them, in place of `judge`; an item's score is the mean.
        repeats: how often each judge is asked about an item.
        scale: lowest and highest score in place of the rubric's own; the judge is told how the rubric's levels lie on it.
        rubric: a name in `RUBRICS`, or a `Rubric`.
        embedder: asked only about answers in which no label word stands: "auto" (the bundled MiniLM; where it is missing such answers stay unmapped, and
            `abstained_reasons` says so), another sentence-transformers id, a callable, or None.
        threshold: least cosine of a label found by embedding.
        margin: least lead over the second label.
        label_llm: an LLM that is asked, by a contract of its own, about answers that words and embedding leave open; given as `judge` is.
        n_bootstrap: resamples behind each interval.
        seed: of the resamples.
        return_details: adds `details`, one dict per item.

    Returns:
        The keys of `figures.figures` (each figure with _ci_low and _ci_high of its 95 % interval, n and coverage); confusion; by_type and by_label, the same for
        each slice; judge_alpha between repeats and judges; the keys of `validity.label_validity` and `validity.human_validity`; llm_judge_corrected with
        _ci_low, _ci_high, _method and _n; panel (`Panel.summary`), rubric, rubric_hash; hashcode. All keys are always there, None where there is nothing to say: the judge's without
        a judge, the labels' without labels, people's without their ratings, every mean of nothing. Empty input gives n = 0 and None.

    Raises:
        JudgeError: lengths differ, an element is no string, an unknown rubric or label, a rating outside the scale; names the argument.
        LLMError: the judge's endpoint cannot be used.

    Example:
        >>> result = compute(["She sounds furious."], ["The speaker is angry."], labels=["angry"], judge=lambda prompts: ['{"explanation": "same", "score": 5}'])
        >>> result["llm_judge"], result["accuracy"], result["coverage"]
        (100.0, 1.0, 1.0)
    """
    answers = as_texts("predictions", predictions)
    n = len(answers)
    columns = {"references": references, "questions": questions, "contexts": contexts, "labels": labels, "types": types}
    given = {name: as_texts(name, column, n) for name, column in columns.items()}
    if isinstance(label_space, Mapping) and label_space and n and not any(given["types"]):
        raise JudgeError("label_space names labels for each type of question, but no item has a type: give types, or one list of labels")
    clusters = as_clusters(cluster_ids, n)
    contract = rubric_of(rubric, scale)
    people = as_ratings(human_ratings, n, contract.scale)
    panel_of = _judges(judge, judges)
    _check_counts(repeats=repeats, n_bootstrap=n_bootstrap)
    check_sampling(n_bootstrap, seed=seed)
    options: dict[str, Any] = {"embedder": pick_embedder(embedder), "threshold": threshold, "margin": margin, "llm": label_llm}
    mapped = map_answers(answers, given["labels"], given["types"], label_space, **options)
    panel = None
    if panel_of:
        told = zip(answers, given["references"], given["questions"], given["contexts"], strict=True)
        panel = judge_panel([JudgeItem(p, r, question=q, context=c) for p, r, q, c in told], panel_of, rubric=contract, repeats=repeats)
    items = items_of(mapped, panel, scale=contract.scale, clusters=clusters, n_bootstrap=n_bootstrap, seed=seed)
    result = {**figures(items), "confusion": confusion(items.truth, items.mapped)}
    result |= {"by_type": slices(items, [kind or None for kind in given["types"]]), "by_label": slices(items, items.truth)}
    result |= trust_figures(items, panel.ratings if panel else None, people)
    shaped: dict[str, Any] = {"predictions": answers, **given, "human": people, "clusters": clusters, "spaces": mapped.spaces, "version": __version__}
    shaped |= {"threshold": threshold, "margin": margin, "embedder": getattr(options["embedder"], "name", None) or repr(type(options["embedder"]))}
    shaped |= {"label_llm": identity(label_llm) if label_llm is not None else None, "labels_found": items.mapped}
    shaped |= {"n_bootstrap": n_bootstrap, "seed": seed, "judges": [identity(judge) for judge in panel_of], "verdicts": panel.ratings if panel else None}
    result |= {"panel": panel.summary() if panel else None, "rubric": contract.name, "rubric_hash": contract.digest}
    result |= {"hashcode": digest(shaped, contract.digest, repeats)}
    if return_details:
        result["details"] = details(mapped, panel)
    return result


def rubric_of(rubric: str | Rubric, scale: tuple[int, int] | None = None) -> Rubric:
    """The contract that an argument names, on another scale where one is given.

    Raises:
        JudgeError: no such rubric, or a scale that is none.
    """
    rubric = named_rubric(rubric)
    if scale is None:
        return rubric
    ends = list(scale) if isinstance(scale, Iterable) else []
    if len(ends) != 2 or not all(isinstance(end, Real) and float(end).is_integer() for end in ends) or ends[0] >= ends[1]:
        raise JudgeError(f"scale is {scale!r}; give the lowest and the highest score, two integers such as (0, 5)")
    low, high = (int(end) for end in ends)
    return rubric if (low, high) == rubric.scale else _rescaled(rubric, low, high)


def _rescaled(rubric: Rubric, low: int, high: int) -> Rubric:
    """The contract on another scale: its levels are written for its own, and a judge that is not told how the one lies on the other gives the best answer 5 of 10."""
    first, last = rubric.scale
    words = rubric.instructions
    if "{low}" not in words and "{high}" not in words:
        words += (
            f"\n\nThe scores above are on a scale from {first} to {last}. Give yours on a scale from {low} to {high}: {first} above is {low} here, {last} above is \
{high} here, and what lies between lies as far between."
        )
    refusal = None if rubric.refusal is None else round(low + (rubric.refusal - first) * (high - low) / (last - first))
    return dataclasses.replace(rubric, instructions=words, scale=(low, high), refusal=refusal)


def items_of(mapped: Mapped, panel: Panel | None, **options: Any) -> Items:
    """Labels and scores of all items together."""
    return Items(mapped.truth, mapped.matches, panel.scores if panel else None, panel.reasons if panel else (), **options)


def identity(judge: Judge) -> Any:
    """What of a judge shapes its verdicts: not where it is served (the embedded one has another port every time), how fast it is asked, nor where replies are kept."""
    if callable(judge):
        return getattr(judge, "__qualname__", type(judge).__qualname__)
    config = JudgeConfig.of(judge)
    return {name: getattr(config, name) for name in ("model", "temperature", "top_p", "max_tokens", "seed", "reply_format")}


def details(mapped: Mapped, panel: Panel | None) -> list[dict[str, Any]]:
    """One dict per item: what the judge said and what the answer was mapped to."""
    rows = []
    reasons = panel.reasons if panel else []
    for i, match in enumerate(mapped.matches):
        rows.append(
            {
                "score": panel.scores[i] if panel else None,
                "scores": [rater[i] for rater in panel.ratings] if panel else None,
                "unscored": reasons[i] if panel else None,
                "explanation": panel.verdicts[0][0][i].explanation if panel else None,
                "label": match.label if match else None,
                "label_stage": match.stage if match else None,
                "label_reason": match.reason if match else None,
                "label_score": match.score if match else None,
            }
        )
    return rows


def _judges(judge: Judge | None, judges: Iterable[Judge] | None) -> list[Judge]:
    if judge is not None and judges is not None:
        raise JudgeError("judge and judges are both given; pass one judge, or a list of them as judges")
    if judges is None:
        return [] if judge is None else [judge]
    if callable(judges) or isinstance(judges, str | Mapping | JudgeConfig | LLMConfig):
        raise JudgeError("judges is one judge; give a list of judges, or pass it as judge")
    if not (several := list(judges)):
        raise JudgeError("judges is empty; give at least one judge, or None for no judge")
    return several


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise JudgeError(f"{name} is {count!r}; give a whole number from 1")
